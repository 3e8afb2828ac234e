"""Compute the dot product of two vectors from one pair of numbers at a time.

Copy this for a fixed set of examples that must not be learned by heart, and for an initial hidden
state that comes with the data.

A recurrent network reads x0 and x1 at each of T time steps. After the last one it must output the
sum of their products, plus a start value that it is given before the first step:

    target = start + sum over t of x0[t] * x1[t]

The start value is part of the initial hidden state: an array (B, H) with the value in the first
unit and 0 in the others. It has an input layer of its own, which is the `h_0` of the recurrent
layer.

Three things prevent overfitting: validation data, which select the best parameters (test data are
used once, at the end); copies of the examples with white noise on their inputs; and an L1 penalty,
which keeps weights small that are not needed.

The task is that of T. Ramalho, "Implementing a recurrent neural network in Python".
"""

import common
import numpy as np

import rnnkit


def make_data(length, size, examples, rng):
    """Return x (T, B, 2), initial hidden states (B, H), and targets (B, 1)."""
    x = rng.uniform(-1, 1, (length, examples, 2))
    h0 = np.zeros((examples, size))
    h0[:, 0] = rng.uniform(0, 1, examples)
    return [x, h0, h0[:, :1] + x.prod(axis=-1).sum(axis=0)[:, None]]


def with_noise(data, rng, copies=2, noise=0.02):
    """Return the examples, followed by copies of them with white noise on x."""
    x, h0, y = data
    noisy = [x + noise * rng.standard_normal(x.shape) for _ in range(copies)]
    h0, y = (np.tile(array, (copies + 1, 1)) for array in (h0, y))
    return [np.concatenate([x, *noisy], axis=1), h0, y]


def main(*, length=10, size=30, examples=4000, learning_rate=0.01, updates=6000, seed=1):
    """Train a network, and measure its error on the test data."""
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
        with_noise(train, rng),
        valid,
        train_batches=min(updates, 100),
        epochs=epochs,
        validate_every=1,
        patience=epochs,
        batch_size=64,
        algo='adam',
        learning_rate=learning_rate,
        weight_l1=1e-3,
    )

    *inputs, y = test
    output = net.predict(inputs)
    results = {
        'error': np.mean((output - y) ** 2),
        'constant': y.var(),
        'train': np.mean((net.predict(train[:-1]) - train[-1]) ** 2),
        'updates': net.history[-1]['updates'],
    }
    return results, (net.history, results['constant'], y, output)


def draw(figure, history, constant, y, output):
    """Draw the error during training, and outputs over targets."""
    left, right = figure.subplots(1, 2)
    common.training(left, history, 'err', constant=constant)
    common.agreement(right, y, output, 'start + dot product', 'output', title='Test data')


if __name__ == '__main__':
    common.run(
        main,
        draw,
        report=(
            'error {error:.4f} on test data, {train:.4f} on training data; '
            'the constant mean has {constant:.2f}'
        ),
        tolerance=0.05,
        length='length of the two vectors',
        examples='number of training examples',
    )
