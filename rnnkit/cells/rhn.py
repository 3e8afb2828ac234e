"""Recurrent highway network."""

from typing import NamedTuple

from pytensor.tensor import TensorVariable

from rnnkit import activations
from rnnkit.cells.base import Cell, cells
from rnnkit.common.checks import flag, whole
from rnnkit.common.tensors import split


class RHNState(NamedTuple):
    """State of the recurrent highway network."""

    h: TensorVariable  # (B, H), the output of the deepest layer


@cells.add('rhn')
class RHNCell(Cell):
    r"""Recurrent highway network: each step passes through several highway layers.

    With :math:`s_0 = h_{t-1}`, layer l of L computes

    .. math::
        (n, t) &= s_{l-1} W_l + b_l \quad (+ \; x_t W_{xh} \text{ if } l = 1) \\
        s_l &= \sigma(t) \, \phi(n) + (1 - \sigma(t)) \, s_{l-1}

    and :math:`h_t = s_L`. With ``coupled=False`` there is a third block c, and
    :math:`\sigma(c)` in place of :math:`1 - \sigma(t)`.

    The matrices :math:`W_1, W_2, \dots` are hh, hh2, hh3..., and the biases b, b2, b3....
    That of the transform gate t starts at -2 in each layer, so that states are carried at first, as
    in the paper's models of words. Matrices start orthogonal.

    Parameters
    ----------
    depth : int
        The number L of layers, at most 100; the paper has up to 10. The default is that of
        torchrecurrent.
    coupled : bool
        Whether the carry gate is 1 minus the transform gate, as in the paper's experiments.
    activation : str or callable
        The function :math:`\phi`.

    References
    ----------
    Zilly et al. 2017, ICML, arXiv:1607.03474, equations 6-9.
    """

    state = RHNState
    gates = 'nt'  # column blocks of xh, of each hh and of each b; with coupled=False ntc
    params = {'xh': ('I', '2H'), 'hh': ('H', '2H'), 'b': ('2H',)}
    options = {'depth': 3, 'coupled': True, 'activation': 'tanh'}

    def setup(self):
        self.phi = activations.build(self.activation)
        self.sigma = activations.build('sigmoid')
        self.depth = whole('rhn: depth', self.depth, 1, 100)
        self.coupled = flag('rhn: coupled', self.coupled)
        self.gates = 'nt' if self.coupled else 'ntc'
        blocks, self.names = f'{len(self.gates)}H', [('hh', 'b')]
        self.names += [(f'hh{k}', f'b{k}') for k in range(2, self.depth + 1)]
        self.params, self.initial = {'xh': ('I', blocks)}, {}
        for weight, bias in self.names:
            self.params |= {weight: ('H', blocks), bias: (blocks,)}
            self.initial |= {weight: 'orthogonal', bias: {'t': -2.0}}

    def step(self, z, s, p):  # z: (B, 2H), or (B, 3H) with coupled=False
        h = s.h
        for k, (weight, bias) in enumerate(self.names):
            product = h @ getattr(p, weight)
            blocks = split(product + (getattr(p, bias) if k else z), len(self.gates))
            n, t = self.phi(blocks[0]), self.sigma(blocks[1])
            h = t * n + (1 - t if self.coupled else self.sigma(blocks[2])) * h
        return RHNState(h)
