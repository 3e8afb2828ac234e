"""Modules of fast and slow units: their connections and initial weights."""

import numpy as np

from rnnkit.errors import ConfigError
from rnnkit.initializers import Initializer, orthogonal


def check_modules(cell: str, size: int, n: int) -> None:
    """Raise a ConfigError if `size` units cannot be split into `n` modules of equal size."""
    if size % n:
        raise ConfigError(
            f'{cell}: the size must be a multiple of the number of modules, {n}; got {size}'
        )


def of_modules(values: np.ndarray, size: int) -> np.ndarray:
    """Repeat values of modules to one for each unit, of shape (H,).

    If `size` is not a multiple, modules differ by one unit.
    """
    return values[np.arange(size) * len(values) // size]


def connections(slowness: np.ndarray) -> np.ndarray:
    """Return the mask of connections: a unit (column) reads the units (rows) not faster than it.

    Parameters
    ----------
    slowness : array of shape (H,)

    Returns
    -------
    mask : array of shape (H, H), of 0 and 1
    """
    return (slowness[:, None] >= slowness).astype('float64')


def modular(slowness: np.ndarray) -> Initializer:
    """Return an initializer for the recurrent matrix, with orthonormal columns per module.

    Weights of missing connections start at 0, and stay there.
    """

    def start(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        value, units = np.zeros(shape), of_modules(slowness, shape[0])
        for slow in np.unique(slowness):
            rows, columns = np.flatnonzero(units >= slow), np.flatnonzero(units == slow)
            value[np.ix_(rows, columns)] = orthogonal((len(rows), len(columns)), rng)
        return value

    return start
