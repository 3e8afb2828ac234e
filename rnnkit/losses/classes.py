"""Losses for targets that are classes."""

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import kernels
from rnnkit.losses.base import Loss, add, reject, weighted_mean


def _is_target(output: TensorVariable, target: TensorVariable) -> TensorVariable:
    """Return for each class of each output whether it is the target."""
    n = output.type.shape[-1]
    classes = pt.arange(output.shape[-1]) if n is None else np.arange(n)
    # Not by an index for each target: JAX cannot trace the gradient of that.
    return pt.eq(target[..., None], classes)


@add('xe', 'crossentropy')
class CrossEntropy(Loss):
    r"""Mean of :math:`-\log p_k`, in nats, where k is the class that the target names.

    It is computed from the inputs of the softmax, so that a small p is not rounded to 0.
    """

    output = 'pre'
    activation = 'softmax'
    integer_targets = True

    def errors(self, output, target):
        log_p = pt.special.log_softmax(output, axis=-1)
        return -pt.switch(_is_target(output, target), log_p, 0).sum(axis=-1)

    def mean(self, output, target, weights=None):
        return self._reports(output, target, weights)[:2]

    def _reports(self, output, target, weights):
        """Return mean error, number or weight of targets, and accuracy: one kernel has them all."""

        def plain(output, target, weights):
            hits = pt.cast(pt.eq(output.argmax(axis=-1), target), output.dtype)
            errors = weighted_mean(self.errors(output, target), weights)
            return *errors, weighted_mean(hits, weights)[0]

        fused = None
        if type(self).errors is CrossEntropy.errors:
            fused = kernels.cross_entropy(plain, output, target, weights)
        return tuple(plain(output, target, weights) if fused is None else fused)


def accuracy(
    output: TensorVariable, target: TensorVariable, weights: TensorVariable | None = None
) -> TensorVariable:
    """Return the (weighted) share of targets whose class has the largest output."""
    return CrossEntropy()._reports(output, target, weights)[2]


@add('hinge')
class Hinge(Loss):
    r"""Mean of :math:`\max(0, m + \max_{j \ne k} z_j - z_k)`, where k is the target's class.

    The scores z are what goes into the activation of the last layer. The loss is 0 where the
    right score is above all others by the margin m.

    Parameters
    ----------
    margin : float
        theanets has no margin: with 0, scores that are all equal are as good as can be.

    References
    ----------
    Crammer & Singer 2001, Journal of Machine Learning Research 2.
    """

    output = 'pre'
    integer_targets = True
    options = {'margin': 1.0}

    def setup(self):
        if self.margin != 0:
            self._number('margin', 0)

    def errors(self, output, target):
        right = _is_target(output, target)
        score = pt.switch(right, output, 0).sum(axis=-1)
        rival = pt.switch(right, -np.inf, output).max(axis=-1)
        gap = np.asarray(self.margin, output.dtype) + rival - score
        return pt.switch(gap <= 0, 0, gap)


@add('bce', 'binarycrossentropy')
class BinaryCrossEntropy(Loss):
    r"""Mean of :math:`-t \log p - (1 - t) \log(1 - p)`, in nats.

    Each unit of the last layer says yes or no by itself, so that an example may have several
    labels, or none: targets are 0 or 1, or between, in the shape of the output. It is
    computed from what goes into the sigmoid, so that a small p is not rounded to 0.
    """

    output = 'pre'
    activation = 'sigmoid'

    def errors(self, output, target):
        return target * pt.softplus(-output) + (1 - target) * pt.softplus(output)

    def check_targets(self, where, array):
        bad = (array < 0) | (array > 1)
        reject(where, array, bad, 'a target of this loss is 0 for no, 1 for yes, or between')
