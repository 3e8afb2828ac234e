"""Validations: what a network reports of several batches, and metrics of all targets at once."""

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from pytensor.tensor import TensorVariable

from rnnkit.common.compiled import Compiled
from rnnkit.common.spelling import brief
from rnnkit.data.classes import Classes
from rnnkit.errors import ConfigError
from rnnkit.optimizers import Objective

WEIGHTS = ('weights', 'sample_weight')  # how functions call the weights, as keywords


@dataclass(frozen=True)
class Whole:
    """A metric that is computed from all targets and outputs of a validation at once.

    Attributes
    ----------
    name : str
    function : callable
        A function of target and output, and perhaps of weights: NumPy arrays (N,) of labels, or
        (N, O) of numbers.
    reads : {'prediction', 'probabilities'}
        For labels, what the output is.
    """

    name: str
    function: Callable[..., Any]
    reads: str = 'prediction'

    def __call__(self, target: np.ndarray, output: np.ndarray, weights: np.ndarray) -> float:
        """Return the metric of targets that all count.

        Raises
        ------
        ConfigError
            If the function raises, does not return a number, or takes no weights where some differ.
        """
        where = f'monitors: {self.name!r}'
        place = _place_of_weights(self.function)
        given: dict[str, np.ndarray] = {}
        arrays = [target, output]
        if place == 2:
            arrays.append(weights)
        elif place is not None:
            given = {place: weights}
        elif weights.size and weights.min() != weights.max():
            raise ConfigError(
                f'{where} is a function of target and output, and here targets have different '
                f'weights; give it a third parameter, weights'
            )
        try:
            value = self.function(*arrays, **given)
        except Exception as why:  # a function of the user's, so it may raise anything
            raise ConfigError(f'{where} raised {type(why).__name__}: {why}') from why
        if isinstance(value, np.ndarray) and value.ndim == 0:
            value = value.item()
        if not isinstance(value, Real) or isinstance(value, bool):
            raise ConfigError(f'{where} must return a number; got {brief(value)}')
        return float(value)


def _place_of_weights(function: Callable[..., Any]) -> int | str | None:
    """Return how a function takes weights: as its third argument, by a keyword, or not at all."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some that are written in C have no signature
        return 2
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return 2
    keywords = [p.name for p in parameters if p.name in WEIGHTS and p.kind is not p.POSITIONAL_ONLY]
    if keywords:
        return keywords[0]
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    # A third parameter with a default, such as labels=None of scikit-learn, is something else.
    return 2 if len(places) > 2 and places[2].default is inspect.Parameter.empty else None


class Evaluation:
    """The function of validations, and what it reports of several batches together.

    Parameters
    ----------
    objective : Objective
    wholes : sequence of Whole
    compared : sequence of tensors
        For these: the output, the target, and its weights if it has any.
    classes : Classes, optional
        Those of the target: metrics of predictions get their names.
    """

    def __init__(
        self,
        objective: Objective,
        wholes: Sequence[Whole] = (),
        compared: Sequence[TensorVariable] = (),
        classes: Classes | None = None,
    ):
        self.objective, self.wholes, self.classes = objective, list(wholes), classes
        reports = objective.reports()
        self._n = len(reports)
        outputs = [*reports, *(compared if self.wholes else ())]
        self._function = Compiled('the validation', objective.inputs, outputs, objective.updates)

    def __call__(self, *batch: np.ndarray) -> list[Any]:
        """Return what a batch reports: the loss first; then arrays, for metrics of all batches."""
        return self._function(*batch)

    def counts(self, row: Sequence[Any]) -> bool:
        """Return whether any target of a batch has a weight above 0, given its reports."""
        return self.objective.counts(row[: self._n])

    def average(self, rows: Sequence[Sequence[Any]]) -> dict[str, float]:
        """Return what is reported of several batches together; see `Objective.average`."""
        reported = self.objective.average([row[: self._n] for row in rows])
        if self.wholes and math.isfinite(reported['loss']):
            reported |= self._of_all([row[self._n :] for row in rows])
        return reported

    def _of_all(self, rows: Sequence[Sequence[np.ndarray]]) -> dict[str, float]:
        """Return the metrics of all targets of the batches that count."""
        output, target, weights = (
            np.concatenate(parts) for parts in zip(*(_flat(*row) for row in rows), strict=True)
        )
        counts = weights if weights.ndim == 1 else weights.any(axis=-1)
        counts = counts > 0
        output, target, weights = output[counts], target[counts], weights[counts]
        pairs = {'probabilities': (target, output), 'prediction': (target, output)}
        if target.ndim == 1:
            named = (target, output.argmax(-1))
            if self.classes is not None:
                named = (self.classes.decode(named[0]), self.classes.decode(named[1]))
            pairs['prediction'] = named
        return {whole.name: whole(*pairs[whole.reads], weights) for whole in self.wholes}


def _flat(
    output: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return output (N, O), target (N,) or (N, O), and weights of the shape of the target."""
    weights = np.ones(target.shape, output.dtype) if weights is None else weights
    weights = np.broadcast_to(weights, target.shape)
    output = np.array(output.reshape(-1, output.shape[-1]))
    if target.dtype.kind in 'iu':
        return output, np.array(target).ravel(), np.array(weights).ravel()
    width = target.shape[-1]
    return output, np.array(target).reshape(-1, width), np.array(weights).reshape(-1, width)
