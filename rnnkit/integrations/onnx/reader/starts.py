"""Initial states of recurrent layers: constants, outputs of layers, or inputs of the graph."""

import numpy as np

from rnnkit.integrations.onnx.reader.axes import BATCH
from rnnkit.integrations.onnx.reader.nodes import Node
from rnnkit.integrations.onnx.reader.roles import is_batch
from rnnkit.integrations.onnx.reader.values import Flow, Outside, Plan, Source, Spread, kind
from rnnkit.layers.bidirectional import WAYS


def read(node: Node, plan: Plan, k: int, part: str, batch_first: bool, ways: int) -> None:
    """Note from what a part of the state starts, given by input `k` of the node."""
    value = node.value(k)
    if isinstance(value, np.ndarray | Spread):
        _constant(node, plan, value, part, batch_first, ways)
    elif isinstance(value, Outside):
        _outside(node, value, part, batch_first)
        node.graph.streamed.add(plan)
    elif isinstance(value, Flow):
        plan.starts[f'{part}_0'] = _flow(node, value, part, batch_first, ways)


def _constant(
    node: Node, plan: Plan, value: np.ndarray | Spread, part: str, batch_first: bool, ways: int
) -> None:
    array = value.array if isinstance(value, Spread) else value
    hidden = node.weights(2, 'R').shape[-1]
    if array.dtype.kind != 'f' or array.ndim != 3:
        raise node.fail(f'initial_{part} must be real numbers with three axes; got {kind(value)}')
    if not array.any():
        return
    if batch_first:
        array = array.swapaxes(0, 1)  # (directions, B, H)
    if (array != array[:, :1]).any():
        raise node.fail(
            f'initial_{part} differs between examples; it must be the same for all, or an input '
            f'of the graph'
        )
    try:
        rows = np.broadcast_to(array[:, 0], (ways, hidden))
    except ValueError as error:
        raise node.fail(
            f'initial_{part} must have the shape {(ways, "B", hidden)}; got {array.shape}'
        ) from error
    plan.options[f'{part}_0'] = 'learn'
    names = [f'{part}_0'] if ways == 1 else [f'{way}.{part}_0' for way in WAYS]
    plan.params |= {name: row.copy() for name, row in zip(names, rows, strict=True)}


def _outside(node: Node, value: Outside, part: str, batch_first: bool) -> None:
    """Note that an input of the graph is an initial state, which predictions get as `state`."""
    if value.name in node.graph.inputs or value.whole or len(value.axes) != 3:
        raise node.fail(
            f'initial_{part} must be an input of real numbers with three axes, which nothing else '
            f'reads; it is {value.name!r}'
        )
    node.graph.states[value.name] = f'initial_{part} of {node.where}'
    axis = value.axes[0 if batch_first else 1]
    for atom in axis:
        atom.role = BATCH


def _flow(node: Node, flow: Flow, part: str, batch_first: bool, ways: int) -> Source | list[Source]:
    """Return the output of another layer, or a pair of them, from which a state starts."""
    axes = flow.axes
    if batch_first and len(axes) == 3:
        axes = (axes[1], axes[0], axes[2])
    fits = len(axes) == 3 and is_batch(axes[1]) and flow.repeated is None
    if fits and ways == 1 and axes[0] == () and axes[2] == flow.features:
        return flow.plan, flow.output
    pair = fits and ways == 2 and axes[0] + axes[2] == flow.features
    if pair and [atom.label for atom in axes[0]] == ['directions']:
        return [(flow.plan, f'{way}_{flow.output}') for way in WAYS]
    raise node.fail(
        f'initial_{part} must be a final state of another layer, or one vector for each '
        f'example; it is {flow}'
    )
