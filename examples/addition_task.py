"""Add two numbers that are far apart: the adding problem.

Copy this for a number that depends on distant steps of a sequence: only the last step counts
(`weighted=True`), and training ends when the error on validation data is small enough.

A recurrent network reads pairs of numbers: a random value between 0 and 1, and a mark, which is 1
at two of the T steps. After the last step it must output the sum of the two marked values:

    step      1    2    3    4   ...   31   32   33  ...   50        T = 50
    value    0.5  0.7  0.3  0.1  ...  0.2  0.9  0.6  ...  0.2
    mark      0    0    1    0   ...   0    1    0   ...   0
    target    -    -    -    -   ...   -    -    -   ...  1.2        0.3 + 0.9

One mark is in the first tenth of the sequence and one in its second half, so the first value must
be remembered through many irrelevant steps. The constant prediction 1, the mean of all sums, has a
mean squared error of 1/6, which is 0.167. A network that adds gets well below 0.01.

Hochreiter & Schmidhuber 1997, "Long short-term memory", Neural Computation 9(8).
"""

import sys

import common
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


def main(*, length=50, size=20, learning_rate=0.01, updates=10_000, goal=0.001, seed=1):
    """Train a network, and measure its error on new sequences."""
    if length < 2:
        sys.exit(f'--length must be at least 2, for two marks; got {length}')
    rng = np.random.default_rng(seed)
    validation = make_batch(length, 640, rng)
    net = rnnkit.Regressor([2, ('lstm', size), 1], weighted=True, seed=seed)
    epochs = -(-updates // 100)
    for _, valid in net.itertrain(
        lambda: make_batch(length, 32, rng),
        lambda: validation,
        valid_batches=1,
        algo='adam',
        learning_rate=learning_rate,
        train_batches=min(updates, 100),
        epochs=epochs,
        validate_every=2,
        patience=epochs,
    ):
        if valid['err'] < goal:
            break  # the best parameters are restored

    x, y, _ = make_batch(length, 2000, rng)
    sums, predictions = y[-1, :, 0], net.predict(x)[-1, :, 0]
    results = {
        'error': np.mean((predictions - sums) ** 2),
        'constant': np.mean((1 - sums) ** 2),
        'updates': net.history[-1]['updates'],
    }
    return results, (sums[:500], predictions[:500], net.history)


def draw(figure, sums, predictions, history):
    """Draw predictions over sums, and the error during training."""
    left, right = figure.subplots(1, 2)
    common.agreement(left, sums, predictions, 'sum of the two marked values', 'prediction', 1)
    common.training(right, history, constant=1 / 6)


if __name__ == '__main__':
    common.run(
        main,
        draw,
        report='error {error:.5f} on new data; the constant 1 has {constant:.3f}',
        tolerance=0.01,
        length='length of a sequence',
    )
