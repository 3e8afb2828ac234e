"""Activation functions by name, and chains of them such as ``'relu+softmax'``."""

from collections.abc import Callable

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.errors import ConfigError
from rnnkit.registry import Registry

Activation = Callable[[TensorVariable], TensorVariable]

activations = Registry('activation')
add = activations.add


@activations.add('linear')
def linear(x: TensorVariable) -> TensorVariable:
    """Return `x` itself."""
    return x


@activations.add('sigmoid', 'logistic')
def sigmoid(x: TensorVariable) -> TensorVariable:
    r"""Logistic function :math:`1 / (1 + e^{-x})`."""
    return pt.sigmoid(x)


@activations.add('tanh')
def tanh(x: TensorVariable) -> TensorVariable:
    r"""Hyperbolic tangent."""
    return pt.tanh(x)


@activations.add('relu', 'rect:max')
def relu(x: TensorVariable) -> TensorVariable:
    r"""Rectifier :math:`\max(0, x)`; its slope at 0 is 0."""
    # Not pt.maximum, whose slope at 0 is 1; and this way round NaN stays NaN.
    return pt.switch(x <= 0, 0, x)


@activations.add('softplus')
def softplus(x: TensorVariable) -> TensorVariable:
    r"""Smooth rectifier :math:`\log(1 + e^x)`."""
    return pt.softplus(x)


@activations.add('elu')
def elu(x: TensorVariable) -> TensorVariable:
    r""":math:`x` where positive, else :math:`e^x - 1`. Clevert et al. 2015, arXiv:1511.07289."""
    return pt.switch(x <= 0, pt.expm1(pt.minimum(x, 0)), x)


@activations.add('softmax')
def softmax(x: TensorVariable) -> TensorVariable:
    r"""Probabilities over the last axis, :math:`e^{x_k} / \sum_j e^{x_j}`."""
    return pt.special.softmax(x, axis=-1)


def build(spec: str | Activation) -> Activation:
    """Turn the name of an activation, or a chain of names, into a function.

    Parameters
    ----------
    spec : str or callable
        A name; names joined by ``+`` that are applied from left to right
        (``'relu+softmax'`` is ``softmax(relu(x))``); or a function of one tensor,
        which is returned as it is.

    Raises
    ------
    ConfigError
        If a name is not known.
    """
    if callable(spec):
        return spec
    if not isinstance(spec, str):
        raise ConfigError(f'an activation is a name or a function of one tensor; got {spec!r}')
    steps = [activations[name.strip()] for name in spec.split('+')]
    if len(steps) == 1:
        return steps[0]

    def chain(x: TensorVariable) -> TensorVariable:
        for step in steps:
            x = step(x)
        return x

    return chain
