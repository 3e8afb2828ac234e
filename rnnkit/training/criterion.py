"""The criterion of a training: the weighted sum of the losses of a network."""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.tensor import TensorVariable

from rnnkit import kernels
from rnnkit.common.checks import scalar
from rnnkit.common.tensors import variable
from rnnkit.data.border import LAYOUTS, Border
from rnnkit.data.classes import Classes
from rnnkit.data.field import Field, weights_of
from rnnkit.errors import ConfigError
from rnnkit.graph.fields import input_as_target, inputs_of, masks_of, target_of
from rnnkit.graph.graph import Graph, Outputs
from rnnkit.losses.base import Output, name_of
from rnnkit.optimizers import Addend, Objective
from rnnkit.training.loss_term import LossTerm

Check = Callable[[str, np.ndarray], None]


class Criterion:
    """All losses of one network, with symbolic variables for their targets and weights.

    Parameters
    ----------
    graph : Graph
    terms : list of LossTerm
        The target of the first one is the network's first target.
    layout : {'time', 'batch'}
    params : list of shared variables
        The parameters that are trained.
    monitors : callable
        ``monitors(output, error, target, weights, loss)`` returns the monitors of the first loss.
    reconstructs : bool
        Whether the first target is the input.
    classes : Classes, optional
        Those of the last layer, whose names the first target may contain.

    Attributes
    ----------
    border : Border
    variables : list of tensors
        The arrays of a batch, in the order of the border.
    names : list of str
        The names by which the losses are reported.

    Raises
    ------
    ConfigError
        If a loss does not fit its output or target.
    """

    def __init__(
        self,
        graph: Graph,
        terms: list[LossTerm],
        layout: str,
        params: list[SharedVariable],
        monitors: Callable[..., dict[str, TensorVariable]],
        reconstructs: bool = False,
        classes: Classes | None = None,
    ):
        self.graph, self.terms, self.params, self.monitors = graph, terms, params, monitors
        self.classes = classes
        self.axes, self.reconstructs = LAYOUTS[layout], reconstructs
        self.inputs = inputs_of(graph, self.axes)
        self.fields: dict[str, Field] = {}
        self.targets: dict[str, TensorVariable] = {}
        self.weights: dict[str, TensorVariable] = {}
        self.names: list[str] = []
        for term in terms:
            self._place(term)
        by_target = [(name, self.weights[name]) for name in self.fields if name in self.weights]
        self.border = Border(
            self.inputs,
            list(self.fields.values()),
            [self._weights_field(name, w.name) for name, w in by_target],
            masks_of(graph, self.axes),
            layout,
            graph.dtype,
        )
        self._check_names()
        own = [self.targets[field.name] for field in self.border.extra]
        weights = [variable for _, variable in by_target]
        self.variables = [*graph.inputs, *own, *weights, *graph.masks.values()]
        self.summed = len(terms) > 1 or terms[0].weight != 1
        self.factors = [self._factor(term) for term in terms] if self.summed else []

    def settle(self) -> None:
        """Connect the weights of the terms to the graph, now that this one is used.

        Only then: a criterion that fails to be built leaves the terms of the network alone.
        """
        for term, factor in zip(self.terms, self.factors, strict=False):
            term.shared = factor

    @property
    def compared(self) -> list[str]:
        """The outputs that losses read."""
        return list(dict.fromkeys(name for term in self.terms for name in term.outputs))

    def objective(self, outputs: Outputs, by_class: bool = False) -> Objective:
        """Return what is minimised, without regularizers, for a graph's outputs.

        Parameters
        ----------
        outputs : dict of str to tensor
        by_class : bool
            Whether first targets weigh as much as `class_weights` say.
        """
        addends: list[Addend] = []
        monitors: dict[str, TensorVariable] = {}
        own: dict[str, TensorVariable] = {}
        for k, term in enumerate(self.terms):
            target, weights = self.targets[term.target], self._weights(term, by_class)
            output, error, total, minimised = self._error(term, outputs, target, weights)
            addends.append(Addend(self.factors[k] * minimised if self.summed else minimised, total))
            if k == 0:
                compared = (target, weights)
                monitors = self.monitors(output, error, target, weights, term.loss)
            else:
                monitors[term.name], own[term.name] = error, total
        return Objective(
            sum((addend.value for addend in addends[1:]), addends[0].value),
            self.params,
            self.variables,
            addends[0].weight,
            monitors,
            own,
            addends,
            compared=compared,
            binary=self.terms[0].loss.binary,
            central=self.terms[0].loss.central,
        )

    def _error(
        self,
        term: LossTerm,
        outputs: Outputs,
        target: TensorVariable,
        weights: TensorVariable | None,
    ) -> tuple[Output, TensorVariable, TensorVariable, TensorVariable]:
        """Return the output, its error and the weight of that; and the error to be minimised.

        They differ where the target is scaled: what is reported is in the units of the target.
        """
        units, loss = self.graph.units, term.loss
        if units is None or term.target != next(iter(self.fields)):
            output = loss.pick(outputs, term.outputs)
            error, total = loss.mean(output, target, weights)
            return output, error, total, error
        ours, scaled = units.of_loss(outputs, term.outputs)
        output = loss.pick(ours, term.outputs)
        error, total = loss.mean(output, target, weights)
        target = units.scaled_target(target)
        minimised, _ = loss.mean(loss.pick(scaled, term.outputs), target, weights)
        return output, error, total, minimised

    def _factor(self, term: LossTerm) -> SharedVariable:
        """Return the weight of a term as a shared variable: a change of it compiles nothing."""
        if term.shared is not None:
            return term.shared
        what = f'weight of {term.name}'
        return pytensor.shared(scalar(what, term.weight, self.graph.dtype), what, shape=())

    @cached_property
    def class_weights(self) -> SharedVariable:
        """The weight of each class of the first target: another value compiles nothing."""
        n = next(iter(self.fields.values())).size
        return pytensor.shared(np.ones(n, self.graph.dtype), 'class weights', shape=(n,))

    def _weights(self, term: LossTerm, by_class: bool) -> TensorVariable | None:
        """Return the weights of the targets: those of samples and of classes, 0 over padding."""
        target = self.targets[term.target]
        weights = self.weights[term.target] if term.weighted else None
        mask = self.graph.masks.get(self.fields[term.target].clock or '')
        if mask is not None and weights is not None:
            weights = _hidden(weights, mask)
        elif mask is not None:
            same = target.ndim == mask.ndim
            weights = mask if same else mask[:, :, None] + pt.zeros_like(target)
        if not by_class or term.target != self.terms[0].target:
            return weights
        fused = kernels.weights_of_classes(self.class_weights, target, weights)
        if fused is not None:
            return fused
        of_class = self.class_weights[target]
        return of_class if weights is None else of_class * weights

    # --- outputs and targets

    def _place(self, term: LossTerm) -> None:
        """Find the outputs, the target and the weights of a term."""
        graph, last = self.graph, self.graph.layers[-1].name
        term.outputs = term.loss.names(last, term.output)
        layer, first = graph.by_name.get(term.layer), term.layer == last and not self.names
        if layer is not None:
            activation = getattr(layer, 'activation', None)
            term.loss.check_activation(layer.form, activation, None if first else term.layer)
        term.loss.pick(graph.outputs, term.outputs)  # raises if it cannot read them
        if term.target is None:
            term.target = next(iter(self.fields), 'x' if self.reconstructs else 'y')
        if graph.units is not None and term.target == next(iter(self.fields), term.target):
            graph.units.check(term.loss, term.outputs, not self.names)
        field = self._field(term)
        if term.target not in self.fields:
            target = self.targets[term.target] = self._variable(term, field)
            self.fields[term.target] = replace(field, by_row=self._by_row(term, target))
        elif _kind(field) != _kind(self.fields[term.target]):
            raise ConfigError(
                f'loss {name_of(term.loss)!r} compares {term.outputs[0]!r} with {_kind(field)}; '
                f'{term.target!r} is {_kind(self.fields[term.target])}. Name a target of its own, '
                f"a further array of each batch: target='...'"
            )
        else:
            shared = self.fields[term.target]
            both = partial(_check_both, shared.check, field.check)
            by_row = shared.by_row or self._by_row(term, self.targets[term.target])
            self.fields[term.target] = replace(shared, check=both, by_row=by_row)
        term.name = self._name(term)
        self.names.append(term.name)
        if term.weighted is None:
            term.weighted = term.target in self.weights
        if term.weighted and term.target not in self.weights:
            name = 'weights' if len(self.fields) == 1 else f'weights_{term.target}'
            shape = self.targets[term.target].type.shape
            self.weights[term.target] = variable(name, graph.dtype, shape)

    def _by_row(self, term: LossTerm, target: TensorVariable) -> bool:
        return term.loss.by_row(term.loss.pick(self.graph.outputs, term.outputs), target)

    def _weights_field(self, target: str, name: str) -> Field:
        """Return the weights of a target as an array of a batch."""
        # A loss without weights reads targets whatever their weight.
        hides = all(term.weighted for term in self.terms if term.target == target)
        return replace(weights_of(self.fields[target], self.graph.dtype, name), hides=hides)

    def _field(self, term: LossTerm) -> Field:
        """Return the target of a term as an array of a batch."""
        if self.reconstructs and term.target == 'x':
            field = input_as_target(self.graph, term.outputs[0], term.loss, self.inputs)
            self.inputs = [replace(field, check=None)]  # has as many steps as the output
            return field
        field = target_of(term.target, self.graph, term.outputs[0], term.loss, self.axes)
        own = not self.fields and term.layer == self.graph.layers[-1].name
        return replace(field, classes=self.classes) if own and field.kind == 'labels' else field

    def _variable(self, term: LossTerm, field: Field) -> TensorVariable:
        """Return the target of a term in the graph."""
        if self.reconstructs and term.target == 'x':
            return self.graph.inputs[0]
        shape = self.graph.outputs[term.outputs[0]].type.shape[: field.ndim]
        if term.loss.n_parts > 1:
            shape = (*shape[:-1], field.size)
        name = term.target if self.fields else 'target'
        return variable(name, field.dtype, shape)

    def _name(self, term: LossTerm) -> str:
        """Return the name of a loss in reports: its form; with its layer, where that is taken."""
        if not self.names:
            return 'err'
        form = name_of(term.loss)
        candidates = [form, f'{form}@{term.layer}']
        candidates += [f'{form}@{term.layer}#{k}' for k in range(2, 3 + len(self.names))]
        return next(name for name in candidates if name not in self.names)

    def _check_names(self) -> None:
        border, own = self.border, list(self.fields)[self.reconstructs :]
        others = [field.name for field in (*self.inputs, *border.weights, *border.masks)]
        for name in own:
            if name in others:
                raise ConfigError(
                    f'target {name!r} has the name of another array of a batch; choose one that is '
                    f'not among {", ".join(others)}'
                )


def _kind(field: Field) -> str:
    """Describe a target: ``'3 classes for each example'``."""
    noun = 'class' if field.kind == 'labels' else 'number'
    plural = '' if field.size == 1 else 'es' if noun == 'class' else 's'
    time = f' for each time step of {field.clock!r}' if field.clock else ' for each example'
    return f'{field.size} {noun}{plural}{time}'


def _check_both(first: Check, second: Check, where: str, array: np.ndarray) -> None:
    first(where, array)
    second(where, array)


def _hidden(weights: TensorVariable, mask: TensorVariable) -> TensorVariable:
    """Return weights (T, B) or (T, B, O) with 0 over padding, by a kernel if there is one."""
    single = weights.ndim == mask.ndim
    rows = weights[:, :, None] if single else weights  # (T, B, 1) or (T, B, O)
    shown = kernels.hide_padding(rows, mask)
    if shown is None:
        return weights * (mask if single else mask[:, :, None])
    return shown[:, :, 0] if single else shown
