"""Batches that an iterable makes, such as a data loader: each epoch is a new pass over it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count, islice
from typing import Any

import numpy as np

from rnnkit.data.windows import Window
from rnnkit.errors import DataError

END = object()


def is_iterable(data: object) -> bool:
    """Return whether training data are an iterable of batches, and not arrays or a callable.

    Lists, tuples and dicts hold the arrays of one batch; so does a single array or frame.

    Examples
    --------
    >>> is_iterable(zip([1], [2])), is_iterable([1, 2]), is_iterable(np.zeros(3))
    (True, False, False)
    """
    if callable(data) or not isinstance(data, Iterable):
        return False
    known = isinstance(data, list | tuple | Mapping | set | frozenset | str | bytes)
    return not (known or hasattr(data, '__array__'))


def makes_batches(data: object) -> bool:
    """Return whether training data make their own batches: a callable or an iterable."""
    return callable(data) or is_iterable(data)


def maker(data: object) -> str:
    """Return the kind of training data that make their own batches, for messages.

    Examples
    --------
    >>> maker(list), maker(range(3))
    ('a callable', 'an iterable (range)')
    """
    return 'a callable' if callable(data) else f'an iterable ({type(data).__name__})'


def makes_new_batches(data: object) -> bool:
    """Return whether further batches are other data: those of a callable or an iterator.

    An iterable that is no iterator begins anew, with the same data.
    """
    return callable(data) or (is_iterable(data) and isinstance(data, Iterator))


def listed(batch: object) -> object:
    """Return a batch with its arrays in a list, as the network reads it; a `Window` is one."""
    return list(batch) if isinstance(batch, Window) else batch


class Passes:
    """Batches of an iterable, which is read anew in each epoch.

    Parameters
    ----------
    iterable : iterable
        Each pass begins with ``iter(iterable)``, and yields batches: lists, tuples, dicts, or
        `rnnkit.data.Window`. It need not have a length.
    prepare : callable
        Checks a batch and converts it: ``prepare(batch, where)``.
    n_batches : int, optional
        How many batches make an epoch; the next epoch goes on where this one stopped, and a new
        pass begins where one ends. By default an epoch is a pass.
    where : str
        The name of the data, for messages.

    Raises
    ------
    DataError
        If a pass has no batch.

    Notes
    -----
    The first batch of a pass is fresh: a carried state is reset there.
    """

    def __init__(
        self,
        iterable: Iterable[object],
        prepare: Callable[[object, str], list[np.ndarray]],
        n_batches: int | None,
        where: str,
    ):
        self.iterable, self.prepare, self.where = iterable, prepare, where
        self.limit = n_batches
        self._running: Iterator[object] | None = None  # this pass, if it has begun
        self._drawn = 0  # batches of this pass so far

    @property
    def one_pass(self) -> bool:
        """Whether an epoch has every batch once."""
        return self.limit is None

    @property
    def n_batches(self) -> int | None:
        """The number of batches of an epoch, if it is known."""
        if self.limit is not None:
            return self.limit
        try:
            return len(self.iterable)  # type: ignore[arg-type]
        except (TypeError, NotImplementedError):  # many loaders have none, or cannot tell
            return None

    def in_order(self, n_batches: int | None = None) -> 'Passes':
        """Return batches of the same iterable for a validation."""
        return Passes(self.iterable, self.prepare, n_batches, self.where)

    def get_state(self) -> dict[str, Any]:
        """Return how many batches of this pass there have been."""
        return {'drawn': self._drawn}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on after as many batches of a new pass."""
        self._running, self._drawn = None, int(state['drawn'])

    def describe(self) -> str:
        """Return a description."""
        return 'an iterable'

    def __iter__(self) -> Iterator[list[np.ndarray]]:
        if self.limit is None:
            self._running, self._drawn = None, 0  # the last pass may have been left early
        for _ in count() if self.limit is None else range(self.limit):
            batch = self._next()
            if batch is END and self.limit is None:
                return
            yield self._prepared(self._next() if batch is END else batch)

    def _next(self) -> object:
        """Return the next batch of this pass; at its end, which the next call follows, `END`."""
        if self._running is None:
            self._running = iter(self.iterable)
            for _ in islice(self._running, self._drawn):  # those before a training was resumed
                pass
        batch = next(self._running, END)
        if batch is not END:
            self._drawn += 1
            return batch
        if self._drawn == 0:
            raise DataError(
                f'{self.where} is {_named(self.iterable)} without a batch; each epoch is a new '
                f'pass over it'
            )
        self._running, self._drawn = None, 0
        return END

    def _prepared(self, batch: object) -> list[np.ndarray]:
        first = self._drawn == 1
        arrays = self.prepare(listed(batch), f'batch {self._drawn - 1} of {self.where}')
        if isinstance(batch, Window):
            return Window(arrays, batch.fresh)
        return Window(arrays, fresh=True) if first else arrays


def drawn_from(iterator: Iterator[object], where: str) -> Callable[[], object]:
    """Return a callable that returns the next batch of an iterator, which has no second pass."""
    drawn = 0

    def draw() -> object:
        nonlocal drawn
        batch = next(iterator, END)
        if batch is END:
            raise DataError(
                f'{where} is {_named(iterator)}, which can be read only once, and it has ended '
                f'after {drawn} batches; let it yield more, or pass an object that begins anew '
                f'each time it is iterated over, such as a data loader'
            )
        drawn += 1
        return batch

    return draw


def once_only(iterator: object, where: str) -> str:
    """Return why an iterator cannot be read as often as a training needs, and what to do."""
    return (
        f'{where} is {_named(iterator)}, which can be read only once; say how many of its batches '
        f'are for an epoch, {where}_batches=100, or pass an object that begins anew each time it '
        f'is iterated over, such as a data loader'
    )


def _named(value: object) -> str:
    """Return what an iterable is: ``'an iterator (generator)'``."""
    kind = 'iterator' if isinstance(value, Iterator) else 'iterable'
    return f'an {kind} ({type(value).__name__})'
