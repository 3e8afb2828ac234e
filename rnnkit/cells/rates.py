"""The rates of leaky units: learned, or fixed and spread over a range."""

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

SMALLEST = np.exp(-6)  # of the logarithmic rates, as in theanets


def fixed_rates(rate: str, size: int) -> np.ndarray:
    """Return one rate for each unit, in place of random draws from a distribution.

    The rates are the quantiles of the distribution at (k + 1/2) / size: they cover the range
    for any size, need no seed, and need not be stored in files.

    Parameters
    ----------
    rate : {'uniform', 'log'}
        'uniform': uniform between 0 and 1; 'log': the logarithm is uniform between -6 and 0.
    size : int

    Returns
    -------
    rates : array of shape (H,)
        In ascending order.
    """
    quantiles = (np.arange(size) + 0.5) / size
    return quantiles if rate == 'uniform' else SMALLEST ** (1 - quantiles)


def rate_of(rate: str, params: dict[str, TensorVariable], size: int, dtype: str) -> TensorVariable:
    """Return the rate of each unit, of shape (`size`,): learned from `r`, or fixed."""
    if rate == 'vector':
        return pt.sigmoid(params['r'])
    return pt.constant(fixed_rates(rate, size).astype(dtype))
