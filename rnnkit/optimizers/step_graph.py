"""One training step as a symbolic graph: gradient, clipping, rule, update."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable
from pytensor.tensor.sharedvar import TensorSharedVariable

from rnnkit import kernels
from rnnkit.errors import ConfigError
from rnnkit.kernels import Arguments
from rnnkit.optimizers.base import Array, Optimizer, Scalar
from rnnkit.optimizers.objective import Objective
from rnnkit.optimizers.sparse_rows import flattened, gradients_by_rows, pieces, row_sums

LIMITS = ('max_gradient_norm', 'max_gradient_elem')


class StepGraph:
    """The update of all parameters of an objective by one rule, as one flat vector.

    The gradients of all parameters are concatenated to a vector, which is clipped and passed to
    the rule. The slots of the rule are flat vectors, too.

    Gradients of a table that the loss reads only by rows, ``w[whole numbers]``, are sparse: the
    update changes neither the values nor the slots of rows that were not read, whatever the rule.

    Parameters
    ----------
    objective : Objective
    rule : Optimizer
    momentum, nesterov : bool
        Whether to use momentum, and whether it is Nesterov momentum.
    watched : bool
        Whether to report gradient norms and clipping.
    split : bool
        Whether the gradients are computed and applied by two functions, so that they can be added
        to those of other processes in between.

    Attributes
    ----------
    computed : list of tensors
        With `split`: the gradients, those of tables (N, O); then the row numbers (N,) of tables.
    inputs : list of tensors
        With `split`: the loss, and such gradients and row numbers as the update reads.
    tables : list of int
        The places of tables among the parameters.
    health : list of str
        The names of what the last output reports, a vector of gradient norms and clipping; empty if
        they are not watched.
    hyper : dict of str to shared scalar
        Hyperparameters: learning rate, gradient clipping and so on. They may be set at any time.
    outputs : list of tensors
        Gradient norm (before clipping), loss, weight, monitors and health, if that is watched; with
        `split` the norm and the health alone.
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
        split: bool = False,
    ):
        self.params = objective.params
        self.dtype = np.result_type(*(p.dtype for p in self.params)).name
        self.largest = float(np.finfo(self.dtype).max)
        self.rule, self.momentum, self.nesterov = rule, momentum, nesterov
        names = [*LIMITS, *rule.options, *['momentum'] * momentum]
        self.hyper = {name: self._shared_zeros(name, ()) for name in names}
        self.shapes = [p.get_value(borrow=True).shape for p in self.params]
        self.size = sum(int(np.prod(shape)) for shape in self.shapes)
        names = [*rule.slots, *['velocity'] * momentum]
        self.slots = {n: self._shared_zeros(n, (self.size,)) for n in names}  # flat vectors
        count = self._shared_zeros('updates', ())
        found = objective.loss, *self._gradients(objective.loss)
        arguments = self._arguments(count, *(self._received(*found) if split else found))
        fused = kernels.update_params(self._change, self._plain, arguments, self.shapes, watched)
        norm, *new = self._plain(arguments, watched) if fused is None else fused
        self.health = [*gradient_names(self.params), 'clipped'] if watched else []
        reports = [] if split else objective.reports()
        self.outputs = [norm, *reports, *([new.pop()] if watched else [])]
        if self.probe is not None:  # the curvature is passed as a slot, but is no state
            del new[1 + len(self.slots)]
            finite = abs(arguments.loss) < np.inf
            self.outputs[0] = pt.switch(finite, norm, np.nan).astype(self.dtype)
        self.updates = list(zip([count, *self.slots.values(), *self.params], new, strict=True))
        if objective.limits:
            self.updates = [
                (old, objective.limits.get(old.name, _same)(value)) for old, value in self.updates
            ]
        self.slots['updates'] = count

    def _arguments(
        self,
        count: TensorSharedVariable,
        loss: TensorVariable,
        gradients: list[TensorVariable],
        ids: dict[int, TensorVariable],
    ) -> Arguments:
        """Return the arguments of the update."""
        self.probe, curvatures = None, []
        if 'curvature' in self.rule.reads:
            self.probe = self._shared_zeros('probe', (self.size,))
            curvatures = [curvature(gradients, self.params, self.probe)]
            # The rule squares it. Where the square overflows, a loss that is not finite makes the
            # step skip the update.
            limit = np.sqrt(np.finfo(self.dtype).max)
            loss = pt.switch(abs(curvatures[0]).max() < limit, loss, np.inf)
        return Arguments(
            loss.astype(self.dtype),
            *(self.hyper[name] for name in ('max_gradient_elem', 'max_gradient_norm')),
            count,
            {name: value for name, value in self.hyper.items() if name not in LIMITS},
            [*self.slots.values(), *curvatures],
            [g.astype(self.dtype) for g in gradients],
            self.params,
            ids,
        )

    def _gradients(
        self, loss: TensorVariable
    ) -> tuple[list[TensorVariable], dict[int, TensorVariable]]:
        """Return the gradients, and the row numbers of sparse ones."""
        if self.rule.by_rows and 'curvature' not in self.rule.reads:
            return gradients_by_rows(loss, self.params)
        return pytensor.grad(loss, self.params, disconnected_inputs='ignore'), {}

    def _received(
        self,
        loss: TensorVariable,
        gradients: list[TensorVariable],
        ids: dict[int, TensorVariable],
    ) -> tuple[TensorVariable, list[TensorVariable], dict[int, TensorVariable]]:
        """Return the same as inputs of a function, and set what another function computes."""
        self.tables = list(ids)
        computed = [g.astype(self.dtype) for g in gradients]
        for k in ids:
            computed[k] = computed[k].reshape((-1, self.shapes[k][1]))
        computed += [numbers.ravel().astype('int64') for numbers in ids.values()]
        received = [pt.tensor(dtype=self.dtype, shape=shape) for shape in self.shapes]
        for k in ids:
            received[k] = pt.tensor(dtype=self.dtype, shape=(None, self.shapes[k][1]))
        numbers = {k: pt.tensor(dtype='int64', shape=(None,)) for k in ids}
        total = loss.astype(self.dtype).type()
        self.computed, self.inputs = computed, [total, *received, *numbers.values()]
        return total, received, numbers

    def _shared_zeros(self, name: str, shape: tuple[int, ...]) -> TensorSharedVariable:
        return pytensor.shared(np.zeros(shape, self.dtype), name, shape=shape)

    def _step(
        self,
        g: Array,
        p: Array | None,
        slots: Sequence[Array],
        t: Scalar,
        hyper: Mapping[str, Scalar],
    ) -> list[Array]:
        """Return the step to subtract, and the new slots, given gradients after clipping."""
        n = len(self.rule.slots)
        own, others = tuple(slots[:n]), list(slots[n:])  # others: velocity and curvature, if any
        options = {name: hyper[name] for name in self.rule.options}
        readable = {'p': p, 'curvature': others[-1] if others else None}
        read = {name: readable[name] for name in self.rule.reads}
        delta, new = self.rule.step(g, own, t, **read, **options)
        if not self.momentum:
            return [delta, *new, *others]
        mu = hyper['momentum']
        v = mu * others[0] - delta
        return [delta - mu * v if self.nesterov else -v, *new, v, *others[1:]]

    def _change(
        self,
        g: Array,
        p: Array,
        slots: Sequence[Array],
        t: Scalar,
        hyper: Mapping[str, Scalar],
    ) -> list[Array]:
        """Return the new parameter and slots, elementwise: the equations of the kernel."""
        delta, *new = self._step(g, p, slots, t, hyper)
        return [p - delta, *new]

    def _plain(self, arguments: Arguments, watched: bool = False) -> list[TensorVariable]:
        """Return gradient norm, new count, slots, parameters and health, by PyTensor's own Ops."""
        args = arguments
        parts = pieces(args.params, args.gradients, args.ids, self.shapes)
        norm = length(part.once for part in parts)
        ok = abs(norm + args.loss) < np.inf  # False for NaN, too
        clipped = length(pt.clip(part.once, -args.max_elem, args.max_elem) for part in parts)
        # 1 up to the limit; max_norm / norm would need a case for a norm of 0.
        scale = args.max_norm / pt.maximum(clipped, args.max_norm)
        count = args.count + 1
        slots, params = list(args.slots), {}
        for part in parts:
            g = pt.clip(part.gradient, -args.max_elem, args.max_elem) * scale
            p = part.values().astype(self.dtype) if 'p' in self.rule.reads else None
            old = [part.read(slot) for slot in args.slots]
            delta, *new = self._step(g, p, old, count, args.hyper)
            kept = [pt.switch(ok, n, o) for n, o in zip(new, old, strict=True)]
            slots = [part.written(slot, v) for slot, v in zip(slots, kept, strict=True)]
            params |= part.less(pt.switch(ok, delta, 0))
        changed = [params[k] for k in range(len(args.params))]
        reports = [health(args, norm, self.shapes)] if watched else []
        return [norm, pt.switch(ok, count, args.count), *slots, *changed, *reports]

    def reset(self) -> None:
        """Reset the state of the rule to its start."""
        for slot in self.slots.values():
            slot.set_value(np.zeros_like(slot.get_value(borrow=True)))

    def set(self, **values: float) -> None:
        """Set hyperparameters; 0 for a limit of gradient clipping means no limit."""
        for name, value in values.items():
            if name in LIMITS and value == 0:
                value = self.largest
            elif not abs(value) <= self.largest:
                raise ConfigError(f'{name} is {value:g}, which does not fit {self.dtype}')
            assign(self.hyper[name], value)

    def draw(self, seed: int | Sequence[int] | None, number: int) -> None:
        """Draw the random numbers of an update, if the rule needs any.

        Parameters
        ----------
        seed : int, sequence of int, or None
        number : int
            The number of updates so far. The draw depends only on both, so that checkpoints need
            not store the state of a generator.
        """
        if self.probe is not None:
            rng = np.random.default_rng(None if seed is None else [*np.atleast_1d(seed), number])
            self.probe.set_value(rng.standard_normal(self.size).astype(self.dtype))


def length(vectors: Iterable[TensorVariable]) -> TensorVariable:
    """Return the Euclidean norm of the concatenation of some vectors."""
    first, *others = (pt.sqr(v).sum() for v in vectors)
    return pt.sqrt(sum(others, first))


def assign(scalar: TensorSharedVariable, value: float) -> None:
    """Set a shared scalar; in place where possible, which takes a fiftieth of the time."""
    array = scalar.get_value(borrow=True)
    if type(array) is np.ndarray:  # on JAX it is an array that cannot be written to
        array[...] = value
    else:
        scalar.set_value(np.asarray(value, scalar.dtype))


def _same(value: TensorVariable) -> TensorVariable:
    return value


def health(
    arguments: Arguments, norm: TensorVariable, shapes: Sequence[tuple[int, ...]]
) -> TensorVariable:
    """Return the gradient norm of each parameter before clipping, and 1 if it was, else 0."""
    flat = []
    for k, g in enumerate(arguments.gradients):
        if k in arguments.ids:  # sparse, and rows may be repeated
            g = row_sums(arguments.ids[k], g, shapes[k])[2]
        flat.append(g.ravel())
    # The dot product needs no array of squares, which would be as large as the gradient.
    norms = [pt.sqrt(pt.dot(g, g)) for g in flat]
    largest = pt.stack([pt.maximum(g.max(), -g.min()) for g in flat]).max()
    clipped = pt.or_(norm > arguments.max_norm, largest > arguments.max_elem)
    return pt.stack([*norms, clipped.astype(norm.dtype)])


def gradient_names(params: Sequence[TensorSharedVariable]) -> list[str]:
    """Return the names of the parameters' gradient norms in reports."""
    names = [str(p.name) for p in params]
    return [
        f'grad({name})' if names.count(name) == 1 else f'grad({name} {k})'
        for k, name in enumerate(names)
    ]


def curvature(
    gradients: Sequence[TensorVariable],
    params: Sequence[TensorSharedVariable],
    probe: TensorSharedVariable,
) -> TensorVariable:
    """Return the product of the Hessian and a vector, as a vector.

    Raises
    ------
    ConfigError
        If some operation of the loss has no second derivative.
    """
    slope, start = pt.constant(0, dtype=probe.dtype), 0
    for gradient, p in zip(gradients, params, strict=True):
        shape = p.get_value(borrow=True).shape
        end = start + int(np.prod(shape))
        # Slices, for to cut the product of all gradients takes seconds to compile.
        slope += (gradient.astype(probe.dtype) * probe[start:end].reshape(shape)).sum()
        start = end
    try:
        products = pytensor.grad(slope, params, disconnected_inputs='ignore')
    except Exception as why:  # any operation of any library may be in the loss
        raise ConfigError(
            f"algo 'esgd' needs the second derivative of the loss, which does not exist here: "
            f'{type(why).__name__}: {str(why)[:150]}; use another algo'
        ) from why
    return flattened(products).astype(probe.dtype)


def check_params(params: Iterable[object]) -> list[TensorSharedVariable]:
    """Return `params` as a list of distinct floating-point shared variables, or raise."""
    params = list(params)
    if not params:
        raise ConfigError('minimize(): there are no parameters to change')
    for p in params:
        if not hasattr(p, 'set_value') or not str(p.dtype).startswith('float'):
            raise ConfigError(
                f'minimize(): a parameter must be a floating-point shared variable; got {p!r}'
            )
    if len(set(params)) < len(params):
        raise ConfigError('minimize(): a parameter is given more than once')
    return params
