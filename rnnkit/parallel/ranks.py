"""Processes that run the same program: what one of them knows, all know; what fails, fails in all.

All processes make the same calls in the same order, else each would wait for another one for ever.
So there are only two kinds of calls: objects of all processes are gathered, and arrays are added,
which only an update does (`rnnkit.training.exchange`). An error in one process takes the place of
the next call of its kind, so that all others learn of it where they are.
"""

import builtins
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple, TypeVar

from rnnkit import errors
from rnnkit.common import progress
from rnnkit.data.share import Share
from rnnkit.errors import RankError
from rnnkit.parallel.team import Communicator

T = TypeVar('T')
LEFT = 'left'


class Message(NamedTuple):
    """What a process says to all others.

    Attributes
    ----------
    what : str
        What this is about; the same in all processes.
    value : object
    failed : str
        The name of the class of the error that has happened instead, if any; or `LEFT`.
    interrupted : bool
        Whether Ctrl-C was pressed in this process.
    """

    what: str
    value: Any = None
    failed: str = ''
    interrupted: bool = False


class Ranks:
    """Several processes, numbered from 0; the first one calls callbacks and writes files.

    Parameters
    ----------
    comm : Communicator
        Nobody else uses it.

    Attributes
    ----------
    exchange : callable or None
        Set while the other processes may be in an update: tells them there of an error.
    """

    def __init__(self, comm: Communicator):
        self.comm = comm
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        self.share = Share(self.rank, self.size)
        self.exchange: Callable[[], None] | None = None
        self.interrupted = False
        self._depth = 0  # of guarded blocks

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

    def lead(self, what: str, function: Callable[[], T]) -> T:
        """Return, in every process, what a function returns in the first one, which calls it."""
        exchange, self.exchange = self.exchange, None  # the others wait here for an object
        value = None if self.rank else self._call(function)
        found = self.gather(what, value)[0]
        self.exchange = exchange
        return found  # type: ignore[return-value]

    def in_turn(self, function: Callable[[], T]) -> T:
        """Call a function in the first process, then in all others."""
        if self.rank:
            self.gather('a turn', None)
        value = self._call(function)
        if not self.rank:
            self.gather('a turn', None)
        return value

    def _call(self, function: Callable[[], T]) -> T:
        try:
            return function()
        except BaseException as error:
            self._fail(error)
            raise  # never reached

    def _exchange(self, message: Message) -> list[Any]:
        message = message._replace(interrupted=self.interrupted)
        self.wait()
        found: list[Message] = self.comm.allgather(message)
        failures = [(rank, other) for rank, other in enumerate(found) if other.failed]
        if failures:
            raise self._common(failures)
        self.interrupted = False
        if any(other.interrupted for other in found):
            raise of_all(KeyboardInterrupt())
        names = [other.what for other in found]
        if len(set(names)) > 1:
            k = next(k for k, name in enumerate(names) if name != names[0])
            raise of_all(
                RankError(
                    f'rank 0 is at {names[0]}, rank {k} at {names[k]}: all ranks must make the '
                    f'same calls in the same order'
                )
            )
        return [other.value for other in found]

    def wait(self) -> None:
        """Wait until all processes are here, leaving the processor to others: they may compile."""
        request, pause = self.comm.Ibarrier(), 0.0
        while not request.Test():
            time.sleep(pause)
            pause = min(pause + 1e-5, 2e-3)

    # --- errors

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Raise errors of this block in all processes, and Ctrl-C in all at the same point."""
        with self._holding_interrupts():
            try:
                yield
            except BaseException as error:
                if getattr(error, 'of_all_ranks', False):
                    self.exchange = None
                    raise
                self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """Tell the others of an error, and raise what all raise."""
        if getattr(error, 'of_all_ranks', False):
            raise error
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange()  # the others are in an update, and come here from there
        if isinstance(error, GeneratorExit):
            name, text = LEFT, 'has left the loop over itertrain()'
        else:
            name, text = type(error).__name__, str(error)
        try:
            self._exchange(Message('an error', text, name))
        except GeneratorExit:  # all have left
            raise of_all(error) from None
        except KeyboardInterrupt:
            raise
        except Exception as common:
            if isinstance(error, GeneratorExit):  # Python takes no other exception here
                progress.LOGGER.error('%s', common)
                raise of_all(error) from None
            raise common from error

    def _common(self, failures: list[tuple[int, Message]]) -> BaseException:
        """Return the exception that all processes raise."""
        everywhere = len(failures) == self.size
        names = {other.failed for _, other in failures}
        if everywhere and names == {LEFT}:
            return of_all(GeneratorExit())
        first = next((f for f in failures if f[1].failed != LEFT), failures[0])
        rank, (_, text, name, _) = first
        if name == 'KeyboardInterrupt':
            return of_all(KeyboardInterrupt())
        if name == LEFT:
            return of_all(RankError(f'rank {rank} {text}, and others have not'))
        same = everywhere and all(other.value == text for _, other in failures)
        text = text if same else f'rank {rank}: {text}'
        kind = getattr(errors, name, None) or getattr(builtins, name, None)
        if isinstance(kind, type) and issubclass(kind, Exception):
            with contextlib.suppress(TypeError):  # some need more than a text
                return of_all(kind(text))
        return of_all(RankError(f'rank {rank} raised {name}: {first[1].value}'))

    @contextmanager
    def _holding_interrupts(self) -> Iterator[None]:
        """Only note Ctrl-C in this block: the next call tells all processes; twice ends them all.

        An exception in the middle of a call of MPI would leave the others waiting.
        """
        outer = self._depth == 0 and threading.current_thread() is threading.main_thread()
        before: Any = None
        if outer:
            before = signal.getsignal(signal.SIGINT)
            if before is signal.default_int_handler:
                signal.signal(signal.SIGINT, self._note)
            else:
                outer = False  # somebody else handles it
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if outer:
                signal.signal(signal.SIGINT, before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted:
            self.comm.Abort(130)
        self.interrupted = True


def of_all(error: BaseException) -> BaseException:
    """Mark an exception that every process raises."""
    error.of_all_ranks = True  # type: ignore[attr-defined]
    return error


def abort_when_uncaught(comm: Communicator) -> None:
    """End all processes when this one ends by an error that the others do not have."""
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        before(kind, error, trace)
        if not getattr(error, 'of_all_ranks', False):
            with contextlib.suppress(Exception):
                sys.stderr.flush()
            comm.Abort(1)

    sys.excepthook = hook
