"""The update of several processes together: gradients of their shares, added up, applied by all.

All processes then have the same parameters, as one process would have that had the whole batch.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

import numpy as np
import pytensor
from pytensor.tensor import TensorVariable

from rnnkit.common.compiled import Compiled
from rnnkit.noise import Noise
from rnnkit.optimizers import Objective, StepGraph
from rnnkit.parallel.ranks import Ranks
from rnnkit.training.exchange import Exchange
from rnnkit.training.protocols import Batch

T = TypeVar('T')
Count = Callable[[Batch], int]
# The weight of an example in a share whose targets weigh nothing. If all shares are such, penalties
# still change the parameters; otherwise it is lost in rounding.
LITTLE = 1e-20


class SplitUpdate:
    """The update for one objective and one rule, in two functions.

    Parameters
    ----------
    objective : Objective
    make_graph : callable
        Returns the graph of the update for an objective.
    noise : Noise, optional
        The source of the random numbers in the objective.

    Notes
    -----
    A loss is a mean, so the gradient of the whole batch is the mean of the gradients of the shares,
    weighed as the shares are. Where parts of a loss have weights of their own, these must be known
    before the gradient is computed: then each process announces them.
    """

    def __init__(
        self,
        objective: Objective,
        make_graph: Callable[[Objective], StepGraph],
        noise: Noise | None = None,
    ):
        self.objective, self.noise = objective, noise
        parts = objective.by_weight()
        self._shares = []  # how much of each weight is here, where there are several
        if len(parts) > 1:
            one = np.ones((), objective.loss.dtype)
            self._shares = [pytensor.shared(one, 'share', shape=()) for _ in parts]
            terms = [f * value for f, (_, value) in zip(self._shares, parts, strict=True)]
            objective = replace(objective, loss=sum(terms[1:], terms[0]))
        self.graph = graph = make_graph(objective)
        reports = self.objective.reports()
        weights = [_alone(reports[place]) for place, _ in parts]
        self._weights = Compiled('the weights', objective.inputs, weights)
        self._compute = Compiled(
            'the gradients', objective.inputs, [*reports, *graph.computed], objective.updates
        )
        self._apply = Compiled('the update', graph.inputs, graph.outputs, graph.updates)
        self._n_reports, self._weighed_by = len(reports), self.objective.weighed_by()
        self._addends = [place for place, _ in self._loss_places()]
        self.exchange: Exchange | None = None

    def _loss_places(self) -> list[tuple[int, int]]:
        """Return which reports the loss is the sum of, if they are reported."""
        if not self._shares:
            return []
        start = 2 + len(self.objective.monitors)
        return [(k, at) for k, at in enumerate(self._weighed_by) if k >= start and at is not None]

    def join(self, team: Ranks, count: Count) -> None:
        """Train together with other processes; `count` returns the examples of a batch."""
        graph = self.graph
        tables = {*graph.tables}
        shapes = [shape for k, shape in enumerate(graph.shapes) if k not in tables]
        self._dense = [k for k in range(len(graph.shapes)) if k not in tables]
        n = len(self._shares) + 1 if self._shares or self.noise else 0
        self.team, self.count = team, count
        self.exchange = Exchange(team, shapes, self._weighed_by, graph.dtype, n, bool(self._shares))
        self._first = True

    def each(self, batches: Iterable[Batch], watched: bool) -> Iterator[Batch]:
        """Yield the batches of an epoch, which has as many in all processes."""
        self.exchange.begin_epoch(watched)
        for batch in batches:
            yield batch
            self.exchange.begin_batch()
        self.exchange.end_epoch()

    def __call__(self, *batch: np.ndarray) -> list[np.ndarray]:
        """Make one update; return the norm of the gradient, the reports, and the health if any."""
        exchange, n = self.exchange, self.count(batch)
        if self._shares or self.noise:
            self._announce(batch, n)
        exchange.clear()
        tables = self._in_turn(lambda: self._local(batch, n))
        reports = exchange.add()
        gathered = [exchange.gather_rows(*table) for table in tables]
        if not self._shares:
            exchange.divide(reports[1])
            for rows, _ in gathered:
                rows /= reports[1] if reports[1] > 0 else 1
        if self._addends:
            reports[0] = reports[self._addends].sum()
        norm, *health = self._in_turn(lambda: self._applied(reports[0], gathered))
        self._first = False
        return [norm, *reports, *health]

    def _announce(self, batch: Batch, n: int) -> None:
        """Tell the others how many examples are here, and what they weigh."""
        weights = np.zeros(len(self._shares))
        if self._shares and n:
            if self.noise:
                self.noise.share(0, 0)  # its lengths may be read, which those of a share must fit
            weights[:] = np.maximum(self._weights(*batch), n * LITTLE)
        found = self.exchange.announce([n, *weights])
        counts, total = found[:, 0].astype(int), found[:, 1:].sum(axis=0)
        if self.noise:
            self.noise.share(int(counts[: self.team.rank].sum()), int(counts.sum()))
        for shared, ours, every in zip(self._shares, weights, total, strict=True):
            shared.set_value(np.asarray(ours / every, shared.dtype))

    def _local(self, batch: Batch, n: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Put the gradients of the share of this process; return the rows of tables."""
        graph, tables = self.graph, self.graph.tables
        if not n:
            if self.noise:
                self.noise.advance()  # as the function does
            empty = [np.zeros((0, graph.shapes[k][1]), graph.dtype) for k in tables]
            return [(rows, np.zeros(0, 'int64')) for rows in empty]
        found = self._compute(*batch)
        reports = np.array(found[: self._n_reports], 'float64')
        gradients = found[self._n_reports : self._n_reports + len(graph.shapes)]
        for place, k in zip(self.exchange.gradients, self._dense, strict=True):
            place[...] = gradients[k]
        reports[1] = reports[1] or n * LITTLE
        weight = 1.0 if self._shares else reports[1]
        self.exchange.put(reports, weight)
        numbers = found[self._n_reports + len(graph.shapes) :]
        return [
            (gradients[k] * np.asarray(weight, graph.dtype), n)
            for k, n in zip(tables, numbers, strict=True)
        ]

    def _applied(self, loss: float, gathered: list[list[np.ndarray]]) -> list[np.ndarray]:
        """Update the parameters by the gradients of all processes."""
        gradients = dict(zip(self._dense, self.exchange.totals, strict=True))
        gradients |= {k: rows for k, (rows, _) in zip(self.graph.tables, gathered, strict=True)}
        loss = np.asarray(loss, self.graph.inputs[0].dtype)
        numbers = [ids for _, ids in gathered]
        ordered = [gradients[k] for k in range(len(gradients))]
        return self._apply(loss, *ordered, *numbers)

    def _in_turn(self, function: Callable[[], T]) -> T:
        """Call a function which is compiled in the first update, in one process after the other."""
        return self.exchange.in_turn(function) if self._first else function()


def _alone(weight: TensorVariable) -> TensorVariable:
    """Return a weight as an expression of its own: with the error it would be far more work."""
    node = weight.owner
    meaning = getattr(node.op, 'meaning', None) if node else None
    return weight if meaning is None else meaning(node.inputs)[node.outputs.index(weight)]
