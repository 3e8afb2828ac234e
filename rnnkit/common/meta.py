"""Data that users keep with a network: JSON values, and arrays of numbers."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError, FormatError

MARK = ':tensor'  # in JSON, stands for an array that is stored beside it
START = 'meta:'  # of the names of arrays; names of parameters have a point before any colon
DEEPEST = 100  # dicts and lists within each other
LONGEST_NUMBER = 10_000  # bits; Python reads no more than 4,300 digits
EXPECTED = 'meta holds strings, numbers, True, False, None, arrays, and dicts and lists of these'
HINTS = {
    'set': 'write a list',
    'frozenset': 'write a list',
    'datetime': 'write .isoformat()',
    'date': 'write .isoformat()',
    'time': 'write .isoformat()',
    'Timestamp': 'write .isoformat()',
    'timedelta': 'write .total_seconds()',
    'datetime64': 'write str(...)',
    'bytes': 'write .decode()',
    'Decimal': 'write float(...)',
    'Fraction': 'write float(...)',
    'Series': 'write .to_numpy()',
    'Index': 'write .tolist()',
    'DataFrame': "write .to_numpy(), or .to_dict('list')",
    'range': 'write list(...)',
    'Tensor': 'write .numpy()',
    'MaskedArray': 'write .filled(...), and the mask beside it',
    'function': 'it can be registered by its name, but not be written to a file',
}
ARRAY_HINTS = {'O': '.tolist()', 'U': '.tolist()', 'S': '.tolist()', 'c': '.real and .imag'}
ARRAY_HINTS |= {'M': '.astype(str).tolist()', 'm': '.astype(float)'}


def checked(value: object) -> dict[str, Any]:
    """Return a copy of a dict, in the form in which it would come back from a file.

    Tuples become lists, and numbers of NumPy's those of Python.

    Raises
    ------
    ConfigError
        If it holds something else than JSON values and arrays of numbers; the message names it by
        its path, such as ``meta['scaler']['mean']``.
    """
    if not isinstance(value, dict):
        raise ConfigError(f'meta must be a dict; got {brief(value)}')
    plain: Any = _plain(value, 'meta', (), np.array)
    return plain


def packed(value: object) -> tuple[object, dict[str, np.ndarray]]:
    """Return JSON, and the arrays in it by the names that stand for them.

    Raises
    ------
    ConfigError
        As `checked`.
    """
    arrays: dict[str, np.ndarray] = {}

    def store(array: np.ndarray) -> dict[str, str]:
        name = f'{START}{len(arrays)}'
        arrays[name] = array
        return {MARK: name}

    if not isinstance(value, dict):
        raise ConfigError(f'meta must be a dict; got {brief(value)}')
    return _plain(value, 'meta', (), store), arrays


def unpacked(path: str, value: object, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Undo `packed`.

    Raises
    ------
    FormatError
        If something else was packed, or an array is missing, used twice or left over.
    """
    own = {name: array for name, array in arrays.items() if name.startswith(START)}
    try:
        plain: Any = _plain(_put_back(value, own), 'meta', (), np.array)
    except ConfigError as error:
        raise FormatError(f'{path}: its meta is damaged: {error}') from None
    except RecursionError:
        raise FormatError(f'{path}: its meta is damaged: it is nested too deeply') from None
    if not isinstance(plain, dict) or own:
        what = f'nothing holds the array {min(own)!r}' if own else 'it is not a dict'
        raise FormatError(f'{path}: its meta is damaged: {what}')
    return plain


def _put_back(value: object, arrays: dict[str, np.ndarray]) -> object:
    if isinstance(value, list):
        return [_put_back(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) != {MARK}:
        return {key: _put_back(item, arrays) for key, item in value.items()}
    name = value[MARK]
    if not isinstance(name, str) or name not in arrays:
        raise ConfigError(f'the array {brief(name)} is missing, or is there twice')
    return arrays.pop(name)


def _plain(
    value: object, path: str, around: tuple[int, ...], of_array: Callable[[np.ndarray], object]
) -> object:
    """Return a value as a file keeps it; `around` has the ids of what it is in."""
    if value is None or isinstance(value, bool | np.bool_):
        return value if value is None else bool(value)
    if isinstance(value, str):
        return ''.join(value)  # of a subclass, such as an enum's, the text itself
    if isinstance(value, int | np.integer):
        return _whole(int(value), path)
    if isinstance(value, float | np.floating) and not isinstance(value, np.longdouble):
        return float(value)
    if type(value) in (np.ndarray, np.memmap):
        return of_array(_numbers(value, path))
    if not isinstance(value, dict | list | tuple):
        raise ConfigError(_refused(value, path))
    if id(value) in around:
        raise ConfigError(f'{path} is a {type(value).__name__} that contains itself')
    if len(around) == DEEPEST:
        raise ConfigError(f'{path}: dicts and lists are nested more than {DEEPEST} deep')
    around = (*around, id(value))
    if not isinstance(value, dict):
        return [_plain(item, f'{path}[{k}]', around, of_array) for k, item in enumerate(value)]
    for key in value:
        if not isinstance(key, str) or key == MARK:
            what = 'is reserved' if key == MARK else 'is no string; JSON has no other keys'
            raise ConfigError(f'{path}: the key {brief(key)} {what}')
    return {
        ''.join(key): _plain(item, f'{path}[{brief(key)}]', around, of_array)
        for key, item in value.items()
    }


def _whole(value: int, path: str) -> int:
    if value.bit_length() > LONGEST_NUMBER:
        raise ConfigError(f'{path} is a number of more than 3,000 digits')
    return value


def _numbers(array: Any, path: str) -> np.ndarray:
    kind = array.dtype.kind
    if kind in 'biuf' and array.dtype.itemsize <= 8:
        return np.asarray(array, array.dtype.newbyteorder('='), order='C')
    instead = ARRAY_HINTS.get(kind, ".astype('float64')")
    raise ConfigError(
        f'{path} is an array of {array.dtype}; arrays in meta are of numbers: write {instead}'
    )


def _refused(value: object, path: str) -> str:
    kind = type(value).__name__
    hint = 'write str(...)' if isinstance(value, os.PathLike) else HINTS.get(kind, EXPECTED)
    return f'{path} is of type {kind}; {hint}'
