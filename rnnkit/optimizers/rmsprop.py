"""RMSProp."""

from rnnkit.optimizers.base import Optimizer, decay, optimizers


@optimizers.add('rmsprop')
class RMSProp(Optimizer):
    r"""Divide the gradient by a moving average of its standard deviation, or of its size.

    By default, it is the standard deviation:

    .. math::
        d &= g - m, \quad m' = m + (1 - \gamma) d, \quad
        s' = \gamma (s + (1 - \gamma) d^2) \\
        \Delta &= \alpha g / \sqrt{s' + \epsilon}, \qquad \gamma = 2^{-1/\text{halflife}}

    s is the variance v - m² in Graves' formula, where v is the mean of g². In this form, rounding
    cannot make it negative.

    With ``centered=False``, it is the root of the mean square, as in Hinton's lecture and in
    most libraries:

    .. math:: s' = \gamma s + (1 - \gamma) g^2

    With ``regularizer_inside=False``, :math:`\Delta = \alpha g / (\sqrt{s'} + \epsilon)`.

    Parameters
    ----------
    centered : bool
        Whether the mean of the gradient is subtracted.
    regularizer_inside : bool
        Whether ε is added inside the root.

    Notes
    -----
    PyTorch's defaults are ``centered=False, regularizer_inside=False, learning_rate=0.01,
    rms_halflife=halflife(0.99), rms_regularizer=1e-8``; those of Keras are ``centered=False,
    learning_rate=0.001, rms_halflife=halflife(0.9), rms_regularizer=1e-7``.

    References
    ----------
    Tieleman & Hinton 2012, lecture 6.5; Graves 2013, arXiv:1308.0850, equations 38-45;
    West 1979, Communications of the ACM 22(9), for the running variance.
    """

    # On the memory task this reaches the same loss as 1e-3, in half the updates.
    options = {'learning_rate': 3e-3, 'rms_halflife': 14.0, 'rms_regularizer': 1e-8}
    switches = {'centered': True, 'regularizer_inside': True}

    def setup(self):
        self.slots = ('mean', 'variance') if self.centered else ('square',)

    def step(self, g, slots, t, *, learning_rate, rms_halflife, rms_regularizer):
        keep = decay(rms_halflife)
        if self.centered:
            mean, square = slots
            d = g - mean
            mean = mean + (1 - keep) * d
            square = keep * (square + (1 - keep) * d * d)
            new = (mean, square)
        else:
            square = keep * slots[0] + (1 - keep) * g * g
            new = (square,)
        if self.regularizer_inside:
            return learning_rate * g / (square + rms_regularizer) ** 0.5, new
        return learning_rate * g / (square**0.5 + rms_regularizer), new
