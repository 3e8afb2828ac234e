"""Early stopping by any column of the history."""

from typing import Any

from rnnkit.callbacks.base import Callback, Training
from rnnkit.callbacks.best import Best
from rnnkit.common import reprs
from rnnkit.common.calls import checked_methods
from rnnkit.common.checks import flag, is_whole, real, whole

Params = list[Any]  # arrays, one for each parameter


@checked_methods
class EarlyStop(Callback):
    """Stop the training when a monitor stops improving, or reaches a goal.

    The option ``patience`` of a training does the same for the validation loss, or the column that
    its option ``restore_best`` names. If both are used, whichever applies first ends the training.
    In either case, the parameters that are best by this column are restored, or with
    ``restore_best=True`` here those with the best monitor.

    Parameters
    ----------
    monitor : str, optional
        A column of the history: ``'valid_loss'``, ``'loss'``, ``'valid_acc'``,
        ``'gradient_norm'``, ... Defaults to the column that the option ``restore_best`` names, or
        else to ``'valid_loss'``; without validation data to ``'training_loss'``.
    patience : int
        The training ends after more than this many values in a row without improvement. Epochs
        without the column do not count.
    min_improvement : float
        The minimum improvement, as a fraction of the best value.
    goal : float, optional
        The training ends when the monitor is at least as good as this.
    mode : {'min', 'max'}, optional
        Whether small or large values are better. By default 'max' for ``acc``, ``accuracy``,
        ``r2``, ``f1``, ``binary_accuracy`` and ``binary_f1``, and 'min' for all others, except that
        it must be given for a metric of your own that does not say it.
    min_delta : float
        The minimum improvement, as a difference of values: a value is an improvement if it is
        better than the best one by more than this.
    baseline : float, optional
        A value that the monitor must surpass: any that is not better counts as one without
        improvement.
    start_from_epoch : int
        The number of epochs at the start that are ignored.
    restore_best : bool
        Whether the network ends with the parameters at the end of the epoch in which the monitor
        was best, however training ends.

    Attributes
    ----------
    best : float, or None
        The best value so far.
    failures : int
        The number of values in a row without improvement.

    Examples
    --------
    >>> import numpy as np, rnnkit
    >>> x = np.linspace(-1, 1, 20)[:, None]
    >>> net = rnnkit.Regressor([1, 1], seed=0)
    >>> stop = EarlyStop('loss', goal=0.1)
    >>> train, valid = net.train([x, x], learning_rate=0.1, callbacks=stop)
    >>> train['loss'] <= 0.1
    True
    """

    prints = False

    def __init__(
        self,
        monitor: str | None = None,
        patience: int = 5,
        min_improvement: float = 0.0,
        goal: float | None = None,
        mode: str | None = None,
        *,
        min_delta: float = 0.0,
        baseline: float | None = None,
        start_from_epoch: int = 0,
        restore_best: bool = False,
    ):
        self._best = Best('EarlyStop', monitor, mode, min_improvement, min_delta)
        self.patience = whole('EarlyStop: patience', patience)
        self.goal = None if goal is None else real('EarlyStop: goal', goal)
        self.baseline = None if baseline is None else real('EarlyStop: baseline', baseline)
        self.start_from_epoch = whole('EarlyStop: start_from_epoch', start_from_epoch)
        self.restore_best = flag('EarlyStop: restore_best', restore_best)
        self.failures = 0
        self._params: Params | None = None  # of the best epoch, with restore_best
        self._last: Params | None = None  # those of the last epoch, if only they are better
        self._restored = False  # whether the state is from a checkpoint

    def __repr__(self) -> str:
        return reprs.call(self, **self._best.arguments)

    @property
    def best(self) -> float | None:
        return self._best.value

    def on_train_begin(self, training: Training) -> None:
        """Reset the state; or end a resumed training that has been stopped before."""
        self._best.begin(training)
        if not self._restored:
            self._best.value, self.failures, self._params = None, 0, None
        self._restored, self._last = False, None
        self._stop_if_due(training)

    def on_validation_end(self, training: Training) -> None:
        """Reject an unknown monitor before the first epoch."""
        if training.epoch == 0:
            self._best.check(training)

    def on_epoch_end(self, training: Training) -> None:
        """Compare the epoch with the best one."""
        value = self._best.read(training)
        if value is None or training.epoch <= self.start_from_epoch:
            return
        # A resumed training must have the state of one that was longer from the start, which
        # would not have validated here.
        if training.unplanned and self._best.of_validation(training):
            if self.restore_best and self._best.improves(value, self._best.value):
                self._last = _values(training)
            return
        improved = self._best.better(value)
        if improved and self.restore_best:
            self._params = _values(training)
        beaten = self.baseline is None or self._best.improves(value, self.baseline)
        self.failures = 0 if improved and beaten else self.failures + 1
        self._stop_if_due(training)

    def on_train_end(self, training: Training) -> None:
        """Restore the parameters of the best epoch."""
        params = self._last or self._params
        if params is not None:
            training.leave(params)

    def _stop_if_due(self, training: Training) -> None:
        name = self._best.monitor
        if self.goal is not None and self._best.reaches(self.goal):
            training.stop(f'{name} has reached {self.best:.6g}')
        elif self.failures > self.patience:
            best = 'has never been a number'
            if self.best is not None:
                best = f'has not improved on {self.best:.6g}'
            if self.baseline is not None and not self._surpassed():
                best = f'has not surpassed {self.baseline:.6g}'
            training.stop(f'{name} {best} {self.failures} times')

    def _surpassed(self) -> bool:
        return self.best is not None and self._best.improves(self.best, self.baseline)

    def get_state(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        kept = {} if self._params is None else {'params': self._params}
        return {**self._best.get_state(), 'failures': self.failures, **kept}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore the state from `get_state`."""
        self._best.set_state(state)
        failures = state['failures']
        if not is_whole(failures, 0):
            raise ValueError(f'failures must be a whole number of at least 0; got {failures!r}')
        self._params = state.get('params') if self.restore_best else None
        if self.restore_best and self.best is not None and self._params is None:
            raise ValueError('it has no parameters for restore_best=True')
        self.failures, self._restored = failures, True


def _values(training: Training) -> Params:
    return [p.get_value() for p in training.params]
