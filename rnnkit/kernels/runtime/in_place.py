"""Compiled functions of PyTensor, called on arrays that stay where they are.

In: a function that Numba compiled, and what its arguments and results are. Out: a C function of a
table of addresses and lengths.

Called from Python, a compiled function has its arguments taken apart and its results made into
new arrays one by one, which takes longer than a small network computes. The C function reads its
arguments where they are, and copies its results to where they belong, so that a result can be an
argument of the next call. It checks values on the way, and copies nothing if one of them is wrong.
"""

import ctypes
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from rnnkit.kernels.runtime.slots import Slot, places


class Entry:
    """The C function of a function that Numba compiled.

    Parameters
    ----------
    function : callable
        Numba's. It returns a tuple of arrays; a call stops where one is not contiguous.
    arguments, results : sequence of Slot

    Attributes
    ----------
    slots : list of Slot
        Those of the arguments, then those of the results.
    call : callable
        Takes the address of a table, and returns `DONE` or why it stopped. It holds the
        interpreter's lock.

    Raises
    ------
    TypeError
        If the function is not Numba's, or does not return what `results` says.
    """

    def __init__(self, function: object, arguments: Sequence[Slot], results: Sequence[Slot]):
        if not hasattr(function, 'overloads'):
            raise TypeError(f'{function!r} was not compiled by Numba')
        from rnnkit.kernels.runtime import numba_entry  # imports Numba

        self.slots = [*arguments, *results]
        self._code = numba_entry.compiled(function, arguments, results)
        prototype = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)
        self.call: Callable[[ctypes.c_void_p], int] = prototype(self._code.address)

    def table(self) -> 'Table':
        """Return a table for one user."""
        return Table(self)


class Table:
    """The arrays of one user of an `Entry`.

    Attributes
    ----------
    call : callable
        Calls the function; returns `DONE`, or why no result was copied.
    """

    def __init__(self, entry: Entry):
        self._places = places(entry.slots)
        self._numbers = np.zeros(self._places[-1], np.int64)
        self._arrays: dict[int, np.ndarray] = {}  # they must live as long as their addresses
        self.call = partial(entry.call, ctypes.c_void_p(self._numbers.ctypes.data))

    def put(self, k: int, array: np.ndarray, limit: int = 0) -> None:
        """Set slot `k` to a contiguous array; all elements of an `INDEX` are below `limit`."""
        self._arrays[k] = array
        start, stop = self._places[k : k + 2]
        self._numbers[start:stop] = [array.ctypes.data, *array.shape, limit]
