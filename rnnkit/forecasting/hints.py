"""Calls that sort rows and insert missing ones, in the user's own library, for messages."""

from collections.abc import Callable

from rnnkit.forecasting.frequency import Frequency
from rnnkit.forecasting.frequency_names import alias, every

Fill = Callable[[Frequency], str]


def of_series(name: str) -> tuple[str, Fill]:
    """Return the call that sorts a Series of pandas, and those that insert its missing rows."""

    def fill(frequency: Frequency) -> str:
        if frequency.kind == 'integer':
            step = '' if frequency.count == 1 else f', {frequency.count}'
            return f'{name}.reindex(range({name}.index[0], {name}.index[-1] + 1{step}))'
        found = alias(frequency)
        return f'{name}.asfreq({found!r})' if found else ''

    return f'{name}.sort_index()', fill


def of_frame(name: str, library: str, id: object, time: object, target: object) -> tuple[str, Fill]:
    """Return the call that sorts a long frame, and those that insert its missing rows."""
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
