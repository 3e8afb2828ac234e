"""The fused loop, backward: the gradients of a whole sequence in one call.

In: a `Form`, a `Target`, a `Walk`, which states' gradients are given, and whether the gradient
by the input is needed. Out: a kernel, see `rnnkit.kernels.language.writer`; its inputs and
outputs are those of `frame_backward`.

From the last step to the first, the program's backward gives the gradients of the tiles, and
of the old states, to which ``d_tile @ hh.T`` is added. After every few steps (a `Chunk`) come
the gradients by the weights, see `rnnkit.kernels.recurrent.weights`: the gradients of the tiles
are then still in the cache, and need memory for a chunk only. Only vectors whose gradient is not
that of a tile have partial sums of each thread.
"""

from collections.abc import Sequence

from rnnkit.kernels.language import gemm
from rnnkit.kernels.language.elements import add_row, clear
from rnnkit.kernels.language.frame import Array, Frame
from rnnkit.kernels.language.threads import flushed, part_of, parts, write_rounds
from rnnkit.kernels.language.vector import Code, Int, Target, Unit
from rnnkit.kernels.language.writer import Writer
from rnnkit.kernels.recurrent.chunk import Chunk, n_chunks, steps_of_chunk
from rnnkit.kernels.recurrent.form import Form
from rnnkit.kernels.recurrent.forward import inputs_of
from rnnkit.kernels.recurrent.unit import BackwardPoint, Gradients, Hoisted, vector_addresses
from rnnkit.kernels.recurrent.walk import Walk
from rnnkit.kernels.recurrent.weights import WeightGradients


def frame_backward(form: Form, walk: Walk, given: Sequence[bool], want_x: bool) -> Frame:
    """Return the frame of the backward kernel.

    Inputs are those of the forward, its outputs, and the gradients by those states for which
    `given` holds. Outputs are the gradients by the inputs of the forward, without the mask.
    """
    inputs = inputs_of(form, walk)
    outputs = [Array(f'd_{a.name}', a.dims) for a in inputs if a.name != 'mask']
    if not want_x:
        del outputs[0]
    states = [Array(f'new{k}', ('T', 'B', 'H')) for k in range(form.n_states)]
    if form.residuals:
        states.append(Array('residual', ('T', 'B', f'{len(form.residuals)}H')))
    given_states = [Array(f'd_new{k}', ('T', 'B', 'H')) for k in range(form.n_states) if given[k]]
    return Frame([*inputs, *states, *given_states], outputs)


class Backward(Writer):
    """Writer of the backward kernel of a form."""

    def __init__(self, form: Form, target: Target, walk: Walk, given: Sequence[bool], want_x: bool):
        self.form, self.walk, self.given, self.want_x = form, walk, given, want_x
        shared = form.shared_gradients()
        self.summed = [
            (block, node)
            for block, node in zip(form.vector_blocks(), form.d_vectors, strict=True)
            if block not in shared
        ]
        stored = {i for i in form.new if form.program.operands(i)}
        self.outputs = [*form.d_tiles, *form.d_states, *(node for _, node in self.summed)]
        self.hoisted = Hoisted(form, self.outputs, {*stored, *form.residuals})
        description = repr((form.key, walk, tuple(given), want_x))
        super().__init__(target, frame_backward(form, walk, given, want_x), description)

    def write_functions(self, unit: Unit) -> None:
        """Write the functions that `run` calls."""
        for vectors in gemm.WIDTHS:
            gemm.write_rows(unit, vectors)
            gemm.write_pack_sums(unit, vectors)
            gemm.write_pack_transposed(unit, f'pack_h{vectors}', self.form.h_blocks, vectors)
            if self.want_x:
                gemm.write_pack_transposed(unit, f'pack_x{vectors}', self.form.x_blocks, vectors)
        with unit.function('steps', 'part parts block number') as (code, *args):
            self._steps(code, *args)
        weights = WeightGradients(self.form, self.frame, self.walk, self.want_x, self.areas)
        weights.write(unit)
        write_rounds(unit, 'steps', 'weights')

    def sizes(self, code: Code, block: Int) -> dict[str, Int]:
        """Return the bytes of each area of work memory."""
        form, size = self.form, self.target.size
        t, b, n_i, h = self.frame.read(code, block, *'TBIH')
        n_x, n_h, n = len(form.x_blocks), len(form.h_blocks), form.n_tiles
        most = self._most_parts(code, block)
        sizes = {
            'h_panels': gemm.panel_bytes(code, h, h * n_h, gemm.WIDE),
            'x_panels': gemm.panel_bytes(code, n_i, h * n_x, gemm.WIDE),
            'd_tiles': steps_of_chunk(t, b) * b * h * (n * size),
            'sums': h * (n * size),
            'lost': h * (n * size),
            'hoisted': self.hoisted.size(h) * size,
            'partial': most * h * (len(self.summed) * size),
            **{f'carry{k}': b * h * size for k, row in enumerate(self.walk.rows) if row},
        }
        if not self.want_x:
            del sizes['x_panels']
        return sizes

    def _most_parts(self, code: Code, block: Int) -> Int:
        t, b, n_i, h = self.frame.read(code, block, *'TBIH')
        n_x, n_h = len(self.form.x_blocks), len(self.form.h_blocks)
        # Rows of examples for the steps, whole tiles of rows of the weights for their gradients.
        return parts(code, b.max(h.ceil_div(8)), t * b * h * (n_i * n_x + h * n_h))

    def _carry(self, code: Code, block: Int, areas: dict[str, Int], k: int) -> Int:
        """Return where the gradient by state k is carried from step to step, (B, H)."""
        # With an initial state for each example, what is carried before the first step is the
        # output itself; one row for all examples needs room for B of them first.
        if self.walk.rows[k]:
            return areas[f'carry{k}']
        return self.frame.read(code, block, f'd_initial{k}')[0]

    # --- phases

    def run(self, code: Code, desc: Int, block: Int) -> None:
        """Write the body of ``run``: pack the weights, do all chunks, then add up."""
        form, frame, size = self.form, self.frame, self.target.size
        areas = self.areas(code, block, self.stage(code, desc, block))
        t, b, n_i, h, hh, xh = frame.read(code, block, *'TBIH', form.recurrent, 'xh')
        n_x, n_h = len(form.x_blocks), len(form.h_blocks)
        self._pack(code, 'pack_h', h, hh, h * (n_h * size), h, areas['h_panels'])
        if self.want_x:
            self._pack(code, 'pack_x', n_i, xh, h * (n_x * size), h, areas['x_panels'])
        n = self._most_parts(code, block)
        for name in ('sums', 'lost'):
            clear(code, areas[name], h * form.n_tiles)
        with flushed(code):
            vectors = vector_addresses(frame, form, code, block)
            self.hoisted.write(code, areas['hoisted'], vectors, h)
        code.call('rounds', n, n_chunks(t, b), block)
        with flushed(code):
            self._finish(code, block, areas, n)

    def _pack(self, code: Code, name: str, rows: Int, w: Int, row: Int, h: Int, to: Int) -> None:
        """Pack the transpose of a weight of `rows` rows; these are the columns of the product."""
        gemm.by_width(code, rows, lambda v: code.call(f'{name}{v}', w, row, rows, h, to))

    def _steps(self, code: Code, part: Int, n_parts: Int, block: Int, number: Int) -> None:
        """Go back through the steps of a chunk for one part of the rows."""
        form, frame, size = self.form, self.frame, self.target.size
        t_end, b, _n_i, h, work = frame.read(code, block, *'TBIH', 'work')
        areas = self.areas(code, block, work)
        first, last = part_of(b, part, n_parts)
        row_bytes = h * size
        tile_row = h * (form.n_tiles * size)
        chunk = Chunk.number(number, t_end, b, self.walk)
        # As if there were those of all steps, so that they are found by the number of the step.
        all_tiles = areas['d_tiles'] - chunk.low * tile_row
        partial = areas['partial'] + part * h * (len(self.summed) * size)
        carries = [self._carry(code, block, areas, k) for k in range(form.n_states)]
        hoisted = self.hoisted, areas['hoisted']
        gradients = Gradients(self.given, carries, all_tiles, partial)
        point = BackwardPoint(form, frame, self.walk, code, block, hoisted, gradients)

        def cut() -> None:
            for carry in carries:
                clear(code, carry + first * row_bytes, (last - first) * h)

        with code.when(number.equals(0)):
            clear(code, partial, h * len(self.summed))
            cut()
        with code.loop(0, chunk.end - chunk.start) as done:
            step = chunk.end - 1 - done
            t = point.at_step(step, t_end)
            # All units of a row are done before the product, which needs the tiles of all of them.
            with code.loop(first, last) as r, code.loop(0, h, self.target.lanes) as j:
                point.write(r, j, self.outputs)
            # The point has stored what reaches the old state past the product: by a gate, or held
            # by the mask. The product is added to that.
            d_tiles = all_tiles + t * b * tile_row + h * (form.h_first * size)

            def carry_on(d_tiles=d_tiles) -> None:
                terms, panels = h * len(form.h_blocks), areas['h_panels']
                product = gemm.Rows(
                    d_tiles, tile_row, size, panels, terms, carries[0], row_bytes, first, last, h
                )
                gemm.by_width(code, h, lambda v: code.call(f'rows{v}', *product))

            limit = self.walk.bptt_limit
            if limit is None:
                carry_on()
            else:
                code.choose((step > 0) & (step % limit).equals(0), cut, carry_on)

    def _finish(self, code: Code, block: Int, areas: dict[str, Int], n_parts: Int) -> None:
        """Add up what parts and rows have each given, into the last outputs."""
        form, frame, size = self.form, self.frame, self.target.size
        b, h = frame.read(code, block, 'B', 'H')
        shared = form.shared_gradients()
        summed = [name for name, _ in self.summed]
        for name, k in form.vector_blocks():
            to = frame.read(code, block, f'd_{name}')[0] + h * (k * size)
            if (name, k) in shared:
                at = h * (shared[name, k] * size)
                gemm.whole_row(code, areas['sums'] + at, areas['lost'] + at, to, h)
                continue
            start = areas['partial'] + h * (summed.index((name, k)) * size)
            clear(code, to, h)
            with code.loop(0, n_parts) as q:
                add_row(code, start + q * h * (len(summed) * size), to, h)
        for k, row in enumerate(self.walk.rows):
            if row:
                (to,) = frame.read(code, block, f'd_initial{k}')
                clear(code, to, h)
                with code.loop(0, b) as r:
                    add_row(code, areas[f'carry{k}'] + r * h * size, to, h)
