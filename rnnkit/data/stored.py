"""Arrays that are not in memory, of which pieces are read: memory maps, files, columns. NumPy only.

They are recognized by what they have, such as ``shape``, ``dtype`` and slices; nothing is imported.
"""

import mmap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rnnkit.common.masked_arrays import without_mask
from rnnkit.data.frames import is_table
from rnnkit.errors import DataError

PIECE = 2**19  # bytes that are read at a time
PROBED = 16  # sequences whose mean size stands for that of all

# In memory, and quick to convert: what shares its memory, and what is no array or list.
SHARES = ('__dlpack__', '__array_interface__', '__array_struct__', 'tocsr')
PLAIN = (np.ndarray, np.generic, list, tuple, Mapping, set, frozenset, str, bytes, bytearray, range)

Chosen = slice | np.ndarray  # some examples or steps: a slice, or numbers in ascending order


# --- which data are read piece by piece


def wrapped(data: Any, where: str, names: Sequence[str] = ()) -> Any:
    """Return training data in which each array on disk is a `Stored`; others stay as they are.

    `names` are those of the arrays of a list, for messages.

    Raises
    ------
    DataError
        If an array cannot be read, such as one of a file that is closed.
    """
    if isinstance(data, dict):
        return {name: wrap(value, f'{where}: {name}') for name, value in data.items()}
    if isinstance(data, list | tuple) and not any(isinstance(one, str) for one in data):
        named = [f'{where}[{k}]' for k in range(len(data))]
        if len(data) <= len(names):
            named = [f'{where}: {name}' for name in names[: len(data)]]
        elif _are_sequences(data, names, where):
            return [StoredList(data)]
        parts = [wrap(value, name) for value, name in zip(data, named, strict=True)]
        changed = any(new is not old for new, old in zip(parts, data, strict=True))
        return parts if changed else data
    return Stored(data) if _is_array(data, where) else data


def _are_sequences(data: Sequence[object], names: Sequence[str], where: str) -> bool:
    """Return whether a list is the one array of a network, such as an autoencoder's."""
    arrays = [name for name in names if name != 'mask']
    return len(arrays) == 1 and all(_is_array(one, where) for one in data)


def wrap(value: object, where: str) -> object:
    """Return one array of a batch as a `Stored`, if it is on disk or read lazily."""
    if isinstance(value, list | tuple):
        # A list of sequences, each of them on disk.
        on_disk = len(value) > 0 and all(_is_array(one, where) for one in value)
        return StoredList(value) if on_disk else value
    if _is_array(value, where):
        return Stored(value)
    return StoredList(value) if _is_lazy_list(value) else value  # type: ignore[arg-type]


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


def columns(data: Any, names: Sequence[str]) -> Any:
    """Return a table of the `datasets` library as a dict of its columns; other data as they are.

    Parameters
    ----------
    data : object
    names : sequence of str
        The names that arrays of a batch may have, for the order of the columns.
    """
    there = getattr(data, 'column_names', None)
    if not isinstance(there, list) or not (hasattr(data, 'features') and hasattr(data, '__len__')):
        return data
    ordered = [name for name in names if name in there]
    ordered += [name for name in there if name not in ordered]
    return {name: StoredList(Column(data, name)) for name in ordered}


class Column:
    """A column of a table of the `datasets` library, of which slices are read.

    Parameters
    ----------
    table : datasets.Dataset
    name : str
    """

    def __init__(self, table: Any, name: str):
        select = getattr(table, 'select_columns', None)
        self.table, self.name = (table if select is None else select([name])), name

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, chosen: slice) -> Any:
        return self.table[chosen][self.name]


def _is_array(value: object, where: str) -> bool:
    """Return whether a value is an array on disk."""
    if isinstance(value, Stored):
        return False
    if isinstance(value, np.ndarray):
        return not isinstance(value, np.ma.MaskedArray) and _mapping(value) is not None
    if isinstance(value, PLAIN) or is_table(value) or any(hasattr(value, a) for a in SHARES):
        return False
    try:
        shape, dtype = getattr(value, 'shape', None), getattr(value, 'dtype', None)
    except Exception as error:  # the value may be of any class
        raise DataError(
            f'{where} cannot be read, {type(error).__name__}: {error}; is its file open?'
        ) from error
    if not (isinstance(shape, tuple) and isinstance(dtype, np.dtype)):
        return False
    if hasattr(value, '__getitem__'):
        return True
    if hasattr(value, '__array__'):
        return False
    raise DataError(
        f'{where} is a {type(value).__name__}, which has a shape but no slices, such as '
        f'array[0:32]; pass an object that can be sliced, or an array in memory'
    )


def _is_lazy_list(value: object) -> bool:
    """Return whether a value has a length and slices, and is nothing that is in memory."""
    if isinstance(value, PLAIN) or is_table(value) or callable(value):
        return False
    if hasattr(value, '__array__') or any(hasattr(value, name) for name in SHARES):
        return False
    if not (hasattr(value, '__len__') and hasattr(value, '__getitem__')):
        return False
    try:
        memoryview(value)  # type: ignore[arg-type]
    except TypeError:
        pass
    else:
        return False
    try:
        len(value[0:1])
    except Exception:  # a class of the user's: without slices it is no such list
        return False
    return True


def is_mapped(array: np.ndarray) -> bool:
    """Return whether an array is a memory map, or a view of one."""
    return _mapping(array) is not None


def _mapping(array: np.ndarray) -> object:
    """Return the memory map that an array is, or is a view of; else None."""
    base: object = array
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    return base if isinstance(base, np.memmap | mmap.mmap) else None


# --- reading


@dataclass(frozen=True)
class Stored:
    """An array on disk, or a part of one.

    Attributes
    ----------
    source : object
        Anything with ``shape``, ``dtype`` and slices.
    chosen : tuple of (int, slice or array)
        The parts of its axes that are meant; all of the others.
    """

    source: Any
    chosen: tuple[tuple[int, Chosen], ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the part."""
        shape = list(map(int, self.source.shape))
        for axis, chosen in self.chosen:
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
        for axis, chosen in self.chosen:
            array = array[_along(axis, chosen, array.ndim)]
        return array if dtype is None else array.astype(dtype)

    def outline(self) -> np.ndarray:
        """Return an array of this shape that takes no memory, of zeros; names are numbers there."""
        dtype = 'int64' if self.dtype.kind in 'OSUT' else self.dtype
        return np.broadcast_to(np.zeros((), dtype), self.shape)

    def part(self, axis: int, chosen: Chosen) -> 'Stored':
        """Return some of the examples or steps, without reading them."""
        before = dict(self.chosen)
        inner = before.get(axis, slice(0, int(self.source.shape[axis])))
        return replace(self, chosen=tuple({**before, axis: _within(inner, chosen)}.items()))

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
        cuts = np.flatnonzero(np.diff(numbers // max(block, 1))) + 1
        done = 0
        for some in np.split(numbers, cuts):
            if not go_on():
                break
            if len(some):
                into = _along(axis, slice(done, done + len(some)), self.ndim)
                piece, near = self._read(some, axis, rest, where)
                array[into] = piece if near is None else piece[_along(axis, near, self.ndim)]
                done += len(some)
                if isinstance(self.source, np.ndarray):
                    release(self.source, piece)
        return array

    def _inner(self, axis: int) -> Chosen:
        return dict(self.chosen).get(axis, slice(0, int(self.source.shape[axis])))

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
            raise unreadable(where, first, last, error) from error
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
        found: list[np.ndarray] = []
        for some in np.split(numbers, np.flatnonzero(np.diff(numbers // max(block, 1))) + 1):
            if not go_on():
                break
            if len(some):
                found += self._read(some, where)
        return found

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
            raise unreadable(where, first, last, error) from error
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
    size: int = PIECE,
) -> int:
    """Return how many examples have about `size` bytes: whole chunks of the largest array."""
    each = [value.bytes_of_one(axis, where) for value, axis in zip(values, axes, strict=True)]
    largest = int(np.argmax(each))
    chunk = values[largest].chunk(axes[largest])
    return max(1, round(size / (sum(each) * chunk))) * chunk


def unreadable(where: str, first: int, last: int, error: Exception) -> DataError:
    """Return the error for examples that cannot be read."""
    return DataError(
        f'{where} cannot be read from {first} to {last}, {type(error).__name__}: {error}'
    )


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


def release(array: np.ndarray, piece: np.ndarray) -> None:
    """Take pages of a memory map that have been read out of the memory of this process.

    They stay in the cache of the system, and are mapped again where they are read again. Private
    maps are left alone: changes of theirs would be lost.
    """
    found = _mapping(array)
    advise = getattr(getattr(found, '_mmap', None), 'madvise', None)
    if advise is None or getattr(found, 'mode', 'c') not in ('r', 'r+', 'w+') or not piece.size:
        return
    whole = np.frombuffer(found._mmap, 'uint8')  # type: ignore[union-attr]
    least, most = (address - _bounds(whole)[0] for address in _bounds(piece))
    start, end = least - least % mmap.PAGESIZE, most
    try:
        advise(mmap.MADV_DONTNEED, start, end - start)
    except (OSError, ValueError):  # it only saves memory
        return


def _bounds(array: np.ndarray) -> tuple[int, int]:
    """Return the first and the last address of the elements of an array."""
    first = last = array.__array_interface__['data'][0]
    for n, stride in zip(array.shape, array.strides, strict=True):
        step = (n - 1) * stride
        first, last = (first + step, last) if stride < 0 else (first, last + step)
    return first, last + array.itemsize
