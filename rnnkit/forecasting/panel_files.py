"""A panel as arrays and JSON, for files, and back."""

from dataclasses import asdict
from typing import Any

import numpy as np

from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError
from rnnkit.forecasting.forms import Form
from rnnkit.forecasting.frequency import Frequency
from rnnkit.forecasting.series import Columns, Panel, Series
from rnnkit.forecasting.times import Times


def to_state(panel: Panel) -> dict[str, Any]:
    """Return a panel as a dict of arrays and of values that are JSON.

    Raises
    ------
    ConfigError
        If an id or a name is not a str, a number or None.
    """
    series = panel.series
    columns = panel.columns._asdict()
    named = (columns['id'], columns['time'], columns['target'], *panel.form.names)
    for name in (*named, *panel.past, *panel.future, *columns['static']):
        _check('the name of a column', name)
    for one in series:
        _check('an id', one.id)
    frequency = panel.frequency
    state: dict[str, Any] = {
        'columns': {k: list(v) if isinstance(v, tuple) else v for k, v in columns.items()},
        'form': panel.form.to_spec(),
        'categories': [[name, list(known)] for name, known in panel.categories.items()],
        'frequency': None if frequency is None else asdict(frequency),
        'ids': [one.id for one in series],
        'names': [one.name for one in series],
        'lengths': np.array([len(one) for one in series]),
        'skipped': np.array([one.skipped for one in series]),
        'values': np.concatenate([one.values for one in series]),
        'past': np.concatenate([one.past for one in series]),
        'future': np.concatenate([one.future for one in series]),
        'static': np.stack([one.static for one in series]),
    }
    if frequency is not None:
        starts = np.array([one.times.start for one in series if one.times is not None])
        state['starts'] = starts.astype('int64')
        state['unit'] = np.datetime_data(starts.dtype)[0] if starts.dtype.kind == 'M' else ''
    return state


def from_state(state: dict[str, Any]) -> Panel:
    """Return the panel of a state."""
    columns = Columns(
        **{k: tuple(v) if isinstance(v, list) else v for k, v in state['columns'].items()}
    )
    for name in ('past', 'future', 'static'):
        if not isinstance(getattr(columns, name), tuple):
            raise TypeError(f'{name} must be a list of names')
    frequency = starts = None
    if state['frequency'] is not None:
        frequency = Frequency(**state['frequency'])
        starts = state['starts'].astype(f'M8[{state["unit"]}]' if state['unit'] else 'int64')
    ends = np.cumsum(state['lengths']).tolist()
    series = []
    for k, (end, n) in enumerate(zip(ends, state['lengths'].tolist(), strict=True)):
        rows = slice(end - n, end)
        arrays = (state[name][rows] for name in ('values', 'past', 'future'))
        times = None
        if frequency is not None and starts is not None:
            times = Times(starts[k], frequency, n)
        one = (*arrays, state['static'][k], times, int(state['skipped'][k]))
        series.append(Series(state['ids'][k], state['names'][k], *one))
    categories = {name: tuple(known) for name, known in state['categories']}
    return Panel(series, Form.from_spec(state['form']), columns, categories)


def _check(what: str, name: object) -> None:
    if name is not None and not isinstance(name, str | int | float):
        raise ConfigError(
            f'save(): {what} must be a str or a number; got {brief(name)}, a {type(name).__name__}'
        )
