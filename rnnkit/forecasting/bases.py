"""Naive forecasts: the values of a lag ago, repeated. The network predicts what they miss."""

import numpy as np

MOST_ORIGINS = 8  # at which the lags of a series are compared
MULTIPLES = range(2, 11)  # of the season, among which a second season is looked for


def offsets(lag: np.ndarray, steps: int) -> np.ndarray:
    """Return how far before step t the base of the steps t + 1 ... t + steps is.

    Parameters
    ----------
    lag : array of int of shape (...)
    steps : int

    Returns
    -------
    offsets : array of int of shape (..., steps)
        Added to t they are at most t: the last whole lag is repeated.
    """
    k = np.arange(1, steps + 1)
    lag = np.asarray(lag)[..., None]
    return k - lag * -(-k // lag)


def errors(y: np.ndarray, n: np.ndarray, lags: tuple[int, ...], steps: int) -> np.ndarray:
    """Return the mean absolute errors of the lags on the last steps of each series.

    Parameters
    ----------
    y : array of shape (N, T)
        The series without gaps, aligned at their ends: y[i, -n[i]:].
    n : array of int of shape (N,)
    lags : tuple of int
    steps : int
        The steps that are predicted at each origin.

    Returns
    -------
    errors : array of shape (N, len(lags))
        Infinite for a lag of which a series does not have two. All lags of a series are judged at
        the same origins.
    """
    lags_ = np.array(lags)
    fits = n[:, None] >= 2 * lags_  # (N, lags)
    steps = min(steps, y.shape[1] - 1)
    longest = np.where(fits, lags_, 1).max(axis=1)  # (N,)
    ends = steps + max(1, steps // 2) * np.arange(MOST_ORIGINS)
    ends = ends[ends < y.shape[1]]
    judged = n[:, None] - ends >= longest[:, None]  # (N, origins): a whole lag comes before
    origin = y.shape[1] - 1 - ends
    rows = np.arange(len(y))[:, None, None]
    truth = y[:, origin[:, None] + np.arange(1, steps + 1)]  # (N, origins, steps)
    found = np.full(fits.shape, np.inf)
    for j, lag in enumerate(lags):
        at = np.maximum(origin[:, None] + offsets(np.array(lag), steps), 0)
        error = abs(truth - y[rows, at[None]]).mean(axis=-1)  # (N, origins)
        total = np.where(judged, error, 0).sum(axis=1) / np.maximum(judged.sum(axis=1), 1)
        found[:, j] = np.where(fits[:, j], total, np.inf)
    return found


def choose(y: np.ndarray, n: np.ndarray, lags: tuple[int, ...], steps: int) -> np.ndarray:
    """Return the lag of each series whose forecasts were best on its last steps, (N,)."""
    found = errors(y, n, lags, steps)
    best = np.array(lags)[found.argmin(axis=1)]
    return np.where(np.isinf(found).all(axis=1), 1, best)


def second_season(y: np.ndarray, n: np.ndarray, season: int, steps: int) -> int | None:
    """Return the multiple of the season that helps most series, such as 168 beside 24, or None."""
    multiples = tuple(k * season for k in MULTIPLES)
    found = errors(y, n, (season, *multiples), steps)
    gains = np.where(np.isfinite(found[:, 1:]), found[:, :1] - found[:, 1:], 0)
    unit = np.where(np.isfinite(found[:, :1]) & (found[:, :1] > 0), found[:, :1], 1)
    gains = np.maximum(gains / unit, 0).mean(axis=0)
    return multiples[int(gains.argmax())] if gains.max() > LEAST_GAIN else None


LEAST_GAIN = 0.02  # of the error of the season, as a mean over the series
