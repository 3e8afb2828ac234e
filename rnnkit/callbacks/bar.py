"""A progress bar on the terminal."""

import time
from collections.abc import Callable

from rnnkit.callbacks.base import Callback, Training
from rnnkit.common import progress
from rnnkit.common.calls import checked_methods
from rnnkit.common.checks import real


@checked_methods
class Progress(Callback):
    """A progress bar for the current epoch: tqdm's if tqdm is installed, else a line of numbers.

    Every training on a terminal has one, unless ``train(progress=False)``. There is none if the
    program has configured logging, or silenced the logger ``rnnkit``, since the bar shares the
    terminal with the log. It shows the loss of the latest batch.

    Parameters
    ----------
    after : float
        The bar appears in epochs that take longer than this many seconds.
    every : float
        The minimum number of seconds between refreshes.
    """

    prints = False

    def __init__(self, after: float = 0.5, every: float = 0.1):
        self.after = real('Progress: after', after, least=0)
        self.every = real('Progress: every', every, least=0)
        self._next = 0.0
        self._line: Callable[..., str] | None = None

    def on_batch_end(self, training: Training) -> None:
        """Show the bar, if it is due."""
        now = time.perf_counter()
        if now < self._next:  # first, since this is called after every batch
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
        if self._line is None:  # only now, so that short trainings do not wait for tqdm's import
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
