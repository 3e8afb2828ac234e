"""Features and targets of each step, in units of the scale."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from rnnkit.forecasting.design import Design
from rnnkit.forecasting.histories import Histories

LIMIT = 20.0  # of features, in scales


def count(design: Design, histories: Histories) -> int:
    """Return the number of features."""
    at = histories.end[:1] - 1
    return read(design, histories, at, np.zeros(1, int)).shape[-1]


def read(design: Design, histories: Histories, at: np.ndarray, series: np.ndarray) -> np.ndarray:
    """Return the features of some steps.

    Parameters
    ----------
    design : Design
    histories : Histories
    at : array of int of shape (...)
        The steps.
    series : array of int
        The series of the last axis of `at`.

    Returns
    -------
    features : float32 array of shape (..., F)
    """
    base, usual = histories.bases(at, series, design.horizon)
    return _read(design, histories, at, series, base, usual)


def _read(
    design: Design,
    histories: Histories,
    at: np.ndarray,
    series: np.ndarray,
    base: np.ndarray,
    usual: np.ndarray,
) -> np.ndarray:
    y, lag, unit = histories.y, histories.lag[series], inverse(histories.unit[at])[..., None]
    now = y[at][..., None]
    recent = at[..., None] - np.arange(design.profile)  # (..., profile)
    parts = [
        now - y[at[..., None] - np.array(design.lags)],
        y[recent] - y[recent - lag[..., None]],
    ]
    if design.season > 1:
        parts.append(levels(histories, at, unit[..., 0]))
    parts += gaps(design, histories, at, base, usual)
    if not histories.has_base:
        parts.append(now.copy())
    marks = [~histories.seen[at][..., None]]
    if len(design.lags) > 1:
        marks.append(lag[..., None] == np.array(design.lags))
    if histories.has_base:
        marks.append(histories.choices.seasons[series][..., None] > 1)
    marks += covariates(design, histories, at, series)
    ends = np.cumsum([part.shape[-1] for part in parts + marks])
    x = np.empty((*at.shape, ends[-1]), 'float32')
    for part in parts:
        part *= unit
    for part, end in zip(parts + marks, ends, strict=True):
        x[..., end - part.shape[-1] : end] = part
    scaled = x[..., : ends[len(parts) - 1]]
    np.clip(scaled, -LIMIT, LIMIT, out=scaled)
    return x


def levels(histories: Histories, at: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Return the levels of some steps, (..., L), where `unit` is 1 / scale.

    Instead of how large the season is, log(1 + size / scale) · scale.
    """
    level = histories.level[at]
    level[..., -1] = np.log1p(level[..., -1] * unit) * inverse(unit)
    return level


def gaps(
    design: Design, histories: Histories, at: np.ndarray, base: np.ndarray, usual: np.ndarray
) -> list[np.ndarray]:
    """Return by how much other naive forecasts of the steps ahead exceed the base, (..., h)."""
    h = design.horizon
    found = [histories.repeated(at, lag, h, histories.y) - base for lag in design.others]
    return [*found, usual - base] if design.season > 1 else found


def known(design: Design, histories: Histories, at: np.ndarray, series: np.ndarray) -> np.ndarray:
    """Return the standardized known inputs of the steps ahead, and their gaps, (..., h, 2 K).

    The gap is to the inputs of the steps that the base repeats, in units of the scale as a share of
    its mean so far. So a constant effect of an input on the series is one of its gap on what the
    network predicts, also where the base contains the effect, and at any scale.
    """
    ahead = at[..., None] + np.arange(1, design.horizon + 1)
    base = histories.inputs_of_base(at, series, design.horizon).swapaxes(-1, -2)  # (..., h, K)
    now = _standardized(design, 'known', histories.known[ahead])  # (..., h, K)
    gap = now - _standardized(design, 'known', base)
    gap = gap * histories.relative_unit(at)[..., None, None]
    return np.clip(np.concatenate([now, gap], axis=-1), -LIMIT, LIMIT)


def targets(
    histories: Histories, at: np.ndarray, series: np.ndarray, stop: np.ndarray, horizon: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the targets of some steps, and their weights.

    Parameters
    ----------
    histories, at, series
        As in `read`.
    stop : array of int
        The step of each series from which on values must not be used.
    horizon : int

    Returns
    -------
    y, weights : float32 arrays of shape (..., horizon)
        Weights are 0 where a value is missing or not to be used, or where there is no scale.
    """
    return _targets(histories, at, stop, histories.base(at, series, horizon))


def _targets(
    histories: Histories, at: np.ndarray, stop: np.ndarray, base: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    horizon, scale = base.shape[-1], histories.unit[at][..., None]
    # Beyond the room after a series, there is nothing to be used.
    first = np.minimum(at + 1, len(histories.y) - horizon)
    usable = sliding_window_view(histories.seen, horizon)[first]
    usable &= (at[..., None] + np.arange(1, horizon + 1) < stop[..., None]) & (scale > 0)
    error = sliding_window_view(histories.y, horizon)[first] - base
    y = np.where(usable, error * inverse(scale), 0)
    return y.astype('float32'), usable.astype('float32')


def both(
    design: Design, histories: Histories, at: np.ndarray, series: np.ndarray, stop: np.ndarray
) -> list[np.ndarray]:
    """Return features, targets and weights, as `read` and `targets` do, at less cost."""
    base, usual = histories.bases(at, series, design.horizon)
    x = _read(design, histories, at, series, base, usual)
    return [x, *_targets(histories, at, stop, base)]


def inverse(scale: np.ndarray) -> np.ndarray:
    """Return 1 / scale, and 0 where it is 0."""
    return np.where(scale > 0, 1 / np.where(scale > 0, scale, 1), 0)


def covariates(
    design: Design, histories: Histories, at: np.ndarray, series: np.ndarray
) -> list[np.ndarray]:
    """Return the standardized covariates: known ones of the steps to predict, past, static."""
    parts = []
    if histories.known.shape[1]:
        parts.append(known(design, histories, at, series).reshape(*at.shape, -1))
    if histories.calendar.shape[1]:
        parts.append(histories.calendar[at + 1])
    if histories.past.shape[1]:
        parts.append(_standardized(design, 'past', histories.past[at]))
    if histories.static.shape[1]:
        parts.append(_standardized(design, 'static', histories.static[series]))
    return [np.clip(part, -LIMIT, LIMIT) for part in parts]


def _standardized(design: Design, kind: str, values: np.ndarray) -> np.ndarray:
    """Return covariates with mean 0 and deviation 1; a missing one is 0."""
    mean, deviation = design.moments[kind]
    return np.nan_to_num((values - mean) / deviation, nan=0.0)


def moments(parts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation of covariates, (steps, K) of each series; 0 and 1 of none."""
    values = np.concatenate(parts)
    seen = np.isfinite(values)
    n = np.maximum(seen.sum(axis=0), 1)
    mean = np.where(seen, values, 0).sum(axis=0) / n
    deviation = np.sqrt((np.where(seen, values - mean, 0) ** 2).sum(axis=0) / n)
    return mean, np.where(deviation > 0, deviation, 1)
