"""How good a prediction is: plain NumPy, for `score` and for reports."""

import numpy as np
from numpy.typing import ArrayLike

from rnnkit.errors import ShapeError


def _checked(name: str, target: ArrayLike, output: ArrayLike, weights: ArrayLike | None):
    target, output = np.asarray(target), np.asarray(output)
    weights = np.ones(target.shape) if weights is None else np.asarray(weights, 'float64')
    if not target.shape == output.shape == weights.shape:
        raise ShapeError(
            f'{name}: target {target.shape}, output {output.shape} and weights {weights.shape} '
            f'must have one shape'
        )
    return target, output, weights


def r2(target: ArrayLike, output: ArrayLike, weights: ArrayLike | None = None) -> float:
    r"""Coefficient of determination, :math:`1 - \sum w (y - o)^2 / \sum w (y - \bar y)^2`.

    1 is perfect, 0 is as good as the constant mean. For a constant target it is 1 if the
    output equals it and minus infinity otherwise.
    """
    target, output, weights = _checked('r2', target, output, weights)
    target, output = target.astype('float64'), output.astype('float64')
    spread = (weights * (target - np.average(target, weights=weights)) ** 2).sum()
    error = (weights * (target - output) ** 2).sum()
    if spread == 0:
        return 1.0 if error == 0 else -np.inf
    return float(1 - error / spread)


def accuracy(target: ArrayLike, output: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the (weighted) share of labels that are right."""
    target, output, weights = _checked('accuracy', target, output, weights)
    return float(np.average(target == output, weights=weights))
