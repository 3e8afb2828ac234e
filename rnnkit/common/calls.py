"""Calls with arguments that do not exist: errors with a hint, instead of Python's TypeError."""

import functools
import inspect
import traceback
from abc import ABC
from collections.abc import Callable
from typing import Any, Self, TypeVar

from rnnkit.common.foreign_advice import MISSING
from rnnkit.common.registry import about
from rnnkit.errors import CallError, ConfigError, TrainingError

F = TypeVar('F', bound=Callable[..., Any])
C = TypeVar('C', bound=type)
Parameter = inspect.Parameter
BY_PLACE = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


class Abstract(ABC):  # noqa: B024 - its subclasses have abstract methods
    """A base class: it cannot be made itself, nor can a subclass that leaves a method undefined."""

    def __new__(cls, *args: object, **options: object) -> Self:
        """Raise a ConfigError that names what is not defined."""
        missing = sorted(cls.__abstractmethods__)
        if not missing:
            return super().__new__(cls)
        if all(vars(cls).get(name) is not None for name in missing):
            subclasses = ', '.join(one.__name__ for one in cls.__subclasses__()[:3])
            raise ConfigError(f'{cls.__name__} is a base class; write one of {subclasses}')
        listed = ', '.join(f'{name}()' for name in missing)
        raise ConfigError(f'class {cls.__name__} must define {listed}')


def checked(function: F) -> F:
    """Make a public function raise a CallError if it is called with wrong arguments.

    Only their names and their number are looked at, and only once the call has failed, so that
    other calls cost nothing.

    Examples
    --------
    >>> @checked
    ... def double(number):
    ...     return 2 * number
    >>> double(nmber=3)
    Traceback (most recent call last):
    rnnkit.errors.CallError: double(): unknown option 'nmber', did you mean 'number'?
    """

    @functools.wraps(function)
    def call(*args: object, **given: object) -> object:
        try:
            return function(*args, **given)
        except TypeError as error:
            wrong = _wrong(function, args, given)
            if wrong is None:  # the arguments are fine, and the error is from within
                raise
            raise CallError(wrong).with_traceback(error.__traceback__) from None

    return call  # type: ignore[return-value]  # `wraps` has given it the signature


def checked_methods(cls: C) -> C:
    """Make the constructor and the public methods that a class defines `checked`."""
    for name, member in list(vars(cls).items()):
        if inspect.isfunction(member) and (name == '__init__' or not name.startswith('_')):
            setattr(cls, name, checked(member))
    return cls


def _wrong(
    function: Callable[..., object], args: tuple[object, ...], given: dict[str, object]
) -> str | None:
    """Return what is wrong with the arguments of a call, or None."""
    signature = inspect.signature(function)
    try:
        signature.bind(*args, **given)
        return None
    except TypeError:
        pass
    name, parameters = function.__name__, list(signature.parameters.values())
    if parameters and parameters[0].name == 'self' and args:
        parameters, args, owner = parameters[1:], args[1:], type(args[0]).__name__
        name = {'__init__': owner, '__call__': f'{owner}(...)'}.get(name, name)
    where = f'{name}()'
    known = [p.name for p in parameters if p.kind in BY_NAME]
    places = [p.name for p in parameters if p.kind in BY_PLACE]
    if not any(p.kind is Parameter.VAR_KEYWORD for p in parameters):
        unknown = [keyword for keyword in given if keyword not in known]
        if unknown:
            return f'{where}: {about(where, unknown[0], known)}'
    if len(args) > len(places):
        return _too_many(where, places, known, len(args))
    twice = [place for place in places[: len(args)] if place in given]
    if twice:
        return f'{where}: {twice[0]} is given twice, by position and as {twice[0]}='
    required = [p for p in parameters if p.default is Parameter.empty and p.kind in BY_NAME]
    missing = [p.name for p in required if p.name not in [*places[: len(args)], *given]]
    if name in MISSING and missing:
        return f'{where}: {MISSING[name]}'
    expects = ', '.join(p.name for p in required)
    return f'{where}: {", ".join(missing)} is missing; write {name}({expects})'


def _too_many(where: str, places: list[str], known: list[str], n: int) -> str:
    """Return what is wrong with a call that has `n` arguments by position."""
    listed = (
        f'{len(places)} by position, {", ".join(places)}' if places else 'no arguments by position'
    )
    others = [name for name in known if name not in places]
    end = f'; write the others with their names: {others[0]}=...' if others else ''
    return f'{where}: takes {listed}; got {n}{end}'


def check_takes_one(where: str, function: Callable[..., object], argument: str) -> None:
    """Raise a ConfigError if a callable of the user's cannot be called with one argument.

    Parameters
    ----------
    where : str
        What it is, for messages: ``'callbacks: a function'``.
    function : callable
        One whose signature is unknown, as of some that are written in C, is accepted.
    argument : str
        What it is called with.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(None)
    except TypeError:
        name = getattr(function, '__name__', type(function).__name__)
        raise ConfigError(
            f'{where} is called with one argument, {argument}; {name}{signature} cannot be'
        ) from None


def without_stop_iteration(error: BaseException) -> BaseException:
    """Return an error of a training: itself, or instead of a StopIteration a TrainingError.

    A function of the user's may raise it, and a generator cannot pass it on.
    """
    cause = error.__cause__ if isinstance(error, RuntimeError) else error
    if not isinstance(cause, StopIteration):
        return error
    frame = traceback.extract_tb(cause.__traceback__)[-1]
    raised = TrainingError(
        f'StopIteration was raised by {frame.name}() in {frame.filename}, line {frame.lineno}; to '
        f'end a training, call training.stop() in a callback'
    )
    raised.__cause__ = cause
    return raised
