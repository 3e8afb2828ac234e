"""The form in which series were passed, and in which answers are given. NumPy only."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rnnkit.common.spelling import brief
from rnnkit.data.frames import is_series
from rnnkit.errors import DataError
from rnnkit.forecasting.frequency import Frequency
from rnnkit.forecasting.frequency_names import of_name
from rnnkit.forecasting.zones import zone_of

KINDS, CONTAINERS = ('array', 'series', 'frame'), ('', 'list', 'dict')
LIBRARIES = ('pandas', 'polars')


@dataclass(frozen=True)
class Labels:
    """The form of the user's time stamps.

    Attributes
    ----------
    kind : {'range', 'integer', 'stamp', 'period'}
    library : {'pandas', 'polars'}
    dtype : str
        The dtype, as the library names it.
    zone : str, optional
        The time zone.
    freq : str, optional
        The name of the frequency, if an index or periods have one.
    name : str, optional
        The name of an index.
    """

    kind: str
    library: str
    dtype: str
    zone: str | None = None
    freq: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class Form:
    """The form of the user's series.

    Attributes
    ----------
    kind : {'array', 'series', 'frame'}
        The type of each series; a frame has the rows of all.
    container : {'', 'list', 'dict'}
        The type that holds several of them.
    library : {'', 'pandas', 'polars'}
    labels : Labels, optional
    id, time : str, optional
        The names of the columns of a frame.
    id_dtype : str
        The dtype of the column of ids.
    names : tuple
        The name of each Series.
    """

    kind: str
    container: str = ''
    library: str = ''
    labels: Labels | None = None
    id: object = None
    time: object = None
    id_dtype: str = ''
    names: tuple[object, ...] = ()

    def to_spec(self) -> dict[str, object]:
        """Return the form, fit for JSON if all names are."""
        return {**asdict(self), 'names': list(self.names)}

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> 'Form':
        """Return the form of a spec."""
        labels = None if spec['labels'] is None else Labels(**spec['labels'])
        for name in ('kind', 'container', 'library', 'id_dtype'):
            if not isinstance(spec[name], str):
                raise TypeError(f'{name} must be a str; got {brief(spec[name])}')
        if spec['kind'] not in KINDS or spec['container'] not in CONTAINERS:
            raise ValueError(f'there are no series of the form {brief(spec["kind"])}')
        return cls(**{**spec, 'labels': labels, 'names': tuple(spec['names'])})


def library_of(value: object) -> str:
    """Return the library of a frame, a Series or an index: its own, or that of a base class."""
    roots = [base.__module__.partition('.')[0] for base in type(value).__mro__]
    return next((root for root in roots if root in LIBRARIES), '')


def read_labels(where: str, column: Any) -> tuple[np.ndarray, Labels, Frequency | None]:
    """Return the time stamps of an index or a column.

    Returns
    -------
    stamps : array of datetime64 or int64, (n,)
        In UTC, if they have a time zone; of periods the first moment.
    labels : Labels
    known : Frequency, optional
        That of an index or periods.

    Raises
    ------
    DataError
        If it has no times and no integers, or if some are missing.
    """
    library, dtype, freq = library_of(column), str(column.dtype), None
    name = getattr(column, 'name', None)
    zone, stamps = _zone(where, column.dtype), column
    if dtype.startswith('period['):
        kind, freq = 'period', dtype[len('period[') : -1]
        stamps = (
            column.dt if is_series(column) and hasattr(column, 'dt') else column
        ).to_timestamp()
    elif getattr(column.dtype, 'kind', '') == 'M' or dtype.startswith(('Datetime', 'Date')):
        kind, freq = 'stamp', getattr(column, 'freqstr', None)
    else:
        values, kind = _integers(where, column)
        return values, Labels(kind, library, dtype, name=name), None
    values = _datetimes(stamps)
    if np.isnat(values).any():
        row = int(np.argmax(np.isnat(values)))
        raise DataError(f'{where} has no time stamp in row {row}; leave out such rows')
    known = None if freq is None else of_name(freq, zone, kind == 'period')
    return values, Labels(kind, library, dtype, zone, freq, name), known


def _zone(where: str, dtype: Any) -> str | None:
    zone = getattr(dtype, 'time_zone', None) or getattr(dtype, 'tz', None)
    if zone is None:
        return None
    try:
        zone_of(str(zone))
    except KeyError:
        raise DataError(
            f'{where} has the time zone {zone}, which has no name; convert it to another one, '
            f"such as 'UTC'"
        ) from None
    return str(zone)


def _datetimes(stamps: Any) -> np.ndarray:
    """Return time stamps as datetime64, in UTC."""
    unit = getattr(stamps.dtype, 'unit', None)  # of pandas' stamps with a time zone
    values = stamps.to_numpy() if unit is None else stamps.to_numpy(dtype=f'datetime64[{unit}]')
    return np.asarray(values)


def _integers(where: str, column: Any) -> tuple[np.ndarray, str]:
    values = np.asarray(column.to_numpy())
    if values.dtype.kind in 'iu':
        return values.astype('int64'), 'range' if hasattr(column, 'step') else 'integer'
    if getattr(column, 'nlevels', 1) > 1:
        raise DataError(f'{where} has {column.nlevels} levels; pass a frame, after reset_index()')
    example = ''
    if values.dtype.kind in 'OUS' and len(values):
        example = f' such as {brief(values[0])}'
    to = '.str.to_datetime()'
    if library_of(column) == 'pandas':
        to = 'pandas.to_datetime'
        if not hasattr(column, 'index'):  # it is itself an index
            to += ', or number the rows by reset_index(drop=True)'
    raise DataError(
        f'{where} must be time stamps or whole numbers; got {column.dtype}{example}; convert them '
        f'first, such as by {to}'
    )
