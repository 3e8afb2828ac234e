"""MinimalRNN."""

from typing import NamedTuple

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import activations
from rnnkit.cells.base import Cell, cells
from rnnkit.common.tensors import affine, split


class MinimalRNNState(NamedTuple):
    """State of the MinimalRNN."""

    h: TensorVariable  # (B, H)


@cells.add('minimalrnn')
class MinimalRNNCell(Cell):
    r"""MinimalRNN: an average of latent inputs, with one gate.

    .. math::
        z &= \phi(x_t W_{xh} + b_z) \\
        u &= \sigma(h_{t-1} W_{hh} + z W_{zh} + b_u) \\
        h_t &= u h_{t-1} + (1 - u) z

    All that does not read the state, :math:`z W_{zh}` included, is computed outside of the loop.

    Parameters
    ----------
    activation : str or callable
        The function :math:`\phi`.
    gate_activation : str or callable
        The function :math:`\sigma`.

    References
    ----------
    Chen 2017, arXiv:1711.06788, section 2; its map of the inputs, :math:`\phi`, may be any network:
    here it is one layer.
    """

    state = MinimalRNNState
    gates = 'u'
    params = {'xh': ('I', 'H'), 'hh': ('H', 'H'), 'zh': ('H', 'H'), 'b': ('H',), 'bu': ('H',)}
    initial = {'zh': 'glorot'}
    options = {'activation': 'tanh', 'gate_activation': 'sigmoid'}

    def setup(self):
        self.phi = activations.build(self.activation)
        self.sigma = activations.build(self.gate_activation)

    def project(self, x, p):
        latent = self.phi(affine(x, p.xh, p.b))
        return pt.concatenate([latent, affine(latent, p.zh, p.bu)], axis=-1)

    def step(self, z, s, p):  # z: (B, 2H)
        latent, gate = split(z, 2)
        u = self.sigma(gate + s.h @ p.hh)
        return MinimalRNNState(u * s.h + (1 - u) * latent)
