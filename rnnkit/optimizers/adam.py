"""Adam."""

from rnnkit.optimizers.base import Optimizer, decay, optimizers


@optimizers.add('adam')
class Adam(Optimizer):
    r"""Adaptive moment estimation.

    .. math::
        m' &= \beta_1 m + (1 - \beta_1) g, \quad v' = \beta_2 v + (1 - \beta_2) g^2 \\
        \Delta &= \alpha \frac{m' / (1 - \beta_1^t)}{\sqrt{v' / (1 - \beta_2^t)} + \epsilon},
        \qquad \beta = 2^{-1/\text{halflife}}

    Half-lives of 6.58 and 692.8 updates are the usual β of 0.9 and 0.999.

    References
    ----------
    Kingma & Ba 2015, arXiv:1412.6980.
    """

    options = {
        'learning_rate': 1e-3,
        'beta1_halflife': 6.578813478960585,  # beta1 = 0.9
        'beta2_halflife': 692.8005491784008,  # beta2 = 0.999
        'rms_regularizer': 1e-8,
    }
    slots = ('mean', 'square')

    def step(self, g, slots, t, *, learning_rate, beta1_halflife, beta2_halflife, rms_regularizer):
        mean, square = slots
        b1, b2 = decay(beta1_halflife), decay(beta2_halflife)
        mean = b1 * mean + (1 - b1) * g
        square = b2 * square + (1 - b2) * g * g
        unbiased = (square / (1 - b2**t)) ** 0.5
        return learning_rate * (mean / (1 - b1**t)) / (unbiased + rms_regularizer), (mean, square)
