"""Measure how long a user waits for the import, and for the first trained batch of a process.

    python benchmarks/startup.py

Each figure is the minimum of several new processes. The caches of rnnkit and PyTensor are in
temporary folders, so that "cold" is cold and the user's caches are not touched. Python's bytecode
is not part of that: pip makes it when it installs a package, so rnnkit's is made first, even where
PYTHONDONTWRITEBYTECODE is set.
"""

import argparse
import compileall
import subprocess
import sys
import tempfile
import time
from dataclasses import replace

import measure
import report
from workloads import WORKLOADS, Workload

SMALL = WORKLOADS['lstm small']
PEERS = ('torch', 'jax', 'keras')


def first_batch(name: str, workload: Workload, **environment: str) -> float:
    """Return the seconds from the start of a process to its first trained batch."""
    start = time.perf_counter()
    worker = measure.Worker(name, workload, measure.CORES, **environment)
    try:
        worker.ask('train', 0)
        return time.perf_counter() - start
    finally:
        worker.stop()


def import_time(module: str) -> float:
    """Return the seconds of a process that only imports a module, minus an empty process."""
    times = []
    for code in (f'import {module}', 'pass'):
        start = time.perf_counter()
        environment = measure.environment(KERAS_BACKEND='jax')
        subprocess.run([sys.executable, '-c', code], check=True, env=environment)
        times.append(time.perf_counter() - start)
    return times[0] - times[1]


def ours(rounds: int) -> dict[str, float]:
    """Return rnnkit's figures, with empty, partly filled and warm caches."""
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            caches = {
                'RNNKIT_CACHE_DIR': f'{folder}/kernels',
                'PYTENSOR_FLAGS': f'base_compiledir={folder}/pytensor',
            }
            for what, workload in {
                'all cold': SMALL,
                'warm': SMALL,
                'new sizes': replace(SMALL, T=33, B=17, H=24, I=3, O=2),
                'new graph': replace(SMALL, cell='gru', depth=2),
            }.items():
                times.setdefault(what, []).append(first_batch('rnnkit', workload, **caches))
    return {what: min(seconds) for what, seconds in times.items()}


def figures(peers: list[str], rounds: int) -> dict[str, float]:
    """Return all figures, in seconds."""
    peers = [name for name in PEERS if name in peers]
    compileall.compile_dir(measure.HERE.parent / 'rnnkit', quiet=1)
    found = {}
    for module in ('pytensor', 'rnnkit', *peers):
        found[f'import {module}'] = min(import_time(module) for _ in range(rounds))
    for what, seconds in ours(rounds).items():
        found[f'first batch, rnnkit, {what}'] = seconds
    for name in peers:
        found[f'first batch, {name}'] = min(first_batch(name, SMALL) for _ in range(rounds))
    return found


def table(peers: list[str], rounds: int) -> str:
    """Return all figures as a table."""
    found = figures(peers, rounds)
    return report.table(['', 'seconds'], [[what, f'{s:.2f}'] for what, s in found.items()])


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--rounds', type=int, default=3)
    print(table(measure.installed(list(PEERS)), parser.parse_args().rounds))


if __name__ == '__main__':
    main()
