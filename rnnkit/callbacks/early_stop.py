"""Early stopping by any column of the history."""

from typing import Any

from rnnkit.callbacks.base import Callback, Training
from rnnkit.callbacks.best import Best
from rnnkit.common.checks import is_whole, real, whole


class EarlyStop(Callback):
    """Stop the training when a monitor stops improving, or reaches a goal.

    The option ``patience`` of a training does the same for the validation loss. If both are used,
    whichever applies first ends the training. In either case, the parameters with the lowest
    validation loss are restored.

    Parameters
    ----------
    monitor : str
        A column of the history: ``'valid_loss'``, ``'loss'``, ``'valid_acc'``,
        ``'gradient_norm'``, ...
    patience : int
        The training ends after more than this many values in a row without improvement. Epochs
        without the column do not count.
    min_improvement : float
        The minimum improvement, as a fraction of the best value.
    goal : float, optional
        The training ends when the monitor is at least as good as this.
    mode : {'min', 'max'}, optional
        Whether small or large values are better. By default 'max' for ``acc``, ``accuracy``,
        ``r2`` and ``f1``, and 'min' for all others.

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
        monitor: str = 'valid_loss',
        patience: int = 5,
        min_improvement: float = 0.0,
        goal: float | None = None,
        mode: str | None = None,
    ):
        self._best = Best('EarlyStop', monitor, mode, min_improvement)
        self.patience = whole('EarlyStop: patience', patience)
        self.goal = None if goal is None else real('EarlyStop: goal', goal)
        self.failures = 0
        self._restored = False  # whether the state is from a checkpoint

    @property
    def best(self) -> float | None:
        return self._best.value

    def on_train_begin(self, training: Training) -> None:
        """Reset the state; or end a resumed training that has been stopped before."""
        if not self._restored:
            self._best.value, self.failures = None, 0
        self._restored = False
        self._stop_if_due(training)

    def on_validation_end(self, training: Training) -> None:
        """Reject an unknown monitor before the first epoch."""
        if training.epoch == 0:
            self._best.check(training)

    def on_epoch_end(self, training: Training) -> None:
        """Compare the epoch with the best one."""
        value = self._best.read(training)
        # A resumed training must have the state of one that was longer from the start, which
        # would not have validated here.
        if value is None or (training.unplanned and self._best.of_validation):
            return
        self.failures = 0 if self._best.better(value) else self.failures + 1
        self._stop_if_due(training)

    def _stop_if_due(self, training: Training) -> None:
        name = self._best.monitor
        if self.goal is not None and self._best.reaches(self.goal):
            training.stop(f'{name} has reached {self.best:.6g}')
        elif self.failures > self.patience:
            best = 'has never been a number'
            if self.best is not None:
                best = f'has not improved on {self.best:.6g}'
            training.stop(f'{name} {best} {self.failures} times')

    def get_state(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {**self._best.get_state(), 'failures': self.failures}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore the state from `get_state`."""
        self._best.set_state(state)
        failures = state['failures']
        if not is_whole(failures, 0):
            raise ValueError(f'failures must be a whole number of at least 0; got {failures!r}')
        self.failures, self._restored = failures, True
