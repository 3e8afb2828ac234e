"""PyTensor's view of a dense layer: one Op for ``x @ w + b``, one for its gradients.

In: symbolic x of 2 or 3 axes, w and b of one dtype. Out: a symbolic tensor of the axes of x. If
x is several tensors side by side, they are read where they are, and not put together.
"""

from collections.abc import Sequence

import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import node_rewriter
from pytensor.tensor.basic import Join
from pytensor.tensor.rewriting.basic import register_specialize

from rnnkit.kernels.dense.backward import Backward
from rnnkit.kernels.dense.forward import Forward
from rnnkit.kernels.language.vector import Target
from rnnkit.kernels.program.elementwise import axis_of
from rnnkit.kernels.program.program import Unsupported
from rnnkit.kernels.runtime.fused_op import FusedOp

AXES = (2, 3)


class Affine(FusedOp):
    """Computes ``x @ w + b``, where x is `n_x` tensors of one width side by side."""

    __props__ = ('n_x',)
    kind = 'dense'

    def __init__(self, n_x: int = 1):
        self.n_x = n_x

    def make_node(self, *inputs: Variable) -> Apply:
        """Return the node for all x, w and b."""
        x, w = inputs[0], inputs[-2]
        shape = (*x.type.shape[:-1], w.type.shape[1])
        return Apply(self, list(inputs), [pt.tensor(dtype=x.type.dtype, shape=shape)])

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return product and sum."""
        *xs, w, b = inputs
        return [pt.dot(_side_by_side(xs), w) + b]

    def writer(self, node: Apply, target: Target) -> Forward:
        """Return the writer of the kernel."""
        return Forward(target, node.inputs[0].ndim, self.n_x)

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the output's shape; PyTensor before 3.3 passes the graph as well."""
        x, *_, w, _ = args[-1]
        return [(*x[:-1], w[1])]

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], gradients: Sequence[Variable]
    ) -> list[Variable]:
        """Return the gradients by x, w and b: one node for all."""
        if isinstance(gradients[0].type, DisconnectedType):
            return [disconnected_type() for _ in inputs]
        # One node, for all gradients; a rewrite leaves out those by x where nobody needs them.
        op = AffineGradient(want_x=True, n_x=self.n_x)
        return op(*inputs[:-1], gradients[0], return_list=True)


class AffineGradient(FusedOp):
    """Computes the gradients by all x, w and b from these and the gradient by the output.

    Parameters
    ----------
    want_x : bool
        Whether the gradients by x are the first outputs.
    n_x : int
        The number of x.
    """

    __props__ = ('want_x', 'n_x')
    kind = 'dense_backward'

    def __init__(self, want_x: bool, n_x: int = 1):
        self.want_x, self.n_x = want_x, n_x

    def make_node(self, *inputs: Variable) -> Apply:
        """Return the node for all x, w and the output's gradient; a gradient is like its input."""
        *xs, w, _ = inputs
        b = pt.tensor(dtype=w.type.dtype, shape=w.type.shape[1:])
        d_x = [x.type() for x in xs] if self.want_x else []
        return Apply(self, list(inputs), [*d_x, w.type(), b])

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return products and a sum."""
        *xs, w, dz = inputs
        x = _side_by_side(xs)
        d_x = [pt.dot(dz, rows.T) for rows in _cut(w, self.n_x)] if self.want_x else []
        d_b = dz.sum(axis=tuple(range(dz.ndim - 1)))
        if x.ndim == 3:
            x, dz = (v.reshape((v.shape[0] * v.shape[1], v.shape[2])) for v in (x, dz))
        return [*d_x, pt.dot(x.T, dz), d_b]

    def writer(self, node: Apply, target: Target) -> Backward:
        """Return the writer of the kernel."""
        return Backward(target, node.inputs[0].ndim, self.want_x, self.n_x)

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the outputs' shapes; PyTensor before 3.3 passes the graph as well."""
        *xs, w, _ = args[-1]
        return [*(xs if self.want_x else []), w, (w[1],)]

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], gradients: Sequence[Variable]
    ) -> list[Variable]:
        """Return the derivatives by all x, w and dz from u, v and c, those by the outputs.

        The sum of products ``u * dz @ w.T + v * x.T @ dz + c * dz`` is one of dz with
        ``u @ w + x @ v + c``: a dense layer, as is its gradient by x and w.
        """
        *xs, w, dz = inputs
        *u, v, c = (None if isinstance(g.type, DisconnectedType) else g for g in gradients)
        moved = any(g is not None for g in u)
        if not moved and v is None and c is None:
            return [disconnected_type() for _ in inputs]
        u = (
            [pt.zeros_like(x) if g is None else g for x, g in zip(xs, u, strict=True)]
            if moved
            else xs
        )
        zero = pt.zeros((w.shape[1],), dtype=w.dtype)
        terms = [Affine(self.n_x)(*u, w, zero)] if moved else []
        terms += [] if v is None else [Affine(self.n_x)(*xs, v, zero)]
        by_dz = sum(terms[1:], terms[0]) if terms else pt.zeros_like(dz)
        again = AffineGradient(want_x=True, n_x=self.n_x)
        *by_x, by_w, _ = again(*u, w if v is None else v, dz, return_list=True)
        return [
            *([disconnected_type() for _ in xs] if v is None else by_x),
            by_w if moved else disconnected_type(),
            by_dz if c is None else by_dz + c,
        ]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return which outputs have a derivative by which inputs."""
        n = self.n_x * self.want_x
        by_x, by_w = [[False] * n + [True, False]], [[True] * n + [False, False]]
        return [*by_x * self.n_x, *by_w, [True] * (n + 2)]


@register_specialize
@node_rewriter([AffineGradient])
def drop_dense_input_gradient(
    fgraph: FunctionGraph, node: Apply
) -> dict[Variable, Variable] | bool:
    """Do not compute the gradient by x, if nobody reads it."""
    n = node.op.n_x
    if not node.op.want_x or any(fgraph.clients[d_x] for d_x in node.outputs[:n]):
        return False
    lean = AffineGradient(want_x=False, n_x=n)(*node.inputs, return_list=True)
    return dict(zip(node.outputs[n:], lean, strict=True))


def affine(x: Variable, w: Variable, b: Variable) -> Variable | None:
    """Return ``x @ w + b`` by a kernel, or None if there is none for such inputs."""
    if x.ndim not in AXES or w.ndim != 2 or b.ndim != 1:
        return None
    if {v.type.dtype for v in (x, w, b)} not in ({'float32'}, {'float64'}):
        return None
    xs = _parts_of(x)
    return Affine(len(xs))(*xs, w, b)


def _side_by_side(xs: Sequence[Variable]) -> Variable:
    return xs[0] if len(xs) == 1 else pt.concatenate(xs, axis=-1)


def _cut(w: Variable, n: int) -> list[Variable]:
    """Return the rows of `w` in `n` equal parts."""
    rows = w.shape[0] // n
    return [w] if n == 1 else [w[k * rows : (k + 1) * rows] for k in range(n)]


def _parts_of(x: Variable) -> list[Variable]:
    """Return the tensors of one width that `x` is the concatenation of; else `x` alone."""
    if x.owner is None or not isinstance(x.owner.op, Join):
        return [x]
    try:
        axis, parts = axis_of(x.owner, 0)
    except Unsupported:
        return [x]
    if axis not in (-1, x.ndim - 1):
        return [x]
    kinds = {(p.type.dtype, p.type.shape[-1]) for p in parts}
    same = len(kinds) == 1 and parts[0].type.shape[-1] is not None
    return parts if same and parts[0].type.dtype == x.type.dtype else [x]
