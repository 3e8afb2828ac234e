"""Series as they were passed, and their check. NumPy only."""

from dataclasses import dataclass

import numpy as np

from rnnkit.errors import DataError
from rnnkit.forecasting.find_frequency import Stamps, find
from rnnkit.forecasting.forms import Form
from rnnkit.forecasting.frequency import Frequency
from rnnkit.forecasting.series import Columns, Panel, Series
from rnnkit.forecasting.times import Times


@dataclass(frozen=True)
class Raw:
    """Series as they were passed, end to end: N rows in B series.

    Attributes
    ----------
    ids : list
    names : list of str
    values : array of float64, (N,)
    begins : array of int, (B + 1,)
    form : Form
    stamps : Stamps, optional
    known : Frequency, optional
        The frequency that an index names.
    past, future : array of float64, (N, ...)
    static : array of float64, (B, ...)
    categories : dict
    """

    ids: list[object]
    names: list[str]
    values: np.ndarray
    begins: np.ndarray
    form: Form
    stamps: Stamps | None
    known: Frequency | None
    past: np.ndarray
    future: np.ndarray
    static: np.ndarray
    categories: dict[object, tuple[str, ...]]


def panel_of(where: str, raw: Raw, columns: Columns) -> Panel:
    """Return a panel of series that were passed, checked and without leading NaN.

    Raises
    ------
    DataError
        If time stamps are not regular, if a number is infinite, if a series has no values at all,
        or if an input known for the future is NaN.
    """
    frequency = None if raw.stamps is None else find(where, raw.stamps, raw.known)
    _check_finite(where, raw)
    present = ~np.isnan(raw.values)
    counts = np.add.reduceat(present, raw.begins[:-1]) if len(raw.values) else np.zeros(1)
    if not counts.all():
        raise DataError(f'{where}: {raw.names[int(np.argmin(counts))]} has no value: all are NaN')
    ahead = np.flatnonzero(present)
    firsts = ahead[np.searchsorted(ahead, raw.begins[:-1])]
    series = []
    for k, (first, end) in enumerate(zip(firsts.tolist(), raw.begins[1:].tolist(), strict=True)):
        times = None
        if frequency is not None:
            times = Times(raw.stamps.values[first], frequency, end - first)  # type: ignore[union-attr]
        rows = slice(first, end)
        one = (raw.values[rows], raw.past[rows], raw.future[rows], raw.static[k])
        series.append(Series(raw.ids[k], raw.names[k], *one, times))
    return Panel(series, raw.form, columns, raw.categories)


def _check_finite(where: str, raw: Raw) -> None:
    wrong = np.isinf(raw.values)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f'{where}: {place(raw, row)} is {raw.values[row]}; numbers must be finite, or NaN '
            f'where they are missing'
        )


def place(raw: Raw, row: int) -> str:
    """Return how the user knows the value of a row."""
    k = int(np.searchsorted(raw.begins, row, 'right')) - 1
    if raw.stamps is not None:
        return f'the value of {raw.names[k]} at {raw.stamps.text(row)}'
    return f'{raw.names[k]}[{row - raw.begins[k]}]'
