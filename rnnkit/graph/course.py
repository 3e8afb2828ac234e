"""The layers that carry a state from step to step, and what else they read."""

from collections.abc import Sequence
from typing import NamedTuple

from pytensor.tensor import TensorVariable

from rnnkit.common.output_names import join, layer_of
from rnnkit.common.tensors import variable
from rnnkit.errors import ConfigError
from rnnkit.graph.graph import Graph
from rnnkit.layers import Layer


class Course(NamedTuple):
    """The layers that compute something at each time step, and the outputs that stay.

    Attributes
    ----------
    clock : str
        The time axis of the network's output; if that has none, the one that it summarizes.
    moving : list of Layer
        The layers that have this time axis.
    pools : list of Layer
        If the output has no time axis: the layers that turn this one into a single vector, and
        keep what they need of earlier steps.
    after : list of Layer
        Those whose output changes with each step, too, since they read the former.
    fixed : list of str
        The outputs of other layers that these read: an encoder's, or those of an input without
        time. They are the same at every step.
    """

    clock: str
    moving: list[Layer]
    pools: list[Layer]
    after: list[Layer]
    fixed: list[str]

    @property
    def stateful(self) -> list[Layer]:
        """The layers that have a state."""
        return [*(layer for layer in self.moving if layer.state is not None), *self.pools]

    @property
    def answers(self) -> bool:
        """Whether the output has no time axis, and so is the answer after the last step."""
        return bool(self.after)


def course(graph: Graph, outputs: Sequence[str] | None = None) -> Course:
    """Return the course of a network.

    Parameters
    ----------
    graph : Graph
    outputs : sequence of str, optional
        The outputs that are computed, of one time axis; by default that of the last layer.

    Raises
    ------
    ConfigError
        If there is no state to carry, or a layer needs to see the whole sequence.
    """
    plan, names = graph.plan, graph.by_name
    if not any(layer.state for layer in graph.layers) and all(x.causal for x in graph.layers):
        raise ConfigError('this network has no recurrent layer, so it has no state')
    outputs = outputs or [join(graph.layers[-1].name)]
    clock, pools, after = plan.clock_of(outputs[0], names), [], []
    if clock is None:
        clock, pools, after = _summary(graph, [layer_of(name) for name in outputs])
    moving = [x for x in graph.layers if clock == plan.clocks[x.name] and x.keeps_time]
    for layer in moving:
        memory = plan.memories.get(layer.name)
        if not layer.causal or (memory and plan.clock_of(memory, names) == clock):
            raise whole(layer)
    if not pools and not any(layer.state for layer in moving):
        raise ConfigError('no recurrent layer has the time axis of the output, so it has no state')
    return Course(clock, moving, pools, after, _fixed(graph, clock, moving, after))


def _summary(graph: Graph, waiting: list[str]) -> tuple[str, list[Layer], list[Layer]]:
    """Return the time axis that outputs without time depend on, their pools, and all after them.

    These are the layers on the way from the sequence to the layers that are `waiting`: pools, and
    those that read them or the final state of a recurrent layer.
    """
    plan, names = graph.plan, graph.by_name
    pools, after, clocks = [], [], []
    for layer in graph.layers:  # each reads layers before it
        if layer.has_time('out') and plan.clocks[layer.name]:
            continue
        sources = _sequences(graph, layer)
        axes = {plan.clock_of(name, names) for name in sources} - {None}
        ends = {c for n in sources if (c := _ended(graph, n))}
        if axes and layer.state is not None:
            pools.append(layer)
        if axes or ends or {layer_of(name) for name in sources} & {x.name for x in after}:
            after.append(layer)
    needed = set()
    while waiting:
        name = waiting.pop()
        if name in needed or name not in {x.name for x in after}:
            continue
        needed.add(name)
        for source in _sequences(graph, names[name]):
            clock = plan.clock_of(source, names) or _ended(graph, source)
            if clock is None:
                waiting.append(layer_of(source))
            elif plan.clock_of(source, names) and names[name] not in pools:
                raise whole(names[name])
            elif clock not in clocks:
                clocks.append(clock)
    if not clocks:
        raise ConfigError('no recurrent layer leads to the output, so there is no state')
    if len(clocks) > 1:
        clocks = [layer.name for layer in graph.layers if layer.name in clocks]
        raise ConfigError(
            f'the output summarizes the sequences {" and ".join(clocks)}, each with a time axis of '
            f'its own, so this network cannot go on from a state'
        )
    return clocks[0], *([x for x in some if x.name in needed] for some in (pools, after))


def _sequences(graph: Graph, layer: Layer) -> list[str]:
    """Return the outputs that a layer reads as inputs or as its memory."""
    memory = graph.plan.memories.get(layer.name)
    return [*graph.plan.sources[layer.name], *([memory] if memory else [])]


def _ended(graph: Graph, name: str) -> str | None:
    """Return the time axis at whose end an output is, such as the final state 'hid1:last'."""
    clock = graph.plan.clocks[layer_of(name)]
    layer = graph.by_name[layer_of(name)]
    timeless = graph.plan.clock_of(name, graph.by_name) is None
    return clock if clock and timeless and layer.has_time('out') else None


def _fixed(graph: Graph, clock: str, moving: list[Layer], after: list[Layer]) -> list[str]:
    """Return the outputs that moving layers, and those after them, read and that stay the same."""
    plan, names = graph.plan, graph.by_name
    changing = {layer.name for layer in (*moving, *after)}
    read = [name for layer in moving for name in plan.reads(layer.name)]
    fixed = [name for name in read if plan.clock_of(name, names) != clock]
    made = [join(layer.name, name) for layer in moving for name in layer.of_memory]
    fixed += [n for layer in after for n in plan.reads(layer.name) if layer_of(n) not in changing]
    fixed = list(dict.fromkeys(fixed))
    # What a layer makes of its memory alone is fixed as well, though the layer moves.
    made = [name for name in made if name in graph.outputs]
    seen: set[str] = set()
    waiting = [(name, name) for name in fixed]
    while waiting:
        name, read_first = waiting.pop()
        layer = layer_of(name)
        if layer in changing:
            raise ConfigError(
                f'a layer reads {read_first!r}, which depends on the whole sequence, so this '
                f'network cannot go on from a state'
            )
        if layer not in seen:
            seen.add(layer)
            waiting += [(other, read_first) for other in plan.reads(layer)]
    return fixed + made


def whole(layer: Layer) -> ConfigError:
    """Return the error for a layer that cannot go on from a state."""
    return ConfigError(
        f'layer {layer.name!r} ({layer.form}) needs the whole sequence at once, so this network '
        f'cannot go on from a state'
    )


def _final(layer: Layer, part: str) -> str:
    """Return the name of the output that holds the final value of a part of the state."""
    return layer.last_name(part) if hasattr(layer, 'last_name') else part


def state_sizes(layer: Layer) -> dict[str, int]:
    """Return the number of units of each state of a layer, by its name."""
    return {part: layer.output_size(_final(layer, part)) for part in layer.state._fields}


def state_variables(layer: Layer, dtype: str) -> tuple[TensorVariable, ...]:
    """Return a layer's state as inputs of a graph."""
    return layer.state(
        *(
            variable(join(layer.name, name), dtype, (None, size))
            for name, size in state_sizes(layer).items()
        )
    )


def last_outputs(layers: list[Layer]) -> list[str]:
    """Return the names of the outputs that are the final states of layers."""
    parts = [(layer, part) for layer in layers for part in layer.state._fields]
    return [join(layer.name, _final(layer, part)) for layer, part in parts]
