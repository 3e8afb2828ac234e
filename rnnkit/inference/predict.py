"""The use of a network after training: predictions, scores, single time steps."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from pytensor.graph.replace import graph_replace
from pytensor.tensor import TensorVariable

from rnnkit import kernels
from rnnkit.common import output_names
from rnnkit.common.checks import flag
from rnnkit.common.compiled import Compiled
from rnnkit.common.old_words import warn
from rnnkit.data import ragged
from rnnkit.data.border import LAYOUTS, Border
from rnnkit.data.single import PLAIN, Form
from rnnkit.errors import ConfigError
from rnnkit.graph.fields import output_as_array
from rnnkit.graph.graph import Graph
from rnnkit.graph.missing import with_missing
from rnnkit.inference.blame import is_nan, not_finite
from rnnkit.inference.drawing import Drawing, nothing_to_draw
from rnnkit.inference.generation import Continuation
from rnnkit.inference.in_place import StepCode
from rnnkit.inference.noisy import NoisyOutputs
from rnnkit.inference.quick_step import QuickSteps
from rnnkit.inference.states import State
from rnnkit.inference.stepper import Stepper
from rnnkit.inference.streaming import Stream
from rnnkit.losses.base import name_of
from rnnkit.training.loss_term import LossTerm
from rnnkit.training.protocols import Arrays, Inputs


def decoder_of(graph: Graph, border: Border, name: str) -> tuple[Border, Compiled]:
    """Return the function from one output to that of the last layer, with its border.

    Raises
    ------
    ConfigError
        If the last layer does not depend on this output alone.
    """
    field = output_as_array('z', graph, name, LAYOUTS[border.layout])
    masks = [mask for mask in border.masks if mask.clock == field.clock]
    z = graph.outputs[name].type('z')
    last = output_names.join(graph.layers[-1].name)
    # Built again from z, rather than replaced in the graph, so that other paths are an error.
    result = graph.again(known={name: z})[last]
    inputs = [z, *(graph.masks[mask.clock] for mask in masks)]
    function = Compiled(f'the decoder of {name!r}', inputs, [result])
    return Border([field], border.targets, [], masks, border.layout, border.dtype), function


class Inference:
    """The compiled functions of a network, each compiled when it is first used.

    Parameters
    ----------
    graph : Graph
    border : Border
    kernel : bool or None
        False uses PyTensor's own Ops only.
    term : LossTerm
        The first loss: `score` compares what it predicts with the target, and `generate` draws
        from it.
    """

    def __init__(self, graph: Graph, border: Border, kernel: bool | None, term: LossTerm):
        self.graph, self.border, self.kernel, self.term = graph, border, kernel, term
        self.last = output_names.join(graph.layers[-1].name)
        self.compared = term.predicted  # such as 'out:out'
        # The output may have a target's time axis instead of one of its own.
        self.clock = graph.plan.clock_of(self.last, graph.by_name)
        if self.last == self.compared:
            self.clock = border.target.clock
        self._functions: dict[str, Compiled] = {}
        self._decoders: dict[str, tuple[Border, Compiled]] = {}
        self._noisy = NoisyOutputs(graph, kernel)
        self._stream: Stream | None = None
        self._quick: QuickSteps | None = None
        self._warned = False  # whether it was said that outputs are not like the data
        self._continuations: dict[tuple[str, ...] | None, Continuation] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Return all but what holds addresses, which cannot be copied."""
        return vars(self) | {'_quick': None}

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
        x: Inputs,
        mask: Arrays | None,
        state: State | None,
        return_state: bool,
        noise: Mapping[str, object] | None = None,
    ) -> Any:
        """Return the output for `x`; with `return_state`, also the state after it."""
        border = self.border
        flag(f'{where}: return_state', return_state)
        if noise and (state is not None or return_state):
            raise ConfigError(f'{where}: {min(noise)} cannot be combined with a state')
        if state is not None:
            border = border.part(self.stream.course.clock, True)
        arrays, form = border.read_inputs(x, where, mask)
        if noise:
            out = self._noisy(where, [self.last], arrays, noise)[0]
        elif state is None and not return_state:
            out = self._outputs(arrays, self.last)
        else:
            out, state = self._continue(where, arrays, state)
        mask_read = border.mask_of(self.clock, arrays)
        whole = arrays if len(arrays) == len(self.border.inputs) + len(self.border.masks) else None
        self._check(where, out, mask_read, whole)
        out = self._as_user_array(out, mask_read, form, self.clock)
        return (out, state) if return_state else out

    def _as_user_array(
        self, out: np.ndarray, mask: np.ndarray | None, form: Form, clock: str | None
    ) -> Any:
        """Return an output as users get it: 0 over padding, or without it; in their layout.

        It lacks the axes of series and of features if the input does.
        """
        if mask is not None:
            # Not a product: over padding there may be anything, and 0 times infinity is NaN.
            out = np.where(mask[..., None] > 0, out, np.zeros((), out.dtype))
        if form is PLAIN:
            return self.border.turn(out, clock is not None)
        labels = self.border.target.kind == 'labels'
        if form.single:
            return form.without_axes(out, int(clock is not None), labels)
        sequences = None
        if form.listed and mask is not None:
            sequences = ragged.unpad(out, mask)
        elif form.listed and clock and self._time_of(clock) == self.border.inputs[0].clock:
            sequences = [np.ascontiguousarray(out[:, k]) for k in range(out.shape[1])]
        if sequences is not None:
            return [form.without_features(one, labels) for one in sequences]
        return self.border.turn(out, clock is not None)

    def _check(
        self,
        where: str,
        out: np.ndarray,
        mask: np.ndarray | None,
        arrays: list[np.ndarray] | None = None,
    ) -> None:
        """Raise a DataError if an output contains NaN where it counts.

        Parameters
        ----------
        where : str
        out : array
        mask : array (T, B), or None
            Where steps of the output are real.
        arrays : list of arrays, optional
            Inputs and masks, from which all outputs can be computed.
        """
        if not is_nan(out) or (mask is not None and not is_nan(out[mask > 0])):
            return

        def outputs() -> dict[str, np.ndarray]:
            function = self.function('all outputs', list(self.graph.outputs.values()))
            values = dict(zip(self.graph.outputs, function(*arrays), strict=True))
            for name in with_missing(self.graph):
                del values[name]
            for name in values:
                clock = self.graph.plan.clock_of(name, self.graph.by_name)
                real = self.border.mask_of(clock, arrays)
                values[name] = values[name] if real is None else values[name][real > 0]
            return values

        raise not_finite(where, self.graph, None if arrays is None else outputs)

    def _time_of(self, clock: str) -> str | None:
        """Return the time axis of the data that a time axis is computed from."""
        while clock in self.graph.plan.made_of:
            clock = self.graph.plan.made_of[clock]
        return clock

    @property
    def stream(self) -> Stream:
        """The functions that carry the hidden state."""
        if self._stream is None:
            with kernels.allowed(self.kernel):
                self._stream = Stream(self.graph)
        return self._stream

    def continuation(self, outputs: tuple[str, ...] | None = None) -> Continuation:
        """Return the functions that generate sequences, from these outputs."""
        if outputs not in self._continuations:
            with kernels.allowed(self.kernel):
                self._continuations[outputs] = Continuation(
                    self.graph, self.border, outputs, self.term.loss.n_parts if outputs else 1
                )
        return self._continuations[outputs]

    def generate(
        self,
        seed: Inputs,
        steps: int,
        temperature: float | None,
        streams: int,
        start: ArrayLike | None,
        rng: int | np.random.Generator | None,
    ) -> np.ndarray:
        """Return numbers that continue a sequence: drawn, if the loss draws."""
        loss = self.term.loss
        if not loss.draws:
            nothing_to_draw(self.term, temperature, streams, rng)
            continuation = self.continuation((self.term.predicted,) if loss.n_parts > 1 else None)
            if temperature is None:
                self._warn()
            return continuation.numbers(seed, steps, lambda out: loss.central(out[0]), 1, start)
        drawing = Drawing(self.graph, self.term, 1.0 if temperature is None else temperature, rng)
        return self.continuation(drawing.outputs).numbers(seed, steps, drawing, streams, start)

    def _warn(self) -> None:
        """Warn once if outputs are not like the data."""
        loss = self.term.loss
        if loss.predicts and not self._warned:
            self._warned = True
            warn(
                f'generate(): the network was trained with loss {name_of(loss)!r}, so each output '
                f'is {loss.predicts} of the next step, and no sample; what is generated from such '
                f'inputs may be unlike the data. Train it with several quantiles, or give a loss '
                f'of your own a method draw()',
                RuntimeWarning,
            )

    def _continue(
        self, where: str, arrays: list[np.ndarray], state: State | None
    ) -> tuple[np.ndarray, State]:
        """Return the output for checked arrays, and the state after them.

        Without a state, the arrays are all inputs and masks; with one, those of the output's
        time axis.
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

    def state_to_json(self, state: object) -> dict[str, Any]:
        """Return a state as dicts and lists of numbers."""
        return self.stream.form.plain('state_to_json()', state)

    @property
    def quick(self) -> QuickSteps:
        """The functions of single time steps."""
        if self._quick is None:
            moves = self.border.part(self.stream.course.clock, True)
            self._quick = QuickSteps(StepCode(self.stream, moves))
        return self._quick

    def stepper(self, batch: int) -> Stepper:
        """Return an object that makes single time steps and keeps the state."""
        return Stepper(self.quick.code, self.border, batch)

    def step(self, x_t: Inputs, state: State | None) -> tuple[np.ndarray, State]:
        """Return the output for a single time step, and the state after it."""
        border = self.border
        if state is not None:
            done = (self._quick or self.quick)(x_t, state)
            if done is not None:
                return done
            border = border.part(self.stream.course.clock, True)
        arrays, form = border.read_step(x_t, self.stream.course.clock)
        out, state = self._continue('step()', arrays, state)
        self._check('step()', out, None)
        out = out if self.stream.course.answers else out[0]
        if form is not PLAIN:
            out = form.without_axes(out, 0, border.target.kind == 'labels')
        return out, state

    def feed_forward(
        self, x: Inputs, mask: Arrays | None, noise: Mapping[str, object]
    ) -> dict[str, np.ndarray]:
        """Return every output of every layer."""
        graph, where = self.graph, 'feed_forward()'
        arrays, form = self.border.read_inputs(x, where, mask)
        if noise:
            results = self._noisy(where, list(graph.outputs), arrays, noise)
        else:
            results = self.function('all outputs', list(graph.outputs.values()))(*arrays)
        outputs = dict(zip(graph.outputs, results, strict=True))
        if form.single:
            return {name: out.take(0, int(graph.has_time(name))) for name, out in outputs.items()}
        return {name: self.border.turn(a, graph.has_time(name)) for name, a in outputs.items()}

    def output(self, where: str, name: str, x: Inputs, mask: Arrays | None) -> Any:
        """Return one output for `x`, 0 over padding."""
        clock = self.graph.plan.clock_of(name, self.graph.by_name)
        arrays, form = self.border.read_inputs(x, where, mask)
        out = self._outputs(arrays, name)
        return self._as_user_array(out, self.border.mask_of(clock, arrays), form, clock)

    def with_params(
        self,
        where: str,
        name: str,
        x: Inputs,
        mask: Arrays | None,
        params: Sequence[TensorVariable],
        draws: Iterable[Sequence[np.ndarray]],
    ) -> Iterator[Any]:
        """Yield one output for `x`, as `output`, for each of some values of parameters."""
        clock = self.graph.plan.clock_of(name, self.graph.by_name)
        arrays, form = self.border.read_inputs(x, where, mask)
        key = f'the output {name!r} from {", ".join(str(p.name) for p in params)}'
        if key not in self._functions:
            given = {p: p.type(p.name) for p in params}
            with kernels.allowed(self.kernel):
                found = graph_replace([self.graph.outputs[name]], given, strict=False)
            inputs = [*self.graph.inputs, *self.graph.masks.values(), *given.values()]
            self._functions[key] = Compiled(f'the output {name!r}', inputs, found)
        function, real = self._functions[key], self.border.mask_of(clock, arrays)
        for draw in draws:
            (out,) = function(*arrays, *draw)
            self._check(where, out, real)
            yield self._as_user_array(out, real, form, clock)

    def decode(self, where: str, name: str, z: Inputs, mask: Arrays | None) -> Any:
        """Return the output of the last layer, given one of the outputs before it."""
        if name not in self._decoders:
            with kernels.allowed(self.kernel):
                self._decoders[name] = decoder_of(self.graph, self.border, name)
        border, function = self._decoders[name]
        if mask is not None and self.border.masks and not border.masks:
            raise ConfigError(f'{where}: {name!r} has no time axis, so there can be no mask')
        arrays, form = border.read_inputs(z, where, mask)
        (out,) = function(*arrays)
        self._check(where, out, border.mask_of(border.inputs[0].clock, arrays))
        clock = self.graph.plan.clock_of(self.last, self.graph.by_name)
        return self._as_user_array(out, border.mask_of(clock, arrays), form, clock)

    def logits(self, x: Inputs, mask: Arrays | None) -> np.ndarray:
        """Return the logits: the last layer before its activation."""
        arrays, form = self.border.read_inputs(x, 'predict_logit()', mask)
        name = output_names.join(self.graph.layers[-1].name, output_names.PRE)
        logits = self.function('the logits', [self.graph.outputs[name]])(*arrays)[0]
        if form.single:
            return logits.take(0, int(self.graph.has_time(name)))
        return self.border.turn(logits, self.graph.has_time(name))

    def score(
        self,
        metric: Callable[..., float],
        x: Inputs,
        y: Inputs | None,
        weights: Inputs | None,
        mask: Arrays | None,
    ) -> float:
        """Return a metric of the targets and the predictions."""
        border = self.border.of_first_target(weights is not None)
        given = border.join('score()', x, y, weights, mask)
        batch = border.read_batch(given, 'score()', empty=True)
        by_name = dict(zip([field.name for field in border.fields], batch, strict=True))
        target, weights = by_name[border.target.name], by_name.get('weights')
        n = len(border.inputs)
        arrays = [*batch[:n], *batch[len(batch) - len(border.masks) :]]
        predicted = self._outputs(arrays, self.compared)
        self._check('score()', predicted, border.mask_of(border.target.clock, batch), arrays)
        if border.target.kind == 'labels':
            predicted = predicted.argmax(axis=-1)
        real = border.mask_of(border.target.clock, batch)
        if real is not None:
            real = real[..., None] if target.ndim > real.ndim else real
            weights = np.broadcast_to(real, target.shape) * (1 if weights is None else weights)
        return metric(target, predicted, weights)
