"""Elementwise nodes of a graph, which plans compute by kernels.

In: an `Elemwise` node of PyTensor's, such as one that its rewrites have fused. Out: a kernel; or
`UnplannedError`, if it has other operations or dtypes than kernels have.

Cells have such nodes around their loops: in `project`, `prepare` and `output`, and in the
derivatives of these. Numba takes seconds to compile a function for them. The kernel depends on
the operations, on the number of axes, and on which arrays are repeated along which axis, and not on
any length.
"""

from collections.abc import Sequence

import numpy as np
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.scalar.basic import Add, Composite, ScalarOp
from pytensor.tensor.elemwise import Elemwise

from rnnkit.kernels.language.descriptor import AXES
from rnnkit.kernels.language.elementary import OPERATIONS
from rnnkit.kernels.language.elements import each_piece
from rnnkit.kernels.language.frame import Array, Frame
from rnnkit.kernels.language.reductions import Sum
from rnnkit.kernels.language.threads import flushed, part_of, parts, worker, write_parallel
from rnnkit.kernels.language.vector import Code, Flag, Int, Target, Unit, Vec
from rnnkit.kernels.language.writer import Writer
from rnnkit.kernels.program.program import Program, Unsupported
from rnnkit.kernels.runtime.kernel import Kernel, build, host_target
from rnnkit.kernels.runtime.table import UnplannedError

COST = 16  # multiply-adds that take as long as one element
DIMS = ('T', 'B', 'I')  # arrays of fewer axes have leading ones of length 1
FURTHER = {'Sin': 'sin', 'Cos': 'cos'}  # what steps cannot have, for it has no derivative there
FLOATS = ('float32', 'float64')


_OPERATIONS = OPERATIONS | {'sin': lambda x: x.call('sin'), 'cos': lambda x: x.call('cos')}


class Map(Writer):
    """Writer of an elementwise program.

    Parameters
    ----------
    program : Program
    nodes : list of int
        The results.
    shapes : list of tuple of str
        The lengths of each input, ``'1'`` where it is repeated.
    shape : tuple of str
        Those of the results.
    target : Target
    """

    def __init__(
        self,
        program: Program,
        nodes: list[int],
        shapes: list[tuple[str, ...]],
        shape: tuple[str, ...],
        target: Target,
    ):
        self.program, self.nodes, self.shape = program, nodes, shape
        inputs = [Array(f'in{k}', dims) for k, dims in enumerate(shapes)]
        outputs = [Array(f'out{k}', shape) for k in range(len(nodes))]
        description = repr((program.nodes, nodes, shapes, shape))
        super().__init__(target, Frame(inputs, outputs, 'elementwise'), description)

    def write_functions(self, unit: Unit) -> None:
        """Write the functions that `run` calls."""
        write_parallel(unit)
        with worker(unit, 'part') as (code, part, n_parts, block):
            if all(array.dims == self.shape for array in self.frame.inputs):
                self._flat(code, part, n_parts, block)
            else:
                self._rows(code, part, n_parts, block)

    def run(self, code: Code, desc: Int, block: Int) -> None:
        """Write the body of ``run``: all elements."""
        self.stage(code, desc, block)
        rows, columns = self._rows_and_columns(code, block)
        flat = all(array.dims == self.shape for array in self.frame.inputs)
        n = rows * columns
        units = n if flat else rows
        code.call('parallel', code.address_of('part'), parts(code, units, n * COST), block)

    def _rows_and_columns(self, code: Code, block: Int) -> tuple[Int, Int]:
        *leading, last = (self.frame.length(code, block, dim) for dim in self.shape)
        rows = code.int(1)
        for length in leading:
            rows = rows * length
        return rows, last

    def _flat(self, code: Code, part: Int, n_parts: Int, block: Int) -> None:
        """Do one part of the elements, of arrays of one shape."""
        rows, columns = self._rows_and_columns(code, block)
        first, last = part_of(rows * columns, part, n_parts)
        starts = self.frame.read(code, block, *(a.name for a in self.frame.inputs))
        ends = self.frame.read(code, block, *(a.name for a in self.frame.outputs))

        def write(j: Int, lanes: Flag | None) -> None:
            at = j * self.target.size
            self._store(code, [code.load(a + at, lanes) for a in starts], ends, at, lanes)

        each_piece(code, first, last, write)

    def _rows(self, code: Code, part: Int, n_parts: Int, block: Int) -> None:
        """Do one part of the rows, some arrays being repeated."""
        size, inputs = self.target.size, self.frame.inputs
        rows, columns = self._rows_and_columns(code, block)
        lengths = [self.frame.length(code, block, dim) for dim in self.shape]
        starts = self.frame.read(code, block, *(a.name for a in inputs))
        ends = self.frame.read(code, block, *(a.name for a in self.frame.outputs))
        first, last = part_of(rows, part, n_parts)
        with code.loop(first, last) as row:
            places, left = [], row
            for length in reversed(lengths[:-1]):
                places.insert(0, left % length)
                left = left // length
            at = []
            for array, start in zip(inputs, starts, strict=True):
                number = code.int(0)
                for dim, length, place in zip(array.dims, lengths, places, strict=False):
                    number = number if dim == '1' else number * length + place
                width = 1 if array.dims[-1] == '1' else columns
                at.append(start + number * width * size)
            single = [a.dims[-1] == '1' != self.shape[-1] for a in inputs]
            spread = [code.spread(a) if one else None for a, one in zip(at, single, strict=True)]
            out = [end + row * columns * size for end in ends]

            def write(j: Int, lanes: Flag | None, at=at, spread=spread, out=out) -> None:
                here = j * size
                values = [
                    code.load(a + here, lanes) if one is None else one
                    for a, one in zip(at, spread, strict=True)
                ]
                self._store(code, values, out, here, lanes)

            each_piece(code, 0, columns, write)

    def _store(
        self, code: Code, values: list[Vec], ends: Sequence[Int], at: Int, lanes: Flag | None
    ) -> None:
        """Compute one vector of each result, and store it."""
        known = {self.program.input(f'in{k}'): lambda v=v: v for k, v in enumerate(values)}
        results = self.program.evaluate(self.nodes, known, code.vec, _OPERATIONS)
        for value, end in zip(results, ends, strict=True):
            code.store(value, end + at, lanes)


class Total(Writer):
    """Writer of the sum over all axes but the last, compensated."""

    def __init__(self, dims: tuple[str, ...], target: Target):
        self.dims = dims
        frame = Frame([Array('in0', dims)], [Array('total', dims[-1:])], 'sum over rows')
        super().__init__(target, frame, repr(dims))

    def write_functions(self, unit: Unit) -> None:
        """Write no further function."""

    def run(self, code: Code, desc: Int, block: Int) -> None:
        """Write the body of ``run``."""
        self.stage(code, desc, block)
        source, to = self.frame.read(code, block, 'in0', 'total')
        *leading, columns = (self.frame.length(code, block, dim) for dim in self.dims)
        rows, size = code.int(1), self.target.size
        for length in leading:
            rows = rows * length

        def write(j: Int, lanes: Flag | None) -> None:
            total = Sum(code)
            with code.loop(0, rows) as row:
                total.add(code.load(source + (row * columns + j) * size, lanes))
            code.store(total.lanes(), to + j * size, lanes)

        with flushed(code):
            each_piece(code, 0, columns, write)


def total_of(node: Apply) -> Kernel:
    """Return the kernel of a sum over all axes but the last, or raise `UnplannedError`."""
    (x,), (total,) = node.inputs, node.outputs
    axes = range(x.ndim) if node.op.axis is None else node.op.axis
    rows = tuple(sorted(axis % x.ndim for axis in axes)) == tuple(range(x.ndim - 1))
    same = x.type.dtype == total.type.dtype in FLOATS
    if not (rows and same and isinstance(node.op.scalar_op, Add) and 2 <= x.ndim <= AXES):
        raise UnplannedError(node.op)
    target = host_target(x.type.dtype)
    writer = Total(_dims(x, DIMS[AXES - x.ndim :]), target)
    return build('total', writer, repr(('total', writer.description, target)))


def filling_of(node: Apply) -> Kernel:
    """Return the kernel that adds the value of an `Alloc`, or raise `UnplannedError`."""
    value, out = node.inputs[0], node.outputs[0]
    if not is_number(value) or out.type.dtype not in FLOATS or not 1 <= out.ndim <= AXES:
        raise UnplannedError(node.op)
    program, target = Program(), host_target(out.type.dtype)
    number = program.constant(np.asarray(value.data).item())
    nodes = [program.add(program.input('in0'), number)]
    dims = DIMS[AXES - out.ndim :]
    writer = Map(program, nodes, [dims], dims, target)
    return build('elementwise', writer, repr(('elementwise', writer.description, target)))


def arrays_of(node: Apply) -> list[Variable]:
    """Return the inputs of an elementwise node that are arrays, and no numbers in the program."""
    return [v for v in node.inputs if not is_number(v)]


def is_number(variable: Variable) -> bool:
    """Return whether a variable is a constant of one element."""
    return isinstance(variable, Constant) and np.size(variable.data) == 1


def kernel_of(node: Apply) -> Kernel:
    """Return the kernel of an elementwise node, or raise `UnplannedError`."""
    outputs, arrays, op = node.outputs, arrays_of(node), node.op
    kind = outputs[0].type
    same = all(v.type.dtype == kind.dtype for v in [*arrays, *outputs])
    if not same or kind.dtype not in FLOATS or not arrays or not 1 <= kind.ndim <= AXES:
        raise UnplannedError(op)
    letters = DIMS[AXES - kind.ndim :]
    shapes = [_dims(v, letters) for v in arrays]
    shape = tuple(
        '1' if once else dim for once, dim in zip(kind.broadcastable, letters, strict=True)
    )
    if any(all(dims[k] == '1' for dims in shapes) for k, dim in enumerate(shape) if dim != '1'):
        raise UnplannedError(op)  # of a constant's length
    program = Program()
    inputs = [
        program.constant(np.asarray(v.data).item())
        if is_number(v)
        else program.input(f'in{arrays.index(v)}')
        for v in node.inputs
    ]
    try:
        nodes = [program.number(i) for i in _absorb(program, op.scalar_op, inputs, kind.dtype)]
    except Unsupported as why:
        raise UnplannedError(f'{op}: {why}') from why
    target = host_target(kind.dtype)
    writer = Map(program, nodes, shapes, shape, target)
    return build('elementwise', writer, repr(('elementwise', writer.description, target)))


def is_elementwise(node: Apply) -> bool:
    """Return whether a node is elementwise mathematics."""
    return isinstance(node.op, Elemwise)


def _dims(variable: Variable, letters: Sequence[str]) -> tuple[str, ...]:
    pairs = zip(variable.type.broadcastable, letters, strict=True)
    return tuple('1' if once else letter for once, letter in pairs)


def _absorb(program: Program, op: ScalarOp, args: list[int], dtype: str) -> list[int]:
    """Return the nodes of the results of a scalar operation, or of several that are fused."""
    if type(op).__name__ in FURTHER:
        return [program.node(FURTHER[type(op).__name__], program.number(args[0]))]
    if not isinstance(op, Composite):
        return [program.apply(op, args)]
    graph = op.fgraph
    known = dict(zip(graph.inputs, args, strict=True))
    for node in graph.toposort():
        for v in node.inputs:
            if isinstance(v, Constant):
                known[v] = program.constant(np.asarray(v.data).item())
        if any(v.type.dtype in FLOATS and v.type.dtype != dtype for v in node.outputs):
            raise Unsupported('numbers of another precision')
        results = _absorb(program, node.op, [known[v] for v in node.inputs], dtype)
        known |= dict(zip(node.outputs, results, strict=True))
    return [
        program.constant(np.asarray(v.data).item()) if isinstance(v, Constant) else known[v]
        for v in graph.outputs
    ]
