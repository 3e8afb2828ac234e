"""What a network is trained to minimise: its loss, with the regularizers that are asked for."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import pytensor

from rnnkit.common.compiled import Compiled
from rnnkit.errors import ConfigError
from rnnkit.graph import perturbations
from rnnkit.graph.graph import Graph, Outputs
from rnnkit.graph.perturbations import Disturbance
from rnnkit.noise import Noise
from rnnkit.optimizers import Objective, Optimizer
from rnnkit.regularizers import Parts, Term, build, regularizers
from rnnkit.training.carried_state import Carry
from rnnkit.training.criterion import Goals
from rnnkit.training.gradient_flow import Alarm, Flow
from rnnkit.training.lbfgs import make_step
from rnnkit.training.monitors import Watch, read, watched
from rnnkit.training.options import Options
from rnnkit.training.step import TrainStep


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
    disturbance : Disturbance
    noise : Noise or None
        Where the random numbers of training come from.
    carries : tuple of Carry, or None
        The state that is carried in training, and in a validation.
    watch : Watch
        What it reports besides; kept, for the key of the task has no hold on its functions.
    """

    training: Objective
    evaluate: Compiled
    weights: dict[str, Any]
    disturbance: Disturbance
    noise: Noise | None
    carries: tuple[Carry, Carry] | None
    watch: Watch


class Objectives:
    """The train steps of one network: each kind is made once, then kept.

    Parameters
    ----------
    graph : Graph
    goals : Goals
        What is minimised, without regularizers.
    """

    def __init__(self, graph: Graph, goals: Goals):
        self.graph, self.goals, self.build = graph, goals, goals.objective
        self.plain = self.build(graph.outputs)
        self._tasks: dict[Any, Task] = {}
        self._steps: dict[Any, TrainStep] = {}

    def train_step(
        self, rule: Optimizer, options: Options, given: dict[str, Any]
    ) -> tuple[TrainStep, Compiled, tuple[Carry, Carry] | None]:
        """Return the functions that train and that validate, and what each of them carries.

        Parameters
        ----------
        rule : Optimizer
        options : Options
        given : dict of str to object
            Of the words that `term_names` lists: the weight of a regularizer; or its weight
            and its options; the amount of noise, and so on.

        Raises
        ------
        ConfigError
            If an amount or an option does not fit, or there is nothing of what the monitors
            name.
        """
        terms = {name: build(name, given[name]) for name in sorted(given) if name in regularizers}
        others = {name: value for name, value in given.items() if name in perturbations.WORDS}
        amounts = perturbations.read(self.graph, self.goals.compared, others)
        watch = read(options.monitors, options.monitor_gradients)
        taken = [name for name in watch.metrics if name in self.goals.names]
        if taken:
            raise ConfigError(
                f'monitors: {taken[0]!r} is what a loss of this network is reported as; leave it '
                f'out'
            )
        carry = bool(options.carry_state)
        kind = (
            carry,
            watch.key,
            tuple((n, term.key) for n, term in terms.items()),
            tuple(sorted(amounts)),
        )
        if kind not in self._tasks:
            disturbance = Disturbance(self.graph, sorted(amounts))
            self._tasks[kind] = self._make(terms, disturbance, carry, watch)
        task = self._tasks[kind]
        if rule.full_batch and (task.noise or task.training.limits):
            raise ConfigError(
                "algo 'lbfgs' compares losses, which noise and dropout make random, and max_norm "
                'would change its steps; leave them out, or take another algo'
            )
        task.disturbance.set(amounts)
        for name, term in terms.items():
            task.weights[name].set_value(np.asarray(term.weight, self.graph.dtype))
        momentum, nesterov = bool(options.momentum), bool(options.nesterov)
        key = (type(rule), momentum, nesterov, watch.gradients, kind)
        if key not in self._steps:
            self._steps[key] = make_step(
                task.training, rule, momentum, nesterov, task.noise, watched=watch.gradients
            )
        return self._steps[key], task.evaluate, task.carries

    @cached_property
    def flow(self) -> Flow:
        """The gradient by the states of the recurrent layers."""
        return Flow(self.graph, self.build)

    def alarm(self, options: Options) -> Alarm | None:
        """Return what looks after the gradient in a training, if that is wanted and possible."""
        wanted = read(options.monitors, options.monitor_gradients).gradients
        return Alarm(self.flow) if wanted and self.flow.terms else None

    def _make(
        self, terms: dict[str, Term], disturbance: Disturbance, carry: bool, watch: Watch
    ) -> Task:
        """Return the task with these regularizers, monitors, and a state that is carried or not."""
        if len({regularizers[name] for name in terms}) < len(terms):
            raise ConfigError(f'two of {", ".join(terms)} are the same regularizer')
        zero = np.zeros((), self.graph.dtype)
        weights = {name: pytensor.shared(zero, name, shape=()) for name in terms}
        carries = (Carry(self.graph), Carry(self.graph)) if carry else None
        noisy = disturbance.random or any('noise' in layer.needs for layer in self.graph.layers)
        noise = Noise() if noisy else None

        def objective(again: Callable[..., Outputs], carry: Carry | None) -> Objective:
            outputs, plain = self.graph.outputs, self.plain
            if carry or again != self.graph.again:
                outputs = carry.outputs(again) if carry else again()
                plain = replace(self.build(outputs), updates=carry.updates if carry else [])
            return self._penalised(plain, outputs, terms, weights, watch)

        validation = objective(self.graph.again, carries and carries[1])
        training = validation
        if carry or noise:
            again = partial(disturbance.outputs, noise) if noise else self.graph.again
            training = objective(again, carries and carries[0])
            updates = [*training.updates, *(noise.updates if noise else ())]
            training = replace(training, updates=updates)
        training = replace(training, limits=disturbance.limits())
        evaluate = Compiled(
            'the validation', validation.inputs, validation.reports(), validation.updates
        )
        return Task(training, evaluate, weights, disturbance, noise, carries, watch)

    def _penalised(
        self,
        objective: Objective,
        outputs: Outputs,
        terms: dict[str, Term],
        weights: dict[str, Any],
        watch: Watch,
    ) -> Objective:
        """Return an objective with regularizers and monitors."""
        parts, loss = self.parts(outputs), objective.loss
        for name, term in terms.items():
            loss = loss + weights[name] * term.penalty(parts)
        return watched(watch, replace(objective, loss=loss), parts, self.goals.goals[0].predicted)

    def parts(self, outputs: Outputs) -> Parts:
        """Return what regularizers and monitors choose from."""
        layers = self.graph.layers
        return Parts(
            params={p.name: p for p in self.plain.params},
            outputs=outputs,
            hidden=[f'{layer.name}:out' for layer in layers[1:-1]],
            recurrent=[f'{layer.name}:out' for layer in layers if layer.recurrent],
            inputs={x.name: x for x in self.graph.inputs},
            masks={n: m for n in outputs if (m := self.graph.mask_of(n)) is not None},
            zero_padding=[f'{layer.name}:out' for layer in layers if layer.zero_padding],
        )
