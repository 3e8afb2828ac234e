"""Progress messages: plain `logging`, with a live line on a terminal.

Everything goes to the logger ``rnnkit``. A program that has configured logging gets plain
records; one that has not gets them on standard error. ``logging.getLogger('rnnkit')
.setLevel('WARNING')`` silences it.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Integral
from typing import TypeVar

from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError

LOGGER = logging.getLogger('rnnkit')
Item = TypeVar('Item')
_SILENT = ContextVar('silent', default=False)
ROOM = 3  # columns at the end for a "^C": a line that is wrapped cannot be overwritten


class LiveHandler(logging.StreamHandler):
    """Write each record as a line; a record marked as live is overwritten by the next one.

    Attributes
    ----------
    unfinished : int
        The length of the live line on the terminal.
    bar : bool
        Whether `show` has written this line.
    """

    def __init__(self):
        super().__init__(sys.stderr)
        self.unfinished, self.bar = 0, False
        self.setFormatter(logging.Formatter('%(message)s'))

    @property
    def on_terminal(self) -> bool:
        """Whether the stream is a terminal."""
        closed = getattr(self.stream, 'closed', False)
        return not closed and bool(getattr(self.stream, 'isatty', bool)())

    @property
    def columns(self) -> int | None:
        """The length that a live line may have, if it is known."""
        try:
            return max(0, os.get_terminal_size(self.stream.fileno()).columns - ROOM) or None
        except (OSError, ValueError, AttributeError):  # in a notebook, the stream is not a file
            return None

    @property
    def ascii(self) -> bool:
        """Whether the terminal can show nothing but ASCII."""
        return not (getattr(self.stream, 'encoding', None) or '').lower().startswith('utf')

    def emit(self, record: logging.LogRecord) -> None:
        """Write `record`, over the live line if there is one."""
        try:
            # An epoch that was long enough for a bar gets a line that stays.
            live = getattr(record, 'live', False) and not self.bar and self.on_terminal
            echo = 2 * (record.levelno > logging.INFO)  # Ctrl-C leaves a "^C" behind
            self._write(self.format(record), live, echo)
        except Exception:
            self.handleError(record)

    def show(self, text: str) -> None:
        """Write a live line, over the one before it."""
        with self.lock:
            try:
                self._write(text, True)
                self.bar = True
            except (OSError, ValueError):  # a closed terminal must not end a training
                pass

    def settle(self) -> None:
        """Leave the terminal at the start of a line, for the output of others."""
        with self.lock:
            try:
                if self.unfinished and self.bar:
                    self._write('', False, 2, '\r')
                elif self.unfinished:
                    self.stream.write('\n')
                    self.stream.flush()
            except (OSError, ValueError):
                pass
            self.unfinished, self.bar = 0, False

    def _write(self, text: str, live: bool, spare: int = 0, end: str = '\n') -> None:
        if live and (columns := self.columns):
            text = text[:columns]
        padding = ' ' * max(0, self.unfinished + spare * bool(self.unfinished) - len(text))
        start = '\r' if self.unfinished else ''
        self.stream.write(start + text + padding + ('' if live else end))
        self.stream.flush()
        self.unfinished, self.bar = len(text) if live else 0, False


def terminal() -> LiveHandler | None:
    """Return the handler of rnnkit that writes to a terminal, unless logging is silenced."""
    if not LOGGER.isEnabledFor(logging.INFO):
        return None
    for handler in LOGGER.handlers:
        if isinstance(handler, LiveHandler) and handler.level <= logging.INFO:
            return handler if handler.on_terminal else None
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
    if isinstance(verbose, bool) or not isinstance(verbose, Integral) or not 0 <= verbose <= 2:
        raise ConfigError(
            f'{where}: verbose must be 0, nothing but warnings; 1, a line for each epoch and a '
            f'bar; or 2, lines alone; got {brief(verbose)}'
        )
    if show is not None and bool(show) != bool(verbose):
        raise ConfigError(f'{where}: progress={show} and verbose={verbose} contradict each other')
    return bool(verbose)


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


def say(message: str, *args: object, live: bool = False) -> None:
    """Log one line at level INFO."""
    if not _SILENT.get():
        LOGGER.info(message, *args, extra={'live': live})


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Log that something slow starts, and how long it took when it ends."""
    start = time.perf_counter()
    say('%s ...', what, live=True)
    yield
    say('%s took %.1f s', what, time.perf_counter() - start)
