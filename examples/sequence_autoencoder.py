"""Compress a sequence into a few numbers and reconstruct it: a sequence autoencoder.

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

import argparse
import sys
import time

import numpy as np

import rnnkit


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


def main(
    *,
    steps=20,
    code=3,
    size=32,
    algo='adam',
    learning_rate=0.01,
    updates=6_000,
    goal=0.003,
    seed=1,
    plot='sequence_autoencoder.png',
):
    """Train a network, measure its error on new waves, draw some of them.

    Returns
    -------
    results : dict
        ``'error'``, and that of the best ``'linear'`` code; the number of
        ``'updates'``; the seconds spent in ``'compiling'`` and in ``'training'``.
    """
    rng = np.random.default_rng(seed)
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

    def draw_batch():
        return make_batch(steps, 64, rng)

    validation = make_batch(steps, 640, rng)

    start = time.perf_counter()
    options = {
        'valid': lambda: validation,
        'valid_batches': 1,
        'algo': algo,
        'learning_rate': learning_rate,
    }
    net.train(draw_batch, epochs=1, train_batches=1, **options)  # one update, to compile everything
    net.predict(draw_batch())
    compiled = time.perf_counter()
    epochs = -(-updates // 100)
    options |= {'train_batches': min(updates, 100), 'epochs': epochs, 'patience': epochs}
    for _, valid in net.itertrain(draw_batch, validate_every=5, **options):
        if valid['err'] < goal * validation.var():
            break  # the best parameters are restored
    seconds = time.perf_counter() - compiled

    x = make_batch(steps, 1000, rng)
    history = net.history[1:]
    results = {
        'error': 1 - net.score(x),
        'linear': linear_error(x, code),
        'updates': history[-1]['updates'],
        'compiling': compiled - start,
        'training': seconds,
    }
    if plot:
        z = net.encode(x[:, :3], 'code')
        between = np.linspace(z[0], z[1], 7)  # codes between those of two waves
        draw(
            plot,
            x[:, :3, 0],
            net.decode(z, 'code')[..., 0],
            net.decode(between, 'code')[..., 0],
            history,
            validation.var(),
            results['linear'],
        )
    return results


def draw(path, x, output, between, history, variance, linear):
    """Draw waves (T, B), their reconstructions, waves between two of them, and errors."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; run: pip install 'rnnkit[plot]'")
        return
    figure = Figure(figsize=(9, 3.2), layout='constrained')
    waves, path_between, error = figure.subplots(1, 3)
    for k in range(x.shape[1]):
        waves.plot(x[:, k], '.', color=f'C{k}', label='input' if k == 0 else None)
        waves.plot(output[:, k], color=f'C{k}', label='reconstruction' if k == 0 else None)
    waves.set(xlabel='time step', title='New waves')
    for k, wave in enumerate(between.T):
        path_between.plot(wave, color='tab:blue', alpha=1 - 0.8 * k / len(between.T))
    path_between.set(xlabel='time step', title='Between the codes of two waves')
    error.semilogy([r['updates'] for r in history], [r['loss'] / variance for r in history])
    error.axhline(1, color='0.4', ls='--', lw=1, label='mean of all waves')
    error.axhline(linear, color='0.4', ls=':', lw=1, label='best linear code')
    error.set(xlabel='updates', ylabel='relative squared error', title='During training')
    waves.set(ylim=(None, 1.9))
    error.set(ylim=(None, 8))
    for axes in (waves, error):
        axes.legend(loc='upper right', fontsize='small')
    figure.savefig(path, dpi=130)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Train a network to reconstruct waves from a few numbers.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--steps', type=int, metavar='T', help='length of a wave')
    option('--code', type=int, metavar='K', help='size of the code')
    option('--size', type=int, metavar='H', help='number of LSTM units, on each side')
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
    print(
        f'relative error {results["error"]:.4f} on new waves; the mean of all has 1, the best '
        f'linear code {results["linear"]:.3f}'
    )
    if not results['error'] < tolerance:
        sys.exit(f'FAILED: the error is not below {tolerance:g}')
