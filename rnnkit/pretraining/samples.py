"""Initialisation of weights by samples of the data."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from pytensor.tensor.sharedvar import TensorSharedVariable

from rnnkit.common import progress
from rnnkit.common.output_names import join
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

Batches = Iterable[Sequence[np.ndarray]]


@ways.add('sample')
def sample(
    where: str, net: Network, train: object, valid: object, given: Mapping[str, object]
) -> 'Sampler':
    """Return a trainer that sets weights to samples of the data, normalized to length 1.

    Layer by layer from the input on, the columns of a layer's input matrices become samples of its
    input: ``w`` (or ``w_hid1:out`` and so on) of a fully connected layer; ``xh`` and the like of a
    recurrent layer, for all gates. In regression, the rows of the matrix of a fully connected last
    layer become samples of the target; in classification, the last layer is unchanged. So are
    biases, recurrent matrices, and all other layers.

    Parameters
    ----------
    where : str
        The call, for messages.
    net : Network
    train, valid
        Data, as in `Network.train`.
    given : dict
        Keywords, of those in `TAKEN`.

    Raises
    ------
    ConfigError
        If another keyword is given.

    References
    ----------
    Vitter 1985, ACM Transactions on Mathematical Software 11(1), for the sampling.
    """
    keywords = [*option_names(), *term_names(), 'subalgo']
    keywords += [name for rule in optimizers for name in option_names(optimizers[rule])]
    reject_unknown(where, given, keywords)
    refused = [name for name in given if name not in TAKEN]
    if refused:
        raise ConfigError(
            f"{where}: {refused[0]} does not go with algo 'sample', which makes no updates; its "
            f'options are {", ".join(TAKEN)}'
        )
    if read(given.get('monitors')).gradients:
        raise ConfigError(f"{where}: algo 'sample' has no gradients to monitor")
    seed = given.get('seed')
    seeds = [net.seed, net._trainings] if seed is None else [seed]
    return Sampler(net, net._start(where, train, valid, 'sgd', dict(given)), seeds)


class Job(NamedTuple):
    """A matrix to be set to samples.

    Attributes
    ----------
    param : shared variable
    read : str or None
        The output to sample; None for the target.
    """

    param: TensorSharedVariable
    read: str | None


class Reservoir:
    """A uniform sample without replacement from a stream of rows (Vitter 1985, algorithm R).

    Parameters
    ----------
    size : int
        The number of rows to sample.
    rng : numpy.random.Generator
    """

    def __init__(self, size: int, rng: np.random.Generator):
        self.size, self.rng = size, rng
        self.kept: list[np.ndarray] = []
        self.seen = 0

    def add(self, rows: np.ndarray) -> None:
        """Add rows, an array of shape (n, width); rows of zeros, without direction, are ignored."""
        rows = rows[(rows != 0).any(axis=1)]
        free = min(self.size - len(self.kept), len(rows))
        self.kept += list(rows[:free])
        numbers = np.arange(self.seen + free, self.seen + len(rows))
        self.seen += len(rows)
        # Row n replaces a random one of those kept, with probability size / (n + 1).
        places = self.rng.integers(0, numbers + 1)
        for k in np.flatnonzero(places < self.size):
            self.kept[places[k]] = rows[free + k]

    def directions(self, where: str) -> np.ndarray:
        """Return the sample as an array of shape (size, width), with rows of length 1.

        If there were too few rows, some are repeated.

        Raises
        ------
        DataError
            If there was none.
        """
        if not self.kept:
            raise DataError(f'{where} is 0 everywhere, so there is nothing to sample')
        rows = np.array(self.kept, 'float64')
        # First divide by the largest element, whose square may overflow.
        rows /= abs(rows).max(axis=1, keepdims=True)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        missing = self.size - len(rows)
        return rows[np.r_[: len(rows), self.rng.integers(0, len(rows), missing)]]


class Sampler:
    """Sets the weights of a network, with the interface of a `Trainer`.

    Parameters
    ----------
    net : Network
    trainer : Trainer
        The trainer that validates the network.
    seeds : list of int
    """

    def __init__(self, net: Network, trainer: Trainer, seeds: list[int]):
        self.net, self.trainer, self.seeds = net, trainer, seeds
        self._places = {variable: k for k, variable in enumerate(net._variables)}  # in a batch

    def train(self) -> tuple[Monitors, Monitors]:
        """Set the weights, as `itertrain` does, and return what that yields."""
        return next(self.itertrain())

    def itertrain(self) -> Iterator[tuple[Monitors, Monitors]]:
        """Set the weights, and yield the monitors of a validation, twice.

        Raises
        ------
        DataError
            If the input of a layer is 0 everywhere. Then all parameters are unchanged.
        """
        progress.prepare_logging()
        self.net._trainings += 1
        self.trainer.draw()
        start, rng = time.perf_counter(), np.random.default_rng(self.seeds)
        before = [p.get_value() for p in self.net.params]
        try:
            for layer in self.net.layers:
                jobs = [job for job in self._jobs(layer) if job.param.name not in self.net.frozen]
                if jobs:
                    self._set(layer, jobs, self.trainer.batches, rng)
            self.trainer.validate()
        except BaseException:
            for p, value in zip(self.net.params, before, strict=True):
                p.set_value(value)
            raise
        monitors = self.trainer.latest
        record = {'training': self.trainer.training, 'epoch': 1, 'updates': 0, **monitors}
        record |= dict(zip(self.trainer.measured, monitors.values(), strict=True))
        self.net.history.append({**record, 'seconds': time.perf_counter() - start})
        listed = ' '.join(f'{name} {value:.4g}' for name, value in monitors.items())
        what = 'valid' if self.trainer.validation.held_out else 'training'
        progress.say('weights are samples: %s %s', what, listed)
        yield dict(monitors), dict(monitors)

    def _jobs(self, layer: Layer) -> list[Job]:
        """Return the matrices of a layer to set."""
        sources = self.net._graph.plan.sources[layer.name]
        if isinstance(layer, Dense):
            matrices = [layer.params.get(f'w_{name}', layer.params.get('w')) for name in sources]
            if layer is not self.net.layers[-1]:
                return [Job(w, name) for w, name in zip(matrices, sources, strict=True)]
            compared = self.net._train_steps.criterion.compared
            numbers = not self.net._integer_targets
            fits = numbers and compared == [join(layer.name)] and self.net.target in self._places
            return [Job(w, None) for w in matrices] if fits else []
        parts = layer.children or (layer,)
        return [
            Job(part.params[name], sources[0])
            for part in parts
            if isinstance(part, Recurrent)
            for name, axes in part.cell.params.items()
            if axes[0] == 'I'
        ]

    def _set(
        self, layer: Layer, jobs: list[Job], batches: Batches, rng: np.random.Generator
    ) -> None:
        """Set the matrices of a layer, in one pass over the batches."""
        names = list(dict.fromkeys(job.read for job in jobs if job.read))
        function = self.net._inference.function(
            f'what {layer.name} reads', [self.net.outputs[name] for name in names]
        )
        sizes = [job.param.type.shape[job.read is not None] for job in jobs]
        kept = [Reservoir(size, rng) for size in sizes]
        n = len(self.net.inputs)
        for batch in batches:
            masks = batch[len(batch) - len(self.net._graph.masks) :]
            outputs = function(*batch[:n], *masks) if names else []
            arrays = dict(zip(names, outputs, strict=True))
            by_clock = dict(zip(self.net._graph.masks, masks, strict=True))
            for job, reservoir in zip(jobs, kept, strict=True):
                if job.read is None:
                    reservoir.add(self._targets(batch, by_clock))
                else:
                    reservoir.add(_rows(arrays[job.read], self._mask(job.read, by_clock)))
        for job, reservoir in zip(jobs, kept, strict=True):
            what = f'what {layer.name!r} reads ({job.read})' if job.read else 'the target'
            rows = reservoir.directions(f"algo 'sample': {what}")
            value = rows if job.read is None else rows.T
            job.param.set_value(np.ascontiguousarray(value, self.net.dtype))

    def _targets(self, batch: Sequence[np.ndarray], masks: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the targets of a batch as rows, except those over padding or of weight 0."""
        target = batch[self._places[self.net.target]]
        if units := self.net._graph.units:
            mean, deviation, _ = (p.get_value() for p in units.measured.params)
            target = (target - mean) / deviation
        mask = self._mask(self.net._train_steps.criterion.compared[0], masks)
        if self.net.weighted:
            counts = (batch[self._places[self.net.target_weights]] != 0).any(axis=-1)
            mask = counts if mask is None else counts & (mask != 0)
        return _rows(target, mask)

    def _mask(self, output: str, masks: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Return the mask of the time axis of an output, or None."""
        return masks.get(self.net._graph.plan.clock_of(output, self.net._graph.by_name) or '')


def _rows(array: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """Return the real rows of an array, (T, B, size) or (B, size)."""
    return array.reshape(-1, array.shape[-1]) if mask is None else array[mask != 0]
