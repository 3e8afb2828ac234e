"""NumPy's masked arrays: conversion to a plain array drops their mask without a word."""

from typing import TypeVar

import numpy as np

from rnnkit.errors import DataError

T = TypeVar('T')


def without_mask(where: str, value: T, instead: str = 'the mask as mask=') -> T:
    """Return a value that NumPy converts to an array without loss.

    Parameters
    ----------
    where : str
        The name of the value, for messages.
    value : object
        Anything; lists and arrays of objects are searched for masked arrays.
    instead : str
        What to pass instead of NumPy's mask.

    Raises
    ------
    DataError
        If it is, or contains, a masked array in which something is masked.
    """
    if isinstance(value, np.ma.MaskedArray):
        if np.ma.is_masked(value):
            raise DataError(
                f'{where} is a NumPy masked array, and its mask would be lost; pass a plain '
                f'array, such as array.filled(0), and {instead}'
            )
        return value.data  # type: ignore[return-value]
    if isinstance(value, list | tuple) or _of_objects(value):
        for k, one in enumerate(value):  # type: ignore[arg-type]
            if isinstance(one, list | tuple | np.ndarray):
                without_mask(f'{where}[{k}]', one, instead)
    return value


def _of_objects(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == object and value.ndim > 0
