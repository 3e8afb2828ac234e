"""Count the updates in which each cell learns to add two numbers that are far apart.

    python benchmarks/adding.py
    python benchmarks/adding.py --only lstm mgu --length 400

The task is that of examples/addition_task.py, with 200 steps: one number is in the first tenth, the
other in the second half, and the constant prediction has a mean squared error of 0.167. Every cell
has 64 units, batches of 32 new sequences, Adam, and gradients clipped at the norm 1. A cell has
learned to add when the error on 640 other sequences, looked at every 200 updates, is below 0.01.
Some cells do not learn it alone and with these settings; `OWN` has settings after their papers.
"""

import argparse
import contextlib
import logging
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'examples'))

import numpy as np
import report
from addition_task import make_batch
from cells import NEEDED, VARIANTS, all_cells

import rnnkit

EVERY = 200
SMALL = {'form': 'uniform', 'scale': 130**-0.5}  # as torch's linear layer of 2 + 64 + 64 inputs
COUPLED = dict(dt=0.06, gamma=66, epsilon=15, xh=SMALL, hh=SMALL, ch=SMALL)
LONG = {'t_max': 200}
SLOW = {'r_min': 0.9, 'r_max': 0.999, 'max_phase': 0.314}
OWN = {  # layers between input and output, without the size, and the learning rate
    'cornn, its settings': ([('cornn', COUPLED)], 0.02),
    'indrnn, two layers': ([('indrnn', LONG), ('indrnn', LONG)], 0.0002),
    'lru, two layers': (
        [('lru', SLOW), ('feedforward', {'activation': 'relu'}), ('lru', SLOW)],
        0.001,
    ),
}


def learn(
    hidden: list[tuple[str, dict]], rate: float, given: argparse.Namespace
) -> tuple[int | None, float, float]:
    """Return the updates needed, or None; the lowest error; and the seconds."""
    rng = np.random.default_rng(given.seed)
    between = [dict(form=form, size=given.size, **options) for form, options in hidden]
    net = rnnkit.Regressor([2, *between, 1], weighted=True, seed=given.seed)
    validation, start, least = make_batch(given.length, 640, rng), time.perf_counter(), np.inf
    courses = net.itertrain(
        lambda: make_batch(given.length, 32, rng),
        lambda: validation,
        valid_batches=1,
        algo='adam',
        learning_rate=rate,
        max_gradient_norm=1,
        train_batches=EVERY,
        epochs=given.updates // EVERY,
        patience=given.updates,
        validate_every=1,
    )
    with contextlib.suppress(rnnkit.errors.TrainingError):  # its loss explodes
        for _, valid in courses:
            least = min(least, valid['err'])
            if least < 0.01:
                return net.history[-1]['updates'], least, time.perf_counter() - start
    return None, least, time.perf_counter() - start


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--only', nargs='+', help='names of cells')
    parser.add_argument('--length', type=int, default=200)
    parser.add_argument('--size', type=int, default=64)
    parser.add_argument(
        '--learning-rate', type=float, default=0.003, help='except for those of OWN'
    )
    parser.add_argument('--updates', type=int, default=20_000, help='at most so many')
    parser.add_argument('--seed', type=int, default=1)
    given = parser.parse_args()
    logging.getLogger('rnnkit').setLevel('WARNING')
    cells = {name: (name, NEEDED.get(name, {})) for name in all_cells()} | VARIANTS
    runs = {name: ([cell], given.learning_rate) for name, cell in cells.items()} | OWN
    rows = []
    for name in given.only or runs:
        updates, error, seconds = learn(*runs[name], given)
        row = [name, 'no' if updates is None else f'{updates:,}', f'{error:.4f}', f'{seconds:.0f}']
        rows.append(row)
        print(*row, file=sys.stderr, flush=True)
    print(report.table(['cell', 'updates', 'lowest error', 'seconds'], rows))


if __name__ == '__main__':
    main()
