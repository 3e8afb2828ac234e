"""Wall-clock times of a time zone, for arrays of datetime64."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from re import fullmatch
from zoneinfo import ZoneInfo

import numpy as np

QUARTER = np.timedelta64(15, 'm')  # clocks change at quarters of an hour of UTC
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


def to_wall(utc: np.ndarray, name: str) -> np.ndarray:
    """Return what clocks of a time zone show at some times.

    Parameters
    ----------
    utc : array of datetime64
    name : str

    Returns
    -------
    wall : array of datetime64 of the same unit
    """
    zone = zone_of(name)

    def offset(stamp: datetime) -> timedelta | None:
        return stamp.replace(tzinfo=UTC).astimezone(zone).utcoffset()

    days, place = np.unique(utc.astype('M8[D]'), return_inverse=True)
    before, after = _of_each(days, offset), _of_each(days + DAY, offset)
    shift = before[place].reshape(utc.shape)
    changing = (before != after)[place].reshape(utc.shape)
    if changing.any():  # the clock changes on these days
        quarters, place = np.unique(utc[changing].astype('M8[15m]'), return_inverse=True)
        shift[changing] = _of_each(quarters, offset)[place]
    return utc + shift


def to_utc(wall: np.ndarray, name: str) -> np.ndarray:
    """Return the times at which clocks of a time zone show `wall`.

    Of two such times the first is taken. A time that a clock skips is taken as if it did not.
    """
    zone = zone_of(name)
    stamps, place = np.unique(wall, return_inverse=True)
    shift = _of_each(stamps, lambda stamp: stamp.replace(tzinfo=zone).utcoffset())
    return wall - shift[place].reshape(wall.shape)


def _of_each(stamps: np.ndarray, offset: Callable[[datetime], timedelta | None]) -> np.ndarray:
    """Return the offsets from UTC at some times, (n,)."""
    found = [offset(stamp) or timedelta() for stamp in stamps.astype('M8[s]').tolist()]
    return np.array([round(one.total_seconds()) for one in found], 'm8[s]')
