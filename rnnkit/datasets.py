"""Arrays or callables in, batches of checked arrays out. NumPy only."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from rnnkit.errors import ConfigError, DataError, ShapeError

CALLABLE_BATCHES = 100  # batches in an epoch of a callable, unless told otherwise

Prepare = Callable[[Any, str], list[np.ndarray]]


def as_array(where: str, value: Any, dtype: str) -> np.ndarray:
    """Convert `value` to a contiguous array of `dtype`, or say why that cannot be done.

    Parameters
    ----------
    where : str
        What the value is, for messages.
    value : array_like
        Numbers of any kind but complex.
    dtype : str
        A float type, or an integer type for labels.

    Raises
    ------
    DataError
        If it is empty, not numbers, not finite, or (for labels) not whole numbers.
    ShapeError
        If it is a ragged list.
    """
    if type(value) is np.ndarray and value.dtype == dtype:
        array = np.ascontiguousarray(value)
    else:
        array = _converted(where, value, dtype)
    if array.size == 0:
        raise DataError(f'{where} is empty: its shape is {array.shape}')
    if array.dtype.kind == 'f' and not np.isfinite(array).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise DataError(
            f'{where} contains {array[index]} at index {index}; rnnkit wants finite numbers only'
        )
    return array


def _converted(where: str, value: Any, dtype: str) -> np.ndarray:
    if value is None or hasattr(value, 'tocsr') or isinstance(value, str | bytes | dict | set):
        hint = '; make it dense with .toarray()' if hasattr(value, 'tocsr') else ''
        raise DataError(f'{where} must be an array of numbers; got {type(value).__name__}{hint}')
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ShapeError(f'{where} is ragged: {error}; pad it to one length') from None
    if array.dtype.kind == 'O':
        array = _from_objects(where, array)
    if array.dtype.kind not in 'fiub':
        raise DataError(f'{where} must be real numbers; got an array of {array.dtype}')
    with np.errstate(over='ignore'):
        converted = np.ascontiguousarray(array, dtype)
    if np.dtype(dtype).kind == 'i' and not np.array_equal(converted, array):
        raise DataError(f'{where} must be whole numbers (class labels); got {array.dtype}')
    return converted


def _from_objects(where: str, array: np.ndarray) -> np.ndarray:
    """Convert an array of Python objects, such as the column of a frame, if all are numbers."""
    for v in array.ravel():
        if not isinstance(v, int | float | np.number):
            kind = type(v).__name__
            raise DataError(f'{where} must be real numbers; it contains {v!r}, a {kind}')
    return array.astype('float64')


class Arrays:
    """Examples held in memory; every epoch they are shuffled and cut into batches.

    Parameters
    ----------
    arrays : sequence of arrays
    axes : sequence of int
        The axis of each array that counts examples.
    batch_size : int
    n_batches : int, optional
        How many batches make an epoch. By default all of them; with fewer, the next epoch
        goes on where this one stopped.
    rng : numpy.random.Generator, optional
        Shuffles the examples; without one they keep their order.
    """

    def __init__(
        self,
        arrays: Sequence[np.ndarray],
        axes: Sequence[int],
        batch_size: int,
        n_batches: int | None = None,
        rng: np.random.Generator | None = None,
    ):
        self.arrays = list(arrays)
        self.axes = list(axes)
        self.n_examples = arrays[0].shape[axes[0]] if arrays else 1
        self.batch_size = min(batch_size, self.n_examples)
        self.batches_of_a_pass = -(-self.n_examples // self.batch_size)
        self.n_batches = n_batches or self.batches_of_a_pass
        self.rng = rng
        self._stream = self._forever()

    def __iter__(self) -> Iterator[list[np.ndarray]]:
        return islice(self._stream, self.n_batches)

    def in_order(self, n_batches: int | None = None) -> 'Arrays':
        """Return the same examples, not shuffled, without copying them."""
        return Arrays(self.arrays, self.axes, self.batch_size, n_batches)

    def _forever(self) -> Iterator[list[np.ndarray]]:
        whole = self.batch_size == self.n_examples
        while True:
            if whole:  # the order of examples inside a batch does not matter
                yield self.arrays
                continue
            order = np.arange(self.n_examples)
            if self.rng is not None:
                self.rng.shuffle(order)
            for start in range(0, self.n_examples, self.batch_size):
                chosen = order[start : start + self.batch_size]
                yield [a.take(chosen, axis) for a, axis in zip(self.arrays, self.axes, strict=True)]


class Stream:
    """Batches made by a callable, as many as wanted.

    Parameters
    ----------
    function : callable
        Returns one batch, as a list or tuple of arrays, each time it is called.
    prepare : callable
        Checks a batch and converts it: ``prepare(batch, where)``.
    n_batches : int, optional
        How many batches make an epoch; 100 by default.
    where : str
        What the callable is, for messages.
    """

    def __init__(self, function: Callable, prepare: Prepare, n_batches: int | None, where: str):
        self.function = function
        self.prepare = prepare
        self.n_batches = n_batches or CALLABLE_BATCHES
        self.where = where

    def in_order(self, n_batches: int | None = None) -> 'Stream':
        """Return further batches of the same callable."""
        return Stream(self.function, self.prepare, n_batches, self.where)

    def __iter__(self) -> Iterator[list[np.ndarray]]:
        for _ in range(self.n_batches):
            yield self.prepare(self.function(), f'the batch returned by the {self.where} callable')


def build(
    data: Any,
    prepare: Prepare,
    axes: Sequence[int],
    where: str,
    batch_size: int,
    n_batches: int | None = None,
    rng: np.random.Generator | None = None,
) -> Arrays | Stream:
    """Make batches of `data`, which is a batch-generating callable, or arrays."""
    if callable(data):
        return Stream(data, prepare, n_batches, where)
    if isinstance(data, Iterator):
        raise ConfigError(
            f'{where} is an iterator, which can be read only once; pass a callable that returns '
            f'a batch each time it is called, for example {where}={where}.__next__'
        )
    return Arrays(prepare(data, where), axes, batch_size, n_batches, rng)


def frozen(dataset: Any) -> Any:
    """Return batches that are the same each time they are read.

    Batches of a callable are drawn here, once, so that what is measured on them can be
    compared from one time to the next; and so are those of arrays if an epoch is only a
    part of them.
    """
    one_pass = isinstance(dataset, Arrays) and dataset.n_batches == dataset.batches_of_a_pass
    return dataset if one_pass else list(dataset)
