"""Targets, outputs and weights as users pass them to metrics: checked arrays. NumPy only."""

from collections.abc import Sequence

import numpy as np

from rnnkit.common.masked_arrays import without_mask
from rnnkit.common.spelling import brief
from rnnkit.errors import DataError, ShapeError

MOST_CLASSES = 10**8  # no label is larger, so that counts of all classes fit into memory

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]  # target, output and weights


# --- arrays and lists of sequences


def read(
    name: str, target: object, output: object, weights: object
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return arrays; sequences of different lengths are put end to end.

    Parameters
    ----------
    name : str
        The name of the metric, for messages.
    target, output, weights
        Arrays, or lists of sequences; weights may be None, or one number for each sequence.

    Raises
    ------
    ShapeError, DataError
        If one of them cannot be read as an array, or the lengths differ.
    """
    given = {'target': target, 'output': output}
    if weights is not None:
        given['weights'] = weights
    lengths = {what: _lengths(value) for what, value in given.items()}
    if any(len(set(each)) > 1 for each in lengths.values()):
        expected = lengths['target'] or lengths['output']
        if weights is not None and not lengths['weights']:
            given['weights'] = _of_steps(name, weights, expected)
            lengths['weights'] = expected
        if len({tuple(each) for each in lengths.values()}) > 1:
            raise ShapeError(
                f'{name}: {" and ".join(given)} are lists of sequences, so they must have the same '
                f'lengths'
            )
        for what, value in given.items():
            sequences = [_array(name, f'{what}[{k}]', v) for k, v in enumerate(value)]  # type: ignore[arg-type]
            if len({one.shape[1:] for one in sequences}) > 1:
                raise ShapeError(f'{name}: the sequences of {what} differ in their last axis')
            given[what] = np.concatenate(sequences)
    arrays = {what: _array(name, what, value) for what, value in given.items()}
    return arrays['target'], arrays['output'], arrays.get('weights')


def _lengths(value: object) -> list[int]:
    """Return the lengths of a list of sequences; nothing for anything else."""
    of_objects = isinstance(value, np.ndarray) and value.dtype == object
    if not (of_objects or isinstance(value, list | tuple)):
        return []
    sequences = list(value)  # type: ignore[call-overload]
    if not all(isinstance(v, list | tuple) or getattr(v, 'ndim', 0) for v in sequences):
        return []
    return list(map(len, sequences))


def _of_steps(name: str, weights: object, lengths: Sequence[int]) -> list[np.ndarray]:
    """Return weights of sequences as those of their steps."""
    array = _array(name, 'weights', weights)
    if array.shape != (len(lengths),):
        raise ShapeError(
            f'{name}: weights must be a list of sequences, or one number for each of the '
            f'{len(lengths)} sequences; got shape {array.shape}'
        )
    return [np.full(n, weight) for n, weight in zip(lengths, array, strict=True)]


def _array(name: str, what: str, value: object) -> np.ndarray:
    """Return what a user passed as an array: of numbers, of strings, or of objects with strings."""
    value = without_mask(f'{name}: {what}', value, 'weights that are 0 where it is masked')
    if value is None or isinstance(value, str | bytes | dict | set):
        raise DataError(f'{name}: {what} must be an array or a list; got {type(value).__name__}')
    try:
        array = np.asarray(value)
        if array.dtype.kind == 'T':  # strings of any length
            array = array.astype(object)
        if array.dtype == object and not any(isinstance(one, str) for one in array.ravel()):
            array = array.astype('float64')
    except Exception as error:  # the value may be of any class that can be an array
        raise ShapeError(f'{name}: {what} cannot be read as one array: {error}') from None
    if array.dtype.kind not in 'biufUSO':
        raise DataError(f'{name}: {what} must be real numbers; got an array of {array.dtype}')
    return array


# --- numbers


def numbers(
    name: str, target: np.ndarray, output: np.ndarray, weights: np.ndarray | None
) -> Arrays:
    """Return targets and outputs that are numbers, and one weight for each."""
    for what, array in (('target', target), ('output', output)):
        if array.dtype.kind in 'USO':
            raise DataError(f'{name}: {what} must be real numbers; got an array of {array.dtype}')
    if weights is not None and target.ndim > 1 and weights.shape == target.shape[:-1]:
        weights = np.broadcast_to(weights[..., None], target.shape)
    return _checked(name, target.astype('float64'), output.astype('float64'), weights)


def binary(name: str, target: np.ndarray, output: np.ndarray, weights: np.ndarray | None) -> Arrays:
    """Return targets that are 0 or 1, outputs, and one weight for each."""
    target, output, weights = numbers(name, target, output, weights)
    wrong = (target != 0) & (target != 1)
    if wrong.any():
        raise DataError(f'{name}: target contains {target[wrong][0]:g}; targets must be 0 or 1')
    return target, output, weights


def _checked(
    name: str, target: np.ndarray, output: np.ndarray, weights: np.ndarray | None
) -> Arrays:
    if target.shape != output.shape:
        raise ShapeError(
            f'{name}: target {target.shape}, output {output.shape}: both must have one shape'
        )
    if target.size == 0:
        raise DataError(f'{name}: there are no targets')
    each = _weights(name, target.shape, weights)
    target, output = _select(target, each), _select(output, each)
    _finite(name, 'target', target)
    _finite(name, 'output', output)
    return target, output, each


def _weights(name: str, shape: tuple[int, ...], weights: np.ndarray | None) -> np.ndarray:
    if weights is None:
        return np.ones(shape)
    if weights.dtype.kind in 'USO':
        raise DataError(f'{name}: weights must be numbers; got an array of {weights.dtype}')
    weights = weights.astype('float64')
    if weights.shape != shape:
        raise ShapeError(
            f'{name}: one weight for each target, {shape}; got weights {weights.shape}'
        )
    if not ((weights >= 0) & (weights < np.inf)).all() or not weights.any():
        raise DataError(f'{name}: weights must be numbers of at least 0, and not all 0')
    return weights


def _select(array: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return an array in which a value that counts stands for each of weight 0."""
    counts = weights > 0
    if counts.all():
        return array
    if array.ndim > counts.ndim:
        counts = counts[..., None]
        return np.where(counts, array, array[counts[..., 0]][0])
    return np.where(counts, array, array[counts][0])


def _finite(name: str, what: str, array: np.ndarray) -> None:
    if array.dtype.kind == 'f' and not np.isfinite(array).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise DataError(
            f'{name}: {what} contains {array[index]} at index {index}; what counts must be finite, '
            f'and what does not needs a weight of 0'
        )


# --- labels


def labels(name: str, target: np.ndarray, output: np.ndarray, weights: np.ndarray | None) -> Arrays:
    """Return two arrays of labels of one kind, all strings or all numbers, and weights."""
    target, output, weights = _checked(name, target, output, weights)
    target, output = _as_text(name, 'target', target), _as_text(name, 'output', output)
    kinds = ['strings' if array.dtype.kind in 'US' else 'numbers' for array in (target, output)]
    if len(set(kinds)) > 1:
        raise DataError(
            f'{name}: the labels of target are {kinds[0]}, and those of output {kinds[1]}; both '
            f'must be of one kind'
        )
    return target, output, weights


def _as_text(name: str, what: str, array: np.ndarray) -> np.ndarray:
    """Return an array of objects as one of strings."""
    if array.dtype != object:
        return array
    wrong = np.array([not isinstance(one, str) for one in array.ravel()]).reshape(array.shape)
    if wrong.any():
        index = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise DataError(
            f'{name}: {what} contains {brief(array[index])} at index {index}, among strings; '
            f'labels must be of one kind, and what does not count needs a weight of 0'
        )
    return array.astype(str)


def numbered(target: np.ndarray, output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return labels of any kind as numbers from 0, in their order."""
    _, numbers = np.unique([target.ravel(), output.ravel()], return_inverse=True)
    target_numbers, output_numbers = numbers.reshape(2, -1)
    return target_numbers.reshape(target.shape), output_numbers.reshape(output.shape)


def whole_labels(name: str, array: np.ndarray) -> np.ndarray:
    """Return labels that are whole numbers from 0."""
    if array.dtype.kind not in 'biuf' or (array != np.floor(array)).any() or array.min() < 0:
        raise DataError(
            f'{name}: labels must be whole numbers of at least 0, or names of classes, with '
            f'classes=net.classes_'
        )
    if array.max() >= MOST_CLASSES:
        raise DataError(f'{name}: label {array.max()}; labels are the numbers of classes, from 0')
    return array.astype('int64')


def places(name: str, array: np.ndarray, classes: object) -> np.ndarray:
    """Return the places of labels in a list of the names of all classes."""
    names = _as_text(name, 'classes', _array(name, 'classes', classes))
    if names.ndim != 1:
        raise DataError(f'{name}: classes must be a list of names; got shape {names.shape}')
    known = {one: k for k, one in enumerate(names.tolist())}
    distinct, inverse = np.unique(array, return_inverse=True)
    missing = [one for one in distinct.tolist() if one not in known]
    if missing:
        raise DataError(
            f'{name}: {brief(missing[0])} is not one of the {len(known)} classes '
            f'{", ".join(map(brief, [*known][:8]))}{", ..." * (len(known) > 8)}'
        )
    found = np.array([known[one] for one in distinct.tolist()], 'int64')
    return found[inverse].reshape(array.shape)


def probabilities(
    name: str,
    target: np.ndarray,
    output: np.ndarray,
    weights: np.ndarray | None,
    classes: object = None,
) -> Arrays:
    """Return labels as the numbers of classes, the probability of each class, and weights."""
    if output.shape[:-1] != target.shape or output.ndim == 0:
        raise ShapeError(
            f'{name}: expects labels (T, B) and probabilities (T, B, O); got {target.shape} and '
            f'{output.shape}'
        )
    if target.size == 0 or output.size == 0:
        raise DataError(f'{name}: there are no targets')
    if output.dtype.kind in 'USO':
        raise DataError(f'{name}: output must be numbers; got an array of {output.dtype}')
    each = _weights(name, target.shape, weights)
    target, output = _as_text(name, 'target', _select(target, each)), _select(output, each)
    if not (output.min() >= 0 and output.max() <= 1 + 1e-5):  # or one is not a number
        raise DataError(
            f'{name}: expects probabilities from 0 to 1, as predict_proba() returns; got '
            f'{output.min():g} to {output.max():g}'
        )
    given = whole_labels(name, target) if classes is None else places(name, target, classes)
    n = output.shape[-1]
    if given.max() >= n:
        raise DataError(f'{name}: label {given.max()}, but there are {n} classes')
    return given, output, each
