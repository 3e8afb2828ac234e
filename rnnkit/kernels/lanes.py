"""Sums over arrays, and other things that need all lanes of a vector.

In: vectors, or addresses of elements. Out: vectors that hold one result in every lane.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from rnnkit.kernels.point import each_width
from rnnkit.kernels.vector import I32, Code, Flag, Int, Vec

PIECE = 4096  # elements that are summed in registers


def across(value: Vec, operation: Callable[[Vec, Vec], Vec]) -> Vec:
    """Combine all lanes by `operation`; the result is in every lane."""
    code = value.code
    lanes = code.target.lanes
    undefined = ir.Constant(code.vector_type, ir.Undefined)
    distance = lanes // 2
    while distance:
        order = ir.Constant(ir.VectorType(I32, lanes), [lane ^ distance for lane in range(lanes)])
        other = Vec(code, code.builder.shuffle_vector(value.value, undefined, order))
        value = operation(value, other)
        distance //= 2
    return value


def number(code: Code, n: Int) -> Vec:
    """Return a whole number as a vector."""
    return in_all_lanes(code, code.builder.sitofp(n.value, code.float_type))


def in_all_lanes(code: Code, element: Any) -> Vec:
    """Return LLVM's own value of one element as a vector."""
    slot = code.room(8)
    code.builder.store(element, code.builder.inttoptr(slot.value, element.type.as_pointer()))
    return code.spread(slot)


def first(value: Vec | Flag) -> Any:
    """Return LLVM's own value of the first lane."""
    return value.code.builder.extract_element(value.value, ir.Constant(I32, 0))


def each_piece(
    code: Code, start: Int | int, stop: Int, write: Callable[[Int, Flag | None], None]
) -> None:
    """Call ``write(element, mask)`` for each vector from `start` to `stop`."""
    with code.loop(start, stop, code.target.lanes) as j:
        each_width(code, stop - j, lambda lanes: write(j, lanes))


def sum_of(code: Code, start: Int, n: Int, term: Callable[[Vec], Vec] = lambda value: value) -> Vec:
    """Return the sum of ``term`` of `n` elements: over pieces first, then over these.

    Parameters
    ----------
    term : callable
        Must be 0 for 0.
    """
    total, part = code.var(code.vec(0.0)), code.var(code.vec(0.0))
    with code.loop(0, n, PIECE) as piece:
        part.set(code.vec(0.0))

        def add(j: Int, lanes: Flag | None) -> None:
            value = code.load(start + j * code.target.size, lanes)
            part.set(part.get() + term(value))

        each_piece(code, piece, (piece + PIECE).min(n), add)
        total.set(total.get() + part.get())
    return across(total.get(), Vec.__add__)
