"""How PyTensor's Numba functions call kernels.

In: a `Kernel`. Out: a function that Numba can compile into others: it takes arrays, checks
them, has the outputs' memory from the pool, and runs the kernel. It is written as LLVM IR, for
Numba takes seconds to compile the same from Python.

This is the one module that imports Numba; it is imported when the first kernel is wanted.
"""

from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.imputils import impl_ret_new_ref
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from rnnkit.kernels.language.frame import AXES, DESCRIPTOR, Array, factor
from rnnkit.kernels.language.vector import I64
from rnnkit.kernels.runtime import pool
from rnnkit.kernels.runtime.kernel import Kernel

_POINTER = ir.IntType(8).as_pointer()


def numba_function(kernel: Kernel) -> Callable[..., Any]:
    """Return a function of arrays, for Numba's compiler, that runs `kernel`.

    It returns one array, or a tuple of them. Arrays whose shapes do not fit raise a
    ValueError, lack of memory a MemoryError.
    """
    pool.compiled()  # its symbols must be known before any code that names them is loaded
    element = types.float32 if kernel.dtype.itemsize == 4 else types.float64
    kinds = [types.Array(element, len(a.dims), 'C') for a in kernel.frame.outputs]
    result = kinds[0] if len(kinds) == 1 else types.Tuple(kinds)

    @intrinsic
    def run(typing_context, arrays):
        def codegen(context, builder, signature, args):
            return Call(kernel, context, builder, signature).write(args[0])

        return result(arrays), codegen

    def recurrent_kernel(*arrays):
        return run(arrays)

    return recurrent_kernel


class Call:
    """Writer of one call of a kernel into a function that Numba is compiling."""

    def __init__(self, kernel: Kernel, context: Any, builder: Any, signature: Any):
        self.kernel, self.frame, self.what = kernel, kernel.frame, kernel.frame.what
        self.context, self.builder, self.signature = context, builder, signature

    def write(self, arrays: Any) -> Any:
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
        for array in frame.outputs:
            data.append(self.take(self._bytes(block, array)))
            self.put(data[-1], block, frame.place[array.name])
        work = self.take(self.call(f'{self.kernel.name}_size', block))
        self.put(work, block, frame.place['work'])
        self.call(f'{self.kernel.name}_run', desc, block)
        self.call(f'{pool.compiled().name}_give', work)
        kinds = self.signature.return_type
        if len(data) == 1:
            return self._array(kinds, frame.outputs[0], block, data[0])
        made = [
            self._array(kind, array, block, at)
            for kind, array, at in zip(kinds, frame.outputs, data, strict=True)
        ]
        return self.context.make_tuple(builder, kinds, made)

    def integers(self, n: int) -> Any:
        """Return the address of `n` integers that live until the function returns."""
        slot = cgutils.alloca_once(self.builder, ir.ArrayType(I64, n))
        return self.builder.ptrtoint(slot, I64)

    def place(self, start: Any, i: int) -> Any:
        """Return a pointer to integer number `i` of those at `start`."""
        address = self.builder.add(start, ir.Constant(I64, 8 * i))
        return self.builder.inttoptr(address, I64.as_pointer())

    def put(self, value: Any, start: Any, i: int) -> None:
        """Store integer number `i` of those at `start`."""
        self.builder.store(value, self.place(start, i))

    def call(self, symbol: str, *args: Any) -> Any:
        """Call a function of integers by its symbol."""
        kind = ir.FunctionType(I64, [I64] * len(args))
        function = cgutils.get_or_insert_function(self.builder.module, kind, symbol)
        return self.builder.call(function, args)

    def complain_if(self, value: Any, equals: int, error: type, message: str) -> None:
        """Raise an error if `value` is `equals`."""
        wrong = self.builder.icmp_signed('==', value, ir.Constant(I64, equals))
        with self.builder.if_then(wrong, likely=False):
            self.context.call_conv.return_user_exc(self.builder, error, (message,))

    def describe(self, desc: Any, i: int, kind: Any, value: Any) -> None:
        """Store address, lengths and strides of an input."""
        array = make_array(kind)(self.context, self.builder, value)
        missing, one, zero = AXES - kind.ndim, ir.Constant(I64, 1), ir.Constant(I64, 0)
        lengths = [one] * missing + cgutils.unpack_tuple(self.builder, array.shape, kind.ndim)
        strides = [zero] * missing + cgutils.unpack_tuple(self.builder, array.strides, kind.ndim)
        address = self.builder.ptrtoint(array.data, I64)
        for k, number in enumerate([address, *lengths, *strides]):
            self.put(number, desc, i * DESCRIPTOR + k)

    def _length(self, block: Any, dim: str) -> Any:
        number, letter = factor(dim)
        if letter is None:
            return ir.Constant(I64, number)
        length = self.builder.load(self.place(block, self.frame.place[letter]))
        return self.builder.mul(length, ir.Constant(I64, number))

    def _bytes(self, block: Any, array: Array) -> Any:
        size = ir.Constant(I64, self.kernel.dtype.itemsize)
        for dim in array.dims:
            size = self.builder.mul(size, self._length(block, dim))
        return size

    def take(self, size: Any) -> Any:
        """Return the address of so many bytes from the pool."""
        data = self.call(f'{pool.compiled().name}_take', size)
        self.complain_if(data, 0, MemoryError, f'{self.what}: out of memory')
        return data

    def _array(self, kind: Any, array: Array, block: Any, data: Any) -> Any:
        """Return an array of pool memory, which its destructor gives back."""
        builder, item = self.builder, ir.Constant(I64, self.kernel.dtype.itemsize)
        shape = [self._length(block, dim) for dim in array.dims]
        strides, step = [], item
        for length in reversed(shape):
            strides.insert(0, step)
            step = builder.mul(step, length)
        made = make_array(kind)(self.context, builder)
        populate_array(
            made,
            data=builder.inttoptr(data, made.data.type),
            shape=shape,
            strides=strides,
            itemsize=item,
            meminfo=self.owner(data),
        )
        return impl_ret_new_ref(self.context, builder, kind, made._getvalue())

    def owner(self, data: Any) -> Any:
        """Return a Numba MemInfo for `data`, whose destructor is the pool's ``give``."""
        builder, module = self.builder, self.builder.module
        table = ir.FunctionType(_POINTER.as_pointer(), [])
        api = builder.call(cgutils.get_or_insert_function(module, table, 'NRT_get_api'), [])
        # Number 2 of Numba's NRT_api_functions is manage_memory(data, destructor).
        entry = builder.load(builder.gep(api, [ir.Constant(I64, 2)]))
        kind = ir.FunctionType(_POINTER, [I64, I64]).as_pointer()
        give = cgutils.get_or_insert_function(
            module, ir.FunctionType(I64, [I64]), f'{pool.compiled().name}_give'
        )
        manage = builder.bitcast(entry, kind)
        return builder.call(manage, [data, builder.ptrtoint(give, I64)])


def compile_with_numba(function: Callable[..., Any]) -> Any:
    """Return a Numba function that can be called from Python, for tests."""
    return numba.njit(function)
