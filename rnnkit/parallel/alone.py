"""A training in a single process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rnnkit.data.share import WHOLE

T = TypeVar('T')


class Alone:
    """The `Team` of a training in one process: nobody to ask, and nobody to wait for."""

    rank, size, share = 0, 1, WHOLE

    def gather(self, what: str, value: T) -> list[T]:
        """Return the value in a list."""
        return [value]

    def ask(self, what: str, function: Callable[[], T]) -> list[T]:
        """Return what a function returns, in a list."""
        return [function()]

    def lead(self, what: str, function: Callable[[], T]) -> T:
        """Return what a function returns."""
        return function()

    def in_turn(self, function: Callable[[], T]) -> T:
        """Return what a function returns."""
        return function()

    def leave_updates(self) -> None:
        """Do nothing."""

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Do nothing."""
        yield

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do nothing."""
        yield


ALONE = Alone()
