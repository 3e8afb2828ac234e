"""The staged loop, forward: a whole sequence in one call.

In: a `StagedForm` with cuts, a `Target`, a `Walk`, whether a backward follows, and of which states
all steps are needed. Out: a kernel, see `rnnkit.kernels.language.writer`; its inputs and outputs
are those of `rnnkit.kernels.staged.arrays_of.frame_forward`.

Each step goes through the segments of its `Plan`: an elementwise pass over the units of some rows,
then the products that need it, with weights that are packed once per call. For a row or two, as in
a stream, the weights are read where they are.
"""

from collections.abc import Sequence

from rnnkit.kernels.language import gemm, one_row, products
from rnnkit.kernels.language.elements import copy_row
from rnnkit.kernels.language.threads import flushed, part_of, worker, write_parallel
from rnnkit.kernels.language.vector import Code, Int, Target, Unit
from rnnkit.kernels.recurrent.walk import Walk
from rnnkit.kernels.staged.arrays_of import frame_forward, residual_lengths
from rnnkit.kernels.staged.base import ROWS, StagedWriter
from rnnkit.kernels.staged.form import StagedForm
from rnnkit.kernels.staged.layout_forward import ForwardLayout
from rnnkit.kernels.staged.passes import Passes, Where

FEW = 3  # rows, of all steps together, for which weights are not packed


class StagedForward(StagedWriter):
    """Writer of the forward kernel of a form with cuts.

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
        self.keep = keep
        self.last_alone = [k for k, all_ in enumerate(whole) if not all_]
        super().__init__(
            form,
            target,
            walk,
            ForwardLayout(form, walk.masked, keep).layout(),
            frame_forward(form, walk, keep, whole),
            repr((form.key, walk, keep, tuple(whole))),
        )

    def write_functions(self, unit: Unit) -> None:
        """Write the functions that `run` calls."""
        for vectors in gemm.WIDTHS:
            gemm.write_rows(unit, vectors, fresh=True)
            products.write_pack(unit, vectors)
        write_parallel(unit)
        with worker(unit, 'steps') as (code, part, n_parts, block):
            self._steps(code, part, n_parts, block, few=False)
        if not self.keep:  # training has many rows
            one_row.write_single(unit)
            with unit.function('few', 'block') as (code, block):
                self._steps(code, code.int(0), code.int(1), block, few=True)

    def sizes(self, code: Code, block: Int) -> dict[str, Int]:
        """Return the bytes of each area of work memory."""
        (b,), lengths = self.frame.read(code, block, 'B'), self.lengths(code, block)
        panels = {
            f'panels{k}': gemm.panel_bytes(
                code, self.columns(k, lengths), self.terms(k, lengths), gemm.WIDE
            )
            for k in self.layout.left
        }
        turns = {
            f'turn{k}': lengths[self.form.states[k]] * b * self.target.size for k in self.last_alone
        }
        return panels | turns | self.common_sizes(code, block)

    def run(self, code: Code, desc: Int, block: Int) -> None:
        """Write the body of ``run``: pack the weights, then do all steps."""
        areas = self.areas(code, block, self.stage(code, desc, block))
        t, b, n_parts = self.frame.read(code, block, 'T', 'B', 'parts')
        with flushed(code):
            self.write_fixed(code, block, areas)

        def few() -> None:
            with flushed(code):
                code.call('few', block)

        def packed() -> None:
            lengths = self.lengths(code, block)
            for k in self.layout.left:
                start, row = self.weight(code, block, k)
                columns = self.columns(k, lengths)
                args = (start, row, self.terms(k, lengths), columns, areas[f'panels{k}'])
                products.call(code, 'pack', columns, *args)
            code.call('parallel', code.address_of('steps'), n_parts, block)

        if self.keep:
            packed()
        else:
            code.choose(t * b <= FEW, few, packed)
        with code.when(t.equals(0)):
            self._stay(code, block)

    def _stay(self, code: Code, block: Int) -> None:
        """Return initial states as the last ones: there is no step."""
        (b,), lengths = self.frame.read(code, block, 'B'), self.lengths(code, block)
        for k in self.last_alone:
            first, new = self.frame.read(code, block, f'initial{k}', f'new{k}')
            n = lengths[self.form.states[k]]
            row = n * self.target.size
            with code.loop(0, b) as r:
                copy_row(code, first + r * (row * int(not self.walk.rows[k])), new + r * row, n)

    def _steps(self, code: Code, part: Int, n_parts: Int, block: Int, few: bool) -> None:
        """Do all steps for one part of the rows."""
        plan = self.layout.plan
        steps, b, work = self.frame.read(code, block, 'T', 'B', 'work')
        areas, lengths = self.areas(code, block, work), self.lengths(code, block)
        numbers = self.numbers(code, lengths)
        first, last = part_of(b, part, n_parts)
        blocks = (last - first).ceil_div(ROWS)
        scratch = areas['scratch'] + part * self.scratch_bytes(code, block)
        turns = {k: areas[f'turn{k}'] for k in self.last_alone}
        constant = self.constant_places(code, block, areas)
        with code.loop(0, steps) as number:
            row = self.time(number, steps) * b
            there = constant | self._places(code, block, number, row, turns)
            passes = Passes(
                code, plan, there, lengths, numbers, {}, self.real_rows(code, block, row)
            )
            with code.loop(0, blocks) as q:
                start, m = gemm.block_of(code, first, last, q, blocks)
                passes.where |= self.scratch_places(code, block, scratch, lengths, start)
                some = start, start + m
                for stages in plan.segments:
                    passes.segment(stages, *some)
                    for k in plan.stages[stages[-1]].products:
                        self._product(code, block, k, passes, some, areas, few)

    def _places(
        self, code: Code, block: Int, number: Int, row: Int, turns: dict[int, Int]
    ) -> dict[str, Where]:
        """Return where all arrays but those in scratch memory are at a step."""
        found = {'z': self.whole(code, block, 'z', self.form.z, row)}
        if self.form.direct:
            found['direct'] = self.whole(code, block, 'direct', self.form.direct, row)
        if self.keep and self.form.residuals:
            lengths = residual_lengths(self.form)
            found['residual'] = self.whole(code, block, 'residual', lengths, row)
        lengths = self.lengths(code, block)
        for k, state in enumerate(self.states(code, block, number, turns)):
            found[f'old{k}'] = Where(state.old, state.old_row)
            found[f'new{k}'] = Where(state.new, lengths[self.form.states[k]] * self.target.size)
        return found

    def _product(
        self,
        code: Code,
        block: Int,
        k: int,
        passes: Passes,
        rows: tuple[Int, Int],
        areas: dict[str, Int],
        few: bool,
    ) -> None:
        """Compute product k for some rows."""
        lengths = self.lengths(code, block)
        left, left_row = passes.block(self.layout.left[k])
        to, to_row = passes.block(self.layout.right[k])
        terms, columns = self.terms(k, lengths), self.columns(k, lengths)
        if few:
            weight, row = self.weight(code, block, k)
            with code.loop(*rows) as r:
                one_row.multiply(
                    code, left + r * left_row, weight, row, terms, columns, to + r * to_row
                )
        else:
            size, panels = self.target.size, areas[f'panels{k}']
            products.put_rows(code, left, left_row, size, panels, terms, to, to_row, *rows, columns)
