"""MUT1, the first of three cells found by an architecture search."""

from typing import NamedTuple

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.cells.base import Cell, cells
from rnnkit.common.tensors import affine, split


class MUT1State(NamedTuple):
    """State of the cell MUT1."""

    h: TensorVariable  # (B, H)


@cells.add('mut1')
class MUT1Cell(Cell):
    r"""The MUT1 cell: a GRU whose update gate reads only the input.

    .. math::
        z &= \sigma(x_t W_{xz} + b_z) \\
        r &= \sigma(x_t W_{xr} + h_{t-1} W_{hr} + b_r) \\
        n &= \tanh(\tanh(x_t W_{xh}) + (r h_{t-1}) W_{hh} + b_h) \\
        h_t &= (1 - z) h_{t-1} + z n

    In the paper the inner tanh is applied to :math:`x_t` itself, which must then have as many
    features as the layer has units; here, as in theanets, there is a matrix. The bias
    :math:`b_h` is added outside the inner tanh, as in the paper; theanets adds it inside.

    References
    ----------
    Jozefowicz, Zaremba & Sutskever 2015, ICML, section 3.
    """

    state = MUT1State
    params = {
        'xh': ('I', 'H'),
        'xr': ('I', 'H'),
        'xz': ('I', 'H'),
        'hh': ('H', 'H'),
        'hr': ('H', 'H'),
        'bh': ('H',),
        'br': ('H',),
        'bz': ('H',),
    }
    initial = {'xr': 'glorot', 'xz': 'glorot', 'hr': 'orthogonal'}

    def project(self, x, p):
        z, r = affine(x, p.xz, p.bz), affine(x, p.xr, p.br)
        return pt.concatenate([pt.sigmoid(z), r, pt.tanh(affine(x, p.xh)) + p.bh], axis=-1)

    def step(self, z, s, p):  # z: (B, 3H)
        u, xr, xn = split(z, 3)
        r = pt.sigmoid(xr + s.h @ p.hr)
        n = pt.tanh(xn + (r * s.h) @ p.hh)
        return MUT1State((1 - u) * s.h + u * n)
