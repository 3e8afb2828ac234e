"""What one sees while something runs: plain `logging`, with a live line on a terminal.

Everything goes to the logger ``rnnkit``. A program that has configured logging gets plain
records; one that has not, gets them on standard error. ``logging.getLogger('rnnkit')
.setLevel('WARNING')`` silences it.
"""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

LOGGER = logging.getLogger('rnnkit')


class LiveHandler(logging.StreamHandler):
    """Write each record as a line; a record marked as live is overwritten by the next one."""

    def __init__(self):
        super().__init__(sys.stderr)
        self.unfinished = 0  # length of the live line that stands on the terminal
        self.setFormatter(logging.Formatter('%(message)s'))

    def emit(self, record: logging.LogRecord) -> None:
        """Write `record`, over the live line if there is one."""
        try:
            text = self.format(record)
            live = getattr(record, 'live', False) and self.stream.isatty()
            padding = ' ' * max(0, self.unfinished - len(text))
            start = '\r' if self.unfinished else ''
            self.stream.write(start + text + padding + ('' if live else '\n'))
            self.stream.flush()
            self.unfinished = len(text) if live else 0
        except Exception:
            self.handleError(record)


def prepare_logging() -> None:
    """Make the lines visible where the program has not configured logging itself."""
    if not LOGGER.hasHandlers():
        LOGGER.addHandler(LiveHandler())
        if LOGGER.level == logging.NOTSET:
            LOGGER.setLevel(logging.INFO)


def say(message: str, *args: object, live: bool = False) -> None:
    """Log one line at level INFO."""
    LOGGER.info(message, *args, extra={'live': live})


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Announce something slow before it starts, and say how long it took when it ends."""
    start = time.perf_counter()
    say('%s ...', what, live=True)
    yield
    say('%s took %.1f s', what, time.perf_counter() - start)
