"""The compiled updates of a network: its criterion with regularizers, noise and monitors."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
import pytensor

from rnnkit.common.checks import scalar
from rnnkit.common.compiled import Compiled
from rnnkit.errors import ConfigError
from rnnkit.graph import perturbations
from rnnkit.graph.graph import Graph, Outputs
from rnnkit.graph.perturbations import Disturbance
from rnnkit.noise import Noise
from rnnkit.optimizers import Addend, Objective
from rnnkit.regularizers import Parts, Term, build, means, regularizers
from rnnkit.training.carried_state import Carry
from rnnkit.training.criterion import Criterion
from rnnkit.training.gradient_flow import Alarm, Flow
from rnnkit.training.lbfgs import make_step
from rnnkit.training.monitors import Watch, read, watched
from rnnkit.training.options import Options, TrainingConfig
from rnnkit.training.protocols import MonitorSpec, Step


class Functions(NamedTuple):
    """The compiled functions of a training, and the hidden states that they carry, if any."""

    step: Step
    evaluate: Compiled
    carries: tuple[Carry, Carry] | None


@dataclass
class Variant:
    """The criterion with a choice of regularizers, noise and monitors: to train and to validate.

    Attributes
    ----------
    training : Objective
    evaluate : Compiled
        Returns the reports of the objective without noise.
    weights : dict of str to shared scalar
        The weight of each regularizer, by its name; changing one compiles nothing.
    disturbance : Disturbance
    noise : Noise or None
        Where the random numbers of training come from.
    carries : tuple of Carry, or None
        The state that is carried in training, and in a validation.
    watch : Watch
        What it reports besides. It is kept, since the key of a variant holds only the ids of its
        functions.
    """

    training: Objective
    evaluate: Compiled
    weights: dict[str, Any]
    disturbance: Disturbance
    noise: Noise | None
    carries: tuple[Carry, Carry] | None
    watch: Watch


class TrainSteps:
    """The train steps of one network: each variant is compiled once, then kept.

    Parameters
    ----------
    graph : Graph
    criterion : Criterion
        The losses, without regularizers.
    """

    def __init__(self, graph: Graph, criterion: Criterion):
        self.graph, self.criterion, self.build = graph, criterion, criterion.objective
        self.plain = self.build(graph.outputs)
        self._variants: dict[Any, Variant] = {}
        self._steps: dict[Any, Step] = {}

    def train_step(self, config: TrainingConfig) -> Functions:
        """Return the functions that train and validate with these keywords.

        Raises
        ------
        ConfigError
            If a regularizer, noise or monitor does not fit the network.
        """
        rule, options, given = config.rule, config.options, config.terms
        terms = {name: build(name, given[name]) for name in sorted(given) if name in regularizers}
        others = {name: value for name, value in given.items() if name in perturbations.WORDS}
        amounts = perturbations.read(self.graph, self.criterion.compared, others)
        watch = self._watch(options.monitors, options.monitor_gradients)
        carry = bool(options.carry_state)
        kind = (
            carry,
            watch.key,
            tuple((n, term.key) for n, term in terms.items()),
            tuple(sorted(amounts)),
        )
        if kind not in self._variants:
            disturbance = Disturbance(self.graph, sorted(amounts))
            self._variants[kind] = self._make(terms, disturbance, carry, watch)
        variant = self._variants[kind]
        if rule.full_batch and (variant.noise or variant.training.limits):
            raise ConfigError(
                "algo 'lbfgs' compares losses, which noise and dropout make random, and max_norm "
                'would change its steps; leave them out, or choose another algo'
            )
        variant.disturbance.set(amounts)
        for name, term in terms.items():
            variant.weights[name].set_value(scalar(name, term.weight, self.graph.dtype))
        momentum, nesterov = bool(options.momentum), bool(options.nesterov)
        key = (type(rule), *rule.switched, momentum, nesterov, watch.gradients, kind)
        if key not in self._steps:
            self._steps[key] = make_step(
                variant.training, rule, momentum, nesterov, variant.noise, watched=watch.gradients
            )
        return Functions(self._steps[key], variant.evaluate, variant.carries)

    def evaluation(self, monitors: MonitorSpec) -> tuple[Objective, Compiled]:
        """Return the losses with these monitors, and the function that validates with them."""
        watch = self._watch(monitors)
        if watch.gradients:
            raise ConfigError('monitors: an evaluation has no gradients; leave them out')
        kind = (False, watch.key, (), ())  # as in a training without further options
        if kind not in self._variants:
            self._variants[kind] = self._make({}, Disturbance(self.graph, []), False, watch)
        return self._variants[kind].training, self._variants[kind].evaluate

    def _watch(self, monitors: MonitorSpec, gradients: bool = False) -> Watch:
        watch = read(monitors, gradients)
        taken = [name for name in watch.metrics if name in self.criterion.names]
        if taken:
            raise ConfigError(
                f'monitors: {taken[0]!r} is the name that a loss of this network is reported by; '
                f'leave it out'
            )
        return watch

    @cached_property
    def flow(self) -> Flow:
        """The gradient by the states of the recurrent layers."""
        return Flow(self.graph, self.build)

    def alarm(self, options: Options) -> Alarm | None:
        """Return what watches the gradient flow in validations, if that is asked for."""
        asked = read(options.monitors, options.monitor_gradients).gradients
        return Alarm(self.flow) if asked and self.flow.terms else None

    def _make(
        self, terms: dict[str, Term], disturbance: Disturbance, carry: bool, watch: Watch
    ) -> Variant:
        """Return the variant with these regularizers and monitors, and a state that is carried."""
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
        return Variant(training, evaluate, weights, disturbance, noise, carries, watch)

    def _penalised(
        self,
        objective: Objective,
        outputs: Outputs,
        terms: dict[str, Term],
        weights: dict[str, Any],
        watch: Watch,
    ) -> Objective:
        """Return an objective with regularizers and monitors."""
        parts, loss, addends = self.parts(outputs), objective.loss, list(objective.addends)
        uneven = bool(self.graph.masks or self.criterion.weights)
        for name, term in terms.items():
            penalty, weight = term.penalty(parts), weights[name]
            loss = loss + weight * penalty
            # Batches of as many values as targets need no counts of their own.
            pieces = means(penalty) if uneven else [(penalty, None)]
            addends += [Addend(weight * mean, count) for mean, count in pieces]
        objective = replace(objective, loss=loss, addends=addends)
        return watched(watch, objective, parts, self.criterion.terms[0].predicted)

    def parts(self, outputs: Outputs) -> Parts:
        """Return the parameters and outputs that regularizers and monitors choose from."""
        layers = self.graph.layers
        return Parts(
            params={p.name: p for layer in layers for p in layer.params.values()},
            outputs=outputs,
            hidden=[f'{layer.name}:out' for layer in layers[1:-1]],
            recurrent=[f'{x.name}:out' for x in layers if x.recurrent and x.keeps_time],
            inputs={x.name: x for x in self.graph.inputs},
            masks={n: m for n in outputs if (m := self.graph.mask_of(n)) is not None},
            zero_padding=[f'{layer.name}:out' for layer in layers if layer.zero_padding],
        )
