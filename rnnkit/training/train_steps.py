"""The compiled updates of a network: its criterion with regularizers, noise and monitors."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytensor

from rnnkit.common.checks import scalar
from rnnkit.errors import ConfigError
from rnnkit.graph import perturbations
from rnnkit.graph.graph import Graph, Outputs
from rnnkit.graph.perturbations import Disturbance
from rnnkit.noise import Noise
from rnnkit.optimizers import Addend, Objective
from rnnkit.regularizers import Parts, Term, build, means, regularizers
from rnnkit.training.carried_state import Carry
from rnnkit.training.criterion import Criterion
from rnnkit.training.evaluation import Evaluation
from rnnkit.training.gradient_flow import Alarm, Flow
from rnnkit.training.lbfgs import make_step
from rnnkit.training.monitors import Watch, compared_by, read, watched, wholes_of
from rnnkit.training.options import Options, TrainingConfig
from rnnkit.training.protocols import MonitorSpec, Step

PLAIN = (False, False, False)  # no state is carried, no class weights, no shared noise


class Functions(NamedTuple):
    """The compiled functions of a training, and the hidden states that they carry, if any."""

    step: Step
    evaluate: Evaluation
    carries: tuple[Carry, Carry] | None


@dataclass
class Variant:
    """The criterion with a choice of regularizers, noise and monitors: to train and to validate.

    Attributes
    ----------
    training : Objective
    evaluate : Evaluation
        Of the objective without noise.
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
    evaluate: Evaluation
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
        self._flows: dict[bool, Flow] = {}
        self._variants: dict[Any, Variant] = {}
        self._steps: dict[Any, Step] = {}

    def train_step(self, config: TrainingConfig, split: bool = False) -> Functions:
        """Return the functions that train and validate with these keywords.

        Parameters
        ----------
        config : TrainingConfig
        split : bool
            Whether updates are made together with other processes.

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
        carry, by_class = bool(options.carry_state), options.class_weight is not None
        disturbance = Disturbance(self.graph, sorted(amounts))
        shared = split and self._noisy(disturbance)
        kind = (
            (carry, by_class, shared),
            watch.key,
            tuple((n, term.key) for n, term in terms.items()),
            tuple(sorted(amounts)),
        )
        if kind not in self._variants:
            self._variants[kind] = self._make(terms, disturbance, kind[0], watch)
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
        key = (type(rule), *rule.switched, momentum, nesterov, watch.gradients, split, kind)
        if key not in self._steps:
            self._steps[key] = make_step(
                variant.training,
                rule,
                momentum,
                nesterov,
                variant.noise,
                watched=watch.gradients,
                split=split,
            )
        return Functions(self._steps[key], variant.evaluate, variant.carries)

    def set_class_weights(self, weights: np.ndarray) -> None:
        """Set the weight of each class, in trainings that have class weights."""
        shared = self.criterion.class_weights
        shared.set_value(weights.astype(shared.dtype))

    def evaluation(self, monitors: MonitorSpec) -> Evaluation:
        """Return the function that validates with these monitors."""
        watch = self._watch(monitors)
        if watch.gradients:
            raise ConfigError('monitors: an evaluation has no gradients; leave them out')
        kind = (PLAIN, watch.key, (), ())  # as in a training without further options
        if kind not in self._variants:
            silent = Disturbance(self.graph, [])
            self._variants[kind] = self._make({}, silent, PLAIN, watch)
        return self._variants[kind].evaluate

    def _watch(self, monitors: MonitorSpec, gradients: bool = False) -> Watch:
        watch = read(monitors, gradients)
        taken = [name for name in ('loss', *self.criterion.names) if name in watch.named]
        if taken:
            raise ConfigError(
                f'monitors: {taken[0]!r} is the name that a loss of this network is reported by; '
                f'leave it out'
            )
        return watch

    def flow(self, by_class: bool = False) -> Flow:
        """Return the gradient by the states of the recurrent layers."""
        if by_class not in self._flows:
            self._flows[by_class] = Flow(self.graph, partial(self.build, by_class=by_class))
        return self._flows[by_class]

    def alarm(self, options: Options) -> Alarm | None:
        """Return what watches the gradient flow in validations, if that is asked for."""
        asked = read(options.monitors, options.monitor_gradients).gradients
        flow = self.flow(options.class_weight is not None) if asked else None
        return Alarm(flow) if flow and flow.terms else None

    def _make(
        self,
        terms: dict[str, Term],
        disturbance: Disturbance,
        kind: tuple[bool, bool, bool],
        watch: Watch,
    ) -> Variant:
        """Return the variant with these regularizers and monitors.

        `kind` says whether a state is carried, whether there are class weights, and whether several
        processes share the noise.
        """
        carry, by_class, shared = kind
        if len({regularizers[name] for name in terms}) < len(terms):
            raise ConfigError(f'two of {", ".join(terms)} are the same regularizer')
        zero = np.zeros((), self.graph.dtype)
        weights = {name: pytensor.shared(zero, name, shape=()) for name in terms}
        carries = (Carry(self.graph), Carry(self.graph)) if carry else None
        noise = Noise(shared) if self._noisy(disturbance) else None

        def objective(
            again: Callable[..., Outputs], carry: Carry | None
        ) -> tuple[Objective, Outputs]:
            outputs, plain = self.graph.outputs, self.plain
            others = carry or again != self.graph.again
            if others:
                outputs = carry.outputs(again) if carry else again()
            if others or by_class:
                plain = self.build(outputs, by_class)
                plain = replace(plain, updates=carry.updates if carry else [])
            return self._penalised(plain, outputs, terms, weights, watch, by_class), outputs

        validation, outputs = objective(self.graph.again, carries and carries[1])
        training = validation
        if carry or noise:
            again = partial(disturbance.outputs, noise) if noise else self.graph.again
            training, _ = objective(again, carries and carries[0])
            updates = [*training.updates, *(noise.updates if noise else ())]
            training = replace(training, updates=updates)
        training = replace(training, limits=disturbance.limits())
        evaluate = self._evaluation(validation, outputs, watch)
        return Variant(training, evaluate, weights, disturbance, noise, carries, watch)

    def _noisy(self, disturbance: Disturbance) -> bool:
        """Return whether training needs random numbers."""
        return disturbance.random or any('noise' in layer.needs for layer in self.graph.layers)

    def _evaluation(self, objective: Objective, outputs: Outputs, watch: Watch) -> Evaluation:
        """Return the function of validations."""
        wholes = wholes_of(watch, objective)
        if not wholes:
            return Evaluation(objective)
        predicted = self.criterion.terms[0].predicted
        compared = compared_by(objective, self.parts(outputs), predicted)
        first = next(iter(self.criterion.fields.values()))
        return Evaluation(objective, wholes, compared, first.classes)

    def _penalised(
        self,
        objective: Objective,
        outputs: Outputs,
        terms: dict[str, Term],
        weights: dict[str, Any],
        watch: Watch,
        by_class: bool,
    ) -> Objective:
        """Return an objective with regularizers and monitors."""
        parts, loss, addends = self.parts(outputs), objective.loss, list(objective.addends)
        uneven = by_class or bool(self.graph.masks or self.criterion.weights)
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
            params={
                p.name: p
                for layer in layers
                for name, p in layer.params.items()
                if name not in layer.measured
            },
            outputs=outputs,
            hidden=[f'{layer.name}:out' for layer in layers[1:-1] if not layer.belongs_to_input],
            recurrent=[f'{x.name}:out' for x in layers if x.recurrent and x.keeps_time],
            inputs={x.name: x for x in self.graph.inputs},
            masks={n: m for n in outputs if (m := self.graph.mask_of(n)) is not None},
            zero_padding=[f'{layer.name}:out' for layer in layers if layer.zero_padding],
        )
