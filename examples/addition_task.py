"""Add two numbers that are far apart: the adding problem.

A recurrent network reads pairs of numbers. The first of a pair is a random value between 0 and
1; the second is a mark, which is 1 at two of the T time steps and 0 at all others. After the
last step the network must output the sum of the two marked values:

    step      1    2    3    4   ...   31   32   33  ...   50        T = 50
    value    0.5  0.7  0.3  0.1  ...  0.2  0.9  0.6  ...  0.2
    mark      0    0    1    0   ...   0    1    0   ...   0
    target    -    -    -    -   ...   -    -    -   ...  1.2        0.3 + 0.9

One mark is in the first tenth of the sequence and one in its second half, so the first value must
be remembered through many irrelevant steps. The constant prediction 1, the mean of all sums, has a
mean squared error of 1/6, which is 0.167. A network that adds gets well below 0.01.

Only the last step counts. The network is therefore built with `weighted=True`, and the third
array of each batch, the sample weights, is 1 in the last step and 0 before.

Hochreiter & Schmidhuber 1997, "Long short-term memory", Neural Computation 9(8).
"""

import argparse
import sys
import time

import numpy as np

import rnnkit


def make_batch(length, batch_size, rng):
    """Return input, target and sample weights, all of shape (time, batch, features)."""
    example = np.arange(batch_size)
    x = np.zeros((length, batch_size, 2))
    x[..., 0] = rng.random((length, batch_size))
    x[rng.integers(0, max(1, length // 10), batch_size), example, 1] = 1
    x[rng.integers(length // 2, length, batch_size), example, 1] = 1
    y, weights = np.zeros((2, length, batch_size, 1))
    y[-1, :, 0] = x.prod(axis=-1).sum(axis=0)  # sum over time of values times marks
    weights[-1] = 1
    return [x, y, weights]


def main(
    *,
    length=50,
    size=20,
    algo='adam',
    learning_rate=0.01,
    updates=10_000,
    goal=0.001,
    seed=1,
    plot='addition_task.png',
):
    """Train a network, measure its error on new data, draw its predictions.

    Returns
    -------
    results : dict
        ``'error'``, and that of the ``'constant'`` prediction; the number of
        ``'updates'``; the seconds spent in ``'compiling'`` and in ``'training'``.
    """
    if length < 2:
        sys.exit(f'--length must be at least 2, for two marks; got {length}')
    rng = np.random.default_rng(seed)
    net = rnnkit.Regressor([2, ('lstm', size), 1], weighted=True, seed=seed)

    def draw_batch():
        return make_batch(length, 32, rng)

    validation = make_batch(length, 640, rng)

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
    for _, valid in net.itertrain(draw_batch, validate_every=2, **options):
        if valid['err'] < goal:
            break  # the best parameters are restored
    seconds = time.perf_counter() - compiled

    x, y, _ = make_batch(length, 2000, rng)
    sums, predictions = y[-1, :, 0], net.predict(x)[-1, :, 0]
    history = net.history[1:]
    results = {
        'error': float(np.mean((predictions - sums) ** 2)),
        'constant': float(np.mean((1 - sums) ** 2)),
        'updates': history[-1]['updates'],
        'compiling': compiled - start,
        'training': seconds,
    }
    if plot:
        draw(plot, sums[:500], predictions[:500], history)
    return results


def draw(path, sums, predictions, history):
    """Draw the network's predictions over the true sums, and the error during training."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; run: pip install 'rnnkit[plot]'")
        return
    figure = Figure(figsize=(7, 3.4), layout='constrained')
    left, right = figure.subplots(1, 2)
    left.plot([0, 2], [0, 2], color='0.4', lw=1, label='perfect')
    left.axhline(1, color='0.4', ls='--', lw=1, label='constant')
    left.plot(sums, predictions, '.', ms=4, color='tab:blue', alpha=0.6, label='network')
    left.set(xlabel='sum of the two marked values', ylabel='prediction', title='New sequences')
    right.semilogy([r['updates'] for r in history], [r['loss'] for r in history], label='network')
    right.axhline(1 / 6, color='0.4', ls='--', lw=1, label='constant')
    right.set(xlabel='updates', ylabel='mean squared error', title='During training')
    for axes in (left, right):
        axes.legend(fontsize='small')
    figure.savefig(path, dpi=130)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Train a network to add two marked numbers, and report its error.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--length', type=int, metavar='T', help='length of a sequence')
    option('--size', type=int, metavar='H', help='number of LSTM units')
    option('--algo', choices=sorted(rnnkit.optimizers.registry), help='update rule')
    option('--learning-rate', type=float, metavar='RATE', help='step size of the update rule')
    option('--updates', type=int, metavar='N', help='maximum number of updates')
    option('--goal', type=float, metavar='E', help='stop training at this error')
    option('--tolerance', type=float, metavar='E', help='fail if the final error is not below this')
    option('--seed', type=int, help='random seed of the initial weights and the data')
    option('--plot', metavar='FILE', help="file for the picture; '' for none")
    parser.set_defaults(**main.__kwdefaults__, tolerance=0.01)
    options = vars(parser.parse_args())
    tolerance = options.pop('tolerance')
    results = main(**options)
    print(
        f'{results["updates"]} updates in {results["training"]:.0f} s, '
        f'after {results["compiling"]:.0f} s to compile'
    )
    print(f'error {results["error"]:.5f} on new data; the constant 1 has {results["constant"]:.3f}')
    if not results['error'] < tolerance:
        sys.exit(f'FAILED: the error is not below {tolerance:g}')
