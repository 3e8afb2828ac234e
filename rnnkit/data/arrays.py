"""Conversion of what users pass as an array to NumPy arrays of a dtype."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rnnkit.common.masked_arrays import without_mask
from rnnkit.common.spelling import brief
from rnnkit.data import frames
from rnnkit.errors import ConfigError, DataError, ShapeError

# The first axes of the arrays that users pass and get. Inside, it is always 'time'.
LAYOUTS = {'time': ('time', 'batch'), 'batch': ('batch', 'time')}

MOST = 2**31 - 1  # of steps, or of sequences: more are a mistake

# What to do about text where numbers are expected.
TEXT = '; turn text into numbers first, such as by encode() of a rnnkit.recurrent.Text'

Index = tuple[int, ...]


@dataclass(frozen=True)
class Numbers:
    """Numbers as a user passed them: of any dtype, and not checked yet.

    Attributes
    ----------
    array : array
    listed : {'', 'time', 'batch'}
        The layout of the array, if it was made of a list of sequences.
    columns : tuple
        The names of the columns of a frame, or the name of a Series.
    rows : sequence, or None
        The labels of the rows of a frame or a Series; of a list of sequences, those of each
        sequence, or None.
    inserted : tuple of int
        The axes of the array that the user's array does not have.
    origin : tuple of (int, array of int)
        Axes of which the array has a part, and the numbers of this part in the user's array.
    unknown : tuple
        For labels, what the numbers from that of classes on stand for.
    """

    array: np.ndarray
    listed: str = ''
    columns: tuple[object, ...] = ()
    unknown: tuple[object, ...] = ()
    rows: Sequence[Any] | None = None
    inserted: tuple[int, ...] = ()
    origin: tuple[tuple[int, np.ndarray], ...] = ()

    @property
    def is_series(self) -> bool:
        """Whether it was a Series, or a list of them, which have rows and no columns."""
        return self.rows is not None and len(self.shape) == (2 if self.listed else 1)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the user's array."""
        return tuple(n for axis, n in enumerate(self.array.shape) if axis not in self.inserted)

    def with_axis(self, axis: int) -> 'Numbers':
        """Return the same array with a further axis of length 1, which the user does not know."""
        moved = [a + (a >= axis) for a in self.inserted]
        return replace(self, array=np.expand_dims(self.array, axis), inserted=(*moved, axis))

    def of_columns(self, chosen: list[int]) -> 'Numbers':
        """Return some of the columns of a series (T, F)."""
        columns = tuple(self.columns[k] for k in chosen) if self.columns else ()
        return replace(self, array=self.array[:, chosen], columns=columns)

    def user_axis(self, axis: int) -> int:
        """Return the number of an axis in the user's array."""
        return axis - sum(a < axis for a in self.inserted)

    def place(self, where: str, index: Index) -> tuple[str, str]:
        """Return the name and the index, or row and column, by which the user knows an element."""
        rows, hidden, there = self.rows, {*self.inserted}, list(index)
        for axis, numbers in self.origin:
            there[axis] = int(numbers[index[axis]])
        if self.listed:
            b = LAYOUTS[self.listed].index('batch')
            where, hidden = f'{where}[{there[b]}]', {*hidden, b}
            rows = None if rows is None else rows[index[b]]
        if rows is None:
            return where, f'index {tuple(i for axis, i in enumerate(there) if axis not in hidden)}'
        index = tuple(i for axis, i in enumerate(index) if axis not in hidden)
        name = self.columns[index[-1] if len(index) > 1 else 0] if self.columns else None
        column = '' if name is None else f', column {brief(name)}'
        return where, f'row {frames.label(rows[index[0]])}{column}'


def as_array(where: str, value: object, dtype: str) -> np.ndarray:
    """Convert `value` to a contiguous array of `dtype`, or say why that cannot be done.

    Parameters
    ----------
    where : str
        The name of the value, for messages.
    value : array_like
        Numbers of any kind but complex.
    dtype : str
        A float type, or an integer type for labels.

    Raises
    ------
    DataError
        If it is empty, not numbers, not finite, does not fit the dtype, or (for labels) not whole
        numbers.
    ShapeError
        If it is a ragged list.
    """
    numbers = as_numbers(where, value)
    array, bad = fit(numbers, dtype)
    if bad is not None:
        raise misfit(where, numbers, first_of(bad), dtype)
    return array


def as_numbers(where: str, value: object) -> Numbers:
    """Return what a user passed as an array of real numbers, of the dtype that they have.

    Raises
    ------
    DataError
        If it is empty, not numbers, or a masked array of NumPy.
    ShapeError
        If it is a ragged list.
    """
    table = None
    if type(value) is np.ndarray and value.dtype.kind in 'fiub':
        array = value
    elif frames.is_table(value):
        table = frames.read(where, value)
        array = table.array
    else:
        array = _array(where, value)
    if array.size == 0:
        raise DataError(f'{where} is empty: its shape is {array.shape}')
    if table is None:
        return Numbers(array)
    return Numbers(array, columns=table.columns, rows=table.rows)


def as_plain(where: str, value: object) -> np.ndarray:
    """Return an array of anything, as it is; it may be empty, but not ragged."""
    value = without_mask(where, value)
    try:
        return np.asarray(value)
    except Exception as error:  # the value may be of any class that can be an array
        raise ShapeError(f'{where} cannot be read as one array: {error}') from None


def _array(where: str, value: object) -> np.ndarray:
    value = without_mask(where, value)
    if value is None or hasattr(value, 'tocsr') or isinstance(value, str | bytes | dict | set):
        hint = '; make it dense with .toarray()' if hasattr(value, 'tocsr') else ''
        hint = TEXT if isinstance(value, str | bytes) else hint
        raise DataError(f'{where} must be an array of numbers; got {type(value).__name__}{hint}')
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ShapeError(f'{where} is ragged: {error}; pad it to one length') from None
    except Exception as error:  # the value may be of any class that can be an array
        raise DataError(f'{where} cannot be read as an array: {error}') from error
    if array.dtype.kind == 'O':
        array = frames.of_objects(where, array)
    if array.dtype.kind not in 'fiub':
        hint = TEXT if array.dtype.kind in 'US' else ''
        raise DataError(f'{where} must be real numbers; got an array of {array.dtype}{hint}')
    return array


def number_type(where: str, dtype: object) -> np.dtype:
    """Return a dtype of real numbers, or raise a ConfigError."""
    try:
        found = np.dtype(dtype)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        found = None
    if found is None or dtype is None or found.kind not in 'fiub':
        raise ConfigError(
            f"{where} must be a type of real numbers, such as 'float32' or 'int64'; got {dtype!r}"
        )
    return found


# --- whether numbers fit a dtype


def fit(numbers: Numbers, dtype: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Convert numbers to a dtype.

    Returns
    -------
    array : contiguous array
        The same array where it has the dtype.
    bad : array of bool, or None
        Which elements are not finite, or are not what they were; None if there are none.
    """
    array, kind = numbers.array, np.dtype(dtype)
    with np.errstate(over='ignore', invalid='ignore'):
        converted = np.asarray(array, kind, order='C')
    if kind.kind == 'f':
        ok = np.isfinite(converted)
    elif array.dtype == kind:
        return converted, None
    else:
        ok = converted == array
        if array.dtype.kind == 'f':  # the limit of the type may be rounded to a float above it
            ok &= abs(array) < 2.0 ** (64 if kind.kind == 'u' else 63)
    return converted, None if ok.all() else ~ok


def first_of(bad: np.ndarray) -> Index:
    """Return the index of the first True."""
    return tuple(int(i) for i in np.argwhere(bad)[0])


def misfit(where: str, numbers: Numbers, index: Index, dtype: str, hint: str = '') -> DataError:
    """Return the error for a number that does not fit a dtype."""
    value, (name, place) = numbers.array[index], numbers.place(where, index)
    whole = np.dtype(dtype).kind != 'f'
    if not math.isfinite(value):
        what = 'labels and tokens must be whole numbers' if whole else 'numbers must be finite'
        return DataError(f'{name} contains {value} at {place}; {what}{hint}')
    if not whole:
        return DataError(
            f'{name} contains {value:g} at {place}, which does not fit {dtype}; scale the numbers, '
            f'or use float64{hint}'
        )
    if value != math.floor(value):
        return DataError(
            f'{name} must be whole numbers (class labels); got {value:g} at {place}{hint}'
        )
    least, most = (0, 1) if np.dtype(dtype).kind == 'b' else _limits(dtype)
    return DataError(
        f'{name} contains {value} at {place}, which does not fit {dtype}: {least} to {most}{hint}'
    )


def _limits(dtype: str) -> tuple[int, int]:
    info = np.iinfo(dtype)
    return info.min, info.max
