"""Which known word was meant by a misspelt one."""

from collections.abc import Iterable
from difflib import SequenceMatcher
from itertools import takewhile

MOST = 12  # words in a list
FEW = 4  # arrays in a message


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the word of `known` that is spelt almost like `word`, or None if none is.

    Three letters in ten may be wrong, and at most four; or all that follows a colon. Of words that
    are equally near, the one with the longest common beginning is taken, and then the first.

    Examples
    --------
    >>> nearest('rel', ['trel', 'relu'])
    'relu'
    >>> nearest('sample_weight', ['weightl2']) is None
    True
    """
    word, found, least = word.lower()[:100], None, (float('inf'), 0)
    for other in known:
        candidate = other.lower()
        if candidate == word.partition(':')[0]:
            return other
        allowed = min(max(1, 0.3 * max(len(word), len(candidate))), 4)
        if not word or abs(len(word) - len(candidate)) > allowed:
            continue
        steps = distance(word, candidate)
        common = takewhile(lambda pair: pair[0] == pair[1], zip(word, candidate, strict=False))
        rank = (steps, -len(list(common)))
        if steps <= allowed and steps < len(candidate) and rank < least:
            found, least = other, rank
    return found


def distance(one: str, two: str) -> int:
    """Return how many letters to insert, delete, replace or swap with the next one.

    Examples
    --------
    >>> distance('lsmt', 'lstm'), distance('epoch', 'epochs')
    (1, 1)
    """
    before: list[int] = []
    last = list(range(len(two) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(two, 1):
            steps = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == two[j - 2] and one[i - 2] == b:
                steps = min(steps, before[j - 2] + 1)
            row.append(steps)
        before, last = last, row
    return last[-1]


def plain(word: str) -> str:
    """Return a word in lower case, without what joins its parts.

    Examples
    --------
    >>> plain('Repeat_Vector'), plain('repeat-vector')
    ('repeatvector', 'repeatvector')
    """
    return word.lower().replace('_', '').replace('-', '')


def brief(value: object, most: int = 100) -> str:
    """Return the repr of a value, for a message: the beginning, or the shapes of large arrays."""
    if _is_large(value):
        return f'{type(value).__name__} of shape {value.shape}'  # type: ignore[attr-defined]
    if isinstance(value, list | tuple | dict) and any(map(_is_large, _items(value))):
        shown = [*map(brief, _items(value)[:FEW]), *['...'] * (len(value) > FEW)]
        return f'{type(value).__name__} of {len(value)}: {", ".join(shown)}'
    try:
        text = repr(value[: most + 1] if isinstance(value, str | bytes | list | tuple) else value)
    except Exception:  # an integer of more than 4,300 digits, or an object of the user's
        return f'<{type(value).__name__}>'
    return text if len(text) <= most + 2 else f'{text[:most]}...'


def _is_large(value: object) -> bool:
    shape = getattr(value, 'shape', None)
    if not isinstance(shape, tuple) or not shape:
        return False
    return len(shape) > 1 or getattr(value, 'size', 0) > 8


def _items(value: list | tuple | dict) -> list:
    return list(value.values() if isinstance(value, dict) else value[: FEW + 1])


def listed(word: str, known: Iterable[str]) -> str:
    """Return the names of `known`; of many, those that are most like `word` and how many others.

    Examples
    --------
    >>> listed('x', ['b', 'a'])
    'a, b'
    """
    names = sorted(set(known))
    if len(names) <= MOST:
        return ', '.join(names)
    matcher = SequenceMatcher(b=word.lower()[:100])

    def likeness(name: str) -> float:
        matcher.set_seq1(name)
        return -matcher.ratio()

    names.sort(key=likeness)
    return f'{", ".join(sorted(names[:MOST]))} and {len(names) - MOST} others'
