"""The table of a history that a notebook shows."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rnnkit.common import html

Record = Mapping[str, object]

LAST = 10  # epochs that are shown, and best ones before them
STAR = ' ★'


class Epochs(Protocol):
    """The part of a history that the table shows."""

    @property
    def columns(self) -> list[str]:
        """The names of all columns."""

    def __len__(self) -> int: ...

    def __getitem__(self, k: int) -> dict[str, Any]: ...

    def best(self) -> list[dict[str, Any]]:
        """Return the records of the best validations."""


def of(history: Epochs) -> str:
    """Return the last epochs, and the best ones before them, as a table."""
    n = len(history)
    if not n:
        return html.line('no epoch yet', 'History:')
    records = [history[k] for k in range(n)]
    best = {id(record) for record in history.best()[-LAST:]}
    shown = [k for k in range(n) if k >= n - LAST or id(records[k]) in best]
    columns = _columns(history.columns, records, shown)
    rows, before = [], -1
    for k in shown:
        if k > before + 1:
            rows.append(['⋮'] * len(columns))
        cells = [_cell(records[k].get(name)) for name in columns]
        cells[columns.index('epoch') if 'epoch' in columns else 0] += STAR * (
            id(records[k]) in best
        )
        rows.append(cells)
        before = k
    note = f'{n:,} epoch{"s" * (n > 1)}' + f';{STAR} best validation' * bool(best)
    return html.block(html.line(note, 'History:'), html.table(columns, rows, texts=0))


def _columns(names: Sequence[str], records: Sequence[Record], shown: Sequence[int]) -> list[str]:
    """Return the columns that say something: none that is empty, or the same as another one."""
    left_out = {'training'} if len({record.get('training') for record in records}) == 1 else set()
    for start in ('', 'valid_', 'training_'):  # without regularizers the error is the loss
        if all(r.get(f'{start}err') == r.get(f'{start}loss') for r in records):
            left_out.add(f'{start}err')
    found = [name for name in names if any(records[k].get(name) is not None for k in shown)]
    found.sort(key=lambda name: name == 'seconds')  # the last one
    return [name for name in found if name not in left_out] or found


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f'{value:.4g}'
    return '' if value is None else str(value)
