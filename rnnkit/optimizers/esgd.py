"""Equilibrated gradient descent."""

from rnnkit.optimizers.base import Optimizer, decay, optimizers


@optimizers.add('esgd')
class ESGD(Optimizer):
    r"""Divide the gradient by the norms of the rows of the Hessian, estimated by random probes.

    .. math::
        D' = \gamma D + (1 - \gamma) (H r)^2, \quad r \sim N(0, 1), \qquad
        \Delta = \alpha g / (\sqrt{D' / (1 - \gamma^t)} + \epsilon),
        \qquad \gamma = 2^{-1/\text{halflife}}

    The mean of (Hr)² is the squared norm of each row of H. The paper averages over all updates;
    here the average is exponential. The loss must have a second derivative; that of a recurrent
    layer without a kernel takes minutes to compile.

    References
    ----------
    Dauphin, de Vries & Bengio 2015, "Equilibrated adaptive learning rates for non-convex
    optimization", NIPS, arXiv:1502.04390.
    """

    # Steps are a fraction of Newton's: with 1e-3, as in other rules, training is very slow.
    options = {'learning_rate': 1e-2, 'rms_halflife': 14.0, 'rms_regularizer': 1e-4}
    slots = ('square',)
    reads = ('curvature',)

    def step(self, g, slots, t, *, curvature, learning_rate, rms_halflife, rms_regularizer):
        keep = decay(rms_halflife)
        square = keep * slots[0] + (1 - keep) * curvature * curvature
        size = (square / (1 - keep**t)) ** 0.5
        return learning_rate * g / (size + rms_regularizer), (square,)
