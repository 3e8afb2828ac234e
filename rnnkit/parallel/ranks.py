"""Processes that run the same program: what one of them knows, all know; what fails, fails in all.

All processes make the same calls in the same order, else each would wait for another one for ever.
So there are only two kinds of calls: objects of all processes are gathered, and arrays are added,
which only an update does (`rnnkit.training.exchange`). An error in one process takes the place of
the next call of its kind, so that all others learn of it where they are.
"""

import contextlib
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, NoReturn, TypeVar

from rnnkit.common import progress
from rnnkit.common.calls import without_stop_iteration
from rnnkit.data.share import Share
from rnnkit.errors import ConfigError, RankError
from rnnkit.parallel.failures import Failure, common, describe, is_of_all, is_shown_here, of_all
from rnnkit.parallel.interrupts import INTERRUPTS
from rnnkit.parallel.team import Communicator

T = TypeVar('T')
PATIENCE = 60.0  # seconds until a process says that it is waiting
END = 'the end of its program'


class Message(NamedTuple):
    """A message of one process to all others.

    Attributes
    ----------
    what : str
        What this is about; the same in all processes.
    value : object
    failed : Failure or None
        The error that has happened instead, if any.
    interrupted : bool
        Whether Ctrl-C was pressed in this process.
    """

    what: str
    value: Any = None
    failed: Failure | None = None
    interrupted: bool = False


class Ranks:
    """Several processes, numbered from 0; the first one calls callbacks and writes files.

    Parameters
    ----------
    comm : Communicator
        Nobody else uses it.

    Attributes
    ----------
    in_update : callable or None
        Set while the other processes may be in an update: tells them there of an error.
    failures : int
        How many errors there were.
    """

    def __init__(self, comm: Communicator):
        self.comm = comm
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        self.share = Share(self.rank, self.size)
        self.in_update: Callable[[], None] | None = None
        self.failures = 0
        self._depth = 0  # of guarded blocks
        self._thread = 0  # which is in them

    # --- what all processes do together

    def gather(self, what: str, value: T) -> list[T]:
        """Return the values of all processes, by rank.

        Raises
        ------
        RnnkitError
            If there was an error in a process; or one of them is elsewhere in its program.
        KeyboardInterrupt
            If Ctrl-C was pressed in a process.
        """
        return self._exchange(Message(what, value))

    def ask(self, what: str, function: Callable[[], T]) -> list[T]:
        """Return what a function returns in each process, by rank."""
        in_update, self.in_update = self.in_update, None  # the others wait here for an object
        found = self.gather(what, self._call(function))
        self.in_update = in_update
        return found

    def lead(self, what: str, function: Callable[[], T]) -> T:
        """Return, in every process, what a function returns in the first one, which calls it."""
        return self.ask(what, _nothing if self.rank else function)[0]  # type: ignore[return-value]

    def in_turn(self, function: Callable[[], T]) -> T:
        """Call a function in the first process, then in all others."""
        if self.rank:
            self.gather('a turn', None)
        value = self._call(function)
        if not self.rank:
            self.gather('a turn', None)
        return value

    def leave_updates(self) -> None:
        """Say that no process is in an update from here on."""
        self.in_update = None

    def _call(self, function: Callable[[], T]) -> T:
        try:
            return function()
        except BaseException as error:
            self._fail(error)

    def _exchange(self, message: Message) -> list[Any]:
        message = message._replace(interrupted=INTERRUPTS.noted)
        try:
            data = pickle.dumps(message)  # before the others are involved
        except Exception as why:
            raise RankError(f'{message.what} cannot be sent to the other ranks: {why}') from why
        self.wait(message.what)
        found: list[Message] = [pickle.loads(other) for other in self.comm.allgather(data)]
        self.failures += 1  # unless this returns
        if any(other.failed for other in found):
            raise common([other.failed for other in found], self.rank)
        names = [other.what for other in found]
        if len(set(names)) > 1:
            k = next(k for k, name in enumerate(names) if name != names[0])
            text = f'rank 0 is at {names[0]}, rank {k} at {names[k]}'
            raise of_all(
                RankError(f'{text}: all ranks must make the same calls in the same order'),
                not self.rank,
            )
        if any(other.interrupted for other in found):
            INTERRUPTS.noted = False
            raise of_all(KeyboardInterrupt(), not self.rank)
        self.failures -= 1
        return [other.value for other in found]

    def wait(self, what: str) -> None:
        """Wait until all processes are here, leaving the processor to others: they may compile."""
        request, pause, start = self.comm.Ibarrier(), 0.0, time.monotonic()
        warned = what == END
        while not request.Test():
            time.sleep(pause)
            pause = min(pause + 1e-5, 2e-3)
            if not warned and time.monotonic() - start > PATIENCE:
                warned = True
                progress.LOGGER.warning(
                    'rank %d has waited at %s for %.0f s; other ranks compile or compute, or do '
                    'not call train() at all',
                    *(self.rank, what, PATIENCE),
                )

    # --- errors

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Raise errors of this block in all processes, and Ctrl-C in all at the same point.

        Raises
        ------
        ConfigError
            If another thread is in such a block.
        """
        if self._depth and self._thread != threading.get_ident():
            raise ConfigError(
                'comm: another thread trains with this communicator; give each its own, comm.Dup()'
            )
        with INTERRUPTS.only_noted(lambda: self.comm.Abort(130)):
            self._depth, self._thread = self._depth + 1, threading.get_ident()
            try:
                yield
                if self._depth == 1:  # so that Ctrl-C of the last moment ends all
                    self.gather('the end of the call', None)
            except BaseException as error:
                self._fail(error)
            finally:
                self._depth -= 1

    @contextmanager
    def paused(self) -> Iterator[None]:
        """In this block, a generator yields to the code of users, which may make other calls."""
        failures = self.failures
        try:
            yield
        except GeneratorExit:
            if self.failures == failures:
                raise
            raise of_all(RankError('the loop over itertrain() has ended by an error')) from None

    def _fail(self, error: BaseException) -> NoReturn:
        """Tell the others of an error, and raise what all raise."""
        in_update, self.in_update = self.in_update, None
        if is_of_all(error):
            raise error
        error = without_stop_iteration(error)
        if in_update is not None:
            in_update()  # the others are in an update, and come here from there
        try:
            self._exchange(Message('an error', failed=describe(error)))
        except BaseException as shared:
            # One traceback, where it has happened; the original is the context.
            shared.__context__, shared.__suppress_context__ = error, True
            raise shared.with_traceback(error.__traceback__) from None
        raise error  # never reached

    def end(self) -> None:
        """Wait for the end of the programs of all processes; others that train raise an error."""
        while True:
            try:
                self.gather(END, None)
                return
            except RankError as error:
                progress.LOGGER.error('%s', error)


def _nothing() -> None:
    """Return None."""


def abort_when_uncaught(comm: Communicator) -> None:
    """End all processes when this one ends by an error that the others do not have.

    Of an error that all of them have, one shows the traceback.
    """
    before, process = sys.excepthook, os.getpid()

    def hook(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        if os.getpid() != process or is_shown_here(error):
            before(kind, error, trace)
        if os.getpid() == process and not is_of_all(error):
            with contextlib.suppress(Exception):
                sys.stderr.flush()
            comm.Abort(130 if issubclass(kind, KeyboardInterrupt) else 1)

    sys.excepthook = hook
