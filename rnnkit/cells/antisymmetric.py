"""Antisymmetric recurrent network."""

from typing import NamedTuple

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import activations
from rnnkit.cells.base import Cell, cells
from rnnkit.common.checks import flag, real, scalar
from rnnkit.common.tensors import split


class AntisymmetricState(NamedTuple):
    """State of the antisymmetric recurrent network."""

    h: TensorVariable  # (B, H)


@cells.add('antisymmetric')
class AntisymmetricCell(Cell):
    r"""Antisymmetric recurrent network: steps of a stable differential equation.

    .. math::
        A &= W - W^T - \gamma I \\
        h_t &= h_{t-1} + \epsilon \, \phi(x_t W_{xh} + h_{t-1} A + b)

    The eigenvalues of :math:`W - W^T` have no real part, so that the state neither explodes nor
    vanishes; :math:`\gamma` makes up for the error of finite steps. With ``gated=True``, a gate

    .. math:: z = \sigma(x_t W_{xz} + h_{t-1} A + b_z)

    multiplies :math:`\epsilon \phi(...)`; xh and b then have two blocks, z and h. (torchrecurrent
    adds its recurrent bias only to the latter.)

    As in the paper, xh starts with variance 1 / I, W with variance 1 / H, and b at 0.

    Parameters
    ----------
    activation : str or callable
        The function :math:`\phi`.
    epsilon : float
        The step of the differential equation; the paper tries 0.01 to 1.
    gamma : float
        The diffusion; the paper tries 0.001 to 1. Without it, small errors grow.
    gated : bool
        Whether the gate z multiplies each step.

    References
    ----------
    Chang et al. 2019, arXiv:1902.09689.
    """

    state = AntisymmetricState
    gates = 'h'
    params = {'xh': ('I', 'H'), 'hh': ('H', 'H'), 'b': ('H',)}
    initial = {'xh': 'lecun_normal', 'hh': 'lecun_normal'}
    options = {'activation': 'tanh', 'epsilon': 0.1, 'gamma': 0.01, 'gated': False}

    def setup(self):
        self.phi = activations.build(self.activation)
        self.epsilon = real('antisymmetric: epsilon', self.epsilon, above=0)
        self.gamma = real('antisymmetric: gamma', self.gamma, least=0)
        self.gated = flag('antisymmetric: gated', self.gated)
        if self.gated:
            self.gates = 'zh'  # column blocks of xh and b
            self.params = {'xh': ('I', '2H'), 'hh': ('H', 'H'), 'b': ('2H',)}

    def prepare(self, params, size):
        w = params['hh']
        diffusion = scalar('antisymmetric: gamma', self.gamma, w.dtype)
        return {**params, 'hh': w - w.T - diffusion * pt.eye(size, dtype=w.dtype)}

    def step(self, z, s, p):  # z: (B, H), or (B, 2H) with a gate
        a = s.h @ p.hh
        blocks = split(z, len(self.gates))
        change = scalar('antisymmetric: epsilon', self.epsilon, z.dtype) * self.phi(blocks[-1] + a)
        if self.gated:
            change = pt.sigmoid(blocks[0] + a) * change
        return AntisymmetricState(s.h + change)
