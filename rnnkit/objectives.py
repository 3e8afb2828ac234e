"""What a network is trained to minimise: its loss, with the regularizers that are asked for."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytensor

from rnnkit.carry import Carry
from rnnkit.compiled import Compiled
from rnnkit.errors import ConfigError
from rnnkit.graph import Graph, Outputs
from rnnkit.lbfgs import make_step
from rnnkit.noise import Noise
from rnnkit.optimizers import Objective, Optimizer
from rnnkit.options import Options
from rnnkit.regularizers import Parts, Term, build, regularizers
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
    carries : tuple of Carry, or None
        The state that is carried in training, and in a validation.
    """

    training: Objective
    evaluate: Compiled
    weights: dict[str, Any]
    noise: Noise | None
    carries: tuple[Carry, Carry] | None


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
        self._tasks: dict[Any, Task] = {}
        self._steps: dict[Any, TrainStep] = {}

    def train_step(
        self, rule: Optimizer, options: Options, penalties: dict[str, Any]
    ) -> tuple[TrainStep, Compiled, tuple[Carry, Carry] | None]:
        """Return the functions that train and that validate, and what each of them carries.

        Parameters
        ----------
        rule : Optimizer
        options : Options
        penalties : dict of str to float or dict
            The weight of each regularizer, by its name; or its weight and its options.

        Raises
        ------
        ConfigError
            If a weight is not a number of at least 0, or an option does not fit.
        """
        terms = {name: build(name, penalties[name]) for name in sorted(penalties)}
        carry = bool(options.carry_state)
        kind = (carry, *((name, term.key) for name, term in terms.items()))
        if kind not in self._tasks:
            self._tasks[kind] = self._make(terms, carry)
        task = self._tasks[kind]
        for name, term in terms.items():
            task.weights[name].set_value(np.asarray(term.weight, self.graph.dtype))
        momentum, nesterov = bool(options.momentum), bool(options.nesterov)
        key = (type(rule), momentum, nesterov, kind)
        if key not in self._steps:
            self._steps[key] = make_step(task.training, rule, momentum, nesterov, task.noise)
        return self._steps[key], task.evaluate, task.carries

    def _make(self, terms: dict[str, Term], carry: bool) -> Task:
        """Return the task with these regularizers, with or without a state that is carried."""
        if len({regularizers[name] for name in terms}) < len(terms):
            raise ConfigError(f'two of {", ".join(terms)} are the same regularizer')
        zero = np.zeros((), self.graph.dtype)
        weights = {name: pytensor.shared(zero, name, shape=()) for name in terms}
        carries = (Carry(self.graph), Carry(self.graph)) if carry else None
        noisy = any('noise' in layer.needs for layer in self.graph.layers)
        noise = Noise() if noisy else None
        validation = self._objective(terms, weights, None, carries and carries[1])
        training = validation
        if carry or noisy:
            training = self._objective(terms, weights, noise, carries and carries[0])
        evaluate = Compiled(
            'the validation', validation.inputs, validation.reports(), validation.updates
        )
        return Task(training, evaluate, weights, noise, carries)

    def _objective(
        self, terms: dict[str, Term], weights: dict[str, Any], noise: Noise | None,
        carry: Carry | None,
    ) -> Objective:  # fmt: skip
        """Return the objective with regularizers, noise and a state that is carried."""
        if carry is None and noise is None:
            return self._penalised(self.plain, self.graph.outputs, terms, weights)
        outputs = self.graph.again(noise=noise) if carry is None else carry.outputs(noise)
        objective = self._penalised(self.build(outputs), outputs, terms, weights)
        updates = [*(noise.updates if noise else ()), *(carry.updates if carry else ())]
        return replace(objective, updates=updates)

    def _penalised(
        self, objective: Objective, outputs: Outputs, terms: dict[str, Term],
        weights: dict[str, Any],
    ) -> Objective:  # fmt: skip
        """Return an objective with regularizers."""
        layers = self.graph.layers
        parts = Parts(
            params={p.name: p for p in objective.params},
            outputs=outputs,
            hidden=[f'{layer.name}:out' for layer in layers[1:-1]],
            recurrent=[f'{layer.name}:out' for layer in layers if layer.recurrent],
            inputs={x.name: x for x in self.graph.inputs},
            masks={n: m for n in outputs if (m := self.graph.mask_of(n)) is not None},
        )
        loss = objective.loss
        for name, term in terms.items():
            loss = loss + weights[name] * term.penalty(parts)
        return replace(objective, loss=loss)
