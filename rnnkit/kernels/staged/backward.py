"""The staged loop, backward: the gradients of a whole sequence in one call.

In: a `StagedForm` with cuts, a `Target`, a `Walk`, and which states' gradients are given. Out: a
kernel, see `rnnkit.kernels.language.writer`; its inputs and outputs are those of
`rnnkit.kernels.staged.arrays_of.frame_backward`.

Each step goes through its cuts in reverse: an elementwise pass computes the gradient by the result
of a product, and the product with the transposed weight the gradient by its left side, on which the
next pass depends. After every few steps (a `Chunk`) come the gradients by weights and vectors, see
`rnnkit.kernels.staged.weights`.
"""

from collections.abc import Sequence

from rnnkit.kernels.language import gemm, products
from rnnkit.kernels.language.elements import add_row, clear
from rnnkit.kernels.language.reductions import first, sum_of
from rnnkit.kernels.language.threads import flushed, part_of, write_rounds
from rnnkit.kernels.language.vector import Code, Flag, Int, Target, Unit, Vec
from rnnkit.kernels.recurrent.chunk import Chunk, n_chunks, old_states, steps_of_chunk
from rnnkit.kernels.recurrent.walk import Walk
from rnnkit.kernels.staged.arrays_of import frame_backward, residual_lengths
from rnnkit.kernels.staged.base import ROWS, StagedWriter
from rnnkit.kernels.staged.form import StagedForm
from rnnkit.kernels.staged.layout_backward import BackwardLayout
from rnnkit.kernels.staged.passes import Load, Passes, Where
from rnnkit.kernels.staged.plan import Place
from rnnkit.kernels.staged.reciprocals import with_reciprocals
from rnnkit.kernels.staged.weights import Columns, Outer, add_outer, write_columns, write_outer


class StagedBackward(StagedWriter):
    """Writer of the backward kernel of a form with cuts.

    Parameters
    ----------
    form : StagedForm
    target : Target
    walk : Walk
    given : sequence of bool
        For which states a gradient is given.
    """

    def __init__(self, form: StagedForm, target: Target, walk: Walk, given: Sequence[bool]):
        form = with_reciprocals(form)
        self.given = tuple(given)
        super().__init__(
            form,
            target,
            walk,
            BackwardLayout(form, walk.masked).layout(),
            frame_backward(form, walk, given),
            repr((form.key, walk, self.given)),
        )
        # The gradients by left sides that no old state or other node needs are not computed.
        self.packed = [k for k in self.products if k in self.layout.right or k in self.layout.added]

    def write_functions(self, unit: Unit) -> None:
        """Write the functions that `run` calls."""
        for vectors in gemm.WIDTHS:
            gemm.write_rows(unit, vectors)
            gemm.write_rows(unit, vectors, fresh=True)
            products.write_pack(unit, vectors)
            gemm.write_pack_transposed(unit, f'pack_t{vectors}', [0], vectors)
            write_outer(unit, vectors)
        write_columns(unit)
        with unit.function('steps', 'part parts block number') as (code, *args):
            part, n_parts, block, number = args
            with code.when(number.equals(0)):
                self._clear(code, part, n_parts, block)
            self._steps(code, *args)
        with unit.function('weights', 'part parts block number') as (code, *args):
            self._weights(code, *args)
        write_rounds(unit, 'steps', 'weights')

    def sizes(self, code: Code, block: Int) -> dict[str, Int]:
        """Return the bytes of each area of work memory."""
        t, b = self.frame.read(code, block, 'T', 'B')
        lengths, size = self.lengths(code, block), self.target.size
        sizes = {}
        for k in self.packed:
            columns, terms = self.terms(k, lengths), self.columns(k, lengths)
            sizes[f'panels{k}'] = gemm.panel_bytes(code, columns, terms, gemm.WIDE)
        rows = steps_of_chunk(t, b) * b
        for array in self.layout.kept:
            sizes[array.name] = rows * self.row(array, lengths)
        for name, place in self._sums().items():
            sizes[name] = sizes[f'{name} lost'] = lengths[place.length] * size
        for k, row in enumerate(self.walk.rows):
            if row:
                sizes[f'carry{k}'] = b * lengths[self.form.states[k]] * size
        return sizes | self.common_sizes(code, block)

    def _sums(self) -> dict[str, Place]:
        """Return the names of the sums over rows, and what they add up."""
        return {f'sum {name}:{j}': place for (name, j), place in self.layout.summed.items()}

    def most_parts(self, code: Code, block: Int) -> Int:
        """Return how many parts there can be at most."""
        # Rows of examples for the steps, whole tiles of rows of the weights for their gradients.
        (most,), lengths = self.frame.read(code, block, 'B'), self.lengths(code, block)
        for k in self.products:
            most = most.max(self.terms(k, lengths).ceil_div(gemm.MOST_ROWS))
        return most

    # --- phases

    def run(self, code: Code, desc: Int, block: Int) -> None:
        """Write the body of ``run``: pack the weights, do all chunks, then add up."""
        areas = self.areas(code, block, self.stage(code, desc, block))
        t, b, n_parts = self.frame.read(code, block, 'T', 'B', 'parts')
        lengths = self.lengths(code, block)
        for k in self.packed:
            start, row = self.weight(code, block, k)
            terms, columns = self.terms(k, lengths), self.columns(k, lengths)
            products.call(code, 'pack_t', terms, start, row, terms, columns, areas[f'panels{k}'])
        for name, place in self._sums().items():
            for area in (name, f'{name} lost'):
                clear(code, areas[area], lengths[place.length])
        with flushed(code):
            self.write_fixed(code, block, areas)
        code.call('rounds', n_parts, n_chunks(t, b), block)
        with flushed(code):
            self._finish(code, block, areas)

    def _clear(self, code: Code, part: Int, n_parts: Int, block: Int) -> None:
        """Clear one part of the weights' gradients, before all parts add to them."""
        lengths = self.lengths(code, block)
        for name, (rows, columns) in self.form.weights.items():
            n = lengths[rows[0]] * rows[1] * lengths[columns[0]] * columns[1]
            start, stop = part_of(n, part, n_parts)
            (to,) = self.frame.read(code, block, f'd_{name}')
            clear(code, to + start * code.target.size, stop - start)

    def _carries(self, code: Code, block: Int, areas: dict[str, Int]) -> list[Where]:
        """Return where the gradients by the states are carried from step to step."""
        # With an initial state for each example, what is carried before the first step is the
        # output itself; one row for all examples needs room for B of them first.
        lengths, found = self.lengths(code, block), []
        for k, (length, one_row) in enumerate(zip(self.form.states, self.walk.rows, strict=True)):
            (output,) = self.frame.read(code, block, f'd_initial{k}')
            start = areas[f'carry{k}'] if one_row else output
            found.append(Where(start, lengths[length] * self.target.size))
        return found

    def _steps(self, code: Code, part: Int, n_parts: Int, block: Int, number: Int) -> None:
        """Go back through the steps of a chunk for one part of the rows."""
        steps, b, work = self.frame.read(code, block, 'T', 'B', 'work')
        areas, lengths = self.areas(code, block, work), self.lengths(code, block)
        rows = part_of(b, part, n_parts)
        scratch = areas['scratch'] + part * self.scratch_bytes(code, block)
        chunk = Chunk.number(number, steps, b, self.walk)
        carries = self._carries(code, block, areas)

        def cut() -> None:
            for k, (carry, row) in enumerate(carries):
                n = (rows[1] - rows[0]) * lengths[self.form.states[k]]
                clear(code, carry + rows[0] * row, n)

        with code.when(number.equals(0)):
            cut()
        constant = self.constant_places(code, block, areas)
        constant |= {f'carry{k}': where for k, where in enumerate(carries)}
        numbers = self.numbers(code, lengths)
        with code.loop(0, chunk.end - chunk.start) as done:
            step = chunk.end - 1 - done
            first = self.time(step, steps) * b
            there = constant | self._places(code, block, step, first)
            there |= self._kept(code, block, areas, chunk, first)
            special = self._upstream(code, block, carries, first)
            passes = Passes(
                code,
                self.layout.plan,
                there,
                lengths,
                numbers,
                special,
                self.real_rows(code, block, first),
            )
            self._step(code, block, passes, rows, (scratch, areas))
            limit = self.walk.bptt_limit
            if limit is not None:
                with code.when((step > 0) & (step % limit).equals(0)):
                    cut()

    def _step(
        self,
        code: Code,
        block: Int,
        passes: Passes,
        rows: tuple[Int, Int],
        memory: tuple[Int, dict[str, Int]],
    ) -> None:
        """Go back through one step for some rows; `memory` is scratch memory, and all areas."""
        (start, stop), (scratch, areas), plan = rows, memory, self.layout.plan
        blocks = (stop - start).ceil_div(ROWS)
        with code.loop(0, blocks) as q:
            low, m = gemm.block_of(code, start, stop, q, blocks)
            passes.where |= self.scratch_places(code, block, scratch, passes.lengths, low)
            some = low, low + m
            for stages in plan.segments:
                passes.segment(stages, *some)
                for k in plan.stages[stages[-1]].products:
                    self._product(code, block, k, passes, some, areas)
            # What reaches an old state past a product is there now.
            for k in self.layout.added:
                self._product(code, block, k, passes, some, areas)

    def _places(self, code: Code, block: Int, step: Int, first: Int) -> dict[str, Where]:
        """Return where inputs and outputs are at a step; `first` is its first row of all steps."""
        size, lengths = self.target.size, self.lengths(code, block)
        found = {
            name: Where(start + first * row, row)
            for name, (start, row) in self._whole(code, block).items()
        }
        for k, state in enumerate(self.states(code, block, step, {})):
            found[f'old{k}'] = Where(state.old, state.old_row)
            found[f'new{k}'] = Where(state.new, lengths[self.form.states[k]] * size)
        return found

    def _kept(
        self, code: Code, block: Int, areas: dict[str, Int], chunk: Chunk, row: Int | int
    ) -> dict[str, Where]:
        """Return where row `row` of all steps would be in the arrays of a chunk."""
        lengths, found = self.lengths(code, block), {}
        for array in self.layout.kept:
            size = self.row(array, lengths)
            found[array.name] = Where(areas[array.name] + (row - chunk.low) * size, size)
        return found

    def _upstream(self, code: Code, block: Int, carries: list[Where], row: Int) -> dict[int, Load]:
        """Return how to load the gradients by the new states: of later steps, and given ones."""
        form, size = self.form, self.target.size
        found: dict[int, Load] = {}
        for k, carry in enumerate(carries):

            def load(r: Int, j: Int, lanes: Flag | None, k: int = k, carry: Where = carry) -> Vec:
                value = code.load(carry.start + r * carry.row + j * size, lanes)
                if self.given[k]:
                    given = self.whole(code, block, f'd_new{k}', (form.states[k],), row)
                    at = given.start + r * given.row + j * size
                    value = value + code.load(at, lanes)
                return value

            found[form.program.input(f'grad{k}')] = load
        return found

    def _product(
        self,
        code: Code,
        block: Int,
        k: int,
        passes: Passes,
        rows: tuple[Int, Int],
        areas: dict[str, Int],
    ) -> None:
        """Compute the gradient by the left side of product k for some rows."""
        lengths, size = self.lengths(code, block), self.target.size
        d, d_row = passes.block(self.layout.left[k])
        if k in self.layout.added:
            to, put = passes.where[f'carry{self.layout.added[k]}'], products.add_rows
        else:
            to, put = passes.where[f'back{k}'], products.put_rows
        columns, terms = self.terms(k, lengths), self.columns(k, lengths)
        put(code, d, d_row, size, areas[f'panels{k}'], terms, *to, *rows, columns)

    def _weights(self, code: Code, part: Int, n_parts: Int, block: Int, number: Int) -> None:
        """Add one part of the gradients of a chunk."""
        steps, b, work = self.frame.read(code, block, 'T', 'B', 'work')
        areas, lengths = self.areas(code, block, work), self.lengths(code, block)
        chunk = Chunk.number(number, steps, b, self.walk)
        where = self._kept(code, block, areas, chunk, 0) | self._whole(code, block)
        passes = Passes(code, self.layout.plan, where, lengths, {}, {}, None)
        for k in self.products:
            d, d_row = passes.block(self.layout.left[k])
            to, to_row = self.weight(code, block, k, 'd_')
            for low, high, a, a_row in self._ranges(code, block, chunk, k, passes):
                product = Outer(
                    part=part,
                    parts=n_parts,
                    low=low,
                    high=high,
                    d=d,
                    d_row=d_row,
                    columns=self.columns(k, lengths),
                    a=a,
                    a_row=a_row,
                    n_a=self.terms(k, lengths),
                    to=to,
                    to_row=to_row,
                )
                add_outer(code, product)
        for name, place in self._sums().items():
            d, d_row = passes.block(place)
            sums, lost = areas[name], areas[f'{name} lost']
            n = lengths[place.length]
            call = Columns(part, n_parts, chunk.low, chunk.high, d, d_row, n, sums, lost)
            code.call('columns', *call)

    def _whole(self, code: Code, block: Int) -> dict[str, Where]:
        """Return where arrays of all steps start."""
        form = self.form
        arrays = {'z': form.z, 'd_z': form.z, 'direct': form.direct}
        arrays['residual'] = residual_lengths(form)
        arrays |= {f'new{k}': (n,) for k, n in enumerate(form.states)}
        return {
            name: self.whole(code, block, name, blocks, code.int(0))
            for name, blocks in arrays.items()
            if blocks
        }

    def _ranges(
        self, code: Code, block: Int, chunk: Chunk, k: int, passes: Passes
    ) -> list[tuple[Int, Int, Int, Int]]:
        """Return ranges of the rows of a chunk, and where row 0 of a left side would be."""
        left = self.layout.old[k]
        if not left.array.name.startswith('old'):
            return [(chunk.low, chunk.high, *passes.block(left))]
        s = int(left.array.name.removeprefix('old'))
        steps, b, initial, new = self.frame.read(code, block, 'T', 'B', f'initial{s}', f'new{s}')
        row = self.lengths(code, block)[self.form.states[s]] * self.target.size
        walk = self.walk
        return old_states(chunk, steps * b, b, row, initial, new, walk.reverse, walk.rows[s])

    def _finish(self, code: Code, block: Int, areas: dict[str, Int]) -> None:
        """Add up what rows and units have given, into the last outputs."""
        lengths, size = self.lengths(code, block), self.target.size
        for name, j in self.form.vector_blocks():
            length = self.form.vectors[name][0]
            n = lengths[length]
            to = self.frame.read(code, block, f'd_{name}')[0] + n * (j * size)
            place = self.layout.summed.get((name, j))
            if place is None:
                clear(code, to, n)
                continue
            sums, lost = areas[f'sum {name}:{j}'], areas[f'sum {name}:{j} lost']
            if length == place.length:
                gemm.whole_row(code, sums, lost, to, n)
            else:  # a single number, which the units share
                gemm.whole_row(code, sums, lost, sums, lengths[place.length])
                total = sum_of(code, sums, lengths[place.length]).value()
                code.store_element(first(total), to)
        for k, row in enumerate(self.walk.rows):
            if row:
                b, to = self.frame.read(code, block, 'B', f'd_initial{k}')
                n = lengths[self.form.states[k]]
                clear(code, to, n)
                with code.loop(0, b) as r:
                    add_row(code, areas[f'carry{k}'] + r * n * size, to, n)
