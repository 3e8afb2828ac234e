"""What a network is trained to minimise: its loss, with the regularizers that are asked for."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytensor
from pytensor.tensor import TensorVariable

from rnnkit.compiled import Compiled
from rnnkit.errors import ConfigError
from rnnkit.layers import Layer
from rnnkit.optimizers import Objective, Optimizer
from rnnkit.regularizers import Parts, Term, build, regularizers
from rnnkit.trainer import Options, TrainStep


class Objectives:
    """The train steps of one network: each kind is made once, then kept.

    Parameters
    ----------
    plain : Objective
        The loss without regularizers.
    layers : sequence of Layer
    outputs : dict of str to tensor
        Every output of every layer, named ``'hid1:out'``.
    inputs : sequence of tensors
        The variables of the input layers.
    """

    def __init__(
        self,
        plain: Objective,
        layers: Sequence[Layer],
        outputs: Mapping[str, TensorVariable],
        inputs: Sequence[TensorVariable],
    ):
        self.plain = plain
        self.parts = Parts(
            params={p.name: p for p in plain.params},
            outputs=outputs,
            hidden=[f'{layer.name}:out' for layer in layers[1:-1]],
            recurrent=[f'{layer.name}:out' for layer in layers if layer.recurrent],
            inputs={x.name: x for x in inputs},
        )
        self._penalised: dict[Any, tuple[Objective, Compiled, dict[str, Any]]] = {}
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
            If a weight is not a number of at least 0, or an option does not fit.
        """
        terms = {name: build(name, penalties[name]) for name in sorted(penalties)}
        kind = tuple((name, term.key) for name, term in terms.items())
        if kind not in self._penalised:
            self._penalised[kind] = self._add_penalties(terms)
        objective, evaluate, weights = self._penalised[kind]
        for name, term in terms.items():
            weights[name].set_value(np.asarray(term.weight, objective.loss.dtype))
        momentum, nesterov = bool(options.momentum), bool(options.nesterov)
        key = (type(rule), momentum, nesterov, kind)
        if key not in self._steps:
            self._steps[key] = TrainStep(objective, rule, momentum, nesterov)
        return self._steps[key], evaluate

    def _add_penalties(self, terms: dict[str, Term]) -> tuple[Objective, Compiled, dict[str, Any]]:
        """Return the loss with these regularizers, and their weights as shared scalars."""
        if len({regularizers[name] for name in terms}) < len(terms):
            raise ConfigError(f'two of {", ".join(terms)} are the same regularizer')
        plain = self.plain
        zero = np.zeros((), plain.loss.dtype)
        weights = {name: pytensor.shared(zero, name, shape=()) for name in terms}
        loss = plain.loss
        for name, term in terms.items():
            loss = loss + weights[name] * term.penalty(self.parts)
        objective = Objective(loss, plain.params, plain.inputs, plain.weight, plain.monitors)
        return objective, Compiled('the validation', plain.inputs, objective.reports()), weights
