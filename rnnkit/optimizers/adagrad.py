"""Adagrad and Adadelta."""

from rnnkit.optimizers.base import Optimizer, decay, optimizers


@optimizers.add('adagrad')
class Adagrad(Optimizer):
    r"""Divide the gradient by the root of the sum of all squared gradients so far.

    .. math:: G' = G + g^2, \qquad \Delta = \alpha g / \sqrt{G' + \epsilon}

    References
    ----------
    Duchi, Hazan & Singer 2011, JMLR 12, the diagonal form.
    """

    # Steps shrink like 1 / sqrt(t), so the rate must be larger than for rules with fading means.
    options = {'learning_rate': 1e-2, 'rms_regularizer': 1e-8}
    slots = ('total',)

    def step(self, g, slots, t, *, learning_rate, rms_regularizer):
        total = slots[0] + g * g
        return learning_rate * g / (total + rms_regularizer) ** 0.5, (total,)


@optimizers.add('adadelta')
class Adadelta(Optimizer):
    r"""Scale the gradient by the ratio of recent steps to recent gradients.

    .. math::
        v' &= \gamma v + (1 - \gamma) g^2, \quad
        \delta = g \sqrt{x + \epsilon} / \sqrt{v' + \epsilon}, \quad
        x' = \gamma x + (1 - \gamma) \delta^2 \\
        \Delta &= \alpha \delta, \qquad \gamma = 2^{-1/\text{halflife}}

    The paper has no learning rate, which corresponds to 1. A half-life of 14 is a decay of 0.952.

    References
    ----------
    Zeiler 2012, arXiv:1212.5701.
    """

    options = {'learning_rate': 1.0, 'rms_halflife': 14.0, 'rms_regularizer': 1e-6}
    slots = ('square', 'change')

    def step(self, g, slots, t, *, learning_rate, rms_halflife, rms_regularizer):
        square, change = slots
        keep = decay(rms_halflife)
        square = keep * square + (1 - keep) * g * g
        delta = g * ((change + rms_regularizer) / (square + rms_regularizer)) ** 0.5
        change = keep * change + (1 - keep) * delta * delta
        return learning_rate * delta, (square, change)
