"""The state that training carries from each batch to the next."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytensor

from rnnkit.errors import ConfigError
from rnnkit.graph.course import course, last_outputs, state_sizes
from rnnkit.graph.graph import Graph, Outputs


class Carry:
    """The state of every recurrent layer, kept in shared variables between two batches.

    Parameters
    ----------
    graph : Graph

    Attributes
    ----------
    updates : list of (shared variable, new value)
        What the function of `outputs` stores: the state after the batch.
    examples : int
        How many examples the last batch had; 0 if there was none.

    Raises
    ------
    ConfigError
        If a layer has to see the whole sequence, or there is more than one time axis.

    Notes
    -----
    Gradients do not go back into earlier batches. To what a series starts from by default, a
    parameter or another layer, they go in the batch in which it starts.
    """

    def __init__(self, graph: Graph):
        found = course(graph)
        clocks = dict.fromkeys(clock for clock in graph.plan.clocks.values() if clock)
        if len(clocks) > 1:
            raise ConfigError(
                f'layers {" and ".join(clocks)} each have a time axis of their own; a state is '
                f'carried from batch to batch where there is one for all'
            )
        self.graph, self.layers = graph, found.recurrent
        self.fresh = pytensor.shared(np.ones((), graph.dtype), 'fresh', shape=())
        self.states = {
            layer.name: [
                pytensor.shared(
                    np.zeros((1, size), graph.dtype), f'{layer.name}:{part}', shape=(None, size)
                )
                for part, size in state_sizes(layer).items()
            ]
            for layer in self.layers
        }
        # A batch that is ready is not looked at closely, so its first array with time says B.
        self._batch = next(k for k, x in enumerate(graph.inputs) if graph.plan.clocks[x.name])
        self.examples = 0
        self.updates: list[tuple[Any, Any]] = []

    def outputs(self, again: Callable[..., Outputs]) -> Outputs:
        """Return the outputs of the network where it starts from the state; set `updates`.

        Parameters
        ----------
        again : callable
            ``again(states=...)`` makes the outputs, as `Graph.again` does.
        """
        states = {
            layer.name: lambda default, layer=layer: self._start(layer, default)
            for layer in self.layers
        }
        outputs = again(states=states)
        shared = [variable for layer in self.layers for variable in self.states[layer.name]]
        after = [outputs[name] for name in last_outputs(self.layers)]
        self.updates = list(zip(shared, after, strict=True))
        return outputs

    def _start(self, layer: Any, default: Any) -> Any:
        """Return what was carried; or where a series is fresh, 0 and the layer's own start."""
        parts = []
        for part, start, carried in zip(
            layer.state._fields, default, self.states[layer.name], strict=True
        ):
            if start is None and f'{part}_0' in layer.params:
                start = layer.params[f'{part}_0'][None, :]
            parts.append(carried if start is None else carried + self.fresh * start)
        return layer.state(*parts)

    def reset(self) -> None:
        """Forget: the next batch begins new series."""
        self.examples = 0

    def follow(self, batch: list[np.ndarray]) -> None:
        """Get ready for a batch: go on, or start afresh where it begins new series."""
        examples = batch[self._batch].shape[1]
        fresh = getattr(batch, 'fresh', False) or examples != self.examples
        if fresh:
            for variables in self.states.values():
                for variable in variables:
                    variable.set_value(np.zeros((examples, variable.type.shape[1]), variable.dtype))
        self.fresh.set_value(np.asarray(fresh, self.fresh.dtype))
        self.examples = examples


class Followed:
    """Batches whose state is carried: each is announced before it is handed out.

    Parameters
    ----------
    batches : iterable of batches
    carry : Carry
    anew : bool
        Whether series begin anew each time that the batches are read, as in a validation.
    """

    def __init__(self, batches: Any, carry: Carry, anew: bool):
        self.batches, self.carry, self.anew = batches, carry, anew
        carry.reset()

    @property
    def n_batches(self) -> int | None:
        """How many batches there are, where that is known."""
        return getattr(self.batches, 'n_batches', None)

    def get_state(self) -> dict[str, Any]:
        """Return where the batches are, and the state that was carried so far."""
        states = {
            name: [variable.get_value() for variable in variables]
            for name, variables in self.carry.states.items()
        }
        examples = self.carry.examples
        return {'batches': self.batches.get_state(), 'states': states, 'examples': examples}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from where `get_state` was."""
        self.batches.set_state(state['batches'])
        self.carry.examples = state['examples']
        for name, variables in self.carry.states.items():
            for variable, value in zip(variables, state['states'][name], strict=True):
                variable.set_value(value)

    def describe(self) -> Any:
        """Return the shapes of the data."""
        return self.batches.describe()

    def __iter__(self) -> Iterator[list[np.ndarray]]:
        if self.anew:
            self.carry.reset()
        for batch in self.batches:
            self.carry.follow(batch)
            yield batch
