"""RMSProp."""

from rnnkit.optimizers.base import Optimizer, decay, optimizers


@optimizers.add('rmsprop')
class RMSProp(Optimizer):
    r"""Divide the gradient by a moving average of its standard deviation.

    .. math::
        d &= g - m, \quad m' = m + (1 - \gamma) d, \quad
        s' = \gamma (s + (1 - \gamma) d^2) \\
        \Delta &= \alpha g / \sqrt{s' + \epsilon}, \qquad \gamma = 2^{-1/\text{halflife}}

    s is the variance v - m² in Graves' formula, where v is the mean of g². In this form, rounding
    cannot make it negative.

    References
    ----------
    Tieleman & Hinton 2012, lecture 6.5; Graves 2013, arXiv:1308.0850, equations 38-45;
    West 1979, Communications of the ACM 22(9), for the running variance.
    """

    # On the memory task this reaches the same loss as 1e-3, in half the updates.
    options = {'learning_rate': 3e-3, 'rms_halflife': 14.0, 'rms_regularizer': 1e-8}
    slots = ('mean', 'variance')

    def step(self, g, slots, t, *, learning_rate, rms_halflife, rms_regularizer):
        mean, variance = slots
        keep = decay(rms_halflife)
        d = g - mean
        mean = mean + (1 - keep) * d
        variance = keep * (variance + (1 - keep) * d * d)
        return learning_rate * g / (variance + rms_regularizer) ** 0.5, (mean, variance)
