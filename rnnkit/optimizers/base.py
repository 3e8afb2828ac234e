"""The base class of update rules: a few equations, independent of networks."""

import math
from collections.abc import Mapping
from types import ModuleType
from typing import ClassVar

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor import TensorVariable

from rnnkit.common import reprs
from rnnkit.common.calls import checked
from rnnkit.common.checks import real
from rnnkit.common.registry import Registry, about, meant
from rnnkit.common.spelling import brief
from rnnkit.errors import CallError

Array = np.ndarray | TensorVariable  # the equations of a rule run on both
Scalar = float | TensorVariable


class Optimizer:
    r"""An update rule, for one parameter at a time.

    The equations use only ``+ - * / **``, `abs` and the functions of `library`, so that the same
    lines run on symbols in training and on NumPy arrays in tests.

    Attributes
    ----------
    options : dict of str to float
        The hyperparameters with their defaults. Each is a shared scalar, so that changing it
        does not recompile anything.
    switches : dict of str to bool
        Further keywords that choose between forms of the rule, with their defaults; each is an
        attribute of the same name. A change of one compiles another update.
    slots : tuple of str
        The names of the state arrays of the rule, each like the parameter, and 0 at the start.
    reads : tuple of str
        Further keywords of `step`: ``'p'``, the parameter; ``'curvature'``, the product of the
        Hessian and a random vector from N(0, 1), drawn anew for each update.
    may_be_zero : tuple of str
        The options that may be 0.
    scheduled : bool
        Whether a learning-rate schedule may be used.
    full_batch : bool
        Whether an update needs all training data as one batch.
    by_rows : bool
        Whether gradients may be sparse: rows of an embedding that no example has read are left
        out of an update, so that `t` is not the number of updates of a row.

    Notes
    -----
    The trainer turns the rule's step :math:`\Delta` into the update of parameter p. With
    momentum :math:`\mu`, it keeps the velocity,

    .. math:: v' = \mu v - \Delta, \qquad p' = p + v',

    and with Nesterov momentum, :math:`p' = p + \mu v' - \Delta`.
    """

    options: ClassVar[dict[str, float]] = {'learning_rate': 1e-3}
    switches: ClassVar[dict[str, bool]] = {}
    slots: tuple[str, ...] = ()
    reads: ClassVar[tuple[str, ...]] = ()
    may_be_zero: ClassVar[tuple[str, ...]] = ()
    scheduled: ClassVar[bool] = True
    full_batch: ClassVar[bool] = False
    by_rows: ClassVar[bool] = True
    nesterov: ClassVar[bool] = False  # the default of the training option of that name
    momentum: ClassVar[float] = 0.0  # the default of the training option of that name

    @checked
    def __init__(self, **switches: bool):
        self._refuse_options(switches)
        for name, default in self.switches.items():
            setattr(self, name, switches.get(name, default))
        self.setup()

    def _refuse_options(self, given: Mapping[str, object]) -> None:
        """Raise a CallError unless all keywords are switches."""
        kind, known = type(self), [*self.options, *self.switches]
        words = {name: meant(name, known) for name in given if name not in self.switches}
        for name, word in words.items():
            if name not in known and word is None:
                raise CallError(f'{kind.__name__}(): {about(kind.__name__, name, known)}')
        if words:
            values = ', '.join(f'{word}={brief(given[name])}' for name, word in words.items())
            raise CallError(
                f'{kind.__name__}(): the options of an update rule are options of a training; '
                f'write algo={algo_name(kind)!r}, {values}'
            )

    def setup(self) -> None:
        """Compute from the switches what `step` needs, such as the slots."""

    def __repr__(self) -> str:
        return reprs.call(self)

    @property
    def switched(self) -> dict[str, bool]:
        """The switches that differ from their defaults."""
        values = {name: getattr(self, name) for name in self.switches}
        return {name: value for name, value in values.items() if value != self.switches[name]}

    def step(
        self, g: Array, slots: tuple[Array, ...], t: Scalar, **options: Array | Scalar
    ) -> tuple[Array, tuple[Array, ...]]:
        """Return the step Δ to subtract from the parameter, and the new slots.

        Parameters
        ----------
        g : array or tensor
            The gradient, after clipping.
        slots : tuple of arrays or tensors
            The state, one for each name in ``slots``.
        t : scalar
            The number of this update, from 1.
        **options : scalar
            One for each name in ``options``; and an array for each name in ``reads``.
        """
        raise NotImplementedError(f'{type(self).__name__} must define step(g, slots, t, ...)')

    def check(self, options: Mapping[str, float]) -> None:
        """Raise a ConfigError for invalid combinations of options, each of which is above 0."""


def algo_name(kind: type[Optimizer]) -> str:
    """Return the name of a rule; of one that is not registered, that of its class."""
    return next((name for name in optimizers if optimizers[name] is kind), kind.__name__)


@checked
def decay(halflife: Scalar) -> Scalar:
    """Return the decay of a moving average per update, given its half-life in updates."""
    return 2 ** (-1 / halflife)


@checked
def halflife(decay: float) -> float:
    """Return the half-life, in updates, of a moving average with this decay per update.

    Published settings give decays, often called ρ, α or β: ``rms_halflife=halflife(0.99)``.

    Raises
    ------
    ConfigError
        If the decay is not between 0 and 1.

    Examples
    --------
    >>> round(halflife(0.9), 3)
    6.579
    """
    return math.log(0.5) / math.log(real('halflife(): decay', decay, above=0, below=1))


@checked
def library(value: Array) -> ModuleType:
    """Return the module with `sign`, `maximum`, `minimum` and `where` for a value.

    Parameters
    ----------
    value : array or tensor
        Such as the gradient: the module is `pytensor.tensor` for symbols, NumPy for arrays.
    """
    return pt if isinstance(value, Variable) else np


optimizers = Registry('algorithm', check=Optimizer)
