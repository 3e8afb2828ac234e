"""Count the updates in which each cell learns to add two numbers that are far apart.

    python benchmarks/adding.py
    python benchmarks/adding.py --only lstm mgu --length 400

The task is that of examples/addition_task.py, with 200 steps: one number is in the first tenth, the other
in the second half, and the constant prediction has a mean squared error of 0.167. Every cell has 64
units, batches of 32 new sequences, Adam, and gradients clipped at the norm 1. A cell has learned to
add when the error on 640 other sequences, looked at every 200 updates, is below 0.01.
"""

import argparse
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / 'examples')]

import numpy as np
import report
from addition_task import make_batch
from cells import NEEDED, VARIANTS, all_cells

import rnnkit

EVERY = 200


def learn(form: str, options: dict, given: argparse.Namespace) -> tuple[int | None, float, float]:
    """Return the updates needed, or None; the lowest error; and the seconds."""
    rng = np.random.default_rng(given.seed)
    layer = dict(form=form, size=given.size, **options)
    net = rnnkit.Regressor([2, layer, 1], weighted=True, seed=given.seed)
    validation, start, least = make_batch(given.length, 640, rng), time.perf_counter(), np.inf
    courses = net.itertrain(
        lambda: make_batch(given.length, 32, rng),
        lambda: validation,
        valid_batches=1,
        algo='adam',
        learning_rate=given.learning_rate,
        max_gradient_norm=1,
        train_batches=EVERY,
        epochs=given.updates // EVERY,
        patience=given.updates,
        validate_every=1,
    )
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
    parser.add_argument('--learning-rate', type=float, default=0.003)
    parser.add_argument('--updates', type=int, default=20_000, help='at most so many')
    parser.add_argument('--seed', type=int, default=1)
    given = parser.parse_args()
    cells = {name: (name, NEEDED.get(name, {})) for name in all_cells()} | VARIANTS
    rows = []
    for name in given.only or cells:
        updates, error, seconds = learn(*cells[name], given)
        row = [name, 'no' if updates is None else f'{updates:,}', f'{error:.4f}', f'{seconds:.0f}']
        rows.append(row)
        print(*row, file=sys.stderr, flush=True)
    print(report.table(['cell', 'updates', 'lowest error', 'seconds'], rows))


if __name__ == '__main__':
    main()
