"""Graphs of one step of a cell, read as blocks of units.

In: symbolic matrices (B, kH) and vectors (kH,) of one step. Out: for each, k blocks; each block is
one scalar variable, that of any unit, and elementwise mathematics becomes a scalar graph.

A block has a length, a letter, as in `rnnkit.Cell.lengths`; ``''`` is a number that holds for all
units. While a step is read, each letter stands for a large prime, so that only a multiple of a
length looks like one.

Scalars, because the gradient of a graph of matrices is full of sums over axes that were
broadcast, which would have to be recognised and removed again.
"""

import copy
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.op import Op
from pytensor.tensor.basic import Alloc, Join, Split
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.shape import Shape
from pytensor.tensor.subtensor import Subtensor, get_idx_list

from rnnkit.cells import Cell
from rnnkit.kernels.program.elementwise import axis_of
from rnnkit.kernels.program.program import Unsupported

RESERVED = re.compile(
    '(z|x|mask|direct|residual|new|initial|length|cut|back|state|grad|tile)[0-9]*'
)
MOST = 1000  # blocks of one length, far less than the primes


class Block(NamedTuple):
    """A run of columns: the scalar that stands for each of them, and its length."""

    value: Variable
    length: str


def symbol(name: str) -> Variable:
    """Return a scalar that stands for a block."""
    return pt.scalar(name, dtype='float64')


def primes(start: int, letters: Sequence[str]) -> dict[str, int]:
    """Return a prime for each letter, from `start` on, with gaps that grow."""
    found: dict[str, int] = {}
    number = start
    for k, letter in enumerate(letters):
        while any(number % d == 0 for d in range(2, int(number**0.5) + 1)):
            number += 1
        found[letter], number = number, number + 500 + 37 * k * k
    return found


def resized(cell: Cell, sizes: dict[str, int]) -> Cell:
    """Return a copy of `cell` whose letters stand for `sizes`."""
    other = copy.copy(cell)
    inner = getattr(cell, 'cell', None)
    if isinstance(inner, Cell):  # a wrapper asks the cell in it
        other.cell = resized(inner, sizes)
    other.lengths = lambda size: dict(sizes)
    return other


def check_name(name: str) -> None:
    """Raise `Unsupported` if a parameter is called like an array or a value of the loops."""
    if RESERVED.fullmatch(name):
        raise Unsupported(f'a parameter is called {name!r}; kernels have an array of that name')


def is_product(node: Apply) -> bool:
    """Return whether a node is the product of two matrices."""
    # By name: depending on PyTensor's version, `@` of matrices is a Dot, a Matmul or a Blockwise
    # of one of them.
    inner = getattr(node.op, 'core_op', node.op)
    names = {type(node.op).__name__, type(inner).__name__}
    return bool(names & {'Dot', 'Matmul'}) and all(v.ndim == 2 for v in node.inputs)


def columns_of(node: Apply) -> tuple[int, int]:
    """Return the first and the last but one column that a subscript of the last axis takes."""
    source = node.inputs[0]
    index = list(get_idx_list(node.inputs, node.op.idx_list))
    if len(index) != source.ndim or any(i != slice(None) for i in index[:-1]):
        raise Unsupported('a subscript other than of columns')
    return ends_of(index[-1], source.type.shape[-1])


def ends_of(index: object, width: int | None) -> tuple[int, int]:
    """Return start and stop of a slice, or of one place, along an axis of `width`."""
    one = not isinstance(index, slice)
    if one:
        index = slice(index, None, None)
    if index.step is not None:
        raise Unsupported('a subscript other than a slice of columns')
    ends = [end.data if isinstance(end, Constant) else end for end in (index.start, index.stop)]
    if any(end is not None and np.ndim(end) for end in ends) or width is None:
        raise Unsupported('a slice with ends that are not constant')
    try:
        ends = [None if end is None else int(end) for end in ends]
        start, stop, _ = slice(*ends).indices(width)
    except (TypeError, NotImplementedError):
        raise Unsupported('a slice with ends that are not constant') from None
    return (start, start + 1) if one else (start, stop)


class BlockReader:
    """Reader of the graph of one step.

    Parameters
    ----------
    sizes : dict of str to int
        The prime that each letter stands for.

    Attributes
    ----------
    blocks : dict of Variable to list of Block
        What is known, or has been read.
    axes : dict of Variable to str
        What each axis of a variable is: ``'B'`` examples, ``'U'`` units, ``'1'`` an axis that is
        broadcast.
    """

    def __init__(self, sizes: dict[str, int]):
        self.sizes = sizes
        self.blocks: dict[Variable, list[Block]] = {}
        self.axes: dict[Variable, str] = {}

    # --- what readers differ in

    def unknown(self, variable: Variable) -> None:
        """Raise what is wrong with a leaf that is no block."""
        raise Unsupported(f'the free variable {variable}')

    def constant(self, value: np.ndarray) -> Variable:
        """Return the scalar of a constant."""
        return pt.constant(value.reshape(()))

    def special(self, node: Apply) -> list[Block] | None:
        """Return the blocks of a node that mixes units, or None if it does not."""
        return None

    def length(self, letter: str) -> Variable:
        """Return the scalar that is the number of units of a length."""
        raise Unsupported('the number of units, read from the shape of an array')

    # --- shared by all

    def know(self, variable: Variable, blocks: Sequence[Block], axes: str) -> None:
        """Remember the blocks of a variable."""
        self.blocks[variable], self.axes[variable] = list(blocks), axes

    def width(self, block: Block) -> int:
        """Return the number of columns of a block."""
        return self.sizes[block.length] if block.length else 1

    def letters(self, width: int | None) -> list[str]:
        """Return the length of each block of an axis: a multiple of one letter, or 1."""
        if width == 1:
            return ['']
        for letter, size in self.sizes.items():
            if width and width % size == 0 and width // size < MOST:
                return [letter] * (width // size)
        raise Unsupported(f'an axis of length {width} is no multiple of a length of the cell')

    def read(self, variable: Variable) -> list[Block]:
        """Return the blocks of `variable`; a number that holds for all units is one block."""
        if variable in self.blocks:
            return self.blocks[variable]
        if isinstance(variable, Constant):
            if np.size(variable.data) != 1:
                raise Unsupported('a constant array in step; let prepare() return it')
            value = self.constant(np.asarray(variable.data))
            self.know(variable, [Block(value, '')], '1' * variable.ndim)
        elif variable.owner is None:
            self.unknown(variable)
        else:
            self._interpret(variable.owner)
        return self.blocks[variable]

    def is_number(self, variable: Variable) -> bool:
        """Return whether a variable is one number for all units."""
        return [b.length for b in self.read(variable)] == ['']

    def _interpret(self, node: Apply) -> None:
        special = self.special(node)
        if special is not None:
            axes = 'BU' if node.outputs[0].ndim == 2 else 'B'
            width = sum(map(self.width, special))
            self.know(node.outputs[0], special, axes.replace('U', '1') if width == 1 else axes)
            return
        for kind, rule in _READERS:
            if isinstance(node.op, kind):
                rule(self, node)
                return
        raise Unsupported(f'the operation {getattr(node.op, "core_op", node.op)}')

    def cut(self, variable: Variable, start: int, stop: int) -> list[Block]:
        """Return the blocks of some columns."""
        place, found = 0, []
        edges = {0}
        for block in self.read(variable):
            if start <= place < stop:
                found.append(block)
            place += self.width(block)
            edges.add(place)
        if stop <= start or not {start, stop} <= edges:
            raise Unsupported('columns that are not whole blocks of units')
        return found


def _read_elemwise(reader: BlockReader, node: Apply) -> None:
    args = [reader.read(v) for v in node.inputs]
    counts = {len(a) for a, v in zip(args, node.inputs, strict=True) if not reader.is_number(v)}
    if len(counts) > 1 or len(node.outputs) != 1:
        raise Unsupported(f'{node.op} on blocks of different width')
    # A value of width 1 holds for all units: it is repeated, as broadcasting does.
    n = counts.pop() if counts else 1
    rows = [a * n if len(a) == 1 else a for a in args]
    apply = Elemwise(node.op.scalar_op)
    blocks = []
    for column in zip(*rows, strict=True):
        lengths = {b.length for b in column} - {''}
        if len(lengths) > 1:
            raise Unsupported(f'{node.op} on vectors of the lengths {", ".join(sorted(lengths))}')
        blocks.append(Block(apply(*(b.value for b in column)), ''.join(lengths)))
    reader.know(node.outputs[0], blocks, _broadcast([reader.axes[v] for v in node.inputs]))


def _broadcast(axes: list[str]) -> str:
    """Return the axes of an elementwise result."""
    longest, result = max(map(len, axes)), ''
    for column in zip(*(a.rjust(longest, '1') for a in axes), strict=True):
        kinds = set(column) - {'1'}
        if len(kinds) > 1:
            raise Unsupported('examples meet units: a sum over units needs keepdims=True')
        result += kinds.pop() if kinds else '1'
    return result


def _read_dimshuffle(reader: BlockReader, node: Apply) -> None:
    source = node.inputs[0]
    blocks = reader.read(source)
    axes = ''.join('1' if k == 'x' else reader.axes[source][k] for k in node.op.new_order)
    at = {kind: axes.find(kind) for kind in 'BU'}
    if at['U'] not in (-1, len(axes) - 1) or at['B'] > 0 or len(axes) > 2:
        raise Unsupported('a transposition')
    reader.know(node.outputs[0], blocks, axes)


def _read_split(reader: BlockReader, node: Apply) -> None:
    axis, (source, sizes) = axis_of(node, 1)
    if not isinstance(sizes, Constant):
        raise Unsupported('a split at places that are not constant')
    _check_axis(axis, source)
    stops = np.cumsum([int(size) for size in sizes.data])
    reader.read(source)
    for out, stop, size in zip(node.outputs, stops, sizes.data, strict=True):
        blocks = reader.cut(source, int(stop - size), int(stop))
        reader.know(out, blocks, _narrowed(reader.axes[source], int(size)))


def _read_subtensor(reader: BlockReader, node: Apply) -> None:
    source, out = node.inputs[0], node.outputs[0]
    shaped = _of_shape(source)
    if shaped is not None:
        value = _dimension(reader, shaped, node)
        reader.know(out, [Block(value, '')], '')
        return
    reader.read(source)
    start, stop = columns_of(node)
    blocks = reader.cut(source, start, stop)
    axes = _narrowed(reader.axes[source], stop - start)
    reader.know(out, blocks, axes[:-1] if out.ndim < source.ndim else axes)


def _narrowed(axes: str, width: int) -> str:
    return axes[:-1] + '1' if width == 1 else axes


def _of_shape(variable: Variable) -> Variable | None:
    """Return the array whose shape `variable` is, or None."""
    while variable.owner is not None and isinstance(variable.owner.op, Elemwise):
        if len(variable.owner.inputs) != 1:
            return None
        variable = variable.owner.inputs[0]  # a cast
    if variable.owner is not None and isinstance(variable.owner.op, Shape):
        return variable.owner.inputs[0]
    return None


def _dimension(reader: BlockReader, array: Variable, node: Apply) -> Variable:
    """Return the length of the last axis as a scalar."""
    (index,) = get_idx_list(node.inputs, node.op.idx_list)
    index = index.data if isinstance(index, Constant) else index
    if isinstance(index, slice) or int(index) % array.ndim != array.ndim - 1:
        raise Unsupported('the number of examples')
    lengths = [b.length for b in reader.read(array)]
    return sum(reader.length(k) if k else pt.constant(1.0) for k in lengths)


def _read_join(reader: BlockReader, node: Apply) -> None:
    axis, parts = axis_of(node, 0)
    _check_axis(axis, parts[0])
    blocks = [block for part in parts for block in reader.read(part)]
    kinds = {reader.axes[part][:-1] for part in parts}
    if len(kinds) > 1 or any(reader.axes[part][-1] == 'B' for part in parts):
        raise Unsupported('a concatenation of values of examples with others')
    reader.know(node.outputs[0], blocks, kinds.pop() + 'U')


def _read_alloc(reader: BlockReader, node: Apply) -> None:
    value, out = node.inputs[0], node.outputs[0]
    if not reader.is_number(value) or out.ndim not in (1, 2) or out.type.shape[-1] is None:
        raise Unsupported('an array made inside the step')
    (number,) = reader.read(value)
    width = out.type.shape[-1]
    blocks = [Block(number.value, letter) for letter in reader.letters(width)]
    examples = '' if out.ndim == 1 else '1' if out.type.shape[0] == 1 else 'B'
    reader.know(out, blocks, _narrowed(f'{examples}U', width))


def _check_axis(axis: int, source: Variable) -> None:
    if axis % source.ndim != source.ndim - 1:
        raise Unsupported('an operation along the axis of examples')


_READERS: list[tuple[type[Op], Callable[[BlockReader, Apply], None]]] = [
    (Elemwise, _read_elemwise),
    (DimShuffle, _read_dimshuffle),
    (Split, _read_split),
    (Subtensor, _read_subtensor),
    (Join, _read_join),
    (Alloc, _read_alloc),
]
