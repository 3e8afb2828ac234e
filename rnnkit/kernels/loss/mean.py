"""The kernel of a loss: the mean of elementwise errors, and its gradient, in one pass.

In: the program of one error and of its derivative, a `Target`, the number of axes, whether there
are weights, and whether the gradient is needed. Out: a kernel, see
`rnnkit.kernels.language.writer`; outputs are the mean, the number or total weight of errors, and
the gradient of the mean by the output.

Sums are taken over pieces of fixed length, and then over the pieces, so that they do not depend
on the number of threads.
"""

from rnnkit.kernels.language.elementary import OPERATIONS
from rnnkit.kernels.language.elements import each_piece
from rnnkit.kernels.language.frame import Array, Frame
from rnnkit.kernels.language.reductions import Sum, nonzero, number, sum_of
from rnnkit.kernels.language.threads import flushed, part_of, parts, worker, write_parallel
from rnnkit.kernels.language.vector import Code, Flag, Int, Target, Unit
from rnnkit.kernels.language.writer import Writer
from rnnkit.kernels.program.program import Program

PIECE = 4096  # elements that one thread sums up at a time
COST = 16  # multiply-adds that take as long as one error


class Mean(Writer):
    """Writer of the mean of errors.

    Parameters
    ----------
    program : Program
        Its inputs are ``output`` and ``target``.
    nodes : list of int
        The error and its derivative by the output.
    target : Target
    axes : int
    weighted, keep : bool
        Whether errors have weights, and whether the gradient is an output.
    """

    def __init__(
        self,
        program: Program,
        nodes: list[int],
        target: Target,
        axes: int,
        weighted: bool,
        keep: bool,
    ):
        self.program, self.nodes = program, nodes
        self.weighted, self.keep = weighted, keep
        self.dims = ('T', 'B', 'H')[3 - axes :]
        inputs = [Array(n, self.dims) for n in ('output', 'target', *['weights'] * weighted)]
        outputs = [Array('mean', ()), Array('total', ())]
        if keep:
            outputs.append(Array('slope', self.dims))
        description = repr((program.nodes, nodes, axes, weighted, keep))
        super().__init__(target, Frame(inputs, outputs, 'loss'), description)

    def write_functions(self, unit: Unit) -> None:
        """Write the functions that `run` calls."""
        write_parallel(unit)
        with worker(unit, 'errors') as (code, part, n_parts, block):
            self._errors(code, part, n_parts, block)

    def sizes(self, code: Code, block: Int) -> dict[str, Int]:
        """Return the bytes of each area of work memory."""
        pieces = self.frame.count(code, block, self.dims).ceil_div(PIECE)
        return {'sums': pieces * self.target.width}

    def run(self, code: Code, desc: Int, block: Int) -> None:
        """Write the body of ``run``: the total weight, all errors, and the mean."""
        frame, n = self.frame, self.frame.count(code, block, self.dims)
        sums = self.areas(code, block, self.stage(code, desc, block))['sums']
        total_at, mean_at = frame.read(code, block, 'total', 'mean')
        one = code.tail(code.int(1))
        # The total comes first, for the gradient of each error is divided by it.
        with flushed(code):
            total = number(code, n)
            if self.weighted:
                (weights,) = frame.read(code, block, 'weights')
                total = sum_of(code, weights, n).value()
            code.store(total, total_at, one)
        pieces = n.ceil_div(PIECE)
        code.call('parallel', code.address_of('errors'), parts(code, pieces, n * COST), block)
        with flushed(code):
            lanes = pieces * self.target.lanes
            code.store(sum_of(code, sums, lanes).value() / nonzero(total), mean_at, one)

    def _errors(self, code: Code, part: Int, n_parts: Int, block: Int) -> None:
        """Compute the errors of some pieces."""
        frame, n = self.frame, self.frame.count(code, block, self.dims)
        size = self.target.size
        work, total_at = frame.read(code, block, 'work', 'total')
        sums = self.areas(code, block, work)['sums']
        names = [a.name for a in frame.inputs]
        addresses = dict(zip(names, frame.read(code, block, *names), strict=True))
        scale = 1.0 / nonzero(code.spread(total_at))
        first, last = part_of(n.ceil_div(PIECE), part, n_parts)
        with code.loop(first, last) as piece:
            total = Sum(code)

            def element(j: Int, lanes: Flag | None, total=total) -> None:
                loaded = {k: code.load(at + j * size, lanes) for k, at in addresses.items()}
                weight = loaded.get('weights')
                known = {self.program.input(k): lambda k=k: loaded[k] for k in ('output', 'target')}
                nodes = self.nodes if self.keep else self.nodes[:1]
                error, *slope = self.program.evaluate(nodes, known, code.vec, OPERATIONS)
                if weight is not None:
                    # Not a product alone: 0 times infinity is NaN.
                    counts = weight.compare('>', 0.0)
                    error = counts.pick(code.vec(error) * weight, 0.0)
                # Lanes beyond the end were loaded as 0, where an error need not be 0.
                total.add(code.vec(error) if lanes is None else lanes.pick(error, 0.0))
                for value in slope:
                    value = code.vec(value) * (scale if weight is None else weight * scale)
                    value = value if weight is None else counts.pick(value, 0.0)
                    code.store(value, frame.read(code, block, 'slope')[0] + j * size, lanes)

            start = piece * PIECE
            each_piece(code, start, (start + PIECE).min(n), element)
            code.store(total.lanes(), sums + piece * self.target.width)
