"""Arguments and results of a function that is called in place, and where a table has them."""

from collections.abc import Sequence
from typing import NamedTuple

DONE, FAILED, WRONG_INPUT, WRONG_RESULT = range(4)  # what the C function returns
ANY, NUMBER, FINITE, INDEX = range(4)  # what an array may contain; a NUMBER may be infinite


class Slot(NamedTuple):
    """An argument or a result of a function: contiguous arrays of one type.

    Attributes
    ----------
    dtype : str
    ndim : int
    check : int
        `ANY`, `NUMBER`, `FINITE`, or `INDEX` for whole numbers from 0 to below a limit.
    """

    dtype: str
    ndim: int
    check: int = ANY


def places(slots: Sequence[Slot]) -> list[int]:
    """Return where each slot starts in a table, and where the last one ends."""
    ends = [0]
    for slot in slots:
        ends.append(ends[-1] + 2 + slot.ndim)  # address, lengths, limit
    return ends
