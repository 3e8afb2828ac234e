"""Series as users pass them, read into a panel, and the values that follow them."""

from dataclasses import replace

import numpy as np

from rnnkit.data.frames import listed
from rnnkit.errors import ConfigError, DataError
from rnnkit.forecasting import plain, reading
from rnnkit.forecasting.covariates import Wanted, check, values_of
from rnnkit.forecasting.raw import Raw, panel_of
from rnnkit.forecasting.series import Columns, Panel, Series
from rnnkit.forecasting.times import stamps_ahead


def read(
    where: str, y: object, X: object, columns: Columns, like: Panel | None = None, ahead: int = 0
) -> Panel:
    """Return the series that a user passed as a panel.

    Parameters
    ----------
    where : str
        The call, for messages, such as ``'fit()'``.
    y : array (n,), Series, list or dict of these, or long frame of pandas or polars
    X : frame, dict or array (n, K), list or dict of these, optional
        Covariates that are not columns of `y`. If the series have an index, a frame is aligned by
        its own.
    columns : Columns
    like : Panel, optional
        The series that a model was fitted to, whose categories and frequency these must have.
    ahead : int
        The number of rows after the series' end that covariates without time stamps may have.

    Raises
    ------
    DataError, ShapeError
        If they are not series of numbers with regular time stamps, or a covariate is missing.
    """
    raw = reading.read(where, y, X, columns, like, ahead)
    found = panel_of(where, raw, columns)
    if like is not None:
        _check_frequency(where, found, like)
    return found


def _check_frequency(where: str, found: Panel, like: Panel) -> None:
    mine, known = found.frequency, like.frequency
    if mine is None or known is None or mine.alike(known):
        return
    raise DataError(
        f'{where}: the time stamps have a step of {mine}; those of fit() had one of {known}'
    )


def read_ahead(
    where: str, panel: Panel, X: object, horizon: int, used: bool = False
) -> list[np.ndarray]:
    """Return the inputs that are known for the steps after the end of each series.

    Parameters
    ----------
    where : str
    panel : Panel
    X : as in `read`
        Rows after the horizon and columns that are not needed are ignored. Without time stamps,
        the rows must be those of the horizon, or those of the history and the horizon.
    horizon : int
    used : bool
        Whether X had covariates of the history, so that it is accepted without such inputs.

    Returns
    -------
    future : list of arrays of float64, (horizon, F)

    Raises
    ------
    ConfigError
        If there are no such inputs, and X is given.
    DataError, ShapeError
        If a column or a row is missing, or a value is NaN.
    """
    names, series = panel.future, panel.series
    if not names:
        if X is not None and not used:
            raise ConfigError(
                f'{where}: X is given, but the forecaster has no inputs that are known for the '
                f'future; leave X out, or name its columns by future= in Forecaster()'
            )
        return [np.empty((horizon, 0)) for _ in series]
    if X is None:
        raise DataError(
            f'{where}: X is missing; it must have the values of {listed(names)} for the next '
            f'{horizon} steps'
        )
    form, stamps, zone = panel.form, None, None
    if series[0].times is not None:
        stamps = stamps_ahead([one.times for one in series], horizon)
        zone = series[0].times.frequency.zone
    counts = np.full(len(series), horizon)
    others = np.array([len(one) + one.skipped for one in series])
    ids, calls = [one.id for one in series], [one.name for one in series]
    table = reading.table(where, X, panel.columns, form, ids, calls, stamps is not None)
    wanted = Wanted(calls, counts, others, True, stamps, zone)
    values = values_of(where, table, names, wanted)
    check(where, 'future', names, values, wanted)
    return list(values.reshape(len(series), horizon, -1))


def more(where: str, panel: Panel, y_new: object, X: object = None, called: str = 'y') -> Panel:
    """Return new values that follow those of a panel.

    Parameters
    ----------
    where : str
    panel : Panel
    y_new, X
        In the form in which the series of the panel were passed; a series without new values may
        be left out of a dict or a frame, and is None in a list.
    called : str
        The name of the argument, for messages.

    Returns
    -------
    new : Panel
        The same series in the same order, with only their new values, perhaps none. NaN at the
        start is a missing value.

    Raises
    ------
    DataError
        If there is a new series, or the first time stamp is not the one after the last.
    """
    y_new, X, left = _new_only(where, panel, y_new, X, called)
    raw = reading.read(where, y_new, X, panel.columns, panel, called=called)
    if (raw.form.kind, raw.form.container) != (panel.form.kind, panel.form.container):
        raise DataError(
            f'{where}: {called} is {_described(raw)}; it must be {_described(panel)}, as in fit()'
        )
    if left:
        raw = replace(raw, ids=list(left), names=[f'{called}[{k}]' for k in left])
    new = panel_of(where, raw, panel.columns, trim=False)
    _check_frequency(where, new, panel)
    known = {one.id: one for one in panel.series}
    for one in new.series:
        if one.id not in known:
            raise DataError(
                f'{where}: {one.name} was not in fit(); known are {listed(known)}. Forecast other '
                f'series by forecast(y=...)'
            )
        _check_follows(where, known[one.id], one)
    added = {one.id: one for one in new.series}
    series = [added.get(one.id) or _nothing(one) for one in panel.series]
    return replace(panel, series=series)


def _new_only(
    where: str, panel: Panel, y: object, X: object, called: str
) -> tuple[object, object, list[int]]:
    """Return a list without the series that have nothing new, and the numbers of the others."""
    if panel.form.container != 'list' or not isinstance(y, list | tuple):
        return y, X, []
    if len(y) != len(panel) and plain.is_list(y):
        raise DataError(
            f'{where}: {called} has {len(y)} series; it must have {len(panel)}, as in fit(), with '
            f'None for one without new values'
        )
    kept = [k for k, one in enumerate(y) if one is not None]
    if len(kept) == len(y) or not kept:
        return y, X, []
    if isinstance(X, list | tuple) and len(X) == len(y):
        X = [X[k] for k in kept]
    return [y[k] for k in kept], X, kept


def _check_follows(where: str, old: Series, new: Series) -> None:
    if old.times is None or new.times is None:
        return
    expected, found = old.times.stamps(old.times.n, 1)[0], new.times.start
    if expected != found:
        raise DataError(
            f'{where}: the new values of {new.name} begin at {new.times.text(0)}; they must begin '
            f'at {old.times.text(old.times.n)}, the step after the last one'
        )


def _nothing(one: Series) -> Series:
    """Return a series from its end on."""
    times = None if one.times is None else one.times.from_step(one.times.n, 0)
    empty = (one.values[:0], one.past[:0], one.future[:0], one.static)
    return Series(one.id, one.name, *empty, times)


def join(panel: Panel, new: Panel) -> Panel:
    """Return a panel with the new values that `more` has read."""
    series = [
        replace(
            one,
            values=np.concatenate([one.values, other.values]),
            past=np.concatenate([one.past, other.past]),
            future=np.concatenate([one.future, other.future]),
            times=None if one.times is None else replace(one.times, n=len(one) + len(other)),
        )
        for one, other in zip(panel.series, new.series, strict=True)
    ]
    return replace(panel, series=series)


def _described(value: Raw | Panel) -> str:
    form = value.form
    if form.kind == 'frame':
        return f'a {form.library} frame'
    one = 'an array' if form.kind == 'array' else f'a {form.library} Series'
    return f'a {form.container} of {one.partition(" ")[2]}s' if form.container else one
