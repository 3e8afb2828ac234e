"""Time series as users pass them, one or many: arrays, lists, dicts, frames. NumPy only."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rnnkit.common.checks import is_whole
from rnnkit.common.registry import suggestion
from rnnkit.common.spelling import brief
from rnnkit.data.arrays import LAYOUTS, Numbers, as_numbers
from rnnkit.data.frames import listed, other_columns
from rnnkit.data.mapped import is_mapped
from rnnkit.data.ragged import are_unequal, is_list_of_arrays
from rnnkit.errors import ConfigError, DataError, ShapeError


@dataclass(frozen=True)
class Collection:
    """Time series with the same features, end to end.

    Attributes
    ----------
    array : array of shape (steps of all series, F)
    begins : array of int of shape (n + 1,)
        The row of the array where each series begins; the last number is where the last one ends.
    ids : array of shape (n,)
        The keys of a dict; else numbers from 0.
    each : list of Numbers
        The series one by one, with the names of columns and the labels of rows.
    names : list of str
        The name of each in messages.
    """

    array: np.ndarray
    begins: np.ndarray
    ids: np.ndarray
    each: list[Numbers]
    names: list[str]

    @property
    def lengths(self) -> np.ndarray:
        """The number of steps of each series."""
        return np.diff(self.begins)

    @property
    def columns(self) -> tuple[object, ...]:
        """The names of the features, if they have names."""
        return self.each[0].columns

    def labels(self) -> np.ndarray:
        """Return the labels of the rows of frames; of other series the numbers of their steps."""
        rows = [numbers.rows for numbers in self.each]
        if any(one is None for one in rows):
            return np.concatenate([np.arange(n) for n in self.lengths])
        return np.concatenate([np.asarray(one) for one in rows])

    def place(self, row: int, column: int) -> str:
        """Return how the user knows a number, with the name of its series."""
        k = int(np.searchsorted(self.begins, row, 'right')) - 1
        index = (int(row - self.begins[k]), column)
        name, place = self.each[k].place(self.names[k], index)
        return f'{name} contains {self.array[row, column]} at {place}'

    def find(self, where: str, wanted: object) -> list[int]:
        """Return the positions of some columns, given by name or by position.

        Raises
        ------
        ConfigError
            If there is no such column.
        """
        keys = list(wanted) if isinstance(wanted, list | tuple) else [wanted]
        found = [self._position(where, key) for key in keys]
        if not found or len(set(found)) < len(found):
            raise ConfigError(f'{where} must be different columns; got {brief(wanted)}')
        return found

    def _position(self, where: str, key: object) -> int:
        columns, n = self.columns, self.array.shape[1]
        if key in columns:
            return columns.index(key)
        if is_whole(key) and key < n:  # type: ignore[operator]
            return int(key)  # type: ignore[call-overload]
        there = listed(columns) if columns else f'0 to {n - 1}'
        raise ConfigError(
            f'{where}: there is no column {brief(key)}; the columns are {there}'
            f'{suggestion(key, columns)}'
        )


def are_columns(value: object) -> bool:
    """Return whether a value names columns and is not an array."""
    keys = value if isinstance(value, list | tuple) else [value]
    return bool(keys) and all(isinstance(key, str) or is_whole(key) for key in keys)


def read(where: str, series: object, layout: str) -> Collection:
    """Read one or many series.

    Parameters
    ----------
    where : str
        The call and the argument, for messages: ``'of(): series'``.
    series : array (T,), (T, F), or (T, B, F) in the layout; frame; Series; list or dict of these
    layout : {'time', 'batch'}

    Raises
    ------
    ShapeError, DataError
        If they are not series, or do not have the same features.
    """
    keys, values = _apart(where, series, layout)
    names = [where if key is None else f'{where}[{key!r}]' for key in keys]
    each = [_one(name, value) for name, value in zip(names, values, strict=True)]
    first = each[0]
    for name, numbers in zip(names, each, strict=True):
        if numbers.array.shape[1] != first.array.shape[1]:
            raise ShapeError(
                f'{name} has {numbers.array.shape[1]} features; {_short(names[0])} has '
                f'{first.array.shape[1]}'
            )
        named = numbers.columns and first.columns and not first.inserted
        if named and numbers.columns != first.columns:
            raise other_columns(name, numbers.columns, _short(names[0]), first.columns)
    begins = np.cumsum([0, *(len(numbers.array) for numbers in each)])
    arrays = [numbers.array for numbers in each]
    array = _joined(series, arrays)
    ids = _ids(keys) if isinstance(series, Mapping) else np.arange(len(each))
    return Collection(array, begins, ids, each, names)


def _joined(series: object, arrays: list[np.ndarray]) -> np.ndarray:
    """Return series end to end; those of a memory map as a view of it, if they are end to end."""
    if len(arrays) == 1:
        return arrays[0]
    if isinstance(series, np.ndarray) and is_mapped(series):
        one = len(arrays[0]) * arrays[0].strides[0]
        gaps = {b.ctypes.data - a.ctypes.data for a, b in itertools.pairwise(arrays)}
        if gaps == {one} and arrays[0].flags.c_contiguous:
            return series.view(np.ndarray).reshape(-1, arrays[0].shape[1])
    return np.concatenate(arrays)


def _short(name: str) -> str:
    """Return the name of a series without that of the call."""
    return name.rpartition(': ')[2]


def _apart(where: str, series: object, layout: str) -> tuple[list[object], Sequence[object]]:
    """Return the names and the values of the series; a single one has the name None."""
    if isinstance(series, Mapping):
        if not series:
            raise DataError(f'{where} is an empty dict')
        return list(series), list(series.values())
    if any(is_list_of_arrays(series, n) or are_unequal(series, n) for n in (1, 2)):
        return list(range(len(series))), list(series)  # type: ignore[call-overload]
    if isinstance(series, np.ndarray) and series.ndim == 3:
        turned = np.moveaxis(series, LAYOUTS[layout].index('batch'), 0)
        return list(range(len(turned))), list(turned)
    return [None], [series]


def _ids(keys: list[object]) -> np.ndarray:
    alike = len({type(key) for key in keys}) == 1 and isinstance(keys[0], str | int)
    if alike:
        return np.array(keys)
    ids = np.empty(len(keys), object)
    ids[:] = keys
    return ids


def _one(where: str, value: object) -> Numbers:
    """Return one series as an array (T, F)."""
    numbers = as_numbers(where, value)
    if numbers.array.ndim == 1:
        return numbers.with_axis(1)
    if numbers.array.ndim != 2:
        raise ShapeError(
            f'{where} has {numbers.array.ndim} axes, shape {numbers.array.shape}; a series is '
            f'(time,) or (time, features)'
        )
    return numbers
