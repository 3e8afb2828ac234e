"""X in all its forms, read once: a table of series, one array, or a list of sequences."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, validate_data

TABLE, ARRAY, LIST = 'table', 'array', 'list'


@dataclass(frozen=True)
class Sequences:
    """Sequences side by side.

    Attributes
    ----------
    x : array of shape (n, T, I)
        0 over padding.
    lengths : array of int of shape (n,)
    form : {'table', 'array', 'list'}
        The form of X: n series of T steps (n, T), one array (n, T, I), or a list.
    """

    x: np.ndarray
    lengths: np.ndarray
    form: str

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: np.ndarray | slice) -> 'Sequences':
        """Return some of the sequences."""
        return Sequences(self.x[rows], self.lengths[rows], self.form)

    @property
    def mask(self) -> np.ndarray:
        """True where a step is real, of shape (n, T)."""
        return np.arange(self.x.shape[1]) < self.lengths[:, None]

    @property
    def even(self) -> bool:
        """Whether all sequences have the same length."""
        return bool((self.lengths == self.x.shape[1]).all())

    def split(self, values: np.ndarray) -> np.ndarray:
        """Return values (n, T, ...) of the steps in the form of X: as they are, or one by one.

        A list of sequences gives an array of n objects: arrays (T_i, ...).
        """
        if self.form != LIST:
            return values
        return as_objects([one[:length] for one, length in zip(values, self.lengths, strict=True)])


def as_objects(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return an array of objects with one element for each array."""
    out = np.empty(len(arrays), object)
    for k, array in enumerate(arrays):
        out[k] = array
    return out


def padded(arrays: Sequence[np.ndarray], steps: int) -> np.ndarray:
    """Return arrays (T_i, ...) side by side, (n, steps, ...), with 0 beyond their ends."""
    kind = np.result_type(*{array.dtype for array in arrays})
    out = np.zeros((len(arrays), steps, *arrays[0].shape[1:]), kind)
    for k, array in enumerate(arrays):
        out[k, : len(array)] = array
    return out


def listed(value: object) -> list[Any] | None:
    """Return the elements of a list of arrays or of an array of objects; None for other values."""
    if hasattr(value, 'iloc'):  # a frame or a Series of pandas
        if getattr(value, 'ndim', 0) == 1 and len(value) and axes(value.iloc[0]):  # type: ignore[arg-type]
            return list(value)  # type: ignore[call-overload]
        return None
    if isinstance(value, np.ndarray):
        nested = value.dtype == object and value.ndim == 1 and len(value) and axes(value[0])
        return list(value) if nested else None
    if isinstance(value, list | tuple) and len(value) and any(map(axes, value)):
        return list(value)
    return None


def axes(value: object) -> int:
    """Return how many axes an array or a nested list has."""
    if isinstance(value, list | tuple):
        return 1 + max(map(axes, value), default=0)
    return int(getattr(value, 'ndim', 0))


def read(estimator: BaseEstimator, X: ArrayLike, *, reset: bool) -> Sequences:
    """Check and convert X; in a `fit`, note how many features it has and what they are called.

    Parameters
    ----------
    estimator : estimator
        One with ``channels_first``.
    X : array (n, T, I), list of arrays (T_i, I), or array or frame (n, T)
    reset : bool
        Whether this is the first X, which later ones must agree with.

    Raises
    ------
    ValueError, TypeError
        If X is not such an array, has NaN or infinity, or other features than in `fit`.
    """
    _refuse_nested_frames(X)
    _refuse_mappings_and_iterators(X)
    elements = listed(X)
    if elements is not None and not _is_table(elements):
        found = _of_list(elements, estimator.channels_first)
    elif getattr(X, 'ndim', 2) > 2:
        found = _of_array(estimator, X)
    else:
        found = _of_table(estimator, X, reset)
    _check_finite(found)
    _check_features(estimator, X, found, reset)
    if found.form == estimator._form == LIST and not estimator.channels_first:
        _check_names(estimator, elements, reset)
    return found


def _is_table(elements: list[Any]) -> bool:
    """Return whether lists of numbers all have one length."""
    return max(map(axes, elements)) == 1 and len(set(map(len, elements))) == 1


def _refuse_nested_frames(X: object) -> None:
    """Raise a ValueError for frames whose cells are series."""
    if not (hasattr(X, 'iloc') and getattr(X, 'ndim', 0) == 2 and 0 not in X.shape):  # type: ignore[attr-defined]
        return
    if axes(X.iloc[0, 0]):  # type: ignore[attr-defined]
        raise ValueError(
            'X is a nested DataFrame, whose cells are series; expected a list of arrays '
            '(time steps, features), one for each sequence: '
            '[np.column_stack(list(row)) for row in X.to_numpy()]'
        )


def _refuse_mappings_and_iterators(X: object) -> None:
    """Raise a TypeError for what has sequences, but is no list of them."""
    if isinstance(X, Mapping | Iterator) and not issparse(X):  # some sparse arrays are dicts
        way = 'list(X.values())' if isinstance(X, Mapping) else 'list(X)'
        raise TypeError(
            f'X is a {type(X).__name__}; expected a list of arrays (time steps, features), one '
            f'for each sequence: {way}'
        )


def _of_table(estimator: BaseEstimator, X: ArrayLike, reset: bool) -> Sequences:
    """Read n series of T steps, (n, T); its errors are scikit-learn's."""
    table = _checked(estimator, X)
    if reset or getattr(estimator, '_form', None) == TABLE:
        # (n, T) has T features for scikit-learn: the names of its columns belong to it.
        validate_data(estimator, X, skip_check_array=True, reset=reset)
    return Sequences(table[:, :, None], np.full(len(table), table.shape[1]), TABLE)


def _of_array(estimator: BaseEstimator, X: ArrayLike) -> Sequences:
    if X.ndim != 3:
        raise ValueError(
            f'X has {X.ndim} axes, shape {X.shape}; expected (sequences, time steps, '
            f'features), a list of arrays (time steps, features), or (sequences, time steps)'
        )
    array = _checked(estimator, X, allow_nd=True)
    if estimator.channels_first:
        array = array.swapaxes(1, 2)
    for axis, what in ((1, 'time step'), (2, 'feature')):
        if not array.shape[axis]:
            raise ValueError(f'Found array with 0 {what}(s) (shape={array.shape}): X needs some')
    return Sequences(np.ascontiguousarray(array), np.full(len(array), array.shape[1]), ARRAY)


def _checked(estimator: BaseEstimator, X: ArrayLike, **options: Any) -> np.ndarray:
    X = X if hasattr(X, 'dtype') or hasattr(X, 'iloc') or issparse(X) else np.asarray(X)
    return check_array(
        X, dtype=(np.float64, np.float32), estimator=estimator, ensure_all_finite=False,
        input_name='X', **options,
    )  # fmt: skip


def _of_list(elements: list[Any], channels_first: bool) -> Sequences:
    """Read sequences (T_i, I), or (T_i,) of one feature; with channels first (I, T_i)."""
    arrays = []
    for k, one in enumerate(elements):
        array = _numbers(k, one)
        if array.ndim == 1:
            array = array[:, None]
        elif channels_first:
            array = array.T
        arrays.append(array)
        features, first = array.shape[1], arrays[0].shape[1]
        if features != first:
            axis = 0 if channels_first else 1
            raise ValueError(
                f'X[{k}] has {features} features (axis {axis}, shape {np.shape(one)}), but X[0] '
                f'has {first}; all sequences have the same features. Expected arrays '
                f'({"features, time steps" if channels_first else "time steps, features"})'
            )
        if not len(array):
            raise ValueError(f'X[{k}] has 0 time steps, shape {np.shape(one)}; leave it out')
    lengths = np.array([len(array) for array in arrays])
    if not arrays[0].shape[1]:
        raise ValueError(f'X[0] has 0 features, shape {np.shape(elements[0])}')
    return Sequences(padded(arrays, lengths.max()), lengths, LIST)


def _numbers(k: int, one: object) -> np.ndarray:
    """Return one sequence as an array of floats."""
    try:
        array = np.asarray(one)
        if array.dtype.kind not in 'fiub':
            if array.dtype.kind == 'c':
                raise ValueError('Complex data not supported')
            array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f'X[{k}] is not an array of numbers: {error}') from error
    if array.ndim not in (1, 2):
        raise ValueError(
            f'X[{k}] has {array.ndim} axes, shape {array.shape}; a sequence is (time steps, '
            f'features)'
        )
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


def _check_finite(found: Sequences) -> None:
    bad = ~np.isfinite(found.x)
    if not bad.any():
        return
    k, step, feature = (int(i) for i in np.argwhere(bad)[0])
    what = 'NaN' if np.isnan(found.x[k, step, feature]) else 'infinity (inf)'
    raise ValueError(
        f'Input X contains {what}, in sequence {k} at time step {step}, feature {feature}. Leave '
        f'out such steps, or fill them in before'
    )


def _check_features(estimator: BaseEstimator, X: ArrayLike, found: Sequences, reset: bool) -> None:
    """Note the features of X, or compare them with those of `fit`."""
    features, name = found.x.shape[2], type(estimator).__name__
    if reset:
        estimator._features, estimator._form = features, found.form
        if found.form != TABLE:
            estimator.n_features_in_ = features
            if hasattr(estimator, 'feature_names_in_'):
                del estimator.feature_names_in_
    elif features != estimator._features:
        shape = 'each X[k] is' if found.form == LIST else f'X has shape {np.shape(X)}; expected'
        order = '(features, time steps)' if estimator.channels_first else '(time steps, features)'
        raise ValueError(
            f'X has {features} features for each time step, but {name} is expecting '
            f'{estimator._features} features as input; {shape} '
            f'{order if found.form == LIST else "(sequences, " + order[1:]}'
        )


def _check_names(estimator: BaseEstimator, elements: list[Any], reset: bool) -> None:
    """Note the columns of frames, or compare them with those of `fit`; each frame has the same."""
    known = None if reset else getattr(estimator, 'feature_names_in_', None)
    whose = 'was so in fit'
    for k, one in enumerate(elements):
        names = list(getattr(one, 'columns', ()))
        if not names or not all(isinstance(name, str) for name in names):
            continue
        if known is None:
            known, whose = names, f'is so in X[{k}]'
            if reset:
                estimator.feature_names_in_ = np.array(names, object)
        for column, (name, expected) in enumerate(zip(names, known, strict=True)):
            if name != expected:
                raise ValueError(
                    f'The feature names should match: column {column} of X[{k}] is {name!r}, but '
                    f'{expected!r} {whose}. All sequences have the same features, in the same order'
                )
