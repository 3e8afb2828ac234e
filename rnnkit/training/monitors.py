"""Monitors: what a training reports besides its loss. Shares, functions, and metrics."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.common.checks import is_real, scalar
from rnnkit.common.output_names import PRE, join, layer_of
from rnnkit.common.registry import glob, hint
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError
from rnnkit.losses import CrossEntropy, accuracy, weighted_mean
from rnnkit.metrics import (
    Compare,
    Mean,
    Metric,
    Statistic,
    UnitShares,
    Variance,
    hit,
    log_loss,
    metrics,
)
from rnnkit.optimizers import Objective
from rnnkit.regularizers import Parts
from rnnkit.training.evaluation import Whole

GRADIENTS = 'gradients'
Level = float | Callable[[TensorVariable], TensorVariable]


@dataclass(frozen=True)
class Watch:
    """The monitors of a training, as they were asked for.

    Attributes
    ----------
    levels : tuple of (str, str, number or callable)
        Pattern, the end of the monitor's name, and the number or function that it is about.
    metrics : tuple of (str, str)
        What each is called, and its name in the registry.
    wholes : tuple of Whole
        Functions of the user's, which read all targets of a validation at once.
    gradients : bool
        Whether the gradients of the parameters are watched.
    """

    levels: tuple[tuple[str, str, Level], ...] = ()
    metrics: tuple[tuple[str, str], ...] = ()
    wholes: tuple[Whole, ...] = ()
    gradients: bool = False

    @property
    def key(self) -> tuple:
        """Equal for two that report the same of a loss, while both are kept."""
        levels = [(p, end, id(v) if callable(v) else v) for p, end, v in self.levels]
        wholes = [(whole.name, id(whole.function)) for whole in self.wholes]
        return (*levels, *self.metrics, *wholes)

    @property
    def named(self) -> list[str]:
        """The names of the metrics in reports."""
        return [*(label for label, _ in self.metrics), *(whole.name for whole in self.wholes)]


def read(monitors: object, gradients: bool = False) -> Watch:
    """Return what a training's option ``monitors`` asks for.

    Parameters
    ----------
    monitors : None, str, callable, dict or sequence
        ``'gradients'`` or the name of a metric; a function of target, output and weights; a dict
        of such functions or names of metrics by what they are called; a dict as theanets has it,
        of patterns of outputs and parameters: ``{'hid1:out': (0.1, 0.9), '*.xh':
        dict(name=callable)}``; or a list or tuple of these, and of pairs of a pattern and its
        value.
    gradients : bool
        Whether gradients are watched in any case.

    Raises
    ------
    ConfigError
        If it is something else.
    """
    levels: list[tuple[str, str, Level]] = []
    chosen: list[tuple[str, object]] = []  # metrics
    if not isinstance(monitors, list | tuple):
        monitors = [] if monitors is None else [monitors]
    for monitor in monitors:
        if isinstance(monitor, str):
            chosen.append((monitor, monitor))
            continue
        if callable(monitor):
            chosen.append((_name_of(monitor), monitor))
            continue
        pair = isinstance(monitor, list | tuple) and len(monitor) == 2
        if not (pair or isinstance(monitor, Mapping)):
            raise ConfigError(
                f"monitors must be names such as 'gradients' and dicts such as "
                f"{{'hid1:out': (0.1, 0.9)}}; got {brief(monitor)}"
            )
        for pattern, values in [monitor] if pair else monitor.items():
            if _is_metric(pattern, values) and not (pair and isinstance(values, str)):
                chosen.append((pattern, values))
            else:
                levels += [(pattern, *level) for level in _levels(pattern, values)]
    names = [name for name, _ in chosen]
    for name in names:
        if names.count(name) > 1 and len({id(one) for label, one in chosen if label == name}) > 1:
            raise ConfigError(f'monitors: two metrics are called {name!r}; rename one of them')
    by_name = {label: _registered(one) for label, one in chosen if label != GRADIENTS}
    return Watch(
        tuple(levels),
        tuple((label, one) for label, one in by_name.items() if isinstance(one, str)),
        tuple(_whole(label, one) for label, one in by_name.items() if not isinstance(one, str)),
        bool(gradients) or GRADIENTS in names,
    )


def _is_metric(name: object, value: object) -> bool:
    """Return whether an item of a dict is a metric, and not a pattern of outputs or parameters."""
    plain = isinstance(name, str) and bool(name) and not set(name) & set(':.*?[')
    return plain and (callable(value) or isinstance(value, str))


def _registered(metric: object) -> object:
    """Return the name of a function that is registered as a metric; all else as it is."""
    return next((name for name in metrics if metrics[name] is metric), metric)


def _name_of(function: Callable[..., Any]) -> str:
    """Return what a function is called in reports."""
    name = getattr(function, '__name__', '')
    if not name.isidentifier():  # a lambda, or an object
        raise ConfigError(
            f'monitors: a function without a name needs one: dict(mine=function); got '
            f'{brief(function)}'
        )
    return name


def _whole(name: str, function: Any) -> Whole:
    if isinstance(function, type):
        raise ConfigError(
            f'monitors: {name!r} is the class {function.__name__}; pass a function of target, '
            f'output and weights'
        )
    return Whole(name, function, getattr(function, 'reads', 'prediction'))


def _levels(pattern: object, given: object) -> Iterator[tuple[str, Level]]:
    """Yield the end of the name, and the number or function, for each value of a pattern."""
    values = list(given.items()) if isinstance(given, Mapping) else given
    for value in values if isinstance(values, list | tuple) else [values]:
        if is_real(value):
            yield f'<{value}', float(value)
        elif isinstance(value, tuple) and len(value) == 2 and callable(value[1]):
            yield f':{value[0]}', value[1]
        else:
            raise ConfigError(
                f'monitors: the values of {pattern!r} must be numbers, such as (0.1, 0.9), or '
                f'functions by name, such as dict(norm=function); got {given!r}'
            )


def watched(watch: Watch, objective: Objective, parts: Parts, output: str) -> Objective:
    """Return an objective that also reports what is watched, all but gradients.

    Parameters
    ----------
    watch : Watch
    objective : Objective
    parts : Parts
        What the patterns choose from.
    output : str
        The output that metrics compare with the target.

    Raises
    ------
    ConfigError
        If a pattern matches nothing, a metric is unknown or does not fit the target, or a function
        does not return a symbolic scalar.
    """
    added: dict[str, TensorVariable] = {}
    own: dict[str, TensorVariable] = {}
    for pattern, end, level in watch.levels:
        for name in glob('monitors:', pattern, [*parts.outputs, *parts.params]):
            added[f'{name}{end}'] = _of_part(f'{name}{end}', name, level, parts)
            if name in parts.outputs:
                own[f'{name}{end}'] = _count(name, parts)
    objective = replace(
        objective,
        monitors={**objective.monitors, **added},
        weights={**objective.weights, **own},
    )
    found = {label: _metric(name, objective) for label, name in watch.metrics}
    chosen = {label: metric for label, metric in found.items() if metric.statistics is not None}
    if not chosen:
        return objective
    added = {}
    uses = {
        name: [(one, metric.reads) for one in metric.statistics] for name, metric in chosen.items()
    }
    compared = _compared(objective, parts, output)
    columns: dict[Use, Columns] = {}
    for use in (use for of_metric in uses.values() for use in of_metric):
        if use not in columns:  # bits and perplexity have the same one
            columns[use] = _columns(f'statistic {len(columns)}', use, compared)
    for column in columns.values():
        added |= column.means

    def finish(means: Mapping[str, float]) -> dict[str, float]:
        reported = objective.finish(means)
        statistics = {
            use: column.combine(*(means[name] for name in column.means))
            for use, column in columns.items()
        }
        for name, metric in chosen.items():
            reported[name] = float(metric.value(*(statistics[use] for use in uses[name])))
        inner = {name for column in columns.values() for name in column.means}
        return {name: value for name, value in reported.items() if name not in inner}

    return replace(objective, monitors={**objective.monitors, **added}, finish=finish)


def wholes_of(watch: Watch, objective: Objective) -> list[Whole]:
    """Return the metrics that read all targets of a validation at once."""
    registered = [(label, _metric(name, objective)) for label, name in watch.metrics]
    return [
        *(Whole(label, one, one.reads) for label, one in registered if one.statistics is None),
        *watch.wholes,
    ]


def compared_by(objective: Objective, parts: Parts, output: str) -> list[TensorVariable]:
    """Return what these metrics read: the output, the target, and its weights if it has any."""
    found = _compared(objective, parts, output)
    both = [found.output, found.target]
    return both if found.weights is None else [*both, found.weights]


def _count(name: str, parts: Parts) -> TensorVariable:
    """Return the number of real time steps, or examples, of an output in a batch."""
    if name in parts.masks:
        return parts.masks[name].sum()
    output = parts.outputs[name]
    return pt.cast(output.size / output.shape[-1], output.dtype)


def _of_part(key: str, name: str, level: Level, parts: Parts) -> TensorVariable:
    """Return a monitor of one output or parameter; of real steps alone where there is padding."""
    part = parts.params[name] if name in parts.params else parts.outputs[name]
    mask = parts.masks.get(name)
    if not callable(level):
        below = pt.lt(part, scalar(f'monitors: {key!r}', level, part.dtype)).astype('float64')
        if mask is None:
            return below.mean()
        return weighted_mean(below if below.ndim == 2 else below.mean(axis=-1), mask)[0]
    if mask is not None:
        rows = part.reshape((-1, *part.shape[2:]), ndim=part.ndim - 1)
        part = rows[pt.flatnonzero(mask > 0.5)]
    try:
        value = level(part)
    except Exception as why:  # a function of the user's, so it may raise anything
        raise ConfigError(f'monitors: {key!r} raised {type(why).__name__}: {why}') from why
    if not isinstance(value, TensorVariable) or value.ndim:
        raise ConfigError(
            f'monitors: the function of {key!r} must return a symbolic scalar, such as '
            f'abs(tensor).mean(); got {value!r}'
        )
    return value


# --- metrics: their statistics in the graph, one batch at a time


class Compared(NamedTuple):
    """A target and what is compared with it.

    Attributes
    ----------
    output : tensor
        The last layer's output.
    logits : tensor or None
        For class labels, what the softmax of the last layer is taken of.
    target : tensor
    weights : tensor or None
    """

    output: TensorVariable
    logits: TensorVariable | None
    target: TensorVariable
    weights: TensorVariable | None

    def mean(self, values: TensorVariable) -> TensorVariable:
        """Return the weighted mean of one value for each target."""
        values = values if values.dtype.startswith('float') else values.astype('float64')
        return weighted_mean(values, self.weights)[0]


Use = tuple[Statistic, str]  # and what the metric reads that follows from it


class Columns(NamedTuple):
    """A statistic of a metric, as scalars that a training averages over batches.

    Attributes
    ----------
    means : dict of str to scalar tensor
    combine : callable
        Returns the statistic over all batches, from the means over batches of these scalars.
    """

    means: dict[str, TensorVariable]
    combine: Callable[..., Any]


# The same numbers from logits, which round no small probability to 0. The loss and the accuracy of
# a classifier are made of the same nodes, so that the graph computes them once.
OF_LOGITS: dict[Statistic, Callable[[Compared], TensorVariable]] = {
    Mean(log_loss): lambda c: CrossEntropy().mean(c.logits, c.target, c.weights)[0],
    Mean(hit): lambda c: accuracy(c.logits, c.target, c.weights),
}


def _columns(name: str, use: Use, compared: Compared) -> Columns:
    """Return what a batch reports of a statistic."""
    statistic, reads = use
    if statistic in OF_LOGITS:
        return Columns({name: OF_LOGITS[statistic](compared)}, float)
    values = _values(statistic.of, reads, compared)
    if isinstance(statistic, Mean):
        return Columns({name: compared.mean(values)}, float)
    if isinstance(statistic, Variance):
        # In the dtype of the target, and yet exact where the target is far from 0: the variance
        # within batches, and that of the batches' means.
        centre = compared.mean(values)
        within, mean = compared.mean(pt.sqr(values - centre)), centre.astype('float64')
        means = {f'{name}.0': within, f'{name}.1': mean, f'{name}.2': pt.sqr(mean)}
        return Columns(means, lambda within, mean, square: within + max(square - mean**2, 0.0))
    if isinstance(statistic, UnitShares):
        units = np.eye(compared.output.type.shape[-1])
        shares = [compared.mean(values * unit) for unit in units]
        names = [f'{name}.{k}' for k in range(len(shares))]
        return Columns(dict(zip(names, shares, strict=True)), lambda *shares: np.array(shares))
    # A scalar for each class, because a training averages scalars.
    K = compared.output.type.shape[-1]
    of_class = pt.eq(values[..., None], np.arange(K)).astype('float64')
    if statistic.where is not None:
        of_class *= _values(statistic.where, reads, compared)[..., None]
    shares = [compared.mean(of_class[..., k]) for k in range(K)]
    return Columns(
        {f'{name}.{k}': share for k, share in enumerate(shares)}, lambda *shares: np.array(shares)
    )


def _values(function: Compare, reads: str, compared: Compared) -> TensorVariable:
    """Return one value for each target: a function of target and output, applied to tensors."""
    target, output = compared.target, compared.output
    if compared.logits is not None and reads == 'prediction':
        output = compared.logits.argmax(axis=-1)
    if function is hit:  # == of tensors asks whether they are one object
        return pt.eq(target, output)
    try:
        values = function(target, output)
    except Exception as why:  # a function of the user's, so it may raise anything
        raise ConfigError(
            f'monitors: {function.__name__}() of a metric raised {type(why).__name__} for tensors: '
            f'{why}'
        ) from why
    if not isinstance(values, TensorVariable) or values.ndim != target.ndim:
        raise ConfigError(
            f'monitors: {function.__name__}() of a metric must return one value for each target, a '
            f'tensor of {target.ndim} axes; got {values!r}'
        )
    return values


# What names of metrics stand for where targets are 0 or 1.
BINARY = {'accuracy': 'binary_accuracy', 'acc': 'binary_accuracy', 'f1': 'binary_f1'}


def _fits(metric: Metric, kinds: list[str]) -> bool:
    """Return whether a metric can be a monitor of a network with targets of these kinds."""
    probabilities = metric.reads == 'probabilities'
    return metric.targets in (None, *kinds) and not (probabilities and 'numbers' in kinds)


def _metric(name: str, objective: Objective) -> Metric:
    """Return a metric by its name, or raise a ConfigError that says which there are."""
    target = objective.compared and objective.compared[0]
    labels = target is not None and target.dtype.startswith('int')
    kinds = ['labels'] if labels else ['numbers', *['binary'] * objective.binary]
    usable = [other for other in metrics if _fits(metrics[other], kinds)]
    if objective.binary:
        usable += BINARY
        name = BINARY.get(name.lower(), name)
    if name.lower() in usable:
        return metrics[name]
    listed = f'here there are {", ".join(sorted(usable))} and {GRADIENTS}'
    if name not in metrics:
        raise ConfigError(f'monitors: no metric named {name!r}; {hint(name, [*usable, GRADIENTS])}')
    others = {'numbers': 'numbers', 'labels': 'class labels', 'binary': "0 or 1, as of 'bce'"}
    other = others[metrics[name].targets or 'labels']
    raise ConfigError(f'monitors: metric {name!r} is for targets that are {other}; {listed}')


def _compared(objective: Objective, parts: Parts, output: str) -> Compared:
    """Return the target, and what is compared with it."""
    target, weights = objective.compared
    predicted = parts.outputs[output]
    if target.dtype.startswith('int'):
        logits = parts.outputs.get(join(layer_of(output), PRE))
        if logits is None:
            raise ConfigError(f'monitors: metrics of labels need logits, and {output} has none')
        return Compared(predicted, logits, target, weights)
    predicted = objective.central(predicted)
    width = predicted.type.shape[-1]
    if predicted.ndim != target.ndim or target.type.shape[-1] not in (None, width):
        raise ConfigError(
            f'monitors: metrics compare {output} with the target, which has another shape here'
        )
    return Compared(predicted, None, target, weights)
