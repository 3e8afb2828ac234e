"""Losses for targets that are numbers."""

import numpy as np
import pytensor.tensor as pt

from rnnkit.losses.base import Loss, add, reject


@add('mse', 'meansquarederror')
class MeanSquaredError(Loss):
    """Mean of the squared differences between output and target."""

    def errors(self, output, target):
        return pt.sqr(output - target)


@add('mae', 'meanabsoluteerror')
class MeanAbsoluteError(Loss):
    """Mean of the absolute differences between output and target."""

    def errors(self, output, target):
        return abs(output - target)


@add('huber')
class Huber(Loss):
    r"""Mean of :math:`d^2/2` where :math:`|d| \le \delta`, else :math:`\delta (|d| - \delta/2)`.

    Here d is the difference between output and target: small ones count squared, large ones
    by their size. Huber 1964, Annals of Mathematical Statistics 35(1).

    Parameters
    ----------
    delta : float
    """

    options = {'delta': 1.0}

    def setup(self):
        self._number('delta', 0)

    def errors(self, output, target):
        d = abs(output - target)
        delta = np.asarray(self.delta, output.dtype)
        half = np.asarray(0.5, output.dtype)
        return pt.switch(d <= delta, half * d * d, delta * (d - half * delta))


@add('quantile', 'pinball')
class Quantile(Loss):
    r"""Mean of :math:`q d` where :math:`d = t - o` is positive, else :math:`(q - 1) d`.

    The output that makes it least is the quantile q of the targets. Koenker & Bassett 1978,
    Econometrica 46(1).

    Parameters
    ----------
    q : float
        Between 0 and 1; with 0.5 the loss is half the mean absolute error.
    """

    options = {'q': 0.5}

    def setup(self):
        self._number('q', 0, 1)

    def errors(self, output, target):
        d = target - output
        above, below = (np.asarray(value, output.dtype) for value in (self.q, self.q - 1))
        return pt.switch(d > 0, above, below) * d


@add('poisson')
class Poisson(Loss):
    r"""Mean of :math:`o - t \log o`, for targets that are counts, and outputs that are rates.

    It is the negative logarithm of the probability of the count, without the part that does
    not depend on the output. It is computed from the logarithm of the rate, so the last layer
    has the activation 'exp'.
    """

    output = 'pre'
    activation = 'exp'

    def errors(self, output, target):
        return pt.exp(output) - target * output

    def check_targets(self, where, array):
        reject(where, array, array < 0, 'a count is at least 0')
