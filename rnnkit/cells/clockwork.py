"""Clockwork recurrent cell: modules of units with different clock periods."""

from typing import NamedTuple

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import activations
from rnnkit.cells.base import Cell, cells
from rnnkit.cells.unit_modules import check_modules, connections, modular, of_modules
from rnnkit.common.checks import LARGEST_SIZE, is_whole
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError


class ClockworkState(NamedTuple):
    """State of the clockwork cell."""

    h: TensorVariable  # (B, H), the output
    phase: TensorVariable  # (B, H), steps so far, modulo the period of the unit


@cells.add('clockwork')
class ClockworkCell(Cell):
    r"""Clockwork recurrent cell: each module of units is updated once per period.

    For the units of module i with period :math:`T_i`, and t counted from 0,

    .. math::
        h_t^i = \begin{cases}
            g(x_t W_{xh}^i + \sum_j h_{t-1}^j W_{hh}^{ji} + b^i) & t \bmod T_i = 0 \\
            h_{t-1}^i & \text{otherwise}
        \end{cases}

    where j runs over the modules that are not faster, :math:`T_j \geq T_i`. The other blocks
    of the matrix hh are masked out.

    Time is part of the state, so that a sequence can be continued: each unit counts steps from
    0 to :math:`T_i - 1`. A masked step does not count.

    Parameters
    ----------
    activation : str or callable
        The function g.
    periods : sequence of int
        The period of each module. The size of the layer must be a multiple of the number of
        modules; the units of the first module come first.

    References
    ----------
    Koutnik et al. 2014, arXiv:1402.3511.
    """

    state = ClockworkState
    counters = ('phase',)
    inner = {**Cell.params, 'period': ('H',)}
    options = {'activation': 'tanh', 'periods': None}

    def setup(self):
        self.g = activations.build(self.activation)
        periods = self.periods
        if isinstance(periods, np.ndarray):
            periods = periods.tolist()
        listed = isinstance(periods, list | tuple) and periods
        if not listed or not all(is_whole(p, 1) and p <= LARGEST_SIZE for p in periods):
            raise ConfigError(
                f'clockwork: periods must be a list of whole numbers of at least 1, one per '
                f'module, such as [1, 2, 4, 8]; got {brief(self.periods)}'
            )
        self.slowness = np.array(periods)
        self.smallest = len(periods)
        self.initial = {'hh': modular(self.slowness)}

    def check_size(self, size):
        check_modules('clockwork', size, len(self.slowness))

    def prepare(self, params, size):
        periods, dtype = of_modules(self.slowness, size), params['hh'].dtype
        return {
            **params,
            'hh': params['hh'] * pt.constant(connections(periods).astype(dtype)),
            'period': pt.constant(periods.astype(dtype)),
        }

    def step(self, z, s, p):  # z: (B, H)
        h = pt.switch(pt.eq(s.phase, 0), self.g(z + s.h @ p.hh), s.h)
        phase = s.phase + 1
        return ClockworkState(h, pt.switch(phase < p.period, phase, 0))
