"""Remember a few numbers: the memory task.

A recurrent network reads one random number at each of T time steps. It must remember the first K
of them, ignore all later ones, and output the K numbers in the last K steps:

    step      1    2    3    4    5   ...   18   19   20        T = 20, K = 3
    input    0.3 -1.2  0.8  0.1 -0.5  ...  0.9 -2.0  0.4
    target    -    -    -    -    -   ...  0.3 -1.2  0.8

The numbers are drawn anew for every batch from a normal distribution with variance 1, so
overfitting is impossible. A network without memory can do no better than to predict 0, which has
a mean squared error of 1: chance. A network that remembers gets well below 0.05.

Only the last K steps count. The network is therefore built with `weighted=True`, and the third
array of each batch, the sample weights, is 1 in the last K steps and 0 before. Without weights,
most of the loss would come from earlier steps, whose targets carry no information.
"""

import argparse
import sys
import time

import numpy as np

import rnnkit


def make_batch(steps, values, batch_size, rng):
    """Return input, target and sample weights, all of shape (time, batch, 1)."""
    x = rng.standard_normal((steps, batch_size, 1))
    y, weights = np.zeros_like(x), np.zeros_like(x)
    y[-values:] = x[:values]
    weights[-values:] = 1
    return [x, y, weights]


def main(
    *,
    steps=20,
    values=3,
    size=20,
    algo='adam',
    learning_rate=0.01,
    updates=30_000,
    goal=0.01,
    seed=1,
    plot='memory_task.png',
):
    """Train a network, measure its error on new data, draw its outputs.

    Returns
    -------
    results : dict
        ``'error'``, and ``'chance'``, the error of predicting 0; the number of ``'updates'``;
        the seconds spent in ``'compiling'`` and in ``'training'``.
    """
    if not 0 < values <= steps:
        sys.exit(f'--values must be from 1 to --steps, {steps}; got {values}')
    rng = np.random.default_rng(seed)
    net = rnnkit.Regressor([1, ('lstm', size), 1], weighted=True, seed=seed)

    def draw_batch():
        return make_batch(steps, values, 32, rng)

    validation = make_batch(steps, values, 640, rng)

    start = time.perf_counter()
    options = {
        'valid': lambda: validation,
        'valid_batches': 1,
        'algo': algo,
        'learning_rate': learning_rate,
    }
    net.train(draw_batch, epochs=1, train_batches=1, **options)  # one update, to compile everything
    net.predict(draw_batch()[0])
    compiled = time.perf_counter()
    epochs = -(-updates // 100)
    options |= {'train_batches': min(updates, 100), 'epochs': epochs, 'patience': epochs}
    for _, valid in net.itertrain(draw_batch, validate_every=5, **options):
        if valid['err'] < goal:
            break  # the best parameters are restored
    seconds = time.perf_counter() - compiled

    x, y, _ = make_batch(steps, values, 2000, rng)
    output = net.predict(x)
    history = net.history[1:]
    results = {
        'error': float(np.mean((output - y)[-values:] ** 2)),
        'chance': float(np.mean(y[-values:] ** 2)),
        'updates': history[-1]['updates'],
        'compiling': compiled - start,
        'training': seconds,
    }
    if plot:
        draw(plot, x[:, :100, 0], output[:, :100, 0], values, history)
    return results


def draw(path, x, output, values, history):
    """Draw the network's outputs for new sequences, (T, B), and the error during training."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; run: pip install 'rnnkit[plot]'")
        return
    figure = Figure(figsize=(7, 5.6), layout='constrained')
    axes = figure.subplot_mosaic([['sequence', 'sequence'], ['all', 'error']])
    first, every, error = axes['sequence'], axes['all'], axes['error']
    targets, recalled, steps = x[:values], output[-values:], np.arange(1, len(x) + 1)
    first.axvspan(0.5, values + 0.5, color='tab:blue', alpha=0.1)
    first.axvspan(len(x) - values + 0.5, len(x) + 0.5, color='tab:orange', alpha=0.15)
    first.plot(steps, x[:, 0], '.-', color='0.65', label='input')
    first.plot(steps[:values], targets[:, 0], 'o', color='tab:blue', label='to be remembered')
    first.plot(
        steps[-values:], targets[:, 0], 'o', ms=12, mfc='none', color='tab:blue', label='target'
    )
    first.plot(steps[-values:], recalled[:, 0], 'X', color='tab:orange', label='output')
    first.set(xlabel='time step', ylabel='value', title='A new sequence', ymargin=0.25)
    first.set(xlim=(0.5, len(x) + 0.5), xticks=steps[:: 1 + len(x) // 25])
    first.legend(loc='upper center', ncols=4, fontsize='small')
    every.plot([-3, 3], [-3, 3], color='0.4', lw=1, label='perfect')
    every.axhline(0, color='0.4', ls='--', lw=1, label='chance')
    every.plot(targets.ravel(), recalled.ravel(), '.', ms=4, color='tab:orange', label='network')
    every.set(xlabel='number to be remembered', ylabel='output', title='Many new sequences')
    error.semilogy(
        [r['updates'] for r in history],
        [r['loss'] for r in history],
        color='tab:orange',
        label='network',
    )
    error.axhline(1, color='0.4', ls='--', lw=1, label='chance')
    error.set(xlabel='updates', ylabel='mean squared recall error', title='During training')
    error.set(ylim=(None, 1.5))
    for panel in (every, error):
        panel.legend(fontsize='small')
    figure.savefig(path, dpi=130)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Train a network to remember a few numbers, and report its error.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--steps', type=int, metavar='T', help='length of a sequence')
    option('--values', type=int, metavar='K', help='number of values to remember')
    option('--size', type=int, metavar='H', help='number of LSTM units')
    option('--algo', choices=sorted(rnnkit.optimizers.registry), help='update rule')
    option('--learning-rate', type=float, metavar='RATE', help='step size of the update rule')
    option('--updates', type=int, metavar='N', help='maximum number of updates')
    option('--goal', type=float, metavar='E', help='stop training at this error')
    option('--tolerance', type=float, metavar='E', help='fail if the final error is not below this')
    option('--seed', type=int, help='random seed of the initial weights and the data')
    option('--plot', metavar='FILE', help="file for the picture; '' for none")
    parser.set_defaults(**main.__kwdefaults__, tolerance=0.05)
    options = vars(parser.parse_args())
    tolerance = options.pop('tolerance')
    results = main(**options)
    print(
        f'{results["updates"]} updates in {results["training"]:.0f} s, '
        f'after {results["compiling"]:.0f} s to compile'
    )
    print(f'recall error {results["error"]:.4f} on new data; chance is {results["chance"]:.2f}')
    if not results['error'] < tolerance:
        sys.exit(f'FAILED: the recall error is not below {tolerance:g}')
