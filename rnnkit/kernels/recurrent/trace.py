"""From a cell's `step` to the form that the fused loop is generated from.

In: a `Cell`. Out: a `Form`, the elementwise `Program` of one unit, forward and backward, with
the column blocks of the weights that feed it; or `Unsupported`, which says why not.

`step` is run once on symbolic matrices. A matrix (B, kH) is then read as k blocks of H units, see
`rnnkit.kernels.program.blocks`. All units are computed alike, so each block becomes one scalar
variable, and PyTensor's own gradient of that scalar graph gives the backward. The only operation
that mixes units is the product of the first state with a weight, whose column blocks are fresh
variables.

A cell that has no such form may have another one, see `rnnkit.kernels.staged.trace`.
"""

from types import SimpleNamespace
from weakref import WeakKeyDictionary

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.traversal import ancestors

from rnnkit.cells import Cell
from rnnkit.common.compiled import double_precision
from rnnkit.kernels.program.blocks import Block, BlockReader, check_name, is_product, symbol
from rnnkit.kernels.program.program import Unsupported
from rnnkit.kernels.recurrent.form import Equations, Form, differentiate

# Primes, so that only a multiple of the layer's size looks like one.
SIZE, INPUTS = 10007, 7919


# Weak keys: a cell's form lives as long as the cell. A cached function would keep every cell.
_forms: WeakKeyDictionary[Cell, Form | None] = WeakKeyDictionary()


def form_of(cell: Cell) -> Form | None:
    """Return the form of `cell`, or None if it has none of this kind."""
    if cell not in _forms:
        try:
            _forms[cell] = trace(cell)
        except Unsupported:
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


class _Tracer(BlockReader):
    """Reads the graph of one step as blocks; each block is a scalar variable."""

    def __init__(self, cell: Cell):
        super().__init__({'H': SIZE})
        self.cell = cell
        self.weights: dict[Variable, str] = {}
        self.h: list[Variable] = []  # one for each column block of the recurrent weight
        self.recurrent: str | None = None
        self.vectors: dict[str, list[Variable]] = {}
        shapes = cell.inner_shapes(INPUTS, SIZE)
        if 'xh' not in shapes or 'b' not in shapes or shapes['xh'][-1] != shapes['b'][-1]:
            raise Unsupported('there are no xh and b to project the input with')
        self.params = {name: self._parameter(name, shape) for name, shape in shapes.items()}
        self.x = [symbol(f'x{k}') for k in range(shapes['xh'][-1] // SIZE)]
        widths = cell.direct_widths(SIZE, INPUTS)
        if any(width != SIZE for width in widths):
            raise Unsupported('what each step is given directly is not one number for each unit')
        self.direct = [symbol(f'direct{k}') for k in range(len(widths))]
        self.states = [symbol(f'state{k}') for k in range(len(cell.state._fields))]

    def _parameter(self, name: str, shape: tuple[int, ...]) -> Variable:
        check_name(name)
        variable = pt.tensor(name, dtype='float64', shape=shape)
        if len(shape) == 1 and shape[0] % SIZE == 0:
            self.vectors[name] = [symbol(f'{name}:{k}') for k in range(shape[0] // SIZE)]
            self.know(variable, [Block(v, 'H') for v in self.vectors[name]], 'U')
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
        self.know(z, [Block(v, 'H') for v in blocks], 'BU')
        matrices = [pt.tensor(s.name, dtype='float64', shape=(None, SIZE)) for s in self.states]
        self.first = matrices[0]
        for matrix, state in zip(matrices, self.states, strict=True):
            self.know(matrix, [Block(state, 'H')], 'BU')
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
            state.ndim != 2 or [b.length for b in blocks] != ['H']
            for blocks, state in zip(result, new, strict=True)
        ):
            raise Unsupported('a new state is not of shape (B, H)')
        if self.recurrent is None:
            raise Unsupported('there is no recurrent weight')
        new = [blocks[0].value for blocks in result]
        # Those of the cell's output alone are left out.
        read = set(ancestors(new))
        self.vectors = {
            name: blocks
            for name, blocks in self.vectors.items()
            if name == 'b' or read.intersection(blocks)
        }
        return new

    def unknown(self, variable: Variable) -> None:
        """Raise what is wrong with a leaf that is no block."""
        raise Unsupported(
            f'parameter {variable.name!r} is neither a per-unit vector nor used in the '
            f'recurrent product alone'
        )

    def special(self, node: Apply) -> list[Block] | None:
        """Return the blocks of the recurrent product."""
        if not is_product(node):
            return None
        left, right = node.inputs
        if left is not self.first or right not in self.weights:
            raise Unsupported('a product other than of the first state with a weight')
        if self.recurrent is None:
            self.recurrent = self.weights[right]
            n = right.type.shape[1] // SIZE
            self.h = [symbol(f'h{k}') for k in range(n)]
        if self.recurrent != self.weights[right]:
            raise Unsupported('more than one recurrent weight')
        return [Block(h, 'H') for h in self.h]
