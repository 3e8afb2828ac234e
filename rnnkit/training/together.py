"""A training that several processes make ready together."""

from collections.abc import Sequence
from typing import Any

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

Glimpse = tuple[list[int], np.ndarray]


def check(net: Any, config: TrainingConfig) -> None:
    """Raise a ConfigError if updates by this rule, or of these losses, cannot be shared.

    Raised for a single process, too: a program that is tried on one is meant for several.
    """
    where, rule = config.where, config.rule
    if config.options.comm is None:
        return
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
    (kind, first), *others = team.gather('a glimpse of the data', _glimpse(batches))
    for rank, (other_kind, other) in enumerate(others, 1):
        if kind != other_kind:
            raise ConfigError(
                f'{where}: rank 0 was given {kind}, and rank {rank} {other_kind}; all ranks must '
                f'have data of the same kind'
            )
        if len(other) == len(first) and all(map(_alike, first, other)):
            continue
        shapes, more = [[shape for shape, _ in one] for one in (first, other)], 'other numbers'
        if shapes[0] != shapes[1]:
            more = f'arrays of shapes {brief(shapes[0])} and {brief(shapes[1])}'
        raise ConfigError(
            f'{where}: rank 0 and rank {rank} were given {more}; all ranks must have the same '
            f'data, of which each takes its share of every batch. If each has a part of them, '
            f'write shard=True'
        )


def _alike(ours: Glimpse, theirs: Glimpse) -> bool:
    if ours[0] != theirs[0] or ours[1].shape != theirs[1].shape:
        return False
    # Unlike processors may have rounded apart.
    return np.allclose(ours[1], theirs[1], rtol=1e-3, atol=1e-6, equal_nan=True)


def _glimpse(batches: Any) -> tuple[str, list[Glimpse]]:
    """Return the kind of data; of arrays shapes and some numbers of the first and last example."""
    while batches is not None and not hasattr(batches, 'arrays'):
        if isinstance(batches, Blocks | StoredWindows):
            return 'data on disk', _paired(batches.describe(), _ends(batches))
        batches = getattr(batches, 'batches', getattr(batches, 'dataset', None))
    if batches is None:  # of a callable or an iterable: each process has batches of its own
        return 'a callable or an iterable', []
    ends = [a.take([0, -1], axis) for a, axis in zip(batches.arrays, batches.axes, strict=True)]
    return 'arrays', _paired(batches.describe(), ends)


def _paired(shapes: Sequence[list[int]], arrays: Sequence[np.ndarray]) -> list[Glimpse]:
    """Return shapes with some numbers of arrays."""
    flat = [np.asarray(array, 'float64').ravel() for array in arrays]
    return [(s, a[:: 1 + len(a) // MOST]) for s, a in zip(shapes, flat, strict=True)]


def _ends(batches: Blocks | StoredWindows) -> list[np.ndarray]:
    """Return the first and the last example of data on disk; of long series, their beginning."""
    examples, time = batches.examples, None
    if isinstance(batches, StoredWindows):
        time = slice(0, batches.steps)
    numbers = np.unique([0, examples.n - 1])
    return examples.batch(examples.load(numbers, time=time), numbers, time, empty=True)
