"""Pruning of Optuna's trials by a callback; ``pip install 'rnnkit[optuna]'`` installs Optuna.

`rnnkit` itself never imports Optuna.
"""

from collections.abc import Mapping
from typing import Any, Self

try:
    import optuna
except ImportError as error:
    raise ImportError(
        'rnnkit.integrations.optuna needs optuna, which is not installed: '
        "pip install 'rnnkit[optuna]'"
    ) from error

from rnnkit.callbacks import Callback, Training
from rnnkit.callbacks.best import Best, mode_of
from rnnkit.common import reprs
from rnnkit.common.calls import checked_methods
from rnnkit.common.checks import is_whole
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError

__all__ = ['PruningCallback']

NAME = 'PruningCallback'
REASON = 'pruned by Optuna'
MODES = {'MINIMIZE': 'min', 'MAXIMIZE': 'max'}
BETTER = {'min': 'small', 'max': 'large'}


@checked_methods
class PruningCallback(Callback):
    """Report each validation to a trial of Optuna, and end the training if the trial is pruned.

    The training then ends as after ``training.stop()``: the epoch is in the history, the checkpoint
    is written and the best parameters are restored. Then ``optuna.TrialPruned`` is raised, which
    tells the study that the trial was pruned.

    The step of a report is the epoch, counted from 1. A second training of the same trial, such as
    that of another fold, continues to count where the last one ended; a training that is resumed
    from a checkpoint continues with its own steps.

    Parameters
    ----------
    trial : optuna.Trial
        The argument of the objective. A ``FixedTrial`` or ``FrozenTrial`` is never pruned.
    monitor : str, optional
        A column of the history, which should be what the objective returns: ``'valid_acc'``,
        ``'valid_loss'``, ... Epochs without a validation have no such value, and report nothing.
        Defaults to the column by which the training is judged: the one that its option
        ``restore_best`` names, or else ``'valid_loss'``, or ``'training_loss'`` without validation
        data.

    Raises
    ------
    ConfigError
        If this is not a trial; if its study has several objectives, which Optuna does not prune;
        if the study minimizes where large values of the monitor are better, or the reverse; during
        the training, if there is no such column.

    Examples
    --------
    >>> import numpy as np, optuna, rnnkit
    >>> from rnnkit.integrations.optuna import PruningCallback
    >>> x = np.linspace(-1, 1, 20)[:, None]
    >>> def objective(trial):
    ...     rate = trial.suggest_float('learning_rate', 1e-3, 1.0, log=True)
    ...     net = rnnkit.Regressor([1, 1], seed=0)
    ...     train, valid = net.train(
    ...         [x, 2 * x], valid=0.2, epochs=9, validate_every=1, learning_rate=rate,
    ...         callbacks=PruningCallback(trial),
    ...     )
    ...     return valid['loss']
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    >>> study.optimize(objective, n_trials=9)
    >>> sorted({trial.state.name for trial in study.trials})
    ['COMPLETE', 'PRUNED']
    """

    prints = False

    def __init__(self, trial: Any, monitor: str | None = None):
        self.trial = _checked(trial)
        self._mode = _mode(trial)
        known = mode_of(monitor) if isinstance(monitor, str) else None
        self._best = Best(NAME, monitor, known or self._mode)
        if known:
            self._compare(known)
        self._offset = 0  # of steps, against epochs
        self._restored = False  # whether the offset is from a checkpoint
        self._reported: set[int] = set()
        self._verdict: str | None = None  # once the trial is to be pruned

    def __repr__(self) -> str:
        return reprs.call(self, **self._best.arguments)

    def on_train_begin(self, training: Training) -> None:
        """Find out what to report, and at which steps."""
        self._best.begin(training)
        if self._best.by_default:
            self._compare(training.judged_by[1])
        self._reported = set(_reports(self.trial))
        if not self._restored:
            self._offset = max(self._reported, default=0)
        self._restored, self._verdict = False, None

    def on_validation_end(self, training: Training) -> None:
        """Reject an unknown monitor before the first epoch."""
        if training.epoch == 0:
            self._best.check(training)

    def on_epoch_end(self, training: Training) -> None:
        """Report the epoch, and end the training if the trial is to be pruned."""
        value = self._best.read(training)
        # A validation that is due only to the end would compare with none of other trials.
        if value is None or (training.unplanned and self._best.of_validation(training)):
            return
        step = self._offset + training.epoch
        if step not in self._reported:  # Optuna keeps the first report of a step
            self.trial.report(value, step)
            self._reported.add(step)
        if self.trial.should_prune():
            self._verdict = f'pruned at step {step}: {self._best.monitor} was {value:.6g}'
            training.stop(REASON)

    def on_train_end(self, training: Training) -> None:
        """Tell the study that the trial was pruned."""
        if self._verdict and training.ended == f'stopped: {REASON}':
            raise optuna.TrialPruned(self._verdict)

    def _compare(self, mode: str) -> None:
        """Raise a ConfigError if the study goes in another direction than the monitor."""
        if self._mode is None or mode == self._mode:
            return
        way = {'min': 'minimize', 'max': 'maximize'}
        advice = "name the column that the objective returns, such as PruningCallback(trial, '{}')"
        raise ConfigError(
            f"{NAME}: {BETTER[mode]} values of '{self._best.monitor}' are better, but the study "
            f'has direction={way[self._mode]!r}. Create it with direction={way[mode]!r}, or '
            + advice.format('valid_acc' if mode == 'min' else 'valid_loss')
        )

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        # Clones of an estimator report to the same trial: a copy of the trial would be another one.
        return self

    def __reduce__(self) -> str:
        raise ConfigError(
            f'a {NAME} cannot be pickled, because its trial belongs to this process. Train here, '
            f'with n_jobs=1, and start several processes on one study instead; to pickle an '
            f'estimator, leave the callback out of its options: set_params(options=None)'
        )

    def get_state(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {'offset': self._offset}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore the state from `get_state`."""
        if not is_whole(state['offset'], 0):
            raise ValueError(
                f'offset must be a whole number of at least 0; got {state["offset"]!r}'
            )
        self._offset, self._restored = state['offset'], True


def _checked(trial: Any) -> Any:
    """Return a trial that can be pruned; raise a ConfigError for anything else."""
    if not isinstance(trial, optuna.trial.BaseTrial):
        what = 'the study' if isinstance(trial, optuna.Study) else brief(trial)
        raise ConfigError(
            f'{NAME}: trial must be the optuna.Trial that the objective is called with; got {what}'
        )
    study = getattr(trial, 'study', None)
    if study is not None and len(study.directions) > 1:
        raise ConfigError(
            f'{NAME}: the study has {len(study.directions)} objectives, and Optuna prunes trials '
            f'of studies with one objective alone; leave the callback out'
        )
    return trial


def _mode(trial: Any) -> str | None:
    """Return whether the study of a trial prefers small or large values, if it has a study."""
    study = getattr(trial, 'study', None)
    return None if study is None else MODES.get(study.direction.name)


def _reports(trial: Any) -> Mapping[int, float]:
    """Return what a trial has reported so far, by step."""
    study = getattr(trial, 'study', None)
    if study is None:
        return getattr(trial, 'intermediate_values', {})
    return study.get_trials(deepcopy=False)[trial.number].intermediate_values
