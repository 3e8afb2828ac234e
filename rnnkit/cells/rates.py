"""Rates of units that are fixed: spread over a range, the same in every network."""

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.common.checks import one_of
from rnnkit.errors import ConfigError

SMALLEST = np.exp(-6)  # of the logarithmic rates; theanets' choice


def check_rate(cell: str, rate: str, forms: tuple[str, ...]) -> None:
    """Raise a ConfigError if `rate` is none of `forms`."""
    if not one_of(rate, forms):
        known = ', '.join(map(repr, forms[:-1]))
        raise ConfigError(f'{cell}: rate is {known} or {forms[-1]!r}; got {rate!r}')


def fixed_rates(rate: str, size: int) -> np.ndarray:
    """Return one rate for each unit, evenly spread over what is drawn from elsewhere.

    They are the quantiles of the distribution, at (k + 1/2) / size, and not drawn: so they
    cover the range for any size, need no seed, and need not be kept in files.

    Parameters
    ----------
    rate : {'uniform', 'log'}
        'uniform' is between 0 and 1; the logarithm of 'log' is uniform between -6 and 0.
    size : int

    Returns
    -------
    rates : array of shape (H,)
        Ascending.
    """
    quantiles = (np.arange(size) + 0.5) / size
    return quantiles if rate == 'uniform' else SMALLEST ** (1 - quantiles)


def rate_of(rate: str, params: dict[str, TensorVariable], size: int, dtype: str) -> TensorVariable:
    """Return the rate of each unit, of shape (`size`,): learned, from `r`, or fixed."""
    if rate == 'vector':
        return pt.sigmoid(params['r'])
    return pt.constant(fixed_rates(rate, size).astype(dtype))
