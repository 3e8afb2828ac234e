"""Add two numbers that are far apart: the adding problem.

A recurrent network reads pairs of numbers. The first of a pair is a random value between 0 and
1; the second is a mark, which is 1 at two of the T time steps and 0 at all others. After the
last step the network must say what the two marked values add up to:

    step      1    2    3    4   ...   31   32   33  ...   50        T = 50
    value    0.5  0.7  0.3  0.1  ...  0.2  0.9  0.6  ...  0.2
    mark      0    0    1    0   ...   0    1    0   ...   0
    target    -    -    -    -   ...   -    -    -   ...  1.2        0.3 + 0.9

One mark is in the first tenth of the sequence and one in its second half, so the first value must
be kept through many steps of distraction. To answer 1 always, the mean of all sums, has a mean
squared error of 1/6, which is 0.167. A network that adds gets well below 0.01.

Only the last step counts. The network is therefore built with `weighted=True`, and the third
array of each batch, the weights, is 1 in the last step and 0 before.

Hochreiter & Schmidhuber 1997, "Long short-term memory", Neural Computation 9(8).
"""

import argparse
import sys
import time

import numpy as np

import rnnkit


def make_batch(length, batch_size, rng):
    """Return input, target and weights; time comes first, then the batch, then the features."""
    example = np.arange(batch_size)
    x = np.zeros((length, batch_size, 2))
    x[..., 0] = rng.random((length, batch_size))
    x[rng.integers(0, max(1, length // 10), batch_size), example, 1] = 1
    x[rng.integers(length // 2, length, batch_size), example, 1] = 1
    y, weights = np.zeros((2, length, batch_size, 1))
    y[-1, :, 0] = x.prod(axis=-1).sum(axis=0)  # values times marks, added up over time
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
    """Train a network, measure its error on fresh data, draw what it learned.

    Returns
    -------
    found : dict
        ``'error'``, and that of the ``'constant'`` predictor beside it; the number of
        ``'updates'``; the seconds spent in ``'compiling'`` and in ``'training'``.
    """
    if length < 2:
        sys.exit(f'a sequence with two marks has at least 2 steps, not {length}')
    rng = np.random.default_rng(seed)
    net = rnnkit.Regressor([2, ('lstm', size), 1], weighted=True, seed=seed)

    def batches():
        return make_batch(length, 32, rng)

    held_back = make_batch(length, 640, rng)

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
    for _, valid in net.itertrain(batches, validate_every=2, **options):
        if valid['err'] < goal:
            break  # the best parameters are restored, as at any end of a training
    seconds = time.perf_counter() - compiled

    x, y, _ = make_batch(length, 2000, rng)
    sums, answers = y[-1, :, 0], net.predict(x)[-1, :, 0]
    history = net.history[1:]
    found = {
        'error': float(np.mean((answers - sums) ** 2)),
        'constant': float(np.mean((1 - sums) ** 2)),
        'updates': history[-1]['updates'],
        'compiling': compiled - start,
        'training': seconds,
    }
    if plot:
        draw(plot, sums[:500], answers[:500], history)
    return found


def draw(path, sums, answers, history):
    """Draw the network's answers over the true sums, and the error while learning."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; pip install 'rnnkit[plot]' brings it")
        return
    figure = Figure(figsize=(7, 3.4), layout='constrained')
    left, right = figure.subplots(1, 2)
    left.plot([0, 2], [0, 2], color='0.4', lw=1, label='perfect')
    left.axhline(1, color='0.4', ls='--', lw=1, label='constant')
    left.plot(sums, answers, '.', ms=4, color='tab:blue', alpha=0.6, label='network')
    left.set(xlabel='sum of the two marked values', ylabel='answer', title='On fresh sequences')
    right.semilogy([r['updates'] for r in history], [r['loss'] for r in history], label='network')
    right.axhline(1 / 6, color='0.4', ls='--', lw=1, label='constant')
    right.set(xlabel='updates', ylabel='mean squared error', title='While learning')
    for axes in (left, right):
        axes.legend(fontsize='small')
    figure.savefig(path, dpi=130)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Train a network to add two marked numbers, and tell how well it does.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--length', type=int, metavar='T', help='length of a sequence')
    option('--size', type=int, metavar='H', help='number of LSTM units')
    option('--algo', choices=sorted(rnnkit.optimizers.registry), help='update rule')
    option('--learning-rate', type=float, metavar='RATE', help='how far an update goes')
    option('--updates', type=int, metavar='N', help='train no longer than this')
    option('--goal', type=float, metavar='E', help='end training at this error')
    option('--tolerance', type=float, metavar='E', help='fail if the final error is not below')
    option('--seed', type=int, help='drives initial weights and data')
    option('--plot', metavar='FILE', help="where the picture goes; '' for none")
    parser.set_defaults(**main.__kwdefaults__, tolerance=0.01)
    given = vars(parser.parse_args())
    tolerance = given.pop('tolerance')
    found = main(**given)
    print(
        f'{found["updates"]} updates in {found["training"]:.0f} s, '
        f'after {found["compiling"]:.0f} s to compile'
    )
    print(f'error {found["error"]:.5f} on fresh data; the constant 1 has {found["constant"]:.3f}')
    if not found['error'] < tolerance:
        sys.exit(f'FAILED: the error is not below {tolerance:g}')
