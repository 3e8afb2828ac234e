"""The gradients of a dense layer."""

from rnnkit.kernels.dense.base import WIDTHS, Dense
from rnnkit.kernels.language import gemm
from rnnkit.kernels.language.frame import Array, Frame, layout
from rnnkit.kernels.language.reductions import each_piece, sum_of
from rnnkit.kernels.language.threads import part_of, parts, worker, write_parallel
from rnnkit.kernels.language.vector import Code, Flag, Int, Target, Unit

CHUNK = 512  # rows of dz that are packed at a time: they stay in a core's own cache


class Backward(Dense):
    """Writer of the gradients, by x (if `want_x`), w and b."""

    def __init__(self, target: Target, axes: int, want_x: bool, n_x: int = 1):
        self.want_x = want_x
        super().__init__(target, axes, n_x)
        self.description += f', want_x={want_x}'

    def make_frame(self, rows: tuple[str, ...]) -> Frame:
        """Return the frame, given the axes that count rows."""
        inputs = [*self.arrays(rows), self.weight('w'), Array('dz', (*rows, 'H'))]
        d_x = self.arrays(rows, 'd_') if self.want_x else []
        outputs = [*d_x, self.weight('d_w'), Array('d_b', ('H',))]
        return Frame(inputs, outputs, 'dense layer')

    def areas(self, code: Code, block: Int, start: Int) -> dict[str, Int]:
        """Return where in work memory things are, from `start` on."""
        i, h = self.frame.read(code, block, 'I', 'H')
        panels = dict.fromkeys(self.names, gemm.panel_bytes(code, i, h, gemm.WIDE))
        lost = {'lost': h * self.target.size}  # what rounding takes away from the sums of columns
        return layout(lost | panels if self.want_x else lost, start)

    def write(self, name: str) -> str:
        """Return the module as text."""
        unit = Unit(name, self.target)
        self.frame.write(unit)
        for vectors in WIDTHS:
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
        self.write_size(unit)
        with unit.function('run', 'desc block', export=True) as (code, desc, block):
            self._run(code, desc, block)
        return unit.text()

    def _run(self, code: Code, desc: Int, block: Int) -> None:
        areas = self.start(code, desc, block)
        i, h, d_b = self.frame.read(code, block, 'I', 'H', 'd_b')
        for row in (d_b, areas['lost']):
            gemm.clear(code, row, h)
        n, rows = self.rows(code, block), i.ceil_div(8)
        if self.want_x:
            each, row = self.each_x(code, block, 'w'), h * self.target.size

            def pack(v: int) -> None:
                for name, _, w in each:
                    code.call(f'pack{v}', w, row, i, h, areas[name])

            self.by_width(code, i, pack)
            rows = rows + n.ceil_div(8)
        work = n * i * h * (self.n_x * (1 + self.want_x))
        code.call('parallel', code.address_of('part'), parts(code, rows, work), block)
        with code.when(h > 1):
            gemm.whole_row(code, d_b, areas['lost'], d_b, h)

    def _write_sums(self, unit: Unit, vectors: int) -> None:
        """Write ``sums<vectors>``: rows `first` to `last` of ``x.T @ dz``, and column sums.

        The sums of the columns of a panel are for one part only; others put theirs aside. So
        does the part number -1.
        """
        size, lanes, width = self.target.size, self.target.lanes, self.target.width
        args = 'part parts n x i dz h d_w d_b lost first last'
        with unit.function(f'sums{vectors}', args) as (
            code,
            part,
            n_parts,
            n,
            x,
            i,
            dz,
            h,
            d_w,
            d_b,
            lost,
            first,
            last,
        ):
            panel = code.room(CHUNK * vectors * width)
            aside = [code.room(vectors * width) for _ in range(2)]
            with code.loop(0, n, CHUNK) as k, code.loop(0, gemm.panels(code, h, vectors)) as p:
                terms, start = (n - k).min(CHUNK), p * (vectors * lanes)
                mine = (p % n_parts).equals(part)
                code.call(
                    f'pack_sums{vectors}',
                    dz + (k * h + start) * size,
                    h * size,
                    terms,
                    h - start,
                    panel,
                    *(
                        mine.pick(row + start * size, other)
                        for row, other in zip((d_b, lost), aside, strict=True)
                    ),
                )
                left = (h - start).min(vectors * lanes)
                code.call(
                    f'rows{vectors}',
                    x + k * i * size,
                    size,
                    i * size,
                    panel,
                    terms,
                    d_w + start * size,
                    h * size,
                    first,
                    last,
                    left,
                )

    def _weights(self, code: Code, part: Int, n_parts: Int, block: Int) -> None:
        """Compute one part of the rows of the gradient by w, of those of each x."""
        i, h, dz, d_b = self.frame.read(code, block, 'I', 'H', 'dz', 'd_b')
        n, size = self.rows(code, block), self.target.size
        first, last = part_of(i, part, n_parts)
        each, lost = self.each_x(code, block, 'd_w'), self.at_work(code, block)['lost']

        def sums(v: int) -> None:
            for k, (_, x, d_w) in enumerate(each):
                number = -1 if k else part  # the gradient by b is summed up once
                code.call(f'sums{v}', number, n_parts, n, x, i, dz, h, d_w, d_b, lost, first, last)

        def many() -> None:
            for _, _, d_w in each:
                gemm.clear(code, d_w + first * h * size, (last - first) * h)
            self.by_width(code, h, sums)

        def one() -> None:
            for _, x, d_w in each:
                self._weights_of_one(code, block, x, d_w, first, last)
            with code.when(part.equals(0)):
                code.store(sum_of(code, dz, n).value(), d_b, code.tail(code.int(1)))

        code.choose(h.equals(1), one, many)

    def _weights_of_one(
        self, code: Code, block: Int, x: Int, d_w: Int, first: Int, last: Int
    ) -> None:
        """Compute some elements of the gradient by w, for a layer of one unit.

        There are several sums, of every fourth row each, so that none waits for the one before.
        """
        i, dz = self.frame.read(code, block, 'I', 'dz')
        n, size = self.rows(code, block), self.target.size
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
                code.call(
                    f'rows{v}', dz, h * size, size, panels[name], h, d_x, i * size, first, last, i
                )

        def many() -> None:
            for _, d_x, _ in each:
                gemm.clear(code, d_x + first * i * size, (last - first) * i)
            self.by_width(code, i, products)

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
