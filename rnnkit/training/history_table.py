"""The table of a history: as text, and as a notebook shows it."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rnnkit.common import html

Record = Mapping[str, object]

LAST = 10  # epochs that are shown, and best ones before them
STAR, GAP = ' ★', '⋮'


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
    """Return the last epochs, and the best ones before them, as a table in HTML."""
    if not len(history):
        return html.line('no epoch yet', 'History:')
    columns, rows, note = _table(history)
    return html.block(html.line(note, 'History:'), html.table(columns, rows, texts=0))


def text(history: Epochs) -> str:
    """Return the same table as lines of text, in characters that each terminal has."""
    if not len(history):
        return 'History: no epoch yet'
    columns, rows, note = _table(history, ' *', '...')
    lines = [columns, *rows]
    widths = [max(len(line[k]) for line in lines) for k in range(len(columns))]
    shown = ['  '.join(map(str.rjust, line, widths)).rstrip() for line in lines]
    return '\n'.join([f'History: {note}', *shown])


def _table(
    history: Epochs, star: str = STAR, gap: str = GAP
) -> tuple[list[str], list[list[str]], str]:
    """Return the names of columns, the cells of rows, and a line about them."""
    n = len(history)
    records = [history[k] for k in range(n)]
    best = {id(record) for record in history.best()[-LAST:]}
    shown = [k for k in range(n) if k >= n - LAST or id(records[k]) in best]
    columns = _columns(history.columns, records, shown)
    rows, before = [], -1
    for k in shown:
        if k > before + 1:
            rows.append([gap] * len(columns))
        cells = [_cell(records[k].get(name)) for name in columns]
        if id(records[k]) in best:
            cells[columns.index('epoch') if 'epoch' in columns else 0] += star
        rows.append(cells)
        before = k
    return columns, rows, f'{n:,} epoch{"s" * (n > 1)}' + f';{star} best validation' * bool(best)


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
