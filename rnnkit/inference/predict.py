"""What a network is used for once it has parameters: predictions, scores, single steps."""

from collections.abc import Callable
from typing import Any

import numpy as np
from pytensor.tensor import TensorVariable

from rnnkit import kernels
from rnnkit.common.compiled import Compiled
from rnnkit.data import ragged
from rnnkit.data.border import LAYOUTS, Border
from rnnkit.errors import ConfigError
from rnnkit.graph.fields import output_as_array
from rnnkit.graph.graph import Graph
from rnnkit.inference.generation import Continuation
from rnnkit.inference.noisy import NoisyOutputs
from rnnkit.inference.streaming import State, Stream


def rest_of(graph: Graph, border: Border, name: str) -> tuple[Border, Compiled]:
    """Return the function of one output that the network goes on with, and its border.

    Raises
    ------
    ConfigError
        If the result does not follow from this output alone.
    """
    field = output_as_array('z', graph, name, LAYOUTS[border.layout])
    masks = [mask for mask in border.masks if mask.clock == field.clock]
    z = graph.outputs[name].type('z')
    last = f'{graph.layers[-1].name}:out'
    result = graph.again(known={name: z})[last]
    inputs = [z, *(graph.masks[mask.clock] for mask in masks)]
    function = Compiled(f'what follows from {name!r}', inputs, [result])
    return Border([field], border.targets, [], masks, border.layout, border.dtype), function


class Inference:
    """The compiled functions of a network, each made when it is first wanted.

    Parameters
    ----------
    graph : Graph
    border : Border
    kernel : bool or None
        False keeps kernels out.
    compared : str
        The output that `score` compares with the target, ``'out:out'``.
    """

    def __init__(self, graph: Graph, border: Border, kernel: bool | None, compared: str):
        self.graph, self.border, self.kernel = graph, border, kernel
        self.last = f'{graph.layers[-1].name}:out'
        self.compared = compared
        # The output may have a target's time axis instead of one of its own.
        self.clock = graph.plan.clock_of(self.last, graph.by_name)
        if self.last == self.compared:
            self.clock = border.target.clock
        self._functions: dict[str, Compiled] = {}
        self._rests: dict[str, tuple[Border, Compiled]] = {}
        self._noisy = NoisyOutputs(graph, kernel)
        self._stream: Stream | None = None
        self._continuation: Continuation | None = None

    def function(self, what: str, outputs: list[TensorVariable]) -> Compiled:
        """Return a function of the inputs and masks."""
        if what not in self._functions:
            variables = [*self.graph.inputs, *self.graph.masks.values()]
            self._functions[what] = Compiled(what, variables, outputs)
        return self._functions[what]

    def _outputs(self, arrays: list[np.ndarray], name: str) -> np.ndarray:
        what = 'the prediction' if name == self.last else f'the output {name!r}'
        return self.function(what, [self.graph.outputs[name]])(*arrays)[0]

    def predict(
        self,
        where: str,
        x: Any,
        mask: Any,
        state: State | None,
        return_state: bool,
        noise: dict[str, Any] | None = None,
    ) -> Any:
        """Return the output for `x`, with the state after it if that is wanted."""
        border = self.border
        if noise and (state is not None or return_state):
            raise ConfigError(f'{where}: {min(noise)} does not go with a state')
        if state is not None:
            border = border.part(self.stream.course.clock, True)
        arrays, listed = border.read_inputs(x, where, mask)
        if noise:
            out = self._noisy(where, [self.last], arrays, noise)[0]
        elif state is None and not return_state:
            out = self._outputs(arrays, self.last)
        else:
            out, state = self._go_on(where, arrays, state)
        padding = border.mask_of(self.clock, arrays)
        out = self._shown(out, padding, listed, self.graph.has_time(self.last))
        return (out, state) if return_state else out

    def _shown(
        self, out: np.ndarray, padding: np.ndarray | None, listed: bool, has_time: bool
    ) -> Any:
        """Return an output as users have it: 0 over padding, or without it; and turned."""
        if padding is not None:
            out = out * padding[..., None]
        if padding is not None and listed:
            return ragged.unpad(out, padding)
        return self.border.turn(out, has_time)

    @property
    def stream(self) -> Stream:
        """The functions that carry a state."""
        if self._stream is None:
            with kernels.allowed(self.kernel):
                self._stream = Stream(self.graph)
        return self._stream

    @property
    def continuation(self) -> Continuation:
        """The functions by which the network goes on from its own outputs."""
        if self._continuation is None:
            with kernels.allowed(self.kernel):
                self._continuation = Continuation(self.graph, self.border)
        return self._continuation

    def _go_on(self, where: str, arrays: list[np.ndarray], state: State | None) -> Any:
        """Return the output for checked arrays, and the state after them.

        Without a state, the arrays are all inputs and masks; with one, those that move on.
        """
        stream = self.stream
        if state is None:
            fields = [*self.border.inputs, *self.border.masks]
            moves = [field.clock == stream.course.clock for field in fields]
            stays = [a for a, on in zip(arrays, moves, strict=True) if not on]
            arrays = [a for a, on in zip(arrays, moves, strict=True) if on]
            flat = stream.begin(stays, arrays[0].shape[1])
        else:
            flat = stream.read(where, state, arrays[0].shape[1])
        out, flat = stream.run(arrays, flat)
        return out, stream.named(flat)

    def step(self, x_t: Any, state: State | None) -> tuple[np.ndarray, State]:
        """Return the output for a single time step, and the state after it."""
        border = self.border
        if state is not None:
            border = border.part(self.stream.course.clock, True)
        arrays = border.read_step(x_t, self.stream.course.clock)
        out, state = self._go_on('step()', arrays, state)
        return out[0], state

    def feed_forward(self, x: Any, mask: Any, noise: dict[str, Any]) -> dict[str, np.ndarray]:
        """Return every output of every layer."""
        graph, where = self.graph, 'feed_forward()'
        arrays, _ = self.border.read_inputs(x, where, mask)
        if noise:
            found = self._noisy(where, list(graph.outputs), arrays, noise)
        else:
            found = self.function('all outputs', list(graph.outputs.values()))(*arrays)
        return {
            name: self.border.turn(array, graph.has_time(name))
            for name, array in zip(graph.outputs, found, strict=True)
        }

    def output(self, where: str, name: str, x: Any, mask: Any) -> Any:
        """Return one output for `x`, 0 over padding."""
        clock = self.graph.plan.clock_of(name, self.graph.by_name)
        arrays, listed = self.border.read_inputs(x, where, mask)
        padding = self.border.mask_of(clock, arrays)
        return self._shown(self._outputs(arrays, name), padding, listed, clock is not None)

    def rest(self, where: str, name: str, z: Any, mask: Any) -> Any:
        """Return what the network makes of one of its outputs."""
        if name not in self._rests:
            with kernels.allowed(self.kernel):
                self._rests[name] = rest_of(self.graph, self.border, name)
        border, function = self._rests[name]
        if mask is not None and self.border.masks and not border.masks:
            raise ConfigError(f'{where}: {name!r} has no time axis, so that there is no mask')
        arrays, listed = border.read_inputs(z, where, mask)
        (out,) = function(*arrays)
        clock = self.graph.plan.clock_of(self.last, self.graph.by_name)
        return self._shown(out, border.mask_of(clock, arrays), listed, clock is not None)

    def logits(self, x: Any, mask: Any) -> np.ndarray:
        """Return what the activation of the last layer is taken of."""
        arrays, _ = self.border.read_inputs(x, 'predict_logit()', mask)
        name = f'{self.graph.layers[-1].name}:pre'
        found = self.function('the logits', [self.graph.outputs[name]])(*arrays)[0]
        return self.border.turn(found, self.graph.has_time(name))

    def score(self, metric: Callable[..., float], x: Any, y: Any, weights: Any, mask: Any) -> float:
        """Return what a metric makes of targets and predictions."""
        border = self.border.of_first_target(weights is not None)
        batch = border.read_batch(border.join('score()', x, y, weights, mask), 'score()')
        given = dict(zip([field.name for field in border.fields], batch, strict=True))
        y, weights = given[border.target.name], given.get('weights')
        n = len(border.inputs)
        predicted = self._outputs(
            [*batch[:n], *batch[len(batch) - len(border.masks) :]], self.compared
        )
        if border.target.kind == 'labels':
            predicted = predicted.argmax(axis=-1)
        real = border.mask_of(border.target.clock, batch)
        if real is not None:
            real = real[..., None] if y.ndim > real.ndim else real
            weights = np.broadcast_to(real, y.shape) * (1 if weights is None else weights)
        return metric(y, predicted, weights)
