"""Checks of single values that a user passes: each returns the value, or raises a ConfigError.

`where` names the call and the argument, as the user would write them: ``'train(): epochs'``.
"""

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import TypeVar

import numpy as np

from rnnkit.common.registry import suggestion
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError

T = TypeVar('T')
LARGEST_SIZE = 2**31 - 1  # of an axis: what compiled code counts with must not overflow


def scalar(where: str, value: float, dtype: str) -> np.ndarray:
    """Return a number in the dtype of a network, which it must fit."""
    with np.errstate(over='ignore'):
        array = np.asarray(value, dtype)
    if not np.isfinite(array):
        raise ConfigError(f'{where} is {value:g}, which does not fit {dtype}')
    return array


def is_whole(value: object, least: int | None = None) -> bool:
    """Return whether a value is an integer of at least `least`; True and False are not."""
    if not isinstance(value, Integral) or isinstance(value, bool):
        return False
    return least is None or int(value) >= least


def is_real(value: object) -> bool:
    """Return whether a value is a finite number; True and False are not."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the range of floats
        return False


def whole(where: str, value: object, least: int = 0, most: int | None = None) -> int:
    """Return an integer from `least` to `most`."""
    if is_whole(value, least) and (most is None or int(value) <= most):  # type: ignore[call-overload]
        return int(value)  # type: ignore[call-overload]
    limits = f'of at least {least}' if most is None else f'from {least} to {most}'
    raise ConfigError(f'{where} must be a whole number {limits}; got {brief(value)}')


def size(where: str, value: object) -> int:
    """Return the length of an axis: an integer from 1 to `LARGEST_SIZE`."""
    if is_whole(value, LARGEST_SIZE + 1):
        raise ConfigError(f'{where} must be at most {LARGEST_SIZE:,}; got {brief(value)}')
    return whole(where, value, 1)


def optional_whole(where: str, value: object, least: int = 0) -> int | None:
    """Return None, or an integer of at least `least`."""
    return None if value is None else whole(where, value, least)


def real(
    where: str,
    value: object,
    least: float | None = None,
    below: float | None = None,
    above: float | None = None,
) -> float:
    """Return a finite number, of at least `least`, above `above` and below `below`."""
    limits = [
        *([f'of at least {least}'] if least is not None else []),
        *([f'above {above}'] if above is not None else []),
        *([f'below {below}'] if below is not None else []),
    ]
    if is_real(value):
        number = float(value)  # type: ignore[arg-type]
        if (
            (least is None or number >= least)
            and (above is None or number > above)
            and (below is None or number < below)
        ):
            return number
    described = ' '.join(['a finite number', *' and '.join(limits).split()])
    raise ConfigError(f'{where} must be {described}; got {brief(value)}')


def optional_real(
    where: str, value: object, least: float | None = None, above: float | None = None
) -> float | None:
    """Return None, or a finite number, of at least `least` and above `above`."""
    return None if value is None else real(where, value, least=least, above=above)


def probability(where: str, value: object) -> float:
    """Return a number from 0 to below 1, such as the rate of a dropout."""
    return real(where, value, least=0, below=1)


def flag(where: str, value: object) -> bool:
    """Return True or False."""
    if not isinstance(value, bool | np.bool_):
        raise ConfigError(f'{where} must be True or False; got {brief(value)}')
    return bool(value)


def verbosity(where: str, verbose: object) -> int:
    """Return an argument ``verbose`` as 0, 1 or 2.

    Raises
    ------
    ConfigError
        If it is something else.
    """
    if not isinstance(verbose, Integral | np.bool_) or not 0 <= verbose <= 2:
        raise ConfigError(
            f'{where} must be 0, nothing but warnings; 1, a bar, or a line that changes; or 2, a '
            f'line for each epoch; got {brief(verbose)}'
        )
    return int(verbose)


def choice(where: str, value: T, choices: Iterable[T]) -> T:
    """Return a value that is one of `choices`; a misspelt name gets a hint."""
    choices = list(choices)
    if one_of(value, choices):
        return value
    listed = ', '.join(map(repr, choices))
    near = suggestion(value, choices)
    raise ConfigError(f'{where} must be one of {listed}; got {brief(value)}{near}')


def one_of(value: object, choices: Iterable[object]) -> bool:
    """Return whether a value is among some strings and numbers; an array never is."""
    return isinstance(value, str | int | float | np.generic | None) and value in list(choices)


def generator(rng: object) -> np.random.Generator:
    """Return `rng` if it is a generator, a new one from a seed, or a fresh one for None."""
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is not None and not is_whole(rng, 0):
        raise ConfigError(
            f'rng must be a seed (a whole number of at least 0) or a numpy.random.Generator; got '
            f'{brief(rng)}'
        )
    return np.random.default_rng(rng)  # type: ignore[arg-type]
