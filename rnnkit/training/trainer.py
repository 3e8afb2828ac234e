"""The training loop: a generator that yields once an epoch."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from rnnkit.callbacks import Hooks, Training
from rnnkit.common import progress
from rnnkit.common.compiled import Compiled
from rnnkit.errors import DataError, RnnkitError, TrainingError
from rnnkit.training.history import History
from rnnkit.training.options import Options
from rnnkit.training.step import TrainStep

Monitors = dict[str, float]
COUNTS = ('training', 'epoch', 'updates', 'failures')
MONITORS = ('best', 'latest', 'trained')


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
    net : Network, optional
        What is trained, for callbacks.

    Attributes
    ----------
    hooks : Hooks
        The callbacks of the options.
    ended : str, or None
        Why the training has ended, as in `rnnkit.callbacks.Training`.
    keeper : callable, or None
        ``keeper(trainer, validated, ended, state)`` is called after each epoch, and before the
        first one, to write the training to a file; `state` is what it goes on from.
    resumed : dict, or None
        What `get_state` of an earlier training returned, to go on from.
    stage : str, or None
        What is trained, in a training layer by layer; a column of the history.
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
        net: Any = None,
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
        self.keeper: Callable[..., None] | None = None
        self.resumed: dict[str, Any] | None = None
        self.stage: str | None = None
        self.net = net
        self.record: dict[str, Any] | None = None
        self.rows: list[tuple] = []  # of this epoch's batches: weight, loss, monitors, norm
        self.health: list[tuple] = []
        self.began = time.perf_counter()  # this epoch
        self.stopping: str | None = None  # why it is to end, if a callback says so
        self.ended: str | None = None
        self.validated = self.unplanned = False
        show = options.progress is None or bool(options.progress)
        self.hooks = Hooks(options.callbacks, Training(self), show)

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
        failed = True
        self._count(1)
        try:
            if self.resumed is not None:
                self.set_state(self.resumed)
            self.hooks.begin()
            yield from self._epochs(train, valid)
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

    def _count(self, change: int) -> None:
        """Let the network know that this training goes on, or has ended."""
        if self.net is not None:
            self.net.running += change

    def _epochs(self, train: Any, valid: Any) -> Iterator[tuple[Monitors, Monitors]]:
        if self.resumed is None:
            self._validate(valid)
            self._keep()
            self.hooks.validation_end()
        self.validated = self.epoch % self.options.validate_every == 0
        try:
            while (reason := self._reason_to_end()) is None:
                self.validated = False
                found, seconds = self._train_epoch(train)
                self._end_epoch(valid, found, seconds)
                yield dict(self.trained), dict(self.latest)
            self.ended = reason
            if self.stopping is not None:
                progress.say('training %s, after epoch %d', reason, self.epoch)
        except KeyboardInterrupt:
            self.ended = 'interrupted'
            progress.LOGGER.warning('training interrupted in epoch %d', self.epoch)
        except RnnkitError:
            self.validated = True  # what went wrong would go wrong again
            raise
        finally:
            if not self.validated:
                self._validate(valid)

    def stop(self, reason: str) -> None:
        """End the training as soon as it can be done in the normal way."""
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

    def _end_epoch(self, valid: Any, found: Monitors, seconds: float) -> None:
        """Record an epoch, validate, tell the callbacks and write to a file, if it is time."""
        self.trained = self._monitors(found)
        self.record = self._record(found, seconds)
        due = self.epoch % self.options.validate_every == 0
        last = self._reason_to_end(patient=True) is not None
        self.unplanned = last and not due
        state = self._judge(valid) if due or last else None
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
            state = self._judge(valid)
            self._say()
        self._keep(self._reason_to_end() is not None, state)

    def _judge(self, valid: Any) -> dict[str, Any] | None:
        """Validate after an epoch, and record it.

        A validation that only the end calls for is none that a longer training would make: then
        the state before it is returned, which a longer training goes on from.
        """
        state = self.get_state() if self.unplanned and self.keeper else None
        self._validate(valid)
        seconds = self.record.pop('seconds')  # the last column
        self.record.update({f'valid_{name}': value for name, value in self.latest.items()})
        self.record['seconds'] = seconds
        return state

    def _keep(self, ended: bool = False, state: dict[str, Any] | None = None) -> None:
        """Have the training written to a file, if that is wanted and it is time to."""
        if self.keeper is None:
            return
        if state is not None:  # callbacks may have added columns since
            judged = {f'valid_{name}' for name in self.latest}
            added = {name: value for name, value in self.record.items() if name not in judged}
            state['history'][-1].update(added)
        self.keeper(self, self.validated, ended, state)

    @property
    def param_names(self) -> list[str]:
        """The names of the parameters, in their order."""
        return [p.name for p in self.step.objective.params]

    def get_state(self) -> dict[str, Any]:
        """Return all that the next epochs depend on, but options, data and callbacks."""
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
        self.record = self.history[-1] if self.epoch else None
        for p in params:
            p.set_value(state['last'][p.name])

    def _train_epoch(self, batches: Any) -> tuple[Monitors, float]:
        """Return what was measured in an epoch, and how many seconds it took."""
        self.epoch += 1
        self.began = time.perf_counter()
        self.rows, self.health = rows, health = [], []
        watched = self.hooks.watches
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
            if watched:
                self.hooks.batch_end()
                if self.stopping is not None:
                    break
        return self._found(rows, health), time.perf_counter() - self.began

    def _found(self, rows: list[tuple], health: list[tuple]) -> Monitors:
        """Return what batches report, as means over them."""
        found = self._mean(rows, [*self.names, 'gradient_norm'])
        return self.step.objective.finish(found) | self._mean(health, self.step.health)

    def monitors_of_batch(self) -> Monitors:
        """Return what the latest batch of this epoch reports; nothing if there is none."""
        if not self.rows:
            return {}
        return self._found([(1.0, *self.rows[-1][1:])], self.health[-1:])

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
        self.latest, self.validated = found, True
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
        return {
            n: float(np.average(c, weights=weights)) for n, c in zip(names, columns, strict=True)
        }

    def _monitors(self, found: Monitors) -> Monitors:
        return {name: value for name, value in found.items() if name != 'gradient_norm'}

    def _record(self, train: Monitors, seconds: float) -> dict[str, Any]:
        """Append a record of an epoch to the history, and return it."""
        record = {'training': self.training, 'epoch': self.epoch, 'updates': self.updates}
        record |= {} if self.stage is None else {'stage': self.stage}
        record |= {**train, **self.step.changed, 'seconds': seconds}
        self.history.append(record)
        return record

    def _say(self) -> None:
        shown = ' '.join(f'{name} {value:.4g}' for name, value in self.trained.items())
        valid = self.latest if self.validated else {}
        tested = ' '.join(f'{name} {value:.4g}' for name, value in valid.items())
        star = ' *' if valid and valid == self.best else ''
        fleeting = not (valid or self.hooks.prints) and self.hooks.show
        progress.say(
            'epoch %d: %s%s%s (%.2g s)',
            self.epoch,
            shown,
            tested and f' | valid {tested}',
            star,
            self.record['seconds'],
            live=fleeting,
        )

    def _restore(self) -> None:
        for p, value in zip(self.step.objective.params, self.best_params, strict=True):
            p.set_value(value)
