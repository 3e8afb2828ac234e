"""Gated recurrent unit for inputs with missing values."""

from typing import NamedTuple

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import activations
from rnnkit.cells.base import Cell, cells
from rnnkit.common.tensors import affine, split


class GRUDState(NamedTuple):
    """State of the GRU for missing values."""

    h: TensorVariable  # (B, H)
    seen: TensorVariable  # (B, I), the last observation of each input, less `fill`
    gap: TensorVariable  # (B, I), the time from it to this step


@cells.add('grud')
class GRUDCell(Cell):
    r"""GRU-D, a gated recurrent unit that reads NaN in its input as a value that is missing.

    With m = 1 where a value is observed and 0 where it is missing, and :math:`\Delta_t` the time
    since the step before,

    .. math::
        \delta_t &= \Delta_t + gap_{t-1} \\
        \hat x_t &= m \, x_t + (1 - m) (fill + \gamma^x seen_{t-1}), \quad
        \gamma^x = e^{-\max(0, \, w_x \delta_t + b_x)} \\
        \hat h &= \gamma^h h_{t-1}, \quad
        \gamma^h = e^{-\max(0, \, \delta_t W_h + b_h)} \\
        r &= \sigma(\hat x_t W_r + \hat h U_r + m V_r + b_r) \\
        z &= \sigma(\hat x_t W_z + \hat h U_z + m V_z + b_z) \\
        n &= \tanh(\hat x_t W_n + (r \hat h) U_n + m V_n + b_n) \\
        h_t &= (1 - z) n + z \hat h \\
        seen_t &= m (x_t - fill) + (1 - m) seen_{t-1}, \quad gap_t = (1 - m) \delta_t

    So an input that is missing moves from the last observation towards `fill`, which is learned and
    starts at 0: the mean of the training data if a layer 'standardize' is before this one. An input
    that has never been observed is `fill`. In the paper `fill` is the mean itself, z stands for
    :math:`1 - z`, and :math:`\delta` is 0 at the first step of a sequence; here it is
    :math:`\Delta_1`, the time since the state that the sequence starts from.

    W, U and V are the blocks of ``xh``, ``hh`` and ``mh``; the decays have ``wx``, ``bx``, ``wh``
    and ``bh``. All :math:`w_x` start at 0.1, and ``wh`` with Glorot's values.

    Parameters
    ----------
    times : str, optional
        The name of an input layer of one column, or of another output: the time :math:`\Delta_t`
        since the step before, at each step. By default 1. At the first step it is the time since
        the initial state: 0, if that stands for nothing. A layer that reads backward takes each
        time at the other end of its step.

    References
    ----------
    Che et al. 2018, Scientific Reports 8:6085, arXiv:1606.01865.
    """

    state = GRUDState
    gates = 'rzn'  # column blocks of xh, hh, mh and b
    params = {
        'xh': ('I', '3H'),
        'hh': ('H', '3H'),
        'mh': ('I', '3H'),
        'b': ('3H',),
        'wx': ('I',),
        'bx': ('I',),
        'wh': ('I', 'H'),
        'bh': ('H',),
        'fill': ('I',),
    }
    initial = {'mh': 'glorot', 'wx': 0.1, 'wh': 'glorot'}
    axes = {'seen': 'I', 'gap': 'I'}
    counters = ('seen', 'gap')
    side = {'times': '1'}
    side_defaults = {'times': 1.0}
    between = ('times',)
    reads_missing = True

    def setup(self):
        self.sigma, self.relu = activations.build('sigmoid'), activations.build('relu')

    def project(self, x, p):
        missing = pt.isnan(x)
        there = pt.cast(~missing, x.type.dtype)
        return pt.concatenate([pt.switch(missing, 0, x), there, affine(there, p.mh, p.b)], axis=-1)

    def step(self, z, s, p):  # z: (B, I + I + 3H)
        n_in, H = s.seen.type.shape[-1], s.h.type.shape[-1]
        x, there, z = z[:, :n_in], z[:, n_in : 2 * n_in] > 0.5, z[:, 2 * n_in :]
        time = s.gap + p.times  # (B, I), since the last observation
        x_old = p.fill + pt.exp(-self.relu(p.wx * time + p.bx)) * s.seen
        h = pt.exp(-self.relu(time @ p.wh + p.bh)) * s.h
        xr, xz, xn = split(z + pt.switch(there, x, x_old) @ p.xh, 3)
        hr, hz = split(h @ p.hh[:, : 2 * H], 2)
        r, u = self.sigma(xr + hr), self.sigma(xz + hz)  # u: z above
        n = pt.tanh(xn + (r * h) @ p.hh[:, 2 * H :])
        return GRUDState(
            h=(1 - u) * n + u * h,
            seen=pt.switch(there, x - p.fill, s.seen),
            gap=pt.switch(there, 0, time),
        )
