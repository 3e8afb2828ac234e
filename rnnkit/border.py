"""The border of a network: what users pass in is checked, converted and turned here, once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnkit.datasets import as_array
from rnnkit.errors import ConfigError, DataError, ShapeError

LAYOUTS = {'time': ('time', 'batch'), 'batch': ('batch', 'time')}


@dataclass
class Border:
    """Checks and converts the arrays of one network.

    Attributes
    ----------
    inputs : dict of str to int
        Number of features of each input layer, by its name.
    outputs : int
        Number of features of the output.
    integer_targets : bool
        Whether targets are class labels.
    weighted : bool
        Whether a batch also has weights.
    recurrent : bool
        Whether there is a time axis.
    layout : {'time', 'batch'}
        Which of the time and the batch axis comes first in what the user passes and gets.
        Inside the library it is always time.
    dtype : str
    """

    inputs: dict[str, int]
    outputs: int
    integer_targets: bool
    weighted: bool
    recurrent: bool
    layout: str
    dtype: str

    @property
    def leading(self) -> tuple[str, ...]:
        """The names of the axes before the features, in the user's order."""
        return LAYOUTS[self.layout] if self.recurrent else ('examples',)

    @property
    def input_names(self) -> list[str]:
        """What the user calls the inputs: ``x``, and further inputs by their layers' names."""
        return ['x', *list(self.inputs)[1:]]

    @property
    def batch_axis(self) -> int:
        """The axis that counts examples, inside the library."""
        return int(self.recurrent)

    def turn(self, array: np.ndarray) -> np.ndarray:
        """Exchange the first two axes if the user's layout is not the inner one."""
        if self.recurrent and self.layout == 'batch':
            return np.ascontiguousarray(array.swapaxes(0, 1))
        return array

    def read_inputs(self, x: Any, where: str = 'predict()') -> list[np.ndarray]:
        """Check and convert the inputs alone."""
        names = self.input_names
        given = [x] if len(names) == 1 and not isinstance(x, dict) else self._named(x, names, where)
        return [self.turn(a) for a in self._read_inputs(given, where)]

    def read_batch(self, data: Any, where: str) -> list[np.ndarray]:
        """Check and convert inputs, target and weights.

        Raises
        ------
        ShapeError, DataError
            If the number of arrays, an array's axes or its values are not what the network
            wants. The message names the array and the axis.
        """
        if self._is_ready(data):
            return list(data)
        names = [*self.input_names, 'y', *['weights'] * self.weighted]
        given = self._named(data, names, where)
        n = len(self.inputs)
        arrays = self._read_inputs(given[:n], where)
        lengths = arrays[0].shape[: len(self.leading)]
        read = self._read_labels if self.integer_targets else self._read_values
        arrays.append(read(f'{where}: y', given[n], lengths))
        if self.weighted:
            arrays.append(self._read_weights(f'{where}: weights', given[n + 1], arrays[n].shape))
        return [self.turn(a) for a in arrays]

    def _is_ready(self, data: Any) -> bool:
        """Return whether a batch is right as it is, in a fraction of the time of a full check.

        That is what a callable returns at every update. False only means that `read_batch`
        has to look closer.
        """
        n = len(self.inputs)
        if type(data) not in (list, tuple) or len(data) != n + 1 + self.weighted:
            return False
        if self.integer_targets or (self.recurrent and self.layout != 'time'):
            return False
        if not all(type(a) is np.ndarray and a.flags.c_contiguous and a.size for a in data):
            return False
        dtype, leading = np.dtype(self.dtype), data[0].shape[:-1]
        axes = 1 + self.recurrent
        sizes = [*self.inputs.values(), *[self.outputs] * (1 + self.weighted)]
        for array, size in zip(data, sizes, strict=True):
            if array.dtype != dtype or len(leading) != axes or array.shape != (*leading, size):
                return False
            if not np.isfinite(array).all():
                return False
        return not self.weighted or data[-1].min() >= 0

    def _named(self, data: Any, names: Sequence[str], where: str) -> list[Any]:
        """Return the arrays of a list, tuple or dict in the order of `names`."""
        wanted = ', '.join(names)
        if isinstance(data, dict):
            if set(data) != set(names):
                raise DataError(
                    f'{where}: wants {{{wanted}}}; got a dict of {sorted(map(str, data))}'
                )
            return [data[name] for name in names]
        if not isinstance(data, list | tuple):
            raise DataError(f'{where}: wants a list of arrays [{wanted}]; got {describe(data)}')
        if len(data) != len(names):
            hint = ''
            if len(data) == len(names) + 1 and not self.weighted:
                hint = '; was the network meant to be built with weighted=True?'
            raise DataError(
                f'{where}: wants {len(names)} arrays [{wanted}]; got {len(data)}: '
                f'[{", ".join(map(describe, data))}]{hint}'
            )
        return list(data)

    def _read_inputs(self, given: Sequence[Any], where: str) -> list[np.ndarray]:
        arrays = []
        for label, value, size in zip(self.input_names, given, self.inputs.values(), strict=True):
            array = as_array(f'{where}: {label}', value, self.dtype)
            self._check_axes(f'{where}: {label}', array, (*self.leading, 'features'))
            self._check_features(f'{where}: {label}', array, size, 'the input layer')
            if arrays:
                self._check_lengths(f'{where}: {label}', array, arrays[0].shape)
            arrays.append(array)
        return arrays

    def _read_values(self, where: str, value: Any, lengths: tuple[int, ...]) -> np.ndarray:
        array = as_array(where, value, self.dtype)
        self._check_axes(where, array, (*self.leading, 'features'))
        self._check_lengths(where, array, lengths)
        self._check_features(where, array, self.outputs, 'the last layer')
        return array

    def _read_labels(self, where: str, value: Any, lengths: tuple[int, ...]) -> np.ndarray:
        array = as_array(where, value, 'int64')
        if array.ndim == len(self.leading) + 1:
            hint = '[..., 0]' if array.shape[-1] == 1 else '.argmax(-1)'
            raise ShapeError(
                f'{where} has shape {array.shape}; a classifier wants one label for each '
                f'({", ".join(self.leading)}): try y{hint}'
            )
        self._check_axes(where, array, self.leading)
        self._check_lengths(where, array, lengths)
        if array.min() < 0 or array.max() >= self.outputs:
            wrong = array.min() if array.min() < 0 else array.max()
            raise DataError(
                f'{where} contains label {wrong}; the last layer has {self.outputs} units, so '
                f'labels are 0 to {self.outputs - 1}'
            )
        return array

    def _read_weights(self, where: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
        array = as_array(where, value, self.dtype)
        if not self.integer_targets and array.shape == shape[:-1]:
            array = array[..., None]
        if (
            array.ndim != len(shape)
            or any(n not in (1, m) for n, m in zip(array.shape[-1:], shape[-1:], strict=True))
            or array.shape[:-1] != shape[:-1]
        ):
            raise ShapeError(
                f'{where} has shape {array.shape}; one weight for each target: {shape}'
            )
        if array.min() < 0:
            raise DataError(f'{where} contains {array.min()}; a weight is at least 0')
        return np.ascontiguousarray(np.broadcast_to(array, shape))

    def _check_axes(self, where: str, array: np.ndarray, axes: tuple[str, ...]) -> None:
        if array.ndim != len(axes):
            hint = ''
            if array.ndim == len(axes) - 1 and axes[-1] == 'features':
                hint = '; a single feature needs an axis of its own: array[..., None]'
            kind = 'a network with a recurrent layer' if self.recurrent else 'this network'
            raise ShapeError(
                f'{where} has {array.ndim} axes, shape {array.shape}; {kind} wants '
                f'({", ".join(axes)}){hint}'
            )

    def _check_lengths(self, where: str, array: np.ndarray, lengths: tuple[int, ...]) -> None:
        for axis, name in enumerate(self.leading):
            if array.shape[axis] != lengths[axis]:
                raise ShapeError(
                    f'{where} has length {array.shape[axis]} on axis {axis} ({name}), but x has '
                    f'{lengths[axis]}; the shape is {array.shape}'
                )

    @staticmethod
    def _check_features(where: str, array: np.ndarray, size: int, owner: str) -> None:
        if array.shape[-1] != size:
            raise ShapeError(
                f'{where} has {array.shape[-1]} features (its last axis, shape {array.shape}); '
                f'{owner} has {size}'
            )


def describe(value: Any) -> str:
    """Say in a few words what `value` is."""
    shape = getattr(value, 'shape', None)
    return type(value).__name__ if shape is None else f'array of shape {tuple(shape)}'


def check_settings(layout: Any, dtype: Any) -> str:
    """Return `dtype` by its name, or raise a ConfigError for a layout or type that is not one."""
    if layout not in LAYOUTS:
        raise ConfigError(
            f"layout is 'time' for (time, batch, features) or 'batch' for (batch, time, "
            f'features); got {layout!r}'
        )
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = repr(dtype)
    if name not in ('float32', 'float64'):
        raise ConfigError(f"dtype is 'float32' or 'float64'; got {dtype!r}")
    return name
