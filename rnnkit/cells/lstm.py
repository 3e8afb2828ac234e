"""Long short-term memory."""

from typing import NamedTuple

from pytensor.tensor import TensorVariable

from rnnkit import activations
from rnnkit.cells.base import Cell, cells
from rnnkit.common.checks import flag, optional_real
from rnnkit.common.checks import size as size_of
from rnnkit.common.tensors import clipped, split


class LSTMState(NamedTuple):
    """State of the LSTM."""

    h: TensorVariable  # (B, H), or projected (B, P), the hidden state, which is the output
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

    With coupled gates there is no f, and the blocks are i g o:
    :math:`c_t = (1 - \sigma(i)) c_{t-1} + \sigma(i) \phi(g)`.

    The bias of the forget gate starts at 1 (Jozefowicz et al. 2015, ICML); with coupled gates,
    that of the input gate starts at -1, which is the same. Peephole weights start at 0.

    Parameters
    ----------
    activation : str or callable
        The function :math:`\phi`.
    gate_activation : str or callable
        The function :math:`\sigma` of the gates: 'sigmoid', or 'hard_sigmoid' and so on.
    peepholes : bool
        Whether to add the peephole weights ci, cf and co.
    coupled : bool
        Whether the forget gate is 1 minus the input gate, as with ONNX's ``input_forget=1``.
    clip : float, optional
        Clip i, f, g and o to [-clip, clip] before their activations, peepholes included, as
        ONNX's ``clip`` does. Where they are outside, their gradient is 0.
    cell_clip : float, optional
        Clip the new cell state :math:`c_t` to [-cell_clip, cell_clip], before the output gate
        and the next step read it, as TensorFlow's ``cell_clip`` does.
    projection : int, optional
        The number P of units that the hidden state has after a projection,
        :math:`h_t = (\sigma(o) \phi(c_t)) W_{hr}`, as with PyTorch's ``proj_size``. The
        output then has P features, ``hh`` the shape (P, 4H) and ``hr`` (H, P).

    References
    ----------
    Hochreiter & Schmidhuber 1997, Neural Computation 9(8); Gers et al. 2000, Neural
    Computation 12(10); with peepholes, Graves 2013, arXiv:1308.0850, equations 7-11; with coupled
    gates, Greff et al. 2017, IEEE TNNLS 28(10), section III; with a clipped cell state or a
    projection, Sak et al. 2014, Interspeech.
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
    options = {
        'activation': 'tanh',
        'gate_activation': 'sigmoid',
        'peepholes': False,
        'coupled': False,
        'clip': None,
        'cell_clip': None,
        'projection': None,
    }

    def setup(self):
        self.phi = activations.build(self.activation)
        self.sigma = activations.build(self.gate_activation)
        self.peepholes = flag('lstm: peepholes', self.peepholes)
        self.coupled = flag('lstm: coupled', self.coupled)
        self.clip = optional_real('lstm: clip', self.clip, above=0)
        self.cell_clip = optional_real('lstm: cell_clip', self.cell_clip, above=0)
        if not self.peepholes:
            self.params = {name: self.params[name] for name in ('xh', 'hh', 'b')}
        if self.coupled:
            self.gates, self.initial = 'igo', {'b': {'i': -1.0}}
            blocks = {'xh': ('I', '3H'), 'hh': ('H', '3H'), 'b': ('3H',)}
            self.params = {k: v for k, v in {**self.params, **blocks}.items() if k != 'cf'}
        if self.projection is not None:
            self.projection = size_of('lstm: projection', self.projection)
            blocks = ('P', self.params['hh'][1])
            self.params = {**self.params, 'hh': blocks, 'hr': ('H', 'P')}
            self.initial, self.axes = {**self.initial, 'hr': 'glorot'}, {'h': 'P'}

    def lengths(self, size):
        return {'H': size, 'P': self.projection or size}

    def step(self, z, s, p):  # z: (B, 4H), or (B, 3H) with coupled gates
        blocks = split(z + s.h @ p.hh, len(self.gates))
        i, g, o = blocks[0], blocks[-2], blocks[-1]
        f = None if self.coupled else blocks[1]
        if self.peepholes:
            i, f = i + p.ci * s.c, None if self.coupled else f + p.cf * s.c
        i = self.sigma(clipped(i, self.clip))
        f = 1 - i if self.coupled else self.sigma(clipped(f, self.clip))
        c = clipped(f * s.c + i * self.phi(clipped(g, self.clip)), self.cell_clip)
        if self.peepholes:
            o = o + p.co * c
        h = self.sigma(clipped(o, self.clip)) * self.phi(c)
        return LSTMState(h=h if self.projection is None else h @ p.hr, c=c)
