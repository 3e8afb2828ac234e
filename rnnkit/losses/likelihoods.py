"""Losses of a network whose last layer predicts a distribution of each target."""

import math

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.common.checks import real
from rnnkit.losses.base import Loss, Values, add, only_at_1

# log Γ(x + 1/2) - log Γ(x) = log(x) / 2 + Σ_k c_k / x^(2k - 1)
RATIO = (
    -1 / 8,
    1 / 192,
    -1 / 640,
    17 / 14336,
    -31 / 18432,
    691 / 180224,
    -5461 / 425984,
    929569 / 15728640,
    -3202291 / 8912896,
)
STEPS = 5  # by which x is increased, so that the series is exact to 14 digits for x >= 1


class LocationScale(Loss):
    """The negative log-likelihood of targets by a distribution with a location and a scale.

    The last layer is linear and has a unit for each target and parameter: first the locations of
    all targets, then what the scales are computed from.
    """

    predicts = 'the parameters of a distribution'
    options = {'scale_eps': 1e-3}
    n_parts = 2

    def setup(self):
        self.scale_eps = real(f'{self._where}: scale_eps', self.scale_eps, above=0)

    def parameters(self, output: Values) -> tuple[np.ndarray, ...]:
        """Return the parameters of the distribution of each target, each (..., O).

        Parameters
        ----------
        output : array of shape (..., n_parts * O)
            As `predict` returns it; or a tuple of its parts.
        """
        location, raw = self.split(output)[:2]
        return location, np.logaddexp(0, raw) + np.asarray(self.scale_eps, raw.dtype)

    def _standard(
        self, target: TensorVariable, location: TensorVariable, raw: TensorVariable
    ) -> tuple[TensorVariable, TensorVariable]:
        """Return the target in scales from the location, and the scale."""
        scale = pt.softplus(raw) + np.asarray(self.scale_eps, raw.dtype)
        return (target - location) / scale, scale


@add('gaussian', 'normal')
class Gaussian(LocationScale):
    r"""Gaussian negative log-likelihood: mean of :math:`\log(\sqrt{2 \pi} s) + (t - m)^2 / 2 s^2`.

    The last layer is linear and has two units for each target: first the means m of all targets,
    then all a with the standard deviation s = softplus(a) + ``scale_eps``. ``parameters`` computes
    them from the output. The loss is in nats. ``'gll'`` is for mean and variance from two layers.

    Parameters
    ----------
    scale_eps : float
        Added to the standard deviations.

    Examples
    --------
    >>> import numpy as np, rnnkit
    >>> net = rnnkit.Regressor([1, ('rnn', 8), 2], loss='gaussian', seed=0)
    >>> mean, deviation = net.loss.parameters(net.predict(np.zeros((20, 3, 1))))
    >>> mean.shape, bool((deviation > 0).all())
    ((20, 3, 1), True)
    """

    def errors(self, output, target):
        z, scale = self._standard(target, *output)
        half, constant = (np.asarray(v, z.dtype) for v in (0.5, math.log(2 * math.pi) / 2))
        return constant + pt.log(scale) + half * pt.sqr(z)

    def draw(self, rng, output, temperature):
        mean, deviation = self.parameters(output)
        return mean + math.sqrt(temperature) * deviation * rng.standard_normal(mean.shape)


@add('student', 'studentt')
class Student(LocationScale):
    r"""Student's t negative log-likelihood, for errors with heavy tails.

    With the degrees of freedom :math:`\nu` and :math:`z = (t - m) / s` it is the mean of

    .. math::
        \log s + \log \frac{\sqrt{\pi \nu} \, \Gamma(\nu / 2)}{\Gamma((\nu + 1) / 2)}
        + \frac{\nu + 1}{2} \log \left(1 + \frac{z^2}{\nu}\right)

    The last layer is linear and has three units for each target: first the locations m of all
    targets, then all a with the scale s = softplus(a) + ``scale_eps``, then all b with the degrees
    of freedom 2 + softplus(b), for which the variance is finite. ``parameters`` computes them from
    the output. The loss is in nats.

    Parameters
    ----------
    df : float, optional
        The degrees of freedom, if they are the same for all targets: the layer then has two units
        for each.
    scale_eps : float
        Added to the scales.

    References
    ----------
    Lange, Little and Taylor 1989, Journal of the American Statistical Association 84(408).

    Examples
    --------
    >>> import numpy as np, rnnkit
    >>> net = rnnkit.Regressor([1, ('rnn', 8), 3], loss='student', seed=0)
    >>> location, scale, df = net.loss.parameters(net.predict(np.zeros((20, 3, 1))))
    >>> location.shape, bool((df > 2).all())
    ((20, 3, 1), True)
    """

    options = {'df': None, 'scale_eps': 1e-3}

    def setup(self):
        super().setup()
        if self.df is not None:
            self.df = real(f'{self._where}: df', self.df, above=0)

    @property
    def n_parts(self):
        return 3 if self.df is None else 2

    def parameters(self, output: Values) -> tuple[np.ndarray, ...]:
        location, scale = super().parameters(output)
        if self.df is not None:
            return location, scale, np.full_like(location, self.df)
        return location, scale, 2 + np.logaddexp(0, self.split(output)[2])

    def errors(self, output, target):
        z, scale = self._standard(target, *output[:2])
        half, one, pi = (np.asarray(value, z.dtype) for value in (0.5, 1, math.pi))
        if self.df is None:
            df = 2 + pt.softplus(output[2])
            constant = half * pt.log(pi * df) - _log_gamma_ratio(half * df)
        else:
            df = np.asarray(self.df, z.dtype)
            x = self.df / 2
            exact = math.log(math.pi * self.df) / 2 + math.lgamma(x) - math.lgamma(x + 0.5)
            constant = np.asarray(exact, z.dtype)
        return constant + pt.log(scale) + half * (df + one) * pt.log1p(pt.sqr(z) / df)

    def draw(self, rng, output, temperature):
        only_at_1(self._where, temperature)
        location, scale, df = self.parameters(output)
        return location + scale * rng.standard_t(df)


def _log_gamma_ratio(x: TensorVariable) -> TensorVariable:
    """Return log Γ(x + 1/2) - log Γ(x) for x >= 1, by operations that have kernels."""
    half = np.asarray(0.5, x.dtype)
    product = np.asarray(1, x.dtype)
    for k in range(STEPS):
        product = product * ((x + k) / (x + k + half))
    x = x + STEPS
    inverse = 1 / x
    square = pt.sqr(inverse)
    series = np.asarray(0, x.dtype)
    for c in RATIO[::-1]:
        series = series * square + np.asarray(c, x.dtype)
    return pt.log(product) + half * pt.log(x) + series * inverse
