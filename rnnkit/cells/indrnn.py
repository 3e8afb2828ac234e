"""Independently recurrent network."""

from typing import NamedTuple

from pytensor.tensor import TensorVariable

from rnnkit import activations
from rnnkit.cells.base import Cell, cells
from rnnkit.common.checks import optional_whole


class IndRNNState(NamedTuple):
    """State of the independently recurrent network."""

    h: TensorVariable  # (B, H)


@cells.add('indrnn')
class IndRNNCell(Cell):
    r"""Independently recurrent network: each unit reads only its own state.

    .. math:: h_t = \phi(x_t W_{xh} + u h_{t-1} + b)

    Units see each other in the next layer. The weights u start uniformly in
    :math:`[0, 2^{1 / t_{max}}]`, so that the state of a relu grows at most twofold over a sequence.
    Nothing keeps them there in training, as the paper proposes for long sequences.

    Parameters
    ----------
    activation : str or callable
        The function :math:`\phi`: 'relu' in the paper.
    t_max : int, optional
        The number of steps of a sequence. By default it has no end, and u starts in [0, 1].

    References
    ----------
    Li et al. 2018, arXiv:1803.04831.
    """

    state = IndRNNState
    gates = 'h'
    params = {'xh': ('I', 'H'), 'u': ('H',), 'b': ('H',)}
    options = {'activation': 'relu', 't_max': None}
    start_options = {'t_max': 'u'}

    def setup(self):
        self.phi = activations.build(self.activation)
        self.t_max = optional_whole('indrnn: t_max', self.t_max, 1)
        most = 1.0 if self.t_max is None else 2 ** (1 / self.t_max)
        self.initial = {'u': {'form': 'uniform', 'mean': most / 2, 'scale': most / 2}}

    def step(self, z, s, p):  # z: (B, H)
        return IndRNNState(self.phi(z + p.u * s.h))
