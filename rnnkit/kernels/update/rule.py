"""An update rule, read as a program of one element.

In: a function that applies the rule to symbolic arrays. Out: a `Rule`, its program and what of
it depends on hyperparameters alone.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.common.compiled import double_precision
from rnnkit.kernels.language.elementary import OPERATIONS, exp, log
from rnnkit.kernels.language.vector import Vec
from rnnkit.kernels.program.elementwise import scalars
from rnnkit.kernels.program.program import Program, Unsupported

# (gradient, parameter, slots, number of the update, hyperparameters by name)
#     -> [new parameter, *new slots]
Change = Callable[
    [
        TensorVariable,
        TensorVariable,
        Sequence[TensorVariable],
        TensorVariable,
        dict[str, TensorVariable],
    ],
    Sequence[TensorVariable],
]


def power(a: Vec, b: Vec) -> Vec:
    """Return a ** b for a that is not negative."""
    return b.compare('==', 0.0).pick(1.0, exp(log(a) * b))


RULE_OPERATIONS = {**OPERATIONS, 'pow': power}


class RuleProgram(Program):
    """A program that has powers of hyperparameters, such as ``beta ** t``."""

    def power(self, a: int, b: int) -> int:
        """Return a to the power of b; where b is not constant, a cannot be negative."""
        if self.value(b) is not None:
            return super().power(a, b)
        if not self._cannot_be_negative(a):
            raise Unsupported('a power whose base may be negative')
        return self.node('pow', a, b)

    def _cannot_be_negative(self, a: int) -> bool:
        operation, *operands = self.nodes[a]
        if operation == 'constant':
            return operands[0] >= 0
        if operation == 'input':  # hyperparameters are at least 0
            return operands[0].startswith('hyper:')
        if operation in ('add', 'mul', 'div', 'min', 'max'):
            return all(map(self._cannot_be_negative, operands))
        return operation in ('pow', 'exp', 'sqrt', 'abs')


@dataclass
class Rule:
    """An update rule as the update kernel computes it.

    Attributes
    ----------
    program : Program
        Inputs are ``gradient``, ``parameter``, ``slot0``.., ``hyper:count`` and
        ``hyper:<name>``.
    new : list of int
        Nodes of the new parameter and slots.
    hyper : list of str
        Names of the hyperparameters.
    fixed : list of int
        Nodes that depend on hyperparameters alone, computed once per update.
    """

    program: Program
    new: list[int]
    hyper: list[str]
    fixed: list[int]

    @property
    def n_slots(self) -> int:
        """Number of slots."""
        return len(self.new) - 1

    @property
    def key(self) -> str:
        """Return text that is equal for rules that compute the same."""
        return repr((self.program.nodes, self.new, self.hyper, self.fixed))

    @property
    def digest(self) -> str:
        """Return a short hash of `key`."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:16]


def read_rule(change: Change, n_slots: int, hyper: Sequence[str]) -> Rule:
    """Return a rule's program.

    Parameters
    ----------
    change : callable
        Applies the rule.
    n_slots : int
    hyper : sequence of str
        Names of the hyperparameters that it takes.

    Raises
    ------
    Unsupported
        If the change of an element depends on other elements.
    """
    names = ['gradient', 'parameter', *(f'slot{k}' for k in range(n_slots))]
    with double_precision():
        arrays = [pt.tensor(name, dtype='float64', shape=(None,)) for name in names]
        places = [pt.scalar(name, dtype='float64') for name in names]
        numbers = {name: pt.scalar(f'hyper:{name}', dtype='float64') for name in hyper}
        count = pt.scalar('hyper:count', dtype='float64')
        g, p, *slots = arrays
        changed = change(g, p, slots, count + 1, numbers)
        leaves = [*places, count, *numbers.values()]
        elements = zip([*arrays, count, *numbers.values()], leaves, strict=True)
        new = scalars(changed, dict(elements))
    program = RuleProgram()
    inputs = {v: program.input(v.name) for v in leaves}
    nodes = [program.number(i) for i in program.absorb(new, inputs)]
    once = {i for v, i in inputs.items() if v.name.startswith('hyper:')}
    return Rule(program, nodes, list(hyper), program.invariants(nodes, once))
