"""Forecasts, and their form in the answer: that of the series."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from rnnkit.common import html
from rnnkit.forecasting.forms import Form
from rnnkit.forecasting.series import Panel, Series
from rnnkit.forecasting.times import stamps_ahead
from rnnkit.forecasting.zones import text_of

STEPS = 8  # columns of a table of several series


def ends(level: float) -> tuple[str, str]:
    """Return the names of the columns of the lower and the upper end of an interval."""
    return f'forecast-lo-{level:g}', f'forecast-hi-{level:g}'


@dataclass(frozen=True, repr=False)
class Forecast:
    """The forecast of one series, h steps ahead.

    ``numpy.asarray(forecast)`` is the point forecast.

    Attributes
    ----------
    mean : array (h,)
        The point forecast.
    lower, upper : dict of number to array (h,)
        The ends of the prediction interval of each level, in percent.
    quantiles : dict of float to array (h,)
        The quantile of each probability.
    samples : array (n, h), or None
        Paths that the series may take.
    times : array (h,), or None
        The time stamps.
    id : object
        The key or the number of the series; None for a single one.

    Examples
    --------
    >>> forecast = Forecast(np.array([3.0, 4.0]), quantiles={0.9: np.array([5.0, 6.5])})
    >>> np.asarray(forecast), forecast.quantiles[0.9]
    (array([3., 4.]), array([5. , 6.5]))
    """

    mean: np.ndarray
    lower: Mapping[float, np.ndarray] = field(default_factory=dict)
    upper: Mapping[float, np.ndarray] = field(default_factory=dict)
    quantiles: Mapping[float, np.ndarray] = field(default_factory=dict)
    samples: np.ndarray | None = None
    times: np.ndarray | None = None
    id: object = None

    def __array__(self, dtype: object = None, copy: bool | None = None) -> np.ndarray:
        if copy is False and dtype not in (None, self.mean.dtype):
            raise ValueError(f'a forecast of {self.mean.dtype} must be copied to be {dtype}')
        return np.array(self.mean, dtype, copy=copy)  # type: ignore[call-overload]

    def __len__(self) -> int:
        return len(self.mean)

    def columns(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield what a frame holds, with the names of its columns."""
        yield 'forecast', self.mean
        for level in sorted(self.lower, reverse=True):
            yield ends(level)[0], self.lower[level]
        for level in sorted(self.upper):
            yield ends(level)[1], self.upper[level]
        for probability in sorted(self.quantiles):
            yield f'forecast-q{probability:g}', self.quantiles[probability]
        for k, path in enumerate(() if self.samples is None else self.samples):
            yield f'forecast-sample-{k}', path

    def __repr__(self) -> str:
        name = '' if self.id is None else f' of {self.id!r}'
        return f'<Forecast{name}: {self._about}>'

    @property
    def _about(self) -> str:
        """The number of steps, and what else there is."""
        parts = [
            f'levels {_numbers(self.lower)}' if self.lower else '',
            f'quantiles {_numbers(self.quantiles)}' if self.quantiles else '',
            '' if self.samples is None else f'{len(self.samples)} samples',
        ]
        more = ''.join(f', {part}' for part in parts if part)
        return f'{len(self)} step{"s" * (len(self) != 1)}{more}'

    def _repr_html_(self) -> str:
        columns = dict(replace(self, samples=None).columns())  # too many for a table
        rows = (
            None if k is None else [self._when(k), *(html.number(c[k]) for c in columns.values())]
            for k in html.cut(len(self))
        )
        title = 'Forecast:' if self.id is None else f'Forecast of {self.id}:'
        head = ('step' if self.times is None else 'time', *columns)
        return html.block(
            html.line(self._intervals, title),
            html.table(head, rows, note=html.left_out(len(self), 'steps')),
        )

    @property
    def _intervals(self) -> str:
        return self._about.replace('levels', 'intervals in %:')

    def _when(self, k: int) -> str:
        """Return the time stamp of a step, or its number, counted from 1."""
        if self.times is None:
            return str(k + 1)
        return text_of(self.times[k])


class ForecastList(list):
    """The forecasts of a list of series."""

    def _repr_html_(self) -> str | None:
        return _several([str(k) for k in range(len(self))], self)


class ForecastDict(dict):
    """The forecasts of a dict of series."""

    def _repr_html_(self) -> str | None:
        return _several(list(map(str, self)), list(self.values()))


def _several(names: list[str], forecasts: Sequence[object]) -> str | None:
    """Return a table of the point forecasts, one row for each series; None if there is none."""
    if not names or not all(isinstance(one, Forecast) for one in forecasts):
        return None  # changed by the user
    steps = html.cut(max(map(len, forecasts)), STEPS)
    rows = (
        None if k is None else [names[k], *(_at(forecasts[k], step) for step in steps)]
        for k in html.cut(len(names))
    )
    head = ['series', *('…' if step is None else f'step {step + 1}' for step in steps)]
    return html.block(
        html.line(forecasts[0]._intervals, f'Forecasts of {len(names):,} series:'),
        html.table(head, rows, note=html.left_out(len(names), 'series')),
    )


def _at(forecast: Forecast, step: int | None) -> str:
    """Return the point forecast of a step, for a cell."""
    if step is None:
        return '…'
    return html.number(forecast.mean[step]) if step < len(forecast) else ''


def _numbers(keys: Iterable[float]) -> str:
    return ', '.join(f'{key:g}' for key in keys)


def give(panel: Panel, forecasts: list[Forecast], simple: bool) -> object:
    """Return forecasts in the form in which the series were passed.

    Parameters
    ----------
    panel : Panel
        The series that are forecast.
    forecasts : list of Forecast
        One for each series.
    simple : bool
        Whether to return the points alone: arrays, or Series.

    Returns
    -------
    answer : array (h,), Forecast, Series or frame, a list or dict of these; or one long frame
    """
    form = panel.form
    if form.kind == 'frame':
        return _long(panel, forecasts)
    each: list[object] = list(forecasts)
    if form.kind == 'series':
        each = [
            _one(form, series, one, name, simple)
            for series, one, name in zip(panel.series, forecasts, form.names, strict=True)
        ]
    elif simple:
        each = [one.mean for one in forecasts]
    plain = simple or form.kind == 'series'
    if form.container == 'dict':
        found = zip([series.id for series in panel.series], each, strict=True)
        return dict(found) if plain else ForecastDict(found)
    if form.container == 'list':
        return each if plain else ForecastList(each)
    return each[0]


def _one(form: Form, series: Series, forecast: Forecast, name: object, simple: bool) -> object:
    """Return the forecast of one Series: a Series, or a frame with its index."""
    from rnnkit.integrations import tables

    index = None
    if series.times is not None and form.labels is not None:
        index = tables.pandas_index(series.times.stamps(series.times.n, len(forecast)), form.labels)
    if simple:
        return tables.series(form.library, forecast.mean, index, name)
    return tables.frame(form.library, dict(forecast.columns()), index)


def _long(panel: Panel, forecasts: list[Forecast]) -> object:
    """Return a long frame of all forecasts."""
    from rnnkit.integrations import tables

    form, h = panel.form, len(forecasts[0])
    columns: dict[object, object] = {}
    if form.id is not None:
        ids = [series.id for series in panel.series for _ in range(h)]
        columns[form.id] = tables.ids(form.library, ids, form.id_dtype)
    if form.labels is not None:
        make = tables.polars_column if form.library == 'polars' else tables.pandas_index
        columns[form.time] = make(stamps_ahead([one.times for one in panel.series], h), form.labels)
    parts = [dict(one.columns()) for one in forecasts]
    for name in parts[0]:
        columns[name] = np.concatenate([part[name] for part in parts])
    return tables.frame(form.library, columns)
