"""Train a filter, and write it as plain C: a program that cleans a signal, number by number.

A signal is a sum of two waves of random frequencies, with noise of the same variance. A GRU reads
it step by step, and estimates at each step the signal without the noise. Then `to_c` writes the
network as a C file and a header that depend on the C library alone, as for a microcontroller. The
few lines of C below are a program that reads numbers and writes clean ones:

    ./clean < noisy.txt > clean.txt

If there is a C compiler, this example compiles both, runs the test that `to_c` writes, cleans new
signals with the C program, and compares its outputs with those of `predict`. It reports the mean
squared error of these outputs, or without a compiler of those of `predict`, divided by the variance
of the clean signals.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile

import numpy as np

import rnnkit

CLEAN = """\
#include "filter.h"
#include <stdio.h>

int main(void)
{
    static filter_state state;
    filter_real x[FILTER_INPUTS], y[FILTER_OUTPUTS];
    filter_init(&state);
    while (scanf("%f", &x[0]) == 1) {
        filter_step(&state, x, y);
        printf("%.9g\\n", y[0]);
    }
    return 0;
}
"""


def signals(steps, examples, rng):
    """Return noisy and clean signals, each of shape (T, B, 1)."""
    t = np.arange(steps)[:, None]
    clean = 0
    for _ in range(2):
        period, phase = rng.uniform(15, 60, examples), rng.uniform(0, 2 * np.pi, examples)
        clean = clean + np.sin(2 * np.pi * t / period + phase)
    noisy = clean + rng.standard_normal(clean.shape)
    return noisy[..., None], clean[..., None]


def compiled(net, folder):
    """Return the path of the C program, or None if there is no compiler."""
    source, _, test = net.to_c(folder, 'filter')
    compiler = shutil.which('cc') or shutil.which('gcc') or shutil.which('clang')
    if compiler is None:
        print('no C compiler found; the outputs are those of predict()')
        return None
    main_file = source.with_name('clean.c')
    main_file.write_text(CLEAN)
    for first, name in ((test, 'filter_test'), (main_file, 'clean')):
        files = [str(first), str(source), '-lm', '-o', str(source.with_name(name))]
        subprocess.run([compiler, '-std=c99', '-O2', '-Wall', *files], check=True)
    tested = subprocess.run([source.with_name('filter_test')], capture_output=True, text=True)
    print(f'filter_test: {tested.stdout.strip()}')
    tested.check_returncode()
    return source.with_name('clean')


def cleaned(program, noisy):
    """Return the outputs of the C program for one signal (T,)."""
    text = '\n'.join(f'{x:.9g}' for x in noisy)
    done = subprocess.run([program], input=text, capture_output=True, text=True, check=True)
    return np.array(done.stdout.split(), 'float32')


def main(
    *,
    steps=120,
    size=24,
    batch_size=32,
    algo='adam',
    learning_rate=0.005,
    updates=1500,
    folder=None,
    seed=1,
    plot=None,
):
    """Train a filter, write it as C, and clean new signals by it.

    Returns
    -------
    results : dict
        ``'error'``, the mean squared error divided by the variance of the clean signals; that of
        doing nothing, ``'noise'``; the largest ``'difference'`` between C and `predict`, None
        without a compiler; and the number of ``'updates'``.
    """
    rng = np.random.default_rng(seed)
    net = rnnkit.Regressor([1, ('gru', size), 1], seed=seed)
    net.train(
        lambda: signals(steps, batch_size, rng),
        algo=algo,
        learning_rate=learning_rate,
        train_batches=min(updates, 50),
        epochs=max(1, updates // 50),
    )
    noisy, clean = signals(steps, 20, np.random.default_rng(seed + 1000))
    output, difference = net.predict(noisy), None
    with tempfile.TemporaryDirectory() as temporary:
        program = compiled(net, folder or temporary)
        if program is not None:
            predicted = output
            output = np.stack([cleaned(program, x) for x in noisy[..., 0].T], axis=1)[..., None]
            difference = float(np.abs(output - predicted).max())
    if plot:
        draw(plot, noisy[:, 0, 0], clean[:, 0, 0], output[:, 0, 0])
    return {
        'error': float(np.mean((output - clean) ** 2) / clean.var()),
        'noise': float(np.mean((noisy - clean) ** 2) / clean.var()),
        'difference': difference,
        'updates': net.history[-1]['updates'],
    }


def draw(path, noisy, clean, output):
    """Draw one signal, noisy, clean and cleaned."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; run: pip install 'rnnkit[plot]'")
        return
    figure = Figure(figsize=(9, 3), layout='constrained')
    axes = figure.subplots()
    axes.plot(noisy, '.', color='0.7', label='noisy')
    axes.plot(clean, color='0.4', lw=2, label='clean')
    axes.plot(output, color='tab:orange', lw=1, label='cleaned')
    axes.set(xlabel='time step')
    axes.legend(fontsize='small', loc='upper right')
    figure.savefig(path, dpi=110)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Train a filter, and write it as plain C.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--steps', type=int, metavar='T', help='length of the signals')
    option('--size', type=int, metavar='H', help='number of units of the GRU')
    option('--batch-size', type=int, metavar='B', help='signals in a batch')
    option('--algo', choices=sorted(rnnkit.optimizers.registry), help='update rule')
    option('--learning-rate', type=float, metavar='RATE', help='step size of the update rule')
    option('--updates', type=int, metavar='N', help='maximum number of updates')
    option('--folder', metavar='FOLDER', help='where the C files go; a temporary one if not given')
    option('--tolerance', type=float, metavar='E', help='fail if the error is not below this')
    option('--seed', type=int, help='random seed of weights and signals')
    option('--plot', metavar='FILE', help='file for a picture')
    parser.set_defaults(**main.__kwdefaults__, tolerance=0.3)
    options = vars(parser.parse_args())
    tolerance = options.pop('tolerance')
    results = main(**options)
    print(
        f'after {results["updates"]} updates: mean squared error {results["error"]:.4f} times the '
        f'variance of the signal; noise {results["noise"]:.2f}'
    )
    if results['difference'] is not None:
        print(f'the largest difference between C and predict(): {results["difference"]:.2g}')
    if not results['error'] < tolerance:
        sys.exit(f'FAILED: the relative error is not below {tolerance:g}')
