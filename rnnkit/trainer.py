"""The training loop: a generator that yields once an epoch."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytensor

from rnnkit import progress
from rnnkit.compiled import Compiled
from rnnkit.errors import DataError, RnnkitError, TrainingError
from rnnkit.history import History
from rnnkit.noise import Noise
from rnnkit.optimizers import Objective, Optimizer, StepGraph
from rnnkit.options import Options

Monitors = dict[str, float]
COUNTS = ('training', 'epoch', 'updates', 'failures')
MONITORS = ('best', 'latest', 'trained')


class TrainStep:
    """The compiled functions for one objective and one kind of update.

    Parameters
    ----------
    objective : Objective
    rule : Optimizer
    momentum, nesterov : bool
    noise : Noise, optional
        Where the random numbers of the objective come from.
    watched : bool
        Whether updates report about the gradients.

    Attributes
    ----------
    health : list of str
        What they report about the gradients, after all else.
    """

    finished = False  # whether there is nothing more to gain; patience finds out

    def __init__(
        self, objective: Objective, rule: Optimizer, momentum: bool, nesterov: bool,
        noise: Noise | None = None, watched: bool = False,
    ):  # fmt: skip
        self.objective, self.noise = objective, noise
        self.graph = StepGraph(objective, rule, momentum, nesterov, watched)
        self.health = list(self.graph.health)
        self.update = Compiled(
            'the train step', objective.inputs, self.graph.outputs,
            [*self.graph.updates, *objective.updates],
        )  # fmt: skip

    def start(self, seed: Any = 0, **hyper: float) -> None:
        """Set the hyper-parameters, and forget what the last training left behind.

        Parameters
        ----------
        seed : int, sequence of int, or None
            Drives what is random in an update.
        **hyper : float
        """
        self.graph.reset()
        self.seed, self.changed = seed, {}
        if self.noise:
            self.noise.seed(seed)
        self.graph.set(**hyper)

    def prepare(self, number: int, **hyper: float) -> None:
        """Set what changes from one update to the next; `number` of them have been made."""
        self.graph.draw(self.seed, number)
        if hyper != self.changed:
            self.graph.set(**hyper)
            self.changed = hyper

    def end(self) -> None:
        """Do nothing: there is nothing that only a training needs."""

    def get_state(self) -> dict[str, Any]:
        """Return what the next updates depend on, besides parameters and hyper-parameters."""
        state: dict[str, Any] = {n: slot.get_value() for n, slot in self.graph.slots.items()}
        return {'rule': state, 'noise': self.noise.get_state() if self.noise else None}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from where `get_state` was."""
        if self.noise:
            self.noise.set_state(state['noise'])
        for name, slot in self.graph.slots.items():
            slot.set_value(state['rule'][name])

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
        if self.graph.probe is not None:
            return 'all parameters and gradients are finite, but maybe not a second derivative'
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
        Learning rate, which is a `rnnkit.schedules.Schedule`, and the like, for the rule.
    history : History
        One record an epoch is appended here.
    seed : int, sequence of int, or None
        Drives what is random in an update.
    inspect : callable, optional
        Called with the first batch of each validation.

    Attributes
    ----------
    keeper : callable, or None
        ``keeper(trainer, validated, ended, state)`` is called after each epoch, and before the
        first one, to write the training to a file; `state` is what it goes on from.
    resumed : dict, or None
        What `get_state` of an earlier training returned, to go on from.
    interrupted : bool
        Whether Ctrl-C has ended it.
    """

    def __init__(
        self,
        step: TrainStep,
        evaluate: Compiled,
        options: Options,
        hyper: dict[str, Any],
        history: History,
        seed: Any = 0,
        inspect: Callable[[Sequence[np.ndarray]], None] | None = None,
    ):
        self.step = step
        self.inspect = inspect
        self.evaluate_batch = evaluate
        self.options = options
        self.hyper = dict(hyper)
        self.schedule = self.hyper.pop('learning_rate', None)
        self.history = history
        self.seed = seed
        self.names = ['loss', *step.objective.monitors]
        self.best: Monitors = {'loss': np.inf}
        self.latest: Monitors = {}
        self.best_params: list[np.ndarray] = []
        self.trained: Monitors = {}
        self.epoch = self.updates = self.failures = 0
        self.training = 1 + (history[-1].get('training', 0) if history else 0)
        self.interrupted = False
        self.keeper: Callable[..., None] | None = None
        self.resumed: dict[str, Any] | None = None

    def train(self, train: Any, valid: Any) -> tuple[Monitors, Monitors]:
        """Train to the end, as `itertrain` does.

        Returns
        -------
        train, valid : dict of str to float
            The monitors of the last epoch, and those of the parameters as they are left.
        """
        for _ in self.itertrain(train, valid):
            pass
        return self.result()

    def result(self) -> tuple[Monitors, Monitors]:
        """Return the two dicts of `train`, once the training has ended."""
        best = self.best if self.options.restore_best else self.latest
        return dict(self.trained), dict(best)

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
        self.step.start(self.seed, **self.hyper, **self._rate())
        self.batches = train
        try:
            if self.resumed is not None:
                self.set_state(self.resumed)
            yield from self._epochs(train, valid)
        finally:
            self.step.end()
            if self.options.restore_best and self.best_params:
                self._restore()

    def _epochs(self, train: Any, valid: Any) -> Iterator[tuple[Monitors, Monitors]]:
        options = self.options
        if self.resumed is None:
            self._validate(valid)
            self._keep(validated=True)
        validated = self.epoch % options.validate_every == 0
        try:
            while self._patient() and self.epoch < (options.epochs or math.inf):
                validated = False
                found, seconds = self._train_epoch(train)
                validated = self._end_epoch(valid, found, seconds)
                yield dict(self.trained), dict(self.latest)
        except KeyboardInterrupt:
            self.interrupted = True
            progress.LOGGER.warning('training interrupted in epoch %d', self.epoch)
        except RnnkitError:
            validated = True  # what went wrong would go wrong again
            raise
        finally:
            if not validated:
                self._validate(valid)

    def _end_epoch(self, valid: Any, found: Monitors, seconds: float) -> bool:
        """Record an epoch, validate and write to a file if it is time; return if validated."""
        self.trained = self._monitors(found)
        record = self._record(found, seconds)
        due = self.epoch % self.options.validate_every == 0
        last = self.epoch == self.options.epochs or self.step.finished
        # A validation that only the end calls for is none that a longer training would make.
        state = self.get_state() if last and not due and self.keeper else None
        if due or last:
            self._validate(valid)
            seconds = record.pop('seconds')  # the last column
            record |= {f'valid_{name}': value for name, value in self.latest.items()}
            record['seconds'] = seconds
        self._say(record, due or last)
        self._keep(due or last, last or not self._patient(), state)
        return due or last

    def _keep(self, validated: bool, ended: bool = False, state: Any = None) -> None:
        """Have the training written to a file, if that is wanted and it is time to."""
        if self.keeper is not None:
            self.keeper(self, validated, ended, state)

    @property
    def param_names(self) -> list[str]:
        """The names of the parameters, in their order."""
        return [p.name for p in self.step.objective.params]

    def get_state(self) -> dict[str, Any]:
        """Return all that the next epochs depend on, but options and data: numbers and arrays."""
        params = self.step.objective.params
        return {
            **{name: getattr(self, name) for name in COUNTS},
            **{name: dict(getattr(self, name)) for name in MONITORS},
            'schedule': {} if self.schedule is None else self.schedule.state(),
            'step': self.step.get_state(),
            'batches': self.batches.get_state(),
            'last': {p.name: p.get_value() for p in params},
            'best_params': dict(zip(self.param_names, self.best_params, strict=False)),
            'history': [dict(record) for record in self.history],
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from where `get_state` was."""
        self.step.set_state(state['step'])
        if self.schedule is not None:
            self.schedule.restore(state['schedule'])
        self.batches.set_state(state['batches'])
        for name in (*COUNTS, *MONITORS):
            setattr(self, name, state[name])
        params = self.step.objective.params
        self.best_params = [state['best_params'][name] for name in self.param_names]
        self.history[:] = state['history']
        for p in params:
            p.set_value(state['last'][p.name])

    def _patient(self) -> bool:
        return self.failures <= self.options.patience and not self.step.finished

    def _train_epoch(self, batches: Any) -> tuple[Monitors, float]:
        """Return what was measured in an epoch, and how many seconds it took."""
        self.epoch += 1
        start = time.perf_counter()
        rows, health = [], []
        for number_, batch in enumerate(batches, 1):
            self.step.prepare(self.updates, **self._rate())
            norm, *values = self.step.update(*batch)
            self.updates += 1
            if not math.isfinite(norm + values[0]):
                raise TrainingError(
                    f'the loss is {float(values[0])} in epoch {self.epoch}, batch {number_}; '
                    f'{self.step.blame(batch)}. The batch was not learned from. Try a smaller '
                    f'learning_rate or max_gradient_norm'
                )
            loss, weight, *others = map(float, values)
            reported = len(others) - len(self.step.health)
            rows.append((weight, loss, *others[:reported], float(norm)))
            health.append((1.0, *others[reported:]))
        found = self._mean(rows, [*self.names, 'gradient_norm'])
        found = self.step.objective.finish(found) | self._mean(health, self.step.health)
        return found, time.perf_counter() - start

    def _rate(self) -> dict[str, float]:
        """Return the learning rate of the next update, if the rule has one."""
        return {} if self.schedule is None else {'learning_rate': self.schedule(self.updates)}

    def _validate(self, batches: Any) -> None:
        """Evaluate; keep a copy of the parameters if they are the best so far."""
        rows = []
        for batch in batches:
            if self.inspect and not rows:
                self.inspect(batch)
            loss, weight, *monitors = self.evaluate_batch(*batch)
            rows.append((weight, loss, *monitors))
        if not any(row[0] for row in rows):
            raise DataError('valid: all weights are 0, so there is nothing to be judged by')
        found = self.step.objective.finish(self._mean(rows, self.names))
        if not np.isfinite(found['loss']):
            raise TrainingError(
                f'the validation loss is {found["loss"]} after epoch {self.epoch}; the best '
                f'parameters are kept. Try a smaller learning_rate or max_gradient_norm'
            )
        self.latest = found
        if self.schedule is not None:
            self.schedule.observe(found['loss'])
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
        return {name: value for name, value in found.items() if name != 'gradient_norm'}

    def _record(self, train: Monitors, seconds: float) -> dict[str, Any]:
        """Append a record of an epoch to the history, and return it."""
        record = {'training': self.training, 'epoch': self.epoch, 'updates': self.updates}
        record |= {**train, **self.step.changed, 'seconds': seconds}
        self.history.append(record)
        return record

    def _say(self, record: dict[str, Any], validated: bool) -> None:
        shown = ' '.join(f'{name} {value:.4g}' for name, value in self.trained.items())
        valid = self.latest if validated else {}
        tested = ' '.join(f'{name} {value:.4g}' for name, value in valid.items())
        star = ' *' if valid and valid == self.best else ''
        progress.say(
            'epoch %d: %s%s%s (%.2g s)', self.epoch, shown, tested and f' | valid {tested}', star,
            record['seconds'], live=not valid,
        )  # fmt: skip

    def _restore(self) -> None:
        for p, value in zip(self.step.objective.params, self.best_params, strict=True):
            p.set_value(value)
