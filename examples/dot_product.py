"""Compute the dot product of two vectors from one pair of numbers at a time.

A recurrent network reads x0 and x1 at each of T time steps. After the last one it must output the
sum of their products, plus a start value that it is given before the first step:

    target = start + sum over t of x0[t] * x1[t]

So it has to learn to multiply and to accumulate. The start value is part of the initial hidden
state: an array (B, H) with the value in the first unit and 0 in the others. The array has an input
layer of its own, which is the `h_0` of the recurrent layer. The units are sigmoid.

The set of examples is fixed, so overfitting is possible. Three things prevent it. The examples are
split into training, validation and test data: the second select the best parameters, and the third
are used once, at the end. Copies of the training examples with white noise on their inputs are
added. And an L1 penalty keeps weights small that are not needed.

The task is that of T. Ramalho, "Implementing a recurrent neural network in Python".
"""

import argparse
import sys

import numpy as np

import rnnkit


def make_data(length, size, examples, rng):
    """Return x (T, B, 2), initial hidden states (B, H), and targets (B, 1)."""
    x = rng.uniform(-1, 1, (length, examples, 2))
    h0 = np.zeros((examples, size))
    h0[:, 0] = rng.uniform(0, 1, examples)
    return [x, h0, h0[:, :1] + x.prod(axis=-1).sum(axis=0)[:, None]]


def with_noise(data, copies, noise, rng):
    """Return the examples, followed by copies of them with white noise on x."""
    x, h0, y = data
    noisy = [x + noise * rng.standard_normal(x.shape) for _ in range(copies)]
    h0, y = (np.tile(array, (copies + 1, 1)) for array in (h0, y))
    return [np.concatenate([x, *noisy], axis=1), h0, y]


def main(
    *,
    length=10,
    size=30,
    examples=4000,
    copies=2,
    noise=0.02,
    weight_l1=1e-3,
    algo='adam',
    learning_rate=0.01,
    updates=6000,
    seed=1,
    plot=None,
):
    """Train a network, measure its error on the test data, draw its error during training.

    Returns
    -------
    results : dict
        ``'error'`` on the test data, and that of the ``'constant'`` mean; the error on the
        training data, ``'train'``, without noise; the number of ``'updates'``.
    """
    rng = np.random.default_rng(seed)
    train, valid, test = (make_data(length, size, n, rng) for n in (examples, 1000, 1000))
    net = rnnkit.Regressor(
        [
            2,
            dict(form='input', size=size, name='h0'),
            dict(form='rnn', size=size, activation='sigmoid', inputs='in', h_0='h0'),
            'last',
            1,
        ],
        seed=seed,
    )
    epochs = -(-updates // 100)
    net.train(
        with_noise(train, copies, noise, rng),
        valid,
        train_batches=min(updates, 100),
        epochs=epochs,
        validate_every=1,
        patience=epochs,
        batch_size=64,
        algo=algo,
        learning_rate=learning_rate,
        weight_l1=weight_l1,
    )

    def error(data):
        *inputs, y = data
        return float(np.mean((net.predict(inputs) - y) ** 2))

    results = {
        'error': error(test),
        'constant': float(test[-1].var()),
        'train': error(train),
        'updates': net.history[-1]['updates'],
    }
    if plot:
        draw(plot, net.history, results, test[-1], net.predict(test[:-1]))
    return results


def draw(path, history, results, y, output):
    """Draw the error during training, and outputs over targets."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; run: pip install 'rnnkit[plot]'")
        return
    figure = Figure(figsize=(7, 3.4), layout='constrained')
    left, right = figure.subplots(1, 2)
    updates = history['updates']
    left.semilogy(updates, history['err'], color='0.7', label='training, with noise')
    left.semilogy(updates, history['valid_err'], color='tab:blue', label='validation')
    left.plot(updates[-1], results['error'], 'o', color='tab:orange', label='test')
    left.axhline(results['constant'], color='0.4', ls='--', lw=1, label='constant')
    left.set(xlabel='updates', ylabel='mean squared error', title='During training')
    right.plot([y.min(), y.max()], [y.min(), y.max()], color='0.4', lw=1, label='perfect')
    right.plot(y, output, '.', ms=3, color='tab:orange', alpha=0.6, label='network')
    right.set(xlabel='start + dot product', ylabel='output', title='Test data')
    for axes in (left, right):
        axes.legend(fontsize='small')
    figure.savefig(path, dpi=130)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Train a network to compute a dot product, and report its error.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--length', type=int, metavar='T', help='length of the two vectors')
    option('--size', type=int, metavar='H', help='number of sigmoid units')
    option('--examples', type=int, metavar='B', help='number of training examples')
    option('--copies', type=int, metavar='N', help='number of noisy copies of them')
    option('--noise', type=float, metavar='S', help='standard deviation of the noise')
    option('--weight-l1', type=float, metavar='W', help='weight of the L1 penalty')
    option('--algo', choices=sorted(rnnkit.optimizers.registry), help='update rule')
    option('--learning-rate', type=float, metavar='RATE', help='step size of the update rule')
    option('--updates', type=int, metavar='N', help='maximum number of updates')
    option('--tolerance', type=float, metavar='E', help='fail if the test error is not below this')
    option('--seed', type=int, help='random seed of the initial weights and the data')
    option('--plot', metavar='FILE', help='file for a picture')
    parser.set_defaults(**main.__kwdefaults__, tolerance=0.05)
    options = vars(parser.parse_args())
    tolerance = options.pop('tolerance')
    results = main(**options)
    print(
        f'after {results["updates"]} updates: error {results["error"]:.4f} on test data, '
        f'{results["train"]:.4f} on training data; '
        f'the constant mean has {results["constant"]:.2f}'
    )
    if not results['error'] < tolerance:
        sys.exit(f'FAILED: the test error is not below {tolerance:g}')
