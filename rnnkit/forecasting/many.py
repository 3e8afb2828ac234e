"""One series or many, as users pass them to scores and naive forecasts: lists of arrays."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from rnnkit.common.spelling import brief
from rnnkit.data.arrays import as_numbers
from rnnkit.data.frames import is_frame
from rnnkit.errors import DataError, ShapeError

ONE, LIST, DICT = 'one series', 'a list of series', 'a dict of series'


class Many(NamedTuple):
    """Series by their keys.

    Attributes
    ----------
    what : str
        The call and the argument, for messages: ``'smape(): forecast'``.
    kind : str
        `ONE`, `LIST` or `DICT`, as the user passed it.
    keys : list
        The keys of a dict, else numbers from 0.
    arrays : list of array of float64, each (n,)
        A missing value is NaN.
    """

    what: str
    kind: str
    keys: list[object]
    arrays: list[np.ndarray]

    def name(self, k: int) -> str:
        """Return the name of a series, for messages."""
        return self.what if self.kind == ONE else f'{self.what}[{brief(self.keys[k])}]'

    def give(self, arrays: Sequence[np.ndarray]) -> object:
        """Return one array for each series in the form in which the series came."""
        if self.kind == ONE:
            return arrays[0]
        return list(arrays) if self.kind == LIST else dict(zip(self.keys, arrays, strict=True))


def read(what: str, value: object) -> Many:
    """Read an array (n,), an array (series, n), or a list or a dict of arrays (n,).

    Raises
    ------
    DataError
        If there is nothing, or anything but real numbers and NaN.
    ShapeError
        If a series has more than one axis.
    """
    if is_frame(value):
        raise DataError(
            f'{what} must be arrays, and not a frame; pass one of its columns, or for several '
            f"series {{key: part['y'].to_numpy() for key, part in frame.groupby('unique_id')}}"
        )
    if isinstance(value, Mapping):
        kind, keys, values = DICT, list(value), list(value.values())
    elif _holds_series(value):
        values = list(value)  # type: ignore[call-overload]
        kind, keys = LIST, list(range(len(values)))
    else:
        kind, keys, values = ONE, [0], [value]
    if not values:
        raise DataError(f'{what} is empty: there is no series in it')
    series = Many(what, kind, keys, [])
    for k, one in enumerate(values):
        series.arrays.append(_array(series.name(k), one))
    return series


def _holds_series(value: object) -> bool:
    """Return whether a list or an array has series as its elements, and not numbers."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value.ndim > 1
    listed = isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim == 1)
    if not listed or not len(value):  # type: ignore[arg-type]
        return False
    first = value[0]  # type: ignore[index]
    return isinstance(first, list | tuple) or (hasattr(first, '__array__') and np.ndim(first) > 0)


def _array(name: str, value: object) -> np.ndarray:
    array = as_numbers(name, value).array
    if array.ndim != 1:
        raise ShapeError(f'{name} must be one series (n,); got shape {array.shape}')
    array = array.astype('float64')
    infinite = np.flatnonzero(np.isinf(array))
    if len(infinite):
        raise DataError(f'{name} contains {array[infinite[0]]} at index {infinite[0]}')
    return array


def align(first: Many, other: Many, *, lengths: bool = True) -> Many:
    """Return other values of the same series, in the same order.

    Parameters
    ----------
    first, other : Many
    lengths : bool
        Whether both must have the same lengths.

    Raises
    ------
    DataError
        If they are not of the same series.
    ShapeError
        If their lengths differ.
    """
    short = first.what.rpartition(': ')[2]
    if len(first.keys) != len(other.keys) or (first.kind == ONE) != (other.kind == ONE):
        raise DataError(
            f'{other.what} must be of the same series as {short}; {short} is {_size(first)}, and '
            f'this is {_size(other)}'
        )
    if first.kind == other.kind == DICT:
        arrays = dict(zip(other.keys, other.arrays, strict=True))
        missing = [key for key in first.keys if key not in arrays]
        if missing:
            raise DataError(f'{other.what} has no {brief(missing[0])}, which {short} has')
        other = other._replace(keys=first.keys, arrays=[arrays[key] for key in first.keys])
    for k, (one, two) in enumerate(zip(first.arrays, other.arrays, strict=True)):
        if lengths and len(one) != len(two):
            name = first.name(k).rpartition(': ')[2]
            raise ShapeError(
                f'{other.name(k)} has {len(two)} values; {name} has {len(one)}; both must be of '
                f'the same steps'
            )
    return other


def _size(series: Many) -> str:
    return series.kind if series.kind == ONE else f'{series.kind} ({len(series.keys)})'
