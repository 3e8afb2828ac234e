"""Arrays that are memory maps, and the memory that reading them takes. NumPy only."""

import numpy as np


def is_mapped(array: np.ndarray) -> bool:
    """Return whether an array is a memory map, or a view of one."""
    return _mapping(array) is not None


def _mapping(array: np.ndarray) -> object:
    """Return the memory map that an array is, or is a view of; else None."""
    import mmap  # programs without such data do not load it

    base: object = array
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    return base if isinstance(base, np.memmap | mmap.mmap) else None


def release(array: np.ndarray, piece: np.ndarray) -> None:
    """Take pages of a memory map that have been read out of the memory of this process.

    They stay in the cache of the system, and are mapped again where they are read again. Private
    maps are left alone: changes of theirs would be lost.
    """
    found = _mapping(array)
    advise = getattr(getattr(found, '_mmap', None), 'madvise', None)
    if advise is None or getattr(found, 'mode', 'c') not in ('r', 'r+', 'w+') or not piece.size:
        return
    import mmap

    origin, _ = _bounds(np.frombuffer(found._mmap, 'uint8'))  # type: ignore[union-attr]
    first, end = (address - origin for address in _bounds(piece))
    start = first - first % mmap.PAGESIZE
    try:
        advise(mmap.MADV_DONTNEED, start, end - start)
    except (OSError, ValueError):  # it only saves memory
        return


def _bounds(array: np.ndarray) -> tuple[int, int]:
    """Return the first and the last address of the elements of an array."""
    first = last = array.__array_interface__['data'][0]
    for n, stride in zip(array.shape, array.strides, strict=True):
        step = (n - 1) * stride
        first, last = (first + step, last) if stride < 0 else (first, last + step)
    return first, last + array.itemsize
