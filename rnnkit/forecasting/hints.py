"""What users can do about rows that are not in order or missing, in their own library."""

from collections.abc import Callable

import numpy as np

from rnnkit.forecasting.frequency import Frequency

PANDAS_UNITS = {'m': 'min'}
POLARS_UNITS = {'D': 'd'}
ENDS = {'start': 'S', 'end': 'E'}

Fill = Callable[[Frequency], str]


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


def of_series(name: str) -> tuple[str, Fill]:
    """Return what sorts a Series of pandas, and what inserts its missing rows."""

    def fill(frequency: Frequency) -> str:
        if frequency.kind == 'integer':
            step = '' if frequency.count == 1 else f', {frequency.count}'
            return f'{name}.reindex(range({name}.index[0], {name}.index[-1] + 1{step}))'
        found = alias(frequency)
        return f'{name}.asfreq({found!r})' if found else ''

    return f'{name}.sort_index()', fill


def of_frame(name: str, library: str, id: object, time: object, target: object) -> tuple[str, Fill]:
    """Return what sorts a long frame, and what inserts its missing rows."""
    keys = [key for key in (id, time) if key is not None]

    def pandas(frequency: Frequency) -> str:
        found = alias(frequency)
        if not found:
            return ''
        if id is None:
            return f'{name}.set_index({time!r}).asfreq({found!r}).reset_index()'
        return (
            f'{name}.set_index({time!r}).groupby({id!r})[[{target!r}]].resample({found!r})'
            f'.asfreq().reset_index()'
        )

    def polars(frequency: Frequency) -> str:
        found = every(frequency)
        group = '' if id is None else f', group_by={id!r}, maintain_order=True'
        return f'{name}.upsample({time!r}, every={found!r}{group})' if found else ''

    if library == 'polars':
        return f'{name}.sort({", ".join(map(repr, keys))})', polars
    return f'{name}.sort_values({keys!r})', pandas


def text_of(stamp: np.ndarray | np.generic) -> str:
    """Return a stamp of datetime64 or an integer, without what is 0."""
    stamp = np.asarray(stamp).reshape(())
    if stamp.dtype.kind != 'M':
        return str(stamp)
    for unit in ('D', 'm', 's', 'ms', 'us'):
        if stamp.astype(f'M8[{unit}]') == stamp:
            return str(stamp.astype(f'M8[{unit}]')).replace('T', ' ')
    return str(stamp).replace('T', ' ')
