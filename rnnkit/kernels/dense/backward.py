"""The gradients of a dense layer."""

from typing import NamedTuple

from rnnkit.kernels.dense.base import Dense
from rnnkit.kernels.language import gemm
from rnnkit.kernels.language.elements import clear, each_piece
from rnnkit.kernels.language.frame import Array, Frame
from rnnkit.kernels.language.reductions import sum_of
from rnnkit.kernels.language.threads import part_of, parts, worker, write_parallel
from rnnkit.kernels.language.vector import Code, Flag, Int, Target, Unit


class Sums(NamedTuple):
    """The arguments of ``sums``: one part of ``x.T @ dz`` and, if `summing`, of column sums."""

    part: Int | int
    parts: Int
    n: Int
    x: Int
    i: Int
    dz: Int
    h: Int
    d_w: Int
    d_b: Int
    lost: Int
    summing: Int | int


class Backward(Dense):
    """Writer of the gradients, by x (if `want_x`), w and b."""

    def __init__(self, target: Target, axes: int, want_x: bool, n_x: int = 1):
        self.want_x = want_x
        super().__init__(target, axes, n_x, f', want_x={want_x}')

    def make_frame(self) -> Frame:
        """Return the frame."""
        inputs = [*self.arrays(), self.weight('w'), Array('dz', (*self.dims, 'H'))]
        d_x = self.arrays('d_') if self.want_x else []
        outputs = [*d_x, self.weight('d_w'), Array('d_b', ('H',))]
        return Frame(inputs, outputs, 'dense layer')

    def sizes(self, code: Code, block: Int) -> dict[str, Int]:
        """Return the bytes of each area of work memory."""
        i, h = self.frame.read(code, block, 'I', 'H')
        panels = dict.fromkeys(self.names, gemm.panel_bytes(code, i, h, gemm.WIDE))
        lost = {'lost': h * self.target.size}  # what rounding takes away from the sums of columns
        return lost | panels if self.want_x else lost

    def write_functions(self, unit: Unit) -> None:
        """Write the functions that `run` calls."""
        for vectors in gemm.WIDTHS:
            gemm.write_rows(unit, vectors)
            gemm.write_pack_sums(unit, vectors)
            if self.want_x:
                gemm.write_pack_transposed(unit, f'pack{vectors}', (0,), vectors)
            self._write_sums(unit, vectors)
        write_parallel(unit)
        with worker(unit, 'part') as (code, part, n_parts, block):
            self._weights(code, part, n_parts, block)
            if self.want_x:
                self._inputs(code, part, n_parts, block)

    def run(self, code: Code, desc: Int, block: Int) -> None:
        """Write the body of ``run``: clear the sums, pack the weights, then do all rows."""
        areas = self.areas(code, block, self.stage(code, desc, block))
        i, h, d_b = self.frame.read(code, block, 'I', 'H', 'd_b')
        for row in (d_b, areas['lost']):
            clear(code, row, h)
        for _, _, d_w in self.each_x(code, block, 'd_w'):
            clear(code, d_w, i * h)  # before all parts add to it
        # At least a tile of rows, up to 8, for each part.
        n, rows = self.rows(code, block), i.ceil_div(8)
        if self.want_x:
            gemm.by_width(code, i, self.pack_each(code, block, areas, i, h))
            rows = rows + n.ceil_div(8)
        work = n * i * h * (self.n_x * (1 + self.want_x))
        code.call('parallel', code.address_of('part'), parts(code, rows, work), block)
        with code.when(h > 1):
            gemm.whole_row(code, d_b, areas['lost'], d_b, h)

    def _write_sums(self, unit: Unit, vectors: int) -> None:
        """Write ``sums<vectors>``, which takes `Sums`.

        The sums of the columns of a panel are for one part only; others put theirs aside. So
        do all parts if `summing` is 0.
        """
        size, lanes, width = self.target.size, self.target.lanes, self.target.width
        with unit.function(f'sums{vectors}', ' '.join(Sums._fields)) as (code, *values):
            at = Sums(*values)
            panel = code.room(gemm.CHUNK * vectors * width)
            aside = [code.room(vectors * width) for _ in range(2)]
            share = gemm.Share(gemm.panels(code, at.h, vectors), at.part, at.parts)
            first, last = share.rows(at.i)
            with code.loop(0, at.n, gemm.CHUNK) as k, code.loop(*share.panels) as p:
                terms, start = (at.n - k).min(gemm.CHUNK), p * (vectors * lanes)
                mine = share.sums(p) & (at.summing > 0)
                pack = gemm.PackSums(
                    a=at.dz + (k * at.h + start) * size,
                    row=at.h * size,
                    rows=terms,
                    columns=at.h - start,
                    out=panel,
                    sums=mine.pick(at.d_b + start * size, aside[0]),
                    lost=mine.pick(at.lost + start * size, aside[1]),
                )
                code.call(f'pack_sums{vectors}', *pack)
                left = (at.h - start).min(vectors * lanes)
                product = gemm.Rows(
                    a=at.x + k * at.i * size,
                    a_row=size,
                    a_term=at.i * size,
                    b=panel,
                    terms=terms,
                    c=at.d_w + start * size,
                    c_row=at.h * size,
                    first=first,
                    last=last,
                    columns=left,
                )
                code.call(f'rows{vectors}', *product)

    def _weights(self, code: Code, part: Int, n_parts: Int, block: Int) -> None:
        """Compute one part of the rows of the gradient by w, of those of each x."""
        i, h, dz, d_b = self.frame.read(code, block, 'I', 'H', 'dz', 'd_b')
        n = self.rows(code, block)
        first, last = part_of(i, part, n_parts)
        each, lost = self.each_x(code, block, 'd_w'), self.at_work(code, block)['lost']

        def products(v: int) -> None:
            for k, (_, x, d_w) in enumerate(each):
                once = int(k == 0)  # the gradient by b is summed up once
                sums = Sums(part, n_parts, n, x, i, dz, h, d_w, d_b, lost, once)
                code.call(f'sums{v}', *sums)

        def one() -> None:
            for _, x, d_w in each:
                self._weights_of_one(code, block, x, d_w, first, last)
            with code.when(part.equals(0)):
                code.store(sum_of(code, dz, n).value(), d_b, code.tail(code.int(1)))

        code.choose(h.equals(1), one, lambda: gemm.by_width(code, h, products))

    def _weights_of_one(
        self, code: Code, block: Int, x: Int, d_w: Int, first: Int, last: Int
    ) -> None:
        """Compute some elements of the gradient by w, for a layer of one unit.

        There are several sums, of every fourth row each, so that none waits for the one before.
        """
        i, dz = self.frame.read(code, block, 'I', 'dz')
        n, size = self.rows(code, block), self.target.size
        # Declared once and cleared for each column: a variable is a slot of the function's entry.
        totals = [code.var(code.vec(0.0)) for _ in range(4)]

        def column(j: Int, lanes: Flag | None) -> None:
            for total in totals:
                total.set(code.vec(0.0))

            def add(r: Int, k: int) -> None:
                row = code.load(x + (r * i + j) * size, lanes)
                totals[k].set(row.fma(code.spread(dz + r * size), totals[k].get()))

            whole = n // 4 * 4
            with code.loop(0, whole, 4) as r:
                for k in range(4):
                    add(r + k, k)
            with code.loop(whole, n) as r:
                add(r, 0)
            a, b, c, d = (total.get() for total in totals)
            code.store((a + b) + (c + d), d_w + j * size, lanes)

        each_piece(code, first, last, column)

    def _inputs(self, code: Code, part: Int, n_parts: Int, block: Int) -> None:
        """Compute one part of the rows of the gradient by each x."""
        i, h, dz = self.frame.read(code, block, 'I', 'H', 'dz')
        panels, each = self.at_work(code, block), self.each_x(code, block, 'w', 'd_')
        size = self.target.size
        first, last = part_of(self.rows(code, block), part, n_parts)

        def products(v: int) -> None:
            for name, d_x, _ in each:
                rows = gemm.Rows(dz, h * size, size, panels[name], h, d_x, i * size, first, last, i)
                code.call(f'rows{v}', *rows)

        def many() -> None:
            for _, d_x, _ in each:
                clear(code, d_x + first * i * size, (last - first) * i)
            gemm.by_width(code, i, products)

        def one() -> None:
            with code.loop(first, last) as r:
                for _, d_x, w in each:
                    self._input_of_one(code, dz + r * size, w, d_x + r * i * size, i)

        code.choose(h.equals(1), one, many)

    def _input_of_one(self, code: Code, dz: Int, w: Int, to: Int, i: Int) -> None:
        """Compute a row of the gradient by x, for a layer of one unit."""
        factor, size = code.spread(dz), self.target.size

        def store(j: Int, lanes: Flag | None) -> None:
            code.store(code.load(w + j * size, lanes) * factor, to + j * size, lanes)

        each_piece(code, 0, i, store)
