"""Truncated backpropagation through time: hidden states are carried from batch to batch."""

from collections.abc import Callable, Iterator

import numpy as np
import pytensor
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.tensor import TensorVariable

from rnnkit.common import output_names
from rnnkit.data.datasets import Kept
from rnnkit.errors import ConfigError
from rnnkit.graph.course import course, last_outputs, state_sizes, whole
from rnnkit.graph.graph import Graph, Outputs
from rnnkit.layers import Layer
from rnnkit.parallel import ALONE, Team
from rnnkit.training.protocols import Batch, Batches
from rnnkit.training.protocols import State as Saved


class Carry:
    """The hidden state of every recurrent layer, kept in shared variables between two batches.

    In shared variables, since the compiled update itself can then read and store it.

    Parameters
    ----------
    graph : Graph

    Attributes
    ----------
    updates : list of (shared variable, new value)
        The state after the batch, to be stored by the function of `outputs`.
    examples : int
        The number of examples in the last batch; 0 if there was none.

    Raises
    ------
    ConfigError
        If a layer needs to see the whole sequence, or there is more than one time axis.

    Notes
    -----
    Gradients do not flow back into earlier batches: for them a shared variable is a constant. Into
    the initial state of a sequence, a parameter or another layer, they flow in its first batch.
    """

    def __init__(self, graph: Graph):
        found = course(graph)
        if found.answers:  # each window has a target for each step
            raise whole(found.after[0])
        clocks = dict.fromkeys(clock for clock in graph.plan.clocks.values() if clock)
        if len(clocks) > 1:
            raise ConfigError(
                f'layers {" and ".join(clocks)} each have a time axis of their own; carry_state '
                f'needs a single one'
            )
        self.graph, self.layers = graph, found.stateful
        # 1 if new sequences start in this batch, else 0: a factor, so that one function does both.
        self.fresh = pytensor.shared(np.ones((), graph.dtype), 'fresh', shape=())
        self.states: dict[str, list[SharedVariable]] = {
            layer.name: [
                pytensor.shared(
                    np.zeros((1, size), graph.dtype),
                    output_names.join(layer.name, part),
                    shape=(None, size),  # batches may differ in their number of examples
                )
                for part, size in state_sizes(layer).items()
            ]
            for layer in self.layers
        }
        # The first array with a time axis tells the number of examples.
        self._batch = next(k for k, x in enumerate(graph.inputs) if graph.plan.clocks[x.name])
        self.examples = 0
        self.updates: list[tuple[SharedVariable, TensorVariable]] = []

    def outputs(self, again: Callable[..., Outputs]) -> Outputs:
        """Return the outputs of the network that starts from the carried state; set `updates`.

        Parameters
        ----------
        again : callable
            ``again(states=...)`` returns the outputs, as `Graph.again` does.
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

    def _start(
        self, layer: Layer, default: tuple[TensorVariable | None, ...]
    ) -> tuple[TensorVariable, ...]:
        """Return the carried state, which is 0 in new sequences, and there the initial state."""
        parts = []
        for part, start, carried in zip(
            layer.state._fields, default, self.states[layer.name], strict=True
        ):
            if start is None and f'{part}_0' in layer.params:
                start = layer.params[f'{part}_0'][None, :]
            parts.append(carried if start is None else carried + self.fresh * start)
        return layer.state(*parts)

    def reset(self) -> None:
        """Forget the state: new sequences start in the next batch."""
        self.examples = 0

    def follow(self, batch: Batch) -> None:
        """Prepare for a batch: keep the state, or reset it if new sequences start there."""
        examples = batch[self._batch].shape[1]
        fresh = getattr(batch, 'fresh', False) or examples != self.examples
        if fresh:
            for variables in self.states.values():
                for variable in variables:
                    variable.set_value(np.zeros((examples, variable.type.shape[1]), variable.dtype))
        self.fresh.set_value(np.asarray(fresh, self.fresh.dtype))
        self.examples = examples


class Followed:
    """Batches whose state is carried: `Carry.follow` is called before each one.

    Parameters
    ----------
    batches : iterable of batches
    carry : Carry
    anew : bool
        Whether new sequences start in each pass over the batches, as in a validation.
    team : Team
        The processes that share the batches; each carries the state of its share.
    """

    def __init__(self, batches: Batches | Kept, carry: Carry, anew: bool, team: Team = ALONE):
        self.batches, self.carry, self.anew, self.team = batches, carry, anew, team
        carry.reset()

    @property
    def n_batches(self) -> int | None:
        """The number of batches, if it is known."""
        return getattr(self.batches, 'n_batches', None)

    @property
    def n_examples(self) -> int:
        """The number of examples here, if it is known; else 0."""
        return getattr(self.batches, 'n_examples', 0)

    def draw(self) -> None:
        """Draw batches that are drawn once; see `rnnkit.data.datasets.Kept`."""
        if isinstance(self.batches, Kept):
            self.batches.draw()

    def get_state(self) -> Saved:
        """Return the position in the batches, and the carried state, of all processes joined."""
        ours = {
            name: [variable.get_value() for variable in variables]
            for name, variables in self.carry.states.items()
        }
        found = self.team.gather('the carried state', (ours, self.carry.examples))
        counts = [n for _, n in found]
        examples = sum(counts)
        parts = [states for states, n in found if n or not examples]
        states = {
            name: [np.concatenate(values) for values in zip(*(p[name] for p in parts), strict=True)]
            for name in ours
        }
        if not examples:  # nothing was carried yet
            states = ours
        batches = self.batches.get_state()
        parts = {'parts': counts} if len(counts) > 1 else {}
        return {'batches': batches, 'states': states, 'examples': examples, **parts}

    def set_state(self, state: Saved) -> None:
        """Continue from what `get_state` returned."""
        self.batches.set_state(state['batches'])
        share = self.team.share.of(state['examples'])
        counts, rank = state.get('parts', ()), self.team.rank
        if len(counts) == self.team.size:  # they may be unequal
            start = sum(counts[:rank])
            share = slice(start, start + counts[rank])
        self.carry.examples = share.stop - share.start
        for name, variables in self.carry.states.items():
            for variable, value in zip(variables, state['states'][name], strict=True):
                variable.set_value(value[share] if state['examples'] else value)

    def describe(self) -> object:
        """Return the shapes of the data."""
        return self.batches.describe()

    def __iter__(self) -> Iterator[Batch]:
        if self.anew:
            self.carry.reset()
        for batch in self.batches:
            self.carry.follow(batch)
            yield batch
