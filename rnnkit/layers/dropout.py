"""A layer that leaves out some of its inputs while a network is trained."""

from rnnkit.layers.base import Layer, check_rate
from rnnkit.layers.registry import layers


@layers.add('dropout')
class Dropout(Layer):
    """In training, each element is 0 with some probability, and others are scaled up.

    What is used after training, or validated with, is not changed.

    Parameters
    ----------
    rate : float
        The probability, from 0 to below 1: ``('dropout', 0.5)`` for short.

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
        self.rate = check_rate(f'layer {self.form!r}: rate', self.rate)

    def transform(self, x, noise=None):
        if noise is None or self.rate == 0:
            return {'out': x}
        return {'out': noise.drop(x, self.rate)}
