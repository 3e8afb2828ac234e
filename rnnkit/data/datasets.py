"""Arrays, callables or iterables in, batches of checked arrays out. NumPy only."""

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from rnnkit.data.passes import Passes, drawn_from, is_iterable, listed, once_only
from rnnkit.data.share import WHOLE, Share
from rnnkit.data.windows import Window
from rnnkit.errors import ConfigError, DataError

CALLABLE_BATCHES = 100  # batches in an epoch of a callable, unless told otherwise

Prepare = Callable[[object, str], list[np.ndarray]]
Seed = int | Sequence[int]


class Batches(Protocol):
    """A stream of batches, one epoch each time it is read."""

    @property
    def n_batches(self) -> int | None:
        """The number of batches of an epoch, if it is known."""

    @property
    def one_pass(self) -> bool:
        """Whether an epoch has every example once."""

    def __iter__(self) -> Iterator[list[np.ndarray]]:
        """Yield the batches of an epoch."""

    def in_order(self, n_batches: int | None = None) -> 'Batches':
        """Return batches of the same data for a validation."""

    def get_state(self) -> dict[str, Any]:
        """Return the position in the stream."""

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from where `get_state` was."""

    def describe(self) -> str | list[list[int]]:
        """Return a description of the data, for checkpoints."""


class Arrays:
    """Examples held in memory; every epoch they are shuffled and cut into batches.

    With `bucket`, sequences of similar length share a batch, and each batch is cut to the
    longest of its own. The shuffled examples are split into groups of several batches and sorted
    by length in each group; then the batches are shuffled, so that a batch has other examples
    in every epoch. A group has about as many batches as there are groups.

    Parameters
    ----------
    arrays : sequence of arrays
    axes : sequence of int
        The axis of each array that counts examples.
    batch_size : int
    n_batches : int, optional
        How many batches make an epoch. By default all of them; with fewer, the next epoch
        goes on where this one stopped.
    seed : int or sequence of int, optional
        Shuffles the examples; without it they keep their order, or with `bucket` are sorted by
        length.
    bucket : bool
    masks : sequence of (int or None), optional
        For `bucket`: for each array, the index of the mask (T, B) of its time axis, which is not 0
        over data; None for an array that is not cut. With several masks, examples are sorted by
        the sum of their lengths.
    time_axes : sequence of int, optional
        For `bucket`: the axis of each array that counts time; the first if not given.
    share : Share
        Which part of each batch is taken.
    n_cuts : int, optional
        Cut a pass into as many batches of about the same size, in place of `batch_size`.

    Raises
    ------
    ConfigError
        If `bucket` is asked for without a mask.

    Notes
    -----
    The order of the examples depends on the seed and the number of the pass alone, so that the
    number of batches so far is the whole state of the stream.
    """

    def __init__(
        self,
        arrays: Sequence[np.ndarray],
        axes: Sequence[int],
        batch_size: int,
        n_batches: int | None = None,
        seed: Seed | None = None,
        *,
        bucket: bool = False,
        masks: Sequence[int | None] = (),
        time_axes: Sequence[int] | None = None,
        share: Share = WHOLE,
        n_cuts: int | None = None,
    ):
        self.arrays = list(arrays)
        self.axes = list(axes)
        self.n_examples = arrays[0].shape[axes[0]] if arrays else 1
        self.batch_size = min(batch_size, self.n_examples)
        self.share, self.n_cuts = share, n_cuts
        self.batches_of_a_pass = n_cuts or -(-self.n_examples // self.batch_size)
        self.n_batches = n_batches or self.batches_of_a_pass
        self.seed = seed
        self.masks = list(masks) if bucket else [None] * len(self.arrays)
        self.time_axes = list(time_axes or [0] * len(self.arrays))
        self._lengths = {k: lengths_of(arrays[k]) for k in {*self.masks} - {None}}
        self._sort_by = sum(self._lengths.values()) if bucket else None
        if bucket and not self._lengths:
            raise ConfigError(
                'bucket=True sorts sequences by length, so it needs a mask or a list of sequences; '
                'there is none here'
            )
        self._drawn = 0  # batches so far
        self._plan: tuple[int, list[np.ndarray]] = (-1, [])  # a pass, and its batches

    def __iter__(self) -> Iterator[list[np.ndarray]]:
        for _ in range(self.n_batches):
            number, k = divmod(self._drawn, self.batches_of_a_pass)
            self._drawn += 1
            if self.batches_of_a_pass == 1:  # the order inside a batch does not matter
                yield self._take(None)
                continue
            if number != self._plan[0]:
                self._plan = (number, self._pass(number))
            yield self._take(self._plan[1][k])

    @property
    def one_pass(self) -> bool:
        """Whether an epoch has every example once."""
        return self.n_batches == self.batches_of_a_pass

    def get_state(self) -> dict[str, Any]:
        """Return the position in the stream."""
        return {'drawn': self._drawn}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from where `get_state` was."""
        self._drawn = int(state['drawn'])

    def describe(self) -> list[list[int]]:
        """Return the shapes of the arrays."""
        return [list(array.shape) for array in self.arrays]

    def in_order(self, n_batches: int | None = None) -> 'Arrays':
        """Return the same examples, not shuffled, without copying them."""
        return Arrays(
            self.arrays,
            self.axes,
            self.batch_size,
            n_batches,
            bucket=bool(self._lengths),
            masks=self.masks,
            time_axes=self.time_axes,
            share=self.share,
            n_cuts=self.n_cuts,
        )

    def _pass(self, number: int) -> list[np.ndarray]:
        """Return the examples of each batch of a pass."""
        order, rng = np.arange(self.n_examples), None
        if self.seed is not None:
            rng = generator_for(self.seed, number, 'order')
            rng.shuffle(order)
        if self._lengths:
            order = self._sorted(order)
        if self.n_cuts:
            return np.array_split(order, self.n_cuts)
        starts = np.arange(0, self.n_examples, self.batch_size)
        if self._lengths and rng is not None:
            rng.shuffle(starts)
        return [order[start : start + self.batch_size] for start in starts]

    def _sorted(self, order: np.ndarray) -> np.ndarray:
        """Sort examples by length: all of them, or if they are shuffled, group by group."""
        size = self.n_examples
        if self.seed is not None:
            size = self.batch_size * math.ceil(math.sqrt(self.batches_of_a_pass))
        # Stable, so that examples of one length stay shuffled.
        groups = [order[k : k + size] for k in range(0, self.n_examples, size)]
        return np.concatenate([g[self._sort_by[g].argsort(kind='stable')] for g in groups])

    def _take(self, chosen: np.ndarray | None) -> list[np.ndarray]:
        """Return the share of the chosen examples, or of all, without time that no example has."""
        longest = {
            k: int((lengths if chosen is None else lengths[chosen]).max())
            for k, lengths in self._lengths.items()
        }
        batch = []
        for array, axis, mask, time in zip(
            self.arrays, self.axes, self.masks, self.time_axes, strict=True
        ):
            if mask is not None and longest[mask] < array.shape[time]:
                array = array[(slice(None),) * time + (slice(longest[mask]),)]
            if chosen is None:
                if self.share.size > 1:
                    array = array[(slice(None),) * axis + (self.share.of(self.n_examples),)]
                batch.append(np.asarray(array, order='C'))
            else:
                batch.append(array.take(chosen[self.share.of(len(chosen))], axis))
        return batch


def lengths_of(mask: np.ndarray) -> np.ndarray:
    """Return how many steps each example has, up to its last one that is not masked.

    Parameters
    ----------
    mask : array of shape (T, B)

    Returns
    -------
    lengths : array of int of shape (B,)
        At least 1, so that a batch is never empty.

    Examples
    --------
    >>> lengths_of(np.array([[1, 0, 1], [1, 1, 0], [1, 0, 0]])).tolist()
    [3, 2, 1]
    """
    real = np.asarray(mask) != 0
    return np.where(real.any(axis=0), len(real) - real[::-1].argmax(axis=0), 1)


# What a generator is for. The numbers begin at 1: NumPy ignores zeros at the end of a seed.
PURPOSES = ('order', 'train', 'valid', 'hold out')


def generator_for(seed: Seed, number: int, purpose: str) -> np.random.Generator:
    """Return a generator that depends on nothing but these.

    Parameters
    ----------
    seed : int or sequence of int
    number : int
        Of the pass, or of the epoch.
    purpose : str
        One of `PURPOSES`.
    """
    return np.random.default_rng([*np.atleast_1d(seed), number, 1 + PURPOSES.index(purpose)])


class Stream:
    """Batches of a callable, as many as are asked for.

    Parameters
    ----------
    function : callable
        Returns a batch at each call, a list or tuple of arrays. If that is a `rnnkit.data.Window`,
        so is the batch that is read. If it has a required parameter, it gets a
        `numpy.random.Generator`, a new one in each epoch.
    prepare : callable
        Checks a batch and converts it: ``prepare(batch, where)``.
    n_batches : int, optional
        How many batches make an epoch; 100 by default.
    where : str
        The name of the callable, for messages.
    seed : int or sequence of int
        The seed of these generators, which depend on it and on the number of the epoch.
    purpose : {'train', 'valid'}
        What the batches are for: each has generators of its own.
    kind : {'callable', 'iterator'}
        What the user passed, for messages.

    Raises
    ------
    ConfigError
        If the callable has more than one required parameter.
    """

    one_pass = False

    def __init__(
        self,
        function: Callable,
        prepare: Prepare,
        n_batches: int | None,
        where: str,
        seed: Seed = 0,
        purpose: str = 'train',
        kind: str = 'callable',
    ):
        self.function, self.kind = function, kind
        self.prepare = prepare
        self.n_batches = n_batches or CALLABLE_BATCHES
        self.where = where
        self.seed, self.purpose = seed, purpose
        self._wants_rng = wants_rng(function, where)
        self._epochs = 0  # how often it has been read

    def in_order(self, n_batches: int | None = None) -> 'Stream':
        """Return further batches of the same callable."""
        args = (self.function, self.prepare, n_batches, self.where, self.seed)
        return Stream(*args, 'valid', self.kind)

    def get_state(self) -> dict[str, Any]:
        """Return how many epochs there have been; what the callable remembers is its own."""
        return {'epochs': self._epochs}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on with the epoch that followed `get_state`."""
        self._epochs = int(state['epochs'])

    def describe(self) -> str:
        """Return a description."""
        return f'a{"n" * (self.kind == "iterator")} {self.kind}'

    def __iter__(self) -> Iterator[list[np.ndarray]]:
        where = f'the batch returned by the {self.where} {self.kind}'
        given = [generator_for(self.seed, self._epochs, self.purpose)] * self._wants_rng
        self._epochs += 1
        for _ in range(self.n_batches):
            try:
                batch = self.function(*given)
            except StopIteration as end:  # in this generator Python would make it a RuntimeError
                raise DataError(
                    f'the {self.where} callable has no further batch: it raised StopIteration; a '
                    f'callable makes batches without end, and {self.where}_batches says how many '
                    f'there are in an epoch. A list of arrays has an end'
                ) from end
            if inspect.isgenerator(batch):
                raise DataError(
                    f'{where} is a generator; the callable returns one batch each time it is '
                    f'called, such as the __next__ of a generator of batches'
                )
            arrays = self.prepare(listed(batch), where)
            yield Window(arrays, batch.fresh) if isinstance(batch, Window) else arrays


def wants_rng(function: Callable, where: str) -> bool:
    """Return whether a callable has a required parameter."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some that are written in C have no signature
        return False
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind in kinds]
    if len(needed) > 1:
        raise ConfigError(
            f'{where}: a callable that makes batches has no parameter, or one, for a '
            f'numpy.random.Generator; this one has {", ".join(needed)}'
        )
    return bool(needed)


def build(
    data: object,
    prepare: Prepare,
    axes: Sequence[int],
    where: str,
    batch_size: int,
    n_batches: int | None = None,
    seed: Seed | None = None,
    make: Callable[..., Batches] = Arrays,
    *,
    purpose: str = 'train',
) -> Batches:
    """Make batches of `data`: arrays, or a callable or an iterable that makes batches.

    ``make(arrays, axes, batch_size, n_batches, seed)`` makes those of arrays; the seed is None for
    validation data.
    """
    if inspect.isgeneratorfunction(data):
        name = data.__name__
        raise ConfigError(
            f'{where} is the generator function {name}(), which makes a new generator each time it '
            f'is called; pass a callable that returns a batch: {where}={name}().__next__'
        )
    if callable(data):
        return Stream(data, prepare, n_batches, where, 0 if seed is None else seed, purpose)
    if is_iterable(data) and isinstance(data, Iterator):
        if n_batches is None:
            raise ConfigError(once_only(data, where))
        draw = drawn_from(data, where)
        return Stream(draw, prepare, n_batches, where, purpose=purpose, kind='iterator')
    if is_iterable(data):
        return Passes(data, prepare, n_batches, where)
    shuffled = seed if purpose == 'train' else None
    return make(prepare(data, where), axes, batch_size, n_batches, shuffled)


class Kept:
    """Batches that are drawn once, when they are first read, and kept.

    They are copied, for a callable may fill the same arrays again.
    """

    def __init__(self, dataset: Iterable[list[np.ndarray]]):
        self.dataset = dataset
        self._batches: list[list[np.ndarray]] | None = None

    def draw(self) -> None:
        """Draw the batches, unless that was done."""
        if self._batches is None:
            self._batches = [copied(batch) for batch in self.dataset]

    def __iter__(self) -> Iterator[list[np.ndarray]]:
        self.draw()
        return iter(self._batches or ())


def frozen(dataset: Iterable[list[np.ndarray]]) -> Iterable[list[np.ndarray]]:
    """Return batches that are the same each time they are read.

    Batches of a callable are kept, so that what is measured on them can be compared from one time
    to the next; so are those of arrays of which an epoch is a part.
    """
    return dataset if getattr(dataset, 'one_pass', False) else Kept(dataset)


def copied(batch: list[np.ndarray]) -> list[np.ndarray]:
    """Return a batch of arrays that nobody else can write to."""
    arrays = [array.copy() for array in batch]
    return Window(arrays, batch.fresh) if isinstance(batch, Window) else arrays
