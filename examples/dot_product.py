"""Add up products: the dot product of two vectors that come one pair of numbers at a time.

A recurrent network reads x0 and x1 at each of T time steps. After the last one it must say what
their products add up to, starting from a number that it was given before the first step:

    target = start + sum over t of x0[t] * x1[t]

So it has to learn to multiply and to keep a sum. The start is its initial state: an array (B, H)
that holds the number in the first unit and 0 in the others. It enters by an input layer of its
own, which the recurrent layer names as its `h_0`. The units are sigmoid ones.

There is a fixed set of examples, so a network could learn them by heart. Four things are done
about that. The examples are split in three: the network learns from one part, training ends by
the second, and the third is looked at once, in the end. Copies of the training examples with
white noise on their inputs are added. And a penalty on the absolute value of the weights, L1,
keeps those small that are not needed.

The task is that of T. Ramalho, "Implementing a recurrent neural network in Python".
"""

import argparse
import sys

import numpy as np

import rnnkit


def make_data(length, size, examples, rng):
    """Return x (T, B, 2), the initial states (B, H), and targets (B, 1)."""
    x = rng.uniform(-1, 1, (length, examples, 2))
    h0 = np.zeros((examples, size))
    h0[:, 0] = rng.uniform(0, 1, examples)
    return [x, h0, h0[:, :1] + x.prod(axis=-1).sum(axis=0)[:, None]]


def with_noise(data, copies, noise, rng):
    """Return the examples, followed by copies of them with white noise on x."""
    x, h0, y = data
    noisy = [x + noise * rng.standard_normal(x.shape) for _ in range(copies)]
    return [np.concatenate([x, *noisy], axis=1), *(np.tile(a, (copies + 1, 1)) for a in (h0, y))]


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
    """Train a network, measure its error on the test examples, draw its error while learning.

    Returns
    -------
    found : dict
        ``'error'`` on the test examples, and that of the ``'constant'`` mean beside it; the
        error on the ``'train'`` examples, without noise; the number of ``'updates'``.
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

    found = {
        'error': error(test),
        'constant': float(test[-1].var()),
        'train': error(train),
        'updates': net.history[-1]['updates'],
    }
    if plot:
        draw(plot, net.history, found, test[-1], net.predict(test[:-1]))
    return found


def draw(path, history, found, y, output):
    """Draw the error while learning, and outputs over targets."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; pip install 'rnnkit[plot]' brings it")
        return
    figure = Figure(figsize=(7, 3.4), layout='constrained')
    left, right = figure.subplots(1, 2)
    updates = history['updates']
    left.semilogy(updates, history['err'], color='0.7', label='training, with noise')
    left.semilogy(updates, history['valid_err'], color='tab:blue', label='validation')
    left.plot(updates[-1], found['error'], 'o', color='tab:orange', label='test')
    left.axhline(found['constant'], color='0.4', ls='--', lw=1, label='constant')
    left.set(xlabel='updates', ylabel='mean squared error', title='While learning')
    right.plot([y.min(), y.max()], [y.min(), y.max()], color='0.4', lw=1, label='perfect')
    right.plot(y, output, '.', ms=3, color='tab:orange', alpha=0.6, label='network')
    right.set(xlabel='start + dot product', ylabel='output', title='On test examples')
    for axes in (left, right):
        axes.legend(fontsize='small')
    figure.savefig(path, dpi=130)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Train a network to compute a dot product, and tell how well it does.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--length', type=int, metavar='T', help='length of the two vectors')
    option('--size', type=int, metavar='H', help='number of sigmoid units')
    option('--examples', type=int, metavar='B', help='number of examples to learn from')
    option('--copies', type=int, metavar='N', help='how many noisy copies of them are added')
    option('--noise', type=float, metavar='S', help='standard deviation of the noise')
    option('--weight-l1', type=float, metavar='W', help='weight of the mean absolute weight')
    option('--algo', choices=sorted(rnnkit.optimizers.registry), help='update rule')
    option('--learning-rate', type=float, metavar='RATE', help='how far an update goes')
    option('--updates', type=int, metavar='N', help='train no longer than this')
    option('--tolerance', type=float, metavar='E', help='fail if the test error is not below')
    option('--seed', type=int, help='drives initial weights and data')
    option('--plot', metavar='FILE', help='draw a picture')
    parser.set_defaults(**main.__kwdefaults__, tolerance=0.05)
    given = vars(parser.parse_args())
    tolerance = given.pop('tolerance')
    found = main(**given)
    print(
        f'after {found["updates"]} updates: error {found["error"]:.4f} on test examples, '
        f'{found["train"]:.4f} on training examples; '
        f'the constant mean has {found["constant"]:.2f}'
    )
    if not found['error'] < tolerance:
        sys.exit(f'FAILED: the test error is not below {tolerance:g}')
