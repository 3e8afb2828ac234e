"""What a callback is, and what it gets to see of a training."""

import time
from typing import Any

Record = dict[str, Any]


class Training:
    """What goes on in a training, as callbacks see it. Everything in it is read afresh.

    There is one for each training; callbacks get it as their only argument, and may keep it. What
    it returns is only to be read, but for ``record``: what is put into that stays in the history.

    Attributes
    ----------
    net : Network, or None
        What is trained, layer by layer the network of the stage; None in `rnnkit.minimize`.
    stage : str, or None
        In a training layer by layer, the name of the stage, ``'hid1'``.
    options : Options
    number : int
        The number of this training, from 1, as in the column ``'training'`` of the history.
    epoch, updates : int
        How many of them there have been, the one that is under way included.
    batch : int
        How many batches of this epoch have been learned from.
    batches : int, or None
        How many an epoch has, where that is known.
    seconds : float
        The time since the epoch began.
    loss : float, or None
        The loss of the latest batch, before it was learned from; None before the first one.
    monitors : dict of str to float
        All that is reported of this batch, ``'loss'`` and ``'gradient_norm'`` included.
    record : dict, or None
        The latest record of the history; with ``'valid_loss'`` and so on if the network was
        validated after this epoch. None before the end of the first epoch.
    history : History
    validation : dict of str to float
        What the latest validation has reported; empty before the first one.
    best : dict of str to float
        The same of the best one so far.
    unplanned : bool
        Whether the network is validated after this epoch only because the training ends: a
        longer one would not validate here.
    resumed : bool
        Whether the training goes on from a checkpoint.
    ended : str, or None
        Why it has ended: ``'epochs'``, ``'patience'``, ``'interrupted'`` (by Ctrl-C),
        ``'stopped: '`` and a reason, ``'finished'`` (there is nothing to gain, says
        ``algo='lbfgs'``) or ``'error'``. None while it goes on.
    """

    def __init__(self, trainer: Any):
        self._trainer = trainer

    def stop(self, reason: str = 'a callback has asked for it') -> None:
        """End the training in the normal way; the first reason counts, and is logged.

        Called after a batch, this ends the epoch there; else the training ends after this epoch,
        or before the first one. Then it is as if patience had run out: a last validation, a
        complete history, the checkpoint written, the best parameters put back.
        """
        self._trainer.stop(str(reason))

    @property
    def net(self) -> Any:
        return self._trainer.net

    @property
    def stage(self) -> str | None:
        return self._trainer.stage

    @property
    def options(self) -> Any:
        return self._trainer.options

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
    def record(self) -> Record | None:
        return self._trainer.record

    @property
    def history(self) -> Any:
        return self._trainer.history

    @property
    def validation(self) -> dict[str, float]:
        return dict(self._trainer.latest)

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
    def ended(self) -> str | None:
        return self._trainer.ended


class Callback:
    """Something that is told how a training goes on. Override what is wanted.

    Each hook gets a `Training`. One that is not overridden is never called, and costs nothing.
    What a hook raises ends the training, and reaches the caller as it is, when the best parameters
    have been put back; ``KeyboardInterrupt`` is what Ctrl-C is anywhere.

    A callback that remembers something may keep it in checkpoints: ``get_state()`` returns a
    dict of numbers, text, arrays, and lists and dicts of these. When a training is resumed,
    ``set_state(state)`` gets it back, before ``on_train_begin``.

    Attributes
    ----------
    prints : bool
        Whether it may write to the terminal. If one of the callbacks has `on_epoch_end` and may,
        lines of epochs are not overwritten there; if it has `on_batch_end`, there is no bar.

    Examples
    --------
    >>> class Count(Callback):
    ...     def on_train_begin(self, training):
    ...         self.batches = 0
    ...     def on_batch_end(self, training):
    ...         self.batches += 1
    """

    prints = True

    def on_train_begin(self, training: Training) -> None:
        """Act before the first validation; in a training that is resumed, before its epochs."""

    def on_batch_end(self, training: Training) -> None:
        """Act after each update."""

    def on_validation_end(self, training: Training) -> None:
        """Act after the validation before the first epoch, and after each one of an epoch.

        Not after the one that a training makes which ends inside an epoch.
        """

    def on_epoch_end(self, training: Training) -> None:
        """Act after each epoch and its validation, before a checkpoint is written."""

    def on_train_end(self, training: Training) -> None:
        """Act once, however the training ends, when the best parameters are back."""

    def get_state(self) -> dict[str, Any] | None:
        """Return what a checkpoint has to keep; None if there is nothing."""

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` has returned; raise a ValueError if it does not fit."""
