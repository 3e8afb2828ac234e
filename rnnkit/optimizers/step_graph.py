"""One training step as a symbolic graph: gradient, clipping, rule, update."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import kernels
from rnnkit.errors import ConfigError
from rnnkit.kernels import Arguments
from rnnkit.optimizers.base import Optimizer
from rnnkit.optimizers.objective import Objective
from rnnkit.optimizers.sparse_rows import flattened, gradients_by_rows, pieces, row_sums

LIMITS = ('max_gradient_norm', 'max_gradient_elem')


class StepGraph:
    """The update of all parameters of an objective by one rule, as one flat vector.

    The gradients of all parameters are joined to one vector, which is clipped and handed
    to the rule as a whole. What the rule remembers is kept in flat vectors as well.

    Of a table that the loss reads by rows alone, ``w[whole numbers]``, the update changes the
    rows that were read: of the others neither parameter nor memory, whatever the rule.

    Parameters
    ----------
    objective : Objective
    rule : Optimizer
    momentum, nesterov : bool
        Whether there is a velocity, and whether it is Nesterov's.
    watched : bool
        Whether to report about the gradients.

    Attributes
    ----------
    health : dict of str to scalar tensor
        What is reported about the gradients, see `health`.
    hyper : dict of str to shared scalar
        Learning rate, clipping and so on: set them at any time.
    outputs : list of tensors
        Gradient norm (before clipping), loss, weight, monitors and health.
    updates : list of (shared variable, new value)
        If the loss or a gradient is not finite, every new value equals the old one.
    """

    def __init__(
        self,
        objective: Objective,
        rule: Optimizer,
        momentum: bool,
        nesterov: bool,
        watched: bool = False,
    ):
        self.params = objective.params
        self.dtype = np.result_type(*(p.dtype for p in self.params)).name
        self.hyper = self._shared_scalars(rule, momentum)
        self.rule, self.momentum, self.nesterov = rule, momentum, nesterov
        self.shapes = [p.get_value(borrow=True).shape for p in self.params]
        self.size = sum(int(np.prod(shape)) for shape in self.shapes)
        names = [*rule.slots, *['velocity'] * momentum]
        self.slots = {n: self._shared_zeros(n, (self.size,)) for n in names}  # flat vectors
        count = self._shared_zeros('updates', ())
        loss = objective.loss
        gradients, ids = self._gradients(loss)
        self.probe, seen = None, []
        if 'curvature' in rule.reads:
            self.probe = self._shared_zeros('probe', (self.size,))
            seen = [curvature(gradients, self.params, self.probe)]
            # An update is not made where the loss is not finite, and this will be squared.
            limit = np.sqrt(np.finfo(self.dtype).max)
            loss = pt.switch(abs(seen[0]).max() < limit, loss, np.inf)
        given = Arguments(
            loss.astype(self.dtype),
            *(self.hyper[name] for name in ('max_gradient_elem', 'max_gradient_norm')),
            count,
            {name: value for name, value in self.hyper.items() if name not in LIMITS},
            [*self.slots.values(), *seen],
            [g.astype(self.dtype) for g in gradients],
            self.params,
            ids,
        )
        fused = kernels.update_params(self._change, self._plain, given)
        norm, *new = self._plain(given) if fused is None else fused
        self.health = health(given, norm) if watched else {}
        self.outputs = [norm, *objective.reports(), *self.health.values()]
        if seen:  # its place among the slots holds nothing to remember
            del new[1 + len(self.slots)]
            self.outputs[0] = pt.switch(abs(given.loss) < np.inf, norm, np.nan).astype(self.dtype)
        self.updates = list(zip([count, *self.slots.values(), *self.params], new, strict=True))
        if objective.limits:
            self.updates = [
                (old, objective.limits.get(old.name, _same)(value)) for old, value in self.updates
            ]
        self.slots['updates'] = count

    def _gradients(self, loss: TensorVariable) -> tuple[list[TensorVariable], dict[int, Any]]:
        """Return the gradients, and the numbers of rows for those that are by rows."""
        if self.rule.by_rows and 'curvature' not in self.rule.reads:
            return gradients_by_rows(loss, self.params)
        return pytensor.grad(loss, self.params, disconnected_inputs='ignore'), {}

    def _shared_zeros(self, name: str, shape: tuple[int, ...]) -> Any:
        return pytensor.shared(np.zeros(shape, self.dtype), name, shape=shape)

    def _shared_scalars(self, rule: Optimizer, momentum: bool) -> dict[str, Any]:
        names = [*LIMITS, *rule.options]
        names += ['momentum'] * momentum
        return {n: self._shared_zeros(n, ()) for n in names}

    def _step(self, g: Any, p: Any, slots: Sequence[Any], t: Any, hyper: dict) -> list[Any]:
        """Return what is subtracted, and new slots, for an array of gradients, already clipped."""
        n = len(self.rule.slots)
        own, rest = tuple(slots[:n]), list(slots[n:])  # velocity and curvature, where there are
        options = {name: hyper[name] for name in self.rule.options}
        seen = {'p': p, 'curvature': rest[-1] if rest else None}
        seen = {name: seen[name] for name in self.rule.reads}
        delta, new = self.rule.step(g, own, t, **seen, **options)
        if not self.momentum:
            return [delta, *new, *rest]
        mu = hyper['momentum']
        v = mu * rest[0] - delta
        return [delta - mu * v if self.nesterov else -v, *new, v, *rest[1:]]

    def _change(self, g: Any, p: Any, slots: Sequence[Any], t: Any, hyper: dict) -> list[Any]:
        """Return the new parameter and slots, elementwise."""
        delta, *new = self._step(g, p, slots, t, hyper)
        return [p - delta, *new]

    def _plain(self, given: Arguments) -> list[TensorVariable]:
        """Return norm of the gradients, new count, slots and parameters, by PyTensor's own Ops."""
        parts = pieces(given.params, given.gradients, given.ids, self.shapes)
        norm = length(part.once for part in parts)
        ok = abs(norm + given.loss) < np.inf  # False for NaN, too
        clipped = length(pt.clip(part.once, -given.max_elem, given.max_elem) for part in parts)
        scale = given.max_norm / pt.maximum(clipped, given.max_norm)
        count = given.count + 1
        slots, params = list(given.slots), {}
        for part in parts:
            g = pt.clip(part.gradient, -given.max_elem, given.max_elem) * scale
            p = part.values().astype(self.dtype) if 'p' in self.rule.reads else None
            old = [part.read(slot) for slot in given.slots]
            delta, *new = self._step(g, p, old, count, given.hyper)
            kept = [pt.switch(ok, n, o) for n, o in zip(new, old, strict=True)]
            slots = [part.written(slot, v) for slot, v in zip(slots, kept, strict=True)]
            params |= part.less(pt.switch(ok, delta, 0))
        changed = [params[k] for k in range(len(given.params))]
        return [norm, pt.switch(ok, count, given.count), *slots, *changed]

    def reset(self) -> None:
        """Forget everything that the rule remembers."""
        for slot in self.slots.values():
            slot.set_value(np.zeros_like(slot.get_value(borrow=True)))

    def set(self, **values: float) -> None:
        """Give hyper-parameters their values; 0 for a limit of the gradient means no limit."""
        for name, value in values.items():
            if name in LIMITS and value == 0:
                value = np.finfo(self.dtype).max
            assign(self.hyper[name], value)

    def draw(self, seed: Any, number: int) -> None:
        """Draw what is random in an update, if anything is.

        Parameters
        ----------
        seed : int, sequence of int, or None
        number : int
            How many updates have been made before. The draw depends on both alone, so that
            there is no generator whose state would have to be kept.
        """
        if self.probe is not None:
            rng = np.random.default_rng(None if seed is None else [*np.atleast_1d(seed), number])
            self.probe.set_value(rng.standard_normal(self.size).astype(self.dtype))


def length(vectors: Iterable[Any]) -> TensorVariable:
    """Return the Euclidean norm of some vectors together."""
    first, *rest = (pt.sqr(v).sum() for v in vectors)
    return pt.sqrt(sum(rest, first))


def assign(scalar: Any, value: float) -> None:
    """Give a shared scalar its value; in place if it is NumPy's, at a fiftieth of the price."""
    held = scalar.get_value(borrow=True)
    if type(held) is np.ndarray:
        held[...] = value
    else:
        scalar.set_value(np.asarray(value, scalar.dtype))


def _same(value: TensorVariable) -> TensorVariable:
    return value


def health(given: Arguments, norm: TensorVariable) -> dict[str, TensorVariable]:
    """Return the norm of the gradient by each parameter, and whether a limit was passed.

    The norms are those before clipping. They are products of a vector with itself, which need
    no further memory.
    """
    flat = []
    for k, (g, p) in enumerate(zip(given.gradients, given.params, strict=True)):
        if k in given.ids:  # by rows, some of which may be there more than once
            g = row_sums(given.ids[k], g, p.get_value(borrow=True).shape)[2]
        flat.append(g.ravel())
    names = gradient_names(given.params)
    found = {name: pt.sqrt(pt.dot(g, g)) for name, g in zip(names, flat, strict=True)}
    largest = pt.stack([pt.maximum(g.max(), -g.min()) for g in flat]).max()
    found['clipped'] = pt.or_(norm > given.max_norm, largest > given.max_elem)
    return found


def gradient_names(params: Sequence[Any]) -> list[str]:
    """Return what the norm of each parameter's gradient is called in reports."""
    names = [str(p.name) for p in params]
    return [
        f'grad({name})' if names.count(name) == 1 else f'grad({name} {k})'
        for k, name in enumerate(names)
    ]


def curvature(gradients: list[Any], params: list[Any], probe: Any) -> TensorVariable:
    """Return the product of the Hessian and a vector, as a vector.

    Raises
    ------
    ConfigError
        If some operation of the loss has no second derivative.
    """
    try:
        slope = (flattened(gradients).astype(probe.dtype) * probe).sum()
        products = pytensor.grad(slope, params, disconnected_inputs='ignore')
    except Exception as why:  # any operation of any library may be in the loss
        raise ConfigError(
            f"algo 'esgd' needs the second derivative of the loss, which has none here: "
            f'{type(why).__name__}: {str(why)[:150]}; take another algo'
        ) from why
    return flattened(products).astype(probe.dtype)


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
