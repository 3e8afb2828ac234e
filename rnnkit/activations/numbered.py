"""Activations with numbers of the user's, after colons: ``'leaky_relu:0.01'``, ``'affine:2:0.5'``.

The numbers are constants; see `rnnkit.activations.learned` for those that training changes.
"""

import math
from types import SimpleNamespace
from typing import ClassVar

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.activations.elementwise import relu
from rnnkit.activations.registry import Learned, add, like
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError


class _Numbered(Learned):
    """An activation without parameters, whose spec has a number for each of `parts`."""

    names = ()
    parts: ClassVar[tuple[str, ...]]
    example: ClassVar[str]

    def __init__(self, argument: str | None = None):
        self.argument, texts = argument, (argument or '').split(':')
        try:
            self.numbers = tuple(map(float, texts))
        except ValueError:
            self.numbers = ()
        if len(self.numbers) != len(self.parts) or not all(map(math.isfinite, self.numbers)):
            raise ConfigError(
                f'it needs {" and ".join(self.parts)}, as in {self.example!r}; got '
                f'{brief(argument)}'
            )

    def shapes(self, size: int) -> dict[str, tuple[int, ...]]:
        return {}

    def __call__(self, x: TensorVariable) -> TensorVariable:
        """Return the activation of `x`."""
        return self.apply(x, SimpleNamespace())


@add('affine')
class Affine(_Numbered):
    r"""A line, :math:`a x + b`: ``'affine:2:0.5'`` is :math:`2 x + 0.5`.

    With others it makes ONNX's ScaledTanh, ``'affine:0.5:0+tanh+affine:2:0'``, and the
    HardSigmoid of Keras 2, ``'affine:0.2:0.5+rect:minmax'``.
    """

    parts, example = ('a slope', 'an intercept'), 'affine:2:0.5'

    def apply(self, x: TensorVariable, p: SimpleNamespace) -> TensorVariable:
        slope, intercept = self.numbers
        return like(x, slope) * x + like(x, intercept)


@add('leaky_relu')
class LeakyReLU(_Numbered):
    r""":math:`x` where positive, else :math:`a x`. Maas et al. 2013, ICML workshop."""

    parts, example = ('a slope',), 'leaky_relu:0.01'

    def apply(self, x: TensorVariable, p: SimpleNamespace) -> TensorVariable:
        return pt.switch(x <= 0, like(x, self.numbers[0]) * x, x)


@add('alpha_elu')
class AlphaELU(_Numbered):
    r""":math:`x` where positive, else :math:`\alpha (e^x - 1)`.

    Clevert et al. 2015, arXiv:1511.07289.
    """

    parts, example = ('alpha',), 'alpha_elu:0.5'

    def apply(self, x: TensorVariable, p: SimpleNamespace) -> TensorVariable:
        # The minimum keeps the branch that is not taken finite.
        return relu(x) + like(x, self.numbers[0]) * pt.expm1(pt.minimum(x, 0))


@add('threshold_relu')
class ThresholdReLU(_Numbered):
    r""":math:`x` above :math:`\theta`, else 0. Konda et al. 2014, arXiv:1402.3337."""

    parts, example = ('a threshold',), 'threshold_relu:0.5'

    def apply(self, x: TensorVariable, p: SimpleNamespace) -> TensorVariable:
        return pt.switch(x <= like(x, self.numbers[0]), 0, x)
