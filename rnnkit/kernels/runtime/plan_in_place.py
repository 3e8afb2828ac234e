"""Plans that are followed on arrays that stay where they are.

In: a `Plan`, and what its arguments and results are. Out: what `rnnkit.kernels.runtime.in_place`
makes of a function of Numba's.

Checks are instructions after all others, before results are copied to where they belong.
"""

import ctypes
from collections.abc import Sequence
from copy import copy

import numpy as np

from rnnkit.kernels.runtime.interpreter import FACTOR, WRONG
from rnnkit.kernels.runtime.plan import Plan, functions, usual_dtype
from rnnkit.kernels.runtime.slots import (
    ANY,
    DONE,
    FAILED,
    FINITE,
    INDEX,
    NUMBER,
    WRONG_INPUT,
    WRONG_RESULT,
    Slot,
)
from rnnkit.kernels.runtime.table import Table


class PlanEntry:
    """A plan, and the checks of its arguments and results.

    Parameters
    ----------
    plan : Plan
    arguments, results : sequence of Slot

    Raises
    ------
    TypeError
        If the plan returns something other than new arrays, or an argument must be of indices.
    """

    def __init__(self, plan: Plan, arguments: Sequence[Slot], results: Sequence[Slot]):
        _, objects, new, found, outputs = plan.parts
        first = len(objects) + len(new)
        if new or len(set(outputs)) < len(outputs) or min(outputs) < first:
            raise TypeError('a result is not an array of its own')
        if any(slot.check == INDEX for slot in arguments):
            raise TypeError('indices are not checked here')
        self.parts, self.arguments, self.results = plan.parts, arguments, results
        self.slots = [found[place - first].slot for place in outputs]

    def table(self) -> 'PlanTable':
        """Return a table for one user."""
        return PlanTable(self)


class PlanTable:
    """The arrays of one user of a `PlanEntry`."""

    def __init__(self, entry: PlanEntry):
        plain, *others = entry.parts
        table: Table = copy(plain)
        table.words = list(plain.words)
        objects, outputs = others[0], others[-1]
        self._reasons: dict[int, int] = {}  # of a check, by the number of its instruction
        self._sizes: list[int] = []  # where the number of elements of a result is
        for variable, slot in zip(objects, entry.arguments, strict=False):
            if slot.check != ANY:
                self._add(table, plain.slots[variable], slot, WRONG_INPUT)
        for number, slot in zip(entry.slots, entry.results, strict=True):
            self._add(table, number, slot, WRONG_RESULT)
            self._sizes.append(len(table.words) - 1)
        self._plan = Plan(table, *others)
        self._dtypes = [v.type.numpy_dtype for v in objects[: len(entry.arguments)]]
        self._outputs = outputs
        self._arrays: dict[int, np.ndarray] = {}  # they must live as long as their addresses
        # Converted once: for a Python integer, ctypes would do that in each call.
        self._follow, self._address = functions().in_place, ctypes.c_int64(self._plan.address)

    def _add(self, table: Table, number: int, slot: Slot, reason: int) -> None:
        most = np.array(np.inf, slot.dtype).view(f'i{np.dtype(slot.dtype).itemsize}')
        most = int(most) - {NUMBER: 0, FINITE: 1}[slot.check]
        at = table.add('check', number, np.dtype(slot.dtype).itemsize, most, -1)
        self._reasons[at] = reason

    def put(self, k: int, array: np.ndarray, limit: int = 0) -> None:
        """Set argument `k`, or a result, which come after these, to a contiguous array."""
        n = len(self._dtypes)
        if k < n:
            self._arrays[k] = array = usual_dtype(array, self._dtypes[k])
            self._plan.objects[k] = id(array)
        else:
            self._arrays[k] = array
            self._plan.objects[self._outputs[k - n]] = id(array)
            self._plan.words[self._sizes[k - n]] = array.size

    def call(self) -> int:
        """Follow the plan; return `DONE`, or why no result was copied."""
        status = self._follow(self._address)
        if not status:
            return DONE
        number, wrong = divmod(status, FACTOR)
        return self._reasons.get(number, FAILED) if wrong == WRONG else FAILED
