"""Weights that are samples of the data."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from rnnkit.common import progress
from rnnkit.common.registry import reject_unknown
from rnnkit.errors import ConfigError, DataError
from rnnkit.graph.perturbations import term_names
from rnnkit.layers import Dense, Layer, Recurrent
from rnnkit.models.network import Network
from rnnkit.optimizers import optimizers
from rnnkit.training.monitors import read
from rnnkit.training.options import option_names
from rnnkit.training.trainer import Monitors, Trainer
from rnnkit.training.ways import ways

TAKEN = ('batch_size', 'train_batches', 'valid_batches', 'monitors', 'seed')


@ways.add('sample')
def sample(where: str, net: Network, train: Any, valid: Any, given: Mapping[str, Any]) -> 'Sampler':
    """Return what sets weights to samples of the data, each of length 1.

    Layer by layer from the input on, the columns of the matrices by which a layer reads become
    samples of what it reads: ``w`` (or ``w_hid1:out`` and so on) of a fully connected layer; of a
    recurrent layer the matrices of its input, such as ``xh`` with the columns of all gates. The
    rows of the matrix of a fully connected last layer become samples of the target, if that is
    numbers; if it is labels, the last layer is left alone. So are biases, recurrent matrices, and
    all other layers.

    Parameters
    ----------
    where : str
        The call, for messages.
    net : Network
    train, valid
        Data, as `Network.train` takes them.
    given : dict
        Keywords: those of `TAKEN`.

    Raises
    ------
    ConfigError
        If another keyword is given.

    References
    ----------
    Vitter 1985, ACM Transactions on Mathematical Software 11(1), for the sampling.
    """
    known = [*option_names(), *term_names(), 'subalgo']
    known += [name for rule in optimizers for name in optimizers[rule].options]
    reject_unknown(where, given, known)
    odd = [name for name in given if name not in TAKEN]
    if odd:
        raise ConfigError(
            f"{where}: {odd[0]} does not go with algo 'sample', which takes no steps; it takes "
            f'{", ".join(TAKEN)}'
        )
    if read(given.get('monitors')).gradients:
        raise ConfigError(f"{where}: algo 'sample' has no gradients to monitor")
    seed = given.get('seed')
    seeds = [net.seed, net.trainings] if seed is None else [seed]
    return Sampler(net, net._start(where, train, valid, 'sgd', dict(given)), seeds)


class Job(NamedTuple):
    """A matrix that is made of samples.

    Attributes
    ----------
    param : shared variable
    read : str or None
        The output that is sampled; None for the target.
    """

    param: Any
    read: str | None


class Reservoir:
    """A uniform sample, without repetition, of rows that come in parts (Vitter 1985, R).

    Parameters
    ----------
    size : int
        How many rows to keep.
    rng : numpy.random.Generator
    """

    def __init__(self, size: int, rng: np.random.Generator):
        self.size, self.rng = size, rng
        self.kept: list[np.ndarray] = []
        self.seen = 0

    def add(self, rows: np.ndarray) -> None:
        """Offer rows, an array of shape (n, width); those that are 0 have no direction."""
        rows = rows[(rows != 0).any(axis=1)]
        free = min(self.size - len(self.kept), len(rows))
        self.kept += list(rows[:free])
        numbers = np.arange(self.seen + free, self.seen + len(rows))
        self.seen += len(rows)
        places = self.rng.integers(0, numbers + 1)
        for k in np.flatnonzero(places < self.size):
            self.kept[places[k]] = rows[free + k]

    def directions(self, where: str) -> np.ndarray:
        """Return an array of shape (size, width), with rows of length 1.

        If there were fewer rows, some are there more than once.

        Raises
        ------
        DataError
            If there was none.
        """
        if not self.kept:
            raise DataError(f'{where} is 0 everywhere, so there is nothing to sample')
        rows = np.array(self.kept, 'float64')
        # First by the largest number, whose square may be out of range.
        rows /= abs(rows).max(axis=1, keepdims=True)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        missing = self.size - len(rows)
        return rows[np.r_[: len(rows), self.rng.integers(0, len(rows), missing)]]


class Sampler:
    """Sets the weights of a network; it is used as a `Trainer` is.

    Parameters
    ----------
    net : Network
    trainer : Trainer
        Validates the network.
    seeds : list of int
    """

    def __init__(self, net: Network, trainer: Trainer, seeds: list[int]):
        self.net, self.trainer, self.seeds = net, trainer, seeds
        self._places = {variable: k for k, variable in enumerate(net.variables)}  # in a batch

    def train(self) -> tuple[Monitors, Monitors]:
        """Set the weights, as `itertrain` does, and return what that yields."""
        return next(self.itertrain())

    def itertrain(self) -> Iterator[tuple[Monitors, Monitors]]:
        """Set the weights, and yield the monitors of a validation, twice.

        Raises
        ------
        DataError
            If what a layer reads is 0 everywhere. Then all parameters are as they were.
        """
        progress.prepare_logging()
        start, rng = time.perf_counter(), np.random.default_rng(self.seeds)
        before = [p.get_value() for p in self.net.params]
        try:
            for layer in self.net.layers:
                jobs = self._jobs(layer)
                if jobs:
                    self._set(layer, jobs, self.trainer.batches, rng)
            self.trainer.validate()
        except BaseException:
            for p, value in zip(self.net.params, before, strict=True):
                p.set_value(value)
            raise
        found = self.trainer.latest
        record = {'training': self.trainer.training, 'epoch': 1, 'updates': 0, **found}
        record |= {f'valid_{name}': value for name, value in found.items()}
        self.net.history.append({**record, 'seconds': time.perf_counter() - start})
        shown = ' '.join(f'{name} {value:.4g}' for name, value in found.items())
        progress.say('weights are samples: valid %s', shown)
        yield dict(found), dict(found)

    def _jobs(self, layer: Layer) -> list[Job]:
        """Return the matrices of a layer that are set."""
        sources = self.net.graph.plan.sources[layer.name]
        if isinstance(layer, Dense):
            matrices = [layer.params.get(f'w_{name}', layer.params.get('w')) for name in sources]
            if layer is not self.net.layers[-1]:
                return [Job(w, name) for w, name in zip(matrices, sources, strict=True)]
            compared, numbers = (
                self.net._train_steps.criterion.compared,
                not self.net.integer_targets,
            )
            fits = numbers and compared == [f'{layer.name}:out'] and self.net.target in self._places
            return [Job(w, None) for w in matrices] if fits else []
        parts = layer.children or (layer,)
        return [
            Job(part.params[name], sources[0])
            for part in parts
            if isinstance(part, Recurrent)
            for name, axes in part.cell.params.items()
            if axes[0] == 'I'
        ]

    def _set(self, layer: Layer, jobs: list[Job], batches: Any, rng: np.random.Generator) -> None:
        """Set the matrices of one layer, in one pass over the batches."""
        names = list(dict.fromkeys(job.read for job in jobs if job.read))
        function = self.net.inference.function(
            f'what {layer.name} reads', [self.net.outputs[name] for name in names]
        )
        sizes = [job.param.type.shape[job.read is not None] for job in jobs]
        kept = [Reservoir(size, rng) for size in sizes]
        n = len(self.net.inputs)
        for batch in batches:
            masks = batch[len(batch) - len(self.net.graph.masks) :]
            found = function(*batch[:n], *masks) if names else []
            arrays = dict(zip(names, found, strict=True))
            real = dict(zip(self.net.graph.masks, masks, strict=True))
            for job, reservoir in zip(jobs, kept, strict=True):
                if job.read is None:
                    reservoir.add(self._targets(batch, real))
                else:
                    reservoir.add(_rows(arrays[job.read], self._mask(job.read, real)))
        for job, reservoir in zip(jobs, kept, strict=True):
            what = f'what {layer.name!r} reads ({job.read})' if job.read else 'the target'
            rows = reservoir.directions(f"algo 'sample': {what}")
            value = rows if job.read is None else rows.T
            job.param.set_value(np.ascontiguousarray(value, self.net.dtype))

    def _targets(self, batch: list[np.ndarray], masks: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the targets in a batch that count, as rows."""
        target = batch[self._places[self.net.target]]
        mask = self._mask(self.net._train_steps.criterion.compared[0], masks)
        if self.net.weighted:
            some = (batch[self._places[self.net.target_weights]] != 0).any(axis=-1)
            mask = some if mask is None else some & (mask != 0)
        return _rows(target, mask)

    def _mask(self, output: str, masks: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Return the mask of an output's time axis, or None."""
        return masks.get(self.net.graph.plan.clock_of(output, self.net.graph.by_name) or '')


def _rows(array: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """Return the real rows of an array, (T, B, size) or (B, size)."""
    return array.reshape(-1, array.shape[-1]) if mask is None else array[mask != 0]
