"""The training loop: a generator that yields once an epoch."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import pytensor

from rnnkit import progress
from rnnkit.compiled import Compiled
from rnnkit.errors import ConfigError, RnnkitError, TrainingError
from rnnkit.history import History
from rnnkit.noise import Noise
from rnnkit.optimizers import LIMITS, Objective, Optimizer, StepGraph, optimizers
from rnnkit.registry import reject_unknown

Monitors = dict[str, float]


@dataclass
class Options:
    """The options of a training that do not belong to an update rule.

    Parameters
    ----------
    batch_size : int
        Examples in a batch, where data are arrays.
    train_batches, valid_batches : int, optional
        Batches in an epoch and in a validation. By default all batches of arrays, and 100
        of a callable.
    epochs : int, optional
        Train no longer than this; by default until patience ends it.
    patience : int
        Training ends when more than this many validations in a row have not improved.
    validate_every : int
        Epochs from one validation to the next. There is one before the first epoch, and
        always one after the last.
    min_improvement : float
        The fraction by which the validation loss must fall to count as an improvement.
    restore_best : bool
        Whether the parameters of the best validation are put back at the end, however
        training ends.
    max_gradient_norm : float, optional
        The gradient as a whole is scaled down to this length; 0 for no limit. By default 1
        for networks with a recurrent layer, else 0.
    max_gradient_elem : float
        Each element of the gradient is clipped to plus or minus this, before the norm is
        limited; 0 for no limit.
    momentum : float, optional
        How much of the last velocity is kept, from 0 to below 1.
    nesterov : bool, optional
        Whether momentum is Nesterov's.
    seed : int, optional
        Drives the shuffling of examples.
    """

    batch_size: int = 32
    train_batches: int | None = None
    valid_batches: int | None = None
    epochs: int | None = None
    patience: int = 5
    validate_every: int = 10
    min_improvement: float = 0.0
    restore_best: bool = True
    max_gradient_norm: float | None = None
    max_gradient_elem: float = 0.0
    momentum: float | None = None
    nesterov: bool | None = None
    seed: int | None = None

    def check(self) -> None:
        """Raise a ConfigError for the first value that makes no sense."""
        for name in ('batch_size', 'validate_every'):
            number(name, getattr(self, name), Integral, 1)
        for name in ('train_batches', 'valid_batches', 'epochs'):
            if getattr(self, name) is not None:
                number(name, getattr(self, name), Integral, 1)
        number('patience', self.patience, Integral, 0)
        number('min_improvement', self.min_improvement, Real, 0, 1)
        for name in LIMITS:
            if getattr(self, name) is not None:
                number(name, getattr(self, name), Real, 0)
        if self.momentum is not None:
            number('momentum', self.momentum, Real, 0, 1)
        for name in ('restore_best', 'nesterov'):
            if not isinstance(getattr(self, name), bool | np.bool_ | None):
                raise ConfigError(f'{name} is True or False; got {getattr(self, name)!r}')
        if self.seed is not None:
            number('seed', self.seed, Integral, 0)


def number(name: str, value: Any, kind: type, least: float, below: float = np.inf) -> None:
    """Raise a ConfigError unless `value` is a number of this kind in [least, below)."""
    ok = isinstance(value, kind) and not isinstance(value, bool)
    if not (ok and least <= value < below):
        what = 'a whole number' if kind is Integral else 'a number'
        limit = '' if below == np.inf else f' and below {below}'
        raise ConfigError(f'{name} is {what} of at least {least}{limit}; got {value!r}')


def option_names(rule: type[Optimizer] | None = None) -> list[str]:
    """Return the names of all options that a training takes."""
    return [*Options.__dataclass_fields__, *(rule.options if rule else ())]


class TrainStep:
    """The compiled functions for one objective and one kind of update.

    Parameters
    ----------
    objective : Objective
    rule : Optimizer
    momentum, nesterov : bool
    noise : Noise, optional
        Where the random numbers of the objective come from.
    """

    def __init__(
        self, objective: Objective, rule: Optimizer, momentum: bool, nesterov: bool,
        noise: Noise | None = None,
    ):  # fmt: skip
        self.objective, self.noise = objective, noise
        self.graph = StepGraph(objective, rule, momentum, nesterov)
        self.update = Compiled(
            'the train step', objective.inputs, self.graph.outputs,
            [*self.graph.updates, *objective.updates],
        )  # fmt: skip

    def start(self, seed: Any = 0, **hyper: float) -> None:
        """Set the hyper-parameters, and forget what the last training left behind.

        Parameters
        ----------
        seed : int or sequence of int
            Drives the noise.
        **hyper : float
        """
        self.graph.reset()
        if self.noise:
            self.noise.seed(seed)
        self.graph.set(**hyper)

    def blame(self, batch: Sequence[np.ndarray]) -> str:
        """Say which parameter or gradient is the first that is not finite on this batch."""
        params = self.objective.params
        for p in params:
            if not np.isfinite(p.get_value(borrow=True)).all():
                return f'parameter {p.name!r} is not finite'
        gradients = pytensor.grad(self.objective.loss, params, disconnected_inputs='ignore')
        found = Compiled('the gradients, to find what went wrong', self.objective.inputs, gradients)
        for p, gradient in zip(params, found(*batch), strict=True):
            if not np.isfinite(gradient).all():
                return f'the gradient of {p.name!r} is not finite'
        return 'all parameters and their gradients are finite'


class Trainer:
    """Trains by one rule until patience or epochs run out.

    Parameters
    ----------
    step : TrainStep
    evaluate : Compiled
        Returns what ``objective.reports()`` lists, and changes nothing.
    options : Options
    hyper : dict of str to float
        Learning rate and the like, for the records and for the rule.
    history : History
        One record an epoch is appended here.
    seed : int or sequence of int
        Drives the noise in training.
    """

    def __init__(
        self,
        step: TrainStep,
        evaluate: Compiled,
        options: Options,
        hyper: dict[str, float],
        history: History,
        seed: Any = 0,
    ):
        self.step = step
        self.evaluate_batch = evaluate
        self.options = options
        self.hyper = hyper
        self.history = history
        self.seed = seed
        self.names = ['loss', *step.objective.monitors]
        self.best: Monitors = {'loss': np.inf}
        self.latest: Monitors = {}
        self.best_params: list[np.ndarray] = []
        self.updates = 0
        self.failures = 0

    def train(self, train: Any, valid: Any) -> tuple[Monitors, Monitors]:
        """Train to the end, as `itertrain` does.

        Returns
        -------
        train, valid : dict of str to float
            The monitors of the last epoch, and those of the parameters as they are left.
        """
        last: Monitors = {}
        for monitors, _ in self.itertrain(train, valid):
            last = monitors
        return last, dict(self.best if self.options.restore_best else self.latest)

    def itertrain(self, train: Any, valid: Any) -> Iterator[tuple[Monitors, Monitors]]:
        """Train; yield the monitors of training and of the last validation, once an epoch.

        Parameters
        ----------
        train, valid : iterable of batches
            Each time they are read, they give the batches of one epoch or validation.

        Raises
        ------
        TrainingError
            If the loss or a gradient is not finite.
        """
        progress.prepare_logging()
        self.step.start(self.seed, **self.hyper)
        try:
            yield from self._epochs(train, valid)
        finally:
            if self.options.restore_best and self.best_params:
                self._restore()

    def _epochs(self, train: Any, valid: Any) -> Iterator[tuple[Monitors, Monitors]]:
        options = self.options
        self._validate(valid)
        validated, epoch = True, 0
        try:
            while self.failures <= options.patience and epoch != options.epochs:
                epoch += 1
                start = time.perf_counter()
                validated = False
                found = self._train_epoch(train, epoch)
                seconds = time.perf_counter() - start
                due = epoch % options.validate_every == 0 or epoch == options.epochs
                if due:
                    self._validate(valid, epoch)
                    validated = True
                self._record(epoch, found, self.latest if due else {}, seconds)
                yield self._monitors(found), dict(self.latest)
        except KeyboardInterrupt:
            progress.LOGGER.warning('training interrupted in epoch %d', epoch)
        except RnnkitError:
            validated = True  # what went wrong would go wrong again
            raise
        finally:
            if not validated:
                self._validate(valid, epoch)

    def _train_epoch(self, batches: Any, epoch: int) -> Monitors:
        rows = []
        for number_, batch in enumerate(batches, 1):
            norm, *values = self.step.update(*batch)
            self.updates += 1
            if not math.isfinite(norm + values[0]):
                raise TrainingError(
                    f'the loss is {float(values[0])} in epoch {epoch}, batch {number_}; '
                    f'{self.step.blame(batch)}. The batch was not learned from. Try a smaller '
                    f'learning_rate or max_gradient_norm'
                )
            loss, weight, *monitors = map(float, values)
            rows.append((weight, loss, *monitors, float(norm)))
        return self._mean(rows, [*self.names, 'gradient_norm'])

    def _validate(self, batches: Any, epoch: int = 0) -> None:
        """Evaluate; keep a copy of the parameters if they are the best so far."""
        rows = []
        for batch in batches:
            loss, weight, *monitors = self.evaluate_batch(*batch)
            rows.append((weight, loss, *monitors))
        found = self._mean(rows, self.names)
        if not np.isfinite(found['loss']):
            raise TrainingError(
                f'the validation loss is {found["loss"]} after epoch {epoch}; the best parameters '
                f'are kept. Try a smaller learning_rate or max_gradient_norm'
            )
        self.latest = found
        best = self.best['loss']
        if best == np.inf or best - found['loss'] > abs(best) * self.options.min_improvement:
            self.best, self.failures = found, 0
            self.best_params = [p.get_value() for p in self.step.objective.params]
        else:
            self.failures += 1

    @staticmethod
    def _mean(rows: list[tuple], names: list[str]) -> Monitors:
        """Average over batches, each counted by its weight, which is its first column."""
        weights, *columns = np.array(rows, 'float64').T
        if not weights.any():
            return dict.fromkeys(names, 0.0)
        return {n: float(np.average(c, weights=weights))
                for n, c in zip(names, columns, strict=True)}  # fmt: skip

    def _monitors(self, found: Monitors) -> Monitors:
        return {name: found[name] for name in self.names}

    def _record(self, epoch: int, train: Monitors, valid: Monitors, seconds: float) -> None:
        record = {'epoch': epoch, 'updates': self.updates, **train}
        record |= {f'valid_{name}': value for name, value in valid.items()}
        record |= {'learning_rate': self.hyper['learning_rate'], 'seconds': seconds}
        self.history.append(record)
        shown = ' '.join(f'{name} {value:.4g}' for name, value in self._monitors(train).items())
        tested = ' '.join(f'{name} {value:.4g}' for name, value in valid.items())
        star = ' *' if valid and valid == self.best else ''
        progress.say(
            'epoch %d: %s%s%s (%.2g s)', epoch, shown, tested and f' | valid {tested}', star,
            seconds, live=not valid,
        )  # fmt: skip

    def _restore(self) -> None:
        for p, value in zip(self.step.objective.params, self.best_params, strict=True):
            p.set_value(value)


def parse_options(
    where: str, algo: str, given: dict[str, Any], extra: Sequence[str] = ()
) -> tuple[Optimizer, Options, dict[str, float]]:
    """Sort the keywords of a training into a rule, its hyper-parameters and the rest.

    Parameters
    ----------
    where : str
        The call, for messages.
    algo : str
        The name of an update rule.
    given : dict
        The keywords that the user gave.
    extra : sequence of str
        Keywords that the caller has taken care of, for hints.
    """
    rule = optimizers[algo]()
    reject_unknown(where, given, [*option_names(type(rule)), *extra])
    hyper = {name: given.get(name, default) for name, default in rule.options.items()}
    for name, value in hyper.items():
        if not isinstance(value, Real) or isinstance(value, bool) or not 0 < value < np.inf:
            raise ConfigError(f'{name} is a number above 0; got {value!r}')
    options = Options(**{n: v for n, v in given.items() if n not in hyper})
    options.check()
    momentum = rule.momentum if options.momentum is None else options.momentum
    options.nesterov = rule.nesterov if options.nesterov is None else bool(options.nesterov)
    if options.nesterov and not momentum:
        raise ConfigError('nesterov=True does nothing without momentum; add momentum=0.9')
    options.momentum = momentum
    if momentum:
        hyper['momentum'] = momentum
    hyper['max_gradient_norm'] = options.max_gradient_norm or 0
    hyper['max_gradient_elem'] = options.max_gradient_elem
    return rule, options, hyper
