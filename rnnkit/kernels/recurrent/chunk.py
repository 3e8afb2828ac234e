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
