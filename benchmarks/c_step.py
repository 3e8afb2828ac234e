"""Measure single time steps of the code that `Network.to_c` writes, beside `Network.stepper`.

    python benchmarks/c_step.py

For each cell and size, one sequence is read step by step by both, in turns; each time is the
minimum. The stepper is called from Python, as users do, and the C code from C, compiled by
`cc -O3 -march=native`. Single threads.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

import rnnkit
from rnnkit.cells import Cell

I, O = 4, 2  # noqa: E741 - the letters of shapes
FLAGS = ['-O3', '-march=native']

PROGRAM = """
#define _POSIX_C_SOURCE 199309L
#include "net.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int count, char **words)
{
    static net_state s;
    static net_real x[NET_INPUTS], y[NET_OUTPUTS];
    struct timespec a, b;
    long steps = count > 1 ? atol(words[1]) : 1, t;
    net_init(&s);
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (t = 0; t < steps; ++t) {
        x[t % NET_INPUTS] = (net_real)(t % 7) * 0.25f - 0.75f;
        net_step(&s, x, y);
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("%.6f %g\\n", ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec))
           / (double)steps, (double)y[0]);
    return 0;
}
"""


class MGUState(NamedTuple):
    """State of the minimal gated unit."""

    h: TensorVariable


@rnnkit.layers.add('own_mgu')
class MGU(Cell):
    """Minimal gated unit, Zhou et al. 2016, arXiv:1603.09420: a cell of a user's own."""

    state, gates = MGUState, 'fh'
    params = {'xh': ('I', '2H'), 'hf': ('H', 'H'), 'hh': ('H', 'H'), 'b': ('2H',)}
    initial = {'hf': 'orthogonal'}

    def step(self, z, s, p):
        """Return the state after one time step."""
        z_f, z_h = rnnkit.split(z, 2)
        f = pt.sigmoid(z_f + s.h @ p.hf)
        return MGUState((1 - f) * s.h + f * pt.tanh(z_h + (f * s.h) @ p.hh))


def of_stepper(net: rnnkit.Regressor, seconds: float) -> float:
    """Return the nanoseconds of a step from Python."""
    stepper, x = net.stepper(), np.zeros((1, I), 'float32')
    stepper(x)
    steps, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        for _ in range(200):
            stepper(x)
        steps += 200
    return elapsed / steps * 1e9


def compiled(net: rnnkit.Regressor, folder: str, compiler: str, flags: list[str]) -> Path:
    """Return the program that measures a network's C code."""
    source, *_ = net.to_c(folder)
    main = source.with_name('bench.c')
    main.write_text(PROGRAM)
    program = source.with_name('bench')
    command = [compiler, *flags, str(source), str(main), '-lm', '-o', str(program)]
    subprocess.run(command, check=True)
    return program


def of_c(program: Path, steps: int) -> float:
    """Return the nanoseconds of a step from C."""
    run = subprocess.run([str(program), str(steps)], check=True, capture_output=True, text=True)
    return float(run.stdout.split()[0])


def measured(form: str, size: int, rounds: int, compiler: str, flags: list[str]) -> list[float]:
    """Return the nanoseconds of a step, of the stepper and of C."""
    net = rnnkit.Regressor([I, (form, size), O], seed=0)
    times = []
    with tempfile.TemporaryDirectory() as folder:
        program = compiled(net, folder, compiler, flags)
        steps = max(100, int(2e8 / (size * size * 4 + 1000)))
        for _ in range(rounds):
            times.append((of_stepper(net, 0.1), of_c(program, steps)))
    return [min(column) for column in zip(*times, strict=True)]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--forms', nargs='+', default=['lstm', 'gru', 'own_mgu'])
    parser.add_argument('--sizes', nargs='+', type=int, default=[8, 32, 128])
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--cc', default=shutil.which('cc') or 'gcc', help='the compiler')
    parser.add_argument('--flags', nargs='+', default=FLAGS)
    given = parser.parse_args()
    rnnkit.set_threads(1)
    print('cell     H   stepper        C   C / stepper')
    for form in given.forms:
        for size in given.sizes:
            ours, c = measured(form, size, given.rounds, given.cc, given.flags)
            print(f'{form:5} {size:4} {ours / 1e3:6.2f} us {c / 1e3:6.2f} us {c / ours:8.2f}')


if __name__ == '__main__':
    main()
