"""How far an epoch is, on a terminal."""

import time
from collections.abc import Callable
from numbers import Real

from rnnkit.callbacks.base import Callback, Training
from rnnkit.common import progress
from rnnkit.common.checks import number


class Progress(Callback):
    """A line that shows how far the epoch is: tqdm's bar if tqdm is installed, else numbers.

    Every training on a terminal has one, unless ``train(progress=False)``. It needs the
    lines that rnnkit itself writes there: a program that has configured logging, or has silenced
    the logger ``rnnkit``, gets none. The loss in it is that of the latest batch.

    Parameters
    ----------
    after : float
        It appears when an epoch lasts longer than this many seconds.
    every : float
        Seconds from one refresh to the next, at the least.
    """

    prints = False

    def __init__(self, after: float = 0.5, every: float = 0.1):
        number('Progress: after', after, Real, 0)
        number('Progress: every', every, Real, 0)
        self.after, self.every = after, every
        self._next = 0.0
        self._line: Callable[..., str] | None = None

    def on_batch_end(self, training: Training) -> None:
        """Show the line, if it is time to."""
        now = time.perf_counter()
        if now < self._next:  # nearly always
            return
        seconds = training.seconds
        if seconds < self.after:
            self._next = now + self.after - seconds
            return
        self._next = now + self.every
        self._show(training)

    def _show(self, training: Training) -> None:
        terminal = progress.terminal()
        if terminal is None:
            return
        if self._line is None:  # who never waits does not wait for tqdm, either
            from rnnkit.integrations import bars

            self._line = bars.find()
        terminal.show(
            self._line(
                f'epoch {training.epoch}',
                training.batch,
                training.batches,
                training.seconds,
                f'loss {training.loss:.4g}',
                terminal.columns,
                terminal.ascii,
            )
        )
