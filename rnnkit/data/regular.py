"""Whole numbers at equal distances, which take no memory. NumPy only."""

from typing import Any

import numpy as np


class Regular:
    """Whole numbers at equal distances; some of them are an array.

    Parameters
    ----------
    first, step, n : int

    Examples
    --------
    >>> numbers = Regular(3, 2, 5)
    >>> len(numbers), numbers[[1, -1]].tolist(), numbers[1:3][...].tolist()
    (5, [5, 11], [5, 7])
    """

    def __init__(self, first: int, step: int, n: int):
        self.first, self.step, self.n = int(first), int(step), int(n)

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, chosen: Any) -> Any:
        """Return some of the numbers: a slice as another `Regular`, others as an array."""
        if isinstance(chosen, slice):
            start, stop, step = chosen.indices(self.n)
            n = len(range(start, stop, step))
            return Regular(self.first + self.step * start, self.step * step, n)
        if chosen is ...:
            return self.first + self.step * np.arange(self.n)
        return self.first + self.step * places(self.n, chosen)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[...] if dtype is None else self[...].astype(dtype)

    def up_to(self, most: int) -> int:
        """Return how many of ascending numbers are at most `most`."""
        return max(0, min(self.n, (most - self.first) // self.step + 1))


def places(n: int, chosen: Any) -> np.ndarray:
    """Return the numbers of the elements that an index chooses, of an array with n elements.

    Raises
    ------
    IndexError, TypeError, ValueError
        As NumPy does.
    """
    np.broadcast_to(np.zeros((), bool), (n,))[chosen]  # raises
    numbers = np.asarray(chosen)
    if numbers.dtype == bool:
        return np.flatnonzero(numbers)
    if numbers.dtype.kind not in 'iu':  # an empty list, or several indices
        return np.arange(n)[chosen]
    return np.where(numbers < 0, numbers + n, numbers)
