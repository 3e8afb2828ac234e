"""Mini-batches of a training: shuffled, bucketed by length, or as windows in order."""

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np

from rnnkit.data import datasets
from rnnkit.data.blocks import Blocks
from rnnkit.data.border import Border
from rnnkit.data.examples import Examples
from rnnkit.data.passes import Passes, makes_batches, makes_new_batches
from rnnkit.data.stored import holds_stored
from rnnkit.data.stored_windows import StoredWindows
from rnnkit.data.windows import Windows
from rnnkit.errors import ConfigError
from rnnkit.training.carried_state import Carry, Followed
from rnnkit.training.options import Options
from rnnkit.training.protocols import Batch, Batches, Data
from rnnkit.training.trainer import Seed

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

    Attributes
    ----------
    train_pieces : iterable of batches
        All training data, as the border has read them, if they are arrays; else none.
    """

    def __init__(
        self, border: Border, options: Options, carries: tuple[Carry, Carry] | None, where: str
    ):
        self.border, self.options, self.carries = border, options, carries
        self.where = where
        self.train_pieces: Iterable[Sequence[np.ndarray]] = ()

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
        if isinstance(batches, Blocks | StoredWindows):
            self.train_pieces = batches.scan()
        elif isinstance(batches, datasets.Arrays | Windows):
            self.train_pieces = [batches.arrays]
        if valid is None:
            validation = batches.in_order(options.valid_batches)
        else:
            validation = self._build(valid, 'valid', options.valid_batches, seed)
        validation = datasets.frozen(validation)
        if self.carries is None:
            return batches, validation
        in_training, in_validation = self.carries
        return (
            Followed(batches, in_training, anew=False),
            Followed(validation, in_validation, anew=True),
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
    ) -> datasets.Arrays | datasets.Stream | Windows | Passes | Blocks | StoredWindows:
        if holds_stored(data):
            return self._build_stored(data, where, n, seed)
        axes = [field.batch_axis for field in self.border.fields]
        return datasets.build(
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

    def _build_stored(
        self, data: Data, where: str, n: int | None, seed: Seed
    ) -> Blocks | StoredWindows:
        """Return batches of data on disk."""
        options, training = self.options, where == 'train'
        examples = Examples(self.border, data, where)
        if options.carry_state:
            steps = options.bptt_steps or BPTT_STEPS
            return StoredWindows(examples, steps, options.batch_size, n, anew=not training)
        shuffled = seed if training else None
        return Blocks(examples, options.batch_size, n, shuffled, bucket=options.bucket)

    def _make(
        self,
        arrays: Sequence[np.ndarray],
        axes: Sequence[int],
        batch_size: int | None,
        n: int | None,
        seed: Seed,
    ) -> datasets.Arrays | Windows:
        fields = self.border.fields
        if self.options.carry_state:
            steps = self.options.bptt_steps or BPTT_STEPS
            times = [field.time_axis for field in fields]
            return Windows(arrays, axes, times, steps, batch_size, n)
        make = partial(datasets.Arrays, arrays, axes, batch_size, n, seed)
        if not self.options.bucket:
            return make()
        masks = {field.clock: k for k, field in enumerate(fields) if field.kind == 'mask'}
        return make(bucket=True, masks=[masks.get(field.clock) for field in fields])
