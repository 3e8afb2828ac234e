"""Learn the names of classes from the labels that count in training data. NumPy only."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from rnnkit.common.spelling import brief
from rnnkit.data.border import Border
from rnnkit.data.classes import (
    FEW,
    Encoded,
    encoded,
    in_one_type,
    is_label,
    kind_of_label,
    several,
)
from rnnkit.data.stored import Stored, StoredList, holds_stored, pieces
from rnnkit.errors import DataError

T = TypeVar('T')
MANY = 2**40  # numbers from here on are not labels
IGNORED = -100  # PyTorch's label for targets that do not count
PLACEHOLDERS = (-1, IGNORED)


class Found:
    """All labels in some data, in place of `Classes` while the data are read."""

    plain = False

    def __init__(self) -> None:
        self.labels: list[object] = []
        self._numbers: dict[tuple[str, object], int] = {}

    def encode(self, where: str, value: object) -> Encoded:
        """Return labels as numbers below `MANY`, and what is none as numbers from it on."""
        return encoded(where, value, MANY, self._find)

    def _find(self, labels: np.ndarray) -> np.ndarray:
        if labels.dtype.kind == 'O':
            numbers = [self.number_of(label) for label in labels.ravel()]
            return np.array(numbers, 'int64').reshape(labels.shape)
        distinct, inverse = np.unique(labels, return_inverse=True)
        numbers = [self.number_of(label, finite=False) for label in distinct]
        return np.array(numbers, 'int64')[inverse].reshape(labels.shape)

    def number_of(self, label: object, finite: bool = True) -> int:
        """Return the number of a label, a new one if it is new; -1 for what is none."""
        if (finite and not is_label(label)) or label == '':
            return -1
        value = label.item() if isinstance(label, np.generic) else label
        key = (kind_of_label(value), value)
        if key not in self._numbers:
            self._numbers[key] = len(self.labels)
            self.labels.append(value)
        elif isinstance(value, float):  # 1.0 is the same class as 1, and makes all of them floats
            self.labels[self._numbers[key]] = value
        return self._numbers[key]

    def refusal(self, label: object, owner: str) -> str:
        """Say what is wrong with a value that cannot be learned as a label."""
        if is_label(label):
            return "contains '', an empty label; if it is one, name all classes: classes=[...]"
        decode = ', not bytes: decode them' if isinstance(label, bytes) else ''
        return f'contains {brief(label, 40)}; labels are strings, numbers or bools{decode}'


def alone(value: T) -> list[T]:
    """Return the value in a list."""
    return [value]


def learn(
    border: Border,
    n: int,
    sources: Sequence[tuple[object, str]],
    gather: Callable[[Any], list[Any]] = alone,
) -> np.ndarray | None:
    """Return the names of the classes in some data, sorted; or None if labels are 0 to n - 1.

    Parameters
    ----------
    border : Border
    n : int
        The number of units of the output.
    sources : sequence of (data, str)
        Batches as users pass them, each with its name for messages. Those that are not made of
        arrays, such as callables, are left out.
    gather : callable
        Returns what several processes have found, each in a part of the data.

    Raises
    ------
    DataError
        If there are more or fewer classes than units, or labels of several kinds. Labels that are
        whole numbers are left to the errors that the border raises.
    """
    given = [(data, where) for data, where in sources if _labels_in(border, data) is not None]
    name = border.target.name
    plain = all(_is_plain(_labels_in(border, data), n, f'{where}: {name}') for data, where in given)
    if all(gather(plain)):
        return None
    found = Found()
    field = replace(border.target, classes=found, size=MANY)
    reading = border.with_target(field)
    counts = np.zeros(0, 'int64')
    for data, where in given:
        for batch in _read(reading, data, where):
            counts = _counted(reading, batch, counts, len(found.labels))
    ours = [(label, k) for label, k in zip(found.labels, counts.tolist(), strict=True) if k]
    used = _joined(gather(ours))
    if not used:
        return None
    where = f'{" and ".join(where for _, where in given)}: {field.name}'
    return _named(where, used, n, field.owner)


def _read(border: Border, data: object, where: str) -> Iterator[list[np.ndarray]]:
    """Return data as the border reads them; of data on disk, in pieces what is needed."""
    if not holds_stored(data):
        yield border.read_batch(data, where)
        return
    from rnnkit.data.examples import Examples  # only data on disk load it

    needed = [border.target.name, *(field.name for field in [*border.weights, *border.masks])]
    yield from Examples(border, data, where).scan(needed)


def _joined(found: Sequence[Sequence[tuple[object, int]]]) -> list[tuple[object, int]]:
    """Return the labels that several processes have found, with their counts."""
    every = Found()
    counts: list[int] = []
    for label, k in (pair for pairs in found for pair in pairs):
        number = every.number_of(label, finite=False)
        counts += [0] * (number == len(counts))
        counts[number] += k
    return list(zip(every.labels, counts, strict=True))


def _counted(border: Border, batch: list[np.ndarray], before: np.ndarray, n: int) -> np.ndarray:
    """Return how many targets that count have each label, with those counted before."""
    field = border.target
    by_name = dict(zip([other.name for other in border.fields], batch, strict=True))
    labels = by_name[field.name]
    real = border.mask_of(field.clock, batch)
    counts = np.ones(labels.shape, bool) if real is None else real > 0
    for weights in border.weights:
        if weights.of == field.name and weights.hides:
            counts = counts & (by_name[weights.name] > 0)
    total = np.bincount(labels[counts], minlength=n)
    total[: len(before)] += before
    return total


def _labels_in(border: Border, data: object) -> object:
    """Return the labels in a batch as the user passed them, or None if there are none to see."""
    names = [field.name for field in border.fields]
    if isinstance(data, dict):
        return data.get(border.target.name)
    least = len(names) - len(border.masks)
    if not isinstance(data, list | tuple) or not least <= len(data) <= len(names):
        return None
    if isinstance(data[0], str):  # a share of the training data
        return None
    return data[names.index(border.target.name)]


def _is_plain(labels: object, n: int, where: str) -> bool:
    """Return whether all labels are 0 to n - 1, in integer arrays, without reading the batch."""
    if isinstance(labels, Stored | StoredList):
        return all(_is_plain(piece, n, where) for piece in pieces(labels, where))
    if isinstance(labels, list | tuple) and labels:
        return all(isinstance(one, np.ndarray) and _is_plain(one, n, where) for one in labels)
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in 'iu':
        return False
    return not labels.size or (labels.min() >= 0 and labels.max() < n)


def _named(where: str, used: list[tuple[object, int]], n: int, owner: str) -> np.ndarray | None:
    kinds = {kind_of_label(label): label for label, _ in reversed(used)}
    if len(kinds) > 1:
        shown = ' and '.join(map(brief, kinds.values()))
        raise DataError(f'{where} must be labels of one kind; it contains {shown}')
    if any(label != label for label, _ in used):  # NaN among numbers
        return None
    labels = sorted(label for label, _ in used)  # type: ignore[type-var]
    if 'number' in kinds and (len(labels) != n or _is_usual(labels, n)):
        return None
    if 'bool' in kinds and n == 2:
        labels = [False, True]
    if len(labels) == n:
        return in_one_type(labels)
    units = f'{owner} {n} units, one for each class'
    if len(labels) < n:
        advice = f'write {len(labels)} units, or ' if len(labels) > 1 else ''
        raise DataError(
            f'{where} has only the label{"s" * (len(labels) > 1)} {several(labels)}, and {units}; '
            f'{advice}name all classes: classes=[...]'
        )
    rare = sorted(used, key=lambda pair: pair[1])[: len(labels) - n]
    shown = ', '.join(f'{brief(label)} ({k} targets)' for label, k in rare[:FEW])
    raise DataError(
        f'{where} has {len(labels)} different labels, and {units}; write {len(labels)} units, if '
        f'all of them are meant; the rarest: {shown}'
    )


def _is_usual(labels: list, n: int) -> bool:
    """Return whether numbers are 0 to n - 1, or would be without placeholders of other libraries.

    -1 and 1 are two classes; -1, 0 and 1 are classes or two classes and padding, which the user
    must say.
    """
    rest = [label for label in labels if label not in PLACEHOLDERS]
    return IGNORED in labels or (
        rest != [1] and all(label == int(label) and 0 <= label < n for label in rest)
    )
