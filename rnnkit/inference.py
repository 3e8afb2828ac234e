"""What a network is used for once it has parameters: predictions, scores, single steps."""

from collections.abc import Callable
from typing import Any

import numpy as np
from pytensor.tensor import TensorVariable

from rnnkit import kernels, sequences
from rnnkit.border import Border
from rnnkit.compiled import Compiled
from rnnkit.errors import ConfigError
from rnnkit.generation import Continuation
from rnnkit.graph import Graph
from rnnkit.noisy_outputs import NoisyOutputs
from rnnkit.streaming import State, Stream


class Inference:
    """The compiled functions of a network, each made when it is first wanted.

    Parameters
    ----------
    graph : Graph
    border : Border
    kernel : bool or None
        False keeps kernels out.
    """

    def __init__(self, graph: Graph, border: Border, kernel: bool | None):
        self.graph, self.border, self.kernel = graph, border, kernel
        self._functions: dict[str, Compiled] = {}
        self._noisy = NoisyOutputs(graph, kernel)
        self._stream: Stream | None = None
        self._continuation: Continuation | None = None

    @property
    def output(self) -> TensorVariable:
        """The output of the last layer."""
        return self.graph.outputs[f'{self.graph.layers[-1].name}:out']

    def function(self, what: str, outputs: list[TensorVariable]) -> Compiled:
        """Return a function of the inputs and masks."""
        if what not in self._functions:
            variables = [*self.graph.inputs, *self.graph.masks.values()]
            self._functions[what] = Compiled(what, variables, outputs)
        return self._functions[what]

    def _outputs(self, arrays: list[np.ndarray]) -> np.ndarray:
        return self.function('the prediction', [self.output])(*arrays)[0]

    def predict(
        self, where: str, x: Any, mask: Any, state: State | None, return_state: bool,
        noise: dict[str, Any] | None = None,
    ) -> Any:  # fmt: skip
        """Return the output for `x`, with the state after it if that is wanted."""
        border = self.border
        if noise and (state is not None or return_state):
            raise ConfigError(f'{where}: {min(noise)} does not go with a state')
        if state is not None:
            border = border.part(self.stream.course.clock, True)
        arrays, ragged = border.read_inputs(x, where, mask)
        if noise:
            last = f'{self.graph.layers[-1].name}:out'
            out = self._noisy(where, [last], arrays, noise)[0]
        elif state is None and not return_state:
            out = self._outputs(arrays)
        else:
            out, state = self._go_on(where, arrays, state)
        padding = border.mask_of_target(arrays)
        if padding is not None:
            out = out * padding[..., None]
        if padding is not None and ragged:
            out = sequences.unpad(out, padding)
        else:
            out = border.turn(out, border.target.has_time)
        return (out, state) if return_state else out

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

    def logits(self, x: Any, mask: Any) -> np.ndarray:
        """Return what the activation of the last layer is taken of."""
        arrays, _ = self.border.read_inputs(x, 'predict_logit()', mask)
        name = f'{self.graph.layers[-1].name}:pre'
        found = self.function('the logits', [self.graph.outputs[name]])(*arrays)[0]
        return self.border.turn(found, self.graph.has_time(name))

    def score(self, metric: Callable[..., float], x: Any, y: Any, weights: Any, mask: Any) -> float:
        """Return what a metric makes of targets and predictions."""
        border, n = self.border.with_weights(weights is not None), len(self.graph.inputs)
        given = [x] if n == 1 else list(x)
        masks = [] if mask is None else [mask] if len(border.masks) == 1 else list(mask)
        batch = border.read_batch([*given, y, *[weights] * border.weighted, *masks], 'score()')
        inputs, y, rest = batch[:n], batch[n], batch[n + 1 :]
        weights = rest.pop(0) if border.weighted else None
        predicted = self._outputs([*inputs, *rest])
        if border.target.kind == 'labels':
            predicted = predicted.argmax(axis=-1)
        real = border.mask_of_target(batch)
        if real is not None:
            real = real[..., None] if y.ndim > real.ndim else real
            weights = np.broadcast_to(real, y.shape) * (1 if weights is None else weights)
        return metric(y, predicted, weights)
