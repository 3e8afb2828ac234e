"""One array of a batch: its name, its axes, and what it may contain."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from rnnkit.data.arrays import as_array
from rnnkit.errors import DataError, ShapeError


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
            return array.min() >= 0 and array.max() < self.size
        if self.kind == 'mask':
            return True  # `has_real_steps` checks its values, when its axes are known
        if not np.isfinite(array).all():
            return False
        if self.check and self.kind == 'numbers':
            self.check(self.name, array)
        return self.kind != 'weights' or array.min() >= 0

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
        array = as_array(where, value, self.dtype)
        if self.kind != 'weights':  # weights may be broadcast to the shape of the target
            self._check_axes(where, array)
        if self.has_features and self.kind != 'weights' and array.shape[-1] != self.size:
            raise ShapeError(
                f'{where} has {array.shape[-1]} features (its last axis, shape {array.shape}); '
                f'{self.owner} has {self.size}'
            )
        if self.has_time and self.kind != 'weights':
            self._check_steps(where, array)
        if self.check and self.kind == 'numbers':
            self.check(where, array)
        if self.kind in ('words', 'labels'):
            self._check_whole(where, array)
        elif self.kind == 'weights' and array.min() < 0:
            raise DataError(f'{where} contains {array.min()}; a weight is at least 0')
        elif self.kind == 'mask' and not np.isin(array, (0, 1)).all():
            wrong = array[~np.isin(array, (0, 1))][0]
            raise DataError(
                f'{where} contains {wrong}; it is True, or 1, where a step is real, and else '
                f'False, or 0'
            )
        return array

    def read_step(self, where: str, value: object) -> np.ndarray:
        """Convert a single time step, and return it with a time axis of 1."""
        axes = tuple(axis for axis in self.axes if axis != 'time')
        try:
            return replace(self, axes=axes).read(where, value)[None]
        except ShapeError as error:
            shape = getattr(value, 'shape', ())
            if len(shape) == len(axes):
                raise
            raise ShapeError(
                f'{where}: {self.name} has {len(shape)} axes, shape {shape}; a single time step is '
                f'({", ".join(axes)})'
            ) from error

    def _check_steps(self, where: str, array: np.ndarray) -> None:
        steps = array.shape[self.axes.index('time')]
        if self.steps not in (None, steps):
            raise ShapeError(
                f'{where} has {steps} time steps, shape {array.shape}; this network has '
                f'{self.steps}'
            )
        if steps < self.least:
            raise ShapeError(
                f'{where} has {steps} time steps, shape {array.shape}; this network needs at least '
                f'{self.least}'
            )

    def _check_axes(self, where: str, array: np.ndarray) -> None:
        if array.ndim == self.ndim:
            return
        axes = ', '.join(self.axes)
        if self.kind == 'labels' and array.ndim == self.ndim + 1:
            hint = '[..., 0]' if array.shape[-1] == 1 else '.argmax(-1)'
            raise ShapeError(
                f'{where} has shape {array.shape}; a classifier expects one label for each '
                f'({axes}): try y{hint}'
            )
        hint = ''
        if array.ndim == self.ndim - 1 and self.has_features:
            hint = '; a single feature needs an axis of its own: array[..., None]'
        if self.kind == 'words' and array.ndim == self.ndim + 1:
            hint = '; an embedding reads tokens, not one-hot vectors: try x.argmax(-1)'
        what = 'a network with a recurrent layer' if self.clock else 'this network'
        if self.kind in ('weights', 'mask'):
            what = f'this network, for {self.kind},'
        raise ShapeError(
            f'{where} has {array.ndim} axes, shape {array.shape}; {what} expects ({axes}){hint}'
        )

    def _check_whole(self, where: str, array: np.ndarray) -> None:
        if array.min() < 0 or array.max() >= self.size:
            wrong = array.min() if array.min() < 0 else array.max()
            what = 'label' if self.kind == 'labels' else 'token'
            raise DataError(
                f'{where} contains {what} {wrong}; {self.owner} has {self.size} units, so '
                f'{what}s are 0 to {self.size - 1}'
            )


Axes = tuple[str, str]  # the user's order of 'time' and 'batch'


def weights_of(target: Field, dtype: str, name: str = 'weights') -> Field:
    """Return the weights of a target."""
    return replace(target, name=name, kind='weights', dtype=dtype, of=target.name)
