"""Copies of objects whose pickles are made in a way of their own."""

import copy
from typing import TypeVar

T = TypeVar('T')


def shallow(thing: T) -> T:
    """Return an object with the same attributes: for ``__copy__``."""
    new = object.__new__(type(thing))
    vars(new).update(vars(thing))
    return new


def deep(thing: T, memo: dict[int, object]) -> T:
    """Return a deep copy of an object, attribute by attribute: for ``__deepcopy__``."""
    new = object.__new__(type(thing))
    memo[id(thing)] = new
    vars(new).update(copy.deepcopy(vars(thing), memo))
    return new
