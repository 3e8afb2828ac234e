"""The training loop: a generator that yields once an epoch."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from rnnkit.callbacks import Hooks, Training
from rnnkit.common import progress
from rnnkit.common.compiled import Compiled, own
from rnnkit.errors import DataError, FormatError, RnnkitError, TrainingError
from rnnkit.training.epoch_line import epoch_line
from rnnkit.training.history import History
from rnnkit.training.options import TrainingConfig
from rnnkit.training.protocols import Batch, Batches, Monitors, Record, State, Step

COUNTS = ('training', 'epoch', 'updates', 'failures')
MONITORS = ('best', 'latest', 'trained')
Seed = int | list[int] | None


class Place(NamedTuple):
    """Where the epochs of a training are recorded."""

    history: History
    number: int  # of the training
    stage: str | None = None  # what is trained, in a training layer by layer


class Trainer:
    """Trains by one rule until early stopping or the number of epochs ends it.

    Parameters
    ----------
    config : TrainingConfig
    step : Step
        The compiled update.
    evaluate : Compiled
        Returns what ``objective.reports()`` lists, and changes nothing.
    batches : Batches
        The training data.
    validation : iterable of batches
        What early stopping and the best parameters are judged by.
    place : Place
        One record an epoch is appended to its history.
    seed : int, list of int, or None
        Drives what is random in an update.
    inspect : callable, optional
        Called with the first batch of each validation.
    net : Network, optional
        What is trained, for callbacks. It counts its trainings under way.
    resumed : dict, optional
        What `get_state` of an earlier training returned, to continue from.
    keeper : callable, optional
        ``keeper(trainer, validated, ended, state)`` is called after each epoch, and before the
        first one, to write the training to a file; `state` is what it can be resumed from.

    Attributes
    ----------
    hooks : Hooks
        The callbacks of the options.
    ended : str, or None
        Why the training has ended, as in `rnnkit.callbacks.Training`.
    """

    def __init__(
        self,
        config: TrainingConfig,
        step: Step,
        evaluate: Compiled,
        batches: Batches,
        validation: Iterable[Batch],
        *,
        place: Place,
        seed: Seed = 0,
        inspect: Callable[[Batch], None] | None = None,
        net: object = None,
        resumed: State | None = None,
        keeper: 'Callable[[Trainer, bool, bool, State | None], None] | None' = None,
    ):
        self.step, self.evaluate_batch = step, evaluate
        self.batches, self.validation = batches, validation
        self.options = config.options
        self.hyperparameters = dict(config.hyperparameters)
        self.schedule = self.hyperparameters.pop('learning_rate', None)
        self.history, self.training, self.stage = place
        self.seed, self.inspect, self.net = seed, inspect, net
        self.resumed, self.keeper = resumed, keeper
        self.names = ['loss', *step.objective.monitors]
        self.best: Monitors = {'loss': np.inf}
        self.latest: Monitors = {}
        self.best_params: list[np.ndarray] = []
        self.trained: Monitors = {}
        self.epoch = self.updates = self.failures = 0
        self.record: Record = {}  # of the latest epoch
        self.rows: list[tuple] = []  # of this epoch's batches: weight, loss, monitors, norm
        self.health: list[tuple] = []
        self.began = time.perf_counter()  # this epoch
        self.stopping: str | None = None  # why it is to end, if a callback says so
        self.ended: str | None = None
        self.validated = self.unplanned = False
        show = self.options.progress is None or bool(self.options.progress)
        self.hooks = Hooks(self.options.callbacks, Training(self), show)

    def train(self) -> tuple[Monitors, Monitors]:
        """Train to the end, as `itertrain` does.

        Returns
        -------
        train, valid : dict of str to float
            The monitors of the last epoch, and those of the parameters as they are left.
        """
        for _ in self.itertrain():
            pass
        return self.result()

    def result(self) -> tuple[Monitors, Monitors]:
        """Return the two dicts of `train`, once the training has ended."""
        best = self.best if self.options.restore_best else self.latest
        return dict(self.trained), dict(best)

    def itertrain(self) -> Iterator[tuple[Monitors, Monitors]]:
        """Train; yield the monitors of training and of the last validation, once an epoch.

        Raises
        ------
        TrainingError
            If the loss or a gradient is not finite.
        """
        progress.prepare_logging()
        own(self.step.objective.params)
        self.step.start(self.seed, **self.hyperparameters, **self._rate())
        failed = True
        self._count(1)
        try:
            if self.resumed is not None:
                self._resume(self.resumed)
            self.hooks.begin()
            yield from self._epochs()
            failed = False
        except GeneratorExit:
            self.ended, failed = 'stopped: the caller has left the loop', False
            raise
        except BaseException as error:
            self.ended = 'interrupted' if isinstance(error, KeyboardInterrupt) else 'error'
            raise
        finally:
            progress.settle()
            self.step.end()
            self._count(-1)
            if self.options.restore_best and self.best_params:
                self._restore()
            self.hooks.end(failed)

    def _resume(self, state: State) -> None:
        """Continue from a state that a file has held; whoever wrote it knew the format."""
        try:
            self.set_state(state)
        except (TypeError, ValueError, LookupError, ArithmeticError) as error:
            if isinstance(error, RnnkitError):
                raise
            raise FormatError(f'the state of the training does not fit: {error}') from error

    def _count(self, change: int) -> None:
        """Tell the network that a training has started or ended."""
        if self.net is not None:
            self.net._running += change  # type: ignore[attr-defined]

    def _epochs(self) -> Iterator[tuple[Monitors, Monitors]]:
        if self.resumed is None:
            self.validate()
            self._keep()
            self.hooks.validation_end()
        self.validated = self.epoch % self.options.validate_every == 0
        try:
            while (reason := self._reason_to_end()) is None:
                self.validated = False
                means, seconds = self._train_epoch()
                self._end_epoch(means, seconds)
                yield dict(self.trained), dict(self.latest)
            self.ended = reason
            if self.stopping is not None:
                progress.say('training %s, after epoch %d', reason, self.epoch)
        except KeyboardInterrupt:
            self.ended = 'interrupted'
            progress.LOGGER.warning('training interrupted in epoch %d', self.epoch)
        except RnnkitError:
            self.validated = True  # another validation would fail the same way
            raise
        finally:
            if not self.validated:
                self.validate()

    def stop(self, reason: str) -> None:
        """End the training at the next point where it can end normally."""
        if self.stopping is None:
            self.stopping = reason

    def _reason_to_end(self, patient: bool = False) -> str | None:
        if self.stopping is not None:
            return f'stopped: {self.stopping}'
        if self.step.finished:
            return 'finished'
        if self.failures > self.options.patience and not patient:
            return 'patience'
        return None if self.epoch < (self.options.epochs or math.inf) else 'epochs'

    def _end_epoch(self, means: Monitors, seconds: float) -> None:
        """Record an epoch; validate, call the callbacks and write the checkpoint when due."""
        self.trained = {name: v for name, v in means.items() if name != 'gradient_norm'}
        self.record = self._record(means, seconds)
        due = self.epoch % self.options.validate_every == 0
        last = self._reason_to_end(patient=True) is not None
        self.unplanned = last and not due
        state = self._validate_epoch() if due or last else None
        self._say()
        try:
            if self.validated:
                self.hooks.validation_end()
            self.hooks.epoch_end()
        except BaseException:
            self._keep(True, state)  # the epoch is complete
            raise
        if self.stopping is not None and not self.validated:
            self.unplanned = True
            state = self._validate_epoch()
            self._say()
        self._keep(self._reason_to_end() is not None, state)

    def _validate_epoch(self) -> State | None:
        """Validate after an epoch, and add the result to its record.

        A longer training would not make a validation that is due only to the end. In this case
        the state before it is returned, so that a longer training can resume from there.
        """
        state = self.get_state() if self.unplanned and self.keeper else None
        self.validate()
        seconds = self.record.pop('seconds')  # the last column
        self.record.update({f'valid_{name}': value for name, value in self.latest.items()})
        self.record['seconds'] = seconds
        return state

    def _keep(self, ended: bool = False, state: State | None = None) -> None:
        """Hand the training to the keeper, which writes the checkpoint when it is due."""
        if self.keeper is None:
            return
        if state is not None:  # callbacks may have added columns since
            validation = {f'valid_{name}' for name in self.latest}
            added = {name: v for name, v in self.record.items() if name not in validation}
            state['history'][-1].update(added)
        self.keeper(self, self.validated, ended, state)

    @property
    def param_names(self) -> list[str]:
        """The names of the parameters, in their order."""
        return [p.name for p in self.step.objective.params]

    def get_state(self) -> State:
        """Return everything that the next epochs depend on, except options, data and callbacks."""
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

    def set_state(self, state: State) -> None:
        """Continue from what `get_state` returned."""
        self.hooks.set_state(state.get('callbacks', []))
        self.step.set_state(state['step'])
        if self.schedule is not None:
            self.schedule.restore(state['schedule'])
        self.batches.set_state(state['batches'])
        for name in (*COUNTS, *MONITORS):
            setattr(self, name, state[name])
        params = self.step.objective.params
        self.best_params = [state['best_params'][name] for name in self.param_names]
        self.history[:] = state['history']
        self.record = self.history[-1] if self.epoch else {}
        for p in params:
            p.set_value(state['last'][p.name])

    def _train_epoch(self) -> tuple[Monitors, float]:
        """Train for an epoch; return the means of what its batches report, and its seconds."""
        self.epoch += 1
        self.began = time.perf_counter()
        self.rows, self.health = rows, health = [], []
        watched = self.hooks.watches
        for k, batch in enumerate(self.batches, 1):
            self.step.prepare(self.updates, **self._rate())
            norm, *values = self.step.update(*batch)
            self.updates += 1
            if not math.isfinite(norm + values[0]):
                raise TrainingError(
                    f'the loss is {float(values[0])} in epoch {self.epoch}, batch {k}; '
                    f'{self.step.blame(batch)}. The parameters were not updated. Try a smaller '
                    f'learning_rate or max_gradient_norm'
                )
            loss, weight, *others = map(float, values)
            reported = len(others) - len(self.step.health)
            rows.append((weight, loss, *others[:reported], float(norm)))
            health.append((1.0, *others[reported:]))
            if watched:
                self.hooks.batch_end()
                if self.stopping is not None:
                    break
        return self._reported(rows, health), time.perf_counter() - self.began

    def _reported(self, rows: list[tuple], health: list[tuple]) -> Monitors:
        """Return the means over batches of what they report."""
        means = self._mean(rows, [*self.names, 'gradient_norm'])
        return self.step.objective.finish(means) | self._mean(health, self.step.health)

    def monitors_of_batch(self) -> Monitors:
        """Return what the latest batch of this epoch reports; nothing if there is none."""
        if not self.rows:
            return {}
        return self._reported([(1.0, *self.rows[-1][1:])], self.health[-1:])

    def _rate(self) -> dict[str, float]:
        """Return the learning rate of the next update, if the rule has one."""
        return {} if self.schedule is None else {'learning_rate': self.schedule(self.updates)}

    def validate(self) -> None:
        """Evaluate the loss; keep a copy of the parameters if they are the best so far.

        Raises
        ------
        DataError
            If all weights are 0.
        TrainingError
            If the loss is not finite.
        """
        rows = []
        for batch in self.validation:
            if self.inspect and not rows:
                self.inspect(batch)
            loss, weight, *monitors = self.evaluate_batch(*batch)
            rows.append((weight, loss, *monitors))
        if not any(row[0] for row in rows):
            raise DataError('valid: all weights are 0, so there is nothing to validate on')
        result = self.step.objective.finish(self._mean(rows, self.names))
        if not np.isfinite(result['loss']):
            raise TrainingError(
                f'the validation loss is {result["loss"]} after epoch {self.epoch}; the best '
                f'parameters are kept. Try a smaller learning_rate or max_gradient_norm'
            )
        self.latest, self.validated = result, True
        if self.schedule is not None:
            self.schedule.observe(result['loss'])
        best = self.best['loss']
        # The first validation always counts; relative to |best|, as losses may be negative.
        if best == np.inf or best - result['loss'] > abs(best) * self.options.min_improvement:
            self.best, self.failures = result, 0
            self.best_params = [p.get_value() for p in self.step.objective.params]
        else:
            self.failures += 1

    @staticmethod
    def _mean(rows: list[tuple], names: list[str]) -> Monitors:
        """Average over batches, weighted by the first column."""
        weights, *columns = np.array(rows, 'float64').T
        if not weights.any():
            return dict.fromkeys(names, 0.0)
        return {
            n: float(np.average(c, weights=weights)) for n, c in zip(names, columns, strict=True)
        }

    def _record(self, train: Monitors, seconds: float) -> Record:
        """Append a record of an epoch to the history, and return it."""
        record = {'training': self.training, 'epoch': self.epoch, 'updates': self.updates}
        record |= {} if self.stage is None else {'stage': self.stage}
        record |= {**train, **self.step.changed, 'seconds': seconds}
        self.history.append(record)
        return record

    def _say(self) -> None:
        validation = self.latest if self.validated else {}
        is_best = bool(validation) and validation == self.best
        seconds = self.record['seconds']
        line = epoch_line(self.epoch, self.trained, validation, is_best, seconds)
        fleeting = not (validation or self.hooks.prints) and self.hooks.show
        progress.say('%s', line, live=fleeting)

    def _restore(self) -> None:
        for p, value in zip(self.step.objective.params, self.best_params, strict=True):
            p.set_value(value)
