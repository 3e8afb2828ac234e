"""What the Ops of loops over time share: those of one product a step, and the staged ones.

In: an Op's form, walk and scan. Out: shapes, gradients, and rewrites that let an Op store no more
than what is read.

The scan is what the Ops mean. It is built only where it is needed: other backends replace the
Ops by it (MLX) or run it in `perform`; the Numba backend calls kernels, JAX has loops of its
own, and neither builds it.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type, grad
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import node_rewriter
from pytensor.tensor.rewriting.basic import register_specialize
from pytensor.tensor.subtensor import Subtensor

from rnnkit.common.tensors import masked
from rnnkit.kernels.recurrent.walk import Walk
from rnnkit.kernels.runtime.fused_op import FusedOp

T = TypeVar('T')
NO_GRADIENT = ('direct', 'mask')  # inputs by which nothing has a derivative

# (x or z, parameters by name, initial states, mask, what steps are given) -> states, by
# pytensor.scan; the last two may be None.
Scan = Callable[
    [Variable, dict[str, Variable], list[Variable], Variable | None, Variable | None],
    list[Variable],
]


class LoopForm(Protocol):
    """What the Ops know of a form."""

    residuals: list[int]

    @property
    def n_states(self) -> int:
        """Number of states."""

    @property
    def digest(self) -> str:
        """A short hash, equal for cells that compute the same."""


class LoopOp(FusedOp):
    """Base of the forward and of the gradient Op, which start with the same inputs."""

    is_loop = True
    form: LoopForm
    scan: Scan
    walk: Walk
    shown = False

    @property
    def names(self) -> list[str]:
        """Return the names of the inputs of the forward."""
        raise NotImplementedError

    @property
    def n_inputs(self) -> int:
        """Number of inputs of the forward."""
        return len(self.names)

    def unpack(self, inputs: Sequence[T]) -> tuple[T, dict[str, T], list[T], T | None, T | None]:
        """Return what the scan takes."""
        named = dict(zip(self.names, inputs, strict=False))
        x, mask, direct = (
            named.pop(self.names[0]),
            named.pop('mask', None),
            named.pop('direct', None),
        )
        states = [named.pop(f'initial{k}') for k in range(self.form.n_states)]
        return x, named, states, mask, direct


class ScanOp(LoopOp):
    """All steps of a cell.

    Parameters
    ----------
    form : Form or StagedForm
    scan : callable
        Builds the graph that this means.
    walk : Walk
        With a mask (T, B), that is the last input.
    keep : bool
        Whether there is one more output, for the gradient's private use.
    whole : tuple of bool, optional
        For each state, whether the output has all steps, (T, B, H), or the last one that is done
        alone, (1, B, H). All steps if not given; a gradient needs them.
    """

    kind = 'forward'

    def __init__(
        self,
        form: LoopForm,
        scan: Scan,
        walk: Walk,
        keep: bool,
        whole: tuple[bool, ...] | None = None,
    ):
        self.form, self.scan, self.key, self.walk = form, scan, form.digest, walk
        self.keep = keep and bool(form.residuals)
        self.whole = whole or (True,) * form.n_states

    def widths(self, shapes: Sequence[Sequence[T]]) -> list[T]:
        """Return the number of units of each state, given the shapes of the inputs."""
        raise NotImplementedError

    def private(self, shapes: Sequence[Sequence[T]]) -> T:
        """Return the number of columns of what is kept for the gradient."""
        raise NotImplementedError

    def gradient(self, given: tuple[bool, ...]) -> 'GradientOp':
        """Return the Op of the gradients."""
        raise NotImplementedError

    def make_node(self, *inputs: Variable) -> Apply:
        """Return the node; the outputs' lengths are known as far as the inputs' are."""
        # As exact as the inputs' types: with less exact ones, PyTensor checks lengths by an Op that
        # takes a second to compile.
        shapes = [v.type.shape for v in inputs]
        found = self._shapes(*shapes[0][:2], self.widths(shapes), None)
        dtype = inputs[0].type.dtype
        return Apply(self, list(inputs), [pt.tensor(dtype=dtype, shape=shape) for shape in found])

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the outputs' shapes; PyTensor before 3.3 passes the graph as well."""
        # Without this PyTensor would run the Op where only a length is needed.
        *_, shapes = args
        private = self.private(shapes) if self.keep else None
        return self._shapes(*shapes[0][:2], self.widths(shapes), private)

    def _shapes(self, t: T, b: T, widths: list[T], private: T | None) -> list[tuple[T, ...]]:
        states = [
            (t if all_steps else 1, b, h) for all_steps, h in zip(self.whole, widths, strict=True)
        ]
        return [*states, *[(t, b, private)] * self.keep, *[(t, b, widths[0])] * self.shown]

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return the scan; what only kernels read is left empty."""
        x = inputs[0]
        private = [pt.zeros((x.shape[0], x.shape[1], 0), dtype=x.dtype)] if self.keep else []
        states, mask = self.scan(*self.unpack(inputs)), self.unpack(inputs)[3]
        padded = [masked(states[0], mask) for _ in range(self.shown)]
        return [*self.stored(states), *private, *padded]

    def stored(self, states: Sequence[T]) -> list[T]:
        """Return what is an output of the states of all steps."""
        last = slice(0, 1) if self.walk.reverse else slice(-1, None)
        return [s if all_ else s[last] for s, all_ in zip(states, self.whole, strict=True)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return which outputs have a derivative by which inputs."""
        row = [True] * self.form.n_states + [False] * (self.keep + self.shown)
        return [[name not in NO_GRADIENT and has for has in row] for name in self.names]

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], gradients: Sequence[Variable]
    ) -> list[Variable]:
        """Return the gradients by the inputs, one node for all."""
        if not all(self.whole):
            return super().pullback(inputs, outputs, gradients)
        gradients = gradients[: self.form.n_states]
        given = tuple(not isinstance(g.type, DisconnectedType) for g in gradients)
        if not any(given):
            return [disconnected_type() for _ in inputs]
        # One node, for all gradients come from one loop.
        known = [g for g, is_given in zip(gradients, given, strict=True) if is_given]
        result = iter(self.gradient(given)(*inputs, *outputs, *known, return_list=True))
        return [disconnected_type() if n in NO_GRADIENT else next(result) for n in self.names]


class GradientOp(LoopOp):
    """Gradients of all steps: inputs and outputs of the forward, and gradients by its states.

    Attributes
    ----------
    given : tuple of bool
        For which states the gradient is an input.
    """

    kind = 'backward'
    given: tuple[bool, ...]

    def wrt(self, inputs: Sequence[T]) -> list[T]:
        """Return those inputs by which there are gradients."""
        pairs = zip(self.names, inputs, strict=False)
        return [v for name, v in pairs if name not in NO_GRADIENT]

    def make_node(self, *inputs: Variable) -> Apply:
        """Return the node; each gradient is of its input's type."""
        return Apply(self, list(inputs), [v.type() for v in self.wrt(inputs)])

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return the gradient of the scan."""
        x, params, first, mask, direct = self.unpack(inputs[: self.n_inputs])
        states = self.scan(x, params, first, mask, direct)
        if self.shown:
            states[0] = masked(states[0], mask)
        given = [state for state, is_given in zip(states, self.given, strict=True) if is_given]
        known = dict(zip(given, inputs[len(inputs) - len(given) :], strict=True))
        return grad(None, self.wrt(inputs), known_grads=known, disconnected_inputs='ignore')

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the outputs' shapes; PyTensor before 3.3 passes the graph as well."""
        return self.wrt(args[-1])


def _drop_residuals(fgraph: FunctionGraph, node: Apply) -> dict[Variable, Variable] | bool:
    """Do not keep what only the gradient reads, if there is none."""
    op = node.op
    if not op.keep or op.shown or fgraph.clients[node.outputs[-1]]:
        return False
    lean = type(op)(op.form, op.scan, op.walk, keep=False)
    return dict(zip(node.outputs, lean(*node.inputs, return_list=True), strict=False))


def _keep_last_alone(fgraph: FunctionGraph, node: Apply) -> dict[Variable, Variable] | bool:
    """Store only the last step of a state of which nobody reads more."""
    op, states = node.op, node.outputs[: node.op.form.n_states]
    if op.keep or op.shown:
        return False
    readers = [[client for client, _ in fgraph.clients[state]] for state in states]
    whole = tuple(
        all_steps and not all(_reads_last(reader, op.walk.reverse) for reader in group)
        for all_steps, group in zip(op.whole, readers, strict=True)
    )
    if whole == op.whole:
        return False
    lean_op = type(op)(op.form, op.scan, op.walk, keep=False, whole=whole)
    lean = lean_op(*node.inputs, return_list=True)
    new: dict[Variable, Variable] = {}
    for k, (state, group) in enumerate(zip(states, readers, strict=True)):
        if whole[k] == op.whole[k]:
            new[state] = lean[k]
        else:
            new.update((reader.outputs[0], lean[k][0]) for reader in group)
    return new


def _reads_last(reader: Apply, reverse: bool) -> bool:
    """Return whether a node is ``states[-1]``, or ``states[0]`` if the walk is reverse."""
    if not isinstance(reader.op, Subtensor) or len(reader.op.idx_list) != 1:
        return False
    index = reader.inputs[-1]
    is_last = isinstance(index, Constant) and index.data == (0 if reverse else -1)
    return is_last and reader.outputs[0].ndim == 2


def register_lean(kind: type[ScanOp]) -> None:
    """Register the rewrites that let an Op of this kind store no more than what is read."""
    for rewrite in (_drop_residuals, _keep_last_alone):
        name = f'rnnkit{rewrite.__name__}_{kind.__name__}'
        register_specialize(node_rewriter([kind])(rewrite), name=name)
