"""The objective of a training: the scalar to minimise, and the quantities to report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.tensor import TensorVariable
from pytensor.tensor.sharedvar import TensorSharedVariable


@dataclass
class Objective:
    """A scalar to minimise, its parameters and inputs, and the quantities to report.

    Attributes
    ----------
    loss : scalar tensor
    params : list of shared variables
        The parameters to optimise.
    inputs : list of tensors
        The arrays of a batch.
    weight : scalar tensor, optional
        The weight of a batch in means over batches; by default all are equal.
    monitors : dict of str to scalar tensor
        Further quantities to report, as means over batches.
    updates : list of (shared variable, new value)
        Updates of a training step besides those of the parameters.
    limits : dict of str to callable
        For some parameters, by name, a function that projects a new value to an allowed one.
    finish : callable
        Computes the reported values from the means, over batches, of loss and monitors.
    compared : tuple of (tensor, tensor or None), optional
        The target and its weights, for metrics.
    binary : bool
        Whether each target is 0 or 1, and the output the probability of 1.
    """

    loss: TensorVariable
    params: list[TensorSharedVariable]
    inputs: list[TensorVariable]
    weight: TensorVariable | None = None
    monitors: dict[str, TensorVariable] = field(default_factory=dict)
    updates: list[tuple[SharedVariable, TensorVariable]] = field(default_factory=list)
    limits: dict[str, Callable[[TensorVariable], TensorVariable]] = field(default_factory=dict)
    finish: Callable[[Mapping[str, float]], dict[str, float]] = dict
    compared: tuple[TensorVariable, TensorVariable | None] | None = None
    binary: bool = False

    def reports(self) -> list[TensorVariable]:
        """Return loss, weight and monitors, in this order."""
        weight = pt.constant(np.ones((), self.loss.dtype)) if self.weight is None else self.weight
        return [self.loss, weight, *self.monitors.values()]
