"""Operators on constants and on lengths of axes, which are computed when the file is read."""

import math

import numpy as np

from rnnkit.integrations.onnx.reader.axes import Length, length
from rnnkit.integrations.onnx.reader.nodes import Node, reads
from rnnkit.integrations.onnx.reader.values import Flow, Outside, Spread, Value, kind

FEW = 64  # lengths that a graph computes with
SMALL = 2**16  # constants that any graph may compute


def folded(node: Node, value: np.ndarray) -> np.ndarray:
    """Return an array that was computed from constants, if all of these are not too large.

    A file could otherwise double an array at each node.
    """
    spend(node, value.size)
    return value


def spend(node: Node, n: int) -> None:
    """Count `n` constants that are computed; raise a FormatError if the file has far fewer."""
    graph = node.graph
    if graph.room is None:
        arrays = [v for v in graph.values.values() if isinstance(v, np.ndarray)]
        graph.room = 2 * sum(array.size for array in arrays) + SMALL
    if n > graph.room:
        raise node.fail(f'it makes {n:,} constants, more than the file has')
    graph.room -= n


@reads('Constant')
def constant(node: Node) -> Value:
    """Read a constant."""
    for name in ('value', 'value_int', 'value_ints', 'value_float', 'value_floats'):
        value = node.attribute(name)
        if value is not None:
            dtype = np.int64 if 'int' in name else np.float32
            return value if isinstance(value, np.ndarray) else np.asarray(value, dtype)
    raise node.fail('it has no value that is a number or an array')


@reads('Shape')
def shape(node: Node) -> Value:
    """Return the lengths of the axes of an array."""
    value = node.value(0)
    start, stop = node.whole('start', 0), node.whole('end')
    if isinstance(value, Flow | Outside):
        found: list[int | Length] = [length(axis) for axis in value.axes]
    elif isinstance(value, Spread):
        found = list(value.lengths)
    else:
        found = list(value.shape)
    return as_lengths(found[start:stop])


def as_lengths(found: list[int | Length]) -> np.ndarray:
    """Return an array of lengths: of whole numbers, if all of them are known."""
    if all(isinstance(n, int) for n in found):
        return np.array(found, np.int64)
    array = np.empty(len(found), object)
    array[:] = found
    return array


@reads('ConstantOfShape')
def constant_of_shape(node: Node) -> Value:
    """Return one number at all places of an array."""
    value = node.attribute('value', np.zeros(1, np.float32))
    if not isinstance(value, np.ndarray) or value.size != 1:
        raise node.fail('its value must be one number')
    lengths = tuple(node.lengths(0, 'the shape'))
    return Spread(value.reshape((1,) * len(lengths)), lengths)


def spread(node: Node, value: np.ndarray | Spread, lengths: list[int | Length]) -> Value:
    """Return constants that are repeated along axes of length 1."""
    array, before = value, list(getattr(value, 'shape', ()))
    if isinstance(value, Spread):
        array, before = value.array, list(value.lengths)
    n = max(len(before), len(lengths))
    before = [1] * (n - len(before)) + before
    lengths = [1] * (n - len(lengths)) + lengths
    for k, (old, new) in enumerate(zip(before, lengths, strict=True)):
        if new == 1:
            lengths[k] = old
        elif old not in (1, new):
            raise node.fail(f'it repeats {kind(value)} to {lengths}')
    return Spread(np.reshape(array, (1,) * (n - np.ndim(array)) + np.shape(array)), tuple(lengths))


def products(node: Node) -> Value:
    """Return sums, differences and products of constants, or of lengths."""
    left, right = node.value(0), node.value(1)
    if not (isinstance(left, np.ndarray) and isinstance(right, np.ndarray)):
        raise node.fail(f'it combines {kind(left)} and {kind(right)}')
    if max(left.size, right.size) > FEW or max(left.ndim, right.ndim) > 1:
        raise node.fail(f'it computes with constants: {kind(left)} and {kind(right)}')
    operation = {'Add': np.add, 'Sub': np.subtract, 'Mul': np.multiply, 'Div': np.floor_divide}
    try:
        if node.op == 'Div' and (left.dtype.kind != 'i' or not (right > 0).all()):
            raise TypeError('it divides')
        with np.errstate(all='ignore'):
            found = np.asarray(operation[node.op](left, right))
    except (TypeError, ValueError) as error:
        raise node.fail(f'it combines {kind(left)} and {kind(right)}: {error}') from error
    return folded(node, found)


def gather(node: Node, axis: int) -> Value:
    """Return the chosen entries of constants."""
    value, at = node.value(0), node.constant(1, 'the index')
    if at.dtype.kind != 'i' or not isinstance(value, np.ndarray) or at.size > FEW:
        raise node.fail(f'it chooses from {kind(value)} by {kind(at)}')
    try:
        found = np.asarray(np.take(value, at, axis=axis), value.dtype)
    except (IndexError, ValueError) as error:
        raise node.fail(f'it chooses from {kind(value)}: {error}') from error
    return folded(node, found)


def reshaped(node: Node, value: np.ndarray, lengths: list[int | Length], keep_0: bool) -> Value:
    """Return constants with another shape."""
    wanted = [
        value.shape[k] if n == 0 and keep_0 and k < value.ndim else n for k, n in enumerate(lengths)
    ]
    if not all(isinstance(n, int) for n in wanted):
        raise node.fail(f'it gives {kind(value)} a shape that is not constant')
    try:
        return value.reshape(wanted)
    except (ValueError, OverflowError) as error:
        raise node.fail(f'it gives {kind(value)} the shape {wanted}: {error}') from error


@reads('ReduceProd')
def product(node: Node) -> Value:
    """Return the product of lengths."""
    value = node.value(0)
    axes, keep = node.axes(1), node.whole('keepdims', 1)
    if not isinstance(value, np.ndarray) or value.ndim != 1 or axes not in (None, [0], [-1]):
        raise node.fail(f'it multiplies {kind(value)}')
    found = math.prod(value.tolist())
    return as_lengths([found]) if keep else as_lengths([found]).reshape(())
