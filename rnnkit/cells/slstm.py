"""LSTM with exponential gates."""

from typing import NamedTuple

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.cells.base import Cell, cells
from rnnkit.common.checks import choice
from rnnkit.common.tensors import split


class SLSTMState(NamedTuple):
    """State of the LSTM with exponential gates."""

    h: TensorVariable  # (B, H), the hidden state, which is the output
    c: TensorVariable  # (B, H), the cell state, times exp(-m)
    n: TensorVariable  # (B, H), the normalizer, times exp(-m)
    m: TensorVariable  # (B, H), the stabilizer: a logarithm


@cells.add('slstm')
class SLSTMCell(Cell):
    r"""LSTM with an exponential input gate and a normalized cell state (sLSTM), of one head.

    .. math::
        (i, f, z, o) &= x_t W_{xh} + h_{t-1} W_{hh} + b \\
        m_t &= \max(\log \sigma(f) + m_{t-1}, i) \\
        i' &= \exp(i - m_t), \qquad f' = \exp(\log \sigma(f) + m_{t-1} - m_t) \\
        c_t &= f' c_{t-1} + i' \tanh(z), \qquad n_t = f' n_{t-1} + i' \\
        h_t &= \sigma(o) \, c_t / n_t

    The state m keeps the exponentials from overflow; c / n does not depend on it. Where n is still
    0, nothing has been stored, and :math:`m_t = i`, as in the authors' code: otherwise a small
    :math:`i'` could be rounded to 0 at the first step, and h would be 0 / 0. So n should start at 0
    or be that of another run, not be learned.

    The paper divides the units into heads, whose recurrent weights are blocks of W; here there is
    one. The layer norm, convolution and projections that stand around the cell in an xLSTM are not
    part of it. The bias of the forget gate starts at 1, as in the cell 'lstm'.

    Parameters
    ----------
    forget : {'sigmoid', 'exp'}
        The activation of the forget gate. With 'exp', f stands in place of
        :math:`\log \sigma(f)`.

    References
    ----------
    Beck et al. 2024, arXiv:2405.04517, section 2.2.
    """

    state = SLSTMState
    gates = 'ifzo'  # column blocks of xh, hh and b, as in the authors' code
    params = {'xh': ('I', '4H'), 'hh': ('H', '4H'), 'b': ('4H',)}
    initial = {'b': {'f': 1.0}}
    options = {'forget': 'sigmoid'}

    def setup(self):
        choice('slstm: forget', self.forget, ('sigmoid', 'exp'))

    def step(self, z, s, p):  # z: (B, 4H)
        i, f, content, o = split(z + s.h @ p.hh, 4)
        kept = s.m + (f if self.forget == 'exp' else -pt.softplus(-f))  # a logarithm
        kept = pt.switch(pt.eq(s.n, 0), i, kept)  # exp(kept - m) is then finite, and of no effect
        m = pt.maximum(kept, i)
        old, new = pt.exp(kept - m), pt.exp(i - m)
        c = old * s.c + new * pt.tanh(content)
        n = old * s.n + new
        return SLSTMState(h=pt.sigmoid(o) * c / n, c=c, n=n, m=m)
