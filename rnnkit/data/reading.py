"""One batch as a user passed it: its arrays are read together, for each says how to read others."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from rnnkit.data import ragged
from rnnkit.data.arrays import LAYOUTS, Numbers, as_numbers
from rnnkit.data.columns import Columns
from rnnkit.data.field import Field
from rnnkit.data.frames import is_table, names_of, rows_of
from rnnkit.data.single import (
    PLAIN,
    Form,
    as_column,
    form_of,
    weights_with_batch,
    with_batch,
    with_features,
)
from rnnkit.errors import DataError, ShapeError


class Reading:
    """Reads the arrays of one batch: shapes first, then masks and weights, and then what counts.

    Parameters
    ----------
    inputs, masks : list of Field
        The inputs and masks of the network.
    layout : {'time', 'batch'}
    where : str
        The call, for messages.
    all_real : bool
        Whether all steps are real where a mask is missing.
    empty : bool
        Whether a mask may have examples without a real step.
    columns : Columns, optional
        The columns that frames must have.
    origin : dict of str to array of int, optional
        By the name of an axis: which part of the user's arrays the batch is, for messages.

    Attributes
    ----------
    form : Form
        How the first input was passed, once it has been read.
    """

    def __init__(
        self,
        inputs: Sequence[Field],
        masks: Sequence[Field],
        layout: str,
        where: str,
        *,
        all_real: bool = False,
        empty: bool = False,
        columns: Columns | None = None,
        origin: Mapping[str, np.ndarray] | None = None,
    ):
        self.inputs, self.masks, self.layout, self.where = inputs, masks, layout, where
        self.columns, self.form = columns, PLAIN
        self.all_real, self.empty, self.origin = all_real, empty, origin or {}
        self._numbers: dict[str, Numbers] = {}
        self._lists: dict[str, tuple[str, list[int]]] = {}  # by clock: the first list, its lengths
        self._values: dict[str, np.ndarray] = {}
        self._real: dict[str, np.ndarray] = {}  # by clock: the mask, where something is masked

    def __call__(self, fields: Sequence[Field], given: Mapping[str, object]) -> list[np.ndarray]:
        """Return the arrays of `fields`, in the layout of the user."""
        for field in fields:
            if field.kind != 'mask':
                self._take(field, given.get(field.name), fields)
        for field in fields:
            if field.kind == 'mask':
                self._values[field.name] = self._mask(field, given.get(field.name))
        weights = [field for field in fields if field.kind == 'weights']
        for field in [*weights, *(f for f in fields if f.kind not in ('mask', 'weights'))]:
            self._values[field.name] = self._checked(field, weights)
        return [self._values[field.name] for field in fields]

    def shapes(self, fields: Sequence[Field], given: Mapping[str, object]) -> Form:
        """Check the shapes of arrays of which only the outlines are known; return the first form.

        An outline of labels has numbers in their place.
        """
        for field in fields:
            value = given.get(field.name)
            if field.kind != 'mask':
                outline = isinstance(value, np.ndarray) and not any(value.strides)
                self._take(replace(field, classes=None) if outline else field, value, fields)
        for field in fields:
            value = given.get(field.name)
            if field.kind == 'mask' and value is not None:
                self._mask_shaped(field, value)
            elif field.kind == 'mask':
                self._mask(field, None)
        return self.form

    # --- shapes

    def _take(self, field: Field, value: object, fields: Sequence[Field]) -> None:
        """Read one array but for its values."""
        where, unknown, given = f'{self.where}: {field.name}', (), value
        if field.classes is not None:
            value, unknown = field.classes.encode(where, value)
        if field.has_features and _are_arrays(value, field.ndim):
            axes = ', '.join(field.axes)
            raise ShapeError(f'{where} is a list of {len(value)} arrays; pass one array ({axes})')  # type: ignore[arg-type]
        axes = self._axes_of_list(field, value)
        numbers = self._padded(field, value, axes) if axes else as_numbers(where, value)  # type: ignore[arg-type]
        if value is not given and is_table(given):
            numbers = replace(
                numbers, columns=names_of(given), rows=rows_of(given, len(numbers.array))
            )
        self._note_form(field, numbers, bool(axes))
        if field.kind == 'weights':
            numbers = self._spread(field, numbers, next(f for f in fields if f.name == field.of))
        else:
            if self.form.single:
                numbers = with_batch(field, numbers)
            if numbers.rows is not None:
                # Columns of (T, B) are sequences, whose names do not matter.
                if self.columns is not None and (field.has_features or self.form.single):
                    self.columns.check(where, field.name, numbers)
                if not self.form.single:
                    numbers = as_column(field, numbers)
            field.check_shape(where, numbers, self._examples)
            self._check_lengths(field, numbers)
        self._numbers[field.name] = replace(numbers, unknown=unknown) if unknown else numbers

    @property
    def _examples(self) -> int | None:
        """The number of examples, once an input has been read."""
        for field in self.inputs:
            if field.name in self._numbers:
                return self._numbers[field.name].array.shape[_batch_axis(field)]
        return None

    def _note_form(self, field: Field, numbers: Numbers, listed: bool) -> None:
        """Note how the first input was passed."""
        if self._numbers or field.name != self.inputs[0].name:
            return
        if self.columns is not None:
            self.columns.note_list(listed)
        if listed:
            self.form = Form(listed, flat=field.has_features and len(numbers.shape) == 2)
        else:
            self.form = form_of(field, numbers)

    def _axes_of_list(self, field: Field, value: object) -> int:
        """Return the number of axes of one sequence, if a value is a list of them; else 0."""
        if not field.clock or (type(value) is np.ndarray and value.dtype != object):
            return 0
        # Without a mask, nested lists of numbers are one array, as they are for NumPy.
        is_list = ragged.is_ragged if self.masks else ragged.is_list_of_arrays
        full, forms = field.ndim - 1, [field.ndim - 1]
        if field.kind == 'weights':
            listed = field.has_features and field.clock in self._lists
            forms += [full - 1] * listed
        else:
            forms += [full - 1] * (field.has_features and field.size == 1)
        for axes in forms:
            if is_list(value, axes):
                return axes
            if not self.masks and field.kind != 'weights' and ragged.are_unequal(value, axes):
                return axes
        return 0

    def _padded(self, field: Field, value: Sequence[object], axes: int) -> Numbers:
        """Return one array for a list of sequences, in the user's layout; note their lengths."""
        where = f'{self.where}: {field.name}'
        known = self._lists.get(field.clock or '', ('', None))[1]
        if known is None and not self.masks and field.name in {f.name for f in self.inputs}:
            self._check_equal(where, value)
        ndim = None if field.kind == 'weights' else axes
        names = self.origin.get('batch')
        numbers = ragged.stacked(where, value, ndim, known, field.steps or 0, names)
        if field.kind != 'weights' and axes < field.ndim - 1:
            numbers = with_features(numbers)
        if known is None and not self.masks:
            self._check_equal(where, value)
        self._lists.setdefault(field.clock or '', (field.name, list(map(len, value))))  # type: ignore[arg-type]
        if self.layout == 'time':
            return numbers
        return replace(numbers, array=numbers.array.swapaxes(0, 1), listed='batch')

    def _check_equal(self, where: str, value: Sequence[object]) -> None:
        sized = (one for one in value if hasattr(one, '__len__') and getattr(one, 'ndim', 1))
        lengths = {len(one) for one in sized}  # type: ignore[arg-type]
        if len(lengths) > 1:
            raise ShapeError(
                f'{where} is ragged, sequences of {min(lengths)} to {max(lengths)} steps; a '
                f'network that pads them is built with masked=True'
            )

    def _spread(self, field: Field, numbers: Numbers, target: Field) -> Numbers:
        """Return weights, one for each target."""
        shape = self._numbers[field.of].array.shape
        if self.form.single:
            numbers = weights_with_batch(target, numbers, shape)
        array, given = numbers.array, numbers.array.shape
        if target.has_time and given == (shape[_batch_axis(target)],):
            # One weight for each sequence: (B,) -> (1, B), or (B, 1) in the layout 'batch'
            array = np.expand_dims(array, target.axes.index('time'))
            array = np.broadcast_to(array, shape[:2])
        if field.has_features and array.ndim == field.ndim - 1:
            array = array[..., None]
        if (
            array.ndim != len(shape)
            or any(n not in (1, m) for n, m in zip(array.shape[-1:], shape[-1:], strict=True))
            or array.shape[:-1] != shape[:-1]
        ):
            each = ', or one for each sequence' if target.has_time else ''
            raise ShapeError(
                f'{self.where}: {field.name} has shape {given}; one weight for each target: '
                f'{self._numbers[field.of].shape}{each}'
            )
        rows = numbers.rows if array.shape == shape else None
        columns = () if rows is None else numbers.columns
        return replace(numbers, array=np.broadcast_to(array, shape), columns=columns, rows=rows)

    def _check_lengths(self, field: Field, numbers: Numbers) -> None:
        """Compare the lengths of an array's axes with those of the inputs before it."""
        array = numbers.array
        for axis, what in enumerate(field.axes):
            if what == 'features':
                continue
            for other in self.inputs:
                known = other.name in self._numbers and what in other.axes
                if other.name == field.name or not known:
                    continue
                if what == 'time' and other.clock not in (field.clock, field.origin):
                    continue
                length = self._numbers[other.name].array.shape[other.axes.index(what)]
                if what == 'time' and field.origin:
                    length = field.steps_after(length)
                if array.shape[axis] != length:
                    after = ' after its layers' if what == 'time' and field.origin else ''
                    raise ShapeError(
                        f'{self.where}: {field.name} has length {array.shape[axis]} on axis '
                        f'{numbers.user_axis(axis)} ({what}), but {other.name} has '
                        f'{length}{after}; the shape is {numbers.shape}'
                        f'{self._as_read(field, what, array)}'
                    )

    def _as_read(self, field: Field, what: str, array: np.ndarray) -> str:
        """Return how the first input was read, if the number of examples may be meant otherwise."""
        if what != 'batch':
            return ''
        if not self.form.single:
            return self._other_layout(field, array)
        if field.kind == 'labels' and field.has_time and array.shape[-1] == field.size:
            return f'. For one-hot labels write {field.name}.argmax(-1)'
        first = self.inputs[0]
        steps = self._numbers[first.name].array.shape[first.axes.index('time')]
        return f'. {first.name}, without an axis for several series, is one series of {steps} steps'

    def _other_layout(self, field: Field, array: np.ndarray) -> str:
        """Return a hint where there is one target for what has been read as a time step."""
        first = self.inputs[0]
        if field.has_time or 'time' not in first.axes or (first.clock or '') in self._lists:
            return ''
        shape = self._numbers[first.name].array.shape
        if len(array) != shape[first.axes.index('time')]:
            return ''
        other = 'batch' if self.layout == 'time' else 'time'
        return (
            f'. {first.name} is read as ({", ".join(first.axes)}); for '
            f"({', '.join((*first.axes[1::-1], *first.axes[2:]))}) write layout='{other}' in the "
            f'network'
        )

    # --- masks

    def _mask(self, field: Field, value: object) -> np.ndarray:
        """Return a mask in the user's layout; note which steps are real."""
        clock, where = field.clock or '', f'{self.where}: {field.name}'
        source = next(other for other in self.inputs if other.clock == field.clock)
        shape = self._numbers[source.name].array.shape[:2]
        if clock in self._lists:
            name, lengths = self._lists[clock]
            if value is not None:
                raise DataError(
                    f'{self.where}: {name} is a list of sequences, whose lengths are the mask; '
                    f'leave {field.name} out'
                )
            steps = shape[LAYOUTS[self.layout].index('time')]
            mask = ragged.mask_of(lengths, steps, field.dtype)
            mask = mask if self.layout == 'time' else np.ascontiguousarray(mask.T)
        elif value is None:
            if not (self.all_real or self.form.single):
                raise DataError(
                    f'{where} is missing; it may be left out only where {source.name} is a list '
                    f'of sequences, one array for each, or a single one'
                )
            return np.ones(shape, field.dtype)
        else:
            mask = self._read_mask(field, value)
        if not mask.all():
            self._real[clock] = mask == 1
        return mask

    def _read_mask(self, field: Field, value: object) -> np.ndarray:
        where = f'{self.where}: {field.name}'
        numbers = self._mask_shaped(field, value)
        mask = field.values(where, self._placed(field, numbers))
        real = mask.any(axis=LAYOUTS[self.layout].index('time'))
        if not (self.empty or real.all()):
            k = int(np.flatnonzero(~real)[0])
            k = int(self.origin['batch'][k]) if 'batch' in self.origin else k
            raise DataError(f'{where} has no real step in example {k}')
        return mask

    def _mask_shaped(self, field: Field, value: object) -> Numbers:
        """Return a mask whose shape has been checked."""
        where = f'{self.where}: {field.name}'
        numbers = as_numbers(where, value)
        if self.form.single:
            numbers = with_batch(field, numbers)
        field.check_shape(where, numbers)
        self._check_lengths(field, numbers)
        return numbers

    def _placed(self, field: Field, numbers: Numbers) -> Numbers:
        """Return numbers that know which part of the user's array they are."""
        origin = ((k, self.origin[a]) for k, a in enumerate(field.axes) if a in self.origin)
        return replace(numbers, origin=tuple(origin)) if self.origin else numbers

    # --- values

    def _checked(self, field: Field, weights: Sequence[Field]) -> np.ndarray:
        """Return an array whose values have been checked where they count."""
        numbers = self._numbers[field.name]
        counts = self._real.get(field.clock or '')
        shape = numbers.array.shape
        if counts is not None and len(shape) > 2:
            counts = counts[..., None]
        is_input = field.name in {other.name for other in self.inputs}
        weight = next((w for w in weights if w.of == field.name and w.hides), None)
        if weight is not None and not is_input and field.kind != 'weights':
            present = self._values[weight.name] > 0
            if field.by_row:
                present = present.any(axis=-1, keepdims=True)
            counts = present if counts is None else present & counts
        if counts is not None:
            counts = np.broadcast_to(counts, shape)
        return field.values(
            f'{self.where}: {field.name}',
            self._placed(field, numbers),
            counts,
            self._hint(field, is_input, weight is not None),
            blank=is_input and field.kind == 'numbers',
        )

    def _hint(self, field: Field, is_input: bool, weighted: bool) -> str:
        """Return what may be meant by a value that counts and cannot be used."""
        if field.kind == 'weights':
            return ''
        hints = []
        if field.clock and not self.masks:
            hints.append('padding needs a mask, in a network with masked=True')
        elif field.clock and field.clock in {mask.clock for mask in self.masks}:
            hints.append('padding is where the mask is 0')
        if not is_input:
            what = 'a weight of 0' if weighted else 'a weight of 0, in a network with weighted=True'
            hints.append(f'leave out what has no known target, or give it {what}')
        return ''.join(f'; {hint}' for hint in hints)


def _are_arrays(value: object, ndim: int) -> bool:
    """Return whether a value is a list of arrays, each of which has `ndim` axes."""
    if not isinstance(value, list | tuple) or not value:
        return False
    return all(getattr(one, 'ndim', 0) == ndim for one in value)


def _batch_axis(field: Field) -> int:
    return field.axes.index('batch' if 'batch' in field.axes else 'examples')
