"""The loop of a cell without a product, backward: the gradients of a whole sequence in one call.

In: a `StagedForm` without cuts, a `Target`, a `Walk`, and which states' gradients are given. Out: a
kernel, see `rnnkit.kernels.language.writer`; its inputs and outputs are those of `frame_backward`.

A thread goes back through some steps of one vector of one example, with the gradients by its states
in registers, then does the same steps of the next vector. The gradients by vectors are sums over
all steps and examples. In registers are those of one vector for these steps; they are added to
compensated sums, which are kept for each group of examples, so that 100,000 steps lose no digits.
Groups do not depend on the number of threads, and so neither does any sum.
"""

from collections.abc import Sequence
from functools import partial

from rnnkit.kernels.language.elementary import OPERATIONS
from rnnkit.kernels.language.elements import clear, each_vector, each_width
from rnnkit.kernels.language.reductions import Sum
from rnnkit.kernels.language.threads import flushed, parts, worker, write_parallel
from rnnkit.kernels.language.vector import Code, Flag, Int, Target, Unit, Vec
from rnnkit.kernels.language.writer import Writer
from rnnkit.kernels.recurrent import mask
from rnnkit.kernels.recurrent.walk import Walk
from rnnkit.kernels.staged.arrays_of import frame_backward, residual_lengths
from rnnkit.kernels.staged.elementwise import Blocks, Fixed, Pass, Share, cost, passes
from rnnkit.kernels.staged.form import StagedForm

SHARES = 64  # so many parts may share the work, before a group has more than one example
MOST_EXAMPLES = 64  # of a group


class Summed(Pass):
    """A pass, and the blocks of vectors whose gradients it sums.

    Attributes
    ----------
    blocks : list of int
        The numbers of the blocks, counted through all vectors.
    outputs : list of int
        The nodes of the gradients: those by z, by old states, by vectors.
    """

    def __init__(self, part: Pass):
        form = part.form
        super().__init__(form, part.length)
        nodes = form.d_vectors
        self.blocks = [k for k, i in enumerate(nodes) if form.lengths[i] == part.length]
        by_z, by_states = ([form.d_z[k] for k in self.z], [form.d_states[k] for k in self.states])
        self.outputs = [*by_z, *by_states, *(nodes[k] for k in self.blocks)]
        # New states that the mathematics made: the forward has stored them.
        self.stored = {form.new[k]: k for k in self.states if part.program.operands(form.new[k])}
        lengths = residual_lengths(form)
        self.residuals = {i: k for k, i in enumerate(form.residuals) if lengths[k] == part.length}
        self.known = {*self.stored, *self.residuals}


class ElementwiseBackward(Writer):
    """Writer of the backward kernel of a form without cuts.

    Parameters
    ----------
    form : StagedForm
    target : Target
    walk : Walk
    given : sequence of bool
        For which states the caller gives a gradient.
    """

    def __init__(self, form: StagedForm, target: Target, walk: Walk, given: Sequence[bool]):
        self.form, self.walk, self.given = form, walk, tuple(given)
        self.passes = [Summed(p) for p in passes(form)]
        self.fixed = {p.length: Fixed(p, p.outputs, p.known) for p in self.passes}
        description = repr((form.key, walk, self.given))
        super().__init__(target, frame_backward(form, walk, given), description)

    def write_functions(self, unit: Unit) -> None:
        """Write the functions that `run` calls."""
        write_parallel(unit)
        with worker(unit, 'steps') as (code, part, n_parts, block):
            for p in self.passes:
                BackwardLoop(self, p, code, block).write(part, n_parts)

    def group_size(self, code: Code, block: Int, p: Pass) -> Int:
        """Return how many examples share sums."""
        b, n = self.frame.read(code, block, 'B', p.length)
        vectors = n.ceil_div(self.target.lanes)
        return (b * vectors // SHARES).min(MOST_EXAMPLES).max(1)

    def sizes(self, code: Code, block: Int) -> dict[str, Int]:
        """Return the bytes of each area of work memory."""
        sizes, size = {}, self.target.size
        (b,) = self.frame.read(code, block, 'B')
        for p in self.passes:
            (n,) = self.frame.read(code, block, p.length)
            groups = b.ceil_div(self.group_size(code, block, p))
            sizes[f'fixed{p.length}'] = self.fixed[p.length].size(n) * size
            sizes[f'sums{p.length}'] = groups * n * (2 * len(p.blocks) * size)
            for k in p.states:
                if self.walk.rows[k]:
                    sizes[f'carry{k}'] = b * n * size
        return sizes

    def carry(self, code: Code, block: Int, areas: dict[str, Int], k: int) -> Int:
        """Return where the gradient by state k is passed from steps to steps, (B, its length)."""
        # With an initial state for each example, what is carried before the first step is the
        # output itself; one row for all examples needs room for B of them first.
        if self.walk.rows[k]:
            return areas[f'carry{k}']
        return self.frame.read(code, block, f'd_initial{k}')[0]

    def run(self, code: Code, desc: Int, block: Int) -> None:
        """Write the body of ``run``."""
        areas = self.areas(code, block, self.stage(code, desc, block))
        t, b = self.frame.read(code, block, 'T', 'B')
        work, shares = code.int(0), code.int(0)
        with flushed(code):
            for p in self.passes:
                (n,) = self.frame.read(code, block, p.length)
                fixed, groups = self.fixed[p.length], b.ceil_div(self.group_size(code, block, p))
                fixed.write(code, areas[f'fixed{p.length}'], self.frame, block)
                clear(code, areas[f'sums{p.length}'], groups * n * (2 * len(p.blocks)))
                for k in p.states:
                    with code.when(t.equals(0)):
                        clear(code, self.carry(code, block, areas, k), b * n)
                work = work + n * cost(p, p.outputs, {*p.known, *fixed.nodes})
                shares = shares.max(groups * n.ceil_div(self.target.lanes))
        n_parts = parts(code, shares, t * b * work)
        code.call('parallel', code.address_of('steps'), n_parts, block)
        with flushed(code):
            self._finish(code, block, areas)

    def _finish(self, code: Code, block: Int, areas: dict[str, Int]) -> None:
        """Add up what groups and examples have each given."""
        form, size = self.form, self.target.size
        owners = {k: p for p in self.passes for k in p.blocks}
        for number, (name, k) in enumerate(form.vector_blocks()):
            (to,) = self.frame.read(code, block, f'd_{name}')
            length = form.vectors[name][0]
            n = self.frame.length(code, block, length or '1')
            if number in owners:
                self._total(code, block, areas, owners[number], number, to + n * (k * size))
            else:  # what nothing depends on
                clear(code, to + n * (k * size), n)
        (b,) = self.frame.read(code, block, 'B')
        for k, length in enumerate(form.states):
            if self.walk.rows[k]:
                to, n = self.frame.read(code, block, f'd_initial{k}', length)
                rows = areas[f'carry{k}']

                def write(j: Int, lanes: Flag, rows=rows, n=n, to=to) -> None:
                    total = Sum(code)
                    with code.loop(0, b) as r:
                        total.add(code.load(rows + (r * n + j) * size, lanes))
                    code.store(total.lanes(), to + j * size, lanes)

                each_vector(code, n, write)

    def _total(
        self, code: Code, block: Int, areas: dict[str, Int], p: Summed, number: int, to: Int
    ) -> None:
        """Add up the sums of all groups; for a vector that is one number, those of all units."""
        size, m = self.target.size, len(p.blocks)
        b, n = self.frame.read(code, block, 'B', p.length)
        groups = b.ceil_div(self.group_size(code, block, p))
        start, row = areas[f'sums{p.length}'] + n * (p.blocks.index(number) * size), n * (m * size)
        lost = groups * row

        def add(total: Sum, j: Int, lanes: Flag) -> None:
            with code.loop(0, groups) as g:
                at = start + g * row + j * size
                total.add(code.load(at, lanes))
                total.add(code.load(at + lost, lanes))

        name = self.form.vector_blocks()[number][0]
        if self.form.vectors[name][0]:

            def write(j: Int, lanes: Flag) -> None:
                total = Sum(code)
                add(total, j, lanes)
                code.store(total.lanes(), to + j * size, lanes)

            each_vector(code, n, write)
        else:
            total = Sum(code)
            each_vector(code, n, partial(add, total))
            code.store(total.value(), to, code.tail(code.int(1)))


class BackwardLoop:
    """The steps of one pass.

    Parameters
    ----------
    writer : ElementwiseBackward
    part : Summed
    code : Code
        The function that is being written.
    block : Int
    """

    def __init__(self, writer: ElementwiseBackward, part: Summed, code: Code, block: Int):
        # All is read here, before any loop: behind a store, LLVM would read it again.
        form, frame, self.part, self.code = writer.form, writer.frame, part, code
        self.writer, self.walk, self.size = writer, writer.walk, code.target.size
        self.t, self.b, self.n = frame.read(code, block, 'T', 'B', part.length)
        (work,) = frame.read(code, block, 'work')
        areas = writer.areas(code, block, work)
        self.group = writer.group_size(code, block, part)
        start = areas[f'fixed{part.length}']
        self.fixed = writer.fixed[part.length].loads(code, start, frame, block)
        blocks = partial(Blocks, code, frame, block)
        self.z, self.d_z = blocks('z', form.z), blocks('d_z', form.z)
        self.direct = blocks('direct', form.direct) if form.direct else None
        self.first = [frame.read(code, block, f'initial{k}')[0] for k in part.states]
        self.new = [blocks(f'new{k}', [part.length]) for k in part.states]
        self.d_new = {k: blocks(f'd_new{k}', [part.length]) for k in part.states if writer.given[k]}
        self.carries = [writer.carry(code, block, areas, k) for k in part.states]
        if part.residuals:
            self.residual = blocks('residual', residual_lengths(form))
        (self.mask,) = frame.read(code, block, 'mask') if self.walk.masked else [None]
        row = self.n * (len(part.blocks) * self.size)
        self.sums, self.lost = areas[f'sums{part.length}'], self.b.ceil_div(self.group) * row
        self.sums_row = row

    def write(self, part: Int, n_parts: Int) -> None:
        """Write the loop for one part of the vectors."""
        code, lanes = self.code, self.code.target.lanes
        share = Share.of(code, (self.b, self.n, self.group), part, n_parts)
        steps = self.steps_at_once()
        # Gradients stop between segments, and are passed on from chunk to chunk of a segment.
        limit = self.walk.bptt_limit or self.t.max(1)
        segments = self.t.ceil_div(limit)
        with code.loop(0, segments) as s:
            low = (segments - 1 - s) * limit
            high = self.t.min(low + limit)
            chunks = (high - low).ceil_div(steps)
            with code.loop(0, chunks) as c:
                start = low + (chunks - 1 - c) * steps
                end = high.min(start + steps)
                with share.each(code) as (g, r, v):
                    j = v * lanes
                    place = start, end, c > 0, g, r, j
                    each_width(
                        code, self.n - j, lambda tail, place=place: self._vector(*place, tail)
                    )

    def steps_at_once(self) -> Int:
        import os

        return self.code.int(int(os.environ.get('BSTEPS', '8')))

    def row(self, step: Int, r: Int) -> Int:
        """Return the row of an example at a step, counted through all steps."""
        t = self.t - 1 - step if self.walk.reverse else step
        return t * self.b + r

    def _vector(
        self, start: Int, end: Int, carried: Flag, g: Int, r: Int, j: Int, lanes: Flag | None
    ) -> None:
        """Go back through some steps of units `j`... of example `r`, which is in group `g`."""
        code, part = self.code, self.part
        fixed = {i: load(j, lanes) for i, load in self.fixed.items()}
        at = [carry + (r * self.n + j) * self.size for carry in self.carries]
        carries = [code.var(carried.pick(code.load(place, lanes), 0.0)) for place in at]
        sums = [code.var(code.vec(0.0)) for _ in part.blocks]
        with code.loop(0, end - start) as done:
            step = end - 1 - done
            values = self._step(step, r, j, lanes, fixed, carries)
            n = len(part.z)
            for k, value in zip(part.z, values, strict=False):
                code.store(value, self.d_z.place(k, self.row(step, r), j), lanes)
            for carry, value in zip(carries, values[n:], strict=False):
                carry.set(value)
            for total, value in zip(sums, values[n + len(carries) :], strict=True):
                total.set(total.get() + value)
        for place, carry in zip(at, carries, strict=True):
            code.store(carry.get(), place, lanes)
        for k, total in enumerate(sums):
            place = self.sums + g * self.sums_row + (self.n * k + j) * self.size
            both = Sum(code)
            both.add(total.get())
            both.add_to(place, place + self.lost, lanes)

    def _step(self, step, r, j, lanes, fixed, carries) -> list[Vec]:
        """Return the gradients by z, old states and vectors of one step."""
        code, part, program = self.code, self.part, self.part.program
        row = self.row(step, r)
        known = {i: (lambda value=value: value) for i, value in fixed.items()}
        upstream = []
        for k, carry in zip(part.states, carries, strict=True):
            value = carry.get()
            if k in self.d_new:
                value = value + self.d_new[k].load(0, row, j, lanes)
            upstream.append(value)
            known[program.input(f'grad{k}')] = lambda value=value: value
        before = self.row(step - 1, r)
        for k, first, new in zip(part.states, self.first, self.new, strict=True):
            initial = first + j * self.size
            if not self.walk.rows[k]:
                initial = initial + r * new.row
            at = (step > 0).pick(new.place(0, before, j), initial)
            known[program.input(f'state{k}')] = lambda at=at: code.load(at, lanes)
            if form_node := next((i for i, own in part.stored.items() if own == k), None):
                known[form_node] = lambda new=new: new.load(0, row, j, lanes)
        for k in part.z:
            known[program.input(f'z{k}')] = lambda k=k: self.z.load(k, row, j, lanes)
        for k in part.direct:
            known[program.input(f'direct{k}')] = lambda k=k: self.direct.load(k, row, j, lanes)
        for i, k in part.residuals.items():
            known[i] = lambda k=k: self.residual.load(k, row, j, lanes)
        values = program.evaluate(part.outputs, known, code.vec, OPERATIONS)
        values = [code.vec(value) for value in values]
        if self.walk.masked:
            real = mask.is_real(code, self.mask, row)
            values = mask.pass_on(real, values, upstream, len(part.z))
        return values
