"""From what users pass to series that a model reads, and further values of them."""

from typing import Any

import numpy as np

from rnnkit.data import frames
from rnnkit.errors import DataError
from rnnkit.forecasting import long_frames, plain
from rnnkit.forecasting.forms import library_of
from rnnkit.forecasting.raw import Raw, panel_of
from rnnkit.forecasting.series import Columns, Panel


def read(where: str, y: object, X: object, columns: Columns) -> Panel:
    """Return the series that a user passed.

    Parameters
    ----------
    where : str
        The call, for messages, such as ``'fit()'``.
    y : array, Series, list or dict of these, or long frame of pandas or polars
    X : optional
        Covariates.
    columns : Columns

    Raises
    ------
    DataError, ShapeError
        If they are not series of numbers with regular time stamps.
    """
    raw = _of_frame(where, y, columns) if frames.is_frame(y) else _of_plain(where, y)
    return panel_of(where, raw, columns)


def _of_frame(where: str, y: Any, columns: Columns) -> Raw:
    if not library_of(y):
        raise DataError(
            f'{where}: y must be a frame of pandas or polars; got {type(y).__module__}.'
            f'{type(y).__name__}'
        )
    rows = long_frames.rows_of(where, 'y', y, columns.id)
    stamps, labels, known = long_frames.stamps_of(where, 'y', y, columns, rows)
    target = long_frames.column(where, 'y', y, columns.target, 'target')
    values = long_frames.numbers(where, 'y', target, rows)
    none = np.empty((len(values), 0))
    return Raw(
        rows.ids,
        rows.names,
        values,
        rows.begins,
        long_frames.form_of(y, columns, labels),
        stamps,
        known,
        none,
        none,
        np.empty((len(rows.ids), 0)),
        {},
    )


def _of_plain(where: str, y: object) -> Raw:
    container, ids, names, parts = plain.apart(where, 'y', y)
    arrays = [plain.one_series(where, n, one) for n, one in zip(names, parts, strict=True)]
    begins = np.cumsum([0, *map(len, arrays)])
    stamps, labels, known, library = plain.labels_of(where, names, parts, begins)
    values = np.concatenate(arrays)
    none = np.empty((len(values), 0))
    form = plain.form_of(container, library, labels, parts)
    static = np.empty((len(ids), 0))
    return Raw(ids, names, values, begins, form, stamps, known, none, none, static, {})
