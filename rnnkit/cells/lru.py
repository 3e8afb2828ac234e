"""Linear recurrent unit."""

from math import pi
from typing import NamedTuple

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.cells.base import Cell, cells
from rnnkit.common.checks import real
from rnnkit.common.tensors import affine, split
from rnnkit.errors import ConfigError
from rnnkit.initializers import Initializer


class LRUState(NamedTuple):
    """State of the linear recurrent unit."""

    re: TensorVariable  # (B, H), real parts
    im: TensorVariable  # (B, H), imaginary parts
    skip: TensorVariable  # (B, H), what the output has of the input; the next step does not read it


@cells.add('lru')
class LRUCell(Cell):
    r"""Linear recurrent unit (LRU): a diagonal linear recurrence of complex states.

    .. math::
        s_t &= \lambda s_{t-1} + \exp(\gamma) (x_t B), \qquad
            \lambda = \exp(-\exp(\nu) + i \exp(\theta)) \\
        y_t &= \operatorname{Re}(s_t C) + x_t D

    The layer has H complex states and H outputs. :math:`|\lambda| < 1` for any parameters. The
    output is y; the other outputs of the layer are ``'re'`` and ``'im'``, the parts of s, and
    ``'skip'``, which is :math:`x_t D`. The matrices of complex numbers are given by their parts:
    B by br and bi, C by cr and ci.

    As in the paper, :math:`\lambda` starts uniformly on a ring, :math:`\gamma` at
    :math:`\log \sqrt{1 - |\lambda|^2}`, so that states have the variance of the inputs, and the
    matrices are normal: the variance of each part is 1 / (2I) in B, 1 / H in C and 1 / I in D. In
    place of draws, :math:`|\lambda|^2` has the quantiles of its distribution, in ascending order,
    from which :math:`\gamma` is computed as well.

    The recurrence is linear: put nonlinear layers between several of them. The paper's blocks have
    a norm before, a gated linear unit after, and a skip around. D is a matrix, as in the paper's
    equations; its code has a vector, for as many outputs as inputs.

    Parameters
    ----------
    r_min, r_max : float
        The radii of the ring, from 0 to 1: near 1 for long memories.
    max_phase : float
        The largest angle of :math:`\lambda`, up to :math:`2 \pi`; small for slow oscillations.

    Raises
    ------
    ConfigError
        If the ring is empty, or not within the unit circle.

    References
    ----------
    Orvieto et al. 2023, arXiv:2303.06349, sections 3.2-3.4 and appendix A.
    """

    state = LRUState
    params = {
        'br': ('I', 'H'),
        'bi': ('I', 'H'),
        'cr': ('H', 'H'),
        'ci': ('H', 'H'),
        'd': ('I', 'H'),
        'nu': ('H',),
        'theta': ('H',),
        'gamma': ('H',),
    }
    inner = {'xh': ('I', '3H'), 'rotation': ('2H',), 'cr': ('H', 'H'), 'ci': ('H', 'H')}
    options = {'r_min': 0.0, 'r_max': 1.0, 'max_phase': 2 * pi}

    def setup(self):
        self.r_min = real('lru: r_min', self.r_min, least=0)
        self.r_max = real('lru: r_max', self.r_max, above=0)
        self.max_phase = real('lru: max_phase', self.max_phase, above=0)
        if not self.r_min < self.r_max <= 1:
            raise ConfigError(
                f'lru: r_min must be less than r_max, and r_max at most 1; got r_min='
                f'{self.r_min:g} and r_max={self.r_max:g}'
            )
        half = {'form': 'lecun_normal', 'gain': 0.5**0.5}
        self.initial = {
            **dict.fromkeys(('br', 'bi'), half),
            **dict.fromkeys(('cr', 'ci', 'd'), 'lecun_normal'),
            'nu': self._on_ring(lambda squares: np.log(-0.5 * np.log(squares))),
            'theta': self._phases,
            'gamma': self._on_ring(lambda squares: 0.5 * np.log1p(-squares)),
        }

    def _on_ring(self, function) -> Initializer:
        """Return an initializer, a function of the squares of the moduli of lambda."""

        def start(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
            quantiles = (np.arange(shape[-1]) + 0.5) / shape[-1]
            return function(self.r_min**2 + quantiles * (self.r_max**2 - self.r_min**2))

        return start

    def _phases(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        return np.log(self.max_phase * (1 - rng.random(shape)))  # (0, 1], whose logarithm is finite

    def prepare(self, params, size):
        modulus, phase = pt.exp(-pt.exp(params['nu'])), pt.exp(params['theta'])
        gain = pt.exp(params['gamma'])
        parts = [gain * params['br'], gain * params['bi'], params['d']]
        return {
            'xh': pt.concatenate(parts, axis=1),
            'rotation': pt.concatenate([modulus * pt.cos(phase), modulus * pt.sin(phase)]),
            'cr': params['cr'],
            'ci': params['ci'],
        }

    def project(self, x, p):
        return affine(x, p.xh)

    def step(self, z, s, p):  # z: (B, 3H)
        (re, im, skip), (cos, sin) = split(z, 3), split(p.rotation, 2)
        return LRUState(re=cos * s.re - sin * s.im + re, im=sin * s.re + cos * s.im + im, skip=skip)

    def output(self, s, p):  # (T, B, H)
        return affine(s.re, p.cr) - affine(s.im, p.ci) + s.skip
