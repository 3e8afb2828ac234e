"""The layers that carry a state from step to step, and what else they read."""

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
        The time axis of the network's output.
    moving : list of Layer
        The layers that have this time axis.
    fixed : list of str
        The outputs of other layers that these read: an encoder's, or those of an input without
        time. They are the same at every step.
    """

    clock: str
    moving: list[Layer]
    fixed: list[str]

    @property
    def recurrent(self) -> list[Layer]:
        """The moving layers that have a state."""
        return [layer for layer in self.moving if layer.state is not None]


def course(graph: Graph) -> Course:
    """Return the course of a network.

    Raises
    ------
    ConfigError
        If there is no state to carry, or a layer needs to see the whole sequence.
    """
    plan, names = graph.plan, graph.by_name
    if not any(layer.state for layer in graph.layers) and all(x.causal for x in graph.layers):
        raise ConfigError('this network has no recurrent layer, so it has no state')
    clock = plan.clock_of(join(graph.layers[-1].name), names)
    moving = [x for x in graph.layers if clock and clock == plan.clocks[x.name] and x.keeps_time]
    for layer in moving or graph.layers:
        if not layer.causal:
            raise _whole(layer)
    if not any(layer.state for layer in moving):
        raise ConfigError('no recurrent layer has the time axis of the output, so it has no state')
    read = [
        name
        for layer in moving
        for name in [*plan.sources[layer.name], *plan.starts[layer.name].values()]
    ]
    fixed = [name for name in dict.fromkeys(read) if plan.clock_of(name, names) != clock]
    stays = {layer.name for layer in graph.layers} - {layer.name for layer in moving}
    seen: set[str] = set()
    waiting = list(fixed)
    while waiting:
        name = waiting.pop()
        layer = layer_of(name)
        if layer not in stays:
            raise ConfigError(
                f'a layer reads {name!r}, which depends on the whole sequence, so this network '
                f'cannot go on from a state'
            )
        if layer not in seen:
            seen.add(layer)
            waiting += [*plan.sources[layer], *plan.starts[layer].values()]
    return Course(clock, moving, fixed)


def _whole(layer: Layer) -> ConfigError:
    return ConfigError(
        f'layer {layer.name!r} ({layer.form}) needs the whole sequence at once, so this network '
        f'cannot go on from a state'
    )


def state_sizes(layer: Layer) -> dict[str, int]:
    """Return the number of units of each state of a layer, by its name."""
    return {part: layer.output_size(layer.last_name(part)) for part in layer.state._fields}


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
    return [
        join(layer.name, layer.last_name(part)) for layer in layers for part in layer.state._fields
    ]
