"""Measure how long a user waits: import, and process start to the first trained batch.

    python benchmarks/startup.py

Each figure is the least of several fresh processes. The caches of rnnkit and PyTensor are put
into folders of their own, so that "cold" is cold and nothing of the user's is touched.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace

from run import Worker, installed
from workloads import WORKLOADS, Workload

SMALL = WORKLOADS['lstm small']


def first_batch(name: str, workload: Workload, **environment: str) -> float:
    """Return the seconds from the start of a process to its first trained batch."""
    start = time.perf_counter()
    worker = Worker(name, workload, 2, **environment)
    worker.ask('train', 0)
    seconds = time.perf_counter() - start
    worker.stop()
    return seconds


def import_time(module: str) -> float:
    """Return the seconds of a process that only imports a module, less an empty process."""
    times = []
    for code in (f'import {module}', 'pass'):
        start = time.perf_counter()
        environment = {**os.environ, 'KERAS_BACKEND': 'jax'}
        subprocess.run([sys.executable, '-c', code], check=True, env=environment)
        times.append(time.perf_counter() - start)
    return times[0] - times[1]


def ours(rounds: int) -> dict[str, float]:
    """Return our figures, with nothing, something or everything in the caches."""
    found: dict[str, list[float]] = {}
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
                found.setdefault(what, []).append(first_batch('rnnkit', workload, **caches))
    return {what: min(times) for what, times in found.items()}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--rounds', type=int, default=3)
    rounds = parser.parse_args().rounds
    print('| | seconds |\n|---|---:|')
    for module in ('rnnkit', 'torch', 'jax', 'keras'):
        if installed(module):
            print(f'| import {module} | {min(import_time(module) for _ in range(rounds)):.2f} |')
    for what, seconds in ours(rounds).items():
        print(f'| first batch, rnnkit, {what} | {seconds:.1f} |')
    for name in ('torch', 'jax', 'keras'):
        if installed(name):
            seconds = min(first_batch(name, SMALL) for _ in range(rounds))
            print(f'| first batch, {name} | {seconds:.1f} |')


if __name__ == '__main__':
    main()
