"""One series without the axis that counts series: (T, I) in place of (T, 1, I).

A series is read this way only where its axes can mean nothing else. The arrays that come with it
may lack the axis, too, and so do the outputs that a user gets.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from rnnkit.data.arrays import Numbers
from rnnkit.data.field import Field


class Form(NamedTuple):
    """The form in which a user passed the first input.

    Attributes
    ----------
    listed : bool
        As a list of sequences.
    single : bool
        As one series, without the axis that counts series.
    flat : bool
        Without the axis that counts features: one number for each step.
    """

    listed: bool = False
    single: bool = False
    flat: bool = False

    def without_axes(self, out: np.ndarray, axis: int, labels: bool = False) -> np.ndarray:
        """Return an output without the axes that the input does not have.

        Parameters
        ----------
        out : array
        axis : int
            The axis of `out` that counts series.
        labels : bool
            Whether the last axis counts classes, and stays.
        """
        if not self.single:
            return out
        out = out.take(0, axis)
        return self.without_features(out, labels)

    def without_features(self, out: np.ndarray, labels: bool = False) -> np.ndarray:
        """Return an output of one number for each step without an axis for it."""
        return out[..., 0] if self.flat and out.shape[-1] == 1 and not labels else out


PLAIN = Form()  # one array with all axes


def is_single(field: Field, numbers: Numbers) -> bool:
    """Return whether an input is one series without the axis that counts series.

    Rows of a frame are always time steps. A two-dimensional array is one series if its last axis
    can only be that of the features.
    """
    array, is_table = numbers.array, numbers.rows is not None
    if (array.ndim == field.ndim and not is_table) or not field.has_time:
        return False
    if not field.has_features:
        return array.ndim == 1 or (is_table and array.ndim == 2 and array.shape[1] == 1)
    if array.ndim == 1:
        return field.size == 1
    if array.ndim != 2 or array.shape[1] != field.size:
        return False
    # (n, 1) may be n series of one step, where series come first.
    return is_table or field.size > 1 or field.axes[0] == 'time' or len(array) == 1


def form_of(field: Field, numbers: Numbers) -> Form:
    """Return how an input was passed that is no list of sequences."""
    if not is_single(field, numbers):
        return PLAIN
    return Form(single=True, flat=field.has_features and numbers.array.ndim == 1)


def with_batch(field: Field, numbers: Numbers) -> Numbers:
    """Return an array of one series with the axes of a field, if only they are missing."""
    if numbers.rows is not None and numbers.array.ndim == 2 and not field.has_features:
        if numbers.array.shape[1] != 1:
            return numbers
        numbers = replace(numbers, array=numbers.array[:, 0])
    if field.has_features and field.size == 1 and numbers.array.ndim == field.ndim - 2:
        numbers = with_features(numbers)
    if numbers.array.ndim == field.ndim - 1:
        numbers = numbers.with_axis(field.axes.index('batch'))
    return numbers


def with_features(numbers: Numbers) -> Numbers:
    """Return an array with an axis for its single feature."""
    return numbers.with_axis(numbers.array.ndim)


def as_column(field: Field, numbers: Numbers) -> Numbers:
    """Return a Series as a column, where each example has one number."""
    if numbers.is_series and field.axes[1:] == ('features',) and field.size == 1:
        return with_features(numbers)
    return numbers


def weights_with_batch(target: Field, numbers: Numbers, shape: Sequence[int]) -> Numbers:
    """Return the weights of one series with the axis that counts series.

    Parameters
    ----------
    target : Field
    numbers : Numbers
    shape : sequence of int
        The shape of the targets.
    """
    axis = target.axes.index('batch')
    without = (*shape[:axis], *shape[axis + 1 :])
    forms = [without]
    if target.has_features:
        forms += [without[:-1], (*without[:-1], 1)]
    return numbers.with_axis(axis) if numbers.array.shape in forms else numbers
