"""PyTensor's view of the fused loop: one Op for a sequence, one for its gradients.

In: the symbolic inputs of an unrolled cell, its `Form`, and a function that builds the scan.
Out: the symbolic states.

What the Ops share with those of other loops is in `rnnkit.kernels.recurrent.loop_op`; for JAX see
`rnnkit.kernels.recurrent.dispatch_jax`.
"""

from collections.abc import Sequence
from typing import TypeVar

from pytensor.compile.mode import optdb
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import dfs_rewriter, node_rewriter
from pytensor.tensor.rewriting.basic import register_specialize

from rnnkit.kernels.language.vector import Target
from rnnkit.kernels.recurrent import curvature
from rnnkit.kernels.recurrent.backward import Backward
from rnnkit.kernels.recurrent.form import Form
from rnnkit.kernels.recurrent.forward import Forward
from rnnkit.kernels.recurrent.loop_op import GradientOp, LoopOp, Scan, ScanOp, register_lean
from rnnkit.kernels.recurrent.padding import HidePadding
from rnnkit.kernels.recurrent.walk import Walk

T = TypeVar('T')


class RecurrentOp(LoopOp):
    """Base of the forward and of the gradient Op, which start with the same inputs."""

    form: Form

    @property
    def names(self) -> list[str]:
        """Return the names of the inputs of the forward."""
        form = self.form
        initial = [f'initial{k}' for k in range(form.n_states)]
        fixed = [*['direct'] * bool(form.n_direct), *['mask'] * self.walk.masked]
        return ['x', form.recurrent, 'xh', *form.vectors, *initial, *fixed]


class RecurrentScan(RecurrentOp, ScanOp):
    """All steps of a cell: x, parameters, initial states and mask -> states.

    Parameters
    ----------
    form, scan, walk, keep, whole
        As for `ScanOp`.
    shown : bool
        Whether the last output is the first state with 0 over padding.
    """

    __props__ = ('key', 'walk', 'keep', 'shown', 'whole')

    def __init__(
        self,
        form: Form,
        scan: Scan,
        walk: Walk,
        keep: bool,
        shown: bool = False,
        whole: tuple[bool, ...] | None = None,
    ):
        super().__init__(form, scan, walk, keep, whole)
        self.shown = shown

    def widths(self, shapes: Sequence[Sequence[T]]) -> list[T]:
        """Return the number of units of each state, given the shapes of the inputs."""
        return [shapes[1][0]] * self.form.n_states

    def private(self, shapes: Sequence[Sequence[T]]) -> T:
        """Return the number of columns of what is kept for the gradient."""
        return shapes[1][0] * len(self.form.residuals)

    def gradient(self, given: tuple[bool, ...]) -> 'RecurrentGradient':
        """Return the Op of the gradients."""
        # A rewrite leaves out that by x: whether it is needed is known only when the graph is
        # complete.
        return RecurrentGradient(self.form, self.scan, self.walk, given, want_x=True)

    def writer(self, node: Apply, target: Target) -> Forward:
        """Return the writer of the kernel."""
        return Forward(self.form, target, self.walk, self.keep, self.whole, self.shown)


class RecurrentGradient(RecurrentOp, GradientOp):
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
        return super().wrt(inputs)[0 if self.want_x else 1 :]

    def writer(self, node: Apply, target: Target) -> Backward:
        """Return the writer of the kernel."""
        return Backward(self.form, target, self.walk, self.given, self.want_x, self.shown)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return which outputs have a derivative by which inputs."""
        return curvature.connection(self, node)

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], gradients: Sequence[Variable]
    ) -> list[Variable]:
        """Return the second derivatives, one node for all."""
        return curvature.pull_back(self, inputs, gradients)


register_lean(RecurrentScan)


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
