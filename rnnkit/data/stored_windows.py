"""Windows of long series on disk, in order, with a state that is carried. NumPy only."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from rnnkit.common.checks import whole
from rnnkit.data.background import Background
from rnnkit.data.examples import Examples
from rnnkit.data.hold_out import part_of
from rnnkit.data.share import WHOLE, Share
from rnnkit.data.stored import PIECE, holds_stored, holds_stored_list
from rnnkit.data.windows import Window
from rnnkit.errors import ConfigError, ShapeError

Key = tuple[int, int]  # a group of series, and the number of a piece of them


class StoredWindows:
    """Long series on disk, cut along time as `Windows` cuts arrays.

    Several windows are read together, half a MiB or a chunk of the file. While they are used, a
    thread reads the next ones.

    Parameters
    ----------
    examples : Examples
        The series.
    steps : int
        The length of a window.
    batch_size : int, optional
        How many series are side by side in a batch; by default all.
    n_batches : int, optional
        How many windows make an epoch; by default all.
    anew : bool
        Whether each epoch begins with the first window, as in a validation.
    share : Share
        The part of the series of each batch that is read.

    Raises
    ------
    ConfigError
        If sequences are read one by one.
    ShapeError
        If arrays differ in their number of steps.
    """

    def __init__(
        self,
        examples: Examples,
        steps: int,
        batch_size: int | None = None,
        n_batches: int | None = None,
        *,
        anew: bool = False,
        share: Share = WHOLE,
    ):
        whole('steps', steps, 1)
        if holds_stored_list(examples.values):
            raise ConfigError(
                f'{examples.where}: carry_state cuts arrays along time; here sequences are read '
                f'one by one'
            )
        self.examples, self.anew, self.share = examples, anew, share
        self.n_examples, self.times = examples.n, examples.times
        lengths = {
            len(one) if is_list else np.shape(one)[time]
            for value, time, is_list in zip(
                examples.values, self.times, examples.parts.lists, strict=True
            )
            if time is not None
            for one in (value if is_list else [value])
        }
        if len(lengths) != 1:
            raise ShapeError(
                f'windows are cut from arrays of one length in time; got {sorted(lengths)}'
            )
        (self.length,) = lengths
        self.steps = min(steps, self.length)
        self.batch_size = min(batch_size or self.n_examples, self.n_examples)
        self._windows = -(-self.length // self.steps)  # of a group
        self.batches_of_a_pass = -(-self.n_examples // self.batch_size) * self._windows
        self.n_batches = n_batches or self.batches_of_a_pass
        self._together = self._windows_of_a_piece()
        self._drawn = 0  # windows so far
        self._held: tuple[Key, Any] | None = None
        self._ahead: tuple[Key, Background] | None = None

    def _windows_of_a_piece(self) -> int:
        """Return how many windows are read together: at least a chunk."""
        best, most = 1, 0
        for value, time in zip(self.examples.values, self.times, strict=True):
            if time is None or not holds_stored(value):
                continue
            series = 1 if self.examples.parts.single else self.batch_size
            step = value.bytes_of_one(time) // max(1, self.n_examples) * series
            if step > most:
                most = step
                best = max(PIECE // max(1, step * self.steps), value.chunk(time) // self.steps)
        return max(1, min(best, self._windows))

    @property
    def one_pass(self) -> bool:
        """Whether each reading gives the same windows."""
        return self.anew or self.n_batches == self.batches_of_a_pass

    def in_order(self, n_batches: int | None = None) -> 'StoredWindows':
        """Return the same windows from their beginning."""
        return StoredWindows(
            self.examples, self.steps, self.batch_size, n_batches, anew=True, share=self.share
        )

    def get_state(self) -> dict[str, Any]:
        """Return the position in the stream."""
        return {'drawn': self._drawn}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from where `get_state` was."""
        self._drawn = int(state['drawn'])

    def describe(self) -> list[list[int]]:
        """Return the shapes of the arrays."""
        return self.examples.shapes

    def scan(self) -> Iterator[list[np.ndarray]]:
        """Read all windows, in their order."""
        yield from StoredWindows(self.examples, self.steps, self.batch_size, anew=True)

    def __iter__(self) -> Iterator[Window]:
        if self.anew:
            self._drawn = 0
        try:
            for _ in range(self.n_batches):
                group, k = divmod(self._drawn % self.batches_of_a_pass, self._windows)
                window = Window(self._cut(group, k), fresh=k == 0)
                self._drawn += 1
                yield window
        finally:
            if self._ahead is not None:
                self._ahead[1].cancel()
            self._held = self._ahead = None

    def _series(self, group: int) -> np.ndarray:
        """Return the series of a group that are in the share; if none are, the group's first."""
        first = group * self.batch_size
        if self._is_empty(group):
            return np.array([first])
        part = self.share.of(min(self.batch_size, self.n_examples - first))
        return np.arange(first + part.start, first + part.stop)

    def _is_empty(self, group: int) -> bool:
        """Return whether no series of a group is in the share."""
        part = self.share.of(min(self.batch_size, self.n_examples - group * self.batch_size))
        return part.start == part.stop

    def _time(self, first: int, n: int) -> slice:
        return slice(first * self.steps, min((first + n) * self.steps, self.length))

    def _cut(self, group: int, k: int) -> list[np.ndarray]:
        """Return the arrays of window k of a group."""
        key = (group, k // self._together)
        loaded, series, time = self._piece(key), self._series(group), self._time(k, 1)
        begin = self._time(key[1] * self._together, 1).start
        inside = slice(time.start - begin, time.stop - begin)
        window = [
            value if value is None or axis is None else part_of(value, inside, axis)
            for value, axis in zip(loaded, self.times, strict=True)
        ]
        batch = self.examples.batch(window, series, time, empty=True)
        return self.examples.emptied(batch) if self._is_empty(group) else batch

    def _piece(self, key: Key) -> list[Any]:
        """Return the windows that are read together; begin to read the next ones."""
        if self._held is None or self._held[0] != key:
            if self._ahead is not None and self._ahead[0] == key:
                self._held = (key, self._ahead[1].result())
            else:
                self._held = (key, self._read(key))
            self._ahead = None
            group, p = key
            after = (group, p + 1) if (p + 1) * self._together < self._windows else (group + 1, 0)
            if after[0] * self.batch_size < self.n_examples:
                self._ahead = (after, Background(partial(self._read, after)))
        return self._held[1]

    def _read(self, key: Key, wanted: Callable[[], bool] = lambda: True) -> list[Any]:
        time = self._time(key[1] * self._together, self._together)
        return self.examples.load(self._series(key[0]), go_on=wanted, time=time)
