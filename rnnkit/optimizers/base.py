"""What an update rule is: a few equations that know no network."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable

from rnnkit.common.registry import Registry


class Optimizer:
    r"""An update rule, for one parameter at a time.

    The rule's equations use only ``+ - * / **``, `abs` and what `library` has, so that the
    same lines run on symbols in training and on NumPy arrays in tests.

    Attributes
    ----------
    options : dict of str to float
        The hyper-parameters with their defaults. Each becomes a shared scalar: changing
        one recompiles nothing.
    slots : tuple of str
        The names of what the rule remembers, each an array like the parameter that
        starts at 0.
    reads : tuple of str
        What `step` takes as keywords, besides the options: ``'p'``, the parameter;
        ``'curvature'``, the product of the Hessian and a vector of independent numbers
        from N(0, 1), drawn anew for each update.
    may_be_zero : tuple of str
        Those options that need not be above 0.
    scheduled : bool
        Whether the learning rate may change from one update to the next.
    full_batch : bool
        Whether an update needs all data at once.
    by_rows : bool
        Whether a row of a table that no example has read may be left out of an update, so that
        `t` is not the number of times that the row was changed.

    Notes
    -----
    The trainer turns the rule's step :math:`\Delta` into the update of parameter p. With
    momentum :math:`\mu` it is the velocity that is kept,

    .. math:: v' = \mu v - \Delta, \qquad p' = p + v',

    and with Nesterov's momentum :math:`p' = p + \mu v' - \Delta`.
    """

    options: ClassVar[dict[str, float]] = {'learning_rate': 1e-3}
    slots: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[tuple[str, ...]] = ()
    may_be_zero: ClassVar[tuple[str, ...]] = ()
    scheduled: ClassVar[bool] = True
    full_batch: ClassVar[bool] = False
    by_rows: ClassVar[bool] = True
    nesterov: ClassVar[bool] = False  # the default of the option of that name
    momentum: ClassVar[float] = 0.0  # likewise

    def step(self, g: Any, slots: tuple, t: Any, **options: Any) -> tuple[Any, tuple]:
        """Return the step Δ that is to be subtracted, and the new slots.

        Parameters
        ----------
        g : array or tensor
            The gradient, already clipped.
        slots : tuple
            One entry for each name in ``slots``.
        t : scalar
            The number of this update; the first one is 1.
        **options : scalar
            One entry for each name in ``options``; an array for each in ``reads``.
        """
        raise NotImplementedError(f'{type(self).__name__} must define step(g, slots, t, ...)')

    def check(self, options: Mapping[str, float]) -> None:
        """Raise a ConfigError if values make no sense together; each alone is above 0."""


def decay(halflife: Any) -> Any:
    """Return the factor by which a memory with this half-life, in updates, fades each update."""
    return 2 ** (-1 / halflife)


def library(value: Any) -> Any:
    """Return the module that has `sign`, `maximum`, `minimum` and `where` for such values.

    Parameters
    ----------
    value : array or tensor
        The gradient, say: symbols have these functions in `pytensor.tensor`, arrays in NumPy.
    """
    return pt if isinstance(value, Variable) else np


optimizers = Registry('algorithm', check=Optimizer)
