"""Gated recurrent unit, in both forms."""

from typing import NamedTuple

from pytensor.tensor import TensorVariable

from rnnkit import activations
from rnnkit.cells.base import Cell, cells
from rnnkit.cells.layer_norm import scaled
from rnnkit.common.checks import choice, flag, optional_real
from rnnkit.common.tensors import affine, clipped, split


class GRUState(NamedTuple):
    """State of the gated recurrent unit."""

    h: TensorVariable  # (B, H)


GROUPS = (2, 1)  # blocks that layer normalization treats together: r and z, n


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

    With ``layernorm=True``, all products above are normalized, here written N, and multiplied by a
    gain: :math:`x_t W` becomes :math:`g_x N(x_t W)`, and :math:`h_{t-1} U` becomes
    :math:`g_h N(h_{t-1} U)`. As in the paper, r and z are normalized together, over 2H elements,
    and n by itself; Haste normalizes all three together. PyTorch and Keras have no such layer. N
    adds :math:`10^{-5}` to the variance. Gains start at 1.

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
    layernorm : bool
        Whether to normalize the products. The gains are ``gx`` and ``gh`` (3H,). The layer needs 2
        units.

    References
    ----------
    Cho et al. 2014, arXiv:1406.1078; footnote 1 of Chung et al. 2014, arXiv:1412.3555; with layer
    normalization, Ba et al. 2016, arXiv:1607.06450, supplementary material.
    """

    state = GRUState
    gates = 'rzn'  # column blocks of xh, hh and b, as in PyTorch; ONNX has zrh
    params = {
        'xh': ('I', '3H'),
        'hh': ('H', '3H'),
        'b': ('3H',),
        'bn': ('H',),
        'gx': ('3H',),
        'gh': ('3H',),
    }
    options = {
        'activation': 'tanh',
        'gate_activation': 'sigmoid',
        'clip': None,
        'reset': 'after',
        'layernorm': False,
    }

    def setup(self):
        self.phi = activations.build(self.activation)
        self.sigma = activations.build(self.gate_activation)
        self.clip = optional_real('gru: clip', self.clip, above=0)
        choice('gru: reset', self.reset, ('after', 'before'))
        self.layernorm = flag('gru: layernorm', self.layernorm)
        left_out = {'bn'} if self.reset == 'before' else set()
        if self.layernorm:
            self.smallest = 2  # the deviation of one unit is 0
            self.initial = {'gx': 1.0, 'gh': 1.0}
        else:
            left_out |= {'gx', 'gh'}
        self.params = {name: axes for name, axes in self.params.items() if name not in left_out}

    @property
    def has_own_projection(self):
        """Whether the bias is left to `step`, which normalizes the product first."""
        return self.layernorm

    def project(self, x, p):
        return affine(x, p.xh) if self.layernorm else super().project(x, p)

    def step(self, z, s, p):  # z: (B, 3H)
        if self.reset == 'before':
            return self._step_reset_before(z, s, p)
        (xr, xz, xn), (hr, hz, hn) = self._inputs(z, p), split(s.h @ p.hh, 3)
        if self.layernorm:
            hr, hz, hn = scaled([hr, hz, hn], p.gh, GROUPS)
        r, u = self._gates(xr + hr, xz + hz)  # u: the update gate, z above
        n = self.phi(clipped(xn + r * (hn + p.bn), self.clip))
        return GRUState((1 - u) * n + u * s.h)

    def _step_reset_before(self, z, s, p):
        H = s.h.type.shape[-1]
        xr, xz, xn = self._inputs(z, p)
        hr, hz = split(s.h @ p.hh[:, : 2 * H], 2)
        if self.layernorm:
            hr, hz = scaled([hr, hz], p.gh[: 2 * H], [2])
        r, u = self._gates(xr + hr, xz + hz)
        hn = (r * s.h) @ p.hh[:, 2 * H :]
        if self.layernorm:
            (hn,) = scaled([hn], p.gh[2 * H :], [1])
        n = self.phi(clipped(xn + hn, self.clip))
        return GRUState((1 - u) * n + u * s.h)

    def _inputs(self, z, p):
        """Return the blocks of the input's contribution."""
        if not self.layernorm:
            return split(z, 3)
        # Not in `project`: outside of the loop's kernel this took half of an update's time.
        blocks = scaled(split(z, 3), p.gx, GROUPS)
        return [a + b for a, b in zip(blocks, split(p.b, 3), strict=True)]

    def _gates(self, *arguments):
        return [self.sigma(clipped(a, self.clip)) for a in arguments]
