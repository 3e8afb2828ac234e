"""From a cell's `step` to the staged form, which the loops are generated from.

In: a `Cell`. Out: a `StagedForm`; or `Unsupported`, which says why not in terms of the cell's
equations.

`step` is run once on symbolic matrices and read as blocks of units, see
`rnnkit.kernels.program.blocks`. Two kinds of operations mix units: the product of blocks with a
weight, or with whole column or row blocks of it, and the sum over the units. The results of either
are fresh variables; what they read is kept beside them, as a cut. Means and variances are sums and
elementwise mathematics.

`project` is run for the lengths of the blocks of its result alone; what it computes is not part of
the loop.
"""

import logging
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.traversal import ancestors
from pytensor.scalar.basic import Add
from pytensor.tensor.basic import Join, Split
from pytensor.tensor.elemwise import CAReduce, DimShuffle
from pytensor.tensor.subtensor import Subtensor, get_idx_list

from rnnkit.cells import Cell
from rnnkit.common.compiled import double_precision
from rnnkit.kernels.program.blocks import (
    OF_SIZE,
    Block,
    BlockReader,
    check_name,
    ends_of,
    is_product,
    primes,
    resized,
    symbol,
)
from rnnkit.kernels.program.elementwise import axis_of
from rnnkit.kernels.program.program import Program, Unsupported
from rnnkit.kernels.recurrent import trace as recurrent
from rnnkit.kernels.recurrent.form import Form
from rnnkit.kernels.staged.differentiate import Cut, Equations, View, differentiate
from rnnkit.kernels.staged.form import StagedForm
from rnnkit.kernels.staged.noted import Noted

log = logging.getLogger('rnnkit')

T = TypeVar('T')

STARTS = 10007, 30011  # a step is read with two sets of primes, see `trace`

_forms: WeakKeyDictionary[Cell, StagedForm | None] = WeakKeyDictionary()


def form_of(cell: Cell) -> Form | StagedForm | None:
    """Return the form of `cell`, or None, with a line in the debug log, if it has none."""
    simple = recurrent.form_of(cell)
    if simple is not None:
        return simple
    if cell not in _forms:
        try:
            _forms[cell] = trace(cell)
        except Unsupported as why:
            log.debug('%s keeps the scan: %s', type(cell).__name__, why)
            _forms[cell] = None
    return _forms[cell]


def trace(cell: Cell) -> StagedForm:
    """Return the staged form of `cell`.

    Raises
    ------
    Unsupported
        If the step has mathematics that no kernel computes.
    """
    with double_precision():
        forms = [differentiate(_Tracer(cell, start).run()) for start in STARTS]
    if forms[0].key != forms[1].key:
        raise Unsupported(OF_SIZE)
    return forms[0]


class _Tracer(BlockReader):
    """Reads the graph of one step as blocks and cuts."""

    def __init__(self, cell: Cell, start: int):
        names = _lengths(cell)
        super().__init__(primes(start, names))
        self.cell = cell = resized(cell, self.sizes)
        self.size, self.n_in = self.sizes['H'], self.sizes['I']
        self.weights: dict[Variable, View] = {}
        self.shapes: dict[str, tuple[tuple[str, int], tuple[str, int]]] = {}
        self.vectors: dict[str, list[Block]] = {}
        self.lengths: dict[str, Variable] = {}
        self.cuts: list[Cut] = []
        self.program, self.nodes = Program(), {}  # to find equal cuts
        self.found: dict[tuple[object, ...], list[Block]] = {}
        shapes = cell.inner_shapes(self.n_in, self.size)
        self.params = {name: self._parameter(name, shape) for name, shape in shapes.items()}
        self.states = [
            Block(self._symbol(f'state{k}'), self._letter(width, 'a state'))
            for k, width in enumerate(cell.widths(self.size, self.n_in))
        ]
        self.sides = {name: self._side(name, width) for name, width in _sides(cell).items()}

    def _symbol(self, name: str) -> Variable:
        variable = symbol(name)
        self.nodes[variable] = self.program.input(name)
        return variable

    def _letter(self, width: int, what: str) -> str:
        letters = self.letters(width)
        if len(letters) != 1 or letters == ['']:
            raise Unsupported(f'{what} is not of a length of the cell')
        return letters[0]

    def _parameter(self, name: str, shape: tuple[int, ...]) -> Variable:
        check_name(name)
        variable = pt.tensor(f'p.{name}', dtype='float64', shape=shape)
        try:
            axes = [self.letters(length) for length in shape]
        except Unsupported:
            return variable  # of the cell's output, perhaps; the step must not read it
        if len(shape) == 1:
            self.vectors[name] = [
                Block(self._symbol(f'{name}:{k}'), letter) for k, letter in enumerate(axes[0])
            ]
            self.know(variable, self.vectors[name], '1' if axes[0] == [''] else 'U')
        elif len(shape) == 2 and [''] not in axes:
            rows, columns = ((letters[0], len(letters)) for letters in axes)
            self.shapes[name] = (rows, columns)
            self.weights[variable] = View(name, 0, rows, 0, columns)
        return variable

    def _side(self, name: str, width: str) -> Variable:
        """Return the symbol of a further input of each step, which is one block."""
        letter = '' if width == '1' else width
        if letter and letter not in self.sizes:
            raise Unsupported(f'the side input {name!r} is of width {width!r}, which is no letter')
        n = self.sizes[letter] if letter else 1
        variable = pt.tensor(f'p.{name}', dtype='float64', shape=(None, n))
        self.know(variable, [Block(symbol(f'side {name}'), letter)], 'BU' if letter else 'B1')
        return variable

    def run(self) -> Equations:
        """Run the step; return its equations as scalar graphs."""
        z = [Block(self._symbol(f'z{k}'), letter) for k, letter in enumerate(self._projected())]
        codes = [
            Block(symbol('code'), self._letter(width, 'what steps are given'))
            for width in self.cell.direct_widths(self.size, self.n_in)
        ]
        matrix = self._matrix('z', [*z, *codes])
        fields = self.cell.state._fields
        old = [self._matrix(name, [s]) for name, s in zip(fields, self.states, strict=True)]
        p = Noted(**self.params, **self.sides)
        new = _tried('step', lambda: self.cell.step(matrix, self.cell.state(*old), p))
        if not isinstance(new, self.cell.state) or not all(isinstance(v, Variable) for v in new):
            raise Unsupported('step does not return a state of tensors')
        read = set(ancestors(new))
        sides = {name: v for name, v in self.sides.items() if v in read}
        direct = [*(self.blocks[v][0] for v in sides.values()), *codes]
        for k, block in enumerate(direct):
            block.value.name = f'direct{k}'
            self.nodes[block.value] = self.program.input(f'direct{k}')
        result = [self._state(*item) for item in zip(fields, new, self.states, strict=True)]
        graphs = [*result, *(v for cut in self.cuts for v in cut.reads)]
        used = set(ancestors(graphs))
        equations = Equations(
            name=type(self.cell).__name__,
            z=z,
            direct=direct,
            states=self.states,
            vectors={
                name: blocks
                for name, blocks in self.vectors.items()
                if used.intersection(b.value for b in blocks)
            },
            weights={c.view.weight: self.shapes[c.view.weight] for c in self.cuts if c.view},
            lengths=self.lengths,
            cuts=self.cuts,
            new=result,
            sides=tuple(sides),
        )
        _check_given(equations, p.noted & self.params.keys())
        return equations

    def _matrix(self, name: str, blocks: Sequence[Block]) -> Variable:
        variable = pt.tensor(name, dtype='float64', shape=(None, sum(map(self.width, blocks))))
        self.know(variable, blocks, 'BU')
        return variable

    def _state(self, name: str, new: Variable, old: Block) -> Variable:
        blocks = self.read(new)
        if new.ndim != 2 or [b.length for b in blocks] != [old.length]:
            raise Unsupported(f'the new state {name!r} is not of shape (B, {old.length})')
        return blocks[0].value

    def _projected(self) -> list[str]:
        """Return the lengths of the blocks of z."""
        if not self.cell.has_own_projection:
            shapes = {name: v.type.shape for name, v in self.params.items()}
            if 'xh' not in shapes or 'b' not in shapes or shapes['xh'][-1:] != shapes['b']:
                raise Unsupported('there are no xh and b to project the input with')
            letters = self.letters(shapes['b'][0])
        else:
            x = pt.tensor('x', dtype='float64', shape=(None, None, self.n_in))
            sides = {
                name: pt.tensor(name, dtype='float64', shape=(None, *v.type.shape))
                for name, v in self.sides.items()
            }
            p = SimpleNamespace(**self.params, **sides)
            z = _tried('project', lambda: self.cell.project(x, p))
            letters = self._pieces(z)
        if '' in letters:
            raise Unsupported('a single column of what project returns')
        return letters

    def _pieces(self, z: Variable) -> list[str]:
        """Return the lengths of the blocks of the last axis: those that a concatenation shows."""
        if z.owner is not None and isinstance(z.owner.op, Join):
            axis, parts = axis_of(z.owner, 0)
            if axis % z.ndim == z.ndim - 1:
                return [letter for part in parts for letter in self._pieces(part)]
        try:
            return self.letters(z.type.shape[-1])
        except Unsupported:
            inputs = z.owner.inputs if z.owner is not None else []
            for v in inputs:  # of elementwise mathematics behind a concatenation
                if v.ndim == z.ndim and v.type.shape[-1] == z.type.shape[-1] is not None:
                    return self._pieces(v)
        raise Unsupported(
            'project must concatenate pieces whose lengths are multiples of one letter each'
        )

    # --- what mixes units

    def unknown(self, variable: Variable) -> None:
        """Raise what is wrong with a leaf that is no block."""
        if variable in self.weights:
            raise Unsupported(
                f'`{variable.name}` is read inside step other than by a product; compute what is '
                f'the same at all steps in prepare()'
            )
        raise Unsupported(f'`{variable.name}` is of shape {variable.type.shape} inside step')

    def constant(self, value: np.ndarray) -> Variable:
        """Return the scalar of a constant; one that is a length, or its reciprocal, as that."""
        number = float(value.reshape(()))
        for letter, size in self.sizes.items():
            if number and number % size == 0:
                return pt.constant(number // size) * self.length(letter)
            if number == 1 / size:
                return 1 / self.length(letter)
        return super().constant(value)

    def length(self, letter: str) -> Variable:
        """Return the scalar that is the number of units of a length."""
        if letter not in self.lengths:
            self.lengths[letter] = self._symbol(f'length:{letter}')
        return self.lengths[letter]

    def special(self, node: Apply) -> list[Block] | None:
        """Return the blocks of a product or a sum."""
        if is_product(node):
            return self._product(*node.inputs)
        if any(self._view(v) for v in node.inputs if not isinstance(v, Constant)):
            self.unknown(next(v for v in ancestors(node.inputs) if v in self.weights))
        return self._sum(node) if isinstance(node.op, CAReduce) else None

    def _view(self, variable: Variable) -> View | None:
        """Return which blocks of a weight a variable is, or None."""
        if variable in self.weights:
            return self.weights[variable]
        node = variable.owner
        if node is None or not node.inputs or not isinstance(node.op, Subtensor | Split):
            return None
        view = self._view(
            node.inputs[0] if isinstance(node.op, Subtensor) else axis_of(node, 1)[1][0]
        )
        if view is None:
            return None
        for axis, (start, stop) in enumerate(_parts(node, variable)):
            view = self._narrow(view, axis, start, stop)
        self.weights[variable] = view
        return view

    def _narrow(self, view: View, axis: int, start: int, stop: int) -> View:
        """Return a part of a view along one axis."""
        letter, _ = (view.rows, view.columns)[axis]
        size = self.sizes[letter]
        if start % size or stop % size or stop <= start:
            kind = ('rows', 'columns')[axis]
            raise Unsupported(f'{kind} of `p.{view.weight}` that are not whole blocks of {letter}')
        first, n = start // size, (stop - start) // size
        if axis:
            return view._replace(column=view.column + first, columns=(letter, n))
        return view._replace(row=view.row + first, rows=(letter, n))

    def _product(self, left: Variable, right: Variable) -> list[Block]:
        view = self._view(right)
        if view is None:
            raise Unsupported(self._no_product(left, right))
        blocks = self.read(left)
        (inner, n), (outer, n_out) = view.rows, view.columns
        if [b.length for b in blocks] != [inner] * n:
            raise Unsupported(f'`{_text(left)} @ {_text(right)}`: the blocks do not match')
        return self._cut([b.value for b in blocks], [outer] * n_out, view)

    def _no_product(self, left: Variable, right: Variable) -> str:
        """Return why a product is not one with a weight."""
        weights = [v for v in ancestors([right]) if v in self.weights]
        text = f'`{_text(left)} @ {_text(right)}`'
        if right.owner is not None and isinstance(right.owner.op, DimShuffle) and weights:
            return f'{text}: a weight is transposed inside step; do that in prepare()'
        if weights and set(ancestors([right])) <= {*weights, right, *_constants(right)}:
            return f'{text}: a weight is changed inside step; do that in prepare()'
        if right.owner is None and self.axes.get(right) is None:
            return f'{text}: a weight of shape {right.type.shape} is no matrix of whole blocks'
        return f'{text}: a product of two matrices that are computed inside step'

    def _sum(self, node: Apply) -> list[Block]:
        name = type(node.op.scalar_op).__name__
        (source,) = node.inputs
        axes = range(source.ndim) if node.op.axis is None else node.op.axis
        if [axis % source.ndim for axis in axes] != [source.ndim - 1]:
            raise Unsupported(f'`{_text(node.outputs[0])}`: a reduction over examples')
        if not isinstance(node.op.scalar_op, Add):
            raise Unsupported(f'the operation {name} along the units')
        blocks = self.read(source)
        if 'B' not in self.axes[source]:
            raise Unsupported('a sum over a parameter; let prepare() return it')
        total = pt.constant(0.0)
        for letter in sorted({b.length for b in blocks}):
            # Blocks of one length are added before: one sum is cheaper than several.
            value = sum((b.value for b in blocks if b.length == letter), pt.constant(0.0))
            total = total + (self._total(value, letter) if letter else value)
        return [Block(total, '')]

    def _total(self, value: Variable, letter: str) -> Variable:
        node = self._node(value)
        if not self._has_length(node):
            return value * self.length(letter)
        (block,) = self._cut([value], [''], None, letter)
        return block.value

    def _node(self, value: Variable) -> int:
        return self.program.number(self.program.absorb([value], self.nodes)[0])

    def _has_length(self, node: int) -> bool:
        """Return whether a node differs from unit to unit."""
        of_units = {self.nodes[b.value] for b in self._known_blocks() if b.length}
        return not of_units.isdisjoint(self.program.reach([node]))

    def _known_blocks(self) -> list[Block]:
        cuts = [b for blocks in self.found.values() for b in blocks]
        leaves = [b for blocks in self.blocks.values() for b in blocks if b.value in self.nodes]
        return [*cuts, *leaves]

    def _cut(
        self, reads: list[Variable], lengths: list[str], view: View | None, letter: str = ''
    ) -> list[Block]:
        """Return the results of a cut; the same cut twice is one."""
        key = (view, *map(self._node, reads))
        if key not in self.found:
            names = [f'cut{len(self.cuts)}:{k}' for k in range(len(lengths))]
            blocks = [Block(self._symbol(n), k) for n, k in zip(names, lengths, strict=True)]
            self.found[key] = blocks
            self.cuts.append(Cut(reads, blocks, view, letter))
        return self.found[key]


def _check_given(equations: Equations, read: set[str]) -> None:
    """Raise `Unsupported` if a step reads what is no input of the loop: a shape alone."""
    if others := sorted(read - {*equations.weights, *equations.vectors}):
        raise Unsupported(
            f'step reads p.{others[0]} for its shape alone; let prepare() return what follows from '
            f'it, or read the shape of a state'
        )


def _lengths(cell: Cell) -> list[str]:
    """Return the letters of a cell."""
    letters = _tried('lengths', lambda: cell.lengths(STARTS[0]))
    return list(dict.fromkeys(['H', 'I', *letters]))


def _sides(cell: Cell) -> dict[str, str]:
    """Return names and widths of the further inputs of each step."""
    inner = getattr(cell, 'cell', None)
    return _sides(inner) if isinstance(inner, Cell) else dict(getattr(cell, 'side', {}))


def _tried(what: str, run: Callable[[], T]) -> T:
    """Return the result of a function of the cell."""
    try:
        return run()
    except Exception as why:
        # A mistake in the cell, or sizes that it cannot take: the scan runs the same, and raises
        # the error in terms of the user's sizes if there is one.
        raise Unsupported(f'its {what} could not be traced: {why!r}') from why


def _parts(node: Apply, variable: Variable) -> list[tuple[int, int]]:
    """Return start and stop along both axes of the part of a matrix that `variable` is."""
    if isinstance(node.op, Split):
        axis, (source, sizes) = axis_of(node, 1)
        if not isinstance(sizes, Constant):
            raise Unsupported('a split at places that are not constant')
        parts = [(0, n) for n in source.type.shape]
        at, axis = node.outputs.index(variable), axis % source.ndim
        parts[axis] = (int(sum(sizes.data[:at])), int(sum(sizes.data[: at + 1])))
        return parts
    source = node.inputs[0]
    index = list(get_idx_list(node.inputs, node.op.idx_list))
    index += [slice(None)] * (source.ndim - len(index))
    if not all(isinstance(i, slice) for i in index):
        raise Unsupported('a single row or column of a weight')
    return [ends_of(i, n) for i, n in zip(index, source.type.shape, strict=True)]


def _constants(variable: Variable) -> list[Variable]:
    return [v for v in ancestors([variable]) if isinstance(v, Constant) or v.owner is not None]


def _text(variable: Variable) -> str:
    """Return a variable in the words of the cell's equations, as far as that is easy."""
    node = variable.owner
    if variable.name and node is None:
        return variable.name
    if node is None:
        return str(getattr(variable, 'data', '...'))
    if isinstance(node.op, DimShuffle) and node.op.new_order == (1, 0):
        return f'{_text(node.inputs[0])}.T'
    if isinstance(node.op, Subtensor | Split):
        return f'{_text(node.inputs[0])}[...]'
    name = type(getattr(node.op, 'scalar_op', node.op)).__name__.lower()
    return f'{name}(...)'
