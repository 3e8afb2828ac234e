"""Say a sequence again from a few numbers: a sequence autoencoder.

An encoder reads a wave of T time steps, whose frequency and phase are random. Its last state is
squeezed into K numbers, the code. A decoder gets the code at every time step, and must write the
whole wave again. The target is the input, so that a batch is a single array:

    x (T, B, 1)  ->  lstm  ->  last (B, H)  ->  code (B, K)  ->  repeat T times  ->  lstm  ->  x

A wave is given by three numbers (phases lie on a circle), but not by a weighted sum of three fixed
sequences. The error is the mean squared error relative to the variance: 1 is what the mean of all
waves has. The best linear code with K numbers, principal components, is shown beside it; a network
that uses time is better than both.

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
    """Return the error of the best code of so many numbers that is linear in the wave."""
    flat = x[..., 0].T - x[..., 0].T.mean(axis=0)
    squares = np.linalg.svd(flat, compute_uv=False) ** 2
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
    """Train a network, measure its error on fresh waves, draw some of them.

    Returns
    -------
    found : dict
        ``'error'``, and that of the best ``'linear'`` code beside it; the number of
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

    def batches():
        return make_batch(steps, 64, rng)

    held_back = make_batch(steps, 640, rng)

    start = time.perf_counter()
    options = {
        'valid': lambda: held_back,
        'valid_batches': 1,
        'algo': algo,
        'learning_rate': learning_rate,
    }
    net.train(batches, epochs=1, train_batches=1, **options)  # one update, to compile it all
    net.predict(batches())
    compiled = time.perf_counter()
    epochs = -(-updates // 100)
    options |= {'train_batches': min(updates, 100), 'epochs': epochs, 'patience': epochs}
    for _, valid in net.itertrain(batches, validate_every=5, **options):
        if valid['err'] < goal * held_back.var():
            break  # the best parameters are restored, as at any end of a training
    seconds = time.perf_counter() - compiled

    x = make_batch(steps, 1000, rng)
    history = net.history[1:]
    found = {
        'error': 1 - net.score(x),
        'linear': linear_error(x, code),
        'updates': history[-1]['updates'],
        'compiling': compiled - start,
        'training': seconds,
    }
    if plot:
        z = net.encode(x[:, :3], 'code')
        way = np.linspace(z[0], z[1], 7)  # codes between those of two waves
        draw(
            plot,
            x[:, :3, 0],
            net.decode(z, 'code')[..., 0],
            net.decode(way, 'code')[..., 0],
            history,
            held_back.var(),
            found['linear'],
        )
    return found


def draw(path, x, output, between, history, variance, linear):
    """Draw waves (T, B) and what is made of them, waves on the way from one to another, errors."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; pip install 'rnnkit[plot]' brings it")
        return
    figure = Figure(figsize=(9, 3.2), layout='constrained')
    waves, way, error = figure.subplots(1, 3)
    for k in range(x.shape[1]):
        waves.plot(x[:, k], '.', color=f'C{k}', label='input' if k == 0 else None)
        waves.plot(output[:, k], color=f'C{k}', label='reconstruction' if k == 0 else None)
    waves.set(xlabel='time step', title='Fresh waves')
    for k, wave in enumerate(between.T):
        way.plot(wave, color='tab:blue', alpha=1 - 0.8 * k / len(between.T))
    way.set(xlabel='time step', title='Codes between two waves')
    error.semilogy([r['updates'] for r in history], [r['loss'] / variance for r in history])
    error.axhline(1, color='0.4', ls='--', lw=1, label='mean of all waves')
    error.axhline(linear, color='0.4', ls=':', lw=1, label='best linear code')
    error.set(xlabel='updates', ylabel='relative squared error', title='While learning')
    waves.set(ylim=(None, 1.9))
    error.set(ylim=(None, 8))
    for axes in (waves, error):
        axes.legend(loc='upper right', fontsize='small')
    figure.savefig(path, dpi=130)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Train a network to say waves again from a few numbers.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--steps', type=int, metavar='T', help='length of a wave')
    option('--code', type=int, metavar='K', help='how many numbers a wave is squeezed into')
    option('--size', type=int, metavar='H', help='number of LSTM units, on each side')
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
    print(
        f'relative error {found["error"]:.4f} on fresh waves; the mean of all has 1, the best '
        f'linear code {found["linear"]:.3f}'
    )
    if not found['error'] < tolerance:
        sys.exit(f'FAILED: the error is not below {tolerance:g}')
