"""Loops without a product: what forward and backward share.

In: a `StagedForm` without cuts. Out: its passes, who does which vectors, how many steps a thread
does before it goes to its next vector, and how vectors that no step changes are loaded.

Without a cut nothing mixes examples or units: each (example, unit) is a recurrence of its own, and
so is each vector of units. A *pass* does those of one length. Threads share out the vectors of all
examples, counted example by example, and do all steps of theirs without waiting for each other.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from rnnkit.kernels.language.elementary import LONG, OPERATIONS
from rnnkit.kernels.language.elements import each_vector
from rnnkit.kernels.language.frame import Frame
from rnnkit.kernels.language.reductions import number
from rnnkit.kernels.language.vector import Code, Flag, Int, Vec
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
    """

    def __init__(self, form: StagedForm, length: str):
        def of(lengths: Sequence[str], *wanted: str) -> list[int]:
            return [k for k, own in enumerate(lengths) if own in wanted]

        self.form, self.program, self.length = form, form.program, length
        self.states, self.z = of(form.states, length), of(form.z, length)
        self.direct = of(form.direct, length, '')
        self.new = [form.new[k] for k in self.states]


def passes(form: StagedForm) -> list[Pass]:
    """Return a pass for each length."""
    return [Pass(form, length) for length in dict.fromkeys([*form.states, *form.z])]


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
            (count,) = frame.read(code, block, letter)
            loads[i] = lambda j, lanes, count=count: number(code, count)
        return loads


def units_at(code: Code, start: Int, length: str, before: Int, column: int) -> Load:
    """Return how to load units of a block that starts `before` elements from `start`.

    A block of length ``''`` is the single element number `column`.
    """
    size = code.target.size
    if not length:
        return lambda j, lanes: code.spread(start + column * size)
    return lambda j, lanes: code.load(start + (before + j) * size, lanes)


class Blocks:
    """An array (T, B, blocks of several lengths), and where its elements are.

    Attributes
    ----------
    row : Int
        Bytes of a row.
    """

    def __init__(self, code: Code, frame: Frame, block: Int, name: str, lengths: Sequence[str]):
        self.code, size = code, code.target.size
        (start,) = frame.read(code, block, name)
        self.starts, self.lengths = [], lengths
        width = code.int(0)
        for length in lengths:
            self.starts.append(start + width * size)
            width = width + (frame.read(code, block, length)[0] if length else 1)
        self.row = width * size

    def place(self, k: int, row: Int, j: Int) -> Int:
        """Return the address of unit `j` of block `k` in a row, counted through all steps."""
        return self.starts[k] + row * self.row + j * self.code.target.size

    def load(self, k: int, row: Int, j: Int, lanes: Flag | None) -> Vec:
        """Load units of block `k`, or its single column."""
        if self.lengths[k]:
            return self.code.load(self.place(k, row, j), lanes)
        return self.code.spread(self.starts[k] + row * self.row)


class Share(NamedTuple):
    """The vectors that one part does: from one vector of one example to another.

    Attributes
    ----------
    groups : tuple of Int
        The first group of examples, and the one after the last.
    first, last : Int
        The first vector of the first group, and the one after the last of the last group.
    vectors : Int
        The number of vectors of an example.
    size : Int
        The number of examples of a group.
    examples : Int
    """

    groups: tuple[Int, Int]
    first: Int
    last: Int
    vectors: Int
    size: Int
    examples: Int

    @classmethod
    def of(cls, code: Code, sizes: tuple[Int, Int, Int], part: Int, parts: Int) -> 'Share':
        """Return the share of a part of some examples of some units in groups of some examples."""
        examples, units, size = sizes
        vectors = units.ceil_div(code.target.lanes)
        n = examples.ceil_div(size) * vectors
        first, end = part * n // parts, (part + 1) * n // parts
        each = vectors.max(1)
        groups = first // each, end.ceil_div(each)
        last = end - (groups[1] - 1).max(0) * each
        return cls(groups, first % each, last, vectors, size, examples)

    @contextmanager
    def each(self, code: Code) -> Iterator[tuple[Int, Int, Int]]:
        """Do the block for each vector: yields its group, its example and its number in that."""
        start, stop = self.groups
        with code.loop(start, stop) as g:
            low = g.equals(start).pick(self.first, 0)
            high = g.equals(stop - 1).pick(self.last, self.vectors)
            first = g * self.size
            with code.loop(first, self.examples.min(first + self.size)) as r:
                with code.loop(low, high) as v:
                    yield g, r, v


LONG_COST = 16  # operations of a vector that an elementary function takes


def cost(part: Pass, outputs: Sequence[int], stop: set[int]) -> int:
    """Return how many operations `outputs` take, with a load or store for each input and output."""
    kinds = [part.program.nodes[i][0] for i in part.program.reach(outputs, stop)]
    return len(outputs) + sum(LONG_COST if kind in LONG else 1 for kind in kinds)
