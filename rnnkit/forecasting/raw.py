"""Series as they were passed, and their check. NumPy only."""

from dataclasses import dataclass

import numpy as np

from rnnkit.errors import DataError
from rnnkit.forecasting.covariates import Wanted, check
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
        The frequency of the index, or of earlier data.
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

    def wanted(self, rows: np.ndarray, counts: np.ndarray, others: int = 0) -> Wanted:
        """Return the steps of some rows, of which covariates are needed.

        Parameters
        ----------
        rows : array of int, (N,)
        counts : array of int, (B,)
            The number of these rows in each series.
        others : int
            The number of rows after them that a table without time stamps may have.
        """
        stamps = None if self.stamps is None else self.stamps.values[rows]
        zone = None if self.stamps is None else self.stamps.zone
        more = np.full(len(counts), others)
        return Wanted(self.names, counts, more, False, stamps, zone)

    def place(self, row: int) -> str:
        """Return the name of the value in a row, for messages."""
        k = int(np.searchsorted(self.begins, row, 'right')) - 1
        if self.stamps is not None:
            return f'the value of {self.names[k]} at {self.stamps.text(row)}'
        return f'{self.names[k]}[{row - self.begins[k]}]'


def panel_of(where: str, raw: Raw, columns: Columns, trim: bool = True) -> Panel:
    """Return a panel of series that were passed, checked.

    Parameters
    ----------
    where : str
    raw : Raw
    columns : Columns
    trim : bool
        Whether to leave out the rows before the first value that is not missing.

    Raises
    ------
    DataError
        If time stamps are not regular, if a number is infinite, if a series has no values at all,
        or if a covariate is not finite.
    """
    frequency = None if raw.stamps is None else find(where, raw.stamps, raw.known)
    _check_finite(where, raw)
    firsts = _firsts(where, raw) if trim else raw.begins[:-1]
    lengths = raw.begins[1:] - firsts
    kept = np.repeat(firsts - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
    wanted = raw.wanted(kept, lengths)
    check(where, 'past', columns.past, raw.past[kept], wanted)
    check(where, 'future', columns.future, raw.future[kept], wanted)
    series = []
    for k, (first, n) in enumerate(zip(firsts.tolist(), lengths.tolist(), strict=True)):
        times = None
        if frequency is not None:
            times = Times(raw.stamps.values[first], frequency, n)  # type: ignore[union-attr]
        rows = slice(first, first + n)
        one = (raw.values[rows], raw.past[rows], raw.future[rows], raw.static[k])
        skipped = first - int(raw.begins[k])
        series.append(Series(raw.ids[k], raw.names[k], *one, times, skipped))
    return Panel(series, raw.form, columns, raw.categories)


def _firsts(where: str, raw: Raw) -> np.ndarray:
    """Return the row of the first value of each series that is not missing, (B,)."""
    there = np.flatnonzero(~np.isnan(raw.values))
    found = np.searchsorted(there, raw.begins)
    empty = found[1:] == found[:-1]
    if empty.any():
        name = raw.names[int(np.argmax(empty))]
        raise DataError(f'{where}: all values of {name} are missing')
    return there[found[:-1]]


def _check_finite(where: str, raw: Raw) -> None:
    wrong = np.isinf(raw.values)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f'{where}: {raw.place(row)} is {raw.values[row]}; numbers must be finite, or NaN '
            f'where they are missing'
        )
