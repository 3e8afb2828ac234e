"""Which nodes of a graph are views of an array, and of what.

In: a node. Out: a `View`, or None if it is another operation.
"""

from typing import NamedTuple

from pytensor.graph.basic import Apply
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.exceptions import NotScalarConstantError
from pytensor.tensor.subtensor import Subtensor, get_constant_idx

from rnnkit.kernels.language.descriptor import AXES
from rnnkit.kernels.runtime.interpreter import INDEX, REVERSED, WHOLE


class View(NamedTuple):
    """What an array shows of another one; both are described by `AXES` axes.

    Attributes
    ----------
    parts : list of (int, int)
        For each axis of the old array, what is taken of it: its kind, and an index.
    order : list of int
        For each axis of the new array, which of the old one it is; -1 for one of length 1.
    """

    parts: list[tuple[int, int]]
    order: list[int]


def view_of(node: Apply) -> View | None:
    """Return what a node shows of its first input, or None."""
    if isinstance(node.op, Subtensor):
        return _part(node)
    if isinstance(node.op, DimShuffle) and node.inputs[0].ndim <= AXES >= node.outputs[0].ndim:
        missing = AXES - node.inputs[0].ndim
        axes = [-1 if axis == 'x' else axis + missing for axis in node.op.new_order]
        return View([(WHOLE, 0)] * AXES, [-1] * (AXES - len(axes)) + axes)
    return None


def _part(node: Apply) -> View | None:
    ndim = node.inputs[0].ndim
    try:
        index = get_constant_idx(node.op.idx_list, node.inputs)
    except NotScalarConstantError:
        return None
    if ndim > AXES:
        return None
    missing, order = AXES - ndim, []
    parts = [(WHOLE, 0)] * missing
    for axis, part in enumerate([*index, *[slice(None)] * (ndim - len(index))]):
        if isinstance(part, slice):
            if part not in (slice(None), slice(None, None, 1), slice(None, None, -1)):
                return None
            parts.append((REVERSED if part.step == -1 else WHOLE, 0))
            order.append(axis + missing)
        else:
            parts.append((INDEX, int(part)))
    return View(parts, [-1] * (AXES - len(order)) + order)
