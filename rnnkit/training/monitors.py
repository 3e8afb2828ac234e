"""What is watched in a training besides its loss: shares, functions and metrics by name."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.common.registry import glob, hint
from rnnkit.errors import ConfigError
from rnnkit.losses import CrossEntropy, accuracy, weighted_mean
from rnnkit.metrics import metrics
from rnnkit.optimizers import Objective
from rnnkit.regularizers import Parts

GRADIENTS = 'gradients'
Level = float | Callable[[TensorVariable], TensorVariable]


@dataclass(frozen=True)
class Watch:
    """What a training was asked to report.

    Attributes
    ----------
    levels : tuple of (str, str, number or callable)
        Pattern, the end of the monitor's name, and the number or function that it is about.
    metrics : tuple of str
    gradients : bool
        Whether the gradients of the parameters are watched.
    """

    levels: tuple[tuple[str, str, Level], ...] = ()
    metrics: tuple[str, ...] = ()
    gradients: bool = False

    @property
    def key(self) -> tuple:
        """Equal for two that report the same of a loss, while both are kept."""
        levels = [(p, end, id(what) if callable(what) else what) for p, end, what in self.levels]
        return (*levels, *self.metrics)


def read(given: Any, gradients: bool = False) -> Watch:
    """Return what a training's option ``monitors`` asks for.

    Parameters
    ----------
    given : None, str, dict or sequence
        ``'gradients'`` or the name of a metric; a dict as theanets has it, of patterns of
        outputs and parameters: ``{'hid1:out': (0.1, 0.9), '*.xh': dict(name=callable)}``; or a
        list or tuple of such strings, dicts, and pairs of a pattern and its value.
    gradients : bool
        Whether gradients are wanted in any case.

    Raises
    ------
    ConfigError
        If it is something else.
    """
    levels: list[tuple[str, str, Level]] = []
    names: list[str] = []
    for one in given if isinstance(given, list | tuple) else [] if given is None else [given]:
        if isinstance(one, str):
            names.append(one)
            continue
        pair = isinstance(one, list | tuple) and len(one) == 2
        if not (pair or isinstance(one, Mapping)):
            raise ConfigError(
                f"monitors: wants names such as 'gradients' and dicts such as "
                f"{{'hid1:out': (0.1, 0.9)}}; got {one!r}"
            )
        for pattern, what in [one] if pair else one.items():
            levels += [(pattern, *level) for level in _levels(pattern, what)]
    chosen = tuple(dict.fromkeys(name for name in names if name != GRADIENTS))
    return Watch(tuple(levels), chosen, bool(gradients) or GRADIENTS in names)


def _levels(pattern: Any, given: Any) -> Iterator[tuple[str, Level]]:
    """Yield the end of the name, and the number or function, for each value of a pattern."""
    values = given.items() if isinstance(given, Mapping) else given
    for one in values if isinstance(values, list | tuple) or values is not given else [given]:
        if isinstance(one, Real) and not isinstance(one, bool) and math.isfinite(one):
            yield f'<{one}', float(one)
        elif isinstance(one, tuple) and len(one) == 2 and callable(one[1]):
            yield f':{one[0]}', one[1]
        else:
            raise ConfigError(
                f'monitors: for {pattern!r} wants numbers, such as (0.1, 0.9), or functions by '
                f'name, such as dict(norm=function); got {given!r}'
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
        If a pattern matches nothing, a metric is not known or does not fit, or a function does
        not return a symbolic scalar.
    """
    added: dict[str, TensorVariable] = {}
    for pattern, end, what in watch.levels:
        for name in glob('monitors:', pattern, [*parts.outputs, *parts.params]):
            added[f'{name}{end}'] = _of_part(f'{name}{end}', name, what, parts)
    chosen = {name: _metric(name, objective) for name in watch.metrics}
    means = {mean for metric in chosen.values() for mean in metric.means}
    if means:
        given = _compared(objective, parts, output)
        added |= {_column(mean): mean(*given) for mean in means}
    monitors = {**objective.monitors, **added}

    def finish(found: Mapping[str, float]) -> dict[str, float]:
        reported = objective.finish(found)
        for name, metric in chosen.items():
            reported[name] = metric.value(*(found[_column(mean)] for mean in metric.means))
        for mean in means:
            del reported[_column(mean)]
        return reported

    return replace(objective, monitors=monitors, finish=finish if chosen else objective.finish)


def _of_part(key: str, name: str, what: Level, parts: Parts) -> TensorVariable:
    """Return a monitor of one output or parameter; of real steps alone where there is padding."""
    part = parts.params[name] if name in parts.params else parts.outputs[name]
    mask = parts.masks.get(name)
    if not callable(what):
        below = pt.lt(part, what).astype('float64')
        if mask is None:
            return below.mean()
        return weighted_mean(below if below.ndim == 2 else below.mean(axis=-1), mask)[0]
    if mask is not None:
        rows = part.reshape((-1, *part.shape[2:]), ndim=part.ndim - 1)
        part = rows[pt.flatnonzero(mask > 0.5)]
    try:
        found = what(part)
    except Exception as why:  # a function of the user's, so it may raise anything
        raise ConfigError(f'monitors: {key!r} raised {type(why).__name__}: {why}') from why
    if not isinstance(found, TensorVariable) or found.ndim:
        raise ConfigError(
            f'monitors: the function of {key!r} returns a symbolic scalar, such as '
            f'abs(tensor).mean(); got {found!r}'
        )
    return found


# --- metrics: means over targets that a graph computes, and what follows from the means


class Metric(NamedTuple):
    """A metric as a function of means.

    Attributes
    ----------
    means : tuple of callable
        Each makes the mean over a batch's targets of (outputs, target, weights).
    value : callable
        The metric, from the means over all batches.
    """

    means: tuple[Callable[..., TensorVariable], ...]
    value: Callable[..., float]


class Compared(NamedTuple):
    """What is compared with the target: the last layer's output, and what it is made from."""

    out: TensorVariable
    pre: TensorVariable | None


def _square_error(given: Compared, target: Any, weights: Any) -> TensorVariable:
    return weighted_mean(pt.sqr(target - given.out), weights)[0]


def _absolute_error(given: Compared, target: Any, weights: Any) -> TensorVariable:
    return weighted_mean(abs(target - given.out), weights)[0]


def _mean_target(given: Compared, target: Any, weights: Any) -> TensorVariable:
    return weighted_mean(target, weights)[0].astype('float64')


def _squared_mean(given: Compared, target: Any, weights: Any) -> TensorVariable:
    return pt.sqr(_mean_target(given, target, weights))


def _variance(given: Compared, target: Any, weights: Any) -> TensorVariable:
    centre = weighted_mean(target, weights)[0]
    return weighted_mean(pt.sqr(target - centre), weights)[0]


def _cross_entropy(given: Compared, target: Any, weights: Any) -> TensorVariable:
    return CrossEntropy().mean(given.pre, target, weights)[0]


def _hits(given: Compared, target: Any, weights: Any) -> TensorVariable:
    return accuracy(given.pre, target, weights)


def _r2(error: float, variance: float, mean: float, square: float) -> float:
    # The variance within batches, and that of the batches' means.
    spread = variance + max(square - mean**2, 0.0)
    if spread == 0:
        return 1.0 if error == 0 else -math.inf
    return 1 - error / spread


def _exp(nats: float) -> float:
    with np.errstate(over='ignore'):
        return float(np.exp(nats))


XE = Metric((_cross_entropy,), float)
OF_NUMBERS = {
    'mse': Metric((_square_error,), float),
    'rmse': Metric((_square_error,), math.sqrt),
    'mae': Metric((_absolute_error,), float),
    'r2': Metric((_square_error, _variance, _mean_target, _squared_mean), _r2),
}
OF_LABELS = {
    'acc': Metric((_hits,), float),
    'accuracy': Metric((_hits,), float),
    'xe': XE,
    'crossentropy': XE,
    'cross_entropy': XE,
    'bits': Metric((_cross_entropy,), lambda nats: nats / math.log(2)),
    'perplexity': Metric((_cross_entropy,), _exp),
}


def _column(mean: Callable) -> str:
    return f'mean of{mean.__name__}'


def _metric(name: str, objective: Objective) -> Metric:
    """Return a metric by its name, or raise a ConfigError that says which there are."""
    target = objective.compared and objective.compared[0]
    labels = target is not None and target.dtype.startswith('int')
    known = OF_LABELS if labels else OF_NUMBERS
    if name.lower() in known:
        return known[name.lower()]
    listed = f'here there are {", ".join(sorted(known))} and {GRADIENTS}'
    if name in {**OF_LABELS, **OF_NUMBERS}:
        kind = 'numbers' if labels else 'class labels'
        raise ConfigError(f'monitors: metric {name!r} is for targets that are {kind}; {listed}')
    if name in metrics:
        raise ConfigError(
            f'monitors: metric {name!r} does not follow from means over batches; compute it from '
            f'predictions; {listed}'
        )
    found = hint(name, [*known, GRADIENTS])
    raise ConfigError(f'monitors: no metric named {name!r}; {found}')


def _compared(objective: Objective, parts: Parts, output: str) -> tuple[Compared, Any, Any]:
    """Return what the means are made of."""
    target, weights = objective.compared
    argument = f'{output.partition(":")[0]}:pre'
    given = Compared(parts.outputs[output], parts.outputs.get(argument))
    width = given.out.type.shape[-1]
    if not target.dtype.startswith('int') and (
        given.out.ndim != target.ndim or target.type.shape[-1] not in (None, width)
    ):
        raise ConfigError(
            f'monitors: metrics compare {output} with the target, which has another shape here'
        )
    return given, target, weights
