"""What a training minimises: a scalar, and what is reported beside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable


@dataclass
class Objective:
    """What is minimised.

    Attributes
    ----------
    loss : scalar tensor
    params : list of shared variables
        What is changed to make the loss small.
    inputs : list of tensors
        What a batch of data provides.
    weight : scalar tensor, optional
        How much the batch counts in a mean over batches; the same for each if not given.
    monitors : dict of str to scalar tensor
        What else is reported, as means over batches.
    updates : list of (shared variable, new value)
        What a training step stores besides what its rule does.
    limits : dict of str to callable
        For parameters, by name, what makes a new value one that is allowed.
    finish : callable
        Makes what is reported of the means, over batches, of loss and monitors, all by name.
    compared : tuple of (tensor, tensor or None), optional
        The target and its weights, for metrics.
    """

    loss: TensorVariable
    params: list[Any]
    inputs: list[TensorVariable]
    weight: TensorVariable | None = None
    monitors: dict[str, TensorVariable] = field(default_factory=dict)
    updates: list[tuple[Any, TensorVariable]] = field(default_factory=list)
    limits: dict[str, Callable[[TensorVariable], TensorVariable]] = field(default_factory=dict)
    finish: Callable[[Mapping[str, float]], dict[str, float]] = dict
    compared: tuple[TensorVariable, TensorVariable | None] | None = None

    def reports(self) -> list[TensorVariable]:
        """Return loss, weight and monitors, in this order."""
        weight = pt.constant(np.ones((), self.loss.dtype)) if self.weight is None else self.weight
        return [self.loss, weight, *self.monitors.values()]
