"""Gated recurrent unit, in both forms."""

from typing import NamedTuple

from pytensor.tensor import TensorVariable

from rnnkit import activations
from rnnkit.cells.base import Cell, cells
from rnnkit.common.checks import choice, optional_real
from rnnkit.common.tensors import clipped, split


class GRUState(NamedTuple):
    """State of the gated recurrent unit."""

    h: TensorVariable  # (B, H)


@cells.add('gru')
class GRUCell(Cell):
    r"""Gated recurrent unit.

    .. math::
        r &= \sigma(x_t W_r + h_{t-1} U_r + b_r) \\
        z &= \sigma(x_t W_z + h_{t-1} U_z + b_z) \\
        n &= \phi(x_t W_n + b_n + r (h_{t-1} U_n + b'_n)) \\
        h_t &= (1 - z) n + z h_{t-1}

    With ``reset='before'`` the reset gate is applied before the recurrent product,
    :math:`n = \phi(x_t W_n + b_n + (r h_{t-1}) U_n)`, and there is no :math:`b'_n`.
    Weights of one form cannot be used in the other.

    Parameters
    ----------
    activation : str or callable
        The function :math:`\phi`.
    gate_activation : str or callable
        The function :math:`\sigma` of the gates r and z.
    clip : float, optional
        Clip the arguments of :math:`\sigma` and :math:`\phi` to [-clip, clip], as ONNX's ``clip``
        does.
    reset : {'after', 'before'}
        'after' is the form of cuDNN, PyTorch and Keras; 'before' that of the paper and
        theanets.

    References
    ----------
    Cho et al. 2014, arXiv:1406.1078; footnote 1 of Chung et al. 2014, arXiv:1412.3555.
    """

    state = GRUState
    gates = 'rzn'  # column blocks of xh, hh and b, as in PyTorch; ONNX has zrh
    params = {'xh': ('I', '3H'), 'hh': ('H', '3H'), 'b': ('3H',), 'bn': ('H',)}
    options = {'activation': 'tanh', 'gate_activation': 'sigmoid', 'clip': None, 'reset': 'after'}

    def setup(self):
        self.phi = activations.build(self.activation)
        self.sigma = activations.build(self.gate_activation)
        self.clip = optional_real('gru: clip', self.clip, above=0)
        choice('gru: reset', self.reset, ('after', 'before'))
        if self.reset == 'before':
            self.params = {name: axes for name, axes in self.params.items() if name != 'bn'}

    def step(self, z, s, p):  # z: (B, 3H)
        if self.reset == 'before':
            return self._step_reset_before(z, s, p)
        (xr, xz, xn), (hr, hz, hn) = split(z, 3), split(s.h @ p.hh, 3)
        r, u = self._gates(xr + hr, xz + hz)  # u: the update gate, z above
        n = self.phi(clipped(xn + r * (hn + p.bn), self.clip))
        return GRUState((1 - u) * n + u * s.h)

    def _step_reset_before(self, z, s, p):
        H = s.h.type.shape[-1]
        xr, xz, xn = split(z, 3)
        hr, hz = split(s.h @ p.hh[:, : 2 * H], 2)
        r, u = self._gates(xr + hr, xz + hz)
        n = self.phi(clipped(xn + (r * s.h) @ p.hh[:, 2 * H :], self.clip))
        return GRUState((1 - u) * n + u * s.h)

    def _gates(self, *arguments):
        return [self.sigma(clipped(a, self.clip)) for a in arguments]
