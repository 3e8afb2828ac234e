r"""Measures of predictions: for `score`, for reports, and as monitors of a training.

Each metric is a function of the target, the output and weights. Weights have the shape of the
target, or, for numbers (T, B, O), of its first axes. A mask (T, B) is weights: 1 for data, and 0
for padding, which does not count and may be anything. Lists of sequences of different lengths are
put end to end; they may have one weight each. Targets y, outputs o, weights w:

================  =====================================================================
``r2``            :math:`1 - \sum w (y - o)^2 / \sum w (y - \bar y)^2`
``mse``           :math:`\sum w (y - o)^2 / \sum w`
``rmse``          the square root of that
``mae``           :math:`\sum w |y - o| / \sum w`
``accuracy``      the share of labels that are right
``f1``            the harmonic mean of precision and recall, averaged over classes
``binary_...``    ``binary_accuracy`` and ``binary_f1``, for targets 0 or 1 and the probability of 1
``xe``            :math:`-\sum w \ln p_y / \sum w`, the cross-entropy in nats
``bits``          the same in bits, for example for each character
``perplexity``    :math:`e^{xe} = 2^{bits}`
================  =====================================================================

The last three read probabilities, such as those of ``predict_proba``, and the others what
``predict`` returns: a metric has this in its attribute `reads`. Labels are whole numbers or names
of classes; a metric that reads probabilities then needs the order of these, ``bits(labels, p,
classes=net.classes_)``.

A metric of your own is a function that is registered by `add`. If it follows from means over the
targets, say so by ``means=``, and it can be a monitor of a training, too.

Examples
--------
>>> metrics['perplexity']([0, 1], [[0.5, 0.5], [0.5, 0.5]])
2.0
>>> metrics['perplexity'].reads
'probabilities'
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from pytensor.tensor import TensorVariable

from rnnkit.common import compared, foreign_names
from rnnkit.common.calls import checked
from rnnkit.common.checks import choice, is_whole, whole
from rnnkit.common.registry import Registry
from rnnkit.errors import ConfigError, DataError, ShapeError

__all__ = [
    'Mean',
    'Metric',
    'Shares',
    'Statistic',
    'UnitShares',
    'Variance',
    'accuracy',
    'add',
    'binary_accuracy',
    'binary_f1',
    'bits',
    'confusion',
    'cross_entropy',
    'f1',
    'mae',
    'metrics',
    'mse',
    'perplexity',
    'r2',
    'rmse',
]

MOST_ROWS = 20_000  # of a table with a row and a column for each class
READS = ('prediction', 'probabilities')
TARGETS = ('numbers', 'labels', 'binary')

F = TypeVar('F', bound=Callable[..., Any])

Values = TypeVar('Values', np.ndarray, TensorVariable)
# A function of target and output, with one value for each target: of NumPy arrays, or of tensors.
Compare = Callable[[Any, Any], Any]


class Metric(Protocol):
    """A metric: a function with attributes.

    Attributes
    ----------
    reads : {'prediction', 'probabilities'}
        What the output is: that of ``predict``, or that of ``predict_proba``.
    targets : {'numbers', 'labels', 'binary'} or None
        What it is for; None for all.
    better : {'min', 'max'} or None
        Whether small or large values are better, if that is known.
    statistics : tuple of Statistic, or None
        What it follows from. None if it is computed from all targets and outputs at once.
    value : callable
        The metric, from these statistics.
    """

    __name__: str
    reads: str
    targets: str | None
    better: str | None
    statistics: 'tuple[Statistic, ...] | None'
    value: Callable[..., float]

    def __call__(
        self, target: ArrayLike, output: ArrayLike, weights: ArrayLike | None = None
    ) -> float:
        """Return how good `output` is."""


metrics: Registry[Metric] = Registry('metric')


# --- what metrics follow from


@dataclass(frozen=True)
class Mean:
    """The weighted mean, over targets, of a function of target and output."""

    of: Compare

    def __call__(self, target: np.ndarray, output: np.ndarray, weights: np.ndarray) -> float:
        """Return the mean over arrays; targets of weight 0 leave no trace."""
        values = np.asarray(self.of(target, output))
        if values.shape != weights.shape:
            raise ShapeError(
                f'{self.of.__name__}() of a metric must return one value for each target, '
                f'{weights.shape}; got {values.shape}'
            )
        values = np.where(weights > 0, values, 0)  # 0 · inf is not a number
        return float(np.average(values, weights=weights))


@dataclass(frozen=True)
class Variance:
    """The weighted variance, over targets, of a function of target and output."""

    of: Compare

    def __call__(self, target: np.ndarray, output: np.ndarray, weights: np.ndarray) -> float:
        """Return the variance over arrays."""
        values = np.where(weights > 0, self.of(target, output), 0)
        mean = np.average(values, weights=weights)
        return float(np.average((values - mean) ** 2, weights=weights))


@dataclass(frozen=True)
class Shares:
    """For each class, the weighted share of targets for which a label is this class.

    Parameters
    ----------
    of : callable
        The labels: a function of target and output.
    where : callable, optional
        Which of them count: a function of target and output.
    """

    of: Compare
    where: Compare | None = None

    def __call__(self, target: np.ndarray, output: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the shares, an array (K,); K is the least number that the labels allow."""
        K = int(max(target.max(), output.max())) + 1
        counted = weights if self.where is None else weights * self.where(target, output)
        counts = np.bincount(self.of(target, output).ravel(), counted.ravel(), K)
        return counts / weights.sum()


@dataclass(frozen=True)
class UnitShares:
    """For each unit of the output, the weighted share of targets for which a function is True.

    A target of any unit counts, so that the shares of all units add up to that of all targets.
    """

    of: Compare

    def __call__(self, target: np.ndarray, output: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the shares, an array (units,)."""
        counted = np.where(weights > 0, weights * self.of(target, output), 0)
        return counted.reshape(-1, counted.shape[-1] if counted.ndim else 1).sum(0) / weights.sum()


Statistic = Mean | Variance | Shares | UnitShares


@checked
def add(
    *names: str,
    reads: str = 'prediction',
    means: Sequence[Compare | Statistic] | None = None,
    targets: str | None = None,
    better: str | None = None,
) -> Callable[[F], Metric]:
    """Return a decorator that registers a metric.

    Without `means` it decorates a function ``f(target, output, weights)`` of NumPy arrays. With
    `means` it decorates a function of means, and returns a function of target, output and weights.

    Parameters
    ----------
    *names : str
    reads : {'prediction', 'probabilities'}
        What the output is: that of ``predict``, or that of ``predict_proba``.
    means : sequence of callable, optional
        The metric follows from the weighted means of these functions ``f(target, output)``. Each
        returns one value for each target, by operations that NumPy arrays and tensors both have:
        ``abs(target - output)``. Such a metric can be a monitor of a training.
    targets : {'numbers', 'labels', 'binary'}, optional
        What targets it is for; by default all. ``'binary'`` are 0 or 1, the output is the
        probability of 1.
    better : {'min', 'max'}, optional
        Whether small or large values are better, for early stopping by this metric.

    Raises
    ------
    ConfigError
        If a name is taken, `reads`, `targets` or `better` is neither, or `means` is not made of
        functions.

    Notes
    -----
    For example, how far outputs are too large::

        @rnnkit.metrics.add('bias', means=[lambda target, output: output - target])
        def bias(mean):
            return mean
    """
    choice('add(): reads', reads, READS)
    choice('add(): targets', targets, (None, *TARGETS))
    choice('add(): better', better, (None, 'min', 'max'))
    if means is not None and not (
        isinstance(means, list | tuple) and means and all(map(callable, means))
    ):
        raise ConfigError(
            f'add(): means must be a list of functions of target and output; got {means!r}'
        )

    def register(function: Callable[..., Any]) -> Metric:
        metric: Any = function
        if means is not None:
            kinds = (Mean, Variance, Shares, UnitShares)
            statistics = tuple(mean if isinstance(mean, kinds) else Mean(mean) for mean in means)
            metric = _of_statistics(function, statistics, reads, targets)
        metric.reads, metric.targets, metric.better = reads, targets, better
        if means is None:
            metric.statistics, metric.value = None, None
        return metrics.add(*names)(metric)

    return register


def _of_statistics(
    function: Callable[..., float],
    statistics: tuple[Statistic, ...],
    reads: str,
    targets: str | None,
) -> Callable[..., float]:
    """Return a function of target, output and weights for one of statistics."""
    name = function.__name__
    read = compared.numbers
    if targets == 'labels':
        read = compared.labels
    elif targets == 'binary':
        read = compared.binary
    of_classes = any(isinstance(statistic, Shares) for statistic in statistics)

    def of(arrays: compared.Arrays) -> float:
        target, output, weights = arrays
        if of_classes:
            target, output = compared.numbered(target, output)
        return float(function(*(statistic(target, output, weights) for statistic in statistics)))

    def metric(target: ArrayLike, output: ArrayLike, weights: ArrayLike | None = None) -> float:
        return of(read(name, *compared.read(name, target, output, weights)))

    def of_probabilities(
        target: ArrayLike,
        output: ArrayLike,
        weights: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> float:
        arrays = compared.read(name, target, output, weights)
        return of(compared.probabilities(name, *arrays, classes))

    if reads == 'probabilities':
        metric = of_probabilities

    functools.update_wrapper(
        metric, function, assigned=('__module__', '__name__', '__qualname__', '__doc__')
    )
    del metric.__wrapped__  # whose signature `help` would show
    metric: Any = checked(metric)
    metric.statistics, metric.value = statistics, function
    return metric


# --- numbers


def square_error(target: Values, output: Values) -> Values:
    """Return the square of each difference."""
    return (target - output) ** 2


def absolute_error(target: Values, output: Values) -> Values:
    """Return the absolute value of each difference."""
    return abs(target - output)


def the_target(target: Values, output: Values) -> Values:
    """Return the target."""
    return target


def the_output(target: Values, output: Values) -> Values:
    """Return the output."""
    return output


@add('r2', means=[Mean(square_error), Variance(the_target)], targets='numbers', better='max')
def r2(error: float, variance: float) -> float:
    r"""Coefficient of determination, :math:`1 - \sum w (y - o)^2 / \sum w (y - \bar y)^2`.

    1 is perfect, 0 is as good as the constant mean. For a constant target it is 1 if the
    output equals it and minus infinity otherwise.
    """
    if variance == 0:
        return 1.0 if error == 0 else -np.inf
    return 1 - error / variance


@add('mse', means=[square_error], targets='numbers', better='min')
def mse(error: float) -> float:
    r"""Mean squared error, :math:`\sum w (y - o)^2 / \sum w`, of targets y and outputs o."""
    return error


@add('rmse', means=[square_error], targets='numbers', better='min')
def rmse(error: float) -> float:
    r"""Root of the mean squared error, :math:`\sqrt{\sum w (y - o)^2 / \sum w}`.

    It is in the unit of the target.
    """
    return np.sqrt(error)


@add('mae', means=[absolute_error], targets='numbers', better='min')
def mae(error: float) -> float:
    r"""Mean absolute error, :math:`\sum w |y - o| / \sum w`, in the unit of the target."""
    return error


# --- labels


def hit(target: np.ndarray, output: np.ndarray) -> np.ndarray:
    """Return whether each label is right."""
    return target == output


@add('accuracy', 'acc', means=[hit], targets='labels', better='max')
def accuracy(share: float) -> float:
    r"""Accuracy: the share of labels that are right, :math:`\sum w [y = o] / \sum w`."""
    return share


@add(
    'f1',
    means=[Shares(the_target, hit), Shares(the_target), Shares(the_output)],
    targets='labels',
    better='max',
)
def f1(hits: np.ndarray, targets: np.ndarray, outputs: np.ndarray) -> float:
    r"""F1 score: the mean over classes of :math:`2 h / (n + m)`.

    Of each class, h is the (weighted) number of hits, n that of its targets and m that of its
    outputs. All classes count alike, however rare, but for those that occur in neither.
    """
    both = targets + outputs
    there = both > 0
    return (2 * hits[there] / both[there]).mean() if there.any() else 0.0


# --- 0 or 1, and the probability of 1: more than 0.5 counts as 1


def same_side(target: Values, output: Values) -> Values:
    """Return whether target and probability are on the same side of 0.5."""
    return ~((target > 0.5) ^ (output > 0.5))


def both_on(target: Values, output: Values) -> Values:
    """Return whether both are 1."""
    return (target > 0.5) & (output > 0.5)


def target_on(target: Values, output: Values) -> Values:
    """Return whether the target is 1."""
    return target > 0.5


def output_on(target: Values, output: Values) -> Values:
    """Return whether the probability is more than 0.5."""
    return output > 0.5


@add('binary_accuracy', means=[same_side], targets='binary', better='max')
def binary_accuracy(share: float) -> float:
    r"""Accuracy for targets 0 or 1: the share of outputs on the right side of 0.5.

    .. math:: \sum w \, [(y > 0.5) = (o > 0.5)] / \sum w

    It is what the name ``'accuracy'`` stands for in the training of a network with the loss 'bce'.
    """
    return share


@add(
    'binary_f1',
    means=[UnitShares(both_on), UnitShares(target_on), UnitShares(output_on)],
    targets='binary',
    better='max',
)
def binary_f1(hits: np.ndarray, targets: np.ndarray, outputs: np.ndarray) -> float:
    r"""F1 score for targets 0 or 1: the mean over units of :math:`2 h / (n + m)`.

    Of each unit, h is the (weighted) number of ones that were found, n that of ones among its
    targets, and m that of its outputs above 0.5. Units with neither do not count. It is what the
    name ``'f1'`` stands for in the training of a network with the loss 'bce'.
    """
    return f1.value(hits, targets, outputs)


@checked
def confusion(
    target: ArrayLike,
    output: ArrayLike,
    weights: ArrayLike | None = None,
    classes: int | ArrayLike | None = None,
) -> np.ndarray:
    """Return how many targets of each class were given each label.

    Parameters
    ----------
    target, output : array of int or str
        Labels from 0, or names of classes.
    weights : array of the same shape, optional
    classes : int or array, optional
        K, the number of classes; by default the least that the labels allow. Or the names of the
        classes in the order of rows and columns, such as ``net.classes_``; by default strings are
        sorted.

    Returns
    -------
    counts : array of shape (K, K)
        Rows are targets, columns outputs; the counts are sums of weights.

    Examples
    --------
    >>> confusion([0, 0, 1], [0, 1, 1])
    array([[1., 1.],
           [0., 1.]])
    >>> confusion(['no', 'no', 'yes'], ['no', 'yes', 'yes'], classes=['yes', 'no'])
    array([[1., 0.],
           [1., 1.]])
    """
    read = compared.read('confusion', target, output, weights)
    target, output, weights = compared.labels('confusion', *read)
    if classes is None and target.dtype.kind == 'U':
        classes = np.unique([*target.ravel(), *output.ravel()])
    if classes is None or is_whole(classes) or isinstance(classes, str):
        target, output = (compared.whole_labels('confusion', a) for a in (target, output))
    else:
        target, output = (compared.places('confusion', a, classes) for a in (target, output))
        classes = np.size(classes)
    needed = int(max(target.max(), output.max())) + 1
    K = needed if classes is None else whole('confusion: classes', classes, 1, MOST_ROWS)
    if needed > K:
        raise DataError(f'confusion: there is a label {needed - 1}, but classes={K}')
    if K > MOST_ROWS:
        raise DataError(f'confusion: label {K - 1}; labels are the numbers of classes, from 0')
    cells = (target * K + output).ravel()
    return np.bincount(cells, weights.ravel(), K * K).reshape(K, K)


# --- probabilities


def log_loss(target: np.ndarray, output: np.ndarray) -> np.ndarray:
    """Return the negative logarithm of the probability of each target."""
    p = np.take_along_axis(output, target[..., None], axis=-1)[..., 0].astype('float64')
    with np.errstate(divide='ignore'):
        return -np.log(p)


@add(
    'xe',
    'crossentropy',
    'cross_entropy',
    reads='probabilities',
    means=[log_loss],
    targets='labels',
    better='min',
)
def cross_entropy(nats: float) -> float:
    r"""Cross-entropy in nats: the (weighted) mean of :math:`-\ln p_y`.

    Parameters
    ----------
    target : array of int of shape (T, B)
        Labels y, or names of classes; of this or any other shape.
    output : array of shape (T, B, O)
        The probability of each class. Infinity is returned where that of a target is 0.
    weights : array of shape (T, B), optional
    classes : array of shape (O,), optional
        The names of the classes, ``net.classes_``, if the labels are names.

    Raises
    ------
    ShapeError
        If the shapes do not fit together.
    DataError
        If a label is not one of the classes, or `output` is not of probabilities.
    """
    return nats


@add('bits', reads='probabilities', means=[log_loss], targets='labels', better='min')
def bits(nats: float) -> float:
    r"""Cross-entropy in bits, the mean of :math:`-\log_2 p_y`: for text, those of a character."""
    return nats / np.log(2)


@add('perplexity', reads='probabilities', means=[log_loss], targets='labels', better='min')
def perplexity(nats: float) -> float:
    r"""Perplexity, :math:`2^{\text{bits}}`: among how many equal choices the network wavers."""
    with np.errstate(over='ignore'):
        return np.exp(nats)


def __dir__() -> list[str]:
    """List the public names, not what the module needs."""
    return [*__all__, *(name for name in globals() if name.startswith('__'))]


if not TYPE_CHECKING:  # or checkers would believe that every name exists
    __getattr__ = foreign_names.of_module(__name__)
