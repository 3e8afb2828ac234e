"""Names of C: identifiers that are valid, not keywords, and different from each other."""

import re

from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError

LONGEST = 31  # characters that compilers must tell apart, C99 5.2.4.1; less than 63 for safety
C_WORDS = """
    auto break case char const continue default do double else enum extern float for goto if inline
    int long register restrict return short signed sizeof static struct switch typedef union
    unsigned void volatile while
    alignas alignof and and_eq asm bitand bitor bool catch class compl const_cast constexpr
    decltype delete dynamic_cast explicit export false friend mutable namespace new noexcept not
    not_eq nullptr operator or or_eq private protected public reinterpret_cast static_assert
    static_cast template this thread_local throw true try typeid typename using virtual wchar_t xor
    xor_eq main
"""
KEYWORDS = frozenset(C_WORDS.split())  # of C and C++, whose programs include the header

C_HEADERS = """
    assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdarg
    stdbool stddef stdint stdio stdlib string tgmath time wchar wctype
"""
HEADERS = frozenset(C_HEADERS.split())


def checked(where: str, name: object) -> str:
    """Return a name that a user gave to a network, or raise a ConfigError."""
    why = _trouble(name)
    if isinstance(name, str) and not why:
        return name
    likely = identifier(name)[:LONGEST] if isinstance(name, str) and name else 'net'
    raise ConfigError(
        f'{where}: name must start with a letter and contain letters, digits and _ alone, since '
        f'files and functions are named after it; got {brief(name)}{why}; {likely!r} would do'
    )


def _trouble(name: object) -> str:
    """Return why something cannot be the name of a network; empty if it can."""
    if not isinstance(name, str):
        return ''
    if name in KEYWORDS:
        return ', which is a keyword of C or C++'
    if name.lower() in HEADERS:
        return ", which is a header of C's own library"
    if not re.fullmatch('[A-Za-z][A-Za-z0-9_]*', name):
        return ', which is no identifier of C'
    return f', of more than {LONGEST} characters' if len(name) > LONGEST else ''


def identifier(text: str) -> str:
    """Return an identifier that resembles a text: ``'my layer'`` becomes ``my_layer``."""
    name = re.sub('[^A-Za-z0-9]+', '_', text).strip('_') or 'it'
    if name[0].isdigit():
        name = f'n{name}'
    return f'{name}_' if name in KEYWORDS | HEADERS else name


class Names:
    """Identifiers of one scope, each used once.

    Parameters
    ----------
    *taken : str
        Those that are used already.
    """

    def __init__(self, *taken: str):
        self.taken = set(taken)

    def new(self, *parts: str) -> str:
        """Return a free identifier that resembles some parts, joined by ``_``."""
        base = identifier('_'.join(parts))
        name, k = base, 1
        while name in self.taken or name in KEYWORDS:
            k += 1
            name = f'{base}_{k}'
        self.taken.add(name)
        return name
