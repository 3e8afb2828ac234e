"""Mini-batches of a training: shuffled, bucketed by length, or as windows in order."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from rnnkit.data import datasets
from rnnkit.data.border import Border
from rnnkit.data.passes import Passes, makes_batches, makes_new_batches
from rnnkit.data.share import WHOLE
from rnnkit.data.stored import holds_stored
from rnnkit.data.windows import Windows
from rnnkit.errors import ConfigError
from rnnkit.parallel import ALONE, Team
from rnnkit.training.carried_state import Carry, Followed
from rnnkit.training.options import Options
from rnnkit.training.protocols import Batch, Batches, Data
from rnnkit.training.trainer import Seed

if TYPE_CHECKING:
    from rnnkit.data.blocks import Blocks
    from rnnkit.data.stored_windows import StoredWindows

BPTT_STEPS = 100  # the default length of a window


class Batching:
    """Makes mini-batches of the training and the validation data.

    Parameters
    ----------
    border : Border
    options : Options
    carries : tuple of Carry, or None
        They carry the hidden state in training, and in a validation.
    where : str
        The call, for messages.
    team : Team
        The processes that share the batches.

    Attributes
    ----------
    train_pieces : iterable of batches
        All training data, as the border has read them, if they are arrays; else none.
    whole : dict of str to batch
        By ``'train'`` and ``'valid'``: the same, where all are in memory.
    """

    def __init__(
        self,
        border: Border,
        options: Options,
        carries: tuple[Carry, Carry] | None,
        where: str,
        team: Team = ALONE,
    ):
        self.border, self.options, self.carries = border, options, carries
        self.where, self.team = where, team
        self.train_pieces: Iterable[Sequence[np.ndarray]] = ()
        self.whole: dict[str, Sequence[np.ndarray]] = {}

    def __call__(
        self, train: Data, valid: Data | None, seed: Seed
    ) -> tuple[Batches, Iterable[Batch]]:
        """Return the batches of training, and those of validation, which stay the same.

        Raises
        ------
        ConfigError
            If an option cannot be combined with the data.
        ShapeError, DataError
            If an array is not usable.
        """
        options = self.options
        self._check(train, valid)
        batches = self._build(train, 'train', options.train_batches, seed)
        if holds_stored(train):
            self.train_pieces = batches.scan()
        elif 'train' in self.whole:
            self.train_pieces = [self.whole['train']]
        if valid is None:
            validation = batches.in_order(options.valid_batches)
        else:
            validation = self._build(valid, 'valid', options.valid_batches, seed)
        validation = datasets.frozen(validation)
        if self.carries is None:
            return batches, validation
        in_training, in_validation = self.carries
        return (
            Followed(batches, in_training, anew=False, team=self.team),
            Followed(validation, in_validation, anew=True, team=self.team),
        )

    def _check(self, train: Data, valid: Data | None) -> None:
        options, where = self.options, self.where
        kind = 'a callable' if callable(train) else 'an iterable'
        if options.bucket and makes_batches(train):
            raise ConfigError(
                f'{where}: bucket=True sorts arrays or a list of sequences; {kind} makes its own '
                f'batches'
            )
        if options.bucket and not self.border.masks:
            raise ConfigError(
                f'{where}: bucket=True sorts sequences by length, which needs a network with '
                f'masked=True'
            )
        fixed = [field for field in self.border.fields if field.steps and field.has_time]
        if options.bucket and fixed:
            raise ConfigError(
                f'{where}: bucket=True cuts batches to their longest sequence; {fixed[0].name} '
                f'always has {fixed[0].steps} time steps'
            )
        if options.shard and options.carry_state and options.batch_size is not None:
            raise ConfigError(
                f'{where}: with shard=True and carry_state=True each rank trains on all its series '
                f'side by side; leave batch_size out'
            )
        if options.bptt_steps and makes_batches(train) and (valid is None or makes_batches(valid)):
            raise ConfigError(
                f'{where}: bptt_steps cuts arrays into windows; {kind} makes its own batches'
            )
        new = makes_new_batches(train) and not callable(train)
        known = options.valid_batches or not options.train_batches
        if new and valid is None and not known:
            raise ConfigError(
                f'{where}: validation takes batches of the same iterator as training; say how '
                f'many, valid_batches=10, or pass validation data'
            )

    def _build(
        self, data: Data, where: str, n: int | None, seed: Seed
    ) -> 'datasets.Arrays | datasets.Stream | Windows | Passes | Blocks | StoredWindows':
        if holds_stored(data):
            return self._build_stored(data, where, n, seed)
        axes = [field.batch_axis for field in self.border.fields]
        if self.team.rank and callable(data):  # each process draws batches of its own
            seed = [*np.atleast_1d(0 if seed is None else seed).tolist(), self.team.rank]
        built = datasets.build(
            data,
            self.border.read_batch,
            axes,
            where,
            self.options.batch_size,
            n,
            seed,
            self._make,
            purpose=where,
        )
        if isinstance(built, datasets.Arrays | Windows):
            self.whole[where] = built.arrays
        return built

    def _build_stored(
        self, data: Data, where: str, n: int | None, seed: Seed
    ) -> 'Blocks | StoredWindows':
        """Return batches of data on disk."""
        # Only trainings on such data load what reads them.
        from rnnkit.data.blocks import Blocks
        from rnnkit.data.examples import Examples
        from rnnkit.data.stored_windows import StoredWindows

        options, training = self.options, where == 'train'
        examples, size = Examples(self.border, data, where), options.batch_size
        share = WHOLE if options.shard else self.team.share
        if options.carry_state:
            steps = options.bptt_steps or BPTT_STEPS
            return StoredWindows(examples, steps, size, n, anew=not training, share=share)
        if options.shard:  # with fewer batches in a pass, an epoch goes on with the next one
            cuts = self._cuts(examples.n, size)
            size, n = -(-examples.n // cuts), (n or cuts) if training else n
        shuffled = seed if training else None
        return Blocks(examples, size, n, shuffled, bucket=options.bucket, share=share)

    def _make(
        self,
        arrays: Sequence[np.ndarray],
        axes: Sequence[int],
        batch_size: int | None,
        n: int | None,
        seed: Seed,
    ) -> datasets.Arrays | Windows:
        fields, shard = self.border.fields, self.options.shard
        share = WHOLE if shard else self.team.share
        if self.options.carry_state:
            steps = self.options.bptt_steps or BPTT_STEPS
            times = [field.time_axis for field in fields]
            return Windows(arrays, axes, times, steps, batch_size, n, share)
        cuts = self._cuts(arrays[0].shape[axes[0]], batch_size) if shard else None
        make = partial(datasets.Arrays, arrays, axes, batch_size, n, seed, share=share, n_cuts=cuts)
        if not self.options.bucket:
            return make()
        masks = {field.clock: k for k, field in enumerate(fields) if field.kind == 'mask'}
        return make(bucket=True, masks=[masks.get(field.clock) for field in fields])

    def _cuts(self, n: int, batch_size: int) -> int:
        """Return into how many batches each process cuts its examples, of which `n` are here."""
        every = self.team.gather('the examples of each rank', n)
        cuts = -(-sum(every) // batch_size)
        if min(every) < cuts:
            rank = every.index(min(every))
            raise ConfigError(
                f'{self.where}: rank {rank} has {min(every)} examples, fewer than the {cuts} '
                f'batches of an epoch; divide the data evenly among the ranks, or make '
                f'batch_size larger'
            )
        return cuts
