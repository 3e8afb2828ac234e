"""Derivatives of a program in one direction, by dual numbers.

In: a `Program`, and for some of its nodes by how much they change. Out: nodes of the same
program, which it is given for this: the values of other nodes, and by how much these change.

A second derivative is the change of a gradient, so the program of a gradient has one as well.
The rules use the value of a function where they can, and not its argument: the exponential and
its like are then computed once.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from rnnkit.kernels.program.program import FLAGS, Program


class Dual(NamedTuple):
    """The node of a value, and that of its change; None if it does not change."""

    value: int
    change: int | None = None


def push(program: Program, outputs: Iterable[int], known: dict[int, Dual]) -> list[Dual]:
    """Return `outputs` as functions of `known`, which takes the place of some nodes.

    Parameters
    ----------
    program : Program
        New nodes are added to it.
    outputs : iterable of int
    known : dict of int to Dual
    """
    fetch = {node: (lambda dual=dual: dual) for node, dual in known.items()}
    # A value that nothing replaces is the node itself.
    for node in program.reach(outputs, known):
        if program.nodes[node][0] == 'input':
            fetch.setdefault(node, lambda node=node: Dual(node))
    rules = _Rules(program)
    return program.evaluate(outputs, fetch, lambda x: Dual(program.constant(x)), rules.operations())


class _Rules:
    """The operations on dual numbers, which add nodes to a program."""

    def __init__(self, program: Program):
        self.program = program

    def operations(self) -> dict[str, Callable[..., Dual]]:
        """Return the operations by the names of those of programs."""
        functions: dict[str, Callable[[int, int], int]] = {
            'exp': lambda x, y: y,
            'expm1': lambda x, y: self.program.add(y, self._constant(1)),
            'tanh': lambda x, y: self._one_minus(self.program.mul(y, y)),
            'sigmoid': lambda x, y: self.program.mul(y, self._one_minus(y)),
            'log': lambda x, y: self._over(x),
            'log1p': lambda x, y: self._over(self.program.add(x, self._constant(1))),
            'softplus': lambda x, y: self.program.node('sigmoid', x),
            'sqrt': lambda x, y: self._over(self.program.add(y, y)),
            'abs': lambda x, y: self.program.node('sign', x),
            'sign': lambda x, y: self._constant(0),
        }
        return {
            'add': self.add,
            'sub': self.sub,
            'mul': self.mul,
            'div': self.div,
            'select': self.select,
            'max': lambda a, b: self._larger('max', 'ge', a, b),
            'min': lambda a, b: self._larger('min', 'le', a, b),
            **{name: self._flag(name) for name in FLAGS},
            **{name: self._function(name, slope) for name, slope in functions.items()},
        }

    def _constant(self, x: float) -> int:
        return self.program.constant(x)

    def _one_minus(self, x: int) -> int:
        return self.program.sub(self._constant(1), x)

    def _over(self, x: int) -> int:
        return self.program.div(self._constant(1), x)

    def _sum(self, a: int | None, b: int | None) -> int | None:
        if a is None or b is None:
            return b if a is None else a
        return self.program.add(a, b)

    def _times(self, change: int | None, factor: int) -> int | None:
        return None if change is None else self.program.mul(change, factor)

    def _choice(self, flag: int, a: int | None, b: int | None) -> int | None:
        if a is None and b is None:
            return None
        zero = self._constant(0)
        return self.program.select(flag, zero if a is None else a, zero if b is None else b)

    def add(self, a: Dual, b: Dual) -> Dual:
        """Return a + b."""
        return Dual(self.program.add(a.value, b.value), self._sum(a.change, b.change))

    def sub(self, a: Dual, b: Dual) -> Dual:
        """Return a - b."""
        minus = self._times(b.change, self._constant(-1))
        return Dual(self.program.sub(a.value, b.value), self._sum(a.change, minus))

    def mul(self, a: Dual, b: Dual) -> Dual:
        """Return a * b."""
        change = self._sum(self._times(a.change, b.value), self._times(b.change, a.value))
        return Dual(self.program.mul(a.value, b.value), change)

    def div(self, a: Dual, b: Dual) -> Dual:
        """Return a / b."""
        value = self.program.div(a.value, b.value)
        minus = self._times(self._times(b.change, value), self._constant(-1))
        change = self._sum(a.change, minus)
        return Dual(value, None if change is None else self.program.div(change, b.value))

    def select(self, flag: Dual, a: Dual, b: Dual) -> Dual:
        """Return a where `flag` is true, else b."""
        value = self.program.select(flag.value, a.value, b.value)
        return Dual(value, self._choice(flag.value, a.change, b.change))

    def _larger(self, name: str, comparison: str, a: Dual, b: Dual) -> Dual:
        first = self.program.node(comparison, a.value, b.value)
        value = self.program.node(name, a.value, b.value)
        return Dual(value, self._choice(first, a.change, b.change))

    def _flag(self, name: str) -> Callable[..., Dual]:
        return lambda *args: Dual(self.program.node(name, *(a.value for a in args)))

    def _function(self, name: str, slope: Callable[[int, int], int]) -> Callable[[Dual], Dual]:
        def rule(x: Dual) -> Dual:
            y = self.program.node(name, x.value)
            change = None if x.change is None else self._times(x.change, slope(x.value, y))
            return Dual(y, change)

        return rule
