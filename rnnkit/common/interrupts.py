"""Signals are held back while PyTensor, Numba and LLVM compile.

A signal handler may raise an exception between any two instructions, as Ctrl-C does. Where these
libraries change what belongs to the whole process, it leaves them unusable for the rest of it, and
in functions that LLVM calls it is lost.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rnnkit.common import progress


@contextmanager
def held_back() -> Iterator[None]:
    """Hold back signal handlers until this block ends; the second of a kind does not wait.

    Python runs handlers in the main thread only, so there is nothing to do in others.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: dict[int, FrameType | None] = {}
    handlers = {n: h for n in signal.valid_signals() if callable(h := signal.getsignal(n))}

    def wait(number: int, frame: FrameType | None) -> None:
        if number in waiting:
            handlers[number](number, frame)
            return
        waiting[number] = frame
        if number == signal.SIGINT:
            progress.LOGGER.warning('interrupted; once more ends the compilation as well')

    try:
        for number in handlers:
            signal.signal(number, wait)
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number, frame in waiting.items():
            handlers[number](number, frame)
