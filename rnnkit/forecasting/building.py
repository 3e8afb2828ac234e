"""`Histories` built from the series that users pass."""

import numpy as np

from rnnkit.forecasting import bases
from rnnkit.forecasting.bases import Choices
from rnnkit.forecasting.design import Design, aligned, filled, is_multiplicative
from rnnkit.forecasting.histories import Histories
from rnnkit.forecasting.series import Series

MOST = 10_000  # steps of a series that are measured at a time


def build(
    series: list[Series], design: Design, room: int, choices: Choices | None = None
) -> Histories:
    """Return series side by side, with room for further steps.

    Parameters
    ----------
    series : list of Series
    design : Design
    room : int
        The steps after each series.
    choices : Choices, optional
        By default each series has its own, by its values.
    """
    choices = choices or _choices(series, design)
    n = np.array([len(one) for one in series])
    width = design.pad + n + room
    begin = np.concatenate([[0], np.cumsum(width)[:-1]]) + design.pad
    size = int(width.sum())
    histories = Histories(
        **_stepwise(series, design, choices, begin, size, room),
        mean=np.zeros(size),
        own=np.zeros(size),
        gap=np.zeros(size),
        total=np.zeros(size),
        count=np.zeros(size),
        unit=np.zeros(size),
        level=np.zeros((size, design.levels)),
        begin=begin,
        end=begin + n,
        choices=choices,
        static=np.array([one.static for one in series], float).reshape(len(series), -1),
        lags=design.lags,
        season=design.season,
        window=design.window,
        scale=design.scale,
        has_base=design.base is not None,
        room=room,
    )
    _add_up(histories)
    return histories


def _stepwise(
    series: list[Series],
    design: Design,
    choices: Choices,
    begin: np.ndarray,
    size: int,
    room: int,
) -> dict[str, np.ndarray]:
    """Return values and inputs of all steps, before and after the series, too."""
    first = series[0]
    found = {
        'y': np.zeros(size),
        'seen': np.zeros(size, bool),
        'known': np.full((size, first.future.shape[1]), np.nan),  # where it is not known yet
        'calendar': np.zeros((size, _calendar(first, design, 0, 1).shape[1])),
        'past': np.zeros((size, first.past.shape[1])),
    }
    for one, b, lag, use_log in zip(series, begin, choices.lag, choices.log, strict=True):
        e = b + len(one)
        found['y'][b:e] = filled(np.log(one.values) if use_log else one.values, lag)
        found['y'][e : e + room] = found['y'][e - 1]
        found['seen'][b:e] = np.isfinite(one.values)
        found['past'][b:e] = one.past
        found['known'][b:e] = one.future
        found['calendar'][b : e + room] = _calendar(one, design, 0, len(one) + room)
        before = b + np.arange(-design.pad, 0) % min(lag, len(one))  # the first season
        for name in ('y', 'known'):
            found[name][b - design.pad : b] = found[name][before]
    return found


def _calendar(one: Series, design: Design, start: int, steps: int) -> np.ndarray:
    if not design.calendar:
        return np.zeros((steps, 0))
    return one.times.calendar(start, steps)


def _choices(series: list[Series], design: Design) -> Choices:
    values = [filled(one.values, design.season) for one in series]
    lag, seasons = _bases(values, design)
    log = [_use_log(one.values, ago, design) for one, ago in zip(series, lag, strict=True)]
    return Choices(lag, seasons, np.array(log))


def _bases(values: list[np.ndarray], design: Design) -> tuple[np.ndarray, np.ndarray]:
    """Return the lag of the base of each series, and of how many of them it is the mean."""
    n = np.array([len(one) for one in values])
    once = np.ones(len(n), int)
    if design.base == 'naive':
        return once, once
    if design.base == 'seasonal':
        return np.where(n > design.season, design.season, 1), once
    y, n = aligned(values, (bases.SEASONS + 1) * max(design.lags) + 5 * design.judged)
    return bases.choose(y, n, design.lags, design.judged)


def _use_log(values: np.ndarray, lag: int, design: Design) -> bool:
    if design.log == 'auto':
        return is_multiplicative(values, int(lag))
    return bool(design.log) and bool((values[np.isfinite(values)] > 0).all())


def _add_up(histories: Histories) -> None:
    """Write the errors of the base, their sums and what follows from them, at all steps."""
    for k, (begin, start, end) in enumerate(
        zip(histories.begin, histories.start, histories.end, strict=True)
    ):
        at = np.arange(begin - histories.lag[k], end)  # its first steps repeat those before it
        histories.repeat(at, np.full(len(at), k))
        at = np.arange(start, end)
        if len(at):
            histories.gap[at] = histories.errors_of_base(at[:, None], np.array([k]))[:, 0]
            histories.total[at] = np.cumsum(histories.gap[at])
            histories.count[at] = np.arange(1, len(at) + 1)
        for first in range(begin, end, MOST):
            at = np.arange(first, min(first + MOST, end))
            histories.measure(at, np.full(len(at), k))
