"""A network that goes on where it stopped: the state goes in, and comes out again."""

from typing import Any

import numpy as np
import pytensor.tensor as pt

from rnnkit.compiled import Compiled
from rnnkit.errors import ConfigError, ShapeError
from rnnkit.graph import Graph
from rnnkit.layers import Layer

State = dict[str, Any]  # a named tuple of arrays (B, H) for each recurrent layer, by its name


class Stream:
    """The compiled function that carries a network's state.

    Parameters
    ----------
    graph : Graph
        Of a network with at least one recurrent layer.

    Raises
    ------
    ConfigError
        If there is no state to carry, or a layer needs to see the whole sequence.
    """

    def __init__(self, graph: Graph):
        self.layers = [layer for layer in graph.layers if layer.state is not None]
        self.dtype = graph.dtype
        for layer in graph.layers:
            if not layer.causal:
                raise ConfigError(
                    f'layer {layer.name!r} ({layer.form}) needs the whole sequence at once, so '
                    f'this network cannot go on from a state'
                )
        if not self.layers:
            raise ConfigError('this network has no recurrent layer, so it has no state')
        states = {layer.name: self._variables(layer) for layer in self.layers}
        outputs = graph.again(states=states)
        last = [
            outputs[f'{layer.name}:{layer.last_name(part)}']
            for layer in self.layers
            for part in layer.state._fields
        ]
        self.sizes = [size for layer in self.layers for size in _sizes(layer).values()]
        flat = [variable for state in states.values() for variable in state]
        out = outputs[f'{graph.layers[-1].name}:out']
        self._function = Compiled(
            'the prediction from a state', [*graph.inputs, *graph.masks.values(), *flat],
            [out, *last],
        )  # fmt: skip

    def _variables(self, layer: Layer) -> Any:
        return layer.state(
            *(
                pt.tensor(f'{layer.name}:{name}', dtype=self.dtype, shape=(None, size))
                for name, size in _sizes(layer).items()
            )
        )

    def __call__(
        self, where: str, x: list[np.ndarray], state: State | None
    ) -> tuple[np.ndarray, State]:
        """Return the output for `x`, and the state after its last step.

        Parameters
        ----------
        where : str
            The call, for messages.
        x : list of arrays of shape (T, B, I)
            The inputs, then the masks.
        state : dict, or None for zeros
        """
        n = x[0].shape[1]
        if state is None:
            start = [np.zeros((n, size), self.dtype) for size in self.sizes]
        else:
            start = self._read(where, state, n)
        out, *last = self._function(*x, *start)
        return out, self._named(last)

    def _named(self, arrays: list[np.ndarray]) -> State:
        """Return arrays as named tuples by layer."""
        rest = iter(arrays)
        return {
            layer.name: layer.state(*(next(rest) for _ in layer.state._fields))
            for layer in self.layers
        }

    def _read(self, where: str, state: State, n: int) -> list[np.ndarray]:
        """Check a state, and return its arrays in order."""
        if isinstance(state, dict) and len(state) != len(self.layers):
            names = ', '.join(layer.name for layer in self.layers)
            raise ConfigError(f'{where}: state is for the layers {names}; got {", ".join(state)}')
        arrays = []
        for layer in self.layers:
            try:
                found = state[layer.name]
                values = [getattr(found, name) for name in layer.state._fields]
            except (TypeError, KeyError, AttributeError):
                raise ConfigError(
                    f'{where}: state must be what an earlier call returned, with the '
                    f'{layer.state.__name__} of layer {layer.name!r}; got {state!r}'
                ) from None
            for (name, size), value in zip(_sizes(layer).items(), values, strict=True):
                if getattr(value, 'shape', None) != (n, size):
                    raise ShapeError(
                        f'{where}: state {name!r} of layer {layer.name!r} must have shape '
                        f'{(n, size)} (batch, size), as x has {n} examples; got '
                        f'{getattr(value, "shape", type(value).__name__)}'
                    )
                arrays.append(np.ascontiguousarray(value, self.dtype))
        return arrays


def _sizes(layer: Layer) -> dict[str, int]:
    """Return the number of units of each state of a layer, by its name."""
    return {part: layer.output_size(layer.last_name(part)) for part in layer.state._fields}
