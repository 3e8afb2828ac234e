"""Chaos-free network."""

from typing import NamedTuple

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.cells.base import Cell, cells
from rnnkit.cells.content import with_content
from rnnkit.common.tensors import split


class CFNState(NamedTuple):
    """State of the chaos-free network."""

    h: TensorVariable  # (B, H)


@cells.add('cfn')
class CFNCell(Cell):
    r"""Chaos-free network: without inputs, the state always falls to zero.

    .. math::
        (\theta, \eta) &= x_t W_{xh} + h_{t-1} W_{hh} + b \\
        h_t &= \sigma(\theta) \tanh(h_{t-1}) + \sigma(\eta) \tanh(x_t W_{xc})

    As in the paper, the content :math:`x_t W_{xc}` has no bias; torchrecurrent adds one. The bias
    of the forget gate :math:`\theta` starts at 1 and that of the input gate :math:`\eta` at -1.

    References
    ----------
    Laurent & von Brecht 2017, arXiv:1612.06212.
    """

    state = CFNState
    gates = 'fi'  # column blocks of xh, hh and b: theta and eta
    params = {'xh': ('I', '2H'), 'xc': ('I', 'H'), 'hh': ('H', '2H'), 'b': ('2H',)}
    inner = {'xh': ('I', '3H'), 'hh': ('H', '2H'), 'b': ('3H',)}
    initial = {'xc': 'glorot', 'b': {'f': 1.0, 'i': -1.0}}

    def prepare(self, params, size):
        return with_content(params, size)

    def step(self, z, s, p):  # z: (B, 3H)
        (xf, xi, content), (hf, hi) = split(z, 3), split(s.h @ p.hh, 2)
        return CFNState(pt.sigmoid(xf + hf) * pt.tanh(s.h) + pt.sigmoid(xi + hi) * pt.tanh(content))
