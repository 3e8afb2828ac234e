"""Tables in HTML, for notebooks.

They have no colours, so that they look like the notebook's own, be it light or dark. All text is
escaped, and mathematics in it is left alone: ``$`` may be part of a name.
"""

import math
from collections.abc import Iterable, Sequence
from functools import partial
from html import escape as escaped

MOST = 20  # rows of a table
escape = partial(escaped, quote=False)  # no text here is that of an attribute
PLAIN = 'class="tex2jax_ignore mathjax_ignore"'


def table(
    head: Sequence[str], rows: Iterable[Sequence[object] | None], texts: int = 1, note: str = ''
) -> str:
    """Return a table.

    Parameters
    ----------
    head : sequence of str
        The titles of the columns.
    rows : iterable of sequences
        The cells of each row, from `cut`: None says that rows are left out there.
    texts : int
        How many columns, from the first one on, are to the left; others are numbers, to the right.
    note : str
        What stands in place of rows that are left out.

    Examples
    --------
    >>> table(['name', 'n'], [('a<b', 3)]).count('&lt;')
    1
    """
    lines = [f'<table {PLAIN}>', f'<thead>{_row(head, texts, "th")}</thead>', '<tbody>']
    for row in rows:
        if row is None:
            lines.append(
                f'<tr><td colspan="{len(head)}" style="text-align: left">'
                f'{escape(f"… {note}".strip())}</td></tr>'
            )
        else:
            lines.append(_row(row, texts, 'td'))
    return '\n'.join([*lines, '</tbody>', '</table>'])


def line(text: str, title: str = '') -> str:
    """Return a line of text, which may begin with a title in bold type."""
    bold = f'<strong>{escape(title)}</strong> ' if title else ''
    return f'<div {PLAIN}>{bold}{escape(text)}</div>'


def block(*parts: str) -> str:
    """Return lines and tables, one below the other."""
    return '\n'.join(['<div>', *filter(None, parts), '</div>'])


def cut(n: int, most: int = MOST) -> list[int | None]:
    """Return the numbers of the rows that are shown of `n`, with None where some are left out.

    Examples
    --------
    >>> cut(3), cut(1000, most=6)
    ([0, 1, 2], [0, 1, 2, None, 998, 999])
    """
    if n <= most:
        return list(range(n))
    first = most // 2
    return [*range(first), None, *range(n - (most - first - 1), n)]


def left_out(n: int, noun: str, most: int = MOST) -> str:
    """Return how many rows of `n` are left out.

    Examples
    --------
    >>> left_out(1000, 'layers', most=6)
    '995 more layers'
    """
    return f'{n - most + 1:,} more {noun}'


def number(value: float, form: str = '.4g') -> str:
    """Return a number for a cell.

    Examples
    --------
    >>> number(0.123456), number(1234567.8), number(float('nan'))
    ('0.1235', '1,234,568', '–')
    """
    if math.isnan(value):
        return '–'
    return f'{value:,.0f}' if 1e4 <= abs(value) < 1e15 else format(value, form)


def _row(cells: Iterable[object], texts: int, tag: str) -> str:
    sides = (f'text-align: {"left" if k < texts else "right"}' for k, _ in enumerate(cells))
    inner = (
        f'<{tag} style="{side}">{escape(str(cell))}</{tag}>'
        for side, cell in zip(sides, cells, strict=True)
    )
    return f'<tr>{"".join(inner)}</tr>'
