"""Long frames: a column of ids, one of time stamps, and one of values."""

from typing import Any, NamedTuple

import numpy as np

from rnnkit.common.registry import meant, suggestion
from rnnkit.common.spelling import brief
from rnnkit.data import frames
from rnnkit.errors import DataError
from rnnkit.forecasting.find_frequency import Stamps
from rnnkit.forecasting.forms import Form, Labels, library_of, read_labels
from rnnkit.forecasting.frequency import Frequency
from rnnkit.forecasting.hints import of_frame
from rnnkit.forecasting.series import Columns


class Rows(NamedTuple):
    """The rows of a long frame, ordered by series.

    Attributes
    ----------
    order : array of int or None
        The number of each row in the frame; None if they are in order.
    begins : array of int, (B + 1,)
    ids : list
    names : list of str
        The names of the series, for messages.
    """

    order: np.ndarray | None
    begins: np.ndarray
    ids: list[object]
    names: list[str]

    def arranged(self, values: np.ndarray) -> np.ndarray:
        """Return a column in the order of the series."""
        return values if self.order is None else values[self.order]


def check_is_long(where: str, name: str, frame: Any, columns: Columns) -> None:
    """Raise a DataError if a frame has none of the columns, as one with a column per series."""
    wanted = [one for one in (columns.id, columns.time, columns.target) if one is not None]
    there = list(frame.columns)
    named = [*there, *getattr(getattr(frame, 'index', None), 'names', ())]
    if any(one in named for one in wanted) or not there:
        return
    words = [one for one in there if isinstance(one, str)]
    if any(meant(str(one), words) for one in wanted):
        return
    raise DataError(
        f'{where}: a frame has a row for each time of each series, with the columns '
        f'{frames.listed(wanted)}; those of {name} are {frames.listed(there)}. Name them by id=, '
        f'time= and target=; if each column is a series, pass one, such as '
        f'{name}[{brief(there[0])}], or a dict, {{key: {name}[key] for key in {name}.columns}}'
    )


def _index_hint(name: str, frame: Any) -> str:
    """Return how the time stamps in a frame's index become a column, if there are some."""
    dtype = str(getattr(getattr(frame, 'index', None), 'dtype', ''))
    if not dtype.startswith(('datetime64', 'period')):
        return ''
    return f"; its index has the time stamps: {name}.reset_index(names='ds') makes them a column"


def column(where: str, name: str, frame: Any, wanted: object, role: str) -> Any:
    """Return a column of a frame.

    Raises
    ------
    DataError
        If it is not there, or twice.
    """
    columns = list(frame.columns)
    if columns.count(wanted) == 1:
        return frame[wanted]
    if wanted in columns:
        raise DataError(f'{where}: {name} has {columns.count(wanted)} columns {brief(wanted)}')
    in_index = wanted in getattr(getattr(frame, 'index', None), 'names', ())
    if in_index:
        raise DataError(
            f'{where}: {name} has {brief(wanted)} as its index; pass {name}.reset_index()'
        )
    keyword = '' if role == 'covariate' else f'{role}='
    near = suggestion(wanted, columns).replace('did you mean ', f'did you mean {keyword}')
    raise DataError(
        f'{where}: {name} has no column {brief(wanted)}; its columns are {frames.listed(columns)}'
        f'{near or f"; {ROLES[role]}"}{_index_hint(name, frame) if role in ("id", "time") else ""}'
    )


ROLES = {
    'id': 'name the column of the ids of the series by id=, or pass id=None for a single series',
    'time': 'name the column of the time stamps by time=',
    'target': 'name the column of the values by target=',
    'covariate': 'covariates are columns of y or of X',
}


def rows_of(where: str, name: str, frame: Any, id_name: object) -> Rows:
    """Return the rows of each series, in the order in which the series appear."""
    n = len(frame)
    if not n:
        raise DataError(f'{where}: {name} has no rows')
    if id_name is None:
        return Rows(None, np.array([0, n]), [None], [name])
    ids = np.asarray(column(where, name, frame, id_name, 'id').to_numpy())
    changes = np.flatnonzero(ids[1:] != ids[:-1]) + 1
    firsts = np.concatenate([[0], changes])
    blocks = ids[firsts].tolist()
    numbers: dict[object, int] = {}
    codes = np.array([numbers.setdefault(one, len(numbers)) for one in blocks])
    missing = [k for k, one in enumerate(blocks) if one is None or one != one]
    if missing:
        raise DataError(
            f'{where}: column {brief(id_name)} of {name} has no id in row {firsts[missing[0]]}'
        )
    names = [f'series {brief(one)}' for one in numbers]
    if len(numbers) == len(blocks):
        return Rows(None, np.concatenate([firsts, [n]]), list(numbers), names)
    of_row = np.repeat(codes, np.diff([*firsts.tolist(), n]))
    begins = np.concatenate([[0], np.cumsum(np.bincount(of_row))])
    return Rows(np.argsort(of_row, kind='stable'), begins, list(numbers), names)


def numbers(where: str, name: str, column: Any, rows: Rows) -> np.ndarray:
    """Return a column of numbers as float64, (N,); missing values are NaN."""
    return rows.arranged(frames.read(f'{where}: {name}', column).array.astype('float64'))


def stamps_of(
    where: str, name: str, frame: Any, columns: Columns, rows: Rows
) -> tuple[Stamps | None, Labels | None, Frequency | None]:
    """Return the time stamps of all rows."""
    if columns.time is None:
        return None, None, None
    found = column(where, name, frame, columns.time, 'time')
    values, labels, known = read_labels(f'{where}: column {brief(columns.time)} of {name}', found)
    calls = of_frame(name, labels.library, columns.id, columns.time, columns.target)
    name_of, one = rows.names.__getitem__, columns.id is None
    values = rows.arranged(values)
    stamps = Stamps(values, rows.begins, labels.zone, name_of, lambda _: calls, one)
    return stamps, labels, known


def form_of(frame: Any, columns: Columns, labels: Labels | None) -> Form:
    """Return the form of a long frame."""
    dtype = '' if columns.id is None else str(frame[columns.id].dtype)
    return Form('frame', '', library_of(frame), labels, columns.id, columns.time, dtype)
