"""Train on a file that is read piece by piece: tell which of two sensors a recording is from.

The program writes recordings to a file, a slice at a time, so that it never has all of them in
memory; a real program would have such a file already. Each recording has 50 steps of two readings
of 8 bits. Readings swing, with a random phase and much noise; in half of the recordings the
second one follows the first by a quarter of a cycle, in the others it precedes it. All recordings
of one kind come before those of the other, as in many files, so that the order matters in which
they are read: `train` shuffles blocks of the file, and the recordings of several blocks.

The program reports the share of wrong labels on recordings that were held out, and the largest
memory of the process. `--mib 4000` makes a file of 4 GB, which needs no more memory.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

import rnnkit

STEPS, SENSORS = 50, 2


def recordings(n, kind, rng):
    """Return n recordings of one kind, uint8 of shape (n, STEPS, SENSORS)."""
    t = np.arange(STEPS) / 12 + rng.random((n, 1))
    shift = 0.25 if kind else -0.25
    waves = np.stack([np.sin(2 * np.pi * t), np.sin(2 * np.pi * (t - shift))], axis=-1)
    noisy = 128 + 40 * waves + 40 * rng.standard_normal(waves.shape)
    return noisy.clip(0, 255).astype('uint8')


def write(folder, n, rng):
    """Write n recordings of each kind, one kind after the other, and their labels."""
    x = np.lib.format.open_memmap(
        folder / 'x.npy', 'w+', dtype='uint8', shape=(2 * n, STEPS, SENSORS)
    )
    for kind in range(2):
        for start in range(kind * n, (kind + 1) * n, 10_000):
            end = min(start + 10_000, (kind + 1) * n)
            x[start:end] = recordings(end - start, kind, rng)
    x.flush()
    np.save(folder / 'y.npy', np.repeat(np.arange(2), n))


def memory():
    """Return the largest memory of this process so far, in MiB; 0 where that is not known."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == 'darwin' else peak / 2**10


def main(
    *,
    mib=40,
    size=16,
    algo='adam',
    learning_rate=0.003,
    batch_size=64,
    updates=1000,
    seed=1,
    plot=None,
):
    """Write a file, train a network on it, and test it on recordings that it has not seen.

    Returns
    -------
    results : dict
        ``'error'``, the share of wrong labels; ``'memory'`` in MiB; and the number of
        ``'updates'``.
    """
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write(folder, max(mib * 2**20 // (2 * STEPS * SENSORS), 100), rng)
        x = np.load(folder / 'x.npy', mmap_mode='r')
        y = np.load(folder / 'y.npy', mmap_mode='r')
        net = rnnkit.Classifier(
            [SENSORS, 'standardize', ('gru', size), 'last', 2], layout='batch', seed=seed
        )
        epochs = max(1, updates // 50)
        net.train(
            [x, y],
            valid=0.02,
            algo=algo,
            learning_rate=learning_rate,
            batch_size=batch_size,
            train_batches=min(updates, 50),
            epochs=epochs,
            patience=epochs,
        )
        del x, y  # so that the files can be deleted
    kinds = rng.integers(0, 2, 2000)
    new = np.concatenate([recordings(1, kind, rng) for kind in kinds])
    if plot:
        draw(plot, net.history)
    return {
        'error': 1 - net.score(new, kinds),
        'memory': memory(),
        'updates': net.history[-1]['updates'],
    }


def draw(path, history):
    """Draw the accuracy during training."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; run: pip install 'rnnkit[plot]'")
        return
    figure = Figure(figsize=(6, 3.4), layout='constrained')
    axes = figure.subplots()
    axes.plot(history['updates'], history['acc'], label='training')
    axes.plot(history['updates'], history['valid_acc'], label='validation')
    axes.set(title='Accuracy during training on a file', xlabel='updates')
    axes.legend(fontsize='small')
    figure.savefig(path, dpi=110)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Train a network on a file that is read piece by piece.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--mib', type=int, metavar='N', help='size of the file')
    option('--size', type=int, metavar='H', help='number of units of the recurrent layer')
    option('--algo', choices=sorted(rnnkit.optimizers.registry), help='update rule')
    option('--learning-rate', type=float, metavar='RATE', help='step size of the update rule')
    option('--batch-size', type=int, metavar='B', help='recordings in a batch')
    option('--updates', type=int, metavar='N', help='maximum number of updates')
    option('--tolerance', type=float, metavar='E', help='fail if the error is not below this')
    option('--seed', type=int, help='random seed of the recordings and the initial weights')
    option('--plot', metavar='FILE', help='file for a picture')
    parser.set_defaults(**main.__kwdefaults__, tolerance=0.05)
    options = vars(parser.parse_args())
    tolerance = options.pop('tolerance')
    results = main(**options)
    print(
        f'after {results["updates"]} updates: {100 * results["error"]:.1f} % of the labels are '
        f'wrong; the largest memory was {results["memory"]:.0f} MiB'
    )
    if not results['error'] < tolerance:
        sys.exit(f'FAILED: the error is not below {tolerance:g}')
