"""Kernels as Python functions of NumPy arrays, and the choice of the vector width.

In: a writer, such as `rnnkit.kernels.recurrent.forward.Forward`. Out: a `Kernel`, its compiled
functions and their frame. PyTensor's Ops call the same functions from compiled code, see
`rnnkit.kernels.runtime.numba_call`; this is the way in for tests and for everything that has no
graph.
"""

import ctypes
from collections.abc import Callable, Sequence
from functools import cache

import llvmlite.binding as llvm
import numpy as np

from rnnkit.errors import ShapeError
from rnnkit.kernels.language.descriptor import AXES, DESCRIPTOR
from rnnkit.kernels.language.frame import DIMS, Frame, factor, letters
from rnnkit.kernels.language.vector import Target
from rnnkit.kernels.language.writer import Writer
from rnnkit.kernels.runtime import processor
from rnnkit.kernels.runtime.cache import Library, library

_INT = ctypes.c_int64


@cache
def host_target(dtype: str) -> Target:
    """Return the target that suits the processor: its widest vectors."""
    bits = np.dtype(dtype).itemsize * 8
    has = processor.chosen().has
    # The number of registers decides the size of tiles: AVX-512 and NEON have 32, the others 16.
    if has('avx512f'):
        return Target(bits, 64, 32)
    if has('avx'):
        return Target(bits, 32, 16)
    return Target(bits, 16, 32 if 'aarch64' in llvm.get_process_triple() else 16)


class Kernel:
    """A compiled kernel.

    Attributes
    ----------
    name : str
        Prefix of the symbols ``<name>_enter``, ``<name>_size`` and ``<name>_run``.
    frame : Frame
    """

    def __init__(self, frame: Frame, compiled: Library, dtype: np.dtype):
        self.frame, self.name, self.dtype = frame, compiled.name, dtype
        self.addresses = {f: compiled.address(f) for f in ('enter', 'size', 'run')}

    def __call__(
        self, *arrays: np.ndarray, allocate: Callable[..., np.ndarray] = np.empty
    ) -> list[np.ndarray]:
        """Run the kernel; returns its outputs.

        Parameters
        ----------
        *arrays : arrays
            The inputs in the order of the frame.
        allocate : callable
            Makes an array of a shape and dtype, for outputs and for work memory.
        """
        two, one = ctypes.CFUNCTYPE(_INT, _INT, _INT), ctypes.CFUNCTYPE(_INT, _INT)
        enter, run = two(self.addresses['enter']), two(self.addresses['run'])
        size = one(self.addresses['size'])
        if len(arrays) != len(self.frame.inputs):
            raise ShapeError(
                f'{self.name}: expected {len(self.frame.inputs)} arrays; got {len(arrays)}'
            )
        desc = np.array([n for i, a in enumerate(arrays) for n in self._describe(i, a)], np.int64)
        block = np.zeros(len(self.frame.place), np.int64)
        wrong = enter(desc.ctypes.data, block.ctypes.data)
        if wrong:
            raise ShapeError(self.complaint(wrong - 1))
        lengths = {letter: int(block[self.frame.place[letter]]) for letter in self.frame.lengths}
        outputs = [allocate(shape_of(a.dims, lengths), self.dtype) for a in self.frame.outputs]
        work = allocate((size(block.ctypes.data),), np.uint8)
        for name, array in zip(
            ['work', *(a.name for a in self.frame.outputs)], [work, *outputs], strict=True
        ):
            block[self.frame.place[name]] = array.ctypes.data
        run(desc.ctypes.data, block.ctypes.data)
        return outputs

    def _describe(self, i: int, array: np.ndarray) -> list[int]:
        dtype = np.dtype(np.int64) if self.frame.inputs[i].whole else self.dtype
        if array.dtype != dtype or array.ndim > AXES:
            raise ShapeError(
                f'{self.name}: arrays must be {dtype} of at most {AXES} axes; got {array.dtype} of '
                f'{array.ndim}'
            )
        missing = AXES - array.ndim
        strides = [0] * missing + list(array.strides)
        description = [array.ctypes.data, *[1] * missing, *array.shape, *strides]
        assert len(description) == DESCRIPTOR
        return description

    def complaint(self, i: int) -> str:
        """Return the message for an input whose shape does not fit."""
        array = self.frame.inputs[i]
        further = sorted(letters(array.dims) - set(DIMS))
        others = ''.join(f', {letter} a length' for letter in further)
        return (
            f'{self.frame.what}: {array.name!r} is not of shape ({", ".join(array.dims)}), where '
            f'T are steps, B examples, I inputs and H units{others} as in the arrays before it'
        )


def shape_of(dims: Sequence[str], lengths: dict[str, int]) -> tuple[int, ...]:
    """Return a shape such as ``('T', 'B', '4H')`` in numbers."""
    return tuple(n * (lengths[letter] if letter else 1) for n, letter in map(factor, dims))


def build(kind: str, writer: Writer, description: str) -> Kernel:
    """Return the kernel of a writer, compiled or from the cache."""
    compiled = library(kind, description, writer.write)
    return Kernel(writer.frame, compiled, np.dtype(f'f{writer.target.size}'))
