"""What an update rule is: a few equations that know no network."""

from typing import Any, ClassVar

from rnnkit.registry import Registry


class Optimizer:
    r"""An update rule, for one parameter at a time.

    The rule's equations use only ``+ - * / **`` and `abs`, so that the same lines run on
    symbols in training and on NumPy arrays in tests.

    Attributes
    ----------
    options : dict of str to float
        The hyper-parameters with their defaults. Each becomes a shared scalar: changing
        one recompiles nothing.
    slots : tuple of str
        The names of what the rule remembers, each an array like the parameter that
        starts at 0.

    Notes
    -----
    The trainer turns the rule's step :math:`\Delta` into the update of parameter p. With
    momentum :math:`\mu` it is the velocity that is kept,

    .. math:: v' = \mu v - \Delta, \qquad p' = p + v',

    and with Nesterov's momentum :math:`p' = p + \mu v' - \Delta`.
    """

    options: ClassVar[dict[str, float]] = {'learning_rate': 1e-3}
    slots: ClassVar[tuple[str, ...]] = ()
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
            One entry for each name in ``options``.
        """
        raise NotImplementedError(f'{type(self).__name__} must define step(g, slots, t, ...)')


def decay(halflife: Any) -> Any:
    """Return the factor by which a memory with this half-life, in updates, fades each update."""
    return 2 ** (-1 / halflife)


optimizers = Registry('algorithm', check=Optimizer)
