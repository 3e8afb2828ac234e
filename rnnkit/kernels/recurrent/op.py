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
from pytensor.gradient import DisconnectedType, disconnected_type, grad
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import node_rewriter
from pytensor.tensor.rewriting.basic import register_specialize
from pytensor.tensor.subtensor import Subtensor

from rnnkit.kernels.language.vector import Target
from rnnkit.kernels.recurrent import curvature
from rnnkit.kernels.recurrent.backward import Backward
from rnnkit.kernels.recurrent.form import Form
from rnnkit.kernels.recurrent.forward import Forward
from rnnkit.kernels.recurrent.walk import Walk
from rnnkit.kernels.runtime.fused_op import FusedOp

T = TypeVar('T')

# (x, parameters by name, initial states, mask or None) -> states, by pytensor.scan
Scan = Callable[[Variable, dict[str, Variable], list[Variable], Variable | None], list[Variable]]


class RecurrentOp(FusedOp):
    """Base of the forward and of the gradient Op, which start with the same inputs."""

    is_loop = True
    form: Form
    scan: Scan
    walk: Walk

    def unpack(self, inputs: Sequence[T]) -> tuple[T, dict[str, T], list[T], T | None]:
        """Return x, parameters by name, initial states and the mask."""
        form = self.form
        names = [form.recurrent, 'xh', *form.vectors]
        x, *others = inputs
        params = dict(zip(names, others, strict=False))
        states = others[len(names) :]
        mask = states[form.n_states] if self.walk.masked else None
        return x, params, states[: form.n_states], mask

    @property
    def n_inputs(self) -> int:
        """Number of inputs of the forward."""
        return 3 + len(self.form.vectors) + self.form.n_states + self.walk.masked


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
    whole : tuple of bool, optional
        For each state, whether the output has all steps, (T, B, H), or the last one that is done
        alone, (1, B, H). All steps if not given; a gradient needs them.
    """

    __props__ = ('key', 'walk', 'keep', 'whole')
    kind = 'forward'

    def __init__(
        self, form: Form, scan: Scan, walk: Walk, keep: bool, whole: tuple[bool, ...] | None = None
    ):
        self.form, self.scan, self.key, self.walk = form, scan, form.digest, walk
        self.keep = keep and bool(form.residuals)
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
        return Apply(self, list(inputs), outputs)

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return the scan; what only kernels read is left empty."""
        x = inputs[0]
        private = [pt.zeros((x.shape[0], x.shape[1], 0), dtype=x.dtype)] if self.keep else []
        return [*self.stored(self.scan(*self.unpack(inputs))), *private]

    def stored(self, states: Sequence[T]) -> list[T]:
        """Return what is an output of the states of all steps."""
        last = slice(0, 1) if self.walk.reverse else slice(-1, None)
        return [s if all_ else s[last] for s, all_ in zip(states, self.whole, strict=True)]

    def writer(self, node: Apply, target: Target) -> Forward:
        """Return the writer of the kernel."""
        return Forward(self.form, target, self.walk, self.keep, self.whole)

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the outputs' shapes; PyTensor before 3.3 passes the graph as well."""
        # Without this PyTensor would run the Op where only a length is needed.
        *_, shapes = args
        (t, b, _), (h, _) = shapes[:2]
        private = [(t, b, h * len(self.form.residuals))] if self.keep else []
        return [(t if all_steps else 1, b, h) for all_steps in self.whole] + private

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return which outputs have a derivative by which inputs."""
        row = [True] * self.form.n_states + [False] * self.keep
        none = [False] * len(row)
        return [
            none if self.walk.masked and i == len(node.inputs) - 1 else row
            for i in range(len(node.inputs))
        ]

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
        return [*result, *([disconnected_type()] if self.walk.masked else [])]


class RecurrentGradient(RecurrentOp):
    """Gradients of all steps: inputs and outputs of the forward, and gradients by its states.

    Parameters
    ----------
    given : tuple of bool
        For which states the gradient is an input.
    want_x : bool
        Whether the gradient by x is the first output.
    """

    __props__ = ('key', 'walk', 'given', 'want_x')
    kind = 'backward'

    def __init__(self, form: Form, scan: Scan, walk: Walk, given: tuple[bool, ...], want_x: bool):
        self.form, self.scan, self.key, self.walk = form, scan, form.digest, walk
        self.given, self.want_x = given, want_x

    def wrt(self, inputs: Sequence[T]) -> list[T]:
        """Return those inputs by which there are gradients."""
        return list(inputs[0 if self.want_x else 1 : self.n_inputs - self.walk.masked])

    def make_node(self, *inputs: Variable) -> Apply:
        """Return the node; each gradient is of its input's type."""
        return Apply(self, list(inputs), [v.type() for v in self.wrt(inputs)])

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return the gradient of the scan."""
        states = self.scan(*self.unpack(inputs[: self.n_inputs]))
        given = [state for state, is_given in zip(states, self.given, strict=True) if is_given]
        known = dict(zip(given, inputs[len(inputs) - len(given) :], strict=True))
        return grad(None, self.wrt(inputs), known_grads=known, disconnected_inputs='ignore')

    def writer(self, node: Apply, target: Target) -> Backward:
        """Return the writer of the kernel."""
        return Backward(self.form, target, self.walk, self.given, self.want_x)

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
    if not op.keep or fgraph.clients[node.outputs[-1]]:
        return False
    lean = RecurrentScan(op.form, op.scan, op.walk, keep=False)
    return dict(zip(node.outputs, lean(*node.inputs, return_list=True), strict=False))


@register_specialize
@node_rewriter([RecurrentScan])
def keep_last_alone(fgraph: FunctionGraph, node: Apply) -> dict[Variable, Variable] | bool:
    """Store only the last step of a state of which nobody reads more."""
    op, states = node.op, node.outputs[: node.op.form.n_states]
    if op.keep:
        return False
    readers = [[client for client, _ in fgraph.clients[state]] for state in states]
    whole = tuple(
        all_steps and not all(_reads_last(reader, op.walk.reverse) for reader in group)
        for all_steps, group in zip(op.whole, readers, strict=True)
    )
    if whole == op.whole:
        return False
    lean = RecurrentScan(op.form, op.scan, op.walk, False, whole)(*node.inputs, return_list=True)
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
    lean = RecurrentGradient(op.form, op.scan, op.walk, op.given, want_x=False)
    return dict(zip(node.outputs[1:], lean(*node.inputs, return_list=True), strict=True))
