"""Sums over arrays, and other things that need all lanes of a vector.

In: vectors, or addresses of elements. Out: vectors that hold one result in every lane.

Sums are compensated: beside each total its rounding error is kept and added at the end (Knuth's
TwoSum). So a sum of many elements is as exact as its last rounding, whatever their number and
however many lanes a vector has. The additions of a plain sum wait for each other anyway, so the
extra ones cost almost nothing. The errors are summed plainly, within blocks of fixed length.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from rnnkit.kernels.language.vector import I32, Code, Flag, Int, Vec

BLOCK = 1024  # vectors whose errors are summed before those of the next ones


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


def each_width(code: Code, left: Int, write: Callable[[Flag | None], None]) -> None:
    """Write for a vector of which `left` lanes are within the row: masked only if need be.

    With 64-byte vectors masks cost nothing; narrower processors have slow masks, or none.
    """
    lanes = code.target.lanes
    if code.target.width == 64:
        write(code.tail(left.min(lanes)))
    else:
        code.choose(left >= lanes, lambda: write(None), lambda: write(code.tail(left)))


def each_piece(
    code: Code, start: Int | int, stop: Int, write: Callable[[Int, Flag | None], None]
) -> None:
    """Call ``write(element, mask)`` for each vector from `start` to `stop`."""
    with code.loop(start, stop, code.target.lanes) as j:
        each_width(code, stop - j, lambda lanes: write(j, lanes))


class Sum:
    """A sum of vectors, lane by lane, that keeps what rounding takes away from it."""

    def __init__(self, code: Code):
        self.code = code
        self.total, self.lost = code.var(code.vec(0.0)), code.var(code.vec(0.0))

    def clear(self) -> None:
        """Start again from 0."""
        self.total.set(self.code.vec(0.0))
        self.lost.set(self.code.vec(0.0))

    def add(self, value: Vec) -> None:
        """Add a vector."""
        total, lost = two_sum(self.total.get(), value)
        self.total.set(total)
        self.lost.set(self.lost.get() + lost)

    def add_sum(self, other: 'Sum') -> None:
        """Add another sum."""
        self.add(other.total.get())
        self.lost.set(self.lost.get() + other.lost.get())

    def add_to(self, total: Int, lost: Int, mask: Flag | None = None) -> None:
        """Add this to a sum in memory, given by the addresses of its two vectors."""
        code = self.code
        value, error = two_sum(code.load(total, mask), self.total.get())
        value, error = two_sum(value, code.load(lost, mask) + (error + self.lost.get()))
        code.store(value, total, mask)
        code.store(error, lost, mask)

    def lanes(self) -> Vec:
        """Return the sum in each lane."""
        return whole_sum(self.total.get(), self.lost.get())

    def value(self) -> Vec:
        """Return the sum over all lanes, in every lane."""
        return whole_sum(*(across(v.get(), Vec.__add__) for v in (self.total, self.lost)))


def two_sum(a: Vec, b: Vec) -> tuple[Vec, Vec]:
    """Return ``a + b`` as it is rounded, and what rounding took away (Knuth 1997, 4.2.2)."""
    total = a.plus(b)
    from_b = total.minus(a)
    return total, a.minus(total.minus(from_b)).plus(b.minus(from_b))


def whole_sum(total: Vec, lost: Vec) -> Vec:
    """Return a total with what it lost; of a total that is infinite, no error is known."""
    found = total + lost
    return found.is_nan().pick(total, found)


def sum_over(code: Code, n: Int, term: Callable[[Int, Flag | None], Vec]) -> Sum:
    """Return the sum of ``term(element, mask)`` for each vector of `n` elements.

    Parameters
    ----------
    term : callable
        Returns 0 in lanes that are masked out.
    """
    total, part = Sum(code), Sum(code)
    with code.loop(0, n, BLOCK * code.target.lanes) as start:
        part.clear()
        each_piece(
            code,
            start,
            n.min(start + BLOCK * code.target.lanes),
            lambda j, lanes: part.add(term(j, lanes)),
        )
        total.add_sum(part)
    return total


def sum_of(code: Code, start: Int, n: Int, term: Callable[[Vec], Vec] = lambda value: value) -> Sum:
    """Return the sum of ``term`` of `n` elements.

    Parameters
    ----------
    term : callable
        Must be 0 for 0.
    """
    size = code.target.size
    return sum_over(code, n, lambda j, lanes: term(code.load(start + j * size, lanes)))


def nonzero(total: Vec) -> Vec:
    """Return `total`, but 1 for 0."""
    return total.compare('==', 0.0).pick(1.0, total)
