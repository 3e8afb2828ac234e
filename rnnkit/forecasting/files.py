"""Forecasters in files: networks, and the series and decisions that belong to them."""

from dataclasses import fields
from typing import Any

import numpy as np

from rnnkit.common.file_format import File
from rnnkit.errors import FormatError, RnnkitError
from rnnkit.forecasting import building, panel_files
from rnnkit.forecasting.bases import Choices
from rnnkit.forecasting.design import Design
from rnnkit.forecasting.fitted import Fitted, room_for
from rnnkit.forecasting.intervals import Calibration
from rnnkit.forecasting.options import Options
from rnnkit.forecasting.outputs import HEADS
from rnnkit.forecasting.running import Model
from rnnkit.models import files as network_files

MODEL = 'Forecaster'  # in the spec


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
        'panel': panel_files.to_state(fitted.panel),
        'choices': [part.astype('int64') for part in fitted.histories.choices],
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
    panel = panel_files.from_state(state['panel'])
    nets = []
    for k, spec in enumerate(file.spec['networks']):
        own = {
            key.partition('.')[2]: array
            for key, array in file.arrays.items()
            if key.partition('.')[0] == str(k)
        }
        nets.append(network_files.network(name, File(spec, own)))
    model = Model(nets, design, HEADS[options.output](), float(state['shrink']))
    lag, seasons, log = map(np.asarray, state['choices'])
    choices = Choices(lag, seasons, log.astype(bool))
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
