"""The hyperbolic tangent of a layer's sums, which keeps a graph of kernels free of other Ops.

In: a symbolic tensor of 2 or 3 axes. Out: one Op with its kernel, and one for its gradient.
"""

from collections.abc import Sequence

import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply, Variable

from rnnkit.kernels.language.elementary import tanh
from rnnkit.kernels.language.elements import each_piece
from rnnkit.kernels.language.frame import Array, Frame, leading
from rnnkit.kernels.language.threads import part_of, parts, worker, write_parallel
from rnnkit.kernels.language.vector import Code, Flag, Int, Target, Unit
from rnnkit.kernels.language.writer import Writer
from rnnkit.kernels.runtime.fused_op import FusedOp

COST = 16  # multiply-adds that take as long as one element
AXES = (2, 3)


class Elements(Writer):
    """Writer of the kernel: ``tanh(x)``; or as a `gradient`, ``slope * (1 - y ** 2)``."""

    def __init__(self, target: Target, axes: int, gradient: bool):
        self.gradient, self.dims = gradient, (*leading(axes), 'H')
        names = ['y', 'slope'] if gradient else ['x']
        frame = Frame([Array(n, self.dims) for n in names], [Array('out', self.dims)], 'tanh')
        super().__init__(target, frame, f'{axes} axes, gradient {gradient}')

    def write_functions(self, unit: Unit) -> None:
        """Write the functions that `run` calls."""
        write_parallel(unit)
        with worker(unit, 'part') as (code, part, n_parts, block):
            begin, end = part_of(self.frame.count(code, block, self.dims), part, n_parts)
            first, *slope, out = self.frame.read(
                code, block, *(a.name for a in (*self.frame.inputs, *self.frame.outputs))
            )

            def write(j: Int, lanes: Flag | None) -> None:
                at = j * self.target.size
                value = code.load(first + at, lanes)
                if self.gradient:
                    value = code.load(slope[0] + at, lanes) * (1.0 - value * value)
                else:
                    value = tanh(value)
                code.store(value, out + at, lanes)

            each_piece(code, begin, end, write)

    def run(self, code: Code, desc: Int, block: Int) -> None:
        """Write the body of ``run``: all elements."""
        self.stage(code, desc, block)
        n = self.frame.count(code, block, self.dims)
        code.call('parallel', code.address_of('part'), parts(code, n, n * COST), block)


class Tanh(FusedOp):
    """Computes ``tanh(x)``."""

    __props__ = ()
    kind = 'tanh'

    def make_node(self, x: Variable) -> Apply:
        """Return the node."""
        return Apply(self, [x], [x.type()])

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return the same by PyTensor's own Op."""
        return [pt.tanh(inputs[0])]

    def writer(self, node: Apply, target: Target) -> Elements:
        """Return the writer of the kernel."""
        return Elements(target, node.inputs[0].ndim, gradient=False)

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the output's shape; PyTensor before 3.3 passes the graph as well."""
        return [args[-1][0]]

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], gradients: Sequence[Variable]
    ) -> list[Variable]:
        """Return the gradient."""
        if isinstance(gradients[0].type, DisconnectedType):
            return [disconnected_type()]
        return [TanhGradient()(outputs[0], gradients[0])]


class TanhGradient(FusedOp):
    """Computes ``slope * (1 - y ** 2)`` from y, the output, and the gradient by it."""

    __props__ = ()
    kind = 'tanh_gradient'

    def make_node(self, y: Variable, slope: Variable) -> Apply:
        """Return the node."""
        return Apply(self, [y, slope], [y.type()])

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return the same by PyTensor's own Ops."""
        y, slope = inputs
        return [slope * (1 - y * y)]

    def writer(self, node: Apply, target: Target) -> Elements:
        """Return the writer of the kernel."""
        return Elements(target, node.inputs[0].ndim, gradient=True)

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the output's shape; PyTensor before 3.3 passes the graph as well."""
        return [args[-1][0]]


def tanh_of(x: Variable) -> Variable | None:
    """Return ``tanh(x)`` by a kernel, or None if there is none for such an input."""
    fits = x.ndim in AXES and x.type.dtype in ('float32', 'float64')
    return Tanh()(x) if fits else None
