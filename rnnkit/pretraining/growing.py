"""Supervised layerwise training: the network grows by a layer from stage to stage."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from rnnkit.common.output_names import MAIN, join, layer_of
from rnnkit.errors import ConfigError
from rnnkit.layers import Input, Layer, Tied
from rnnkit.models.network import Network
from rnnkit.pretraining.settings import Settings
from rnnkit.pretraining.stages import Stage, Staged, like, rebuilt
from rnnkit.training.ways import ways


@ways.add('layerwise', 'supervised')
def layerwise(
    where: str, net: Network, train: object, valid: object, given: Mapping[str, object]
) -> Staged:
    """Return a trainer for a network that grows by a hidden layer from stage to stage.

    The first stage consists of the first hidden layer and an output layer like the network's. Each
    further stage adds a hidden layer and has a new output layer; the other parameters start from
    the values of the stage before. The last stage is the network itself. As in theanets, all
    layers of a stage are trained; in the paper, layers of earlier stages are frozen.

    Parameters
    ----------
    where : str
        The call, for messages.
    net : Network
    train, valid
        Data, as in `Network.train`.
    given : dict
        ``subalgo``, and keywords for each stage.

    Raises
    ------
    ConfigError
        If no hidden layer has weights, or no stage can end before the last layer.

    References
    ----------
    Bengio, Lamblin, Popovici & Larochelle 2007, NeurIPS 19.
    """
    settings = Settings(where, net, 'layerwise', given)
    if len(net.losses) > 1:
        raise ConfigError(
            f"{where}: algo 'layerwise' trains with a single loss; this network has "
            f'{len(net.losses)}; add the others after it, by add_loss'
        )
    try:
        ends = ends_of(net)
    except ConfigError as error:
        raise ConfigError(f'{where}: {error}') from None
    stages, before = [], 0
    for number, (names, (end, head)) in enumerate(ends.items()):
        name = '+'.join(names[before:])
        before = len(names)
        if number == len(ends) - 1:
            stages.append(Stage(name, net, []))
        else:
            stages.append(_stage(name, net, end, head, settings.seed(number)))
    return Staged(settings, net, stages, train, valid)


def has_weights(layer: Layer) -> bool:
    """Return whether any parameter of a layer is a matrix."""
    return any(p.ndim > 1 for p in layer.params.values())


def ends_of(net: Network) -> dict[tuple[str, ...], tuple[int, list[Layer]]]:
    """Return the places at which a stage can end.

    Returns
    -------
    ends : dict of tuple of str to (int, list of Layer)
        For each place, by the names of the hidden layers with weights up to there: the index of
        the last layer of the stage, and the later layers that it needs as well, so that the
        output has the axes of the target.

    Raises
    ------
    ConfigError
        If no hidden layer has weights; or there are several, but no place between them.
    """
    layers, ends, reasons = net.layers, {}, []
    hidden = [k for k, layer in enumerate(layers[:-1]) if has_weights(layer)]
    if not hidden:
        raise ConfigError("algo 'layerwise' trains hidden layers, but none of them has weights")
    for k in range(hidden[0], hidden[-1]):
        try:
            # Layers without weights belong to the stage of the layers before them.
            ends[tuple(layers[j].name for j in hidden if j <= k)] = (k, _head(net, k))
        except ConfigError as error:
            reasons.append(error)
    if not ends and reasons:
        raise ConfigError(
            f"algo 'layerwise' finds no place where a first stage could end: {reasons[0]}"
        )
    ends[tuple(layers[j].name for j in hidden)] = (len(layers) - 1, [])
    return ends


def _head(net: Network, k: int) -> list[Layer]:
    """Return the layers after layer `k` that a stage ending there needs.

    Raises
    ------
    ConfigError
        If such a stage is not possible. The message names a layer.
    """
    layers, plan = net.layers, net._graph.plan
    waist, after, last = _waist(net, k), layers[k + 1 :], layers[-1]
    own = {layer.name for layer in layers[: k + 1]}
    stay = [x for x in after[:-1] if _moves(x) or (isinstance(x, Tied) and x.mate.name in own)]
    if isinstance(last, Tied) and last.mate.name not in own:
        raise ConfigError(f'layer {last.name!r} is tied to {last.mate.name!r}, which comes later')
    weighted = next((layer for layer in stay if has_weights(layer)), None)
    if weighted is not None:
        raise ConfigError(
            f'layer {weighted.name!r} ({weighted.form}) comes later; it changes the time steps, '
            f'and has weights'
        )
    if stay:
        for before, layer in pairwise(after):
            read = {layer_of(name) for name in _read(net, layer)}
            if read != {before.name}:
                raise ConfigError(
                    f'layer {layer.name!r} reads {", ".join(sorted(read))}, not just the layer '
                    f'before it; layers after a stage must form a chain, because of '
                    f'{stay[0].name!r}'
                )
    elif plan.clock_of(waist, net._graph.by_name) not in _clocks(net, last):
        raise ConfigError(f'{waist!r} has another time axis than the input of {last.name!r}')
    return [*stay, last]


def _waist(net: Network, k: int) -> str:
    """Return the single output of the layers up to `k` that later layers read."""
    own = {layer.name for layer in net.layers[: k + 1]}
    readers: dict[str, str] = {}
    for layer in net.layers[k + 1 :]:
        if isinstance(layer, Input):
            raise ConfigError(f'layer {layer.name!r}, an input, comes later')
        for name in _read(net, layer):
            if layer_of(name) in own:
                readers.setdefault(name, layer.name)
    for name in net._train_steps.criterion.compared:
        if layer_of(name) != net.layers[-1].name:
            raise ConfigError(f'the loss reads {name!r}, which is not an output of the last layer')
    if len(readers) != 1:
        listed = ' and '.join(f'{name!r} by {reader!r}' for name, reader in readers.items())
        raise ConfigError(f'later layers read more than one output: {listed}')
    return next(iter(readers))


def _read(net: Network, layer: Layer) -> list[str]:
    """Return all outputs that a layer reads."""
    return net._graph.plan.reads(layer.name)


def _clocks(net: Network, layer: Layer) -> set[str | None]:
    plan = net._graph.plan
    return {plan.clock_of(name, net._graph.by_name) for name in plan.sources[layer.name]}


def _moves(layer: Layer) -> bool:
    """Return whether the outputs of a layer have other time steps than its inputs."""
    return layer.starts_time or not layer.keeps_time


def _stage(name: str, net: Network, end: int, head: list[Layer], seed: int) -> Stage:
    """Return the stage whose own layers end with layer `end`."""
    own, last = net.layers[: end + 1], net.layers[-1]
    waist = _waist(net, end)
    # For the layer 'last', the name of a layer alone stands for its final state.
    owner = layer_of(waist)
    reads = [owner if waist == join(owner, MAIN) else waist, *(x.name for x in head[:-1])]
    layers = [_again(net, layer, inputs=layer.inputs) for layer in own]
    layers += [_again(net, layer, inputs=read) for layer, read in zip(head, reads, strict=True)]
    stage = rebuilt(net, layers, seed)
    whole = {p.name: p for p in net.params}
    head_params = stage.layers[-1].params.items()
    new = {p for n, p in head_params if n not in last.measured and not isinstance(last, Tied)}
    return Stage(name, stage, [(p, whole[p.name]) for p in stage.params if p not in new])


def _again(net: Network, layer: Layer, inputs: str | tuple[str, ...] | None) -> Layer:
    """Return a copy of a layer for a stage."""
    changes: dict[str, Any] = {'inputs': inputs}
    if isinstance(layer, Input):
        changes['ndim'] = 2 if net._graph.plan.clocks[layer.name] is None else 3
    if isinstance(layer, Tied):
        changes['partner'] = layer.mate.name
    own = []
    if layer is net.layers[-1]:  # its input has another size here
        own = [
            key
            for key, value in layer.given.items()
            if key.startswith('w_') or isinstance(value, np.ndarray | list)
        ]
    return like(layer, own, **changes)
