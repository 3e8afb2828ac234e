"""Errors on their way between processes: what one tells of its own, and what all of them raise."""

import builtins
import contextlib
import pickle
from collections.abc import Sequence
from typing import NamedTuple

from rnnkit import errors
from rnnkit.errors import RankError

LEFT = 'has left the loop over itertrain()'


class Failure(NamedTuple):
    """The description of an exception, for other processes.

    Attributes
    ----------
    name : str
        The name of its class.
    text : str
    kind : bytes
        Its class, pickled; nothing if that is not possible.
    code : object
        The exit status of a SystemExit, or the number of an OSError.
    """

    name: str
    text: str
    kind: bytes = b''
    code: object = None


def describe(error: BaseException) -> Failure:
    """Return what other processes are told of an exception."""
    if isinstance(error, GeneratorExit):
        return Failure('GeneratorExit', LEFT)
    kind = b''
    with contextlib.suppress(Exception):  # a class that is defined in a function
        kind = pickle.dumps(type(error))
    code = None
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int | None) else str(error.code)
    elif isinstance(error, OSError):
        code = error.errno
    return Failure(type(error).__name__, str(error), kind, code)


def common(found: Sequence[Failure | None], rank: int) -> BaseException:
    """Return the exception that all processes raise.

    It is of the class of the first one; its text says in which process it happened, unless the
    same has happened in all.

    Parameters
    ----------
    found : sequence of (Failure or None)
        By rank; at least one has failed.
    rank : int
        The number of this process.
    """
    first = next((k for k, one in enumerate(found) if one and one.text != LEFT), None)
    if first is None:
        first = next(k for k, one in enumerate(found) if one)
        if all(found):
            return of_all(GeneratorExit())
        return of_all(RankError(f'rank {first} {LEFT}, and others have not'), rank == first)
    failure = found[first]
    assert failure is not None
    here = rank == first
    if failure.name == 'KeyboardInterrupt':
        return of_all(KeyboardInterrupt(), here)
    if failure.name == 'SystemExit':
        return of_all(SystemExit(failure.code), here)
    return of_all(_rebuilt(failure, first, len(set(found)) == 1), here)


def _rebuilt(failure: Failure, rank: int, everywhere: bool) -> BaseException:
    name, text, _, code = failure
    kind = _class(failure)
    said = text if everywhere else f'rank {rank}: {text}'
    if kind is not None:
        with contextlib.suppress(Exception):  # some need more than a text
            known = kind.__module__ == 'builtins' or issubclass(kind, errors.RnnkitError)
            # The class of a user may do anything when it is called.
            error = kind(said) if known else kind.__new__(kind, said)
            if isinstance(error, OSError):
                error.errno = code
            if said in str(error):
                return error
    return RankError(f'rank {rank} raised {name}: {text}')


def _class(failure: Failure) -> type[Exception] | None:
    """Return the class of an exception, if it is known here."""
    kind = getattr(errors, failure.name, None) or getattr(builtins, failure.name, None)
    if kind is None and failure.kind:
        with contextlib.suppress(Exception):
            kind = pickle.loads(failure.kind)
    return kind if isinstance(kind, type) and issubclass(kind, Exception) else None


def of_all(error: BaseException, shown: bool = True) -> BaseException:
    """Mark an exception that every process raises; one of them shows it, if nobody catches it."""
    error.of_all_ranks, error.shown_here = True, shown  # type: ignore[attr-defined]
    return error


def is_of_all(error: BaseException) -> bool:
    """Return whether every process raises this exception."""
    return getattr(error, 'of_all_ranks', False)


def is_shown_here(error: BaseException) -> bool:
    """Return whether this process shows an exception that ends all of them."""
    return getattr(error, 'shown_here', True)
