"""Minimal GRU, whose gate reads only the input."""

from typing import NamedTuple

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.cells.base import Cell, cells
from rnnkit.common.checks import flag
from rnnkit.common.tensors import split


class MinGRUState(NamedTuple):
    """State of the minimal GRU."""

    h: TensorVariable  # (B, H)


def positive(x: TensorVariable) -> TensorVariable:
    """Return x + 1/2 where x is not negative, else the logistic function of x.

    It is continuous and positive everywhere.

    References
    ----------
    Feng et al. 2024, arXiv:2410.01201, appendix B.
    """
    return pt.switch(pt.ge(x, 0), x + np.float32(0.5), pt.sigmoid(x))


@cells.add('mingru')
class MinGRUCell(Cell):
    r"""Minimal GRU (minGRU): a moving average whose rate and content read only the input.

    .. math::
        (z, n) &= x_t W_{xh} + b \\
        h_t &= (1 - \sigma(z)) h_{t-1} + \sigma(z) g(n)

    g is the identity, as in section 3 of the paper. With ``positive=True`` it is the function of
    its appendix B, :math:`g(n) = n + 1/2` for :math:`n \ge 0` and :math:`\sigma(n)` below, which
    keeps h positive. The paper needs that to compute in logarithms, in parallel over time; here
    steps follow each other, and no logarithm is taken.

    Parameters
    ----------
    positive : bool
        Whether g is the function that keeps h positive, and not the identity.

    References
    ----------
    Feng et al. 2024, arXiv:2410.01201.
    """

    state = MinGRUState
    gates = 'zh'  # column blocks of xh and b
    params = {'xh': ('I', '2H'), 'b': ('2H',)}
    options = {'positive': False}

    def setup(self):
        self.positive = flag('mingru: positive', self.positive)

    def step(self, z, s, p):  # z: (B, 2H)
        a, n = split(z, 2)
        rate = pt.sigmoid(a)
        return MinGRUState((1 - rate) * s.h + rate * (positive(n) if self.positive else n))
