"""The loop of a cell without a product, backward: the gradients of a whole sequence in one call.

In: a `StagedForm` without cuts, a `Target`, a `Walk`, and which states' gradients are given. Out: a
kernel, see `rnnkit.kernels.language.writer`; its inputs and outputs are those of `frame_backward`.

A thread goes back through some steps of one vector of one example, with the gradients by its states
in registers, then does the same steps of the next vector. The gradients by vectors are sums over
all steps and examples. In registers are those of one vector for these steps; they are added to
compensated sums, which are kept for each group of examples, so that 100,000 steps lose no digits.
Groups do not depend on the number of threads, and so neither does any sum.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from rnnkit.kernels.language.elements import clear, each_vector, each_width
from rnnkit.kernels.language.reductions import Sum, two_sum
from rnnkit.kernels.language.threads import flushed, parts, worker, write_parallel
from rnnkit.kernels.language.vector import Code, Flag, Int, Target, Unit, Vec
from rnnkit.kernels.language.writer import Writer
from rnnkit.kernels.recurrent import mask
from rnnkit.kernels.recurrent.walk import Walk
from rnnkit.kernels.staged.arrays_of import frame_backward, residual_lengths
from rnnkit.kernels.staged.elementwise import Fixed, Pass, cost, passes
from rnnkit.kernels.staged.elementwise_loop import FEW, MOST, Blocks, Loop, Share
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
    stored, kept : dict of int to int
        The nodes that the forward has stored: for new states the number of the state, for
        residuals the number of the residual.
    """

    def __init__(self, form: StagedForm, length: str, first: bool):
        super().__init__(form, length, first)
        nodes = form.d_vectors
        self.blocks = [k for k, i in enumerate(nodes) if form.lengths[i] == length]
        by_z, by_states = ([form.d_z[k] for k in self.z], [form.d_states[k] for k in self.states])
        self.outputs = [*by_z, *by_states, *(nodes[k] for k in self.blocks)]
        # New states that the mathematics made.
        self.stored = {form.new[k]: k for k in self.states if self.program.operands(form.new[k])}
        own = residual_lengths(form)
        self.kept = {i: k for k, i in enumerate(form.residuals) if own[k] in (length, '')}


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
        self.passes = passes(form, Summed)
        self.fixed = {p.length: Fixed(p, p.outputs, {*p.stored, *p.kept}) for p in self.passes}
        description = repr((form.key, walk, self.given))
        super().__init__(target, frame_backward(form, walk, given), description)

    def write_functions(self, unit: Unit) -> None:
        """Write the functions that `run` calls."""
        write_parallel(unit)
        with worker(unit, 'steps') as (code, part, n_parts, block):
            (work,) = self.frame.read(code, block, 'work')
            areas = self.areas(code, block, work)
            for p in self.passes:
                start = areas[f'fixed{p.length}']
                loads = self.fixed[p.length].loads(code, start, self.frame, block)
                loop = BackwardLoop(p, self.walk, self.frame, code, block, loads, back=True)
                loop.write(self._gradients(code, block, areas, loop), part, n_parts)

    def _gradients(
        self, code: Code, block: Int, areas: dict[str, Int], loop: 'BackwardLoop'
    ) -> 'Gradients':
        """Return where the gradients of a pass are."""
        p, (b, n) = loop.part, self.frame.read(code, block, 'B', loop.part.length)
        group = self.group_size(code, block, p)
        sums = areas[f'sums{p.length}']
        return Gradients(
            carries=[self.carry(code, block, areas, k) for k in p.states],
            d_z=loop.blocks('d_z', self.form.z),
            d_new={k: loop.blocks(f'd_new{k}', [p.length]) for k in p.states if self.given[k]},
            sums=sums,
            lost=sums + b.ceil_div(group) * n * (len(p.blocks) * self.target.size),
            group=group,
        )

    def group_size(self, code: Code, block: Int, p: Summed) -> Int:
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
                work = work + n * cost(p, p.outputs, {*p.stored, *p.kept, *fixed.nodes})
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


class Gradients(NamedTuple):
    """Places of gradients in the backward loop.

    Attributes
    ----------
    carries : list of Int
        Where the gradient by each state is passed on, (B, units).
    d_z : Blocks
    d_new : dict of int to Blocks
        The gradients that the caller gives, by the number of the state.
    sums, lost : Int
        The sums of each group, and what rounding has taken away from them.
    group : Int
        The number of examples of a group.
    """

    carries: list[Int]
    d_z: Blocks
    d_new: dict[int, Blocks]
    sums: Int
    lost: Int
    group: Int


class BackwardLoop(Loop):
    """The steps of one pass, backward."""

    part: Summed

    def write(self, gradients: Gradients, part: Int, n_parts: Int) -> None:
        """Write the loop for one part of the vectors."""
        code = self.code
        share = Share.of(code, (self.b, self.n, gradients.group), part, n_parts)
        # Not by the share: sums would depend on the number of threads.
        steps = (self.b * share.vectors).equals(1).pick(MOST, FEW)
        self._list(gradients)
        # Gradients stop between segments, and are passed on from chunk to chunk of a segment.
        limit = self.walk.bptt_limit or self.t.max(1)
        segments = self.t.ceil_div(limit)
        with code.loop(0, segments) as s:
            low = (segments - 1 - s) * limit
            high = self.t.min(low + limit)
            chunks = (high - low).ceil_div(steps)
            with code.loop(0, chunks) as c:
                start = low + (chunks - 1 - c) * steps
                chunk = start, high.min(start + steps)
                with share.each(code) as (g, r, v):
                    j = v * code.target.lanes
                    write = partial(self._vector, gradients, chunk, c > 0, (g, r), j)
                    each_width(code, self.n - j, write)

    def _list(self, gradients: Gradients) -> None:
        """List the blocks that each step reads and writes."""
        part = self.part
        live = part.program.reach(part.outputs, {*self.fixed, *part.stored, *part.kept})
        self.wanted += self.reads(live)
        self.wanted += [(new, 0, False) for new in self.new]
        self.wanted += [(self.residual, k, False) for k in part.kept.values()]
        self.wanted += [(given, 0, False) for given in gradients.d_new.values()]
        self.wanted += [(gradients.d_z, k, True) for k in part.z]

    def _vector(
        self,
        gradients: Gradients,
        chunk: tuple[Int, Int],
        begun: Flag,
        example: tuple[Int, Int],
        j: Int,
        lanes: Flag | None,
    ) -> None:
        """Go back through some steps of units `j`... of an example, given with its group."""
        code, part, (start, end), (g, r) = self.code, self.part, chunk, example
        size, n = code.target.size, len(part.z)
        fixed = self.unchanging(j, lanes)
        places = [carry + (r * self.n + j) * size for carry in gradients.carries]
        carries = [code.var(begun.pick(code.load(place, lanes), 0.0)) for place in places]
        sums = [code.var(code.vec(0.0)) for _ in part.blocks]
        with code.loop(0, end - start) as done:
            step = end - 1 - done
            row = self.row(step, r)
            self.ask(row, j)
            upstream = [carry.get() for carry in carries]
            for i, k in enumerate(part.states):
                if k in gradients.d_new:
                    upstream[i] = upstream[i] + gradients.d_new[k].load(0, row, j, lanes)
            known = fixed | self._stored(step, row, r, j, lanes)
            for k, value in zip(part.states, upstream, strict=True):
                known[part.program.input(f'grad{k}')] = lambda value=value: value
            values = self.evaluate(part.outputs, known)
            if self.walk.masked:
                values = mask.pass_on(self.real(row), values, upstream, n)
            for k, value in zip(part.z, values[:n], strict=True):
                gradients.d_z.store(value, k, row, j, lanes)
            for carry, value in zip(carries, values[n:], strict=False):
                carry.set(value)
            for total, value in zip(sums, values[n + len(carries) :], strict=True):
                total.set(total.get() + value)
        for place, carry in zip(places, carries, strict=True):
            code.store(carry.get(), place, lanes)
        row = (g * len(part.blocks) * self.n + j) * size
        for k, total in enumerate(sums):
            at = (
                gradients.sums + row + self.n * (k * size),
                gradients.lost + row + self.n * (k * size),
            )
            whole, lost = two_sum(code.load(at[0], lanes), total.get())
            code.store(whole, at[0], lanes)
            code.store(code.load(at[1], lanes) + lost, at[1], lanes)

    def _stored(
        self, step: Int, row: Int, r: Int, j: Int, lanes: Flag | None
    ) -> dict[int, Callable[[], Vec]]:
        """Return how to load what a step was given, and what the forward has stored."""
        part = self.part
        known = self.inputs(row, j, lanes)
        for k, at in zip(part.states, self.before(step, r, j), strict=True):
            known[part.program.input(f'state{k}')] = partial(self.code.load, at, lanes)
        for i, k in part.stored.items():
            known[i] = partial(self.new[part.states.index(k)].load, 0, row, j, lanes)
        for i, k in part.kept.items():
            known[i] = partial(self.residual.load, k, row, j, lanes)
        return known
