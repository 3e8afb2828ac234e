"""Measure training updates on one long sequence: recurrences without a product beside the GRU.

    python benchmarks/long_sequences.py
    python benchmarks/long_sequences.py --cells lru gru --steps 1000 100000 --units 256

For each cell and number of steps the table has the microseconds of an update for each step, the
peak memory of the process beyond that of a short sequence, in bytes for each step and unit, and the
time divided by that of PyTorch's layer of the same name, if there is one.
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
SHORT = 100  # steps of the run whose memory is that of everything else
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
        for steps in (SHORT, *options.steps):
            workload = Workload(cell, steps, 1, options.units, I, O)
            mine = peers if cell in ('rnn', 'lstm', 'gru') else []
            figures = measure.measure(workload, mine, options.seconds, options.rounds, ('train',))
            if steps == SHORT:
                least = figures['rnnkit']['MiB']
                continue
            rows.append(row(cell, steps, options.units, figures, least))
            print(*rows[-1], file=sys.stderr, flush=True)
    print(report.table(['cell', 'T', 'us / step', 'bytes / (step * unit)', '/ torch'], rows))


def row(cell: str, steps: int, units: int, figures: dict, least: float) -> list[str]:
    """Return a row of the table; `least` is the memory of a short sequence."""
    ours, ratio = figures['rnnkit'], report.ratio(figures, 'train', 'torch')
    more = (ours['MiB'] - least) * 2**20 / (steps * units)
    return [
        cell,
        f'{steps:,}',
        f'{ours["train"] * 1e3 / steps:.3f}',
        f'{more:.0f}',
        '' if ratio is None else f'{ratio:.2f}',
    ]


if __name__ == '__main__':
    main()
