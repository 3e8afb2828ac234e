"""Sums of arrays of one shape, which plans compute by a kernel.

In: a node of a graph. Out: whether it is such a sum, and the kernel that adds two arrays.

A layer that reads several others sums their products with its matrices, and the gradient by an
output that several layers read is a sum as well. These nodes are PyTensor's own, because PyTensor
makes the gradients; Numba merges them with what is next to them in graphs that it compiles.
"""

from functools import cache

from pytensor.graph.basic import Apply
from pytensor.scalar.basic import Add
from pytensor.tensor.elemwise import Elemwise

from rnnkit.kernels.language.elements import each_piece
from rnnkit.kernels.language.frame import Array, Frame
from rnnkit.kernels.language.threads import part_of, parts, worker, write_parallel
from rnnkit.kernels.language.vector import Code, Flag, Int, Target, Unit
from rnnkit.kernels.language.writer import Writer
from rnnkit.kernels.runtime.kernel import Kernel, build, host_target

COST = 8  # multiply-adds that take as long as one element
DIMS = ('T', 'B', 'I')  # arrays of fewer axes have leading ones of length 1


class Sum(Writer):
    """Writer of ``a + b``; the memory of the result may be that of `a`."""

    def __init__(self, target: Target):
        inputs = [Array('a', DIMS), Array('b', DIMS)]
        super().__init__(target, Frame(inputs, [Array('total', DIMS)], 'sum'), '')

    def write_functions(self, unit: Unit) -> None:
        """Write the functions that `run` calls."""
        write_parallel(unit)
        with worker(unit, 'part') as (code, part, n_parts, block):
            self._part(code, part, n_parts, block)

    def run(self, code: Code, desc: Int, block: Int) -> None:
        """Write the body of ``run``: all elements."""
        self.stage(code, desc, block)
        n = self.frame.count(code, block, DIMS)
        code.call('parallel', code.address_of('part'), parts(code, n, n * COST), block)

    def _part(self, code: Code, part: Int, n_parts: Int, block: Int) -> None:
        """Do one part of the elements."""
        a, b, total = self.frame.read(code, block, 'a', 'b', 'total')
        first, last = part_of(self.frame.count(code, block, DIMS), part, n_parts)
        size = self.target.size

        def write(j: Int, lanes: Flag | None) -> None:
            at = j * size
            # Rounded after the addition, so that it equals NumPy's numbers to the bit.
            terms = [code.load(start + at, lanes) for start in (a, b)]
            code.store(terms[0].plus(terms[1]), total + at, lanes)

        each_piece(code, first, last, write)


@cache
def kernel_of(dtype: str) -> Kernel:
    """Return the kernel that adds two arrays."""
    target = host_target(dtype)
    return build('sum', Sum(target), repr(('sum', target)))


def is_sum(node: Apply) -> bool:
    """Return whether a node adds arrays of floats, none of which is repeated along an axis."""
    if not (isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, Add)):
        return False
    out = node.outputs[0].type
    if len(node.inputs) < 2 or out.dtype not in ('float32', 'float64'):
        return False
    same = out.dtype, out.broadcastable
    return all((v.type.dtype, v.type.broadcastable) == same for v in node.inputs)
