"""Add two numbers in sequences of different lengths: the addition example of Lasagne.

Copy this for sequences of different lengths, as a list of arrays (`masked=True`), and for a network
that reads in both directions.

Each sequence has 50 to 55 steps with two numbers each: a random value and a mark. Two steps are
marked, and the network must output the sum of their values. As in Lasagne's program, values lie
between -0.5 and 0.5, and the mean mark, 2 / length, is subtracted from the marks. So the mean of
all sums is 0; predicting it always has a mean squared error of 1/6, which is 0.167.

    step      1     2     3   ...    33   ...    52   (the end)
    value   0.0   0.2  -0.2   ...   0.4   ...   0.1
    mark      0     0     1   ...     1   ...     0        less 2/52
    target                                              0.2 = -0.2 + 0.4

The network pads the sequences of a batch to one length, and makes a mask, so that padding has no
effect. 100 tanh units read forwards and 100 backwards, and `'last'` selects the final hidden state
of each direction.

Hochreiter & Schmidhuber 1997, "Long short-term memory", Neural Computation 9(8); in the form of
Lasagne's examples/recurrent.py.
"""

import sys

import common
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
    *, shortest=50, longest=55, size=100, learning_rate=0.001, updates=3000, goal=0.01, seed=1
):
    """Train a network, and measure its error on new sequences."""
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
        algo='adam',
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
    results = {
        'error': np.mean((predictions - y) ** 2),
        'constant': np.mean(y**2),
        'updates': net.history[-1]['updates'],
    }
    return results, (y[:500], predictions[:500], net.history)


def draw(figure, sums, predictions, history):
    """Draw predictions over sums, and the error during training."""
    left, right = figure.subplots(1, 2)
    common.agreement(left, sums, predictions, 'sum of the two marked values', 'prediction', 0)
    common.training(right, history, constant=1 / 6)


if __name__ == '__main__':
    common.run(
        main,
        draw,
        report='error {error:.5f} on new sequences; the constant 0 has {constant:.3f}',
        tolerance=0.02,
        shortest='smallest number of time steps',
        longest='largest number of time steps',
        size='number of units in each direction',
    )
