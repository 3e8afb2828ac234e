"""A share of the training data that is held out for validation. NumPy only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from rnnkit.common.registry import suggestion
from rnnkit.common.spelling import brief
from rnnkit.data.arrays import as_plain
from rnnkit.data.border import Border
from rnnkit.data.datasets import Seed, generator_for
from rnnkit.data.field import Field
from rnnkit.data.passes import maker, makes_batches
from rnnkit.data.ragged import is_list_of_arrays, is_ragged
from rnnkit.data.stored import Chosen, Stored, StoredList, holds_stored, holds_stored_list, outlined
from rnnkit.data.unpack import is_one_array
from rnnkit.errors import ConfigError, DataError, ShapeError

TAIL = 'tail'


@dataclass(frozen=True)
class HeldOut:
    """A share of the training data, as it is asked for by ``valid=``.

    Attributes
    ----------
    fraction : float
        Above 0 and below 1.
    tail : bool
        Whether the last examples are held out, and not random ones.
    """

    fraction: float
    tail: bool

    def of(self, n: int) -> int:
        """Return how many of `n` are held out: at least 1, and not all."""
        return max(1, min(n - 1, round(n * self.fraction)))

    def __str__(self) -> str:
        return f"valid=('{TAIL}', {self.fraction:g})" if self.tail else f'valid={self.fraction:g}'


def read_share(where: str, valid: object) -> HeldOut | None:
    """Return the share that ``valid=`` asks for; None for validation data, or without any.

    Raises
    ------
    ConfigError
        If it is neither.

    Examples
    --------
    >>> read_share('train()', ('tail', 0.2))
    HeldOut(fraction=0.2, tail=True)
    """
    expected = f"validation data, a share such as 0.2, or ('{TAIL}', 0.2) for the last ones"
    if isinstance(valid, bool | np.bool_ | str):
        raise ConfigError(f'{where}: valid must be {expected}; got {brief(valid)}')
    if isinstance(valid, np.ndarray) and valid.ndim == 0 and valid.dtype.kind in 'fiu':
        valid = valid.item()
    if isinstance(valid, Real):
        return HeldOut(_fraction(where, valid), False)
    if not isinstance(valid, list | tuple) or not any(isinstance(v, str) for v in valid):
        return None
    if len(valid) == 2 and isinstance(valid[1], Real):
        if valid[0] == TAIL:
            return HeldOut(_fraction(where, valid[1]), True)
        near = suggestion(valid[0], [TAIL])
        raise ConfigError(f'{where}: valid must be {expected}; got {brief(valid)}{near}')
    raise ConfigError(f'{where}: valid must be {expected}; got {brief(valid)}')


def _fraction(where: str, value: Real) -> float:
    fraction = float(value)
    if 0 < fraction < 1:
        return fraction
    percent = f'; {brief(value)} % are {fraction / 100:g}' if 1 < fraction < 100 else ''
    raise ConfigError(
        f'{where}: a share held out by valid= must be above 0 and below 1; got {brief(value)}'
        f'{percent}'
    )


def split(
    where: str,
    border: Border,
    train: Any,
    valid: Any,
    seed: Seed,
    *,
    along_time: bool = False,
    inputs_only: bool = False,
) -> tuple[Any, Any]:
    """Return training and validation data; where a share is asked for, two parts of `train`.

    Both parts are of the form in which `train` was passed.

    Parameters
    ----------
    where : str
        The call, for messages.
    border : Border
    train
        Training data as the user passed them.
    valid
        Validation data, or a share: ``0.2`` or ``('tail', 0.2)``.
    seed : int or sequence of int
        The first number alone chooses the examples, so that each training of a network holds out
        the same ones.
    along_time : bool
        Whether examples are long series, which ``'tail'`` cuts along time, however many they are.
        A single one always is.
    inputs_only : bool
        Whether `train` may be inputs without targets.

    Raises
    ------
    ConfigError
        If the share makes no sense, or cannot be held out of such data.
    DataError
        If there are too few examples or time steps.
    """
    share = read_share(where, valid)
    if share is None:
        return train, valid
    _check_arrays(where, share, train)
    parts = Parts(border, train, inputs_only)
    n = parts.n_examples
    if share.tail and (n == 1 or along_time) and parts.times:
        return parts.cut(share, f'{where}: {share}')
    what = 'sequence' if border.inputs[0].has_time else 'example'
    tail = f"; valid=('{TAIL}', {share.fraction:g}) holds out the end of a long one"
    kept, out = _choose(where, share, n, seed, what, tail if parts.times else '')
    return parts.take(kept), parts.take(out)


def split_arrays(
    where: str, train: Any, valid: Any, seed: Seed, read: Callable[[object, str], list[np.ndarray]]
) -> tuple[Any, Any]:
    """Return training and validation data, as `split` does, of arrays with examples on axis 0.

    ``read(data, where)`` returns the data as a list of arrays.
    """
    share = read_share(where, valid)
    if share is None:
        return train, valid
    _check_arrays(where, share, train)
    arrays = read(train, 'train')
    kept, out = _choose(where, share, len(arrays[0]), seed, 'example')
    return [array[kept] for array in arrays], [array[out] for array in arrays]


def _check_arrays(where: str, share: HeldOut, train: Any) -> None:
    if makes_batches(train):
        raise ConfigError(
            f'{where}: {share} holds out a part of arrays, and train is {maker(train)}, which '
            f'makes its own batches; pass another one, or arrays, as valid='
        )


def _choose(
    where: str, share: HeldOut, n: int, seed: Seed, what: str, instead: str = ''
) -> tuple[Chosen, Chosen]:
    """Return which of `n` examples are for training, and which are held out."""
    if n < 2:
        end = '' if share.tail else instead
        raise DataError(f'{where}: {share} holds out {what}s, and there is only one{end}')
    k = share.of(n)
    if share.tail:
        return slice(0, n - k), slice(n - k, n)
    order = generator_for(np.atleast_1d(seed)[:1], 0, 'hold out').permutation(n)
    return np.sort(order[k:]), np.sort(order[:k])


class Parts:
    """The arrays of training data as the user passed them, of which parts can be taken.

    Parameters
    ----------
    border : Border
    data : array, list, tuple or dict
    inputs_only : bool
        Whether there may be inputs without targets.

    Attributes
    ----------
    n_examples : int
    times : list of str
        The names of the arrays that have a time axis.

    Raises
    ------
    DataError, ShapeError
        If the network cannot read such data.
    """

    def __init__(self, border: Border, data: Any, inputs_only: bool = False):
        self.border, self.data, self.masked = border, data, bool(border.masks)
        self.fields, self.values = self._paired(inputs_only)
        first = next(
            (v for f, v in zip(self.fields, self.values, strict=True) if f.clock),
            self.values[0] if self.values else None,
        )
        # One series without an axis for examples, such as a frame.
        self.single = self._is_single(first)
        self.lists = [self._is_list(f, v) for f, v in self._pairs]
        self.axes = [self._axis(f, v) for f, v in self._pairs]
        self.times = [f.name for f, v in self._pairs if f.has_time and f.kind != 'weights']
        counts = {
            1 if axis is None else _length(value, axis)
            for axis, (_, value) in zip(self.axes, self._pairs, strict=True)
            if value is not None
        }
        if len(counts) != 1 or 0 in counts:
            self._refuse()
        (self.n_examples,) = counts

    @property
    def _pairs(self) -> list[tuple[Field, Any]]:
        return list(zip(self.fields, self.values, strict=True))

    def _paired(self, inputs_only: bool) -> tuple[list[Field], list[Any]]:
        """Return the fields of the arrays, and the arrays, in the order of the data."""
        border, data = self.border, self.data
        by_name = {field.name: field for field in border.fields}
        if isinstance(data, dict):
            if not set(data) <= set(by_name):
                self._refuse()
            return [by_name[name] for name in data], list(data.values())
        without, masks = border.fields[: len(by_name) - len(border.masks)], border.masks
        forms = [border.fields, without]
        if inputs_only:
            forms.append(border.inputs)
            # Ragged sequences come without a mask, so that the array after them is a target.
            listed = isinstance(data, list | tuple) and bool(data)
            if not (listed and self._is_list(border.inputs[0], data[0])):
                forms.insert(0, [*border.inputs, *masks])
        single = any(len(form) == 1 for form in forms)
        if single and is_one_array(data, border.inputs[0], self.masked):
            return [border.inputs[0]], [data]
        sizes = [len(form) for form in forms]
        if not isinstance(data, list | tuple) or len(data) not in sizes:
            self._refuse()
        return list(forms[sizes.index(len(data))]), list(data)

    def _refuse(self) -> None:
        """Raise the error with which the network refuses these data."""
        if holds_stored(self.data):
            self._refuse_stored()
        arrays = self.border.read_batch(self.data, 'train')
        shapes = ', '.join(str(array.shape) for array in arrays)
        raise DataError(f'train: arrays of the shapes {shapes} cannot be split; pass valid= data')

    def _is_single(self, value: Any) -> bool:
        field = next((f for f in self.fields if f.clock), None)
        if field is None or self._is_list(field, value):
            return False
        if _ndim(value) >= field.ndim:
            return False
        if holds_stored(self.data):
            return self.border.check_shapes(outlined(self.data), 'train').single
        self.border.read_batch(self.data, 'train')  # unless the network reads it, an error
        return True

    def _is_list(self, field: Field, value: Any) -> bool:
        """Return whether an array is given as one array for each sequence."""
        if not field.clock or value is None:
            return False
        if isinstance(value, StoredList):
            return True
        sizes = {field.ndim - 1, field.ndim - 2} if field.kind == 'weights' else {field.ndim - 1}
        if self.masked and field.kind != 'mask':
            return any(is_ragged(value, n) for n in sizes - {0})
        return any(is_list_of_arrays(value, n) for n in sizes - {0})

    def _axis(self, field: Field, value: Any) -> int | None:
        """Return the axis that counts examples, if there is one."""
        if value is None or self.single:
            return None
        if self._is_list(field, value) or _ndim(value) == 1:
            return 0  # such as one weight for each sequence
        return field.axes.index('batch' if 'batch' in field.axes else 'examples')

    def _refuse_stored(self) -> None:
        """Raise the error for data on disk, without reading them."""
        if not holds_stored_list(self.data):
            self.border.check_shapes(outlined(self.data), 'train')
        names = [field.name for field in self.fields] if hasattr(self, 'axes') else []
        counts = [
            f'{name} has {1 if axis is None else _length(value, axis)}'
            for name, axis, value in zip(names, getattr(self, 'axes', []), self.values, strict=True)
            if value is not None
        ]
        if counts:
            raise ShapeError(
                f'train: the arrays have different numbers of examples: {", ".join(counts)}'
            )

    def take(self, chosen: Chosen) -> Any:
        """Return the chosen examples, in the form of the data."""
        return self.formed(
            [
                value if value is None else part_of(value, chosen, axis or 0)
                for value, axis in zip(self.values, self.axes, strict=True)
            ]
        )

    def cut(self, share: HeldOut, where: str) -> tuple[Any, Any]:
        """Return all examples up to a time step, and from there on."""
        without = [f.name for f, _ in self._pairs if f.is_target and not f.has_time]
        clocks = {f.clock for f, _ in self._pairs if f.has_time}
        lazy = [f.name for f, v in self._pairs if isinstance(v, StoredList)]
        if lazy:
            raise ConfigError(
                f'{where} cuts long series along time, and {lazy[0]} is a list of sequences that '
                f'are read one by one; pass validation data'
            )
        if without:
            raise ConfigError(
                f'{where} cuts a long series along time, and {without[0]} is one target for each '
                f'sequence; cut it into windows before'
            )
        axes = [self.time_axis(f, v) for f, v in self._pairs]
        steps = {
            _length(one, axis)
            for axis, is_list, value in zip(axes, self.lists, self.values, strict=True)
            if axis is not None
            for one in (value if is_list else [value])
        }
        if len(steps) != 1 or len(clocks) != 1:
            self.border.read_batch(self.data, 'train')  # there may be an error that says more
            raise ConfigError(
                f'{where} cuts long series along time, and here arrays differ in their number of '
                f'steps; pass validation data'
            )
        (T,) = steps
        if T < 2:
            raise DataError(f'{where} holds out time steps, and there is only one')
        at = T - share.of(T)
        return self._stretch(axes, slice(0, at)), self._stretch(axes, slice(at, T))

    def _stretch(self, axes: Sequence[int | None], time: slice) -> Any:
        """Return some time steps of all examples."""
        cut = []
        for axis, is_list, value in zip(axes, self.lists, self.values, strict=True):
            if axis is None:
                cut.append(value)
            elif is_list:
                cut.append([part_of(one, time, axis) for one in value])
            else:
                cut.append(part_of(value, time, axis))
        return self.formed(cut)

    def time_axis(self, field: Field, value: Any) -> int | None:
        """Return the axis that counts time, or None."""
        if value is None or not field.has_time:
            return None
        if self.single or self._is_list(field, value):
            return 0
        return None if _ndim(value) == 1 else field.axes.index('time')

    def formed(self, values: list[Any]) -> Any:
        """Return arrays in the form in which the user passed the data."""
        if isinstance(self.data, dict):
            return dict(zip(self.data, values, strict=True))
        if len(values) == 1 and self.values[0] is self.data:
            return values[0]
        return values


def _ndim(value: Any) -> int:
    """Return the number of axes of an array, or of a nested list."""
    if isinstance(value, list | tuple):
        return 1 + (_ndim(value[0]) if value else 0)
    return getattr(value, 'ndim', 0)


def _length(value: Any, axis: int) -> int:
    """Return the length of an axis; 0 if there is none."""
    if axis == 0 and hasattr(value, '__len__'):
        return len(value) if _ndim(value) else 0
    try:
        return np.shape(value)[axis]
    except (ValueError, IndexError):  # a ragged list, or too few axes
        return 0


def part_of(value: Any, chosen: Chosen, axis: int) -> Any:
    """Return a part of an array, frame or list along an axis."""
    if isinstance(value, Stored | StoredList):
        return value.part(axis, chosen)
    if axis == 0 and isinstance(value, list | tuple):
        return value[chosen] if isinstance(chosen, slice) else [value[k] for k in chosen]
    if axis == 0 and hasattr(value, 'iloc'):  # which keeps the names of columns
        return value.iloc[chosen]
    array = as_plain('train: an array', value)
    if isinstance(chosen, slice):
        return array[(slice(None),) * axis + (chosen,)]
    return array.take(chosen, axis)
