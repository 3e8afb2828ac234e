"""The loop of a cell without a product, forward: a whole sequence in one call.

In: a `StagedForm` without cuts, a `Target`, a `Walk`, whether a backward follows, and of which
states all steps are needed. Out: a kernel, see `rnnkit.kernels.language.writer`; its inputs and
outputs are those of `frame_forward`.
"""

from collections.abc import Sequence

from rnnkit.kernels.language.elementary import OPERATIONS
from rnnkit.kernels.language.elements import copy_row, each_width
from rnnkit.kernels.language.threads import flushed, parts, worker, write_parallel
from rnnkit.kernels.language.vector import Code, Flag, Int, Target, Unit, Vec
from rnnkit.kernels.language.writer import Writer
from rnnkit.kernels.recurrent import mask
from rnnkit.kernels.recurrent.walk import Walk
from rnnkit.kernels.staged.arrays_of import frame_forward
from rnnkit.kernels.staged.elementwise import Blocks, Fixed, Pass, Share, cost, passes
from rnnkit.kernels.staged.form import StagedForm


class ElementwiseForward(Writer):
    """Writer of the forward kernel of a form without cuts.

    Parameters
    ----------
    form : StagedForm
    target : Target
    walk : Walk
    keep : bool
        Whether residuals are an output, for a backward.
    whole : sequence of bool
        For each state, whether all its steps are an output, or the last one alone.
    """

    def __init__(
        self, form: StagedForm, target: Target, walk: Walk, keep: bool, whole: Sequence[bool]
    ):
        self.form, self.walk, self.whole = form, walk, tuple(whole)
        self.residuals = form.residuals if keep else []
        self.passes = [p for p in passes(form) if p.states]
        self.fixed = {p.length: Fixed(p, self.outputs(p), set()) for p in self.passes}
        description = repr((form.key, walk, keep, self.whole))
        super().__init__(target, frame_forward(form, walk, keep, whole), description)

    def outputs(self, part: Pass) -> list[int]:
        """Return the nodes that a pass computes."""
        return [*part.new, *(self.residuals[k] for k in self.kept(part))]

    def kept(self, part: Pass) -> list[int]:
        """Return the numbers of the residuals of a pass."""
        lengths = [self.form.lengths[i] for i in self.residuals]
        return [k for k, length in enumerate(lengths) if length == part.length]

    def write_functions(self, unit: Unit) -> None:
        """Write the functions that `run` calls."""
        write_parallel(unit)
        with worker(unit, 'steps') as (code, part, n_parts, block):
            for p in self.passes:
                ForwardLoop(self, p, code, block).write(part, n_parts)

    def sizes(self, code: Code, block: Int) -> dict[str, Int]:
        """Return the bytes of each area of work memory."""
        return {
            f'fixed{letter}': fixed.size(self.frame.read(code, block, letter)[0]) * self.target.size
            for letter, fixed in self.fixed.items()
        }

    def run(self, code: Code, desc: Int, block: Int) -> None:
        """Write the body of ``run``."""
        areas = self.areas(code, block, self.stage(code, desc, block))
        t, b = self.frame.read(code, block, 'T', 'B')
        work, vectors = code.int(0), code.int(0)
        with flushed(code):
            for p in self.passes:
                (n,) = self.frame.read(code, block, p.length)
                self.fixed[p.length].write(code, areas[f'fixed{p.length}'], self.frame, block)
                work = work + n * cost(p, self.outputs(p), set(self.fixed[p.length].nodes))
                vectors = vectors.max(n.ceil_div(self.target.lanes))
        n_parts = parts(code, b * vectors, t * b * work)
        code.call('parallel', code.address_of('steps'), n_parts, block)
        with code.when(t.equals(0)):
            self._stay(code, block)

    def _stay(self, code: Code, block: Int) -> None:
        """Return initial states as the last ones: there is no step."""
        for k in [k for k, all_ in enumerate(self.whole) if not all_]:
            names = f'initial{k}', f'new{k}', 'B', self.form.states[k]
            first, new, b, n = self.frame.read(code, block, *names)
            row = n * self.target.size
            with code.loop(0, b) as r:
                copy_row(code, first if self.walk.rows[k] else first + r * row, new + r * row, n)


class ForwardLoop:
    """The steps of one pass.

    Parameters
    ----------
    writer : ElementwiseForward
    part : Pass
    code : Code
        The function that is being written.
    block : Int
    """

    def __init__(self, writer: ElementwiseForward, part: Pass, code: Code, block: Int):
        # All is read here, before any loop: behind a store, LLVM would read it again.
        form, frame, self.part, self.code = writer.form, writer.frame, part, code
        self.writer, self.walk, self.size = writer, writer.walk, code.target.size
        self.t, self.b, self.n = frame.read(code, block, 'T', 'B', part.length)
        (work,) = frame.read(code, block, 'work')
        start = writer.areas(code, block, work)[f'fixed{part.length}']
        self.fixed = writer.fixed[part.length].loads(code, start, frame, block)
        self.z = Blocks(code, frame, block, 'z', form.z)
        self.direct = Blocks(code, frame, block, 'direct', form.direct) if form.direct else None
        self.first = [frame.read(code, block, f'initial{k}')[0] for k in part.states]
        self.new = [Blocks(code, frame, block, f'new{k}', [part.length]) for k in part.states]
        if writer.residuals:
            lengths = [form.lengths[i] for i in writer.residuals]
            self.residual = Blocks(code, frame, block, 'residual', lengths)
        (self.mask,) = frame.read(code, block, 'mask') if self.walk.masked else [None]

    def write(self, part: Int, n_parts: Int) -> None:
        """Write the loop for one part of the vectors."""
        code = self.code
        share = Share.of(code, (self.b, self.n, code.int(1)), part, n_parts)
        steps = self.steps_at_once()
        with code.loop(0, self.t, steps) as start:
            end = self.t.min(start + steps)
            with share.each(code) as (_, r, v):
                j = v * code.target.lanes
                each_width(code, self.n - j, lambda lanes: self._vector(start, end, r, j, lanes))

    def steps_at_once(self) -> Int:
        import os

        return self.code.int(int(os.environ.get('FSTEPS', '1')))

    def row(self, step: Int, r: Int) -> Int:
        """Return the row of an example at a step, counted through all steps."""
        t = self.t - 1 - step if self.walk.reverse else step
        return t * self.b + r

    def _vector(self, start: Int, end: Int, r: Int, j: Int, lanes: Flag | None) -> None:
        """Do some steps of units `j`... of example `r`."""
        code, part, program = self.code, self.part, self.part.program
        fixed = {i: load(j, lanes) for i, load in self.fixed.items()}
        states = [code.var(value) for value in self._old(start, r, j, lanes)]
        with code.loop(start, end) as step:
            row = self.row(step, r)
            known = {i: (lambda value=value: value) for i, value in fixed.items()}
            old = [state.get() for state in states]
            for k, value in zip(part.states, old, strict=True):
                known[program.input(f'state{k}')] = lambda value=value: value
            for k in part.z:
                known[program.input(f'z{k}')] = lambda k=k: self.z.load(k, row, j, lanes)
            for k in part.direct:
                known[program.input(f'direct{k}')] = lambda k=k: self.direct.load(k, row, j, lanes)
            outputs = self.writer.outputs(part)
            values = program.evaluate(outputs, known, code.vec, OPERATIONS)
            values = [code.vec(value) for value in values]
            n = len(states)
            if self.walk.masked:
                values[:n] = mask.hold(mask.is_real(code, self.mask, row), values[:n], old)
            for k, state, new, value in zip(part.states, states, self.new, values, strict=False):
                state.set(value)
                if self.writer.whole[k]:
                    code.store(value, new.place(0, row, j), lanes)
            for k, value in zip(self.writer.kept(part), values[n:], strict=True):
                code.store(value, self.residual.place(k, row, j), lanes)
        for k, state, new in zip(part.states, states, self.new, strict=True):
            if not self.writer.whole[k]:
                code.store(state.get(), new.place(0, r, j), lanes)

    def _old(self, start: Int, r: Int, j: Int, lanes: Flag | None) -> list[Vec]:
        """Load the states before step `start`."""
        values = []
        for k, first, new in zip(self.part.states, self.first, self.new, strict=True):
            at = first + j * self.size
            if not self.walk.rows[k]:
                at = at + r * new.row
            row = self.row(start - 1, r) if self.writer.whole[k] else r
            at = (start > 0).pick(new.place(0, row, j), at)
            values.append(self.code.load(at, lanes))
        return values
