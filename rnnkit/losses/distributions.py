"""Losses that compare distributions."""

import math

import numpy as np
import pytensor.tensor as pt

from rnnkit.errors import ConfigError, DataError
from rnnkit.losses.base import Loss, add, reject


@add('kl', 'kld', 'kullbackleiblerdivergence')
class KullbackLeibler(Loss):
    r"""Mean of :math:`\sum_k t_k \log(t_k / p_k)`, in nats; one for each row of the targets.

    Targets are distributions over the last axis. It is computed from what goes into the
    softmax of the last layer, so that a small p is not rounded to 0.
    """

    output = 'pre'
    activation = 'softmax'

    def errors(self, output, target):
        known = target > 0
        # The limit of t log t is 0.
        log_t = pt.log(pt.switch(known, target, 1))
        gap = log_t - pt.special.log_softmax(output, axis=-1)
        return pt.switch(known, target * gap, 0).sum(axis=-1)

    def check_targets(self, where, array):
        reject(where, array, array < 0, 'a probability is at least 0')
        sums = array.sum(axis=-1)
        # What is left of rounding to three digits, or to half precision.
        bad = abs(sums - 1) > 2e-3
        if bad.any():
            raise DataError(
                f'{where} contains probabilities that sum to {sums[bad][0]} over the last axis; '
                f'divide by the sum: y / y.sum(-1, keepdims=True)'
            )


@add('gll', 'gaussianloglikelihood')
class GaussianLogLikelihood(Loss):
    r"""Mean of :math:`\frac12 (\log(2 \pi v) + (t - m)^2 / v)`, in nats; less is likelier.

    That is the negative log likelihood of each target under a normal distribution, of mean m
    and variance v, which the network computes by two layers of the size of the target. The
    layer of the mean comes last, so that it is what `predict` returns.

    Parameters
    ----------
    mean_name, covar_name : str
        The outputs that are mean and variance: ``'mean'`` or ``'mean:out'``. Variances must
        not be negative, so that layer has an activation such as 'softplus'; what is below 0
        counts as 0.
    covar_eps : float
        Added to the variances.

    Examples
    --------
    >>> from rnnkit.layers import parse_layers
    >>> layers = parse_layers([
    ...     1, ('rnn', 8), dict(size=1, name='covar', activation='softplus'),
    ...     dict(size=1, name='mean', inputs='hid1')])
    """

    options = {'mean_name': 'mean', 'covar_name': 'covar', 'covar_eps': 1e-3}

    def setup(self):
        self._number('covar_eps', 0)
        for option in ('mean_name', 'covar_name'):
            name = getattr(self, option)
            if not isinstance(name, str) or not name:
                raise ConfigError(
                    f"{self._where}: {option} is the name of an output, such as 'mean' or "
                    f"'mean:out'; got {name!r}"
                )

    @property
    def outputs(self):
        return tuple(
            name if ':' in name else f'{name}:out' for name in (self.mean_name, self.covar_name)
        )

    def errors(self, output, target):
        mean, covar = output
        half, eps = (np.asarray(value, mean.dtype) for value in (0.5, self.covar_eps))
        variance = pt.switch(covar <= 0, 0, covar) + eps
        log_2pi = np.asarray(math.log(2 * math.pi), mean.dtype)
        return half * (log_2pi + pt.log(variance) + pt.sqr(target - mean) / variance)


@add('mmd', 'maximummeandiscrepancy')
class MaximumMeanDiscrepancy(Loss):
    r"""How much the outputs of a batch are distributed otherwise than its targets.

    .. math::
        \overline{k(t, t')} - 2 \overline{k(t, o)} + \overline{k(o, o')},
        \qquad k(a, b) = e^{-\|a - b\|^2 / 2 h^2}

    The means are over all pairs of examples, at each time step; the loss is the mean over
    time. No output is compared with one target rather than another, so batches should be
    large. A weight acts on an example and its target; where the features of a target have
    different weights, their mean does.

    Parameters
    ----------
    kernel : float
        The bandwidth h.

    References
    ----------
    Gretton et al. 2012, Journal of Machine Learning Research 13: the biased estimate.
    """

    options = {'kernel': 1.0}

    def setup(self):
        self._number('kernel', 0)

    def errors(self, output, target):
        return self._discrepancy(output, target, pt.ones_like(output[..., 0]))

    def mean(self, output, target, weights=None):
        w = pt.ones_like(output[..., 0]) if weights is None else weights.mean(axis=-1)  # (T, B)
        steps = w.sum(axis=-1)  # (T,)
        total = steps.sum()
        found = self._discrepancy(output, target, w)
        return (steps * found).sum() / pt.switch(pt.eq(total, 0), 1, total), total

    def _discrepancy(self, output, target, w):
        """Return one number for each time step, given the weights (T, B) of examples."""
        total = w.sum(axis=-1, keepdims=True)
        w = w / pt.switch(pt.eq(total, 0), 1, total)
        both = pt.concatenate([target, output], axis=-2)  # (T, 2B, O)
        signed = pt.concatenate([w, -w], axis=-1)  # (T, 2B)
        # Near their mean the products of all pairs, which are fast, lose fewer digits.
        both = both - both.mean(axis=-2, keepdims=True)
        squares = pt.sqr(both).sum(axis=-1)
        products = pt.matmul(both, both.swapaxes(-1, -2))  # (T, 2B, 2B)
        gaps = squares[..., :, None] + squares[..., None, :] - 2 * products
        k = pt.exp(np.asarray(-0.5 / self.kernel**2, output.dtype) * gaps)
        return (signed[..., :, None] * signed[..., None, :] * k).sum(axis=(-1, -2))
