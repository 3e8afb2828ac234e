"""Ctrl-C while several processes train: it is noted, and the next call tells it to all of them.

An exception in the middle of a call of MPI would leave the others waiting.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """Whether Ctrl-C was pressed in this process, in a block that only notes it.

    Attributes
    ----------
    noted : bool
    """

    def __init__(self) -> None:
        self.noted = False
        self._depth = 0
        self._before: Callable[[int, FrameType | None], object] | None = None

    @contextmanager
    def only_noted(self, abort: Callable[[], None]) -> Iterator[None]:
        """Only note Ctrl-C in this block; when it is pressed twice, call `abort`.

        Blocks may overlap, as those of two loops over `itertrain`. A handler of the user's stays.
        """

        def note(number: int, frame: FrameType | None) -> None:
            if self.noted:
                abort()
            self.noted = True

        if not _in_main_thread():  # Python calls handlers in the main thread only
            yield
            return
        if not self._depth and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.default_int_handler
            signal.signal(signal.SIGINT, note)
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth and self._before is not None and _in_main_thread():
                signal.signal(signal.SIGINT, self._before)
                self._before, self.noted = None, False


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


INTERRUPTS = Interrupts()
