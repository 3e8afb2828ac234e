"""Scores of several forecasts of the same values, side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rnnkit.common import html
from rnnkit.common.calls import checked
from rnnkit.common.checks import real, size
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError
from rnnkit.forecasting import scores
from rnnkit.forecasting.naive_forecasts import check_known, repeat
from rnnkit.forecasting.zones import text_of

METHODS = ('forecast', 'seasonal_naive', 'naive')
TITLES = {
    'mase': 'MASE',
    'smape': 'sMAPE',
    'mae': 'MAE',
    'rmse': 'RMSE',
    'weighted_quantile_loss': 'wQL',
}
UNITS = {  # by what a head may contain
    'sMAPE': 'sMAPE: %',
    'in ': 'values in intervals: %',
    'MAE': 'MAE and RMSE: the unit of the values',
}
MOST = 24  # rows of a table that is shown
DIGITS = {'mase': '.3f', 'smape': '.2f', 'weighted_quantile_loss': '.4f'}
Method = dict[str, float]
Pair = Sequence[scores.Series]
Ends = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Compared:
    """Values that came and what was forecast, end to end; no value is NaN.

    Attributes
    ----------
    y : array of shape (points,)
    of : dict of str to array of shape (points,)
        The point forecasts of each of `METHODS`.
    scale : array of shape (points,)
        The mean naive error of the past; NaN if there is none.
    intervals : dict of float to tuple of two arrays of shape (points,)
        By level in percent, the lower and the upper end of the interval of ``'forecast'``.
    """

    y: np.ndarray
    of: dict[str, np.ndarray]
    scale: np.ndarray
    intervals: dict[float, Ends] = field(default_factory=dict)

    def select(self, chosen: np.ndarray) -> 'Compared':
        """Return some of the points."""
        return Compared(
            self.y[chosen],
            {name: forecast[chosen] for name, forecast in self.of.items()},
            self.scale[chosen],
            {level: (a[chosen], b[chosen]) for level, (a, b) in self.intervals.items()},
        )

    def scores(self) -> 'Scores':
        """Return the scores of each method."""
        return Scores({name: self._method(name) for name in self.of})

    def by(self, name: str, groups: np.ndarray, keys: Sequence[object] | None = None) -> 'Scores':
        """Return the scores of each group of points, in the order of the groups.

        Parameters
        ----------
        name : str
            What the groups are.
        groups : array of shape (points,)
        keys : sequence, optional
            Names of the groups, which are then indices.
        """
        distinct, inverse = np.unique(groups, return_inverse=True)
        order = np.argsort(inverse, kind='stable')
        parts = np.split(order, np.cumsum(np.bincount(inverse))[:-1])
        named = distinct.tolist() if distinct.dtype.kind != 'M' else list(distinct)
        found = {
            key if keys is None else keys[key]: self.select(part).scores()
            for key, part in zip(named, parts, strict=True)
        }
        return Scores(found, by=name)

    def _method(self, name: str) -> Method:
        """Return the scores of one method."""
        y, forecast = self.y, self.of[name]
        error, known = abs(y - forecast), ~np.isnan(self.scale)
        found = {
            'mase': _mean(error[known] / self.scale[known]),
            'smape': float(scores.percent_errors(y, forecast).mean()),
            'mae': float(error.mean()),
            'rmse': float(np.sqrt((error**2).mean())),
        }
        if not self.intervals:
            return found
        found['weighted_quantile_loss'] = self._quantile_loss(name)
        for level, (lower, upper) in self.intervals.items():
            inside = (y >= lower) & (y <= upper)
            found[f'coverage-{level:g}'] = float(inside.mean()) if name == 'forecast' else np.nan
        return found

    def _quantile_loss(self, name: str) -> float:
        """Return the mean over the ends of all intervals and the point forecast, as the median.

        The point forecast of a method without intervals counts as each quantile.
        """
        point = self.of[name]
        quantiles = {0.5: point}
        for level, (lower, upper) in self.intervals.items():
            quantiles[(1 - level / 100) / 2] = lower if name == 'forecast' else point
            quantiles[(1 + level / 100) / 2] = upper if name == 'forecast' else point
        return scores.quantile_loss(self.y, quantiles)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan


@checked
def compare(
    y: scores.Series,
    forecast: scores.Series,
    history: scores.Series,
    season: int = 1,
    *,
    intervals: Mapping[float, Pair] | None = None,
) -> 'Scores':
    """Return a table of scores of a forecast beside naive ones of the same values.

    Parameters
    ----------
    y : array (h,), or list, dict or array (series, h) of them
        The values that came; NaN where one is missing.
    forecast : the same form
    history : array (n,), or list, dict or array of them
        The past of each series, up to the forecast.
    season : int
        The steps after which series repeat, for the seasonal naive forecast and for the scale of
        the `mase`.
    intervals : dict of float to tuple, optional
        By level in percent, the lower and the upper ends: ``{80: (lower, upper)}``. They give the
        coverage and, with the point forecast as the median, the weighted quantile loss.

    Returns
    -------
    scores : Scores
        ``scores['forecast']['mase']`` and so on.

    Raises
    ------
    ConfigError
        If a level is not between 0 and 100.
    DataError, ShapeError
        As `mase` does; a score that is not defined is NaN here.

    Examples
    --------
    >>> history = [1.0, 2.0, 1.0, 2.0, 1.0, 3.0]
    >>> compare([1.0, 2.0], [1.0, 2.5], history, season=2)
                     MASE  sMAPE   MAE    RMSE
    forecast        1.000  11.11  0.25  0.3536
    seasonal naive  2.000  20.00   0.5  0.7071
    naive           6.000  70.00   1.5   1.581
    """
    where, season = 'compare()', size('compare(): season', season)
    points = scores.read_points(where, y, forecast=forecast)
    past = scores.read_past(where, points, history)
    check_known(past)
    lengths = points.lengths
    of = {'forecast': points.of['forecast']}
    for name, lag in (('seasonal_naive', season), ('naive', 1)):
        each = [repeat(p, h, lag) for p, h in zip(past.arrays, lengths, strict=True)]
        of[name] = np.concatenate(each)[points.there]
    scale = [scores.naive_error(values, season) for values in past.arrays]
    bands = _bands(where, y, intervals)
    return Compared(points.y, of, np.repeat(scale, lengths)[points.there], bands).scores()


def _bands(where: str, y: scores.Series, intervals: object) -> dict[float, Ends]:
    """Return the ends of the intervals at the values that are known."""
    found: dict[float, Ends] = {}
    if intervals is None:
        return found
    if not isinstance(intervals, Mapping):
        raise ConfigError(
            f'{where}: intervals must be a dict such as {{80: (lower, upper)}}; got '
            f'{brief(intervals)}'
        )
    for level, pair in intervals.items():
        real(f'{where}: a level of intervals', level, above=0, below=100)
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ConfigError(
                f'{where}: intervals[{level:g}] must be a tuple (lower, upper); got {brief(pair)}'
            )
        ends = scores.read_interval(where, y, *pair)
        found[level] = ends.of['lower'], ends.of['upper']
    return found


class Scores(dict):
    """Scores as dicts, which are shown as a table.

    ``scores['forecast']['mase']`` is a number. With ``by=``, the first key names a group:
    ``scores[1]['forecast']['mase']``. A score that is not defined, such as the MASE of a constant
    series, is NaN. ``pandas.DataFrame(scores)`` is a frame of them. The table shows the share of
    values in each interval in percent.

    Attributes
    ----------
    by : str or None
        What the groups are.

    Examples
    --------
    >>> Scores({'forecast': {'mase': 0.5, 'coverage-80': 0.75}, 'naive': {'mase': 1.0}})
               MASE  in 80 %
    forecast  0.500     75.0
    naive     1.000        -
    """

    def __init__(self, values: Mapping[object, object], by: str | None = None):
        super().__init__(values)
        self.by = by

    def __repr__(self) -> str:
        shown = list(self)[:MOST]
        title, head, rows = self._table(shown)
        more = len(self) - MOST if self.by else 0
        end = f'\n... and {more} more' if more > 0 else ''
        return f'{title}{_lines([head, *rows])}{end}'

    def _repr_html_(self) -> str:
        keys, places = list(self), html.cut(len(self))
        title, head, rows = self._table([keys[k] for k in places if k is not None])
        if None in places:
            rows.insert(places.index(None), None)
        return html.block(
            html.line('', title.strip()) if title else '',
            html.table(head, rows, note=html.left_out(len(self), self.by or 'methods')),
            html.line('; '.join(unit for word, unit in UNITS.items() if word in ' '.join(head))),
        )

    def _table(self, keys: list) -> tuple[str, list[str], list]:
        """Return the title, the head, and the rows of some keys."""
        return self._grouped(keys) if self.by else self._flat(keys)

    def _flat(self, keys: list) -> tuple[str, list[str], list]:
        names = list(dict.fromkeys(name for row in self.values() for name in row))
        rows = [[_shown(method), *_cells(self[method], names)] for method in keys]
        return '', ['', *map(_title, names)], rows

    def _grouped(self, keys: list) -> tuple[str, list[str], list]:
        """Return one row for each group: MASE of all methods, and coverage."""
        metric = 'mase' if any(_has_mase(one) for one in self.values()) else 'mae'
        first = next(iter(self.values()), {})
        others = [name for name in first.get('forecast', {}) if name.startswith('coverage')]
        head = [str(self.by), *map(_shown, first), *map(_title, others)]
        rows = []
        for key in keys:
            cells = [_cell(metric, row.get(metric, np.nan)) for row in self[key].values()]
            rows.append([_text(key), *cells, *_cells(self[key]['forecast'], others)])
        return f'{TITLES[metric]} by {self.by}\n', head, rows


def _has_mase(one: Mapping[str, Method]) -> bool:
    return any(not np.isnan(row.get('mase', np.nan)) for row in one.values())


def _text(key: object) -> str:
    return text_of(key) if isinstance(key, np.datetime64) else str(key)


def _shown(method: str) -> str:
    return method.replace('_', ' ') if method in METHODS else method


def _title(name: str) -> str:
    return (
        f'in {name.partition("-")[2]} %' if name.startswith('coverage') else TITLES.get(name, name)
    )


def _cells(row: Method, names: list[str]) -> list[str]:
    return [_cell(name, row.get(name, np.nan)) for name in names]


def _cell(name: str, value: float) -> str:
    if np.isnan(value):
        return '-'
    if name.startswith('coverage'):
        return f'{100 * value:.1f}'
    if name not in DIGITS and abs(value) >= 1e4:
        return f'{value:,.0f}'
    return format(value, DIGITS.get(name, '.4g'))


def _lines(rows: list[list[str]]) -> str:
    """Return lines of columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [text.rjust(n) for text, n in zip(others, widths[1:], strict=True)]
        lines.append('  '.join([first.ljust(widths[0]), *cells]).rstrip())
    return '\n'.join(lines)
