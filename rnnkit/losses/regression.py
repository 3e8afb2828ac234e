"""Losses for regression."""

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.common.checks import real, scalar
from rnnkit.common.output_names import full
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError, DataError
from rnnkit.losses.base import VALUE, Loss, add, only_at_1, reject

LOG_MOST = 40  # of a Poisson rate: NumPy's counts are 64-bit integers


@add('mse', 'meansquarederror')
class MeanSquaredError(Loss):
    """Mean squared error: the mean of the squared differences between output and target."""

    def errors(self, output, target):
        return pt.sqr(output - target)


@add('mae', 'meanabsoluteerror')
class MeanAbsoluteError(Loss):
    """Mean absolute error: the mean of the absolute differences between output and target."""

    def errors(self, output, target):
        return abs(output - target)


@add('huber')
class Huber(Loss):
    r"""Mean of :math:`d^2/2` where :math:`|d| \le \delta`, else :math:`\delta (|d| - \delta/2)`.

    The Huber loss of the difference d between output and target is quadratic for small, and
    linear for large differences. Huber 1964, Annals of Mathematical Statistics 35(1).

    Parameters
    ----------
    delta : float
        The difference at which the loss turns linear.
    """

    options = {'delta': 1.0}

    def setup(self):
        self.delta = real(f'{self._where}: delta', self.delta, above=0)

    def errors(self, output, target):
        d = abs(output - target)
        delta = scalar(f'{self._where}: delta', self.delta, output.dtype)
        half = np.asarray(0.5, output.dtype)
        return pt.switch(d <= delta, half * d * d, delta * (d - half * delta))


@add('quantile', 'pinball')
class Quantile(Loss):
    r"""Pinball loss: mean of :math:`q d` if :math:`d = t - o` is positive, else :math:`(q - 1) d`.

    The minimizer is the quantile q of the targets. Koenker & Bassett 1978, Econometrica 46(1).

    A network predicts several quantiles by as many layers of the size of the target; the loss is
    the mean of theirs. The first of these layers, usually that of the median, must be the last
    layer of the network, so that `predict` returns it; give the others ``activation='linear'``,
    unless all targets are positive. `Regressor.generate` draws from several quantiles, and not from
    one: the level is uniform, and the quantile at this level is interpolated linearly, or beyond
    the outermost extrapolated from the two next to it. Quantiles that cross are sorted first.

    Parameters
    ----------
    q : float, or list of float
        The quantile, between 0 and 1; with 0.5 the loss is half the mean absolute error. Or
        several, in any order.
    layers : list of str, optional
        With several quantiles, the output of each: ``'high'`` or ``'high:out'``.

    Examples
    --------
    >>> from rnnkit.layers import parse_layers
    >>> head = dict(size=1, inputs='hid1', activation='linear')
    >>> layers = parse_layers([
    ...     1, ('rnn', 8), head | dict(name='low'), head | dict(name='high'),
    ...     head | dict(name='mid')])
    >>> Quantile(q=[0.5, 0.1, 0.9], layers=['mid', 'low', 'high']).outputs
    ('mid:out', 'low:out', 'high:out')
    """

    predicts = 'a quantile'
    options = {'q': 0.5, 'layers': None}

    def setup(self):
        if isinstance(self.q, list | tuple) or getattr(self.q, 'ndim', 0):
            self._read_several()
            return
        self.q = real(f'{self._where}: q', self.q, above=0, below=1)
        if self.layers is not None:
            raise ConfigError(
                f'{self._where}: layers is for several quantiles, q=[0.5, 0.1, 0.9]; got '
                f'q={self.q:g}. Leave it out'
            )

    def _read_several(self):
        q, names = list(self.q), self.layers
        if len(q) < 2:
            raise ConfigError(
                f'{self._where}: q must be a number, or a list of at least two; got {brief(self.q)}'
            )
        self.q = [real(f'{self._where}: each q', value, above=0, below=1) for value in q]
        if len(set(self.q)) < len(q):
            raise ConfigError(f'{self._where}: each q must be another number; got {brief(self.q)}')
        ok = isinstance(names, list | tuple) and len(names) == len(q)
        if not ok or not all(isinstance(name, str) and name for name in names):
            raise ConfigError(
                f'{self._where}: layers must have the name of an output for each of the {len(q)} '
                f'quantiles q={brief(self.q)}; got {brief(names)}'
            )
        self.layers = list(names)
        if len({full(name) for name in names}) < len(q):
            raise ConfigError(
                f'{self._where}: each quantile needs an output of its own; got {brief(names)}'
            )
        self.kinds = (VALUE,) * len(q)

    @property
    def outputs(self):
        return super().outputs if self.layers is None else tuple(map(full, self.layers))

    @property
    def draws(self):
        return self.layers is not None

    def errors(self, output, target):
        if self.layers is None:
            return _pinball(output, target, self.q)
        errors = [_pinball(o, target, q) for o, q in zip(output, self.q, strict=True)]
        return sum(errors[1:], errors[0]) / np.asarray(len(errors), target.dtype)

    def draw(self, rng, output, temperature):
        only_at_1(self._where, temperature)
        q, values = np.sort(self.q), np.sort(np.stack(output, axis=-1))  # (B, O, quantiles)
        level = rng.random(values.shape[:-1])
        # The quantiles around each level; for one beyond the outermost, the two next to it.
        k = np.clip(q.searchsorted(level), 1, len(q) - 1)
        low, high = (np.take_along_axis(values, at[..., None], -1)[..., 0] for at in (k - 1, k))
        return low + (high - low) * (level - q[k - 1]) / (q[k] - q[k - 1])


def _pinball(output: TensorVariable, target: TensorVariable, q: float) -> TensorVariable:
    d = target - output
    above, below = (np.asarray(value, output.dtype) for value in (q, q - 1))
    return pt.switch(d > 0, above, below) * d


@add('poisson')
class Poisson(Loss):
    r"""Poisson loss: the mean of :math:`o - t \log o`, for targets t that are counts.

    This is the negative log-likelihood of the counts, up to a constant, where outputs are rates.
    It is computed from the logarithm of the rate, so the last layer must have the activation
    'exp'.
    """

    output = 'pre'
    activation = 'exp'
    predicts = 'the mean count'

    def errors(self, output, target):
        return pt.exp(output) - target * output

    def draw(self, rng, output, temperature):
        only_at_1(self._where, temperature)
        high = output > LOG_MOST
        if high.any():
            raise DataError(
                f'generate(): {self._where} draws counts of rates up to exp({LOG_MOST}); got '
                f'exp({output[high][0]:.4g}). The rate grows with the counts that are fed back; '
                f'train longer, or begin with counts like those of the training data'
            )
        return rng.poisson(np.exp(output))

    def check_targets(self, where, array):
        reject(where, array, array < 0, 'a count must be at least 0')
