"""Learning-rate schedules: the learning rate as a function of the number of updates so far."""

import copy
import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from rnnkit.common import foreign_names, reprs
from rnnkit.common.calls import check_takes_one, checked, checked_methods
from rnnkit.common.checks import is_real, real, whole
from rnnkit.common.spelling import brief, plain
from rnnkit.errors import ConfigError

C = TypeVar('C', bound=type)


class Schedule:
    """The learning rate of each update.

    Any callable of the number of updates is a schedule. A subclass of this class can also observe
    the validation losses, and store its state in checkpoints.
    """

    def __call__(self, update: int) -> float:
        """Return the learning rate of an update.

        Parameters
        ----------
        update : int
            The number of updates so far: 0 for the first update.
        """
        raise NotImplementedError(f'{type(self).__name__} must define __call__(update)')

    def __repr__(self) -> str:
        return reprs.call(self)

    def observe(self, loss: float) -> None:
        """Get a validation loss; the first one is computed before the first update."""

    def state(self) -> dict[str, float]:
        """Return the state, as numbers by name, for a checkpoint."""
        return {}

    def restore(self, state: dict[str, float]) -> None:
        """Restore the state that `state` has returned."""


def _of_updates(cls: C) -> C:
    """Make a schedule check what it is called with."""
    rate_of = cls.__call__

    @functools.wraps(rate_of)
    def call(self, update):
        if type(update) is not int:  # which it is in each update of a training
            real(f'{cls.__name__}(...)(): update', update)
        return rate_of(self, update)

    cls.__call__ = checked(call)
    return cls


@_of_updates
@checked_methods
class Constant(Schedule):
    """A constant learning rate; with 0 the parameters stay as they are."""

    def __init__(self, rate: float):
        self.rate = _not_negative('Constant', 'rate', rate)

    def __call__(self, update):
        return self.rate


@_of_updates
@checked_methods
class Exponential(Schedule):
    """Smooth exponential decay: rate · decay^(n / every) after n updates.

    Parameters
    ----------
    rate : float
        The initial learning rate.
    decay : float
        The factor per `every` updates, above 0 and at most 1.
    every : int

    Examples
    --------
    >>> Exponential(0.1, 0.5, every=1000)(2000)
    0.025
    """

    def __init__(self, rate: float, decay: float, every: int = 1):
        self.rate = _positive('Exponential', 'rate', rate)
        self.decay = _positive('Exponential', 'decay', decay, most=1)
        self.every = whole('Exponential(): every', every, 1)

    def __call__(self, update):
        return self.rate * self.decay ** (update / self.every)


@_of_updates
@checked_methods
class Step(Schedule):
    """Decay in steps: rate · factor^⌊n / every⌋ after n updates.

    Parameters
    ----------
    rate : float
        The initial learning rate.
    every : int
        The number of updates from one step to the next.
    factor : float
        The factor of each step, above 0 and at most 1.
    """

    def __init__(self, rate: float, every: int, factor: float = 0.1):
        self.rate = _positive('Step', 'rate', rate)
        self.every = whole('Step(): every', every, 1)
        self.factor = _positive('Step', 'factor', factor, most=1)

    def __call__(self, update):
        return self.rate * self.factor ** (update // self.every)


@_of_updates
@checked_methods
class Cosine(Schedule):
    r"""Cosine annealing: half a cosine wave from `rate` down to `least`.

    .. math:: \text{least} + (\text{rate} - \text{least}) (1 + \cos(\pi n / \text{total})) / 2

    Parameters
    ----------
    rate : float
        The initial learning rate.
    total : int
        The number of updates after which the rate stays at `least`.
    least : float
        The final learning rate.

    References
    ----------
    Loshchilov & Hutter 2017, arXiv:1608.03983, without restarts.
    """

    def __init__(self, rate: float, total: int, least: float = 0.0):
        self.rate = _positive('Cosine', 'rate', rate)
        self.total = whole('Cosine(): total', total, 1)
        self.least = _not_negative('Cosine', 'least', least, most=self.rate)

    def __call__(self, update):
        progress = min(update / self.total, 1)
        return self.least + (self.rate - self.least) * (1 + math.cos(math.pi * progress)) / 2


@_of_updates
@checked_methods
class WarmUp(Schedule):
    """Linear warm-up to the initial rate of another schedule, which then follows.

    Parameters
    ----------
    updates : int
        The number of warm-up updates. Update n has (n + 1) / updates of the rate.
    then : float, Schedule or callable
        The schedule after the warm-up; its count of updates starts at 0 then.

    Examples
    --------
    >>> rate = WarmUp(4, Step(0.1, every=10))
    >>> [rate(0), rate(3), rate(4), rate(13)]
    [0.025, 0.1, 0.1, 0.1]
    """

    def __init__(self, updates: int, then: 'float | Schedule | Callable[[int], float]'):
        self.updates = whole('WarmUp(): updates', updates, 1)
        self.then = build('WarmUp(): then', then)

    def __call__(self, update):
        if update < self.updates:  # not from 0, which would waste an update
            return self.then(0) * (update + 1) / self.updates
        return self.then(update - self.updates)

    def observe(self, loss):
        self.then.observe(loss)

    def state(self):
        return self.then.state()

    def restore(self, state):
        self.then.restore(state)


@_of_updates
@checked_methods
class Plateau(Schedule):
    """Reduce the learning rate when the validation loss stops improving.

    Parameters
    ----------
    rate : float
        The initial learning rate.
    factor : float
        The factor of each reduction, above 0 and at most 1.
    patience : int
        The rate is reduced after more than this many validations in a row without improvement. It
        should be less than the `patience` of the training, which stops it early.
    min_improvement : float
        The fraction by which the loss must fall to count as an improvement.
    least : float
        The lower bound of the learning rate.
    """

    def __init__(
        self,
        rate: float,
        factor: float = 0.5,
        patience: int = 2,
        min_improvement: float = 0.0,
        least: float = 0.0,
    ):
        self.rate = _positive('Plateau', 'rate', rate)
        self.factor = _positive('Plateau', 'factor', factor, most=1)
        self.patience = whole('Plateau(): patience', patience)
        self.min_improvement = _not_negative('Plateau', 'min_improvement', min_improvement, most=1)
        self.least = _not_negative('Plateau', 'least', least, most=self.rate)
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
        # JSON has no infinity, so there is no 'best' before the first validation.
        best = {} if self.best == math.inf else {'best': self.best}
        return {'rate': self.rate, 'failures': self.failures, **best}

    def restore(self, state):
        self.rate, self.best = float(state['rate']), float(state.get('best', math.inf))
        self.failures = int(state['failures'])


class _Called(Schedule):
    """A user's callable, whose results are checked."""

    def __init__(self, where: str, function: Callable[[int], float]):
        self.where, self.function = where, function

    def __repr__(self) -> str:
        return getattr(self.function, '__name__', repr(self.function))

    def __call__(self, update):
        rate = self.function(update)
        if not is_real(rate) or rate < 0:
            raise ConfigError(
                f'{self.where} is a callable that returned {rate!r} for update {update}; it must '
                f'return a number of at least 0'
            )
        return float(rate)


def build(where: str, rate: object) -> Schedule:
    """Return a schedule for one training.

    Parameters
    ----------
    where : str
        The call and the argument, for messages.
    rate : float, Schedule or callable
        A schedule is copied, so that its state is not shared between trainings.

    Raises
    ------
    ConfigError
        If it is none of them.
    """
    if callable(rate) and not isinstance(rate, type):
        check_takes_one(f'{where}: a callable', rate, 'the number of updates')
    if isinstance(rate, Schedule):
        return copy.deepcopy(rate)
    if callable(rate) and not isinstance(rate, type):
        return _Called(where, rate)
    if not is_real(rate):
        instance = ' instance' if isinstance(rate, type) else ''
        raise ConfigError(
            f'{where} must be a number of at least 0, a schedule{instance}, or a callable of the '
            f'number of updates; got {brief(rate)}{_by_name(rate)}'
        )
    return Constant(real(where, rate, least=0))


def _by_name(rate: object) -> str:
    """Say what to write instead of the name of a schedule."""
    if not isinstance(rate, str):
        return ''
    known = foreign_names.NAMES.get(plain(rate), '')
    instead = known if 'schedules.' in known else 'write rnnkit.schedules.Cosine(0.1, 1000)'
    return f'; {instead.removesuffix(", as learning_rate")}'


def _positive(where: str, name: str, value: object, most: float = math.inf) -> float:
    return _at_most(where, name, real(f'{where}(): {name}', value, above=0), most)


def _not_negative(where: str, name: str, value: object, most: float = math.inf) -> float:
    return _at_most(where, name, real(f'{where}(): {name}', value, least=0), most)


def _at_most(where: str, name: str, number: float, most: float) -> float:
    if number > most:
        raise ConfigError(f'{where}(): {name} must be at most {most:g}; got {number!r}')
    return number


if not TYPE_CHECKING:  # or checkers would believe that every name exists
    __getattr__ = foreign_names.of_module(__name__)
