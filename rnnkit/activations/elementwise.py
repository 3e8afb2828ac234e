"""Elementwise activations."""

import math

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.activations.registry import add, like
from rnnkit.common.calls import checked


@add('linear')
@checked
def linear(x: TensorVariable) -> TensorVariable:
    """Return `x` itself."""
    return x


@add('sigmoid', 'logistic')
@checked
def sigmoid(x: TensorVariable) -> TensorVariable:
    r"""Logistic function :math:`1 / (1 + e^{-x})`."""
    return pt.sigmoid(x)


@add('hard_sigmoid', 'hard-sigmoid')
@checked
def hard_sigmoid(x: TensorVariable) -> TensorVariable:
    r"""Piecewise linear sigmoid: :math:`x/6 + 1/2`, clipped to [0, 1].

    PyTorch and Keras 3 use this form; Keras 2 and Lasagne have a slope of 1/5.
    """
    return rect_minmax(x * like(x, 1 / 6) + like(x, 0.5))


@add('tanh')
@checked
def tanh(x: TensorVariable) -> TensorVariable:
    r"""Hyperbolic tangent."""
    return pt.tanh(x)


@add('softsign')
@checked
def softsign(x: TensorVariable) -> TensorVariable:
    r""":math:`x / (1 + |x|)`."""
    return x / (1 + abs(x))


@add('relu', 'rect:max')
@checked
def relu(x: TensorVariable) -> TensorVariable:
    r"""Rectified linear unit :math:`\max(0, x)`, with a gradient of 0 at 0."""
    # Not pt.maximum, whose gradient at 0 is 1. And not `x > 0`, which would turn NaN into 0.
    return pt.switch(x <= 0, 0, x)


@add('rect:min')
@checked
def rect_min(x: TensorVariable) -> TensorVariable:
    r""":math:`\min(1, x)`, with a gradient of 0 at 1."""
    return pt.switch(x >= 1, 1, x)


@add('rect:minmax', 'trel')
@checked
def rect_minmax(x: TensorVariable) -> TensorVariable:
    r""":math:`x`, clipped to [0, 1]."""
    return rect_min(relu(x))


@add('trec')
@checked
def trec(x: TensorVariable) -> TensorVariable:
    r"""Thresholded rectifier: :math:`x` above 1, else 0. Konda et al. 2014, arXiv:1402.3337."""
    return pt.switch(x <= 1, 0, x)


@add('tlin')
@checked
def tlin(x: TensorVariable) -> TensorVariable:
    r"""Thresholded linear: :math:`x` where :math:`|x| > 1`, else 0. Konda et al. 2014."""
    return pt.switch(abs(x) <= 1, 0, x)


@add('softplus')
@checked
def softplus(x: TensorVariable) -> TensorVariable:
    r"""Smooth rectifier :math:`\log(1 + e^x)`."""
    return pt.softplus(x)


@add('elu')
@checked
def elu(x: TensorVariable) -> TensorVariable:
    r"""Exponential linear unit: :math:`x` where positive, else :math:`e^x - 1`.

    Clevert et al. 2015, arXiv:1511.07289.
    """
    # The minimum keeps the branch that is not taken finite: its gradient would be 0 times infinity.
    return pt.switch(x <= 0, pt.expm1(pt.minimum(x, 0)), x)


@add('selu')
@checked
def selu(x: TensorVariable) -> TensorVariable:
    r"""Scaled ELU: :math:`\lambda x` where positive, else :math:`\lambda \alpha (e^x - 1)`.

    With :math:`\lambda = 1.0507` and :math:`\alpha = 1.6733`. Klambauer et al. 2017,
    arXiv:1706.02515.
    """
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    below = like(x, scale * alpha) * pt.expm1(pt.minimum(x, 0))
    return pt.switch(x <= 0, below, like(x, scale) * x)


@add('swish', 'silu')
@checked
def swish(x: TensorVariable) -> TensorVariable:
    r"""Sigmoid linear unit :math:`x \sigma(x)`.

    Elfwing et al. 2017, arXiv:1702.03118; Ramachandran et al. 2017, arXiv:1710.05941.
    """
    return x * pt.sigmoid(x)


@add('gelu')
@checked
def gelu(x: TensorVariable) -> TensorVariable:
    r"""Gaussian error linear unit, exact: :math:`\frac{x}{2} (1 + \mathrm{erf}(x / \sqrt 2))`.

    Hendrycks & Gimpel 2016, arXiv:1606.08415.
    """
    # For very negative x, 1 + erf cancels to 0; erfc keeps all digits.
    return like(x, 0.5) * x * pt.erfc(x * like(x, -math.sqrt(0.5)))


@add('gelu:tanh')
@checked
def gelu_tanh(x: TensorVariable) -> TensorVariable:
    r"""GELU approximation :math:`\frac{x}{2} (1 + \tanh(\sqrt{2/\pi} (x + 0.044715 x^3)))`.

    It is within 0.0005 of 'gelu', and unlike it has a kernel in recurrent layers.
    """
    inner = like(x, math.sqrt(2 / math.pi)) * (x + like(x, 0.044715) * x * x * x)
    return like(x, 0.5) * x * (1 + pt.tanh(inner))


@add('exp')
@checked
def exp(x: TensorVariable) -> TensorVariable:
    r"""Exponential :math:`e^x`, for outputs that are rates."""
    return pt.exp(x)
