"""Rows of elements, vector by vector.

In: the address of a row, or a number of elements. Out: loops over its vectors, the last one
under a lane mask.
"""

from collections.abc import Callable

from rnnkit.kernels.language.vector import Code, Flag, Int, Vec

Write = Callable[[Int, Flag | None], None]  # (first element of a vector, its lanes or None for all)


def each_vector(code: Code, n: Int, write: Callable[[Int, Flag], None]) -> None:
    """Call ``write(element, mask)`` for the start of each vector of a row of `n` elements."""
    with code.loop(0, n, code.target.lanes) as j:
        write(j, code.tail((n - j).min(code.target.lanes)))


def each_width(code: Code, left: Int, write: Callable[[Flag | None], None]) -> None:
    """Write for a vector of which `left` lanes are within the row: masked only if need be."""
    lanes = code.target.lanes
    # AVX-512 has registers for masks, so a masked access costs what a plain one does. AVX has
    # slow masked stores and SSE has none (LLVM writes a branch for each lane): there it pays to
    # write the code twice.
    if code.target.width == 64:
        write(code.tail(left.min(lanes)))
    else:
        code.choose(left >= lanes, lambda: write(None), lambda: write(code.tail(left)))


def each_piece(code: Code, start: Int | int, stop: Int, write: Write) -> None:
    """Call ``write(element, mask)`` for each vector from `start` to `stop`."""
    with code.loop(start, stop, code.target.lanes) as j:
        each_width(code, stop - j, lambda lanes: write(j, lanes))


def each_whole(code: Code, n: Int, write: Write) -> None:
    """Call ``write(element, mask)`` for each vector of `n` elements, masked only for the last.

    For rows that are read again soon: a masked store is not passed on to a load that follows.
    """
    whole = n // code.target.lanes * code.target.lanes
    with code.loop(0, whole, code.target.lanes) as j:
        write(j, None)
    with code.when(whole < n):
        write(whole, code.tail(n - whole))


def add_row(code: Code, source: Int, to: Int, n: Int) -> None:
    """Add the `n` elements at `source` to those at `to`."""

    def add(j: Int, mask: Flag) -> None:
        at = j * code.target.size
        code.store(code.load(source + at, mask) + code.load(to + at, mask), to + at, mask)

    each_vector(code, n, add)


def copy_row(code: Code, source: Int, to: Int, n: Int) -> None:
    """Copy `n` elements."""
    size = code.target.size
    each_vector(
        code, n, lambda j, mask: code.store(code.load(source + j * size, mask), to + j * size, mask)
    )


def clear(code: Code, to: Int, n: Int) -> None:
    """Set `n` elements to 0."""
    size = code.target.size
    each_vector(code, n, lambda j, mask: code.store(0.0, to + j * size, mask))


def scale_row(code: Code, row: Int, n: Int, factor: Vec) -> None:
    """Multiply `n` elements by a number."""

    def scale(j: Int, lanes: Flag | None) -> None:
        at = row + j * code.target.size
        code.store(code.load(at, lanes) * factor, at, lanes)

    each_piece(code, 0, n, scale)


def add_to_row(code: Code, row: Int, n: Int, number: Vec) -> None:
    """Add a number to `n` elements."""

    def add(j: Int, lanes: Flag | None) -> None:
        at = row + j * code.target.size
        code.store(code.load(at, lanes) + number, at, lanes)

    each_piece(code, 0, n, add)
