"""A graph is read from its inputs to its outputs."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from rnnkit.common.registry import hint
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError, FormatError
from rnnkit.integrations.onnx.reader import (  # noqa: F401  # they register what they read
    choices,
    constants,
    dense,
    file,
    recurrent,
    rest,
    shapes,
)
from rnnkit.integrations.onnx.reader.axes import BATCH, TIME, Atom
from rnnkit.integrations.onnx.reader.nodes import Graph, Node
from rnnkit.integrations.onnx.reader.values import Flow, Outside, Plan, Stack, kind

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

ORDERS = {'time': (TIME, BATCH), 'batch': (BATCH, TIME)}


def walk(
    name: str, model: 'ModelProto', weights: Mapping[str, ArrayLike], layout: str | None
) -> Graph:
    """Read all nodes of a graph.

    Parameters
    ----------
    name : str
        What messages call the file.
    model : ModelProto
    weights : dict of str to array
        The values of inputs that are weights.
    layout : {'time', 'batch'}, optional
        The order of the axes of data, if it is known.
    """
    proto = model.graph
    uses = Counter(one for node in proto.node for one in node.input if one)
    uses.update(one.name for one in proto.output)
    versions = {one.domain: one.version for one in model.opset_import}
    graph = Graph(name, versions.get('', versions.get('ai.onnx', 0)), uses)
    for tensor in proto.initializer:
        graph.values[tensor.name] = file.array(name, tensor)
    inputs = [one for one in proto.input if one.name not in graph.values]
    _check_names(name, weights, [one.name for one in inputs])
    atoms: dict[str, Atom] = {}
    for one in inputs:
        if one.name in weights:
            graph.values[one.name] = _weights(one.name, weights[one.name])
        else:
            graph.values[one.name] = _outside(graph, one, atoms, layout)
    for node in proto.node:
        Node(graph, node).read()
    _check_lengths(graph)
    return graph


def _check_names(name: str, weights: Mapping[str, ArrayLike], inputs: list[str]) -> None:
    for key in weights:
        if key not in inputs:
            raise ConfigError(
                f'from_onnx(): weights: {name} has no input {brief(key)}; {hint(str(key), inputs)}'
            )


def _weights(name: str, value: ArrayLike) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in 'fiub':
        raise ConfigError(
            f'from_onnx(): weights[{name!r}] must be an array of numbers; got {brief(value)}'
        )
    return array.astype(np.float32) if array.dtype == np.float16 else array.copy()


def _outside(
    graph: Graph, proto: 'ValueInfoProto', atoms: dict[str, Atom], layout: str | None
) -> Outside:
    """Return an input of the graph; axes that the file gives the same name are the same."""
    import onnx

    type_ = proto.type.tensor_type
    if not proto.type.HasField('tensor_type') or not type_.HasField('shape'):
        raise FormatError(
            f'{graph.name}: the input {proto.name!r} must be an array with a known number of axes; '
            f'export the model with the shape of its inputs'
        )
    axes = []
    for k, dim in enumerate(type_.shape.dim):
        label = dim.dim_param or f'axis {k} of {proto.name!r}'
        atom = Atom(label, dim.dim_value if dim.dim_value > 0 else None)
        axes.append((atoms.setdefault(dim.dim_param, atom) if dim.dim_param else atom,))
    dtype = onnx.helper.tensor_dtype_to_np_dtype(type_.elem_type)
    whole = dtype.kind in 'iu'
    if layout is not None and len(axes) == (2 if whole else 3):
        for (atom,), role in zip(axes, ORDERS[layout], strict=False):
            atom.role = role
    return Outside(proto.name, tuple(axes), whole)


def _check_lengths(graph: Graph) -> None:
    """Check that all layers read the lengths of sequences, if one does."""
    if graph.lengths is None:
        return
    without = [where for where, has in graph.has_lengths.items() if not has]
    if without:
        raise FormatError(
            f'{without[0]}: it has no sequence_lens, as others have; all recurrent layers of a '
            f'network know the lengths of sequences, or none'
        )
    if graph.unmasked:
        raise FormatError(
            f'{graph.unmasked[0]}: it reads steps beyond the lengths of sequences, which '
            f'sequence_lens gives; layers here leave them out'
        )


def main_output(graph: Graph, outputs: list[str]) -> tuple[Flow, list[Plan]]:
    """Return the output of the network, the first that is no final state, and the layers needed.

    Raises
    ------
    FormatError
        If an output is not that of a layer.
    """
    flows: list[Flow] = []
    states: list[Flow] = []
    for name in outputs:
        value = graph.values.get(name)
        if isinstance(value, Stack):
            states += value.parts
            continue
        if not isinstance(value, Flow) or value.repeated:
            raise FormatError(
                f'{graph.name}: the output {name!r} must be that of a layer; it is {kind(value)}'
            )
        flows.append(value)
    if not flows:
        raise FormatError(f'{graph.name}: its graph has no output that is that of one layer')
    ends = [f for f in flows if f.output.startswith('last') and f.plan in graph.streamed]
    main = next((flow for flow in flows if flow not in ends), flows[0])
    return main, needed(graph, [flow.plan for flow in flows + states])


def needed(graph: Graph, waiting: list[Plan]) -> list[Plan]:
    """Return the layers that these depend on, in their order."""
    seen: set[Plan] = set()
    while waiting:
        plan = waiting.pop()
        if plan not in seen:
            seen.add(plan)
            waiting += [one for one, _ in plan.all_sources()]
    return [plan for plan in graph.plans if plan in seen]
