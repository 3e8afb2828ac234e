"""Minimal LSTM, whose gates read only the input."""

from typing import NamedTuple

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.cells.base import Cell, cells
from rnnkit.cells.mingru import positive
from rnnkit.common.checks import flag
from rnnkit.common.tensors import split


class MinLSTMState(NamedTuple):
    """State of the minimal LSTM."""

    h: TensorVariable  # (B, H)


@cells.add('minlstm')
class MinLSTMCell(Cell):
    r"""Minimal LSTM (minLSTM): a moving average whose two gates and content read only the input.

    .. math::
        (f, i, n) &= x_t W_{xh} + b \\
        f' &= \frac{\sigma(f)}{\sigma(f) + \sigma(i)}, \qquad
            i' = \frac{\sigma(i)}{\sigma(f) + \sigma(i)} \\
        h_t &= f' h_{t-1} + i' g(n)

    This is the form with normalized gates, the paper's last. As :math:`f' = \sigma(d)` and
    :math:`i' = \sigma(-d)`, where :math:`d = \log \sigma(f) - \log \sigma(i)`, both are computed
    without a division that could be 0 / 0.

    Parameters
    ----------
    positive : bool
        The function g: the identity, or with True that of the paper's appendix B, as in the cell
        'mingru'.

    References
    ----------
    Feng et al. 2024, arXiv:2410.01201, section 3.2.
    """

    state = MinLSTMState
    gates = 'fih'  # column blocks of xh and b
    params = {'xh': ('I', '3H'), 'b': ('3H',)}
    options = {'positive': False}

    def setup(self):
        self.positive = flag('minlstm: positive', self.positive)

    def step(self, z, s, p):  # z: (B, 3H)
        f, i, n = split(z, 3)
        d = pt.softplus(-i) - pt.softplus(-f)
        content = positive(n) if self.positive else n
        return MinLSTMState(pt.sigmoid(d) * s.h + pt.sigmoid(-d) * content)
