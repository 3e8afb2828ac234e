"""Structurally constrained recurrent cell, with slow context units."""

from math import isqrt
from typing import NamedTuple

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import activations
from rnnkit.cells.base import Cell, cells
from rnnkit.cells.rates import rate_of
from rnnkit.common.checks import choice
from rnnkit.common.checks import size as size_of
from rnnkit.common.tensors import affine


class SCRNState(NamedTuple):
    """State of the structurally constrained recurrent cell."""

    y: TensorVariable  # (B, H), the output; the next step does not read it
    h: TensorVariable  # (B, H), the hidden units
    s: TensorVariable  # (B, C), the context units


@cells.add('scrn')
class SCRNCell(Cell):
    r"""Structurally constrained recurrent cell, with hidden units and slow, linear context units.

    .. math::
        s_t &= (1 - r) s_{t-1} + r \, x_t W_{xs} \\
        h_t &= g(x_t W_{xh} + h_{t-1} W_{hh} + s_t W_{sh} + b) \\
        y_t &= h_t W_{ho} + s_t W_{so}

    The rate r, between 0 and 1, is

    - 'vector': learned, :math:`\sigma(r)`, with the parameter r, which starts at -3, so
      that :math:`1 - r` starts at the paper's 0.95;
    - 'uniform' or 'log': fixed, as in the cell 'rrnn'.

    The paper has no bias; its g is the logistic function, followed by a softmax of y. The
    output of the layer is y; its other outputs are ``'h'`` and ``'s'``.

    Parameters
    ----------
    activation : str or callable
        The function g.
    rate : {'vector', 'uniform', 'log'}
        Where the rate comes from: a learned number, or fixed ones.
    context_size : int, optional
        The number C of context units; by default the square root of the layer's size, rounded
        down, plus 1.

    References
    ----------
    Mikolov et al. 2014, arXiv:1412.7753, equations 3-5.
    """

    state = SCRNState
    params = {
        'xh': ('I', 'H'),
        'xs': ('I', 'C'),
        'hh': ('H', 'H'),
        'sh': ('C', 'H'),
        'ho': ('H', 'H'),
        'so': ('C', 'H'),
        'b': ('H',),
        'r': ('C',),
    }
    initial = {'xs': 'glorot', 'sh': 'glorot', 'ho': 'glorot', 'so': 'glorot', 'r': -3.0}
    options = {'activation': 'tanh', 'rate': 'vector', 'context_size': None}
    axes = {'s': 'C'}

    def setup(self):
        self.g = activations.build(self.activation)
        choice('scrn: rate', self.rate, ('vector', 'uniform', 'log'))
        if self.context_size is not None:
            self.context_size = size_of('scrn: context_size', self.context_size)
        self.inner = {k: v for k, v in self.params.items() if k != 'r'} | {'rate': ('C',)}
        if self.rate != 'vector':
            self.params = {k: v for k, v in self.params.items() if k != 'r'}

    def lengths(self, size):
        return {'H': size, 'C': self.context_size or 1 + isqrt(size)}

    def prepare(self, params, size):
        rate = rate_of(self.rate, params, self.lengths(size)['C'], params['xs'].dtype)
        return {k: v for k, v in params.items() if k != 'r'} | {'rate': rate}

    def project(self, x, p):
        return pt.concatenate([affine(x, p.xh, p.b), p.rate * affine(x, p.xs)], axis=-1)

    def step(self, z, s, p):  # z: (B, H + C)
        H = s.h.type.shape[-1]
        context = (1 - p.rate) * s.s + z[:, H:]
        h = self.g(z[:, :H] + s.h @ p.hh + context @ p.sh)
        return SCRNState(y=h @ p.ho + context @ p.so, h=h, s=context)
