"""JANET, an LSTM with the forget gate alone."""

from typing import NamedTuple

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.cells.base import Cell, cells
from rnnkit.cells.chrono import chrono, longest_span
from rnnkit.common.checks import real, scalar
from rnnkit.common.tensors import split


class JANETState(NamedTuple):
    """State of JANET."""

    h: TensorVariable  # (B, H), which is the cell state, too


@cells.add('janet')
class JANETCell(Cell):
    r"""JANET, "just another network": an LSTM that has only a forget gate.

    .. math::
        (s, n) &= x_t W_{xh} + h_{t-1} W_{hh} + b \\
        h_t &= \sigma(s) h_{t-1} + (1 - \sigma(s - \beta)) \tanh(n)

    The cell state is the output, so that there is a single state.

    Parameters
    ----------
    beta : float
        The constant :math:`\beta`, by which more is added than forgotten; 1 in the paper. In
        torchrecurrent it is a parameter, which is trained.
    t_max : int, optional
        The number of steps over which the longest dependencies reach. The bias of s then starts
        at :math:`\log(U(1, t_{max} - 1))`, as in the paper (in place of draws, there are the
        quantiles of the distribution). By default it starts at 1, as in an LSTM.

    References
    ----------
    van der Westhuizen & Lasenby 2018, arXiv:1804.04849; for ``t_max``, Tallec &
    Ollivier 2018, arXiv:1804.11188.
    """

    state = JANETState
    gates = 'fc'  # column blocks of xh, hh and b; f has s, and c has n
    params = {'xh': ('I', '2H'), 'hh': ('H', '2H'), 'b': ('2H',)}
    initial = {'b': {'f': 1.0}}
    options = {'beta': 1.0, 't_max': None}
    start_options = {'t_max': 'b'}

    def setup(self):
        self.beta = real('janet: beta', self.beta)
        self.t_max = longest_span('janet: t_max', self.t_max)
        if self.t_max is not None:
            self.initial = {'b': {'f': chrono(self.t_max)}}

    def step(self, z, s, p):  # z: (B, 2H)
        a, n = split(z + s.h @ p.hh, 2)
        added = 1 - pt.sigmoid(a - scalar('janet: beta', self.beta, z.dtype))
        return JANETState(pt.sigmoid(a) * s.h + added * pt.tanh(n))
