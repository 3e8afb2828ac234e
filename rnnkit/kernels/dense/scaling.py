"""Features in deviations from their mean, and back: one number each per feature.

In: symbolic x of 2 or 3 axes, and a mean and a deviation for each feature, of one dtype. Out: one
Op with its kernel, ``(x - mean) / deviation``, or its inverse.
"""

from collections.abc import Sequence

from pytensor.graph.basic import Apply, Variable

from rnnkit.kernels.language.elements import each_piece
from rnnkit.kernels.language.frame import Array, Frame, leading
from rnnkit.kernels.language.threads import part_of, parts, worker, write_parallel
from rnnkit.kernels.language.vector import Code, Flag, Int, Target, Unit, Vec
from rnnkit.kernels.language.writer import Writer
from rnnkit.kernels.runtime.fused_op import FusedOp

COST = 8  # multiply-adds that take as long as one element
AXES = (2, 3)


class Scaling(Writer):
    """Writer of the kernel.

    Parameters
    ----------
    target : Target
    axes : int
    inverse : bool
        Whether it computes ``x * deviation + mean``.
    """

    def __init__(self, target: Target, axes: int, inverse: bool):
        self.dims, self.inverse = leading(axes), inverse
        inputs = [Array('x', (*self.dims, 'I')), Array('mean', ('I',)), Array('deviation', ('I',))]
        frame = Frame(inputs, [Array('scaled', (*self.dims, 'I'))], 'scaling')
        super().__init__(target, frame, f'{axes} axes, inverse {inverse}')

    def write_functions(self, unit: Unit) -> None:
        """Write the functions that `run` calls."""
        write_parallel(unit)
        with worker(unit, 'part') as (code, part, n_parts, block):
            self._part(code, part, n_parts, block)

    def run(self, code: Code, desc: Int, block: Int) -> None:
        """Write the body of ``run``: all rows."""
        self.stage(code, desc, block)
        n, (i,) = self.frame.count(code, block, self.dims), self.frame.read(code, block, 'I')
        code.call('parallel', code.address_of('part'), parts(code, n, n * i * COST), block)

    def _part(self, code: Code, part: Int, n_parts: Int, block: Int) -> None:
        """Do one part of the rows."""
        i, x, mean, deviation, scaled = self.frame.read(
            code, block, 'I', 'x', 'mean', 'deviation', 'scaled'
        )
        size = self.target.size
        first, last = part_of(self.frame.count(code, block, self.dims), part, n_parts)

        def one_feature() -> None:  # whose rows are a vector together
            m, d = code.spread(mean), code.spread(deviation)

            def write(j: Int, lanes: Flag | None) -> None:
                at = j * size
                code.store(self._scaled(code.load(x + at, lanes), m, d), scaled + at, lanes)

            each_piece(code, first, last, write)

        def rows() -> None:
            with code.loop(first, last) as r:
                start = r * i

                def write(j: Int, lanes: Flag | None) -> None:
                    at = (start + j) * size
                    m, d = code.load(mean + j * size, lanes), code.load(deviation + j * size, lanes)
                    code.store(self._scaled(code.load(x + at, lanes), m, d), scaled + at, lanes)

                each_piece(code, 0, i, write)

        code.choose(i.equals(1), one_feature, rows)

    def _scaled(self, x: Vec, mean: Vec, deviation: Vec) -> Vec:
        # Rounded after each operation, so that it equals NumPy's numbers to the bit.
        return (x * deviation).plus(mean) if self.inverse else x.minus(mean) / deviation


class Scaled(FusedOp):
    """Computes ``(x - mean) / deviation``, or with `inverse` ``x * deviation + mean``."""

    __props__ = ('inverse',)
    kind = 'scaling'

    def __init__(self, inverse: bool = False):
        self.inverse = inverse

    def make_node(self, x: Variable, mean: Variable, deviation: Variable) -> Apply:
        """Return the node."""
        return Apply(self, [x, mean, deviation], [x.type()])

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return the same by PyTensor's own Ops."""
        x, mean, deviation = inputs
        return [x * deviation + mean if self.inverse else (x - mean) / deviation]

    def writer(self, node: Apply, target: Target) -> Scaling:
        """Return the writer of the kernel."""
        return Scaling(target, node.inputs[0].ndim, self.inverse)

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the output's shape; PyTensor before 3.3 passes the graph as well."""
        return [args[-1][0]]


def scaled(
    x: Variable, mean: Variable, deviation: Variable, inverse: bool = False
) -> Variable | None:
    """Return `x` scaled by a kernel, or None if there is none for such inputs."""
    if x.ndim not in AXES or mean.ndim != 1 or deviation.ndim != 1:
        return None
    if {v.type.dtype for v in (x, mean, deviation)} not in ({'float32'}, {'float64'}):
        return None
    return Scaled(inverse)(x, mean, deviation)
