"""Coupled oscillatory recurrent cell."""

from typing import NamedTuple

from pytensor.tensor import TensorVariable

from rnnkit import activations
from rnnkit.cells.base import Cell, cells
from rnnkit.common.checks import choice, real, scalar


class CoRNNState(NamedTuple):
    """State of the coupled oscillatory recurrent cell."""

    h: TensorVariable  # (B, H), the positions of the oscillators, y in the paper
    c: TensorVariable  # (B, H), their velocities, z in the paper


@cells.add('cornn')
class CoRNNCell(Cell):
    r"""Coupled oscillatory recurrent cell: each unit is a damped oscillator that the others drive.

    .. math::
        a &= \phi(x_t W_{xh} + h_{t-1} W_{hh} + c_{t-1} W_{ch} + b) \\
        c_t &= c_{t-1} + \Delta t \, (a - \gamma h_{t-1} - \epsilon \bar c) \\
        h_t &= h_{t-1} + \Delta t \, c_t

    This is one step of an IMEX scheme, of length :math:`\Delta t`, for the differential equation
    :math:`h'' = \phi(\dots) - \gamma h - \epsilon h'`: the new position is computed from the new
    velocity. The paper has two forms of the damping:

    - 'explicit': :math:`\bar c = c_{t-1}`, as in the paper's program and in torchrecurrent;
    - 'implicit': :math:`\bar c = c_t`, which is to say that the new velocity without the damping
      is divided by :math:`1 + \epsilon \Delta t`.

    The matrices hh and ch start orthogonal. The paper tunes the three numbers for each problem: the
    step between 0.01 and 0.1, :math:`\gamma` and :math:`\epsilon` between 0.1 and 100. The
    defaults are those of torchrecurrent.

    Parameters
    ----------
    dt : float
        The length :math:`\Delta t` of a step.
    gamma : float
        The stiffness :math:`\gamma`, the square of the frequency; at least 0.
    epsilon : float
        The damping :math:`\epsilon`; at least 0.
    damping : {'explicit', 'implicit'}
        Whether the old or the new velocity is damped.
    activation : str or callable
        The function :math:`\phi`.

    References
    ----------
    Rusch & Mishra 2021, ICLR, arXiv:2010.00951, equation 3.
    """

    state = CoRNNState
    gates = 'h'
    params = {'xh': ('I', 'H'), 'hh': ('H', 'H'), 'ch': ('H', 'H'), 'b': ('H',)}
    initial = {'ch': 'orthogonal'}
    options = {
        'dt': 0.1,
        'gamma': 1.0,
        'epsilon': 1.0,
        'damping': 'explicit',
        'activation': 'tanh',
    }

    def setup(self):
        self.phi = activations.build(self.activation)
        self.dt = real('cornn: dt', self.dt, above=0)
        self.gamma = real('cornn: gamma', self.gamma, least=0)
        self.epsilon = real('cornn: epsilon', self.epsilon, least=0)
        choice('cornn: damping', self.damping, ('explicit', 'implicit'))

    def step(self, z, s, p):
        dt = self._number('dt', z)
        force = self.phi(z + s.h @ p.hh + s.c @ p.ch) - self._number('gamma', z) * s.h
        if self.damping == 'explicit':
            c = s.c + dt * (force - self._number('epsilon', z) * s.c)
        else:
            c = (s.c + dt * force) / (1 + dt * self._number('epsilon', z))
        return CoRNNState(h=s.h + dt * c, c=c)

    def _number(self, name: str, z: TensorVariable):
        return scalar(f'cornn: {name}', getattr(self, name), z.type.dtype)
