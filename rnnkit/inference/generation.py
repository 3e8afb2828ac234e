"""Sequences that a network writes itself: each output is its next input."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from rnnkit.common.checks import check_count
from rnnkit.data.border import Border
from rnnkit.data.ragged import is_ragged
from rnnkit.errors import ConfigError, DataError, ShapeError
from rnnkit.graph.graph import Graph
from rnnkit.inference.sampling import Beams, Sampling, check_label
from rnnkit.inference.streaming import Stream

Choose = Callable[[np.ndarray], np.ndarray]
Flat = list[np.ndarray]  # a state, as a `Stream` has it


class Continuation:
    """A network that goes on from its own outputs: one compiled call for each time step.

    Parameters
    ----------
    graph : Graph
    border : Border

    Raises
    ------
    ConfigError
        If the network has no state to carry, or its output cannot be its next input.
    """

    def __init__(self, graph: Graph, border: Border):
        self.labels = border.target.kind == 'labels'
        last = graph.layers[-1]
        output = f'{last.name}:pre' if self.labels else f'{last.name}:out'
        self.stream = Stream(graph, output, at_end=True)
        clock = self.stream.course.clock
        self.moves, self.stays = border.part(clock, True), border.part(clock, False)
        if len(self.moves.inputs) > 1:
            names = ', '.join(field.name for field in self.moves.inputs)
            raise ConfigError(
                f'generate(): the output of a step is the input of the next one; this network '
                f'steps with several inputs: {names}'
            )
        (field,) = self.moves.inputs
        self.field, self.size = replace(field, name='seed'), last.size
        if field.size != last.size or (field.kind == 'words' and not self.labels):
            raise ConfigError(
                f'generate(): the output of a step is the input of the next one, so that '
                f'{field.name} must be like the output; it has {field.size} {_what(field)}, and '
                f'layer {last.name!r} has {last.size} units'
            )

    # --- reading ---

    def begin(self, where: str, seed: Any, start: Any, streams: int) -> tuple[np.ndarray, Flat]:
        """Read the seed; return the output after it, and the state."""
        check_count(f'{where}: streams', streams)
        fixed: list[np.ndarray] = []
        if self.stays.inputs:
            fixed, _ = self.stays.read_inputs(seed, where)
            x = self._start(where, start, fixed[0].shape[self.stays.inputs[0].batch_axis])
        elif start is not None:
            raise ConfigError(
                f'{where}: start is for a network with an encoder; here the seed is the start'
            )
        else:
            x = self._seed(where, seed)
        n = x.shape[1]
        out, flat = self._run(x, self.stream.begin(fixed, n))
        if streams > 1:
            if n > 1:
                raise ConfigError(
                    f'{where}: several streams go on from one seed; got streams={streams} and '
                    f'{n} seeds'
                )
            copies = np.zeros(streams, int)
            out, flat = out[copies], self.stream.select(flat, copies)
        return out, flat

    def _seed(self, where: str, seed: Any) -> np.ndarray:
        """Return the start of the sequence, (T, B) or (T, B, I)."""
        field = self.field
        if self.moves.masks and is_ragged(seed, field.ndim - 1):
            raise DataError(
                f'{where}: seed is a list of sequences; all go on from the same time step, so pass '
                f'an array'
            )
        if not self.labels:
            return self.moves.turn(field.read(where, seed), True)
        try:
            ndim = np.ndim(seed)
        except ValueError:  # ragged, which is for `read` to say
            ndim = 2
        if ndim == 3 and field.kind == 'numbers':
            return self.moves.turn(field.read(where, seed), True)
        if ndim == 0:
            seed, ndim = [seed], 1
        if ndim == 1:
            seed = np.expand_dims(np.asarray(seed), field.axes.index('batch'))
        field = replace(field, kind='words', axes=field.axes[:2], dtype='int64')
        return self._as_input(self.moves.turn(field.read(where, seed), True))

    def _start(self, where: str, start: Any, n: int) -> np.ndarray:
        """Return the first input of a decoder, (1, B) or (1, B, I)."""
        if start is None:
            raise ConfigError(
                f'{where}: start is missing: the first input of the decoder, such as the label '
                f'that all its sequences begin with in training'
            )
        axes = ('batch',) if self.labels else ('batch', 'features')
        shape = (n,) if self.labels else (n, self.size)
        kind, dtype = ('words', 'int64') if self.labels else (self.field.kind, self.field.dtype)
        field = replace(self.field, name='start', kind=kind, axes=axes, dtype=dtype)
        try:
            start = np.broadcast_to(start, shape)
        except ValueError:
            raise ShapeError(
                f'{where}: start is for {n} examples, {shape}; got {np.shape(start)}'
            ) from None
        return self._as_input(field.read(where, start)[None])

    def _as_input(self, values: np.ndarray) -> np.ndarray:
        """Return labels (T, B) as the network reads them; numbers (T, B, O) are as it does."""
        if not self.labels or self.field.kind == 'words':
            return np.ascontiguousarray(values)
        hot = np.zeros((*values.shape, self.size), self.field.dtype)
        np.put_along_axis(hot, values[..., None], 1, axis=-1)
        return hot

    # --- going on ---

    def _run(self, x: np.ndarray, flat: Flat) -> tuple[np.ndarray, Flat]:
        masks = [np.ones(x.shape[:2], field.dtype) for field in self.moves.masks]
        return self.stream.run([x, *masks], flat)

    def steps(self, out: np.ndarray, flat: Flat, steps: int, choose: Choose) -> Iterator:
        """Yield what is chosen of each output, which is the next input."""
        for left in range(steps, 0, -1):
            chosen = choose(out)
            yield chosen
            if left > 1:
                out, flat = self._run(self._as_input(chosen[None]), flat)

    def numbers(self, seed: Any, steps: int, start: Any) -> np.ndarray:
        """Return the outputs of a regressor that reads what it puts out."""
        check_count('generate(): steps', steps)
        out, flat = self.begin('generate()', seed, start, 1)
        found = np.array(list(self.steps(out, flat, steps, lambda out: out)))
        return self.moves.turn(found, True)

    def sampled(
        self, seed: Any, steps: int, sampling: Sampling, streams: int, start: Any, stop: Any
    ) -> np.ndarray:
        """Return labels that are drawn, (steps, streams); after `stop` there is only `stop`."""
        self._check(steps, stop)
        out, flat = self.begin('generate()', seed, start, streams)
        done, found = np.zeros(len(out), bool), []

        def choose(out: np.ndarray) -> np.ndarray:
            drawn = sampling(out)
            if stop is not None:
                drawn[done] = stop
                done[drawn == stop] = True
            return drawn

        for drawn in self.steps(out, flat, steps, choose):
            found.append(drawn)
            if done.all():
                break
        return self.moves.turn(np.array(found), True)

    def searched(self, seed: Any, steps: int, n: int, start: Any, stop: Any) -> np.ndarray:
        """Return the best sequence of labels that a beam search with `n` beams finds."""
        self._check(steps, stop)
        check_count('generate(): beam', n)
        out, flat = self.begin('generate()', seed, start, 1)
        beams = Beams(n, stop)
        for left in range(steps, 0, -1):
            flat = self.stream.select(flat, beams.advance(out))
            if left == 1 or beams.complete:
                break
            out, flat = self._run(self._as_input(beams.labels[None]), flat)
        return self.moves.turn(beams.best(), True)

    def sequence(self, labels: Any, steps: int, streams: int, rng: Any) -> Iterator:
        """Return an iterator over labels that are drawn: each a number, or a list of them."""
        check_count('predict_sequence(): steps', steps)
        out, flat = self.begin('predict_sequence()', labels, None, streams)
        drawn = self.steps(out, flat, steps, Sampling(rng=rng))
        return (one.tolist() if streams > 1 else int(one[0]) for one in drawn)

    def _check(self, steps: Any, stop: Any) -> None:
        check_count('generate(): steps', steps)
        if stop is not None:
            check_label('generate(): stop', stop, self.size)


def _what(field: Any) -> str:
    return 'words' if field.kind == 'words' else 'features'
