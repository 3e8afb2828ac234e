"""Conversion of what users pass as an array to NumPy arrays of a dtype."""

import numpy as np

from rnnkit.errors import DataError, ShapeError

# The first axes of the arrays that users pass and get. Inside, it is always 'time'.
LAYOUTS = {'time': ('time', 'batch'), 'batch': ('batch', 'time')}


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
        raise DataError(f'{where} contains {array[index]} at index {index}; numbers must be finite')
    return array


def _converted(where: str, value: object, dtype: str) -> np.ndarray:
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
