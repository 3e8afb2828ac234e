"""Compiled networks that the estimators and forecasters of a process share.

A network compiles its functions when it first uses them. Here one network for each architecture
does the work of all: it takes over the parameters of a fitted network, trains or
predicts, and gives the parameters back. So clones, folds and candidates of a search compile once.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytensor

from rnnkit import kernels
from rnnkit.models.files import from_spec
from rnnkit.models.network import Network
from rnnkit.training.history import History

MOST = 16  # networks that are kept while nobody uses them


class Workers:
    """Networks with compiled functions, each of which works for one caller at a time.

    Parameters
    ----------
    most : int
        The number of idle networks that are kept: those that were used last.
    """

    def __init__(self, most: int = MOST):
        self.most = most
        self._idle: list[tuple[str, Network]] = []  # the one that was used last is last
        self._lock = threading.Lock()

    @contextmanager
    def working_for(self, net: Network) -> Iterator[Network]:
        """Yield a network of the same architecture with the parameters of `net`.

        At the end of the block `net` gets all that has changed, also after an error.
        """
        spec = architecture(net)
        worker = self._take(spec) or from_spec(json.loads(spec)[0] | {'seed': 0})
        move(net, worker)
        try:
            yield worker
        finally:
            move(worker, net)
            worker.history = History()
            with self._lock:
                self._idle = [*self._idle, (spec, worker)][-self.most :]

    def _take(self, spec: str) -> Network | None:
        with self._lock:
            for k in reversed(range(len(self._idle))):
                if self._idle[k][0] == spec:
                    return self._idle.pop(k)[1]
        return None

    def clear(self) -> None:
        """Forget all networks, and their compiled functions."""
        with self._lock:
            self._idle = []


def architecture(net: Network) -> str:
    """Return what networks have in common that can share compiled functions, as JSON.

    Names of classes do not belong to it: workers know classes by their numbers.
    """
    spec = {k: v for k, v in net.to_spec().items() if k not in ('seed', 'classes')}
    return json.dumps([spec, kernels.enabled(), str(pytensor.config.mode)])


def move(source: Network, target: Network) -> None:
    """Give a network the parameters and the history of another one of the same architecture."""
    for p, q in zip(source.params, target.params, strict=True):
        q.set_value(p.get_value())
    target.history, target._trainings = source.history, source._trainings


workers = Workers()
