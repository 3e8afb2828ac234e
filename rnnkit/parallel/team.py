"""The interfaces between a training and the processes that share it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

import numpy as np

from rnnkit.data.share import Share

T = TypeVar('T')


class Communicator(Protocol):
    """The part of an mpi4py communicator that is used here."""

    def Get_rank(self) -> int:  # noqa: N802 - these are names of MPI
        """Return the number of this process, from 0."""

    def Get_size(self) -> int:  # noqa: N802
        """Return the number of processes."""

    def Ibarrier(self) -> Any:  # noqa: N802
        """Return a request that is complete when every process has come here."""

    def allgather(self, value: object) -> list[Any]:
        """Return the objects of all processes, by rank."""

    def Allreduce(self, ours: np.ndarray, total: np.ndarray) -> None:  # noqa: N802
        """Write the sum of the arrays of all processes to `total`."""

    def Allgatherv(self, ours: np.ndarray, all_of_them: object) -> None:  # noqa: N802
        """Write the arrays of all processes, one after the other."""

    def Abort(self, code: int) -> None:  # noqa: N802
        """End all processes."""


class Team(Protocol):
    """The processes that train one network together, as seen by one of them."""

    rank: int
    size: int

    @property
    def share(self) -> Share:
        """Which part of each batch this process trains on."""

    def gather(self, what: str, value: T) -> list[T]:
        """Return the values of all processes, by rank; `what` names them in messages."""

    def ask(self, what: str, function: Callable[[], T]) -> list[T]:
        """Return what a function returns in each process, by rank."""

    def lead(self, what: str, function: Callable[[], T]) -> T:
        """Return, in every process, what a function returns in the first one, which calls it."""

    def in_turn(self, function: Callable[[], T]) -> T:
        """Call a function in the first process, then in all others, which read its caches."""

    def leave_updates(self) -> None:
        """Say that no process is in an update from here on."""

    def guard(self) -> AbstractContextManager[None]:
        """Return a block whose errors in one process are raised in all of them."""

    def paused(self) -> AbstractContextManager[None]:
        """Return a block in which a generator yields to its caller."""
