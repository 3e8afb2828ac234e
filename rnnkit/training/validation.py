"""Validations of a training: the batches they read, and the results they report."""

import math
from collections.abc import Callable, Iterable

from rnnkit.data.datasets import Kept
from rnnkit.errors import DataError
from rnnkit.training.carried_state import Followed
from rnnkit.training.evaluation import Evaluation
from rnnkit.training.judge import column
from rnnkit.training.protocols import Batch, Monitors


class Validation:
    """Evaluates a network on the same batches each time.

    Parameters
    ----------
    evaluate : Evaluation
    batches : iterable of batches
        The data by which early stopping and the best parameters are judged.
    held_out : bool
        Whether these are other data than those of training, as batches of a callable are. If not,
        the results are called ``training_...``, and not ``valid_...``.
    inspect : callable, optional
        Called with the first batch of each validation.
    """

    def __init__(
        self,
        evaluate: Evaluation,
        batches: Iterable[Batch],
        held_out: bool,
        inspect: Callable[[Batch], None] | None = None,
    ):
        self.evaluate, self.batches = evaluate, batches
        self.held_out, self.inspect = held_out, inspect

    def draw(self) -> None:
        """Draw the batches now, if they are drawn."""
        if isinstance(self.batches, Kept | Followed):
            self.batches.draw()

    def columns(self, results: Iterable[str]) -> list[str]:
        """Return the columns of the history that have these results."""
        return [column(name, self.held_out) for name in results]

    def measure(self) -> tuple[Monitors, Batch | None]:
        """Return what all batches report, and the first of them with a loss that is not finite.

        Raises
        ------
        DataError
            If all weights are 0.
        """
        rows, culprit = [], None
        for batch in self.batches:
            if self.inspect and not rows:
                self.inspect(batch)
            rows.append(self.evaluate(*batch))
            if culprit is None and not math.isfinite(rows[-1][0]):
                culprit = batch
        if not any(map(self.evaluate.counts, rows)):
            name = 'valid' if self.held_out else 'train'
            raise DataError(f'{name}: all weights are 0, so there is nothing to validate on')
        return self.evaluate.average(rows), culprit
