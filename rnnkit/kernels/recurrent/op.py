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
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import dfs_rewriter, node_rewriter
from pytensor.tensor.rewriting.basic import register_specialize
from pytensor.tensor.subtensor import Subtensor

from rnnkit.common.tensors import masked
from rnnkit.kernels.language.vector import Target
from rnnkit.kernels.recurrent import curvature
from rnnkit.kernels.recurrent.backward import Backward
from rnnkit.kernels.recurrent.form import Form
from rnnkit.kernels.recurrent.forward import Forward
from rnnkit.kernels.recurrent.padding import HidePadding
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
    """All steps of a cell: x, parameters, initial states and mask -> states.

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
    whole : tuple of bool, optional
        For each state, whether the output has all steps, (T, B, H), or the last one that is done
        alone, (1, B, H). All steps if not given; a gradient needs them.
    """

    __props__ = ('key', 'walk', 'keep', 'shown', 'whole')
    kind = 'forward'

    def __init__(
        self,
        form: Form,
        scan: Scan,
        walk: Walk,
        keep: bool,
        shown: bool = False,
        whole: tuple[bool, ...] | None = None,
    ):
        self.form, self.scan, self.key, self.walk = form, scan, form.digest, walk
        self.keep, self.shown = keep and bool(form.residuals), shown
        self.whole = whole or (True,) * form.n_states

    def make_node(self, *inputs: Variable) -> Apply:
        """Return the node; the outputs' lengths are known as far as the inputs' are."""
        x, hh = inputs[:2]
        # As exact as the inputs' types: with less exact ones, PyTensor checks lengths by an Op that
        # takes a second to compile.
        (t, b, _), h = x.type.shape, hh.type.shape[0]
        outputs = [
            pt.tensor(dtype=x.dtype, shape=(t if all_steps else 1, b, h))
            for all_steps in self.whole
        ]
        if self.keep:
            outputs.append(pt.tensor(dtype=x.dtype, shape=(t, b, None)))
        outputs += [pt.tensor(dtype=x.dtype, shape=(t, b, h)) for _ in range(self.shown)]
        return Apply(self, list(inputs), outputs)

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

    def writer(self, node: Apply, target: Target) -> Forward:
        """Return the writer of the kernel."""
        return Forward(self.form, target, self.walk, self.keep, self.whole, self.shown)

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the outputs' shapes; PyTensor before 3.3 passes the graph as well."""
        # Without this PyTensor would run the Op where only a length is needed.
        *_, shapes = args
        (t, b, _), (h, _) = shapes[:2]
        private = [(t, b, h * len(self.form.residuals))] if self.keep else []
        states = [(t if all_steps else 1, b, h) for all_steps in self.whole]
        return states + private + [(t, b, h)] * self.shown

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return which outputs have a derivative by which inputs."""
        row = [True] * self.form.n_states + [False] * (self.keep + self.shown)
        none = [False] * len(row)
        return [row] * (self.n_inputs - self.n_fixed) + [none] * self.n_fixed

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
            states[0] = masked(states[0], mask)
        given = [state for state, is_given in zip(states, self.given, strict=True) if is_given]
        known = dict(zip(given, inputs[len(inputs) - len(given) :], strict=True))
        return grad(None, self.wrt(inputs), known_grads=known, disconnected_inputs='ignore')

    def writer(self, node: Apply, target: Target) -> Backward:
        """Return the writer of the kernel."""
        return Backward(self.form, target, self.walk, self.given, self.want_x, self.shown)

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the outputs' shapes; PyTensor before 3.3 passes the graph as well."""
        return self.wrt(args[-1])

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return which outputs have a derivative by which inputs."""
        return curvature.connection(self, node)

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], gradients: Sequence[Variable]
    ) -> list[Variable]:
        """Return the second derivatives, one node for all."""
        return curvature.pull_back(self, inputs, gradients)


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
@node_rewriter([RecurrentScan])
def keep_last_alone(fgraph: FunctionGraph, node: Apply) -> dict[Variable, Variable] | bool:
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
    lean_op = RecurrentScan(op.form, op.scan, op.walk, keep=False, whole=whole)
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
    """Write the first state with 0 over padding in the loop itself, which has it at hand."""
    values, mask = node.inputs
    scan = values.owner
    if scan is None or not isinstance(scan.op, RecurrentScan) or scan.op.shown:
        return False
    if values is not scan.outputs[0] or scan.op.unpack(scan.inputs)[3] is not mask:
        return False
    old = scan.op
    unread = not old.keep and len(fgraph.clients[values]) == 1  # but for this node
    whole = (not unread, *old.whole[1:])
    op = RecurrentScan(old.form, old.scan, old.walk, old.keep, shown=True, whole=whole)
    *others, shown = op(*scan.inputs, return_list=True)
    new = dict(zip(scan.outputs, others, strict=True))
    if unread:
        del new[values]
    return {**new, node.outputs[0]: shown}


@node_rewriter([RecurrentGradient])
def hide_while_computing(fgraph: FunctionGraph, node: Apply) -> list[Variable] | bool:
    """Ignore the gradient by the first state over padding in the loop itself."""
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
