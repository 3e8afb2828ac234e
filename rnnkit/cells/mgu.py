"""Minimal gated unit."""

from typing import NamedTuple

from pytensor.tensor import TensorVariable

from rnnkit import activations
from rnnkit.cells.base import Cell, cells
from rnnkit.common.tensors import split


class MGUState(NamedTuple):
    """State of the minimal gated unit."""

    h: TensorVariable  # (B, H)


@cells.add('mgu')
class MGUCell(Cell):
    r"""Minimal gated unit: a GRU whose single gate both resets and updates.

    .. math::
        f &= \sigma(x_t W_f + h_{t-1} U_f + b_f) \\
        n &= \phi(x_t W_h + (f h_{t-1}) U_h + b_h) \\
        h_t &= (1 - f) h_{t-1} + f n

    Parameters
    ----------
    activation : str or callable
        The function :math:`\phi`.
    gate_activation : str or callable
        The function :math:`\sigma`.

    References
    ----------
    Zhou et al. 2016, arXiv:1603.09420.
    """

    state = MGUState
    gates = 'fh'  # column blocks of xh, hh and b
    params = {'xh': ('I', '2H'), 'hh': ('H', '2H'), 'b': ('2H',)}
    options = {'activation': 'tanh', 'gate_activation': 'sigmoid'}

    def setup(self):
        self.phi = activations.build(self.activation)
        self.sigma = activations.build(self.gate_activation)

    def step(self, z, s, p):  # z: (B, 2H)
        H = s.h.type.shape[-1]
        xf, xn = split(z, 2)
        f = self.sigma(xf + s.h @ p.hh[:, :H])
        n = self.phi(xn + (f * s.h) @ p.hh[:, H:])
        return MGUState((1 - f) * s.h + f * n)
