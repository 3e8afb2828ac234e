"""Multiplicative recurrent cell."""

from math import isqrt
from typing import NamedTuple

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import activations
from rnnkit.cells.base import Cell, cells
from rnnkit.common.checks import size as size_of
from rnnkit.common.tensors import affine


class MRNNState(NamedTuple):
    """State of the multiplicative recurrent cell."""

    h: TensorVariable  # (B, H)


@cells.add('mrnn')
class MRNNCell(Cell):
    r"""Multiplicative recurrent cell: the recurrent matrix depends on the input.

    .. math::
        f_t &= (x_t W_{xf}) (h_{t-1} W_{hf}) \\
        h_t &= g(x_t W_{xh} + f_t W_{fh} + b)

    So :math:`W_{hf} \, \mathrm{diag}(x_t W_{xf}) \, W_{fh}`, a factored matrix that depends on
    the input, takes the place of :math:`W_{hh}`.

    The matrices hf and fh start orthogonal.

    Parameters
    ----------
    activation : str or callable
        The function g.
    factors : int, optional
        The number of factors F; by default the square root of the layer's size, rounded up.

    References
    ----------
    Sutskever, Martens & Hinton 2011, ICML, equations 7 and 8.
    """

    state = MRNNState
    params = {
        'xh': ('I', 'H'),
        'xf': ('I', 'F'),
        'hf': ('H', 'F'),
        'fh': ('F', 'H'),
        'b': ('H',),
    }
    initial = {'xf': 'glorot', 'hf': 'orthogonal', 'fh': 'orthogonal'}
    options = {'activation': 'tanh', 'factors': None}

    def setup(self):
        self.g = activations.build(self.activation)
        if self.factors is not None:
            self.factors = size_of('mrnn: factors', self.factors)

    def lengths(self, size):
        return {'H': size, 'F': self.factors or isqrt(size - 1) + 1}

    def project(self, x, p):
        return pt.concatenate([affine(x, p.xh, p.b), affine(x, p.xf)], axis=-1)

    def step(self, z, s, p):  # z: (B, H + F)
        H = s.h.type.shape[-1]
        f = z[:, H:] * (s.h @ p.hf)  # (B, F)
        return MRNNState(self.g(z[:, :H] + f @ p.fh))
