"""The kernel of a loss: the mean of elementwise errors, and its gradient, in one pass.

In: the program of one error and of its derivative, a `Target`, the number of axes, whether there
are weights, and whether the gradient is wanted. Out: a module with ``size(block)`` and
``run(descriptors, block)``; outputs are the mean, the number or total weight of errors, and the
gradient of the mean by the output.

Sums are taken over pieces of fixed length, and then over the pieces, so that they do not depend
on the number of threads.
"""

from rnnkit.kernels.language.elementary import OPERATIONS
from rnnkit.kernels.language.frame import Array, Frame, layout
from rnnkit.kernels.language.reductions import Sum, each_piece, nonzero, number, sum_of
from rnnkit.kernels.language.threads import flushed, part_of, parts, worker, write_parallel
from rnnkit.kernels.language.vector import Code, Flag, Int, Target, Unit
from rnnkit.kernels.program.program import Program

PIECE = 4096  # elements that one thread sums up at a time
COST = 16  # multiply-adds that take as long as one error


class Mean:
    """Writer of the mean of errors.

    Parameters
    ----------
    program : Program
        Its inputs are ``output`` and ``target``.
    nodes : list of int
        The error and its derivative by the output.
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
        self.program, self.nodes, self.target = program, nodes, target
        self.weighted, self.keep = weighted, keep
        dims = ('T', 'B', 'H')[3 - axes :]
        self.dims = dims
        inputs = [Array(n, dims) for n in ('output', 'target', *['weights'] * weighted)]
        outputs = [Array('mean', ()), Array('total', ())]
        if keep:
            outputs.append(Array('slope', dims))
        self.frame = Frame(inputs, outputs, 'loss')
        self.description = repr((program.nodes, nodes, axes, weighted, keep))

    def write(self, name: str) -> str:
        """Return the module as text."""
        unit = Unit(name, self.target)
        self.frame.write(unit)
        write_parallel(unit)
        with worker(unit, 'errors') as (code, part, n_parts, block):
            self._errors(code, part, n_parts, block)
        with unit.function('size', 'block', export=True) as (code, block):
            (staged,) = self.frame.read(code, block, 'staged')
            code.ret(self._areas(code, block, code.int(0))['end'] + staged)
        with unit.function('run', 'desc block', export=True) as (code, desc, block):
            self._run(code, desc, block)
        return unit.text()

    def _count(self, code: Code, block: Int) -> Int:
        n, *more = self.frame.read(code, block, *self.dims)
        for length in more:
            n = n * length
        return n

    def _areas(self, code: Code, block: Int, start: Int) -> dict[str, Int]:
        pieces = self._count(code, block).ceil_div(PIECE)
        return layout({'sums': pieces * self.target.width}, start)

    def _run(self, code: Code, desc: Int, block: Int) -> None:
        frame, n = self.frame, self._count(code, block)
        start = code.call('stage', desc, block)
        code.put(start, block, frame.place['work'])
        sums = self._areas(code, block, start)['sums']
        total_at, mean_at = frame.read(code, block, 'total', 'mean')
        one = code.tail(code.int(1))
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
        frame, n, size = self.frame, self._count(code, block), self.target.size
        work, total_at = frame.read(code, block, 'work', 'total')
        sums = self._areas(code, block, work)['sums']
        addresses = dict(
            zip(
                (a.name for a in frame.inputs),
                frame.read(code, block, *(a.name for a in frame.inputs)),
                strict=True,
            )
        )
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
                    error = code.vec(error) * weight
                total.add(code.vec(error) if lanes is None else lanes.pick(error, 0.0))
                for value in slope:
                    value = code.vec(value) * (scale if weight is None else weight * scale)
                    code.store(value, frame.read(code, block, 'slope')[0] + j * size, lanes)

            start = piece * PIECE
            each_piece(code, start, (start + PIECE).min(n), element)
            code.store(total.lanes(), sums + piece * self.target.width)
