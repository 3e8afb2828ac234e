"""Stackable recurrent cell."""

from typing import NamedTuple

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.cells.base import Cell, cells
from rnnkit.common.tensors import split


class STARState(NamedTuple):
    """State of the stackable recurrent cell."""

    h: TensorVariable  # (B, H)


@cells.add('star')
class STARCell(Cell):
    r"""Stackable recurrent cell (STAR), made for stacks of many layers.

    .. math::
        (z, k) &= x_t W_{xh} + b \\
        h_t &= \tanh((1 - r) h_{t-1} + r \tanh(z)), \qquad r = \sigma(k + h_{t-1} W_{hh})

    Only the gate k reads the state, so that there is one recurrent matrix of H by H.

    References
    ----------
    Turkoglu et al. 2021, arXiv:1911.11033.
    """

    state = STARState
    gates = 'zk'  # column blocks of xh and b
    params = {'xh': ('I', '2H'), 'hh': ('H', 'H'), 'b': ('2H',)}

    def step(self, z, s, p):  # z: (B, 2H)
        content, k = split(z, 2)
        r = pt.sigmoid(k + s.h @ p.hh)
        return STARState(pt.tanh((1 - r) * s.h + r * pt.tanh(content)))
