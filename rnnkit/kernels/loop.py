"""The fused loop, forward: a whole sequence in one call.

In: a `Form`, a `Target`, and whether there is a mask and a backward to come. Out: a module with
``size(block)``, the bytes of work memory, and ``run(descriptors, block)``; what the block holds
is described by the `frame_forward`.

For each step, panel of units and block of rows: the tile ``x_t @ xh + h @ hh`` is made in
registers, then the cell's program is computed on it, vector by vector, and the new states are
stored. Rows (examples) do not depend on each other, so threads share them out once.

The mask has a number for each row of each step. Where it is 0 the state is held.
"""

from collections.abc import Callable, Sequence
from typing import Any

from rnnkit.kernels import gemm
from rnnkit.kernels.elementary import OPERATIONS
from rnnkit.kernels.form import Form
from rnnkit.kernels.frame import Array, Frame, rounded
from rnnkit.kernels.threads import flushed, part_of, parts, worker, write_parallel
from rnnkit.kernels.vector import Code, Flag, Int, Target, Unit, Vec


def inputs_of(form: Form, rows: Sequence[bool], masked: bool) -> list[Array]:
    """Return the inputs of a cell's kernels.

    Parameters
    ----------
    form : Form
    rows : sequence of bool
        For each state, whether its first value is one row (1, H) for all examples.
    masked : bool
    """
    n_x, n_h = len(form.x_blocks), len(form.h_blocks)
    return [
        Array('x', ('T', 'B', 'I')),
        Array(form.recurrent, ('H', f'{n_h}H')),
        Array('xh', ('I', f'{n_x}H')),
        *(Array(name, (f'{n}H',)) for name, n in form.vectors.items()),
        *(Array(f'initial{k}', ('1' if row else 'B', 'H')) for k, row in enumerate(rows)),
        *([Array('mask', ('T', 'B'))] if masked else []),
    ]


def frame_forward(form: Form, rows: Sequence[bool], masked: bool, keep: bool) -> Frame:
    """Return the frame of the forward kernel; with `keep`, the last output is the residuals."""
    outputs = [Array(f'new{k}', ('T', 'B', 'H')) for k in range(form.n_states)]
    if keep and form.residuals:
        outputs.append(Array('residual', ('T', 'B', f'{len(form.residuals)}H')))
    return Frame(inputs_of(form, rows, masked), outputs)


def units_of(form: Form) -> int:
    """Return how many vectors of units share a tile, so that it fills the registers."""
    return {1: 4, 2: 2}.get(form.n_tiles, 1)


class Hoisted:
    """The nodes of a program that depend on per-unit vectors only, computed once per call.

    Parameters
    ----------
    form : Form
    outputs : list of int
        The nodes that the loop computes.
    stop : set of int
        Nodes that the loop loads.
    """

    def __init__(self, form: Form, outputs: Sequence[int], stop: set[int]):
        program = form.program
        vectors = {program.input(f'{name}:{k}') for name, k in form.vector_blocks()}
        live = program.reach(outputs, stop)
        fixed: set[int] = set()
        for i in sorted(live - stop):
            operands = program.operands(i)
            if i in vectors or program.value(i) is not None:
                fixed.add(i)
            elif operands and fixed.issuperset(operands):
                fixed.add(i)
        computed = {i for i in fixed if program.operands(i)}
        used = {j for i in live - fixed - stop for j in program.operands(i)} | set(outputs)
        self.form = form
        self.nodes = [i for i in sorted(computed & used) if _is_number(form, i)]

    def size(self, h: Int) -> Int:
        """Return the elements of memory that the nodes take."""
        return h * len(self.nodes)

    def write(self, code: Code, to: Int, vectors: dict[str, Int], h: Int) -> None:
        """Compute the nodes."""
        if not self.nodes:
            return
        known = vector_loads(code, self.form, vectors, h)

        def compute(j: Int, mask: Flag) -> None:
            fetch = {i: (lambda load=load: load(j, mask)) for i, load in known.items()}
            values = self.form.program.evaluate(self.nodes, fetch, code.vec, OPERATIONS)
            for n, value in enumerate(values):
                code.store(value, to + (h * n + j) * code.target.size, mask)

        gemm.each_vector(code, h, compute)

    def loads(self, code: Code, start: Int, h: Int) -> dict[int, Callable[[Int, Flag], Vec]]:
        """Return how to load each node for a vector of units."""
        size = code.target.size
        return {
            i: lambda j, mask, n=n: code.load(start + (h * n + j) * size, mask)
            for n, i in enumerate(self.nodes)
        }


def _is_number(form: Form, i: int) -> bool:
    return form.program.number(i) == i


def vector_loads(
    code: Code, form: Form, vectors: dict[str, Int], h: Int
) -> dict[int, Callable[[Int, Flag], Vec]]:
    """Return how to load each block of the per-unit vectors."""
    size = code.target.size
    return {
        form.program.input(f'{name}:{k}'): lambda j, mask, name=name, k=k: code.load(
            vectors[name] + (h * k + j) * size, mask
        )
        for name, k in form.vector_blocks()
    }


class State:
    """Where a state is, before and after step t: addresses, and bytes from row to row."""

    def __init__(self, code: Code, t: Int, first: Int, all_steps: Int, b: Int, h: Int, row: bool):
        step = b * h * code.target.size
        self.new = all_steps + t * step
        begun = t > 0
        self.old = begun.pick(self.new - step, first)
        self.old_row = begun.pick(h * code.target.size, 0 if row else h * code.target.size)


class Forward:
    """Writer of the forward module of a form."""

    def __init__(self, form: Form, target: Target, rows: Sequence[bool], masked: bool, keep: bool):
        self.form, self.target = form, target
        self.rows, self.masked = tuple(rows), masked
        self.frame = frame_forward(form, rows, masked, keep)
        self.residuals = form.residuals if keep else []
        self.units = units_of(form)
        self.outputs = [*form.new, *self.residuals]
        self.hoisted = Hoisted(form, self.outputs, set())

    def write(self, name: str) -> str:
        """Return the module as text."""
        unit = Unit(name, self.target)
        form, units = self.form, self.units
        self.frame.write(unit)
        gemm.write_pack_columns(unit, 'pack_x', form.x_blocks, units)
        gemm.write_pack_columns(unit, 'pack_h', form.h_blocks, units)
        self.tile_rows = gemm.write_tile(
            unit, len(form.x_blocks) * units, len(form.h_blocks) * units, form.h_first * units
        )
        write_parallel(unit)
        with worker(unit, 'steps') as (code, part, n_parts, block):
            self._steps(code, part, n_parts, block)
        with unit.function('size', 'block', export=True) as (code, block):
            code.ret(self._areas(code, block, code.int(0))['end'] + code.get(block, 5))
        with unit.function('run', 'desc block', export=True) as (code, desc, block):
            self._run(code, desc, block)
        return unit.text()

    def _areas(self, code: Code, block: Int, start: Int) -> dict[str, Int]:
        """Return where in work memory things are, from `start` on."""
        n_i, h = self.frame.read(code, block, 'I', 'H')
        n_x, n_h = len(self.form.x_blocks), len(self.form.h_blocks)
        sizes = {
            'x_panels': gemm.panel_bytes(code, h, n_i, self.units) * n_x,
            'h_panels': gemm.panel_bytes(code, h, h, self.units) * n_h,
            'hoisted': self.hoisted.size(h) * self.target.size,
        }
        return layout(sizes, start)

    def _run(self, code: Code, desc: Int, block: Int) -> None:
        form, size = self.form, self.target.size
        start = code.call('stage', desc, block)
        code.put(start, block, self.frame.place['work'])
        areas = self._areas(code, block, start)
        t, b, n_i, h = self.frame.read(code, block, *'TBIH')
        xh, hh = self.frame.read(code, block, 'xh', form.recurrent)
        n_x, n_h = len(form.x_blocks), len(form.h_blocks)
        code.call('pack_x', xh, h * (n_x * size), n_i, h, areas['x_panels'])
        code.call('pack_h', hh, h * (n_h * size), h, h, areas['h_panels'])
        vectors = vector_addresses(self.frame, form, code, block)
        with flushed(code):
            self.hoisted.write(code, areas['hoisted'], vectors, h)
        work = t * b * h * (n_i * n_x + h * n_h)
        code.call('parallel', code.address_of('steps'), parts(code, b, work), block)

    def _steps(self, code: Code, part: Int, n_parts: Int, block: Int) -> None:
        """Do all steps for one part of the rows."""
        form, frame, size = self.form, self.frame, self.target.size
        t_end, b, n_i, h, x, work = frame.read(code, block, *'TBIH', 'x', 'work')
        areas = self._areas(code, block, work)
        first, last = part_of(b, part, n_parts)
        blocks = (last - first).ceil_div(self.tile_rows)
        room = code.room(self.tile_rows * form.n_tiles * self.units * self.target.width)
        step_of = self._point_writer(code, block, areas, room)
        panel_width = self.units * self.target.lanes
        with code.loop(0, t_end) as t:
            states = self._states(code, block, t)
            x_t = x + t * b * n_i * size
            point = step_of(t, states)
            with code.loop(0, gemm.panels(code, h, self.units)) as p:
                per_term = p * (self.units * self.target.width)
                x_panel = areas['x_panels'] + per_term * n_i * len(form.x_blocks)
                h_panel = areas['h_panels'] + per_term * h * len(form.h_blocks)
                with code.loop(0, blocks) as q:
                    r, m = gemm.block_of(code, first, last, q, blocks)
                    h_old, h_row = states[0].old + r * states[0].old_row, states[0].old_row
                    code.call('tile', m, x_t + r * n_i * size, n_i * size, x_panel, n_i,
                              h_old, h_row, h_panel, h, room)  # fmt: skip
                    start = p * panel_width
                    stop = h.min(start + panel_width)
                    with code.loop(0, m) as i, code.loop(start, stop, self.target.lanes) as j:
                        point(r, i, j, start)

    def _states(self, code: Code, block: Int, t: Int) -> list[State]:
        b, h = self.frame.read(code, block, 'B', 'H')
        return [
            State(code, t, *self.frame.read(code, block, f'initial{k}', f'new{k}'), b, h, row)
            for k, row in enumerate(self.rows)
        ]

    def _point_writer(self, code: Code, block: Int, areas: dict[str, Int], room: Int) -> Any:
        """Return a function of the step, which returns one of the place in a tile."""
        form, size, width = self.form, self.target.size, self.target.width
        b, h = self.frame.read(code, block, 'B', 'H')
        vectors = vector_addresses(self.frame, form, code, block)
        fixed = vector_loads(code, form, vectors, h) | self.hoisted.loads(
            code, areas['hoisted'], h
        )
        mask_at = self.frame.read(code, block, 'mask')[0] if self.masked else None
        residual = self.frame.read(code, block, 'residual')[0] if self.residuals else None
        per_row = form.n_tiles * self.units

        def step_of(t: Int, states: list[State]):
            def point(r: Int, i: Int, j: Int, start: Int) -> None:
                """Compute one vector: row r + i, units from j on, of the panel at `start`."""

                def write(lanes: Flag | None) -> None:
                    tile = room + i * (per_row * width) + (j - start) * size
                    known = {k: (lambda load=load: load(j, lanes)) for k, load in fixed.items()}
                    for g in range(form.n_tiles):
                        known[form.program.input(f'tile{g}')] = lambda g=g: code.load(
                            tile + g * self.units * width
                        )
                    old = {}
                    for k, state in enumerate(states):
                        at = state.old + (r + i) * state.old_row + j * size
                        old[k] = Once(lambda at=at: code.load(at, lanes))
                        known[form.program.input(f'state{k}')] = old[k]
                    values = form.program.evaluate(self.outputs, known, code.vec, OPERATIONS)
                    if self.masked:
                        real = code.spread(mask_at + (t * b + r + i) * size).compare('>', 0.5)
                        for k in range(form.n_states):
                            values[k] = real.pick(values[k], old[k]())
                    place = ((r + i) * h + j) * size
                    for state, value in zip(states, values):
                        code.store(value, state.new + place, lanes)
                    for k, value in enumerate(values[form.n_states :]):
                        row = (t * b + r + i) * (h * len(self.residuals))
                        code.store(value, residual + (row + h * k + j) * size, lanes)

                each_width(code, h - j, write)

            return point

        return step_of


class Once:
    """A load that is written at its first use, and known from then on."""

    def __init__(self, load: Callable[[], Vec]):
        self.load, self.value = load, None

    def __call__(self) -> Vec:
        if self.value is None:
            self.value = self.load()
        return self.value


def each_width(code: Code, left: Int, write: Callable[[Flag | None], None]) -> None:
    """Write for a vector of which `left` lanes are within the row: masked only if need be.

    With 64-byte vectors masks cost nothing; narrower processors have slow masks, or none.
    """
    lanes = code.target.lanes
    if code.target.width == 64:
        write(code.tail(left.min(lanes)))
    else:
        code.choose(left >= lanes, lambda: write(None), lambda: write(code.tail(left)))


def layout(sizes: dict[str, Int], start: Int) -> dict[str, Int]:
    """Return where each area starts, one after the other, and the ``end``."""
    places = {}
    for name, size in sizes.items():
        places[name] = start
        start = start + rounded(size)
    return places | {'end': start}


def vector_addresses(frame: Frame, form: Form, code: Code, block: Int) -> dict[str, Int]:
    """Return the addresses of the per-unit vectors."""
    return dict(zip(form.vectors, frame.read(code, block, *form.vectors), strict=True))
