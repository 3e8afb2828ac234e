"""The lines of a training on a terminal, in a notebook and in a log file."""

import logging
import os
import sys
import time
from typing import NamedTuple, Protocol

ROOM = 3  # columns at the end for a "^C": a line that is wrapped cannot be overwritten
REFRESH = 0.1  # seconds from one change of a notebook's line to the next
LINES = 20  # of a training in a log file, and a few more for its first epochs


class Epoch(NamedTuple):
    """The epoch that a line is about.

    Attributes
    ----------
    number : int
    of : int or None
        How many there are at most.
    best : str
        The validation after it, if that is the best one so far.
    stays : bool
        Whether this line is always shown, and never overwritten.
    """

    number: int
    of: int | None = None
    best: str = ''
    stays: bool = True


class Place(Protocol):
    """A place in the output of a notebook's cell."""

    @property
    def is_here(self) -> bool:
        """Whether the cell that runs now is still the same."""

    def say(self, text: str) -> None:
        """Show a text, instead of what was there."""

    def show(self, done: int, of: int | None, text: str) -> None:
        """Show a bar: how many epochs are done, of how many, and a text."""


def due(number: int, of: int | None = None) -> bool:
    """Return whether a log file gets the line of an epoch.

    Up to 20 epochs, it gets all. Of more it gets every n-th, so that there are 20 lines, and before
    these, or if the number of epochs has no limit, those whose first digit is 1, 2 or 5 and whose
    others are 0.

    Examples
    --------
    >>> [n for n in range(1, 201) if due(n, 200)][:7]
    [1, 2, 5, 10, 20, 30, 40]
    >>> [n for n in range(1, 201) if due(n)]
    [1, 2, 5, 10, 20, 50, 100, 200]
    """
    stride = -(-(of or 0) // LINES)
    if stride and number >= stride:
        return number % stride == 0
    return str(number).rstrip('0') in ('1', '2', '5')


class LiveHandler(logging.StreamHandler):
    """Write each record as a line; a record marked as live is overwritten by the next one.

    In a notebook, all epochs of a training share one line. What is neither a terminal nor a
    notebook gets some of the epochs, see `due`, and always the first, the best and the last one.

    Attributes
    ----------
    unfinished : int
        The length of the live line.
    bar : bool
        Whether `show` has written this line.
    """

    def __init__(self):
        super().__init__(sys.stderr)
        self.unfinished, self.bar = 0, False
        self._place: Place | None = None
        self._forget()
        self.setFormatter(logging.Formatter('%(message)s'))

    def _forget(self) -> None:
        self._best: tuple[Epoch, str] | None = None  # and whether it is still to be written
        self._latest: tuple[Epoch, str] | None = None  # if it is still to be written
        self._written: int | None = None  # the last epoch that was
        self._of: int | None = None  # of how many
        self._shown = -REFRESH

    @property
    def on_terminal(self) -> bool:
        """Whether the stream is a terminal."""
        closed = getattr(self.stream, 'closed', False)
        return not closed and bool(getattr(self.stream, 'isatty', bool)())

    @property
    def in_notebook(self) -> bool:
        """Whether the stream is the output of a cell of a notebook."""
        return type(self.stream).__module__.partition('.')[0] == 'ipykernel'

    @property
    def columns(self) -> int | None:
        """The length that a live line may have, if it is known."""
        if self.in_notebook:
            return None
        try:
            return max(0, os.get_terminal_size(self.stream.fileno()).columns - ROOM) or None
        except (OSError, ValueError, AttributeError):
            return None

    @property
    def ascii(self) -> bool:
        """Whether the terminal can show nothing but ASCII."""
        return not (getattr(self.stream, 'encoding', None) or '').lower().startswith('utf')

    def emit(self, record: logging.LogRecord) -> None:
        """Write `record`, over the live line if there is one."""
        try:
            text, epoch = self.format(record), getattr(record, 'epoch', None)
            live = getattr(record, 'live', False)
            if self.on_terminal:
                # An epoch that was long enough for a bar gets a line that stays.
                echo = 2 * (record.levelno > logging.INFO)  # Ctrl-C leaves a "^C" behind
                self._write(text, live and not self.bar, echo)
            elif epoch is None:
                self._finish()
                self._say(text, live or getattr(record, 'passing', False))
            elif self.in_notebook:
                self._in_notebook(text, epoch)
            else:
                self._in_file(text, epoch)
        except Exception:
            self.handleError(record)

    def show(self, text: str) -> None:
        """Write a live line, over the one before it."""
        with self.lock:
            try:
                if (place := self._here()) is not None:
                    self._draw(place, text)
                    return
                self._write(text, True)
                self.bar = True
            except (OSError, ValueError):  # a closed terminal must not end a training
                pass

    def settle(self) -> None:
        """Leave the terminal at the start of a line, for the output of others."""
        with self.lock:
            try:
                self._finish()
                self._write_best()
                if self.unfinished and self.bar:
                    self._write('', False, 2, '\r')
                elif self.unfinished:
                    self.stream.write('\n')
                    self.stream.flush()
            except (OSError, ValueError):
                pass
            self.unfinished, self.bar = 0, False
            self._forget()

    # --- notebooks: one line for all epochs

    def _in_notebook(self, text: str, epoch: Epoch) -> None:
        if epoch.best:
            self._best = epoch, ''
        elif self._best:
            text += f' [best: epoch {self._best[0].number}, {self._best[0].best}]'
        if epoch.stays:
            self._write(text, False)
            return
        self._latest, self._written, self._of = (epoch, text), epoch.number, epoch.of
        now = time.monotonic()
        if now >= self._shown + REFRESH:  # each change is a message to the browser
            self._shown = now
            if (place := self._here()) is not None:
                self._draw(place, text)
            else:
                self._write(text, True)

    def _say(self, text: str, passing: bool) -> None:
        """Write a line that is not about an epoch."""
        if self.in_notebook and passing and (place := self._here()) is not None:
            place.say(text)
        else:
            self._write(text, self.in_notebook and passing)

    def _draw(self, place: Place, text: str) -> None:
        """Show how far the training is: a bar, once the first epoch has ended."""
        if self._written is None:
            place.say(text)
        else:
            place.show(self._written, self._of, text)

    def _here(self) -> Place | None:
        """Return the place in this cell for what changes, if IPython runs it."""
        if self.in_notebook and (self._place is None or not self._place.is_here):
            from rnnkit.integrations import bars

            self._place = bars.place()
        return self._place

    # --- log files: some of the epochs

    def _in_file(self, text: str, epoch: Epoch) -> None:
        if epoch.best:
            self._best = epoch, text
        if epoch.stays or self._written is None or due(epoch.number, epoch.of):
            self._write_epoch(epoch, text)
        else:
            self._latest = epoch, text

    def _write_epoch(self, epoch: Epoch, text: str) -> None:
        """Write the line of an epoch, which says how many are missing before it."""
        gap = 0 if self._written is None else epoch.number - self._written - 1
        more = f' [{gap} epoch{"s" * (gap > 1)} not shown]' if gap > 0 else ''
        if self._best is not None and self._best[0].number == epoch.number:
            self._best = None
        self._latest, self._written = None, epoch.number
        self._write(text + more, False)

    def _write_best(self) -> None:
        """Write the line of the best epoch, unless it was written."""
        if self._best is not None and self._best[1]:
            self._write(f'the best was {self._best[1]}', False)

    def _finish(self) -> None:
        """Write the line of the latest epoch, if it is still to be written."""
        if self._latest is None:
            return
        (epoch, text), self._latest = self._latest, None
        if not self.in_notebook:
            self._write_epoch(epoch, text)
        elif (place := self._here()) is not None:
            place.say(text)
            self._place = None  # what comes next is below
        else:
            self._write(text, False)

    def _write(self, text: str, live: bool, spare: int = 0, end: str = '\n') -> None:
        if live and (columns := self.columns):
            text = text[:columns]
        padding = ' ' * max(0, self.unfinished + spare * bool(self.unfinished) - len(text))
        start = '\r' if self.unfinished else ''
        self.stream.write(start + text + padding + ('' if live else end))
        self.stream.flush()
        self.unfinished, self.bar = len(text) if live else 0, False
