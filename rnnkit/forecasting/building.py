"""From series as users pass them to `Histories`."""

import numpy as np

from rnnkit.forecasting import bases
from rnnkit.forecasting.design import Design, aligned, filled, is_multiplicative
from rnnkit.forecasting.histories import Histories
from rnnkit.forecasting.series import Series

Choices = tuple[np.ndarray, np.ndarray]


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
    choices : (array, array), optional
        The lag of each series, and whether it has logarithms; by default by its own values.
    """
    values = [filled(one.values, min(design.season, len(one.values))) for one in series]
    lag, log = _choices(values, design) if choices is None else choices
    n = np.array([len(one) for one in values])
    width = design.pad + n + room
    begin = np.concatenate([[0], np.cumsum(width)[:-1]]) + design.pad
    size = int(width.sum())
    y, seen = np.zeros(size), np.zeros(size, bool)
    known = np.full((size, series[0].future.shape[1]), np.nan)  # where it is not known yet
    calendar = np.zeros((size, _calendar(series[0], design, 0, 1).shape[1]))
    past = np.zeros((size, series[0].past.shape[1]))
    for k, one in enumerate(series):
        b, e = begin[k], begin[k] + n[k]
        y[b:e] = np.log(values[k]) if log[k] else values[k]
        first = y[b : b + min(lag[k], n[k])]
        y[b - design.pad : b] = first[np.arange(-design.pad, 0) % len(first)]
        y[e : e + room] = y[e - 1]
        seen[b:e] = np.isfinite(one.values)
        past[b:e] = one.past
        known[b:e] = one.future
        calendar[b : e + room] = _calendar(one, design, 0, n[k] + room)
    static = np.array([one.static for one in series], float).reshape(len(series), -1)
    histories = Histories(
        y=y,
        seen=seen,
        total=np.zeros(size),
        count=np.zeros(size),
        begin=begin,
        end=begin + n,
        lag=lag,
        log=log,
        known=known,
        calendar=calendar,
        past=past,
        static=static,
        window=design.window,
        scale=design.scale,
        has_base=design.base is not None,
        room=room,
    )
    _add_up(histories)
    return histories


def _calendar(one: Series, design: Design, start: int, steps: int) -> np.ndarray:
    if not design.calendar:
        return np.zeros((steps, 0))
    return one.times.calendar(start, steps)


def _choices(values: list[np.ndarray], design: Design) -> Choices:
    lag = _lags(values, design)
    return lag, np.array([_use_log(*pair, design) for pair in zip(values, lag, strict=True)])


def _lags(values: list[np.ndarray], design: Design) -> np.ndarray:
    """Return the lag of the base of each series."""
    n = np.array([len(one) for one in values])
    if design.base == 'naive':
        return np.ones(len(n), int)
    if design.base == 'seasonal':
        return np.where(n > design.season, design.season, 1)
    y, n = aligned(values, max(design.lags) + 5 * design.judged + 1)
    return bases.choose(y, n, design.lags, design.judged)


def _use_log(values: np.ndarray, lag: int, design: Design) -> bool:
    if design.log == 'auto':
        return is_multiplicative(values, int(lag))
    return bool(design.log) and bool((values > 0).all())


def _add_up(histories: Histories) -> None:
    """Write the sums of the base's errors at all steps."""
    for k, (b, e) in enumerate(zip(histories.begin, histories.end, strict=True)):
        start = b + (histories.lag[k] if histories.has_base else 0)
        if start < e:
            at = np.arange(start, e)
            sums = np.cumsum(abs(histories.gap(at, np.full(len(at), k))))
            histories.total[start:e] = sums
            histories.count[start:e] = np.arange(1, e - start + 1)
