"""Checks of single values that a user gives."""

from collections.abc import Collection
from numbers import Integral
from typing import Any

import numpy as np

from rnnkit.errors import ConfigError


def number(name: str, value: Any, kind: type, least: float, below: float = np.inf) -> None:
    """Raise a ConfigError unless `value` is a number of this kind in [least, below)."""
    ok = isinstance(value, kind) and not isinstance(value, bool)
    if not (ok and least <= value < below):
        what = 'a whole number' if kind is Integral else 'a number'
        limit = '' if below == np.inf else f' and below {below}'
        raise ConfigError(f'{name} is {what} of at least {least}{limit}; got {value!r}')


def one_of(value: Any, choices: Collection[Any]) -> bool:
    """Return whether a value is among some words and numbers; an array or the like never is."""
    single = str | int | float | np.generic | None
    return isinstance(value, single) and value in choices
