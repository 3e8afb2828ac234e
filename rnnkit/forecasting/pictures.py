"""The lines and bands of pictures of forecasts, as arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from rnnkit.common.checks import optional_whole
from rnnkit.common.registry import hint
from rnnkit.common.spelling import brief
from rnnkit.data.frames import listed
from rnnkit.errors import ConfigError, NotFoundError
from rnnkit.forecasting import ahead, levels, panel
from rnnkit.forecasting.answers import ends
from rnnkit.forecasting.fitted import Fitted
from rnnkit.forecasting.series import Panel, Series

MOST = 4  # series in a picture, unless they are named
PAST = 3  # horizons of the past that are shown, or seasons if these are longer
Band = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Line:
    """One forecast.

    Attributes
    ----------
    x : array (h,)
        Time stamps, or the numbers of the values.
    y : array (h,)
    bands : dict of float to tuple of arrays (h,)
        By level in percent, the lower and the upper end.
    """

    x: np.ndarray
    y: np.ndarray
    bands: Mapping[float, Band] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """One series with forecasts.

    Attributes
    ----------
    title : str
    x, y : array (n,)
        The values before the forecast.
    forecasts : list of Line
    truth : Line, optional
        What came afterwards.
    """

    title: str
    x: np.ndarray
    y: np.ndarray
    forecasts: Sequence[Line]
    truth: Line | None = None


def of_fitted(
    fitted: Fitted,
    truth: object,
    X: object,
    level: object,
    *,
    ids: object = None,
    past: int | None = None,
) -> list[Picture]:
    """Return pictures of the ends of the series and their forecasts; see `Forecaster.plot`."""
    where, series, options = 'plot()', fitted.panel, fitted.options
    numbers = chosen(where, series, ids)
    steps = optional_whole(f'{where}: past', past, 1)
    wanted = levels.of_bands(where, level, fitted.has_intervals)
    inputs = panel.read_ahead(where, series, X, options.horizon)
    forecasts = ahead.forecast(fitted, series, inputs, options.horizon, wanted)
    later = [] if truth is None else _later(where, series, truth)
    shown = stretch(options.horizon, options.season) if steps is None else steps
    pictures = []
    for k in numbers:
        one, forecast, n = series.series[k], forecasts[k], len(series.series[k])
        begin = max(0, n - shown)
        came = Line(stamps(one, n, len(later[k])), later[k]) if later and len(later[k]) else None
        line = Line(
            stamps(one, n, options.horizon),
            forecast.mean,
            {each: (forecast.lower[each], forecast.upper[each]) for each in forecast.lower},
        )
        x, y = stamps(one, begin, n - begin), one.values[begin:]
        pictures.append(Picture(title(one), x, y, [line], came))
    return pictures


def _later(where: str, series: Panel, truth: object) -> list[np.ndarray]:
    """Return the values that came after the end of each series; some may have none."""
    columns = series.columns._replace(past=(), future=(), static=())
    later = panel.more(where, replace(series, columns=columns), truth, called='truth')
    return [one.values for one in later.series]


def of_backtest(
    panel: Panel,
    columns: Mapping[str, np.ndarray],
    levels: Sequence[float],
    season: int,
    ids: object = None,
) -> list[Picture]:
    """Return pictures of the windows of a backtest.

    Parameters
    ----------
    panel : Panel
    columns : dict of str to array
        See `Backtest`.
    levels : sequence of float
        Those of the intervals.
    season : int
    ids : id or list of ids, optional
        The series to draw; by default the first ones.
    """
    horizon = int(columns['step'].max())
    there = set(columns['series'].tolist())
    pictures = []
    for k in chosen('plot()', panel, ids, there):
        series, mine = panel.series[k], columns['series'] == k
        lines = []
        for window in np.unique(columns['window'][mine]):
            rows = mine & (columns['window'] == window)
            begin = int(columns['at'][rows][0])
            bands = {level: tuple(columns[end][rows] for end in ends(level)) for level in levels}
            x = stamps(series, begin, horizon)
            lines.append(Line(x, columns['forecast'][rows], bands))
        first = int(columns['at'][mine].min())
        begin = max(0, first - stretch(horizon, season))
        came = Line(stamps(series, first, len(series) - first), series.values[first:])
        x, y = stamps(series, begin, first - begin), series.values[begin:first]
        pictures.append(Picture(title(series), x, y, lines, came))
    return pictures


def stretch(horizon: int, season: int | None) -> int:
    """Return how many values of the past are shown."""
    return max(PAST * horizon, PAST * (season or 1), 20)


def stamps(series: Series, begin: int, steps: int) -> np.ndarray:
    """Return the time stamps of some values, or their numbers, (steps,)."""
    if series.times is None:
        return np.arange(begin, begin + steps)
    return series.times.frequency.wall(series.times.stamps(begin, steps))


def title(series: Series) -> str:
    """Return the title of a series; a single one has none."""
    return '' if series.id is None else str(series.id)


def chosen(where: str, panel: Panel, ids: object, there: set[int] | None = None) -> list[int]:
    """Return the numbers of the series with some ids; by default the first ones.

    Parameters
    ----------
    where : str
        For messages.
    panel : Panel
    ids : id or list of ids, or None
    there : set of int, optional
        The numbers of the series that can be drawn; by default all.

    Raises
    ------
    NotFoundError
        If there is no such series.
    """
    numbers = range(len(panel.series))
    known = [k for k in numbers if there is None or k in there]
    if ids is None:
        return known[:MOST]
    named = {panel.series[k].id: k for k in known}
    if hasattr(ids, 'tolist'):
        ids = ids.tolist()
    is_list = isinstance(ids, list) or (isinstance(ids, tuple) and _number(named, ids) is None)
    wanted = ids if is_list else [ids]
    if not wanted:
        raise ConfigError(f'{where}: ids must name at least one series; got {brief(ids)}')
    found = [_number(named, one) for one in wanted]
    for one, k in zip(wanted, found, strict=True):
        if k is None:
            texts = [name for name in named if isinstance(name, str)]
            near = hint(one, texts) if isinstance(one, str) and texts else ''
            near = near if near.startswith('did you') else f'the ids are {listed(named)}'
            raise NotFoundError(f'{where}: there is no series {brief(one)}; {near}')
    return [k for k in found if k is not None]


def _number(named: Mapping[object, int], one: object) -> int | None:
    """Return the number of a series by its id, or None; any object may be asked for."""
    try:
        return named.get(one)
    except TypeError:  # it has no hash
        return None
