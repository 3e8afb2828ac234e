"""The activations by name, and what those that learn are derived from."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
from pytensor.tensor import TensorVariable

from rnnkit.common.registry import Registry
from rnnkit.errors import ConfigError

Activation = Callable[[TensorVariable], TensorVariable]


class Learned(ABC):
    """An activation with parameters, which belong to the layer that uses it.

    Derive from it, define `shapes` and `apply`, and register the class with
    ``@rnnkit.activations.add('name')``. A layer ``hid1`` with it then has the parameters
    ``'hid1.leak'`` and so on, and takes how they start as the keyword ``leak``.

    Parameters
    ----------
    argument : str, optional
        What follows the colon in ``'maxout:4'``.

    Attributes
    ----------
    names : tuple of str
        The names of the parameters.
    initial : dict of str to object
        How each parameter starts, as in a layer: the name of an initializer, a number, or
        a function of (shape, rng). Those left out start at 0.

    Examples
    --------
    >>> class Scaled(Learned):
    ...     names, initial = ('scale',), {'scale': 1.0}
    ...     def shapes(self, size):
    ...         return {'scale': (size,)}
    ...     def apply(self, x, p):
    ...         return p.scale * x
    """

    names: ClassVar[tuple[str, ...]]
    initial: ClassVar[dict[str, Any]] = {}

    def __init__(self, argument: str | None = None):
        if argument is not None:
            raise ConfigError(f'there is nothing to say after a colon; got {argument!r}')

    @abstractmethod
    def shapes(self, size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter, for a layer of `size` units."""

    @abstractmethod
    def apply(self, x: TensorVariable, p: SimpleNamespace) -> TensorVariable:
        """Return the activation of `x`, whose last axis counts units, given the parameters."""


class ActivationRegistry(Registry):
    """Functions of one tensor, and classes derived from `Learned`, by name."""

    def _check_member(self, names: tuple, member: Any) -> None:
        if isinstance(member, type) and not issubclass(member, Learned):
            raise ConfigError(
                f'the activation {names[0]!r} must be a function of one tensor, or a class '
                f'derived from rnnkit.activations.Learned; got {member!r}'
            )

    def step(self, word: str) -> Activation | Learned:
        """Return what one word of a chain means.

        Raises
        ------
        ConfigError
            If there is no such word, or what it says after a colon makes no sense.
        """
        member, argument = None, None
        if word in self:
            member = self[word]
        elif word.partition(':')[0] in self:
            name, _, argument = word.partition(':')
            member = self[name]
        if not isinstance(member, type):
            # A function takes no argument, so its whole word must be known.
            return self[word]
        try:
            return member(argument)
        except ConfigError as error:
            raise ConfigError(f'activation {word!r}: {error}') from None


activations = ActivationRegistry('activation')
add = activations.add


def like(x: TensorVariable, value: float) -> np.ndarray:
    """Return a number with the dtype of `x`; a bare 0.1 would make float32 float64."""
    return np.asarray(value, x.type.dtype)
