"""The trainings of one network: one at a time."""

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

from rnnkit.errors import ConfigError
from rnnkit.training.protocols import Monitors, Run

Make = Callable[[], Run]
Epochs = Generator[tuple[Monitors, Monitors], None, None]


class Sessions:
    """The trainings of a network, of which one at a time may be under way.

    They share its parameters, and the compiled functions that hold the state of the update rule
    and the weights of regularizers.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy = False
        self._made = 0  # trainings that were made ready, whether they have started or not

    def __reduce__(self) -> tuple[type, tuple[()]]:
        """Give a copy of a network sessions of its own: a lock cannot be copied."""
        return type(self), ()

    def check(self, where: str) -> None:
        """Raise a ConfigError if a training is under way."""
        if self._busy:
            raise ConfigError(
                f'{where}: a training of this network is going on, and there can be one at a time. '
                f'End it first: leave the loop over itertrain(), or close() its iterator'
            )

    def changed(self, where: str) -> None:
        """Note that later trainings are other ones; raise a ConfigError if one is under way."""
        self.check(where)
        self._made += 1

    def train(self, where: str, make: Make) -> tuple[Monitors, Monitors]:
        """Make a training ready and train; return what `Network.train` returns."""
        with self._claim(where):
            return self._ready(make).train()

    def itertrain(self, where: str, make: Make) -> Epochs:
        """Make a training ready, so that errors are raised now; train when this is iterated."""
        self.check(where)
        run = self._ready(make)
        return self._iterate(where, make, run, self._made)

    def _iterate(self, where: str, make: Make, run: Run, number: int) -> Epochs:
        with self._claim(where):
            if number != self._made:  # another one has changed what they share
                run = self._ready(make)
            yield from run.itertrain()

    def _ready(self, make: Make) -> Run:
        self._made += 1
        return make()

    @contextmanager
    def _claim(self, where: str) -> Iterator[None]:
        claimed = False  # an interrupt may come between any two instructions
        try:
            with self._lock:
                self.check(where)
                claimed = self._busy = True
            yield
        finally:
            if claimed:
                self._busy = False
