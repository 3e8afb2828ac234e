"""C functions around functions that Numba compiles, see `rnnkit.kernels.runtime.in_place`."""

from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.base import BaseContext
from numba.core.ccallback import CFunc
from numba.core.errors import TypingError
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from rnnkit.kernels.language.vector import I64
from rnnkit.kernels.runtime.slots import (
    ANY,
    DONE,
    FAILED,
    FINITE,
    INDEX,
    WRONG_INPUT,
    WRONG_RESULT,
    Slot,
    places,
)

_TABLE = types.CPointer(types.int64)
_BIT = ir.IntType(1)


def compiled(
    function: Callable[..., object], arguments: Sequence[Slot], results: Sequence[Slot]
) -> CFunc:
    """Return the C function ``int64 f(int64 *table)``.

    Raises
    ------
    TypeError
        If the function does not return what `results` says.
    """
    starts = places([*arguments, *results])
    ins = list(zip(arguments, starts, strict=False))
    outs = list(zip(results, starts[len(arguments) :], strict=False))
    check, read, store = _checker(ins), _reader(ins), _storer(outs)

    @numba.njit
    def step(table):
        if check(table):
            return WRONG_INPUT
        return store(table, function(*read(table)))

    try:
        step.compile((_TABLE,))
    except TypingError as error:
        raise TypeError(f'this function has no C function: {error}') from error
    caught = _catcher(step.overloads[(_TABLE,)])
    return numba.cfunc(types.int64(_TABLE))(lambda table: caught(table))


def _kind(slot: Slot) -> types.Array:
    return types.Array(numba.from_dtype(np.dtype(slot.dtype)), slot.ndim, 'C')


class _Table:
    """Writer of code that reads a table."""

    def __init__(self, context: BaseContext, builder: ir.IRBuilder, address: ir.Value):
        self.context, self.builder, self.address = context, builder, address

    def number(self, place: int) -> ir.Value:
        return self.builder.load(self.builder.gep(self.address, [ir.Constant(I64, place)]))

    def pointer(self, place: int, kind: types.Array) -> ir.Value:
        data = self.context.get_data_type(kind.dtype).as_pointer()
        return self.builder.inttoptr(self.number(place), data)

    def shape(self, place: int, kind: types.Array) -> list[ir.Value]:
        return [self.number(place + 1 + axis) for axis in range(kind.ndim)]

    def product(self, numbers: Sequence[ir.Value]) -> ir.Value:
        total = ir.Constant(I64, 1)
        for number in numbers:
            total = self.builder.mul(total, number)
        return total

    def array(self, place: int, kind: types.Array) -> ir.Value:
        """Return the array of an argument; nobody owns its memory."""
        shape, builder = self.shape(place, kind), self.builder
        item = self.context.get_abi_sizeof(self.context.get_data_type(kind.dtype))
        item = ir.Constant(I64, item)
        strides = [builder.mul(item, self.product(shape[k + 1 :])) for k in range(kind.ndim)]
        array = make_array(kind)(self.context, builder)
        data = self.pointer(place, kind)
        populate_array(array, data, shape, strides, item, meminfo=None)
        return array._getvalue()

    def fits(self, array: Any, shape: Sequence[ir.Value]) -> ir.Value:
        """Return a bit: whether an array has a shape, and its elements follow each other."""
        builder, fits, step = self.builder, _BIT(1), array.itemsize
        lengths = cgutils.unpack_tuple(builder, array.shape, len(shape))
        strides = cgutils.unpack_tuple(builder, array.strides, len(shape))
        for expected, length, stride in reversed(list(zip(shape, lengths, strides, strict=True))):
            same = builder.icmp_signed('==', expected, length)
            alone = builder.icmp_signed('==', length, ir.Constant(I64, 1))
            follows = builder.or_(alone, builder.icmp_signed('==', stride, step))
            fits = builder.and_(fits, builder.and_(same, follows))
            step = builder.mul(step, length)
        return fits

    def wrong(self, slot: Slot, data: ir.Value, n: ir.Value, limit: ir.Value) -> ir.Value:
        """Return a bit: whether an element fails the check of a slot."""
        builder = self.builder
        found = cgutils.alloca_once_value(builder, _BIT(0))
        with cgutils.for_range(builder, n) as loop:
            value = builder.load(builder.gep(data, [loop.index]))
            if slot.check == INDEX:
                bad = builder.icmp_unsigned('>=', value, limit)  # a negative one is very large
            else:
                # A finite number minus itself is 0; infinity minus itself is NaN.
                part = builder.fsub(value, value) if slot.check == FINITE else value
                bad = builder.fcmp_unordered('uno', part, part)
            builder.store(builder.or_(builder.load(found), bad), found)
        return builder.load(found)


def _checker(ins: Sequence[tuple[Slot, int]]) -> Callable[..., object]:
    """Return ``check(table)``: 1 if an argument has a value that it must not have, else 0."""

    @intrinsic
    def check(typing_context, address):
        def codegen(context, builder, signature, args):
            table, found = _Table(context, builder, args[0]), _BIT(0)
            for slot, place in ins:
                if slot.check == ANY:
                    continue
                kind = _kind(slot)
                n = table.product(table.shape(place, kind))
                limit = table.number(place + 1 + slot.ndim)
                wrong = table.wrong(slot, table.pointer(place, kind), n, limit)
                found = builder.or_(found, wrong)
            return builder.zext(found, I64)

        return types.int64(address), codegen

    return check


def _reader(ins: Sequence[tuple[Slot, int]]) -> Callable[..., object]:
    """Return ``read(table)``: the arguments as a tuple of arrays."""
    kinds = types.Tuple([_kind(slot) for slot, _ in ins])

    @intrinsic
    def read(typing_context, address):
        def codegen(context, builder, signature, args):
            table = _Table(context, builder, args[0])
            arrays = [table.array(place, _kind(slot)) for slot, place in ins]
            return context.make_tuple(builder, kinds, arrays)

        return kinds(address), codegen

    return read


def _storer(outs: Sequence[tuple[Slot, int]]) -> Callable[..., object]:
    """Return ``store(table, results)``, which copies the results if all of them are right."""
    expected = [(_kind(slot).dtype, slot.ndim) for slot, _ in outs]

    @intrinsic
    def store(typing_context, address, results):
        found = [(getattr(t, 'dtype', None), getattr(t, 'ndim', None)) for t in results.types]
        if found != expected:
            return None  # an error of types

        def codegen(context, builder, signature, args):
            table = _Table(context, builder, args[0])
            status = cgutils.alloca_once_value(builder, I64(DONE))
            arrays = []
            for k, (slot, place) in enumerate(outs):
                kind = results.types[k]  # of any layout, such as that of a view
                value = builder.extract_value(args[1], k)
                array = make_array(kind)(context, builder, value)
                arrays.append((array, table.pointer(place, kind)))
                fits = table.fits(array, table.shape(place, kind))
                with builder.if_then(builder.not_(fits), likely=False):
                    builder.store(I64(FAILED), status)
                if slot.check != ANY:
                    wrong = table.wrong(slot, array.data, array.nitems, I64(0))
                    with builder.if_then(wrong, likely=False):
                        builder.store(I64(WRONG_RESULT), status)
            right = builder.icmp_signed('==', builder.load(status), I64(DONE))
            with builder.if_then(right, likely=True):
                for array, to in arrays:
                    cgutils.raw_memmove(builder, to, array.data, array.nitems, array.itemsize)
            return builder.load(status)

        return types.int64(address, results), codegen

    return store


def _catcher(compiled_step: object) -> Callable[..., object]:
    """Return ``caught(table)``, which calls a compiled function, and returns `FAILED` if it raised.

    Numba's own ``try`` takes it half a second to compile; a C function that raises prints that.
    """

    @intrinsic
    def caught(typing_context, address):
        signature = compiled_step.signature

        def codegen(context, builder, _, args):
            context.add_linking_libs([compiled_step.library])
            status, value = context.call_internal_no_propagate(
                builder, compiled_step.fndesc, signature, args
            )
            return builder.select(status.is_error, I64(FAILED), value)

        return signature, codegen

    return caught
