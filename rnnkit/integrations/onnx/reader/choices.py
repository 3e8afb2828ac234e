"""Operators that choose a part of an array: one direction, or the last time step."""

import numpy as np

from rnnkit.integrations.onnx.reader import constants
from rnnkit.integrations.onnx.reader.axes import BATCH, FEATURE, Atom, Axis, length
from rnnkit.integrations.onnx.reader.nodes import Node, reads
from rnnkit.integrations.onnx.reader.roles import is_time
from rnnkit.integrations.onnx.reader.values import Flow, Outside, Plan, Spread, Stack, Value, kind
from rnnkit.layers.bidirectional import WAYS

END = 2**31 - 1  # and larger numbers stand for the end of an axis


@reads('Gather')
def gather(node: Node) -> Value:
    """Choose rows of a table, a direction, or the last time step."""
    value, axis = node.value(0), node.whole('axis', 0)
    if isinstance(value, np.ndarray):
        at = node.value(1)
        if isinstance(at, Outside | Flow):
            return embedded(node, value, axis)
        return constants.gather(node, axis)
    if isinstance(value, Spread):
        raise node.fail(f'it chooses from {kind(value)}')
    flow = value if isinstance(value, Stack) else node.flow(0)
    k = node.place(axis, flow.axes)
    index = node.constant(1, 'the index')
    if index.size != 1 or index.ndim > 1 or index.dtype.kind != 'i':
        raise node.fail(f'it chooses {kind(index)} from {flow}')
    found = chosen(node, flow, k, int(index.item()))
    if index.ndim:
        return found
    return found.with_axes(found.axes[:k] + found.axes[k + 1 :])


def embedded(node: Node, table: np.ndarray, axis: int) -> Flow:
    """Return the output of an embedding."""
    if axis != 0 or table.ndim != 2 or table.dtype.kind != 'f':
        raise node.fail(f'an embedding has a table of two axes; got {kind(table)}, axis {axis}')
    value = node.value(1)
    flow = node.flow(1)
    if flow.plan.form != 'input' or not isinstance(value, Outside):
        raise node.fail(f'the numbers of tokens must be an input of the graph; they are {flow}')
    if any(atom.role == FEATURE for one in flow.axes for atom in one):
        raise node.fail(f'{flow} is both numbers of tokens and features')
    size = flow.plan.size
    if size not in (None, len(table)):
        raise node.fail(f'its table has {len(table)} rows; another one has {size}')
    if len(flow.axes) == 1:
        flow.axes[0][0].role = BATCH
    flow.plan.size = len(table)
    flow.plan.options['tokens'] = True
    plan = Plan('embedding', table.shape[1], {}, [(flow.plan, 'out')], {'w': table}, hint=node.hint)
    features = Atom('features', table.shape[1], FEATURE)
    return Flow(node.graph.add(plan), 'out', (*flow.axes, (features,)), (features,))


def chosen(node: Node, flow: Flow | Stack, k: int, index: int) -> Flow:
    """Return one entry of axis `k` of an array, which becomes an axis of length 1."""
    axis, n = flow.axes[k], length(flow.axes[k])
    if isinstance(flow, Stack):
        if k or not isinstance(n, int) or not -n <= index < n:
            raise node.fail(f'it chooses entry {index} of axis {k} of {flow}')
        flow, index = flow.at(index % n)
        return chosen(node, flow, 0, index)
    if axis and len(axis) == 1 and axis[0].label == 'directions' and index in (0, 1, -1, -2):
        return _replaced(flow, f'{WAYS[index]}_{flow.output}', k, flow.features[1:])
    if not axis and index in (0, -1):
        return flow
    if is_time(axis):
        steps = n if isinstance(n, int) else None
        if index == -1 or (steps is not None and index == steps - 1):
            return last_step(node, flow, k)
        if index == 0:
            return first_step(node, flow, k)
    raise node.fail(
        f'it chooses entry {index} of axis {k} of {flow}; possible are the last time step, and one '
        f'of two directions'
    )


def _replaced(flow: Flow, output: str, k: int, features: Axis, plan: Plan | None = None) -> Flow:
    axes = (*flow.axes[:k], (), *flow.axes[k + 1 :])
    return Flow(plan or flow.plan, output, axes, features)


def last_step(node: Node, flow: Flow, k: int) -> Flow:
    """Return the last time step."""
    node.graph.unmasked.append(node.where)
    plan, output = flow.plan, flow.output
    forward = plan.options.get('direction', 'forward') == 'forward'
    if plan.form in ('rnn', 'lstm', 'gru') and output == 'out' and forward:
        return _replaced(flow, 'last', k, flow.features)
    if plan.form == 'bidirectional' and output == 'fw_out':
        return _replaced(flow, 'fw_last', k, flow.features)
    source = (plan, output)
    if plan.form in ('rnn', 'lstm', 'gru', 'bidirectional') and output in ('out', 'bw_out'):
        # A layer 'last' right after it would be its final state, which for the backward
        # direction is that at the first step.
        source = (node.graph.add(Plan('concatenate', None, {}, [source])), 'out')
    last = node.graph.add(Plan('last', None, {}, [source], hint=node.hint))
    return _replaced(flow, 'out', k, flow.features, last)


def first_step(node: Node, flow: Flow, k: int) -> Flow:
    """Return the first time step, which is the final one of a backward layer."""
    node.graph.unmasked.append(node.where)
    if flow.plan.options.get('direction') == 'backward' and flow.output == 'out':
        return _replaced(flow, 'last', k, flow.features)
    if flow.plan.form == 'bidirectional' and flow.output == 'bw_out':
        return _replaced(flow, 'bw_last', k, flow.features)
    raise node.fail(f'it chooses the first time step of {flow}, for which there is no layer')


@reads('Slice')
def slices(node: Node) -> Value:
    """Choose the last time step, one direction, or a part of constants."""
    value = node.value(0)
    starts, stops, axes, by = _ends(node)
    rank = value.ndim if isinstance(value, np.ndarray) else len(_lengths(value))
    axes = list(range(len(starts))) if axes is None else axes
    by = [1] * len(starts) if by is None else by
    if not len(starts) == len(stops) == len(axes) == len(by) or any(
        not -rank <= k < rank for k in axes
    ):
        raise node.fail(f'it cuts {kind(value)} at {starts} to {stops}, of axes {axes}')
    for start, stop, k, step in zip(starts, stops, axes, by, strict=True):
        value = _sliced(node, value, start, stop, k % rank, step)
    return value


def _lengths(value: Value) -> tuple[object, ...]:
    return value.lengths if isinstance(value, Spread) else value.axes


def _ends(node: Node) -> tuple[list[int], list[int], list[int] | None, list[int] | None]:
    listed = node.items('starts')
    if listed is not None:  # of version 1
        stops, axes = node.items('ends') or [], node.items('axes')
        return list(listed), list(stops), axes and list(axes), None
    return (
        node.whole_numbers(1, 'starts'),
        node.whole_numbers(2, 'ends'),
        node.whole_numbers(3, 'axes') if node.has(3) else None,
        node.whole_numbers(4, 'steps') if node.has(4) else None,
    )


def _sliced(node: Node, value: Value, start: int, stop: int, k: int, by: int) -> Value:
    """Return a part of axis `k`."""
    if isinstance(value, np.ndarray):
        if by == 0:
            raise node.fail('its step is 0')
        return value[(slice(None),) * k + (slice(start, stop, by),)]
    if start == 0 and stop >= END and by == 1:
        return value
    if isinstance(value, Stack) and k == 0 and by == 1:
        return _layers(node, value, start, stop)
    if isinstance(value, Outside) and k == 0 and by == 1 and len(value.axes) == 3:
        part = _of_state(value, start, stop)
        if part is not None:
            return part
    lengths = _lengths(value)
    n = lengths[k] if isinstance(value, Spread) else length(lengths[k])
    if by == 1 and isinstance(n, int) and n <= 2**20:
        left, right, _ = slice(start, stop).indices(n)
        if (left, right) == (0, n):
            return value
        if isinstance(value, Spread) and right > left:
            return _cut_spread(value, k, left, right)
    elif by == 1 and start == -1 and stop >= END:
        left, right = -1, 0
    else:
        raise node.fail(f'it cuts axis {k} of {kind(value)} at {start} to {stop}')
    if isinstance(value, Spread) or right - left != 1:
        raise node.fail(f'it cuts axis {k} of {kind(value)} at {start} to {stop}')
    if isinstance(value, Outside):
        value = node.flow(0)
    if not isinstance(value, Flow):
        raise node.fail(f'it cuts {kind(value)}')
    return chosen(node, value, k, left)


def _layers(node: Node, stack: Stack, start: int, stop: int) -> Flow:
    """Return the final state of one layer, or of one of its directions."""
    n = length(stack.axes[0])
    left, right, _ = slice(start, stop).indices(n if isinstance(n, int) else 0)
    if right - left == 1:
        return chosen(node, stack, 0, left)
    if right - left == 2:
        part, at = stack.at(left)
        if at == 0 and part.axes[0]:
            return part
    raise node.fail(f'it cuts {stack} at {start} to {stop}; possible is one layer')


def _of_state(value: Outside, start: int, stop: int) -> Outside | None:
    """Return the part of an input that is the initial state of one layer, if it can be one."""
    atom = value.axes[0][0] if len(value.axes[0]) == 1 else None
    if value.whole or atom is None or atom.role is not None or stop - start not in (1, 2):
        return None
    return Outside(value.name, ((Atom('layers', stop - start),), *value.axes[1:]), False, True)


def _cut_spread(value: Spread, k: int, start: int, stop: int) -> Spread:
    array = value.array
    if array.shape[k] != 1:
        array = array[(slice(None),) * k + (slice(start, stop),)]
    lengths = (*value.lengths[:k], stop - start, *value.lengths[k + 1 :])
    return Spread(array, lengths)
