"""Arrays and Series, one or many in a list or a dict, read as time series."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rnnkit.common.spelling import brief
from rnnkit.data import frames
from rnnkit.data.arrays import as_numbers
from rnnkit.errors import DataError, ShapeError
from rnnkit.forecasting.find_frequency import Stamps
from rnnkit.forecasting.forms import Form, Labels, library_of, read_labels
from rnnkit.forecasting.frequency import Frequency
from rnnkit.forecasting.hints import of_series


def apart(where: str, name: str, y: object) -> tuple[str, list[object], list[str], list[object]]:
    """Return the container, the ids, the names and the values of one or many series."""
    if isinstance(y, Mapping):
        values, ids, container = list(y.values()), list(y), 'dict'
        names = [f'{name}[{key!r}]' for key in ids]
    elif is_list(y):
        values, container = list(y), 'list'  # type: ignore[call-overload]
        ids = list(range(len(values)))
        names = [f'{name}[{k}]' for k in ids]
    else:
        return '', [None], [name], [y]
    if not values:
        raise DataError(f'{where}: {name} is an empty {container}; it must have a series at least')
    return container, ids, names, values


def is_list(y: object) -> bool:
    """Return whether a value is a list of series, and not one of numbers."""
    if isinstance(y, np.ndarray):
        return y.dtype.kind == 'O' and y.ndim == 1 and len(y) > 0 and _has_length(y[0])
    return isinstance(y, list | tuple) and (not y or _has_length(y[0]))


def _has_length(value: object) -> bool:
    if hasattr(value, 'shape'):
        return len(value.shape) > 0
    return hasattr(value, '__len__') and not isinstance(value, str | bytes)


def one_series(where: str, name: str, y: Any) -> np.ndarray:
    """Return one series as float64, (n,); missing values are NaN.

    Raises
    ------
    ShapeError
        If it has more than one axis.
    DataError
        If it is empty, or not of real numbers.
    """
    if frames.is_frame(y):
        raise DataError(
            f'{where}: {name} is a frame; in a list or a dict pass its column, such as '
            f'{name}[{frames.listed(list(y.columns)[:1])}]'
        )
    if isinstance(y, np.ma.MaskedArray) and y.dtype.kind in frames.NUMBERS:
        y = y.astype('float64').filled(np.nan)
    _check_kind(where, name, y)
    array = as_numbers(f'{where}: {name}', y).array
    if array.ndim == 0:
        raise ShapeError(f'{where}: {name} is a single number; one series is an array (n,)')
    if array.ndim != 1:
        raise ShapeError(
            f'{where}: {name} has {array.ndim} axes, shape {array.shape}; one series is (n,)'
            f'{_several(name, array.shape)}'
        )
    return array.astype('float64')


def _check_kind(where: str, name: str, y: object) -> None:
    if type(y).__name__ == 'LazyFrame':
        raise DataError(f'{where}: {name} is a LazyFrame; pass {name}.collect()')
    what = f'{where}: {name} must be an array of numbers'
    if y is None or isinstance(y, str | bytes | set | frozenset | Iterator):
        raise DataError(
            f'{what}, a list or a dict of arrays, a Series, or a frame; got {type(y).__name__}'
        )
    text = next((one for one in y if isinstance(one, str)), None) if _may_be_text(y) else None
    if text is not None:
        raise DataError(
            f'{what}; it contains {brief(str(text))}, a str; convert it first, such as by '
            f'pandas.to_numeric({name})'
        )


def _may_be_text(y: Any) -> bool:
    if isinstance(y, list | tuple):
        return True
    is_array = isinstance(y, np.ndarray) and y.ndim == 1
    return (is_array or frames.is_series(y)) and getattr(y.dtype, 'kind', 'O') in 'OU'


def _several(name: str, shape: tuple[int, ...]) -> str:
    """Return the call that makes series of an array with two axes, for messages."""
    if len(shape) == 2 and 1 in shape:
        return f'; pass {name}.ravel()'
    if len(shape) == 2:
        return f'; pass list({name}) if its rows are series, list({name}.T) if its columns are'
    return ''


def labels_of(
    where: str, names: list[str], values: list[Any], begins: np.ndarray
) -> tuple[Stamps | None, Labels | None, Frequency | None, str]:
    """Return the time stamps of Series, which have an index, and their library."""
    library = library_of(values[0]) if frames.is_series(values[0]) else ''
    for name, one in zip(names, values, strict=True):
        mine = library_of(one) if frames.is_series(one) else ''
        if mine != library:
            raise DataError(
                f'{where}: {name} is of type {type(one).__name__}, {names[0]} of type '
                f'{type(values[0]).__name__}; all series must be of one type'
            )
    if not hasattr(values[0], 'index') or library != 'pandas':
        return None, None, None, library
    read = [
        read_labels(f'{where}: the index of {name}', one.index)
        for name, one in zip(names, values, strict=True)
    ]
    labels = read[0][1]
    for name, (_, other, known) in zip(names, read, strict=True):
        if (other.kind in ('stamp', 'period'), other.zone) != (
            labels.kind in ('stamp', 'period'),
            labels.zone,
        ) or (known is not None and read[0][2] is not None and known != read[0][2]):
            raise DataError(
                f'{where}: {name} has an index of {_described(other, known)}, {names[0]} one of '
                f'{_described(labels, read[0][2])}; all must have the same frequency'
            )
    known = next((one for _, _, one in read if one is not None), None)
    stamps = Stamps(
        np.concatenate([one for one, _, _ in read]),
        begins,
        labels.zone,
        names.__getitem__,
        lambda k: of_series(names[k]),
    )
    return stamps, labels, known, library


def _described(labels: Labels, known: Frequency | None) -> str:
    return labels.dtype if known is None else f'{labels.dtype} with a step of {known}'


def form_of(container: str, library: str, labels: Labels | None, values: list[Any]) -> Form:
    """Return the form of series that are not a frame."""
    if not library:
        return Form('array', container)
    names = tuple(one.name for one in values)
    return Form('series', container, library, labels, names=names)


def parts(
    where: str, X: object, container: str, ids: list[object]
) -> tuple[list[str], list[object]]:
    """Return the names and the values of the covariates of each series.

    Raises
    ------
    DataError
        If they are not in a list or a dict, as the series are.
    """
    if not container:
        return ['X'], [X]
    if container == 'dict':
        if not isinstance(X, Mapping):
            raise DataError(f'{where}: X must be a dict, as y; got {type(X).__name__}')
        missing = [key for key in ids if key not in X]
        if missing:
            raise DataError(f'{where}: X has no key {brief(missing[0])}, which y has')
        return [f'X[{key!r}]' for key in ids], [X[key] for key in ids]
    if not isinstance(X, list | tuple) or len(X) != len(ids):
        found = f'{len(X)} elements' if isinstance(X, list | tuple) else type(X).__name__
        raise DataError(f'{where}: X must be a list of {len(ids)} elements, as y; got {found}')
    return [f'X[{key}]' for key in ids], list(X)
