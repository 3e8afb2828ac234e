"""Activations over the last axis: the features of one example at one time step."""

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.activations.registry import add, like
from rnnkit.common.calls import checked

# Added to denominators, as in PyTorch's LayerNorm: where all features are equal, gradients stay
# below 1 / sqrt(EPS).
EPS = 1e-5


@add('softmax')
@checked
def softmax(x: TensorVariable) -> TensorVariable:
    r"""Probabilities over the last axis: :math:`e^{x_k} / \sum_j e^{x_j}`."""
    return pt.special.softmax(x, axis=-1)


@add('norm:mean', 'norm:dc')
@checked
def norm_mean(x: TensorVariable) -> TensorVariable:
    """Subtract the mean of the features."""
    return x - x.mean(axis=-1, keepdims=True)


@add('norm:max')
@checked
def norm_max(x: TensorVariable) -> TensorVariable:
    r"""Divide by the largest magnitude: :math:`x / (\max_j |x_j| + 10^{-5})`."""
    return x / (abs(x).max(axis=-1, keepdims=True) + like(x, EPS))


@add('norm:std')
@checked
def norm_std(x: TensorVariable) -> TensorVariable:
    r"""Divide by the standard deviation: :math:`x / \sqrt{v + 10^{-5}}`, with v the variance."""
    # Inside the root: the gradient of a plain standard deviation is NaN where it is 0.
    v = pt.sqr(norm_mean(x)).mean(axis=-1, keepdims=True)
    return x / pt.sqrt(v + like(x, EPS))


@add('norm:z')
@checked
def norm_z(x: TensorVariable) -> TensorVariable:
    r"""Standardize: :math:`(x - m) / \sqrt{v + 10^{-5}}`, with mean m and variance v of features.

    This is layer normalization without gain and bias. Ba et al. 2016, arXiv:1607.06450.
    """
    return norm_std(norm_mean(x))
