"""Validations of a training: the batches they read, and the results they report."""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest
from typing import Any

from rnnkit.data.datasets import Kept
from rnnkit.errors import DataError
from rnnkit.parallel import ALONE, Team
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
    team : Team
        The processes that share the batches.
    """

    def __init__(
        self,
        evaluate: Evaluation,
        batches: Iterable[Batch],
        held_out: bool,
        inspect: Callable[[Batch], None] | None = None,
        team: Team = ALONE,
    ):
        self.evaluate, self.batches = evaluate, batches
        self.held_out, self.inspect, self.team = held_out, inspect, team
        self._made = False  # whether there was a validation

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
        rows, culprit = self._rows()
        shares = self.team.gather('a validation', rows)
        # In the order of the batches, as in one process.
        rows = [row for of_batch in zip_longest(*shares) for row in of_batch if row is not None]
        if not any(map(self.evaluate.counts, rows)):
            name = 'valid' if self.held_out else 'train'
            raise DataError(f'{name}: all weights are 0, so there is nothing to validate on')
        return self.evaluate.average(rows), culprit

    def _rows(self) -> tuple[list[list[Any] | None], Batch | None]:
        """Return what each batch reports, None if it is empty; and the first that is not finite."""
        rows: list[list[Any] | None] = []
        odd: list[Batch] = []
        batches = self._evaluate_each(rows, odd)
        if not self._made:
            self.team.in_turn(lambda: next(batches, None))
            self._made = True
        for _ in batches:
            pass
        return rows, odd[0] if odd else None

    def _evaluate_each(self, rows: list[list[Any] | None], odd: list[Batch]) -> Iterator[None]:
        """Append what each batch reports to `rows`, and the first odd batch to `odd`."""
        inspect = self.inspect
        for batch in self.batches:
            if self.team.size > 1 and not all(array.size for array in batch):
                # There are fewer examples than processes.
                rows.append(None)
                yield
                continue
            if inspect:
                inspect(batch)
                inspect = None
            rows.append(row := self.evaluate(*batch))
            if not odd and not math.isfinite(row[0]):
                odd.append(batch)
            yield
