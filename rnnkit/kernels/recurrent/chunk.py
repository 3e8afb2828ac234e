"""The chunks of steps that the backward loop takes at a time.

In: the number of a chunk, and how a kernel walks through a sequence. Out: its steps and rows.

The gradients of the tiles of a chunk are few enough to stay in the cache until they are multiplied,
and enough for sums that stay in registers.
"""

from typing import NamedTuple

from rnnkit.kernels.language.vector import Int
from rnnkit.kernels.recurrent.walk import Walk

ROWS = 256  # of a chunk; fewer would read and write the gradients of the weights more often


class Chunk(NamedTuple):
    """Some steps: their numbers in the order of the walk, and their rows in arrays (T * B, ...)."""

    start: Int
    end: Int
    low: Int
    high: Int

    @classmethod
    def number(cls, k: Int, t: Int, b: Int, walk: Walk) -> 'Chunk':
        """Return chunk `k`, counted from the last step back, of `t` steps of `b` examples."""
        steps = steps_of_chunk(t, b)
        end = t - k * steps
        start = (end - steps).max(0)
        if walk.reverse:
            return cls(start, end, (t - end) * b, (t - start) * b)
        return cls(start, end, start * b, end * b)


def steps_of_chunk(t: Int, b: Int) -> Int:
    """Return how many steps a chunk has: at least 1, and no more than there are."""
    return (ROWS // b.max(1)).min(t).max(1)


def n_chunks(t: Int, b: Int) -> Int:
    """Return the number of chunks; one, of no step, for an empty sequence."""
    return t.ceil_div(steps_of_chunk(t, b)).max(1)


def old_states(
    chunk: Chunk, rows: Int, b: Int, row: Int, initial: Int, new: Int, reverse: bool, one_row: bool
) -> list[tuple[Int, Int, Int, Int]]:
    """Return ranges of the rows of a chunk, and where row 0 of the states before those would be.

    The states before the first step come from elsewhere than all others. A range is (first row,
    end, address, bytes from row to row).

    Parameters
    ----------
    rows : Int
        The number of rows of all steps.
    row : Int
        The bytes of a row.
    one_row : bool
        Whether all examples have the same initial state.
    """
    # One initial row for all examples: its copies are 0 bytes apart.
    first_row, one_step, zero = row * int(not one_row), rows.min(b), row * 0
    if reverse:
        split = rows - one_step
        ranges = [
            (zero, split, new + b * row, row),
            (split, rows, initial - split * first_row, first_row),
        ]
    else:
        ranges = [(zero, one_step, initial, first_row), (one_step, rows, new - b * row, row)]
    return [
        (low.max(chunk.low), high.min(chunk.high), start, size) for low, high, start, size in ranges
    ]
