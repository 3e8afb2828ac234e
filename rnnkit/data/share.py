"""The share of each batch that one of several processes trains on."""

from typing import NamedTuple


class Share(NamedTuple):
    """One of several parts of a batch, which are as equal as possible and joined in order.

    Attributes
    ----------
    rank : int
        Which part it is, from 0.
    size : int
        How many there are.

    Examples
    --------
    >>> [Share(rank, 3).of(8) for rank in range(3)]
    [slice(0, 3, None), slice(3, 6, None), slice(6, 8, None)]
    """

    rank: int = 0
    size: int = 1

    def of(self, n: int) -> slice:
        """Return which of `n` examples are in this part; none, if there are too few."""
        each, more = divmod(n, self.size)
        start = self.rank * each + min(self.rank, more)
        return slice(start, start + each + (self.rank < more))


WHOLE = Share()
