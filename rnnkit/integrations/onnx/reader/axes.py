"""Axes of the arrays of an ONNX graph: what they stand for, and how long they are.

A layer of rnnkit has outputs of shape (T, B, features). An array of a graph has the same values
with axes in any order, split, joined or of length 1. Each of its axes is a tuple of atoms, and the
length of the axis is the product of theirs: () is an axis of length 1, (time, batch) one that has
joined both.
"""

from dataclasses import dataclass, field
from typing import Self

TIME, BATCH, FEATURE = 'time', 'batch', 'features'


@dataclass(eq=False)
class Atom:
    """A part of an axis that the graph never splits.

    Attributes
    ----------
    label : str
        What messages call it.
    length : int or None
        None if it differs from one batch to the next.
    role : str or None
        None until an operator tells whether it is the time, the batch or the features.
    """

    label: str
    length: int | None = None
    role: str | None = None


Axis = tuple[Atom, ...]


@dataclass(frozen=True)
class Length:
    """The length of an axis that is known only when the network reads data: a product.

    Attributes
    ----------
    number : int
    atoms : tuple of Atom
        Those without a length.
    """

    number: int
    atoms: tuple[Atom, ...] = field(default=())

    def __mul__(self, other: 'int | Length') -> 'int | Length':
        if isinstance(other, Length):
            return Length(self.number * other.number, self.atoms + other.atoms)
        return Length(self.number * int(other), self.atoms)

    __rmul__ = __mul__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Length):
            return False
        return self.number == other.number and set(self.atoms) == set(other.atoms)

    def __hash__(self) -> int:
        return hash((self.number, frozenset(self.atoms)))

    def __deepcopy__(self, memo: object) -> Self:
        return self  # atoms are compared by identity


def length(axis: Axis) -> int | Length:
    """Return the length of an axis."""
    number, free = 1, []
    for atom in axis:
        if atom.length is None:
            free.append(atom)
        else:
            number *= atom.length
    return Length(number, tuple(free)) if free else number


def shown(axes: tuple[Axis, ...]) -> str:
    """Return axes as text for messages: ``(time, batch, features 3)``."""
    return f'({", ".join(map(_name, axes))})'


def _name(axis: Axis) -> str:
    if not axis:
        return '1'
    return '*'.join(
        (atom.role or atom.label) + ('' if atom.length is None else f' {atom.length}')
        for atom in axis
    )
