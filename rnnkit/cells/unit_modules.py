"""Units in modules, from fast to slow: who may read whom, and how such weights start."""

import numpy as np

from rnnkit.errors import ConfigError
from rnnkit.initializers import Initializer, orthogonal


def check_modules(cell: str, size: int, n: int) -> None:
    """Raise a ConfigError if `size` units cannot be parted into `n` modules of one size."""
    if size % n:
        raise ConfigError(f'{cell}: its size is a multiple of its {n} modules; got {size}')


def of_modules(values: np.ndarray, size: int) -> np.ndarray:
    """Return the value of each unit, of shape (H,), given one for each module.

    With a size that is not a multiple, the modules differ by one unit.
    """
    return values[np.arange(size) * len(values) // size]


def connections(slowness: np.ndarray) -> np.ndarray:
    """Return which unit (row) is read by which (column): each by those not slower than it.

    Parameters
    ----------
    slowness : array of shape (H,)

    Returns
    -------
    mask : array of shape (H, H), of 0 and 1
    """
    return (slowness[:, None] >= slowness).astype('float64')


def modular(slowness: np.ndarray) -> Initializer:
    """Return an initializer for the recurrent matrix: orthonormal columns for each module.

    What has no connection starts at 0, and stays there.
    """

    def start(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        value, units = np.zeros(shape), of_modules(slowness, shape[0])
        for slow in np.unique(slowness):
            rows, columns = np.flatnonzero(units >= slow), np.flatnonzero(units == slow)
            value[np.ix_(rows, columns)] = orthogonal((len(rows), len(columns)), rng)
        return value

    return start
