"""Means and deviations that the first training measures in its training data."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np

from rnnkit.data.datasets import copied
from rnnkit.data.field import Field
from rnnkit.data.moments import Moments
from rnnkit.errors import ConfigError, DataError
from rnnkit.graph.graph import Graph
from rnnkit.layers import Standardize
from rnnkit.layers.measured import Measured
from rnnkit.parallel import ALONE, Team
from rnnkit.training.carried_state import Followed
from rnnkit.training.criterion import Criterion
from rnnkit.training.options import Options
from rnnkit.training.protocols import Batch, Batches, State
from rnnkit.training.undo import Undo

Arrays = Mapping[str, np.ndarray]


class Ahead:
    """Batches whose next epoch may be looked at; it then has these very batches.

    Parameters
    ----------
    batches : Batches
        Such as those of a callable, which makes each batch once.
    """

    def __init__(self, batches: Batches):
        self.batches = batches
        self._drawn: list[Batch] | None = None
        self._state: State = {}

    @property
    def n_batches(self) -> int | None:
        """The number of batches of an epoch, if it is known."""
        return getattr(self.batches, 'n_batches', None)

    def look(self) -> list[Batch]:
        """Return the batches of the next epoch, and keep them until it is read."""
        if self._drawn is None:
            self._state = self.batches.get_state()
            self._drawn = [copied(batch) for batch in self.batches]
        return self._drawn

    def __iter__(self) -> Iterator[Batch]:
        drawn, self._drawn = self._drawn, None
        yield from self.batches if drawn is None else drawn

    def get_state(self) -> State:
        """Return the position in the stream: before the batches that were only looked at."""
        return self.batches.get_state() if self._drawn is None else self._state

    def set_state(self, state: State) -> None:
        """Go on from where `get_state` was."""
        self._drawn = None
        self.batches.set_state(state)

    def describe(self) -> object:
        """Return the shapes of the data."""
        return self.batches.describe()


class Reads(Protocol):
    """A trainer, as this module uses it."""

    batches: Batches
    undo: Undo
    options: Options
    team: Team


class Scales:
    """The measured parameters of a network.

    Parameters
    ----------
    graph : Graph
    criterion : Criterion
    """

    def __init__(self, graph: Graph, criterion: Criterion):
        self.graph, self.border = graph, criterion.border
        layers = [layer for layer in graph.layers if isinstance(layer, Standardize)]
        self.jobs = [
            _Job(Measured(layer), self._input_of(layer), layer.center, layer.scale)
            for layer in layers
        ]
        if graph.units is not None:
            self.jobs.append(_Job(graph.units.measured, self.border.target, is_target=True))

    def _input_of(self, layer: Standardize) -> Field:
        (source,) = self.graph.plan.sources[layer.name]
        names = [variable.name for variable in self.graph.inputs]
        return self.border.inputs[names.index(source.partition(':')[0])]

    def measure(self, trainer: Reads) -> None:
        """Measure what is not known yet in the training data of a trainer.

        Raises
        ------
        DataError
            If the squares of numbers overflow.
        """
        if any(not job.measured.known for job in self.jobs):
            params = [p for job in self.jobs for p in job.measured.params]
            trainer.undo.add(*[partial(p.set_value, p.get_value()) for p in params])
            same = hasattr(_holder(trainer).batches, 'arrays') and not trainer.options.shard
            team = ALONE if same else trainer.team
            self._measure(self.jobs, self.border.fields, _batches(trainer), team)

    def measure_inputs(self, arrays: Sequence[np.ndarray]) -> None:
        """Measure what is not known yet of the inputs, in the inputs and masks alone."""
        fields = [*self.border.inputs, *self.border.masks]
        self._measure([job for job in self.jobs if not job.is_target], fields, [arrays])

    def check_known(self, where: str) -> None:
        """Raise a ConfigError if something is not known yet."""
        for job in self.jobs:
            layer = job.measured.layer
            if not (job.measured.known or job.is_target):
                raise ConfigError(
                    f'{where}: mean and deviation of layer {layer.name!r} are not known yet; pass '
                    f'arrays, train with another algo before, or set them: net.set({layer.name!r}, '
                    f"'mean', ...), net.set({layer.name!r}, 'deviation', ...)"
                )

    def _measure(
        self,
        jobs: Sequence['_Job'],
        fields: Sequence[Field],
        batches: Iterable[Sequence[np.ndarray]],
        team: Team = ALONE,
    ) -> None:
        """Measure what is not known yet for some jobs, in the data of all processes."""
        jobs = [job for job in jobs if not job.measured.known]
        moments = [Moments(job.field.size) for job in jobs]
        for batch in batches:
            arrays = dict(zip([field.name for field in fields], batch, strict=True))
            for job, found in zip(jobs, moments, strict=True):
                rows, weights = self._rows(job, arrays)
                found.add(rows, weights)
        first, *others = team.gather('means and deviations', moments)
        for part in others:
            for ours, theirs in zip(first, part, strict=True):
                ours.join(theirs)
        for job, found in zip(jobs, first, strict=True):
            if found.weight.any():
                job.take(found)

    def _rows(self, job: '_Job', arrays: Arrays) -> tuple[np.ndarray, np.ndarray | None]:
        """Return an array as rows, and how much each of them, or each number, counts."""
        array = arrays[job.field.name]
        rows = array.reshape(-1, job.field.size)
        real = self._real(job.field, arrays)
        weights = self._weights(arrays) if job.is_target else None
        if weights is not None:
            weights = weights if real is None else weights * real[..., None]
            return rows, weights.reshape(rows.shape)
        counts = None if job.is_target else self._counts(arrays)
        if counts is not None:  # the same at all steps
            real = np.broadcast_to(counts, array.shape[:-1]) * (1 if real is None else real)
        if job.field.missing:  # what is missing does not count
            there = ~np.isnan(rows)
            return rows, there if real is None else there * real.reshape(-1, 1)
        return rows, None if real is None else real.reshape(-1)

    def _real(self, field: Field, arrays: Arrays) -> np.ndarray | None:
        """Return which steps of an array are real, (T, B), if it has a mask."""
        masks = [arrays[m.name] != 0 for m in self.border.masks if m.clock == field.clock]
        return masks[0] if masks else None

    def _weights(self, arrays: Arrays) -> np.ndarray | None:
        """Return the weights of the first target, of its shape, if it has any."""
        own = [field for field in self.border.weights if field.of == self.border.target.name]
        return arrays[own[0].name] if own else None

    def _counts(self, arrays: Arrays) -> np.ndarray | None:
        """Return how often each example counts: its largest weight; None if all count once."""
        border = self.border
        weighted = len(border.weights) == len(border.targets)
        if not weighted or border.weights[0].name not in arrays:  # only inputs are known
            return None
        largest = []
        for field in border.weights:
            weights, real = arrays[field.name], self._real(field, arrays)
            if real is not None:
                weights = np.where(real if weights.ndim == 2 else real[..., None], weights, 0)
            others = tuple(k for k in range(weights.ndim) if k != field.batch_axis)
            largest.append(weights.max(axis=others))
        return np.max(largest, axis=0).astype('float64')


class _Job:
    """Measured parameters of one array of a batch."""

    def __init__(
        self,
        measured: Measured,
        field: Field,
        center: bool = True,
        scale: bool = True,
        is_target: bool = False,
    ):
        self.measured, self.field, self.is_target = measured, field, is_target
        self.center, self.scale = center, scale

    def take(self, moments: Moments) -> None:
        """Give the parameters their values.

        Raises
        ------
        DataError
            If one is not finite.
        """
        mean, deviation = moments.mean, moments.deviation()
        odd = ~(np.isfinite(mean) & np.isfinite(deviation))
        if odd.any():
            raise DataError(
                f'train: {self.field.name} has numbers in feature {int(np.argmax(odd))} that are '
                f'too large to measure their deviation; divide them by a constant'
            )
        measured = self.measured
        if self.center:
            measured.mean.set_value(mean.astype(measured.mean.dtype))
        if self.scale:
            cast = deviation.astype(measured.deviation.dtype)
            cast[cast < np.finfo(cast.dtype).tiny] = 1  # kernels take smaller numbers for 0
            measured.deviation.set_value(cast)
        measured.known = True


def _holder(trainer: Reads) -> Any:
    """Return what has the batches as an attribute."""
    return trainer.batches if isinstance(trainer.batches, Followed) else trainer


def _batches(trainer: Reads) -> Iterable[Sequence[np.ndarray]]:
    """Return all training data; of data that are drawn, the batches of the first epoch."""
    holder = _holder(trainer)
    batches = holder.batches
    if hasattr(batches, 'arrays'):
        return [batches.arrays]
    if hasattr(batches, 'scan'):  # they are on disk
        return batches.scan()
    holder.batches = ahead = Ahead(batches)
    return ahead.look()
