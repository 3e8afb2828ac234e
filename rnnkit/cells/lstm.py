"""Long short-term memory."""

from typing import NamedTuple

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import activations
from rnnkit.cells.base import Cell, cells
from rnnkit.common.checks import flag
from rnnkit.common.tensors import split


class LSTMState(NamedTuple):
    """State of the LSTM."""

    h: TensorVariable  # (B, H), the hidden state, which is the output
    c: TensorVariable  # (B, H), the cell state


@cells.add('lstm')
class LSTMCell(Cell):
    r"""Long short-term memory with a forget gate.

    .. math::
        (i, f, g, o) &= x_t W_{xh} + h_{t-1} W_{hh} + b \\
        c_t &= \sigma(f) c_{t-1} + \sigma(i) \phi(g) \\
        h_t &= \sigma(o) \phi(c_t)

    With peepholes, the gates read the cell state: :math:`w_{ci} c_{t-1}` is added to i,
    :math:`w_{cf} c_{t-1}` to f and :math:`w_{co} c_t` to o, elementwise.

    The bias of the forget gate starts at 1 (Jozefowicz et al. 2015, ICML), peephole weights
    at 0.

    Parameters
    ----------
    activation : str or callable
        The function :math:`\phi`.
    peepholes : bool
        Whether to add the peephole weights ci, cf and co.

    References
    ----------
    Hochreiter & Schmidhuber 1997, Neural Computation 9(8); Gers et al. 2000, Neural
    Computation 12(10); with peepholes, Graves 2013, arXiv:1308.0850, equations 7-11.
    """

    state = LSTMState
    gates = 'ifgo'  # column blocks of xh, hh and b, as in PyTorch; ONNX has iofc
    params = {
        'xh': ('I', '4H'),
        'hh': ('H', '4H'),
        'b': ('4H',),
        'ci': ('H',),
        'cf': ('H',),
        'co': ('H',),
    }
    initial = {'b': {'f': 1.0}}
    options = {'activation': 'tanh', 'peepholes': False}

    def setup(self):
        self.phi = activations.build(self.activation)
        self.peepholes = flag('lstm: peepholes', self.peepholes)
        if not self.peepholes:
            self.params = {name: self.params[name] for name in ('xh', 'hh', 'b')}

    def step(self, z, s, p):  # z: (B, 4H)
        i, f, g, o = split(z + s.h @ p.hh, 4)
        if self.peepholes:
            i, f = i + p.ci * s.c, f + p.cf * s.c
        c = pt.sigmoid(f) * s.c + pt.sigmoid(i) * self.phi(g)
        if self.peepholes:
            o = o + p.co * c
        return LSTMState(h=pt.sigmoid(o) * self.phi(c), c=c)
