"""A training that several processes make ready together."""

from typing import Any, NamedTuple

import numpy as np
import pytensor

from rnnkit.common.spelling import brief
from rnnkit.data.blocks import Blocks
from rnnkit.data.border import Border
from rnnkit.data.stored_windows import StoredWindows
from rnnkit.errors import ConfigError, RnnkitError
from rnnkit.losses.base import name_of
from rnnkit.parallel import Team
from rnnkit.training import agreement
from rnnkit.training.checkpoints import plain, settings
from rnnkit.training.options import TrainingConfig
from rnnkit.training.protocols import Batch
from rnnkit.training.trainer import Trainer

# Options that the first process alone needs, and those of which it is enough that all have some.
OWN = ('callbacks', 'progress', 'verbose', 'comm', 'checkpoint', 'resume')
OTHER = ('seed', 'columns')  # parts of a spec that may differ
PATHS = ('checkpoint', 'resume')
DATA = 'the shapes of the data'
MOST = 100  # numbers of each array that are compared


class Glimpse(NamedTuple):
    """The part of some data that is compared between processes.

    Attributes
    ----------
    kind : str
    shapes : list of list of int
        Of all arrays.
    numbers : list of arrays
        Some of each array.
    """

    kind: str
    shapes: list[list[int]]
    numbers: list[np.ndarray]


def check(net: Any, config: TrainingConfig) -> None:
    """Raise a ConfigError if updates by this rule, or of these losses, cannot be shared.

    With `comm` it is raised in a single process, too: a program that is tried there is meant for
    several.
    """
    where, rule = config.where, config.rule
    if rule.full_batch or 'curvature' in rule.reads:
        raise ConfigError(
            f'{where}: comm cannot be used with algo {config.algo!r}, whose updates need more than '
            f"the gradient of a batch; choose another one, such as algo='adam'"
        )
    for term in net.losses:
        if term.loss.of_batch:
            raise ConfigError(
                f'{where}: comm cannot be used with the loss {name_of(term.loss)!r}, which '
                f'measures a batch as a whole, and not example by example; leave comm out'
            )
    mode = str(pytensor.config.mode)
    if 'JAX' in mode.upper():
        raise ConfigError(
            f'{where}: comm is for kernels on CPUs; PyTensor compiles for {mode}: leave comm out, '
            f'or set pytensor.config.mode to another backend'
        )


def agree(net: Any, config: TrainingConfig, team: Team) -> None:
    """Make sure that all processes train the same network by the same options.

    Called before anything else is said: what that is depends on the options.

    Raises
    ------
    ConfigError
        In all processes, if something differs.
    """
    if team.size == 1:
        return
    options = {name: value for name, value in vars(config.options).items() if name not in OWN}
    agreement.check(
        config.where,
        team,
        {
            **agreement.VERSIONS,
            'the call': config.where,
            'the network': _spec(net),
            'the parameters': [
                [p.name, *p.get_value(borrow=True).shape, p.dtype] for p in net.params
            ],
            'algo': config.algo,
            **plain({**options, **config.rule.switched, **config.hyperparameters, **config.terms}),
            **{name: vars(config.options)[name] and 'a path' for name in PATHS},
        },
    )


def _spec(net: Any) -> object:
    """Return a description of a network, without its seed, which only the first one uses."""
    try:
        return plain({name: part for name, part in net.to_spec().items() if name not in OTHER})
    except RnnkitError:  # of a function, which no file can hold
        return [brief(layer) for layer in net.layers]


def join(net: Any, border: Border, trainer: Trainer, config: TrainingConfig) -> None:
    """Make sure that all processes have data of the same kind, and connect their updates.

    Raises
    ------
    ConfigError
        In all processes, if something differs.
    """
    team, first = trainer.team, border.fields[0]

    def count(batch: Batch) -> int:
        return batch[0].shape[first.batch_axis]

    if not config.options.shard:
        for batches in (trainer.batches, trainer.validation.batches):
            _check_data(config.where, team, batches)
    facts = {
        'the classes': None if net._classes is None else plain(net._classes.names),
        DATA: settings(config, trainer.batches, team)[DATA],
        'the number of batches': getattr(trainer.batches, 'n_batches', None),
        'validation data': trainer.validation.held_out,
    }
    agreement.check(config.where, team, facts)
    trainer.step.join(team, count)


def _check_data(where: str, team: Team, batches: object) -> None:
    """Raise a ConfigError if data of which each process takes a share differ between them.

    Shapes and a few numbers are compared, which tells parts of the data from the whole.
    """
    first, *others = team.gather('a glimpse of the data', _glimpse(batches))
    for rank, other in enumerate(others, 1):
        if first.kind != other.kind:
            raise ConfigError(
                f'{where}: rank 0 was given {first.kind}, and rank {rank} {other.kind}; all ranks '
                f'must have data of the same kind'
            )
        if first.shapes == other.shapes and all(map(_alike, first.numbers, other.numbers)):
            continue
        more = 'different numbers'
        if first.shapes != other.shapes:
            more = f'arrays of shapes {brief(first.shapes)} and {brief(other.shapes)}'
        raise ConfigError(
            f'{where}: rank 0 and rank {rank} were given {more}; all ranks must have the same '
            f'data, of which each takes its share of every batch. If each has a part of them, '
            f'write shard=True'
        )


def _alike(ours: np.ndarray, theirs: np.ndarray) -> bool:
    # Unlike processors may have rounded apart.
    return ours.shape == theirs.shape and np.allclose(
        ours, theirs, rtol=1e-3, atol=1e-6, equal_nan=True
    )


def _glimpse(batches: Any) -> Glimpse:
    """Return the kind of data; of arrays shapes and some numbers of the first and last example."""
    while batches is not None and not hasattr(batches, 'arrays'):
        if isinstance(batches, Blocks | StoredWindows):
            return Glimpse('data on disk', batches.describe(), [*map(_some, _ends(batches))])
        batches = getattr(batches, 'batches', getattr(batches, 'dataset', None))
    if batches is None:  # each process has batches of its own
        return Glimpse('a callable or an iterable', [], [])
    ends = [a.take([0, -1], axis) for a, axis in zip(batches.arrays, batches.axes, strict=True)]
    return Glimpse('arrays', batches.describe(), [*map(_some, ends)])


def _some(array: np.ndarray) -> np.ndarray:
    """Return at most `MOST` numbers of an array."""
    flat = np.asarray(array, 'float64').ravel()
    return flat[:: 1 + len(flat) // MOST]


def _ends(batches: Blocks | StoredWindows) -> list[np.ndarray]:
    """Return the first and the last example of data on disk; of long series, their beginning."""
    examples, time = batches.examples, None
    if isinstance(batches, StoredWindows):
        time = slice(0, batches.steps)
    numbers = np.unique([0, examples.n - 1])
    return examples.batch(examples.load(numbers, time=time), numbers, time, empty=True)
