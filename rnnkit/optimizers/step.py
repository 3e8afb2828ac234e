"""One training step as a symbolic graph: gradient, clipping, rule, update."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.errors import ConfigError
from rnnkit.optimizers.base import Optimizer

LIMITS = ('max_gradient_norm', 'max_gradient_elem')


@dataclass
class Objective:
    """What is minimised.

    Attributes
    ----------
    loss : scalar tensor
    params : list of shared variables
        What is changed to make the loss small.
    inputs : list of tensors
        What a batch of data provides.
    weight : scalar tensor, optional
        How much the batch counts in a mean over batches; the same for each if not given.
    monitors : dict of str to scalar tensor
        What else is reported, as means over batches.
    """

    loss: TensorVariable
    params: list[Any]
    inputs: list[TensorVariable]
    weight: TensorVariable | None = None
    monitors: dict[str, TensorVariable] = field(default_factory=dict)

    def reports(self) -> list[TensorVariable]:
        """Return loss, weight and monitors, in this order."""
        weight = pt.constant(np.ones((), self.loss.dtype)) if self.weight is None else self.weight
        return [self.loss, weight, *self.monitors.values()]


class StepGraph:
    """The update of all parameters of an objective by one rule, as one flat vector.

    The gradients of all parameters are joined to one vector, which is clipped and handed
    to the rule as a whole. What the rule remembers is kept in flat vectors as well.

    Parameters
    ----------
    objective : Objective
    rule : Optimizer
    momentum, nesterov : bool
        Whether there is a velocity, and whether it is Nesterov's.

    Attributes
    ----------
    hyper : dict of str to shared scalar
        Learning rate, clipping and so on: set them at any time.
    outputs : list of tensors
        Gradient norm (before clipping), loss, weight and monitors.
    updates : list of (shared variable, new value)
        If the loss or a gradient is not finite, every new value equals the old one.
    """

    def __init__(self, objective: Objective, rule: Optimizer, momentum: bool, nesterov: bool):
        self.params = objective.params
        self.dtype = np.result_type(*(p.dtype for p in self.params)).name
        self.hyper = self._shared_scalars(rule, momentum)
        gradient = pytensor.grad(objective.loss, self.params, disconnected_inputs='ignore')
        flat = pt.concatenate([g.ravel().astype(self.dtype) for g in gradient])
        norm = pt.sqrt(pt.sqr(flat).sum())
        ok = abs(norm + objective.loss) < np.inf  # False for NaN, too
        self.outputs = [norm, *objective.reports()]
        self.slots = {}  # name -> flat shared vector
        self.updates = self._updates(rule, self._clipped(flat), ok, momentum, nesterov)

    def _shared_scalars(self, rule: Optimizer, momentum: bool) -> dict[str, Any]:
        names = [*LIMITS, *rule.options]
        names += ['momentum'] * momentum
        return {n: pytensor.shared(np.zeros((), self.dtype), n, shape=()) for n in names}

    def _clipped(self, flat: TensorVariable) -> TensorVariable:
        """Clip each element, then the norm of the whole."""
        elem, norm = self.hyper['max_gradient_elem'], self.hyper['max_gradient_norm']
        flat = pt.clip(flat, -elem, elem)
        return flat * (norm / pt.maximum(pt.sqrt(pt.sqr(flat).sum()), norm))

    def _slot(self, name: str) -> Any:
        size = sum(p.get_value(borrow=True).size for p in self.params)
        self.slots[name] = pytensor.shared(np.zeros(size, self.dtype), name, shape=(size,))
        return self.slots[name]

    def _updates(self, rule, g, ok, momentum, nesterov) -> list[tuple[Any, TensorVariable]]:
        count = pytensor.shared(np.zeros((), self.dtype), 'updates', shape=())
        self.slots['updates'] = count
        slots = tuple(self._slot(name) for name in rule.slots)
        options = {name: self.hyper[name] for name in rule.options}
        delta, new_slots = rule.step(g, slots, count + 1, **options)
        changes = [(count, count + 1), *zip(slots, new_slots, strict=True)]
        if momentum:
            mu, velocity = self.hyper['momentum'], self._slot('velocity')
            v = mu * velocity - delta
            changes.append((velocity, v))
            delta = delta - mu * v if nesterov else -v
        delta = pt.switch(ok, delta, 0)
        changes = [(old, pt.switch(ok, new, old)) for old, new in changes]
        return changes + self._parameter_updates(delta)

    def _parameter_updates(self, delta: TensorVariable) -> list[tuple[Any, TensorVariable]]:
        changes, start = [], 0
        for p in self.params:
            shape = p.get_value(borrow=True).shape
            stop = start + int(np.prod(shape))
            new = p - delta[start:stop].reshape(shape)
            changes.append((p, new.astype(p.dtype)))
            start = stop
        return changes

    def reset(self) -> None:
        """Forget everything that the rule remembers."""
        for slot in self.slots.values():
            slot.set_value(np.zeros_like(slot.get_value(borrow=True)))

    def set(self, **values: float) -> None:
        """Give hyper-parameters their values; 0 for a limit of the gradient means no limit."""
        for name, value in values.items():
            if name in LIMITS and value == 0:
                value = np.finfo(self.dtype).max
            self.hyper[name].set_value(np.asarray(value, self.dtype))


def check_params(params: Sequence[Any]) -> list[Any]:
    """Return `params` as a list of distinct floating-point shared variables, or raise."""
    params = list(params)
    if not params:
        raise ConfigError('minimize(): there are no parameters to change')
    for p in params:
        if not hasattr(p, 'set_value') or not str(p.dtype).startswith('float'):
            raise ConfigError(
                f'minimize(): a parameter is a floating-point shared variable; got {p!r}'
            )
    if len(set(params)) < len(params):
        raise ConfigError('minimize(): a parameter is given more than once')
    return params
