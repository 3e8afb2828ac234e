"""Training data on disk: some examples are read, checked and converted at a time. NumPy only."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np

from rnnkit.data.border import Border
from rnnkit.data.hold_out import Parts, part_of
from rnnkit.data.stored import (
    Stored,
    StoredList,
    examples_of,
    holds_stored,
    holds_stored_list,
    outlined,
)

SCANNED = 2**23  # bytes that are read at a time where all data are


class Examples:
    """The arrays of training data as a user passed them, some of them on disk.

    Parameters
    ----------
    border : Border
        Checks and converts each batch.
    data : array, list, tuple or dict
        As `rnnkit.data.on_disk.wrapped` returns them.
    where : str
        Their name, for messages.

    Attributes
    ----------
    n : int
        The number of examples.
    axes, times : list of (int or None)
        The axis of each array that counts examples, and the one that counts time, in the user's
        layout.

    Raises
    ------
    ShapeError, DataError
        If the shapes are not what the network expects.
    """

    def __init__(self, border: Border, data: Any, where: str):
        self.border, self.where = border, where
        if not holds_stored_list(data):
            border.check_shapes(outlined(data), where)
        self.parts = parts = Parts(border, data)
        self.n = parts.n_examples
        self.fields, self.values, self.axes = parts.fields, parts.values, parts.axes
        pairs = zip(self.fields, self.values, strict=True)
        self.times = [parts.time_axis(field, value) for field, value in pairs]
        self._stored = [k for k, value in enumerate(self.values) if holds_stored(value)]

    @property
    def shapes(self) -> list[list[int]]:
        """The shapes of the arrays inside the library; of lists, how many sequences there are."""
        shapes = []
        for field, value in zip(self.fields, self.values, strict=True):
            shape = list(np.shape(value)) if hasattr(value, 'shape') else [len(value or ())]
            if self.border.layout == 'batch' and field.has_time and len(shape) == field.ndim:
                shape[:2] = shape[1::-1]
            shapes.append(shape)
        return shapes

    def sizes(self) -> tuple[int, int]:
        """Return the bytes of one example in memory, and how many examples a piece has."""
        if self.parts.single:
            return 1, 1
        values = [self.values[k] for k in self._stored]
        axes = [self.axes[k] or 0 for k in self._stored]
        each = 0
        for k, value, axis in zip(self._stored, values, axes, strict=True):
            size = value.bytes_of_one(axis, f'{self.where}: {self.fields[k].name}')
            if isinstance(value, Stored):
                wider = np.dtype(self.fields[k].dtype).itemsize / value.dtype.itemsize
                size = int(size * max(1, wider))
            each += size
        return each, examples_of(values, axes, self.where)

    def load(
        self,
        numbers: np.ndarray,
        block: int = 1,
        go_on: Callable[[], bool] = lambda: True,
        time: slice | None = None,
        skip: Collection[int] = (),
    ) -> list[Any]:
        """Read some examples of the arrays on disk.

        Parameters
        ----------
        numbers : array of int
            Which examples, in ascending order.
        block : int
            How many are read at a time.
        go_on : callable
            Reading ends when it returns False.
        time : slice, optional
            Some of the time steps.
        skip : collection of int
            Arrays that are not read.

        Returns
        -------
        loaded : list
            An array, or a list of sequences, for each array on disk; None for the others.
        """
        loaded: list[Any] = [None] * len(self.values)
        for k in self._stored:
            value, axis = self.values[k], self.axes[k]
            if k in skip:
                continue
            if time is not None and self.times[k] is not None:
                value = value.part(self.times[k], time)
            # One series without an axis for examples is read whole.
            which = slice(0, value.shape[0]) if axis is None else numbers
            name = f'{self.where}: {self.fields[k].name}'
            loaded[k] = value.load(which, axis or 0, name, block, go_on)
        return loaded

    def cut(self, loaded: Sequence[Any], rows: np.ndarray | slice, k: int) -> Any:
        """Return some of the examples of array k that have been loaded."""
        axis = self.axes[k]
        return loaded[k] if axis is None else part_of(loaded[k], rows, axis)

    def batch(
        self,
        loaded: Sequence[Any],
        numbers: np.ndarray,
        time: slice | None = None,
        empty: bool = False,
    ) -> list[np.ndarray]:
        """Return a batch, checked and converted by the border.

        Parameters
        ----------
        loaded : list
            What `load` returned for these examples, in their order.
        numbers : array of int
            The examples.
        time : slice, optional
            The time steps that were loaded.
        empty : bool
            Whether a mask may have examples without a real step.
        """
        there = self._origin(numbers, self.axes)
        origin = {'batch': there, 'examples': there}
        if time is not None:
            origin['time'] = self._origin(np.arange(time.start, time.stop), self.times)
        values = []
        for k, (field, value) in enumerate(zip(self.fields, self.values, strict=True)):
            if loaded[k] is None and value is not None:
                value = value if self.axes[k] is None else part_of(value, numbers, self.axes[k])
                value = self._in_time(k, value, time)
            elif value is not None:
                value = loaded[k]
            if isinstance(value, list) and isinstance(self.values[k], StoredList):
                value = value if field.clock else np.asarray(value)
            values.append(value)
        data = self.parts.formed(values)
        return self.border.read_batch(data, self.where, empty=empty, origin=origin)

    def emptied(self, batch: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return a batch without its examples, for a share that has none."""
        axes = [field.batch_axis for field in self.border.fields]
        return [array.take([], axis) for array, axis in zip(batch, axes, strict=True)]

    def _origin(self, numbers: np.ndarray, axes: Sequence[int | None]) -> np.ndarray:
        """Return the numbers of examples or steps in the arrays of the user, before a hold-out."""
        for k in self._stored:
            axis = axes[k]
            if axis is not None:
                return self.values[k].origin(axis, numbers)
        return numbers

    def _in_time(self, k: int, value: Any, time: slice | None) -> Any:
        """Return some time steps of array k, or of each of its sequences."""
        axis = self.times[k]
        if time is None or axis is None:
            return value
        if self.parts.lists[k]:
            return [part_of(one, time, axis) for one in value]
        return part_of(value, time, axis)

    def scan(self, needed: Collection[str] | None = None) -> Iterator[list[np.ndarray]]:
        """Read all examples, in their order, in pieces.

        Parameters
        ----------
        needed : collection of str, optional
            The names of the arrays whose values are needed, all by default. In place of others,
            there are zeros.
        """
        each, block = self.sizes()
        some = max(1, SCANNED // (each * block)) * block
        skip = [
            k
            for k in self._stored
            if needed is not None
            and self.fields[k].name not in needed
            and isinstance(self.values[k], Stored)
        ]
        for start in range(0, self.n, some):
            numbers = np.arange(start, min(start + some, self.n))
            loaded = self.load(numbers, block, skip=skip)
            for k in skip:
                axis = self.axes[k]
                value = self.values[k] if axis is None else self.values[k].part(axis, numbers)
                loaded[k] = value.outline()
            yield self.batch(loaded, numbers)
