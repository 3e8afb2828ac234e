"""Tables of covariates: long frames, and frames, dicts or arrays beside each series."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnkit.common.checks import is_whole
from rnnkit.common.registry import suggestion
from rnnkit.common.spelling import brief
from rnnkit.data import frames
from rnnkit.data.arrays import as_numbers
from rnnkit.errors import DataError, ShapeError
from rnnkit.forecasting import long_frames
from rnnkit.forecasting.forms import library_of, read_labels
from rnnkit.forecasting.series import Columns


class LongTable:
    """A frame with a column of ids, and perhaps one of time stamps.

    Parameters
    ----------
    where, name : str
        The call and the argument, for messages.
    frame : frame
    columns : Columns
    ids : list
        Of the series; rows of others are left out.
    names : list of str
        The names of the series, for messages.

    Attributes
    ----------
    codes : array of int, (M,)
        The number of the series of each row.
    stamps : array (M,), or None
    zone : str or None
    """

    def __init__(
        self,
        where: str,
        name: str,
        frame: Any,
        columns: Columns,
        ids: list[object],
        names: list[str],
    ):
        self.where, self.name, self.frame, self.names = where, name, frame, names
        rows = long_frames.rows_of(where, name, frame, columns.id)
        numbers = {one: k for k, one in enumerate(ids)}
        of_id = np.array([numbers.get(one, -1) for one in rows.ids])
        codes = np.repeat(of_id, np.diff(rows.begins))
        order = np.argsort(codes, kind='stable')[int((codes < 0).sum()) :]
        self._order = order if rows.order is None else rows.order[order]
        self.codes = codes[order]
        self.stamps: np.ndarray | None = None
        self.zone: str | None = None
        self._time = columns.time
        if columns.time in list(frame.columns):
            what = f'{where}: column {brief(columns.time)} of {name}'
            stamps, labels, _ = read_labels(what, frame[columns.time])
            self.stamps, self.zone = stamps[self._order], labels.zone

    def name_of(self, k: int) -> str:
        """Return the rows of a series, for messages."""
        return f'{self.name} for {self.names[k]}'

    def has(self, column: object) -> bool:
        """Return whether there is a column."""
        return column in list(self.frame.columns)

    def numbers(self, column: object) -> tuple[np.ndarray, np.ndarray]:
        """Return a column as float64, (M,), and how many rows each series has, (B,)."""
        if self._time is not None and self.stamps is None:
            long_frames.column(self.where, self.name, self.frame, self._time, 'time')
        found = self._column(column)
        values = frames.read(f'{self.where}: {self.name}', found).array.astype('float64')
        return values[self._order], np.bincount(self.codes, minlength=len(self.names))

    def properties(self, column: object) -> list[object]:
        """Return the value of a column that is the same in all rows of a series, for each."""
        values = np.asarray(self._column(column).to_numpy())[self._order]
        begins = np.searchsorted(self.codes, np.arange(len(self.names)))
        counts = np.bincount(self.codes, minlength=len(self.names))
        if not counts.all():
            k = int(np.argmin(counts))
            raise DataError(f'{self.where}: {self.name} has no row for {self.names[k]}')
        firsts = values[begins]
        before = firsts[self.codes]
        differs = (values != before) & ((values == values) | (before == before))  # not both NaN
        if differs.any():
            row = int(np.argmax(differs))
            k = int(self.codes[row])
            raise DataError(
                f'{self.where}: column {brief(column)} is static, but it changes in '
                f'{self.names[k]} from {brief(_plain(firsts[k]))} to {brief(_plain(values[row]))}; '
                f'name it by past= or future='
            )
        return firsts.tolist()

    def _column(self, column: object) -> Any:
        return long_frames.column(self.where, self.name, self.frame, column, 'covariate')


class PlainTable:
    """A frame, a dict or an array beside each series.

    Parameters
    ----------
    where : str
    names : list of str
        The names of the parts, for messages, such as ``'X[0]'``.
    parts : list
        A frame, a dict or an array for each series.
    indexed : bool
        Whether the series have an index, to which that of frames refers.

    Attributes
    ----------
    codes, stamps, zone
        As in `LongTable`.
    """

    def __init__(self, where: str, names: list[str], parts: list[Any], indexed: bool):
        self.where, self.names = where, names
        self.parts = [_part(where, name, one) for name, one in zip(names, parts, strict=True)]
        self.stamps: np.ndarray | None = None
        self.zone: str | None = None
        lengths = [len(one) if library_of(one) == 'pandas' else 0 for one in self.parts]
        self.codes = np.repeat(np.arange(len(parts)), lengths)
        if indexed and all(library_of(one) == 'pandas' for one in self.parts):
            read = [
                read_labels(f'{where}: the index of {name}', one.index)
                for name, one in zip(names, self.parts, strict=True)
            ]
            self.stamps = np.concatenate([stamps for stamps, _, _ in read])
            self.zone = read[0][1].zone

    def name_of(self, k: int) -> str:
        """Return the part of a series, for messages."""
        return self.names[k]

    def has(self, column: object) -> bool:
        """Return whether all parts may have a column."""
        return True

    def numbers(self, column: object) -> tuple[np.ndarray, np.ndarray]:
        """Return a column of all parts as float64, (M,), and how many rows each has, (B,)."""
        columns = []
        for name, part in zip(self.names, self.parts, strict=True):
            array = as_numbers(f'{self.where}: {name}[{column!r}]', self._of(name, part, column))
            if array.array.ndim != 1:
                raise ShapeError(
                    f'{self.where}: {name}[{column!r}] has shape {array.array.shape}; a covariate '
                    f'has one value for each step, (n,)'
                )
            columns.append(array.array.astype('float64'))
        return np.concatenate(columns), np.array([len(one) for one in columns])

    def properties(self, column: object) -> list[object]:
        """Return a property of each series: a value, or a column that does not change."""
        return [
            self._property(name, column, self._of(name, part, column))
            for name, part in zip(self.names, self.parts, strict=True)
        ]

    def _property(self, name: str, column: object, value: Any) -> object:
        if np.ndim(value) == 0:
            return value
        values = np.asarray(value.to_numpy() if hasattr(value, 'to_numpy') else value)
        if not len(values) or (values != values[0]).any():
            raise DataError(
                f'{self.where}: {name}[{column!r}] is static, but its values differ; pass one '
                f'value, or name it by past= or future='
            )
        return values[:1].tolist()[0]

    def _of(self, name: str, part: Any, column: object) -> Any:
        """Return a column of a part."""
        if isinstance(part, np.ndarray):
            if not is_whole(column, 0) or column >= part.shape[1]:  # type: ignore[operator]
                raise DataError(
                    f'{self.where}: {name} is an array of {part.shape[1]} columns, which have no '
                    f'names; there is no column {brief(column)}. Name columns by their numbers, '
                    f'such as future=[0], or pass a frame or a dict'
                )
            return part[:, column]
        if isinstance(part, Mapping):
            if column in part:
                return part[column]
            raise DataError(
                f'{self.where}: {name} has no key {brief(column)}; its keys are '
                f'{frames.listed(part)}{suggestion(column, part)}'
            )
        return long_frames.column(self.where, name, part, column, 'covariate')


def _part(where: str, name: str, part: Any) -> Any:
    """Return the covariates of one series: a frame, a dict, or an array (n, K)."""
    if isinstance(part, Mapping) or frames.is_frame(part):
        return part
    if frames.is_series(part) and hasattr(part, 'to_frame'):
        return part.to_frame()
    array = as_numbers(f'{where}: {name}', part).array
    if array.ndim not in (1, 2):
        raise ShapeError(
            f'{where}: {name} has {array.ndim} axes, shape {array.shape}; covariates of a series '
            f'are (n, columns)'
        )
    return array.reshape(len(array), -1)


def _plain(value: Any) -> object:
    return value.item() if isinstance(value, np.generic) else value
