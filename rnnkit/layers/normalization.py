"""Layers that keep their inputs in range."""

import pytensor.tensor as pt

from rnnkit.errors import ConfigError
from rnnkit.layers.base import Layer
from rnnkit.layers.registry import layers


@layers.add('layernorm')
class LayerNorm(Layer):
    r"""Layer normalization, :math:`\gamma (x - \mu) / \sqrt{\sigma^2 + \epsilon} + \beta`.

    Mean and variance are those of the features of one step of one example.

    Parameters
    ----------
    epsilon : float

    References
    ----------
    Ba, Kiros & Hinton 2016, arXiv:1607.06450.
    """

    sized = False
    options = {'epsilon': 1e-5}
    initial = {'gamma': 1.0, 'beta': 0.0}

    def __init__(self, size=None, *, name=None, inputs=None, **options):
        super().__init__(size, name=name, inputs=inputs, **options)
        if isinstance(self.epsilon, bool) or not (
            isinstance(self.epsilon, int | float) and 0 < self.epsilon < 1
        ):
            raise ConfigError(f"layer 'layernorm': epsilon is from 0 to 1; got {self.epsilon!r}")

    def shapes(self):
        return {'gamma': (self.size,), 'beta': (self.size,)}

    def transform(self, x):
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = pt.sqr(centred).mean(axis=-1, keepdims=True)
        scaled = centred / pt.sqrt(variance + self.epsilon)
        return {'out': (scaled * self.params['gamma'] + self.params['beta']).astype(x.dtype)}
