"""Parameters in ONNX files of rnnkit's own: where they are in the graph, and those that are not.

Layers without an operator are written as equations, in which some parameters do not occur: a
vector of one element is a number, and cells compute arrays from others before the loop. These are
in the file's `metadata_props` as ``'rnnkit.params'``.
"""

import base64
import binascii
import json
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnkit.errors import FormatError
from rnnkit.integrations.onnx.reader import file, recurrent
from rnnkit.integrations.onnx.reader.nodes import Graph, Node
from rnnkit.layers.bidirectional import WAYS

if TYPE_CHECKING:
    from onnx import ModelProto

PARAMS = 'rnnkit.params'


def in_graph(name: str, model: 'ModelProto') -> dict[str, np.ndarray]:
    """Return the arrays of a graph by name, and the parameters of recurrent layers.

    Parameters
    ----------
    name : str
        What messages call the file.
    model : ModelProto
    """
    graph = Graph(name, 0, Counter())
    for tensor in model.graph.initializer:
        graph.values[tensor.name] = file.array(name, tensor)
    found = {key: value for key, value in graph.values.items() if isinstance(value, np.ndarray)}
    for proto in model.graph.node:
        weights = proto.input[1] if len(proto.input) > 1 else ''
        if proto.op_type in recurrent.CELLS and weights.endswith('.W'):
            layer = weights.removesuffix('.W')
            ways = recurrent.weights(Node(graph, proto))
            owners = [layer] if len(ways) == 1 else [f'{layer}_{way}' for way in WAYS]
            for owner, params in zip(owners, ways, strict=True):
                found |= {f'{owner}.{key}': value for key, value in params.items()}
    return found


def missing(model: 'ModelProto', params: Iterable[Any]) -> str:
    """Return the parameters of a network that its graph does not have, as text for the file."""
    found, rest = in_graph('to_onnx()', model), {}
    for p in params:
        value = p.get_value().astype('<f4')
        if p.name not in found or not np.array_equal(found[p.name], value):
            text = base64.b64encode(value.tobytes()).decode()
            rest[p.name] = {'shape': list(value.shape), 'float32': text}
    return json.dumps(rest) if rest else ''


def outside(name: str, text: str) -> dict[str, np.ndarray]:
    """Return the parameters that `missing` has written.

    Raises
    ------
    FormatError
        If the text is something else.
    """
    try:
        return {key: _array(entry) for key, entry in dict(json.loads(text)).items()}
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError, binascii.Error) as why:
        raise FormatError(f'{name}: its entry {PARAMS!r} is damaged: {why}') from why


def _array(entry: Any) -> np.ndarray:
    values = np.frombuffer(base64.b64decode(entry['float32'], validate=True), '<f4')
    shape = [int(n) for n in entry['shape']]
    if min(shape, default=0) < 0:
        raise ValueError(f'the shape {shape}')
    return values.reshape(shape).astype(np.float32)
