"""Take back what a training has changed before it could start."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Undo:
    """Takes back changes of a network, so that a training that does not start leaves no trace.

    Parameters
    ----------
    *steps : callable
        Each of them takes back one change.

    Examples
    --------
    >>> found = ['old']
    >>> try:
    ...     with Undo(found.pop).on_error():
    ...         found.append('new')
    ...         raise ValueError
    ... except ValueError:
    ...     found
    ['old']
    """

    def __init__(self, *steps: Callable[[], object]):
        self._steps = [*steps]

    def add(self, *steps: Callable[[], object]) -> None:
        """Add steps; they are taken before the earlier ones."""
        self._steps += steps

    @contextmanager
    def on_error(self, unless: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Take all changes back if the block fails, unless the training has started by then."""
        try:
            yield
        except BaseException:
            if not unless():
                for step in reversed(self._steps):
                    step()
            raise
