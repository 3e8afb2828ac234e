"""How a loop without a product goes through steps, examples and units.

In: a `Pass`, and the part of a thread. Out: who does which vectors, how many steps a thread does
before it goes to its next vector, and where it finds what a step needs.

Threads share out the vectors of all examples, counted example by example, and do all steps of
theirs without waiting for each other. A thread goes through some steps of a vector with its states
in registers, then through the same steps of its next vector. Many steps at once save loads and
stores; but rows of z are B * k * H elements apart, so few steps at once read memory more nearly in
order, which is all that matters as soon as a sequence does not fit into the cache.

The last vector of an example may have lanes without a unit. A step's (B, H) as one row would fill
them, but where arrays have several blocks only after copying all of them. For 8 units in vectors of
16 that would save a few nanoseconds of each example and step, which is less than its products take.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from rnnkit.kernels.language.elementary import OPERATIONS
from rnnkit.kernels.language.frame import Frame
from rnnkit.kernels.language.vector import Code, Flag, Int, Vec
from rnnkit.kernels.recurrent import mask
from rnnkit.kernels.recurrent.walk import Walk
from rnnkit.kernels.staged.arrays_of import residual_lengths
from rnnkit.kernels.staged.elementwise import Load, Pass

FEW, MOST = 4, 64  # steps at once; so many are added up without a compensation
NEAR = 2**18  # bytes of a state that are in a core's own cache, with all other arrays
DISTANCE = 2**13  # bytes of a state between what is used and what is asked for


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
        return self.code.spread(self.place(k, row, j * 0))

    def store(self, value: Vec, k: int, row: Int, j: Int, lanes: Flag | None) -> None:
        """Store units of block `k`, or its single column, which is the same for all units."""
        if self.lengths[k]:
            self.code.store(value, self.place(k, row, j), lanes)
        else:
            self.code.store(value, self.place(k, row, j * 0), self.code.tail(self.code.int(1)))


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

    def is_one(self) -> Flag:
        """Return whether there is a single vector."""
        start, stop = self.groups
        one_group = (stop - start).equals(1) & self.size.equals(1)
        return one_group & (self.last - self.first).equals(1)

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


class Loop:
    """The steps of one pass, forward or backward.

    Parameters
    ----------
    part : Pass
    walk : Walk
    frame : Frame
    code : Code
        The function that is being written.
    block : Int
    fixed : dict of int to callable
        How to load the nodes that no step changes.
    back : bool
        Whether the last step is done first.
    last_alone : sequence of int
        The states of which the last step alone is stored.

    Attributes
    ----------
    wanted : list of (Blocks, int, bool)
        The blocks that each step reads or, if the last one is true, writes.
    """

    def __init__(
        self,
        part: Pass,
        walk: Walk,
        frame: Frame,
        code: Code,
        block: Int,
        fixed: dict[int, Load],
        back: bool = False,
        last_alone: Sequence[int] = (),
    ):
        # All is read here, before any loop: behind a store, LLVM would read it again.
        self.part, self.walk, self.code, self.fixed = part, walk, code, fixed
        self.last_alone = last_alone
        self.t, self.b, self.n = frame.read(code, block, 'T', 'B', part.length)
        self.blocks: Callable[..., Blocks] = partial(Blocks, code, frame, block)
        row = self.b * self.n * code.target.size
        self.far = self.t * row > NEAR
        ahead = (DISTANCE // row.max(1)).max(4).min(16) * self.b
        self.ahead = 0 - ahead if walk.reverse != back else ahead
        self.wanted: list[tuple[Blocks, int, bool]] = []
        self.given = {'z': (part.z, self.blocks('z', part.form.z))}
        if part.direct:
            self.given['direct'] = part.direct, self.blocks('direct', part.form.direct)
        self.first = [frame.read(code, block, f'initial{k}')[0] for k in part.states]
        self.new = [self.blocks(f'new{k}', [part.length]) for k in part.states]
        if 'residual' in frame.place:
            self.residual = self.blocks('residual', residual_lengths(part.form))
        if walk.masked:
            (self.mask,) = frame.read(code, block, 'mask')

    def ask(self, row: Int, j: Int) -> None:
        """Ask for the memory that some steps later will be what row `row` is to this one."""
        # Processors do so by themselves, but not well through rows of several blocks, and worse
        # from the end. In long sequences steps took up to twice as long without.
        with self.code.when(self.far):
            for blocks, k, write in self.wanted:
                self.code.prefetch(blocks.place(k, row + self.ahead, j), write)

    def row(self, step: Int, r: Int) -> Int:
        """Return the row of an example at a step, counted through all steps."""
        t = self.t - 1 - step if self.walk.reverse else step
        return t * self.b + r

    def real(self, row: Int) -> Flag:
        """Return whether a row is real, not padding."""
        return mask.is_real(self.code, self.mask, row)

    def before(self, step: Int, r: Int, j: Int) -> list[Int]:
        """Return where the states before a step are."""
        places = []
        for k, first, new in zip(self.part.states, self.first, self.new, strict=True):
            first = first + j * self.code.target.size
            if not self.walk.rows[k]:
                first = first + r * new.row
            row = r if k in self.last_alone else self.row(step - 1, r)
            # The first step too is done by the one loop: a select costs less than its code twice.
            places.append((step > 0).pick(new.place(0, row, j), first))
        return places

    def unchanging(self, j: Int, lanes: Flag | None) -> dict[int, Callable[[], Vec]]:
        """Load units of what no step changes."""
        values = {i: load(j, lanes) for i, load in self.fixed.items()}
        return {i: (lambda value=value: value) for i, value in values.items()}

    def inputs(self, row: Int, j: Int, lanes: Flag | None) -> dict[int, Callable[[], Vec]]:
        """Return how to load what a step is given."""
        return {
            self.part.program.input(f'{name}{k}'): partial(blocks.load, k, row, j, lanes)
            for name, (numbers, blocks) in self.given.items()
            for k in numbers
        }

    def reads(self, live: set[int]) -> list[tuple[Blocks, int, bool]]:
        """Return those blocks of what a step is given that are among some nodes, as `wanted`."""
        return [
            (blocks, k, False)
            for name, (numbers, blocks) in self.given.items()
            for k in numbers
            if self.part.program.input(f'{name}{k}') in live
        ]

    def evaluate(self, outputs: Sequence[int], known: dict[int, Callable[[], Vec]]) -> list[Vec]:
        """Write the operations that give `outputs`."""
        code = self.code
        values = self.part.program.evaluate(outputs, known, code.vec, OPERATIONS)
        return [code.vec(value) for value in values]
