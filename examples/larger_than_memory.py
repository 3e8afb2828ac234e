"""Train on a file that is read piece by piece: tell two kinds of recordings apart.

Copy this to train on a file that does not fit into memory: `np.load(..., mmap_mode='r')`, `train`,
and nothing else.

The program writes recordings to a file, a slice at a time, so that it never has all of them in
memory; a real program would have such a file already. Each recording has 50 steps of two readings
of 8 bits. Readings swing, with a random phase and much noise; in half of the recordings the
second one follows the first by a quarter of a cycle, in the others it precedes it. All recordings
of one kind come before those of the other, as in many files, so that the order matters in which
they are read: `train` shuffles blocks of the file, and the recordings of several blocks.

The program reports the share of wrong labels on recordings that were held out, and the largest
memory of the process. `--mib 4000` makes a file of 4 GB, which needs no more memory.
"""

import sys
import tempfile
from pathlib import Path

import common
import numpy as np

import rnnkit

STEPS, SENSORS = 50, 2


def main(*, mib=40, size=16, learning_rate=0.003, batch_size=64, updates=1000, seed=1):
    """Write a file, train a network on it, and test it on recordings that it has not seen."""
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
            algo='adam',
            learning_rate=learning_rate,
            batch_size=batch_size,
            train_batches=min(updates, 50),
            epochs=epochs,
            patience=epochs,
        )
        del x, y  # so that the files can be deleted
    kinds = rng.integers(0, 2, 2000)
    new = np.concatenate([recordings(1, kind, rng) for kind in kinds])
    results = {
        'error': 1 - net.score(new, kinds),
        'memory': memory(),
        'updates': net.history[-1]['updates'],
    }
    example = [new[kinds == kind][0] for kind in range(2)]
    return results, (net.history, example)


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


def draw(figure, history, example):
    """Draw a recording of each kind, and the error rate during training."""
    axes = figure.subplot_mosaic([['kind 0', 'training'], ['kind 1', 'training']])
    titles = 'Second sensor earlier', 'Second sensor later'
    for kind, (title, readings) in enumerate(zip(titles, example, strict=True)):
        axes[f'kind {kind}'].plot(readings, label=['first sensor', 'second sensor'])
        axes[f'kind {kind}'].set(title=title, ylabel='reading, 0 to 255')
    common.legend(axes['kind 0'])
    axes['kind 1'].set(xlabel='time step')
    for name, data in (('acc', 'training'), ('valid_acc', 'validation')):
        points = [(row['updates'], 1 - row[name]) for row in history if row.get(name) is not None]
        axes['training'].plot(*zip(*points, strict=True), label=data)
    axes['training'].axhline(0.5, color='0.3', ls='--', lw=1, label='chance')
    axes['training'].set(xlabel='updates', ylabel='error rate', ylim=(0, None))
    axes['training'].set_title('During training on the file')
    common.legend(axes['training'], 3)


if __name__ == '__main__':
    common.run(
        main,
        draw,
        report='{error:.1%} of the labels are wrong; the largest memory was {memory:.0f} MiB',
        tolerance=0.05,
        mib='size of the file in MiB',
    )
