"""Which nodes of a graph are views of an array, and of what; which set such a part of zeros.

In: a node. Out: a `View`, or None if it is another operation.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.tensor.basic import Alloc, Split
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.exceptions import NotScalarConstantError
from pytensor.tensor.shape import Shape_i
from pytensor.tensor.subtensor import Subtensor, get_constant_idx

from rnnkit.kernels.language.descriptor import AXES
from rnnkit.kernels.program.elementwise import axis_of
from rnnkit.kernels.runtime.interpreter import INDEX, RANGE, REVERSED, WHOLE


class View(NamedTuple):
    """A view of an array; both are described by `AXES` axes.

    Attributes
    ----------
    parts : list of (int, int, int)
        For each axis of the old array, what is taken of it: its kind, an index or the start of a
        range, and the end of that.
    order : list of int
        For each axis of the new array, which of the old one it is; -1 for one of length 1.
    """

    parts: list[tuple[int, int, int]]
    order: list[int]


def view_of(node: Apply) -> View | None:
    """Return what a node shows of its first input, or None."""
    if isinstance(node.op, Subtensor):
        return _part(node.op.idx_list, node.inputs)
    if isinstance(node.op, DimShuffle) and node.inputs[0].ndim <= AXES >= node.outputs[0].ndim:
        missing = AXES - node.inputs[0].ndim
        axes = [-1 if axis == 'x' else axis + missing for axis in node.op.new_order]
        return View([(WHOLE, 0, 0)] * AXES, [-1] * (AXES - len(axes)) + axes)
    return None


def split_of(node: Apply) -> list[View] | None:
    """Return what the outputs of a split at known places show of its first input, or None."""
    if not isinstance(node.op, Split) or node.inputs[0].ndim > AXES:
        return None
    axis, (source, sizes) = axis_of(node, 1)
    if not isinstance(sizes, Constant):
        return None
    missing, ends = AXES - source.ndim, np.cumsum([0, *sizes.data]).tolist()
    views = []
    for start, stop in pairwise(ends):
        parts = [(WHOLE, 0, 0)] * AXES
        parts[axis % source.ndim + missing] = RANGE, start, stop
        order = [-1] * missing + list(range(missing, AXES))
        views.append(View(parts, order))
    return views


def place_of(node: Apply) -> View | None:
    """Return where in its first input, an array of zeros, a node puts its second one, or None."""
    op, (zeros, part, *index) = node.op, node.inputs
    if zeros.owner is None or zeros_of(zeros.owner) is None:
        return None
    view = _part(op.idx_list, [zeros, *index])
    shown = sum(axis >= 0 for axis in view.order) if view else -1
    same = part.type.ndim == shown and part.type.dtype == zeros.type.dtype
    return view if same else None


Length = tuple[int, Variable | None, int]  # a number; or the variable and its axis


def zeros_of(node: Apply) -> list[Length] | None:
    """Return the lengths of the array of zeros that a node makes, or None."""
    if not isinstance(node.op, Alloc) or len(node.inputs) > 1 + AXES:
        return None
    value, *lengths = node.inputs
    if not isinstance(value, Constant) or np.any(value.data != 0):
        return None
    return lengths_of(lengths)


def lengths_of(lengths: Sequence[Variable]) -> list[Length] | None:
    """Return up to `AXES` lengths that are constants or those of arrays, or None."""
    found: list[Length] = []
    for length in lengths:
        if isinstance(length, Constant):
            found.append((int(length.data), None, 0))
        elif length.owner is not None and isinstance(length.owner.op, Shape_i):
            source = length.owner.inputs[0]
            found.append((0, source, length.owner.op.i + AXES - source.type.ndim))
        else:
            return None
    return [(1, None, 0)] * (AXES - len(found)) + found


def _part(idx_list: Sequence[object], inputs: Sequence[Variable]) -> View | None:
    ndim = inputs[0].ndim
    try:
        index = get_constant_idx(idx_list, inputs)
    except NotScalarConstantError:
        return None
    if ndim > AXES:
        return None
    missing, order = AXES - ndim, []
    parts = [(WHOLE, 0, 0)] * missing
    for axis, part in enumerate([*index, *[slice(None)] * (ndim - len(index))]):
        if isinstance(part, slice):
            if part not in (slice(None), slice(None, None, 1), slice(None, None, -1)):
                return None
            parts.append((REVERSED if part.step == -1 else WHOLE, 0, 0))
            order.append(axis + missing)
        else:
            parts.append((INDEX, int(part), 0))
    return View(parts, [-1] * (AXES - len(order)) + order)
