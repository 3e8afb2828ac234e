"""Registries of named plug-ins, and the rule that no unknown keyword is ever ignored."""

from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Generic, TypeVar

from rnnkit.common.foreign_keywords import FOREIGN_KEYWORDS
from rnnkit.common.old_words import HINTS as OLD_KEYWORDS
from rnnkit.errors import ConfigError

T = TypeVar('T')
Member = TypeVar('Member')
HINTS = {**OLD_KEYWORDS, **FOREIGN_KEYWORDS}


class Registry(Generic[Member]):
    """A table of named plug-ins of one kind: ``Registry[type[Layer]]``.

    Names are matched without regard to case. A name that is taken cannot be taken again,
    so that a plug-in never changes what an existing script means.

    Parameters
    ----------
    kind : str
        What is kept here, for messages: ``'layer'``, ``'loss'``, ...
    check : type, optional
        A class that every member must be derived from.

    Examples
    --------
    >>> shapes = Registry('shape')
    >>> @shapes.add('circle', 'disc')
    ... def circle(): return 'round'
    >>> shapes['Disc']()
    'round'
    """

    def __init__(self, kind: str, check: type | None = None):
        self.kind = kind
        self._a_kind = f'an {kind}' if kind[0] in 'aeiou' else f'a {kind}'
        self.check = check
        self._members: dict[str, Member] = {}

    def add(self, *names: str) -> Callable[[T], T]:
        """Return a decorator that registers what it decorates under all of `names`.

        Raises
        ------
        ConfigError
            If no name is given, a name is taken, or the member is of the wrong kind.
        """
        if not names or not all(isinstance(name, str) and name for name in names):
            raise ConfigError(
                f'{self._a_kind} is registered under one or more names, for example '
                f"add('mine'); got {names!r}"
            )

        def register(member: T) -> T:
            self._check_member(names, member)
            for name in names:
                if name.lower() in self._members:
                    raise ConfigError(
                        f'there is already {self._a_kind} named {name!r}; take another name'
                    )
            for name in names:
                self._members[name.lower()] = member  # type: ignore[assignment]  # as checked
            return member

        return register

    def _check_member(self, names: tuple[str, ...], member: object) -> None:
        if self.check is None:
            return
        if not (isinstance(member, type) and issubclass(member, self.check)):
            raise ConfigError(
                f'the {self.kind} {names[0]!r} must be a class derived from '
                f'rnnkit.{self.check.__name__}; got {member!r}'
            )

    def __getitem__(self, name: str) -> Member:
        if not isinstance(name, str):
            raise ConfigError(f'{self._a_kind} is named by a str; got {brief(name)}')
        try:
            return self._members[name.lower()]
        except KeyError:
            raise ConfigError(f'no {self.kind} named {brief(name)}; {hint(name, self)}') from None

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __repr__(self) -> str:
        return f'<{self.kind}s: {", ".join(sorted(self))}>'


def brief(value: object, most: int = 100) -> str:
    """Return the repr of a value, for a message; of a long one, the beginning."""
    try:
        text = repr(value[: most + 1] if isinstance(value, str | bytes | list | tuple) else value)
    except Exception:  # an integer of more than 4,300 digits, or an object of the user's
        return f'<{type(value).__name__}>'
    return text if len(text) <= most + 2 else f'{text[:most]}...'


def hint(name: str, known: Iterable[str], listed: Iterable[str] | None = None) -> str:
    """Say which of the `known` keywords or names was probably meant by `name`.

    If none is near, all of them are listed, or only those of `listed`.
    """
    known = sorted(set(known))
    translated = HINTS.get(name)
    if translated in known:
        return f'did you mean {translated!r}?'
    near = get_close_matches(name.lower(), known, 1, 0.6) if len(name) < 100 else []
    if near:
        return f'did you mean {near[0]!r}?'
    return f'known are: {", ".join(known if listed is None else sorted(set(listed)))}'


def reject_unknown(where: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise a ConfigError that names every keyword of `given` that is not `known`.

    Parameters
    ----------
    where : str
        The call that got the keywords, as the user would write it.
    given, known : iterable of str
        The keywords of the call, and those that exist.
    """
    known = set(known)
    unknown = [keyword for keyword in given if keyword not in known]
    if unknown:
        hints = '; '.join(
            f'unknown option {brief(name)}, {hint(str(name), known)}' for name in unknown[:5]
        )
        raise ConfigError(f'{where}: {hints}')


def glob(what: str, pattern: object, names: Iterable[str]) -> list[str]:
    """Return the names that match a pattern such as ``'hid*.w'``.

    Parameters
    ----------
    what : str
        What the pattern is called by the user, for messages.
    pattern : str
        ``*`` stands for any characters, ``?`` for any one, ``[ab]`` for a or b.
    names : iterable of str

    Raises
    ------
    ConfigError
        If no name matches; the message lists them.
    """
    names = list(names)
    if not isinstance(pattern, str):
        raise ConfigError(f"{what} must be a pattern of names, such as 'hid*'; got {pattern!r}")
    matching = [name for name in names if fnmatchcase(name, pattern)]
    if not matching:
        existing = ', '.join(names) or 'nothing'
        raise ConfigError(f'{what} {pattern!r} matches nothing; there is {existing}')
    return matching
