"""The interfaces between the parts of a training, and the types of what users pass to one."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import ArrayLike
from pytensor.compile.sharedvalue import SharedVariable

from rnnkit.callbacks import Callback
from rnnkit.optimizers import Objective
from rnnkit.parallel import Team

Monitors = dict[str, float]  # what a batch, an epoch or a validation reports, by name
Record = dict[str, Any]  # the same with counts and times: a row of the history
State = dict[str, Any]  # what a checkpoint holds of one part: nested dicts of numbers and arrays
Batch = Sequence[np.ndarray]

# What users pass to `train`.
Path = str | PathLike[str]
PathOrFile = Path | BinaryIO
Inputs = ArrayLike | Sequence[ArrayLike] | Mapping[str, ArrayLike]
Arrays = ArrayLike | Sequence[ArrayLike] | Mapping[str, ArrayLike]
Data = Arrays | Callable[..., Arrays] | Iterable[Arrays]
Valid = Data | float | tuple[str, float] | None
MonitorSpec = str | Callable[..., Any] | Mapping[str, object] | Sequence[object] | None
BestSpec = bool | str | tuple[str, str]
ClassWeight = str | Mapping[Any, float] | None
AnyCallback = Callback | Callable[..., object]
CallbackSpec = AnyCallback | Sequence[AnyCallback] | None


class Batches(Protocol):
    """The batches of an epoch or of a validation; each iteration is a new pass."""

    def __iter__(self) -> Iterator[Batch]:
        """Return the batches of one pass."""

    def get_state(self) -> State:
        """Return what the next passes depend on."""

    def set_state(self, state: State) -> None:
        """Continue from what `get_state` returned."""

    def describe(self) -> object:
        """Return the shapes of the data, to be compared with those of a checkpoint."""


class Step(Protocol):
    """The compiled update by one rule. Its state is what the next updates depend on."""

    objective: Objective
    health: list[str]  # the names of what an update reports of the gradients, in a vector
    finished: bool  # whether there is nothing more to gain
    changed: Monitors  # the hyperparameters of the latest update that change between updates
    variables: Sequence[SharedVariable]  # what the rule remembers

    def start(self, seed: object = 0, **hyperparameters: float) -> None:
        """Set the hyperparameters, and forget the last training."""

    def prepare(self, number: int, **hyperparameters: float) -> None:
        """Set what changes between updates; `number` of them have been made."""

    def join(self, team: Team, count: Callable[[Batch], int]) -> None:
        """Make updates together with other processes; `count` returns the examples of a batch."""

    def each(self, batches: Iterable[Batch], watched: bool) -> Iterable[Batch]:
        """Return the batches of an epoch, one after the other; `watched` if callbacks see each."""

    def update(self, *batch: np.ndarray) -> list[Any]:
        """Make one update; return the norm of the gradient, loss, weight, monitors and health.

        The last is a vector, and is there only if it has names.
        """

    def end(self) -> None:
        """Release what only a training needs."""

    def blame(self, batch: Batch) -> str:
        """Say which gradient is the first that is not finite."""

    def get_state(self) -> State:
        """Return what the next updates depend on, besides parameters and hyperparameters."""

    def set_state(self, state: State) -> None:
        """Continue from what `get_state` returned."""


class Run(Protocol):
    """A training that is ready to start."""

    def train(self) -> tuple[Monitors, Monitors]:
        """Train to the end; return the monitors of the last epoch and of the final validation."""

    def itertrain(self) -> Iterator[tuple[Monitors, Monitors]]:
        """Train; yield the monitors of training and of the last validation, once an epoch."""


class Way(Protocol):
    """A way to train that is not one update rule: in stages, or by drawing samples."""

    def __call__(
        self, where: str, net: Any, train: Data, valid: Valid, keywords: Mapping[str, object]
    ) -> Run:
        """Return the training of a network with the keywords that the user gave."""
