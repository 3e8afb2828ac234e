"""What a network is trained to minimise: its loss, with the regularizers that are asked for."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
import pytensor
from pytensor.tensor import TensorVariable

from rnnkit.compiled import Compiled
from rnnkit.errors import ConfigError
from rnnkit.graph import Graph, Outputs
from rnnkit.lbfgs import make_step
from rnnkit.noise import Noise
from rnnkit.optimizers import Objective, Optimizer
from rnnkit.options import Options, number
from rnnkit.regularizers import regularizers
from rnnkit.trainer import TrainStep


@dataclass
class Task:
    """An objective to train on, one to validate with, and what they can be set to.

    Attributes
    ----------
    training : Objective
    evaluate : Compiled
        Returns the reports of the objective without noise.
    weights : dict of str to shared scalar
        The weight of each regularizer, by its name.
    noise : Noise or None
        Where the random numbers of training come from.
    """

    training: Objective
    evaluate: Compiled
    weights: dict[str, Any]
    noise: Noise | None


class Objectives:
    """The train steps of one network: each kind is made once, then kept.

    Parameters
    ----------
    graph : Graph
    build : callable
        Makes the objective, without regularizers, of a dict of outputs.
    """

    def __init__(self, graph: Graph, build: Callable[[Outputs], Objective]):
        self.graph, self.build = graph, build
        self.plain = build(graph.outputs)
        self._tasks: dict[tuple[str, ...], Task] = {}
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
        if names not in self._tasks:
            self._tasks[names] = self._make(names)
        task = self._tasks[names]
        for name, value in penalties.items():
            task.weights[name].set_value(np.asarray(value, self.graph.dtype))
        momentum, nesterov = bool(options.momentum), bool(options.nesterov)
        key = (type(rule), momentum, nesterov, names)
        if key not in self._steps:
            self._steps[key] = make_step(task.training, rule, momentum, nesterov, task.noise)
        return self._steps[key], task.evaluate

    def _make(self, names: tuple[str, ...]) -> Task:
        """Return the task with these regularizers."""
        functions = [regularizers[name] for name in names]
        if len(set(functions)) < len(functions):
            raise ConfigError(f'two of {", ".join(names)} are the same regularizer')
        zero = np.zeros((), self.graph.dtype)
        weights = {name: pytensor.shared(zero, name, shape=()) for name in names}
        validation = self._penalised(self.plain, self.graph.outputs, weights)
        training, noise = validation, None
        if any('noise' in layer.needs for layer in self.graph.layers):
            noise = Noise()
            outputs = self.graph.again(noise=noise)
            training = self._penalised(self.build(outputs), outputs, weights)
            training = replace(training, updates=noise.updates)
        evaluate = Compiled('the validation', validation.inputs, validation.reports())
        return Task(training, evaluate, weights, noise)

    def _penalised(
        self, objective: Objective, outputs: Outputs, weights: dict[str, Any]
    ) -> Objective:
        """Return an objective with regularizers."""
        matrices = [p for p in objective.params if p.ndim > 1]
        hidden: list[TensorVariable] = [
            outputs[f'{layer.name}:out'] for layer in self.graph.layers[1:-1]
        ]
        loss = objective.loss
        for name, weight in weights.items():
            loss = loss + weight * regularizers[name](matrices, hidden)
        return replace(objective, loss=loss)
