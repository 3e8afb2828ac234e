"""Registries of named plug-ins, and the rule that no unknown keyword is ever ignored."""

from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Generic, TypeVar

from rnnkit.common.foreign_advice import OWNERS, advice
from rnnkit.common.foreign_keywords import FOREIGN_KEYWORDS
from rnnkit.common.old_words import HINTS as OLD_KEYWORDS
from rnnkit.common.spelling import brief, nearest, plain
from rnnkit.common.spelling import listed as names_of
from rnnkit.errors import CallError, ConfigError

T = TypeVar('T')
Member = TypeVar('Member')
MOST = 5  # unknown keywords in a message
HINTS = {**{word: (new,) for word, new in OLD_KEYWORDS.items()}, **FOREIGN_KEYWORDS}


_MEANT = {**{plain(word): meant for word, meant in HINTS.items()}, **HINTS}


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

    def add(self, *names: str, **unknown: object) -> Callable[[T], T]:
        """Return a decorator that registers what it decorates under all of `names`.

        Raises
        ------
        ConfigError
            If no name is given, a name is taken, or the member is of the wrong kind.
        """
        if unknown:
            raise CallError(
                f'add(): unknown option {brief(min(unknown))}; {self._a_kind} is registered under '
                f"one or more names, for example add('mine')"
            )
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
            raise ConfigError(f'{self._a_kind} is named by a str; got {self._shown(name)}')
        try:
            return self._members[name.lower()]
        except KeyError:
            raise ConfigError(f'no {self.kind} named {brief(name)}; {hint(name, self)}') from None

    def _shown(self, value: object) -> str:
        """Return a value that is no name, and the name if it is a member, or made by one."""
        for name, member in self._members.items():
            if member is value or (self.check is not None and member is type(value)):
                return f'{getattr(value, "__name__", type(value).__name__)}; write {name!r}'
        return brief(value)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __repr__(self) -> str:
        plural = f'{self.kind}es' if self.kind.endswith('s') else f'{self.kind}s'
        return f'<{plural}: {", ".join(sorted(self))}>'


def hint(name: str, known: Iterable[str], listed: Iterable[str] | None = None) -> str:
    """Say which of the `known` keywords or names was probably meant by `name`.

    If none is near, all of them are listed, or only those of `listed`; at most twelve.
    """
    known = list(known)
    word = meant(name, known)
    if word is not None:
        return f'did you mean {word!r}?'
    names = names_of(name, known if listed is None else listed)
    return f'known are: {names}' if names else 'there are none'


def suggestion(name: object, known: Iterable[object]) -> str:
    """Return the end of a message: the string of `known` that was probably meant by `name`, if any.

    Examples
    --------
    >>> suggestion('pric', ['price', 2]), suggestion('sales', ['price'])
    ("; did you mean 'price'?", '')
    """
    names = [one for one in known if isinstance(one, str)]
    word = meant(name, names) if isinstance(name, str) else None
    return '' if word is None else f'; did you mean {word!r}?'


def meant(name: str, known: list[str]) -> str | None:
    """Return the word of `known` that was probably meant by `name`, or None.

    Of ``'torch.optim.Adam'`` the last part counts, too.
    """
    last = name.rpartition('.')[2]
    found = _same_word(name, known) or nearest(name, known)
    return meant(last, known) if found is None and last != name else found


def _same_word(name: str, known: list[str]) -> str | None:
    """Return the word of `known` that means what `name` means elsewhere."""
    spellings = dict.fromkeys((name, name.lower(), plain(name)))
    words = [word for spelling in spellings for word in _MEANT.get(spelling, ())]
    return next((word for word in words if word in known), None)


def reject_unknown(where: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise a ConfigError that names every keyword of `given` that is not `known`.

    Parameters
    ----------
    where : str
        The call that got the keywords, as the user would write it.
    given, known : iterable of str
        The keywords of the call, and those that exist.
    """
    known = list(known)
    unknown = [keyword for keyword in given if keyword not in known]
    if unknown:
        hints = '; '.join(about(where, str(name), known) for name in unknown[:MOST])
        raise ConfigError(f'{where}: {hints}')


def about(where: str, name: str, known: list[str]) -> str:
    """Return what a message says of an unknown keyword of a call."""
    start = f'unknown option {brief(name)}'
    if not known:
        return f'{start}; it has no options'
    instead = advice(name, known)
    if _same_word(name, known) is None and instead:
        return f'{start}: {instead}'
    found = hint(name, known)
    if not found.startswith('did you'):
        words = (name, *HINTS.get(name, ()))
        for word in words:
            owner = OWNERS.get(word, where)
            if owner not in where:
                return f'{start}: {word}= is an option of {owner}'
        for instead in filter(None, (advice(word, known) for word in words)):
            return f'{start}: {instead}'
    return f'{start}, {found}'


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
