"""Forecasters in files: networks, and the series and decisions that belong to them."""

from dataclasses import asdict, fields
from typing import Any

import numpy as np

from rnnkit.common.file_format import File
from rnnkit.errors import ConfigError, FormatError, RnnkitError
from rnnkit.forecasting import building
from rnnkit.forecasting.design import Design
from rnnkit.forecasting.fitted import Fitted, room_for
from rnnkit.forecasting.forms import Form
from rnnkit.forecasting.frequency import Frequency
from rnnkit.forecasting.intervals import Calibration
from rnnkit.forecasting.options import Options
from rnnkit.forecasting.outputs import HEADS
from rnnkit.forecasting.running import Model
from rnnkit.forecasting.series import Columns, Panel, Series
from rnnkit.forecasting.times import Times
from rnnkit.models import files as network_files

MODEL = 'Forecaster'  # in the spec
SERIES = ('values', 'past', 'future', 'static')


def pack(fitted: Fitted) -> File:
    """Return the content of a file."""
    nets = fitted.model.networks
    spec = {
        'model': MODEL,
        'options': fitted.options.to_spec(),
        'networks': [net.to_spec() for net in nets],
    }
    arrays = {f'{k}.{p.name}': p.get_value() for k, net in enumerate(nets) for p in net.params}
    state: dict[str, Any] = {
        'design': _of_design(fitted.model.design),
        'panel': _of_panel(fitted.panel),
        'lag': fitted.histories.lag,
        'log': fitted.histories.log.astype('int64'),
        'shrink': fitted.model.shrink,
    }
    if fitted.calibration is not None:
        state['calibration'] = fitted.calibration.state()
    return File(spec, arrays, meta=state)


def unpack(name: str, file: File) -> Fitted:
    """Return the fitted forecaster that a file holds; `name` is what messages call it.

    Raises
    ------
    FormatError
        If it cannot be built.
    """
    try:
        return _unpacked(name, file)
    except (RnnkitError, KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f'{name}: its forecaster cannot be built: {error}') from error


def _unpacked(name: str, file: File) -> Fitted:
    state = file.meta or {}
    options = Options.from_spec(file.spec['options'])
    design = _to_design(state['design'])
    panel = _to_panel(state['panel'])
    nets = []
    for k, spec in enumerate(file.spec['networks']):
        own = {
            key.partition('.')[2]: array
            for key, array in file.arrays.items()
            if key.partition('.')[0] == str(k)
        }
        nets.append(network_files.network(name, File(spec, own)))
    model = Model(nets, design, HEADS[options.output](), float(state['shrink']))
    choices = np.asarray(state['lag']), np.asarray(state['log']).astype(bool)
    histories = building.build(panel.series, design, room_for(design), choices)
    found = state.get('calibration')
    calibration = None if found is None else Calibration.from_state(found)
    return Fitted(options, model, panel, histories, calibration)


def _of_design(design: Design) -> dict[str, Any]:
    moments = {kind: list(pair) for kind, pair in design.moments.items()}
    plain = {f.name: getattr(design, f.name) for f in fields(design) if f.name != 'moments'}
    return {**plain, 'lags': list(design.lags), 'moments': moments}


def _to_design(state: dict[str, Any]) -> Design:
    moments = {kind: tuple(map(np.asarray, pair)) for kind, pair in state['moments'].items()}
    return Design(**{**state, 'lags': tuple(state['lags']), 'moments': moments})


def _of_panel(panel: Panel) -> dict[str, Any]:
    series = panel.series
    for one in series:
        if not isinstance(one.id, str | int | float | None | np.generic):
            raise ConfigError(
                f'save(): the id {one.id!r} of a series is neither text nor a number; files hold '
                f'no others'
            )
    state: dict[str, Any] = {
        'form': panel.form.to_spec(),
        'columns': [list(c) if isinstance(c, tuple) else c for c in panel.columns],
        'categories': {str(name): list(names) for name, names in panel.categories.items()},
        'ids': [one.id.item() if isinstance(one.id, np.generic) else one.id for one in series],
        'names': [one.name for one in series],
        'lengths': np.array([len(one) for one in series]),
        'static': np.array([one.static for one in series]),
        **{kind: np.concatenate([getattr(one, kind) for one in series]) for kind in SERIES[:3]},
    }
    times = [one.times for one in series]
    if times[0] is not None:
        start = np.array([one.start for one in times])
        state['frequency'] = asdict(times[0].frequency)
        state['unit'] = start.dtype.str
        state['start'] = start.astype('int64')
    return state


def _to_panel(state: dict[str, Any]) -> Panel:
    lengths, static = np.asarray(state['lengths']), np.asarray(state['static'])
    cuts = np.cumsum(lengths)[:-1]
    parts = {kind: np.split(np.asarray(state[kind]), cuts) for kind in SERIES[:3]}
    times: list[Times | None] = [None] * len(lengths)
    if 'start' in state:
        start = np.asarray(state['start']).astype(state['unit'])
        frequency = Frequency(**state['frequency'])
        times = [Times(one, frequency, int(n)) for one, n in zip(start, lengths, strict=True)]
    series = [
        Series(
            id=state['ids'][k],
            name=state['names'][k],
            static=static[k],
            times=times[k],
            **{kind: parts[kind][k] for kind in parts},
        )
        for k in range(len(lengths))
    ]
    columns = Columns(*(tuple(c) if isinstance(c, list) else c for c in state['columns']))
    categories = {name: tuple(names) for name, names in state['categories'].items()}
    return Panel(series, Form.from_spec(state['form']), columns, categories)
