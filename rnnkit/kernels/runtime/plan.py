"""Functions of arrays that follow a table.

In: a `Table`, and which of its arrays are inputs and outputs. Out: a `Plan`, a function of its
inputs, which calls `rnnkit.kernels.runtime.interpreter`.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from pytensor.graph.basic import Constant, Variable
from pytensor.tensor import TensorType

from rnnkit.kernels.language.descriptor import AXES
from rnnkit.kernels.runtime import interpreter, memory_pool
from rnnkit.kernels.runtime.interpreter import (
    FACTOR,
    NO_MEMORY,
    OWNED,
    PLAN,
    SLOT,
    UNUSUAL,
    WRONG,
)
from rnnkit.kernels.runtime.table import Table, UnplannedError

# NumPy's struct of an array follows the header that all objects of Python have.
HEADER = object.__basicsize__
LARGE = memory_pool.SMALL  # bytes of a result that is used where it is, and not copied


class Result(NamedTuple):
    """A new array: its type, its slot, and whether it is a view of another one."""

    type: TensorType
    slot: int
    is_view: bool


class Functions(NamedTuple):
    """The functions that plans call, and the addresses of those that their tables call."""

    follow: Callable[[int], int]
    deliver_all: Callable[[int, int], int]
    in_place: Callable[[int], int]
    give: Callable[[int], int]
    addresses: dict[str, int]


@cache
def functions() -> Functions:
    """Return the functions of plans.

    Raises
    ------
    UnplannedError
        If arrays are laid out otherwise than expected in this interpreter.
    """
    probe = np.arange(6.0).reshape(2, 3)[:, ::-1]
    fields = (ctypes.c_int64 * 4).from_address(id(probe) + HEADER)
    lengths, strides = ((ctypes.c_int64 * 2).from_address(fields[k]) for k in (2, 3))
    found = (fields[0], fields[1] & 0xFFFFFFFF, (*lengths,), (*strides,))
    if found != (probe.ctypes.data, 2, probe.shape, probe.strides):
        raise UnplannedError('arrays of another layout')
    runner, pool = interpreter.compiled(), memory_pool.compiled()
    # With Python's lock, as Numba's functions: other threads may not change arrays meanwhile.
    one, two = (ctypes.PYFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * n) for n in (1, 2))
    return Functions(
        one(runner.address('follow')),
        two(runner.address('deliver_all')),
        one(runner.address('in_place')),
        one(pool.address('give')),
        {'take': pool.address('take'), 'give': pool.address('give')},
    )


class Block:
    """A block of the pool, which goes back when the last array in it does."""

    __slots__ = ('__array_interface__', '_give')

    def __init__(self, address: int, shape: list[int], dtype: np.dtype, give: Callable[[int], int]):
        data = {'data': (address, False), 'shape': tuple(shape), 'typestr': dtype.str}
        self.__array_interface__, self._give = {**data, 'version': 3}, give

    def __del__(self) -> None:
        self._give(self.__array_interface__['data'][0])


class Plan:
    """A function of arrays that follows a table.

    Arrays may have any layout and need not be writeable, except those that are updated.

    Parameters
    ----------
    table : Table
    objects : sequence of variables
        The inputs, then constants.
    new : sequence of variables
        The outputs of no axes.
    results : sequence of Result
        Other new arrays.
    outputs : sequence of int
        The places of the outputs among all of these.

    Attributes
    ----------
    parts : tuple
        The parameters.
    objects : array of int
        The addresses of inputs, constants and results as objects of Python.
    words : array of int
        The instructions of the table.
    address : int
        Where the plan is, for the functions of `rnnkit.kernels.runtime.interpreter`.
    """

    def __init__(
        self,
        table: Table,
        objects: Sequence[Variable],
        new: Sequence[Variable],
        results: Sequence[Result],
        outputs: Sequence[int],
    ):
        self.parts, self._running = (table, objects, new, results, outputs), False
        self._functions = functions()
        self._complaints, self._memory = table.complaints, table.memory
        constants = [np.asarray(v.data) for v in objects if isinstance(v, Constant)]
        self._n, self._constants = len(objects) - len(constants), constants
        self._dtypes = [v.type.numpy_dtype for v in objects[: self._n]]
        self._new, self._outputs = [v.type.numpy_dtype for v in new], outputs
        at = [SLOT // 8 * r.slot for r in results]
        # The lengths and the address of each result, its dtype, and whether it must be copied.
        self._results = [
            (k + 1 + AXES - r.type.ndim, k + 1 + AXES, k, r.type.numpy_dtype, r.is_view)
            for k, r in zip(at, results, strict=True)
        ]
        self._first_new = len(objects)
        self._first_result = self._first_new + len(new)
        ids = [id(c) for c in constants]
        self.objects = _integers([0] * self._n + ids + [0] * (len(new) + len(results)))
        self._slots = _integers([0] * (SLOT // 8 * len(table.slots)))
        arrays = {'first': _integers(table.words), 'delivery': _integers(table.delivery)}
        arrays |= {'slots': self._slots, 'objects': self.objects}
        arrays |= {'desc': _integers([0] * table.desc), 'block': _integers([0] * table.block)}
        values = {
            'count': table.count,
            'n_results': len(results),
            'n_slots': len(table.slots),
            'header': HEADER,
        }
        values |= {name: ctypes.addressof(array) for name, array in arrays.items()}
        values |= self._functions.addresses | {'array': id(np.ndarray)}
        self._plan = _integers(values[name] for name in PLAN)
        self.address = ctypes.addressof(self._plan)
        self.words = arrays['first']
        self._kept = (arrays, table.kept)

    def __call__(self, *inputs: np.ndarray) -> list[np.ndarray]:
        """Return the outputs."""
        if self._running:  # a signal handler, or the destructor of an object, calls it once more
            return Plan(*self.parts)(*inputs)
        self._running = True
        try:
            return self._run(inputs)
        finally:
            self._running = False

    def _run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        objects, n = self.objects, self._n
        objects[:n] = [id(a) for a in inputs]
        new: list[np.ndarray] = []
        if self._new:
            new = [np.empty((), dtype) for dtype in self._new]
            objects[self._first_new : self._first_result] = [id(a) for a in new]
        status = self._functions.follow(self.address)
        if status and status % FACTOR == UNUSUAL:
            inputs = [usual_dtype(a, d) for a, d in zip(inputs, self._dtypes, strict=True)]
            objects[:n] = [id(a) for a in inputs]
            status = self._functions.follow(self.address)
        if status:
            self._complain(*divmod(status, FACTOR))
        if self._results:
            new += self._deliver()
        arrays = [*inputs, *self._constants, *new]
        return [arrays[k] for k in self._outputs]

    def _deliver(self) -> list[np.ndarray]:
        """Return the results, in memory that is Python's."""
        slots, arrays, ids = self._slots, [], []
        try:
            for start, end, address, dtype, is_view in self._results:
                shape = slots[start:end]
                if is_view or math.prod(shape) * dtype.itemsize < LARGE:
                    arrays.append(np.empty(shape, dtype))
                    ids.append(id(arrays[-1]))
                else:
                    block = Block(slots[address], shape, dtype, self._functions.give)
                    arrays.append(np.asarray(block))
                    ids.append(0)
                    slots[address + OWNED] = 0  # from here on the block gives itself back
        finally:  # also if there is no memory, or Ctrl-C comes in between
            complete = len(ids) == len(self._results)
            if complete:
                self.objects[self._first_result :] = ids
            self._functions.deliver_all(self.address, complete)
        return arrays

    def _complain(self, number: int, wrong: int) -> None:
        if wrong == NO_MEMORY:
            raise MemoryError(f'{self._memory.get(number, "an array")}: out of memory')
        if wrong == UNUSUAL:
            raise TypeError('a function of compiled code has got an array of other axes')
        kind, messages = self._complaints[number]
        raise kind(messages[wrong - WRONG])


def usual_dtype(array: Any, dtype: np.dtype) -> np.ndarray:
    """Return an array of exactly this dtype: one may be equal, and another object."""
    array = np.asarray(array, dtype)
    return array if array.dtype is dtype else array.view(dtype)


def _integers(values: Iterable[int]) -> ctypes.Array[ctypes.c_int64]:
    values = list(values)
    return (ctypes.c_int64 * len(values))(*values)
