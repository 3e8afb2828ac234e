"""Losses for classification."""

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import kernels
from rnnkit.common.calls import checked
from rnnkit.common.checks import real, scalar
from rnnkit.losses.base import Loss, add, reject, select, weighted_mean


def _is_target(output: TensorVariable, target: TensorVariable) -> TensorVariable:
    """Return the one-hot encoding of the target, in the shape of the output."""
    n = output.type.shape[-1]
    classes = pt.arange(output.shape[-1]) if n is None else np.arange(n)
    # By comparison, not by indexing, whose gradient JAX cannot trace.
    return pt.eq(target[..., None], classes)


@add('xe', 'crossentropy')
class CrossEntropy(Loss):
    r"""Cross-entropy: the mean of :math:`-\log p_k`, in nats, where k is the target class.

    It is computed from the logits, so that small probabilities are not rounded to 0.

    Parameters
    ----------
    smoothing : float
        Label smoothing: with s, the error is
        :math:`-(1 - s) \log p_k - \frac{s}{O} \sum_j \log p_j`, as if each target were of all O
        classes with the probability s / O, which keeps the network from extreme probabilities.

    References
    ----------
    Szegedy et al. 2016, CVPR, arXiv:1512.00567, section 7, for label smoothing.
    """

    output = 'pre'
    activation = 'softmax'
    integer_targets = True
    options = {'smoothing': 0.0}
    smoothing = 0.0  # of subclasses with other options

    def setup(self):
        self.smoothing = real(f'{self._where}: smoothing', self.smoothing, least=0, below=1)

    def errors(self, output, target):
        log_p = pt.special.log_softmax(output, axis=-1)
        error = -pt.switch(_is_target(output, target), log_p, 0).sum(axis=-1)
        if not self.smoothing:
            return error
        s, rest = (np.asarray(v, output.dtype) for v in (self.smoothing, 1 - self.smoothing))
        return rest * error - s * log_p.mean(axis=-1)

    def mean(self, output, target, weights=None):
        return self._reports(output, target, weights)[:2]

    def _reports(self, output, target, weights):
        """Return mean error, number or weight of targets, and accuracy, by one kernel."""

        def plain(output, target, weights):
            if weights is not None:
                output, target = (select(weights > 0, value) for value in (output, target))
            hits = pt.cast(pt.eq(output.argmax(axis=-1), target), output.dtype)
            errors = weighted_mean(self.errors(output, target), weights)
            return *errors, weighted_mean(hits, weights)[0]

        fused = None
        if type(self).errors is CrossEntropy.errors:  # a user's subclass may redefine the error
            fused = kernels.cross_entropy(plain, output, target, weights, self.smoothing)
        return tuple(plain(output, target, weights) if fused is None else fused)


@checked
def accuracy(
    output: TensorVariable,
    target: TensorVariable,
    weights: TensorVariable | None = None,
    loss: Loss | None = None,
) -> TensorVariable:
    """Return the (weighted) fraction of targets whose class has the largest output.

    If `loss` is the cross-entropy that is computed from the same tensors, both are one computation.
    """
    own = loss if type(loss) is CrossEntropy else CrossEntropy()
    return own._reports(output, target, weights)[2]


@add('hinge')
class Hinge(Loss):
    r"""Hinge loss: the mean of :math:`\max(0, m + \max_{j \ne k} z_j - z_k)`.

    The scores z are the pre-activations of the last layer, and k is the target class. The error
    is 0 if the score of the target exceeds all others by the margin m.

    Parameters
    ----------
    margin : float
        The margin m. theanets has none: with 0, the loss is also 0 if all scores are equal.

    References
    ----------
    Crammer & Singer 2001, Journal of Machine Learning Research 2.
    """

    output = 'pre'
    integer_targets = True
    options = {'margin': 1.0}

    def setup(self):
        self.margin = real(f'{self._where}: margin', self.margin, least=0)

    def errors(self, output, target):
        is_target = _is_target(output, target)
        score = pt.switch(is_target, output, 0).sum(axis=-1)
        rival = pt.switch(is_target, -np.inf, output).max(axis=-1)
        gap = scalar(f'{self._where}: margin', self.margin, output.dtype) + rival - score
        return pt.switch(gap <= 0, 0, gap)


@add('bce', 'binarycrossentropy')
class BinaryCrossEntropy(Loss):
    r"""Binary cross-entropy: the mean of :math:`-t \log p - (1 - t) \log(1 - p)`, in nats.

    Each unit of the last layer is an independent label (multi-label classification): targets are
    0 or 1, or between, in the shape of the output. The loss is computed from the logits, so that
    small probabilities are not rounded to 0.
    """

    output = 'pre'
    activation = 'sigmoid'
    binary = True
    predicts = 'the probability of 1'

    def errors(self, output, target):
        return target * pt.softplus(-output) + (1 - target) * pt.softplus(output)

    def draw(self, rng, output, temperature):
        # A logistic random number is below z with the probability sigmoid(z).
        return temperature * rng.logistic(size=output.shape) < output

    def check_targets(self, where, array):
        bad = (array < 0) | (array > 1)
        reject(where, array, bad, 'a target of this loss must be 0 for no, 1 for yes, or between')
