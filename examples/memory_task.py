"""Remember a few numbers: the memory task.

Copy this to train on batches that a function draws, with only some of the steps counting
(`weighted=True`), until the error is small enough.

A recurrent network reads one random number at each of T time steps. It must remember the first K
of them, ignore all later ones, and output the K numbers in the last K steps:

    step      1    2    3    4    5   ...   18   19   20        T = 20, K = 3
    input    0.3 -1.2  0.8  0.1 -0.5  ...  0.9 -2.0  0.4
    target    -    -    -    -    -   ...  0.3 -1.2  0.8

The numbers are drawn anew for every batch from a normal distribution with variance 1, so
overfitting is impossible. A network without memory can do no better than to predict 0, which has
a mean squared error of 1: chance.
"""

import sys

import common
import numpy as np

import rnnkit


def make_batch(steps, values, batch_size, rng):
    """Return input, target and sample weights, all of shape (time, batch, 1)."""
    x = rng.standard_normal((steps, batch_size, 1))
    y, weights = np.zeros_like(x), np.zeros_like(x)
    y[-values:] = x[:values]
    weights[-values:] = 1
    return [x, y, weights]


def main(*, steps=20, values=3, size=20, learning_rate=0.01, updates=30_000, goal=0.01, seed=1):
    """Train a network, and measure its error on new sequences."""
    if not 0 < values <= steps:
        sys.exit(f'--values must be from 1 to --steps, {steps}; got {values}')
    rng = np.random.default_rng(seed)
    validation = make_batch(steps, values, 640, rng)
    net = rnnkit.Regressor([1, ('lstm', size), 1], weighted=True, seed=seed)
    epochs = -(-updates // 100)
    for _, valid in net.itertrain(
        lambda: make_batch(steps, values, 32, rng),
        lambda: validation,
        valid_batches=1,
        algo='adam',
        learning_rate=learning_rate,
        train_batches=min(updates, 100),
        epochs=epochs,
        validate_every=5,
        patience=epochs,
    ):
        if valid['err'] < goal:
            break  # the best parameters are restored

    x, y, _ = make_batch(steps, values, 2000, rng)
    output = net.predict(x)
    results = {
        'error': np.mean((output - y)[-values:] ** 2),
        'chance': np.mean(y[-values:] ** 2),
        'updates': net.history[-1]['updates'],
    }
    return results, (x[:, :100, 0], output[-values:, :100, 0], net.history)


def draw(figure, x, recalled, history):
    """Draw a sequence (T,) and what is recalled of it (K,), many sequences, and the training."""
    figure.set_size_inches(8, 6.4)
    axes = figure.subplot_mosaic([['sequence', 'sequence'], ['all', 'training']])
    first, values, steps = axes['sequence'], len(recalled), np.arange(1, len(x) + 1)
    end = steps[-values:]
    first.axvspan(0.5, values + 0.5, color='tab:blue', alpha=0.1)
    first.axvspan(len(x) - values + 0.5, len(x) + 0.5, color='tab:orange', alpha=0.15)
    first.plot(steps, x[:, 0], '.-', color='0.65', label='input')
    first.plot(steps[:values], x[:values, 0], 'o', color='tab:blue', label='to be remembered')
    first.plot(end, x[:values, 0], 'o', ms=12, mfc='none', color='tab:blue', label='target')
    first.plot(end, recalled[:, 0], 'X', color='tab:orange', label='output')
    first.set(xlabel='time step', ylabel='value', title='A new sequence')
    first.set(xlim=(0.5, len(x) + 0.5), xticks=steps[:: 1 + len(x) // 25])
    common.legend(first)
    common.agreement(axes['all'], x[:values], recalled, 'number to be remembered', 'output', 0)
    common.training(axes['training'], history, 'err', 'mean squared recall error', chance=1)


if __name__ == '__main__':
    common.run(
        main,
        draw,
        report='recall error {error:.4f} on new data; chance is {chance:.2f}',
        tolerance=0.05,
        values='number of values to remember',
    )
