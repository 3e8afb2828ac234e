"""Losses for regression."""

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.common.checks import real, scalar
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError, DataError
from rnnkit.losses.base import Loss, add, only_at_1, reject

LOG_MOST = 40  # of a Poisson rate: NumPy's counts are 64-bit integers


@add('mse', 'meansquarederror')
class MeanSquaredError(Loss):
    r"""Mean squared error: the mean of :math:`(o - t)^2` over outputs o and targets t."""

    def errors(self, output, target):
        return pt.sqr(output - target)


@add('mae', 'meanabsoluteerror')
class MeanAbsoluteError(Loss):
    r"""Mean absolute error: the mean of :math:`|o - t|` over outputs o and targets t."""

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

    Parameters
    ----------
    q : float or list of float
        The quantile, between 0 and 1; with 0.5 the loss is half the mean absolute error. For a
        list, the last layer has one unit for each target and quantile: first those of the first
        quantile, for all targets, then those of the second. The loss is the mean over quantiles.

    Notes
    -----
    Nothing keeps several quantiles from crossing; sorting them never makes them worse
    (Chernozhukov et al. 2010, Econometrica 78(3)). Scores and metrics compare the target with the
    quantile that is nearest to 0.5. `Regressor.generate` draws from several quantiles, and not from
    one: the level is uniform, and the quantile at this level is interpolated linearly, or beyond
    the outermost extrapolated from the two next to it.
    """

    predicts = 'a quantile'
    options = {'q': 0.5}

    def setup(self):
        where = f'{self._where}: q'
        if not isinstance(self.q, list | tuple) and not getattr(self.q, 'ndim', 0):
            self.q = real(where, self.q, above=0, below=1)
            return
        self.q = [real(f'{where}[{k}]', q, above=0, below=1) for k, q in enumerate(self.q)]
        if len(set(self.q)) != len(self.q) or not self.q:
            raise ConfigError(
                f'{where} must be one number, or several different ones; got {brief(self.q)}'
            )

    @property
    def n_parts(self):
        return len(self.q) if isinstance(self.q, list) else 1

    @property
    def draws(self):
        return self.n_parts > 1

    def central(self, output):
        levels = self.q if isinstance(self.q, list) else [self.q]
        return self.part(output, int(np.argmin([abs(q - 0.5) for q in levels])))

    def errors(self, output, target):
        if not isinstance(output, tuple):
            q = self.q[0] if isinstance(self.q, list) else self.q
            return _pinball(target - output, q)
        pairs = zip(output, self.q, strict=True)
        errors = [_pinball(target - one, q) for one, q in pairs]
        return sum(errors[1:], errors[0]) * np.asarray(1 / len(errors), target.dtype)

    def draw(self, rng, output, temperature):
        if not self.draws:
            raise ConfigError(
                f'{self._where} draws from several quantiles, such as q=[0.1, 0.5, 0.9]; got '
                f'q={brief(self.q)}'
            )
        only_at_1(self._where, temperature)
        q, values = np.sort(self.q), np.sort(np.stack(output, axis=-1))  # (B, O, quantiles)
        level = rng.random(values.shape[:-1])
        # The quantiles around each level; for one beyond the outermost, the two next to it.
        k = np.clip(q.searchsorted(level), 1, len(q) - 1)
        low, high = (np.take_along_axis(values, at[..., None], -1)[..., 0] for at in (k - 1, k))
        return low + (high - low) * (level - q[k - 1]) / (q[k] - q[k - 1])


def _pinball(d: TensorVariable, q: float) -> TensorVariable:
    above, below = (np.asarray(value, d.dtype) for value in (q, q - 1))
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
