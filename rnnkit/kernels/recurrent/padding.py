"""Zeros over padding in the output of a recurrent layer, whose states are held there.

In: symbolic values of all steps, and a mask. Out: one Op with its kernel, which copies rows that
are real and fills others with 0. It is its own gradient, so the same kernel runs both ways.
"""

from collections.abc import Sequence

from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply, Variable

from rnnkit.common.tensors import masked
from rnnkit.kernels.language.elements import clear, copy_row
from rnnkit.kernels.language.frame import Array, Frame
from rnnkit.kernels.language.reductions import first as lane_0
from rnnkit.kernels.language.threads import part_of, parts, worker, write_parallel
from rnnkit.kernels.language.vector import Code, Flag, Int, Target, Unit
from rnnkit.kernels.language.writer import Writer
from rnnkit.kernels.recurrent.mask import is_real
from rnnkit.kernels.runtime.fused_op import FusedOp

COST = 8  # multiply-adds that take as long as one element


class Copy(Writer):
    """Writer of the kernel: values (T, B, H) and mask (T, B) -> values with 0 over padding."""

    def __init__(self, target: Target):
        inputs = [Array('values', ('T', 'B', 'H')), Array('mask', ('T', 'B'))]
        super().__init__(target, Frame(inputs, [Array('shown', ('T', 'B', 'H'))], 'mask'), '')

    def write_functions(self, unit: Unit) -> None:
        """Write the functions that `run` calls."""
        write_parallel(unit)
        with worker(unit, 'part') as (code, part, n_parts, block):
            self._part(code, part, n_parts, block)

    def run(self, code: Code, desc: Int, block: Int) -> None:
        """Write the body of ``run``: all rows."""
        self.stage(code, desc, block)
        t, b, h = self.frame.read(code, block, *'TBH')
        code.call('parallel', code.address_of('part'), parts(code, t * b, t * b * h * COST), block)

    def _part(self, code: Code, part: Int, n_parts: Int, block: Int) -> None:
        """Do one part of the rows."""
        t, b, h, values, mask, shown = self.frame.read(
            code, block, *'TBH', 'values', 'mask', 'shown'
        )
        size = self.target.size
        first, last = part_of(t * b, part, n_parts)
        with code.loop(first, last) as r:
            row = r * h * size
            code.choose(
                Flag(code, lane_0(is_real(code, mask, r))),
                lambda row=row: copy_row(code, values + row, shown + row, h),
                lambda row=row: clear(code, shown + row, h),
            )


class HidePadding(FusedOp):
    """Values (T, B, H) and a mask (T, B) of one dtype -> the values, and 0 over padding."""

    __props__ = ()
    kind = 'padding'

    def make_node(self, values: Variable, mask: Variable) -> Apply:
        """Return the node."""
        return Apply(self, [values, mask], [values.type()])

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return the same by PyTensor's own Ops."""
        return [masked(*inputs)]

    def writer(self, node: Apply, target: Target) -> Copy:
        """Return the writer of the kernel."""
        return Copy(target)

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the output's shape; PyTensor before 3.3 passes the graph as well."""
        return [args[-1][0]]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the mask has no derivative."""
        return [[True], [False]]

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], gradients: Sequence[Variable]
    ) -> list[Variable]:
        """Return the gradient by the values, which is 0 over padding."""
        if isinstance(gradients[0].type, DisconnectedType):
            return [disconnected_type(), disconnected_type()]
        return [self(gradients[0], inputs[1]), disconnected_type()]


def hide_padding(values: Variable, mask: Variable) -> Variable | None:
    """Return `values` with 0 over padding by a kernel, or None if there is none."""
    dtypes = {values.type.dtype, mask.type.dtype}
    fits = len(dtypes) == 1 and dtypes <= {'float32', 'float64'} and values.ndim == 3
    return HidePadding()(values, mask) if fits else None
