"""The second derivative of a loop over time, in one call.

In: a `Form`, a `Target`, a `Walk`, and which inputs change. Out: a kernel, see
`rnnkit.kernels.language.writer`; `frame_curvature` has its inputs and outputs.

The loop forward computes the tiles once more, and their changes and those of the states. The loop
backward computes the gradients of the tiles and their changes, in the place of the tiles. The
changes of the weights' gradients are taken after it, for all steps. As in the first derivative,
threads have rows of their own in the loops, and rows of the weights after them.
"""

from collections.abc import Sequence

from rnnkit.kernels.language import gemm
from rnnkit.kernels.language.elements import add_row, clear, copy_row
from rnnkit.kernels.language.frame import Array, Frame
from rnnkit.kernels.language.products import add_rows, call, write_pack
from rnnkit.kernels.language.threads import flushed, part_of, parts, worker, write_parallel
from rnnkit.kernels.language.vector import Code, Flag, Int, Target, Unit
from rnnkit.kernels.language.writer import Writer
from rnnkit.kernels.recurrent.curvature_point import CurvaturePoint
from rnnkit.kernels.recurrent.form import Form
from rnnkit.kernels.recurrent.forward import inputs_of
from rnnkit.kernels.recurrent.second_order import Changes
from rnnkit.kernels.recurrent.walk import Walk


def frame_curvature(
    form: Form,
    walk: Walk,
    given: Sequence[bool],
    directions: Sequence[str],
    results: Sequence[str],
) -> Frame:
    """Return the frame of the kernel.

    Inputs are those of the forward, its states, the gradients by those states for which `given`
    holds, and the changes ``d_x`` and so on of the inputs `directions`. Outputs are `results`: of
    the changes ``d_new0``.. of the states and ``c_x``.. of the gradients.
    """
    inputs, sequence = inputs_of(form, walk), ('T', 'B', 'H')
    dims = {array.name: array.dims for array in inputs}
    outer = [
        *(f'new{k}' for k in range(form.n_states)),
        *(f'given{k}' for k in range(form.n_states) if given[k]),
    ]
    return Frame(
        [
            *inputs,
            *(Array(name, sequence) for name in outer),
            *(Array(f'd_{name}', dims[name]) for name in directions),
        ],
        [Array(name, dims.get(name.removeprefix('c_'), sequence)) for name in results],
    )


class CurvatureKernel(Writer):
    """Writer of the kernel."""

    def __init__(
        self,
        form: Form,
        target: Target,
        walk: Walk,
        given: Sequence[bool],
        directions: Sequence[str],
        results: Sequence[str],
    ):
        self.form, self.walk = form, walk
        self.directions, self.results = directions, results
        self.changes = Changes(form, [name for name in form.vectors if name in directions])
        description = repr((form.key, self.changes.key, walk, given, directions, results))
        frame = frame_curvature(form, walk, given, directions, results)
        super().__init__(target, frame, description)

    def write_functions(self, unit: Unit) -> None:
        """Write the functions that `run` calls."""
        for vectors in gemm.WIDTHS:
            gemm.write_rows(unit, vectors)
            write_pack(unit, vectors)
            gemm.write_pack_transposed(unit, f'pack_h{vectors}', self.form.h_blocks, vectors)
            gemm.write_pack_transposed(unit, f'pack_x{vectors}', self.form.x_blocks, vectors)
        write_parallel(unit)
        for name, write in (('steps', self._steps), ('weights', self._weights)):
            with worker(unit, name) as (code, part, n_parts, block):
                write(code, part, n_parts, block)

    def _weight_names(self) -> list[str]:
        """Return the weights that are multiplied with, among them the changes."""
        names = [self.form.recurrent, 'xh']
        return [*names, *(f'd_{name}' for name in names if name in self.directions)]

    def _is_x(self, name: str) -> bool:
        return name.removeprefix('d_') == 'xh'

    def sizes(self, code: Code, block: Int) -> dict[str, Int]:
        """Return the bytes of each area of work memory."""
        form, size = self.form, self.target.size
        t, b, n_i, h = self.frame.read(code, block, *'TBIH')
        n_states, tile = form.n_states, t * b * h * (form.n_tiles * size)
        sizes = {
            **dict.fromkeys(('tile', 'd_tile'), tile),
            'd_old': (t + 1) * b * h * (n_states * size),
            'carried': b * h * (2 * n_states * size),
            'own': t * b * h * (len(self.changes.own) * size),
            'row': h * size,
            'chunks': self._parts(code, block) * (2 * gemm.panel_bytes(code, h, b, gemm.WIDE)),
        }
        for name in self._weight_names():
            is_x = self._is_x(name)
            terms, n_blocks = (n_i, len(form.x_blocks)) if is_x else (h, len(form.h_blocks))
            sizes[name] = gemm.panel_bytes(code, h, terms, gemm.WIDE) * n_blocks
            sizes[f'{name} back'] = gemm.panel_bytes(code, terms, h * n_blocks, gemm.WIDE)
        return sizes

    def _parts(self, code: Code, block: Int) -> Int:
        t, b, n_i, h = self.frame.read(code, block, *'TBIH')
        n_x, n_h = len(self.form.x_blocks), len(self.form.h_blocks)
        return parts(code, b, t * b * h * (n_i * n_x + h * n_h))

    def run(self, code: Code, desc: Int, block: Int) -> None:
        """Write the body of ``run``: pack the weights, do all steps, then multiply."""
        areas = self.areas(code, block, self.stage(code, desc, block))
        form, size = self.form, self.target.size
        n_i, h = self.frame.read(code, block, 'I', 'H')
        for name in self._weight_names():
            is_x = self._is_x(name)
            blocks, terms = (form.x_blocks, n_i) if is_x else (form.h_blocks, h)
            (weight,) = self.frame.read(code, block, name)
            row = h * (len(blocks) * size)
            for k, column in enumerate(blocks):
                at = areas[name] + gemm.panel_bytes(code, h, terms, gemm.WIDE) * k
                call(code, 'pack', h, weight + h * (column * size), row, terms, h, at)
            kind = 'pack_x' if is_x else 'pack_h'
            call(code, kind, terms, weight, row, terms, h, areas[f'{name} back'])
        for name in ('steps', 'weights'):
            code.call('parallel', code.address_of(name), self._parts(code, block), block)
        with flushed(code):
            self._finish(code, block, areas)

    def _point(self, code: Code, block: Int, areas: dict[str, Int]) -> CurvaturePoint:
        form, frame, walk = self.form, self.frame, self.walk
        return CurvaturePoint(form, frame, walk, code, block, self.changes, areas)

    # --- the loops

    def _steps(self, code: Code, part: Int, n_parts: Int, block: Int) -> None:
        """Do both loops for one part of the rows."""
        t_end, b, h, work = self.frame.read(code, block, *'TBH', 'work')
        areas = self.areas(code, block, work)
        first, last = part_of(b, part, n_parts)
        self._begin(code, block, areas, first, last)
        point = self._point(code, block, areas)
        limit = self.walk.bptt_limit
        n_states, size = self.form.n_states, self.target.size
        row = h * (n_states * size)

        def stops(number: Int) -> Flag:
            return (number > 0) & (number % limit).equals(0)

        with code.loop(0, t_end) as number:
            point.go(number, t_end)
            if limit is not None:
                with code.when(stops(number)):
                    clear(code, point.d_old + first * row, (last - first) * h * n_states)
            self._tiles(point, first, last)
            with code.loop(first, last) as r, code.loop(0, h, self.target.lanes) as j:
                point.ahead(r, j)
        with code.loop(0, t_end) as done:
            number = t_end - 1 - done
            point.go(number, t_end)
            with code.loop(first, last) as r, code.loop(0, h, self.target.lanes) as j:
                point.back(r, j)
            self._pass_back(point, first, last)
            if limit is not None:
                with code.when(stops(number)):
                    to = areas['carried'] + first * row * 2
                    clear(code, to, (last - first) * h * (2 * n_states))

    def _begin(self, code: Code, block: Int, areas: dict[str, Int], first: Int, last: Int) -> None:
        """Write the changes of the initial states; nothing is carried to the last step."""
        (h,) = self.frame.read(code, block, 'H')
        size, n = self.target.size, self.form.n_states
        with code.loop(first, last) as r:
            clear(code, areas['carried'] + r * h * (2 * n * size), h * (2 * n))
            for k, one_row in enumerate(self.walk.rows):
                to = areas['d_old'] + (r * n + k) * h * size
                if f'initial{k}' in self.directions:
                    (source,) = self.frame.read(code, block, f'd_initial{k}')
                    copy_row(code, source + r * h * (0 if one_row else size), to, h)
                else:
                    clear(code, to, h)

    def _tiles(self, point: CurvaturePoint, first: Int, last: Int) -> None:
        """Compute the tiles of a step, and their changes."""
        form, size, n = self.form, self.target.size, self.form.n_tiles
        code, areas = point.code, point.areas
        b, n_i, h, x = point.address(*'BIH', 'x')
        row = h * (n * size)
        tile, d_tile = (areas[name] + point.t * b * row for name in ('tile', 'd_tile'))
        for to in (tile, d_tile):
            clear(code, to + first * row, (last - first) * h * n)

        def add(a: Int, a_row: Int, terms: Int, weight: str, to: Int, start: int) -> None:
            n_blocks = len(form.x_blocks) if self._is_x(weight) else len(form.h_blocks)
            for k in range(n_blocks):
                panels = areas[weight] + gemm.panel_bytes(code, h, terms, gemm.WIDE) * k
                into = to + h * ((start + k) * size)
                add_rows(code, a, a_row, size, panels, terms, into, row, first, last, h)

        x_row = n_i * size
        at, old, h_first = point.t * b * x_row, point.states[0], form.h_first
        add(x + at, x_row, n_i, 'xh', tile, 0)
        add(old.old, old.old_row, h, form.recurrent, tile, h_first)
        d_row = h * (form.n_states * size)
        add(point.d_old, d_row, h, form.recurrent, d_tile, h_first)
        if 'x' in self.directions:
            (d_x,) = point.address('d_x')
            add(d_x + at, x_row, n_i, 'xh', d_tile, 0)
        if 'xh' in self.directions:
            add(x + at, x_row, n_i, 'd_xh', d_tile, 0)
        if form.recurrent in self.directions:
            add(old.old, old.old_row, h, f'd_{form.recurrent}', d_tile, h_first)

    def _pass_back(self, point: CurvaturePoint, first: Int, last: Int) -> None:
        """Add what goes from the tiles of a step to the state before it, and to x."""
        form, size, n = self.form, self.target.size, self.form.n_tiles
        code, areas = point.code, point.areas
        b, n_i, h = point.address(*'BIH')
        row = h * (n * size)
        tile, d_tile = (areas[name] + point.t * b * row for name in ('tile', 'd_tile'))
        carried_row = h * (2 * form.n_states * size)
        carried = areas['carried']
        d_carried = carried + h * (form.n_states * size)

        def by_h(a: Int, weight: str, to: Int) -> None:
            start, terms = a + h * (form.h_first * size), h * len(form.h_blocks)
            panels = areas[f'{weight} back']
            add_rows(code, start, row, size, panels, terms, to, carried_row, first, last, h)

        by_h(tile, form.recurrent, carried)
        by_h(d_tile, form.recurrent, d_carried)
        if form.recurrent in self.directions:
            by_h(tile, f'd_{form.recurrent}', d_carried)
        if 'c_x' not in self.results:
            return
        x_row, terms = n_i * size, h * len(form.x_blocks)
        to = point.address('c_x')[0] + point.t * b * x_row
        clear(code, to + first * x_row, (last - first) * n_i)
        sources = [(d_tile, 'xh'), *[(tile, 'd_xh')] * ('xh' in self.directions)]
        for a, weight in sources:
            panels = areas[f'{weight} back']
            add_rows(code, a, row, size, panels, terms, to, x_row, first, last, n_i)

    # --- after them

    def _weights(self, code: Code, part: Int, n_parts: Int, block: Int) -> None:
        """Compute the changes of one part of the rows of the weights' gradients."""
        form, size, n = self.form, self.target.size, self.form.n_tiles
        t_end, b, n_i, h, x, work = self.frame.read(code, block, *'TBIH', 'x', 'work')
        areas = self.areas(code, block, work)
        c_hh, c_xh = self.frame.read(code, block, f'c_{form.recurrent}', 'c_xh')
        rows_h, rows_x = part_of(h, part, n_parts), part_of(n_i, part, n_parts)
        hh_row, xh_row = h * (len(form.h_blocks) * size), h * (len(form.x_blocks) * size)
        for to, row, (low, high) in ((c_hh, hh_row, rows_h), (c_xh, xh_row, rows_x)):
            clear(code, to + low * row, (high - low) * row // size)
        point = self._point(code, block, areas)
        panel = gemm.panel_bytes(code, h, b, gemm.WIDE)
        chunk = areas['chunks'] + part * panel * 2
        d_chunk, row = chunk + panel, h * (n * size)
        with code.loop(0, t_end) as number:
            point.go(number, t_end)
            old, x_row, at = point.states[0], n_i * size, point.t * b
            for g in range(n):
                for name, to in (('tile', chunk), ('d_tile', d_chunk)):
                    source = areas[name] + at * row + h * (g * size)
                    call(code, 'pack', h, source, row, b, h, to)
                if g < len(form.x_blocks):
                    to = c_xh + h * (form.x_blocks[g] * size)
                    terms = [(x, d_chunk)]
                    if 'x' in self.directions:
                        terms.append((self.frame.read(code, block, 'd_x')[0], chunk))
                    for a, panels in terms:
                        a = a + at * x_row
                        add_rows(code, a, size, x_row, panels, b, to, xh_row, *rows_x, h)
                if g >= form.h_first:
                    to = c_hh + h * (form.h_blocks[g - form.h_first] * size)
                    d_row = h * (form.n_states * size)
                    for a, a_term, panels in (
                        (old.old, old.old_row, d_chunk),
                        (point.d_old, d_row, chunk),
                    ):
                        add_rows(code, a, size, a_term, panels, b, to, hh_row, *rows_h, h)

    def _finish(self, code: Code, block: Int, areas: dict[str, Int]) -> None:
        """Write the changes of the gradients by vectors and by initial states."""
        form, size, n_states = self.form, self.target.size, self.form.n_states
        b, h = self.frame.read(code, block, 'B', 'H')
        shared, own = form.shared_gradients(), [block for block, _ in self.changes.own]
        for name, k in form.vector_blocks():
            to = self.frame.read(code, block, f'c_{name}')[0] + h * (k * size)
            if (name, k) in shared:
                self._add_up(code, block, areas, 'd_tile', form.n_tiles, shared[name, k], to)
            else:
                self._add_up(code, block, areas, 'own', len(own), own.index((name, k)), to)
        for k, row in enumerate(self.walk.rows):
            (to,) = self.frame.read(code, block, f'c_initial{k}')
            if row:
                clear(code, to, h)
            with code.loop(0, b) as r:
                source = areas['carried'] + (r * (2 * n_states) + (n_states + k)) * h * size
                if row:
                    add_row(code, source, to, h)
                else:
                    copy_row(code, source, to + r * h * size, h)

    def _add_up(
        self, code: Code, block: Int, areas: dict[str, Int], name: str, n: int, k: int, to: Int
    ) -> None:
        """Write the sum of block k of `n` over all steps and rows of an area."""
        size, part = self.target.size, areas['row']
        t_end, b, h = self.frame.read(code, block, *'TBH')
        row = h * (n * size)
        clear(code, to, h)
        # Each step has a sum of its own, which loses fewer digits than one long sum.
        with code.loop(0, t_end) as t:
            clear(code, part, h)
            with code.loop(0, b) as r:
                add_row(code, areas[name] + (t * b + r) * row + h * (k * size), part, h)
            add_row(code, part, to, h)
