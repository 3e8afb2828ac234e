"""PyTensor's view of random numbers: Ops that are functions of a small state.

In: the state of a `rnnkit.noise.Noise`, and the array whose shape or elements matter. Out:
random numbers, the same on every backend. The Ops run by NumPy where nothing better is known;
Numba and JAX have code of their own, which is imported when PyTensor compiles for them.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
import pytensor.tensor as pt
from pytensor.compile.mode import optdb
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.graph.rewriting.basic import GraphRewriter

from rnnkit.noise import philox

if TYPE_CHECKING:
    from rnnkit.noise.philox import Array

Storage = list[list[object]]
Law = Literal['uniform', 'normal']
N = TypeVar('N', int, Variable)  # a length: of an array, or of a tensor


class Advance(Op):
    """The state of the next update."""

    __props__ = ()

    def make_node(self, state: Variable) -> Apply:
        """Return the node."""
        return Apply(self, [state], [state.type()])

    def compute(self, state: Array, xp: ModuleType = np) -> Array:
        """Return the new state, by NumPy or what else has its functions."""
        low, high = xp.asarray([0, 0, 1, 0], np.uint32), xp.asarray([0, 0, 0, 1], np.uint32)
        return state + low + high * (state[2] == np.uint32(2**32 - 1)).astype(np.uint32)

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], output_storage: Storage) -> None:
        """Compute by NumPy."""
        output_storage[0][0] = self.compute(*inputs)

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the output's shape; PyTensor before 3.3 passes the graph as well."""
        return list(args[-1])


class Draw(Op):
    """Random numbers of a shape that is taken from another array.

    Parameters
    ----------
    law : {'uniform', 'normal'}
    number : int
        Which draw of an update this is; no two have the same.
    dtype : str
    axes : tuple of int
        The axes of the other array whose lengths are those of the result.
    width : int or None
        The length of one more axis.
    """

    __props__ = ('law', 'number', 'dtype', 'axes', 'width')

    def __init__(self, law: Law, number: int, dtype: str, axes: tuple[int, ...], width: int | None):
        self.law, self.number, self.dtype, self.axes, self.width = law, number, dtype, axes, width

    def make_node(self, state: Variable, like: Variable) -> Apply:
        """Return the node."""
        shape = self._shape(like.type.shape, self.width)
        return Apply(self, [state, like], [pt.tensor(dtype=self.dtype, shape=shape)])

    def _shape(self, lengths: Sequence[N | None], width: N | None) -> tuple[N | None, ...]:
        more = () if width is None else (width,)
        return (*(lengths[axis] for axis in self.axes), *more)

    def compute(self, state: Array, like: Array, xp: ModuleType = np) -> Array:
        """Return the numbers, by NumPy or what else has its functions."""
        shape = self._shape(like.shape, self.width)
        rule = philox.uniform if self.law == 'uniform' else philox.normal
        return rule(state, self.number, int(np.prod(shape)), self.dtype, xp).reshape(shape)

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], output_storage: Storage) -> None:
        """Compute by NumPy."""
        output_storage[0][0] = self.compute(*inputs)

    # PyTensor need not compute an array for its lengths, if nothing else reads it.
    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the output's shape; PyTensor before 3.3 passes the graph as well."""
        width = None if self.width is None else pt.constant(np.int64(self.width))
        return [self._shape(args[-1][1], width)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that nothing has a derivative."""
        return [[False], [False]]

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], gradients: Sequence[Variable]
    ) -> list[Variable]:
        """Return no gradients."""
        return [disconnected_type() for _ in inputs]


class Codes(Op):
    """Random bits that are 1 at a rate, several in one number: state, like and rate -> codes.

    Parameters
    ----------
    numbers : tuple of int
        The number of the draw that bit 0 is from, and so on.
    width : int
        The length of the last axis, which stands in place of that of `like`.
    """

    __props__ = ('numbers', 'width')

    def __init__(self, numbers: tuple[int, ...], width: int):
        self.numbers, self.width = numbers, width

    def make_node(self, state: Variable, like: Variable, rate: Variable) -> Apply:
        """Return the node."""
        shape = (*like.type.shape[:-1], self.width)
        return Apply(self, [state, like, rate], [pt.tensor(dtype=like.dtype, shape=shape)])

    def compute(self, state: Array, like: Array, rate: Array, xp: ModuleType = np) -> Array:
        """Return the codes, by NumPy or what else has its functions."""
        shape = (*like.shape[:-1], self.width)
        n, dtype = int(np.prod(shape)), str(like.dtype)
        bits = [philox.uniform(state, number, n, dtype, xp) < rate for number in self.numbers]
        codes = sum(bit.astype(dtype) * np.array(2**k, dtype) for k, bit in enumerate(bits))
        return codes.reshape(shape)

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], output_storage: Storage) -> None:
        """Compute by NumPy."""
        output_storage[0][0] = self.compute(*inputs)

    # As with `Draw`, only the lengths of `like` matter.
    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the output's shape; PyTensor before 3.3 passes the graph as well."""
        return [(*args[-1][1][:-1], pt.constant(np.int64(self.width)))]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that nothing has a derivative."""
        return [[False], [False], [False]]

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], gradients: Sequence[Variable]
    ) -> list[Variable]:
        """Return no gradients."""
        return [disconnected_type() for _ in inputs]


class Drop(Op):
    """Dropout in one pass: state, x and rate -> x with elements left out, and the factors.

    Parameters
    ----------
    number : int
        Which draw of an update this is.
    """

    __props__ = ('number',)

    def __init__(self, number: int):
        self.number = number

    def make_node(self, state: Variable, x: Variable, rate: Variable) -> Apply:
        """Return the node."""
        return Apply(self, [state, x, rate], [x.type(), x.type()])

    def compute(
        self, state: Array, x: Array, rate: Array, xp: ModuleType = np
    ) -> tuple[Array, Array]:
        """Return both outputs, by NumPy or what else has its functions."""
        size = int(np.prod(x.shape))
        kept = philox.keep(state, self.number, size, rate, str(x.dtype), xp).reshape(x.shape)
        return x * kept, kept

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], output_storage: Storage) -> None:
        """Compute by NumPy."""
        output_storage[0][0], output_storage[1][0] = self.compute(*inputs)

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the outputs' shapes; PyTensor before 3.3 passes the graph as well."""
        return [args[-1][1]] * 2

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the first output has a derivative by x, and nothing else has one."""
        return [[False, False], [True, False], [False, False]]

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], gradients: Sequence[Variable]
    ) -> list[Variable]:
        """Return the gradient by x."""
        none = disconnected_type()
        if isinstance(gradients[0].type, DisconnectedType):
            return [none, none, none]
        return [none, gradients[0] * outputs[1], none]


class RegisterWith(GraphRewriter):
    """Let a backend know the Ops, without importing it before it is used; changes no graph."""

    def __init__(self, module: str):
        self.module = module

    def apply(self, fgraph: FunctionGraph) -> None:
        """Import the module that registers the Ops; the linker complains if it cannot be."""
        with suppress(ModuleNotFoundError):
            importlib.import_module(self.module)


for _backend in ('numba', 'jax'):
    optdb.register(
        f'register_noise_with_{_backend}',
        RegisterWith(f'rnnkit.noise.dispatch_{_backend}'),
        _backend,
        position=-0.02,
    )
