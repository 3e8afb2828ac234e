"""One call in a thread, while the caller does something else."""

from collections.abc import Callable
from threading import Thread
from typing import Any


class Background:
    """A call that has begun.

    The thread ends with the call. Its error is raised where the result is asked for.

    Parameters
    ----------
    function : callable
        Called with a function that returns whether the result is still wanted.

    Examples
    --------
    >>> Background(lambda wanted: 3 if wanted() else 0).result()
    3
    """

    def __init__(self, function: Callable[[Callable[[], bool]], Any]):
        self._function, self._wanted = function, True
        self._result: Any = None
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, name='rnnkit reads ahead', daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result = self._function(lambda: self._wanted)
        except BaseException as error:  # raised again by `result`, in the caller's thread
            self._error = error

    def result(self) -> Any:
        """Wait for the result and return it, or raise the error."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._result

    def wait(self) -> None:
        """Wait until the thread has ended; the result is kept."""
        self._thread.join()

    def cancel(self) -> None:
        """Give the result up, and wait until the thread has ended."""
        self._wanted = False
        self._thread.join()
