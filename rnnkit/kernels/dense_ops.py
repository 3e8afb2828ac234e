"""PyTensor's view of a dense layer: one Op for ``x @ w + b``, one for its gradients.

In: symbolic x of 2 or 3 axes, w and b of one dtype. Out: a symbolic tensor of the axes of x.
"""

from collections.abc import Sequence
from typing import Any

import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.rewriting.basic import node_rewriter
from pytensor.tensor.rewriting.basic import register_specialize

from rnnkit.kernels import dense
from rnnkit.kernels.meaning import FusedOp

AXES = (2, 3)


class Affine(FusedOp):
    """Computes ``x @ w + b``."""

    __props__ = ()
    kind = 'dense'

    def make_node(self, x: Variable, w: Variable, b: Variable) -> Apply:
        """Return the node."""
        shape = (*x.type.shape[:-1], w.type.shape[1])
        return Apply(self, [x, w, b], [pt.tensor(dtype=x.type.dtype, shape=shape)])

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return product and sum."""
        x, w, b = inputs
        return [pt.dot(x, w) + b]

    def writer(self, node: Apply, target: Any) -> dense.Forward:
        """Return what writes the kernel."""
        return dense.Forward(target, node.inputs[0].ndim)

    def infer_shape(self, *args: Any) -> list[tuple[Variable, ...]]:
        """Return the output's shape; PyTensor before 3.3 passes the graph as well."""
        x, w, _ = args[-1]
        return [(*x[:-1], w[1])]

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], gradients: Sequence[Variable]
    ) -> list[Variable]:
        """Return the gradients by x, w and b: one node for all."""
        if isinstance(gradients[0].type, DisconnectedType):
            return [disconnected_type() for _ in inputs]
        x, w, _ = inputs
        return AffineGradient(want_x=True)(x, w, gradients[0], return_list=True)


class AffineGradient(FusedOp):
    """Computes the gradients by x, w and b from x, w and the gradient by the output.

    Parameters
    ----------
    want_x : bool
        Whether the gradient by x is the first output.
    """

    __props__ = ('want_x',)
    kind = 'dense_backward'

    def __init__(self, want_x: bool):
        self.want_x = want_x

    def make_node(self, x: Variable, w: Variable, dz: Variable) -> Apply:
        """Return the node; each gradient is of its input's type."""
        b = pt.tensor(dtype=w.type.dtype, shape=w.type.shape[1:])
        return Apply(self, [x, w, dz], [*[x.type()] * self.want_x, w.type(), b])

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return products and a sum."""
        x, w, dz = inputs
        d_x = [pt.dot(dz, w.T)] if self.want_x else []
        d_b = dz.sum(axis=tuple(range(dz.ndim - 1)))
        if x.ndim == 3:
            x, dz = (v.reshape((v.shape[0] * v.shape[1], v.shape[2])) for v in (x, dz))
        return [*d_x, pt.dot(x.T, dz), d_b]

    def writer(self, node: Apply, target: Any) -> dense.Backward:
        """Return what writes the kernel."""
        return dense.Backward(target, node.inputs[0].ndim, self.want_x)

    def infer_shape(self, *args: Any) -> list[tuple[Variable, ...]]:
        """Return the outputs' shapes; PyTensor before 3.3 passes the graph as well."""
        x, w, _ = args[-1]
        return [*[x] * self.want_x, w, (w[1],)]


@register_specialize
@node_rewriter([AffineGradient])
def drop_dense_input_gradient(fgraph: Any, node: Apply) -> dict[Variable, Variable] | bool:
    """Do not compute the gradient by x, if nobody reads it."""
    if not node.op.want_x or fgraph.clients[node.outputs[0]]:
        return False
    lean = AffineGradient(want_x=False)(*node.inputs, return_list=True)
    return dict(zip(node.outputs[1:], lean, strict=True))


def affine(x: Variable, w: Variable, b: Variable) -> Variable | None:
    """Return ``x @ w + b`` by a kernel, or None if there is none for such inputs."""
    if x.ndim not in AXES or w.ndim != 2 or b.ndim != 1:
        return None
    if {w.type.dtype, b.type.dtype} != {x.type.dtype} or x.type.dtype[:5] != 'float':
        return None
    return Affine()(x, w, b) if x.type.dtype in ('float32', 'float64') else None
