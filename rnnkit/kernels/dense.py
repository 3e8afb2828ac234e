"""The kernels of a dense layer: ``x @ w + b``, and its gradients.

In: a `Target`, and how many axes x has: (T, B, I) or (B, I). Out: a module with ``size(block)``
and ``run(descriptors, block)``. The leading axes of x are rows, which threads share out.

There may be several x of one shape, which stand for one that has their features side by side:
what both directions of a bidirectional layer give is read where it is.

Backward, the product ``x.T @ dz`` is taken in chunks of rows. A chunk of dz is packed once, and
its columns are summed on the way: that is the gradient by b. Here threads share out the rows of
w, so that no sum depends on how many threads there are.

A layer of one unit, the last one of many networks, would leave most lanes of its panels empty.
Its vectors run along the inputs instead.
"""

from collections.abc import Callable

from rnnkit.kernels import gemm
from rnnkit.kernels.frame import Array, Frame, leading
from rnnkit.kernels.lanes import across, each_piece, sum_of
from rnnkit.kernels.loop import layout
from rnnkit.kernels.threads import part_of, parts, worker, write_parallel
from rnnkit.kernels.vector import Code, Flag, Int, Target, Unit, Vec

CHUNK = 512  # rows of dz that are packed at a time: they stay in a core's own cache
WIDTHS = (gemm.WIDE, gemm.NARROW)


class Dense:
    """What the writers of both directions share.

    Attributes
    ----------
    description : str
        All that the module depends on, besides the target.
    names : list of str
        The names of all x.
    """

    def __init__(self, target: Target, axes: int, n_x: int = 1):
        self.target, self.axes, self.n_x = target, axes, n_x
        self.description = f'{axes} axes, {n_x} x'
        self.names = ['x'] if n_x == 1 else [f'x{k}' for k in range(n_x)]
        self.frame = self.make_frame(leading(axes))

    def make_frame(self, rows: tuple[str, ...]) -> Frame:
        """Return the frame, given the axes that count rows."""
        raise NotImplementedError

    def areas(self, code: Code, block: Int, start: Int) -> dict[str, Int]:
        """Return where in work memory things are, from `start` on."""
        raise NotImplementedError

    def arrays(self, rows: tuple[str, ...], prefix: str = '') -> list[Array]:
        """Return all x, or what is of their shape."""
        return [Array(prefix + name, (*rows, 'I')) for name in self.names]

    def weight(self, name: str) -> Array:
        """Return the weight, or what is of its shape."""
        return Array(name, ('I' if self.n_x == 1 else f'{self.n_x}I', 'H'))

    def each_x(
        self, code: Code, block: Int, weight: str, prefix: str = ''
    ) -> list[tuple[str, Int, Int]]:
        """Return for each x its name, its address, and its rows of a weight."""
        i, h, w = self.frame.read(code, block, 'I', 'H', weight)
        size = i * h * self.target.size
        starts = self.frame.read(code, block, *(prefix + name for name in self.names))
        return [(name, x, w + size * k)
                for k, (name, x) in enumerate(zip(self.names, starts, strict=True))]  # fmt: skip

    def rows(self, code: Code, block: Int) -> Int:
        """Return the number of rows of x."""
        n, *more = self.frame.read(code, block, *leading(self.axes))
        for length in more:
            n = n * length
        return n

    def write_size(self, unit: Unit) -> None:
        """Write ``size(block)``: the bytes of work memory."""
        with unit.function('size', 'block', export=True) as (code, block):
            (staged,) = self.frame.read(code, block, 'staged')
            code.ret(self.areas(code, block, code.int(0))['end'] + staged)

    def start(self, code: Code, desc: Int, block: Int) -> dict[str, Int]:
        """Stage the inputs; return where the areas are."""
        start = code.call('stage', desc, block)
        code.put(start, block, self.frame.place['work'])
        return self.areas(code, block, start)

    def at_work(self, code: Code, block: Int) -> dict[str, Int]:
        """Return where the areas are, once `start` was called."""
        return self.areas(code, block, self.frame.read(code, block, 'work')[0])

    def by_width(self, code: Code, columns: Int, write: Callable[[int], None]) -> None:
        """Write for wide panels and for narrow ones; the number of columns decides."""
        many = columns > 2 * self.target.lanes
        code.choose(many, *(lambda v=v: write(v) for v in WIDTHS))


class Forward(Dense):
    """Writer of ``x @ w + b``."""

    def make_frame(self, rows: tuple[str, ...]) -> Frame:
        """Return the frame, given the axes that count rows."""
        inputs = [*self.arrays(rows), self.weight('w'), Array('b', ('H',))]
        return Frame(inputs, [Array('z', (*rows, 'H'))], 'dense layer')

    def areas(self, code: Code, block: Int, start: Int) -> dict[str, Int]:
        """Return where in work memory things are, from `start` on."""
        i, h = self.frame.read(code, block, 'I', 'H')
        size = gemm.panel_bytes(code, h, i, gemm.WIDE)
        return layout(dict.fromkeys(self.names, size), start)

    def write(self, name: str) -> str:
        """Return the module as text."""
        unit = Unit(name, self.target)
        self.frame.write(unit)
        for vectors in WIDTHS:
            gemm.write_rows(unit, vectors)
            gemm.write_pack_columns(unit, f'pack{vectors}', (0,), vectors)
        write_parallel(unit)
        with worker(unit, 'part') as (code, part, n_parts, block):
            self._part(code, part, n_parts, block)
        self.write_size(unit)
        with unit.function('run', 'desc block', export=True) as (code, desc, block):
            panels = self.start(code, desc, block)
            i, h = self.frame.read(code, block, 'I', 'H')
            each, row = self.each_x(code, block, 'w'), h * self.target.size

            def pack(v: int) -> None:
                for name, _, w in each:
                    code.call(f'pack{v}', w, row, i, h, panels[name])

            self.by_width(code, h, pack)
            n = self.rows(code, block)
            work = n * i * h * self.n_x
            code.call('parallel', code.address_of('part'), parts(code, n, work), block)
        return unit.text()

    def _part(self, code: Code, part: Int, n_parts: Int, block: Int) -> None:
        """Do one part of the rows: start from b, and add the products."""
        i, h, b, z = self.frame.read(code, block, 'I', 'H', 'b', 'z')
        first, last = part_of(self.rows(code, block), part, n_parts)
        size = self.target.size
        panels, each = self.at_work(code, block), self.each_x(code, block, 'w')

        def products(v: int) -> None:
            for name, x, _ in each:
                code.call(
                    f'rows{v}', x, i * size, size, panels[name], i, z, h * size, first, last, h
                )

        def many() -> None:
            with code.loop(first, last) as r:
                gemm.copy_row(code, b, z + r * h * size, h)
            self.by_width(code, h, products)

        code.choose(h.equals(1), lambda: self._one_unit(code, block, first, last), many)

    def _one_unit(self, code: Code, block: Int, first: Int, last: Int) -> None:
        """Do some rows for a layer of one unit: a dot product each."""
        i, b, z = self.frame.read(code, block, 'I', 'b', 'z')
        each = self.each_x(code, block, 'w')
        size, total = self.target.size, code.var(code.vec(0.0))
        bias, one = code.spread(b), code.tail(code.int(1))
        with code.loop(first, last) as r:
            total.set(code.vec(0.0))
            for _, x, w in each:

                def add(j: Int, lanes: Flag | None, x=x, w=w) -> None:
                    row = code.load(x + (r * i + j) * size, lanes)
                    total.set(row.fma(code.load(w + j * size, lanes), total.get()))

                each_piece(code, 0, i, add)
            code.store(across(total.get(), Vec.__add__) + bias, z + r * size, one)


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
            code, part, n_parts, n, x, i, dz, h, d_w, d_b, lost, first, last,
        ):  # fmt: skip
            panel = code.room(CHUNK * vectors * width)
            aside = [code.room(vectors * width) for _ in range(2)]
            with code.loop(0, n, CHUNK) as k, code.loop(0, gemm.panels(code, h, vectors)) as p:
                terms, start = (n - k).min(CHUNK), p * (vectors * lanes)
                mine = (p % n_parts).equals(part)
                code.call(
                    f'pack_sums{vectors}', dz + (k * h + start) * size, h * size, terms,
                    h - start, panel,
                    *(mine.pick(row + start * size, other)
                      for row, other in zip((d_b, lost), aside, strict=True)),
                )  # fmt: skip
                left = (h - start).min(vectors * lanes)
                code.call(
                    f'rows{vectors}', x + k * i * size, size, i * size, panel, terms,
                    d_w + start * size, h * size, first, last, left,
                )  # fmt: skip

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
