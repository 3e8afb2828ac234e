"""What a network computes at each step: its inputs, and its layers in order."""

from typing import NamedTuple

import numpy as np

from rnnkit.common.output_names import MAIN, join, layer_of
from rnnkit.errors import ConfigError
from rnnkit.graph.graph import Graph
from rnnkit.integrations.c.parts import Part, described, part_of
from rnnkit.layers import Embedding, Input, Last, Layer, Max, Mean, Recurrent


class Source(NamedTuple):
    """An input of the network.

    Attributes
    ----------
    name : str
        That of its layer.
    size : int
        The number of features, or of tokens.
    tokens : bool
    moves : bool
        Whether it has a time axis.
    """

    name: str
    size: int
    tokens: bool
    moves: bool


class Table(NamedTuple):
    """An embedding.

    Attributes
    ----------
    layer : Layer
    source : str
        The name of the input that it reads.
    """

    layer: Layer
    source: str


class Steps(NamedTuple):
    """What a network computes at each step.

    Attributes
    ----------
    sources : list of Source
    parts : list of Part or Table
        In an order in which they can be computed.
    same : dict of str to str
        Outputs that are others, by name.
    result : str
        The output of the network.
    width : int
        Its number of features.
    has_time : bool
        Whether there is a time axis.
    answers : bool
        Whether the output has none, and summarizes the steps so far.
    """

    sources: list[Source]
    parts: list[Part | Table]
    same: dict[str, str]
    result: str
    width: int
    has_time: bool
    answers: bool


def steps_of(where: str, graph: Graph) -> Steps:
    """Return what a network computes at each step.

    Raises
    ------
    ConfigError
        If a layer cannot be computed step by step.
    """
    result = join(graph.layers[-1].name)
    needed = _needed(graph, result)
    owners = {layer_of(name) for name in needed}
    layers = [layer for layer in graph.layers if layer.name in owners]
    _check_inputs(where, graph, owners)
    for layer in layers:
        _check(where, graph, layer)
    clock = _clock(where, graph, layers)
    found, same = [], {}
    for layer in layers:
        own = [name for name in needed if layer_of(name) == layer.name]
        if isinstance(layer, Last):
            same[join(layer.name)] = graph.plan.sources[layer.name][0]
        elif isinstance(layer, Embedding):
            found.append(Table(layer, layer_of(graph.plan.sources[layer.name][0])))
        elif not isinstance(layer, Input):
            part = part_of(where, graph, layer, own)
            if not _is_nothing(part, same):
                found.append(part)
    sources = [
        Source(x.name, x.size, x.name in graph.plan.words, graph.plan.clocks[x.name] is not None)
        for x in layers
        if isinstance(x, Input)
    ]
    has_time = clock is not None
    answers = has_time and not graph.has_time(result)
    width = graph.layers[-1].output_size(MAIN)
    return Steps(sources, found, same, result, width, has_time, answers)


def _needed(graph: Graph, result: str) -> list[str]:
    """Return all outputs that the result depends on."""
    needed, waiting, seen = [result], [result], set()
    while waiting:
        layer = layer_of(waiting.pop())
        if layer not in seen:
            seen.add(layer)
            read = graph.plan.reads(layer)
            needed += [name for name in read if name not in needed]
            waiting += read
    return needed


def _is_nothing(part: Part, same: dict[str, str]) -> bool:
    """Return whether outputs are inputs, as those of dropout are; note which."""
    inputs = {k: name for name, k in part.equations.inputs.items()}
    pairs = list(zip(part.results, part.equations.outputs, strict=True))
    if part.states or not all(k in inputs for _, k in pairs):
        return False
    same |= {result: part.inputs[inputs[k]] for result, k in pairs}
    return True


# --- what cannot be computed step by step


def _check_inputs(where: str, graph: Graph, owners: set[str]) -> None:
    unread = [x.name for x in graph.layers if isinstance(x, Input) and x.name not in owners]
    if unread:
        raise ConfigError(
            f'{where}: the output does not depend on input {unread[0]!r}; make a network without it'
        )


def _check(where: str, graph: Graph, layer: Layer) -> None:
    """Raise a ConfigError if a layer cannot be computed step by step."""
    what, why = described(layer), ''
    if layer.starts_time:
        why = 'makes a new time axis'
    elif layer.memory_source:
        why = 'looks at all steps of another sequence'
    elif isinstance(layer, Recurrent) and not layer.causal:
        why = 'runs backward, from the last time step'
    elif not layer.causal and not isinstance(layer, Last | Mean | Max):
        why = 'needs the whole sequence at once'
    elif any(_is_summary(graph, name) for name in graph.plan.starts[layer.name].values()):
        part, source = next(iter(layer.start_sources.items()))
        why = f'starts from what another sequence ends with, {part}_0={source!r}'
    elif layer.state is not None and not isinstance(layer, Recurrent | Last | Mean | Max):
        why = 'has a state whose equations are not those of a cell'
    if why:
        raise ConfigError(f'{where}: {what} {why}; C code reads one time step after the other')
    if not layer.has_time(MAIN) or graph.plan.clocks[layer.name] is None:
        return
    for name in graph.plan.sources[layer.name]:
        if _is_summary(graph, name):
            raise ConfigError(
                f'{where}: {what} reads {name!r}, which depends on the whole sequence; C code '
                f'reads one time step after the other'
            )


def _is_summary(graph: Graph, name: str) -> bool:
    """Return whether an output has no time axis, and depends on one that has."""
    if graph.has_time(name):
        return False
    waiting = [layer_of(name)]
    while waiting:
        layer = waiting.pop()
        if graph.plan.clocks[layer] is not None:
            return True
        waiting += map(layer_of, graph.plan.sources[layer])
    return False


def _clock(where: str, graph: Graph, layers: list[Layer]) -> str | None:
    """Return the time axis of the layers, or None if they have none."""
    clocks = dict.fromkeys(graph.plan.clocks[layer.name] for layer in layers)
    clocks = [clock for clock in clocks if clock is not None]
    if len(clocks) > 1:
        raise ConfigError(
            f'{where}: inputs {" and ".join(map(repr, clocks))} have time axes of their own; C '
            f'code reads all sequences side by side, step by step'
        )
    return clocks[0] if clocks else None


def check_values(where: str, graph: Graph, dtype: str) -> None:
    """Raise a ConfigError if a parameter is not a number in `dtype`."""
    for layer in graph.layers:
        for param in layer.params.values():
            value = param.get_value(borrow=True)
            if not np.isfinite(value).all():
                raise ConfigError(f'{where}: parameter {param.name!r} contains NaN or infinity')
            with np.errstate(over='ignore'):
                fits = np.isfinite(value.astype(dtype)).all()
            if not fits:
                raise ConfigError(
                    f'{where}: parameter {param.name!r} has numbers that do not fit {dtype}; '
                    f"dtype='float64' computes with doubles"
                )
