"""A network that goes on where it stopped: the state goes in, and comes out again."""

from typing import Any

import numpy as np
from pytensor.graph.replace import graph_replace
from pytensor.tensor import TensorVariable

from rnnkit.common.compiled import Compiled
from rnnkit.errors import ConfigError, ShapeError
from rnnkit.graph.course import course, last_outputs, state_sizes, state_variables
from rnnkit.graph.graph import Graph

# A named tuple of arrays (B, H) for each recurrent layer, by its name; and an array for each
# output that stays the same, by the name of the output.
State = dict[str, Any]


class Stream:
    """The compiled functions that carry a network's state.

    Layers that have the time axis of the output move on. What they read of others, such as an
    encoder's last state, is computed once, where a series begins, and belongs to the state.

    Parameters
    ----------
    graph : Graph
    output : str, optional
        The name of the output that is computed; by default the main one of the last layer.
    at_end : bool
        Whether only the last time step of the output is wanted.

    Raises
    ------
    ConfigError
        If there is no state to carry, or a layer needs to see the whole sequence.
    """

    def __init__(self, graph: Graph, output: str | None = None, at_end: bool = False):
        self.graph, self.course = graph, course(graph)
        self.layers, self.dtype = self.course.recurrent, graph.dtype
        states = {layer.name: state_variables(layer, self.dtype) for layer in self.layers}
        outputs = graph.again(states=states)
        last = [outputs[name] for name in last_outputs(self.layers)]
        out = outputs[output or f'{graph.layers[-1].name}:out']
        constants = [outputs[name].type(name) for name in self.course.fixed]
        found = graph_replace(
            [out[-1] if at_end else out, *last],
            {outputs[n]: c for n, c in zip(self.course.fixed, constants, strict=True)},
            strict=False,
        )
        flat = [variable for state in states.values() for variable in state]
        self._sizes = {layer.name: state_sizes(layer) for layer in self.layers}
        moves, stays = self._variables(True), self._variables(False)
        self._go_on = Compiled('the prediction from a state', [*moves, *constants, *flat], found)
        kept = [graph.outputs[name] for name in self.course.fixed]
        self._encode = Compiled('what stays the same', stays, kept)

    def _variables(self, moving: bool) -> list[TensorVariable]:
        """Return inputs and masks with the clock of the output, or all others."""
        clocks = self.graph.plan.clocks
        inputs = [x for x in self.graph.inputs if (clocks[x.name] == self.course.clock) == moving]
        masks = self.graph.masks.items()
        return [*inputs, *(m for clock, m in masks if (clock == self.course.clock) == moving)]

    def begin(self, fixed: list[np.ndarray], n: int) -> list[np.ndarray]:
        """Return the state in which a series begins.

        Parameters
        ----------
        fixed : list of arrays
            The inputs that do not have the time axis of the output, then their masks.
        n : int
            The number of examples.

        Returns
        -------
        flat : list of arrays
            As `run` takes it.
        """
        names = self.course.fixed
        constants = dict(zip(names, self._encode(*fixed) if names else [], strict=True))
        flat = list(constants.values())
        for layer in self.layers:
            sources = self.graph.plan.starts[layer.name]
            for part, size in state_sizes(layer).items():
                start: Any = 0
                if part in sources:
                    start = constants[sources[part]]
                elif f'{part}_0' in layer.params:
                    start = layer.params[f'{part}_0'].get_value(borrow=True)
                flat.append(np.ascontiguousarray(np.broadcast_to(start, (n, size)), self.dtype))
        return flat

    def run(
        self, x: list[np.ndarray], flat: list[np.ndarray]
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return the output for `x`, and the state after its last step.

        Parameters
        ----------
        x : list of arrays (T, B, I)
            The inputs that have the time axis of the output, then the mask.
        flat : list of arrays
            What stays, and the state of each layer.
        """
        out, *last = self._go_on(*x, *flat)
        return out, [*flat[: len(self.course.fixed)], *last]

    def select(self, flat: list[np.ndarray], chosen: np.ndarray) -> list[np.ndarray]:
        """Return the state of the chosen examples, in their order, any of them several times."""
        axes = [int(self.graph.has_time(name)) for name in self.course.fixed]
        axes += [0] * (len(flat) - len(axes))
        return [array.take(chosen, axis) for array, axis in zip(flat, axes, strict=True)]

    def named(self, flat: list[np.ndarray]) -> State:
        """Return the state with names, as users have it."""
        rest = iter(flat)
        fixed = {name: next(rest) for name in self.course.fixed}
        states = {
            layer.name: layer.state(*(next(rest) for _ in layer.state._fields))
            for layer in self.layers
        }
        return states | fixed

    def read(self, where: str, state: Any, n: int) -> list[np.ndarray]:
        """Check a state with names, and return its arrays in order."""
        wanted = [*(layer.name for layer in self.layers), *self.course.fixed]
        if isinstance(state, dict) and set(state) != set(wanted):
            raise ConfigError(
                f'{where}: state is for the layers {", ".join(wanted)}; got '
                f'{", ".join(map(str, state))}'
            )
        arrays = []
        for name in self.course.fixed:
            given = state[name] if isinstance(state, dict) else None
            variable = self.graph.outputs[name]
            shape = [None] * (variable.ndim - 2) + [n, variable.type.shape[-1]]
            arrays.append(self._array(where, f'state {name!r}', given, shape, n))
        for layer in self.layers:
            try:
                found = state[layer.name]
                values = [getattr(found, name) for name in layer.state._fields]
            except (TypeError, KeyError, AttributeError):
                raise ConfigError(
                    f'{where}: state must be what an earlier call returned, with the '
                    f'{layer.state.__name__} of layer {layer.name!r}; got {state!r}'
                ) from None
            for (name, size), value in zip(self._sizes[layer.name].items(), values, strict=True):
                if type(value) is np.ndarray and value.shape == (n, size):
                    arrays.append(np.ascontiguousarray(value, self.dtype))
                    continue
                what = f'state {name!r} of layer {layer.name!r}'
                arrays.append(self._array(where, what, value, [n, size], n))
        return arrays

    def _array(self, where: str, what: str, value: Any, wanted: list[Any], n: int) -> np.ndarray:
        shape = getattr(value, 'shape', ())
        if len(shape) != len(wanted) or any(
            w not in (None, s) for w, s in zip(wanted, shape, strict=True)
        ):
            axes = '(batch, size)' if len(wanted) == 2 else '(time, batch, size)'
            raise ShapeError(
                f'{where}: {what} must have shape {tuple(wanted)} {axes}, as x has {n} examples; '
                f'got {getattr(value, "shape", type(value).__name__)}'
            )
        return np.ascontiguousarray(value, self.dtype)
