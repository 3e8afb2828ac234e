"""A fitted forecaster: its networks, its series, and the errors on the held-out ends."""

from dataclasses import dataclass, field, replace

import numpy as np

from rnnkit.common import caller, progress
from rnnkit.errors import ConfigError, DataError
from rnnkit.forecasting import building, features, fitting, judging
from rnnkit.forecasting.design import Design, decide
from rnnkit.forecasting.histories import Histories
from rnnkit.forecasting.intervals import Calibration
from rnnkit.forecasting.options import Options
from rnnkit.forecasting.outputs import HEADS
from rnnkit.forecasting.running import Model
from rnnkit.forecasting.series import Panel

LEAST = 4  # values of a series


@dataclass(frozen=True)
class Fitted:
    """A fitted forecaster.

    Attributes
    ----------
    options : Options
    model : Model
    panel : Panel
    histories : Histories
        The series of the panel, prepared.
    calibration : Calibration, optional
    """

    options: Options
    model: Model
    panel: Panel
    histories: Histories = field(repr=False)
    calibration: Calibration | None = None

    @property
    def has_intervals(self) -> bool:
        """Whether there are quantiles: the network's own, or those of errors on the tails."""
        return self.calibration is not None or self.options.output != 'point'

    def build(self, panel: Panel, room: int) -> Histories:
        """Return the series of a panel, prepared alike, with room for further steps."""
        own = self.histories
        choices = own.choices if panel is self.panel else None
        room = max(room, room_for(self.model.design))
        return building.build(panel.series, self.model.design, room, choices)

    def of(self, panel: Panel) -> 'Fitted':
        """Return the same networks with longer series, whose bases stay what they are."""
        design, own = self.model.design, self.histories
        histories = building.build(panel.series, design, room_for(design), own.choices)
        return replace(self, panel=panel, histories=histories)


def room_for(design: Design) -> int:
    """Return how many steps there must be after a series."""
    return design.horizon + 1


def fit(panel: Panel, options: Options, before: Fitted | None) -> Fitted:
    """Train the networks of a forecaster.

    Parameters
    ----------
    panel : Panel
    options : Options
    before : Fitted, optional
        Whose networks are trained further.

    Raises
    ------
    DataError
        If all series are too short.
    """
    _check_lengths(panel)
    design = before.model.design if before else _design(panel, options)
    histories = building.build(panel.series, design, room_for(design))
    seeds = np.random.SeedSequence(options.seed).generate_state(options.ensemble).tolist()
    head = HEADS[options.output]()
    start = before.model.networks if before else [None] * options.ensemble
    tail = fitting.tails(histories, options.horizon)
    if options.validation is None:
        tail = np.zeros_like(tail)
    else:
        _warn_of_short(panel, histories, options)
    calibration, shrink, updates = None, 1.0, [None] * options.ensemble
    if tail.any():
        pairs = [
            fitting.train(net, design, histories, head, options, tail, None, seed)
            for net, seed in zip(start, seeds, strict=True)
        ]
        updates = [n for _, n in pairs]
        judge = Model([net for net, _ in pairs], design, head)
        judged = judging.on_tails(judge, histories, tail, options)
        shrink = judged.shrink()
        if not judged.is_enough and not head.has_quantiles:
            judged = judging.joined([judging.of_bases(histories, options), judged])
        calibration = judged.calibration(shrink)
    elif options.validation == 'tail':  # too short to hold out anything, and to learn much
        shrink = 0.0
        calibration = judging.of_bases(histories, options).calibration(shrink)
    none = np.zeros_like(tail)
    nets = [
        fitting.train(net, design, histories, head, options, none, n, seed)[0]
        for net, n, seed in zip(start, updates, seeds, strict=True)
    ]
    return Fitted(options, Model(nets, design, head, shrink), panel, histories, calibration)


def _design(panel: Panel, options: Options) -> Design:
    """Decide on lags and on the moments of the covariates."""
    has_times = panel.series[0].times is not None
    if options.calendar is True and not has_times:
        raise ConfigError(
            'fit(): calendar=True needs time stamps, and the series have none; pass a Series with '
            'a DatetimeIndex, or a frame with a column of times; or leave calendar out'
        )
    moments = {
        kind: features.moments([getattr(one, name) for one in panel.series])
        for kind, name in (('known', 'future'), ('past', 'past'))
    }
    moments['static'] = features.moments([one.static[None] for one in panel.series])
    return decide(
        panel.series,
        options.season,
        options.lags,
        1 if options.mode == 'recursive' else options.horizon,
        judged=options.horizon,
        scale=options.scale,
        log=options.log,
        base=options.base,
        calendar=has_times and options.calendar is not False,
        moments=moments,
        decodes=options.mode == 'encoder-decoder',
    )


def _check_lengths(panel: Panel) -> None:
    """Raise a DataError if no series is long enough, and say so if some are not."""
    n = np.array([len(one) for one in panel.series])
    if n.max() < LEAST:
        longest = panel.series[int(n.argmax())]
        raise DataError(
            f'fit(): {longest.name} has {len(longest)} values; to learn from series, one of them '
            f'must have at least {LEAST}'
        )
    short = int((n < LEAST).sum())
    if short:
        progress.LOGGER.info('fit(): %d of %d series are too short to learn from', short, len(n))


def _warn_of_short(panel: Panel, histories: Histories, options: Options) -> None:
    """Warn if a horizon can be held out of none of the series; a few short ones do no harm."""
    if fitting.long_enough(histories, options.horizon).any():
        return
    longest = int(np.argmax([len(one) for one in panel.series]))
    one, lag = panel.series[longest], int(histories.lag[longest])
    least = fitting.least_length(options.horizon, max(lag, options.season or 1))
    seasons = ' and two seasons' if options.season else ''
    caller.warn(
        f'fit(): {one.name} has {len(one)} values, too few to hold out horizon={options.horizon} '
        f'of them and to learn from the rest; the forecast is little more than a naive one, and '
        f'intervals are rough. Two horizons{seasons}, {least} values, are the least',
        UserWarning,
    )
