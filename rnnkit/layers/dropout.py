"""Dropout as a layer."""

from rnnkit.common.checks import probability
from rnnkit.common.tensors import changeable
from rnnkit.layers.base import Layer
from rnnkit.layers.registry import layers


@layers.add('dropout')
class Dropout(Layer):
    """In training, set each element to 0 with some probability, and scale up the others.

    In validation and prediction, the input is passed through unchanged.

    Parameters
    ----------
    rate : float
        The dropout probability, from 0 to below 1; for short, ``('dropout', 0.5)``.

    References
    ----------
    Srivastava et al. 2014, Journal of Machine Learning Research 15.
    """

    sized = False
    amount = 'rate'
    options = {'rate': 0.5}
    needs = ('noise',)

    def __init__(self, size=None, *, name=None, inputs=None, **options):
        super().__init__(size, name=name, inputs=inputs, **options)
        self.rate = probability(f'layer {self.form!r}: rate', self.rate)

    def transform(self, x, noise=None):
        if noise is None or self.rate == 0:
            return {'out': x}
        return {'out': noise.drop(x, changeable(self.rate, x.dtype))}
