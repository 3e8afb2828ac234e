"""Measure training on files beside training on the same data in memory.

python benchmarks/larger_than_memory.py

Each row is the time of one epoch, shuffled, over the time of the same data in memory. `cold` means
that the file is not in the cache of the system, `no thread` that nothing is read ahead.
"""

import argparse
import gc
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import rnnkit
from rnnkit.data import blocks

T, F = 50, 16  # time steps and features of an example


class Now:
    """Reads when the result is asked for, in place of a thread that reads ahead."""

    def __init__(self, function: Callable) -> None:
        self.function = function

    def result(self) -> object:
        """Return the result."""
        return self.function(lambda: True)

    def wait(self) -> None:
        """Do nothing."""

    cancel = wait


@contextmanager
def without_thread() -> Iterator[None]:
    """Read in the caller's thread."""
    before, blocks.Background = blocks.Background, Now
    try:
        yield
    finally:
        blocks.Background = before


def epoch(net: rnnkit.Regressor, x: object, y: np.ndarray) -> float:
    """Return the seconds of the updates of an epoch, with what it reads."""
    # One batch decides about early stopping, so that only training is measured.
    valid = [x[:32], y[:32]]
    net.train([x, y], valid, 'adam', batch_size=64, epochs=1, seed=1, verbose=0)
    return net.history[-1]['seconds']


def forget(path: Path) -> None:
    """Drop files from the cache of the system."""
    files = [path] if path.is_file() else [one for one in path.rglob('*') if one.is_file()]
    for file in files:
        with file.open('rb') as opened:
            os.fsync(opened.fileno())
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Slow:
    """An array whose slices come from afar: each takes a while."""

    def __init__(self, array: np.ndarray, seconds: float = 0.01) -> None:
        self.array, self.seconds = array, seconds
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, chosen: tuple[slice, ...]) -> np.ndarray:
        time.sleep(self.seconds)
        return self.array[chosen]


def sources(folder: Path, x: np.ndarray) -> dict[str, tuple[Path, object]]:
    """Write the array to files of all kinds that are installed."""
    np.save(folder / 'x.npy', x)
    found = {'memmap': (folder / 'x.npy', np.load(folder / 'x.npy', mmap_mode='r'))}
    chunks = (256, T, F)
    try:
        import h5py

        file = h5py.File(folder / 'x.h5', 'w')
        file.create_dataset('x', data=x, chunks=chunks)
        file.flush()
        found['h5py'] = (folder / 'x.h5', file['x'])
    except ImportError:
        pass
    try:
        import zarr

        array = zarr.create_array(
            store=str(folder / 'x.zarr'), shape=x.shape, chunks=chunks, dtype=x.dtype
        )
        array[...] = x
        found['zarr'] = (folder / 'x.zarr', array)
    except ImportError:
        pass
    found['slow, 10 ms a slice'] = (folder / 'x.npy', Slow(x))
    return found


def main() -> None:
    """Print a line for each kind of file."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--mib', type=int, default=128, help='the size of the data')
    parser.add_argument('--size', type=int, default=64, help='units of the LSTM')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--cold', action='store_true', help='measure cold caches, too')
    parser.add_argument('--kinds', nargs='*', default=['memmap', 'h5py', 'zarr', 'slow'])
    options = parser.parse_args()
    n = options.mib * 2**20 // (T * F * 4)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, T, F), 'float32')
    y = x[:, :, :1].mean(axis=1)
    net = rnnkit.Regressor([F, ('lstm', options.size), 'last', 1], layout='batch', seed=0)
    with tempfile.TemporaryDirectory() as folder:
        files = sources(Path(folder), x)
        epoch(net, x[:64], y[:64])  # which starts the network
        best: dict[str, float] = {}

        def measure(name: str, source: object) -> None:
            gc.collect()
            best[name] = min(best.get(name, np.inf), epoch(net, source, y))

        for _ in range(options.rounds):
            measure('memory', x)
            for name in [name for name in files if name.split(',')[0] in options.kinds]:
                path, source = files[name]
                measure(name, source)
                with without_thread():
                    measure(f'{name}, no thread', source)
                if options.cold and not name.startswith('slow'):
                    forget(path)
                    measure(f'{name}, cold', source)
                    forget(path)
                    with without_thread():
                        measure(f'{name}, cold, no thread', source)
    print(f'{options.mib} MiB, {n} sequences of {T} steps of {F} features, lstm {options.size}')
    for name, seconds in best.items():
        print(f'{name:31} {seconds:6.2f} s   speed {best["memory"] / seconds:.2f}')


if __name__ == '__main__':
    main()
