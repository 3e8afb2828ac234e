"""The symbolic graph of one row, as a short list of operations that other formats can write.

In: graphs whose inputs are matrices (B, n), of which each row is computed alike: one step of a
cell, a projection, an activation, a dense layer. Out: `Equations`, numbered values that are
computed one after the other from the rows, and the arrays of weights that they read. What the
rows do not enter is computed here, once: prepared weights, rates, slices of parameters.

ONNX and C are written from the same equations as the kernels are made of, so that a cell of the
user's own goes wherever the built-in ones go.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.traversal import ancestors, io_toposort
from pytensor.tensor import TensorVariable
from pytensor.tensor.basic import Alloc, Join, Split
from pytensor.tensor.elemwise import CAReduce, DimShuffle, Elemwise
from pytensor.tensor.shape import Shape
from pytensor.tensor.special import Softmax
from pytensor.tensor.subtensor import Subtensor, get_idx_list

from rnnkit.common.compiled import Compiled, double_precision, quickly
from rnnkit.errors import ConfigError
from rnnkit.kernels.program.elementwise import axis_of
from rnnkit.kernels.program.program import Program, Unsupported

# Besides those that kernels have.
FUNCTIONS = {'Erf': 'erf', 'Erfc': 'erfc'}
REDUCTIONS = {'Add': 'sum', 'Maximum': 'max', 'Minimum': 'min', 'Mul': 'prod'}


class Step(NamedTuple):
    """An operation that is not elementwise.

    Attributes
    ----------
    kind : str
        ``'array'``: a vector (n,) of weights; ``'product'``: the rows times a matrix of weights
        (n, m); ``'columns'``: those from `start` to `stop`; ``'join'``: values side by side;
        ``'softmax'``; ``'sum'``, ``'max'``, ``'min'``, ``'prod'``: of the columns of each row.
    operands : tuple of int
        The values that it reads.
    array : str
        The array that it reads, by its name in `Equations.arrays`.
    start, stop : int
    """

    kind: str
    operands: tuple[int, ...] = ()
    array: str = ''
    start: int = 0
    stop: int = 0


class Equations(NamedTuple):
    """Values of one row, each a vector or a number, in the order in which they are computed.

    Attributes
    ----------
    program : Program
        Value k is ``program.nodes[k]``: ``('input', name)`` is an input, or, where k is in
        `steps`, the result of that step; ``('constant', number)``; all others are elementwise
        operations on values before it, whose names are those of
        `rnnkit.kernels.language.elementary`. A vector and a number are combined as in NumPy.
    steps : dict of int to Step
    widths : list of int
        The number of columns of each value; 1 for a number.
    arrays : dict of str to array
        The weights, by name: those of a parameter, ``'hid1.xh'``, or made of some, ``'w0'``.
    inputs : dict of str to int
        The value of each input.
    outputs : list of int
        A value of width 1 stands for as many equal columns as the output has.
    """

    program: Program
    steps: dict[int, Step]
    widths: list[int]
    arrays: dict[str, np.ndarray]
    inputs: dict[str, int]
    outputs: list[int]

    @property
    def needed(self) -> list[int]:
        """The values that the outputs depend on, in order."""
        seen, waiting = set(), list(self.outputs)
        while waiting:
            k = waiting.pop()
            if k not in seen:
                seen.add(k)
                waiting += self.operands(k)
        return sorted(seen)

    def operands(self, k: int) -> tuple[int, ...]:
        """Return the values that value `k` is computed from."""
        return self.steps[k].operands if k in self.steps else self.program.operands(k)


def read_rows(
    where: str, outputs: Sequence[TensorVariable], inputs: Mapping[str, TensorVariable]
) -> Equations:
    """Return the equations of some graphs.

    Parameters
    ----------
    where : str
        What messages call them: ``"layer 'hid1' (mycell)"``.
    outputs : sequence of tensors of shape (B, n)
    inputs : dict of str to tensor of shape (B, n)
        What the rows consist of, by name. All else is weights, with the values that they have
        now; shared variables keep their names.

    Raises
    ------
    ConfigError
        If they contain an operation that works on more than one row, or that has no name here.
    """
    with double_precision():
        try:
            return _Reader(outputs, inputs).equations()
        except Unsupported as why:
            raise ConfigError(f'{where}: cannot be written as equations of one row: {why}') from why


class _Reader:
    """Turns a graph into equations."""

    def __init__(self, outputs: Sequence[TensorVariable], inputs: Mapping[str, TensorVariable]):
        self.graph = list(outputs)
        self.program = Program()
        self.steps: dict[int, Step] = {}
        self.widths: list[int] = []
        self.arrays: dict[str, np.ndarray] = {}
        self.names: dict[Variable, str] = {}
        self.values: dict[Variable, int] = {}
        self.inputs = {}
        for name, variable in inputs.items():
            self.inputs[name] = self.values[variable] = self.leaf(name, variable.type.shape[-1])
        self.of_rows = set(inputs.values())  # what depends on the rows
        for node in io_toposort(list(inputs.values()), outputs):
            if not self.of_rows.isdisjoint(node.inputs):
                self.of_rows.update(node.outputs)
        self.weights = self._evaluated(list(inputs.values()))

    def _evaluated(self, inputs: list[TensorVariable]) -> dict[Variable, np.ndarray]:
        """Return the values of all arrays that the rows meet but do not enter."""
        edge = set()
        for variable in ancestors(self.graph, blockers=inputs):
            if variable in self.of_rows and variable.owner and variable not in inputs:
                edge |= {v for v in variable.owner.inputs if v not in self.of_rows}
        edge |= {v for v in self.graph if v not in self.of_rows}
        edge = {_source(v) for v in edge if isinstance(v, TensorVariable)}
        free = [v for v in ancestors(edge) if v.owner is None and not _has_value(v)]
        if free:
            raise Unsupported(f'the free variable {free[0]}')
        known = {v: np.asarray(v.data) for v in edge if isinstance(v, Constant)}
        shared = [v for v in edge if v not in known and hasattr(v, 'get_value')]
        known |= {v: v.get_value() for v in shared}
        made = [v for v in edge if v not in known]
        if made:
            with quickly():
                known |= zip(made, Compiled('weights', [], made)(), strict=True)
        return known

    def equations(self) -> Equations:
        outputs = [self.read(variable) for variable in self.graph]
        return Equations(self.program, self.steps, self.widths, self.arrays, self.inputs, outputs)

    # --- values

    def leaf(self, name: str, width: int | None) -> int:
        if width is None:
            raise Unsupported(f'{name} of unknown width')
        k = self.program.input(name)
        self._grow(width)
        return k

    def _grow(self, width: int) -> None:
        """Give new values their width; a constant beside them, such as the -1 of -x, has 1."""
        new = self.program.nodes[len(self.widths) :]
        self.widths += [1 if node[0] == 'constant' else width for node in new]

    def step(self, width: int, step: Step) -> int:
        """Add a value that a step computes."""
        same = [k for k, other in self.steps.items() if other == step]
        if same:
            return same[0]
        k = self.leaf(f'step {len(self.steps)}', width)
        self.steps[k] = step
        return k

    def read(self, variable: Variable) -> int:
        """Return the number of a variable's value."""
        if variable not in self.values:
            if variable not in self.of_rows:
                self.values[variable] = self._weight(variable)
            else:
                numbers = self._apply(variable.owner)
                self.values.update(zip(variable.owner.outputs, numbers, strict=True))
        return self.values[variable]

    def _weight(self, variable: Variable) -> int:
        """Return the value of a number or of a vector of weights."""
        variable = _source(variable)
        array = self.weights[variable]
        if array.size == 1:
            k = self.program.constant(array.item())
            self._grow(1)
            return k
        if array.size != array.shape[-1]:
            raise Unsupported(f'the array {variable} of shape {array.shape}')
        return self.step(array.size, Step('array', (), self._array(variable, array.reshape(-1))))

    def _array(self, variable: Variable, array: np.ndarray) -> str:
        """Keep an array; return its name."""
        if variable not in self.names:
            name = variable.name if hasattr(variable, 'get_value') else None
            while not name or name in self.arrays:  # users' shared variables may share a name
                name = f'w{len(self.arrays)}' if not name else f'{name}_'
            self.names[variable] = name
            self.arrays[name] = array
        return self.names[variable]

    # --- operations

    def _apply(self, node: Apply) -> list[int]:
        """Return the values of all outputs of `node`."""
        op = node.op
        if isinstance(op, Elemwise) and len(node.outputs) == 1:
            return [self._elementwise(node)]
        if isinstance(op, DimShuffle):
            return [self._dimshuffle(node)]
        if isinstance(op, Alloc):  # its shape is that of what it is combined with
            return [self.read(node.inputs[0])]
        if isinstance(op, Split):
            return self._split(node)
        if isinstance(op, Subtensor):
            return [self._columns(node)]
        if isinstance(op, Join):
            return [self._join(node)]
        if isinstance(op, CAReduce):
            return [self._reduce(node)]
        if isinstance(op, Softmax):
            return [self._softmax(node)]
        if _is_product(node):
            return [self._product(node)]
        raise Unsupported(f'the operation {op}')

    def _elementwise(self, node: Apply) -> int:
        operands = [self.read(v) for v in node.inputs]
        widths = {self.widths[k] for k in operands} - {1}
        if len(widths) > 1:
            raise Unsupported(f'{node.op} on values of widths {sorted(widths)}')
        function = FUNCTIONS.get(type(node.op.scalar_op).__name__)
        if function:
            k = self.program.node(function, self.program.number(operands[0]))
        else:
            k = self.program.apply(node.op.scalar_op, operands)
        self._grow(max(widths, default=1))
        return k

    def _dimshuffle(self, node: Apply) -> int:
        order, source = list(node.op.new_order), node.inputs[0]
        kept = [axis for axis in order if axis != 'x']
        if kept != sorted(kept) or len(order) > 2:
            raise Unsupported('a transposition')
        k = self.read(source)
        # One number for each row, (B,), may become (B, 1), but not (1, B).
        if source.ndim == 1 and (order[-1] != 'x' or self.widths[k] != 1):
            raise Unsupported('numbers of all rows side by side')
        return k

    def _split(self, node: Apply) -> list[int]:
        axis, (source, sizes) = axis_of(node, 1)
        _check_axis(axis, source)
        if not isinstance(sizes, Constant):
            raise Unsupported('a split at places that are not constant')
        k, stops = self.read(source), np.cumsum(sizes.data)
        return [
            self._cut(k, int(stop - size), int(stop))
            for stop, size in zip(stops, sizes.data, strict=True)
        ]

    def _columns(self, node: Apply) -> int:
        source = node.inputs[0]
        index = list(get_idx_list(node.inputs, node.op.idx_list))
        shape = _uncast(source)
        if shape.owner and isinstance(shape.owner.op, Shape):
            return self._length(shape.owner.inputs[0], index)
        if len(index) != source.ndim or any(i != slice(None) for i in index[:-1]):
            raise Unsupported('a subscript other than of columns')
        width, last = source.type.shape[-1], index[-1]
        if not isinstance(last, slice) or width is None:
            raise Unsupported('a subscript other than a slice of columns')
        ends = [self._whole(end) for end in (last.start, last.stop, last.step)]
        start, stop, by = slice(*ends).indices(width)
        if by != 1 or stop <= start:
            raise Unsupported('a slice that is no run of columns')
        return self._cut(self.read(source), start, stop)

    def _length(self, of: Variable, index: list[object]) -> int:
        """Return the number of columns of a variable, as a number."""
        axis = self._whole(index[0])
        length = None if axis is None else of.type.shape[axis]
        if length is None:
            raise Unsupported('the number of rows')
        k = self.program.constant(length)
        self._grow(1)
        return k

    def _whole(self, end: object) -> int | None:
        """Return an end of a slice as a number."""
        if end is None or isinstance(end, int | np.integer):
            return None if end is None else int(end)
        constant = _uncast(end) if isinstance(end, Variable) else end
        if not isinstance(constant, Constant):
            raise Unsupported('a slice with ends that are not constant')
        return int(constant.data)

    def _cut(self, k: int, start: int, stop: int) -> int:
        if self.widths[k] == 1 or (start, stop) == (0, self.widths[k]):
            return k  # of equal columns, all are the same
        return self.step(stop - start, Step('columns', (k,), '', start, stop))

    def _join(self, node: Apply) -> int:
        axis, parts = axis_of(node, 0)
        _check_axis(axis, parts[0])
        numbers = [self.read(part) for part in parts]
        widths = [self.widths[k] for k in numbers]
        if any(w != part.type.shape[-1] for w, part in zip(widths, parts, strict=True)):
            raise Unsupported('a concatenation with equal columns')
        return self.step(sum(widths), Step('join', tuple(numbers)))

    def _reduce(self, node: Apply) -> int:
        name = REDUCTIONS.get(type(node.op.scalar_op).__name__)
        source = node.inputs[0]
        axes = node.op.axis
        if name is None or source.ndim != 2 or axes not in ((1,), [1]):
            raise Unsupported(f'the operation {node.op}')
        k = self.read(source)
        if self.widths[k] != source.type.shape[-1]:
            raise Unsupported(f'{node.op} of equal columns')
        return self.step(1, Step(name, (k,)))

    def _softmax(self, node: Apply) -> int:
        axes, source = node.op.axis, node.inputs[0]
        axes = [axes] if isinstance(axes, int) else axes
        if axes is None or [axis % source.ndim for axis in axes] != [source.ndim - 1]:
            raise Unsupported(f'the operation {node.op}')
        k = self.read(source)
        if self.widths[k] != source.type.shape[-1]:
            raise Unsupported('a softmax of equal columns')
        return self.step(self.widths[k], Step('softmax', (k,)))

    def _product(self, node: Apply) -> int:
        left, right = node.inputs
        if right not in self.weights or right.ndim != 2:
            raise Unsupported('a product other than of the rows with a matrix of weights')
        k, matrix = self.read(left), self.weights[right]
        if self.widths[k] != len(matrix):
            raise Unsupported('a product of equal columns')
        return self.step(matrix.shape[1], Step('product', (k,), self._array(right, matrix)))


def _uncast(variable: Variable) -> Variable:
    """Return the variable that has only been given another type."""
    casts = {'Cast', 'ScalarFromTensor', 'TensorFromScalar'}
    while variable.owner is not None:
        op = getattr(variable.owner.op, 'scalar_op', variable.owner.op)
        if type(op).__name__ not in casts:
            break
        variable = variable.owner.inputs[0]
    return variable


def _source(variable: Variable) -> Variable:
    """Return the vector or number that has only been given further axes, before its own."""
    while variable.owner and isinstance(variable.owner.op, DimShuffle):
        source = variable.owner.inputs[0]
        if source.ndim > 1 or (source.ndim == 1 and variable.owner.op.new_order[-1] == 'x'):
            break
        variable = source
    return variable


def _has_value(variable: Variable) -> bool:
    return isinstance(variable, Constant) or hasattr(variable, 'get_value')


def _is_product(node: Apply) -> bool:
    # By name: depending on PyTensor's version, `@` of matrices is a Dot, a Matmul or a Blockwise
    # of one of them.
    inner = getattr(node.op, 'core_op', node.op)
    names = {type(node.op).__name__, type(inner).__name__}
    return bool(names & {'Dot', 'Matmul'}) and node.inputs[0].ndim == 2


def _check_axis(axis: int, source: Variable) -> None:
    if axis % source.ndim != source.ndim - 1:
        raise Unsupported('an operation along the axis of examples')
