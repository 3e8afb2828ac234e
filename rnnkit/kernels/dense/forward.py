"""The kernels of a dense layer: ``x @ w + b``, and its gradients.

In: a `Target`, and how many axes x has: (T, B, I) or (B, I). Out: a kernel, see
`rnnkit.kernels.language.writer`. The leading axes of x are rows, which threads share out.

There may be several x of one shape, which stand for one that has their features side by side:
both directions of a bidirectional layer are read where they are.

Backward, the product ``x.T @ dz`` is taken in chunks of rows. A chunk of dz is packed once, and
its columns are summed on the way: that is the gradient by b. Here threads share out the columns
or rows of w, so that no sum depends on how many threads there are.

A layer of one unit, the last one of many networks, would leave most lanes of its panels empty.
Its vectors run along the inputs instead.
"""

from rnnkit.kernels.dense.base import Dense
from rnnkit.kernels.language import gemm
from rnnkit.kernels.language.elements import copy_row, each_piece
from rnnkit.kernels.language.frame import Array, Frame
from rnnkit.kernels.language.reductions import across
from rnnkit.kernels.language.threads import part_of, parts, worker, write_parallel
from rnnkit.kernels.language.vector import Code, Flag, Int, Target, Unit, Vec


class Forward(Dense):
    """Writer of ``x @ w + b``."""

    def __init__(self, target: Target, axes: int, n_x: int = 1):
        super().__init__(target, axes, n_x)

    def make_frame(self) -> Frame:
        """Return the frame."""
        inputs = [*self.arrays(), self.weight('w'), Array('b', ('H',))]
        return Frame(inputs, [Array('z', (*self.dims, 'H'))], 'dense layer')

    def sizes(self, code: Code, block: Int) -> dict[str, Int]:
        """Return the bytes of each area of work memory."""
        i, h = self.frame.read(code, block, 'I', 'H')
        return dict.fromkeys(self.names, gemm.panel_bytes(code, h, i, gemm.WIDE))

    def write_functions(self, unit: Unit) -> None:
        """Write the functions that `run` calls."""
        for vectors in gemm.WIDTHS:
            gemm.write_rows(unit, vectors)
            gemm.write_pack_columns(unit, f'pack{vectors}', (0,), vectors)
        write_parallel(unit)
        with worker(unit, 'part') as (code, part, n_parts, block):
            self._part(code, part, n_parts, block)

    def run(self, code: Code, desc: Int, block: Int) -> None:
        """Write the body of ``run``: pack the weights, then do all rows."""
        panels = self.areas(code, block, self.stage(code, desc, block))
        i, h = self.frame.read(code, block, 'I', 'H')
        with code.when(h.differs(1)):  # a layer of one unit reads its weights where they are
            gemm.by_width(code, h, self.pack_each(code, block, panels, i, h))
        n = self.rows(code, block)
        work = n * i * h * self.n_x
        code.call('parallel', code.address_of('part'), parts(code, n, work), block)

    def _part(self, code: Code, part: Int, n_parts: Int, block: Int) -> None:
        """Do one part of the rows: start from b, and add the products."""
        i, h, b, z = self.frame.read(code, block, 'I', 'H', 'b', 'z')
        first, last = part_of(self.rows(code, block), part, n_parts)
        size = self.target.size
        panels, each = self.at_work(code, block), self.each_x(code, block, 'w')

        def products(v: int) -> None:
            for name, x, _ in each:
                rows = gemm.Rows(x, i * size, size, panels[name], i, z, h * size, first, last, h)
                code.call(f'rows{v}', *rows)

        def many() -> None:
            # ``rows`` adds to what is there, which saves a pass over z for b.
            with code.loop(first, last) as r:
                copy_row(code, b, z + r * h * size, h)
            gemm.by_width(code, h, products)

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
