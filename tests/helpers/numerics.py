"""Numerical gradients in a random direction, for tests."""

import numpy as np
import pytensor
import pytest


def check_slope(scalar, values, rng, rel=1e-6):
    """Compare the symbolic gradient of `scalar` with central differences, in float64.

    `values` maps each symbolic input to its value; one direction checks all at once.
    """
    symbols = list(values)
    f = pytensor.function(symbols, [scalar, *pytensor.grad(scalar, symbols)])
    start = [np.asarray(v, 'float64') for v in values.values()]
    direction = [rng.standard_normal(v.shape) for v in start]

    def at(step):
        return f(*[v + step * d for v, d in zip(start, direction, strict=True)])

    eps = 1e-6
    numerical = float((at(eps)[0] - at(-eps)[0]) / (2 * eps))
    symbolic = float(sum((g * d).sum() for g, d in zip(at(0)[1:], direction, strict=True)))
    # The error is eps² from the formula and 1e-16 / eps from rounding: 1e-10 at most.
    message = f'numerical {numerical}, symbolic {symbolic}'
    assert numerical == pytest.approx(symbolic, rel=rel, abs=1e-9), message
