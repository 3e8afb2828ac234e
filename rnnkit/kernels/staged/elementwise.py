"""Loops without a product: what forward and backward share.

In: a `StagedForm` without cuts. Out: its passes, and how the vectors are loaded that no step
changes.

Without a cut nothing mixes examples or units: each (example, unit) is a recurrence of its own, and
so is each vector of units. A *pass* does those of one length. How it goes through them is in
`rnnkit.kernels.staged.elementwise_loop`.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from rnnkit.kernels.language.elementary import LONG, OPERATIONS
from rnnkit.kernels.language.elements import each_vector
from rnnkit.kernels.language.frame import Frame
from rnnkit.kernels.language.reductions import number
from rnnkit.kernels.language.vector import Code, Flag, Int, Vec
from rnnkit.kernels.staged.arrays_of import residual_lengths
from rnnkit.kernels.staged.form import StagedForm

Load = Callable[[Int, Flag | None], Vec]  # (first unit, lanes) -> units


class Pass:
    """The vectors of one length.

    Parameters
    ----------
    form : StagedForm
    length : str

    Attributes
    ----------
    states, z : list of int
        The numbers of the states and of the blocks of z that have this length.
    direct : list of int
        The numbers of the blocks of what each step is given that have it, or are one column.
    residuals : list of int
        The numbers of the residuals that have it; in the first pass also of those of one number.
    """

    def __init__(self, form: StagedForm, length: str, first: bool):
        def of(lengths: Sequence[str], *wanted: str) -> list[int]:
            return [k for k, own in enumerate(lengths) if own in wanted]

        self.form, self.program, self.length = form, form.program, length
        self.states, self.z = of(form.states, length), of(form.z, length)
        self.direct = of(form.direct, length, '')
        self.residuals = of(residual_lengths(form), length, *([''] if first else []))
        self.new = [form.new[k] for k in self.states]

    def waits(self) -> bool:
        """Return whether a step begins with an elementary function of an old state.

        Then the steps of one vector wait for each other, and a processor that begins operations of
        the next vector before it is done with one should find another vector next, not a step.
        """
        behind = {self.program.input(f'state{k}') for k in self.states}
        for i in sorted(self.program.reach(self.new)):  # operands come before their users
            if not behind.isdisjoint(self.program.operands(i)):
                behind.add(i)
                if self.program.nodes[i][0] in LONG:
                    return True
        return False


P = TypeVar('P', bound=Pass)


def passes(form: StagedForm, kind: type[P] = Pass) -> list[P]:
    """Return a pass for each length."""
    lengths = dict.fromkeys([*form.states, *form.z])
    return [kind(form, length, k == 0) for k, length in enumerate(lengths)]


class Fixed:
    """The nodes of a pass that no step changes: vectors, and what depends on them alone.

    The latter are computed once per call.

    Parameters
    ----------
    part : Pass
    outputs : list of int
        The nodes that the loop computes.
    stop : set of int
        Nodes that the loop loads.
    """

    def __init__(self, part: Pass, outputs: Sequence[int], stop: set[int]):
        form, program = part.form, part.program
        self.part = part
        self.vectors = {
            program.input(f'{name}:{k}'): (name, k)
            for name, k in form.vector_blocks()
            if form.vectors[name][0] in (part.length, '')
        }
        names = {kind[1]: i for i, kind in enumerate(program.nodes) if kind[0] == 'input'}
        self.lengths = {i: name[7:] for name, i in names.items() if name.startswith('length:')}
        leaves = {*self.vectors, *self.lengths}
        nodes = program.invariants(outputs, leaves, stop)
        self.nodes = [i for i in nodes if program.operands(i)]  # a vector itself is loaded
        self.live = program.reach(outputs, {*stop, *self.nodes})

    def size(self, n: Int) -> Int:
        """Return the elements of memory that the computed nodes take, for vectors of `n`."""
        return n * len(self.nodes)

    def write(self, code: Code, to: Int, frame: Frame, block: Int) -> None:
        """Compute the nodes."""
        if not self.nodes:
            return
        (n,) = frame.read(code, block, self.part.length)
        loads = self._given(code, frame, block)

        def compute(j: Int, lanes: Flag) -> None:
            fetch = {i: (lambda load=load: load(j, lanes)) for i, load in loads.items()}
            values = self.part.program.evaluate(self.nodes, fetch, code.vec, OPERATIONS)
            for k, value in enumerate(values):
                code.store(value, to + (n * k + j) * code.target.size, lanes)

        each_vector(code, n, compute)

    def loads(self, code: Code, start: Int, frame: Frame, block: Int) -> dict[int, Load]:
        """Return how to load each node that the loop needs; `start` is where `write` put them."""
        (n,) = frame.read(code, block, self.part.length)
        size = code.target.size
        computed = {
            i: lambda j, lanes, k=k: code.load(start + (n * k + j) * size, lanes)
            for k, i in enumerate(self.nodes)
        }
        given = self._given(code, frame, block)
        return {i: load for i, load in given.items() if i in self.live} | computed

    def _given(self, code: Code, frame: Frame, block: Int) -> dict[int, Load]:
        (n,) = frame.read(code, block, self.part.length)
        loads: dict[int, Load] = {}
        for i, (name, k) in self.vectors.items():
            (start,) = frame.read(code, block, name)
            loads[i] = units_at(code, start, self.part.form.vectors[name][0], n * k, k)
        for i, letter in self.lengths.items():
            value = number(code, *frame.read(code, block, letter))
            loads[i] = lambda j, lanes, value=value: value
        return loads


def units_at(code: Code, start: Int, length: str, before: Int, column: int) -> Load:
    """Return how to load units of a block that starts `before` elements from `start`.

    A block of length ``''`` is the single element number `column`.
    """
    size = code.target.size
    if not length:
        return lambda j, lanes: code.spread(start + column * size)
    return lambda j, lanes: code.load(start + (before + j) * size, lanes)


LONG_COST = 16  # operations that an elementary function takes


def cost(part: Pass, outputs: Sequence[int], stop: set[int]) -> int:
    """Return how many operations `outputs` take, with a load or store for each input and output."""
    kinds = [part.program.nodes[i][0] for i in part.program.reach(outputs, stop)]
    return len(outputs) + sum(LONG_COST if kind in LONG else 1 for kind in kinds)
