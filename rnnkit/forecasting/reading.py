"""Series and covariates as users pass them, read into arrays end to end."""

from dataclasses import replace
from typing import Any

import numpy as np

from rnnkit.common.spelling import brief
from rnnkit.data import frames
from rnnkit.data.frames import listed
from rnnkit.errors import ConfigError, DataError
from rnnkit.forecasting import long_frames, plain, static
from rnnkit.forecasting.covariates import Wanted, values_of
from rnnkit.forecasting.find_frequency import Stamps
from rnnkit.forecasting.forms import Form, library_of
from rnnkit.forecasting.frequency import Frequency
from rnnkit.forecasting.raw import Raw
from rnnkit.forecasting.series import Columns, Panel
from rnnkit.forecasting.tables import LongTable, PlainTable

Table = LongTable | PlainTable


def read(
    where: str,
    y: Any,
    X: object,
    columns: Columns,
    like: Panel | None,
    ahead: int = 0,
    called: str = 'y',
) -> Raw:
    """Return series and their covariates; the parameters are those of `panel.read`.

    In messages y is `called` so.

    Raises
    ------
    DataError, ShapeError
        If they are not series of numbers, or a covariate is missing.
    """
    named = (*columns.past, *columns.future, *columns.static)
    if X is not None and not named:
        raise ConfigError(
            f'{where}: X is given, but no covariates are named; name its columns by past=, '
            f'future= or static= in Forecaster()'
        )
    _check_names(where, columns)
    is_frame = frames.is_frame(y)
    raw = _of_frame(where, y, columns, called) if is_frame else _of_plain(where, y, called)
    if like is not None and raw.known is None and len(raw.values) == len(raw.ids):
        raw = replace(raw, known=like.frequency)  # a single row has no frequency
    if not named:
        return raw
    own = None
    if raw.form.kind == 'frame':
        own = LongTable(where, 'y', y, columns._replace(time=None), raw.ids, raw.names)
    other = None
    if X is not None:
        timed = raw.stamps is not None
        other = table(where, X, columns, raw.form, raw.ids, raw.names, timed)
    rows = np.arange(len(raw.values))
    wanted = raw.wanted(rows, np.diff(raw.begins), ahead)
    properties = {
        name: _source(where, own, other, name).properties(name) for name in columns.static
    }
    known = None if like is None else like.categories
    encoded, categories = static.encode(where, properties, raw.names, known)
    past = _inputs(where, own, other, columns.past, wanted)
    future = _inputs(where, own, other, columns.future, wanted)
    return replace(raw, past=past, future=future, static=encoded, categories=categories)


def _check_names(where: str, columns: Columns) -> None:
    """Raise a ConfigError if a column has two roles."""
    roles = columns._asdict()
    series = [(role, roles[role]) for role in ('id', 'time', 'target') if roles[role] is not None]
    inputs = [(kind, name) for kind in ('past', 'future', 'static') for name in roles[kind]]
    seen: dict[object, str] = {}
    for role, name in [*series, *inputs]:
        if name in seen and (role, seen[name]) != ('static', 'id'):
            raise ConfigError(
                f'{where}: column {brief(name)} cannot be both {seen[name]} and {role}'
            )
        seen[name] = role
        if name == 'forecast' and role in ('id', 'time'):
            raise ConfigError(
                f"{where}: {role}='forecast' is the name of the column of the forecasts; rename it"
            )


def _inputs(
    where: str, own: Table | None, other: Table | None, names: tuple[object, ...], wanted: Wanted
) -> np.ndarray:
    """Return covariates at the steps of the series, (N, K)."""
    found = np.empty((int(wanted.counts.sum()), len(names)))
    tables = [_source(where, own, other, name) for name in names]
    for k, (table, name) in enumerate(zip(tables, names, strict=True)):
        if table is own:
            found[:, k] = table.numbers(name)[0]
    beside = [k for k, table in enumerate(tables) if table is not own]
    if beside:  # all at once, because finding their rows takes longest
        columns = tuple(names[k] for k in beside)
        found[:, beside] = values_of(where, tables[beside[0]], columns, wanted)
    return found


def _source(where: str, own: Table | None, other: Table | None, name: object) -> Table:
    """Return the table that has a covariate: y or X."""
    if own is not None and (other is None or own.has(name)):
        return own
    if other is None:
        raise DataError(f'{where}: X is missing; it must have the covariate {brief(name)}')
    return other


def table(
    where: str,
    X: object,
    columns: Columns,
    form: Form,
    ids: list[object],
    names: list[str],
    timed: bool,
) -> Table:
    """Return X as a table of covariates.

    Parameters
    ----------
    where : str
    X : object
    columns : Columns
    form : Form
        Of the series.
    ids, names : list
        Of the series.
    timed : bool
        Whether the series have time stamps.
    """
    if form.kind != 'frame':
        return PlainTable(where, *plain.parts(where, X, form.container, ids), timed)
    if not library_of(X) or not frames.is_frame(X):
        keys = listed(one for one in (columns.id, columns.time) if one is not None)
        raise DataError(
            f'{where}: X must be a frame with the columns {keys}, as y is; got {type(X).__name__}'
        )
    return LongTable(where, 'X', X, columns, ids, names)


def _of_frame(where: str, y: Any, columns: Columns, called: str) -> Raw:
    if not library_of(y):
        raise DataError(
            f'{where}: {called} must be a frame of pandas or polars; got {type(y).__module__}.'
            f'{type(y).__name__}'
        )
    long_frames.check_is_long(where, called, y, columns)
    rows = long_frames.rows_of(where, called, y, columns.id)
    stamps, labels, known = long_frames.stamps_of(where, called, y, columns, rows)
    target = long_frames.column(where, called, y, columns.target, 'target')
    values = long_frames.numbers(where, called, target, rows)
    form = long_frames.form_of(y, columns, labels)
    return _bare(rows.ids, rows.names, values, rows.begins, form, stamps, known)


def _of_plain(where: str, y: object, called: str) -> Raw:
    container, ids, names, parts = plain.apart(where, called, y)
    arrays = [plain.one_series(where, n, one) for n, one in zip(names, parts, strict=True)]
    begins = np.cumsum([0, *map(len, arrays)])
    stamps, labels, known, library = plain.labels_of(where, names, parts, begins)
    form = plain.form_of(container, library, labels, parts)
    return _bare(ids, names, np.concatenate(arrays), begins, form, stamps, known)


def _bare(
    ids: list[object],
    names: list[str],
    values: np.ndarray,
    begins: np.ndarray,
    form: Form,
    stamps: Stamps | None,
    known: Frequency | None,
) -> Raw:
    """Return series without covariates."""
    none = np.empty((len(values), 0))
    static = np.empty((len(ids), 0))
    return Raw(ids, names, values, begins, form, stamps, known, none, none, static, {})
