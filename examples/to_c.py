"""Train a filter, and write it as plain C: a program that cleans a signal, number by number.

Copy `CLEAN`, the C program, and `compiled`, which writes the network beside it.

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

import shutil
import subprocess
import tempfile

import common
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


def main(
    *, steps=120, size=24, batch_size=32, learning_rate=0.005, updates=1500, folder=None, seed=1
):
    """Train a filter, write it as C, and clean new signals by it."""
    rng = np.random.default_rng(seed)
    net = rnnkit.Regressor([1, ('gru', size), 1], seed=seed)
    net.train(
        lambda: signals(steps, batch_size, rng),
        algo='adam',
        learning_rate=learning_rate,
        train_batches=min(updates, 50),
        epochs=max(1, updates // 50),
    )
    noisy, clean = signals(steps, 20, np.random.default_rng(seed + 1000))
    output = net.predict(noisy)
    with tempfile.TemporaryDirectory() as temporary:
        program = compiled(net, folder or temporary)
        if program is not None:
            predicted = output
            output = np.stack([cleaned(program, x) for x in noisy[..., 0].T], axis=1)[..., None]
            difference = np.abs(output - predicted).max()
            print(f'the largest difference between C and predict(): {difference:.2g}')
    results = {
        'error': np.mean((output - clean) ** 2) / clean.var(),
        'noise': np.mean((noisy - clean) ** 2) / clean.var(),
        'updates': net.history[-1]['updates'],
    }
    return results, (noisy[:, 0, 0], clean[:, 0, 0], output[:, 0, 0])


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


def signals(steps, examples, rng):
    """Return noisy and clean signals, each of shape (T, B, 1)."""
    t = np.arange(steps)[:, None]
    clean = 0
    for _ in range(2):
        period, phase = rng.uniform(15, 60, examples), rng.uniform(0, 2 * np.pi, examples)
        clean = clean + np.sin(2 * np.pi * t / period + phase)
    noisy = clean + rng.standard_normal(clean.shape)
    return noisy[..., None], clean[..., None]


def draw(figure, noisy, clean, output):
    """Draw one signal, noisy, clean and cleaned."""
    axes = figure.subplots()
    axes.plot(noisy, '.', color='0.7', label='noisy')
    axes.plot(clean, color='0.4', lw=2.5, label='clean')
    axes.plot(output, color='tab:orange', lw=1.5, label='cleaned by the network')
    axes.set(xlabel='time step', ylabel='value', title='A new signal')
    common.legend(axes)


if __name__ == '__main__':
    common.run(
        main,
        draw,
        report=(
            'mean squared error {error:.4f} times the variance of the signal; noise {noise:.2f}'
        ),
        tolerance=0.3,
        folder=dict(metavar='FOLDER', help='where the C files go; a temporary one if not given'),
    )
