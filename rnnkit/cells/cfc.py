"""Closed-form continuous-time cell."""

from typing import NamedTuple

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import activations
from rnnkit.activations.registry import like
from rnnkit.cells.base import Cell, cells
from rnnkit.common.checks import choice, one_of, whole
from rnnkit.common.checks import size as size_of
from rnnkit.common.spelling import brief
from rnnkit.common.tensors import split
from rnnkit.errors import ConfigError


class CfCState(NamedTuple):
    """State of the closed-form continuous-time cell."""

    h: TensorVariable  # (B, H)


@cells.add('cfc')
class CfCCell(Cell):
    r"""Closed-form continuous-time cell: a gate that depends on the time since the step before.

    With :math:`\Delta_t` this time and :math:`u_t` the output of a small network, the backbone,
    that reads :math:`x_t` and :math:`h_{t-1}`,

    .. math::
        u_t &= \phi(x_t W_{xh} + h_{t-1} W_{hh} + b) \\
        (f, g, a, d) &= u_t W_{uh} + b_h \\
        s &= \sigma(a \Delta_t + d) \\
        h_t &= (1 - s) \tanh(f) + s \tanh(g)

    The modes are those of the package ncps:

    - 'default': as above;
    - 'no_gate': :math:`h_t = \tanh(f) + s \tanh(g)`;
    - 'pure': only f, with the vectors A and :math:`\tau`, and
      :math:`h_t = A - A f e^{-\Delta_t (|\tau| + |f|)}`, the solution of a differential equation.

    Matrices start with Glorot's values, A at 1, :math:`\tau` and biases at 0.

    Parameters
    ----------
    mode : {'default', 'no_gate', 'pure'}
        Which of the forms above computes the state.
    backbone_units : int
        The number U of units in each layer of the backbone.
    backbone_layers : int
        The number of its layers, at most 100. Those after the first have the matrices u2, u3... and
        biases b2, b3.... With 0 there is none, and ``xh`` and ``hh`` have the columns f g a d.
    activation : str or callable
        The function :math:`\phi`. 'lecun_tanh' is :math:`1.7159 \tanh(0.666 a)`.
    times : str, optional
        The name of an input layer of one column, or of another output: the time :math:`\Delta_t`
        since the step before, at each step. By default 1. A layer that reads backward takes each
        time at the other end of its step.

    References
    ----------
    Hasani et al. 2022, Nature Machine Intelligence 4, arXiv:2106.13898; the modes and defaults are
    those of the authors' package ncps.
    """

    state = CfCState
    gates = 'fgad'  # column blocks of uh and bh; with mode='pure' f
    params = {
        'xh': ('I', 'U'),
        'hh': ('H', 'U'),
        'b': ('U',),
        'uh': ('U', '4H'),
        'bh': ('4H',),
        'A': ('H',),
        'tau': ('H',),
    }
    initial = {'hh': 'glorot', 'uh': 'glorot', 'A': 1.0}
    options = {
        'mode': 'default',
        'backbone_units': 128,
        'backbone_layers': 1,
        'activation': 'lecun_tanh',
    }
    side = {'times': '1'}
    side_defaults = {'times': 1.0}
    between = ('times',)

    def setup(self):
        choice('cfc: mode', self.mode, ('default', 'no_gate', 'pure'))
        self.backbone_units = size_of('cfc: backbone_units', self.backbone_units)
        self.backbone_layers = whole('cfc: backbone_layers', self.backbone_layers, 0, 100)
        if not self.backbone_layers:
            for name in ('backbone_units', 'activation'):
                if getattr(self, name) != self.options[name]:
                    raise ConfigError(
                        f'cfc: {name} is for the backbone, which backbone_layers=0 leaves out; '
                        f'got {name}={brief(getattr(self, name))}'
                    )
        is_own = one_of(self.activation, ('lecun_tanh',))
        self.phi = lecun_tanh if is_own else activations.build(self.activation)
        self.sigma = activations.build('sigmoid')
        self.gates = 'f' if self.mode == 'pure' else 'fgad'
        blocks = 'H' if self.mode == 'pure' else '4H'
        params = {'xh': ('I', blocks), 'hh': ('H', blocks), 'b': (blocks,)}
        self.deeper = [(f'u{k}', f'b{k}') for k in range(2, self.backbone_layers + 1)]
        if self.backbone_layers:
            params = {'xh': ('I', 'U'), 'hh': ('H', 'U'), 'b': ('U',)}
            for weight, bias in self.deeper:
                params |= {weight: ('U', 'U'), bias: ('U',)}
            params |= {'uh': ('U', blocks), 'bh': (blocks,)}
        if self.mode == 'pure':
            params |= {'A': ('H',), 'tau': ('H',)}
        deeper = dict.fromkeys([weight for weight, _ in self.deeper], 'glorot')
        self.params = params
        self.initial = {k: v for k, v in {**self.initial, **deeper}.items() if k in params}

    def lengths(self, size):
        return {'H': size, 'U': self.backbone_units}

    def step(self, z, s, p):  # z: (B, U), or (B, 4H) without a backbone
        u = z + s.h @ p.hh
        if self.backbone_layers:
            u = self.phi(u)
            for weight, bias in self.deeper:
                u = self.phi(u @ getattr(p, weight) + getattr(p, bias))
            u = u @ p.uh + p.bh
        if self.mode == 'pure':
            return CfCState(p.A - p.A * u * pt.exp(-p.times * (abs(p.tau) + abs(u))))
        f, g, a, d = split(u, 4)
        gate, f, g = self.sigma(a * p.times + d), pt.tanh(f), pt.tanh(g)
        return CfCState((f if self.mode == 'no_gate' else (1 - gate) * f) + gate * g)


def lecun_tanh(x: TensorVariable) -> TensorVariable:
    """Return ``1.7159 tanh(0.666 x)``; LeCun et al. 1998 have 2/3, ncps has 0.666."""
    return like(x, 1.7159) * pt.tanh(like(x, 0.666) * x)
