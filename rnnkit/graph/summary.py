"""A network as a table."""

from collections.abc import Collection

import numpy as np

from rnnkit.common.output_names import MAIN, join
from rnnkit.graph.graph import Graph


def table(graph: Graph, leading: tuple[str, str], title: str, frozen: Collection[str] = ()) -> str:
    """Return the layers, their outputs and their parameters, one line for each layer.

    Parameters
    ----------
    graph : Graph
    leading : tuple of str
        The names of the axes before the features, in the user's order.
    title : str
        A name of the network, for the last line.
    frozen : collection of str
        The names of the parameters that are not trained.
    """
    rows = [('layer', 'form', 'output', 'parameters', 'count')]
    with_time = any(graph.plan.clocks.values())
    total = n_fixed = n_measured = 0
    for layer in graph.layers:
        shapes = {n: p.get_value(borrow=True).shape for n, p in layer.params.items()}
        counts = {n: int(np.prod(s)) for n, s in shapes.items()}
        fixed = {n for n, p in layer.params.items() if p.name in frozen} - {*layer.measured}
        whole = len(fixed) == len(shapes) - len(layer.measured)
        ends = {n: '' if whole or n not in fixed else ' frozen' for n in shapes}
        texts = {n: f'{n} {"x".join(map(str, s))}{ends[n]}' for n, s in shapes.items()}
        shown = '  '.join(text for n, text in texts.items() if n not in layer.measured)
        if fixed and whole:
            shown += '  (frozen)'
        own = [text.rstrip() for n, text in texts.items() if n in layer.measured]
        shown += f'{"  " * bool(shown)}measured: {"  ".join(own)}' if own else ''
        count = sum(counts.values())
        total += count
        n_fixed += sum(counts[n] for n in fixed)
        n_measured += sum(counts[n] for n in layer.measured)
        clock = graph.plan.clock_of(join(layer.name), graph.by_name)
        axes = leading if clock else ('batch' if with_time else 'examples',)
        axes = [name[0].upper() for name in axes]
        if layer.name not in graph.plan.words:
            axes.append(str(layer.output_size(MAIN)))
        rows.append((layer.name, layer.form, f'({", ".join(axes)})', shown, f'{count:,}'))
    amount = f'{total:,} parameters' + (f', {n_fixed:,} of them frozen' if n_fixed else '')
    amount += f', {n_measured:,} of them measured' if n_measured else ''
    return '\n'.join([*_aligned(rows), f'{title}, {amount}, {graph.dtype}'])


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = [
        '  '.join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    lines.insert(1, '-' * max(map(len, lines)))
    return lines
