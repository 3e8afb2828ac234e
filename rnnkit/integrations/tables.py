"""Frames, Series and time stamps of pandas and polars, for answers of the form of the question."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def frame(library: str, columns: Mapping[Any, object], index: object = None) -> object:
    """Return a frame.

    Parameters
    ----------
    library : {'pandas', 'polars'}
    columns : dict
        Arrays, or columns of the library.
    index : pandas.Index, optional
    """
    if library == 'polars':
        import polars

        return polars.DataFrame({str(name): values for name, values in columns.items()})
    import pandas

    return pandas.DataFrame(dict(columns), index=index)


def of_records(
    where: str, records: Sequence[Mapping[str, object]], columns: Sequence[str], index: str
) -> Any:
    """Return a DataFrame of pandas with one row for each record.

    Parameters
    ----------
    where : str
        The call, for messages.
    records : sequence of dict
    columns : sequence of str
        Those of the frame; NaN where a record has no value.
    index : str
        The column that becomes the index, if there is one of this name.

    Raises
    ------
    ImportError
        If pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError(f'{where} needs pandas: pip install pandas') from error
    made = pandas.DataFrame.from_records(list(records), columns=list(columns))
    if not made.columns.size:
        return made.rename_axis(index)
    return made.set_index(index) if index in made else made


def series(library: str, values: np.ndarray, index: object, name: object) -> object:
    """Return a Series; that of polars has no index."""
    if library == 'polars':
        import polars

        return polars.Series(name, values)
    import pandas

    return pandas.Series(values, index=index, name=name)


def ids(library: str, values: Sequence[object], dtype: str) -> object:
    """Return a column of ids that has the dtype of the user's."""
    if library == 'polars':
        import polars

        column = polars.Series(values)
        known = getattr(polars, dtype.partition('(')[0], None)
        return column if known is None or column.dtype == known else column.cast(known)
    import pandas

    return pandas.Series(values, dtype=None if dtype == 'category' else dtype).astype(dtype)


def pandas_index(stamps: np.ndarray, labels: Any) -> object:
    """Return time stamps as an index of pandas.

    Parameters
    ----------
    stamps : array of datetime64 in UTC, or int64
    labels : Labels
    """
    import pandas

    if labels.kind == 'range':
        step = int(stamps[1] - stamps[0]) if len(stamps) > 1 else 1
        start = int(stamps[0])
        return pandas.RangeIndex(start, start + step * len(stamps), step, name=labels.name)
    if labels.kind == 'integer':
        return pandas.Index(stamps.astype(labels.dtype), name=labels.name)
    index = pandas.DatetimeIndex(stamps, name=labels.name)
    if labels.zone is not None:
        index = index.tz_localize('UTC').tz_convert(labels.zone)
    if labels.kind == 'period':
        return index.to_period(labels.freq)
    if labels.freq is not None:
        index = pandas.DatetimeIndex(index, freq=labels.freq)
    return index


def polars_column(stamps: np.ndarray, labels: Any) -> object:
    """Return time stamps as a Series of polars."""
    import polars

    column = polars.Series(stamps)
    if labels.kind == 'integer':
        return column.cast(getattr(polars, labels.dtype))
    if labels.zone is not None:
        column = column.dt.replace_time_zone('UTC').dt.convert_time_zone(labels.zone)
    return column


def stamps_after(start: np.datetime64, freq: str, steps: int) -> np.ndarray:
    """Return a time stamp and those after it, at a frequency that pandas knows, (steps + 1,)."""
    import pandas

    return pandas.date_range(start, periods=steps + 1, freq=freq).to_numpy()
