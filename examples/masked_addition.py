"""Add two numbers in sequences of different lengths: the addition example of Lasagne.

Each sequence has 50 to 55 time steps, and two numbers at each: a random value and a mark. Two
steps are marked, one in the first tenth of the sequence and one in its second half. The network
must output the sum of the two marked values. As in Lasagne's program, all numbers are centred:
values lie between -0.5 and 0.5, and the mean mark, 2 / length, is subtracted from the marks. So
the mean of all sums is 0. Predicting 0 always has a mean squared error of 1/6, which is 0.167.

    step      1     2     3   ...    33   ...    52   (the end of this sequence)
    value   0.0   0.2  -0.2   ...   0.4   ...   0.1
    mark      0     0     1   ...     1   ...     0        less 2/52
    target                                              0.2 = -0.2 + 0.4

The sequences of a batch are a list of arrays (length, 2). A network with `masked=True` takes such
lists, pads them to one length and makes a mask, so that padding has no effect. It is bidirectional:
100 tanh units read forwards and 100 backwards. `'last'` selects the final hidden state of each
direction, and one linear unit makes a number from them: many to one.

The task is that of Hochreiter & Schmidhuber 1997, "Long short-term memory", Neural Computation
9(8); the form is that of Lasagne's examples/recurrent.py.
"""

import argparse
import sys

import numpy as np

import rnnkit


def make_batch(shortest, longest, batch_size, rng):
    """Return a list of B sequences of shape (length, 2), and their sums, of shape (B, 1)."""
    x, y = [], []
    for length in rng.integers(shortest, longest + 1, batch_size):
        values, marks = rng.uniform(-0.5, 0.5, length), np.zeros(length)
        marks[rng.integers(0, max(1, length // 10))] = 1
        marks[rng.integers(length // 2, length)] = 1
        x.append(np.stack([values, marks - 2 / length], axis=1))
        y.append([values @ marks])
    return [x, np.array(y)]


def main(
    *,
    shortest=50,
    longest=55,
    size=100,
    algo='adam',
    learning_rate=0.001,
    updates=3000,
    goal=0.01,
    seed=1,
    plot=None,
):
    """Train a network, measure its error on new data, draw its predictions.

    Returns
    -------
    results : dict
        ``'error'``, that of the ``'constant'`` prediction 0, and the number of ``'updates'``.
    """
    if not 2 <= shortest <= longest:
        sys.exit(f'2 <= --shortest <= --longest must hold; got {shortest} and {longest}')
    rng = np.random.default_rng(seed)
    both = dict(form='bidirectional', worker='rnn', size=2 * size)
    net = rnnkit.Regressor([2, both, 'last', 1], masked=True, seed=seed)

    validation = make_batch(shortest, longest, 500, rng)
    epochs = -(-updates // 100)
    for _, valid in net.itertrain(
        lambda: make_batch(shortest, longest, 100, rng),
        lambda: validation,
        valid_batches=1,
        algo=algo,
        learning_rate=learning_rate,
        train_batches=min(updates, 100),
        epochs=epochs,
        validate_every=1,
        patience=epochs,
    ):
        if valid['err'] < goal:
            break  # the best parameters are restored

    x, y = make_batch(shortest, longest, 2000, rng)
    predictions = net.predict(x)
    if plot:
        draw(plot, y[:500], predictions[:500], net.history)
    return {
        'error': float(np.mean((predictions - y) ** 2)),
        'constant': float(np.mean(y**2)),
        'updates': net.history[-1]['updates'],
    }


def draw(path, sums, predictions, history):
    """Draw the network's predictions over the true sums, and the error during training."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; run: pip install 'rnnkit[plot]'")
        return
    figure = Figure(figsize=(7, 3.4), layout='constrained')
    left, right = figure.subplots(1, 2)
    left.plot([-1, 1], [-1, 1], color='0.4', lw=1, label='perfect')
    left.axhline(0, color='0.4', ls='--', lw=1, label='constant')
    left.plot(sums, predictions, '.', ms=4, color='tab:blue', alpha=0.6, label='network')
    left.set(xlabel='sum of the two marked values', ylabel='prediction', title='New sequences')
    updates = history['updates']
    right.semilogy(updates, history['loss'], color='0.7', label='training')
    right.semilogy(updates, history['valid_loss'], color='tab:blue', label='validation')
    right.axhline(1 / 6, color='0.4', ls='--', lw=1, label='constant')
    right.set(xlabel='updates', ylabel='mean squared error', title='During training')
    for axes in (left, right):
        axes.legend(fontsize='small')
    figure.savefig(path, dpi=130)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Train a network to add two marked numbers in variable-length sequences.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--shortest', type=int, metavar='T', help='smallest number of time steps')
    option('--longest', type=int, metavar='T', help='largest number of time steps')
    option('--size', type=int, metavar='H', help='number of units in each direction')
    option('--algo', choices=sorted(rnnkit.optimizers.registry), help='update rule')
    option('--learning-rate', type=float, metavar='RATE', help='step size of the update rule')
    option('--updates', type=int, metavar='N', help='maximum number of updates')
    option('--goal', type=float, metavar='E', help='stop training at this error')
    option('--tolerance', type=float, metavar='E', help='fail if the final error is not below this')
    option('--seed', type=int, help='random seed of the initial weights and the data')
    option('--plot', metavar='FILE', help='file for a picture')
    parser.set_defaults(**main.__kwdefaults__, tolerance=0.02)
    options = vars(parser.parse_args())
    tolerance = options.pop('tolerance')
    results = main(**options)
    print(
        f'after {results["updates"]} updates: error {results["error"]:.5f} on new sequences; '
        f'the constant 0 has {results["constant"]:.3f}'
    )
    if not results['error'] < tolerance:
        sys.exit(f'FAILED: the error is not below {tolerance:g}')
