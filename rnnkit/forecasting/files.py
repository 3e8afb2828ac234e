"""Forecasters in files: networks, and the series and decisions that belong to them."""

from dataclasses import fields
from typing import Any

import numpy as np

from rnnkit.common.checks import flag, real, whole
from rnnkit.common.file_format import File
from rnnkit.errors import ConfigError, FormatError, RnnkitError
from rnnkit.forecasting import building, panel_files
from rnnkit.forecasting.bases import SEASONS, Choices
from rnnkit.forecasting.design import Design
from rnnkit.forecasting.fitted import Fitted, room_for
from rnnkit.forecasting.intervals import Calibration
from rnnkit.forecasting.options import Options
from rnnkit.forecasting.outputs import HEADS
from rnnkit.forecasting.running import Model
from rnnkit.forecasting.series import Panel
from rnnkit.models import files as network_files

MODEL = 'Forecaster'  # in the spec
MOST_STEPS = 1_000_000  # of a lag, a horizon, ...
MOST_MEMORY = 10_000_000  # numbers before and after the series


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
    except (
        RnnkitError,
        LookupError,
        TypeError,
        ValueError,
        ArithmeticError,
        AttributeError,
    ) as error:
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
    head = HEADS[options.output]()
    _check_networks(nets, design, options, head.n_parts)
    model = Model(nets, design, head, real('shrink', state['shrink'], least=0))
    lag, seasons, log = (np.asarray(part) for part in state['choices'])
    _check_choices(lag, seasons, design, panel)
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
    for name in ('season', 'horizon', 'judged', 'profile', 'window'):
        whole(name, state[name], 1, MOST_STEPS)
    for name in ('calendar', 'decodes'):
        flag(name, state[name])
    lags = tuple(whole('lags', lag, 1, MOST_STEPS) for lag in state['lags'])
    return Design(**{**state, 'lags': lags, 'moments': moments})


def _check_networks(nets: list[Any], design: Design, options: Options, n_parts: int) -> None:
    """Raise a ConfigError unless networks have the outputs of the forecaster."""
    steps = 1 if options.mode == 'recursive' else options.horizon
    size = n_parts * (1 if design.decodes else steps)
    right = design.horizon == steps and design.decodes == (options.mode == 'encoder-decoder')
    sizes = [net.layers[-1].size for net in nets]
    if not right or len(sizes) != options.ensemble or set(sizes) != {size}:
        raise ConfigError(f'{options.ensemble} networks of {size} units are needed; got {sizes}')


def _check_choices(lag: np.ndarray, seasons: np.ndarray, design: Design, panel: Panel) -> None:
    """Raise a ConfigError unless bases are known, and their memory is in proportion to values."""
    n = len(panel.series)
    known = np.isin(lag, [1, design.season, *design.lags]) & np.isin(seasons, [1, SEASONS])
    if {lag.dtype.kind, seasons.dtype.kind} != {'i'} or lag.shape != (n,) or not known.all():
        raise ConfigError(f'the bases of the {n} series are missing, or are others')
    values = sum(len(one) for one in panel.series)
    if n * (design.pad + design.horizon) > max(MOST_MEMORY, 1000 * values):
        raise ConfigError(f'its lags are too long for {values} values')
