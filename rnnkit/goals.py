"""The losses of a network: what each one compares, and their sum, which is minimised."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import losses
from rnnkit.border import LAYOUTS, Border
from rnnkit.errors import ConfigError
from rnnkit.fields import Field, input_as_target, inputs_of, masks_of, target_of, weights_of
from rnnkit.graph import Graph, Outputs
from rnnkit.losses import Loss
from rnnkit.optimizers import Objective
from rnnkit.options import number
from rnnkit.registry import reject_unknown

WORDS = ('weight', 'output', 'target', 'weighted')


class Goal:
    """One loss in a network.

    Parameters
    ----------
    loss : Loss
    weight : float
    output : str, optional
        What is compared, if it is not what the loss compares by default.
    target : str, optional
        The array that it is compared with, if it is not the first target.
    weighted : bool, optional
        Whether there are weights of targets; by default what the loss before it for the same
        target has.

    Attributes
    ----------
    name : str
        What it is reported as.
    outputs : tuple of str
        The outputs that the loss reads, ``'hid1:out'``; the first has the shape of the target.
    """

    name: str
    outputs: tuple[str, ...]

    def __init__(
        self, loss: Loss, weight: float = 1.0, output: str | None = None,
        target: str | None = None, weighted: bool | None = None,
    ):  # fmt: skip
        self.loss, self.output, self.target, self.weighted = loss, output, target, weighted
        self._weight = float(weight)
        self.shared: Any = None  # its weight in a graph, once it has a place there

    @property
    def weight(self) -> float:
        """How much it counts; a change compiles nothing anew.

        Raises
        ------
        ConfigError
            If it is set to what is no number of at least 0, or is the only loss: see `set_loss`.
        """
        return self._weight

    @weight.setter
    def weight(self, value: float) -> None:
        number('the weight of a loss', value, Real, 0)
        if self.shared is None:
            raise ConfigError(
                'the weight of an only loss is 1 and stays so; net.set_loss(..., weight=...) '
                'makes one that has a weight'
            )
        self._weight = float(value)
        self.shared.set_value(np.asarray(value, self.shared.dtype))

    @property
    def layer(self) -> str:
        """The layer that is compared."""
        return self.outputs[0].partition(':')[0]

    @property
    def predicted(self) -> str:
        """The output that scores compare with the target."""
        argument = self.outputs[0].endswith(':pre') and self.loss.outputs[0] == 'pre'
        return f'{self.layer}:out' if argument else self.outputs[0]

    def to_spec(self) -> dict[str, Any]:
        """Return the keywords, fit for JSON, that make an equal one."""
        return {'loss': self.loss.to_spec(), **{word: getattr(self, word) for word in WORDS}}

    def __repr__(self) -> str:
        compared = ', '.join(self.outputs)
        return f'<{self.weight:g} {self.loss.form or type(self.loss).__name__} of {compared}>'


def read_goal(where: str, loss: Any, given: dict[str, Any]) -> Goal:
    """Return the goal that a call asks for.

    Parameters
    ----------
    where : str
    loss : str, dict or Loss
        As `rnnkit.losses.build` takes it; a dict may have `WORDS` in it.
    given : dict
        Of `WORDS`, where they are not None, and of options of the loss.

    Raises
    ------
    ConfigError
    """
    given = {name: value for name, value in given.items() if value is not None}
    if isinstance(loss, dict):
        if 'weight' in loss and isinstance(weight := given.get('weight'), float) and weight == 1:
            del given['weight']  # the default
        twice = [word for word in given if word in loss]
        if twice:
            raise ConfigError(f'{where}: {twice[0]} is there twice, in the dict and beside it')
        given |= {word: loss[word] for word in ('output_name', *WORDS) if word in loss}
        loss = {word: value for word, value in loss.items() if word not in given}
    words = {word: given.pop(word) for word in WORDS if word in given}
    form = loss.get('form') if isinstance(loss, dict) else loss
    if given and isinstance(form, str):
        reject_unknown(where, given, [*losses.losses[form].options, *WORDS])
        loss = {**(loss if isinstance(loss, dict) else {'form': loss}), **given}
    elif given:
        raise ConfigError(
            f'{where}: {min(given)} is an option of a loss that is given by its name; got {loss!r}'
        )
    loss = losses.build(loss)
    number(f'{where}: weight', words.get('weight', 1.0), Real, 0)
    for word in ('output', 'target'):
        value = words.get(word, 'x')
        if not isinstance(value, str) or not value:
            what = "an output, such as 'hid1'" if word == 'output' else 'an array of each batch'
            raise ConfigError(f'{where}: {word} is the name of {what}; got {value!r}')
    if not isinstance(words.get('weighted', True), bool | np.bool_):
        raise ConfigError(f'{where}: weighted is True or False; got {words["weighted"]!r}')
    if 'weighted' in words:
        words['weighted'] = bool(words['weighted'])
    return Goal(loss, **words)


class Goals:
    """All losses of one network, and the variables for what they compare outputs with.

    Parameters
    ----------
    graph : Graph
    goals : list of Goal
        The first one compares with the network's first target.
    layout : {'time', 'batch'}
    params : list of shared variables
        What is learned.
    monitors : callable
        ``monitors(output, error, target, weights)`` makes what is reported of the first loss.
    reconstructs : bool
        Whether the first target is the input.

    Attributes
    ----------
    border : Border
    variables : list of tensors
        All that a batch provides, in the order of the border.
    names : list of str
        What the losses are reported as.

    Raises
    ------
    ConfigError
        If a loss does not fit what it compares.
    """

    def __init__(
        self, graph: Graph, goals: list[Goal], layout: str, params: list[Any],
        monitors: Callable[..., dict[str, TensorVariable]], reconstructs: bool = False,
    ):  # fmt: skip
        self.graph, self.goals, self.params, self.monitors = graph, goals, params, monitors
        self.axes, self.reconstructs = LAYOUTS[layout], reconstructs
        self.inputs = inputs_of(graph, self.axes)
        self.fields: dict[str, Field] = {}
        self.targets: dict[str, TensorVariable] = {}
        self.weights: dict[str, TensorVariable] = {}
        self.names: list[str] = []
        for goal in goals:
            self._place(goal)
        by_target = [(name, self.weights[name]) for name in self.fields if name in self.weights]
        weights = [weights_of(self.fields[name], graph.dtype, variable.name)
                   for name, variable in by_target]  # fmt: skip
        args = (weights, masks_of(graph, self.axes), layout, graph.dtype)
        self.border = Border(self.inputs, list(self.fields.values()), *args)
        self._check_names()
        own = [self.targets[field.name] for field in self.border.extra]
        weights = [variable for _, variable in by_target]
        self.variables = [*graph.inputs, *own, *weights, *graph.masks.values()]
        self.summed = len(goals) > 1 or goals[0].weight != 1
        self.factors = [self._factor(goal) for goal in goals] if self.summed else []

    def settle(self) -> None:
        """Let the weights of the goals be changed, now that this is what is trained."""
        for goal, factor in zip(self.goals, self.factors, strict=False):
            goal.shared = factor

    @property
    def compared(self) -> list[str]:
        """The outputs that losses read."""
        return list(dict.fromkeys(name for goal in self.goals for name in goal.outputs))

    def objective(self, outputs: Outputs) -> Objective:
        """Return what is minimised, without regularizers, for a graph's outputs."""
        errors, weight, monitors = [], None, {}
        for goal in self.goals:
            output = goal.loss.pick(outputs, goal.outputs)
            target, weights = self.targets[goal.target], self._weights(goal)
            error, total = goal.loss.mean(output, target, weights)
            errors.append(error)
            if weight is None:  # the first one
                weight, compared = total, (target, weights)
                monitors = self.monitors(output, error, target, weights)
            else:
                monitors[goal.name] = error
        loss = errors[0]
        if self.summed:
            parts = [factor * error for factor, error in zip(self.factors, errors, strict=True)]
            loss = sum(parts[1:], parts[0])
        return Objective(loss, self.params, self.variables, weight, monitors, compared=compared)

    def _factor(self, goal: Goal) -> Any:
        """Return the weight of a goal as a shared variable."""
        if goal.shared is not None:
            return goal.shared
        value = np.asarray(goal.weight, self.graph.dtype)
        return pytensor.shared(value, f'weight of {goal.name}', shape=())

    def _weights(self, goal: Goal) -> TensorVariable | None:
        """Return the weight of each target: 0 over padding."""
        target = self.targets[goal.target]
        weights = self.weights[goal.target] if goal.weighted else None
        mask = self.graph.masks.get(self.fields[goal.target].clock or '')
        if mask is None:
            return weights
        if target.ndim > mask.ndim:
            mask = mask[:, :, None]
        return mask + pt.zeros_like(target) if weights is None else weights * mask

    # --- what is compared with what

    def _place(self, goal: Goal) -> None:
        """Find out what a goal compares with what; note its target and weights."""
        graph, last = self.graph, self.graph.layers[-1].name
        goal.outputs = goal.loss.names(last, goal.output)
        layer, first = graph.by_name.get(goal.layer), goal.layer == last and not self.names
        if layer is not None:
            given = getattr(layer, 'activation', None)
            goal.loss.check_activation(layer.form, given, None if first else goal.layer)
        goal.loss.pick(graph.outputs, goal.outputs)  # raises if it cannot read them
        if goal.target is None:
            goal.target = next(iter(self.fields), 'x' if self.reconstructs else 'y')
        field = self._field(goal)
        if goal.target not in self.fields:
            self.targets[goal.target] = self._variable(goal, field)
            self.fields[goal.target] = field
        elif _kind(field) != _kind(self.fields[goal.target]):
            raise ConfigError(
                f'loss {goal.loss.form!r} compares {goal.outputs[0]!r} with {_kind(field)}; '
                f'{goal.target!r} is {_kind(self.fields[goal.target])}. Name a target of its own, '
                f"an array of each batch: target='...'"
            )
        else:
            known = self.fields[goal.target]
            both = partial(_check_both, known.check, field.check)
            self.fields[goal.target] = replace(known, check=both)
        goal.name = self._name(goal)
        self.names.append(goal.name)
        if goal.weighted is None:
            goal.weighted = goal.target in self.weights
        if goal.weighted and goal.target not in self.weights:
            name = 'weights' if len(self.fields) == 1 else f'weights_{goal.target}'
            shape = self.targets[goal.target].type.shape
            self.weights[goal.target] = pt.tensor(name, dtype=graph.dtype, shape=shape)

    def _field(self, goal: Goal) -> Field:
        """Return the target of a goal as an array of a batch."""
        if self.reconstructs and goal.target == 'x':
            field = input_as_target(self.graph, goal.outputs[0], goal.loss, self.inputs)
            self.inputs = [replace(field, check=None)]  # with as many steps as the output
            return field
        return target_of(goal.target, self.graph, goal.outputs[0], goal.loss, self.axes)

    def _variable(self, goal: Goal, field: Field) -> TensorVariable:
        """Return the target of a goal in the graph."""
        if self.reconstructs and goal.target == 'x':
            return self.graph.inputs[0]
        shape = self.graph.outputs[goal.outputs[0]].type.shape[: field.ndim]
        name = goal.target if self.fields else 'target'
        return pt.tensor(name, dtype=field.dtype, shape=shape)

    def _name(self, goal: Goal) -> str:
        """Return what a loss is reported as: its form; with its layer, where that is taken."""
        if not self.names:
            return 'err'
        form = goal.loss.form or type(goal.loss).__name__
        known = [form, f'{form}@{goal.layer}']
        known += [f'{form}@{goal.layer}#{k}' for k in range(2, 3 + len(self.names))]
        return next(name for name in known if name not in self.names)

    def _check_names(self) -> None:
        border, own = self.border, list(self.fields)[self.reconstructs :]
        others = [field.name for field in (*self.inputs, *border.weights, *border.masks)]
        for name in own:
            if name in others:
                raise ConfigError(
                    f'target {name!r} has the name of another array of a batch; there are '
                    f'{", ".join(others)}'
                )


def add_loss(
    net: Any, loss: Any, weight: float = 1.0, output: str | None = None,
    target: str | None = None, weighted: bool | None = None, **options: Any,
) -> None:  # fmt: skip
    """Add a loss: what is minimised is the sum of all, each times its weight.

    Parameters and history stay; what trains and predicts is compiled anew.

    Parameters
    ----------
    loss : str, dict or Loss
        As for the network: ``'mae'``, ``dict(form='huber', delta=0.5)``; a dict may also have
        the keywords below in it.
    weight : float
        How much it counts. ``net.losses[k].weight = 0.1`` changes it, and compiles nothing.
    output : str, optional
        What it compares, ``'hid1'`` or ``'hid1:out'``; by default the last layer.
    target : str, optional
        The name of a further array of each batch, that it compares with; those come after the
        first target, in the order of the losses. By default the first target, which must be
        of the same kind and shape.
    weighted : bool, optional
        Whether there are weights of the targets. By default as for the loss before it with
        the same target, and for a new target none.
    **options
        Those of the loss.

    Raises
    ------
    ConfigError
        If there is no such loss or output, or its targets are not like those that it shares.
    """
    given = {'weight': weight, 'output': output, 'target': target, 'weighted': weighted}
    net._aim([*net.losses, read_goal('add_loss()', loss, given | options)])


def set_loss(
    net: Any, loss: Any, weight: float = 1.0, output: str | None = None,
    weighted: bool | None = None, **options: Any,
) -> None:  # fmt: skip
    """Replace all losses by this one; its target is the first one of each batch.

    Parameters
    ----------
    loss, weight, output, **options
        As in `add_loss`.
    weighted : bool, optional
        Whether there are weights of the targets; by default as for the first loss so far.

    Raises
    ------
    ConfigError
        Likewise; or if the targets of a loss are not those of this kind of network.
    """
    given = {'weight': weight, 'output': output, 'weighted': weighted}
    goal = read_goal('set_loss()', loss, given | options)
    if goal.target is not None:
        raise ConfigError(
            f'set_loss(): the first loss has no target of another name; got {goal.target!r}'
        )
    if goal.weighted is None:
        goal.weighted = net.weighted
    net._aim([goal])


def _kind(field: Field) -> str:
    """Say what a target is like."""
    what = 'class' if field.kind == 'labels' else 'number'
    many = '' if field.size == 1 else 'es' if what == 'class' else 's'
    time = f' for each time step of {field.clock!r}' if field.clock else ' for each example'
    return f'{field.size} {what}{many}{time}'


def _check_both(one: Callable, other: Callable, where: str, array: np.ndarray) -> None:
    one(where, array)
    other(where, array)
