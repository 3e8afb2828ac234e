"""The step from one time stamp of a series to the next. NumPy only."""

from dataclasses import dataclass

import numpy as np

from rnnkit.forecasting import zones

MONTH_ANCHORS = ('start', 'end', 'business start', 'business end', 'day')
UNITS = {
    **{'D': 'day', 'h': 'hour', 'm': 'minute', 's': 'second', 'ms': 'millisecond'},
    **{'us': 'microsecond', 'ns': 'nanosecond'},
}


@dataclass(frozen=True)
class Frequency:
    """The step from one time stamp to the next.

    Attributes
    ----------
    kind : {'integer', 'fixed', 'month', 'business', 'foreign'}
        Integers; a fixed duration; months; days from Monday to Friday; or a frequency that only
        pandas knows, such as the third Friday of each month.
    count : int
        The number of integers, units of `unit`, months or days.
    unit : str
        Of a fixed duration, as NumPy names it: ``'D'``, ``'h'``, ``'m'``, ``'s'``, ``'ms'``...
    anchor : str
        The place of the stamps in a month: one of `MONTH_ANCHORS`.
    zone : str, optional
        The time zone of stamps, which are in UTC. Days and longer steps are those of its clocks.
    name : str
        The name of a foreign frequency.
    """

    kind: str
    count: int
    unit: str = ''
    anchor: str = ''
    zone: str | None = None
    name: str = ''

    @property
    def is_calendar(self) -> bool:
        """Whether a step is a number of days or months, which differ in length."""
        return self.kind != 'integer' and (self.kind != 'fixed' or self.unit == 'D')

    @property
    def step(self) -> np.timedelta64:
        """The duration of a step; of months about 30 days each."""
        if self.kind == 'month':
            return np.timedelta64(30 * self.count, 'D')
        return np.timedelta64(self.count, self.unit if self.kind == 'fixed' else 'D')

    def alike(self, other: 'Frequency') -> bool:
        """Return whether another frequency has the same step, perhaps at another day."""
        mine = (self.kind, self.count, self.unit, self.name)
        return mine == (other.kind, other.count, other.unit, other.name)

    def at(self, starts: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Return the stamps some steps after others.

        Parameters
        ----------
        starts : array of datetime64 or int
        steps : array of int
            Both are broadcast.
        """
        starts, steps = np.asarray(starts), np.asarray(steps)
        if self.zone is None or not self.is_calendar:
            return self.on_wall(starts, steps)
        return zones.to_utc(self.on_wall(zones.to_wall(starts, self.zone), steps), self.zone)

    def on_wall(self, starts: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Return the same for stamps as clocks show them."""
        if self.kind == 'integer':
            return starts + self.count * steps
        if self.kind == 'fixed':
            return starts + (self.count * steps).astype(f'm8[{self.unit}]')
        days = starts.astype('M8[D]')
        of_day = starts - days
        if self.kind == 'business':
            return np.busday_offset(days, self.count * steps, roll='backward') + of_day
        if self.kind == 'foreign':
            return self._foreign(starts, steps)
        months = days.astype('M8[M]')
        day = (days - months.astype('M8[D]')) if self.anchor == 'day' else np.timedelta64(0, 'D')
        return anchored(months + (self.count * steps).astype('m8[M]'), self.anchor, day) + of_day

    def _foreign(self, starts: np.ndarray, steps: np.ndarray) -> np.ndarray:
        from rnnkit.integrations import tables

        starts, steps = np.broadcast_arrays(starts, steps)
        found = np.empty(starts.shape, starts.dtype)
        for start in np.unique(starts):
            here = starts == start
            found[here] = tables.stamps_after(start, self.name, int(steps.max()))[steps[here]]
        return found

    def wall(self, stamps: np.ndarray) -> np.ndarray:
        """Return some stamps as clocks show them."""
        return zones.to_wall(stamps, self.zone)

    def __str__(self) -> str:
        if self.kind == 'foreign':
            return repr(self.name)
        if self.kind == 'integer':
            return str(self.count)
        count, word = self.count, UNITS.get(self.unit, 'business day')
        if self.unit == 'D' and not count % 7:
            count, word = count // 7, 'week'
        if self.kind == 'month':
            word = 'month'
            if not count % 12:
                count, word = count // 12, 'year'
        return f'{count} {word}{"s" * (count > 1)}'


def fixed(step: np.timedelta64, zone: str | None, of_clocks: bool = True) -> Frequency:
    """Return the frequency of a fixed duration.

    Parameters
    ----------
    step : timedelta64
    zone : str, optional
    of_clocks : bool
        Whether whole days are those of the zone's clocks, and not 24 hours.
    """
    units = [unit for unit in UNITS if of_clocks or zone is None or unit != 'D']
    unit = next(unit for unit in units if not step % np.timedelta64(1, unit))
    return Frequency('fixed', int(step / np.timedelta64(1, unit)), unit, zone=zone)


def anchored(months: np.ndarray, anchor: str, day: np.ndarray | np.timedelta64) -> np.ndarray:
    """Return the day in each month at an anchor, as datetime64[D]."""
    first = months.astype('M8[D]')
    if anchor in ('start', 'day'):
        return first + day
    if anchor == 'business start':
        return np.busday_offset(first, 0, roll='forward')
    last = (months + np.timedelta64(1, 'M')).astype('M8[D]') - np.timedelta64(1, 'D')
    return last if anchor == 'end' else np.busday_offset(last, 0, roll='backward')
