"""Light gated recurrent unit."""

from typing import NamedTuple

from pytensor.tensor import TensorVariable

from rnnkit import activations
from rnnkit.cells.base import Cell, cells
from rnnkit.common.tensors import split


class LiGRUState(NamedTuple):
    """State of the light gated recurrent unit."""

    h: TensorVariable  # (B, H)


@cells.add('ligru')
class LiGRUCell(Cell):
    r"""Light gated recurrent unit: a GRU without the reset gate, and with relu.

    .. math::
        (z, n) &= x_t W_{xh} + h_{t-1} W_{hh} + b \\
        h_t &= \sigma(z) h_{t-1} + (1 - \sigma(z)) \phi(n)

    The paper normalizes :math:`x_t W_{xh}` over the batch, to keep the values of relu bounded. That
    is left out here, since the output for an example would depend on the others. There is a bias in
    its place; a layer ``'layernorm'`` may stand before.

    Parameters
    ----------
    activation : str or callable
        The function :math:`\phi`.
    gate_activation : str or callable
        The function :math:`\sigma`.

    References
    ----------
    Ravanelli et al. 2018, arXiv:1803.10225.
    """

    state = LiGRUState
    gates = 'zh'  # column blocks of xh, hh and b
    params = {'xh': ('I', '2H'), 'hh': ('H', '2H'), 'b': ('2H',)}
    options = {'activation': 'relu', 'gate_activation': 'sigmoid'}

    def setup(self):
        self.phi = activations.build(self.activation)
        self.sigma = activations.build(self.gate_activation)

    def step(self, z, s, p):  # z: (B, 2H)
        a, n = split(z + s.h @ p.hh, 2)
        kept = self.sigma(a)
        return LiGRUState(kept * s.h + (1 - kept) * self.phi(n))
