"""A fitted forecaster: its networks, its series, and the errors on the held-out ends."""

from dataclasses import dataclass, field, replace

import numpy as np

from rnnkit.common import progress
from rnnkit.errors import DataError
from rnnkit.forecasting import building, features, fitting, windows
from rnnkit.forecasting.design import Design, decide
from rnnkit.forecasting.histories import Histories
from rnnkit.forecasting.intervals import Calibration
from rnnkit.forecasting.options import Options
from rnnkit.forecasting.outputs import HEADS, Distribution
from rnnkit.forecasting.running import Model
from rnnkit.forecasting.series import Panel

LEAST = 4  # values of a series
PRICE = 0.02  # of a forecast of a single held-out horizon, as a share of the base's error


@dataclass(frozen=True)
class Fitted:
    """What `fit` has made.

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
        """Return series prepared alike, with room for further steps."""
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
    calibration, shrink, updates = None, 1.0, [None] * options.ensemble
    if tail.any():
        pairs = [
            fitting.train(net, design, histories, head, options, tail, None, seed)
            for net, seed in zip(start, seeds, strict=True)
        ]
        updates = [n for _, n in pairs]
        judge = Model([net for net, _ in pairs], design, head)
        found = _judged(judge, histories, tail, options)
        shrink = found.shrink()
        calibration = found.calibration(shrink)
    none = np.zeros_like(tail)
    nets = [
        fitting.train(net, design, histories, head, options, none, n, seed)[0]
        for net, n, seed in zip(start, updates, seeds, strict=True)
    ]
    return Fitted(options, Model(nets, design, head, shrink), panel, histories, calibration)


def _design(panel: Panel, options: Options) -> Design:
    """Decide on lags and on the moments of the covariates."""
    with_calendar = panel.series[0].times is not None and options.calendar is not False
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
        calendar=with_calendar,
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


@dataclass(frozen=True)
class Judged:
    """Forecasts of held-out values, and these.

    Attributes
    ----------
    forecasts : Distribution
        Of shape (n, horizon), in scales; those of a series in the order of time.
    targets, weights : arrays of shape (n, horizon)
    groups : array of int of shape (n,)
        The series of each.
    """

    forecasts: Distribution
    targets: np.ndarray
    weights: np.ndarray
    groups: np.ndarray

    def shrink(self) -> float:
        """Return the share of the forecasts with the least mean absolute error.

        They are corrections of the base. The fewer there are, the more they must improve on it.
        """
        shares = np.linspace(0, 1, 21)
        number = self.forecasts.point()
        errors = np.array([(abs(self.targets - a * number) * self.weights).sum() for a in shares])
        apart = max(1.0, len(self.groups) / number.shape[1])  # forecasts that do not overlap
        return float(shares[np.argmin(errors + PRICE * shares * errors[0] / np.sqrt(apart))])

    def calibration(self, shrink: float) -> Calibration:
        """Return the calibration for forecasts that are shrunk."""
        forecasts = self.forecasts.moved((shrink - 1) * self.forecasts.point())
        weights = self.weights
        if not weights.any():  # all series are constant
            weights = np.ones_like(weights)
        return Calibration.fit(forecasts, self.targets, weights, self.groups)


def _judged(model: Model, histories: Histories, tail: np.ndarray, options: Options) -> Judged:
    """Return forecasts from steps of the tails from which the whole horizon is known."""
    horizon, rng = options.horizon, np.random.default_rng(options.seed)
    forecasts, errors, weights, groups = [], [], [], []
    for series, back in windows.judged(tail, horizon):
        stop = histories.end[series] - horizon - back
        forecasts.append(model.forecast(histories, series, stop, horizon, rng))
        error, weight = features.targets(
            histories, stop - 1, series, histories.end[series], horizon
        )
        errors.append(error)
        weights.append(weight)
        groups.append(series)
    return Judged(joined(forecasts), *map(np.concatenate, (errors, weights, groups)))


def joined(forecasts: list[Distribution]) -> Distribution:
    """Return one distribution for those of several sets of series."""
    parts = zip(*(one.parts for one in forecasts), strict=True)
    return forecasts[0].again([np.concatenate(part) for part in parts])
