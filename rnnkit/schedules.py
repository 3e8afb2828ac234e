"""Learning rates that change: from the number of an update to a rate.

The number is that of the updates made before: the first update has the number 0.
"""

import copy
import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

from rnnkit.errors import ConfigError


class Schedule:
    """A learning rate for each update.

    Any callable of the update number will do as a schedule. One that is derived from this
    class can also see the validation losses, and say what it remembers of them.
    """

    def __call__(self, update: int) -> float:
        """Return the learning rate after `update` updates.

        Parameters
        ----------
        update : int
            From 0.
        """
        raise NotImplementedError(f'{type(self).__name__} must define __call__(update)')

    def observe(self, loss: float) -> None:
        """Take note of a validation loss; the first one is from before the first update."""

    def state(self) -> dict[str, float]:
        """Return what it remembers, as numbers by name."""
        return {}

    def restore(self, state: dict[str, float]) -> None:
        """Go on from what `state` returned."""


class Constant(Schedule):
    """The same learning rate for each update."""

    def __init__(self, rate: float):
        self.rate = _number('Constant', 'rate', rate)

    def __call__(self, update):
        return self.rate


class Exponential(Schedule):
    """The rate times `decay` for every `every` updates, smoothly: rate · decay^(n / every).

    Parameters
    ----------
    rate : float
        At the start.
    decay : float
        From above 0 to 1.
    every : int

    Examples
    --------
    >>> Exponential(0.1, 0.5, every=1000)(2000)
    0.025
    """

    def __init__(self, rate: float, decay: float, every: int = 1):
        self.rate = _number('Exponential', 'rate', rate)
        self.decay = _number('Exponential', 'decay', decay, most=1)
        self.every = _count('Exponential', 'every', every)

    def __call__(self, update):
        return self.rate * self.decay ** (update / self.every)


class Step(Schedule):
    """The rate times `factor` after every `every` updates, at once: rate · factor^⌊n / every⌋.

    Parameters
    ----------
    rate : float
        At the start.
    every : int
    factor : float
        From above 0 to 1.
    """

    def __init__(self, rate: float, every: int, factor: float = 0.1):
        self.rate = _number('Step', 'rate', rate)
        self.every = _count('Step', 'every', every)
        self.factor = _number('Step', 'factor', factor, most=1)

    def __call__(self, update):
        return self.rate * self.factor ** (update // self.every)


class Cosine(Schedule):
    r"""Half a wave of a cosine, from `rate` down to `least`.

    .. math:: \text{least} + (\text{rate} - \text{least}) (1 + \cos(\pi n / \text{total})) / 2

    Parameters
    ----------
    rate : float
        At the start.
    total : int
        The number of updates after which `least` is reached, and kept.
    least : float

    References
    ----------
    Loshchilov & Hutter 2017, arXiv:1608.03983, without restarts.
    """

    def __init__(self, rate: float, total: int, least: float = 0.0):
        self.rate = _number('Cosine', 'rate', rate)
        self.total = _count('Cosine', 'total', total)
        self.least = _number('Cosine', 'least', least, most=rate, zero=True)

    def __call__(self, update):
        done = min(update / self.total, 1)
        return self.least + (self.rate - self.least) * (1 + math.cos(math.pi * done)) / 2


class WarmUp(Schedule):
    """A straight rise to the first rate of another schedule, which then begins.

    Parameters
    ----------
    updates : int
        The length of the rise. Update n of them has (n + 1) / updates of the rate.
    then : float, Schedule or callable
        Its own count starts at 0 after the rise.

    Examples
    --------
    >>> rate = WarmUp(4, Step(0.1, every=10))
    >>> [rate(0), rate(3), rate(4), rate(13)]
    [0.025, 0.1, 0.1, 0.1]
    """

    def __init__(self, updates: int, then: Any):
        self.updates = _count('WarmUp', 'updates', updates)
        self.then = build('WarmUp(): then', then)

    def __call__(self, update):
        if update < self.updates:
            return self.then(0) * (update + 1) / self.updates
        return self.then(update - self.updates)

    def observe(self, loss):
        self.then.observe(loss)

    def state(self):
        return self.then.state()

    def restore(self, state):
        self.then.restore(state)


class Plateau(Schedule):
    """The rate times `factor` whenever the validation loss has stopped falling.

    Parameters
    ----------
    rate : float
        At the start.
    factor : float
        From above 0 to below 1.
    patience : int
        The rate falls when more than this many validations in a row have not improved. It
        should be less than the `patience` of the training, which ends it.
    min_improvement : float
        The fraction by which the loss must fall to count as an improvement.
    least : float
        The rate does not fall below this.
    """

    def __init__(
        self,
        rate: float,
        factor: float = 0.5,
        patience: int = 2,
        min_improvement: float = 0.0,
        least: float = 0.0,
    ):
        self.rate = _number('Plateau', 'rate', rate)
        self.factor = _number('Plateau', 'factor', factor, most=1)
        self.patience = _count('Plateau', 'patience', patience, 0)
        self.min_improvement = _number(
            'Plateau', 'min_improvement', min_improvement, most=1, zero=True
        )
        self.least = _number('Plateau', 'least', least, most=rate, zero=True)
        self.best, self.failures = math.inf, 0

    def __call__(self, update):
        return self.rate

    def observe(self, loss):
        best = self.best
        if best == math.inf or best - loss > abs(best) * self.min_improvement:
            self.best, self.failures = loss, 0
            return
        self.failures += 1
        if self.failures > self.patience:
            self.rate, self.failures = max(self.rate * self.factor, self.least), 0

    def state(self):
        seen = {} if self.best == math.inf else {'best': self.best}
        return {'rate': self.rate, 'failures': self.failures, **seen}

    def restore(self, state):
        self.rate, self.best = float(state['rate']), float(state.get('best', math.inf))
        self.failures = int(state['failures'])


class _Called(Schedule):
    """A callable of the user's, whose results are looked at."""

    def __init__(self, where: str, function: Callable[[int], float]):
        self.where, self.function = where, function

    def __call__(self, update):
        rate = self.function(update)
        if not _is_number(rate) or not 0 <= rate < math.inf:
            raise ConfigError(
                f'{self.where} is a callable that returned {rate!r} for update {update}; it must '
                f'return a number of at least 0'
            )
        return float(rate)


def build(where: str, rate: Any) -> Schedule:
    """Return a schedule of its own for one training.

    Parameters
    ----------
    where : str
        What the rate is, for messages.
    rate : float, Schedule or callable
        A schedule is copied, so that what it remembers stays in this training.

    Raises
    ------
    ConfigError
        If it is none of them.
    """
    if isinstance(rate, type) or not (callable(rate) or _is_number(rate)):
        made = ', made with its arguments' if isinstance(rate, type) else ''
        raise ConfigError(
            f'{where} is a number above 0, a schedule{made}, or a callable of the update number; '
            f'got {rate!r}'
        )
    if isinstance(rate, Schedule):
        return copy.deepcopy(rate)
    if callable(rate):
        return _Called(where, rate)
    if not 0 < rate < math.inf:
        raise ConfigError(f'{where} is a number above 0; got {rate!r}')
    return Constant(rate)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _number(where: str, name: str, value: Any, most: float = math.inf, zero: bool = False) -> float:
    """Return `value` as a float, or raise unless it is above 0, or 0 if allowed, to `most`."""
    if not _is_number(value) or not 0 <= value <= most or math.isinf(value) or not (value or zero):
        limit = '' if most == math.inf else f' and at most {most:g}'
        least = 'of at least 0' if zero else 'above 0'
        raise ConfigError(f'{where}(): {name} is a number {least}{limit}; got {value!r}')
    return float(value)


def _count(where: str, name: str, value: Any, least: int = 1) -> int:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ConfigError(f'{where}(): {name} is a whole number of at least {least}; got {value!r}')
    return int(value)
