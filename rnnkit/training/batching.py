"""How the data of a training become batches: shuffled, by length, or in windows in order."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from rnnkit.data import datasets
from rnnkit.data.border import Border
from rnnkit.data.windows import Windows
from rnnkit.errors import ConfigError
from rnnkit.training.carried_state import Carry, Followed
from rnnkit.training.options import Options

BPTT_STEPS = 100  # steps in a window, unless told otherwise


class Batching:
    """Makes batches as the options of a training want them.

    Parameters
    ----------
    border : Border
    options : Options
    carries : tuple of Carry, or None
        What carries the state in training, and in a validation.
    where : str
        The call, for messages.
    """

    def __init__(
        self, border: Border, options: Options, carries: tuple[Carry, Carry] | None, where: str
    ):
        self.border, self.options, self.carries = border, options, carries
        self.where = where

    def __call__(self, train: Any, valid: Any, seed: Any) -> tuple[Any, Any]:
        """Return the batches to train with, and those to validate with, which stay the same.

        Raises
        ------
        ConfigError
            If an option does not go with the data.
        ShapeError, DataError
            If an array is not usable.
        """
        options = self.options
        self._check(train, valid)
        batches = self._build(train, 'train', options.train_batches, seed)
        if valid is None:
            tested = batches.in_order(options.valid_batches)
        else:
            tested = self._build(valid, 'valid', options.valid_batches, seed)
        tested = datasets.frozen(tested)
        if self.carries is None:
            return batches, tested
        training, validation = self.carries
        return Followed(batches, training, anew=False), Followed(tested, validation, anew=True)

    def _check(self, train: Any, valid: Any) -> None:
        options, where = self.options, self.where
        if options.bucket and callable(train):
            raise ConfigError(
                f'{where}: bucket=True sorts arrays, or a list of sequences; a callable makes its '
                f'own batches'
            )
        if options.bucket and not self.border.masks:
            raise ConfigError(
                f'{where}: bucket=True sorts sequences by their lengths, which are known in a '
                f'network with masked=True'
            )
        fixed = [field for field in self.border.fields if field.steps and field.has_time]
        if options.bucket and fixed:
            raise ConfigError(
                f'{where}: bucket=True cuts batches to the longest of their sequences; '
                f'{fixed[0].name} always has {fixed[0].steps} time steps'
            )
        if options.bptt_steps and callable(train) and (valid is None or callable(valid)):
            raise ConfigError(
                f'{where}: bptt_steps cuts arrays into windows; a callable makes its own batches'
            )

    def _build(self, data: Any, where: str, n: int | None, seed: Any) -> Any:
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

    def _make(
        self,
        arrays: Sequence[np.ndarray],
        axes: Sequence[int],
        batch_size: int | None,
        n: int | None,
        seed: Any,
    ) -> Any:
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
