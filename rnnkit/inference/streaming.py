"""Streaming inference: the hidden state is an input and an output of the compiled function."""

from collections.abc import Sequence

import numpy as np
from pytensor.graph.replace import graph_replace
from pytensor.tensor import TensorVariable

from rnnkit.common import output_names
from rnnkit.common.compiled import Compiled
from rnnkit.graph.course import course, last_outputs, state_sizes, state_variables
from rnnkit.graph.graph import Graph
from rnnkit.inference.states import State, StateForm


class Stream:
    """The compiled functions that carry the hidden state of a network.

    Layers that have the time axis of the output are computed at each step. What they read from
    other layers, such as the last state of an encoder, is computed once, where a sequence
    starts, and belongs to the state.

    Parameters
    ----------
    graph : Graph
    outputs : sequence of str, optional
        The names of the outputs that are computed; by default the main one of the last layer.
    at_end : bool
        Whether only the last time step of the outputs is returned.

    Raises
    ------
    ConfigError
        If there is no state to carry, or a layer needs to see the whole sequence.

    Attributes
    ----------
    advance : Compiled
        From inputs, masks, fixed outputs and states to the outputs and the new states.
    form : StateForm
        What the state consists of.
    """

    def __init__(self, graph: Graph, outputs: Sequence[str] | None = None, at_end: bool = False):
        self.graph, self.course = graph, course(graph, outputs)
        self.layers, self.dtype = self.course.stateful, graph.dtype
        states = {layer.name: state_variables(layer, self.dtype) for layer in self.layers}
        self._names = list(outputs or [output_names.join(graph.layers[-1].name)])
        values = graph.again(states=states)
        last = [values[name] for name in last_outputs(self.layers)]
        found = [values[name] for name in self._names]
        if at_end and not self.course.answers:
            found = [value[-1] for value in found]
        constants = [values[name].type(name) for name in self.course.fixed]
        # The graph computes the fixed outputs from the inputs. Cut there, it takes their values as
        # inputs. Not strict: one that is only the initial state of a layer is in no path any more,
        # since `states` has replaced that.
        results = graph_replace(
            [*found, *last],
            {values[n]: c for n, c in zip(self.course.fixed, constants, strict=True)},
            strict=False,
        )
        flat = [variable for state in states.values() for variable in state]
        fixed_sizes = {c.name: (c.ndim, c.type.shape[-1]) for c in constants}
        self.form = StateForm(self.layers, fixed_sizes, self.dtype)
        moves, stays = self._variables(True), self._variables(False)
        self.advance = Compiled('the prediction from a state', [*moves, *constants, *flat], results)
        fixed = [graph.outputs[name] for name in self.course.fixed]
        self._encode = Compiled('the outputs of the encoder', stays, fixed)

    def _variables(self, moving: bool) -> list[TensorVariable]:
        """Return inputs and masks with the clock of the output, or all others."""
        clocks = self.graph.plan.clocks
        inputs = [x for x in self.graph.inputs if (clocks[x.name] == self.course.clock) == moving]
        masks = self.graph.masks.items()
        return [*inputs, *(m for clock, m in masks if (clock == self.course.clock) == moving)]

    def begin(self, fixed: Sequence[np.ndarray], n: int) -> list[np.ndarray]:
        """Return the initial state of a sequence.

        Parameters
        ----------
        fixed : list of arrays
            The inputs that do not have the time axis of the output, then their masks.
        n : int
            The number of examples.

        Returns
        -------
        flat : list of arrays
            The state as `run` expects it.
        """
        names = self.course.fixed
        constants = dict(zip(names, self._encode(*fixed) if names else [], strict=True))
        flat = list(constants.values())
        for layer in self.layers:
            sources = self.graph.plan.starts[layer.name]
            for part, size in state_sizes(layer).items():
                initial = np.zeros(())
                if part in sources:
                    initial = constants[sources[part]]
                elif f'{part}_0' in layer.params:
                    initial = layer.params[f'{part}_0'].get_value(borrow=True)
                flat.append(np.ascontiguousarray(np.broadcast_to(initial, (n, size)), self.dtype))
        return flat

    def run(
        self, x: Sequence[np.ndarray], flat: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return the output for `x`, and the state after its last step.

        Parameters
        ----------
        x : list of arrays (T, B, I)
            The inputs that have the time axis of the output, then the mask.
        flat : list of arrays
            The fixed outputs, then the state of each layer.
        """
        (out,), flat = self.run_all(x, flat)
        return out, flat

    def run_all(
        self, x: Sequence[np.ndarray], flat: Sequence[np.ndarray]
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return all outputs for `x`, and the state after its last step, as `run` does one."""
        results, n = self.advance(*x, *flat), len(self._names)
        return results[:n], [*flat[: len(self.course.fixed)], *results[n:]]

    @property
    def sizes(self) -> list[int]:
        """The number of units of each array of the state, without the fixed outputs."""
        return [size for sizes in self.form.sizes.values() for size in sizes.values()]

    def select(
        self, flat: Sequence[np.ndarray], chosen: np.ndarray, fixed: bool = True
    ) -> list[np.ndarray]:
        """Return the state of the examples with these indices, which may repeat.

        Without `fixed`, the outputs that stay the same are returned as they are.
        """
        axes = [int(self.graph.has_time(name)) for name in self.course.fixed]
        n = 0 if fixed else len(axes)
        axes += [0] * (len(flat) - len(axes))
        moved = [array.take(chosen, axis) for array, axis in zip(flat[n:], axes[n:], strict=True)]
        return [*flat[:n], *moved]

    def named(self, flat: Sequence[np.ndarray]) -> State:
        """Return the state as users get it: by the names of layers and outputs."""
        return self.form.named(flat)

    def read(self, where: str, state: object, n: int) -> list[np.ndarray]:
        """Check a state that a user gave, and return its arrays in order."""
        return self.form.read(where, state, n)
