"""From a cell's `step` to the form that the fused loop is generated from.

In: a `Cell`. Out: a `Form`, the elementwise `Program` of one unit, forward and backward, with
the column blocks of the weights that feed it; or `Unsupported`, which says why not.

`step` is run once on symbolic matrices. A matrix (B, kH) is then read as k blocks of H units.
All units are computed alike, so each block becomes one scalar variable, and PyTensor's own
gradient of that scalar graph gives the backward. The only operation that mixes units is the
product of the first state with a weight, whose column blocks are fresh variables.

Scalars, because the gradient of a graph of matrices is full of sums over axes that were
broadcast, which would have to be recognised and removed again.
"""

import logging
from collections.abc import Callable
from types import SimpleNamespace
from weakref import WeakKeyDictionary

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.op import Op
from pytensor.graph.traversal import ancestors
from pytensor.tensor.basic import Alloc, Join, Split
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.subtensor import Subtensor, get_idx_list

from rnnkit.cells import Cell
from rnnkit.common.compiled import double_precision
from rnnkit.kernels.program.elementwise import axis_of
from rnnkit.kernels.program.program import Unsupported
from rnnkit.kernels.recurrent.form import Equations, Form, differentiate

log = logging.getLogger('rnnkit')

# Primes, so that only a multiple of the layer's size looks like one.
SIZE, INPUTS = 10007, 7919


# Weak keys: a cell's form lives as long as the cell. A cached function would keep every cell.
_forms: WeakKeyDictionary[Cell, Form | None] = WeakKeyDictionary()


def form_of(cell: Cell) -> Form | None:
    """Return the form of `cell`, or None, with a line in the debug log, if it has none."""
    if cell not in _forms:
        try:
            _forms[cell] = trace(cell)
        except Unsupported as why:
            log.debug('%s keeps the scan: %s', type(cell).__name__, why)
            _forms[cell] = None
    return _forms[cell]


def trace(cell: Cell) -> Form:
    """Return the form of `cell`.

    Raises
    ------
    Unsupported
        If the cell is not one recurrent product followed by elementwise mathematics.
    """
    if cell.has_own_projection:
        raise Unsupported('the cell has a projection of its own')
    # The program is exact; it is rounded to the network's dtype when it is written. With a floatX
    # of float32, a cell's constant 0.2 would already be float32(0.2).
    with double_precision():
        tracer = _Tracer(cell)
        new = tracer.run()
        return differentiate(
            Equations(
                name=type(cell).__name__,
                recurrent=tracer.recurrent,
                x=tracer.x,
                h=tracer.h,
                direct=tracer.direct,
                states=tracer.states,
                vectors=tracer.vectors,
                new=new,
            )
        )


def _symbol(name: str) -> Variable:
    return pt.scalar(name, dtype='float64')


def _is_number(variable: Variable) -> bool:
    return all(length == 1 for length in variable.type.shape)


class _Tracer:
    """Reads the graph of one step as blocks; each block is a scalar variable."""

    def __init__(self, cell: Cell):
        self.cell = cell
        self.blocks: dict[Variable, list[Variable]] = {}
        self.weights: dict[Variable, str] = {}
        self.h: list[Variable] = []  # one for each column block of the recurrent weight
        self.recurrent: str | None = None
        self.vectors: dict[str, list[Variable]] = {}
        shapes = cell.inner_shapes(INPUTS, SIZE)
        if 'xh' not in shapes or 'b' not in shapes or shapes['xh'][-1] != shapes['b'][-1]:
            raise Unsupported('there are no xh and b to project the input with')
        self.params = {name: self._parameter(name, shape) for name, shape in shapes.items()}
        self.x = [_symbol(f'x{k}') for k in range(shapes['xh'][-1] // SIZE)]
        widths = cell.direct_widths(SIZE)
        if any(width != SIZE for width in widths):
            raise Unsupported('what each step is given directly is not one number for each unit')
        self.direct = [_symbol(f'direct{k}') for k in range(len(widths))]
        self.states = [_symbol(f'state{k}') for k in range(len(cell.state._fields))]

    def _parameter(self, name: str, shape: tuple[int, ...]) -> Variable:
        variable = pt.tensor(name, dtype='float64', shape=shape)
        if len(shape) == 1 and shape[0] % SIZE == 0:
            self.vectors[name] = [_symbol(f'{name}:{k}') for k in range(shape[0] // SIZE)]
            self.blocks[variable] = self.vectors[name]
        elif name == 'xh' and shape[0] == INPUTS and shape[1] % SIZE == 0:
            pass
        elif len(shape) == 2 and shape[0] == SIZE and shape[1] % SIZE == 0:
            self.weights[variable] = name
        # Others may be parameters of the cell's output; the step must not read them.
        return variable

    def run(self) -> list[Variable]:
        """Run the step; return a scalar graph for each new state."""
        # The number of examples is unknown, so nothing in the step can depend on it.
        blocks = [*self.x, *self.direct]
        z = pt.tensor('z', dtype='float64', shape=(None, len(blocks) * SIZE))
        self.blocks[z] = blocks
        matrices = [pt.tensor(s.name, dtype='float64', shape=(None, SIZE)) for s in self.states]
        self.first = matrices[0]
        self.blocks.update({m: [s] for m, s in zip(matrices, self.states, strict=True)})
        p = SimpleNamespace(**self.params)
        try:
            new = self.cell.step(z, self.cell.state(*matrices), p)
        except Exception as why:
            # A mistake in the cell, or sizes that it cannot take: the scan runs the same step,
            # and raises the error in terms of the user's sizes if there is one.
            raise Unsupported(f'its step could not be traced: {why!r}') from why
        if not isinstance(new, self.cell.state) or not all(isinstance(v, Variable) for v in new):
            raise Unsupported('step does not return a state of tensors')
        result = [self.read(state) for state in new]
        if any(
            state.ndim != 2 or len(blocks) != 1 for blocks, state in zip(result, new, strict=True)
        ):
            raise Unsupported('a new state is not of shape (B, H)')
        if self.recurrent is None:
            raise Unsupported('there is no recurrent weight')
        new = [blocks[0] for blocks in result]
        # Those of the cell's output alone are left out.
        read = set(ancestors(new))
        self.vectors = {
            name: blocks
            for name, blocks in self.vectors.items()
            if name == 'b' or read.intersection(blocks)
        }
        return new

    def read(self, variable: Variable) -> list[Variable]:
        """Return the blocks of `variable`; a number that holds for all units is one block."""
        if variable not in self.blocks:
            if isinstance(variable, Constant):
                if np.size(variable.data) != 1:
                    raise Unsupported('a constant array')
                self.blocks[variable] = [pt.constant(np.asarray(variable.data).reshape(()))]
            elif variable.owner is None:
                raise Unsupported(
                    f'parameter {variable.name!r} is neither a per-unit vector nor used in the '
                    f'recurrent product alone'
                )
            else:
                outputs = self.interpret(variable.owner)
                self.blocks.update(zip(variable.owner.outputs, outputs, strict=True))
        return self.blocks[variable]

    def interpret(self, node: Apply) -> list[list[Variable]]:
        """Return the blocks of each output of `node`."""
        for kind, rule in _READERS:
            if isinstance(node.op, kind):
                return rule(self, node)
        if _is_product(node):
            return [self.product(node)]
        raise Unsupported(f'the operation {node.op}')

    def product(self, node: Apply) -> list[Variable]:
        """Return the blocks of the recurrent product."""
        left, right = node.inputs
        if left is not self.first or right not in self.weights:
            raise Unsupported('a product other than of the first state with a weight')
        if self.recurrent is None:
            self.recurrent = self.weights[right]
            n = right.type.shape[1] // SIZE
            self.h = [_symbol(f'h{k}') for k in range(n)]
        if self.recurrent != self.weights[right]:
            raise Unsupported('more than one recurrent weight')
        return self.h


def _is_product(node: Apply) -> bool:
    # By name: depending on PyTensor's version, `@` of matrices is a Dot, a Matmul or a Blockwise
    # of one of them.
    inner = getattr(node.op, 'core_op', node.op)
    names = {type(node.op).__name__, type(inner).__name__}
    return bool(names & {'Dot', 'Matmul'}) and all(v.ndim == 2 for v in node.inputs)


def _read_elemwise(tracer: _Tracer, node: Apply) -> list[list[Variable]]:
    args = [tracer.read(v) for v in node.inputs]
    widths = {len(a) for a, v in zip(args, node.inputs, strict=False) if not _is_number(v)}
    if len(widths) > 1 or len(node.outputs) != 1:
        raise Unsupported(f'{node.op} on blocks of different width')
    # A value of width 1 holds for all units: it is repeated, as broadcasting does.
    n = widths.pop() if widths else 1
    rows = [a if len(a) == n else a * n for a in args]
    return [[Elemwise(node.op.scalar_op)(*column) for column in zip(*rows, strict=True)]]


def _read_dimshuffle(tracer: _Tracer, node: Apply) -> list[list[Variable]]:
    source, order = node.inputs[0], list(node.op.new_order)
    kept = [axis for axis in order if axis != 'x']
    moved = kept != sorted(kept) or len(order) > 2
    if not _is_number(source) and (moved or order[-1] != source.ndim - 1):
        raise Unsupported('a transposition')
    return [tracer.read(source)]


def _read_split(tracer: _Tracer, node: Apply) -> list[list[Variable]]:
    axis, (source, sizes) = axis_of(node, 1)
    if not isinstance(sizes, Constant):
        raise Unsupported('a split at places that are not constant')
    _check_axis(axis, source)
    stops = np.cumsum([int(size) for size in sizes.data])
    blocks = tracer.read(source)
    return [
        _cut(blocks, int(stop - size), int(stop))
        for stop, size in zip(stops, sizes.data, strict=True)
    ]


def _read_subtensor(tracer: _Tracer, node: Apply) -> list[list[Variable]]:
    source = node.inputs[0]
    index = list(get_idx_list(node.inputs, node.op.idx_list))
    if len(index) != source.ndim or any(i != slice(None) for i in index[:-1]):
        raise Unsupported('a subscript other than of columns')
    last = index[-1]
    if not isinstance(last, slice) or last.step is not None:
        raise Unsupported('a subscript other than a slice of columns')
    ends = [end.data if isinstance(end, Constant) else end for end in (last.start, last.stop)]
    width = source.type.shape[-1]
    if any(end is not None and np.ndim(end) for end in ends) or width is None:
        raise Unsupported('a slice with ends that are not constant')
    try:
        start, stop, _ = slice(*[None if end is None else int(end) for end in ends]).indices(width)
    except (TypeError, NotImplementedError):
        raise Unsupported('a slice with ends that are not constant') from None
    return [_cut(tracer.read(source), start, stop)]


def _read_join(tracer: _Tracer, node: Apply) -> list[list[Variable]]:
    axis, parts = axis_of(node, 0)
    _check_axis(axis, parts[0])
    if any(_is_number(part) for part in parts):
        raise Unsupported('a concatenation with single columns')
    return [[block for part in parts for block in tracer.read(part)]]


def _read_alloc(tracer: _Tracer, node: Apply) -> list[list[Variable]]:
    value, width = node.inputs[0], node.outputs[0].type.shape[-1:]
    if not _is_number(value) or not width or width[0] is None or width[0] % SIZE:
        raise Unsupported('an array made inside the step')
    return [tracer.read(value) * (width[0] // SIZE)]


def _check_axis(axis: int, source: Variable) -> None:
    if axis % source.ndim != source.ndim - 1:
        raise Unsupported('an operation along the axis of examples')


def _cut(blocks: list[Variable], start: int, stop: int) -> list[Variable]:
    if start % SIZE or stop % SIZE or stop <= start:
        raise Unsupported('columns that are not whole blocks of units')
    return blocks[start // SIZE : stop // SIZE]


_READERS: list[tuple[type[Op], Callable[[_Tracer, Apply], list[list[Variable]]]]] = [
    (Elemwise, _read_elemwise),
    (DimShuffle, _read_dimshuffle),
    (Split, _read_split),
    (Subtensor, _read_subtensor),
    (Join, _read_join),
    (Alloc, _read_alloc),
]
