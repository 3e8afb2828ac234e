"""Parameters that a network takes over by name: from a file, a dict of arrays, or a network."""

import json
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from rnnkit.common import file_format
from rnnkit.common.checks import flag
from rnnkit.common.registry import glob, hint, suggestion
from rnnkit.common.spelling import FEW, brief
from rnnkit.errors import ConfigError, NotFoundError, ShapeError
from rnnkit.integrations import torch_file, weight_files
from rnnkit.models import files
from rnnkit.models.exports import LoadedWeights
from rnnkit.models.network import Network
from rnnkit.models.parameters import assign_all

WHERE = 'load_weights()'
FOREIGN = (
    'weights of PyTorch are read by rnnkit.from_torch(path, layers), those of Keras by '
    'rnnkit.from_keras(path, layers); load_weights takes the network that they return'
)
TORCH = re.compile(r'(weight|bias)(_(ih|hh|hr)(_l\d+)?(_reverse)?)?')


def load(net: Network, source: object, only: Any, names: Any, strict: object) -> LoadedWeights:
    """Copy parameters by name; see `rnnkit.Network.load_weights`."""
    strict = flag(f'{WHERE}: strict', strict)
    params = {str(p.name): p for p in net.params}
    patterns = [only] if isinstance(only, str) else only
    if not isinstance(patterns, list | tuple) or not patterns:
        raise ConfigError(
            f"{WHERE}: only must be a pattern of names, such as 'hid1.*', or a list of them; got "
            f'{brief(only)}'
        )
    wanted = {name for one in patterns for name in glob(f'{WHERE}: only', one, params)}
    given = _renamed(net, _arrays(source), names)
    # What another pattern would take is neither loaded nor reported.
    given = {name: one for name, one in given.items() if name in wanted or name not in params}
    loaded = [name for name in params if name in wanted and name in given]
    unused = [name for name in given if name not in wanted]
    if set(wanted) != set(params):  # layers of the source that `only` leaves out here
        unused = [name for name in unused if any(fnmatchcase(name, one) for one in patterns)]
    missing = [name for name in params if name in wanted and name not in given]
    report = LoadedWeights(tuple(loaded), tuple(unused), tuple(missing))
    if not loaded or (strict and (unused or missing)):
        raise NotFoundError(_complaint(report, list(params), list(given)))
    try:
        assign_all(WHERE, net.layers, [(params[name], given[name]) for name in loaded])
    except ShapeError as error:
        raise ShapeError(
            f"{error}; to leave it as it is, choose the others by only=, such as only='hid*'"
        ) from None
    return report


def _arrays(source: Any) -> dict[str, Any]:
    """Return what a user passes as arrays by name."""
    if isinstance(source, Network):
        return {p.name: p.get_value() for p in source.params}
    if isinstance(source, Mapping):
        odd = [name for name in source if not isinstance(name, str)]
        if odd:
            raise ConfigError(f"{WHERE}: names must be str such as 'hid1.xh'; got {brief(odd[0])}")
        return {name: weight_files.array_of(WHERE, name, value) for name, value in source.items()}
    if isinstance(source, list | tuple):
        raise ConfigError(
            f'{WHERE}: expects a file, a network, or arrays by name; got '
            f'{type(source).__name__} of {len(source)}; {FOREIGN}'
        )
    file, name, _ = weight_files.opened(f'{WHERE}: source', source)
    with file:
        start = weight_files.first_bytes(file)
        if start.startswith((weight_files.ZIP, torch_file.LEGACY)):
            raise ConfigError(f'{WHERE}: {name}: {FOREIGN}')
        content = file.read()
    arrays = weight_files.of_safetensors(content, name)
    if not _is_own(content):
        return dict(arrays)
    found = file_format.unpack(content, name)  # which checks that nothing was changed
    if found.training is None:
        return dict(found.arrays)
    return {p.name: p.get_value() for p in files.network(name, found).params}


def _is_own(content: bytes) -> bool:
    """Return whether a safetensors file is one that rnnkit has written."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], 'little')])
    return (header.get('__metadata__') or {}).get('format') == file_format.FORMAT


def _renamed(net: Network, arrays: dict[str, Any], names: Any) -> dict[str, Any]:
    """Return arrays under the names that their layers have in the network."""
    if names is None:
        return arrays
    if not isinstance(names, Mapping) or not all(
        isinstance(one, str) for pair in names.items() for one in pair
    ):
        raise ConfigError(
            f"{WHERE}: names must be a dict such as {{'encoder': 'hid1'}}; got {brief(names)}"
        )
    owners = {name.rpartition('.')[0] for name in arrays}
    ours = {str(layer.name) for layer in net.layers}
    ours |= {str(child.name) for layer in net.layers for child in layer.children}
    for theirs, own in names.items():
        if theirs not in owners:
            raise NotFoundError(
                f'{WHERE}: names: the source has no layer {theirs!r}; {hint(theirs, owners)}'
            )
        if own not in ours:
            raise NotFoundError(
                f'{WHERE}: names: the network has no layer {own!r}; {hint(own, ours)}'
            )
    found: dict[str, Any] = {}
    for name, array in arrays.items():
        owner, _, last = name.rpartition('.')
        new = f'{names.get(owner, owner)}.{last}'
        if new in found:
            raise ConfigError(f'{WHERE}: names: two arrays of the source would be {new!r}')
        found[new] = array
    return found


def _complaint(report: LoadedWeights, params: list[str], given: list[str]) -> str:
    """Return what a message says about names that have no partner."""
    parts = []
    if report.missing:
        parts.append(f'the source lacks {_few(report.missing)}')
    if report.unused:
        near = suggestion(report.unused[0], params)
        parts.append(f'the network has no {_few(report.unused)}{near}')
    if report.unused and all(TORCH.fullmatch(name.rpartition('.')[2]) for name in given):
        parts.append(FOREIGN)
    elif not report.loaded:
        parts.append('so that nothing is left to be loaded')
    else:
        parts.append(
            'only= chooses parameters, names= pairs layers of other names, and strict=False loads '
            'what both have'
        )
    return f'{WHERE}: {"; ".join(parts)}'


def _few(names: tuple[str, ...]) -> str:
    more = f' and {len(names) - FEW} more' if len(names) > FEW else ''
    return ', '.join(map(repr, names[:FEW])) + more
