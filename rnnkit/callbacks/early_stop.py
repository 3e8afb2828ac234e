"""Ending a training by any column of its history."""

from numbers import Integral, Real
from typing import Any

from rnnkit.callbacks.base import Callback, Training
from rnnkit.callbacks.best import Best
from rnnkit.common.checks import number


class EarlyStop(Callback):
    """End the training when a monitor does not improve any more, or has reached a goal.

    The option ``patience`` of a training does the same for the loss of the validation. Of the two,
    the first one that has had enough ends the training. The parameters that are put back are
    in any case those of the validation with the lowest loss.

    Parameters
    ----------
    monitor : str
        A column of the history: ``'valid_loss'``, ``'loss'``, ``'valid_acc'``,
        ``'gradient_norm'``, ...
    patience : int
        The training ends when more than this many values in a row are no improvement. Epochs
        that have no such column do not count.
    min_improvement : float
        The fraction of the best value by which a better one must differ.
    goal : float, optional
        The training ends when the monitor is at least as good as this.
    mode : {'min', 'max'}, optional
        Which values are good. By default large ones for ``acc``, ``accuracy``, ``r2`` and ``f1``,
        and small ones for all others.

    Attributes
    ----------
    best : float, or None
        The best value so far.
    failures : int
        How many values in a row have not improved on it.

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
        number('EarlyStop: patience', patience, Integral, 0)
        if goal is not None:
            number('EarlyStop: goal', goal, Real, -float('inf'))
        self.patience, self.goal = int(patience), goal
        self.failures = 0
        self._goes_on = False  # whether it has been given a state to go on from

    @property
    def best(self) -> float | None:
        return self._best.value

    def on_train_begin(self, training: Training) -> None:
        """Begin anew; or see whether the training that is resumed was over."""
        if not self._goes_on:
            self._best.value, self.failures = None, 0
        self._goes_on = False
        self._stop_if_enough(training)

    def on_validation_end(self, training: Training) -> None:
        """Find a wrong name before the first epoch."""
        if training.epoch == 0:
            self._best.check(training)

    def on_epoch_end(self, training: Training) -> None:
        """Judge the epoch."""
        value = self._best.read(training)
        # What a longer training would not see must not change what it goes on from.
        if value is None or (training.unplanned and self._best.of_validation):
            return
        self.failures = 0 if self._best.better(value) else self.failures + 1
        self._stop_if_enough(training)

    def _stop_if_enough(self, training: Training) -> None:
        name = self._best.monitor
        if self.goal is not None and self._best.reaches(self.goal):
            training.stop(f'{name} has reached {self.best:.6g}')
        elif self.failures > self.patience:
            best = 'has never been a number'
            if self.best is not None:
                best = f'has not improved on {self.best:.6g}'
            training.stop(f'{name} {best} {self.failures} times')

    def get_state(self) -> dict[str, Any]:
        """Return what is remembered."""
        return {**self._best.get_state(), 'failures': self.failures}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` has returned."""
        self._best.set_state(state)
        failures = state['failures']
        if not isinstance(failures, int) or failures < 0:
            raise ValueError(f'failures is a number of at least 0; got {failures!r}')
        self.failures, self._goes_on = failures, True
