"""Measure training updates of every cell, beside torchrecurrent and beside the LSTM.

    python benchmarks/cells.py
    python benchmarks/cells.py --only mgu rhn --cpu x86-64-v3

For each cell the table has the milliseconds of an update; this divided by that of the layer of the
same name in torchrecurrent, if there is one; and the time per operation, divided by that of the
LSTM. Operations are the multiplications and additions of the products, three times for an update,
and the elementwise ones of the cell's step and its gradient, of which one with an exponential
counts as several. A sum over the units is an addition for each of them.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import measure
import report
from workloads import Workload

from rnnkit import Regressor, layers
from rnnkit.kernels.recurrent.form import Form
from rnnkit.kernels.staged.form import StagedForm, Total
from rnnkit.kernels.staged.trace import form_of

T, B, I, H, O = 50, 32, 16, 64, 1  # noqa: E741 - the letters of shapes
COSTS = {'tanh': 20, 'sigmoid': 20, 'exp': 15, 'expm1': 20, 'log': 20, 'log1p': 20, 'softplus': 40}
NEEDED = {'clockwork': {'periods': [1, 2, 4, 8]}, 'bcrnn': {'num_modules': 4}}
VARIANTS = {
    'gru, reset before': ('gru', {'reset': 'before'}),
    'lstm, projection': ('lstm', {'projection': 32}),
    'lstm, layernorm': ('lstm', {'layernorm': True}),
    'gru, layernorm': ('gru', {'layernorm': True}),
}


def operations(form: str, options: dict) -> int:
    """Return the operations of an update."""
    net = Regressor([I, dict(form=form, size=H, name='it', **options), O])
    it = next(layer for layer in net.layers if layer.name == 'it')
    shapes = it.cell.shapes(I, H)
    width = it.cell.output_width(H, I)
    weights = sum(n * m for n, m in (s for s in shapes.values() if len(s) == 2)) + width * O
    return T * B * (6 * weights + elementwise(form_of(it.cell)))


def elementwise(form: Form | StagedForm) -> int:
    """Return the operations of a step of one example, and of its gradient, besides products."""
    nodes = form.program.nodes
    of_units, sums = [True] * len(nodes), 0
    if isinstance(form, StagedForm):
        # A number that the units share, such as a deviation, is computed once for all of them.
        of_units = [bool(length) for length in form.lengths]
        for cut, gradients in zip(form.cuts, form.d_cuts, strict=True):
            if isinstance(cut, Total):  # the sum itself, and those that are the gradient by it
                sums += 1 + sum(of_units[node] for node in gradients)
    costs = (
        COSTS.get(kind, 1) * (H if wide else 1)
        for (kind, *_), wide in zip(nodes, of_units, strict=True)
        if kind not in ('input', 'constant')
    )
    return sum(costs) + H * sums


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--only', nargs='+', help='names of cells')
    parser.add_argument('--seconds', type=float, default=0.3, help='length of a turn')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--cpu', choices=sorted(measure.HELD), help='hold all to its instructions')
    options = parser.parse_args()
    os.environ.update(measure.HELD.get(options.cpu, {}))
    cells = {name: (name, NEEDED.get(name, {})) for name in all_cells()} | VARIANTS
    names = ['lstm', *(name for name in options.only or cells if name != 'lstm')]
    peers, results = measure.installed(['torchrecurrent']), {}
    for name in names:
        form, more = cells[name]
        workload = Workload(form, T, B, H, I, O, options=more)
        results[name] = measure.measure(
            workload, [] if more else peers, options.seconds, options.rounds, ('train',)
        )
        print(name, results[name], file=sys.stderr, flush=True)
    print(table(results, cells))


def all_cells() -> list[str]:
    """Return the names of all layers that run a cell, without aliases."""
    found = {}
    for name in layers.registry:
        layer = layers.registry[name]
        if hasattr(layer, 'cell_class'):
            found[layer.form] = None
    return list(found)


def table(results: dict[str, dict], cells: dict[str, tuple[str, dict]]) -> str:
    """Return the table, with the LSTM first."""
    rows, of_lstm = [], None
    for name, figures in results.items():
        ours = figures['rnnkit']['train']
        of_one = figures['rnnkit']['threads']['train'][1] / operations(*cells[name])
        of_lstm = of_lstm or of_one
        ratio = report.ratio(figures, 'train', 'torchrecurrent')
        rows.append(
            [
                name,
                f'{ours:.3f}',
                '' if ratio is None else f'{ratio:.3f}',
                '' if ratio is None else f'{1 / ratio:.1f}',
                f'{of_one / of_lstm:.2f}',
            ]
        )
    head = ['cell', 'rnnkit, ms', '/ torchrecurrent', 'times faster', 'per operation / lstm']
    return report.table(head, rows)


if __name__ == '__main__':
    main()
