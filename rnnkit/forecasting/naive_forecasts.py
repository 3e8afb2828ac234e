r"""Forecasts without a model, which any model should beat.

Each function takes the past of one series (n,), or a list, a dict or an array (series, n) of them,
and returns the next values in the same form. Missing values of the past are NaN.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from rnnkit.common.calls import checked
from rnnkit.common.checks import size
from rnnkit.errors import DataError
from rnnkit.forecasting import many

Past = ArrayLike | Sequence[ArrayLike] | Mapping[object, ArrayLike]
CRITICAL = 1.645  # of a normal distribution: 90 % are nearer to 0


@checked
def naive(history: Past, horizon: int) -> object:
    """Repeat the last value.

    Parameters
    ----------
    history : array (n,), or list, dict or array (series, n) of them
    horizon : int

    Returns
    -------
    forecast : array (horizon,), or list or dict of them

    Raises
    ------
    DataError
        If a series has no value.

    Examples
    --------
    >>> naive([1, 3, 2], 2)
    array([2., 2.])
    """
    return _each('naive()', history, horizon, lambda y, h: repeat(y, h, 1))


@checked
def seasonal_naive(history: Past, horizon: int, season: int) -> object:
    """Repeat the last season.

    Where its value is missing, the last one that is known of the same place in the season is
    taken; if there is none, as in a series that is shorter than the season, the last value.

    Parameters
    ----------
    history : array (n,), or list, dict or array (series, n) of them
    horizon : int
    season : int
        The number of steps: 24 for hourly values that repeat each day.

    Returns
    -------
    forecast : array (horizon,), or list or dict of them

    Raises
    ------
    DataError
        If a series has no value.

    Examples
    --------
    >>> seasonal_naive([9, 1, 3, 2], 4, season=3)
    array([1., 3., 2., 1.])
    """
    season = size('seasonal_naive(): season', season)
    return _each('seasonal_naive()', history, horizon, lambda y, h: repeat(y, h, season))


@checked
def naive2(history: Past, horizon: int, season: int) -> object:
    r"""Repeat the last value, adjusted for the season: the benchmark of the M4 competition.

    A series of at least three seasons, whose autocorrelation r at the season's lag m is significant
    with 90 %,

    .. math:: |r_m| > 1.645 \sqrt{(1 + 2 \sum_{k<m} r_k^2) / n},

    is divided by seasonal factors, its last value is repeated and multiplied by the factors. These
    are the means, over all seasons, of the ratios of the series to its centred moving average
    (classical multiplicative decomposition). Another series is repeated as `naive` does it.
    As in the competition's program, autocorrelations are known up to the lag 10 log10 n, so that a
    longer season is not significant.

    Parameters
    ----------
    history : array (n,), or list, dict or array (series, n) of them
        A series with missing values, or whose factors are not all positive, counts as one without
        a season.
    horizon : int
    season : int

    Returns
    -------
    forecast : array (horizon,), or list or dict of them

    Raises
    ------
    DataError
        If a series has no value.

    References
    ----------
    Makridakis, Spiliotis, Assimakopoulos: The M4 Competition: 100,000 time series and 61
    forecasting methods. International Journal of Forecasting 36 (2020).

    Examples
    --------
    >>> naive2([1.0, 2, 3] * 5, 4, season=3).round(6)
    array([1., 2., 3., 1.])
    """
    season = size('naive2(): season', season)
    return _each('naive2()', history, horizon, lambda y, h: _adjusted(y, h, season))


def _each(
    where: str, history: Past, horizon: int, method: Callable[[np.ndarray, int], np.ndarray]
) -> object:
    series, h = many.read(f'{where}: history', history), size(f'{where}: horizon', horizon)
    check_known(series)
    return series.give([method(values, h) for values in series.arrays])


def check_known(series: many.Many) -> None:
    """Raise a DataError if a series has no value."""
    for k, values in enumerate(series.arrays):
        if np.isnan(values).all():
            raise DataError(f'{series.name(k)} has no value: all of {len(values)} are NaN')


def repeat(history: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """Return the last season of one series again and again.

    Parameters
    ----------
    history : array of shape (n,)
        At least one value is not NaN.
    horizon, season : int
    """
    known = np.flatnonzero(~np.isnan(history))
    pattern = np.full(season, history[known[-1]])
    # Counted from the end, a value is at the place (n - 1 - t) mod season; the later one wins.
    pattern[season - 1 - (len(history) - 1 - known) % season] = history[known]
    return np.resize(pattern, horizon)


def _adjusted(history: np.ndarray, horizon: int, season: int) -> np.ndarray:
    factors = seasonal_factors(history, season) if is_seasonal(history, season) else None
    if factors is None:
        return repeat(history, horizon, 1)
    n = len(history)
    return history[-1] / factors[(n - 1) % season] * factors[(n + np.arange(horizon)) % season]


def is_seasonal(history: np.ndarray, season: int) -> bool:
    """Return whether the autocorrelation of a series at the lag of the season is significant."""
    n = len(history)
    highest = min(int(10 * np.log10(n)), n - 1)
    if season == 1 or n < 3 * season or season > highest or np.isnan(history).any():
        return False
    centred = history - history.mean()
    if not centred.any():
        return False
    lags = range(1, season + 1)
    r = np.array([centred[k:] @ centred[:-k] for k in lags]) / (centred @ centred)
    limit = CRITICAL * np.sqrt((1 + 2 * (r[:-1] ** 2).sum()) / n)
    return bool(abs(r[-1]) > limit)


def seasonal_factors(history: np.ndarray, season: int) -> np.ndarray | None:
    """Return the multiplicative factors of a season, whose mean is 1.

    Parameters
    ----------
    history : array of shape (n,)
        At least two seasons.
    season : int

    Returns
    -------
    factors : array of shape (season,), or None
        The first belongs to the first value. None if one is not positive.
    """
    window = np.ones(season)
    if season % 2 == 0:
        window = np.array([0.5, *window[1:], 0.5])
    trend = np.convolve(history, window / season, 'valid')
    begin = len(window) // 2
    padded = np.full(-(-len(history) // season) * season, np.nan)
    with np.errstate(divide='ignore', invalid='ignore'):
        padded[begin : begin + len(trend)] = history[begin : begin + len(trend)] / trend
        seasons = padded.reshape(-1, season)
        factors = np.nansum(seasons, axis=0) / (~np.isnan(seasons)).sum(0)
        factors = factors / factors.mean()
    return factors if (np.isfinite(factors) & (factors > 0)).all() else None
