r"""How good a prediction is: plain NumPy, for `score` and for reports.

Each metric is a function of the target, the output and weights. Weights have the shape of the
target, or, where that is numbers (T, B, O), of its first axes. A mask (T, B) is weights: 1 for what
is there, and 0 for what was filled up and counts for nothing. Targets y, outputs o, weights w:

================  =====================================================================
``r2``            :math:`1 - \sum w (y - o)^2 / \sum w (y - \bar y)^2`
``mse``           :math:`\sum w (y - o)^2 / \sum w`
``rmse``          the square root of that
``mae``           :math:`\sum w |y - o| / \sum w`
``accuracy``      the share of labels that are right
``f1``            the harmonic mean of precision and recall, averaged over classes
``xe``            :math:`-\sum w \ln p_y / \sum w`, the cross-entropy in nats
``bits``          the same in bits, for example for each character
``perplexity``    :math:`e^{xe} = 2^{bits}`
================  =====================================================================

The last three read probabilities, such as those of ``predict_proba``, and the others what
``predict`` returns: a metric has this in its attribute `reads`.

Examples
--------
>>> metrics['perplexity']([0, 1], [[0.5, 0.5], [0.5, 0.5]])
2.0
>>> metrics['perplexity'].reads
'probabilities'
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from rnnkit.common.registry import Registry
from rnnkit.errors import ConfigError, DataError, ShapeError

READS = ('prediction', 'probabilities')

metrics = Registry('metric')


def add(*names: str, reads: str = 'prediction') -> Callable[[Callable], Callable]:
    """Return a decorator that registers a function of target, output and weights.

    Parameters
    ----------
    *names : str
    reads : {'prediction', 'probabilities'}
        What the output is: that of ``predict``, or that of ``predict_proba``. It is kept as
        an attribute of the function.

    Raises
    ------
    ConfigError
        If a name is taken, or `reads` is neither.
    """
    if reads not in READS:
        raise ConfigError(f"a metric reads 'prediction' or 'probabilities'; got {reads!r}")

    def register(function: Callable) -> Callable:
        function.reads = reads
        return metrics.add(*names)(function)

    return register


def _weights(name: str, shape: tuple[int, ...], weights: ArrayLike | None) -> np.ndarray:
    if weights is None:
        return np.ones(shape)
    weights = np.asarray(weights, 'float64')
    if weights.shape != shape:
        raise ShapeError(
            f'{name}: one weight for each target, {shape}; got weights {weights.shape}'
        )
    if not (weights >= 0).all() or not weights.any():
        raise DataError(f'{name}: weights are numbers of at least 0, and not all 0')
    return weights


def _checked(name: str, target: ArrayLike, output: ArrayLike, weights: ArrayLike | None):
    target, output = np.asarray(target), np.asarray(output)
    if target.shape != output.shape:
        raise ShapeError(
            f'{name}: target {target.shape}, output {output.shape}: both must have one shape'
        )
    if target.size == 0:
        raise DataError(f'{name}: there are no targets')
    return target, output, _weights(name, target.shape, weights)


def _numbers(name: str, target: ArrayLike, output: ArrayLike, weights: ArrayLike | None):
    target = np.asarray(target, 'float64')
    if weights is not None and target.ndim > 1 and np.shape(weights) == target.shape[:-1]:
        weights = np.broadcast_to(np.asarray(weights)[..., None], target.shape)
    return _checked(name, target, np.asarray(output, 'float64'), weights)


# --- numbers ---


@add('r2')
def r2(target: ArrayLike, output: ArrayLike, weights: ArrayLike | None = None) -> float:
    r"""Coefficient of determination, :math:`1 - \sum w (y - o)^2 / \sum w (y - \bar y)^2`.

    1 is perfect, 0 is as good as the constant mean. For a constant target it is 1 if the
    output equals it and minus infinity otherwise.
    """
    target, output, weights = _numbers('r2', target, output, weights)
    spread = (weights * (target - np.average(target, weights=weights)) ** 2).sum()
    error = (weights * (target - output) ** 2).sum()
    if spread == 0:
        return 1.0 if error == 0 else -np.inf
    return float(1 - error / spread)


@add('mse')
def mse(target: ArrayLike, output: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the (weighted) mean of the squared differences."""
    target, output, weights = _numbers('mse', target, output, weights)
    return float(np.average((target - output) ** 2, weights=weights))


@add('rmse')
def rmse(target: ArrayLike, output: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the square root of `mse`, which is in the unit of the target."""
    target, output, weights = _numbers('rmse', target, output, weights)
    return float(np.sqrt(mse(target, output, weights)))


@add('mae')
def mae(target: ArrayLike, output: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the (weighted) mean of the absolute differences."""
    target, output, weights = _numbers('mae', target, output, weights)
    return float(np.average(abs(target - output), weights=weights))


# --- labels ---


@add('accuracy', 'acc')
def accuracy(target: ArrayLike, output: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the (weighted) share of labels that are right."""
    target, output, weights = _checked('accuracy', target, output, weights)
    return float(np.average(target == output, weights=weights))


def confusion(
    target: ArrayLike,
    output: ArrayLike,
    weights: ArrayLike | None = None,
    classes: int | None = None,
) -> np.ndarray:
    """Return how many targets of each class were given each label.

    Parameters
    ----------
    target, output : array of int
        Labels from 0.
    weights : array of the same shape, optional
    classes : int, optional
        K, the number of classes; by default the least that the labels allow.

    Returns
    -------
    counts : array of shape (K, K)
        Rows are targets, columns outputs; the counts are sums of weights.

    Examples
    --------
    >>> confusion([0, 0, 1], [0, 1, 1])
    array([[1., 1.],
           [0., 1.]])
    """
    target, output, weights = _checked('confusion', target, output, weights)
    both = [_labels('confusion', a) for a in (target, output)]
    needed = int(max(a.max() for a in both)) + 1
    K = needed if classes is None else classes
    if needed > K:
        raise DataError(f'confusion: there is a label {needed - 1}, but classes={K}')
    cells = (both[0] * K + both[1]).ravel()
    return np.bincount(cells, weights.ravel(), K * K).reshape(K, K)


def _labels(name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in 'biuf' or (array != np.floor(array)).any() or array.min() < 0:
        raise DataError(f'{name}: labels are whole numbers of at least 0')
    return array.astype('int64')


@add('f1')
def f1(target: ArrayLike, output: ArrayLike, weights: ArrayLike | None = None) -> float:
    r"""Return the mean over classes of :math:`2 h / (n + m)`.

    Of each class, h is the (weighted) number of hits, n that of its targets and m that of its
    outputs. All classes count alike, however rare, but for those that occur in neither.
    """
    target, output, weights = _checked('f1', target, output, weights)
    target, output = (_labels('f1', a) for a in (target, output))
    K = int(max(target.max(), output.max())) + 1

    def count(labels: np.ndarray, w: np.ndarray) -> np.ndarray:
        return np.bincount(labels.ravel(), w.ravel(), K)

    hits = count(target, weights * (target == output))
    both = count(target, weights) + count(output, weights)
    return float((2 * hits[both > 0] / both[both > 0]).mean())


# --- probabilities ---


@add('xe', 'crossentropy', 'cross_entropy', reads='probabilities')
def cross_entropy(target: ArrayLike, output: ArrayLike, weights: ArrayLike | None = None) -> float:
    r"""Return the (weighted) mean of :math:`-\ln p_y`, in nats.

    Parameters
    ----------
    target : array of int of shape (T, B)
        Labels y, or of any other shape.
    output : array of shape (T, B, O)
        The probability of each class. Infinity is returned where that of a target is 0.
    weights : array of shape (T, B), optional

    Raises
    ------
    ShapeError
        If the shapes do not fit together.
    DataError
        If a label is not one of the classes, or `output` is not of probabilities.
    """
    return _cross_entropy('cross_entropy', target, output, weights)


def _cross_entropy(name: str, target: ArrayLike, output: ArrayLike, weights: ArrayLike | None):
    target, output = np.asarray(target), np.asarray(output)
    if output.shape[:-1] != target.shape or output.ndim == 0:
        raise ShapeError(
            f'{name}: wants labels (T, B) and probabilities (T, B, O); got {target.shape} and '
            f'{output.shape}'
        )
    if target.size == 0:
        raise DataError(f'{name}: there are no targets')
    if not (output.min() >= 0 and output.max() <= 1 + 1e-5):  # or one is not a number
        raise DataError(
            f'{name}: wants probabilities from 0 to 1, as predict_proba() returns; got '
            f'{output.min():g} to {output.max():g}'
        )
    weights = _weights(name, target.shape, weights)
    labels = _labels(name, target)
    if labels.max() >= output.shape[-1]:
        raise DataError(f'{name}: label {labels.max()}, but there are {output.shape[-1]} classes')
    p = np.take_along_axis(output, labels[..., None], axis=-1)[..., 0].astype('float64')
    counted = weights > 0  # 0 · inf is not a number
    with np.errstate(divide='ignore'):
        return float(np.average(-np.log(p[counted]), weights=weights[counted]))


@add('bits', reads='probabilities')
def bits(target: ArrayLike, output: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the cross-entropy in bits: for text, the bits that a character takes."""
    return _cross_entropy('bits', target, output, weights) / float(np.log(2))


@add('perplexity', reads='probabilities')
def perplexity(target: ArrayLike, output: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return 2 to the power of `bits`: among how many equal choices the network wavers."""
    return float(np.exp(_cross_entropy('perplexity', target, output, weights)))
