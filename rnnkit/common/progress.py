"""Progress messages: plain `logging`, with a live line on a terminal and in a notebook.

Everything goes to the logger ``rnnkit``. A program that has configured logging gets plain
records; one that has not gets them on standard error. ``logging.getLogger('rnnkit')
.setLevel('WARNING')`` silences it.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from rnnkit.common.checks import verbosity
from rnnkit.common.live import Epoch, LiveHandler
from rnnkit.errors import ConfigError

LOGGER = logging.getLogger('rnnkit')
Item = TypeVar('Item')
_SILENT = ContextVar('silent', default=False)


def terminal() -> LiveHandler | None:
    """Return the handler of rnnkit for a terminal or a notebook, unless logging is silenced."""
    if not LOGGER.isEnabledFor(logging.INFO):
        return None
    for handler in LOGGER.handlers:
        if isinstance(handler, LiveHandler) and handler.level <= logging.INFO:
            return handler if handler.on_terminal or handler.in_notebook else None
    return None


def settle() -> None:
    """End the live line, if there is one."""
    for handler in LOGGER.handlers:
        if isinstance(handler, LiveHandler):
            handler.settle()


def prepare_logging() -> None:
    """Make the lines visible where the program has not configured logging itself."""
    if not LOGGER.hasHandlers():
        LOGGER.addHandler(LiveHandler())
        if LOGGER.level == logging.NOTSET:
            LOGGER.setLevel(logging.INFO)


def choice(where: str, show: object, verbose: object) -> bool | None:
    """Return the option ``progress``, which ``verbose=0`` turns off; None is the default.

    Raises
    ------
    ConfigError
        If ``verbose`` is none of 0, 1 and 2, or the options contradict each other.
    """
    if verbose is None:
        return show  # type: ignore[return-value]  # as the options are checked later
    number = verbosity(f'{where}: verbose', verbose)
    if show is not None and bool(show) != bool(number):
        raise ConfigError(f'{where}: progress={show} and verbose={verbose} contradict each other')
    return bool(number)


@contextmanager
def shown(show: object) -> Iterator[None]:
    """Log only warnings in this block if `show` is False."""
    token = _SILENT.set(_SILENT.get() or show is False)
    try:
        yield
    finally:
        _SILENT.reset(token)


def each(show: object, generate: Callable[..., Iterator[Item]], *args: object) -> Iterator[Item]:
    """Return what a function generates; the call and each item are a block of `shown`."""
    with shown(show):
        items = generate(*args)
    return _each(show, items)


def _each(show: object, items: Iterator[Item]) -> Iterator[Item]:
    try:
        while True:
            with shown(show):
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item
    finally:
        with shown(show):
            items.close()  # type: ignore[attr-defined]


def say(
    message: str,
    *args: object,
    live: bool = False,
    passing: bool = False,
    epoch: Epoch | None = None,
) -> None:
    """Log one line at level INFO.

    Parameters
    ----------
    message : str
    *args : object
        What is inserted into the message.
    live : bool
        Whether the next line overwrites it.
    passing : bool
        Whether it does so in a notebook.
    epoch : Epoch, optional
        The epoch that it is about.
    """
    if not _SILENT.get():
        extra = {'live': live, 'passing': passing, 'epoch': epoch}
        LOGGER.info(message, *args, extra=extra)


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Log that something slow starts, and how long it took when it ends."""
    start = time.perf_counter()
    say('%s ...', what, live=True)
    yield
    say('%s took %.1f s', what, time.perf_counter() - start, passing=True)
