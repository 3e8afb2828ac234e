"""Simple recurrent unit."""

from math import exp, sqrt
from typing import NamedTuple

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.cells.base import Cell, cells
from rnnkit.cells.content import with_content
from rnnkit.common.checks import choice, real, scalar
from rnnkit.common.tensors import affine, split
from rnnkit.errors import ConfigError


class SRUState(NamedTuple):
    """State of the simple recurrent unit."""

    h: TensorVariable  # (B, H), the output; the next step does not read it
    c: TensorVariable  # (B, H), the cell state


@cells.add('sru')
class SRUCell(Cell):
    r"""Simple recurrent unit (SRU): gates that read only a unit's own state, and a highway.

    .. math::
        f &= \sigma(x_t W_f + v_f c_{t-1} + b_f) \\
        r &= \sigma(x_t W_r + v_r c_{t-1} + b_r) \\
        c_t &= f c_{t-1} + (1 - f) \, x_t W_{xc} \\
        h_t &= r c_t + (1 - r) \, y_t

    where y is :math:`x_t W_{xs}` (``highway='matrix'``, for any input), or :math:`\alpha x_t`, if x
    has as many features as the layer has units (``highway='input'``, the paper's form).
    :math:`\alpha = \sqrt{1 + 2 \exp(b)}`, where b is the initial value of :math:`b_r`, keeps the
    variance from layer to layer; :math:`W_{xs}` starts :math:`\alpha` times as large.

    As in the authors' code, the matrices start with variance 1 / I, those of f and r with half of
    it, and v with variance 1/2.

    Parameters
    ----------
    highway : {'matrix', 'input'}
        What y is: the input times a matrix, or the input itself.
    highway_bias : float
        The initial value of :math:`b_r`.

    Raises
    ------
    ConfigError
        If the input cannot be the highway, since it has another number of features.

    Notes
    -----
    This is the form of the published paper. Its first version has no v, and an activation of
    :math:`c_t` in :math:`h_t`.

    References
    ----------
    Lei et al. 2018, arXiv:1709.02755.
    """

    state = SRUState
    gates = 'fr'  # column blocks of xh, v and b
    params = {
        'xh': ('I', '2H'),
        'xc': ('I', 'H'),
        'xs': ('I', 'H'),
        'v': ('2H',),
        'b': ('2H',),
    }
    options = {'highway': 'matrix', 'highway_bias': 0.0}

    def setup(self):
        choice('sru: highway', self.highway, ('matrix', 'input'))
        self.highway_bias = real('sru: highway_bias', self.highway_bias, below=100)
        self.alpha = sqrt(1 + 2 * exp(self.highway_bias))
        half = sqrt(0.5)
        self.initial = {
            'xh': {'form': 'lecun_uniform', 'gain': half},
            'xc': 'lecun_uniform',
            'xs': {'form': 'lecun_uniform', 'gain': self.alpha},
            'v': {'form': 'uniform', 'scale': sqrt(1.5)},  # variance 1/2
            'b': {'r': self.highway_bias},
        }
        blocks = 4 if self.highway == 'matrix' else 3
        self.inner = {'xh': ('I', f'{blocks}H'), 'v': ('2H',), 'b': (f'{blocks}H',)}
        if self.highway == 'input':
            self.params = {name: axes for name, axes in self.params.items() if name != 'xs'}

    def shapes(self, n_in, size):
        if self.highway == 'input' and n_in != size:
            raise ConfigError(
                f"sru: with highway='input' the layer needs as many units as inputs, {n_in}; got "
                f"{size}; use highway='matrix'"
            )
        return super().shapes(n_in, size)

    def prepare(self, params, size):
        joined = with_content(params, size)
        return with_content(joined, size, 'xs') if self.highway == 'matrix' else joined

    def project(self, x, p):
        z = affine(x, p.xh, p.b)
        if self.highway == 'matrix':
            return z
        # The layer has as many units as inputs; the shape says so where both are symbols.
        y = x.reshape((*x.shape[:2], p.v.type.shape[0] // 2))
        return pt.concatenate([z, scalar('sru: alpha', self.alpha, x.dtype) * y], axis=-1)

    def step(self, z, s, p):  # z: (B, 4H)
        (xf, xr, content, y), (vf, vr) = split(z, 4), split(p.v, 2)
        f, r = pt.sigmoid(xf + vf * s.c), pt.sigmoid(xr + vr * s.c)
        c = f * s.c + (1 - f) * content
        return SRUState(h=r * c + (1 - r) * y, c=c)
