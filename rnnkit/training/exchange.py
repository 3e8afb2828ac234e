"""The calls that all processes make in an update, each on its share of a batch.

Each process puts in what it has computed on its share, and all get the same numbers for the whole
batch. All is in one flat buffer, because a call costs more than the bytes of a small network:
gradients and reports, each times the weight of its share; the weights; and flags, which say that a
process has no further batch, has failed, or was interrupted.

A process that fails makes the call that the others make next, with a flag in place of its numbers.
So each process keeps a plan of the calls of an update.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from rnnkit.errors import DataError
from rnnkit.parallel.failures import of_all
from rnnkit.parallel.interrupts import INTERRUPTS
from rnnkit.parallel.ranks import Ranks

FAILED, ENDED, INTERRUPTED, N_FLAGS = range(4)
T = TypeVar('T')


class Exchange:
    """The buffers of the updates of one training.

    Parameters
    ----------
    team : Ranks
    shapes : sequence of tuple of int
        Of the gradients that are added up.
    weighed_by : sequence of (int or None)
        For each report which of them is its weight; None for weights.
    dtype : str
    n_announced : int
        How many numbers about its share each process announces before an update; 0 for none.
    weighs : bool
        Whether a function has to be compiled for what is announced.

    Attributes
    ----------
    gradients : list of arrays
        Where a process puts its own.
    totals : list of arrays
        The sums of all of them.
    watched : bool
        Whether the others wait for the callbacks of the first process after each update.
    """

    def __init__(
        self,
        team: Ranks,
        shapes: Sequence[tuple[int, ...]],
        weighed_by: Sequence[int | None],
        dtype: str,
        n_announced: int,
        weighs: bool = False,
    ):
        self.team = team
        self._places = [k if at is None else at for k, at in enumerate(weighed_by)]
        self._means = np.array([at is not None for at in weighed_by])
        sizes = [int(np.prod(shape)) for shape in shapes]
        n, self._size = len(weighed_by), sum(sizes)
        self._ours, self._all = np.zeros((2, self._size + n + N_FLAGS), dtype)
        self.gradients = _views(self._ours, shapes, sizes)
        self.totals = _views(self._all, shapes, sizes)
        self._reports = slice(self._size, self._size + n)
        self._announced = np.zeros(N_FLAGS + n_announced)
        self._made = 0  # updates of this epoch
        self._announces, self._weighs = bool(n_announced), weighs
        self._plan = self._calls(first=True)
        self.watched = False

    def _calls(self, first: bool) -> list[Callable[[], object]]:
        """Return the calls of an update in their order; the first update compiles in turn."""
        turn: list[Callable[[], object]] = [self._signal] * first
        announce = [*turn[: self._weighs], self.announce] if self._announces else []
        return [*announce, *turn, self.add, *turn]

    def _made_call(self) -> None:
        """Go on to the next call; after those of an update, to those of the next one."""
        del self._plan[0]
        if not self._plan:
            self._made += 1
            self._plan = self._calls(first=False)
            if self.watched:
                self.team.in_update = None

    def begin_epoch(self, watched: bool) -> None:
        """Prepare for the batches of an epoch; from here on errors are told by `fail`."""
        self._made, self.watched = 0, watched
        self.team.gather('the batches of an epoch', None)  # all are in updates from the same point
        self.begin_batch()

    def begin_batch(self) -> None:
        """Say that the next call of all processes is that of an update."""
        self.team.in_update = self.fail

    def announce(self, values: Sequence[float] = ()) -> np.ndarray:
        """Return the numbers that each process announces of its share, (ranks, n)."""
        self._announced[N_FLAGS : N_FLAGS + len(values)] = values
        found = np.zeros((self.team.size, len(self._announced)))
        self._announced[INTERRUPTED] = INTERRUPTS.noted
        self.team.comm.Allgather(self._announced, found)
        self._check(found[:, :N_FLAGS].sum(axis=0), self._announced)
        self._made_call()
        return found[:, N_FLAGS:]

    def clear(self) -> None:
        """Contribute nothing to the next sum."""
        self._ours[:] = 0

    def put(self, reports: np.ndarray, weight: float) -> None:
        """Set the reports of the next sum, and multiply the gradients by their weight."""
        self._ours[: self._size] *= weight
        self._ours[self._reports] = np.where(self._means, reports * reports[self._places], reports)

    def add(self) -> np.ndarray:
        """Add up what all processes have put; return the reports of the whole batch."""
        flags = self._ours[-N_FLAGS:]
        flags[INTERRUPTED] = INTERRUPTS.noted
        self.team.comm.Allreduce(self._ours, self._all)
        self._check(self._all[-N_FLAGS:], flags)
        self._made_call()
        sums = self._all[self._reports].astype('float64')
        weights = sums[self._places]
        return np.where(self._means, sums / np.where(weights > 0, weights, 1), sums)

    def divide(self, weight: float) -> None:
        """Divide the sums of gradients by the weight of the whole batch."""
        if weight > 0:
            self._all[: self._size] /= weight

    def gather_rows(self, rows: np.ndarray, numbers: np.ndarray) -> list[np.ndarray]:
        """Return the rows of a table of all processes, and their numbers."""
        comm, counts = self.team.comm, np.zeros(self.team.size, 'int64')
        comm.Allgather(np.array([len(rows)]), counts)
        found = []
        for ours, width in ((rows, rows.shape[1]), (numbers, 1)):
            every = np.empty((counts.sum(), *ours.shape[1:]), ours.dtype)
            comm.Allgatherv(np.ascontiguousarray(ours), [every, counts * width])
            found.append(every)
        return found

    def in_turn(self, function: Callable[[], T]) -> T:
        """Call a function in the first process, then in all others, which read its caches."""
        if self.team.rank:
            self._signal()
        value = function()
        if not self.team.rank:
            self._signal()
        return value

    def _signal(self) -> None:
        """Come to where the others are; it may take until they have compiled something."""
        self.team.wait('a turn')
        ours, found = self._announced[:N_FLAGS], np.zeros(N_FLAGS)
        ours[INTERRUPTED] = INTERRUPTS.noted
        self.team.comm.Allreduce(ours, found)
        self._check(found, ours)
        self._made_call()

    def end_epoch(self) -> None:
        """Say that this process has no further batch in this epoch.

        Raises
        ------
        DataError
            If others have some.
        """
        self._raise_flag(ENDED)
        self.team.leave_updates()

    def fail(self) -> None:
        """Tell the others that this process has failed."""
        self._raise_flag(FAILED)

    def _raise_flag(self, flag: int) -> None:
        self.clear()
        self._ours[-N_FLAGS:][flag] = self._announced[flag] = 1
        plan = [*self._plan]
        try:
            plan[0]()
        finally:
            self._plan = plan  # no update was made
            self.clear()
            self._announced[:] = 0

    def _check(self, flags: np.ndarray, ours: np.ndarray) -> None:
        """Do what the flags of all processes say."""
        if not flags.any() or ours[FAILED]:
            return
        if flags[FAILED]:
            self.team.gather('an error', None)  # raises it
        if flags[INTERRUPTED]:
            INTERRUPTS.noted = False
            raise of_all(KeyboardInterrupt(), not self.team.rank)
        found = self.team.gather('the end of an epoch', (bool(ours[ENDED]), self._made))
        ends = [rank for rank, (over, _) in enumerate(found) if over]
        if len(ends) < len(found):
            n = found[ends[0]][1]
            other = next(rank for rank, (over, _) in enumerate(found) if not over)
            raise of_all(
                DataError(
                    f'train: rank {ends[0]} has {n} batches in an epoch, and rank {other} has '
                    f'more; all ranks must have as many: say how many, train_batches={n}'
                ),
                not self.team.rank,
            )


def _views(
    flat: np.ndarray, shapes: Sequence[tuple[int, ...]], sizes: Sequence[int]
) -> list[np.ndarray]:
    """Return arrays that lie side by side in a flat one."""
    ends = np.cumsum(sizes, dtype=int)
    return [
        flat[end - size : end].reshape(shape)
        for end, size, shape in zip(ends, sizes, shapes, strict=True)
    ]
