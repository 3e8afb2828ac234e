"""Series that are arrays or Series, one or many in a list or a dict."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnkit.data import frames
from rnnkit.data.arrays import as_numbers
from rnnkit.errors import DataError, ShapeError
from rnnkit.forecasting.find_frequency import Stamps
from rnnkit.forecasting.forms import Form, Labels, library_of, read_labels
from rnnkit.forecasting.frequency import Frequency


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
        if y.dtype.kind != 'O' or y.ndim != 1:
            return False
    elif not isinstance(y, list | tuple):
        return False
    first = next(iter(y), 0)
    return (
        (not isinstance(y, np.ndarray) and first is y)
        or np.ndim(first) > 0
        or not len(y)
        or (frames.is_table(first))
    )


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
    array = as_numbers(f'{where}: {name}', y).array
    if array.ndim != 1:
        raise ShapeError(
            f'{where}: {name} has {array.ndim} axes, shape {array.shape}; one series is (n,)'
            f'{several(name, array.shape)}'
        )
    return array.astype('float64')


def several(name: str, shape: tuple[int, ...]) -> str:
    """Return how an array with two axes is passed as series, for messages."""
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
        f'{names[0]}.sort_index()',
        f'such as by {names[0]}.asfreq()',
    )
    return stamps, labels, known, library


def _described(labels: Labels, known: Frequency | None) -> str:
    return labels.dtype if known is None else f'{labels.dtype} with a step of {known}'


def form_of(container: str, library: str, labels: Labels | None, values: list[Any]) -> Form:
    """Return the form of series that are no frame."""
    if not library:
        return Form('array', container)
    names = tuple(one.name for one in values)
    return Form('series', container, library, labels, names=names)
