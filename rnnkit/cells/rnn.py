"""Vanilla recurrent cell."""

from typing import NamedTuple

from pytensor.tensor import TensorVariable

from rnnkit import activations
from rnnkit.cells.base import Cell, cells
from rnnkit.common.checks import optional_real
from rnnkit.common.tensors import clipped


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
    clip : float, optional
        Clip the argument of g to [-clip, clip], as ONNX's ``clip`` does.

    References
    ----------
    Elman 1990, Finding structure in time. Cognitive Science 14.
    """

    state = RNNState
    options = {'activation': 'tanh', 'clip': None}

    def setup(self):
        self.g = activations.build(self.activation)
        self.clip = optional_real('rnn: clip', self.clip, above=0)

    def step(self, z, s, p):  # z: (B, H)
        return self.g(clipped(z + s.h @ p.hh, self.clip))
