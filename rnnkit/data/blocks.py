"""Shuffled batches of data on disk: by blocks, and inside blocks. NumPy only."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from rnnkit.data.background import Background
from rnnkit.data.datasets import Seed, generator_for, lengths_of
from rnnkit.data.examples import Examples
from rnnkit.data.share import WHOLE, Share
from rnnkit.data.stored import holds_stored
from rnnkit.errors import ConfigError

BUFFER = 2**24  # bytes of examples that are shuffled together
IN_ORDER = 2**23  # bytes that are read ahead where nothing is shuffled

OVERHEAD = 24  # bytes of the numbers of an example

Key = tuple[int, int]  # a pass, and the number of a buffer in it
Found = list[tuple[list[Any], np.ndarray]]  # the arrays of a buffer, and the rows of a batch


class Buffer(NamedTuple):
    """Some blocks in memory.

    Attributes
    ----------
    start : int
        The place of the first example in the pass.
    order : array of int
        The examples, in the order of the pass.
    numbers : array of int
        Those in memory, in ascending order.
    arrays : list
        Their arrays, checked and converted by the border; or as they were on disk, if sequences
        are padded batch by batch.
    """

    start: int
    order: np.ndarray
    numbers: np.ndarray
    arrays: list[Any]


class Blocks:
    """Examples on disk; every epoch they are shuffled and cut into batches.

    Examples that lie side by side are a block, of half a MiB. In each pass blocks come in another
    order. Several of them, 16 MiB, are read into a buffer, and the examples in it are shuffled. So
    the disk is read by long slices. While batches come from a buffer, a thread reads the next one.
    Besides these two, a copy of one is in memory while it is converted.

    Data that fit one buffer are read once, and have the batches that `Arrays` makes of them.

    Parameters
    ----------
    examples : Examples
    batch_size : int
    n_batches : int, optional
        How many batches make an epoch; by default all. With fewer, the next epoch goes on where
        this one stopped.
    seed : int or sequence of int, optional
        Shuffles; without it examples keep their order, and each epoch begins with the first.
    bucket : bool
        Whether sequences of similar length share a batch, as in `Arrays`; they are sorted in a
        buffer.
    share : Share
        The part of each batch that is read.
    buffer : int, optional
        The bytes of a buffer.

    Raises
    ------
    ConfigError
        If `bucket` is asked for, and the lengths of sequences are on disk.

    Notes
    -----
    The order depends on the seed, the number of the pass and the sizes of the arrays alone, so
    that the number of batches so far is the whole state.
    """

    def __init__(
        self,
        examples: Examples,
        batch_size: int,
        n_batches: int | None = None,
        seed: Seed | None = None,
        *,
        bucket: bool = False,
        share: Share = WHOLE,
        buffer: int | None = None,
    ):
        self.examples, self.seed, self.share = examples, seed, share
        self.n_examples = examples.n
        self.batch_size = min(batch_size, self.n_examples)
        self.batches_of_a_pass = -(-self.n_examples // self.batch_size)
        self.n_batches = n_batches or self.batches_of_a_pass
        each, self.block = examples.sizes()
        each += OVERHEAD
        size = buffer or BUFFER
        self._fits = self.n_examples * each <= size
        if seed is None and not buffer:
            size = IN_ORDER
        self._blocks = -(-self.n_examples // self.block)
        self._together = max(1, size // (each * self.block))  # blocks in a buffer
        if self._fits:
            self._together = self._blocks
        self.n_buffers = -(-self._blocks // self._together)
        self._lengths = _lengths(examples) if bucket else {}
        self._padded = any(examples.parts.lists)
        self._drawn = 0  # batches so far
        self._pass: tuple[int, np.ndarray] = (-1, np.zeros(0, int))  # a pass, and its blocks
        self._held: dict[Key, Buffer] = {}
        self._ahead: tuple[Key, Background] | None = None

    @property
    def one_pass(self) -> bool:
        """Whether an epoch has every example once; in order, each epoch has the same."""
        return self.seed is None or self.n_batches == self.batches_of_a_pass

    def get_state(self) -> dict[str, Any]:
        """Return the position in the stream."""
        return {'drawn': self._drawn}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from where `get_state` was."""
        self._drawn = int(state['drawn'])

    def describe(self) -> list[list[int]]:
        """Return the shapes of the arrays."""
        return self.examples.shapes

    def in_order(self, n_batches: int | None = None) -> 'Blocks':
        """Return the same examples, not shuffled."""
        return Blocks(
            self.examples,
            self.batch_size,
            n_batches,
            bucket=bool(self._lengths),
            share=self.share,
        )

    def scan(self) -> Iterator[list[np.ndarray]]:
        """Read all examples, in their order, in pieces."""
        return self.examples.scan()

    def __iter__(self) -> Iterator[list[np.ndarray]]:
        if self.seed is None:
            self._drawn = 0
        finished = False
        try:
            for _ in range(self.n_batches):
                batch = self._batch(*divmod(self._drawn, self.batches_of_a_pass))
                self._drawn += 1
                yield batch
            finished = True
        finally:
            self._settle(finished)

    def _settle(self, finished: bool) -> None:
        """End the thread; keep what it has read for the next epoch, if this one has ended."""
        if self._ahead is not None:
            _, reading = self._ahead
            if finished:
                reading.wait()
            else:
                reading.cancel()
                self._ahead = None
        if not finished or (self.seed is None and self.n_buffers > 1):
            self._held, self._ahead = {}, None

    # --- the order of a pass

    def _blocks_of(self, number: int) -> np.ndarray:
        """Return the blocks of a pass, in their order."""
        known, blocks = self._pass  # the thread may change it meanwhile
        if known != number:
            blocks = np.arange(self._blocks)
            if self.seed is not None and self.n_buffers > 1:
                generator_for(self.seed, number, 'order').shuffle(blocks)
            self._pass = (number, blocks)
        return blocks

    def _start(self, key: Key) -> int:
        """Return the place of the first example of a buffer in the pass."""
        number, b = key
        before = self._blocks_of(number)[: b * self._together]
        lacking = self._blocks * self.block - self.n_examples  # in the last block
        return len(before) * self.block - lacking * int(self._blocks - 1 in before)

    def _order(self, key: Key) -> np.ndarray:
        """Return the examples of a buffer, in the order of the pass."""
        number, b = key
        blocks = self._blocks_of(number)[b * self._together : (b + 1) * self._together]
        order = (blocks[:, None] * self.block + np.arange(self.block)).ravel()
        order, rng = order[order < self.n_examples], None
        # The order inside a batch does not matter.
        if self.seed is not None and self.batch_size < self.n_examples:
            seed = self.seed if self.n_buffers == 1 else [*np.atleast_1d(self.seed), b + 1]
            rng = generator_for(seed, number, 'order')
            rng.shuffle(order)
        return self._sorted(order, self._start(key), rng) if self._lengths else order

    def _sorted(self, order: np.ndarray, start: int, rng: np.random.Generator | None) -> np.ndarray:
        """Sort the examples of a buffer by length, in groups of several batches."""
        lengths, n = sum(self._lengths.values()), len(order)
        size = n
        if rng is not None:
            size = self.batch_size * math.ceil(math.sqrt(-(-n // self.batch_size)))
        groups = [order[k : k + size] for k in range(0, n, size)]
        order = np.concatenate([g[lengths[g].argsort(kind='stable')] for g in groups])
        first = min(-start % self.batch_size, n)  # complete the last batch of the buffer before
        full = first + (n - first) // self.batch_size * self.batch_size
        batches = order[first:full].reshape(-1, self.batch_size)
        if rng is not None:
            rng.shuffle(batches)
        return np.concatenate([order[:first], batches.ravel(), order[full:]])

    # --- reading

    def _batch(self, number: int, k: int) -> list[np.ndarray]:
        """Return batch k of a pass."""
        first = k * self.batch_size
        part = self.share.of(min(self.batch_size, self.n_examples - first))
        place, end = first + part.start, first + part.stop
        if place == end:
            return self._nothing()
        found, numbers, b = [], [], self._buffer_at(number, place)
        while place < end:
            buffer = self._buffer((number, b))
            some = buffer.order[place - buffer.start : end - buffer.start]
            found.append((buffer.arrays, np.searchsorted(buffer.numbers, some)))
            numbers.append(some)
            place += len(some)
            b += 1
        self._go_on_after((number, b - 1))
        examples = np.concatenate(numbers)
        if self._padded:
            return self.examples.batch(self._unread(found), examples)
        return self._taken(found, examples)

    def _nothing(self) -> list[np.ndarray]:
        """Return a batch without an example, for a share that has none."""
        one = np.arange(1)
        return self.examples.emptied(self.examples.batch(self.examples.load(one), one))

    def _unread(self, found: Found) -> list[Any]:
        """Return examples as they were on disk; they may come from several buffers."""
        examples, joined = self.examples, []
        for k, (value, axis) in enumerate(zip(examples.values, examples.axes, strict=True)):
            parts: list[Any] = [None]
            if holds_stored(value):
                parts = [examples.cut(loaded, rows, k) for loaded, rows in found]
            if len(parts) > 1 and isinstance(parts[0], list):
                joined.append([one for part in parts for one in part])
            else:
                joined.append(parts[0] if len(parts) == 1 else np.concatenate(parts, axis))
        return joined

    def _taken(self, found: Found, numbers: np.ndarray) -> list[np.ndarray]:
        """Return the arrays of a batch, without the time that none of its examples has."""
        longest = {clock: int(of[numbers].max()) for clock, of in self._lengths.items()}
        batch = []
        for k, field in enumerate(self.examples.border.fields):
            axis, parts = field.batch_axis, []
            for arrays, rows in found:
                array = arrays[k]
                if field.has_time and field.clock in longest:
                    array = array[: longest[field.clock]]
                parts.append(array.take(rows, axis))
            batch.append(parts[0] if len(parts) == 1 else np.concatenate(parts, axis))
        return batch

    def _buffer_at(self, number: int, place: int) -> int:
        """Return which buffer has an example, by its place in the pass."""
        b = min(place // (self._together * self.block), self.n_buffers - 1)
        # The last block, which may be shorter, may be in a buffer before.
        return b + (b + 1 < self.n_buffers and place >= self._start((number, b + 1)))

    def _buffer(self, key: Key) -> Buffer:
        """Return a buffer; read it, unless that was done."""
        if self.n_buffers == 1 and self._held and self.share == WHOLE and key not in self._held:
            (buffer,) = self._held.values()  # another pass over the same examples
            self._held = {key: buffer._replace(order=self._order(key))}
        if key not in self._held and self._ahead is not None and self._ahead[0] == key:
            self._held[key] = self._ahead[1].result()
            self._ahead = None
        if key not in self._held:
            self._held[key] = self._read(key)
        return self._held[key]

    def _go_on_after(self, key: Key) -> None:
        """Forget the buffers before the one that is in use, and begin to read the next one."""
        self._held = {k: buffer for k, buffer in self._held.items() if k == key}
        number, b = key
        after = (number, b + 1) if b + 1 < self.n_buffers else (number + 1, 0)
        if self.n_buffers == 1 or (self.seed is None and after[0] > number):
            return
        if self._ahead is not None and self._ahead[0] != after:
            self._ahead[1].cancel()
            self._ahead = None
        if self._ahead is None:
            self._ahead = (after, Background(partial(self._read, after)))

    def _read(self, key: Key, wanted: Callable[[], bool] = lambda: True) -> Buffer:
        """Read the examples of a buffer that are in the share."""
        start, order = self._start(key), self._order(key)
        here = order
        if self.share != WHOLE:
            here = order[self._shared(np.arange(start, start + len(order)))]
        numbers = np.sort(here)
        arrays = self.examples.load(numbers, self.block, wanted) if len(numbers) else []
        if wanted() and len(numbers) and not self._padded:
            arrays = self.examples.batch(arrays, numbers)
        return Buffer(start, order, numbers, arrays)

    def _shared(self, places: np.ndarray) -> np.ndarray:
        """Return which places of a pass are in the share."""
        k, inside = np.divmod(places, self.batch_size)
        last = self.n_examples - (self.batches_of_a_pass - 1) * self.batch_size
        whole, rest = self.share.of(self.batch_size), self.share.of(last)
        is_last = k == self.batches_of_a_pass - 1
        first = np.where(is_last, rest.start, whole.start)
        return (inside >= first) & (inside < np.where(is_last, rest.stop, whole.stop))


def _lengths(examples: Examples) -> dict[str | None, np.ndarray]:
    """Return the lengths of all sequences by time axis, from masks that are in memory.

    Raises
    ------
    ConfigError
        If there are none.
    """
    masks = [
        (field.clock, value)
        for field, value in zip(examples.fields, examples.values, strict=True)
        if field.kind == 'mask' and value is not None
    ]
    if not masks or any(holds_stored(mask) for _, mask in masks):
        raise ConfigError(
            f'{examples.where}: bucket=True sorts sequences by length, and their lengths are on '
            f'disk, too; pass the mask as an array in memory, or leave bucket out'
        )
    found = {}
    for clock, mask in masks:
        array = np.asarray(mask)
        if array.ndim == 1:  # one series
            array = array[:, None]
        elif examples.border.layout == 'batch':
            array = array.T
        found[clock] = lengths_of(array)
    return found
