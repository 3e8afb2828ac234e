"""The parameters of a network as a state dict of PyTorch's modules."""

import importlib.util
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnkit.common.registry import hint
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError
from rnnkit.integrations.gates import ORDERS, parted_biases, reordered
from rnnkit.integrations.parts import check_options
from rnnkit.layers import Bidirectional, Dense, Embedding, Layer, LayerNorm, Standardize, Tied
from rnnkit.layers.recurrent import Recurrent

if TYPE_CHECKING:
    from rnnkit.models.network import Network

WHERE = 'to_torch()'
SCALE = 'the module then needs inputs that are scaled: (x - mean) / deviation of this layer'
MODULES = {'rnn': 'nn.RNN', 'lstm': 'nn.LSTM', 'gru': 'nn.GRU'}
ALLOWED: dict[str, dict[str, tuple[object, ...]]] = {
    'rnn': {'activation': ('tanh', 'relu')},
    'lstm': {'projection': (None,)},
    'gru': {},
}
NUMBERED = re.compile(r'(.*?)_l([0-9]+)')


def state_dict(
    net: 'Network', names: Mapping[str, str | None] | None, arrays: bool
) -> dict[str, Any]:
    """Return the parameters of a network for ``load_state_dict``; see `rnnkit.Network.to_torch`."""
    if net.scale_targets:
        raise ConfigError(
            f'{WHERE}: the network has scale_targets=True: its outputs are scaled by '
            f'those of the targets, which nn.Linear does not do'
        )
    found: dict[str, np.ndarray] = {}
    for layer, name in _named(net.layers, names):
        own = _of_layer(layer, name)
        twice = set(found) & set(own)
        if twice:
            raise ConfigError(f'{WHERE}: two layers would have the weight {min(twice)!r}')
        found |= own
    if arrays or importlib.util.find_spec('torch') is None:
        return found
    import torch

    return {name: torch.from_numpy(array) for name, array in found.items()}


def _named(layers: list[Layer], names: Mapping[str, str | None] | None) -> list[tuple[Layer, str]]:
    """Return the layers with parameters, and the names that they have in PyTorch."""
    given = {} if names is None else names
    if not isinstance(given, Mapping) or not all(
        isinstance(k, str) and isinstance(v, str | None) for k, v in given.items()
    ):
        raise ConfigError(
            f"{WHERE}: names must be a dict such as {{'hid1': 'lstm', 'out': 'head'}}, with None "
            f'for layers to leave out; got {brief(names)}'
        )
    known = [str(layer.name) for layer in layers if layer.params]
    for name in given:
        if name not in known:
            raise ConfigError(
                f'{WHERE}: names: no layer with parameters is called {name!r}; {hint(name, known)}'
            )
    pairs = []
    for layer in layers:
        own: str | None = str(layer.name).replace('/', '.')
        name = given.get(str(layer.name), own)
        if layer.params and name is not None:
            pairs.append((layer, name))
    return pairs


def _of_layer(layer: Layer, name: str) -> dict[str, np.ndarray]:
    """Return the weights of one layer by their full names."""
    values = {k: p.get_value() for k, p in layer.params.items()}
    module = name
    if isinstance(layer, Recurrent | Bidirectional):
        match = NUMBERED.fullmatch(name)
        module, number = match.groups() if match else (name, '0')
        both = _recurrent(layer)
        own = {f'{last}_l{number}{back}': array for (last, back), array in both.items()}
    elif isinstance(layer, Dense) and set(values) == {'w', 'b'}:
        own = {'weight': values['w'].T, 'bias': values['b']}
    elif isinstance(layer, Tied):
        # (V, E) of an embedding and (I, H) of a linear map are as PyTorch has them the other way.
        own = {'weight': layer.mate.params['w'].get_value(), 'bias': values['b']}
    elif isinstance(layer, Embedding):
        own = {'weight': values['w']}
    elif isinstance(layer, LayerNorm):
        own = {'weight': values['gamma'], 'bias': values['beta']}
    else:
        scaled = isinstance(layer, Standardize)
        then = f', and {SCALE}' if scaled else ''
        raise ConfigError(
            f'{WHERE}: layer {layer.name!r} ({layer.form}) with the parameters '
            f'{", ".join(values)} has no counterpart in PyTorch; names={{{layer.name!r}: None}} '
            f'leaves it out{then}'
        )
    start = f'{module}.' if module else ''
    return {f'{start}{last}': np.ascontiguousarray(array) for last, array in own.items()}


def _recurrent(layer: Layer) -> dict[tuple[str, str], np.ndarray]:
    """Return the weights of a recurrent layer, by their names and ``'_reverse'`` or ``''``."""
    if isinstance(layer, Bidirectional):
        if layer.merge != 'concat':
            raise ConfigError(
                f'{WHERE}: layer {layer.name!r} (bidirectional) has merge={layer.merge!r}; '
                f"PyTorch's modules return both directions side by side, as 'concat' does"
            )
        forward, backward = (_direction(child) for child in layer.children)
        return {
            **{(last, ''): array for last, array in forward.items()},
            **{(last, '_reverse'): array for last, array in backward.items()},
        }
    if layer.direction != 'forward':  # type: ignore[attr-defined]
        raise ConfigError(
            f'{WHERE}: layer {layer.name!r} ({layer.form}) runs backward, which a module of '
            f"PyTorch's does together with a forward direction only"
        )
    return {(last, ''): array for last, array in _direction(layer).items()}


def _direction(layer: Layer) -> dict[str, np.ndarray]:
    """Return the weights of one direction."""
    if layer.form not in MODULES:
        raise ConfigError(
            f'{WHERE}: layer {layer.name!r} ({layer.form}) has no counterpart in PyTorch, whose '
            f'recurrent modules are {", ".join(MODULES.values())}'
        )
    projection = getattr(layer.cell, 'projection', None)  # type: ignore[attr-defined]
    allowed = ALLOWED[layer.form] | ({} if projection is None else {'projection': (projection,)})
    check_options(WHERE, layer, MODULES[layer.form], allowed)
    order, theirs = ORDERS['rnnkit'][layer.form], ORDERS['torch'][layer.form]
    values = {k: p.get_value() for k, p in layer.params.items()}
    of_x, of_h = (reordered(bias, order, theirs) for bias in parted_biases(values))
    own = {
        'weight_ih': reordered(values['xh'], order, theirs).T,
        'weight_hh': reordered(values['hh'], order, theirs).T,
        'bias_ih': of_x,
        'bias_hh': of_h,
    }
    if projection is not None:
        own['weight_hr'] = values['hr'].T
    return own
