"""Concatenation, pooling over time and layer normalization."""

import numpy as np

from rnnkit.integrations.onnx.reader import constants
from rnnkit.integrations.onnx.reader.axes import FEATURE, Atom, length
from rnnkit.integrations.onnx.reader.nodes import Node, reads
from rnnkit.integrations.onnx.reader.roles import (
    features_last,
    give,
    is_time,
    join,
    plain,
    repeated,
    source,
)
from rnnkit.integrations.onnx.reader.values import Flow, Plan, Stack, Value, kind

MERGED = {'fw_out': 'out', 'fw_last': 'last', 'fw_last_c': 'last_c'}


@reads('Concat')
def concat(node: Node) -> Value:
    """Put outputs side by side, or constants."""
    values = [node.value(k) for k in range(len(node.inputs))]
    axis = node.whole('axis')
    if axis is None:
        raise node.fail('it has no axis')
    if all(isinstance(value, np.ndarray) for value in values):
        try:
            joint = np.concatenate(values, axis)
        except ValueError as error:
            raise node.fail(f'it concatenates {", ".join(map(kind, values))}') from error
        return constants.folded(node, joint)
    flows = [node.flow(k) for k in range(len(node.inputs))]
    if axis == 0 and all(map(_is_final, flows)):
        join(node, [flow.with_axes(flow.axes[1:]) for flow in flows], but=-1)
        return Stack(tuple(flows))
    if {node.place(axis, flow.axes) for flow in flows} != {len(flows[0].axes) - 1}:
        raise node.fail(
            f'its axis must be the features, the last one; got axis {axis} of {flows[0]}'
        )
    for flow in flows:
        features_last(node, flow)
    axes = join(node, flows, but=-1)
    whole = _both_directions(flows)
    if whole is not None:
        return whole
    n = [length(flow.axes[-1]) for flow in flows]
    if not all(isinstance(one, int) for one in n):
        raise node.fail(f'the number of features of {flows[0]} is not known')
    plan = Plan('concatenate', None, {}, [plain(node, flow) for flow in flows], hint=node.hint)
    features = Atom('features', sum(n), FEATURE)
    axes, time = (*axes[:-1], (features,)), repeated(flows)
    return Flow(node.graph.add(plan), 'out', axes, (features,), repeated=time)


def _is_final(flow: Flow) -> bool:
    """Return whether an array is the final state of a layer, with an axis of its directions."""
    if len(flow.axes) != 3 or not flow.output.startswith('last'):
        return False
    return not flow.axes[0] or [atom.label for atom in flow.axes[0]] == ['directions']


def _both_directions(flows: list[Flow]) -> Flow | None:
    """Return the output of a bidirectional layer whose halves are put together again."""
    one, other = flows[0], flows[-1]
    merged = MERGED.get(one.output)
    if len(flows) != 2 or merged is None or one.plan is not other.plan:
        return None
    if other.output != 'bw' + one.output[2:]:
        return None
    features = (Atom('directions', 2, 'directions'), *one.features)
    return Flow(one.plan, merged, (*one.axes[:-1], features), features)


@reads('ReduceMean', 'ReduceMax')
def pooled(node: Node) -> Flow:
    """Read the mean or the maximum over time."""
    flow, listed = node.flow(0), node.axes(1)
    keep = node.whole('keepdims', 1)
    node.whole('noop_with_empty_axes', 0)
    if listed is None or len(listed) != 1:
        raise node.fail(f'it must pool over one axis, the time; got axes {listed}')
    k = node.place(listed[0], flow.axes)
    if len(flow.axes) == 3 and k < 2:
        give(node, flow, k, 'time')
    if not is_time(flow.axes[k]) or flow.repeated:
        raise node.fail(f'it must pool over the time; got axis {k} of {flow}')
    node.graph.unmasked.append(node.where)
    if k == len(flow.axes) - 1 or flow.plan.form == 'input':
        features_last(node, flow)
    form = 'mean' if node.op == 'ReduceMean' else 'max'
    plan = node.graph.add(Plan(form, None, {}, [plain(node, flow)], hint=node.hint))
    axes = (*flow.axes[:k], *([()] if keep else []), *flow.axes[k + 1 :])
    return Flow(plan, 'out', axes, flow.features or flow.axes[-1])


@reads('LayerNormalization')
def layernorm(node: Node) -> Flow:
    """Read a layer normalization over all features."""
    flow = node.flow(0)
    n = length(features_last(node, flow))
    k = node.place(node.whole('axis', -1), flow.axes)
    node.whole('stash_type', 1)
    gamma = node.weights(1, 'the scale')
    beta = node.weights(2, 'the bias') if node.has(2) else np.zeros_like(gamma)
    if k != len(flow.axes) - 1 or gamma.shape != (n,) or beta.shape != (n,):
        raise node.fail(
            f'it must normalize all features, the last axis of {flow}; got axis {k}, and scale '
            f'and bias of shapes {gamma.shape} and {beta.shape}'
        )
    epsilon = node.number('epsilon', 1e-5)
    if not 0 < epsilon < 1:
        raise node.fail(f'epsilon must be between 0 and 1; got {epsilon}')
    options = {} if epsilon == 1e-5 else {'epsilon': epsilon}
    params = {'gamma': gamma, 'beta': beta}
    plan = Plan('layernorm', None, options, [source(node, flow)], params, hint=node.hint)
    return Flow(node.graph.add(plan), 'out', flow.axes, flow.features or flow.axes[-1])
