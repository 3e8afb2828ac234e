"""The registry of activations, and the base class of those with learned parameters."""

from abc import abstractmethod
from collections.abc import Callable
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
from pytensor.tensor import TensorVariable

from rnnkit.common import reprs
from rnnkit.common.calls import Abstract
from rnnkit.common.registry import Registry
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError

Activation = Callable[[TensorVariable], TensorVariable]


class Learned(Abstract):
    """An activation with learned parameters, which belong to the layer that uses it.

    Subclass it, define `shapes` and `apply`, and register the class with
    ``@rnnkit.activations.add('name')``. A layer ``hid1`` that uses it then has the parameter
    ``'hid1.leak'``, say, and accepts its initial value as the keyword ``leak``.

    Parameters
    ----------
    argument : str, optional
        The text after the colon in ``'maxout:4'``.

    Attributes
    ----------
    names : tuple of str
        The names of the parameters.
    initial : dict of str to object
        The initial value of each parameter, as in a layer: the name of an initializer, a
        number, or a function of (shape, rng); by default 0.

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
    initial: ClassVar[dict[str, object]] = {}

    def __init__(self, argument: str | None = None):
        if argument is not None:
            raise ConfigError(f'it takes no argument after a colon; got {brief(argument)}')

    def __repr__(self) -> str:
        return reprs.call(self)

    @abstractmethod
    def shapes(self, size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter for a layer of `size` units."""

    @abstractmethod
    def apply(self, x: TensorVariable, p: SimpleNamespace) -> TensorVariable:
        """Return the activation of `x`, of shape (..., size), given the parameters."""


class ActivationRegistry(Registry):
    """Functions of one tensor, and subclasses of `Learned`, by name."""

    def _check_member(self, names: tuple[str, ...], member: object) -> None:
        if isinstance(member, type) and not issubclass(member, Learned):
            raise ConfigError(
                f'the activation {names[0]!r} must be a function of one tensor, or a class '
                f'derived from rnnkit.activations.Learned; got {brief(member)}'
            )

    def step(self, spec: str) -> Activation | Learned:
        """Return the activation for one step of a chain: ``'relu'``, ``'maxout:4'``.

        Raises
        ------
        ConfigError
            If the name is unknown, or the argument after the colon is invalid.
        """
        member, argument = None, None
        if spec in self:
            member = self[spec]
        elif spec.partition(':')[0] in self:
            name, _, argument = spec.partition(':')
            member = self[name]
        if not isinstance(member, type):
            # The colon is part of a function's name ('norm:z'), so look up the whole.
            return self[spec]
        try:
            return member(argument)
        except ConfigError as error:
            raise ConfigError(f'activation {spec!r}: {error}') from None


activations = ActivationRegistry('activation')
add = activations.add


def like(x: TensorVariable, value: float) -> np.ndarray:
    """Return a number with the dtype of `x`: a bare 0.1 would upcast float32 to float64."""
    return np.asarray(value, x.type.dtype)
