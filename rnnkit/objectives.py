"""What a network is trained to minimise: its loss, with the regularizers that are asked for."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pytensor

from rnnkit.compiled import Compiled
from rnnkit.errors import ConfigError
from rnnkit.flow import Alarm, Flow
from rnnkit.graph import Graph, Outputs
from rnnkit.lbfgs import make_step
from rnnkit.monitors import Watch, read, watched
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
    watch : Watch
        What it reports besides; kept, for the key of the task has no hold on its functions.
    """

    training: Objective
    evaluate: Compiled
    weights: dict[str, Any]
    noise: Noise | None
    watch: Watch


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
    ) -> tuple[TrainStep, Compiled]:
        """Return the functions that train and that validate.

        Parameters
        ----------
        rule : Optimizer
        options : Options
        penalties : dict of str to float or dict
            The weight of each regularizer, by its name; or its weight and its options.

        Raises
        ------
        ConfigError
            If a weight is not a number of at least 0, an option does not fit, or there is
            nothing of what the monitors name.
        """
        terms = {name: build(name, penalties[name]) for name in sorted(penalties)}
        watch = read(options.monitors, options.monitor_gradients)
        kind = (watch.key, *((name, term.key) for name, term in terms.items()))
        if kind not in self._tasks:
            self._tasks[kind] = self._make(terms, watch)
        task = self._tasks[kind]
        for name, term in terms.items():
            task.weights[name].set_value(np.asarray(term.weight, self.graph.dtype))
        momentum, nesterov = bool(options.momentum), bool(options.nesterov)
        key = (type(rule), momentum, nesterov, watch.gradients, kind)
        if key not in self._steps:
            self._steps[key] = make_step(
                task.training, rule, momentum, nesterov, task.noise, watched=watch.gradients
            )
        return self._steps[key], task.evaluate

    @cached_property
    def flow(self) -> Flow:
        """The gradient by the states of the recurrent layers."""
        return Flow(self.graph, self.build)

    def alarm(self, options: Options) -> Alarm | None:
        """Return what looks after the gradient in a training, if that is wanted and possible."""
        wanted = read(options.monitors, options.monitor_gradients).gradients
        return Alarm(self.flow) if wanted and self.flow.terms else None

    def _make(self, terms: dict[str, Term], watch: Watch) -> Task:
        """Return the task with these regularizers and monitors."""
        if len({regularizers[name] for name in terms}) < len(terms):
            raise ConfigError(f'two of {", ".join(terms)} are the same regularizer')
        zero = np.zeros((), self.graph.dtype)
        weights = {name: pytensor.shared(zero, name, shape=()) for name in terms}
        validation = self._penalised(self.plain, self.graph.outputs, terms, weights, watch)
        training, noise = validation, None
        if any('noise' in layer.needs for layer in self.graph.layers):
            noise = Noise()
            outputs = self.graph.again(noise=noise)
            training = self._penalised(self.build(outputs), outputs, terms, weights, watch)
            training = replace(training, updates=noise.updates)
        evaluate = Compiled('the validation', validation.inputs, validation.reports())
        return Task(training, evaluate, weights, noise, watch)

    def _penalised(
        self, objective: Objective, outputs: Outputs, terms: dict[str, Term],
        weights: dict[str, Any], watch: Watch,
    ) -> Objective:  # fmt: skip
        """Return an objective with regularizers and monitors."""
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
        return watched(watch, replace(objective, loss=loss), parts, layers[-1].name)
