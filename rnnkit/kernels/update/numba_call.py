"""Calls of the update kernel from functions that Numba compiles.

In: the name of a compiled `Update`, and its writer. Out: a function that Numba can compile into
others. Arrays may be of any shape, so there is no frame; new values go to the place of the old
ones, or to new arrays.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.base import BaseContext
from numba.core.imputils import impl_ret_borrowed
from numba.core.typing.templates import Signature
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from rnnkit.kernels.language.descriptor import AXES, DESCRIPTOR
from rnnkit.kernels.language.vector import I64
from rnnkit.kernels.runtime import memory_pool
from rnnkit.kernels.runtime.numba_call import Call
from rnnkit.kernels.update.rows import WRONG_ID, WRONG_SHAPE
from rnnkit.kernels.update.update import (
    ENTRY,
    HEAD,
    HEALTH,
    LOSS,
    MAX_ELEM,
    MAX_NORM,
    NEW_COUNT,
    NORM,
    NUMBERS,
    PARAMS,
    TO,
    Update,
)


class Form(NamedTuple):
    """The settings of a call, besides the rule.

    Attributes
    ----------
    tables : tuple of int
        The places of those parameters whose gradient is by rows.
    inplace : bool
        Whether new values go to the place of the old ones.
    watched : bool
        Whether the gradients are reported.
    """

    tables: tuple[int, ...]
    inplace: bool
    watched: bool


def numba_function(name: str, writer: Update, form: Form) -> Callable[..., tuple[np.ndarray, ...]]:
    """Return a function of arrays, for Numba's compiler, that runs an update kernel.

    Its arguments are loss, limits of an element and of the norm, number of updates,
    hyperparameters, slots, gradients, parameters, and numbers of rows for each table; it returns
    the norm of the gradients, and new number of updates, slots and parameters, and the report of
    the gradients if they are watched. A number that names no row raises an IndexError.

    Parameters
    ----------
    name : str
        Prefix of the kernel's symbols.
    writer : Update
    form : Form
    """
    memory_pool.compiled()
    first = 4 + len(writer.rule.hyper)  # of the slots
    n_slots = writer.rule.n_slots

    def results(args: Sequence[types.Array]) -> list[types.Array]:
        args = list(args)[: len(args) - len(form.tables)]  # numba slices no tuple of equal types
        n_params = (len(args) - first - n_slots) // 2
        changed = [args[3], *args[first : first + n_slots], *args[len(args) - n_params :]]
        if not form.inplace:
            changed = [types.Array(kind.dtype, kind.ndim, 'C') for kind in changed]
        health = [types.Array(args[0].dtype, 1, 'C')] * form.watched
        return [types.Array(args[0].dtype, 0, 'C'), *changed, *health]

    @intrinsic
    def run(typing_context, arrays):
        def codegen(context, builder, signature, args):
            update = UpdateKernel(name, writer, form)
            return UpdateCall(update, context, builder, signature).write(args[0])

        return types.Tuple(results(arrays))(arrays), codegen

    def update_kernel(*arrays):
        return run(arrays)

    return update_kernel


class UpdateKernel(NamedTuple):
    """A compiled update kernel: parameters as in `numba_function`."""

    name: str
    writer: Update
    form: Form


class UpdateCall(Call):
    """Writer of one call of the update kernel."""

    def __init__(
        self,
        update: UpdateKernel,
        context: BaseContext,
        builder: ir.IRBuilder,
        signature: Signature,
    ):
        self.name, self.writer, (self.tables, self.inplace, self.watched) = update
        super().__init__('update', self.writer.target.size, context, builder, signature)
        self.kinds, self.results = list(signature.args[0]), list(signature.return_type)
        # Places of inputs: loss and two limits, count and hyperparameters, slots, gradients...
        self.slots = 4 + len(self.writer.rule.hyper)
        self.gradients = self.slots + self.writer.rule.n_slots
        self.n_params = (len(self.kinds) - self.gradients - len(self.tables)) // 2
        self.params = self.gradients + self.n_params

    def write(self, arrays: ir.Value) -> ir.Value:
        """Write the call, given the tuple of input arrays; return the tuple of outputs."""
        values = [self.builder.extract_value(arrays, i) for i in range(len(self.kinds))]
        table = self.integers(self.writer.params + ENTRY * self.n_params)
        outputs = self._scalars(table, values)
        outputs += [self._slot(table, values, k) for k in range(self.writer.rule.n_slots)]
        outputs += [self._parameter(table, values, k) for k in range(self.n_params)]
        outputs += [self._report(table)] if self.watched else []
        ids = range(self.params + self.n_params, len(self.kinds))
        rooms = [
            self._gather(self._entry(table, k), self.kinds[i], values[i])
            for i, k in zip(ids, self.tables, strict=True)
        ]
        self.call(f'{self.name}_run', table)
        for room in rooms:
            self.call(f'{memory_pool.compiled().name}_give', room)
        return self.context.make_tuple(self.builder, self.signature.return_type, outputs)

    def _scalars(self, table: ir.Value, values: list[ir.Value]) -> list[ir.Value]:
        """Fill in loss, limits and hyperparameters; return norm and new count."""
        kinds, results = self.kinds, self.results
        self.put(ir.Constant(I64, self.n_params), table, PARAMS)
        for i, place in enumerate((LOSS, MAX_ELEM, MAX_NORM)):
            self.put(self._address(kinds[i], values[i]), table, place)
        for i in range(3, self.slots):
            self.put(self._address(kinds[i], values[i]), table, HEAD + i - 3)
        norm, norm_at = self._new(results[0], kinds[0], values[0])
        count, count_at = self._changed(results[1], kinds[3], values[3])
        self.put(norm_at, table, NORM)
        self.put(ir.Constant(I64, 0), table, HEALTH)
        self.put(count_at, table, NEW_COUNT)
        return [norm, count]

    def _slot(self, table: ir.Value, values: list[ir.Value], k: int) -> ir.Value:
        """Fill in the addresses of slot k; return its new array."""
        kind, value = self.kinds[self.slots + k], values[self.slots + k]
        new, at = self._changed(self.results[2 + k], kind, value)
        self.put(self._address(kind, value), table, self.writer.slots + 2 * k)
        self.put(at, table, self.writer.slots + 2 * k + 1)
        return new

    def _parameter(self, table: ir.Value, values: list[ir.Value], k: int) -> ir.Value:
        """Fill in the entry of parameter k; return its new array."""
        gradient, param = self.gradients + k, self.params + k
        kind, value = self.kinds[param], values[param]
        result = self.results[2 + self.writer.rule.n_slots + k]
        new, at = self._changed(result, kind, value)
        entry = self._entry(table, k)
        self.describe(entry, 0, self.kinds[gradient], values[gradient])
        self.describe(entry, 1, kind, value)
        self.put(ir.Constant(I64, 0) if self.inplace else at, entry, TO)
        self.put(ir.Constant(I64, 0), entry, NUMBERS)
        return new

    def _report(self, table: ir.Value) -> ir.Value:
        """Fill in the address of the report; return its array."""
        shape = [ir.Constant(I64, self.n_params + 1)]
        strides, size = self.strides(shape)
        data = self.take(size)
        self.put(data, table, HEALTH)
        return self.array(self.results[-1], shape, strides, data)

    def _entry(self, table: ir.Value, k: int) -> ir.Value:
        """Return the address of the entry of parameter k."""
        return self._after(table, self.writer.params + ENTRY * k)

    def _after(self, table: ir.Value, n: int) -> ir.Value:
        """Return the address of integer number `n` of the table."""
        return self.builder.add(table, ir.Constant(I64, 8 * n))

    def _gather(self, entry: ir.Value, kind: types.Array, ids: ir.Value) -> ir.Value:
        """Sum the gradient of a table by its rows; return the room for it, to be given back."""
        described = self.integers(DESCRIPTOR)
        self.describe(described, 0, kind, ids)
        room = self.take(self.call(f'{self.name}_room', entry, described))
        n = self.builder.load(self.place(entry, DESCRIPTOR + AXES - 1))
        status = self.call(
            f'{self.name}_gather', entry, described, n, room, self._after(entry, NUMBERS)
        )
        wrong = self.builder.icmp_signed('!=', status, ir.Constant(I64, 0))
        with self.builder.if_then(wrong, likely=False):
            self.call(f'{memory_pool.compiled().name}_give', room)
        self.complain_if(status, WRONG_ID, IndexError, 'update: no row of that number')
        self.complain_if(status, WRONG_SHAPE, ValueError, 'update: a gradient for each row')
        return room

    def _address(self, kind: types.Array, value: ir.Value) -> ir.Value:
        array = make_array(kind)(self.context, self.builder, value)
        return self.builder.ptrtoint(array.data, I64)

    def _changed(
        self, result: types.Array, kind: types.Array, value: ir.Value
    ) -> tuple[ir.Value, ir.Value]:
        """Return the array that new values go to, and its address."""
        if not self.inplace:
            return self._new(result, kind, value)
        # The same array once more: Numba counts one more reference to it.
        kept = impl_ret_borrowed(self.context, self.builder, kind, value)
        return kept, self._address(kind, value)

    def _new(
        self, result: types.Array, kind: types.Array, like: ir.Value
    ) -> tuple[ir.Value, ir.Value]:
        """Return a new array of the shape of another one, and its address."""
        old = make_array(kind)(self.context, self.builder, like)
        shape = [self.builder.extract_value(old.shape, k) for k in range(kind.ndim)]
        strides, size = self.strides(shape)
        data = self.take(size)
        return self.array(result, shape, strides, data), data
