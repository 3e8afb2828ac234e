"""Calls of kernels from functions that Numba compiles.

In: a `Kernel`. Out: a function that Numba can compile into others: it takes arrays, checks
them, has the outputs' memory from the pool, and runs the kernel.

It is written as LLVM IR, for Numba takes seconds to compile the same from Python. The IR names
the kernel's functions by symbols that carry a hash, not by their addresses: PyTensor keeps it on
disk, and the addresses of another process are others.

Only this module, that of the update and that of `rnnkit.noise` import Numba; they are imported
when the first kernel is needed.
"""

from collections.abc import Callable, Sequence

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.base import BaseContext
from numba.core.imputils import impl_ret_new_ref
from numba.core.typing.templates import Signature
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from rnnkit.kernels.language.descriptor import AXES, DESCRIPTOR
from rnnkit.kernels.language.frame import Array, factor
from rnnkit.kernels.language.vector import I64
from rnnkit.kernels.runtime import memory_pool
from rnnkit.kernels.runtime.kernel import Kernel

_POINTER = ir.IntType(8).as_pointer()


def numba_function(kernel: Kernel) -> Callable[..., np.ndarray | tuple[np.ndarray, ...]]:
    """Return a function of arrays, for Numba's compiler, that runs `kernel`.

    It returns one array, or a tuple of them. Arrays whose shapes do not fit raise a
    ValueError, lack of memory a MemoryError.
    """
    memory_pool.compiled()  # its symbols must be known before any code that names them is loaded
    element = types.float32 if kernel.dtype.itemsize == 4 else types.float64
    # Numba compiles for types, so what is written below must return exactly these.
    kinds = [types.Array(element, len(a.dims), 'C') for a in kernel.frame.outputs]
    result = kinds[0] if len(kinds) == 1 else types.Tuple(kinds)

    @intrinsic
    def run(typing_context, arrays):
        def codegen(context, builder, signature, args):
            return KernelCall(kernel, context, builder, signature).write(args[0])

        return result(arrays), codegen

    # An intrinsic has a fixed number of arguments, so it takes all arrays as one tuple.
    def recurrent_kernel(*arrays):
        return run(arrays)

    return recurrent_kernel


class Call:
    """Writer of one call into a function that Numba is compiling.

    Parameters
    ----------
    what : str
        The name of the computation, for messages.
    item : int
        Bytes of an element.
    context, builder, signature
        Those of Numba.
    """

    def __init__(
        self,
        what: str,
        item: int,
        context: BaseContext,
        builder: ir.IRBuilder,
        signature: Signature,
    ):
        self.what, self.item = what, ir.Constant(I64, item)
        self.context, self.builder, self.signature = context, builder, signature

    def write(self, arrays: ir.Value) -> ir.Value:
        """Write the call, given the tuple of input arrays; return what it returns."""
        raise NotImplementedError

    def integers(self, n: int) -> ir.Value:
        """Return the address of `n` integers that live until the function returns."""
        # In the entry block: this function may be inlined into a loop of another one.
        slot = cgutils.alloca_once(self.builder, ir.ArrayType(I64, n))
        return self.builder.ptrtoint(slot, I64)

    def place(self, start: ir.Value, i: int) -> ir.Value:
        """Return a pointer to integer number `i` of those at `start`."""
        address = self.builder.add(start, ir.Constant(I64, 8 * i))
        return self.builder.inttoptr(address, I64.as_pointer())

    def put(self, value: ir.Value, start: ir.Value, i: int) -> None:
        """Store integer number `i` of those at `start`."""
        self.builder.store(value, self.place(start, i))

    def call(self, symbol: str, *args: ir.Value) -> ir.Value:
        """Call a function of integers by its symbol."""
        kind = ir.FunctionType(I64, [I64] * len(args))
        function = cgutils.get_or_insert_function(self.builder.module, kind, symbol)
        return self.builder.call(function, args)

    def complain_if(
        self, value: ir.Value, equals: int, error: type[Exception], message: str
    ) -> None:
        """Raise an error if `value` is `equals`."""
        wrong = self.builder.icmp_signed('==', value, ir.Constant(I64, equals))
        with self.builder.if_then(wrong, likely=False):
            self.context.call_conv.return_user_exc(self.builder, error, (message,))

    def describe(self, desc: ir.Value, i: int, kind: types.Array, value: ir.Value) -> None:
        """Store address, lengths and strides of an input."""
        array = make_array(kind)(self.context, self.builder, value)
        missing, one, zero = AXES - kind.ndim, ir.Constant(I64, 1), ir.Constant(I64, 0)
        lengths = [one] * missing + cgutils.unpack_tuple(self.builder, array.shape, kind.ndim)
        strides = [zero] * missing + cgutils.unpack_tuple(self.builder, array.strides, kind.ndim)
        address = self.builder.ptrtoint(array.data, I64)
        for k, number in enumerate([address, *lengths, *strides]):
            self.put(number, desc, i * DESCRIPTOR + k)

    def take(self, size: ir.Value) -> ir.Value:
        """Return the address of so many bytes from the pool."""
        data = self.call(f'{memory_pool.compiled().name}_take', size)
        self.complain_if(data, 0, MemoryError, f'{self.what}: out of memory')
        return data

    def strides(self, shape: Sequence[ir.Value]) -> tuple[list[ir.Value], ir.Value]:
        """Return the strides of an array whose elements follow each other, and its bytes."""
        strides: list[ir.Value] = []
        step = self.item
        for length in reversed(shape):
            strides.insert(0, step)
            step = self.builder.mul(step, length)
        return strides, step

    def array(
        self, kind: types.Array, shape: list[ir.Value], strides: list[ir.Value], data: ir.Value
    ) -> ir.Value:
        """Return an array of pool memory, which its destructor gives back."""
        array = make_array(kind)(self.context, self.builder)
        populate_array(
            array,
            data=self.builder.inttoptr(data, array.data.type),
            shape=shape,
            strides=strides,
            itemsize=self.item,
            meminfo=self.owner(data),
        )
        return impl_ret_new_ref(self.context, self.builder, kind, array._getvalue())

    def owner(self, data: ir.Value) -> ir.Value:
        """Return a Numba MemInfo for `data`, whose destructor is the pool's ``give``."""
        # Numba exports no function for this to compiled code, only a table of them.
        builder, module = self.builder, self.builder.module
        table = ir.FunctionType(_POINTER.as_pointer(), [])
        api = builder.call(cgutils.get_or_insert_function(module, table, 'NRT_get_api'), [])
        # Number 2 of Numba's NRT_api_functions is manage_memory(data, destructor).
        entry = builder.load(builder.gep(api, [ir.Constant(I64, 2)]))
        kind = ir.FunctionType(_POINTER, [I64, I64]).as_pointer()
        give = cgutils.get_or_insert_function(
            module, ir.FunctionType(I64, [I64]), f'{memory_pool.compiled().name}_give'
        )
        manage = builder.bitcast(entry, kind)
        return builder.call(manage, [data, builder.ptrtoint(give, I64)])


class KernelCall(Call):
    """Writer of one call of a kernel that has a frame."""

    def __init__(
        self, kernel: Kernel, context: BaseContext, builder: ir.IRBuilder, signature: Signature
    ):
        self.kernel, self.frame = kernel, kernel.frame
        super().__init__(kernel.frame.what, kernel.dtype.itemsize, context, builder, signature)

    def write(self, arrays: ir.Value) -> ir.Value:
        """Write the call, given the tuple of input arrays; return what it returns."""
        builder, frame = self.builder, self.frame
        desc = self.integers(len(frame.inputs) * DESCRIPTOR)
        block = self.integers(len(frame.place))
        for i, kind in enumerate(self.signature.args[0]):
            self.describe(desc, i, kind, builder.extract_value(arrays, i))
        status = self.call(f'{self.kernel.name}_enter', desc, block)
        for i in range(len(frame.inputs)):
            self.complain_if(status, i + 1, ValueError, self.kernel.complaint(i))
        data = []
        # Their lengths are in the block since ``enter``.
        for array in frame.outputs:
            data.append(self.take(self._bytes(block, array)))
            self.put(data[-1], block, frame.place[array.name])
        work = self.take(self.call(f'{self.kernel.name}_size', block))
        self.put(work, block, frame.place['work'])
        self.call(f'{self.kernel.name}_run', desc, block)
        self.call(f'{memory_pool.compiled().name}_give', work)
        kinds = self.signature.return_type
        if len(data) == 1:
            return self._output(kinds, frame.outputs[0], block, data[0])
        outputs = [
            self._output(kind, array, block, at)
            for kind, array, at in zip(kinds, frame.outputs, data, strict=True)
        ]
        return self.context.make_tuple(builder, kinds, outputs)

    def _length(self, block: ir.Value, dim: str) -> ir.Value:
        number, letter = factor(dim)
        if letter is None:
            return ir.Constant(I64, number)
        length = self.builder.load(self.place(block, self.frame.place[letter]))
        return self.builder.mul(length, ir.Constant(I64, number))

    def _bytes(self, block: ir.Value, array: Array) -> ir.Value:
        size = self.item
        for dim in array.dims:
            size = self.builder.mul(size, self._length(block, dim))
        return size

    def _output(self, kind: types.Array, array: Array, block: ir.Value, data: ir.Value) -> ir.Value:
        shape = [self._length(block, dim) for dim in array.dims]
        strides, _ = self.strides(shape)
        return self.array(kind, shape, strides, data)
