"""Operators that give the same values other axes: Transpose, Reshape, Squeeze, Expand, ..."""

from dataclasses import replace

import numpy as np

from rnnkit.integrations.onnx.reader import constants
from rnnkit.integrations.onnx.reader.axes import BATCH, TIME, Atom, Axis, Length, length, shown
from rnnkit.integrations.onnx.reader.nodes import Node, reads
from rnnkit.integrations.onnx.reader.roles import is_batch, is_time, plain
from rnnkit.integrations.onnx.reader.values import Flow, Outside, Plan, Spread, Value, kind

UNCHANGED = ('Identity', 'Cast', 'Dropout')


def moved(node: Node, value: Value, axes: tuple[Axis, ...]) -> Value:
    """Return data, or the output of a layer, with other axes."""
    if isinstance(value, Flow):
        return value.with_axes(axes)
    if isinstance(value, Outside):
        return Outside(value.name, axes, value.whole, value.cut)
    raise node.fail(f'it changes the axes of {kind(value)}')


@reads(*UNCHANGED)
def unchanged(node: Node) -> Value | list[Value]:
    """Pass a value on: networks have one dtype, and predictions no dropout."""
    value = node.value(0)
    if node.op == 'Cast':
        return _cast(node, value, node.whole('to'))
    if node.op == 'Dropout':
        node.attribute('ratio')
        node.attribute('seed')
        training = node.has(2) and node.constant(2, 'training_mode')
        if training is not False and np.any(training):
            raise node.fail('it is in training mode; export the model in evaluation mode')
    return value


def _cast(node: Node, value: Value, to: int | None) -> Value:
    import onnx

    try:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(to)
    except (KeyError, TypeError, ValueError) as error:
        raise node.fail(f'it casts to {to}') from error
    if isinstance(value, np.ndarray):
        if value.dtype in (object, dtype):
            return value
        return constants.folded(node, value.astype(dtype))
    if isinstance(value, Flow) and dtype.kind != 'f':
        raise node.fail(f'it casts {value} to {dtype}; networks compute with real numbers')
    return _cast_input(node, value, dtype) if isinstance(value, Outside) else value


def _cast_input(node: Node, value: Outside, dtype: np.dtype) -> Outside:
    """Return an input of the graph as whole or real numbers, if that loses nothing."""
    given = node.graph.values[value.name]
    cut_off = dtype.kind == 'f' and value.whole and isinstance(given, Outside) and not given.whole
    if dtype.kind == 'b' or cut_off:
        what = 'bool' if dtype.kind == 'b' else 'whole numbers, and back'
        raise node.fail(f'it casts {value} to {what}; networks read data as they are')
    return replace(value, whole=value.whole or dtype.kind != 'f')


@reads('Transpose')
def transpose(node: Node) -> Value:
    """Change the order of axes."""
    value, order = node.value(0), node.items('perm')
    n = value.ndim if isinstance(value, np.ndarray) else len(getattr(value, 'axes', ()))
    order = list(range(n))[::-1] if order is None else order
    if sorted(order, key=str) != sorted(range(n), key=str):
        raise node.fail(f'perm must be an order of {n} axes; got {order}')
    if isinstance(value, np.ndarray):
        return value.transpose(order)
    return moved(node, value, tuple(value.axes[k] for k in order))


@reads('Unsqueeze')
def unsqueeze(node: Node) -> Value:
    """Add axes of length 1."""
    value, at = node.value(0), node.axes(1) or []
    if isinstance(value, Spread):
        rank = len(value.lengths) + len(at)
        places = sorted(k % rank for k in at)
        lengths = list(value.lengths)
        for k in places:
            lengths.insert(k, 1)
        return Spread(np.expand_dims(value.array, tuple(places)), tuple(lengths))
    if isinstance(value, np.ndarray):
        try:
            return np.expand_dims(value, tuple(at))
        except ValueError as error:
            raise node.fail(f'it adds axes {at} to {kind(value)}') from error
    axes = list(value.axes)
    for k in sorted(node.place(k, value.axes, len(at)) for k in at):
        axes.insert(k, ())
    return moved(node, value, tuple(axes))


@reads('Squeeze')
def squeeze(node: Node) -> Value:
    """Remove axes of length 1."""
    value, at = node.value(0), node.axes(1)
    if isinstance(value, np.ndarray):
        try:
            return value.squeeze(None if at is None else tuple(at))
        except ValueError as error:
            raise node.fail(f'it removes axes {at} of {kind(value)}') from error
    if isinstance(value, Spread):
        return _squeeze_spread(node, value, at)
    if at is None:
        raise node.fail('it does not say which axes it removes')
    places = {node.place(k, value.axes) for k in at}
    for k in places:
        if length(value.axes[k]) != 1:
            raise node.fail(f'axis {k} of {value} has another length than 1')
        if any(atom.role in (TIME, BATCH, None) for atom in value.axes[k]):
            raise node.fail(f'it removes axis {k} of {value}, which networks have')
    return moved(node, value, tuple(a for k, a in enumerate(value.axes) if k not in places))


def _squeeze_spread(node: Node, value: Spread, at: list[int] | None) -> Value:
    rank = len(value.lengths)
    places = {k % rank for k in (at or [])}
    if at is None or any(value.lengths[k] != 1 for k in places):
        raise node.fail(f'it removes axes {at} of {kind(value)}')
    lengths = tuple(n for k, n in enumerate(value.lengths) if k not in places)
    return Spread(value.array.squeeze(tuple(places)), lengths)


@reads('Reshape', 'Flatten')
def reshape(node: Node) -> Value:
    """Join axes, or split them where they were joined; all steps and features become a vector."""
    value = node.value(0)
    if node.op == 'Flatten':
        if node.whole('axis', 1) != 1 or not isinstance(value, Flow | Outside):
            raise node.fail(f'it flattens {kind(value)} at axis {node.attribute("axis")}')
        keep_0, lengths = True, [0, -1]
    else:
        keep_0 = not node.whole('allowzero', 0)
        lengths = node.lengths(1, 'the shape')
    if isinstance(value, np.ndarray):
        return constants.reshaped(node, value, lengths, keep_0)
    if isinstance(value, Spread):
        if value.array.size != 1:
            raise node.fail(f'it reshapes {kind(value)}')
        return Spread(value.array.reshape((1,) * len(lengths)), tuple(lengths))
    axes = value.axes
    wanted = [
        length(axes[k]) if n == 0 and keep_0 and k < len(axes) else n for k, n in enumerate(lengths)
    ]
    found = regrouped(axes, wanted)
    if found is None:
        raise node.fail(f'{value} cannot be given the shape {_text(wanted)}')
    if isinstance(value, Flow) and _flattens(found):
        return flattened(node, value, found)
    return moved(node, value, found)


def _text(wanted: list[int | Length]) -> str:
    return f'({", ".join(str(n) if isinstance(n, int) else "?" for n in wanted)})'


def regrouped(axes: tuple[Axis, ...], wanted: list[int | Length]) -> tuple[Axis, ...] | None:
    """Return the atoms of axes in other groups, of these lengths; None if they do not fit."""
    atoms = [atom for axis in axes for atom in axis]
    free = [k for k, n in enumerate(wanted) if n == -1]
    if len(free) > 1:
        return None
    k = free[0] if free else len(wanted)
    before = _groups(atoms, wanted[:k])
    if before is None:
        return None
    rest = atoms[sum(map(len, before)) :]
    after = _groups(rest[::-1], wanted[k + 1 :][::-1])
    if after is None:
        return None
    after = [group[::-1] for group in after][::-1]
    middle = rest[: len(rest) - sum(map(len, after))]
    if free:
        return (*map(tuple, before), tuple(middle), *map(tuple, after))
    if any(atom.length != 1 for atom in middle) or (middle and not before):
        return None
    groups = [*map(tuple, before)]
    return (*groups[:-1], (*groups[-1], *middle)) if middle else tuple(groups)


def _groups(atoms: list[Atom], wanted: list[int | Length]) -> list[list[Atom]] | None:
    """Return the first atoms in groups of these lengths."""
    groups, at = [], 0
    for n in wanted:
        group: list[Atom] = []
        while at < len(atoms) and (
            length(tuple(group)) != n or (not group and atoms[at].length == 1)
        ):
            group.append(atoms[at])
            at += 1
        if length(tuple(group)) != n:
            return None
        groups.append(group)
    return groups


def _flattens(axes: tuple[Axis, ...]) -> bool:
    """Return whether an axis has all time steps and features side by side."""
    roles = [[atom.role for atom in axis] for axis in axes]
    return any(TIME in some and len(some) > 1 and BATCH not in some for some in roles)


def flattened(node: Node, flow: Flow, axes: tuple[Axis, ...]) -> Flow:
    """Return the output of a layer 'flatten'."""
    steps = [atom for atom in axes[-1] if atom.role == TIME]
    fits = len(axes) == 2 and is_batch(axes[0]) and axes[-1] == (*steps, *flow.features)
    if not fits or len(steps) != 1 or steps[0].length is None or flow.repeated:
        raise node.fail(
            f'{flow} cannot become {shown(axes)}; possible are all steps of a fixed number, each '
            f'with all features, one after the other: (batch, time * features)'
        )
    node.graph.unmasked.append(node.where)
    plan = node.graph.add(
        Plan('flatten', None, {'steps': steps[0].length}, [plain(node, flow)], hint=node.hint)
    )
    total = Atom('features', int(np.prod([a.length for a in axes[-1]])), 'features')
    return Flow(plan, 'out', (axes[0], (total,)), (total,))


@reads('Expand', 'Tile')
def expand(node: Node) -> Value:
    """Repeat constants, or a vector at all time steps."""
    value, lengths = node.value(0), node.lengths(1, 'the shape')
    if node.op == 'Tile' and not isinstance(value, Flow):
        before = value.lengths if isinstance(value, Spread) else np.shape(value)
        if len(before) != len(lengths) or isinstance(value, Outside):
            raise node.fail(f'it repeats {kind(value)}')
        if any(n != 1 and by != 1 for n, by in zip(before, lengths, strict=True)):
            raise node.fail(f'it repeats {kind(value)} along axes longer than 1')
        lengths = [by if n == 1 else n for n, by in zip(before, lengths, strict=True)]
    if isinstance(value, np.ndarray | Spread):
        return constants.spread(node, value, lengths)
    flow = node.flow(0)
    if len(lengths) != len(flow.axes):
        raise node.fail(f'it repeats {flow} to {_text(lengths)}')
    axes = list(flow.axes)
    for k, n in enumerate(lengths):
        if n == 1 or (node.op == 'Expand' and n == length(axes[k])):
            continue
        if axes[k] or flow.repeated or any(map(is_time, flow.axes)):
            raise node.fail(f'it repeats {flow} to {_text(lengths)}')
        if isinstance(n, Length) and n.number == 1 and len(n.atoms) == 1:
            steps = n.atoms[0]  # those of another array
        elif isinstance(n, int) and n > 1:
            steps = Atom('time', n, TIME)
        else:
            raise node.fail(f'it repeats {flow} to {_text(lengths)}')
        if steps.role not in (None, TIME):
            raise node.fail(f'it repeats {flow} along the {steps.role}')
        steps.role, axes[k] = TIME, (steps,)
        flow = Flow(flow.plan, flow.output, flow.axes, flow.features, '', steps)
    return flow.with_axes(tuple(axes))
