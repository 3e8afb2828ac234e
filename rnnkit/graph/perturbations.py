"""Noise, dropout and limits of weights: what `train` can do to a network besides training it."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.graph.replace import clone_replace
from pytensor.tensor import TensorVariable

from rnnkit.common.checks import probability, real, scalar
from rnnkit.common.output_names import full, join, layer_of
from rnnkit.common.registry import glob
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError
from rnnkit.graph.graph import Graph, Outputs
from rnnkit.noise import Noise
from rnnkit.regularizers import regularizers


class Perturbation(NamedTuple):
    """The meaning of a keyword.

    Attributes
    ----------
    kind : {'noise', 'dropout', 'weight_noise', 'max_norm'}
        What is done.
    place : {'input', 'hidden', 'output', 'outputs', 'weights'}
        Where: to the outputs of the input layers, of the hidden layers, or of the last layer, all
        by the same amount; or to those outputs or weight matrices that a dict of patterns names.
    description : str
    """

    kind: str
    place: str
    description: str


PERTURBATIONS = {
    'input_noise': Perturbation('noise', 'input', 'Gaussian noise on all inputs'),
    'hidden_noise': Perturbation('noise', 'hidden', 'Gaussian noise on all hidden layers'),
    'output_noise': Perturbation('noise', 'output', 'Gaussian noise on the last layer'),
    'input_dropout': Perturbation('dropout', 'input', 'dropout of all inputs'),
    'hidden_dropout': Perturbation('dropout', 'hidden', 'dropout of all hidden layers'),
    'output_dropout': Perturbation('dropout', 'output', 'dropout of the last layer'),
    'noise': Perturbation('noise', 'outputs', 'Gaussian noise by pattern of outputs'),
    'dropout': Perturbation('dropout', 'outputs', 'dropout by pattern of outputs'),
    'weight_noise': Perturbation('weight_noise', 'weights', 'Gaussian noise on weight matrices'),
    'max_norm': Perturbation('max_norm', 'weights', 'the largest norm of a column of weights'),
}
WORDS = list(PERTURBATIONS)

# What the number after a keyword must be: a standard deviation, a rate, or a limit.
AMOUNTS: dict[str, Callable[[str, object], float]] = {
    'noise': partial(real, least=0),
    'dropout': probability,
    'weight_noise': partial(real, least=0),
    'max_norm': partial(real, above=0),
}


class Target(NamedTuple):
    """A kind of perturbation, and the output or parameter that it is applied to."""

    kind: str
    name: str


def read(graph: Graph, compared: list[str], keywords: Mapping[str, object]) -> dict[Target, float]:
    """Return the targets and amounts that the keywords of a training ask for.

    Parameters
    ----------
    graph : Graph
    compared : list of str
        The outputs that the loss compares with the target.
    keywords : dict
        Keywords of `PERTURBATIONS`, with their values.

    Returns
    -------
    amounts : dict of Target to float
        Rates, standard deviations and limits.

    Raises
    ------
    ConfigError
        If a value makes no sense, a pattern matches nothing, or two keywords have the same target.
    """
    owners: dict[Target, str] = {}
    amounts: dict[Target, float] = {}
    for keyword, value in keywords.items():
        for target, amount in _targets(graph, compared, keyword, value).items():
            if target in owners:
                raise ConfigError(
                    f'both {owners[target]} and {keyword} are about {target.name!r}; leave one out'
                )
            owners[target], amounts[target] = keyword, amount
    return amounts


def _targets(graph: Graph, compared: list[str], keyword: str, value: object) -> dict[Target, float]:
    """Return the targets and amounts that one keyword asks for."""
    kind, place, _ = PERTURBATIONS[keyword]
    check = AMOUNTS[kind]
    if place in ('input', 'hidden', 'output'):
        names = _names_at(graph, compared, keyword, place)
        return dict.fromkeys([Target(kind, name) for name in names], check(keyword, value))
    if place == 'outputs':
        names = usable(graph, compared)
        if not isinstance(value, Mapping):
            raise ConfigError(
                f"{keyword} must be a dict of patterns and numbers, such as {{'hid1': 0.2}}; got "
                f'{brief(value)}. For all hidden layers there is hidden_{keyword}=0.2'
            )
    else:
        names = [p.name for layer in graph.layers for p in layer.params.values() if p.ndim > 1]
        if not isinstance(value, Mapping):
            value = {'*': check(keyword, value)}
    amounts: dict[Target, float] = {}
    for pattern, amount in value.items():
        of_output = place == 'outputs' and isinstance(pattern, str)
        amount = check(f'{keyword}, {pattern!r}', amount)
        for name in glob(f'{keyword}: pattern', full(pattern) if of_output else pattern, names):
            if Target(kind, name) in amounts:
                raise ConfigError(f'{keyword}: two patterns match {name!r}; leave one out')
            amounts[Target(kind, name)] = amount
    return amounts


def usable(graph: Graph, compared: list[str]) -> list[str]:
    """Return the main outputs that make a difference, and are numbers that can be changed.

    What is read by an option alone, such as the time since the last step, is not among them.
    """
    plan = graph.plan
    read_by = [plan.inputs(reader) for reader in plan.sources]
    read_by += [list(starts.values()) for starts in plan.starts.values()]
    read_by.append(list(plan.memories.values()))
    used = {name for names in read_by for name in names} | set(compared)
    names = [join(layer.name) for layer in graph.layers if layer.name not in graph.plan.words]
    return [name for name in names if name in used]


def _names_at(graph: Graph, compared: list[str], keyword: str, place: str) -> list[str]:
    """Return the usable outputs of the input, the hidden or the output layers."""
    last = graph.layers[-1].name
    inputs = [x.name for x in graph.inputs]
    layers = {
        'input': inputs,
        'output': [last],
        'hidden': [
            layer.name
            for layer in graph.layers
            if layer.name not in (*inputs, last) and not layer.belongs_to_input
        ],
    }[place]
    outputs = usable(graph, compared)
    names = [name for name in outputs if layer_of(name) in layers]
    if not names:
        why = ''
        if place == 'input' and graph.plan.words:
            why = 'the inputs are tokens; '
        if place == 'output':
            why = f'the loss compares {", ".join(map(repr, compared))}; '
        raise ConfigError(
            f'{keyword}: this network has no {place} layer that it could act on; {why}there is '
            f'{", ".join(outputs) or "nothing"}'
        )
    return names


class Disturbance:
    """The perturbations of one network in training; their amounts can be changed at any time.

    Parameters
    ----------
    graph : Graph
    targets : iterable of Target

    Attributes
    ----------
    amounts : dict of Target to shared scalar
    """

    def __init__(self, graph: Graph, targets: Iterable[Target]):
        self.graph = graph
        zero = np.zeros((), graph.dtype)
        self.amounts = {t: pytensor.shared(zero, '.'.join(t), shape=()) for t in targets}

    @property
    def random(self) -> bool:
        """Whether it needs random numbers."""
        return any(target.kind != 'max_norm' for target in self.amounts)

    def set(self, amounts: Mapping[Target, float]) -> None:
        """Give the amounts their values."""
        for target, amount in amounts.items():
            what = f'{target.kind} of {target.name}'
            self.amounts[target].set_value(scalar(what, amount, self.graph.dtype))

    def outputs(self, noise: Noise, **start: Any) -> Outputs:
        """Return the outputs of the graph in training; `start` is passed to `Graph.again`."""
        outputs = self.graph.again(
            noise=noise, noisy=lambda name, x: self._noisy(noise, name, x), **start
        )
        stds = {t.name: std for t, std in self.amounts.items() if t.kind == 'weight_noise'}
        if not stds:
            return outputs
        params = {p.name: p for layer in self.graph.layers for p in layer.params.values()}
        noisy = {
            params[n]: params[n] + std * noise.normal(params[n], examples=False)
            for n, std in stds.items()
        }
        return dict(zip(outputs, clone_replace(list(outputs.values()), noisy), strict=True))

    def _noisy(self, noise: Noise, name: str, x: TensorVariable) -> TensorVariable:
        """Return an output with noise or dropout, if it has any; padding keeps its value."""
        std = self.amounts.get(Target('noise', name))
        if std is not None:
            mask = self.graph.mask_of(name)
            x = x + noise.normal(x) * (std if mask is None else std * mask[:, :, None])
        rate = self.amounts.get(Target('dropout', name))
        return x if rate is None else noise.drop(x, rate)

    def limits(self) -> dict[str, Callable[[TensorVariable], TensorVariable]]:
        """Return, by name, functions that make new values of parameters fit the limits."""
        return {
            t.name: lambda w, limit=limit: limited(w, limit)
            for t, limit in self.amounts.items()
            if t.kind == 'max_norm'
        }


def limited(w: TensorVariable, limit: TensorVariable) -> TensorVariable:
    """Return a matrix whose columns are scaled down to the norm `limit`, where they are longer."""
    norms = pt.sqrt(pt.sqr(w).sum(axis=0, keepdims=True))
    return w * (limit / pt.maximum(norms, limit))


def term_names() -> list[str]:
    """Return the keywords of a training that are regularizers, noise and so on."""
    return [*regularizers, *PERTURBATIONS]
