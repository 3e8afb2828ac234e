"""Arrays on disk, and objects that are read like some."""

import itertools

import numpy as np

NUMBERS = itertools.count()


def mapped(folder, array):
    """Return a memory map of a new file that has an array."""
    array = np.asarray(array)
    path = folder / f'{next(NUMBERS)}.npy'
    np.save(path, array)
    return np.load(path, mmap_mode='r')


class Slices:
    """Has a shape, a dtype and slices, as arrays of zarr and h5py."""

    def __init__(self, array, chunks=None, read=None):
        self.array, self.chunks, self.read = array, chunks, [] if read is None else read
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self.broken = False

    def __getitem__(self, index):
        if index is ...:
            return self.array
        assert all(isinstance(one, slice) for one in index)
        if self.broken:
            raise OSError('gone')
        self.read.append(index[0])
        return self.array[index]


class Lazy:
    """Has a length and slices, as a column of a table."""

    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values)

    def __getitem__(self, index):
        assert isinstance(index, slice)
        return self.values[index]
