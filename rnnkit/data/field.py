"""One array of a batch: its name, its axes, and what it may contain."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from rnnkit.data.arrays import Index, Numbers, as_numbers, first_of, fit, misfit
from rnnkit.data.classes import Encoded, is_placeholder
from rnnkit.data.frames import listed
from rnnkit.data.ragged import TURNED
from rnnkit.errors import DataError, ShapeError

GAPS = (
    'fill missing values, such as by interpolate() or fillna() of pandas, or read them by a layer '
    "'grud'"
)


class Naming(Protocol):
    """The names of the classes of a target, such as `rnnkit.data.classes.Classes`."""

    plain: bool  # whether labels are the numbers of classes themselves

    def encode(self, where: str, value: object) -> Encoded:
        """Return labels as numbers of classes."""

    def refusal(self, label: object, owner: str) -> str:
        """Say what is wrong with a label that is not one of the classes."""


@dataclass(frozen=True)
class Field:
    """One array of a batch.

    Attributes
    ----------
    name : str
        The user's name of it: ``'x'``, ``'y'``, ``'mask'``...
    kind : {'numbers', 'words', 'labels', 'weights', 'mask'}
    axes : tuple of str
        The names of its axes, in the user's order: ``('time', 'batch', 'features')``.
    size : int
        The number of features, tokens or classes.
    owner : str
        The layer that has this size, for messages.
    clock : str or None
        The layer whose time axis it has.
    dtype : str
        The dtype that it is converted to.
    steps : int or None
        The number of time steps that it must have; None for any number.
    least : int
        The least number of time steps.
    origin : str or None
        The time axis that its own is computed from, such as by a convolution.
    steps_after : callable or None
        Its number of steps, from that of `origin`.
    check : callable or None
        ``check(where, array)`` raises a DataError for values that make no sense.
    of : str
        For weights, the name of the target that they belong to.
    hides : bool
        For weights, whether a target of weight 0 counts for nothing.
    by_row : bool
        For a target, whether a loss compares whole rows: then it counts where any of its row does.
    is_target : bool
    missing : bool
        Whether NaN is a value that is missing, which the network knows how to treat.
    times_of : str
        The layer that reads it as the time since the step before; such times are at least 0.
    classes : Naming or None
        For labels, the names of the classes, if the user knows them by names.
    """

    name: str
    kind: str
    axes: tuple[str, ...]
    size: int
    owner: str
    clock: str | None
    dtype: str
    steps: int | None = None
    least: int = 1
    origin: str | None = None
    steps_after: Callable[[int], int] | None = None
    check: Callable[[str, np.ndarray], None] | None = None
    of: str = ''
    hides: bool = True
    by_row: bool = False
    is_target: bool = False
    missing: bool = False
    times_of: str = ''
    classes: Naming | None = None

    @cached_property
    def has_features(self) -> bool:
        """Whether the last axis counts features."""
        return self.axes[-1] == 'features'

    @cached_property
    def has_time(self) -> bool:
        """Whether there is a time axis."""
        return 'time' in self.axes

    @cached_property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.axes)

    @cached_property
    def batch_axis(self) -> int:
        """The axis that counts examples, inside the library."""
        return int(self.has_time)

    @cached_property
    def time_axis(self) -> int | None:
        """The axis that counts time steps, inside the library, or None."""
        return 0 if self.has_time else None

    def is_ready(self, array: object) -> bool:
        """Return whether an array needs no conversion, and no error shows without the others."""
        if not (
            type(array) is np.ndarray
            and array.ndim == self.ndim
            and array.dtype == self.dtype
            and array.size
            and array.flags.c_contiguous
        ):
            return False
        if self.has_features and array.shape[-1] != self.size:
            return False
        if self.steps not in (None, array.shape[0]) or (self.has_time and len(array) < self.least):
            return False
        if self.kind in ('words', 'labels'):
            named = self.classes is not None and not self.classes.plain
            return not named and array.min() >= 0 and array.max() < self.size
        if self.kind == 'mask':
            return True  # `has_real_steps` checks its values, when its axes are known
        # Counting takes half the time of `all`.
        if np.count_nonzero(np.isfinite(array)) < array.size and not (
            self.missing and not np.isinf(array).any()
        ):
            return False
        if self.times_of and array.min() < 0:
            return False
        if self.check and self.kind == 'numbers':
            try:
                self.check(self.name, array)
            except DataError:  # unless these targets do not count
                return False
        return self.kind != 'weights' or not _improper(array, array).any()

    def read(self, where: str, value: object) -> np.ndarray:
        """Convert what the user passed to an array, and check what can be checked without others.

        Parameters
        ----------
        where : str
            The call, for messages.
        value : array_like

        Raises
        ------
        ShapeError, DataError
        """
        where = f'{where}: {self.name}'
        numbers = as_numbers(where, value)
        self.check_shape(where, numbers)
        return self.values(where, numbers)

    def check_shape(self, where: str, numbers: Numbers, examples: int | None = None) -> None:
        """Check axes, features and steps; those of weights follow from their target.

        Parameters
        ----------
        where : str
            The call and the name, for messages.
        numbers : Numbers
        examples : int, optional
            The number of examples of the inputs, if it is known.
        """
        array = numbers.array
        if self.kind == 'weights':
            return
        wrong = array.ndim != self.ndim
        if wrong or (self.kind == 'words' and self.has_time and is_frame(numbers)):
            raise wrong_axes(self, where, numbers, examples)
        if self.has_features and array.shape[-1] != self.size:
            if is_frame(numbers):
                raise wrong_columns(self, where, numbers)
            raise ShapeError(
                f'{where} has {array.shape[-1]} features (its last axis, shape {numbers.shape}); '
                f'{self.owner} has {self.size}{self._turned(numbers)}'
            )
        if self.has_time:
            self._check_steps(where, numbers)

    def _turned(self, numbers: Numbers) -> str:
        """Return a hint if sequences of a list seem to be (features, steps)."""
        if not numbers.listed or self.is_target or not self.has_time:
            return ''
        steps = numbers.array.shape[self.axes.index('time')]
        return f'; {TURNED}' if steps == self.size else ''

    def values(
        self,
        where: str,
        numbers: Numbers,
        counts: np.ndarray | None = None,
        hint: str = '',
        blank: bool = False,
    ) -> np.ndarray:
        """Convert numbers of the right shape, and check the values that count.

        Parameters
        ----------
        where : str
            The call and the name, for messages.
        numbers : Numbers
        counts : array of bool of the same shape, optional
            Which values count. All others may be anything; those that cannot be used become 0, in
            a copy.
        hint : str
            For messages: what may be meant where a value counts and cannot be used.
        blank : bool
            Whether all values that do not count become 0.
        """
        array, bad = fit(numbers, self.dtype)
        if self.missing and bad is not None:
            bad = bad & ~np.isnan(array)
            bad = bad if bad.any() else None
        wrong = self._wrong(array, numbers.array)
        if bad is not None or wrong is not None:
            either = bad if wrong is None else wrong if bad is None else bad | wrong
            counted = either if counts is None else either & counts
            if counted.any():
                index = first_of(counted)
                if bad is not None and bad[index]:
                    if np.isnan(array[index]) and self.kind == 'numbers' and not self.is_target:
                        hint += f'; {GAPS}'
                    raise misfit(where, numbers, index, self.dtype, hint)
                raise self._error(where, numbers, array, index, hint)
            array = np.where(either, np.zeros((), array.dtype), array)
        if blank and counts is not None and array[~counts].any():
            array = np.where(counts, array, np.zeros((), array.dtype))
        if self.check and self.kind == 'numbers':
            self._check_targets(where, array, counts)
        return array

    def _check_targets(self, where: str, array: np.ndarray, counts: np.ndarray | None) -> None:
        """Check the targets that count, as the losses do."""
        if counts is None:
            self.check(where, array)
        elif self.by_row and counts.any():
            self.check(where, array[counts.any(axis=-1)])
        elif counts.any():
            # In the same shape, with a value that counts in place of those that do not.
            self.check(where, np.where(counts, array, array[counts][0]))

    def _wrong(self, array: np.ndarray, given: np.ndarray) -> np.ndarray | None:
        """Return which values cannot be used although they fit the dtype, or None."""
        if self.kind in ('words', 'labels'):
            wrong = (array < 0) | (array >= self.size)
        elif self.kind == 'weights':
            wrong = _improper(array, given)
        elif self.kind == 'mask':
            wrong = ~((array == 0) | (array == 1))
        elif self.times_of:
            wrong = array < 0
        else:
            return None
        return wrong if wrong.any() else None

    def _error(
        self, where: str, numbers: Numbers, array: np.ndarray, index: Index, hint: str
    ) -> DataError:
        value, (name, place) = array[index], numbers.place(where, index)
        if self.kind == 'mask':
            return DataError(
                f'{name} contains {value}; it is True, or 1, where a step is real, and else False, '
                f'or 0; this is at {place}'
            )
        if self.times_of:
            return DataError(
                f'{name} contains {value} at {place}; layer {self.times_of!r} reads it as the time '
                f'since the step before, which is at least 0: sort the steps by time, and pass '
                f'differences, np.diff(t, axis=0, prepend=start){hint}'
            )
        if self.kind == 'weights' and value < 0:
            return DataError(f'{name} contains {value}; a weight is at least 0; this is at {place}')
        if self.kind == 'weights':
            tiny = np.finfo(self.dtype).tiny
            least = f'a weight is 0, or at least {tiny:.2g}'
            if numbers.array.max() < tiny**0.5:
                least = f'the largest weight must be at least {tiny**0.5:.2g}'
            return DataError(
                f'{name} contains {numbers.array[index]} at {place}, which underflows in '
                f'{self.dtype}; {least}: multiply all weights by one number'
            )
        if self.classes is not None:
            label = numbers.unknown[value - self.size] if numbers.unknown else value
            wrong = self.classes.refusal(label, self.owner)
            return DataError(
                f'{name} {wrong}; this is at {place}{hint if is_placeholder(label) else ""}'
            )
        what = 'label' if self.kind == 'labels' else 'token'
        return DataError(
            f'{name} contains {what} {value}; {self.owner} has {self.size} units, so {what}s are 0 '
            f'to {self.size - 1}; this is at {place}{hint}'
        )

    def read_step(self, where: str, value: object) -> tuple[np.ndarray, Numbers]:
        """Convert a single time step, and return it with a time axis of 1, and as it was given.

        Of a single series, it may lack the axis that counts series.
        """
        where = f'{where}: {self.name}'
        step = replace(self, axes=tuple(axis for axis in self.axes if axis != 'time'))
        numbers = as_numbers(where, value)
        if self.has_features and self.size == 1 and numbers.array.ndim == 0:
            numbers = numbers.with_axis(0)
        if numbers.array.ndim == step.ndim - 1 and (
            not self.has_features or numbers.array.shape == (self.size,)
        ):
            numbers = numbers.with_axis(0)
        if numbers.array.ndim != step.ndim:
            raise ShapeError(
                f'{where} has {len(numbers.shape)} axes, shape {numbers.shape}; a single time step '
                f'is ({", ".join(step.axes)}){_step_hint(self, numbers)}'
            )
        step.check_shape(where, numbers)
        return step.values(where, numbers)[None], numbers

    def _check_steps(self, where: str, numbers: Numbers) -> None:
        steps = numbers.array.shape[self.axes.index('time')]
        if self.steps not in (None, steps):
            raise ShapeError(
                f'{where} has {steps} time steps, shape {numbers.shape}; this network has '
                f'{self.steps}'
            )
        if steps < self.least:
            raise ShapeError(
                f'{where} has {steps} time steps, shape {numbers.shape}; this network needs at '
                f'least {self.least}'
            )


def is_frame(numbers: Numbers) -> bool:
    """Return whether numbers are those of a frame."""
    return numbers.rows is not None and not numbers.listed and len(numbers.shape) == 2


def wrong_columns(field: Field, where: str, numbers: Numbers) -> ShapeError:
    """Return the error for a frame with another number of columns than a field has features."""
    n, size = numbers.shape[1], 1 if field.kind == 'words' else field.size
    hint = '' if field.is_target else _several_hint(field, numbers.shape, 'frame.to_numpy()')
    what = 'column of tokens' if field.kind == 'words' else 'feature'
    return ShapeError(
        f'{where} has {n} column{"s" * (n > 1)}, {listed(numbers.columns)}; '
        f'{field.owner} has {size} {what}{"s" * (size > 1)}{hint}'
    )


def wrong_axes(
    field: Field, where: str, numbers: Numbers, examples: int | None = None
) -> ShapeError:
    """Return the error for an array with another number of axes than a field has."""
    shape, axes = numbers.shape, ', '.join(field.axes)
    if field.kind == 'labels' and len(shape) == field.ndim + 1:
        hint = 'y[..., 0]' if shape[-1] == 1 else 'y.argmax(-1)'
        if is_frame(numbers):
            hint = 'y.squeeze("columns")' if shape[-1] == 1 else 'y.to_numpy().argmax(-1)'
        return ShapeError(
            f'{where} has shape {shape}; a classifier expects one label for each ({axes}): try '
            f'{hint}'
        )
    if field.has_time and not field.is_target and is_frame(numbers):
        return wrong_columns(field, where, numbers)
    what = 'a network with a recurrent layer' if field.clock else 'this network'
    if field.kind in ('weights', 'mask'):
        what = f'this network, for {field.kind},'
    return ShapeError(
        f'{where} has {len(shape)} axes, shape {shape}; {what} expects ({axes})'
        f'{_axes_hint(field, numbers, examples)}'
    )


def _axes_hint(field: Field, numbers: Numbers, examples: int | None) -> str:
    """Return what to do about an array with another number of axes."""
    shape = numbers.shape
    if field.kind == 'words' and len(shape) == field.ndim + 1:
        return '; an embedding reads tokens, not one-hot vectors: try x.argmax(-1)'
    single = [':' if axis == 'time' else 'None' for axis in field.axes]
    if len(shape) == 1 and field.ndim == 3 and field.size == 1:
        return f'; a single sequence of a single feature is array[{", ".join(single)}]'
    if len(shape) == 1 and field.ndim == 3 and shape[0] == field.size:
        return '; a single time step of a single sequence is array[None, None]'
    if len(shape) != field.ndim - 1:
        return ''
    if field.has_time and field.kind == 'numbers' and not field.is_target:
        return _several_hint(field, shape, 'array')
    ending = shape[1:] == (field.size,) if field.has_features else not shape[1:]
    if field.is_target and field.has_time and ending and shape[0] == examples:
        return (
            "; for one target for each sequence, and not for each step, put 'last' before the "
            'output layer'
        )
    fits = not field.has_features or shape[-1] == field.size
    if field.kind not in ('weights', 'mask') and fits and shape:
        # The examples are missing, as in a single series (T, I).
        at = [axis for axis in field.axes if axis != 'features'].index(_examples(field))
        index = '[:, None]' if at else '[None]'
        return f'; a single {"sequence" if field.has_time else "example"} is array{index}'
    if field.has_features:
        return '; a single feature needs an axis of its own: array[..., None]'
    return ''


def _several_hint(field: Field, shape: tuple[int, ...], array: str) -> str:
    """Return what an array of two axes may be that is not one series of a network's features."""
    time_first = field.axes[0] == 'time'
    if not field.has_time or (field.has_features and field.size > 1):
        return f'; one series is (time, features), of {field.size} features' * field.has_time
    if field.kind == 'words':
        return f'; for several series pass {array}'
    n, m = shape[::-1] if time_first else shape
    steps = '' if m > 1 else ' and one step'
    several = f'{n} series of one feature{steps} are {array}[:, :, None]'
    if n == 1:
        several = f'one series of one feature is {array}[:, :, None]'
    if shape[1] == 1:
        return f'; {several}; one series of {shape[0]} steps is {array}[None]'
    one = '[:, None, :]' if time_first else '[None]'
    return (
        f'; {several}; one series of {shape[1]} features is {array}{one}, in a network with '
        f'{shape[1]} inputs'
    )


def _step_hint(field: Field, numbers: Numbers) -> str:
    """Return what a time step without an axis of features may be."""
    if not field.has_features or len(numbers.shape) != 1:
        return ''
    if field.size == 1:
        return f'; one feature of {numbers.shape[0]} series is array[:, None]'
    return f'; that of one series has {field.size} features'


def _examples(field: Field) -> str:
    return 'batch' if 'batch' in field.axes else 'examples'


def _improper(weights: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Return which weights are negative, or so small that kernels take them for 0."""
    tiny = np.finfo(weights.dtype).tiny
    # Products of weights and errors underflow, too. Where the largest weight is small, all do.
    least = tiny if weights.max() >= tiny**0.5 else tiny**0.5
    return (weights < 0) | ((weights < least) & (given != 0))


Axes = tuple[str, str]  # the user's order of 'time' and 'batch'


def weights_of(target: Field, dtype: str, name: str = 'weights') -> Field:
    """Return the weights of a target."""
    changes = {'kind': 'weights', 'dtype': dtype, 'of': target.name}
    return replace(target, name=name, check=None, classes=None, **changes)
