"""PyTensor's view of random numbers: Ops that are functions of a small state.

In: the state of a `rnnkit.noise.Noise`, the array whose shape or elements matter and, if it has
examples, which of a batch's they are: the first one's number and how many the batch has, or 0 if
all of it is here. Out: random numbers, the same on every backend. The Ops run by NumPy where
nothing better is known; Numba and JAX have code of their own, which is imported when PyTensor
compiles for them.

Examples are in the last axis but one. Those of a part of a batch get the numbers that they would
get among all: the place of a number is that in the array of the whole batch.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
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

MISFIT = (
    'noise for a part of a batch: the part ends behind the last example of the batch; '
    'Noise.share() expects the number of its first example, and that of all examples'
)


def drawn(
    draw: Callable[[int], Array], shape: tuple[int, ...], axis: int, examples: Array | None
) -> Array:
    """Return the numbers of an array, which may be a part of a larger one.

    Parameters
    ----------
    draw : callable
        Takes how many numbers there are, and returns them as a vector.
    shape : tuple of int
    axis : int
        The axis of examples.
    examples : array, optional
        The number of the first example, and how many there are; 0 if all are here.

    Raises
    ------
    ValueError
        If the array has examples behind the last.
    """
    first, total = (0, 0) if examples is None else map(int, examples)
    if not total:
        return draw(int(np.prod(shape))).reshape(shape)
    if first + shape[axis] > total:
        raise ValueError(MISFIT)
    # All numbers are drawn, those of other parts, too; the Numba backend leaves most of them out.
    joined = (*shape[:axis], total, *shape[axis + 1 :])
    here = slice(first, first + shape[axis])
    return draw(int(np.prod(joined))).reshape(joined)[(slice(None),) * axis + (here,)].copy()


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
    """Random numbers of a shape that is taken from another array: state, like, examples -> numbers.

    The examples may be left out, for an array that has none or that is the same in each part.

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

    def make_node(self, state: Variable, like: Variable, *examples: Variable) -> Apply:
        """Return the node."""
        shape = self._shape(like.type.shape, self.width)
        return Apply(self, [state, like, *examples], [pt.tensor(dtype=self.dtype, shape=shape)])

    def place(self, ndim: int) -> int:
        """Return the axis of examples in the result, if the other array has `ndim` axes."""
        return self.axes.index(ndim - 2)

    def _shape(self, lengths: Sequence[N | None], width: N | None) -> tuple[N | None, ...]:
        more = () if width is None else (width,)
        return (*(lengths[axis] for axis in self.axes), *more)

    def compute(
        self, state: Array, like: Array, examples: Array | None = None, xp: ModuleType = np
    ) -> Array:
        """Return the numbers, by NumPy or what else has its functions."""
        shape = self._shape(like.shape, self.width)
        rule = philox.uniform if self.law == 'uniform' else philox.normal
        axis = 0 if examples is None else self.place(like.ndim)
        return drawn(lambda n: rule(state, self.number, n, self.dtype, xp), shape, axis, examples)

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
        return [[False] for _ in node.inputs]

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], gradients: Sequence[Variable]
    ) -> list[Variable]:
        """Return no gradients."""
        return [disconnected_type() for _ in inputs]


class Codes(Op):
    """Random bits that are 1 at a rate, several in one number.

    The inputs are state, like, rate and, optionally, examples; `like` is of shape (T, B, I).

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

    def make_node(
        self, state: Variable, like: Variable, rate: Variable, *examples: Variable
    ) -> Apply:
        """Return the node."""
        codes = pt.tensor(dtype=like.dtype, shape=(*like.type.shape[:-1], self.width))
        return Apply(self, [state, like, rate, *examples], [codes])

    def compute(
        self,
        state: Array,
        like: Array,
        rate: Array,
        examples: Array | None = None,
        xp: ModuleType = np,
    ) -> Array:
        """Return the codes, by NumPy or what else has its functions."""
        dtype = str(like.dtype)

        def draw(n: int) -> Array:
            bits = [philox.uniform(state, number, n, dtype, xp) < rate for number in self.numbers]
            return sum(bit.astype(dtype) * np.array(2**k, dtype) for k, bit in enumerate(bits))

        return drawn(draw, (*like.shape[:-1], self.width), like.ndim - 2, examples)

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], output_storage: Storage) -> None:
        """Compute by NumPy."""
        output_storage[0][0] = self.compute(*inputs)

    # As with `Draw`, only the lengths of `like` matter.
    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the output's shape; PyTensor before 3.3 passes the graph as well."""
        return [(*args[-1][1][:-1], pt.constant(np.int64(self.width)))]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that nothing has a derivative."""
        return [[False] for _ in node.inputs]

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], gradients: Sequence[Variable]
    ) -> list[Variable]:
        """Return no gradients."""
        return [disconnected_type() for _ in inputs]


class Drop(Op):
    """Dropout in one pass: state, x, rate, examples -> x with elements left out, and the factors.

    The examples may be left out, as for `Draw`.

    Parameters
    ----------
    number : int
        Which draw of an update this is.
    """

    __props__ = ('number',)

    def __init__(self, number: int):
        self.number = number

    def make_node(self, state: Variable, x: Variable, rate: Variable, *examples: Variable) -> Apply:
        """Return the node."""
        return Apply(self, [state, x, rate, *examples], [x.type(), x.type()])

    def compute(
        self,
        state: Array,
        x: Array,
        rate: Array,
        examples: Array | None = None,
        xp: ModuleType = np,
    ) -> tuple[Array, Array]:
        """Return both outputs, by NumPy or what else has its functions."""

        def draw(n: int) -> Array:
            return philox.keep(state, self.number, n, rate, str(x.dtype), xp)

        kept = drawn(draw, x.shape, x.ndim - 2, examples)
        return x * kept, kept

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], output_storage: Storage) -> None:
        """Compute by NumPy."""
        output_storage[0][0], output_storage[1][0] = self.compute(*inputs)

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the outputs' shapes; PyTensor before 3.3 passes the graph as well."""
        return [args[-1][1]] * 2

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the first output has a derivative by x, and nothing else has one."""
        return [[k == 1, False] for k in range(len(node.inputs))]

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], gradients: Sequence[Variable]
    ) -> list[Variable]:
        """Return the gradient by x."""
        by = [disconnected_type() for _ in inputs]
        if not isinstance(gradients[0].type, DisconnectedType):
            by[1] = gradients[0] * outputs[1]
        return by


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
