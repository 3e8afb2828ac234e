"""Long expressive memory."""

from typing import NamedTuple

from pytensor.tensor import TensorVariable

from rnnkit import activations
from rnnkit.cells.base import Cell, cells
from rnnkit.common.checks import real, scalar
from rnnkit.common.tensors import split


class LEMState(NamedTuple):
    """State of long expressive memory."""

    h: TensorVariable  # (B, H), the output, y in the paper
    c: TensorVariable  # (B, H), the other state, z in the paper


@cells.add('lem')
class LEMCell(Cell):
    r"""Long expressive memory: two states, each of which changes at rates of its own.

    .. math::
        s &= \Delta t \, \sigma(x_t W_{xs} + h_{t-1} W_{hs} + b_s) \\
        u &= \Delta t \, \sigma(x_t W_{xu} + h_{t-1} W_{hu} + b_u) \\
        c_t &= (1 - s) \, c_{t-1} + s \, \phi(x_t W_{xc} + h_{t-1} W_{hc} + b_c) \\
        h_t &= (1 - u) \, h_{t-1} + u \, \phi(x_t W_{xh} + c_t W_{ch} + b_h)

    The blocks of xh and b are s u c h, those of hh are s u c. The last line reads the new
    :math:`c_t`, as in the paper and in its program. torchrecurrent reads the old
    :math:`c_{t-1}` there, and has the blocks u s c h.

    The matrices hh and ch start orthogonal, as hh does in other cells. The paper's program draws
    all parameters uniformly between plus and minus :math:`1 / \sqrt{H}`.

    Parameters
    ----------
    dt : float
        The longest step :math:`\Delta t`; above 1 the states may oscillate.
    activation : str or callable
        The function :math:`\phi`.

    References
    ----------
    Rusch et al. 2022, ICLR, arXiv:2110.04744, equation 3.
    """

    state = LEMState
    gates = 'such'  # column blocks of xh and b; those of hh are the first three
    params = {'xh': ('I', '4H'), 'hh': ('H', '3H'), 'ch': ('H', 'H'), 'b': ('4H',)}
    initial = {'ch': 'orthogonal'}
    options = {'dt': 1.0, 'activation': 'tanh'}

    def setup(self):
        self.phi = activations.build(self.activation)
        self.sigma = activations.build('sigmoid')
        self.dt = real('lem: dt', self.dt, above=0)

    def gate_columns(self, name, size):
        columns = super().gate_columns('b' if name == 'hh' else name, size)
        return {gate: columns[gate] for gate in 'suc'} if name == 'hh' else columns

    def step(self, z, s, p):  # z: (B, 4H)
        (xs, xu, xc, xh), (hs, hu, hc) = split(z, 4), split(s.h @ p.hh, 3)
        dt = scalar('lem: dt', self.dt, z.type.dtype)
        to_c, to_h = dt * self.sigma(xs + hs), dt * self.sigma(xu + hu)  # s and u above
        c = (1 - to_c) * s.c + to_c * self.phi(xc + hc)
        h = (1 - to_h) * s.h + to_h * self.phi(xh + c @ p.ch)
        return LEMState(h=h, c=c)
