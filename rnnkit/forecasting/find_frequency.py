"""Find the frequency of time stamps, or say where they are not regular. NumPy only."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from rnnkit.errors import DataError
from rnnkit.forecasting.frequency import MONTH_ANCHORS, Frequency, anchored, fixed
from rnnkit.forecasting.hints import Fill
from rnnkit.forecasting.zones import text_of, to_wall

ONE_DAY = np.timedelta64(1, 'D')
MONTH = np.timedelta64(28, 'D')  # at least
SEVERAL = '; if the rows are of several series, name the column of their ids by id='


@dataclass(frozen=True)
class Stamps:
    """The time stamps of one or many series, end to end.

    Attributes
    ----------
    values : array of datetime64 or int64, (N,)
        In UTC, if there is a time zone.
    begins : array of int, (B + 1,)
        The row at which each series begins; the last number is where the last one ends.
    zone : str or None
    name_of : callable
        From the number of a series to its name, for messages.
    calls : callable
        From the number of a series to the call that sorts its rows, and a function from a frequency
        to the call that inserts missing ones, or to an empty str; for messages.
    one : bool
        Whether the rows are said to be of a single series.
    """

    values: np.ndarray
    begins: np.ndarray
    zone: str | None
    name_of: Callable[[int], str]
    calls: Callable[[int], tuple[str, Fill]]
    one: bool = False

    @property
    def wall(self) -> np.ndarray:
        """The stamps as clocks show them."""
        return to_wall(self.values, self.zone)

    def pairs(self) -> np.ndarray:
        """Return the rows whose next row is of the same series."""
        follows = np.ones(len(self.values), bool)
        follows[self.begins[1:] - 1] = False
        return np.flatnonzero(follows)

    def series_of(self, row: int) -> int:
        """Return the number of the series of a row."""
        return int(np.searchsorted(self.begins, row, 'right')) - 1

    def text(self, row: int) -> str:
        """Return a stamp, for messages."""
        return text_of(self.values[row], self.zone)

    def of(self, k: int) -> 'Stamps':
        """Return the stamps of one series."""
        begin, end = self.begins[k], self.begins[k + 1]
        return replace(self, values=self.values[begin:end], begins=np.array([0, end - begin]))


def find(where: str, stamps: Stamps, known: Frequency | None) -> Frequency:
    """Return the frequency that all series have.

    Parameters
    ----------
    where : str
    stamps : Stamps
    known : Frequency, optional
        The one that the user's index names, or that of earlier data.

    Raises
    ------
    DataError
        If the stamps of a series do not rise, if one is missing or twice, if the series have
        different frequencies, or if there is only one row in each of them.
    """
    rows = stamps.pairs()
    _check_order(where, stamps, rows)
    if known is not None:
        ranked = [(_explains(known, stamps, rows), known)]
    elif not len(rows):
        raise DataError(
            f'{where}: the frequency of the time stamps is unknown, because no series has two '
            f'rows; pass more rows, or the values without time stamps, as an array'
        )
    else:
        ranked = [(_explains(f, stamps, rows), f) for f in _candidates(stamps, rows)]
    explained, best = max(ranked, key=lambda one: one[0].sum())
    if not explained.all():
        raise _irregular(where, stamps, rows, best, int(np.argmin(explained)))
    _check_starts(where, stamps, best)
    return best


def _check_order(where: str, stamps: Stamps, rows: np.ndarray) -> None:
    wrong = rows[stamps.values[rows + 1] <= stamps.values[rows]]
    if not len(wrong):
        return
    row = int(wrong[0])
    k = stamps.series_of(row)
    name, several = stamps.name_of(k), SEVERAL * stamps.one
    mine = stamps.of(k).values
    unique, counts = np.unique(mine, return_counts=True)
    if (counts > 1).any():
        twice = int(np.flatnonzero(mine == unique[counts > 1][0])[0] + stamps.begins[k])
        raise DataError(
            f'{where}: {name} has {counts[counts > 1][0]} rows at {stamps.text(twice)}; there '
            f'must be one row for each time{several}'
        )
    raise DataError(
        f'{where}: the rows of {name} are not sorted by time: {stamps.text(row + 1)} comes after '
        f'{stamps.text(row)}; sort them by {stamps.calls(k)[0]}{several}'
    )


def _check_starts(where: str, stamps: Stamps, frequency: Frequency) -> None:
    """Raise a DataError if a series does not begin at a day of the frequency."""
    if not frequency.is_calendar:
        return
    starts = frequency.wall(stamps.values[stamps.begins[:-1]])
    right = frequency.on_wall(starts, np.zeros(len(starts), int)) == starts
    if not right.all():
        k = int(np.argmin(right))
        raise DataError(
            f'{where}: {stamps.name_of(k)} begins at {stamps.text(int(stamps.begins[k]))}, which '
            f'is not at the {frequency.anchor or "right day"} of {frequency}'
        )


def _explains(frequency: Frequency, stamps: Stamps, rows: np.ndarray) -> np.ndarray:
    """Return for which rows the next one is one step later, array of bool."""
    values = stamps.wall if frequency.is_calendar else stamps.values
    return frequency.on_wall(values[rows], np.ones(1, int)) == values[rows + 1]


def _candidates(stamps: Stamps, rows: np.ndarray) -> Iterator[Frequency]:
    """Yield frequencies that the stamps may have; the first of equally good ones is taken."""
    values = stamps.values
    apart = _most_common(np.diff(values)[rows])
    if values.dtype.kind != 'M':
        yield Frequency('integer', int(apart))
        return
    exact = fixed(apart, stamps.zone, of_clocks=False)
    if apart >= ONE_DAY - np.timedelta64(1, 'h'):  # a day may have 23 hours
        wall = stamps.wall
        apart = _most_common(np.diff(wall)[rows])
        if apart >= MONTH:
            yield from _monthly(wall, rows, stamps.zone)
        if not apart % ONE_DAY:
            yield fixed(apart, stamps.zone)
            if np.is_busday(wall.astype('M8[D]')).all():
                yield Frequency('business', int(apart / ONE_DAY), zone=stamps.zone)
    yield exact


def _monthly(wall: np.ndarray, rows: np.ndarray, zone: str | None) -> Iterator[Frequency]:
    days = wall.astype('M8[D]')
    months = days.astype('M8[M]')
    count = int(_most_common(np.diff(months)[rows]).astype(int))
    inside = days - months.astype('M8[D]')
    for anchor in MONTH_ANCHORS:
        if count >= 1 and (anchored(months, anchor, inside[0]) == days).all():
            yield Frequency('month', count, anchor=anchor, zone=zone)


def _most_common(values: np.ndarray) -> np.generic:
    """Return the most common value; of several the least."""
    unique, counts = np.unique(values, return_counts=True)
    return unique[counts.argmax()]


def _irregular(
    where: str, stamps: Stamps, rows: np.ndarray, frequency: Frequency, k: int
) -> DataError:
    """Return the error for the k-th pair of rows, which is not one step apart."""
    row = int(rows[k])
    series = stamps.series_of(row)
    name = stamps.name_of(series)
    mine = _of_one(stamps.of(series)) if len(stamps.begins) > 2 else None
    if mine is not None and not mine.alike(frequency):
        return DataError(
            f'{where}: {name} has a step of {mine} between its time stamps, other series one of '
            f'{frequency}; all must have the same frequency'
        )
    fill = stamps.calls(series)[1](frequency)
    expected = text_of(frequency.at(stamps.values[row], np.asarray(1)), frequency.zone)
    return DataError(
        f'{where}: {name} has a gap in its time stamps: {stamps.text(row)} is followed by '
        f'{stamps.text(row + 1)}, not by {expected} (the step is {frequency}); insert the missing '
        f'rows, with NaN as the value{fill and ", such as by "}{fill}{SEVERAL * stamps.one}'
    )


def _of_one(stamps: Stamps) -> Frequency | None:
    """Return the frequency of a single series of at least three rows, if it is regular."""
    rows = stamps.pairs()
    if len(rows) < 2:
        return None
    return next((f for f in _candidates(stamps, rows) if _explains(f, stamps, rows).all()), None)
