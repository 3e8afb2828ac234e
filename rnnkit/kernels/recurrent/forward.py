"""The fused loop, forward: a whole sequence in one call.

In: a `Form`, a `Target`, a `Walk`, whether a backward follows, and of which states all steps are
needed. Out: a kernel, see
`rnnkit.kernels.language.writer`; its inputs and outputs are those of `frame_forward`.

For each step, panel of units and block of rows: the tile ``x_t @ xh + h @ hh`` is made in
registers, then the cell's program is computed on it, vector by vector, and the new states are
stored. For a row or two, as in a stream, the weights are read where they are, since packing them
would take longer than the step. Rows (examples) do not depend on each other, so each thread does
its rows for all steps, and threads wait for each other only once.

The mask has a number for each row of each step. Where it is 0 the state is held.
"""

from collections.abc import Callable, Sequence

from rnnkit.kernels.language import gemm, one_row
from rnnkit.kernels.language.elementary import LONG
from rnnkit.kernels.language.elements import copy_row
from rnnkit.kernels.language.frame import Array, Frame
from rnnkit.kernels.language.threads import flushed, part_of, parts, worker, write_parallel
from rnnkit.kernels.language.vector import Code, Int, Target, Unit
from rnnkit.kernels.language.writer import Writer
from rnnkit.kernels.recurrent.form import Form
from rnnkit.kernels.recurrent.unit import ForwardPoint, Hoisted, Scratch, vector_addresses
from rnnkit.kernels.recurrent.walk import Walk


def inputs_of(form: Form, walk: Walk) -> list[Array]:
    """Return the inputs of a cell's kernels."""
    n_x, n_h = len(form.x_blocks), len(form.h_blocks)
    return [
        Array('x', ('T', 'B', 'I')),
        Array(form.recurrent, ('H', f'{n_h}H')),
        Array('xh', ('I', f'{n_x}H')),
        *(Array(name, (f'{n}H',)) for name, n in form.vectors.items()),
        *(Array(f'initial{k}', ('1' if row else 'B', 'H')) for k, row in enumerate(walk.rows)),
        *([Array('direct', ('T', 'B', f'{form.n_direct}H'))] if form.n_direct else []),
        *([Array('mask', ('T', 'B'))] if walk.masked else []),
    ]


def frame_forward(
    form: Form, walk: Walk, keep: bool, whole: Sequence[bool], shown: bool = False
) -> Frame:
    """Return the frame of the forward kernel.

    Outputs are all steps of each state that is `whole`, of others the last one; with `keep`, the
    residuals; with `shown`, the first state once more, with 0 over padding.
    """
    outputs = [Array(f'new{k}', ('T' if all_ else '1', 'B', 'H')) for k, all_ in enumerate(whole)]
    if keep and form.residuals:
        outputs.append(Array('residual', ('T', 'B', f'{len(form.residuals)}H')))
    if shown:
        outputs.append(Array('shown', ('T', 'B', 'H')))
    return Frame(inputs_of(form, walk), outputs)


FEW = 3  # rows, of all steps together, for which weights are not packed


def units_of(form: Form) -> int:
    """Return how many vectors of units share a tile, so that it fills the registers."""
    return {1: 4, 2: 2}.get(form.n_tiles, 1)


class Forward(Writer):
    """Writer of the forward kernel of a form.

    Parameters
    ----------
    form : Form
    target : Target
    walk : Walk
    keep : bool
        Whether residuals are an output, for a backward.
    whole : sequence of bool
        For each state, whether all its steps are an output, or the last one alone.
    shown : bool
        Whether the last output is the first state with 0 over padding.
    """

    def __init__(
        self,
        form: Form,
        target: Target,
        walk: Walk,
        keep: bool,
        whole: Sequence[bool],
        shown: bool = False,
    ):
        self.form, self.walk = form, walk
        self.last_alone = [k for k, all_ in enumerate(whole) if not all_]
        self.residuals = form.residuals if keep else []
        self.units = units_of(form)
        self.streams = not keep  # training has many rows
        self.hoisted = Hoisted(form, [*form.new, *self.residuals], set())
        # The processor begins operations of the next place before it is done with one, but does not
        # look as far as the second of two long chains: the first ones come for all places before.
        self.early = form.program.first_of(LONG, [*form.new, *self.residuals], self.hoisted.nodes)
        self.shown = shown
        description = repr((form.key, walk, keep, tuple(whole), shown))
        super().__init__(target, frame_forward(form, walk, keep, whole, shown), description)

    def write_functions(self, unit: Unit) -> None:
        """Write the functions that `run` calls."""
        form, units = self.form, self.units
        gemm.write_pack_columns(unit, 'pack_x', form.x_blocks, units)
        gemm.write_pack_columns(unit, 'pack_h', form.h_blocks, units)
        self.tile_rows = gemm.write_tile(
            unit, len(form.x_blocks) * units, len(form.h_blocks) * units, form.h_first * units
        )
        write_parallel(unit)
        with worker(unit, 'steps') as (code, part, n_parts, block):
            self._steps(code, part, n_parts, block)
        if self.streams:
            self.wide, self.narrow = one_row.write_direct(
                unit, form.x_blocks, form.h_blocks, form.h_first
            )
            with unit.function('few', 'block') as (code, block):
                self._few(code, block)

    def sizes(self, code: Code, block: Int) -> dict[str, Int]:
        """Return the bytes of each area of work memory."""
        b, n_i, h = self.frame.read(code, block, *'BIH')
        n_x, n_h = len(self.form.x_blocks), len(self.form.h_blocks)
        return {
            'x_panels': gemm.panel_bytes(code, h, n_i, self.units) * n_x,
            'h_panels': gemm.panel_bytes(code, h, h, self.units) * n_h,
            'hoisted': self.hoisted.size(h) * self.target.size,
            **{f'turn{k}': b * h * self.target.size for k in self.last_alone},
        }

    def run(self, code: Code, desc: Int, block: Int) -> None:
        """Write the body of ``run``: pack the weights, then do all steps."""
        form, size = self.form, self.target.size
        areas = self.areas(code, block, self.stage(code, desc, block))
        t, b, n_i, h = self.frame.read(code, block, *'TBIH')
        xh, hh = self.frame.read(code, block, 'xh', form.recurrent)
        n_x, n_h = len(form.x_blocks), len(form.h_blocks)
        vectors = vector_addresses(self.frame, form, code, block)
        with flushed(code):
            self.hoisted.write(code, areas['hoisted'], vectors, h)

        def few() -> None:
            with flushed(code):
                code.call('few', block)

        def packed() -> None:
            code.call('pack_x', xh, h * (n_x * size), n_i, h, areas['x_panels'])
            code.call('pack_h', hh, h * (n_h * size), h, h, areas['h_panels'])
            work = t * b * h * (n_i * n_x + h * n_h)
            code.call('parallel', code.address_of('steps'), parts(code, b, work), block)

        if self.streams:
            enough = h >= self.narrow * self.target.lanes
            code.choose((t * b <= FEW) & enough, few, packed)
        else:
            packed()
        with code.when(t.equals(0)):
            self._stay(code, block)

    def _stay(self, code: Code, block: Int) -> None:
        """Return initial states as the last ones: there is no step."""
        b, h = self.frame.read(code, block, 'B', 'H')
        row = h * self.target.size
        for k in self.last_alone:
            first, new = self.frame.read(code, block, f'initial{k}', f'new{k}')
            with code.loop(0, b) as r:
                copy_row(code, first + r * (row * int(not self.walk.rows[k])), new + r * row, h)

    def _steps(self, code: Code, part: Int, n_parts: Int, block: Int) -> None:
        """Do all steps for one part of the rows."""
        form, frame, size = self.form, self.frame, self.target.size
        t_end, b, n_i, h, x, work = frame.read(code, block, *'TBIH', 'x', 'work')
        areas = self.areas(code, block, work)
        first, last = part_of(b, part, n_parts)
        blocks = (last - first).ceil_div(self.tile_rows)
        width = self.units * self.target.width
        room = code.room(self.tile_rows * form.n_tiles * width)
        early = code.room(self.tile_rows * len(self.early) * width)
        hoisted = self.hoisted, areas['hoisted']
        turns = {k: areas[f'turn{k}'] for k in self.last_alone}
        point = ForwardPoint(form, frame, self.walk, code, block, hoisted, turns, self.early)
        panel_width, tile_step = self.units * self.target.lanes, self.units * self.target.width
        # x @ xh is not taken for all steps before the loop: its (T, B, gates) would be written to
        # memory and read again, while here both products add to the same registers.
        with code.loop(0, t_end) as number:
            t = point.at_step(number, t_end)
            state = point.states[0]
            x_t = x + t * b * n_i * size
            # Panels outside, rows inside: a panel stays in the first cache for all rows.
            with code.loop(0, gemm.panels(code, h, self.units)) as p:
                per_term = p * tile_step
                x_panel = areas['x_panels'] + per_term * n_i * len(form.x_blocks)
                h_panel = areas['h_panels'] + per_term * h * len(form.h_blocks)
                with code.loop(0, blocks) as q:
                    r, m = gemm.block_of(code, first, last, q, blocks)
                    tile = gemm.Tile(
                        x=x_t + r * n_i * size,
                        x_row=n_i * size,
                        x_panel=x_panel,
                        x_terms=n_i,
                        h=state.old + r * state.old_row,
                        h_row=state.old_row,
                        h_panel=h_panel,
                        h_terms=h,
                        out=room,
                    )
                    code.call('tile', m, *tile)
                    start = p * panel_width
                    units = (start, h.min(start + panel_width))
                    self._points(code, point, (r, m), units, (room, early, tile_step))

    def _few(self, code: Code, block: Int) -> None:
        """Do all steps where so few rows are read that packing the weights takes longer."""
        form, frame, size, lanes = self.form, self.frame, self.target.size, self.target.lanes
        t_end, b, n_i, h, x, work = frame.read(code, block, *'TBIH', 'x', 'work')
        xh, hh = frame.read(code, block, 'xh', form.recurrent)
        areas = self.areas(code, block, work)
        xh_row, hh_row = (h * (len(blocks) * size) for blocks in (form.x_blocks, form.h_blocks))
        tile_step = self.wide * self.target.width
        room, early = code.room(form.n_tiles * tile_step), code.room(len(self.early) * tile_step)
        hoisted = self.hoisted, areas['hoisted']
        turns = {k: areas[f'turn{k}'] for k in self.last_alone}
        point = ForwardPoint(form, frame, self.walk, code, block, hoisted, turns, self.early)
        is_wide = h >= self.wide * lanes
        panel = is_wide.pick(self.wide * lanes, self.narrow * lanes)
        with code.loop(0, t_end) as number:
            t = point.at_step(number, t_end)
            state = point.states[0]
            with code.loop(0, b) as r, code.loop(0, h.ceil_div(panel)) as p:
                # The last panel ends with the last unit: what it shares with the one before is
                # computed twice, and no vector needs a mask.
                start = (p * panel).min(h - panel)
                x_t, h_t = x + (t * b + r) * n_i * size, state.old + r * state.old_row
                at = start * size
                args = (x_t, xh + at, xh_row, n_i, h_t, hh + at, hh_row, h, room)
                code.choose(
                    is_wide,
                    lambda args=args: code.call(f'direct{self.wide}', *args),
                    lambda args=args: code.call(f'direct{self.narrow}', *args),
                )
                units = (start, start + panel)
                self._points(code, point, (r, code.int(1)), units, (room, early, tile_step))

    def _points(
        self,
        code: Code,
        point: ForwardPoint,
        rows: tuple[Int, Int],
        units: tuple[Int, Int],
        rooms: tuple[Int, Int, int],
    ) -> None:
        """Compute some rows (the first, and how many) and units (the first, and the end)."""
        (first, n), (start, stop), (tiles, early, step) = rows, units, rooms

        def each(write: Callable[[Int, Int, Scratch], None]) -> None:
            with code.loop(0, n) as i, code.loop(start, stop, self.target.lanes) as j:
                across = (j - start) * self.target.size
                tile = tiles + i * (self.form.n_tiles * step) + across
                write(
                    first + i, j, Scratch(tile, early + i * (len(self.early) * step) + across, step)
                )

        if self.early:
            each(point.begin)
        each(lambda r, j, at: point.write(r, j, at, self.residuals, self.shown))
