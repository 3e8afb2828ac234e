"""Sums over arrays, and what else combines all lanes of a vector.

In: vectors, or addresses of elements. Out: vectors that hold one result in every lane.

Sums are compensated: beside each total its rounding error is kept and added at the end (Knuth's
TwoSum). So a sum of many elements is as exact as its last rounding, whatever their number and
however many lanes a vector has. The additions of a plain sum wait for each other anyway, so the
extra ones cost almost nothing. The errors are summed plainly, within blocks of fixed length.
"""

from collections.abc import Callable

from llvmlite import ir

from rnnkit.kernels.language.elements import each_piece
from rnnkit.kernels.language.vector import I32, Code, Flag, Int, Vec

BLOCK = 1024  # vectors whose errors are summed before those of the next ones


def across(value: Vec, operation: Callable[[Vec, Vec], Vec]) -> Vec:
    """Combine all lanes by `operation`; the result is in every lane."""
    code = value.code
    lanes = code.target.lanes
    undefined = ir.Constant(code.vector_type, ir.Undefined)
    # A butterfly: each lane meets its partner at half the distance in turn. Every lane ends with
    # the same sequence of operations, so all get the same bits, and no lane has to be copied.
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


def in_all_lanes(code: Code, element: ir.Value) -> Vec:
    """Return one element, a value of LLVM, as a vector."""
    slot = code.room(8)
    code.builder.store(element, code.builder.inttoptr(slot.value, element.type.as_pointer()))
    return code.spread(slot)


def first(value: Vec | Flag) -> ir.Value:
    """Return the first lane, a value of LLVM."""
    return value.code.builder.extract_element(value.value, ir.Constant(I32, 0))


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
    # Without `contract`: a sum that is fused with the product before it has no rounding error of
    # its own to find, and reassociation would simplify the error to 0.
    total = a.plus(b)
    from_b = total.minus(a)
    return total, a.minus(total.minus(from_b)).plus(b.minus(from_b))


def whole_sum(total: Vec, lost: Vec) -> Vec:
    """Return a total with what it lost."""
    exact = total + lost
    # The error of an infinite total is inf - inf; its NaN must not replace the infinity.
    return exact.is_nan().pick(total, exact)


def sum_over(code: Code, n: Int, term: Callable[[Int, Flag | None], Vec]) -> Sum:
    """Return the sum of ``term(element, mask)`` for each vector of `n` elements.

    Parameters
    ----------
    term : callable
        Returns 0 in lanes that are masked out.
    """
    # Errors are all of the size of the total's last digit. Summed plainly over millions of vectors
    # they would lose digits themselves, so each block starts again.
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
