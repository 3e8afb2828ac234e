"""Arrays and lists of sequences on disk, of which pieces are read. NumPy only."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from rnnkit.common.masked_arrays import without_mask
from rnnkit.data.mapped import release
from rnnkit.errors import DataError

PIECE = 2**19  # bytes that are read at a time
PROBED = 16  # sequences whose mean size stands for that of all

Chosen = slice | np.ndarray  # some examples or steps: a slice, or numbers in ascending order


class Stored:
    """An array on disk, or a part of one.

    Parameters
    ----------
    source : object
        Anything with ``shape``, ``dtype`` and slices.
    chosen : mapping of int to (slice or array), optional
        Which part of an axis is meant; of other axes it is all.
    """

    def __init__(self, source: Any, chosen: Mapping[int, Chosen] = MappingProxyType({})):
        self.source, self.chosen = source, chosen

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the part."""
        shape = list(map(int, self.source.shape))
        for axis, chosen in self.chosen.items():
            shape[axis] = _size(chosen)
        return tuple(shape)

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the array on disk."""
        return self.source.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.source.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = np.asarray(self.source)
        for axis, chosen in self.chosen.items():
            array = array[_along(axis, chosen, array.ndim)]
        return array if dtype is None else array.astype(dtype)

    def outline(self) -> np.ndarray:
        """Return an array of this shape that takes no memory, of zeros; names are numbers there."""
        dtype = 'int64' if self.dtype.kind in 'OSUT' else self.dtype
        return np.broadcast_to(np.zeros((), dtype), self.shape)

    def part(self, axis: int, chosen: Chosen) -> 'Stored':
        """Return some of the examples or steps, without reading them."""
        return Stored(self.source, {**self.chosen, axis: _within(self._inner(axis), chosen)})

    def origin(self, axis: int, numbers: np.ndarray) -> np.ndarray:
        """Return the numbers of some examples or steps in the whole array."""
        return _within(self._inner(axis), numbers)

    def bytes_of_one(self, axis: int, where: str = 'train') -> int:
        """Return the size of one example."""
        each = [n for k, n in enumerate(self.shape) if k != axis]
        return max(1, int(np.prod(each, dtype='int64')) * self.dtype.itemsize)

    def chunk(self, axis: int) -> int:
        """Return how many examples are stored together, if the array has chunks; else 1."""
        chunks = getattr(self.source, 'chunks', None)
        if not isinstance(chunks, tuple) or len(chunks) != self.ndim:
            return 1
        one = chunks[axis]
        return max(1, int(max(one) if isinstance(one, tuple) else one))

    def load(
        self,
        numbers: Chosen,
        axis: int,
        where: str,
        block: int = 1,
        go_on: Callable[[], bool] = lambda: True,
    ) -> np.ndarray:
        """Read some examples, by slices.

        Parameters
        ----------
        numbers : slice or array of int
            Which examples, in ascending order.
        axis : int
            The axis that counts examples.
        where : str
            The call and the name, for messages.
        block : int
            How many examples are read at a time.
        go_on : callable
            Asked before each slice; reading ends when it returns False.

        Raises
        ------
        DataError
            If something cannot be read, or has not the shape that it had before.
        """
        rest = dict(self.chosen)
        rest.pop(axis, None)
        numbers = _within(self._inner(axis), _listed(numbers))
        shape = list(self.shape)
        shape[axis] = len(numbers)
        array = np.empty(shape, self.dtype)
        done = 0
        for some in _runs(numbers, block, go_on):
            into = _along(axis, slice(done, done + len(some)), self.ndim)
            piece, near = self._read(some, axis, rest, where)
            array[into] = piece if near is None else piece[_along(axis, near, self.ndim)]
            done += len(some)
            if isinstance(self.source, np.ndarray):
                release(self.source, piece)
        return array

    def _inner(self, axis: int) -> Chosen:
        return self.chosen.get(axis, slice(0, int(self.source.shape[axis])))

    def _read(
        self, numbers: np.ndarray, axis: int, rest: Mapping[int, Chosen], where: str
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Read examples that are near to each other, by one slice; return where in it they are."""
        first, last = int(numbers[0]), int(numbers[-1]) + 1
        index: list[Any] = [slice(None)] * self.ndim
        for other, chosen in rest.items():
            index[other] = chosen
        index[axis] = slice(first, last)
        expected = [n if k != axis else last - first for k, n in enumerate(self.shape)]
        try:
            read = self.source[tuple(index)]
            piece = np.asarray(read)
        except Exception as error:  # the source may be of any class
            raise _unreadable(where, first, last, error) from error
        without_mask(where, read)
        if list(piece.shape) != expected:
            raise DataError(
                f'{where} has changed: from {first} to {last} on axis {axis} its shape is '
                f'{piece.shape}, and was {tuple(expected)}'
            )
        return piece, None if len(numbers) == last - first else numbers - first


class StoredList:
    """Sequences, or single numbers, one for each example, of which slices are read.

    Parameters
    ----------
    source : sequence
        Anything with a length and slices, such as a column of a table; or a list of arrays on disk.
    numbers : array of int, optional
        Which of them are meant, in ascending order; by default all.
    """

    ndim = 1  # of the list itself

    def __init__(self, source: Any, numbers: np.ndarray | None = None):
        self.source, self.numbers = source, numbers
        self._of_one: int | None = None

    def __len__(self) -> int:
        return len(self.source) if self.numbers is None else len(self.numbers)

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of examples."""
        return (len(self),)

    def part(self, axis: int, chosen: Chosen) -> 'StoredList':
        """Return some of the examples, without reading them."""
        numbers = np.arange(len(self.source)) if self.numbers is None else self.numbers
        return StoredList(self.source, numbers[chosen])

    def origin(self, axis: int, numbers: np.ndarray) -> np.ndarray:
        """Return the numbers of some examples in the whole list."""
        return numbers if self.numbers is None else self.numbers[numbers]

    def bytes_of_one(self, axis: int = 0, where: str = 'train') -> int:
        """Return the mean size of an example, of the first ones."""
        if self._of_one is None:
            some = self.load(slice(0, min(PROBED, len(self))), 0, where)
            self._of_one = max(1, sum(one.nbytes for one in some) // max(len(some), 1))
        return self._of_one

    def chunk(self, axis: int = 0) -> int:
        """Return 1: nothing is known of chunks."""
        return 1

    def load(
        self,
        numbers: Chosen,
        axis: int,
        where: str,
        block: int = 1,
        go_on: Callable[[], bool] = lambda: True,
    ) -> list[np.ndarray]:
        """Read some examples, as `Stored.load`; each is an array."""
        numbers = _listed(numbers)
        if self.numbers is not None:
            numbers = self.numbers[numbers]
        return [one for some in _runs(numbers, block, go_on) for one in self._read(some, where)]

    def _read(self, numbers: np.ndarray, where: str) -> list[np.ndarray]:
        first, last = int(numbers[0]), int(numbers[-1]) + 1
        try:
            if isinstance(self.source, list | tuple):
                return [self._copied(self.source[k], f'{where}[{k}]') for k in numbers]
            piece = list(self.source[first:last])
            if len(piece) == last - first:
                some = [(k, piece[k - first]) for k in numbers]
                return [np.asarray(without_mask(f'{where}[{k}]', one)) for k, one in some]
        except DataError:
            raise
        except Exception as error:  # the source may be of any class
            raise _unreadable(where, first, last, error) from error
        raise DataError(
            f'{where} has changed: from {first} to {last} there are {len(piece)} examples, and '
            f'were {last - first}'
        )

    def _copied(self, sequence: Any, where: str) -> np.ndarray:
        read = sequence[...] if len(sequence.shape) else sequence
        array = np.array(without_mask(where, read))
        if isinstance(sequence, np.ndarray):
            release(sequence, sequence)
        return array


def pieces(value: Stored | StoredList, where: str) -> Iterator[Any]:
    """Read all of an array along its first axis, in pieces."""
    n, axis = value.shape[0], 0
    size = examples_of([value], [axis], where)
    for start in range(0, n, size):
        yield value.load(slice(start, min(start + size, n)), axis, where, size)


def examples_of(
    values: Sequence[Stored | StoredList],
    axes: Sequence[int],
    where: str,
) -> int:
    """Return how many examples are read at a time: whole chunks of the largest array."""
    each = [value.bytes_of_one(axis, where) for value, axis in zip(values, axes, strict=True)]
    largest = int(np.argmax(each))
    chunk = values[largest].chunk(axes[largest])
    return max(1, round(PIECE / (sum(each) * chunk))) * chunk


def _unreadable(where: str, first: int, last: int, error: Exception) -> DataError:
    """Return the error for examples that cannot be read."""
    return DataError(
        f'{where} cannot be read from {first} to {last}, {type(error).__name__}: {error}'
    )


def _runs(numbers: np.ndarray, block: int, go_on: Callable[[], bool]) -> Iterator[np.ndarray]:
    """Yield the examples of each block, to be read by one slice; end when `go_on` returns False."""
    for some in np.split(numbers, np.flatnonzero(np.diff(numbers // max(block, 1))) + 1):
        if not go_on():
            return
        if len(some):
            yield some


def _size(chosen: Chosen) -> int:
    return chosen.stop - chosen.start if isinstance(chosen, slice) else len(chosen)


def _listed(chosen: Chosen) -> np.ndarray:
    return np.arange(chosen.start, chosen.stop) if isinstance(chosen, slice) else chosen


def _within(outer: Chosen, inner: Chosen) -> Any:
    """Return what some of the chosen are, in the whole."""
    if isinstance(inner, slice):
        start, stop, _ = inner.indices(_size(outer))
        if isinstance(outer, slice):
            return slice(outer.start + start, outer.start + max(stop, start))
        return outer[start:stop]
    return outer.start + inner if isinstance(outer, slice) else outer[inner]


def _along(axis: int, chosen: Chosen, ndim: int) -> tuple[Any, ...]:
    return tuple(chosen if k == axis else slice(None) for k in range(ndim))


def holds_stored(data: object) -> bool:
    """Return whether training data, as `wrapped` returns them, have an array on disk."""
    return any(isinstance(value, Stored | StoredList) for value in _each(data))


def holds_stored_list(data: object) -> bool:
    """Return whether there is a list of sequences that are read lazily."""
    return any(isinstance(value, StoredList) for value in _each(data))


def _each(data: object) -> Iterable[object]:
    if isinstance(data, dict):
        return data.values()
    return data if isinstance(data, list | tuple) else [data]


def outlined(data: Any) -> Any:
    """Return training data with an outline in place of each array on disk."""
    if isinstance(data, dict):
        return {name: outlined(value) for name, value in data.items()}
    if isinstance(data, list | tuple) and holds_stored(data):
        return [outlined(value) for value in data]
    return data.outline() if isinstance(data, Stored) else data
