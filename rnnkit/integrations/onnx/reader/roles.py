"""What the axes of data stand for, which the operators that read them tell."""

from rnnkit.integrations.onnx.reader.axes import (
    BATCH,
    FEATURE,
    TIME,
    Atom,
    Axis,
    length,
    shown,
)
from rnnkit.integrations.onnx.reader.nodes import Node
from rnnkit.integrations.onnx.reader.values import Flow, Plan, Source


def give(node: Node, flow: Flow, k: int, role: str) -> None:
    """Note that axis `k` of an array stands for the time, the batch or the features.

    Raises
    ------
    FormatError
        If it stands for something else already.
    """
    axis = flow.axes[k]
    if len(axis) != 1:
        raise node.fail(f'axis {k} of {flow} must be the {role} alone')
    if axis[0].role not in (None, role):
        raise node.fail(f'axis {k} of {flow} must be the {role}; it is the {axis[0].role}')
    twice = [one for one in flow.axes if one is not axis and one and one[0].role == role]
    if twice and axis[0].role is None:
        raise node.fail(f'axis {k} of {flow} cannot be the {role}, which another axis is')
    axis[0].role = role


def features_last(node: Node, flow: Flow) -> Axis:
    """Return the atoms of the features of an array; its last axis must be all of them."""
    if flow.plan.form == 'input' and flow.plan.size is None:
        if not flow.axes:
            raise node.fail(f'{flow} has no axis of features')
        give(node, flow, len(flow.axes) - 1, FEATURE)
        size = length(flow.axes[-1])
        flow.plan.size = size if isinstance(size, int) else None
        return flow.axes[-1]
    found = flow.features or tuple(
        atom for axis in flow.axes for atom in axis if atom.role == FEATURE
    )
    if not flow.axes or flow.axes[-1] != found:
        raise node.fail(f'the last axis of {flow} must be all features, {shown((found,))}')
    return found


def sized(node: Node, flow: Flow, n: int) -> None:
    """Check that an array has `n` features, or note that data have."""
    found = features_last(node, flow)
    if flow.plan.form == 'input' and found[0].length is None:
        found[0].length = n
    if flow.plan.form == 'input' and flow.plan.size is None:
        flow.plan.size = found[0].length
    if length(found) != n:
        raise node.fail(f'its weights are for {n} features; {flow} has {length(found)}')


def source(node: Node, flow: Flow) -> Source:
    """Return the output that a layer reads, given the array that its node reads."""
    features_last(node, flow)
    if flow.repeated is not None:
        steps = flow.repeated.length
        if steps is None:
            raise node.fail(
                f'{flow} is a vector that is repeated at all steps; only a concatenation or a '
                f'sum can read it, unless the file fixes the number of steps'
            )
        repeat = Plan('repeat', None, {'steps': steps}, [plain(node, flow)])
        return node.graph.add(repeat), 'out'
    return plain(node, flow)


def plain(node: Node, flow: Flow) -> Source:
    """Return the output that an array has the values of; of a final state a layer 'last'."""
    if flow.output != 'last':
        return flow.plan, flow.output
    made, plan = node.graph.last_steps, flow.plan
    if plan not in made:
        made[plan] = node.graph.add(Plan('last', None, {}, [(plan, 'out')]))
    return made[plan], 'out'


def join(node: Node, flows: list[Flow], but: int | None = None) -> tuple[Axis, ...]:
    """Return the axes of arrays that are combined, aligned at their last axes.

    Parameters
    ----------
    node : Node
    flows : list of Flow
    but : int, optional
        The axis, counted from the last one as -1, that may differ.

    Raises
    ------
    FormatError
        If others differ, unless one of them has the length 1.
    """
    n = max(len(flow.axes) for flow in flows)
    rows = [((),) * (n - len(flow.axes)) + flow.axes for flow in flows]
    joint: list[Axis] = []
    for k, axes in enumerate(zip(*rows, strict=True)):
        if but is not None and k - n == but:
            joint.append(axes[0])
            continue
        wide = [axis for axis in axes if axis]
        for axis in wide[1:]:
            if not _same(wide[0], axis):
                raise node.fail(
                    f'it combines {" and ".join(map(str, flows))}, which differ in axis {k}'
                )
        joint.append(wide[0] if wide else ())
    times = {atom for axis in joint for atom in axis if atom.role == TIME}
    if len(times) > 1:
        raise node.fail(f'the result has two axes of time: {shown(tuple(joint))}')
    return tuple(joint)


def repeated(flows: list[Flow]) -> Atom | None:
    """Return the time, if what is combined are only vectors that are repeated at all steps."""
    timed = [flow for flow in flows if any(map(is_time, flow.axes))]
    return timed[0].repeated if timed and all(flow.repeated for flow in timed) else None


def _same(one: Axis, other: Axis) -> bool:
    """Return whether two axes stand for the same; note it where one of them was not known."""
    if len(one) != len(other):
        return False
    return all(map(_unite, one, other))


def _unite(one: Atom, other: Atom) -> bool:
    if one is other:
        return True
    lengths = {one.length, other.length} - {None}
    roles = {one.role, other.role} - {None}
    if len(lengths) > 1 or len(roles) > 1:
        return False
    one.role = other.role = next(iter(roles), None)
    one.length = other.length = next(iter(lengths), None)
    return True


def is_time(axis: Axis) -> bool:
    """Return whether an axis is the time."""
    return len(axis) == 1 and axis[0].role == TIME


def is_batch(axis: Axis) -> bool:
    """Return whether an axis is the batch."""
    return len(axis) == 1 and axis[0].role == BATCH
