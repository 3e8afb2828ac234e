"""Vanilla recurrent cell."""

from typing import NamedTuple

from pytensor.tensor import TensorVariable

from rnnkit import activations
from rnnkit.cells.base import Cell, cells


class RNNState(NamedTuple):
    """State of the vanilla recurrent cell."""

    h: TensorVariable  # (B, H)


@cells.add('rnn')
class RNNCell(Cell):
    r"""Vanilla recurrent cell (Elman network).

    .. math:: h_t = g(x_t W_{xh} + h_{t-1} W_{hh} + b)

    Parameters
    ----------
    activation : str or callable
        The function g.

    References
    ----------
    Elman 1990, Finding structure in time. Cognitive Science 14.
    """

    state = RNNState
    gates = 'h'
    params = {'xh': ('I', 'H'), 'hh': ('H', 'H'), 'b': ('H',)}
    options = {'activation': 'tanh'}

    def setup(self):
        self.g = activations.build(self.activation)

    def step(self, z, s, p):  # z: (B, H)
        return RNNState(self.g(z + s.h @ p.hh))
