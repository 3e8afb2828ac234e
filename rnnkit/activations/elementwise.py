"""Activations that are functions of each element alone."""

import math

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.activations.registry import add, like


@add('linear')
def linear(x: TensorVariable) -> TensorVariable:
    """Return `x` itself."""
    return x


@add('sigmoid', 'logistic')
def sigmoid(x: TensorVariable) -> TensorVariable:
    r"""Logistic function :math:`1 / (1 + e^{-x})`."""
    return pt.sigmoid(x)


@add('hard_sigmoid', 'hard-sigmoid')
def hard_sigmoid(x: TensorVariable) -> TensorVariable:
    r""":math:`x/6 + 1/2`, kept between 0 and 1: the form of PyTorch and of Keras 3.

    Keras 2 and Lasagne had a slope of 1/5.
    """
    return rect_minmax(x * like(x, 1 / 6) + like(x, 0.5))


@add('tanh')
def tanh(x: TensorVariable) -> TensorVariable:
    r"""Hyperbolic tangent."""
    return pt.tanh(x)


@add('softsign')
def softsign(x: TensorVariable) -> TensorVariable:
    r""":math:`x / (1 + |x|)`."""
    return x / (1 + abs(x))


@add('relu', 'rect:max')
def relu(x: TensorVariable) -> TensorVariable:
    r"""Rectifier :math:`\max(0, x)`; its slope at 0 is 0."""
    # Not pt.maximum, whose slope at 0 is 1; and this way round NaN stays NaN.
    return pt.switch(x <= 0, 0, x)


@add('rect:min')
def rect_min(x: TensorVariable) -> TensorVariable:
    r""":math:`\min(1, x)`; its slope at 1 is 0."""
    return pt.switch(x >= 1, 1, x)


@add('rect:minmax', 'trel')
def rect_minmax(x: TensorVariable) -> TensorVariable:
    r""":math:`x`, kept between 0 and 1."""
    return rect_min(relu(x))


@add('trec')
def trec(x: TensorVariable) -> TensorVariable:
    r""":math:`x` where it is above 1, else 0. Konda et al. 2014, arXiv:1402.3337."""
    return pt.switch(x <= 1, 0, x)


@add('tlin')
def tlin(x: TensorVariable) -> TensorVariable:
    r""":math:`x` where :math:`|x|` is above 1, else 0. Konda et al. 2014, arXiv:1402.3337."""
    return pt.switch(abs(x) <= 1, 0, x)


@add('softplus')
def softplus(x: TensorVariable) -> TensorVariable:
    r"""Smooth rectifier :math:`\log(1 + e^x)`."""
    return pt.softplus(x)


@add('elu')
def elu(x: TensorVariable) -> TensorVariable:
    r""":math:`x` where positive, else :math:`e^x - 1`. Clevert et al. 2015, arXiv:1511.07289."""
    return pt.switch(x <= 0, pt.expm1(pt.minimum(x, 0)), x)


@add('selu')
def selu(x: TensorVariable) -> TensorVariable:
    r""":math:`\lambda x` where positive, else :math:`\lambda \alpha (e^x - 1)`.

    With :math:`\lambda = 1.0507` and :math:`\alpha = 1.6733`. Klambauer et al. 2017,
    arXiv:1706.02515.
    """
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    below = like(x, scale * alpha) * pt.expm1(pt.minimum(x, 0))
    return pt.switch(x <= 0, below, like(x, scale) * x)


@add('swish', 'silu')
def swish(x: TensorVariable) -> TensorVariable:
    r""":math:`x \sigma(x)`. Elfwing et al. 2017, arXiv:1702.03118; Ramachandran et al. 2017."""
    return x * pt.sigmoid(x)


@add('gelu')
def gelu(x: TensorVariable) -> TensorVariable:
    r""":math:`x \Phi(x)`, exactly: :math:`\frac{x}{2} (1 + \mathrm{erf}(x / \sqrt 2))`.

    Hendrycks & Gimpel 2016, arXiv:1606.08415.
    """
    # erfc keeps the digits of a small result, which 1 + erf would lose.
    return like(x, 0.5) * x * pt.erfc(x * like(x, -math.sqrt(0.5)))


@add('gelu:tanh')
def gelu_tanh(x: TensorVariable) -> TensorVariable:
    r"""Gelu by a tanh: :math:`\frac{x}{2} (1 + \tanh(\sqrt{2/\pi} (x + 0.044715 x^3)))`.

    It is within 0.0005 of the exact one, and has a kernel in recurrent layers.
    """
    inner = like(x, math.sqrt(2 / math.pi)) * (x + like(x, 0.044715) * x * x * x)
    return like(x, 0.5) * x * (1 + pt.tanh(inner))


@add('exp')
def exp(x: TensorVariable) -> TensorVariable:
    r""":math:`e^x`, for outputs that are rates."""
    return pt.exp(x)
