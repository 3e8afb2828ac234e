"""Backtests: forecasts from earlier points in time, compared with what came."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rnnkit.common import html
from rnnkit.common.calls import checked_methods
from rnnkit.common.checks import choice, flag, optional_whole, whole
from rnnkit.common.progress import LOGGER
from rnnkit.errors import DataError
from rnnkit.forecasting import ahead, levels, pictures
from rnnkit.forecasting.answers import Forecast, ends
from rnnkit.forecasting.fitted import Fitted, fit
from rnnkit.forecasting.forms import Labels
from rnnkit.forecasting.naive_forecasts import repeat
from rnnkit.forecasting.scores import naive_error
from rnnkit.forecasting.scores_table import METHODS, Compared, Scores
from rnnkit.forecasting.series import Panel, Series

GROUPS = ('id', 'cutoff', 'window', 'step')
REPEATED = {'seasonal_naive': 'the last season', 'naive': 'the last value'}
# Of series, and of the values of the known inputs (h, F) for each; returns a forecast for each.
Predict = Callable[[Panel, list[np.ndarray]], Sequence[Forecast]]
Train = Callable[[Panel], Predict]


@dataclass(frozen=True)
class Plan:
    """The points in time from which a backtest forecasts.

    Attributes
    ----------
    windows : int
        How many forecasts of each series there are.
    horizon : int
        The steps of each.
    step : int
        How many steps later the next one begins.
    refit : bool
        Whether networks are trained before each window, or once before the first.
    season : int
        The number of steps of a season, for naive forecasts and for the scale of the MASE.
    """

    windows: int
    horizon: int
    step: int
    refit: bool = False
    season: int = 1

    @property
    def backs(self) -> list[int]:
        """How many steps before its end a series is cut, from the first window to the last."""
        return [self.horizon + k * self.step for k in reversed(range(self.windows))]


def run(fitted: Fitted, windows: int, step: int | None, refit: bool, level: object) -> 'Backtest':
    """Judge a forecaster; see `Forecaster.backtest`."""
    where, options = 'backtest()', fitted.options
    apart = optional_whole(f'{where}: step', step, 1)
    plan = Plan(
        whole(f'{where}: windows', windows, 1),
        options.horizon,
        options.horizon if apart is None else apart,
        flag(f'{where}: refit', refit),
        options.season or 1,
    )
    levels.of_bands(where, level, True)  # whether it is right, before any training

    def train(panel: Panel) -> Predict:
        earlier = fit(panel, options, None)
        wanted = levels.of_bands(where, level, earlier.has_intervals)

        def predict(panel: Panel, inputs: list[np.ndarray]) -> list[Forecast]:
            now = earlier.of(panel)
            return ahead.forecast(now, now.panel, inputs, options.horizon, wanted)

        return predict

    return judge(fitted.panel, plan, train)


def judge(panel: Panel, plan: Plan, train: Train) -> 'Backtest':
    """Cut the series before each window, forecast it, and compare with what came.

    Parameters
    ----------
    panel : Panel
    plan : Plan
    train : callable
        Trains a new forecaster on a panel of cut series, and returns a function that forecasts the
        same series, cut there or later. Series that are too short for the first window are left
        out.

    Raises
    ------
    DataError
        If no series is long enough.
    """
    longest = max(map(len, panel.series))
    if longest <= plan.backs[0]:
        raise DataError(
            f'backtest(): the series are too short: the longest has {longest} values, and '
            f'windows={plan.windows} of {plan.horizon} steps, {plan.step} apart, begin '
            f'{plan.backs[0]} values before the end; write a smaller windows= or step='
        )
    there = [k for k, series in enumerate(panel.series) if len(series) > plan.backs[0]]
    predict: Predict | None = None
    parts: list[dict[str, np.ndarray]] = []
    for window, back in enumerate(plan.backs, 1):
        earlier = replace(panel, series=[cut(panel.series[k], back) for k in there])
        if predict is None or plan.refit:
            predict = train(earlier)
        ends = [len(series) for series in earlier.series]
        inputs = [
            panel.series[k].future[end : end + plan.horizon]
            for k, end in zip(there, ends, strict=True)
        ]
        for k, forecast in zip(there, predict(earlier, inputs), strict=True):
            parts.append(_records(plan, window, k, panel.series[k], forecast, back))
    # With refit, the first windows may have no intervals.
    names = [name for name in parts[0] if all(name in part for part in parts)]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in names}
    if np.isnan(columns['y']).all():
        raise DataError('backtest(): all values in the windows are missing')
    order = np.argsort(columns['series'], kind='stable')
    found = Backtest(panel, plan, {name: values[order] for name, values in columns.items()})
    if not found.is_better:
        LOGGER.warning('backtest(): %s', found.verdict)
    return found


def cut(series: Series, back: int) -> Series:
    """Return a series without its last steps."""
    n = len(series) - back
    times = None if series.times is None else series.times.from_step(0, n)
    parts = {name: getattr(series, name)[:n] for name in ('values', 'past', 'future')}
    return replace(series, **parts, times=times)


def _records(
    plan: Plan, window: int, k: int, series: Series, forecast: Forecast, back: int
) -> dict[str, np.ndarray]:
    """Return the columns of one window of one series, each (h,)."""
    begin, h = len(series) - back, plan.horizon
    past, steps = series.values[:begin], np.arange(h)
    records = {
        'series': np.full(h, k),
        'window': np.full(h, window),
        'at': begin + steps,
        'step': 1 + steps,
        'y': series.values[begin : begin + h],
        'forecast': np.asarray(forecast.mean),
    }
    for level in sorted(forecast.lower):
        for name, values in zip(ends(level), (forecast.lower, forecast.upper), strict=True):
            records[name] = np.asarray(values[level])
    records['seasonal_naive'] = repeat(past, h, plan.season)
    records['naive'] = repeat(past, h, 1)
    records['scale'] = np.full(h, naive_error(past, plan.season))
    return records


@checked_methods
@dataclass(frozen=True, repr=False)
class Backtest:
    """Forecasts from earlier points in time, beside what came and naive forecasts.

    Its repr is a table of scores.

    Attributes
    ----------
    panel : Panel
        The series, to their ends.
    plan : Plan
        The windows.
    columns : dict of str to array
        One element for each forecast step. ``series`` is the number of a series, and ``at`` that
        of a value in it.
    """

    panel: Panel
    plan: Plan
    columns: dict[str, np.ndarray] = field(repr=False)

    @property
    def levels(self) -> tuple[float, ...]:
        """The levels of the intervals, in percent."""
        begin = 'forecast-lo-'
        return tuple(
            float(name.removeprefix(begin)) for name in self.columns if name.startswith(begin)
        )

    @property
    def records(self) -> dict[str, np.ndarray]:
        """The forecasts as columns: one element for each step of each window of each series.

        ``id``; ``time``, a time stamp, or without these the number of the value; ``cutoff``, that
        of the last value that was known; ``window`` and ``step``, counted from 1; ``y``;
        ``forecast`` and the ends of its intervals, ``forecast-lo-80`` and ``forecast-hi-80``;
        ``seasonal_naive`` and ``naive``.
        """
        begin = {'id': self._ids(), 'time': self._times('time'), 'cutoff': self._times('cutoff')}
        hidden = ('series', 'at', 'scale')
        return begin | {name: v for name, v in self.columns.items() if name not in hidden}

    def scores(self, by: str | None = None) -> Scores:
        """Return the scores of the network and of naive forecasts of the same values.

        Parameters
        ----------
        by : {'id', 'cutoff', 'window', 'step'}, optional
            What to group the forecasts by.

        Returns
        -------
        scores : Scores
            ``scores()['forecast']['mase']``, ``scores()['seasonal_naive']['mase']`` and so on;
            by steps ``scores('step')[1]['forecast']['mase']``. The scale of the MASE is the
            seasonal naive error before the cutoff. The weighted quantile loss is the mean over the
            ends of all intervals and the point forecast, as the median.

        Raises
        ------
        ConfigError
            If `by` is something else.
        """
        choice('scores(): by', by, (None, *GROUPS))
        known = ~np.isnan(self.columns['y'])
        judged = self._judged().select(known)
        if by is None:
            return judged.scores()
        if by == 'id':
            return judged.by(by, self.columns['series'][known], self._keys())
        groups = self._times(by) if by == 'cutoff' else self.columns[by]
        return judged.by(by, groups[known])

    def _judged(self) -> Compared:
        columns = self.columns
        of = {name: columns[name] for name in METHODS}
        intervals = {level: tuple(columns[end] for end in ends(level)) for level in self.levels}
        return Compared(columns['y'], of, columns['scale'], intervals)

    def frame(self) -> object:
        """Return the records as a frame of the library of the series.

        Returns
        -------
        frame : frame of pandas or polars, or dict of str to array
            A dict, if the series came as arrays. The columns of ids and times have the names that
            they had.
        """
        form, records = self.panel.form, self.records
        if not form.library:
            return records
        from rnnkit.integrations import tables

        if form.labels is not None:
            labels = _irregular(form.labels)
            make = tables.polars_column if form.library == 'polars' else tables.pandas_index
            for name in ('time', 'cutoff'):
                records[name] = make(self._stamps(name), labels)
        dtype = form.id_dtype
        if form.id is not None and dtype:
            records['id'] = tables.ids(form.library, list(records['id']), dtype)
        columns = self.panel.columns
        new = {'time': form.time or 'ds', 'id': form.id or 'unique_id'}
        if form.kind == 'frame':
            new['y'] = columns.target
        if not form.container and form.id is None:
            del records['id']
        named = {new.get(name, name): values for name, values in records.items()}
        return tables.frame(form.library, named)

    def plot(self, path: str | None = None, *, ids: object = None, axes: object = None) -> Any:
        """Draw some series: what came, the forecast of each window, and its intervals.

        Parameters
        ----------
        path : str, optional
            A file that the picture is written to.
        ids : id or list of ids, optional
            The series to draw; by default the first four.
        axes : matplotlib.axes.Axes, or a sequence of them, optional
            Where to draw, one for each series; by default a new figure.

        Returns
        -------
        figure : matplotlib.figure.Figure
            One that pyplot knows: a notebook shows it, and ``plt.show()`` opens it. With `path`
            pyplot does not know it, so that no window opens.

        Raises
        ------
        NotFoundError
            If there is no such series.
        ImportError
            If matplotlib is not installed: ``pip install 'rnnkit[plot]'``.
        """
        from rnnkit.integrations import figures, plots

        figures.check_path('plot()', path)
        drawn = pictures.of_backtest(self.panel, self.columns, self.levels, self.plan.season, ids)
        return plots.forecasts(drawn, path, axes)

    @property
    def is_better(self) -> bool:
        """Whether the network is better than both naive forecasts, by MASE."""
        return self._rivals()[1] is None

    @property
    def verdict(self) -> str:
        """A sentence that says whether the network is better than both naive forecasts."""
        metric, rival, scores = self._rivals()
        better = 'better' if rival is None else 'not better'
        named = rival or ('naive' if self.plan.season == 1 else 'seasonal_naive')
        return (
            f'the network is {better} than repeating {REPEATED[named]}: {metric.upper()} '
            f'{scores["forecast"][metric]:.3f} beside {scores[named][metric]:.3f}'
        )

    def _rivals(self) -> tuple[str, str | None, Scores]:
        """Return the metric, the best naive forecast unless the network is better, and all."""
        scores = self.scores()
        metric = 'mae' if np.isnan(scores['forecast']['mase']) else 'mase'
        names = ('naive',) if self.plan.season == 1 else tuple(REPEATED)
        best = min(names, key=lambda name: scores[name][metric])
        better = scores['forecast'][metric] < scores[best][metric]
        return metric, None if better else best, scores

    def __repr__(self) -> str:
        return f'{self._title}\n{self.scores()}\n{self._ending}'

    def _repr_html_(self) -> str:
        return html.block(
            html.line(self._title), self.scores()._repr_html_(), html.line(self._ending)
        )

    @property
    def _ending(self) -> str:
        return f'{self.verdict[0].upper()}{self.verdict[1:]}.'

    @property
    def _title(self) -> str:
        plan, n = self.plan, len(np.unique(self.columns['series']))
        apart = f', {plan.step} apart' if plan.windows > 1 else ''
        networks = 'trained before each' if plan.refit else 'trained before the first'
        many = f'{n} series' if n > 1 else 'a series'
        left = len(self.panel.series) - n
        short = f'; {left} too short' if left else ''
        windows = f'{plan.windows} window{"s" * (plan.windows > 1)}'
        return (
            f'Backtest of {many}{short}: {windows} of {plan.horizon} steps{apart}, networks '
            f'{networks}'
        )

    # --- ids and times of the records

    def _keys(self) -> list[object]:
        return [0 if series.id is None else series.id for series in self.panel.series]

    def _ids(self) -> np.ndarray:
        ids = np.empty(len(self.panel.series), object)
        ids[:] = self._keys()
        return ids[self.columns['series']]

    def _numbers(self, name: str) -> np.ndarray:
        """Return the numbers of the values in their series."""
        at = self.columns['at']
        return at if name == 'time' else at - self.columns['step']

    def _stamps(self, name: str) -> np.ndarray:
        """Return the time stamps, in UTC."""
        times = [series.times for series in self.panel.series]
        starts = np.array([one.start for one in times])[self.columns['series']]
        return times[0].frequency.at(starts, self._numbers(name))

    def _times(self, name: str) -> np.ndarray:
        frequency = self.panel.frequency
        return self._numbers(name) if frequency is None else frequency.wall(self._stamps(name))


def _irregular(labels: Labels) -> Labels:
    """Return the form of time stamps that are not one after another."""
    kind = 'integer' if labels.kind == 'range' else labels.kind
    return replace(labels, kind=kind, freq=labels.freq if kind == 'period' else None, name=None)
