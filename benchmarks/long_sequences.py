"""Measure training updates on one long sequence: recurrences without a product beside the GRU.

    python benchmarks/long_sequences.py
    python benchmarks/long_sequences.py --cells lru gru --steps 1000 100000 --units 256

For each cell and number of steps the table has the microseconds of an update for each step, the
peak memory of the process, and both divided by those of PyTorch's layer of the same name, if there
is one.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import measure
import report
from workloads import Workload

CELLS = ('mingru', 'lru', 'indrnn', 'gru')
STEPS = (1000, 10_000, 100_000)
I, O = 8, 1  # noqa: E741 - the letters of shapes


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--cells', nargs='+', default=CELLS)
    parser.add_argument('--steps', nargs='+', type=int, default=STEPS)
    parser.add_argument('--units', type=int, default=64)
    parser.add_argument('--seconds', type=float, default=0.5, help='length of a turn')
    parser.add_argument('--rounds', type=int, default=3)
    options = parser.parse_args()
    peers, rows = measure.installed(['torch']), []
    for cell in options.cells:
        mine = peers if cell in ('rnn', 'lstm', 'gru') else []
        for steps in options.steps:
            workload = Workload(cell, steps, 1, options.units, I, O)
            whats = ('train',)
            figures = measure.measure(workload, mine, options.seconds, options.rounds, whats)
            rows.append(row(cell, steps, figures))
            print(*rows[-1], file=sys.stderr, flush=True)
    print(report.table(['cell', 'T', 'us / step', 'MiB', '/ torch', '/ torch, MiB'], rows))


def row(cell: str, steps: int, figures: dict) -> list[str]:
    """Return a row of the table."""
    ours, ratios = figures['rnnkit'], []
    for what in ('train', 'MiB'):
        torch = figures.get('torch', {}).get(what)
        ratios.append(f'{ours[what] / torch:.2f}' if torch else '')
    return [cell, f'{steps:,}', f'{ours["train"] * 1e3 / steps:.3f}', f'{ours["MiB"]:.0f}', *ratios]


if __name__ == '__main__':
    main()
