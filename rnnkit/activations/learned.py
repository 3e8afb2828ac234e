"""Activations with parameters of their own, one or more for each unit."""

import re

import numpy as np
import pytensor.tensor as pt

from rnnkit.activations.elementwise import relu
from rnnkit.activations.registry import Learned, add
from rnnkit.errors import ConfigError

MOST = 256  # lines of a maxout; a file must not ask for any amount of memory


class _PerUnit(Learned):
    """An activation with one number of each name for each unit."""

    def shapes(self, size):
        return dict.fromkeys(self.names, (size,))


@add('prelu', 'leaky-relu')
class PReLU(_PerUnit):
    r""":math:`x` where positive, else ``leak`` times x.

    He et al. 2015, arXiv:1502.01852; as there, and in PyTorch, the leak starts at 0.25.
    """

    names = ('leak',)
    initial = {'leak': 0.25}

    def apply(self, x, p):
        return pt.switch(x <= 0, p.leak * x, x)


@add('lgrelu', 'leaky-gain-relu')
class LeakyGainReLU(_PerUnit):
    r"""``gain`` times x where that is positive, else ``leak`` times x."""

    names = ('gain', 'leak')
    initial = {'gain': 1.0, 'leak': 0.25}

    def apply(self, x, p):
        return pt.switch(x <= 0, p.leak, p.gain) * x


@add('elu:gain')
class GainELU(_PerUnit):
    r""":math:`x` where positive, else ``gain`` times :math:`e^x - 1`.

    Trottier et al. 2016, arXiv:1605.09332, have more than one such parameter.
    """

    names = ('gain',)
    initial = {'gain': 1.0}

    def apply(self, x, p):
        return relu(x) + p.gain * pt.expm1(pt.minimum(x, 0))


@add('maxout')
class Maxout(Learned):
    r"""The largest of k lines: :math:`\max_j (s_j x + c_j)`; ``'maxout:4'`` has four.

    Slopes and intercepts, of shape (size, k), start as tangents of softplus, each of which
    is the largest somewhere. As in theanets each unit has lines of its own: units are not
    mixed, as they are by Goodfellow et al. 2013, arXiv:1302.4389.
    """

    names = ('slope', 'intercept')

    def __init__(self, argument=None):
        self.k = int(argument) if argument and re.fullmatch('[0-9]{1,4}', argument) else 0
        if not 2 <= self.k <= MOST:
            raise ConfigError(
                f"it needs the number of its lines, from 2 to {MOST}, as in 'maxout:4'; got "
                f'{argument!r}'
            )

    @property
    def initial(self):
        """How the parameters start."""
        return {
            'slope': lambda shape, rng: np.broadcast_to(_tangents(self.k)[0], shape),
            'intercept': lambda shape, rng: np.broadcast_to(_tangents(self.k)[1], shape),
        }

    def shapes(self, size):
        return dict.fromkeys(self.names, (size, self.k))

    def apply(self, x, p):
        lines = (p.slope[:, j] * x + p.intercept[:, j] for j in range(self.k))
        # Not the maximum over a new axis: it would take k times the memory at once.
        highest = next(lines)
        for line in lines:
            highest = pt.maximum(highest, line)
        return highest


def _tangents(k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return slopes and intercepts of k tangents of softplus, between -2 and 2."""
    at = np.linspace(-2.0, 2.0, k)
    slope = 1 / (1 + np.exp(-at))
    return slope, np.log1p(np.exp(at)) - slope * at
