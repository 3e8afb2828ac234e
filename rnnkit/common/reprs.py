"""The repr of an object as the call that makes one like it."""

import inspect
from collections.abc import Iterator, Mapping

from rnnkit.common.spelling import brief

PLAIN = (bool, int, float, str, tuple, type(None))


def call(made: object, **known: object) -> str:
    """Return the class of an object, and those of its arguments that differ from their defaults.

    Parameters
    ----------
    made : object
        Its arguments are attributes of the same names; others are left out. Of those that a class
        takes as ``**options``, its dict `options` or `switches` has the names and the defaults.
    **known : object
        Arguments that are not.

    Examples
    --------
    >>> class Step:
    ...     def __init__(self, rate, every=1, factor=0.1):
    ...         self.rate, self.every, self.factor = rate, every, factor
    >>> call(Step(0.5, factor=0.2))
    'Step(rate=0.5, factor=0.2)'
    """
    shown = []
    for name, default in _arguments(type(made)):
        value = known[name] if name in known else getattr(made, name, default)
        if not (value is default or _same(value, default)):
            shown.append(f'{name}={_text(value)}')
    return f'{type(made).__name__}({", ".join(shown)})'


def _arguments(kind: type) -> Iterator[tuple[str, object]]:
    """Return the names of the arguments of a class, and their defaults."""
    try:
        parameters = inspect.signature(kind).parameters.values()
    except (TypeError, ValueError):  # of a class whose __init__ is not Python
        return
    for one in parameters:
        if one.kind is one.VAR_KEYWORD:
            for table in ('options', 'switches'):
                if isinstance(there := getattr(kind, table, None), Mapping):
                    yield from there.items()
        elif one.kind is not one.VAR_POSITIONAL:
            yield one.name, one.default


def _same(value: object, default: object) -> bool:
    return isinstance(value, PLAIN) and type(value) is type(default) and value == default


def _text(value: object) -> str:
    """Return the repr of an argument; of a function its name, of another object its class."""
    name = getattr(value, '__name__', None)
    text = str(name) if name and callable(value) else brief(value)
    return f'<{type(value).__name__}>' if ' at 0x' in text else text
