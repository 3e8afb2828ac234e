"""The frequencies that pandas names, such as ``'ME'`` or ``'2W-SUN'``."""

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


def of_name(name: str, zone: str | None, period: bool = False) -> Frequency:
    """Return the frequency of a name.

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
