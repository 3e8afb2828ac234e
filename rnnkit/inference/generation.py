"""Generation: a network continues a sequence, and each output is its next input."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from rnnkit.common import output_names
from rnnkit.common.checks import whole
from rnnkit.common.masked_arrays import without_mask
from rnnkit.common.spelling import brief
from rnnkit.data.arrays import TEXT, as_numbers
from rnnkit.data.border import Border
from rnnkit.data.field import Field
from rnnkit.data.ragged import is_list_of_arrays, is_ragged
from rnnkit.data.single import PLAIN, Form, form_of, with_batch
from rnnkit.errors import ConfigError, DataError, ShapeError
from rnnkit.graph.graph import Graph
from rnnkit.inference.blame import not_finite
from rnnkit.inference.sampling import Beams, Sampling
from rnnkit.inference.streaming import Stream
from rnnkit.training.protocols import Inputs

Outputs = list[np.ndarray]  # (B, O) each: what the next input is chosen from
Choose = Callable[[Outputs], np.ndarray]
Flat = list[np.ndarray]  # a state, as `Stream.run` expects it


class Continuation:
    """A network that reads its own outputs: one compiled call for each time step.

    Parameters
    ----------
    graph : Graph
    border : Border
    outputs : sequence of str, optional
        The outputs that the next input is chosen from; the first is of its size. By default that of
        the last layer, or its logits if targets are labels.
    n_parts : int
        The number of parts of an output, each of which is as long as the next input.

    Raises
    ------
    ConfigError
        If the network has no state to carry, or its output cannot be its next input.
    """

    def __init__(
        self,
        graph: Graph,
        border: Border,
        outputs: Sequence[str] | None = None,
        n_parts: int = 1,
    ):
        self.labels = border.target.kind == 'labels'
        if outputs is None:
            output = output_names.PRE if self.labels else output_names.MAIN
            outputs = [output_names.join(graph.layers[-1].name, output)]
        self.stream = Stream(graph, outputs, at_end=True)
        owner, output = output_names.parts(outputs[0])
        units = graph.by_name[owner].output_size(output)
        size = units // n_parts
        clock = self.stream.course.clock
        self.moves, self.stays = border.part(clock, True), border.part(clock, False)
        if len(self.moves.inputs) > 1:
            names = ', '.join(field.name for field in self.moves.inputs)
            raise ConfigError(
                f'generate(): the output of a step is the input of the next one; this network '
                f'steps with several inputs: {names}'
            )
        (field,) = self.moves.inputs
        self.field, self.size = replace(field, name='seed'), size
        if field.size != size or (field.kind == 'words' and not self.labels):
            each = f', {n_parts} for each target' if n_parts > 1 else ''
            raise ConfigError(
                f'generate(): the output of a step is the input of the next one, so '
                f'{field.name} must be like the output; it has {field.size} {_kind(field)}, and '
                f'layer {owner!r} has {units} units{each}'
            )

    # --- reading ---

    def begin(
        self, where: str, seed: Inputs, start: ArrayLike | None, streams: int
    ) -> tuple[Outputs, Flat]:
        """Read the seed; return the outputs after it, and the state."""
        whole(f'{where}: streams', streams, 1)
        fixed: list[np.ndarray] = []
        if self.stays.inputs:
            fixed, _ = self.stays.read_inputs(seed, where)
            x = self._start(where, start, fixed[0].shape[self.stays.inputs[0].batch_axis])
        elif start is not None:
            raise ConfigError(
                f'{where}: start is for a network with an encoder; here the seed is the first input'
            )
        else:
            x = self._seed(where, seed)
        n = x.shape[1]
        outputs, flat = self._run(x, self.stream.begin(fixed, n))
        if streams > 1:
            if n > 1:
                raise ConfigError(
                    f'{where}: several streams continue a single seed; got streams={streams} and '
                    f'{n} seeds'
                )
            copies = np.zeros(streams, int)
            outputs = [out[copies] for out in outputs]
            flat = self.stream.select(flat, copies)
        return outputs, flat

    def _seed(self, where: str, seed: Inputs) -> np.ndarray:
        """Return the start of the sequence, (T, B) or (T, B, I)."""
        field, seed = self.field, without_mask(f'{where}: seed', seed)
        is_list = is_ragged if self.moves.masks else is_list_of_arrays
        flat = self.labels or (field.has_features and field.size == 1)
        if is_list(seed, field.ndim - 1) or (flat and is_list_of_arrays(seed, 1)):
            raise DataError(
                f'{where}: seed is a list of sequences; all must have the same length, so pass an '
                f'array ({", ".join(field.axes)})'
            )
        if not self.labels:
            return self.moves.turn(field.read(where, seed), True)
        if isinstance(seed, str | bytes):
            raise DataError(f'{where}: seed must be an array of numbers; got {brief(seed)}{TEXT}')
        try:
            ndim = np.ndim(seed)
        except ValueError:  # ragged: `read` raises the error
            ndim = 2
        if ndim == 3 and field.kind == 'numbers':
            return self.moves.turn(field.read(where, seed), True)
        if ndim == 0:
            seed, ndim = [seed], 1
        if ndim == 1:
            seed = np.expand_dims(np.asarray(seed), field.axes.index('batch'))
        field = replace(field, kind='words', axes=field.axes[:2], dtype='int64')
        return self._as_input(self.moves.turn(field.read(where, seed), True))

    def _start(self, where: str, start: ArrayLike | None, n: int) -> np.ndarray:
        """Return the first input of a decoder, (1, B) or (1, B, I)."""
        if start is None:
            raise ConfigError(
                f'{where}: start is missing: the first input of the decoder, such as the label '
                f'that starts all sequences in the training data'
            )
        axes = ('batch',) if self.labels else ('batch', 'features')
        shape = (n,) if self.labels else (n, self.size)
        kind, dtype = ('words', 'int64') if self.labels else (self.field.kind, self.field.dtype)
        field = replace(self.field, name='start', kind=kind, axes=axes, dtype=dtype)
        start = without_mask(f'{where}: start', start)
        try:
            start = np.broadcast_to(start, shape)
        except ValueError:
            raise ShapeError(
                f'{where}: start must have shape {shape}, for {n} examples; got {np.shape(start)}'
            ) from None
        return self._as_input(field.read(where, start)[None])

    def _as_input(self, values: np.ndarray) -> np.ndarray:
        """Return labels (T, B), one-hot if the network reads them so; or numbers (T, B, O)."""
        if not self.labels or self.field.kind == 'words':
            return np.ascontiguousarray(values)
        one_hot = np.zeros((*values.shape, self.size), self.field.dtype)
        np.put_along_axis(one_hot, values[..., None], 1, axis=-1)
        return one_hot

    # --- continuing ---

    def _run(self, x: np.ndarray, flat: Flat) -> tuple[Outputs, Flat]:
        masks = [np.ones(x.shape[:2], field.dtype) for field in self.moves.masks]
        outputs, flat = self.stream.run_all([x, *masks], flat)
        if not all(np.isfinite(out).all() for out in outputs):
            raise not_finite('generate()', self.stream.graph)
        return outputs, flat

    def steps(
        self, outputs: Outputs, flat: Flat, steps: int, choose: Choose
    ) -> Iterator[np.ndarray]:
        """Yield ``choose(outputs)`` for each step; it is the next input."""
        for left in range(steps, 0, -1):
            chosen = choose(outputs)
            yield chosen
            if left > 1:
                outputs, flat = self._run(self._as_input(chosen[None]), flat)

    def numbers(
        self, seed: Inputs, steps: int, choose: Choose, streams: int, start: ArrayLike | None
    ) -> np.ndarray:
        """Return the steps that a regressor generates; each is its next input."""
        whole('generate(): steps', steps, 1)
        form = PLAIN
        if not self.stays.inputs:
            seed, form = self._all_axes('generate(): seed', seed)
        outputs, flat = self.begin('generate()', seed, start, streams)
        numbers = np.array(list(self.steps(outputs, flat, steps, choose)))  # (steps, B, I)
        if form.single and streams == 1:
            return form.without_axes(numbers, 1)
        return self.moves.turn(form.without_features(numbers), True)

    def _all_axes(self, where: str, seed: Inputs) -> tuple[Inputs, Form]:
        """Return the start of one series with all axes, and how it was passed."""
        field = self.field
        if isinstance(seed, list | tuple) and any(
            is_list_of_arrays(seed, n) for n in (field.ndim - 1, 1)
        ):
            return seed, PLAIN
        numbers = as_numbers(where, seed)
        self.moves.columns.check(where, self.moves.inputs[0].name, numbers)
        form = form_of(field, numbers)
        if form.single:
            numbers = with_batch(field, numbers)
            # Here, where it is known what the user passed
            field.values(where, numbers)
            return numbers.array, form
        return seed, form

    def sampled(
        self,
        seed: Inputs,
        steps: int,
        sampling: Sampling,
        streams: int,
        start: ArrayLike | None,
        stop: int | None,
    ) -> np.ndarray:
        """Return sampled labels, (steps, streams); after `stop` there is only `stop`."""
        self._check(steps, stop)
        outputs, flat = self.begin('generate()', seed, start, streams)
        done, labels = np.zeros(len(outputs[0]), bool), []

        def choose(outputs: Outputs) -> np.ndarray:
            drawn = sampling(outputs[0])
            if stop is not None:
                drawn[done] = stop
                done[drawn == stop] = True
            return drawn

        for drawn in self.steps(outputs, flat, steps, choose):
            labels.append(drawn)
            if done.all():
                break
        return self.moves.turn(np.array(labels), True)

    def searched(
        self,
        seed: Inputs,
        steps: int,
        n: int,
        length_penalty: float,
        start: ArrayLike | None,
        stop: int | None,
    ) -> np.ndarray:
        """Return the best sequence of labels that a beam search with `n` beams finds."""
        self._check(steps, stop)
        whole('generate(): beam', n, 1)
        if length_penalty and stop is None:
            raise ConfigError(
                'generate(): length_penalty compares sequences of different lengths, and without a '
                'label that ends them all have the same; add stop='
            )
        (out,), flat = self.begin('generate()', seed, start, 1)
        beams = Beams(n, stop, length_penalty)
        for left in range(steps, 0, -1):
            parents = beams.advance(out)
            # Beams come from others of the same example, which has one memory for all of them.
            flat = self.stream.select(flat, parents, fixed=len(parents) != len(out))
            if left == 1 or beams.complete:
                break
            (out,), flat = self._run(self._as_input(beams.labels[None]), flat)
        return self.moves.turn(beams.best(), True)

    def sequence(
        self, labels: Inputs, steps: int, streams: int, rng: int | np.random.Generator | None
    ) -> Iterator[int | list[int]]:
        """Return an iterator over sampled labels: each a number, or a list of numbers."""
        whole('predict_sequence(): steps', steps, 1)
        outputs, flat = self.begin('predict_sequence()', labels, None, streams)
        sampling = Sampling(rng=rng)
        drawn = self.steps(outputs, flat, steps, lambda outputs: sampling(outputs[0]))
        return (row.tolist() if streams > 1 else int(row[0]) for row in drawn)

    def _check(self, steps: object, stop: object) -> None:
        whole('generate(): steps', steps, 1)
        if stop is not None:
            whole('generate(): stop', stop, most=self.size - 1)


def _kind(field: Field) -> str:
    return 'tokens' if field.kind == 'words' else 'features'
