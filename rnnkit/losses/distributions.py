"""Losses that compare distributions."""

import math

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.common.checks import real, scalar
from rnnkit.common.output_names import full
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError, DataError
from rnnkit.losses.base import VALUE, VARIANCE, Loss, add, reject, select


@add('kl', 'kld', 'kullbackleiblerdivergence')
class KullbackLeibler(Loss):
    r"""Kullback-Leibler divergence: the mean of :math:`\sum_k t_k \log(t_k / p_k)`, in nats.

    Targets are distributions over the last axis. The loss is computed from the logits, so that
    small probabilities are not rounded to 0.
    """

    output = 'pre'
    activation = 'softmax'

    def errors(self, output, target):
        positive = target > 0
        # The limit of t log t at 0 is 0; the inner switch keeps its gradient finite there.
        log_t = pt.log(pt.switch(positive, target, 1))
        gap = log_t - pt.special.log_softmax(output, axis=-1)
        return pt.switch(positive, target * gap, 0).sum(axis=-1)

    def check_targets(self, where, array):
        reject(where, array, array < 0, 'a probability must be at least 0')
        sums = array.sum(axis=-1)
        # Tolerates probabilities rounded to three digits, or to half precision.
        bad = abs(sums - 1) > 2e-3
        if bad.any():
            raise DataError(
                f'{where} contains probabilities that sum to {sums[bad][0]} over the last axis; '
                f'divide by the sum: y / y.sum(-1, keepdims=True)'
            )


@add('gll', 'gaussianloglikelihood')
class GaussianLogLikelihood(Loss):
    r"""Gaussian negative log-likelihood: mean of :math:`\frac12 (\log(2 \pi v) + (t - m)^2 / v)`.

    The network predicts the mean m and the variance v of each target by two layers of the size
    of the target. The layer of the mean must be the last one, so that `predict` returns it. The
    loss is in nats.

    Parameters
    ----------
    mean_name, covar_name : str
        The outputs that are mean and variance: ``'mean'`` or ``'mean:out'``. The layer of the
        variance should have an activation such as 'softplus'; negative variances count as 0.
    covar_eps : float
        Added to the variances.

    Examples
    --------
    >>> from rnnkit.layers import parse_layers
    >>> layers = parse_layers([
    ...     1, ('rnn', 8), dict(size=1, name='covar', activation='softplus'),
    ...     dict(size=1, name='mean', inputs='hid1')])
    """

    predicts = 'the mean'
    kinds = (VALUE, VARIANCE)
    options = {'mean_name': 'mean', 'covar_name': 'covar', 'covar_eps': 1e-3}

    def setup(self):
        self.covar_eps = real(f'{self._where}: covar_eps', self.covar_eps, above=0)
        for option in ('mean_name', 'covar_name'):
            name = getattr(self, option)
            if not isinstance(name, str) or not name:
                raise ConfigError(
                    f"{self._where}: {option} must be the name of an output, such as 'mean' or "
                    f"'mean:out'; got {brief(name)}"
                )

    @property
    def outputs(self):
        return full(self.mean_name), full(self.covar_name)

    def errors(self, output, target):
        mean, covar = output
        half = np.asarray(0.5, mean.dtype)
        eps = scalar(f'{self._where}: covar_eps', self.covar_eps, mean.dtype)
        variance = pt.switch(covar <= 0, 0, covar) + eps
        log_2pi = np.asarray(math.log(2 * math.pi), mean.dtype)
        return half * (log_2pi + pt.log(variance) + pt.sqr(target - mean) / variance)

    def draw(self, rng, output, temperature):
        mean, covar = output
        variance = np.maximum(covar, 0) + self.covar_eps
        return mean + np.sqrt(temperature * variance) * rng.standard_normal(mean.shape)


@add('mmd', 'maximummeandiscrepancy')
class MaximumMeanDiscrepancy(Loss):
    r"""Maximum mean discrepancy between the distributions of outputs and targets of a batch.

    .. math::
        \overline{k(t, t')} - 2 \overline{k(t, o)} + \overline{k(o, o')},
        \qquad k(a, b) = e^{-\|a - b\|^2 / 2 h^2}

    The means are over all pairs of examples at each time step; the loss is the mean over time.
    Outputs are not paired with targets, so batches should be large. A weight applies to an output
    and its target; if weights differ between features, their mean is used.

    Parameters
    ----------
    kernel : float
        The bandwidth h of the Gaussian kernel.

    References
    ----------
    Gretton et al. 2012, Journal of Machine Learning Research 13, the biased estimate.
    """

    options = {'kernel': 1.0}
    of_batch = True

    def setup(self):
        self.kernel = real(f'{self._where}: kernel', self.kernel, above=0)

    def errors(self, output, target):
        return self._discrepancy(output, target, pt.ones_like(output[..., 0]))

    def mean(self, output, target, weights=None):
        w = pt.ones_like(output[..., 0]) if weights is None else weights.mean(axis=-1)  # (T, B)
        if weights is not None:
            output, target = (select(w > 0, value) for value in (output, target))
        steps = w.sum(axis=-1)  # (T,)
        total = steps.sum()
        per_step = self._discrepancy(output, target, w)
        return (steps * per_step).sum() / pt.switch(pt.eq(total, 0), 1, total), total

    def _discrepancy(
        self, output: TensorVariable, target: TensorVariable, w: TensorVariable
    ) -> TensorVariable:
        """Return the discrepancy at each time step, given weights (T, B) of the examples."""
        total = w.sum(axis=-1, keepdims=True)
        w = w / pt.switch(pt.eq(total, 0), 1, total)
        both = pt.concatenate([target, output], axis=-2)  # (T, 2B, O)
        signed = pt.concatenate([w, -w], axis=-1)  # (T, 2B)
        # Distances as |a|² + |b|² - 2ab need one fast matrix product, but cancel if the mean of
        # the data is large.
        both = both - both.mean(axis=-2, keepdims=True)
        squares = pt.sqr(both).sum(axis=-1)
        products = pt.matmul(both, both.swapaxes(-1, -2))  # (T, 2B, 2B)
        gaps = squares[..., :, None] + squares[..., None, :] - 2 * products
        with np.errstate(over='ignore', divide='ignore'):  # of a width like 1e300 or 1e-300
            factor = -0.5 / np.square(np.float64(self.kernel))
        k = pt.exp(np.asarray(factor, output.dtype) * gaps)
        return (signed[..., :, None] * signed[..., None, :] * k).sum(axis=(-1, -2))
