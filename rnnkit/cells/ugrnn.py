"""Update gate recurrent network."""

from typing import NamedTuple

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import activations
from rnnkit.cells.base import Cell, cells
from rnnkit.common.tensors import split


class UGRNNState(NamedTuple):
    """State of the update gate recurrent network."""

    h: TensorVariable  # (B, H)


@cells.add('ugrnn')
class UGRNNCell(Cell):
    r"""Update gate recurrent network: a GRU without the reset gate.

    .. math::
        (c, g) &= x_t W_{xh} + h_{t-1} W_{hh} + b \\
        h_t &= \sigma(g) h_{t-1} + (1 - \sigma(g)) \phi(c)

    The bias of g starts at 1, as in the authors' cell in TensorFlow 1.

    Parameters
    ----------
    activation : str or callable
        The function :math:`\phi`: 'tanh' or 'relu' in the paper.

    References
    ----------
    Collins, Sohl-Dickstein & Sussillo 2017, arXiv:1611.09913.
    """

    state = UGRNNState
    gates = 'cg'  # column blocks of xh, hh and b
    params = {'xh': ('I', '2H'), 'hh': ('H', '2H'), 'b': ('2H',)}
    initial = {'b': {'g': 1.0}}
    options = {'activation': 'tanh'}

    def setup(self):
        self.phi = activations.build(self.activation)

    def step(self, z, s, p):  # z: (B, 2H)
        c, g = split(z + s.h @ p.hh, 2)
        kept = pt.sigmoid(g)
        return UGRNNState(kept * s.h + (1 - kept) * self.phi(c))
