"""What the network reads and predicts at each step, in units of the scale."""

import numpy as np

from rnnkit.forecasting.bases import SEASONS
from rnnkit.forecasting.design import Design
from rnnkit.forecasting.histories import Histories

LIMIT = 20.0  # of features, in scales
KINDS = ('known', 'past', 'static')


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
    at, series : arrays of int of shape (...)
        The steps, and the series that each belongs to.

    Returns
    -------
    features : float32 array of shape (..., F)
    """
    y, lag = histories.y, histories.lag[series]
    scale = histories.scale_at(at, series)
    unit = inverse(scale)[..., None]
    now = y[at][..., None]
    recent = at[..., None] - np.arange(design.profile)  # (..., profile)
    parts = [
        (now - y[at[..., None] - np.array(design.lags)]) * unit,
        (y[recent] - y[recent - lag[..., None]]) * unit,
    ]
    if design.season > 1:
        parts += _levels(design, y, at, unit)
    parts += [gap * unit for gap in gaps(design, histories, at, series)]
    if len(design.lags) > 1:
        parts.append(lag[..., None] == np.array(design.lags))
    if histories.has_base:
        parts.append(histories.choices.seasons[series][..., None] > 1)
    else:
        parts.append(now * unit)
    parts = [np.clip(part, -LIMIT, LIMIT) for part in parts]
    parts.append(~histories.seen[at][..., None])
    parts += _covariates(design, histories, at, series)
    return np.concatenate([np.broadcast_to(p, (*at.shape, p.shape[-1])) for p in parts], -1).astype(
        'float32'
    )


def gaps(
    design: Design, histories: Histories, at: np.ndarray, series: np.ndarray
) -> list[np.ndarray]:
    """Return by how much other naive forecasts of the steps ahead exceed the base, (..., h)."""
    h = design.horizon
    others = [histories.repeated(at, np.full(at.shape, lag), h) for lag in design.lags]
    if design.season > 1:
        several = np.full(at.shape, SEASONS)
        others.append(histories.repeated(at, histories.lag[series], h, several))
    base = histories.base(at, series, h)
    return [other - base for other in others]


def known(design: Design, histories: Histories, at: np.ndarray, series: np.ndarray) -> np.ndarray:
    """Return the standardized known inputs of the steps ahead, and their gaps, (..., h, 2 K).

    The gap is to the inputs of the steps that the base repeats, in units of the scale as a share of
    its mean so far. So a constant effect of an input on the series is one of its gap on what the
    network predicts, also where the base contains the effect, and at any scale.
    """
    ahead = at[..., None] + np.arange(1, design.horizon + 1)
    base = [histories.base_of(one, at, series, design.horizon) for one in histories.known.T]
    now = _standardized(design, 'known', histories.known[ahead])  # (..., h, K)
    gap = now - _standardized(design, 'known', np.stack(base, axis=-1))
    gap = gap * histories.relative_unit(at, series)[..., None, None]
    return np.clip(np.concatenate([now, gap], axis=-1), -LIMIT, LIMIT)


def targets(
    histories: Histories, at: np.ndarray, series: np.ndarray, stop: np.ndarray, horizon: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return what should be predicted at some steps, and the weights.

    Parameters
    ----------
    histories, at, series
        As in `read`.
    stop : array of int of shape (...)
        The step from which on values must not be used.
    horizon : int

    Returns
    -------
    y, weights : float32 arrays of shape (..., horizon)
        Weights are 0 where a value is missing or not to be used, or where there is no scale.
    """
    scale = histories.scale_at(at, series)[..., None]
    ahead = at[..., None] + np.arange(1, horizon + 1)
    usable = (ahead < stop[..., None]) & (scale > 0)
    ahead = np.where(usable, ahead, at[..., None])
    usable &= histories.seen[ahead]
    error = histories.y[ahead] - histories.base(at, series, horizon)
    y = np.where(usable, error * inverse(scale), 0)
    return y.astype('float32'), usable.astype('float32')


def inverse(scale: np.ndarray) -> np.ndarray:
    """Return 1 / scale, and 0 where it is 0."""
    return np.where(scale > 0, 1 / np.where(scale > 0, scale, 1), 0)


def _levels(design: Design, y: np.ndarray, at: np.ndarray, unit: np.ndarray) -> list[np.ndarray]:
    """Return mean differences over the last season, and how large the season itself is."""
    season = at[..., None] - np.arange(design.season)
    values = y[season]  # (..., season)
    parts = [
        (values - y[season - other]).mean(axis=-1, keepdims=True) * unit
        for other in design.lags
        if other > 1
    ]
    swing = abs(values - values.mean(axis=-1, keepdims=True)).mean(axis=-1, keepdims=True)
    return [*parts, np.log1p(swing * unit)]


def _covariates(
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
