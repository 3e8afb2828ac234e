"""y read once: one target for each sequence, or one for each time step; and sample weights."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import assert_all_finite, check_array, column_or_1d
from sklearn.utils._missing import is_pandas_na, is_scalar_nan
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_consistent_length

from rnnkit.sklearn.sequences import LIST, Sequences, axes, listed, padded

LAST, ALL = 'last', 'all'


@dataclass(frozen=True)
class Targets:
    """The targets of some sequences.

    Attributes
    ----------
    y : array of shape (n,), (n, O), (n, T) or (n, T, O)
    many : {'last', 'all'}
        One for each sequence, or one for each time step.
    """

    y: np.ndarray
    many: str

    def __getitem__(self, rows: np.ndarray) -> 'Targets':
        """Return the targets of some of the sequences."""
        return Targets(self.y[rows], self.many)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a single target: () or (O,)."""
        return self.y.shape[2 if self.many == ALL else 1 :]

    def with_features(self) -> 'Targets':
        """Return targets with an axis of their own: (n,) -> (n, 1), or (n, T) -> (n, T, 1)."""
        return self if self.shape else Targets(self.y[..., None], self.many)


def joined(y: ArrayLike) -> np.ndarray:
    """Return the targets of all steps of all sequences one after the other.

    An array (n, T) or (n, T, O) becomes (n * T,) or (n * T, O), and a list of arrays (T_i,) or
    (T_i, O) becomes (sum of T_i,) or (sum of T_i, O).
    """
    elements = listed(y)
    if elements is not None:
        return np.concatenate([np.asarray(one) for one in elements])
    array = np.asarray(y)
    return array.reshape(-1, *array.shape[2:])


def lengths_of(y: ArrayLike, predicted: ArrayLike) -> list[int]:
    """Return the number of time steps of each sequence, which y and predictions must agree in.

    Raises
    ------
    ValueError
        If y has other sequences or time steps than the predictions.
    """
    elements = _elements(y)
    if elements is None:
        raise ValueError(
            f'y has shape {np.shape(y)}; expected targets for each time step: (sequences, time '
            f'steps), or a list with one array for each sequence'
        )
    lengths = [len(one) for one in _elements(predicted) or []]
    check_consistent_length(lengths, elements)
    for k, (one, length) in enumerate(zip(elements, lengths, strict=True)):
        if axes(one) < 1 or len(one) != length:
            raise ValueError(
                f'y[{k}] has shape {np.shape(one)}, but X[{k}] has {length} time steps'
            )
    return lengths


def steps_of(y: ArrayLike, X: Sequences, many: str, what: str) -> list[np.ndarray] | None:
    """Return the targets of each step, one array for each sequence; None if y has no steps.

    Parameters
    ----------
    y : array or list
    X : Sequences
    many : {'auto', 'last', 'all'}
        As of the estimators.
    what : str
        The name of a target in messages: 'label' or 'target'.

    Raises
    ------
    ValueError
        If y does not fit X; or if its shape allows both, and `many` is 'auto'.
    """
    elements = _elements(y)
    if many == LAST or (many == 'auto' and not _has_steps(elements, y, X, what)):
        return None
    if elements is None:
        raise ValueError(
            f"many='all' expects one {what} for each time step: y (sequences, time steps), or a "
            f'list with one array for each sequence; got y of shape {np.shape(y)}'
        )
    check_consistent_length(X.x, elements)
    arrays = [np.asarray(one) for one in elements]
    for k, (array, length) in enumerate(zip(arrays, X.lengths, strict=True)):
        if array.ndim not in (1, 2) or (what == 'label' and array.ndim == 2):
            raise ValueError(
                f'y[{k}] has shape {array.shape}; expected one {what} for each time step of '
                f'X[{k}], ({length},)'
            )
        if len(array) != length:
            raise ValueError(f'y[{k}] has {len(array)} {what}s, but X[{k}] has {length} time steps')
    return arrays


def _elements(y: ArrayLike) -> list[Any] | None:
    """Return what y has for each sequence, if that is an array."""
    elements = listed(y)
    if elements is None and axes(y) >= 2:
        elements = list(np.asarray(y))
    return elements


def _has_steps(elements: list[Any] | None, y: ArrayLike, X: Sequences, what: str) -> bool:
    """Return whether y has one target for each step, by its shape."""
    if elements is None:
        return False
    lengths = [len(one) if axes(one) else -1 for one in elements]
    if axes(elements[0]) == 2:
        return True
    if set(lengths) == {1} or lengths != X.lengths.tolist():
        return len(set(lengths)) > 1  # neither: the error of steps_of says which one does not fit
    if what == 'target' and X.form != LIST:
        raise ValueError(
            f'y has shape {np.shape(y)}: {lengths[0]} targets for each sequence, or one for each '
            f"of the {lengths[0]} time steps; say which by many='last' or many='all'"
        )
    return True


def read_labels(
    y: ArrayLike, X: Sequences, many: str, classes: ArrayLike | None = None
) -> tuple[Targets, np.ndarray]:
    """Return labels as numbers from 0, and the classes that these stand for.

    Parameters
    ----------
    y : labels (n,); or (n, T), or a list of arrays (T_i,)
    X : Sequences
    many : {'auto', 'last', 'all'}
    classes : array, optional
        The classes that are known; by default those in y.

    Raises
    ------
    ValueError
        If y does not fit X, or has a label that is none of the classes.
    """
    steps = steps_of(y, X, many, 'label')
    if steps is None:
        flat = column_or_1d(y, warn=True)
        check_consistent_length(X.x, flat)
    else:
        flat = np.concatenate(steps)
    if flat.dtype.kind == 'f':
        assert_all_finite(flat, input_name='y')
    _check_none_missing(flat)
    check_classification_targets(flat)
    classes = np.unique(flat) if classes is None else np.asarray(classes)
    if len(classes) < 2:
        raise ValueError(f'y has only one class, {classes.tolist()[0]!r}; a classifier needs two')
    known = np.isin(flat, classes)
    if not known.all():
        k = int(np.flatnonzero(~known)[0])
        raise ValueError(
            f'y has the label {flat.tolist()[k]!r}, which is none of the classes '
            f'{classes.tolist()} of the first fit; partial_fit takes all classes there will be at '
            f'its first call: classes=...'
        )
    codes = np.searchsorted(classes, flat)
    if steps is None:
        return Targets(codes, LAST), classes
    parts = np.split(codes, np.cumsum(X.lengths)[:-1])
    return Targets(padded(parts, X.x.shape[1]), ALL), classes


def _check_none_missing(labels: np.ndarray) -> None:
    """Raise a ValueError for None, NaN or NA among labels (n,) or (steps,)."""
    for k, label in enumerate(labels) if labels.dtype == object else ():
        if label is None or is_scalar_nan(label) or is_pandas_na(label):
            raise ValueError(
                f'Input y contains NaN: label {k} is {label!r}. Leave out sequences without a label'
            )


def read_numbers(y: ArrayLike, X: Sequences, many: str) -> Targets:
    """Return targets that are numbers.

    Parameters
    ----------
    y : numbers (n,) or (n, O); or (n, T), (n, T, O), or a list of arrays (T_i,) or (T_i, O)
    X : Sequences
    many : {'auto', 'last', 'all'}

    Raises
    ------
    ValueError
        If y does not fit X, or has NaN or infinity.
    """
    steps = steps_of(y, X, many, 'target')
    options = {'dtype': np.float64, 'ensure_2d': False, 'input_name': 'y'}
    if steps is not None:
        shapes = {array.shape[1:] for array in steps}
        if len(shapes) > 1:
            raise ValueError(f'y has different numbers of targets for each step: {shapes}')
        flat = check_array(np.concatenate(steps), **options)
        parts = np.split(flat, np.cumsum(X.lengths)[:-1])
        return Targets(padded(parts, X.x.shape[1]), ALL)
    y = check_array(y, allow_nd=True, **options)
    if y.ndim == 3:
        raise ValueError(f"many='last' expects y (n,) or (n, targets); got shape {y.shape}")
    check_consistent_length(X.x, y)
    if y.ndim == 2 and y.shape[1] == 1:
        warnings.warn(
            'A column-vector y was passed when a 1d array was expected. Please change the shape of '
            'y to (n_samples,), for example using ravel().',
            DataConversionWarning,
            stacklevel=4,
        )
        y = y[:, 0]
    return Targets(y, LAST)


def each_step(sample_weight: ArrayLike | None, lengths: Sequence[int]) -> np.ndarray | None:
    """Return the weights of all time steps, given those of the sequences, if there are any."""
    if sample_weight is None:
        return None
    check_consistent_length(lengths, sample_weight)
    return np.repeat(sample_weight, lengths)


def read_weights(sample_weight: ArrayLike | None, X: Sequences) -> np.ndarray:
    """Return one weight for each sequence.

    Raises
    ------
    ValueError
        If there is another number of them, one is negative, or all are 0.
    """
    weights = _check_sample_weight(
        sample_weight, X.x[:, 0], dtype=np.float64, ensure_non_negative=True
    )
    if not weights.any():  # which scikit-learn checks since 1.9
        raise ValueError('Sample weights must contain at least one non-zero number.')
    return weights
