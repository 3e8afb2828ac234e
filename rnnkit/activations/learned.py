"""Activations with learned parameters, one or more per unit."""

import re
from types import SimpleNamespace

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.activations.elementwise import relu
from rnnkit.activations.registry import Learned, add
from rnnkit.errors import ConfigError

MAX_LINES = 256  # of a maxout, so that a malicious file cannot request unbounded memory


class _PerUnit(Learned):
    """An activation whose parameters are vectors with one element per unit."""

    def shapes(self, size: int) -> dict[str, tuple[int, ...]]:
        return dict.fromkeys(self.names, (size,))


@add('prelu', 'leaky-relu')
class PReLU(_PerUnit):
    r"""Parametric ReLU: :math:`x` where positive, else ``leak`` times x.

    He et al. 2015, arXiv:1502.01852; as there and in PyTorch, the leak starts at 0.25.
    """

    names = ('leak',)
    initial = {'leak': 0.25}

    def apply(self, x: TensorVariable, p: SimpleNamespace) -> TensorVariable:
        return pt.switch(x <= 0, p.leak * x, x)


@add('lgrelu', 'leaky-gain-relu')
class LeakyGainReLU(_PerUnit):
    r"""Leaky ReLU with a gain: ``gain`` times x where x is positive, else ``leak`` times x."""

    names = ('gain', 'leak')
    initial = {'gain': 1.0, 'leak': 0.25}

    def apply(self, x: TensorVariable, p: SimpleNamespace) -> TensorVariable:
        return pt.switch(x <= 0, p.leak, p.gain) * x


@add('elu:gain')
class GainELU(_PerUnit):
    r"""Parametric ELU: :math:`x` where positive, else ``gain`` times :math:`e^x - 1`.

    Trottier et al. 2016, arXiv:1605.09332, learn a second parameter as well.
    """

    names = ('gain',)
    initial = {'gain': 1.0}

    def apply(self, x: TensorVariable, p: SimpleNamespace) -> TensorVariable:
        return relu(x) + p.gain * pt.expm1(pt.minimum(x, 0))


@add('maxout')
class Maxout(Learned):
    r"""Maximum of k lines: :math:`\max_j (s_j x + c_j)`; ``'maxout:4'`` has four.

    Slopes and intercepts, of shape (size, k), start as tangents of softplus, so that each line
    is the maximum somewhere. As in theanets, each unit has its own lines; in Goodfellow et al.
    2013, arXiv:1302.4389, the maximum is over units.
    """

    names = ('slope', 'intercept')

    def __init__(self, argument: str | None = None):
        self.argument = argument
        self.k = int(argument) if argument and re.fullmatch('[0-9]{1,4}', argument) else 0
        if not 2 <= self.k <= MAX_LINES:
            raise ConfigError(
                f"it needs the number of its lines, from 2 to {MAX_LINES}, as in 'maxout:4'; got "
                f'{argument!r}'
            )

    @property
    def initial(self):
        """The initial values of the parameters."""
        return {
            'slope': lambda shape, rng: np.broadcast_to(_tangents(self.k)[0], shape),
            'intercept': lambda shape, rng: np.broadcast_to(_tangents(self.k)[1], shape),
        }

    def shapes(self, size: int) -> dict[str, tuple[int, ...]]:
        return dict.fromkeys(self.names, (size, self.k))

    def apply(self, x: TensorVariable, p: SimpleNamespace) -> TensorVariable:
        lines = (p.slope[:, j] * x + p.intercept[:, j] for j in range(self.k))
        # Not one maximum over a new axis, whose input would take k times the memory.
        highest = next(lines)
        for line in lines:
            highest = pt.maximum(highest, line)
        return highest


def _tangents(k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return slopes and intercepts of k tangents of softplus, at points from -2 to 2."""
    at = np.linspace(-2.0, 2.0, k)
    slope = 1 / (1 + np.exp(-at))
    return slope, np.log1p(np.exp(at)) - slope * at
