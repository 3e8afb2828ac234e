"""Matrix products: register tiles, packed weights, products of rows.

In: addresses of matrices, with the bytes from row to row and from one term of a sum to the
next. Out: products, in memory. Nothing here knows of cells or time.

A tile is as many accumulators as the processor has registers for: some rows by a panel of
some vectors of columns. Weights are packed once per call into panels, ``[panel][term][vector]``,
padded with zeros, so that the innermost loop reads them in order. Where a panel reaches beyond
the last column, the tile is made in scratch memory and only its columns are copied.
"""

from collections.abc import Sequence

from rnnkit.kernels.language.reductions import Sum, whole_sum
from rnnkit.kernels.language.vector import Code, Int, Target, Unit, Vec

WIDE, NARROW = 4, 1  # vectors of a panel; the narrow one is for matrices of few columns
PLAIN = 16  # rows that are added up before the rounding error of a sum is looked at


def tile_rows(target: Target, vectors: int) -> int:
    """Return how many rows of `vectors` accumulators fit into the registers."""
    if target.registers < 32:
        return max(1, min(6, 12 // vectors))
    # one register for each vector of the panel, one for the element that meets them
    return max(1, min(8, (target.registers - 1 - vectors) // vectors))


def panels(code: Code, columns: Int, vectors: int) -> Int:
    """Return how many panels of `vectors` vectors hold `columns`."""
    return columns.ceil_div(vectors * code.target.lanes)


def panel_bytes(code: Code, columns: Int, terms: Int | int, vectors: int) -> Int:
    """Return the size of a packed matrix."""
    return panels(code, columns, vectors) * terms * (vectors * code.target.width)


def _accumulate(
    code: Code, sums: list[list], left: list[Int], step: Int | int, panel: Int, terms: Int
) -> None:
    """Add to `sums` (rows by vectors of variables) the products of rows with a panel."""
    width, vectors = code.target.width, len(sums[0])
    with code.loop(0, terms) as k:
        right = [code.load(panel + k * (vectors * width) + v * width) for v in range(vectors)]
        for row, address in zip(sums, left, strict=True):
            element = code.spread(address + k * step)
            for total, column in zip(row, right, strict=True):
                total.set(element.fma(column, total.get()))


def _dispatch(unit: Unit, name: str, args: str, rows: int) -> None:
    """Write a function that calls the one made for its first argument, a number of rows."""
    with unit.function(name, f'rows {args}') as (code, n, *rest):
        for m in range(1, rows + 1):
            with code.when(n.equals(m)):
                code.call(f'{name}_{m}', *rest)


def write_tile(unit: Unit, n_x: int, n_h: int, first: int) -> int:
    """Write ``tile(rows, x, x_row, x_panel, I, h, h_row, h_panel, H, out)``.

    It stores the sums ``x @ x_panel + h @ h_panel`` of some rows at `out`, one vector after
    the other. Of the vectors of a row, the product of x adds to the first `n_x`, the product
    of h to the last `n_h`, from number `first` on.

    Returns
    -------
    rows : int
        How many rows it takes at most.
    """
    vectors = max(n_x, first + n_h)
    most = tile_rows(unit.target, vectors)
    size, width = unit.target.size, unit.target.width
    args = 'x x_row x_panel x_terms h h_row h_panel h_terms out'
    for m in range(1, most + 1):
        with unit.function(f'tile_{m}', args, apart=True) as (
            code,
            x,
            x_row,
            xw,
            n_i,
            h,
            h_row,
            hw,
            n_u,
            out,
        ):
            sums = [[code.var(code.vec(0.0)) for _ in range(vectors)] for _ in range(m)]
            rows_x = [x + x_row * r for r in range(m)]
            rows_h = [h + h_row * r for r in range(m)]
            _accumulate(code, [row[:n_x] for row in sums], rows_x, size, xw, n_i)
            _accumulate(code, [row[first:] for row in sums], rows_h, size, hw, n_u)
            for r, row in enumerate(sums):
                for v, total in enumerate(row):
                    code.store(total.get(), out + (r * vectors + v) * width)
    _dispatch(unit, 'tile', args, most)
    return most


def write_rows(unit: Unit, vectors: int) -> None:
    """Write ``rows<vectors>(a, a_row, a_term, panels, terms, c, c_row, first, last, columns)``.

    It adds ``a @ panels`` to the rows `first` to `last` of c, which has `columns` columns.
    """
    most = tile_rows(unit.target, vectors)
    _write_micro(unit, vectors, most)
    size, width, lanes = unit.target.size, unit.target.width, unit.target.lanes
    args = 'a a_row a_term b terms c c_row first last columns'
    with unit.function(f'rows{vectors}', args) as (
        code,
        a,
        a_row,
        a_term,
        b,
        terms,
        c,
        c_row,
        first,
        last,
        columns,
    ):
        scratch = code.room(most * vectors * width)
        blocks = (last - first).ceil_div(most)
        with code.loop(0, panels(code, columns, vectors)) as p:
            start = p * (vectors * lanes)
            panel = b + p * terms * (vectors * width)
            with code.loop(0, blocks) as q:
                r, m = block_of(code, first, last, q, blocks)
                left, into = a + r * a_row, c + r * c_row + start * size

                def direct(left=left, into=into, panel=panel, m=m):
                    code.call(f'micro{vectors}', m, left, a_row, a_term, panel, terms, into, c_row)

                def partly(left=left, into=into, panel=panel, m=m, start=start):
                    with code.loop(0, m * (vectors * width), width) as at:
                        code.store(0.0, scratch + at)
                    row = vectors * width
                    code.call(f'micro{vectors}', m, left, a_row, a_term, panel, terms, scratch, row)
                    with code.loop(0, m) as i:
                        add_row(code, scratch + i * row, into + i * c_row, columns - start)

                code.choose(start + vectors * lanes <= columns, direct, partly)


def _write_micro(unit: Unit, vectors: int, most: int) -> None:
    """Write ``micro<vectors>(rows, a, a_row, a_term, panel, terms, c, c_row)``: c += a @ panel."""
    args, width = 'a a_row a_term panel terms c c_row', unit.target.width
    for m in range(1, most + 1):
        with unit.function(f'micro{vectors}_{m}', args, apart=True) as (
            code,
            a,
            a_row,
            a_term,
            panel,
            terms,
            c,
            c_row,
        ):
            into = [c + c_row * r for r in range(m)]
            sums = [[code.var(code.load(row + v * width)) for v in range(vectors)] for row in into]
            _accumulate(code, sums, [a + a_row * r for r in range(m)], a_term, panel, terms)
            for row, totals in zip(into, sums, strict=True):
                for v, total in enumerate(totals):
                    code.store(total.get(), row + v * width)
    _dispatch(unit, f'micro{vectors}', args, most)


def block_of(code: Code, first: Int, last: Int, q: Int, blocks: Int) -> tuple[Int, Int]:
    """Return start and length of part `q`, if a range is cut into `blocks` nearly equal parts."""
    n = last - first
    start = q * n // blocks
    return first + start, (q + 1) * n // blocks - start


def each_vector(code: Code, n: Int, do) -> None:
    """Call ``do(element, mask)`` for the start of each vector of a row of `n` elements."""
    with code.loop(0, n, code.target.lanes) as j:
        do(j, code.tail((n - j).min(code.target.lanes)))


def add_row(code: Code, source: Int, to: Int, n: Int) -> None:
    """Add up to the panel's width of `source` to the `n` elements at `to`."""

    def add(j: Int, mask) -> None:
        at = j * code.target.size
        code.store(code.load(source + at, mask) + code.load(to + at, mask), to + at, mask)

    each_vector(code, n, add)


def copy_row(code: Code, source: Int, to: Int, n: Int) -> None:
    """Copy `n` elements."""
    size = code.target.size
    each_vector(
        code, n, lambda j, mask: code.store(code.load(source + j * size, mask), to + j * size, mask)
    )


def clear(code: Code, to: Int, n: Int) -> None:
    """Set `n` elements to 0."""
    size = code.target.size
    each_vector(code, n, lambda j, mask: code.store(0.0, to + j * size, mask))


def write_pack_columns(unit: Unit, name: str, blocks: Sequence[int], units: int) -> None:
    """Write ``<name>(w, row, terms, H, out)``: pack gate blocks of a weight side by side.

    Panel p holds, for each row of the weight, `units` vectors of each of its column blocks of
    H columns, in the order of `blocks`.
    """
    size, width, lanes = unit.target.size, unit.target.width, unit.target.lanes
    with unit.function(name, 'w row terms units out') as (code, w, row, terms, h, out):
        with code.loop(0, panels(code, h, units)) as p, code.loop(0, terms) as k:
            for g, column in enumerate(blocks):
                for u in range(units):
                    j = (p * units + u) * lanes
                    mask = code.tail(h - j)  # of no lane, if j is beyond H
                    value = code.load(w + k * row + (h * column + j) * size, mask)
                    number = (p * terms + k) * (len(blocks) * units) + (g * units + u)
                    code.store(value, out + number * width)


def write_pack_transposed(unit: Unit, name: str, blocks: Sequence[int], vectors: int) -> None:
    """Write ``<name>(w, row, rows, H, out)``: pack the transpose of a weight.

    The terms are the columns of the weight, its blocks of H columns in the order of `blocks`.
    """
    size, width, lanes = unit.target.size, unit.target.width, unit.target.lanes
    with unit.function(name, 'w row rows units out') as (code, w, row, rows, h, out):
        terms = h * len(blocks)
        row_bytes = vectors * width
        whole = rows // (vectors * lanes)
        with code.loop(whole, panels(code, rows, vectors)) as p:
            start = out + p * terms * row_bytes
            with code.loop(0, terms * row_bytes, width) as at:
                code.store(0.0, start + at)
        with code.loop(0, rows) as r:
            p, lane = r // (vectors * lanes), r % (vectors * lanes)
            to = out + p * terms * row_bytes + lane * size
            for g, column in enumerate(blocks):
                source = w + r * row + h * column * size
                with code.loop(0, h) as u:
                    code.copy_element(source + u * size, to + (h * g + u) * row_bytes)


def write_pack_sums(unit: Unit, vectors: int) -> None:
    """Write ``pack_sums<vectors>(a, row, rows, columns, out, sums, lost)``.

    It packs one panel, of at most `columns` columns, and adds the sum of each column to `sums`,
    and what rounding took away from it to `lost`.
    """
    size, width, lanes = unit.target.size, unit.target.width, unit.target.lanes
    with unit.function(f'pack_sums{vectors}', 'a row rows columns out sums lost') as (
        code,
        a,
        row,
        rows,
        columns,
        out,
        sums,
        lost,
    ):
        starts = [v * lanes for v in range(vectors)]
        masks = [code.tail(columns - start) for start in starts]
        totals, parts = [Sum(code) for _ in starts], [code.var(code.vec(0.0)) for _ in starts]
        with code.loop(0, rows, PLAIN) as block:
            for part in parts:
                part.set(code.vec(0.0))
            with code.loop(block, rows.min(block + PLAIN)) as k:
                for v, (start, mask, part) in enumerate(zip(starts, masks, parts, strict=True)):
                    value: Vec = code.load(a + k * row + start * size, mask)
                    code.store(value, out + (k * vectors + v) * width)
                    part.set(part.get() + value)
            for total, part in zip(totals, parts, strict=True):
                total.add(part.get())
        for start, mask, total in zip(starts, masks, totals, strict=True):
            total.add_to(sums + start * size, lost + start * size, mask)


def whole_row(code: Code, sums: Int, lost: Int, to: Int, n: Int) -> None:
    """Put `n` sums, with what rounding took away from them, at `to`."""

    def write(j: Int, mask) -> None:
        total, rest = (code.load(row + j * code.target.size, mask) for row in (sums, lost))
        code.store(whole_sum(total, rest), to + j * code.target.size, mask)

    each_vector(code, n, write)
