"""Wall-clock times of a time zone, for arrays of datetime64, and their text."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from re import fullmatch
from zoneinfo import ZoneInfo

import numpy as np

DAY = np.timedelta64(1, 'D')


@lru_cache(maxsize=64)
def zone_of(name: str) -> tzinfo:
    """Return a time zone by its name, such as ``'Europe/Berlin'`` or ``'UTC+02:00'``.

    Raises
    ------
    KeyError
        If there is no such time zone.
    """
    found = fullmatch(r'(?:UTC)?([+-])(\d\d):(\d\d)', name)
    if found:
        sign, hours, minutes = found.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        return timezone(-offset if sign == '-' else offset)
    if name.upper() == 'UTC':
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError) as error:
        raise KeyError(name) from error


def to_wall(utc: np.ndarray, name: str | None) -> np.ndarray:
    """Return the times that clocks of a time zone show at some times.

    Parameters
    ----------
    utc : array of datetime64
    name : str or None
        None for times without a zone, or integers, which stay.

    Returns
    -------
    wall : array of datetime64 of the same unit
    """
    if name is None:
        return utc
    zone = zone_of(name)

    def offset(stamp: datetime) -> timedelta | None:
        return stamp.replace(tzinfo=UTC).astimezone(zone).utcoffset()

    times = utc.ravel()
    days, place = np.unique(times.astype('M8[D]'), return_inverse=True)
    before, after = _of_each(days, offset), _of_each(days + DAY, offset)
    shift = before[place]
    changing = (before != after)[place]
    if changing.any():  # clocks change on these days, at a quarter of an hour of UTC
        quarters, place = np.unique(times[changing].astype('M8[15m]'), return_inverse=True)
        shift[changing] = _of_each(quarters, offset)[place]
    return (times + shift).reshape(utc.shape)


def to_utc(wall: np.ndarray, name: str) -> np.ndarray:
    """Return the times at which clocks of a time zone show `wall`.

    Of two such times the first is taken. A time that a clock skips is taken as if it did not.
    """
    zone = zone_of(name)
    stamps, place = np.unique(wall, return_inverse=True)
    shift = _of_each(stamps, lambda stamp: stamp.replace(tzinfo=zone).utcoffset())
    return wall - shift[place].reshape(wall.shape)


def text_of(stamp: np.ndarray | np.generic, name: str | None = None) -> str:
    """Return a time as clocks of a time zone show it, without parts that are 0; or an integer."""
    wall = to_wall(np.asarray(stamp).reshape(()), name)
    if wall.dtype.kind != 'M':
        return str(wall)
    for unit in ('D', 'm', 's', 'ms', 'us'):
        if wall.astype(f'M8[{unit}]') == wall:
            return str(wall.astype(f'M8[{unit}]')).replace('T', ' ')
    return str(wall).replace('T', ' ')


def _of_each(stamps: np.ndarray, offset: Callable[[datetime], timedelta | None]) -> np.ndarray:
    """Return the offsets from UTC at some times, (n,)."""
    found = [offset(stamp) or timedelta() for stamp in stamps.astype('M8[s]').tolist()]
    return np.array([round(one.total_seconds()) for one in found], 'm8[s]')
