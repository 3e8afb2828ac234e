"""What an ONNX file says about the network besides its graph: JSON in `metadata_props`.

``'rnnkit'`` describes the network: its kind, version, layout, spec, the names of its classes, and
where each state starts. ``'rnnkit.meta'`` is `Network.meta`.
"""

import json
from typing import Any

import numpy as np

from rnnkit.common import meta
from rnnkit.common.output_names import parts
from rnnkit.errors import ConfigError
from rnnkit.integrations.onnx.draft import Draft
from rnnkit.version import __version__

ABOUT, META = 'rnnkit', 'rnnkit.meta'


def properties(net: Any, draft: Draft) -> dict[str, str]:
    """Return the entries of a file, by their keys."""
    about: dict[str, object] = {
        'version': __version__,
        'model': type(net).__name__,
        'layout': net.layout,
        'dtype': net.dtype,
    }
    names = getattr(net, 'classes_', None)
    if names is not None:
        about['classes'] = np.asarray(names).tolist()
    if draft.states:
        about['states'] = {name: _start(draft, name) for name in draft.states}
    try:
        about['spec'] = net.to_spec()
    except ConfigError:  # a function without a name: the graph has its equations
        about['spec'] = None
    found = {ABOUT: json.dumps(about)}
    if net.meta:
        found[META] = json.dumps(_with_arrays(*meta.packed(net.meta)))
    return found


def _start(draft: Draft, state: str) -> object:
    """Return where a state starts: 0, the list of its learned values, or another output."""
    owner, part = parts(state)
    layer = draft.graph.by_name[owner]
    source = draft.graph.plan.starts[owner].get(part)
    if source is not None:
        return source
    learned = layer.params.get(f'{part}_0')
    return 0 if learned is None else learned.get_value().tolist()


def _with_arrays(plain: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Return JSON with its arrays in their places: dtype, shape and values."""
    if isinstance(plain, list):
        return [_with_arrays(item, arrays) for item in plain]
    if not isinstance(plain, dict):
        return plain
    if set(plain) == {meta.MARK}:
        array = arrays[plain[meta.MARK]]
        values = array.reshape(-1).tolist()
        return {meta.MARK: array.dtype.name, 'shape': list(array.shape), 'values': values}
    return {key: _with_arrays(item, arrays) for key, item in plain.items()}


def meta_of(text: str) -> dict[str, Any]:
    """Return `Network.meta` as a file has it.

    Raises
    ------
    ValueError, TypeError, KeyError
        If the text is something else.
    """
    found: dict[str, Any] = _without_arrays(json.loads(text))
    return found


def _without_arrays(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_arrays(item) for item in value]
    if not isinstance(value, dict):
        return value
    if meta.MARK in value:
        dtype = np.dtype(value[meta.MARK])
        if dtype.kind not in 'biuf':  # text of a length that a file claims would take memory
            raise ValueError(f'an array of {dtype}')
        return np.array(value['values'], dtype).reshape(value['shape'])
    return {key: _without_arrays(item) for key, item in value.items()}
