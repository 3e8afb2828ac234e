"""Training on several processes beside one process with as many threads, and what it costs.

    python benchmarks/many_machines.py [--sizes small medium large] [--ranks 2] [--rounds 3]

Prints the milliseconds of an update of an LSTM by one process with as many threads as there are
ranks, and by that many ranks with one thread each, in turns; then of the exchange alone. Needs
mpi4py and an ``mpiexec``; use as many ranks as there are free cores.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

SIZES = {  # time steps, batch, inputs, hidden units, outputs
    'small': (20, 32, 10, 32, 1),
    'medium': (50, 64, 128, 64, 64),
    'large': (100, 64, 256, 128, 10),
}
BYTES = (100_000, 1_000_000, 10_000_000)
EPOCHS = 6


def run(ranks: int, threads: int, *args: str) -> list[float]:
    """Run this file on several ranks; return what the first one prints."""
    env = dict(os.environ, OMP_NUM_THREADS=str(threads))
    command = [sys.executable, __file__, *args]
    if ranks > 1:
        beside = Path(sys.executable).with_name('mpiexec')
        mpiexec = str(beside) if beside.exists() else shutil.which('mpiexec')
        if mpiexec is None:
            sys.exit('there is no mpiexec; pip install mpich, or install an MPI')
        command = [mpiexec, '-n', str(ranks), *command]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def train(name: str, comm: str | None) -> None:
    """Print the milliseconds of an update, one number for each epoch but the first."""
    import numpy as np

    import rnnkit

    T, B, I, H, O = SIZES[name]  # noqa: E741 - the letters of all shapes
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(T, B, n)).astype('float32') for n in (I, O))
    net = rnnkit.Regressor([I, ('lstm', H), O], seed=0)
    updates = {'small': 500, 'medium': 100, 'large': 25}[name]
    net.train(
        [x, y],
        [x[:, :2], y[:, :2]],
        algo='adam',
        epochs=EPOCHS,
        train_batches=updates,
        batch_size=B,
        validate_every=EPOCHS,
        comm=comm,
        progress=False,
    )
    if comm is None or leads():
        print(json.dumps([1e3 * row['seconds'] / updates for row in net.history][1:]))


def exchange() -> None:
    """Print the milliseconds in which all ranks add up an array, for each of `BYTES`."""
    import numpy as np
    from mpi4py import MPI

    found = []
    for size in BYTES:
        ours, total = np.ones((2, size // 4), 'float32')
        times = []
        for _ in range(60):
            MPI.COMM_WORLD.Barrier()
            start = time.perf_counter()
            MPI.COMM_WORLD.Allreduce(ours, total)
            times.append(1e3 * (time.perf_counter() - start))
        found.append(statistics.median(times[10:]))
    if leads():
        print(json.dumps(found))


def leads() -> bool:
    """Return whether this is the first rank."""
    from mpi4py import MPI

    return MPI.COMM_WORLD.Get_rank() == 0


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--sizes', nargs='+', choices=SIZES, default=list(SIZES))
    parser.add_argument('--ranks', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--train', choices=SIZES, help=argparse.SUPPRESS)
    parser.add_argument('--comm', help=argparse.SUPPRESS)
    parser.add_argument('--exchange', action='store_true', help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.train:
        train(args.train, args.comm)
    elif args.exchange:
        exchange()
    else:
        compare(args)


def compare(args: argparse.Namespace) -> None:
    """Run all and print a table."""
    n = args.ranks
    print(f'ms per update, lstm: 1 process x {n} threads, {n} ranks x 1 thread, ratio')
    for name in args.sizes:
        one, several = [], []
        for _ in range(args.rounds):
            one += run(1, n, '--train', name)
            several += run(n, 1, '--train', name, '--comm', 'mpi')
        a, b = statistics.median(one), statistics.median(several)
        print(f'{name:8} {a:9.3f} {b:9.3f} {b / a:6.2f}', flush=True)
    print('exchange alone, ms: ' + ', '.join(f'{size / 1e6:g} MB' for size in BYTES))
    print(' '.join(f'{t:.3f}' for t in run(n, 1, '--exchange')))


if __name__ == '__main__':
    main()
