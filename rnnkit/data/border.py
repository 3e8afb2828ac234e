"""The border of a network: here users' arrays are checked, converted and turned, once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from rnnkit.common.checks import choice
from rnnkit.common.spelling import brief
from rnnkit.data import ragged
from rnnkit.data.arrays import LAYOUTS
from rnnkit.data.columns import Columns
from rnnkit.data.field import Field, weights_of
from rnnkit.data.reading import Reading
from rnnkit.data.single import PLAIN, Form
from rnnkit.data.unpack import describe, in_order, is_one_array
from rnnkit.errors import ConfigError, DataError, ShapeError


class Border:
    """Checks and converts the arrays of one network.

    Parameters
    ----------
    inputs : list of Field
        One for each input layer.
    targets : list of Field
        The arrays that losses compare outputs with, that of the first loss first. A target with
        the name of an input is that input.
    weights : list of Field
        The weights of targets that have weights.
    masks : list of Field
        One for each time axis that has a mask.
    layout : {'time', 'batch'}
        The first axis of the arrays that the user passes and gets. Inside the library it is time.
    dtype : str
        The dtype of weights.

    Attributes
    ----------
    columns : Columns
        Those that frames must have. A network has one for all its borders.
    """

    def __init__(
        self,
        inputs: list[Field],
        targets: list[Field],
        weights: list[Field],
        masks: list[Field],
        layout: str,
        dtype: str,
    ):
        self.inputs, self.targets, self.weights, self.masks = inputs, targets, weights, masks
        self.layout, self.dtype = layout, dtype
        self.columns = Columns()
        self._parts: dict[tuple[str, bool], Border] = {}
        # Where a batch has masks, and the inputs that are 0 where a step is not real.
        places = {field.name: k for k, field in enumerate(self.fields)}
        self._padded = [
            (
                places[m.name],
                [places[f.name] for f in inputs if (f.clock, f.kind) == (m.clock, 'numbers')],
            )
            for m in masks
        ]

    @property
    def target(self) -> Field:
        """The target of the first loss."""
        return self.targets[0]

    @property
    def extra(self) -> list[Field]:
        """The targets that are arrays of their own."""
        names = [field.name for field in self.inputs]
        return [field for field in self.targets if field.name not in names]

    @cached_property
    def fields(self) -> list[Field]:
        """All arrays of a batch, in order."""
        targets = {field.name: field for field in self.targets}
        inputs = [targets.get(field.name, field) for field in self.inputs]
        return [*inputs, *self.extra, *self.weights, *self.masks]

    def of_first_target(self, weighted: bool) -> 'Border':
        """Return the border for batches whose only target is the first, with or without weights."""
        weights = [weights_of(self.target, self.dtype)] * weighted
        return self._like(self.inputs, [self.target], weights, self.masks)

    def with_target(self, field: Field) -> 'Border':
        """Return the border of the same network with another first target."""
        targets = [field, *self.targets[1:]]
        return self._like(self.inputs, targets, self.weights, self.masks)

    def part(self, clock: str, having: bool) -> 'Border':
        """Return the border of the inputs that have a time axis, or of all others."""
        if (clock, having) not in self._parts:
            inputs, masks = (
                [field for field in fields if (field.clock == clock) == having]
                for fields in (self.inputs, self.masks)
            )
            self._parts[clock, having] = self._like(inputs, self.targets, self.weights, masks)
        return self._parts[clock, having]

    def _like(self, *fields: list[Field]) -> 'Border':
        """Return a border of these fields, whose frames have the columns that this one knows."""
        border = Border(*fields, self.layout, self.dtype)
        border.columns = self.columns
        return border

    @cached_property
    def _step(self) -> Field | None:
        """A single time step of the input, if the network reads one sequence and no mask."""
        if len(self.inputs) > 1 or self.masks or not self.inputs[0].has_time:
            return None
        axes = tuple(axis for axis in self.inputs[0].axes if axis != 'time')
        return replace(self.inputs[0], axes=axes)

    def turn(self, array: np.ndarray, has_time: bool) -> np.ndarray:
        """Exchange the first two axes if the user's layout is 'batch'."""
        if has_time and self.layout == 'batch':
            return np.ascontiguousarray(array.swapaxes(0, 1))
        return array

    def mask_of(self, clock: str | None, arrays: list[np.ndarray]) -> np.ndarray | None:
        """Return the mask of a time axis, or None.

        Parameters
        ----------
        clock : str or None
        arrays : list of arrays
            A batch that `read_batch` or `read_inputs` returned: masks are last.
        """
        clocks = [field.clock for field in self.masks]
        return arrays[clocks.index(clock) - len(clocks)] if clock in clocks else None

    def read_inputs(
        self, x: object, where: str = 'predict()', mask: object = None
    ) -> tuple[list[np.ndarray], Form]:
        """Check and convert inputs and masks alone.

        Returns
        -------
        arrays : list of arrays
            The inputs, then the masks.
        form : Form
            How the first input was passed.
        """
        self.check_mask(where, mask)
        first = self.inputs[0]
        if len(self.inputs) == 1 and not self.masks and self.layout == 'time' and first.is_ready(x):
            self._check_list(where, [x], PLAIN, mask)
            return [x], PLAIN
        names = [field.name for field in self.inputs]
        alone = len(names) == 1 and not isinstance(x, dict)
        given = dict(zip(names, [x] if alone else in_order(x, names, where), strict=True))
        given |= self.named_masks(mask, where)
        fields = [*self.inputs, *self.masks]
        arrays, form = self._read(fields, given, where, all_real=True, empty=True)
        self._check_list(where, arrays, form, mask)
        return arrays, form

    def _check_list(
        self, where: str, arrays: Sequence[np.ndarray], form: Form, mask: object
    ) -> None:
        """Warn of an array whose axes may be mistaken, in a network that was trained on lists."""
        first = self.inputs[0]
        if self.layout == 'time' and first.has_time and mask is None and form == PLAIN:
            self.columns.check_list(f'{where}: {first.name}', arrays[0].shape)

    def check_mask(self, where: str, mask: object) -> None:
        """Raise a ConfigError for a mask where the network has none."""
        if mask is not None and not self.masks:
            raise ConfigError(
                f'{where}: a mask is for a network with masked=True; this one was built without'
            )

    def named_masks(self, mask: object, where: str) -> dict[str, object]:
        """Return masks by their names, as they were given."""
        if mask is None or isinstance(mask, dict):
            unknown = set(mask or ()) - {field.name for field in self.masks}
            if unknown:
                raise DataError(f'{where}: there is no mask {min(unknown)!r}')
            return dict(mask or {})
        if len(self.masks) > 1:
            names = ', '.join(field.name for field in self.masks)
            raise DataError(f'{where}: mask must be a dict of {names}; got {describe(mask)}')
        return {self.masks[0].name: mask}

    def read_step(
        self, x_t: object, clock: str, where: str = 'step()'
    ) -> tuple[list[np.ndarray], Form]:
        """Check and convert the inputs of one time step.

        Returns
        -------
        arrays : list of arrays
            The inputs, with a time axis of 1; those that do not have the time axis `clock` are
            read whole. Then the masks, which say that the step is real.
        form : Form
            How the input of the step was passed.
        """
        if self._step is not None and self._step.is_ready(x_t):
            return [x_t[None]], PLAIN
        names = [field.name for field in self.inputs]
        alone = len(names) == 1 and not isinstance(x_t, dict)
        given = dict(zip(names, [x_t] if alone else in_order(x_t, names, where), strict=True))
        stays, arrays = self.part(clock, False), {}
        if stays.inputs:
            found, _ = stays.read_inputs({f.name: given[f.name] for f in stays.inputs}, where)
            known = [field.name for field in [*stays.inputs, *stays.masks]]
            arrays = dict(zip(known, found, strict=True))
        moves, form = self.part(clock, True), PLAIN
        for field in moves.inputs:
            arrays[field.name], numbers = field.read_step(where, given[field.name])
            if numbers.rows is not None:
                self.columns.check_step(f'{where}: {field.name}', field.name, numbers)
            if field is moves.inputs[0] and numbers.inserted:
                form = Form(single=True, flat=not numbers.shape and field.has_features)
        sizes = [arrays[field.name].shape[field.batch_axis] for field in self.inputs]
        if len(set(sizes)) > 1:
            raise ShapeError(f'{where}: the inputs have different numbers of examples')
        arrays |= {field.name: np.ones((1, sizes[0]), field.dtype) for field in moves.masks}
        return [arrays[field.name] for field in [*self.inputs, *self.masks]], form

    def read_batch(
        self,
        data: object,
        where: str,
        empty: bool = False,
        origin: Mapping[str, np.ndarray] | None = None,
    ) -> list[np.ndarray]:
        """Check and convert inputs, target, weights and masks.

        Parameters
        ----------
        data : list, tuple, dict or array
        where : str
            The call, for messages.
        empty : bool
            Whether a mask may have examples without a real step.
        origin : dict of str to array of int, optional
            By the name of an axis: which part of the user's arrays the batch is, for messages.

        Raises
        ------
        ShapeError, DataError
            If the number of arrays, an array's axes or its values are not what the network
            expects. The message names the array and the axis.
        """
        if self._is_ready(data):
            self.columns.note_list(False)
            return self._blank(data)
        given = self._named(data, where)
        return self._read(self.fields, given, where, empty=empty, origin=origin)[0]

    def check_shapes(self, data: object, where: str) -> Form:
        """Check a batch of which only the outlines are known; return the form of the first input.

        Raises
        ------
        ShapeError, DataError
            As `read_batch`, but for values.
        """
        given = self._named(data, where)
        read = Reading(self.inputs, self.masks, self.layout, where)
        return read.shapes(self.fields, given)

    def _named(self, data: object, where: str) -> dict[str, object]:
        """Return the arrays of a batch by name."""
        names = [field.name for field in self.fields]
        without = names[: len(names) - len(self.masks)]  # lists of sequences bring their masks
        optional = names[len(without) :]
        if len(without) == 1 and is_one_array(data, self.inputs[0], bool(self.masks)):
            data = [data]
        self._check_mistakes(data, where, without, len(names))
        having = {'weighted': bool(self.weights), 'masked': bool(self.masks)}
        return dict(zip(names, in_order(data, names, where, optional, having), strict=False))

    def _check_mistakes(self, data: object, where: str, names: Sequence[str], most: int) -> None:
        """Raise a DataError for x alone, and for a list of batches."""
        if not isinstance(data, list | tuple) or len(names) < 2:
            return
        n, first, expected = len(data), self.inputs[0], f'[{", ".join(names)}]'
        other = first.has_time and n not in range(len(names), most + 1)
        if other and ragged.is_ragged(data, first.ndim - 1):
            raise DataError(
                f'{where}: expects a list of arrays {expected}; got a list of {n} sequences. Pass '
                f'all in one list: {expected}, each of them an array or a list of sequences'
            )
        batches = [one for one in data if isinstance(one, list | tuple) and len(one) >= len(names)]
        if batches and len(batches) == n and getattr(batches[0][0], 'ndim', None) == first.ndim:
            raise DataError(
                f'{where}: expects one list of arrays {expected}; got a list of {n} batches. Join '
                f'them by np.concatenate, along the axis of examples, or pass a callable that '
                f'returns a batch each time it is called, such as itertools.cycle(batches).__next__'
            )

    def join(
        self, where: str, x: object, y: object = None, weights: object = None, mask: object = None
    ) -> list[object]:
        """Return a batch as `read_batch` reads it, of arrays that were passed one by one.

        Parameters
        ----------
        where : str
        x, mask : array, or list of arrays
        y, weights : array; a list or a dict of arrays where there are several
            None for y where all targets are inputs.
        """
        names = [field.name for field in self.extra]
        if y is None and names:
            self._check_one_by_one(where, x, names)
        if y is not None and not names:
            raise DataError(f'{where}: the target is x itself; leave y out')
        targets = in_order(y, names, where) if len(names) > 1 else [y] * len(names)
        given = [] if weights is None else [weights]
        if len(self.weights) > 1 and given:
            given = in_order(weights, [field.name for field in self.weights], where)
        several = len(self.inputs) > 1 and isinstance(x, list | tuple)
        inputs = list(x) if several else [x]  # type: ignore[call-overload]
        several = len(self.masks) > 1 and isinstance(mask, list | tuple)
        masks = list(mask) if several else [] if mask is None else [mask]  # type: ignore[call-overload]
        return [*inputs, *targets, *given, *masks]

    def _check_one_by_one(self, where: str, x: object, names: Sequence[str]) -> None:
        """Raise a DataError for missing targets; they may be with the inputs in one argument."""
        shown = f'{where.removesuffix("()")}(x, y)'
        if isinstance(x, dict) and set(names) & set(x):
            raise DataError(
                f'{where}: expects the targets by themselves, {shown}; got a dict of '
                f'{", ".join(map(str, x))}'
            )
        first, least = self.inputs[0], len(self.inputs) + len(names)
        if isinstance(x, list | tuple) and len(x) >= least:
            alike = getattr(x[0], 'ndim', None) == first.ndim
            if alike or (first.clock and ragged.is_ragged(x[0], first.ndim - 1)):
                raise DataError(
                    f'{where}: expects the targets by themselves, {shown}; got a list of {len(x)} '
                    f'arrays'
                )
        raise DataError(f'{where}: the targets are missing; write {shown}')

    def _is_ready(self, data: object) -> bool:
        """Return whether a batch needs no conversion, in a fraction of the time of a full check.

        Callables return a batch at every update, mostly a ready one. False only means that
        `read_batch` must check further.
        """
        fields = self.fields
        if type(data) not in (list, tuple) or len(data) != len(fields):
            return False
        if self.layout != 'time':
            return False
        lengths: dict[str | None, int] = {}
        names = [field.name for field in fields]
        for field, array in zip(fields, data, strict=True):
            if not field.is_ready(array):
                return False
            if field.kind == 'weights' and array.shape != data[names.index(field.of)].shape:
                return False
            if field.kind == 'mask' and not has_real_steps(array):
                return False
            known = {None: array.shape[field.batch_axis]}
            if field.origin and array.shape[0] != field.steps_after(lengths[field.origin]):
                return False
            if field.clock:
                known[field.clock] = array.shape[0]
            for key, length in known.items():
                if lengths.setdefault(key, length) != length:
                    return False
        return True

    def _blank(self, batch: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return a batch whose inputs are 0 over padding; arrays are copied where they are not."""
        arrays = list(batch)
        for k, inputs in self._padded:
            mask = arrays[k]
            if np.count_nonzero(mask) < mask.size:
                padding = mask == 0
                for i in inputs:
                    if np.count_nonzero(arrays[i][padding]):
                        arrays[i] = arrays[i].copy()
                        arrays[i][padding] = 0
        return arrays

    def _read(
        self,
        fields: Sequence[Field],
        given: Mapping[str, object],
        where: str,
        all_real: bool = False,
        empty: bool = False,
        origin: Mapping[str, np.ndarray] | None = None,
    ) -> tuple[list[np.ndarray], Form]:
        """Return the arrays of `fields` in the inner layout, and how the first was passed."""
        read = Reading(
            self.inputs,
            self.masks,
            self.layout,
            where,
            all_real=all_real,
            empty=empty,
            columns=self.columns,
            origin=origin,
        )
        arrays = [
            self.turn(array, field.has_time)
            for array, field in zip(read(fields, given), fields, strict=True)
        ]
        return arrays, read.form


def has_real_steps(mask: np.ndarray) -> bool:
    """Return whether a mask (T, B) consists of 0 and 1, with a real step in each example."""
    real = mask == 1
    n = np.count_nonzero(real)
    if n == mask.size:
        return True
    started = real[0].all() or real.any(axis=0).all()  # padding mostly is at the end
    return bool(started) and n + np.count_nonzero(mask == 0) == mask.size


def check_settings(layout: object, dtype: object) -> str:
    """Return the name of a dtype; raise a ConfigError unless it and the layout are allowed."""
    choice('layout', layout, LAYOUTS)
    try:
        name = np.dtype(dtype).name
    except (TypeError, ValueError):
        name = ''
    if name not in ('float32', 'float64'):
        raise ConfigError(f"dtype must be 'float32' or 'float64'; got {brief(dtype)}")
    return name
