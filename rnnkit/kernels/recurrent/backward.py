"""The fused loop, backward: the gradients of a whole sequence in one call.

In: a `Form`, a `Target`, a `Walk`, which states' gradients come in, and whether the gradient by
the input is wanted. Out: a module with ``size(block)`` and
``run(descriptors, block)``; what the block holds is described by `frame_backward`.

From the last step to the first, the program's backward gives the gradients of the tiles, which
are kept, and of the old states, to which ``d_tile @ hh.T`` is added. Then the weights'
gradients are the products of what was multiplied with the weights and the tiles' gradients,
over all steps at once. Their rows are shared out over threads, so no sum depends on how many
there are; only vectors whose gradient is not a tile's have partial sums of each thread.
"""

from collections.abc import Sequence
from typing import NamedTuple

from rnnkit.kernels.language import gemm
from rnnkit.kernels.language.frame import Array, Frame, layout
from rnnkit.kernels.language.threads import flushed, part_of, parts, worker, write_parallel
from rnnkit.kernels.language.vector import Code, Int, Target, Unit
from rnnkit.kernels.recurrent.form import Form
from rnnkit.kernels.recurrent.forward import inputs_of
from rnnkit.kernels.recurrent.unit import BackwardPoint, Hoisted, vector_addresses
from rnnkit.kernels.recurrent.walk import Walk

CHUNK = 512  # rows whose tile gradients are packed at a time: they stay in a core's own cache


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


class Segment(NamedTuple):
    """Neighbouring tiles that belong to neighbouring columns of the weights' gradients."""

    first: int
    count: int
    x_block: int | None
    h_block: int | None


def segments(form: Form) -> list[Segment]:
    """Cut the tiles into as few segments as possible."""
    n_x, first_h = len(form.x_blocks), form.h_first
    found: list[Segment] = []
    for k in range(form.n_tiles):
        x = form.x_blocks[k] if k < n_x else None
        h = form.h_blocks[k - first_h] if k >= first_h else None
        last = found[-1] if found else None
        if last and _next(last.x_block, last.count) == x and _next(last.h_block, last.count) == h:
            found[-1] = last._replace(count=last.count + 1)
        else:
            found.append(Segment(k, 1, x, h))
    return found


def _next(block: int | None, count: int) -> int | None:
    return None if block is None else block + count


class Backward:
    """Writer of the backward module of a form."""

    def __init__(self, form: Form, target: Target, walk: Walk, given: Sequence[bool], want_x: bool):
        self.form, self.target, self.walk = form, target, walk
        self.given, self.want_x = given, want_x
        self.frame = frame_backward(form, walk, given, want_x)
        shared = form.shared_gradients()
        self.summed = [
            (block, node)
            for block, node in zip(form.vector_blocks(), form.d_vectors, strict=True)
            if block not in shared
        ]
        stored = {i for i in form.new if form.program.operands(i)}
        self.outputs = [*form.d_tiles, *form.d_states, *(node for _, node in self.summed)]
        self.hoisted = Hoisted(form, self.outputs, {*stored, *form.residuals})

    def write(self, name: str) -> str:
        """Return the module as text."""
        unit = Unit(name, self.target)
        self.frame.write(unit)
        for vectors in (gemm.WIDE, gemm.NARROW):
            gemm.write_rows(unit, vectors)
            gemm.write_pack_sums(unit, vectors)
            gemm.write_pack_transposed(unit, f'pack_h{vectors}', self.form.h_blocks, vectors)
            if self.want_x:
                gemm.write_pack_transposed(unit, f'pack_x{vectors}', self.form.x_blocks, vectors)
        write_parallel(unit)
        with worker(unit, 'steps') as (code, part, n_parts, block):
            self._steps(code, part, n_parts, block)
        self._write_sums(unit)
        with worker(unit, 'weights') as (code, part, n_parts, block):
            self._weights(code, part, n_parts, block)
        with unit.function('size', 'block', export=True) as (code, block):
            (staged,) = self.frame.read(code, block, 'staged')
            code.ret(self._areas(code, block, code.int(0))['end'] + staged)
        with unit.function('run', 'desc block', export=True) as (code, desc, block):
            self._run(code, desc, block)
        return unit.text()

    # --- memory

    def _areas(self, code: Code, block: Int, start: Int) -> dict[str, Int]:
        """Return where in work memory things are, from `start` on."""
        form, size = self.form, self.target.size
        t, b, n_i, h = self.frame.read(code, block, *'TBIH')
        n_x, n_h, n = len(form.x_blocks), len(form.h_blocks), form.n_tiles
        most = self._most_parts(code, block)
        sizes = {
            'h_panels': gemm.panel_bytes(code, h, h * n_h, gemm.WIDE),
            'x_panels': gemm.panel_bytes(code, n_i, h * n_x, gemm.WIDE),
            'd_tiles': t * b * h * (n * size),
            'sums': h * (n * size),
            'lost': h * (n * size),
            'hoisted': self.hoisted.size(h) * size,
            'partial': most * h * (len(self.summed) * size),
            **{f'carry{k}': b * h * size for k, row in enumerate(self.walk.rows) if row},
        }
        if not self.want_x:
            del sizes['x_panels']
        return layout(sizes, start)

    def _most_parts(self, code: Code, block: Int) -> Int:
        t, b, n_i, h = self.frame.read(code, block, *'TBIH')
        n_x, n_h = len(self.form.x_blocks), len(self.form.h_blocks)
        return parts(code, b, t * b * h * (n_i * n_x + h * n_h))

    def _carry(self, code: Code, block: Int, areas: dict[str, Int], k: int) -> Int:
        """Return where the gradient by state k is carried from step to step, (B, H)."""
        if self.walk.rows[k]:
            return areas[f'carry{k}']
        return self.frame.read(code, block, f'd_initial{k}')[0]

    # --- phases

    def _run(self, code: Code, desc: Int, block: Int) -> None:
        form, frame, size = self.form, self.frame, self.target.size
        start = code.call('stage', desc, block)
        code.put(start, block, frame.place['work'])
        areas = self._areas(code, block, start)
        t, b, n_i, h, hh, xh = frame.read(code, block, *'TBIH', form.recurrent, 'xh')
        n_x, n_h = len(form.x_blocks), len(form.h_blocks)
        self._by_width(code, h, 'pack_h', hh, h * (n_h * size), h, h, areas['h_panels'])
        if self.want_x:
            self._by_width(code, n_i, 'pack_x', xh, h * (n_x * size), n_i, h, areas['x_panels'])
        n = self._most_parts(code, block)
        for name in ('sums', 'lost'):
            gemm.clear(code, areas[name], h * form.n_tiles)
        with flushed(code):
            vectors = vector_addresses(frame, form, code, block)
            self.hoisted.write(code, areas['hoisted'], vectors, h)
        code.call('parallel', code.address_of('steps'), n, block)
        # Rows of the weights' gradients: whole tiles of them for each part.
        work = t * b * h * (n_i * n_x + h * n_h)
        code.call('parallel', code.address_of('weights'), parts(code, h.ceil_div(8), work), block)
        with flushed(code):
            self._finish(code, block, areas, n)

    def _by_width(self, code: Code, columns: Int, name: str, *args: Int | int) -> None:
        """Call the wide or the narrow variant of a function, by the number of columns."""
        code.choose(
            columns > 2 * self.target.lanes,
            lambda: code.call(f'{name}{gemm.WIDE}', *args),
            lambda: code.call(f'{name}{gemm.NARROW}', *args),
        )

    def _steps(self, code: Code, part: Int, n_parts: Int, block: Int) -> None:
        """Go back through the steps for one part of the rows."""
        form, frame, size = self.form, self.frame, self.target.size
        t_end, b, _n_i, h, work = frame.read(code, block, *'TBIH', 'work')
        areas = self._areas(code, block, work)
        first, last = part_of(b, part, n_parts)
        row_bytes = h * size
        partial = areas['partial'] + part * h * (len(self.summed) * size)
        gemm.clear(code, partial, h * len(self.summed))
        carries = [self._carry(code, block, areas, k) for k in range(form.n_states)]
        point = BackwardPoint(
            form,
            frame,
            self.walk,
            code,
            block,
            (self.hoisted, areas['hoisted']),
            given=self.given,
            carries=carries,
            d_tiles=areas['d_tiles'],
            partial=partial,
        )

        def cut() -> None:
            for carry in carries:
                gemm.clear(code, carry + first * row_bytes, (last - first) * h)

        cut()
        tile_row = h * (form.n_tiles * size)
        with code.loop(0, t_end) as done:
            number = t_end - 1 - done
            t = point.at_step(number, t_end)
            with code.loop(first, last) as r, code.loop(0, h, self.target.lanes) as j:
                point.write(r, j, self.outputs)
            d_tiles = areas['d_tiles'] + t * b * tile_row + h * (form.h_first * size)

            def carry_on(d_tiles=d_tiles) -> None:
                self._by_width(
                    code,
                    h,
                    'rows',
                    d_tiles,
                    tile_row,
                    size,
                    areas['h_panels'],
                    h * len(form.h_blocks),
                    carries[0],
                    row_bytes,
                    first,
                    last,
                    h,
                )

            limit = self.walk.bptt_limit
            if limit is None:
                carry_on()
            else:
                code.choose((number > 0) & (number % limit).equals(0), cut, carry_on)

    def _write_sums(self, unit: Unit) -> None:
        """Write ``sums<vectors>``: the part of weights' gradients that some columns give.

        For rows `low` to `high` of all steps and examples, it adds ``h.T @ d`` and ``x.T @ d``,
        where d are the `columns` of a segment; an address that is 0 means no such product.
        """
        size, lanes, width = self.target.size, self.target.lanes, self.target.width
        args = 'part parts low high d d_row columns h h_row n_h dh dh_row x n_x dx dx_row sums lost'
        for vectors in (gemm.WIDE, gemm.NARROW):
            with unit.function(f'sums{vectors}', args) as (
                code,
                part,
                n_parts,
                low,
                high,
                d,
                d_row,
                columns,
                h,
                h_row,
                n_h,
                dh,
                dh_row,
                x,
                n_x,
                dx,
                dx_row,
                sums,
                lost,
            ):
                panel = code.room(CHUNK * vectors * width)
                unused = [code.room(vectors * width) for _ in range(2)]
                h_first, h_last = part_of(n_h, part, n_parts)
                x_first, x_last = part_of(n_x, part, n_parts)
                with code.loop(low, high, CHUNK) as k:
                    terms = (high - k).min(CHUNK)
                    with code.loop(0, gemm.panels(code, columns, vectors)) as p:
                        start = p * (vectors * lanes)
                        mine = (p % n_parts).equals(part)
                        total = [
                            mine.pick(row + start * size, other)
                            for row, other in zip((sums, lost), unused, strict=True)
                        ]
                        code.call(
                            f'pack_sums{vectors}',
                            d + k * d_row + start * size,
                            d_row,
                            terms,
                            columns - start,
                            panel,
                            *total,
                        )
                        left = (columns - start).min(vectors * lanes)
                        for at, row, to, to_row, r0, r1 in (
                            (h, h_row, dh, dh_row, h_first, h_last),
                            (x, n_x * size, dx, dx_row, x_first, x_last),
                        ):
                            with code.when(to.differs(0)):
                                code.call(
                                    f'rows{vectors}',
                                    at + (k - low) * row,
                                    size,
                                    row,
                                    panel,
                                    terms,
                                    to + start * size,
                                    to_row,
                                    r0,
                                    r1,
                                    left,
                                )

    def _weights(self, code: Code, part: Int, n_parts: Int, block: Int) -> None:
        """Compute one part of the rows of the weights' gradients, and of the input's."""
        form, frame, size = self.form, self.frame, self.target.size
        t, b, n_i, h, work = frame.read(code, block, *'TBIH', 'work')
        areas = self._areas(code, block, work)
        n_x, n_h = len(form.x_blocks), len(form.h_blocks)
        x, new, initial, dxh, dhh = frame.read(
            code, block, 'x', 'new0', 'initial0', 'd_xh', f'd_{form.recurrent}'
        )
        for to, rows, columns in ((dhh, h, h * n_h), (dxh, n_i, h * n_x)):
            first, last = part_of(rows, part, n_parts)
            gemm.clear(code, to + first * columns * size, (last - first) * columns)
        rows = t * b
        tile_row = h * (form.n_tiles * size)
        zero = code.int(0)
        for segment in segments(form):
            columns = h * segment.count
            dh = zero if segment.h_block is None else dhh + h * (segment.h_block * size)
            dx = zero if segment.x_block is None else dxh + h * (segment.x_block * size)
            sums, lost = (areas[n] + h * (segment.first * size) for n in ('sums', 'lost'))
            d = areas['d_tiles'] + h * (segment.first * size)
            for low, high, source, source_row in self._old_states(rows, b, h, initial, new):
                self._by_width(
                    code,
                    columns,
                    'sums',
                    part,
                    n_parts,
                    low,
                    high,
                    d,
                    tile_row,
                    columns,
                    source,
                    source_row,
                    h,
                    dh,
                    h * (n_h * size),
                    x + low * n_i * size,
                    n_i,
                    dx,
                    h * (n_x * size),
                    sums,
                    lost,
                )
        if self.want_x:
            (to,) = frame.read(code, block, 'd_x')
            first, last = part_of(rows, part, n_parts)
            gemm.clear(code, to + first * n_i * size, (last - first) * n_i)
            self._by_width(
                code,
                n_i,
                'rows',
                areas['d_tiles'],
                tile_row,
                size,
                areas['x_panels'],
                h * n_x,
                to,
                n_i * size,
                first,
                last,
                n_i,
            )

    def _old_states(
        self, rows: Int, b: Int, h: Int, initial: Int, new: Int
    ) -> list[tuple[Int, Int, Int, Int]]:
        """Return ranges of the rows of all steps, and where the states before those are.

        The states before the first step come from elsewhere than all others.
        """
        row = h * self.target.size
        zero, first_row = row * 0, row * int(not self.walk.rows[0])
        one_step = rows.min(b)
        if self.walk.reverse:
            return [
                (zero, rows - one_step, new + b * row, row),
                (rows - one_step, rows, initial, first_row),
            ]
        return [(zero, one_step, initial, first_row), (one_step, rows, new, row)]

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
            gemm.clear(code, to, h)
            with code.loop(0, n_parts) as q:
                gemm.add_row(code, start + q * h * (len(summed) * size), to, h)
        for k, row in enumerate(self.walk.rows):
            if row:
                (to,) = frame.read(code, block, f'd_initial{k}')
                gemm.clear(code, to, h)
                with code.loop(0, b) as r:
                    gemm.add_row(code, areas[f'carry{k}'] + r * h * size, to, h)
