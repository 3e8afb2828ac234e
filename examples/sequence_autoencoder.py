"""Compress a sequence into a few numbers and reconstruct it: a sequence autoencoder.

Copy this to find a code of a few numbers for sequences: `encode`, and `decode` of any code.

An encoder reads a wave of T time steps, whose frequency and phase are random. Its last hidden state
is compressed into K numbers, the code. A decoder reads the code at every time step, and must
reconstruct the whole wave. The target is the input, so that a batch is a single array:

    x (T, B, 1)  ->  lstm  ->  last (B, H)  ->  code (B, K)  ->  repeat T times  ->  lstm  ->  x

Three numbers determine a wave (phases lie on a circle), but a weighted sum of three fixed sequences
cannot represent it. The error is the mean squared error divided by the variance: predicting the
mean of all waves has 1. It is compared with the best linear code of K numbers, principal
components. A network that uses time is better than both.

Srivastava, Mansimov & Salakhutdinov 2015, "Unsupervised learning of video representations using
LSTMs", ICML, arXiv:1502.04681.
"""

import common
import numpy as np

import rnnkit


def main(*, steps=20, code=3, size=32, learning_rate=0.01, updates=6_000, goal=0.003, seed=1):
    """Train a network, and measure its error on new waves."""
    rng = np.random.default_rng(seed)
    validation = make_batch(steps, 640, rng)
    net = rnnkit.Autoencoder(
        [
            1,
            ('lstm', size),
            'last',
            dict(size=code, activation='tanh', name='code'),
            ('repeat', steps),
            ('lstm', size),
            1,
        ],
        seed=seed,
    )

    epochs = -(-updates // 100)
    for _, valid in net.itertrain(
        lambda: make_batch(steps, 64, rng),
        lambda: validation,
        valid_batches=1,
        algo='adam',
        learning_rate=learning_rate,
        train_batches=min(updates, 100),
        epochs=epochs,
        validate_every=5,
        patience=epochs,
    ):
        if valid['err'] < goal * validation.var():
            break  # the best parameters are restored

    x = make_batch(steps, 1000, rng)
    results = {
        'error': 1 - net.score(x),
        'linear': linear_error(x, code),
        'updates': net.history[-1]['updates'],
    }
    z = net.encode(x[:, :3], 'code')
    output = net.decode(z, 'code')
    between = net.decode(np.linspace(z[0], z[1], 7), 'code')  # codes between those of two waves
    scale = 1 / validation.var()
    shown = (x[:, :3, 0], output[..., 0], between[..., 0], net.history, scale, results['linear'])
    return results, shown


def make_batch(steps, batch_size, rng):
    """Return waves of half a cycle to two cycles, of shape (T, B, 1)."""
    cycles, phase = rng.uniform(0.5, 2, batch_size), rng.uniform(0, 2 * np.pi, batch_size)
    turn = 2 * np.pi * np.arange(steps)[:, None] / steps
    return np.sin(turn * cycles + phase)[..., None]


def linear_error(x, code):
    """Return the error of the best linear code of so many numbers: principal components."""
    centred = x[..., 0].T - x[..., 0].T.mean(axis=0)
    squares = np.linalg.svd(centred, compute_uv=False) ** 2
    return float(squares[code:].sum() / squares.sum())


def draw(figure, x, output, between, history, scale, linear):
    """Draw waves (T, B), their reconstructions, waves between two of them, and errors."""
    figure.set_size_inches(8, 6)
    axes = figure.subplot_mosaic([['waves', 'between'], ['training', 'training']])
    axes['waves'].plot(x, '.', label=['input', *['_'] * (x.shape[1] - 1)])
    axes['waves'].set_prop_cycle(None)
    axes['waves'].plot(output, label=['reconstruction', *['_'] * (x.shape[1] - 1)])
    axes['waves'].set(xlabel='time step', ylabel='value', title='New waves')
    common.legend(axes['waves'])
    for k, wave in enumerate(between.T):
        share = k / (between.shape[1] - 1)
        axes['between'].plot(wave, color=(share, 0.4, 1 - share))
    axes['between'].set(xlabel='time step', ylabel='value')
    axes['between'].set_title('From the code of one wave (blue) to another')
    levels = dict(mean_of_all_waves=1, best_linear_code=linear)
    common.training(axes['training'], history, 'err', 'squared error / variance', scale, **levels)
    common.legend(axes['training'])


if __name__ == '__main__':
    common.run(
        main,
        draw,
        report=(
            'relative error {error:.4f} on new waves; the mean of all has 1, the best linear code '
            '{linear:.3f}'
        ),
        tolerance=0.01,
        code='size of the code',
        size='number of LSTM units, on each side',
    )
