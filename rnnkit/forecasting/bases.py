"""Naive forecasts, the values of a lag ago repeated, and the choice of one as a series' base."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

MOST_ORIGINS = 8  # at which the lags of a series are compared
SEASONS = 4  # whose mean may be a base
MULTIPLES = range(2, 11)  # of the season, among which a second season is looked for
LEAST_GAIN = 0.05  # of the error of the season, as a mean over the series

Base = tuple[int, int]  # a lag, and of how many of them the mean is taken


class Choices(NamedTuple):
    """The base of each of N series, and whether its logarithms are forecast.

    Attributes
    ----------
    lag, seasons : arrays of int of shape (N,)
        The base is the mean of the values of a lag ago, two lags ago, ...: of so many.
    log : array of bool of shape (N,)
        Whether logarithms are forecast.
    """

    lag: np.ndarray
    seasons: np.ndarray
    log: np.ndarray

    def of(self, chosen: np.ndarray) -> 'Choices':
        """Return the choices of some series."""
        return Choices(*(part[chosen] for part in self))


def errors(y: np.ndarray, n: np.ndarray, bases: Sequence[Base], steps: int) -> np.ndarray:
    """Return the mean absolute errors of some bases on the last steps of each series.

    Parameters
    ----------
    y : array of shape (N, T)
        The series without gaps, aligned at their ends: y[i, -n[i]:].
    n : array of int of shape (N,)
    bases : sequence of (lag, seasons)
    steps : int
        The steps that are predicted at each origin.

    Returns
    -------
    errors : array of shape (N, len(bases))
        Infinite for a lag of which a series does not have two, and where a series is too short
        to judge. All bases of a series are judged at the same origins.
    """
    lags = np.array([lag for lag, _ in bases])
    fits = n[:, None] >= 2 * lags  # (N, bases)
    steps = max(1, min(steps, y.shape[1] - 1))
    longest = np.where(fits, lags, 1).max(axis=1)  # (N,)
    ends = steps + max(1, steps // 2) * np.arange(MOST_ORIGINS)
    ends = ends[ends < y.shape[1]]
    judged = n[:, None] - ends >= longest[:, None]  # (N, origins): a whole lag comes before
    origin = y.shape[1] - 1 - ends
    rows = np.arange(len(y))[:, None, None]
    truth = y[:, origin[:, None] + np.arange(1, steps + 1)]  # (N, origins, steps)
    found = np.full(fits.shape, np.inf)
    for j, (lag, seasons) in enumerate(bases):
        at = origin[:, None] + 1 - lag + np.arange(steps) % lag  # (origins, steps)
        at = at - lag * np.arange(seasons)[:, None, None]  # (seasons, origins, steps)
        begin = y.shape[1] - n[:, None, None, None]
        at = np.where(
            at < begin, begin + (at - begin) % np.minimum(lag, n)[:, None, None, None], at
        )
        forecast = y[rows[..., None], at].mean(axis=1)
        error = abs(truth - forecast).mean(axis=-1)  # (N, origins)
        total = np.where(judged, error, 0).sum(axis=1) / np.maximum(judged.sum(axis=1), 1)
        found[:, j] = np.where(fits[:, j] & judged.any(axis=1), total, np.inf)
    return found


def choose(
    y: np.ndarray, n: np.ndarray, lags: Sequence[int], steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the lag of each series, and the number of seasons, that were best on its last steps.

    A series that is too short to judge repeats the shortest season of which it has two, or else
    its last value.
    """
    bases = [(lag, seasons) for seasons in (1, SEASONS) for lag in lags]
    found = errors(y, n, bases, steps)
    best = np.array(bases)[found.argmin(axis=1)]
    season = min((lag for lag in lags if lag > 1), default=1)
    unjudged = np.isinf(found).all(axis=1)
    lag = np.where(unjudged, np.where(n >= 2 * season, season, 1), best[:, 0])
    return lag, np.where(unjudged, 1, best[:, 1])


def second_season(y: np.ndarray, n: np.ndarray, season: int, steps: int) -> int | None:
    """Return the multiple of the season that helps most series, such as 168 beside 24, or None."""
    multiples = tuple(k * season for k in MULTIPLES)
    found = errors(y, n, [(lag, 1) for lag in (season, *multiples)], steps)
    judged = np.isfinite(found)
    error = np.where(judged, found, 0)
    unit = np.where(error[:, :1] > 0, error[:, :1], 1)
    gains = np.where(judged[:, 1:], error[:, :1] - error[:, 1:], 0) / unit
    gains = np.maximum(gains, 0).mean(axis=0)
    return multiples[int(gains.argmax())] if gains.max() > LEAST_GAIN else None
