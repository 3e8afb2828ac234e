"""How PyTensor's Numba functions call the update kernel.

In: the address table's writer and a compiled `Update`. Out: a function that Numba can compile
into others. Arrays may be of any shape, so there is no frame; new values go to the place of the
old ones, or to new arrays.
"""

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.imputils import impl_ret_borrowed, impl_ret_new_ref
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from rnnkit.kernels.language.frame import AXES, DESCRIPTOR
from rnnkit.kernels.language.vector import I64
from rnnkit.kernels.runtime import pool
from rnnkit.kernels.runtime.numba_call import Call
from rnnkit.kernels.update.rows import WRONG_ID, WRONG_SHAPE
from rnnkit.kernels.update.update import (
    ENTRY,
    HEAD,
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


def numba_function(
    name: str, writer: Update, tables: tuple[int, ...], inplace: bool
) -> Callable[..., Any]:
    """Return a function of arrays, for Numba's compiler, that runs an update kernel.

    Its arguments are loss, limits of an element and of the norm, number of updates,
    hyper-parameters, slots, gradients, parameters, and numbers of rows for each table; it returns
    the norm of the gradients, and new number of updates, slots and parameters. A number that
    names no row raises an IndexError.

    Parameters
    ----------
    name : str
        Prefix of the kernel's symbols.
    writer : Update
    tables : tuple of int
        The places of those parameters whose gradient is by rows.
    inplace : bool
        Whether new values go to the place of the old ones.
    """
    pool.compiled()
    first = 4 + len(writer.rule.hyper)  # of the slots
    n_slots = writer.rule.n_slots

    def results(args: Sequence[Any]) -> list[Any]:
        args = list(args)[: len(args) - len(tables)]  # numba slices no tuple of equal types
        n_params = (len(args) - first - n_slots) // 2
        changed = [args[3], *args[first : first + n_slots], *args[len(args) - n_params :]]
        if not inplace:
            changed = [types.Array(kind.dtype, kind.ndim, 'C') for kind in changed]
        return [types.Array(args[0].dtype, 0, 'C'), *changed]

    @intrinsic
    def run(typing_context, arrays):
        def codegen(context, builder, signature, args):
            call = _UpdateCall(name, writer, tables, inplace, context, builder, signature)
            return call.write(args[0])

        return types.Tuple(results(arrays))(arrays), codegen

    def update_kernel(*arrays):
        return run(arrays)

    return update_kernel


class _UpdateCall(Call):
    """Writer of one call of the update kernel."""

    def __init__(
        self,
        name: str,
        writer: Update,
        tables: tuple[int, ...],
        inplace: bool,
        context: Any,
        builder: Any,
        signature: Any,
    ):
        self.what, self.name, self.writer = 'update', name, writer
        self.tables, self.inplace = tables, inplace
        self.context, self.builder, self.signature = context, builder, signature

    def write(self, arrays: Any) -> Any:
        """Write the call, given the tuple of input arrays; return the tuple of outputs."""
        builder, kinds = self.builder, list(self.signature.args[0])
        results = list(self.signature.return_type)
        given = [builder.extract_value(arrays, i) for i in range(len(kinds))]
        n_hyper, n_slots = len(self.writer.rule.hyper), self.writer.rule.n_slots
        slots, gradients = 4 + n_hyper, 4 + n_hyper + n_slots
        n_params = (len(kinds) - gradients - len(self.tables)) // 2
        params = gradients + n_params
        table = self.integers(self.writer.params + ENTRY * n_params)
        self.put(ir.Constant(I64, n_params), table, PARAMS)
        for i, place in enumerate((LOSS, MAX_ELEM, MAX_NORM)):
            self.put(self._address(kinds[i], given[i]), table, place)
        for i in range(1 + n_hyper):
            self.put(self._address(kinds[3 + i], given[3 + i]), table, HEAD + i)
        norm, norm_at = self._new(results[0], kinds[0], given[0])
        count, count_at = self._changed(results[1], kinds[3], given[3])
        self.put(norm_at, table, NORM)
        self.put(count_at, table, NEW_COUNT)
        made = [norm, count]
        for k in range(n_slots):
            kind, value = kinds[slots + k], given[slots + k]
            new, at = self._changed(results[2 + k], kind, value)
            self.put(self._address(kind, value), table, self.writer.slots + 2 * k)
            self.put(at, table, self.writer.slots + 2 * k + 1)
            made.append(new)
        for k in range(n_params):
            kind, value = kinds[params + k], given[params + k]
            new, at = self._changed(results[2 + n_slots + k], kind, value)
            entry = self._after(table, self.writer.params + ENTRY * k)
            self.describe(entry, 0, kinds[gradients + k], given[gradients + k])
            self.describe(entry, 1, kind, value)
            self.put(ir.Constant(I64, 0) if self.inplace else at, entry, TO)
            self.put(ir.Constant(I64, 0), entry, NUMBERS)
            made.append(new)
        first = params + n_params  # of the numbers of rows
        rooms = [
            self._gather(self._after(table, self.writer.params + ENTRY * k), kinds[i], given[i])
            for i, k in enumerate(self.tables, first)
        ]
        self.call(f'{self.name}_run', table)
        for room in rooms:
            self.call(f'{pool.compiled().name}_give', room)
        return self.context.make_tuple(builder, self.signature.return_type, made)

    def _after(self, table: Any, n: int) -> Any:
        """Return the address of integer number `n` of the table."""
        return self.builder.add(table, ir.Constant(I64, 8 * n))

    def _gather(self, entry: Any, kind: Any, ids: Any) -> Any:
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
            self.call(f'{pool.compiled().name}_give', room)
        self.complain_if(status, WRONG_ID, IndexError, 'update: no row of that number')
        self.complain_if(status, WRONG_SHAPE, ValueError, 'update: a gradient for each row')
        return room

    def _address(self, kind: Any, value: Any) -> Any:
        array = make_array(kind)(self.context, self.builder, value)
        return self.builder.ptrtoint(array.data, I64)

    def _changed(self, result: Any, kind: Any, value: Any) -> tuple[Any, Any]:
        """Return the array that new values go to, and its address."""
        if not self.inplace:
            return self._new(result, kind, value)
        kept = impl_ret_borrowed(self.context, self.builder, kind, value)
        return kept, self._address(kind, value)

    def _new(self, result: Any, kind: Any, like: Any) -> tuple[Any, Any]:
        """Return a new array of the shape of another one, and its address."""
        builder = self.builder
        old = make_array(kind)(self.context, builder, like)
        item = ir.Constant(I64, self.writer.target.size)
        shape = [builder.extract_value(old.shape, k) for k in range(kind.ndim)]
        strides, step = [], item
        for length in reversed(shape):
            strides.insert(0, step)
            step = builder.mul(step, length)
        data = self.take(step)
        made = make_array(result)(self.context, builder)
        populate_array(
            made,
            data=builder.inttoptr(data, made.data.type),
            shape=shape,
            strides=strides,
            itemsize=item,
            meminfo=self.owner(data),
        )
        return impl_ret_new_ref(self.context, builder, result, made._getvalue()), data
