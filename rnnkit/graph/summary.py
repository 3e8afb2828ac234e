"""A network as a table."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from rnnkit.common import html
from rnnkit.common.output_names import MAIN, join
from rnnkit.graph.graph import Graph
from rnnkit.layers import Layer

HEAD = ('layer', 'form', 'output', 'parameters', 'count')


class Summary(str):
    """The table of a network as text, which a notebook shows as HTML.

    Attributes
    ----------
    html : str
    """

    html: str

    def __new__(cls, text: str, html: str = '') -> Self:
        """Return a str that has its HTML beside it."""
        made = super().__new__(cls, text)
        made.html = html
        return made

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self.html


@dataclass
class Rows:
    """The rows of the table, one for each layer, and how many parameters there are.

    Parameters
    ----------
    graph : Graph
    leading : tuple of str
        The names of the axes before the features, in the user's order.
    frozen : collection of str
        The names of the parameters that are not trained.
    """

    graph: Graph
    leading: tuple[str, str]
    frozen: Collection[str] = ()

    def __post_init__(self):
        self.with_time = any(self.graph.plan.clocks.values())
        self.total = self.n_fixed = self.n_measured = 0
        self.rows = [self._row(layer) for layer in self.graph.layers]

    def _row(self, layer: Layer) -> tuple[str, str, str, list[str], str]:
        shapes = {n: p.get_value(borrow=True).shape for n, p in layer.params.items()}
        counts = {n: int(np.prod(s)) for n, s in shapes.items()}
        fixed = {n for n, p in layer.params.items() if p.name in self.frozen} - {*layer.measured}
        self.total += (count := sum(counts.values()))
        self.n_fixed += sum(counts[n] for n in fixed)
        self.n_measured += sum(counts[n] for n in layer.measured)
        params = list(_params(layer, shapes, fixed))
        return layer.name, layer.form, self._shape(layer), params, f'{count:,}'

    def cells(self, k: int, joint: str) -> tuple[str, ...]:
        """Return a row as text, with the parameters joined by some text."""
        name, form, shape, params, count = self.rows[k]
        return name, form, shape, joint.join(params), count

    def _shape(self, layer: Layer) -> str:
        """Return the shape of the output, in letters and numbers."""
        graph = self.graph
        clock = graph.plan.clock_of(join(layer.name), graph.by_name)
        names = self.leading if clock else ('batch' if self.with_time else 'examples',)
        axes = [name[0].upper() for name in names]
        if layer.name not in graph.plan.words:
            axes.append(str(layer.output_size(MAIN)))
        return f'({", ".join(axes)})'

    @property
    def amount(self) -> str:
        """How many parameters there are, and how many of them are not trained."""
        text = f'{self.total:,} parameters'
        text += f', {self.n_fixed:,} of them frozen' if self.n_fixed else ''
        return text + (f', {self.n_measured:,} of them measured' if self.n_measured else '')


def _params(layer: Layer, shapes: dict[str, tuple[int, ...]], fixed: set[str]) -> Iterator[str]:
    """Yield the names and shapes of the parameters of a layer, and which are not trained."""
    whole = len(fixed) == len(shapes) - len(layer.measured)
    ends = {n: '' if whole or n not in fixed else ' frozen' for n in shapes}
    texts = {n: f'{n} {"x".join(map(str, s))}{ends[n]}' for n, s in shapes.items()}
    yield from (text for n, text in texts.items() if n not in layer.measured)
    if fixed and whole:
        yield '(frozen)'
    if own := [text.rstrip() for n, text in texts.items() if n in layer.measured]:
        yield f'measured: {"  ".join(own)}'


def table(rows: Rows, title: str, settings: Collection[str] = ()) -> Summary:
    """Return the layers, their outputs and their parameters, one line for each layer.

    Parameters
    ----------
    rows : Rows
    title : str
        A name of the network.
    settings : collection of str
        What else the HTML says.
    """
    dtype = rows.graph.dtype
    n = len(rows.rows)
    lines = _aligned([HEAD, *(rows.cells(k, '  ') for k in range(n))])
    text = '\n'.join([*lines, f'{title}, {rows.amount}, {dtype}'])
    shown = (None if k is None else rows.cells(k, ', ') for k in html.cut(n))
    page = html.block(
        html.line(', '.join([rows.amount, *settings, dtype]), f'{title}:'),
        html.table(HEAD, shown, 4, html.left_out(n, 'layers')),
        html.line(_letters(rows)),
    )
    return Summary(text, page)


def _letters(rows: Rows) -> str:
    """Return what the letters of shapes stand for."""
    names = rows.leading if rows.with_time else ('examples',)
    words = {'time': 'time steps', 'batch': 'examples in a batch', 'examples': 'examples'}
    return ', '.join(f'{name[0].upper()}: {words[name]}' for name in names)


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = [
        '  '.join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    lines.insert(1, '-' * max(map(len, lines)))
    return lines
