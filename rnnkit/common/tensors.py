"""The few symbolic operations that layers and cells share."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.tensor import TensorVariable

from rnnkit.common.calls import checked
from rnnkit.common.checks import scalar
from rnnkit.errors import ConfigError


def variable(name: str, dtype: str, shape: tuple[int | None, ...]) -> TensorVariable:
    """Return a new input of a graph; unlike PyTensor's function, it takes any name."""
    new = pt.tensor(dtype=dtype, shape=shape)
    new.name = name
    return new


def changeable(value: float, dtype: str) -> SharedVariable:
    """Return a number that is not part of the compiled code: networks with others share it."""
    return pytensor.shared(np.asarray(value, dtype), shape=())


Affine = Callable[[TensorVariable, TensorVariable, TensorVariable], TensorVariable | None]
_affine: ContextVar[Affine | None] = ContextVar('affine', default=None)


@contextmanager
def affine_by(make: Affine) -> Iterator[None]:
    """Let `affine` use kernels in this block: ``make(x, w, b)``, unless that returns None.

    Cells call `affine` in `project` and `output`, outside of their loops, and know of no kernels.
    """
    token = _affine.set(make)
    try:
        yield
    finally:
        _affine.reset(token)


def affine(x: TensorVariable, w: TensorVariable, b: TensorVariable | None = None) -> TensorVariable:
    """Return ``x @ w + b`` for the last axis of `x`.

    Parameters
    ----------
    x : tensor of shape (..., I)
    w : tensor of shape (I, O)
    b : tensor of shape (O,), optional
    """
    make, width = _affine.get(), w.type.shape[-1]
    if make is not None and (b is not None or width is not None):
        added = pt.constant(np.zeros(width, w.type.dtype)) if b is None else b
        if (made := make(x, w, added)) is not None:
            return made
    z = pt.dot(x, w)
    return z if b is None else z + b


@checked
def split(z: TensorVariable, n: int) -> list[TensorVariable]:
    """Cut the last axis of `z` into `n` blocks of equal width.

    A cell separates its gates by it: ``i, f, g, o = split(z, 4)``.

    Parameters
    ----------
    z : tensor of shape (..., n*H)
        The length of the last axis must be known when the graph is built.
    n : int

    Raises
    ------
    ConfigError
        If the last axis is of unknown length, or not a multiple of `n`.
    """
    width = z.type.shape[-1]
    if width is None or width % n:
        raise ConfigError(
            f'split(): cannot cut a last axis of length {width} into {n} equal blocks'
        )
    if n == 1:
        return [z]
    return pt.split(z, [width // n] * n, n_splits=n, axis=z.ndim - 1)


def masked(values: TensorVariable, mask: TensorVariable | None) -> TensorVariable:
    """Return `values` with 0 over padding.

    Parameters
    ----------
    values : tensor of shape (T, B, H)
    mask : tensor of shape (T, B), or None
        1 where a step is real, 0 over padding.
    """
    # Not a product: padding may hold anything, and 0 times infinity is NaN.
    return values if mask is None else pt.switch(mask[:, :, None] > 0, values, 0)


def at_each_step(inputs: Sequence[TensorVariable]) -> list[TensorVariable]:
    """Return the inputs with the same number of axes: vectors (B, I) are repeated over time."""
    ndim = max(x.ndim for x in inputs)
    time = next((x.shape[0] for x in inputs if x.ndim == 3), None)
    return [x if x.ndim == ndim else pt.repeat(x[None], time, axis=0) for x in inputs]


def clipped(x: TensorVariable, limit: float | None) -> TensorVariable:
    """Return `x` between minus and plus `limit`; NaN stays NaN, and None is no limit."""
    if limit is None:
        return x
    most = scalar('clip', limit, x.type.dtype)
    return pt.switch(x > most, most, pt.switch(x < -most, -most, x))
