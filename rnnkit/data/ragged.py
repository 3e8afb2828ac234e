"""Sequences of different lengths: one array with a mask, and back. NumPy only."""

from collections.abc import Sequence
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike

from rnnkit.common.calls import checked
from rnnkit.common.checks import choice, optional_whole, whole
from rnnkit.data.arrays import (
    LAYOUTS,
    MOST,
    Numbers,
    as_numbers,
    as_plain,
    first_of,
    fit,
    misfit,
    number_type,
)
from rnnkit.data.frames import other_columns
from rnnkit.errors import DataError, ShapeError

TURNED = 'a sequence is (steps, features); transpose them: [one.T for one in x]'


def is_ragged(value: object, ndim: int) -> bool:
    """Return whether `value` holds one array for each sequence, and not one array for all.

    The type decides, never the lengths: a list, tuple or array of objects whose first element
    that is not empty has `ndim` axes. So sequences that happen to have one length are still
    sequences. An array, a frame, or a list of arrays with more axes, such as ``[x, y]`` of
    whole batches, is not.

    A nested list of numbers with ``ndim + 1`` levels is a list of sequences by this rule. A
    network without a mask reads it as one array, see `is_list_of_arrays`.

    Parameters
    ----------
    value : object
        One array of a batch, as the user passed it.
    ndim : int
        The number of axes of one sequence: 2 for (T_i, I), 1 for tokens (T_i,).

    Examples
    --------
    >>> x = [np.zeros((5, 2)), np.zeros((5, 2))]
    >>> is_ragged(x, 2), is_ragged(np.stack(x), 2), is_ragged([np.stack(x)], 2)
    (True, False, False)
    """
    if not _is_list(value):
        return False
    first = next((sequence for sequence in value if _axes(sequence) and len(sequence)), None)
    return first is not None and _axes(first) == ndim


def is_list_of_arrays(value: object, ndim: int) -> bool:
    """Return whether `value` is a list of sequences, each of them an array and not a list.

    Examples
    --------
    >>> x = [np.zeros((5, 2)), np.zeros((5, 2))]
    >>> is_list_of_arrays(x, 2), is_list_of_arrays([one.tolist() for one in x], 2)
    (True, False)
    """
    return is_ragged(value, ndim) and any(hasattr(sequence, 'shape') for sequence in value)  # type: ignore[attr-defined]


def are_unequal(value: object, ndim: int) -> bool:
    """Return whether `value` holds sequences that differ in length, so that it is not an array.

    Examples
    --------
    >>> are_unequal([[1, 2], [3]], 1), are_unequal([[1, 2], [3, 4]], 1)
    (True, False)
    """
    if not is_ragged(value, ndim):
        return False
    return len({len(one) if hasattr(one, '__len__') else -1 for one in value}) > 1  # type: ignore[attr-defined]


def _is_list(value: object) -> bool:
    of_objects = isinstance(value, np.ndarray) and value.dtype == object and value.ndim == 1
    return of_objects or isinstance(value, list | tuple)


def _axes(value: object) -> int:
    if isinstance(value, list | tuple):
        return 1 + (_axes(value[0]) if value else 0)
    return len(getattr(value, 'shape', ()))


@checked
def pad(
    sequences: Sequence[ArrayLike],
    dtype: str = 'float32',
    *,
    ndim: int | None = None,
    lengths: Sequence[int] | None = None,
    mask_dtype: str | None = None,
    steps: int | None = None,
    layout: str = 'time',
    where: str = 'x',
) -> tuple[np.ndarray, np.ndarray]:
    """Pad sequences with zeros to the length of the longest.

    Parameters
    ----------
    sequences : list of arrays (T_i, I), or of tokens or labels (T_i,)
    dtype : str
        The type of the array: a float type, or ``'int64'`` for tokens and labels.
    ndim : int, optional
        The number of axes that each sequence must have; by default that of the first.
    lengths : sequence of int, optional
        The lengths that the sequences must have, such as those of the inputs.
    mask_dtype : str, optional
        The type of the mask: `dtype` where that is a float type, else ``'float32'``.
    steps : int, optional
        The least number of time steps of the array.
    layout : {'time', 'batch'}
    where : str
        What the sequences are called in messages.

    Returns
    -------
    array : (T, B, I), or (T, B)
        T is the largest T_i, B the number of sequences; (B, T, I) with ``layout='batch'``.
    mask : (T, B)
        1 over data, 0 over padding.

    Raises
    ------
    ShapeError
        If a sequence has another number of axes, features or steps than it should have.
    DataError
        If there is no sequence, or one is empty, not numbers, or not finite. The message names
        the sequence.

    Examples
    --------
    >>> array, mask = pad([[1, 2, 3], [4]], 'int64')
    >>> array.tolist(), mask.tolist()
    ([[1, 4], [2, 0], [3, 0]], [[1.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    """
    choice('pad(): layout', layout, LAYOUTS)
    kind = number_type('pad(): dtype', dtype)
    mask_kind = kind if kind.kind == 'f' else np.dtype('float32')
    if mask_dtype is not None:
        mask_kind = number_type('pad(): mask_dtype', mask_dtype)
    optional_whole('pad(): ndim', ndim, 1)
    if steps is not None:
        whole('pad(): steps', steps, 0, MOST)
    if lengths is not None:
        lengths = as_lengths('pad(): lengths', lengths)
    if not _is_list(sequences):
        raise DataError(f'{where} must be a list of sequences; got {type(sequences).__name__}')
    numbers = stacked(where, sequences, ndim, lengths, steps or 0)
    array, bad = fit(numbers, kind.name)
    if bad is not None:
        raise misfit(where, numbers, first_of(bad), kind.name)
    mask = mask_of(list(map(len, sequences)), len(array), mask_kind)
    return _turned(array, layout), _turned(mask, layout)


def as_lengths(where: str, lengths: object) -> list[int]:
    """Return the lengths of sequences as a list, or raise a DataError."""
    values = as_numbers(where, lengths).array
    if values.ndim != 1 or values.dtype.kind not in 'iu':
        raise DataError(f'{where} must be whole numbers, one for each sequence')
    return values.tolist()


def mask_of(lengths: Sequence[int], steps: int, dtype: np.dtype | str) -> np.ndarray:
    """Return the mask (T, B) of sequences of these lengths."""
    return (np.arange(steps)[:, None] < list(lengths)).astype(dtype)


def stacked(
    where: str,
    sequences: Sequence[object],
    ndim: int | None = None,
    lengths: Sequence[int] | None = None,
    steps: int = 0,
    names: Sequence[int] | None = None,
) -> Numbers:
    """Return sequences side by side, (T, B, ...), with 0 beyond their ends; values as they are.

    Parameters are those of `pad`, which checks the values; `names` are the numbers of the sequences
    in messages.
    """
    if len(sequences) == 0:
        raise DataError(f'{where} is empty: it is a list without a sequence')
    names = range(len(sequences)) if names is None else names
    read = [_read(f'{where}[{k}]', value) for k, value in zip(names, sequences, strict=True)]
    arrays = [numbers.array for numbers in read]
    columns = _common_columns(where, read)
    _check_alike(arrays, ndim, lengths, where, names)
    T, B = max(steps, *map(len, arrays)), len(arrays)
    array = np.zeros((T, B, *arrays[0].shape[1:]), np.result_type(*{a.dtype for a in arrays}))
    for k, sequence in enumerate(arrays):
        array[: len(sequence), k] = sequence
    rows = [numbers.rows for numbers in read]
    labels = rows if any(r is not None for r in rows) else None
    return Numbers(array, 'time', columns, rows=labels)


def _common_columns(where: str, read: Sequence[Numbers]) -> tuple[object, ...]:
    """Return the columns of frames, which must be the same; those of Series if they are."""
    tables = [(k, numbers) for k, numbers in enumerate(read) if numbers.columns]
    frames = [(k, numbers) for k, numbers in tables if not numbers.is_series]
    for k, numbers in frames:
        first, other = frames[0]
        if numbers.columns != other.columns:
            known = f'{where.rpartition(": ")[2]}[{first}]'
            raise other_columns(f'{where}[{k}]', numbers.columns, known, other.columns)
    return tables[0][1].columns if len({numbers.columns for _, numbers in tables}) == 1 else ()


def _read(where: str, value: object) -> Numbers:
    if isinstance(value, Real) or getattr(value, 'ndim', 1) == 0:
        raise ShapeError(f'{where} is a single number, {value!s}; a sequence is an array')
    return as_numbers(where, value)


def _check_alike(
    arrays: list[np.ndarray],
    ndim: int | None,
    lengths: Sequence[int] | None,
    where: str,
    names: Sequence[int],
) -> None:
    ndim = arrays[0].ndim if ndim is None else ndim
    if lengths is not None and len(lengths) != len(arrays):
        raise ShapeError(f'{where} has {len(arrays)} sequences, but x has {len(lengths)}')
    for n, (k, one) in enumerate(zip(names, arrays, strict=True)):
        if one.ndim != ndim:
            axes = '(time, features)' if ndim == 2 else f'an array of {ndim} axes'
            hint = ''
            if one.ndim == 1 and ndim == 2:
                hint = '; a single feature needs an axis of its own: array[:, None]'
            raise ShapeError(
                f'{where}[{k}] has {one.ndim} axes, shape {one.shape}; a sequence is {axes}{hint}'
            )
        if one.shape[1:] != arrays[0].shape[1:]:
            mine, first = (a.shape[-1] if a.ndim == 2 else a.shape[1:] for a in (one, arrays[0]))
            known = f'{where.rpartition(": ")[2]}[{names[0]}]'
            alike = ndim == 2 and len({len(a) for a in arrays}) == 1
            hint = f'; {TURNED}' if alike and len(one) < min(mine, first) else ''
            raise ShapeError(f'{where}[{k}] has {mine} features; {known} has {first}{hint}')
        if lengths is not None and len(one) != lengths[n]:
            raise ShapeError(f'{where}[{k}] has {len(one)} steps, but x[{k}] has {lengths[n]}')


@checked
def unpad(array: ArrayLike, mask: ArrayLike, layout: str = 'time') -> list[np.ndarray]:
    """Return the steps of each sequence that are data: the sequences that `pad` was given.

    Parameters
    ----------
    array : (T, B, ...)
        An array that `pad` returned, or predictions for it; (B, T, ...) with ``layout='batch'``.
    mask : (T, B)
        Not 0 where there is data. Gaps are left out.
    layout : {'time', 'batch'}

    Returns
    -------
    sequences : list of arrays (T_i, ...)

    Raises
    ------
    ShapeError
        If the array does not begin with the axes of the mask.

    Examples
    --------
    >>> [one.tolist() for one in unpad(*pad([[1, 2, 3], [4]], 'int64'))]
    [[1, 2, 3], [4]]
    """
    choice('unpad(): layout', layout, LAYOUTS)
    array, mask = (
        as_plain(f'unpad(): {name}', value) for name, value in (('array', array), ('mask', mask))
    )
    if mask.dtype.kind not in 'fiub':
        raise DataError(f'unpad(): mask must be numbers; got an array of {mask.dtype}')
    if mask.ndim != 2 or array.shape[:2] != mask.shape:
        raise ShapeError(
            f'unpad(): mask must be (T, B), and array (T, B, ...); got array {array.shape} and '
            f'mask {mask.shape}'
        )
    array, real = _turned(array, layout), _turned(mask, layout) != 0
    return [array[real[:, k], k] for k in range(real.shape[1])]


def _turned(array: np.ndarray, layout: str) -> np.ndarray:
    return np.ascontiguousarray(array.swapaxes(0, 1)) if layout == 'batch' else array
