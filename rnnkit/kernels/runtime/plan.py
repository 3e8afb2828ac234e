"""Graphs of kernels as tables that `rnnkit.kernels.runtime.interpreter` follows.

In: a graph whose nodes are Ops with kernels, and views and copies of their arrays. Out: a `Plan`, a
function of its inputs; or `UnplannedError`, if there is another node.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from pytensor.compile.ops import DeepCopyOp
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.tensor import TensorType
from pytensor.tensor.basic import Alloc
from pytensor.tensor.shape import Shape_i
from pytensor.tensor.subtensor import IncSubtensor

from rnnkit.kernels.language.descriptor import AXES, DESCRIPTOR
from rnnkit.kernels.language.frame import factor
from rnnkit.kernels.runtime import interpreter, memory_pool
from rnnkit.kernels.runtime.interpreter import (
    FACTOR,
    NO_MEMORY,
    OPERATIONS,
    OWNED,
    PLAN,
    SLOT,
    UNUSUAL,
    WRONG,
)
from rnnkit.kernels.runtime.kernel import Kernel
from rnnkit.kernels.runtime.views import Length, View, place_of, view_of, zeros_of

DTYPES = ('float32', 'float64', 'int64')
# NumPy's struct of an array follows the header that all objects of Python have.
HEADER = object.__basicsize__
LARGE = memory_pool.SMALL  # bytes of a result that is used where it is, and not copied


class UnplannedError(Exception):
    """The graph has a node that a plan cannot have."""


class Table:
    """The instructions of a graph, and the slots of its arrays.

    Attributes
    ----------
    complaints : dict of int to (type of exception, tuple of str)
        For an instruction, by its number: what to raise, and the message for each thing that may be
        wrong.
    same : dict of variable to variable
        For outputs of Ops that are arrays that were inputs: which.
    given : set of variable
        Outputs of no axes whose memory is an array of Python.
    """

    def __init__(self) -> None:
        self.words: list[int] = []
        self.delivery: list[int] = []  # the instructions that put results in arrays of Python
        self.count = 0
        self.slots: dict[Variable, int] = {}
        self.complaints: dict[int, tuple[type[Exception], tuple[str, ...]]] = {}
        self.memory: dict[int, str] = {}
        self.same: dict[Variable, Variable] = {}
        self.given: set[Variable] = set()
        self.desc, self.block = 1, 1  # integers of room that kernels need
        self.kept: list[object] = []  # what the instructions have addresses of

    def slot(self, variable: Variable) -> int:
        """Return the number of the slot of a variable."""
        variable = self.same.get(variable, variable)
        return self.slots.setdefault(variable, len(self.slots))

    def add(self, operation: str, *operands: int) -> int:
        """Append an instruction; return its number."""
        self.words += [OPERATIONS.index(operation), 2 + len(operands), *operands]
        self.count += 1
        return self.count - 1

    def add_kernel(self, kernel: Kernel, node: Apply) -> None:
        """Append the call of a kernel that has a frame."""
        frame, outputs = kernel.frame, []
        for array, variable in zip(frame.outputs, node.outputs, strict=True):
            lengths = [(1, None)] * (AXES - len(array.dims)) + [factor(dim) for dim in array.dims]
            outputs += [self.slot(variable), frame.place[array.name], variable in self.given]
            for number, letter in lengths:
                outputs += [number, frame.place[letter] if letter else -1]
        functions = [kernel.addresses[name] for name in ('enter', 'size', 'run')]
        n_in, item = len(frame.inputs), kernel.dtype.itemsize
        numbers = [n_in, len(frame.outputs), frame.place['work'], item]
        at = self.add('kernel', *functions, *numbers, *map(self.slot, node.inputs), *outputs)
        messages = tuple(kernel.complaint(i) for i in range(n_in))
        self.complaints[at] = ValueError, messages
        self.memory[at] = frame.what
        self.desc = max(self.desc, n_in * DESCRIPTOR)
        self.block = max(self.block, len(frame.place))
        self.kept.append(kernel)

    def add_view(self, variable: Variable, source: Variable, view: View) -> None:
        """Append a view of an array."""
        parts = [number for part in view.parts for number in part]
        at = self.add('view', self.slot(variable), self.slot(source), *parts, *view.order)
        self.complaints[at] = IndexError, ('an index is out of bounds',) * AXES

    def add_zeros(self, node: Apply, lengths: Sequence[Length]) -> None:
        """Append an array of zeros."""
        numbers: list[int] = []
        for number, variable, axis in lengths:
            numbers += [number, -1 if variable is None else self.slot(variable), axis]
        new = node.outputs[0]
        at = self.add('zeros', self.slot(new), item_of(new), *numbers)
        self.memory[at] = 'zeros'

    def add_place(self, node: Apply, view: View) -> None:
        """Append the copy of an array to a part of another one."""
        zeros, part, *_ = node.inputs
        shown = zeros.type()
        self.add_view(shown, zeros, view)
        at = self.add('place', self.slot(shown), self.slot(part), item_of(part))
        self.complaints[at] = ValueError, ('an array does not fit where it is put',)


class Result(NamedTuple):
    """A new array: its type, its slot, and whether it is a view of another one."""

    type: TensorType
    slot: int
    is_view: bool


class Planner:
    """Maker of one plan."""

    def __init__(self, graph: FunctionGraph, order: Sequence[Apply]):
        for variable in [*graph.inputs, *graph.outputs, *(v for n in order for v in n.outputs)]:
            check_type(variable)
        self.graph, self.order, self.table = graph, order, Table()
        self.views: dict[Variable, Variable] = {}  # of which array
        self.constants: list[Constant] = []
        for node in order:
            for variable in node.inputs:
                if isinstance(variable, Constant) and not is_index(node, variable):
                    check_type(variable)
                    if variable not in self.constants:
                        self.constants.append(variable)

    def plan(self) -> Plan:
        """Return the plan, or raise `UnplannedError`."""
        table, objects = self.table, [*self.graph.inputs, *self.constants]
        made = [v for node in self.order for v in node.outputs]
        for node in self.order:
            source = view_of(node)
            if source is not None:
                self.views[node.outputs[0]] = self._whole(node.inputs[0])
            elif hasattr(node.op, 'unchanged'):
                table.same |= node.op.unchanged(node)
            elif isinstance(node.op, IncSubtensor):
                out, zeros = node.outputs[0], node.inputs[0]
                table.same[out], self.views[out] = zeros, zeros
                if out in self.graph.outputs:
                    raise UnplannedError('an output that is an array with a part that was set')
        results = [v for v in dict.fromkeys(self.graph.outputs) if v not in table.same]
        new = [v for v in results if v in made and not v.type.ndim and v not in self.views]
        table.given.update(new)
        for k, variable in enumerate([*objects, *new]):
            dtype = id(variable.type.numpy_dtype)
            table.add('read', k, table.slot(variable), variable.type.ndim, dtype)
        self._nodes(frees=self._last_uses(results))
        first = len(objects) + len(new)
        slots = [v for v in results if v not in new and v not in self.graph.inputs]
        n = len(table.words)
        for k, v in enumerate(slots, first):
            table.add('deliver', table.slot(v), k, item_of(v))
        table.words, table.delivery = table.words[:n], table.words[n:]
        table.count -= len(slots)
        places = [*self.graph.inputs, *self.constants, *new, *slots]
        outputs = [places.index(table.same.get(v, v)) for v in self.graph.outputs]
        found = [Result(v.type, table.slot(v), v in self.views) for v in slots]
        return Plan(table, objects, new, found, outputs)

    def _whole(self, variable: Variable) -> Variable:
        return self.views.get(variable, variable)

    def _last_uses(self, results: Sequence[Variable]) -> dict[Apply, list[Variable]]:
        """Return which arrays nobody reads after each node."""
        made = {v for node in self.order for v in node.outputs} - set(self.views)
        kept = {*map(self._whole, results), *self.table.same}
        last: dict[Variable, Apply] = {}
        for node in self.order:
            for v in [*node.outputs, *node.inputs]:
                last[self._whole(v)] = node
        frees: dict[Apply, list[Variable]] = {}
        for v, node in last.items():
            if v in made and v not in kept:
                frees.setdefault(node, []).append(v)
        return frees

    def _nodes(self, frees: dict[Apply, list[Variable]]) -> None:
        table = self.table
        for node in self.order:
            view, first = view_of(node), node.inputs[0]
            if view is not None:
                table.add_view(node.outputs[0], first, view)
            elif isinstance(node.op, DeepCopyOp):
                new = node.outputs[0]
                at = table.add(
                    'copy', table.slot(new), table.slot(first), item_of(new), new in table.given
                )
                table.memory[at] = 'a copy'
            elif hasattr(node.op, 'instruct'):
                node.op.instruct(node, table)
            elif lengths := zeros_of(node):
                table.add_zeros(node, lengths)
            elif isinstance(node.op, IncSubtensor) and (place := place_of(node)):
                table.add_place(node, place)
            elif not isinstance(node.op, Shape_i) or node.outputs[0] in self.graph.outputs:
                raise UnplannedError(node.op)
            for v in frees.get(node, ()):
                table.add('free', table.slot(v))


def is_index(node: Apply, variable: Variable) -> bool:
    """Return whether a constant is an index of a view, and so no array."""
    if isinstance(node.op, Alloc | IncSubtensor):
        return True  # a length, the value 0, or an index
    return view_of(node) is not None and variable is not node.inputs[0]


def item_of(variable: Variable) -> int:
    """Return the bytes of an element."""
    return variable.type.numpy_dtype.itemsize


def check_type(variable: Variable) -> None:
    """Raise `UnplannedError` unless a variable is an array that a slot can describe."""
    kind = variable.type
    if not isinstance(kind, TensorType) or kind.dtype not in DTYPES or kind.ndim > AXES:
        raise UnplannedError(f'{variable} of {kind}')


class Functions(NamedTuple):
    """What plans call, and the addresses of what their tables call."""

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
