"""What the staged loops forward and backward have in common: where arrays are at a step.

In: a `StagedForm`, a `Layout` and a `Walk`. Out: the base of their writers.

Threads share out the examples, and each does its rows for all steps, some `ROWS` at a time: the
results of products and what else a step has in scratch memory then stay in the second cache, and a
product has enough rows for its weights, which pass through.
"""

from collections.abc import Callable, Sequence

from rnnkit.kernels.language import reductions
from rnnkit.kernels.language.descriptor import rounded
from rnnkit.kernels.language.frame import Frame
from rnnkit.kernels.language.threads import parts
from rnnkit.kernels.language.vector import Code, Flag, Int, Target, Vec
from rnnkit.kernels.language.writer import Writer
from rnnkit.kernels.recurrent import mask
from rnnkit.kernels.recurrent.unit import State
from rnnkit.kernels.recurrent.walk import Walk
from rnnkit.kernels.staged.form import StagedForm
from rnnkit.kernels.staged.layout import Layout, numbers_of, products_of
from rnnkit.kernels.staged.passes import Passes, Where
from rnnkit.kernels.staged.plan import Blocks

ROWS = 32

Lengths = dict[str, Int]


class StagedWriter(Writer):
    """Base of the writers of staged loops.

    Parameters
    ----------
    form : StagedForm
    target : Target
    walk : Walk
    layout : Layout
    frame : Frame
    description : str
    """

    def __init__(
        self,
        form: StagedForm,
        target: Target,
        walk: Walk,
        layout: Layout,
        frame: Frame,
        description: str,
    ):
        self.form, self.walk, self.layout = form, walk, layout
        self.products = products_of(form)
        super().__init__(target, frame, description)

    # --- lengths and sizes

    def lengths(self, code: Code, block: Int) -> Lengths:
        """Return how many units each letter stands for."""
        letters = [name for name in self.frame.lengths if len(name) == 1 and name not in 'TB']
        found = dict(zip(letters, self.frame.read(code, block, *letters), strict=True))
        return found | {'': code.int(1)}

    def numbers(self, code: Code, lengths: Lengths) -> dict[int, Vec]:
        """Return the nodes that are numbers of units."""
        nodes = numbers_of(self.layout.plan.program)
        return {i: reductions.number(code, lengths[letter]) for letter, i in nodes.items()}

    def row(self, array: Blocks | Sequence[str], lengths: Lengths) -> Int:
        """Return the bytes of a row of some blocks."""
        blocks = array.lengths if isinstance(array, Blocks) else array
        total = lengths[''] * 0
        for length in blocks:
            total = total + lengths[length]
        return total * self.target.size

    def terms(self, k: int, lengths: Lengths) -> Int:
        """Return the number of rows of the weight that take part in product k."""
        return lengths[self.products[k].inner] * len(self.products[k].left)

    def columns(self, k: int, lengths: Lengths) -> Int:
        """Return the number of columns of the weight that take part in product k."""
        return lengths[self.products[k].outer] * self.products[k].blocks

    def weight(self, code: Code, block: Int, k: int, prefix: str = '') -> tuple[Int, Int]:
        """Return where the part of the weight of product k is, and the bytes of a row.

        With the prefix ``d_``, those of the gradient by the weight.
        """
        cut, lengths = self.products[k], self.lengths(code, block)
        _, (length, n) = self.form.weights[cut.weight]
        row = lengths[length] * (n * self.target.size)
        (start,) = self.frame.read(code, block, prefix + cut.weight)
        first = lengths[cut.outer] * (cut.column * self.target.size)
        return start + lengths[cut.inner] * cut.row * row + first, row

    def prepare(self, code: Code, block: Int) -> None:
        """Decide how many parts there are."""
        lengths, (t, b) = self.lengths(code, block), self.frame.read(code, block, 'T', 'B')
        work = code.int(0)
        for k in self.products:
            work = work + self.terms(k, lengths) * self.columns(k, lengths)
        n = parts(code, self.most_parts(code, block), t * b * work)
        code.put(n, block, self.frame.place['parts'])

    def most_parts(self, code: Code, block: Int) -> Int:
        """Return how many parts there can be at most."""
        return self.frame.read(code, block, 'B')[0]

    def scratch_bytes(self, code: Code, block: Int) -> Int:
        """Return the bytes of scratch memory of one part."""
        (b,), lengths = self.frame.read(code, block, 'B'), self.lengths(code, block)
        total = code.int(0)
        for array, own in self.layout.scratch:
            total = total + rounded(self.row(array, lengths) * (b.min(ROWS) if own else 1))
        return total

    def common_sizes(self, code: Code, block: Int) -> dict[str, Int]:
        """Return the bytes of scratch memory, and of what depends on vectors alone."""
        (n,) = self.frame.read(code, block, 'parts')
        sizes = {'scratch': self.scratch_bytes(code, block) * n}
        if self.layout.fixed is not None:
            lengths = self.lengths(code, block)
            for place in self.layout.fixed.stages[0].stores:
                sizes[place.array.name] = self.row(place.array, lengths)
        return sizes

    # --- where things are

    def constant_places(self, code: Code, block: Int, areas: dict[str, Int]) -> dict[str, Where]:
        """Return where the arrays of one row are."""
        zero = code.int(0)
        found = {}
        for name in self.form.vectors:
            found[f'vector {name}'] = Where(self.frame.read(code, block, name)[0], zero)
        if self.layout.fixed is not None:
            for place in self.layout.fixed.stages[0].stores:
                found[place.array.name] = Where(areas[place.array.name], zero)
        return found

    def write_fixed(self, code: Code, block: Int, areas: dict[str, Int]) -> None:
        """Compute what depends on vectors alone."""
        if self.layout.fixed is None:
            return
        lengths, where = self.lengths(code, block), self.constant_places(code, block, areas)
        numbers = self.numbers(code, lengths)
        Passes(code, self.layout.fixed, where, lengths, numbers, {}, None).segment([0], 0, 1)

    def scratch_places(
        self, code: Code, block: Int, start: Int, lengths: Lengths, first: Int
    ) -> dict[str, Where]:
        """Return where scratch arrays are, of which row 0 is row `first` of all examples."""
        (b,) = self.frame.read(code, block, 'B')
        found, zero = {}, code.int(0)
        for array, own in self.layout.scratch:
            row = self.row(array, lengths)
            found[array.name] = Where(start - first * row, row) if own else Where(start, zero)
            start = start + rounded(row * (b.min(ROWS) if own else 1))
        return found

    def whole(self, code: Code, block: Int, name: str, blocks: Sequence[str], first: Int) -> Where:
        """Return where row `first` of all steps is, in an array (T, B, ...)."""
        lengths = self.lengths(code, block)
        (start,), row = self.frame.read(code, block, name), self.row(blocks, lengths)
        return Where(start + first * row, row)

    def time(self, number: Int, steps: Int) -> Int:
        """Return the time of a step, given its number among those that are walked."""
        return steps - 1 - number if self.walk.reverse else number

    def states(self, code: Code, block: Int, number: Int, turns: dict[int, Int]) -> list[State]:
        """Return where the states are before and after a step.

        `turns` are, for states of which the last step alone is stored, rooms for one step. Steps
        are put there and into the output by turns, so that the last one is put into the output.
        """
        steps, b = self.frame.read(code, block, 'T', 'B')
        lengths, t, found = self.lengths(code, block), self.time(number, steps), []
        for k, (length, one_row) in enumerate(zip(self.form.states, self.walk.rows, strict=True)):
            first, output = self.frame.read(code, block, f'initial{k}', f'new{k}')
            row = lengths[length] * self.target.size
            new = output + t * b * row
            before = new + b * row if self.walk.reverse else new - b * row
            if k in turns:
                to_output = ((steps - 1 - number) % 2).equals(0)
                new = to_output.pick(output, turns[k])
                before = to_output.pick(turns[k], output)
            found.append(State(first, one_row, new, before, number > 0, row))
        return found

    def real_rows(self, code: Code, block: Int, first: Int) -> Callable[[Int], Flag] | None:
        """Return what says whether a row of a step is real; `first` is its first of all steps."""
        if not self.walk.masked:
            return None
        (start,) = self.frame.read(code, block, 'mask')
        return lambda r: mask.is_real(code, start, first + r)
