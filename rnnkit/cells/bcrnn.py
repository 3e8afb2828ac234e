"""Block-triangular recurrent cell: modules of leaky integrators with different rates."""

from typing import NamedTuple

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import activations
from rnnkit.cells.base import Cell, cells
from rnnkit.cells.unit_modules import check_modules, connections, modular, of_modules
from rnnkit.common.checks import whole

MAX_MODULES = 24  # the bits of a float32: slower modules would be stuck by rounding


class BCRNNState(NamedTuple):
    """State of the block-triangular recurrent cell."""

    h: TensorVariable  # (B, H), the output
    pre: TensorVariable  # (B, H), the pre-activation


@cells.add('bcrnn')
class BCRNNCell(Cell):
    r"""Block-triangular recurrent cell, with modules that forget at different rates.

    For the units of module k = 0, 1, ...,

    .. math::
        a_t^k &= r_k a_{t-1}^k + (1 - r_k)
            (x_t W_{xh}^k + \sum_{j \geq k} h_{t-1}^j W_{hh}^{jk} + b^k) \\
        h_t^k &= g(a_t^k), \qquad r_k = 1 - 2^{-k}

    so that module k has a time constant of :math:`2^k` steps, and reads only itself and slower
    modules: the matrix hh is masked to be block-triangular. This is the clockwork cell with
    leaky integration in place of clocks.

    Parameters
    ----------
    activation : str or callable
        The function g.
    num_modules : int
        The number of modules, at most 24. The size of the layer must be a multiple of it.

    Notes
    -----
    The cell follows theanets, except for the time constants.

    References
    ----------
    Koutnik et al. 2014, arXiv:1402.3511, for the modules; Jaeger et al. 2007, Neural
    Networks 20(3), for leaky integration.
    """

    state = BCRNNState
    inner = {**Cell.params, 'gain': ('H',)}
    options = {'activation': 'tanh', 'num_modules': None}

    def setup(self):
        self.g = activations.build(self.activation)
        n = whole('bcrnn: num_modules', self.num_modules, 1, MAX_MODULES)
        self.slowness = np.exp2(np.arange(n))
        self.smallest = n
        self.initial = {'hh': modular(self.slowness)}

    def check_size(self, size):
        check_modules('bcrnn', size, self.num_modules)

    def prepare(self, params, size):
        slowness, dtype = of_modules(self.slowness, size), params['hh'].dtype
        return {
            **params,
            'hh': params['hh'] * pt.constant(connections(slowness).astype(dtype)),
            'gain': pt.constant((1 / slowness).astype(dtype)),
        }

    def step(self, z, s, p):  # z: (B, H)
        pre = (1 - p.gain) * s.pre + p.gain * (z + s.h @ p.hh)
        return BCRNNState(self.g(pre), pre)
