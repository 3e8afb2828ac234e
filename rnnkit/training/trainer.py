"""The training loop: a generator that yields once an epoch."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from pytensor.compile.sharedvalue import SharedVariable

from rnnkit.callbacks import Hooks, Training
from rnnkit.common import progress
from rnnkit.common.calls import without_stop_iteration
from rnnkit.common.compiled import own
from rnnkit.errors import FormatError, RankError, RnnkitError
from rnnkit.parallel import ALONE, Team
from rnnkit.training import agreement, blame
from rnnkit.training.epoch_line import epoch_line
from rnnkit.training.history import History
from rnnkit.training.judge import Judge, column
from rnnkit.training.options import TrainingConfig
from rnnkit.training.protocols import Batches, Monitors, Record, State, Step
from rnnkit.training.reports import Reports, without_norm
from rnnkit.training.undo import Undo
from rnnkit.training.validation import Validation

COUNTS = ('training', 'epoch', 'updates', 'failures')
MONITORS = ('best', 'latest', 'trained')
Seed = int | list[int] | None
# Why and how to end, and whether batches are watched; the record; weights of losses; parameters.
Called = tuple[tuple[str | None, bool, bool], Record, list[float], list[np.ndarray]]


class Place(NamedTuple):
    """The history in which the epochs of a training are recorded."""

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
    batches : Batches
        The training data.
    validation : Validation
    place : Place
        One record an epoch is appended to its history.
    seed : int, list of int, or None
        Drives what is random in an update.
    net : Network, optional
        What is trained, for callbacks.
    resumed : dict, optional
        What `get_state` of an earlier training returned, to continue from.
    keeper : callable, optional
        ``keeper(trainer, validated, ended, state)`` is called after each epoch, and before the
        first one, to write the training to a file; `state` is what it can be resumed from.
    begin : callable, optional
        Called when the training starts, which may be long after it was made ready.
    undo : Undo, optional
        Takes back what was changed, if the training fails before its first update.
    measure : callable, optional
        ``measure(trainer)`` measures in the training data what the network has to know of them.
    team : Team
        The processes that train together. The first one calls the callbacks.

    Attributes
    ----------
    hooks : Hooks
        The callbacks of the options.
    ended : str, or None
        Why the training has ended, as in `rnnkit.callbacks.Training`.
    """

    left = False  # whether a callback has chosen the parameters at the end
    ended: str | None = None

    def __init__(
        self,
        config: TrainingConfig,
        step: Step,
        batches: Batches,
        validation: Validation,
        *,
        place: Place,
        seed: Seed = 0,
        net: object = None,
        resumed: State | None = None,
        keeper: 'Callable[[Trainer, bool, bool, State | None], None] | None' = None,
        begin: Callable[[], None] | None = None,
        undo: Undo | None = None,
        measure: 'Callable[[Trainer], None] | None' = None,
        team: Team = ALONE,
    ):
        self.step, self.batches, self.validation = step, batches, validation
        self.options, self.settings = config.options, config.settings
        self.hyperparameters = dict(config.hyperparameters)
        self.schedule = self.hyperparameters.pop('learning_rate', None)
        self.history, self.training, self.stage = place
        self.seed, self.net, self.team = seed, net, team
        self.resumed, self.keeper = resumed, keeper
        self.begin, self.undo, self.measure = begin, undo or Undo(), measure
        self.judge = Judge(config.where, self.options, validation.held_out)
        self.best: Monitors = {'loss': np.inf}
        self.latest: Monitors = {}
        self.best_params: list[np.ndarray] = []
        self.trained: Monitors = {}
        self.epoch = self.updates = self.failures = 0
        self.record: Record = {}  # of the latest epoch
        self.reports = Reports(step.objective, step.health)  # of this epoch
        self.began = time.perf_counter()  # this epoch
        self.stopping: str | None = None  # why it is to end, if a callback says so
        self.validated = self.unplanned = False
        self._apart = False  # whether processes do not end this together
        self.hooks = Hooks(self.options.callbacks, Training(self), self.options.shows_bar)

    def train(self) -> tuple[Monitors, Monitors]:
        """Train to the end, as `itertrain` does.

        Returns
        -------
        train, valid : dict of str to float
            The monitors of the last epoch, and those of the parameters as they are left.
        """
        with progress.shown(self.options.progress):
            for _ in self.itertrain():
                pass
            return self.result()

    def result(self) -> tuple[Monitors, Monitors]:
        """Return the two dicts of `train`, once the training has ended."""
        best = self.best if self.options.restore_best else self.latest
        trained = self.trained
        if not trained and self.reports.rows:  # interrupted in the first epoch
            trained = without_norm(self.reports.means())
        elif not trained:  # before its first update
            trained = dict.fromkeys(best, math.nan) if self.validation.held_out else self.latest
        return dict(trained), self.validation.measure()[0] if self.left else dict(best)

    def itertrain(self) -> Iterator[tuple[Monitors, Monitors]]:
        """Train; yield the monitors of training and of the last validation, once an epoch.

        Raises
        ------
        TrainingError
            If the loss or a gradient is not finite.
        """
        progress.prepare_logging()
        try:
            with self.team.guard(), self.undo.on_error(unless=lambda: self.updates > 0):
                yield from self._itertrain()
        except RankError as error:
            if not isinstance(error.__context__, GeneratorExit):
                raise
            # This process alone has left the loop, where Python would not raise an error.
            progress.LOGGER.error('%s', error)

    def _itertrain(self) -> Iterator[tuple[Monitors, Monitors]]:
        if self.begin is not None:
            self.begin()
        self.draw()
        agreement.spread(self.team, 'the parameters', self.all_params, self.undo)
        own(self.params)
        self.step.start(self.seed, **self.hyperparameters, **self._rate())
        failed = True
        try:
            if self.resumed is not None:
                self._resume(self.resumed)
            self._call(self.hooks.begin)
            agreement.spread(self.team, 'the state of the rule', self.step.variables, self.undo)
            yield from self._epochs()
            failed = False
        except GeneratorExit:
            self.ended, failed = 'stopped: the caller has left the loop', False
            raise
        except BaseException as error:
            self.ended = 'interrupted' if isinstance(error, KeyboardInterrupt) else 'error'
            raise without_stop_iteration(error)  # noqa: B904 - mostly the error itself
        finally:
            progress.settle()
            self.step.end()
            if self.options.restore_best and self.best_params:
                self._restore()
            if failed:
                self.hooks.end(failed)
            else:
                self._call(partial(self.hooks.end, failed))

    def draw(self) -> None:
        """Draw the batches for validation, if they are drawn: before those of the first epoch.

        Then measure what the network has to know of the training data.
        """
        self.validation.draw()
        if self.measure is not None:
            self.measure(self)

    def _resume(self, state: State) -> None:
        """Continue from a state that a file has held; whoever wrote it knew the format."""
        try:
            self.set_state(state)
        except (TypeError, ValueError, LookupError, ArithmeticError) as error:
            if isinstance(error, RnnkitError):
                raise
            raise FormatError(f'the state of the training does not fit: {error}') from error

    def _epochs(self) -> Iterator[tuple[Monitors, Monitors]]:
        if self.resumed is None:
            self.validate()
            self._keep()
            self._call(self.hooks.validation_end)
        self.validated = self.epoch % self.options.validate_every == 0
        try:
            with self.team.guard():
                while (reason := self._reason_to_end()) is None:
                    self.validated = False
                    means, seconds = self._train_epoch()
                    self._end_epoch(means, seconds)
                    with self.team.paused():
                        yield dict(self.trained), dict(self.latest)
                    self._apart = True  # if there is an error: the others may not be here any more
                    self.team.gather('the next epoch', self.epoch)
                    self._apart = False
            self.ended = reason
            if self.stopping is not None:
                progress.say('training %s, after epoch %d', reason, self.epoch)
        except KeyboardInterrupt:
            self.ended, self._apart = 'interrupted', False
            if not self.team.rank:
                progress.LOGGER.warning('training interrupted in epoch %d', self.epoch)
        except RnnkitError:
            self._apart = True  # another validation would fail the same way
            raise
        finally:
            # Where one process has failed, not all may have made the last update or validation.
            if not (self._apart or all(self.team.gather('the last epoch', self.validated))):
                agreement.spread(self.team, 'the parameters', self.params, self.undo)
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
        self.trained = without_norm(means)
        self.record = self._record(means, seconds)
        due = self.epoch % self.options.validate_every == 0
        agreement.spread(self.team, 'the parameters', self.all_params)  # processors may round apart
        last = self._reason_to_end(patient=True) is not None
        self.unplanned = last and not due
        state = self._validate_epoch() if due or last else None
        self._say()
        self.team.gather('the end of an epoch', self.epoch)
        try:
            with self.team.guard():  # all keep the epoch, or none
                if self.validated:
                    self._call(self.hooks.validation_end)
                self._call(self.hooks.epoch_end)
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
        self.record.update(zip(self.measured, self.latest.values(), strict=True))
        self.record['seconds'] = seconds
        return state

    def _keep(self, ended: bool = False, state: State | None = None) -> None:
        """Hand the training to the keeper, which writes the checkpoint when it is due."""
        if self.keeper is None:
            return
        if state is not None:  # callbacks may have added columns since
            added = {name: v for name, v in self.record.items() if name not in self.measured}
            state['history'][-1].update(added)
        self.keeper(self, self.validated, ended, state)

    def _call(self, hook: Callable[[], None]) -> None:
        """Call callbacks, in the first process; all others learn what they have changed."""
        if self.team.size == 1:
            hook()
            return
        (self.stopping, self.left, self.hooks.watches), record, weights, values = self.team.lead(
            'callbacks', partial(self._called, hook)
        )
        if self.team.rank == 0:
            return
        self.record.clear()
        self.record.update(record)
        for term, weight in zip(self._losses, weights, strict=True):
            if term.weight != weight:
                term.weight = weight
        for p, value in zip(self.all_params, values, strict=False):  # or none
            p.set_value(value)

    def _called(self, hook: Callable[[], None]) -> Called:
        """Call callbacks; return what they can change, with parameters only if they have."""
        before = agreement.digest(self.all_params)
        hook()
        same = agreement.digest(self.all_params) == before
        values = [] if same else [p.get_value() for p in self.all_params]
        flags = self.stopping, self.left, self.hooks.watches
        return flags, self.record, [term.weight for term in self._losses], values

    def leave(self, values: Iterable[np.ndarray]) -> None:
        """End with these values of the parameters, which a callback prefers to the best ones."""
        for p, value in zip(self.params, values, strict=True):
            p.set_value(value)
        self.left = True

    @property
    def measured(self) -> list[str]:
        """The columns of the latest validation."""
        return self.validation.columns(self.latest)

    @property
    def judged_by(self) -> tuple[str, str]:
        """The column by which a validation is the best, and whether it is to be small or large."""
        return self.judge.column, self.judge.best.mode

    @property
    def params(self) -> Sequence[SharedVariable]:
        """The parameters that are trained."""
        return self.step.objective.params

    @property
    def all_params(self) -> Sequence[SharedVariable]:
        """Those of the network, also if they are not trained."""
        return getattr(self.net, 'params', self.params)

    @property
    def _losses(self) -> Sequence[Any]:
        return getattr(self.net, 'losses', ())

    @property
    def param_names(self) -> list[str]:
        """The names of the parameters, in their order."""
        return [p.name for p in self.params]

    def get_state(self) -> State:
        """Return everything that the next epochs depend on, except options, data and callbacks."""
        return {
            **{name: getattr(self, name) for name in COUNTS},
            **{name: dict(getattr(self, name)) for name in MONITORS},
            'schedule': {} if self.schedule is None else self.schedule.state(),
            'step': self.step.get_state(),
            'batches': self.batches.get_state(),
            'last': {p.name: p.get_value() for p in self.params},
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
        self.best_params = [state['best_params'][name] for name in self.param_names]
        self.history[:] = state['history']
        if not self.validation.held_out:
            self.history.rename(self.training, column('', True), column('', False))
        self.record = self.history[-1] if self.epoch else {}
        best = dict(zip(self.validation.columns(self.best), self.best.values(), strict=True))
        self.history.find_best(self.training, self.stage, best)
        for p in self.params:
            p.set_value(state['last'][p.name])

    def _train_epoch(self) -> tuple[Monitors, float]:
        """Train for an epoch; return the means of what its batches report, and its seconds."""
        self.epoch += 1
        self.began = time.perf_counter()
        self.reports = reports = Reports(self.step.objective, self.step.health)
        watched = self.hooks.watches
        for k, batch in enumerate(self.step.each(self.batches, watched), 1):
            self.step.prepare(self.updates, **self._rate())
            values = self.step.update(*batch)
            self.updates += 1
            if not math.isfinite(values[0] + values[1]):
                raise blame.of_update(self, float(values[1]), k, batch)
            reports.add(values)
            if watched:
                self._call(self.hooks.batch_end)
                if self.stopping is not None:
                    self.team.leave_updates()
                    break
        return reports.means(), time.perf_counter() - self.began

    def monitors_of_batch(self) -> Monitors:
        """Return what the latest batch of this epoch reports; nothing if there is none."""
        return self.reports.means(latest=1) if self.rows else {}

    @property
    def rows(self) -> list[tuple[float, ...]]:
        """The reports of the batches of this epoch."""
        return self.reports.rows

    def _rate(self) -> dict[str, float]:
        """Return the learning rate of the next update, if the rule has one."""
        return {} if self.schedule is None else {'learning_rate': self.schedule(self.updates)}

    def validate(self) -> None:
        """Evaluate the loss; keep a copy of the parameters if they are the best so far.

        Raises
        ------
        ConfigError
            If there is no result to judge by.
        DataError
            If all weights are 0.
        TrainingError
            If the loss is not finite.
        """
        result, culprit = self.validation.measure()
        if not np.isfinite(result['loss']):
            raise blame.of_validation(self, result['loss'], culprit)
        self.judge.check(result)
        if self.schedule is not None:
            self.schedule.observe(result['loss'])
        self.team.gather('a result', None)  # all keep the parameters, or none
        self.latest, self.validated = result, True
        # The first validation always counts.
        if not self.best_params or self.judge.prefers(result, self.best):
            self.best, self.failures = result, 0
            self.history.note_best(self.training, self.stage, self.epoch)
            self.best_params = [p.get_value() for p in self.params]
        else:
            self.failures += 1

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
        held_out = self.validation.held_out
        line = epoch_line(self.epoch, self.trained, validation, is_best, seconds, held_out)
        stays = self.hooks.prints or not self.hooks.show
        name = self.judge.column
        best = f'{name.replace("_", " ")} {self.record[name]:.4g}' if is_best else ''
        about = progress.Epoch(self.epoch, self.options.epochs, best, stays)
        progress.say('%s', line, live=not (validation or stays), epoch=about)

    def _restore(self) -> None:
        for p, value in zip(self.params, self.best_params, strict=True):
            p.set_value(value)
