"""The kernel of a loss: the mean of elementwise errors, and its gradient, in one pass.

In: the program of one error and of its derivatives, a `Target`, the number of axes, whether there
are weights, and whether the gradient is needed. Out: a kernel, see
`rnnkit.kernels.language.writer`; outputs are the mean, the number or total weight of errors, and
the gradient of the mean by the output.

An output of several parts has rows of these parts, one after the other; each is as long as a row of
targets.

Sums are taken over pieces of fixed length, and then over the pieces, so that they do not depend
on the number of threads.
"""

from rnnkit.kernels.language.elementary import OPERATIONS
from rnnkit.kernels.language.elements import Write, each_piece
from rnnkit.kernels.language.frame import Array, Frame
from rnnkit.kernels.language.reductions import Sum, nonzero, number, sum_of
from rnnkit.kernels.language.threads import flushed, part_of, parts, worker, write_parallel
from rnnkit.kernels.language.vector import Code, Flag, Int, Target, Unit, Vec
from rnnkit.kernels.language.writer import Writer
from rnnkit.kernels.program.elementwise import names_of_parts
from rnnkit.kernels.program.program import Program

PIECE = 4096  # elements that one thread sums up at a time
Addresses = dict[str, Int | list[Int]]  # of arrays; of the output and its slope, for each part
COST = 16  # multiply-adds that take as long as one error


class Mean(Writer):
    """Writer of the mean of errors.

    Parameters
    ----------
    program : Program
        Its inputs are ``output``, or ``output0`` and so on, and ``target``.
    nodes : list of int
        The error and its derivative by each part of the output.
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
        self.parts = names_of_parts(len(nodes) - 1)
        n = len(self.parts)
        whole = self.dims if n == 1 else (*self.dims[:-1], f'{n}H')
        inputs = [Array('output', whole)]
        inputs += [Array(name, self.dims) for name in ('target', *['weights'] * weighted)]
        outputs = [Array('mean', ()), Array('total', ())]
        if keep:
            outputs.append(Array('slope', whole))
        description = repr((program.nodes, nodes, axes, weighted, keep))
        super().__init__(target, Frame(inputs, outputs, 'loss'), description)

    def write_functions(self, unit: Unit) -> None:
        """Write the functions that `run` calls."""
        write_parallel(unit)
        with worker(unit, 'errors') as (code, part, n_parts, block):
            self._errors(code, part, n_parts, block)

    def sizes(self, code: Code, block: Int) -> dict[str, Int]:
        """Return the bytes of each area of work memory."""
        return {'sums': self._pieces(code, block)[0] * self.target.width}

    def _pieces(self, code: Code, block: Int) -> tuple[Int, Int]:
        """Return the number of pieces, and the length of one: of elements, or of rows of parts."""
        if len(self.parts) == 1:
            length = code.int(PIECE)
            return self.frame.count(code, block, self.dims).ceil_div(length), length
        (h,) = self.frame.read(code, block, 'H')
        length = code.int(PIECE).ceil_div(h.max(1))
        return self.frame.count(code, block, self.dims[:-1]).ceil_div(length), length

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
        pieces, _ = self._pieces(code, block)
        cost = n * (COST * len(self.parts))
        code.call('parallel', code.address_of('errors'), parts(code, pieces, cost), block)
        with flushed(code):
            lanes = pieces * self.target.lanes
            code.store(sum_of(code, sums, lanes).value() / nonzero(total), mean_at, one)

    def _errors(self, code: Code, part: Int, n_parts: Int, block: Int) -> None:
        """Compute the errors of some pieces."""
        frame, size, dims = self.frame, self.target.size, self.dims
        work, total_at, h = frame.read(code, block, 'work', 'total', 'H')
        sums = self.areas(code, block, work)['sums']
        packed = ['output', *['slope'] * self.keep]  # whose rows are rows of parts
        names = [*(a.name for a in frame.inputs), *packed[1:]]
        start = dict(zip(names, frame.read(code, block, *names), strict=True))
        scale = 1.0 / nonzero(code.spread(total_at))
        pieces, length = self._pieces(code, block)
        n = frame.count(code, block, dims if len(self.parts) == 1 else dims[:-1])
        first, last = part_of(pieces, part, n_parts)
        with code.loop(first, last) as piece:
            total, begin = Sum(code), piece * length
            end = (begin + length).min(n)
            if len(self.parts) == 1:
                at = start | {name: [start[name]] for name in packed}
                each_piece(code, begin, end, self._element(code, total, scale, at))
            else:
                with code.loop(begin, end) as row:
                    by_row = row * h * size
                    at = {name: address + by_row for name, address in start.items()}
                    for name in packed:
                        rows = start[name] + by_row * len(self.parts)
                        at[name] = [rows + h * (k * size) for k in range(len(self.parts))]
                    each_piece(code, 0, h, self._element(code, total, scale, at))
            code.store(total.lanes(), sums + piece * self.target.width)

    def _element(self, code: Code, total: Sum, scale: Vec, at: Addresses) -> Write:
        """Return a function that computes a vector of errors, given where the arrays begin."""
        size = self.target.size

        def element(j: Int, lanes: Flag | None) -> None:
            places = dict(zip(self.parts, at['output'], strict=True)) | {'target': at['target']}
            loaded = {name: code.load(place + j * size, lanes) for name, place in places.items()}
            known = {self.program.input(k): lambda k=k: loaded[k] for k in loaded}
            nodes = self.nodes if self.keep else self.nodes[:1]
            if self.weighted:
                weight = code.load(at['weights'] + j * size, lanes)
                counts = weight.compare('>', 0.0)
            error, *slopes = self.program.evaluate(nodes, known, code.vec, OPERATIONS)
            if self.weighted:
                # Not a product alone: 0 times infinity is NaN.
                error = counts.pick(code.vec(error) * weight, 0.0)
            # Lanes beyond the end were loaded as 0, where an error need not be 0.
            total.add(code.vec(error) if lanes is None else lanes.pick(error, 0.0))
            for place, slope in zip(at['slope'] if self.keep else (), slopes, strict=True):
                value = code.vec(slope) * (weight * scale if self.weighted else scale)
                value = counts.pick(value, 0.0) if self.weighted else value
                code.store(value, place + j * size, lanes)

        return element
