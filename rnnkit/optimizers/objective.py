"""The objective of a training: the scalar to minimise, and the quantities to report."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.tensor import TensorVariable
from pytensor.tensor.sharedvar import TensorSharedVariable


class Addend(NamedTuple):
    """A part of a loss that is a mean over a batch.

    Attributes
    ----------
    value : scalar tensor
    weight : scalar tensor or None
        The number, or total weight, of what the mean is of; None for that of the objective.
    """

    value: TensorVariable
    weight: TensorVariable | None = None


def same(output: TensorVariable) -> TensorVariable:
    """Return the output itself."""
    return output


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
    weights : dict of str to scalar tensor
        The weight of a batch in the means of those monitors, by name, for which it is another one.
    addends : list of Addend
        The loss is their sum. Needed where they have weights of their own: the mean over batches of
        a sum then says nothing, and depends on how the data were cut into batches.
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
    central : callable
        Returns the part of the output that metrics compare with the target.
    """

    loss: TensorVariable
    params: list[TensorSharedVariable]
    inputs: list[TensorVariable]
    weight: TensorVariable | None = None
    monitors: dict[str, TensorVariable] = field(default_factory=dict)
    weights: dict[str, TensorVariable] = field(default_factory=dict)
    addends: list[Addend] = field(default_factory=list)
    updates: list[tuple[SharedVariable, TensorVariable]] = field(default_factory=list)
    limits: dict[str, Callable[[TensorVariable], TensorVariable]] = field(default_factory=dict)
    finish: Callable[[Mapping[str, float]], dict[str, float]] = dict
    compared: tuple[TensorVariable, TensorVariable | None] | None = None
    binary: bool = False
    central: Callable[[TensorVariable], TensorVariable] = same

    def reports(self) -> list[TensorVariable]:
        """Return loss, weight and monitors; then addends, and weights that are not the first."""
        weight = pt.constant(np.ones((), self.loss.dtype)) if self.weight is None else self.weight
        addends = [addend.value for addend in self._separate]
        return [self.loss, weight, *self.monitors.values(), *addends, *self._own_weights]

    def weighed_by(self) -> list[int | None]:
        """Return for each of `reports` which of them is its weight; None for the weights."""
        first = 2 + len(self.monitors) + len(self._separate)
        places = {weight: first + k for k, weight in enumerate(self._own_weights)}
        own = [self.weights.get(name) for name in self.monitors]
        own += [addend.weight for addend in self._separate]
        found = [1 if weight is None else places.get(weight, 1) for weight in own]
        return [1, None, *found, *[None] * len(places)]

    def by_weight(self) -> list[tuple[int, TensorVariable]]:
        """Return the sums of the addends that have the same weight, and which report that is.

        The loss is the sum of these sums. There is one, unless addends are reported one by one.
        """
        if not self._separate:
            return [(1, self.loss)]
        start = 2 + len(self.monitors)
        sums: dict[int, TensorVariable] = {}
        for place, addend in zip(self.weighed_by()[start:], self._separate, strict=False):
            assert place is not None
            sums[place] = sums[place] + addend.value if place in sums else addend.value
        return list(sums.items())

    @property
    def _separate(self) -> list[Addend]:
        """The addends, if they are reported one by one."""
        same = all(addend.weight in (None, self.weight) for addend in self.addends)
        return [] if same else self.addends

    @property
    def _own_weights(self) -> list[TensorVariable]:
        weights = [*self.weights.values(), *(addend.weight for addend in self._separate)]
        return [w for w in dict.fromkeys(weights) if w is not None and w is not self.weight]

    def average(self, rows: Sequence[Sequence[float]]) -> dict[str, float]:
        """Return what is reported of several batches together.

        Parameters
        ----------
        rows : sequence of sequences of float
            For each batch the values of `reports`.

        Returns
        -------
        reported : dict of str to float
            ``'loss'`` and all monitors: the weighted means over the batches, and what `finish`
            makes of them. A mean is 0 where all weights are 0.
        """
        loss, first, *others = np.array(rows, 'float64').T
        n, separate = len(self.monitors), self._separate
        own = dict(zip(self._own_weights, others[n + len(separate) :], strict=True))

        def mean(column: np.ndarray, weight: TensorVariable | None) -> float:
            w = first if weight is None else own.get(weight, first)
            return float(np.average(column, weights=w)) if w.any() else 0.0

        means = {'loss': mean(loss, None)}
        if separate:
            columns = zip(others[n:], separate, strict=False)
            means['loss'] = sum(mean(column, addend.weight) for column, addend in columns)
        for name, column in zip(self.monitors, others, strict=False):
            means[name] = mean(column, self.weights.get(name))
        return self.finish(means)

    def counts(self, row: Sequence[float]) -> bool:
        """Return whether any target of a batch has a weight above 0, given its reports."""
        own = row[2 + len(self.monitors) + len(self._separate) :]
        return bool(row[1]) or any(own)
