"""Long short-term memory."""

from typing import NamedTuple

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import activations
from rnnkit.cells.base import Cell, cells
from rnnkit.tensors import split


class LSTMState(NamedTuple):
    """State of the LSTM."""

    h: TensorVariable  # (B, H), the output
    c: TensorVariable  # (B, H), the memory


@cells.add('lstm')
class LSTMCell(Cell):
    r"""Long short-term memory with a forget gate, without peepholes.

    .. math::
        (i, f, g, o) &= x_t W_{xh} + h_{t-1} W_{hh} + b \\
        c_t &= \sigma(f) c_{t-1} + \sigma(i) \phi(g) \\
        h_t &= \sigma(o) \phi(c_t)

    The forget gate's bias starts at 1 (Jozefowicz et al. 2015, ICML).

    Parameters
    ----------
    activation : str or callable
        The function :math:`\phi`.

    References
    ----------
    Hochreiter & Schmidhuber 1997, Neural Computation 9(8); Gers et al. 2000, Neural
    Computation 12(10).
    """

    state = LSTMState
    gates = 'ifgo'  # column blocks of xh, hh and b, as in PyTorch; ONNX has iofc
    params = {'xh': ('I', '4H'), 'hh': ('H', '4H'), 'b': ('4H',)}
    initial = {'b': {'f': 1.0}}
    options = {'activation': 'tanh'}

    def setup(self):
        self.phi = activations.build(self.activation)

    def step(self, z, s, p):  # z: (B, 4H)
        i, f, g, o = split(z + s.h @ p.hh, 4)
        c = pt.sigmoid(f) * s.c + pt.sigmoid(i) * self.phi(g)
        return LSTMState(h=pt.sigmoid(o) * self.phi(c), c=c)
