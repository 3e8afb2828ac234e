"""Equations in a form that loops of C compute well.

Sums of matrix products and a bias become one `affine` value, which is accumulated in place. A
slice of an elementwise result becomes the elementwise result of slices, so that an LSTM's gates
are computed in one loop over its units. A product with values side by side becomes a sum of
products, so that nothing is copied.
"""

from collections import Counter
from typing import NamedTuple

from rnnkit.integrations.equations import Equations, Step
from rnnkit.kernels.program.program import FLAGS

LEAVES = {'input', 'constant', 'array'}
REDUCTIONS = {'sum of', 'prod of', 'max of', 'min of'}  # 'max' is elementwise, of two values
VECTORS = {'affine', 'join', 'softmax'}
BARRIERS = VECTORS | REDUCTIONS  # computed as a whole, not by unit


class Product(NamedTuple):
    """Rows of a matrix that multiply a value: those from `row` on, as many as it is wide."""

    array: str
    row: int


class Value(NamedTuple):
    """A vector or a number that is computed from others.

    Attributes
    ----------
    op : str
        ``'input'``, ``'constant'``, ``'array'``; ``'columns'`` of one of these or of a barrier;
        one of `BARRIERS`; or the name of an elementwise operation.
    args : tuple of int
        The values that it reads.
    width : int
    name : str
        Of an input, an array, or the bias from which an affine value starts.
    start : int
        The first column of ``'columns'``.
    number : float
        Of a constant.
    products : tuple of Product
        Of an affine value, one for each of `args`.
    """

    op: str
    args: tuple[int, ...] = ()
    width: int = 1
    name: str = ''
    start: int = 0
    number: float = 0.0
    products: tuple[Product, ...] = ()


class Values(NamedTuple):
    """Values in an order in which they can be computed, and those of the outputs."""

    values: list[Value]
    outputs: list[int]


def simplified(equations: Equations) -> Values:
    """Return equations in a form that loops compute."""
    rewriter = _Rewriter(equations)
    outputs = [rewriter.number(k) for k in equations.outputs]
    return Values(rewriter.values, outputs)


class _Rewriter:
    def __init__(self, equations: Equations):
        self.equations, self.program = equations, equations.program
        self.steps, self.widths = equations.steps, equations.widths
        self.values: list[Value] = []
        self._numbers: dict[Value, int] = {}
        self._done: dict[int, int] = {}
        self._uses = Counter(equations.outputs)
        for k in equations.needed:
            self._uses.update(equations.operands(k))

    def add(self, value: Value) -> int:
        """Return the number of a value; equal ones are kept once."""
        if value not in self._numbers:
            self._numbers[value] = len(self.values)
            self.values.append(value)
        return self._numbers[value]

    def read(self, k: int) -> int:
        """Return the value that node `k` of the equations becomes; it may be a truth value."""
        if k not in self._done:
            self._done[k] = self._step(k) if k in self.steps else self._node(k)
        return self._done[k]

    def number(self, k: int) -> int:
        """Return the value that node `k` becomes, as a number."""
        v = self.read(k)
        if self.values[v].op not in FLAGS:
            return v
        one, zero = (self.add(Value('constant', number=n)) for n in (1.0, 0.0))
        return self.add(Value('select', (v, one, zero), self.values[v].width))

    def _node(self, k: int) -> int:
        op, *operands = self.program.nodes[k]
        if op == 'input':
            return self.add(Value('input', (), self.widths[k], operands[0]))
        if op == 'constant':
            return self.add(Value('constant', number=operands[0]))
        if op == 'add':
            return self._sum(k)
        return self.add(Value(op, tuple(map(self.read, operands)), self.widths[k]))

    def _step(self, k: int) -> int:
        step, width = self.steps[k], self.widths[k]
        if step.kind == 'array':
            return self.add(Value('array', (), width, step.array))
        if step.kind == 'product':
            return self._affine([step], '', width)
        operands = tuple(map(self.number, step.operands))
        if step.kind == 'columns':
            return self.cut(operands[0], step.start, step.stop)
        kind = step.kind if step.kind in VECTORS else f'{step.kind} of'
        return self.add(Value(kind, operands, width))

    # --- sums of products

    def _sum(self, k: int) -> int:
        leaves, width = self._leaves(k, first=True), self.widths[k]
        products = [i for i in leaves if self._is_product(i, width)]
        if not products:
            a, b = map(self.read, self.program.operands(k))
            return self.add(Value('add', (a, b), width))
        biases = [i for i in leaves if i in self.steps and self.steps[i].kind == 'array']
        biases = [i for i in biases if self.widths[i] == width and not self._is_zero(i)][:1]
        bias = self.steps[biases[0]].array if biases else ''
        total = self._affine([self.steps[i] for i in products], bias, width)
        for i in leaves:
            if i not in products and i not in biases and not self._is_zero(i):
                total = self.add(Value('add', (total, self.read(i)), width))
        return total

    def _leaves(self, k: int, first: bool = False) -> list[int]:
        """Return what is added up to node `k`; sums that others need, too, are not looked into."""
        is_sum = k not in self.steps and self.program.nodes[k][0] == 'add'
        if not is_sum or not (first or self._uses[k] == 1):
            return [k]
        return [leaf for operand in self.program.operands(k) for leaf in self._leaves(operand)]

    def _is_product(self, k: int, width: int) -> bool:
        is_one = k in self.steps and self.steps[k].kind == 'product'
        return is_one and self._uses[k] == 1 and self.widths[k] == width

    def _is_zero(self, k: int) -> bool:
        """Return whether a node is zeros that no parameter holds."""
        step = self.steps.get(k)
        if step is None or step.kind != 'array' or '.' in step.array:
            return False
        return not self.equations.arrays[step.array].any()

    def _affine(self, products: list[Step], bias: str, width: int) -> int:
        terms = []
        for step in products:
            terms += self._terms(self.number(step.operands[0]), step.array, 0)
        args, blocks = zip(*terms, strict=True)
        return self.add(Value('affine', args, width, bias, products=blocks))

    def _terms(self, v: int, array: str, row: int) -> list[tuple[int, Product]]:
        value = self.values[v]
        if value.op != 'join':
            return [(v, Product(array, row))]
        terms = []
        for part in value.args:
            terms += self._terms(part, array, row)
            row += self.values[part].width
        return terms

    # --- slices

    def cut(self, v: int, start: int, stop: int) -> int:
        """Return columns of value `v`; of an elementwise one, that of columns."""
        value, width = self.values[v], stop - start
        if width == value.width or value.width == 1:
            return v
        if value.op == 'join':
            return self._cut_join(value, start, stop)
        if value.op == 'columns':
            return self.cut(value.args[0], value.start + start, value.start + stop)
        if value.op in LEAVES | BARRIERS:
            return self.add(Value('columns', (v,), width, start=start))
        args = tuple(self.cut(a, start, stop) for a in value.args)
        return self.add(value._replace(args=args, width=width))

    def _cut_join(self, value: Value, start: int, stop: int) -> int:
        parts, at = [], 0
        for part in value.args:
            end = at + self.values[part].width
            if start < end and at < stop:
                parts.append(self.cut(part, max(start, at) - at, min(stop, end) - at))
            at = end
        return parts[0] if len(parts) == 1 else self.add(Value('join', tuple(parts), stop - start))
