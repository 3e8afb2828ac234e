"""Remember a few numbers: the memory task.

A recurrent network reads one random number at each of T time steps. It must keep the first K
of them, ignore all that come later, and write out the K kept numbers in the last K steps:

    step      1    2    3    4    5   ...   18   19   20        T = 20, K = 3
    input    0.3 -1.2  0.8  0.1 -0.5  ...  0.9 -2.0  0.4
    target    -    -    -    -    -   ...  0.3 -1.2  0.8

The numbers are drawn anew for every batch from a normal distribution with variance 1. So there
is nothing to learn by heart, and a network without memory can do no better than to answer 0:
a mean squared error of 1, which is chance. A network that remembers gets well below 0.05.

Only the last K steps count. The network is therefore built with `weighted=True`, and the third
array of each batch is 1 in the last K steps and 0 before. Without weights, the earlier steps
would make up most of the loss, although there is nothing to learn from them.
"""

import argparse
import sys
import time

import numpy as np

import rnnkit


def make_batch(steps, values, batch_size, rng):
    """Return input, target and weights; time comes first, then the batch, then the feature."""
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
    """Train a network, measure its error on fresh data, draw what it learned.

    Returns
    -------
    found : dict
        ``'error'``, and ``'chance'`` beside it; the number of ``'updates'``; the seconds
        spent in ``'compiling'`` and in ``'training'``.
    """
    if not 0 < values <= steps:
        sys.exit(f'of {steps} numbers, 1 to {steps} can be remembered, not {values}')
    rng = np.random.default_rng(seed)
    net = rnnkit.Regressor([1, ('lstm', size), 1], weighted=True, seed=seed)

    def batches():
        return make_batch(steps, values, 32, rng)

    held_back = make_batch(steps, values, 640, rng)

    start = time.perf_counter()
    options = {
        'valid': lambda: held_back,
        'valid_batches': 1,
        'algo': algo,
        'learning_rate': learning_rate,
    }
    net.train(batches, epochs=1, train_batches=1, **options)  # one update, to compile it all
    net.predict(batches()[0])
    compiled = time.perf_counter()
    epochs = -(-updates // 100)
    options |= {'train_batches': min(updates, 100), 'epochs': epochs, 'patience': epochs}
    for _, valid in net.itertrain(batches, validate_every=5, **options):
        if valid['err'] < goal:
            break  # the best parameters are restored, as at any end of a training
    seconds = time.perf_counter() - compiled

    x, y, _ = make_batch(steps, values, 2000, rng)
    output = net.predict(x)
    history = net.history[1:]
    found = {
        'error': float(np.mean((output - y)[-values:] ** 2)),
        'chance': float(np.mean(y[-values:] ** 2)),
        'updates': history[-1]['updates'],
        'compiling': compiled - start,
        'training': seconds,
    }
    if plot:
        draw(plot, x[:, :100, 0], output[:, :100, 0], values, history)
    return found


def draw(path, x, output, values, history):
    """Draw what the network makes of fresh sequences, (T, B), and the error while learning."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; pip install 'rnnkit[plot]' brings it")
        return
    figure = Figure(figsize=(7, 5.6), layout='constrained')
    axes = figure.subplot_mosaic([['sequence', 'sequence'], ['all', 'error']])
    one, everyone, error = axes['sequence'], axes['all'], axes['error']
    kept, answered, steps = x[:values], output[-values:], np.arange(1, len(x) + 1)
    one.axvspan(0.5, values + 0.5, color='tab:blue', alpha=0.1)
    one.axvspan(len(x) - values + 0.5, len(x) + 0.5, color='tab:orange', alpha=0.15)
    one.plot(steps, x[:, 0], '.-', color='0.65', label='input')
    one.plot(steps[:values], kept[:, 0], 'o', color='tab:blue', label='to be remembered')
    one.plot(steps[-values:], kept[:, 0], 'o', ms=12, mfc='none', color='tab:blue', label='target')
    one.plot(steps[-values:], answered[:, 0], 'X', color='tab:orange', label='output')
    one.set(xlabel='time step', ylabel='value', title='One fresh sequence', ymargin=0.25)
    one.set(xlim=(0.5, len(x) + 0.5), xticks=steps[:: 1 + len(x) // 25])
    one.legend(loc='upper center', ncols=4, fontsize='small')
    everyone.plot([-3, 3], [-3, 3], color='0.4', lw=1, label='perfect')
    everyone.axhline(0, color='0.4', ls='--', lw=1, label='chance')
    everyone.plot(kept.ravel(), answered.ravel(), '.', ms=4, color='tab:orange', label='network')
    everyone.set(xlabel='number to be remembered', ylabel='output', title='Many fresh sequences')
    error.semilogy(
        [r['updates'] for r in history],
        [r['loss'] for r in history],
        color='tab:orange',
        label='network',
    )
    error.axhline(1, color='0.4', ls='--', lw=1, label='chance')
    error.set(xlabel='updates', ylabel='mean squared recall error', title='While learning')
    error.set(ylim=(None, 1.5))
    for plot in (everyone, error):
        plot.legend(fontsize='small')
    figure.savefig(path, dpi=130)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Train a network to remember a few numbers, and tell how well it does.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--steps', type=int, metavar='T', help='length of a sequence')
    option('--values', type=int, metavar='K', help='how many numbers to remember')
    option('--size', type=int, metavar='H', help='number of LSTM units')
    option('--algo', choices=sorted(rnnkit.optimizers.registry), help='update rule')
    option('--learning-rate', type=float, metavar='RATE', help='how far an update goes')
    option('--updates', type=int, metavar='N', help='train no longer than this')
    option('--goal', type=float, metavar='E', help='end training at this error')
    option('--tolerance', type=float, metavar='E', help='fail if the final error is not below')
    option('--seed', type=int, help='drives initial weights and data')
    option('--plot', metavar='FILE', help="where the picture goes; '' for none")
    parser.set_defaults(**main.__kwdefaults__, tolerance=0.05)
    given = vars(parser.parse_args())
    tolerance = given.pop('tolerance')
    found = main(**given)
    print(
        f'{found["updates"]} updates in {found["training"]:.0f} s, '
        f'after {found["compiling"]:.0f} s to compile'
    )
    print(f'recall error {found["error"]:.4f} on fresh data; chance is {found["chance"]:.2f}')
    if not found['error'] < tolerance:
        sys.exit(f'FAILED: the recall error is not below {tolerance:g}')
