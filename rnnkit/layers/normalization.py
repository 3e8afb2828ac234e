"""Normalization layers."""

import pytensor.tensor as pt

from rnnkit.common.checks import real
from rnnkit.layers.base import Layer
from rnnkit.layers.registry import layers


@layers.add('layernorm')
class LayerNorm(Layer):
    r"""Layer normalization, :math:`\gamma (x - \mu) / \sqrt{\sigma^2 + \epsilon} + \beta`.

    The mean and the variance are over the features of one example at one time step.

    Parameters
    ----------
    epsilon : float
        Added to the variance.

    References
    ----------
    Ba, Kiros & Hinton 2016, arXiv:1607.06450.
    """

    sized = False
    options = {'epsilon': 1e-5}
    initial = {'gamma': 1.0, 'beta': 0.0}

    def __init__(self, size=None, *, name=None, inputs=None, **options):
        super().__init__(size, name=name, inputs=inputs, **options)
        self.epsilon = real("layer 'layernorm': epsilon", self.epsilon, above=0, below=1)

    def shapes(self):
        return {'gamma': (self.size,), 'beta': (self.size,)}

    def transform(self, x):
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = pt.sqr(centred).mean(axis=-1, keepdims=True)
        scaled = centred / pt.sqrt(variance + self.epsilon)
        # epsilon, a Python float, has PyTensor's floatX, which may have upcast the result.
        return {'out': (scaled * self.params['gamma'] + self.params['beta']).astype(x.dtype)}
