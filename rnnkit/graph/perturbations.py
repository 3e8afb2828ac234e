"""What `train` can do to a network besides its loss: noise, dropout, and a limit of weights."""

from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.graph.replace import clone_replace
from pytensor.tensor import TensorVariable

from rnnkit.common.registry import glob
from rnnkit.errors import ConfigError
from rnnkit.graph.graph import Graph, Outputs
from rnnkit.noise import Noise
from rnnkit.regularizers import regularizers

PLACES = ('input', 'hidden', 'output')
ON_OUTPUTS = ('noise', 'dropout')
ON_WEIGHTS = ('weight_noise', 'max_norm')
WORDS = [
    *(f'{place}_{kind}' for kind in ON_OUTPUTS for place in PLACES),
    *ON_OUTPUTS,
    *ON_WEIGHTS,
]


class Target(NamedTuple):
    """What is done, ``'noise'``, ``'dropout'``, ..., and the output or parameter it is done to."""

    kind: str
    name: str


def read(graph: Graph, compared: list[str], given: Mapping[str, Any]) -> dict[Target, float]:
    """Find out what the keywords of a training are about.

    Parameters
    ----------
    graph : Graph
    compared : list of str
        The outputs that the loss compares with the target.
    given : dict
        Of `WORDS` and values.

    Returns
    -------
    amounts : dict of Target to float
        Rates, deviations and limits.

    Raises
    ------
    ConfigError
        If a value makes no sense, a pattern matches nothing, or two words are about the same.
    """
    owners: dict[Target, str] = {}
    amounts: dict[Target, float] = {}
    for word, value in given.items():
        for target, amount in _targets(graph, compared, word, value).items():
            if target in owners:
                raise ConfigError(
                    f'both {owners[target]} and {word} are about {target.name!r}; leave one out'
                )
            owners[target], amounts[target] = word, amount
    return amounts


def _targets(graph: Graph, compared: list[str], word: str, value: Any) -> dict[Target, float]:
    """Return what one keyword is about."""
    place, _, kind = word.rpartition('_')
    if place in PLACES:
        names = _names_at(graph, compared, word, place)
        return dict.fromkeys([Target(kind, name) for name in names], _amount(word, kind, value))
    if word in ON_OUTPUTS:
        names = usable(graph, compared)
        if not isinstance(value, Mapping):
            raise ConfigError(
                f"{word} is a dict of patterns and numbers, such as {{'hid1': 0.2}}; got "
                f'{value!r}. For all hidden layers there is hidden_{word}=0.2'
            )
    else:
        names = [p.name for layer in graph.layers for p in layer.params.values() if p.ndim > 1]
        if not isinstance(value, Mapping):
            value = {'*': _amount(word, word, value)}
    found: dict[Target, float] = {}
    for pattern, amount in value.items():
        full = pattern
        if word in ON_OUTPUTS and isinstance(pattern, str) and ':' not in pattern:
            full = f'{pattern}:out'
        amount = _amount(f'{word}, {pattern!r}', word, amount)
        for name in glob(f'{word}: pattern', full, names):
            if Target(word, name) in found:
                raise ConfigError(f'{word}: two patterns match {name!r}; leave one out')
            found[Target(word, name)] = amount
    return found


def usable(graph: Graph, compared: list[str]) -> list[str]:
    """Return the main outputs that make a difference, and are numbers that can be changed."""
    read_by = [*graph.plan.sources.values(), *(s.values() for s in graph.plan.starts.values())]
    used = {name for names in read_by for name in names} | set(compared)
    names = [f'{layer.name}:out' for layer in graph.layers if layer.name not in graph.plan.words]
    return [name for name in names if name in used]


def _names_at(graph: Graph, compared: list[str], word: str, place: str) -> list[str]:
    """Return the usable outputs of the input, the hidden or the output layers."""
    last = graph.layers[-1].name
    inputs = [x.name for x in graph.inputs]
    there = {
        'input': inputs,
        'output': [last],
        'hidden': [one.name for one in graph.layers if one.name not in (*inputs, last)],
    }[place]
    known = usable(graph, compared)
    names = [name for name in known if name.partition(':')[0] in there]
    if not names:
        why = ''
        if place == 'input' and graph.plan.words:
            why = 'the inputs are numbers of words; '
        if place == 'output':
            why = f'the loss compares {", ".join(map(repr, compared))}; '
        raise ConfigError(
            f'{word}: this network has no {place} layer that it could act on; {why}there is '
            f'{", ".join(known) or "nothing"}'
        )
    return names


def _amount(where: str, kind: str, value: Any) -> float:
    """Return a rate, a deviation or a limit, checked."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    if kind == 'dropout':
        ok, what = number and 0 <= value < 1, 'a probability from 0 to below 1'
    elif kind == 'max_norm':
        ok, what = number and 0 < value < np.inf, 'a number above 0'
    else:
        ok, what = number and 0 <= value < np.inf, 'a number of at least 0'
    if not ok:
        raise ConfigError(f'{where} is {what}; got {value!r}')
    return float(value)


class Disturbance:
    """What a training does to one network; its amounts can be changed at any time.

    Parameters
    ----------
    graph : Graph
    targets : iterable of Target

    Attributes
    ----------
    amounts : dict of Target to shared scalar
    """

    def __init__(self, graph: Graph, targets: Any):
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
            self.amounts[target].set_value(np.asarray(amount, self.graph.dtype))

    def outputs(self, noise: Noise, **start: Any) -> Outputs:
        """Return the outputs of the graph in training; `start` is for `Graph.again`."""
        found = self.graph.again(
            noise=noise, noisy=lambda name, x: self._noisy(noise, name, x), **start
        )
        stds = {t.name: std for t, std in self.amounts.items() if t.kind == 'weight_noise'}
        if not stds:
            return found
        params = {p.name: p for layer in self.graph.layers for p in layer.params.values()}
        noisy = {params[n]: params[n] + std * noise.normal(params[n]) for n, std in stds.items()}
        return dict(zip(found, clone_replace(list(found.values()), noisy), strict=True))

    def _noisy(self, noise: Noise, name: str, x: TensorVariable) -> TensorVariable:
        """Return an output with what is asked for; padding keeps its value."""
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
    return [*regularizers, *WORDS]
