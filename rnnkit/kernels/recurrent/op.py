"""PyTensor's view of the fused loop: one Op for a sequence, one for its gradients.

In: the symbolic inputs of an unrolled cell, its `Form`, and a function that builds the scan.
Out: the symbolic states.

The scan is what the Ops mean. It is built only where it is needed: other backends replace the
Ops by it (MLX) or run it in `perform`; the Numba backend calls kernels, JAX has loops of its
own, see `rnnkit.kernels.recurrent.dispatch_jax`, and neither builds it.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import pytensor.tensor as pt
from pytensor.compile.mode import optdb
from pytensor.gradient import DisconnectedType, disconnected_type, grad
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import dfs_rewriter, node_rewriter
from pytensor.tensor.rewriting.basic import register_specialize

from rnnkit.kernels.language.vector import Target
from rnnkit.kernels.recurrent.backward import Backward
from rnnkit.kernels.recurrent.form import Form
from rnnkit.kernels.recurrent.forward import Forward
from rnnkit.kernels.recurrent.padding import HidePadding, hidden
from rnnkit.kernels.recurrent.walk import Walk
from rnnkit.kernels.runtime.fused_op import FusedOp

T = TypeVar('T')

# (x, parameters by name, initial states, mask, what steps are given) -> states, by pytensor.scan;
# the last two may be None.
Scan = Callable[
    [Variable, dict[str, Variable], list[Variable], Variable | None, Variable | None],
    list[Variable],
]


class RecurrentOp(FusedOp):
    """Base of the forward and of the gradient Op, which start with the same inputs."""

    is_loop = True
    form: Form
    scan: Scan
    walk: Walk

    def unpack(self, inputs: Sequence[T]) -> tuple[T, dict[str, T], list[T], T | None, T | None]:
        """Return x, parameters by name, initial states, the mask and what steps are given."""
        form = self.form
        names = [form.recurrent, 'xh', *form.vectors]
        x, *others = inputs
        params = dict(zip(names, others, strict=False))
        states, n = others[len(names) :], form.n_states
        direct = states[n] if form.n_direct else None
        mask = states[n + bool(form.n_direct)] if self.walk.masked else None
        return x, params, states[:n], mask, direct

    @property
    def n_fixed(self) -> int:
        """Number of inputs of the forward, the last ones, by which nothing has a derivative."""
        return bool(self.form.n_direct) + self.walk.masked

    @property
    def n_inputs(self) -> int:
        """Number of inputs of the forward."""
        return 3 + len(self.form.vectors) + self.form.n_states + self.n_fixed


class RecurrentScan(RecurrentOp):
    """All steps of a cell: x, parameters, initial states and mask -> states of all steps.

    Parameters
    ----------
    form : Form
    scan : callable
        Builds the graph that this means.
    walk : Walk
        With a mask (T, B), that is the last input.
    keep : bool
        Whether there is one more output, for the gradient's private use.
    shown : bool
        Whether the last output is the first state with 0 over padding.
    """

    __props__ = ('key', 'walk', 'keep', 'shown')
    kind = 'forward'

    def __init__(self, form: Form, scan: Scan, walk: Walk, keep: bool, shown: bool = False):
        self.form, self.scan, self.key, self.walk = form, scan, form.digest, walk
        self.keep, self.shown = keep and bool(form.residuals), shown

    def make_node(self, *inputs: Variable) -> Apply:
        """Return the node; the outputs' lengths are known as far as the inputs' are."""
        x, hh = inputs[:2]
        # As exact as the inputs' types: with less exact ones, PyTensor checks lengths by an Op that
        # takes a second to compile.
        (t, b, _), h = x.type.shape, hh.type.shape[0]
        outputs = [pt.tensor(dtype=x.dtype, shape=(t, b, h)) for _ in range(self.form.n_states)]
        if self.keep:
            outputs.append(pt.tensor(dtype=x.dtype, shape=(t, b, None)))
        outputs += [outputs[0].type() for _ in range(self.shown)]
        return Apply(self, list(inputs), outputs)

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return the scan; what only kernels read is left empty."""
        x = inputs[0]
        private = [pt.zeros((x.shape[0], x.shape[1], 0), dtype=x.dtype)] if self.keep else []
        states, mask = self.scan(*self.unpack(inputs)), self.unpack(inputs)[3]
        return [*states, *private, *[hidden(states[0], mask) for _ in range(self.shown)]]

    def writer(self, node: Apply, target: Target) -> Forward:
        """Return the writer of the kernel."""
        return Forward(self.form, target, self.walk, self.keep, self.shown)

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the outputs' shapes; PyTensor before 3.3 passes the graph as well."""
        # Without this PyTensor would run the Op where only a length is needed.
        *_, shapes = args
        (t, b, _), (h, _) = shapes[:2]
        private = [(t, b, h * len(self.form.residuals))] if self.keep else []
        return [(t, b, h)] * self.form.n_states + private + [(t, b, h)] * self.shown

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return which outputs have a derivative by which inputs."""
        row = [True] * self.form.n_states + [False] * (self.keep + self.shown)
        none = [False] * len(row)
        return [row] * (self.n_inputs - self.n_fixed) + [none] * self.n_fixed

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], gradients: Sequence[Variable]
    ) -> list[Variable]:
        """Return the gradients by the inputs, one node for all."""
        gradients = gradients[: self.form.n_states]
        given = tuple(not isinstance(g.type, DisconnectedType) for g in gradients)
        if not any(given):
            return [disconnected_type() for _ in inputs]
        # One node, for all gradients come from one loop. A rewrite leaves out that by x: whether it
        # is needed is known only when the graph is complete.
        op = RecurrentGradient(self.form, self.scan, self.walk, given, want_x=True)
        known = [g for g, is_given in zip(gradients, given, strict=True) if is_given]
        result = op(*inputs, *outputs, *known, return_list=True)
        return [*result, *(disconnected_type() for _ in range(self.n_fixed))]


class RecurrentGradient(RecurrentOp):
    """Gradients of all steps: inputs and outputs of the forward, and gradients by its states.

    Parameters
    ----------
    given : tuple of bool
        For which states the gradient is an input.
    want_x : bool
        Whether the gradient by x is the first output.
    shown : bool
        Whether the gradient by the first state counts only where a step is real.
    """

    __props__ = ('key', 'walk', 'given', 'want_x', 'shown')
    kind = 'backward'

    def __init__(
        self,
        form: Form,
        scan: Scan,
        walk: Walk,
        given: tuple[bool, ...],
        want_x: bool,
        shown: bool = False,
    ):
        self.shown = shown
        self.form, self.scan, self.key, self.walk = form, scan, form.digest, walk
        self.given, self.want_x = given, want_x

    def wrt(self, inputs: Sequence[T]) -> list[T]:
        """Return those inputs by which there are gradients."""
        return list(inputs[0 if self.want_x else 1 : self.n_inputs - self.n_fixed])

    def make_node(self, *inputs: Variable) -> Apply:
        """Return the node; each gradient is of its input's type."""
        return Apply(self, list(inputs), [v.type() for v in self.wrt(inputs)])

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return the gradient of the scan."""
        x, params, first, mask, direct = self.unpack(inputs[: self.n_inputs])
        states = self.scan(x, params, first, mask, direct)
        if self.shown:
            states[0] = hidden(states[0], mask)
        given = [state for state, is_given in zip(states, self.given, strict=True) if is_given]
        known = dict(zip(given, inputs[len(inputs) - len(given) :], strict=True))
        return grad(None, self.wrt(inputs), known_grads=known, disconnected_inputs='ignore')

    def writer(self, node: Apply, target: Target) -> Backward:
        """Return the writer of the kernel."""
        return Backward(self.form, target, self.walk, self.given, self.want_x, self.shown)

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the outputs' shapes; PyTensor before 3.3 passes the graph as well."""
        return self.wrt(args[-1])


@register_specialize
@node_rewriter([RecurrentScan])
def drop_residuals(fgraph: FunctionGraph, node: Apply) -> dict[Variable, Variable] | bool:
    """Do not keep what only the gradient reads, if there is none."""
    op = node.op
    if not op.keep or op.shown or fgraph.clients[node.outputs[-1]]:
        return False
    lean = RecurrentScan(op.form, op.scan, op.walk, keep=False)
    return dict(zip(node.outputs, lean(*node.inputs, return_list=True), strict=False))


@register_specialize
@node_rewriter([RecurrentGradient])
def drop_input_gradient(fgraph: FunctionGraph, node: Apply) -> dict[Variable, Variable] | bool:
    """Do not compute the gradient by x, if nobody reads it."""
    op = node.op
    if not op.want_x or fgraph.clients[node.outputs[0]]:
        return False
    lean = RecurrentGradient(op.form, op.scan, op.walk, op.given, want_x=False, shown=op.shown)
    return dict(zip(node.outputs[1:], lean(*node.inputs, return_list=True), strict=True))


@node_rewriter([HidePadding])
def show_while_computing(fgraph: FunctionGraph, node: Apply) -> dict[Variable, Variable] | bool:
    """Let the loop write the first state with 0 over padding, as long as it is at hand."""
    values, mask = node.inputs
    scan = values.owner
    if scan is None or not isinstance(scan.op, RecurrentScan) or scan.op.shown:
        return False
    if values is not scan.outputs[0] or scan.op.unpack(scan.inputs)[3] is not mask:
        return False
    op = RecurrentScan(scan.op.form, scan.op.scan, scan.op.walk, scan.op.keep, shown=True)
    *others, shown = op(*scan.inputs, return_list=True)
    return {**dict(zip(scan.outputs, others, strict=True)), node.outputs[0]: shown}


@node_rewriter([RecurrentGradient])
def hide_while_computing(fgraph: FunctionGraph, node: Apply) -> list[Variable] | bool:
    """Let the loop leave out what the gradient by the first state is over padding."""
    op, inputs = node.op, list(node.inputs)
    if not op.given[0] or op.shown or not op.walk.masked:
        return False
    at = len(inputs) - sum(op.given)
    hiding = inputs[at].owner
    mask = op.unpack(inputs[: op.n_inputs])[3]
    if hiding is None or not isinstance(hiding.op, HidePadding) or hiding.inputs[1] is not mask:
        return False
    inputs[at] = hiding.inputs[0]
    new = RecurrentGradient(op.form, op.scan, op.walk, op.given, op.want_x, shown=True)
    return new(*inputs, return_list=True)


# After all that may leave out or merge what they look for. Only the Numba backend has the kernels.
for _rewrite in (show_while_computing, hide_while_computing):
    optdb.register(f'rnnkit_{_rewrite.fn.__name__}', dfs_rewriter(_rewrite), 'numba', position=2.9)
