"""Elementwise mathematics of one unit, as a flat list of operations.

In: scalar PyTensor graphs. Out: a `Program`, in which every value is a numbered node
``(operation, operand numbers...)``. Equal nodes are kept once, so that a cell's backward
shares what its forward computes; operands always have smaller numbers than the node itself.
The operations are those of `rnnkit.kernels.language.elementary`.

A program stands between PyTensor and the kernels because the same mathematics is computed in
several ways: by vectors that are being written, by JAX, and as a gradient. It also has simpler
forms than a symbolic gradient: PyTensor's own rewrites would do that, but take longer, and turn
``1 - sigmoid(x)`` into ``sigmoid(-x)``, a second exponential.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
from pytensor.graph.basic import Constant, Variable
from pytensor.scalar.basic import ScalarOp
from pytensor.tensor.elemwise import DimShuffle, Elemwise


class Unsupported(Exception):  # noqa: N818 - it is an answer, not a failure
    """There is no kernel for some mathematics; the message says for what."""


def reason(why: Exception) -> str:
    """Return why some mathematics was not read: an error of a user's code with its kind."""
    return str(why) if isinstance(why, Unsupported) else f'{type(why).__name__}: {why}'


Node = tuple[Any, ...]
V = TypeVar('V')  # of any kind of values: vectors that are being written, arrays of JAX

FUNCTIONS = {
    'Tanh': 'tanh',
    'Sigmoid': 'sigmoid',
    'Exp': 'exp',
    'Expm1': 'expm1',
    'Log': 'log',
    'Log1p': 'log1p',
    'Softplus': 'softplus',
    'Sqrt': 'sqrt',
    'Abs': 'abs',
    'Sign': 'sign',
}
COMPARISONS = {'LT': 'lt', 'GT': 'gt', 'LE': 'le', 'GE': 'ge', 'EQ': 'eq', 'NEQ': 'ne'}
LOGICAL = {'AND': 'and', 'OR': 'or', 'XOR': 'xor'}
FLAGS = {*COMPARISONS.values(), *LOGICAL.values(), 'not'}


class Program:
    """Nodes that compute outputs from named inputs, each node kept once.

    Attributes
    ----------
    nodes : list of tuple
        ``('input', name)``, ``('constant', value)`` or ``(operation, *operands)``.
    """

    def __init__(self):
        self.nodes: list[Node] = []
        self._ids: dict[Node, int] = {}

    def node(self, *key: str | float) -> int:
        """Return the number of the node `key`, which is added if it is new."""
        if key not in self._ids:
            self._ids[key] = len(self.nodes)
            self.nodes.append(key)
        return self._ids[key]

    def copy(self) -> 'Program':
        """Return a program of the same nodes, to which others can be added."""
        other = Program()
        other.nodes, other._ids = list(self.nodes), dict(self._ids)
        return other

    def input(self, name: str) -> int:
        """Return the node of the input called `name`."""
        return self.node('input', name)

    def constant(self, value: float) -> int:
        """Return the node of a number."""
        return self.node('constant', float(value))

    def value(self, i: int) -> float | None:
        """Return the number that node `i` is, or None if it is not a constant."""
        return self.nodes[i][1] if self.nodes[i][0] == 'constant' else None

    def operands(self, i: int) -> tuple[int, ...]:
        """Return the numbers of the nodes that node `i` reads."""
        return () if self.nodes[i][0] in ('input', 'constant') else self.nodes[i][1:]

    def reach(self, outputs: Iterable[int], stop: Iterable[int] = ()) -> set[int]:
        """Return all nodes that `outputs` depend on, not looking behind those in `stop`."""
        stop, seen, todo = set(stop), set(), list(outputs)
        while todo:
            i = todo.pop()
            if i not in seen:
                seen.add(i)
                todo += () if i in stop else self.operands(i)
        return seen

    def invariants(
        self, outputs: Iterable[int], leaves: set[int], stop: Iterable[int] = ()
    ) -> list[int]:
        """Return the numbers that depend on `leaves` alone and that other nodes need.

        They are the same for each element, and can be computed before a loop over elements.

        Parameters
        ----------
        outputs : iterable of int
            The nodes that the loop computes.
        leaves : set of int
        stop : iterable of int
            Nodes that the loop loads.
        """
        stop, outputs = set(stop), list(outputs)
        live = self.reach(outputs, stop) - stop
        fixed: set[int] = set()
        for i in sorted(live):  # operands come before their users
            operands = self.operands(i)
            alone = operands and fixed.issuperset(operands)
            if i in leaves or alone or self.value(i) is not None:
                fixed.add(i)
        needed = {j for i in live - fixed for j in self.operands(i)} | set(outputs)
        # A constant costs nothing, and a truth value cannot be stored as an element.
        return [i for i in sorted(fixed & needed) if self.value(i) is None and self.number(i) == i]

    def first_of(self, kinds: set[str], outputs: Iterable[int], stop: Iterable[int]) -> list[int]:
        """Return the operations of some kinds that need no other operation of these kinds.

        The list is empty if no other operation of these kinds needs one of them.

        Parameters
        ----------
        kinds : set of str
            Names of operations.
        outputs : iterable of int
            The nodes that the loop computes.
        stop : iterable of int
            Nodes that the loop loads.
        """
        stop, later = set(stop), False
        first: list[int] = []
        behind: set[int] = set()  # nodes that need one
        for i in sorted(self.reach(outputs, stop) - stop):  # operands come before their users
            needs, is_one = not behind.isdisjoint(self.operands(i)), self.nodes[i][0] in kinds
            if needs or is_one:
                behind.add(i)
            if is_one and not needs:
                first.append(i)
            later = later or (is_one and needs)
        return first if later else []

    def evaluate(
        self,
        outputs: Iterable[int],
        known: dict[int, Callable[[], V]],
        constant: Callable[[float], V],
        operations: dict[str, Callable[..., V]],
    ) -> list[V]:
        """Compute `outputs` with any kind of values: arrays, or vectors that are being written.

        Parameters
        ----------
        outputs : iterable of int
        known : dict of int to callable
            How to fetch the nodes that need not be computed, such as the inputs.
        constant : callable
            Turns a float into a value.
        operations : dict
            The functions by name.
        """
        done: dict[int, V] = {}
        outputs = list(outputs)
        for i in sorted(self.reach(outputs, known)):  # operands come before their users
            operation, *operands = self.nodes[i]
            if i in known:
                done[i] = known[i]()
            elif operation == 'constant':
                done[i] = constant(operands[0])
            else:
                done[i] = operations[operation](*[done[j] for j in operands])
        return [done[i] for i in outputs]

    # --- building, with the simplifications that symbolic gradients ask for

    def flag(self, i: int) -> int:
        """Return node `i` as a truth value."""
        return i if self.nodes[i][0] in FLAGS else self.node('ne', i, self.constant(0))

    def number(self, i: int) -> int:
        """Return node `i` as a number, 1 for true."""
        if self.nodes[i][0] not in FLAGS:
            return i
        return self.node('select', i, self.constant(1), self.constant(0))

    def add(self, a: int, b: int) -> int:
        """Return a + b."""
        a, b = self.number(a), self.number(b)
        x, y = self.value(a), self.value(b)
        if x is not None and y is not None:
            return self.constant(x + y)
        if x == 0 or y == 0:
            return b if x == 0 else a
        # In the order of numbers, so that a + b and b + a are one node.
        return self.node('add', *sorted((a, b)))

    def sub(self, a: int, b: int) -> int:
        """Return a - b."""
        a, b = self.number(a), self.number(b)
        x, y = self.value(a), self.value(b)
        if x is not None and y is not None:
            return self.constant(x - y)
        return a if y == 0 else self.node('sub', a, b)

    def mul(self, a: int, b: int) -> int:
        """Return a * b; the product with a truth value is a selection."""
        for flag, other in ((a, b), (b, a)):
            if self.nodes[flag][0] in FLAGS and self.nodes[other][0] not in FLAGS:
                return self.select(flag, other, self.constant(0))
        a, b = self.number(a), self.number(b)
        x, y = self.value(a), self.value(b)
        if x is not None and y is not None:
            return self.constant(x * y)
        # As in PyTensor, though 0 times infinity is NaN: derivatives are full of such zeros.
        if x == 0 or y == 0:
            return self.constant(0)
        if x == 1 or y == 1:
            return b if x == 1 else a
        return self.node('mul', *sorted((a, b)))

    def div(self, a: int, b: int) -> int:
        """Return a / b."""
        a, b = self.number(a), self.number(b)
        x, y = self.value(a), self.value(b)
        if y == 1 or x == 0:
            return a
        if x is not None and y:
            return self.constant(x / y)
        return self.node('div', a, b)

    def select(self, flag: int, a: int, b: int) -> int:
        """Return a where `flag` is true, else b."""
        a, b = self.number(a), self.number(b)
        chosen = self.value(flag)
        if chosen is not None:
            return a if chosen else b
        return a if a == b else self.node('select', self.flag(flag), a, b)

    def power(self, a: int, b: int) -> int:
        """Return a to the power of a constant: a small whole number, or one half."""
        exponent = self.value(b)
        if exponent == 0.5:
            return self.node('sqrt', a)
        if exponent is None or exponent != int(exponent) or abs(exponent) > 8:
            raise Unsupported('a power other than a small whole number or 1/2')
        result = self.constant(1)
        for _ in range(abs(int(exponent))):
            result = self.mul(result, a)
        return result if exponent >= 0 else self.div(self.constant(1), result)

    def clip(self, x: int, low: int, high: int) -> int:
        """Return x, kept between `low` and `high`."""
        return self.node('min', self.node('max', self.number(x), low), high)

    def cast(self, a: int, dtype: str) -> int:
        """Return node `a` turned into `dtype`: to numbers or truth values, not to integers."""
        if dtype == 'bool':
            return self.flag(a)
        whole = self.nodes[a][0] in FLAGS or float(self.value(a) or 0.5).is_integer()
        if not dtype.startswith('float') and not whole:
            raise Unsupported(f'a cast to {dtype}')
        return a

    def apply(self, scalar_op: ScalarOp, args: list[int]) -> int:
        """Return the node of one of PyTensor's scalar operations on `args`."""
        name = type(scalar_op).__name__
        if name in FUNCTIONS:
            return self.node(FUNCTIONS[name], self.number(args[0]))
        if name in COMPARISONS:
            return self.node(COMPARISONS[name], *map(self.number, args))
        if name in LOGICAL:
            return self.node(LOGICAL[name], *map(self.flag, args))
        if name == 'Cast':
            return self.cast(args[0], str(scalar_op.o_type.dtype))
        if name not in _RULES:
            raise Unsupported(f'the operation {name}')
        return _RULES[name](self, *args)

    def absorb(self, outputs: list[Variable], known: dict[Variable, int]) -> list[int]:
        """Add the scalar graph of `outputs`, given the nodes of its inputs; return theirs."""
        nodes = dict(known)

        def visit(variable: Variable) -> int:
            if variable not in nodes:
                nodes[variable] = self._absorb_one(variable, visit)
            return nodes[variable]

        return [visit(output) for output in outputs]

    def _absorb_one(self, variable: Variable, visit: Callable[[Variable], int]) -> int:
        if isinstance(variable, Constant):
            if np.size(variable.data) != 1:
                raise Unsupported('an array constant')
            return self.constant(np.asarray(variable.data).item())
        if variable.owner is None:
            raise Unsupported(f'the free variable {variable}')
        op, args = variable.owner.op, variable.owner.inputs
        if isinstance(op, DimShuffle):
            return visit(args[0])
        if isinstance(op, Elemwise) and len(variable.owner.outputs) == 1:
            return self.apply(op.scalar_op, [visit(arg) for arg in args])
        raise Unsupported(f'the operation {op}')


def _fold(operation: Callable[..., int]) -> Callable[..., int]:
    """Turn an operation on two nodes into one on any number of them."""

    def folded(program: Program, first: int, *others: int) -> int:
        for other in others:
            first = operation(program, first, other)
        return first

    return folded


_RULES: dict[str, Callable[..., int]] = {
    'Add': _fold(Program.add),
    'Mul': _fold(Program.mul),
    'Sub': Program.sub,
    'TrueDiv': Program.div,
    'Neg': lambda p, a: p.mul(a, p.constant(-1)),
    'Sqr': lambda p, a: p.mul(a, a),
    'Reciprocal': lambda p, a: p.div(p.constant(1), a),
    'Second': lambda p, _, a: a,
    'Identity': lambda p, a: a,
    'Switch': Program.select,
    'Maximum': lambda p, a, b: p.node('max', p.number(a), p.number(b)),
    'Minimum': lambda p, a, b: p.node('min', p.number(a), p.number(b)),
    'Clip': Program.clip,
    'IsNan': lambda p, a: p.node('ne', p.number(a), p.number(a)),
    'Invert': lambda p, a: p.node('not', p.flag(a)),
    'Pow': lambda p, a, b: p.power(a, b),  # looked up, for rules have more powers
}
