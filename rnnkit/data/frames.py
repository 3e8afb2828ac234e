"""Frames and Series of other libraries: their numbers, names of columns and labels of rows.

They are recognized by attributes such as ``columns`` and ``to_numpy``; nothing is imported.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnkit.common.spelling import MOST, brief
from rnnkit.errors import DataError

NUMBERS = 'fiub'  # the kinds of dtypes that are real numbers
ENCODE = '; encode it as numbers first, such as by pandas.get_dummies, or make it the index'


class Table(NamedTuple):
    """A frame or a Series as an array.

    Attributes
    ----------
    array : array of shape (rows, columns), or (rows,)
        Missing values are NaN.
    columns : tuple
        The names of the columns; of a Series, its name, if it has one.
    rows : sequence
        The labels of the rows.
    """

    array: np.ndarray
    columns: tuple[object, ...]
    rows: Sequence[object]


def is_frame(value: object) -> bool:
    """Return whether a value is a table with named columns, such as a pandas DataFrame."""
    return hasattr(value, 'to_numpy') and hasattr(value, 'columns')


def is_series(value: object) -> bool:
    """Return whether a value is a column of a table, such as a pandas Series."""
    if not (hasattr(value, 'to_numpy') and hasattr(value, 'name')):
        return False
    return len(getattr(value, 'shape', ())) == 1


def read(where: str, value: Any) -> Table:
    """Return the numbers of a frame or a Series.

    Raises
    ------
    DataError
        If a column is not of real numbers. The message names it and its dtype.
    """
    columns = names_of(value)
    if is_series(value):
        array = _column(where, value, value.dtype, _named(value.name, 'the Series'))
    else:
        dtypes = list(value.dtypes)
        kinds = {*dtypes}
        if len(kinds) <= 1 and all(isinstance(d, np.dtype) and d.kind in NUMBERS for d in kinds):
            array = value.to_numpy()
        else:
            parts = [
                _column(where, _series(value, k), dtype, _named(name))
                for k, (dtype, name) in enumerate(zip(dtypes, columns, strict=True))
            ]
            array = np.stack(parts, axis=1)
    return Table(array, columns, rows_of(value, len(array)))


def is_table(value: object) -> bool:
    """Return whether a value is a frame or a Series."""
    return is_frame(value) or is_series(value)


def names_of(value: Any) -> tuple[object, ...]:
    """Return the names of the columns of a frame; of a Series, its name, if it has one."""
    if is_series(value):
        return () if value.name is None else (value.name,)
    return tuple(value.columns)


def rows_of(value: Any, n: int) -> Sequence[object]:
    """Return the labels of the n rows of a frame or a Series."""
    index = getattr(value, 'index', None)
    return index if hasattr(index, '__getitem__') else range(n)


def _series(frame: Any, k: int) -> Any:
    return frame.iloc[:, k] if hasattr(frame, 'iloc') else frame[:, k]


def _named(name: object, otherwise: str = 'a column') -> str:
    return otherwise if name is None else f'column {brief(name)}'


def _column(where: str, series: Any, dtype: Any, name: str) -> np.ndarray:
    """Return the numbers of one column; those that are missing are NaN."""
    kind = getattr(dtype, 'kind', None)
    if not isinstance(dtype, np.dtype) and kind is not None:
        if kind not in NUMBERS:
            raise _wrong_type(where, dtype, name)
        if series.isna().any():
            return series.to_numpy(dtype='float64', na_value=np.nan)
    array = np.asarray(series.to_numpy())
    if array.dtype.kind == 'O':
        return of_objects(where, array, name, missing=True)
    if array.dtype.kind not in NUMBERS:
        raise _wrong_type(where, dtype, name)
    return array


def _wrong_type(where: str, dtype: Any, name: str) -> DataError:
    hint, kind = '', getattr(dtype, 'kind', '')
    if str(dtype) == 'category':
        hint = '; use its codes (.cat.codes), or one column for each value (pandas.get_dummies)'
    elif kind == 'O':
        hint = ENCODE
    elif kind == 'M' or str(dtype).startswith('Datetime'):
        hint = '; leave it out, or make it the index'
    elif kind == 'm':
        hint = "; divide it by a unit of time, such as pandas.Timedelta('1h')"
    return DataError(f'{where} must be real numbers; {name} has dtype {dtype}{hint}')


def of_objects(
    where: str, array: np.ndarray, name: str = 'it', *, missing: bool = False
) -> np.ndarray:
    """Convert an array of Python objects, such as a column of a frame, if all are numbers.

    Parameters
    ----------
    where, name : str
        For messages: what the array is, and its column.
    array : array of object
    missing : bool
        Whether None and NA are missing values, which become NaN.
    """
    if missing:
        array = array.copy()
        for k, v in enumerate(array):
            if v is None or type(v).__name__ == 'NAType':
                array[k] = np.nan
    for v in array.ravel():
        if not isinstance(v, int | float | np.number):
            kind = type(v).__name__
            hint = ENCODE if missing and isinstance(v, str) else ''
            raise DataError(
                f'{where} must be real numbers; {name} contains {v!r:.80}, a {kind}{hint}'
            )
    try:
        return array.astype('float64')
    except OverflowError:  # an integer beyond the range of floats
        raise DataError(f'{where} contains a number that does not fit float64') from None


def listed(columns: Iterable[object]) -> str:
    """Return the names of some columns, for messages."""
    names = [brief(name) for name in columns]
    more = [f'and {len(names) - MOST} more'] * (len(names) > MOST)
    return ', '.join([*names[:MOST], *more])


def other_columns(
    name: str, columns: Iterable[object], first: str, expected: Iterable[object]
) -> DataError:
    """Return the error for a frame with other columns than the first one beside it.

    Parameters
    ----------
    name, first : str
        The names of both frames in the message.
    columns, expected : iterable
        Their columns.
    """
    return DataError(
        f'{name} has the columns {listed(columns)}; {first} has {listed(expected)}; all must have '
        f'the same, in the same order'
    )


def label(value: object) -> str:
    """Return the label of a row, for messages."""
    plain = value.item() if isinstance(value, np.integer | np.floating) else value
    return brief(plain) if isinstance(plain, str | tuple) else str(plain)
