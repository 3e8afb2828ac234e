"""Recurrent cell with leaky integration."""

from typing import NamedTuple

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import activations
from rnnkit.cells.base import Cell, cells
from rnnkit.cells.rates import rate_of
from rnnkit.common.checks import choice
from rnnkit.common.tensors import split


class RRNNState(NamedTuple):
    """State of the recurrent cell with rates."""

    h: TensorVariable  # (B, H)


@cells.add('rrnn')
class RRNNCell(Cell):
    r"""Recurrent cell with leaky integration, at a rate for each unit.

    .. math:: h_t = (1 - r) h_{t-1} + r \, g(x_t W_{xh} + h_{t-1} W_{hh} + b)

    The rate r, between 0 and 1, has one of four forms:

    - 'matrix': a function of the input, :math:`r_t = \sigma(x_t W_{xr} + r)`, with the
      parameters xr and r;
    - 'vector': learned, :math:`\sigma(r)`, with the parameter r;
    - 'uniform': fixed, spread evenly between 0 and 1;
    - 'log': fixed, with logarithms spread evenly between -6 and 0.

    Fixed rates ascend from unit to unit and depend only on the size of the layer: they are not
    random.

    Parameters
    ----------
    activation : str or callable
        The function g.
    rate : {'matrix', 'vector', 'uniform', 'log'}
        Where the rate comes from: the input, a learned number, or fixed ones.

    References
    ----------
    Bengio, Boulanger-Lewandowski & Pascanu 2012, arXiv:1212.0901, section 3.1; Jaeger et
    al. 2007, Neural Networks 20(3).
    """

    state = RRNNState
    params = {**Cell.params, 'r': ('H',), 'xr': ('I', 'H')}
    initial = {'xr': 'glorot'}
    options = {'activation': 'tanh', 'rate': 'matrix'}

    def setup(self):
        self.g = activations.build(self.activation)
        choice('rrnn: rate', self.rate, ('matrix', 'vector', 'uniform', 'log'))
        learned = {'matrix': ('r', 'xr'), 'vector': ('r',)}.get(self.rate, ())
        self.params = {name: self.params[name] for name in ('xh', 'hh', 'b', *learned)}
        if self.rate == 'matrix':
            self.inner = {'xh': ('I', '2H'), 'hh': ('H', 'H'), 'b': ('2H',)}
        else:
            self.inner = {'xh': ('I', 'H'), 'hh': ('H', 'H'), 'b': ('H',), 'rate': ('H',)}

    def prepare(self, params, size):
        if self.rate == 'matrix':  # side by side, so that one product computes both
            return {
                'xh': pt.concatenate([params['xh'], params['xr']], axis=1),
                'hh': params['hh'],
                'b': pt.concatenate([params['b'], params['r']]),
            }
        rate = rate_of(self.rate, params, size, params['xh'].dtype)
        return {name: params[name] for name in ('xh', 'hh', 'b')} | {'rate': rate}

    def step(self, z, s, p):  # z: (B, H), or (B, 2H)
        if self.rate == 'matrix':
            z, rate = split(z, 2)
            r = pt.sigmoid(rate)
        else:
            r = p.rate
        return RRNNState((1 - r) * s.h + r * self.g(z + s.h @ p.hh))
