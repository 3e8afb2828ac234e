"""What a network is trained to minimise: its loss, with the regularizers that are asked for."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
import pytensor
from pytensor.tensor import TensorVariable

from rnnkit.compiled import Compiled
from rnnkit.errors import ConfigError
from rnnkit.lbfgs import make_step
from rnnkit.optimizers import Objective, Optimizer
from rnnkit.options import Options, number
from rnnkit.regularizers import regularizers
from rnnkit.trainer import TrainStep


class Objectives:
    """The train steps of one network: each kind is made once, then kept.

    Parameters
    ----------
    plain : Objective
        The loss without regularizers.
    hidden : sequence of tensors
        The outputs of the hidden layers, for regularizers.
    """

    def __init__(self, plain: Objective, hidden: Sequence[TensorVariable]):
        self.plain, self.hidden = plain, list(hidden)
        self._penalised: dict[tuple[str, ...], tuple[Objective, Compiled, dict[str, Any]]] = {}
        self._steps: dict[Any, TrainStep] = {}

    def train_step(
        self, rule: Optimizer, options: Options, penalties: dict[str, float]
    ) -> tuple[TrainStep, Compiled]:
        """Return the functions that train and that validate.

        Parameters
        ----------
        rule : Optimizer
        options : Options
        penalties : dict of str to float
            The weight of each regularizer, by its name.

        Raises
        ------
        ConfigError
            If a weight is not a number of at least 0.
        """
        for name, value in penalties.items():
            number(name, value, Real, 0)
        names = tuple(sorted(penalties))
        if names not in self._penalised:
            self._penalised[names] = self._add_penalties(names)
        objective, evaluate, weights = self._penalised[names]
        for name, value in penalties.items():
            weights[name].set_value(np.asarray(value, objective.loss.dtype))
        momentum, nesterov = bool(options.momentum), bool(options.nesterov)
        key = (type(rule), momentum, nesterov, names)
        if key not in self._steps:
            self._steps[key] = make_step(objective, rule, momentum, nesterov)
        return self._steps[key], evaluate

    def _add_penalties(self, names: tuple[str, ...]) -> tuple[Objective, Compiled, dict[str, Any]]:
        """Return the loss with these regularizers, and their weights as shared scalars."""
        functions = [regularizers[name] for name in names]
        if len(set(functions)) < len(functions):
            raise ConfigError(f'two of {", ".join(names)} are the same regularizer')
        plain = self.plain
        matrices = [p for p in plain.params if p.ndim > 1]
        zero = np.zeros((), plain.loss.dtype)
        weights = {name: pytensor.shared(zero, name, shape=()) for name in names}
        loss = plain.loss
        for name, function in zip(names, functions, strict=True):
            loss = loss + weights[name] * function(matrices, self.hidden)
        objective = Objective(loss, plain.params, plain.inputs, plain.weight, plain.monitors)
        return objective, Compiled('the validation', plain.inputs, objective.reports()), weights
