"""The base class of callbacks, and their view of a training."""

import time
from collections.abc import Sequence
from typing import Any, Protocol, Self

from rnnkit.common import copies, param_values, reprs
from rnnkit.common.calls import checked_methods
from rnnkit.errors import ConfigError

Record = dict[str, Any]


class Run(Protocol):
    """A training that is under way: the part of a trainer that callbacks can see."""

    net: Any
    stage: str | None
    options: Any
    settings: dict[str, object]
    training: int
    epoch: int
    updates: int
    rows: Sequence[Sequence[float]]  # of the batches of this epoch: gradient norm, loss, ...
    batches: object
    began: float
    record: Record
    history: Any
    latest: dict[str, float]
    measured: list[str]
    judged_by: tuple[str, str]
    best: dict[str, float]
    best_params: Sequence[object] | None
    unplanned: bool
    step: Any
    params: Sequence[Any]
    resumed: object | None
    ended: str | None

    def stop(self, reason: str) -> None:
        """End the training."""

    def monitors_of_batch(self) -> dict[str, float]:
        """Return the monitors of the latest batch."""

    def leave(self, values: Sequence[Any]) -> None:
        """End with these values of the parameters."""


@checked_methods
class Training:
    """A training as seen by callbacks. All attributes are computed when they are read.

    There is one object per training; callbacks get it as their only argument, and may keep it. Its
    attributes are read-only, except for ``rule_state``, and that entries added to ``record`` become
    part of the history.

    Attributes
    ----------
    net : Network, or None
        The network being trained; in layerwise training, that of the stage; None in
        `rnnkit.minimize`.
    stage : str, or None
        The name of the stage in layerwise training, such as ``'hid1'``.
    params : list of shared variables
        The parameters that are trained.
    options : Options
    settings : dict
        What the training was started with, for a record of it: ``'algo'``, the hyperparameters of
        the update rule, regularizers and noise, and all options that change what is learned.
    number : int
        The number of this training, from 1, as in the column ``'training'`` of the history.
    epoch, updates : int
        The number of epochs and updates so far, including the current ones.
    batch : int
        The number of batches of this epoch so far.
    batches : int, or None
        The number of batches per epoch, if known.
    seconds : float
        The time since the start of the epoch.
    loss : float, or None
        The loss of the latest batch, before its update; None before the first batch.
    monitors : dict of str to float
        All monitors of the latest batch, including ``'loss'`` and ``'gradient_norm'``.
    record : dict
        The latest record of the history, with ``'valid_loss'`` and so on if the network was
        validated after this epoch. Empty before the end of the first epoch.
    history : History
    validation : dict of str to float
        The results of the latest validation; empty before the first one. Without validation data
        they are those on the training data.
    measured : list of str
        The columns that the history has of them: ``'valid_loss'`` and so on, or
        ``'training_loss'`` without validation data.
    judged_by : (str, str)
        The column by which a validation is the best, and its mode, ``'min'`` or ``'max'``.
    best : dict of str to float
        The results of the best validation so far.
    unplanned : bool
        Whether this epoch is validated only because the training ends: a longer training would
        not validate here.
    resumed : bool
        Whether the training was resumed from a checkpoint.
    rule_state : dict of str to array
        What the update rule remembers, such as the moments of Adam. It may be set in
        ``on_train_begin``, to what an earlier training of the same network with the same rule
        ended with; else each training starts afresh.
    ended : str, or None
        Why the training has ended: ``'epochs'``, ``'patience'``, ``'interrupted'`` (by Ctrl-C),
        ``'stopped: '`` and a reason, ``'finished'`` (``algo='lbfgs'`` has converged) or
        ``'error'``. None during the training.
    """

    def __init__(self, trainer: Run):
        self._trainer = trainer

    def __reduce__(self) -> str:
        raise ConfigError(
            'a training cannot be pickled; pickle its network, training.net, or training.history'
        )

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return copies.deep(self, memo)

    def __repr__(self) -> str:
        return f'<Training: epoch {self.epoch}, {self.updates} updates>'

    def stop(self, reason: str = 'a callback has asked for it') -> None:
        """End the training in the normal way; the first reason is logged.

        Called after a batch, it ends the epoch there; otherwise the training ends after this
        epoch, or before the first one. As in early stopping, there is a last validation, the
        checkpoint is written and the best parameters are restored.
        """
        self._trainer.stop(str(reason))

    def leave(self, values: Sequence[Any]) -> None:
        """End the training with other values of the parameters than the best ones.

        To be called in ``on_train_end``. The second dict that `train` returns is then a validation
        of these values.

        Parameters
        ----------
        values : sequence of arrays
            One for each of ``params``, in their order.

        Raises
        ------
        ConfigError, ShapeError, DataError
            If there is another number of them, or one has another shape or no numbers. All
            parameters are then unchanged.
        """
        where = 'training.leave()'
        self._trainer.leave(param_values.fitting_all(where, self._trainer.params, values))

    @property
    def net(self) -> Any:
        return self._trainer.net

    @property
    def stage(self) -> str | None:
        return self._trainer.stage

    @property
    def params(self) -> list[Any]:
        return list(self._trainer.params)

    @property
    def options(self) -> Any:
        return self._trainer.options

    @property
    def settings(self) -> dict[str, object]:
        return dict(self._trainer.settings)

    @property
    def number(self) -> int:
        return self._trainer.training

    @property
    def epoch(self) -> int:
        return self._trainer.epoch

    @property
    def updates(self) -> int:
        return self._trainer.updates

    @property
    def batch(self) -> int:
        return len(self._trainer.rows)

    @property
    def batches(self) -> int | None:
        batches = self._trainer.batches
        return len(batches) if isinstance(batches, list) else getattr(batches, 'n_batches', None)

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._trainer.began

    @property
    def loss(self) -> float | None:
        rows = self._trainer.rows
        return rows[-1][1] if rows else None

    @property
    def monitors(self) -> dict[str, float]:
        return self._trainer.monitors_of_batch()

    @property
    def record(self) -> Record:
        return self._trainer.record

    @property
    def history(self) -> Any:
        return self._trainer.history

    @property
    def validation(self) -> dict[str, float]:
        return dict(self._trainer.latest)

    @property
    def measured(self) -> list[str]:
        return self._trainer.measured

    @property
    def judged_by(self) -> tuple[str, str]:
        return self._trainer.judged_by

    @property
    def best(self) -> dict[str, float]:
        return dict(self._trainer.best) if self._trainer.best_params else {}

    @property
    def unplanned(self) -> bool:
        return self._trainer.unplanned

    @property
    def resumed(self) -> bool:
        return self._trainer.resumed is not None

    @property
    def rule_state(self) -> dict[str, Any]:
        return dict(self._trainer.step.get_state()['rule'])

    @rule_state.setter
    def rule_state(self, state: dict[str, Any]) -> None:
        step = self._trainer.step
        step.set_state({**step.get_state(), 'rule': state})

    @property
    def ended(self) -> str | None:
        return self._trainer.ended


class Callback:
    """The base class of callbacks. Override the hooks that you need.

    Each hook gets a `Training`. A hook that is not overridden is never called, and costs nothing.
    An exception in a hook ends the training; it is raised again after the best parameters have
    been restored. ``KeyboardInterrupt`` is treated as Ctrl-C.

    A callback with state can store it in checkpoints: ``get_state()`` returns a dict of numbers,
    text, arrays, and lists and dicts of these. When a training is resumed, ``set_state(state)``
    is called with it, before ``on_train_begin``.

    Attributes
    ----------
    prints : bool
        Whether the callback may write to the terminal. If so, and it has `on_epoch_end`, the lines
        of epochs are not overwritten; if it has `on_batch_end`, there is no progress bar.

    Examples
    --------
    >>> class Count(Callback):
    ...     def on_train_begin(self, training):
    ...         self.batches = 0
    ...     def on_batch_end(self, training):
    ...         self.batches += 1
    """

    prints = True

    def __repr__(self) -> str:
        return reprs.call(self)

    def on_train_begin(self, training: Training) -> None:
        """Run before the first validation; in a resumed training, before its first epoch."""

    def on_batch_end(self, training: Training) -> None:
        """Run after each update."""

    def on_validation_end(self, training: Training) -> None:
        """Run after the initial validation, and after each validation of an epoch.

        It is not called after the last validation of a training that ends within an epoch.
        """

    def on_epoch_end(self, training: Training) -> None:
        """Run after each epoch and its validation, before a checkpoint is written."""

    def on_train_end(self, training: Training) -> None:
        """Run once, however the training ends, after the best parameters are restored."""

    def get_state(self) -> dict[str, Any] | None:
        """Return the state to store in a checkpoint, or None."""

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore the state from `get_state`; raise a ValueError if it does not fit."""
