"""The time stamps of a series, those after its end, and their place in the calendar."""

from dataclasses import dataclass, replace

import numpy as np

from rnnkit.forecasting.frequency import Frequency
from rnnkit.forecasting.zones import text_of

MONTH, DAY, HOUR, MINUTE = (np.timedelta64(1, unit) for unit in 'MDhm')


@dataclass(frozen=True)
class Times:
    """The time stamps of a series, which are regular.

    Attributes
    ----------
    start : datetime64 or int
        The first stamp; in UTC, if there is a time zone.
    frequency : Frequency
    n : int
        The number of stamps.
    """

    start: np.generic
    frequency: Frequency
    n: int

    def stamps(self, begin: int, steps: int) -> np.ndarray:
        """Return some stamps from the one with the number `begin` on, in UTC, (steps,)."""
        return self.frequency.at(np.asarray(self.start), np.arange(begin, begin + steps))

    def walls(self, begin: int, steps: int) -> np.ndarray:
        """Return the same stamps as clocks show them, (steps,)."""
        if not self.frequency.is_calendar:
            return self.frequency.wall(self.stamps(begin, steps))
        start = self.frequency.wall(np.asarray(self.start))
        return self.frequency.on_wall(start, np.arange(begin, begin + steps))

    def ahead(self, horizon: int) -> np.ndarray:
        """Return the stamps after the last one, as clocks show them, (horizon,)."""
        return self.walls(self.n, horizon)

    def at(self, i: int) -> np.generic:
        """Return the stamp with the number i, which may be after the last one."""
        return self.walls(i, 1)[0]

    def text(self, i: int) -> str:
        """Return the stamp with the number i, for messages."""
        return text_of(self.at(i))

    def from_step(self, begin: int, n: int) -> 'Times':
        """Return `n` stamps from the one with the number `begin` on."""
        return replace(self, start=self.stamps(begin, 1)[0], n=n)

    @property
    def calendar_names(self) -> tuple[str, ...]:
        """The names of the features of `calendar`."""
        return calendar_names(self.frequency)

    def calendar(self, begin: int, steps: int) -> np.ndarray:
        """Return the place of some stamps in day, week, month and year.

        Parameters
        ----------
        begin : int
            The number of the first stamp, which may be after the last one.
        steps : int

        Returns
        -------
        features : array of float64, (steps, C)
            A sine and a cosine for each cycle, from -1 to 1.
        """
        cycles = cycles_of(self.frequency)
        wall = self.walls(begin, steps) if cycles else None
        angles = [2 * np.pi * CYCLES[name](wall) for name in cycles]
        pairs = [turn(angle) for angle in angles for turn in (np.sin, np.cos)]
        return np.stack(pairs, axis=1) if pairs else np.empty((steps, 0))


def stamps_ahead(times: list[Times | None], horizon: int) -> np.ndarray:
    """Return the stamps after the end of each of B series, in UTC, end to end, (B horizon,)."""
    there = [one for one in times if one is not None]
    starts, ends = np.array([one.start for one in there]), np.array([one.n for one in there])
    return there[0].frequency.at(starts[:, None], ends[:, None] + np.arange(horizon)).ravel()


def calendar_names(frequency: Frequency) -> tuple[str, ...]:
    """Return the names of the features of the calendar for a frequency."""
    return tuple(f'{name} {turn}' for name in cycles_of(frequency) for turn in ('sin', 'cos'))


def cycles_of(frequency: Frequency) -> tuple[str, ...]:
    """Return the cycles that are longer than a step, from the shortest to the longest."""
    if frequency.kind == 'integer':
        return ()
    step = frequency.step
    names = [name for name, longest in LONGEST.items() if step <= longest]
    return tuple(names)


def _of_minute(wall: np.ndarray) -> np.ndarray:
    return (wall - wall.astype('M8[m]')) / MINUTE


def _of_hour(wall: np.ndarray) -> np.ndarray:
    return (wall - wall.astype('M8[h]')) / HOUR


def _of_day(wall: np.ndarray) -> np.ndarray:
    return (wall - wall.astype('M8[D]')) / DAY


def _of_week(wall: np.ndarray) -> np.ndarray:
    days = wall.astype('M8[D]').astype(int) + 3  # 1970 began on a Thursday; weeks on a Monday
    return (days % 7) / 7


def _of_month(wall: np.ndarray) -> np.ndarray:
    months = wall.astype('M8[M]')
    first, next_one = months.astype('M8[D]'), (months + MONTH).astype('M8[D]')
    return (wall.astype('M8[D]') - first) / (next_one - first)


def _of_year(wall: np.ndarray) -> np.ndarray:
    return (wall.astype('M8[M]').astype(int) % 12 + _of_month(wall)) / 12


# The share of each cycle that has passed.
CYCLES = {
    'second of minute': _of_minute,
    'minute of hour': _of_hour,
    'hour of day': _of_day,
    'day of week': _of_week,
    'day of month': _of_month,
    'month of year': _of_year,
}
# The longest step at which a cycle is useful.
LONGEST = {
    'second of minute': np.timedelta64(30, 's'),
    'minute of hour': np.timedelta64(30, 'm'),
    'hour of day': np.timedelta64(12, 'h'),
    'day of week': np.timedelta64(3, 'D'),
    'day of month': np.timedelta64(10, 'D'),
    'month of year': np.timedelta64(190, 'D'),
}
