"""Lion."""

from rnnkit.optimizers.base import Optimizer, decay, library, optimizers


@optimizers.add('lion')
class Lion(Optimizer):
    r"""Step by the sign of a moving average of the gradient, with the latest one weighted more.

    .. math::
        \Delta &= \alpha \left( \text{sign}(\beta_1 m + (1 - \beta_1) g) + \lambda p \right) \\
        m' &= \beta_2 m + (1 - \beta_2) g, \qquad \beta = 2^{-1/\text{halflife}}

    Each element changes by the learning rate, which should thus be smaller than for Adam.
    λ is `weight_decay`, which applies to all parameters, including biases.

    References
    ----------
    Chen et al. 2023, arXiv:2302.06675.
    """

    options = {
        'learning_rate': 1e-4,
        'beta1_halflife': 6.578813478960585,  # beta1 = 0.9
        'beta2_halflife': 68.96756393652842,  # beta2 = 0.99
        'weight_decay': 0.0,
    }
    slots = ('mean',)
    reads = ('p',)
    may_be_zero = ('weight_decay',)

    def step(self, g, slots, t, *, p, learning_rate, beta1_halflife, beta2_halflife, weight_decay):
        (mean,) = slots
        b1, b2 = decay(beta1_halflife), decay(beta2_halflife)
        direction = library(g).sign(b1 * mean + (1 - b1) * g)
        mean = b2 * mean + (1 - b2) * g
        return learning_rate * (direction + weight_decay * p), (mean,)
