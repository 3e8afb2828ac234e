"""The loop of a cell without a product, forward: a whole sequence in one call.

In: a `StagedForm` without cuts, a `Target`, a `Walk`, whether a backward follows, and of which
states all steps are needed. Out: a kernel, see `rnnkit.kernels.language.writer`; its inputs and
outputs are those of `frame_forward`. How a thread goes through steps and vectors is told in
`rnnkit.kernels.staged.elementwise_loop`.
"""

from collections.abc import Sequence
from functools import partial

from rnnkit.kernels.language.elements import copy_row, each_width
from rnnkit.kernels.language.threads import flushed, parts, worker, write_parallel
from rnnkit.kernels.language.vector import Code, Flag, Int, Target, Unit
from rnnkit.kernels.language.writer import Writer
from rnnkit.kernels.recurrent import mask
from rnnkit.kernels.recurrent.walk import Walk
from rnnkit.kernels.staged.arrays_of import frame_forward
from rnnkit.kernels.staged.elementwise import Fixed, Pass, cost, passes
from rnnkit.kernels.staged.elementwise_loop import FEW, MOST, Loop, Share
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
        self.form, self.walk = form, walk
        self.last_alone = [k for k, all_ in enumerate(whole) if not all_]
        self.keep = keep and bool(form.residuals)
        self.passes = [p for p in passes(form) if p.states]
        self.fixed = {p.length: Fixed(p, self.outputs(p), set()) for p in self.passes}
        description = repr((form.key, walk, keep, tuple(whole)))
        super().__init__(target, frame_forward(form, walk, keep, whole), description)

    def outputs(self, part: Pass) -> list[int]:
        """Return the nodes that a pass computes."""
        kept = part.residuals if self.keep else []
        return [*part.new, *(self.form.residuals[k] for k in kept)]

    def write_functions(self, unit: Unit) -> None:
        """Write the functions that `run` calls."""
        write_parallel(unit)
        with worker(unit, 'steps') as (code, part, n_parts, block):
            (work,) = self.frame.read(code, block, 'work')
            areas = self.areas(code, block, work)
            for p in self.passes:
                start = areas[f'fixed{p.length}']
                loads = self.fixed[p.length].loads(code, start, self.frame, block)
                loop = ForwardLoop(
                    p, self.walk, self.frame, code, block, loads, last_alone=self.last_alone
                )
                loop.write(self.outputs(p), self.keep, part, n_parts)

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
        for k in self.last_alone:
            names = f'initial{k}', f'new{k}', 'B', self.form.states[k]
            first, new, b, n = self.frame.read(code, block, *names)
            row = n * self.target.size
            with code.loop(0, b) as r:
                copy_row(code, first if self.walk.rows[k] else first + r * row, new + r * row, n)


class ForwardLoop(Loop):
    """The steps of one pass, forward."""

    def write(self, outputs: Sequence[int], keep: bool, part: Int, n_parts: Int) -> None:
        """Write the loop for one part of the vectors."""
        code = self.code
        share = Share.of(code, (self.b, self.n, code.int(1)), part, n_parts)
        # The next operations of a processor that waits should be those of another vector.
        steps = share.is_one().pick(MOST, 1 if self.part.waits() else FEW)
        self._list(outputs, keep)
        with code.loop(0, self.t, steps) as start:
            steps_of_vector = start, self.t.min(start + steps)
            with share.each(code) as (_, r, v):
                j = v * code.target.lanes
                write = partial(self._vector, outputs, keep, steps_of_vector, r, j)
                each_width(code, self.n - j, write)

    def _list(self, outputs: Sequence[int], keep: bool) -> None:
        """List the blocks that each step reads and writes."""
        live = self.part.program.reach(outputs, self.fixed)
        self.wanted += self.reads(live)
        shown = zip(self.part.states, self.new, strict=True)
        self.wanted += [(new, 0, True) for k, new in shown if k not in self.last_alone]
        if keep:
            self.wanted += [(self.residual, k, True) for k in self.part.residuals]

    def _vector(
        self,
        outputs: Sequence[int],
        keep: bool,
        steps: tuple[Int, Int],
        r: Int,
        j: Int,
        lanes: Flag | None,
    ) -> None:
        """Do some steps of units `j`... of example `r`."""
        code, part = self.code, self.part
        fixed = self.unchanging(j, lanes)
        states = [code.var(code.load(at, lanes)) for at in self.before(steps[0], r, j)]
        n = len(states)
        with code.loop(*steps) as step:
            row = self.row(step, r)
            self.ask(row, j)
            old = [state.get() for state in states]
            known = fixed | self.inputs(row, j, lanes)
            for k, value in zip(part.states, old, strict=True):
                known[part.program.input(f'state{k}')] = lambda value=value: value
            values = self.evaluate(outputs, known)
            if self.walk.masked:
                values[:n] = mask.hold(self.real(row), values[:n], old)
            for k, state, new, value in zip(part.states, states, self.new, values[:n], strict=True):
                state.set(value)
                if k not in self.last_alone:
                    new.store(value, 0, row, j, lanes)
            if keep:
                for k, value in zip(part.residuals, values[n:], strict=True):
                    self.residual.store(value, k, row, j, lanes)
        for k, state, new in zip(part.states, states, self.new, strict=True):
            if k in self.last_alone:
                new.store(state.get(), 0, r, j, lanes)
