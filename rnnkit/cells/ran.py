"""Recurrent additive network."""

from typing import NamedTuple

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import activations
from rnnkit.cells.base import Cell, cells
from rnnkit.cells.content import with_content
from rnnkit.common.tensors import split


class RANState(NamedTuple):
    """State of the recurrent additive network."""

    h: TensorVariable  # (B, H), the hidden state, which is the output
    c: TensorVariable  # (B, H), the cell state


@cells.add('ran')
class RANCell(Cell):
    r"""Recurrent additive network: the cell state is a weighted sum of the inputs' projections.

    .. math::
        (i, f) &= x_t W_{xh} + h_{t-1} W_{hh} + b \\
        c_t &= \sigma(i) \, x_t W_{xc} + \sigma(f) c_{t-1} \\
        h_t &= g(c_t)

    The content :math:`x_t W_{xc}` has no bias and does not read the state, as in the paper.

    Parameters
    ----------
    activation : str or callable
        The function g: 'tanh' or 'linear' in the paper.

    References
    ----------
    Lee, Levy & Zettlemoyer 2017, arXiv:1705.07393.
    """

    state = RANState
    gates = 'if'  # column blocks of xh, hh and b
    params = {'xh': ('I', '2H'), 'xc': ('I', 'H'), 'hh': ('H', '2H'), 'b': ('2H',)}
    inner = {'xh': ('I', '3H'), 'hh': ('H', '2H'), 'b': ('3H',)}
    initial = {'xc': 'glorot'}
    options = {'activation': 'tanh'}

    def setup(self):
        self.g = activations.build(self.activation)

    def prepare(self, params, size):
        return with_content(params, size)

    def step(self, z, s, p):  # z: (B, 3H)
        (xi, xf, content), (hi, hf) = split(z, 3), split(s.h @ p.hh, 2)
        c = pt.sigmoid(xi + hi) * content + pt.sigmoid(xf + hf) * s.c
        return RANState(h=self.g(c), c=c)
