r"""Scores of forecasts, as competitions and papers define them.

Each score is a function of the values y that came and of what was forecast. Both are an array
(h,) for one series, or a list, a dict or an array (series, h) of them for several, whose lengths
may differ. A value that is missing (NaN) does not count; each other value of each series counts
alike. With errors :math:`e = y - f`, the scale :math:`s` of each series, which is the mean of
:math:`|y_t - y_{t-m}|` over its past for a season of m steps, and quantiles :math:`f_q`:

========================  ====================================================================
``mae``                   the mean of :math:`|e|`
``rmse``                  the square root of the mean of :math:`e^2`
``smape``                 the mean of :math:`200 |e| / (|y| + |f|)`, in percent
``mase``                  the mean of :math:`|e| / s`
``owa``                   the mean of smape and mase, each divided by that of `naive2`
``weighted_quantile_loss``  the mean over q of :math:`2 \sum |e_q| \, |q - [e_q < 0]| / \sum |y|`
``coverage``              the share of values in an interval
``msis``                  the mean width of an interval and penalty of values outside, over s
========================  ====================================================================

Examples
--------
>>> smape([1, 2], [3, 2])
50.0
>>> mase([3, 4], [4, 4], history=[1, 2, 3, 2])
0.5
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rnnkit.common.calls import checked
from rnnkit.common.checks import is_real, real, size
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError, DataError
from rnnkit.forecasting import many
from rnnkit.forecasting.many import Many
from rnnkit.forecasting.naive_forecasts import check_known, naive2

Series = ArrayLike | Sequence[ArrayLike] | Mapping[object, ArrayLike]


# --- from arrays of targets and forecasts without NaN


def percent_errors(y: np.ndarray, forecast: np.ndarray) -> np.ndarray:
    """Return ``200 |y - f| / (|y| + |f|)``, which is 0 where both are 0."""
    both = abs(y) + abs(forecast)
    return 200 * abs(y - forecast) / np.where(both > 0, both, 1)


def pinball(y: np.ndarray, forecast: np.ndarray, q: float) -> np.ndarray:
    """Return the loss of which the quantile q is the minimum."""
    error = y - forecast
    return np.maximum(q * error, (q - 1) * error)


def quantile_loss(y: np.ndarray, quantiles: Mapping[float, np.ndarray]) -> float:
    """Return the weighted quantile loss; NaN if all values are 0."""
    total = abs(y).sum()
    losses = [pinball(y, forecast, q).sum() for q, forecast in quantiles.items()]
    return float(2 * np.mean(losses) / total) if total > 0 else np.nan


def naive_error(history: np.ndarray, season: int) -> float:
    """Return the mean of ``|y_t - y_(t-season)|``; NaN if it is not defined, or 0."""
    steps = abs(history[season:] - history[:-season])
    known = steps[~np.isnan(steps)]
    return float(known.mean()) if known.any() else np.nan


# --- what users call


@checked
def mae(y: Series, forecast: Series) -> float:
    """Return the mean of the absolute errors, in the unit of the series.

    Parameters
    ----------
    y : array (h,), or list, dict or array (series, h) of them
        The values that came; NaN where one is missing.
    forecast : the same form

    Raises
    ------
    DataError
        If there is no value, a forecast is NaN, or the series are not the same.
    ShapeError
        If the lengths differ.

    Examples
    --------
    >>> mae([1.0, 2.0, float('nan')], [2.0, 2.0, 2.0])
    0.5
    """
    points = read_points('mae()', y, forecast=forecast)
    return float(abs(points.y - points.of['forecast']).mean())


@checked
def rmse(y: Series, forecast: Series) -> float:
    """Return the square root of the mean of the squared errors, in the unit of the series.

    Parameters
    ----------
    y, forecast
        See `mae`, as for the errors that are raised.

    Examples
    --------
    >>> rmse([1.0, 2.0], [4.0, 6.0]) == 12.5**0.5
    True
    """
    points = read_points('rmse()', y, forecast=forecast)
    return float(np.sqrt(((points.y - points.of['forecast']) ** 2).mean()))


@checked
def smape(y: Series, forecast: Series) -> float:
    r"""Return the symmetric mean absolute percentage error, from 0 to 200.

    It is the mean of :math:`200 |y - f| / (|y| + |f|)`, as in the M4 competition. Where both are
    0, the error is 0. It suits positive series.

    Parameters
    ----------
    y, forecast
        See `mae`, as for the errors that are raised.

    References
    ----------
    Makridakis, Spiliotis, Assimakopoulos: The M4 Competition: 100,000 time series and 61
    forecasting methods. International Journal of Forecasting 36 (2020).

    Examples
    --------
    >>> smape([1.0, 0.0, 0.0], [3.0, 0.0, 1.0])
    100.0
    """
    points = read_points('smape()', y, forecast=forecast)
    return float(percent_errors(points.y, points.of['forecast']).mean())


@checked
def mase(y: Series, forecast: Series, history: Series, season: int = 1) -> float:
    r"""Return the mean absolute scaled error.

    Each error is divided by the mean of :math:`|y_t - y_{t-m}|` over the past of its series, which
    is the error of a seasonal naive forecast one season ahead. So series of any unit can be
    compared.

    Parameters
    ----------
    y, forecast
        See `mae`, as for the errors that are raised.
    history : array (n,), or list, dict or array of them
        The past of each series, up to the forecast. A series that repeats itself exactly, or is
        not longer than the season, has no scale, and is left out.
    season : int
        The steps m after which series repeat: 24 for hourly values that repeat each day.

    Raises
    ------
    DataError
        Also if no series has a scale.

    References
    ----------
    Hyndman, Koehler: Another look at measures of forecast accuracy. International Journal of
    Forecasting 22 (2006).

    Examples
    --------
    >>> history = {'a': [1, 2, 3], 'b': [10, 20, 30], 'constant': [5, 5, 5]}
    >>> y = {'a': [4], 'b': [40], 'constant': [5]}
    >>> mase(y, {'a': [3], 'b': [35], 'constant': [5]}, history)
    0.75
    """
    points = read_points('mase()', y, forecast=forecast)
    scale = _scales('mase()', points, read_past('mase()', points, history), season)
    error, known = abs(points.y - points.of['forecast']), ~np.isnan(scale)
    return float((error[known] / scale[known]).mean())


@checked
def owa(y: Series, forecast: Series, history: Series, season: int = 1) -> float:
    """Return the overall weighted average, by which the M4 competition ranked forecasts.

    It is the mean of two ratios, of `smape` and of `mase`, to those of the forecasts of `naive2`.

    Parameters
    ----------
    y, forecast, history, season
        See `mase`, as for the errors that are raised.

    Raises
    ------
    DataError
        Also if `naive2` makes no error.

    Examples
    --------
    >>> round(owa([4.0, 5.0], [4.0, 4.0], history=[1.0, 2.0, 3.0]), 3)
    0.308
    """
    points = read_points('owa()', y, forecast=forecast)
    past = read_past('owa()', points, history)
    check_known(past)
    scale, y = _scales('owa()', points, past, season), points.y
    benchmark = [naive2(p, h, season) for p, h in zip(past.arrays, points.lengths, strict=True)]
    other = np.concatenate(benchmark)[points.there]
    known = ~np.isnan(scale)
    ratios = []
    for errors in (
        lambda f: percent_errors(y, f),
        lambda f: abs(y - f)[known] / scale[known],
    ):
        of_benchmark = errors(other).mean()
        if of_benchmark == 0:
            raise DataError('owa(): naive2() makes no error, so there is nothing to divide by')
        ratios.append(errors(points.of['forecast']).mean() / of_benchmark)
    return float(np.mean(ratios))


@checked
def weighted_quantile_loss(y: Series, quantiles: Mapping[float, Series]) -> float:
    r"""Return the weighted quantile loss, the mean over levels.

    At each level q it is :math:`2 \sum |y - f_q| \, |q - [y < f_q]| / \sum |y|`. For the median
    alone, it is the sum of absolute errors over the sum of absolute values. It approximates the
    continuous ranked probability score.

    Parameters
    ----------
    y
        See `mae`, as for the errors that are raised.
    quantiles : dict of float to what `y` is
        The forecast of each quantile: ``{0.1: f1, 0.5: f5, 0.9: f9}``.

    Raises
    ------
    ConfigError
        If a level is not between 0 and 1.
    DataError
        Also if all values are 0.

    References
    ----------
    Alexandrov et al.: GluonTS: Probabilistic and neural time series modeling in Python. JMLR 21
    (2020).

    Examples
    --------
    >>> weighted_quantile_loss([10.0, 10.0], {0.5: [9.0, 11.0], 0.9: [10.0, 12.0]})
    0.06
    """
    where = 'weighted_quantile_loss()'
    if not isinstance(quantiles, Mapping) or not quantiles:
        raise ConfigError(
            f'{where}: quantiles must be a dict such as {{0.1: f1, 0.9: f9}}; got '
            f'{brief(quantiles)}'
        )
    for q in quantiles:
        if not is_real(q) or not 0 < q < 1:
            raise ConfigError(f'{where}: levels must be between 0 and 1; got {brief(q)}')
    points = read_points(where, y, **{f'quantiles[{q}]': f for q, f in quantiles.items()})
    if not points.y.any():
        raise DataError(f'{where}: all values of y are 0, so there is nothing to divide by')
    return quantile_loss(points.y, {q: points.of[f'quantiles[{q}]'] for q in quantiles})


@checked
def coverage(y: Series, lower: Series, upper: Series) -> float:
    """Return the share of values that are in an interval, its ends included.

    An interval of 80 % is calibrated if it is 0.8.

    Parameters
    ----------
    y, lower, upper
        See `mae`, as for the errors that are raised.

    Raises
    ------
    DataError
        Also if an interval ends below its begin.

    Examples
    --------
    >>> coverage([1.0, 2.0, 3.0, 4.0], lower=[0.0] * 4, upper=[3.0] * 4)
    0.75
    """
    points = read_interval('coverage()', y, lower, upper)
    inside = (points.y >= points.of['lower']) & (points.y <= points.of['upper'])
    return float(inside.mean())


@checked
def msis(
    y: Series,
    lower: Series,
    upper: Series,
    history: Series,
    season: int = 1,
    level: float = 95,
) -> float:
    r"""Return the mean scaled interval score, by which the M4 competition ranked intervals.

    The score of an interval [l, u] of level :math:`100 (1 - a)` is its width plus :math:`2 / a`
    times the distance of the value if it is outside. It is divided by the scale of the series, see
    `mase`. Small is good.

    Parameters
    ----------
    y, lower, upper
        See `coverage`, as for the errors that are raised.
    history, season
        See `mase`.
    level : float
        In percent.

    References
    ----------
    Gneiting, Raftery: Strictly proper scoring rules, prediction, and estimation. Journal of the
    American Statistical Association 102 (2007).

    Examples
    --------
    >>> msis([1.0, 5.0], [0.0, 0.0], [2.0, 4.0], history=[1.0, 2.0, 1.0], level=80)
    8.0
    """
    level = real('msis(): level', level, above=0, below=100)
    points = read_interval('msis()', y, lower, upper)
    scale = _scales('msis()', points, read_past('msis()', points, history), season)
    low, high = points.of['lower'], points.of['upper']
    outside = np.maximum(low - points.y, 0) + np.maximum(points.y - high, 0)
    score, known = high - low + 200 / (100 - level) * outside, ~np.isnan(scale)
    return float((score[known] / scale[known]).mean())


# --- reading


class Points(NamedTuple):
    """The values that are known, end to end.

    Attributes
    ----------
    series : Many
        The values of each series; NaN where one is missing.
    there : array of bool
        Which of them are known.
    y : array of shape (points,)
    of : dict of str to array of shape (points,)
        What was forecast.
    """

    series: Many
    there: np.ndarray
    y: np.ndarray
    of: dict[str, np.ndarray]

    @property
    def lengths(self) -> list[int]:
        """The number of values of each series, known or not."""
        return [len(values) for values in self.series.arrays]


def read_points(where: str, y: Series, **forecasts: Series) -> Points:
    """Return the values that are known, and what was forecast for each.

    Raises
    ------
    DataError, ShapeError
        See `mae`.
    """
    series = many.read(f'{where}: y', y)
    values = np.concatenate(series.arrays)
    there = ~np.isnan(values)
    if not there.any():
        raise DataError(f'{where}: y has no value: all of {len(values)} are NaN')
    of = {}
    for name, forecast in forecasts.items():
        other = many.align(series, many.read(f'{where}: {name}', forecast))
        for k, (one, two) in enumerate(zip(series.arrays, other.arrays, strict=True)):
            wrong = np.isnan(two) & ~np.isnan(one)
            if wrong.any():
                at = int(np.flatnonzero(wrong)[0])
                raise DataError(f'{other.name(k)} is NaN at index {at}, where y is {one[at]:g}')
        of[name] = np.concatenate(other.arrays)[there]
    return Points(series, there, values[there], of)


def read_interval(where: str, y: Series, lower: Series, upper: Series) -> Points:
    """Return the values that are known and the ends of an interval, or raise a DataError."""
    points = read_points(where, y, lower=lower, upper=upper)
    wrong = points.of['lower'] > points.of['upper']
    if wrong.any():
        low, high = (points.of[name][wrong][0] for name in ('lower', 'upper'))
        raise DataError(f'{where}: lower is above upper: {low:g} and {high:g}')
    return points


def read_past(where: str, points: Points, history: Series) -> Many:
    """Return the past of the same series, or raise a DataError."""
    return many.align(points.series, many.read(f'{where}: history', history), lengths=False)


def _scales(where: str, points: Points, past: Many, season: int) -> np.ndarray:
    """Return the scale of the series of each point, (points,); NaN if it has none."""
    season = size(f'{where}: season', season)
    each = [naive_error(values, season) for values in past.arrays]
    scales = np.repeat(each, points.lengths)[points.there]
    if np.isnan(scales).all():
        raise DataError(
            f'{where}: history has no naive error to divide by: it must be longer than the season '
            f'of {season}, and not repeat itself exactly'
        )
    return scales
