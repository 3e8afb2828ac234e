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


def check_count(name: str, value: Any) -> None:
    """Raise a ConfigError unless `value` is a whole number of at least 1."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ConfigError(f'{name} is a whole number of at least 1; got {value!r}')


def generator(rng: Any) -> np.random.Generator:
    """Return `rng` if it is a generator, a new one from a seed, or a fresh one for None."""
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is not None and (not isinstance(rng, Integral) or isinstance(rng, bool) or rng < 0):
        raise ConfigError(
            f'rng is a seed (a whole number of at least 0) or a numpy.random.Generator; got {rng!r}'
        )
    return np.random.default_rng(rng)


def check_layout(layout: Any) -> None:
    """Raise a ConfigError unless `layout` is one."""
    if layout not in ('time', 'batch'):
        raise ConfigError(f"layout is 'time' or 'batch'; got {layout!r}")


def is_count(value: Any) -> bool:
    """Return whether `value` is a whole number of at least 1."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= 1


def check_optional_count(cell: str, name: str, value: Any) -> None:
    """Raise a ConfigError if an option is neither None nor a whole number of at least 1."""
    if value is not None and not is_count(value):
        raise ConfigError(f'{cell}: {name} is a whole number of at least 1; got {value!r}')
