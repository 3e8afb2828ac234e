"""Losses: what a network is trained to make small."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import kernels
from rnnkit.registry import Registry


class Loss(ABC):
    """A mean over errors, one for each target.

    Attributes
    ----------
    output : str
        The output of the last layer that is compared with the target.
    integer_targets : bool
        Whether targets are class numbers, with one axis less than the output.
    """

    output: ClassVar[str] = 'out'
    integer_targets: ClassVar[bool] = False

    @abstractmethod
    def errors(self, output: TensorVariable, target: TensorVariable) -> TensorVariable:
        """Return one error for each element of `target`."""

    def mean(
        self, output: TensorVariable, target: TensorVariable, weights: TensorVariable | None = None
    ) -> tuple[TensorVariable, TensorVariable]:
        """Return the mean error, and the number (or weight) of targets that it is a mean over.

        Parameters
        ----------
        output : tensor
        target : tensor
        weights : tensor of the shape of `target`, optional
            With weights w and errors e the mean is Σ w e / Σ w, and 0 where all w are 0.
        """

        def plain(output, target, weights):
            return weighted_mean(self.errors(output, target), weights)

        fused = kernels.mean_error(self.errors, plain, output, target, weights)
        return plain(output, target, weights) if fused is None else tuple(fused)


def weighted_mean(
    values: TensorVariable, weights: TensorVariable | None
) -> tuple[TensorVariable, TensorVariable]:
    """Return the mean of `values`, and the number or total weight that it is a mean over."""
    if weights is None:
        return values.mean(), pt.cast(values.size, values.dtype)
    total = weights.sum()
    return (weights * values).sum() / pt.switch(pt.eq(total, 0), 1, total), total


losses = Registry('loss', check=Loss)
add = losses.add


@losses.add('mse', 'meansquarederror')
class MeanSquaredError(Loss):
    """Mean of the squared differences between output and target."""

    def errors(self, output, target):
        return pt.sqr(output - target)


@losses.add('mae', 'meanabsoluteerror')
class MeanAbsoluteError(Loss):
    """Mean of the absolute differences between output and target."""

    def errors(self, output, target):
        return abs(output - target)


@losses.add('xe', 'crossentropy')
class CrossEntropy(Loss):
    r"""Mean of :math:`-\log p_k`, in nats, where k is the class that the target names.

    It is computed from the inputs of the softmax, so that a small p is not rounded to 0.
    """

    output = 'pre'
    integer_targets = True

    def errors(self, output, target):
        n = output.type.shape[-1]
        classes = pt.arange(output.shape[-1]) if n is None else np.arange(n)
        log_p = pt.special.log_softmax(output, axis=-1)
        # Not by an index for each target: JAX cannot trace the gradient of that.
        return -pt.switch(pt.eq(target[..., None], classes), log_p, 0).sum(axis=-1)

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
