"""The names of frequencies in pandas, such as ``'ME'`` or ``'2W-SUN'``, and in polars."""

from re import fullmatch

import numpy as np

from rnnkit.forecasting.frequency import Frequency, fixed

UNITS = {
    **{'D': (1, 'D'), 'W': (7, 'D'), 'h': (1, 'h'), 'H': (1, 'h'), 'min': (1, 'm'), 'T': (1, 'm')},
    **{'s': (1, 's'), 'S': (1, 's'), 'ms': (1, 'ms'), 'L': (1, 'ms'), 'us': (1, 'us')},
    **{'U': (1, 'us'), 'ns': (1, 'ns'), 'N': (1, 'ns')},
}
MONTHS = {'M': 1, 'Q': 3, 'Y': 12, 'A': 12}
ANCHORS = {'S': 'start', 'E': 'end', '': 'end'}
ENDS = {'start': 'S', 'end': 'E'}
PANDAS_UNITS = {'m': 'min'}
POLARS_UNITS = {'D': 'd'}


def of_name(name: str, zone: str | None, period: bool = False) -> Frequency:
    """Return the frequency that pandas gives a name.

    Parameters
    ----------
    name : str
        As pandas writes it.
    zone : str, optional
    period : bool
        Whether the stamps are the first moments of periods.
    """
    found = fullmatch(r'(\d*)([A-Za-z]+)(-\w+)?', name)
    count, word = (int(found[1] or 1), found[2]) if found else (1, '')
    if word in UNITS:
        size, of = UNITS[word]
        return fixed(np.timedelta64(size * count, of), zone, of == 'D')
    if word == 'B':
        return Frequency('business', count, zone=zone)
    monthly = fullmatch(r'(B?)([MQYA])([SE]?)', word)
    if monthly:
        anchor = 'start' if period else ANCHORS[monthly[3]]
        anchor = f'business {anchor}' if monthly[1] else anchor
        return Frequency('month', MONTHS[monthly[2]] * count, anchor=anchor, zone=zone)
    return Frequency('foreign', 1, zone=zone, name=name)


def alias(frequency: Frequency) -> str | None:
    """Return the name of a frequency in pandas, or None if it has none.

    Examples
    --------
    >>> alias(Frequency('fixed', 15, 'm')), alias(Frequency('month', 3, anchor='business end'))
    ('15min', '3BME')
    """
    count = '' if frequency.count == 1 else str(frequency.count)
    if frequency.kind == 'fixed':
        return count + PANDAS_UNITS.get(frequency.unit, frequency.unit)
    if frequency.kind == 'business':
        return f'{count}B'
    if frequency.kind == 'month':
        business, _, end = f' {frequency.anchor}'.rpartition(' ')
        return None if end == 'day' else f'{count}{"B" if business.strip() else ""}M{ENDS[end]}'
    return frequency.name or None


def every(frequency: Frequency) -> str | None:
    """Return the name of a frequency in polars, or None if it has none."""
    if frequency.kind == 'fixed':
        return f'{frequency.count}{POLARS_UNITS.get(frequency.unit, frequency.unit)}'
    at_start = frequency.kind == 'month' and frequency.anchor in ('start', 'day')
    return f'{frequency.count}mo' if at_start else None
