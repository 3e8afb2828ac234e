"""Matrix products: register tiles, packed weights, products of rows.

In: addresses of matrices, with the bytes from row to row and from one term of a sum to the
next. Out: products, in memory. Nothing here knows of cells or time.

A tile is as many accumulators as the processor has registers for: some rows by a panel of
some vectors of columns. Weights are packed once per call into panels, ``[panel][term][vector]``,
padded with zeros. The innermost loop then reads them in order, where rows of a wide weight would
be a cache line and a page apart, and needs no lane masks. Where a panel reaches beyond the last
column, the tile is made in scratch memory and only its columns are copied.

The products are written here, rather than left to BLAS, because its threads wait by spinning and
take the cores from ours, and because the elementwise part of a cell works on the tile while it
is in registers or the first cache.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rnnkit.kernels.language.elements import add_row, copy_row, each_vector
from rnnkit.kernels.language.reductions import Sum, whole_sum
from rnnkit.kernels.language.threads import part_of
from rnnkit.kernels.language.vector import Code, Flag, Int, Target, Unit, Var, Vec

WIDE, NARROW = 4, 1  # vectors of a panel; the narrow one is for matrices of few columns
WIDTHS = (WIDE, NARROW)
MOST_ROWS = 8  # of a tile
PLAIN = 16  # rows that are added up before the rounding error of a sum is looked at
CHUNK = 512  # rows that are packed at a time for sums of products: they stay in a core's own cache


class Tile(NamedTuple):
    """The arguments of ``tile``, after the number of rows: addresses, bytes and lengths."""

    x: Int
    x_row: Int
    x_panel: Int
    x_terms: Int
    h: Int
    h_row: Int
    h_panel: Int
    h_terms: Int
    out: Int


class Rows(NamedTuple):
    """The arguments of ``rows``: ``c += a @ panels``, from row `first` to `last` of a and c.

    Rows and terms of a are `a_row` and `a_term` bytes apart, so that a may be a transpose.
    """

    a: Int
    a_row: Int | int
    a_term: Int | int
    b: Int
    terms: Int
    c: Int
    c_row: Int | int
    first: Int
    last: Int
    columns: Int


class PackSums(NamedTuple):
    """The arguments of ``pack_sums``."""

    a: Int
    row: Int
    rows: Int
    columns: Int
    out: Int
    sums: Int
    lost: Int


class Micro(NamedTuple):
    """The arguments of ``micro``, after the number of rows."""

    a: Int
    a_row: Int | int
    a_term: Int | int
    panel: Int
    terms: Int
    c: Int
    c_row: Int | int


class Share:
    """The share of one part in a product of many terms: some panels, or some rows of the result.

    Parts share out the panels, where there is the same number for each; then each panel is packed
    once. Otherwise they share out the rows, and each part packs all panels.

    Attributes
    ----------
    panels : tuple of Int
        The first panel, and the one after the last.
    """

    def __init__(self, n_panels: Int, part: Int, parts: Int):
        self.part, self.parts = part, parts
        self.by_panels = (n_panels % parts).equals(0)
        first, last = part_of(n_panels, part, parts)
        self.panels = self.by_panels.pick(first, 0), self.by_panels.pick(last, n_panels)

    def rows(self, n: Int) -> tuple[Int, Int]:
        """Return the first of `n` rows, and the one after the last."""
        first, last = part_of(n, self.part, self.parts)
        return self.by_panels.pick(0, first), self.by_panels.pick(n, last)

    def sums(self, panel: Int) -> Flag:
        """Return whether this part adds up the columns of a panel of its own."""
        return self.by_panels | (panel % self.parts).equals(self.part)


def tile_rows(target: Target, vectors: int) -> int:
    """Return how many rows of `vectors` accumulators fit into the registers."""
    # An accumulator that does not fit is stored and loaded again for every term of the sum. Fewer
    # rows than fit would load each vector of the panel for less work.
    rows = range(1, MOST_ROWS + 1)
    fit = [r for r in rows if r * vectors + min(r, vectors) + 1 <= target.registers]
    return max(fit, default=1)


def by_width(code: Code, columns: Int, write: Callable[[int], object]) -> None:
    """Call ``write(vectors)`` for wide panels and for narrow ones; `columns` decide at run time."""
    code.choose(columns > 2 * code.target.lanes, *(lambda v=v: write(v) for v in WIDTHS))


def panels(code: Code, columns: Int, vectors: int) -> Int:
    """Return how many panels of `vectors` vectors hold `columns`."""
    return columns.ceil_div(vectors * code.target.lanes)


def panel_bytes(code: Code, columns: Int, terms: Int | int, vectors: int) -> Int:
    """Return the size of a packed matrix."""
    return panels(code, columns, vectors) * terms * (vectors * code.target.width)


def _accumulate(
    code: Code,
    sums: list[list[Var[Vec]]],
    left: list[Int],
    step: Int | int,
    panel: Int,
    terms: Int,
) -> None:
    """Add to `sums` (rows by vectors of variables) the products of rows with a panel."""
    width, rows, vectors = code.target.width, range(len(sums)), range(len(sums[0]))
    with code.loop(0, terms) as k:

        def element(r: int) -> Vec:
            return code.spread(left[r] + k * step)

        def column(v: int) -> Vec:
            return code.load(panel + k * (len(vectors) * width) + v * width)

        def add(r: int, v: int, element: Vec, column: Vec) -> None:
            sums[r][v].set(element.fma(column, sums[r][v].get()))

        # Registers hold the shorter side of the tile; the longer one passes through one register.
        if len(rows) < len(vectors):
            held = [element(r) for r in rows]
            for v in vectors:
                passing = column(v)
                for r in rows:
                    add(r, v, held[r], passing)
        else:
            held = [column(v) for v in vectors]
            for r in rows:
                passing = element(r)
                for v in vectors:
                    add(r, v, passing, held[v])


def _dispatch(unit: Unit, name: str, args: str, rows: int) -> None:
    """Write a function that calls the one made for its first argument, a number of rows."""
    # Registers have no index: each number of rows needs code of its own.
    with unit.function(name, f'rows {args}') as (code, n, *values):
        for m in range(1, rows + 1):
            with code.when(n.equals(m)):
                code.call(f'{name}_{m}', *values)


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
    args = ' '.join(Tile._fields)
    for m in range(1, most + 1):
        with unit.function(f'tile_{m}', args, apart=True) as (code, *values):
            at = Tile(*values)
            sums = [[code.var(code.vec(0.0)) for _ in range(vectors)] for _ in range(m)]
            rows_x = [at.x + at.x_row * r for r in range(m)]
            rows_h = [at.h + at.h_row * r for r in range(m)]
            from_x, from_h = [row[:n_x] for row in sums], [row[first:] for row in sums]
            _accumulate(code, from_x, rows_x, size, at.x_panel, at.x_terms)
            _accumulate(code, from_h, rows_h, size, at.h_panel, at.h_terms)
            for r, row in enumerate(sums):
                for v, total in enumerate(row):
                    code.store(total.get(), at.out + (r * vectors + v) * width)
    _dispatch(unit, 'tile', args, most)
    return most


def write_rows(unit: Unit, vectors: int, fresh: bool = False) -> None:
    """Write ``rows<vectors>``, which takes `Rows`; c has `columns` columns.

    If `fresh`, write ``fresh<vectors>``: ``c = a @ panels``, whatever c was.
    """
    most = tile_rows(unit.target, vectors)
    name, micro = ('fresh', 'fresh_micro') if fresh else ('rows', 'micro')
    _write_micro(unit, f'{micro}{vectors}', vectors, most, fresh)
    size, width, lanes = unit.target.size, unit.target.width, unit.target.lanes
    with unit.function(f'{name}{vectors}', ' '.join(Rows._fields)) as (code, *values):
        at = Rows(*values)
        scratch = code.room(most * vectors * width)
        blocks = (at.last - at.first).ceil_div(most)
        with code.loop(0, panels(code, at.columns, vectors)) as p:
            start = p * (vectors * lanes)
            panel = at.b + p * at.terms * (vectors * width)
            with code.loop(0, blocks) as q:
                r, m = block_of(code, at.first, at.last, q, blocks)
                left, into = at.a + r * at.a_row, at.c + r * at.c_row + start * size
                product = Micro(left, at.a_row, at.a_term, panel, at.terms, into, at.c_row)

                def direct(m=m, product=product):
                    code.call(f'{micro}{vectors}', m, *product)

                def partly(m=m, product=product, start=start):
                    row = vectors * width
                    if not fresh:
                        with code.loop(0, m * row, width) as byte:
                            code.store(0.0, scratch + byte)
                    aside = product._replace(c=scratch, c_row=row)
                    code.call(f'{micro}{vectors}', m, *aside)
                    put = copy_row if fresh else add_row
                    with code.loop(0, m) as i:
                        source, to = scratch + i * row, product.c + i * product.c_row
                        put(code, source, to, at.columns - start)

                code.choose(start + vectors * lanes <= at.columns, direct, partly)


def _write_micro(unit: Unit, name: str, vectors: int, most: int, fresh: bool) -> None:
    """Write ``<name>(rows, a, a_row, a_term, panel, terms, c, c_row)``: c += a @ panel.

    If `fresh`, c = a @ panel.
    """
    args, width = ' '.join(Micro._fields), unit.target.width
    for m in range(1, most + 1):
        with unit.function(f'{name}_{m}', args, apart=True) as (code, *values):
            at = Micro(*values)
            into = [at.c + at.c_row * r for r in range(m)]

            def first(row: Int, v: int, code=code) -> Vec:
                return code.vec(0.0) if fresh else code.load(row + v * width)

            sums = [[code.var(first(row, v)) for v in range(vectors)] for row in into]
            left = [at.a + at.a_row * r for r in range(m)]
            _accumulate(code, sums, left, at.a_term, at.panel, at.terms)
            for row, totals in zip(into, sums, strict=True):
                for v, total in enumerate(totals):
                    code.store(total.get(), row + v * width)
    _dispatch(unit, name, args, most)


def block_of(code: Code, first: Int, last: Int, q: Int, blocks: Int) -> tuple[Int, Int]:
    """Return start and length of part `q`, if a range is cut into `blocks` nearly equal parts."""
    # Nearly equal, because 6 rows and 1 would take longer than 4 and 3: a short tile waits for the
    # latency of its few accumulators.
    n = last - first
    start = q * n // blocks
    return first + start, (q + 1) * n // blocks - start


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
    """Write ``pack_sums<vectors>``, which takes `PackSums`.

    It packs one panel, of at most `columns` columns, and adds the sum of each column to `sums`,
    and what rounding took away from it to `lost`.
    """
    size, width, lanes = unit.target.size, unit.target.width, unit.target.lanes
    with unit.function(f'pack_sums{vectors}', ' '.join(PackSums._fields)) as (code, *values):
        at = PackSums(*values)
        starts = [v * lanes for v in range(vectors)]
        masks = [code.tail(at.columns - start) for start in starts]
        totals, parts = [Sum(code) for _ in starts], [code.var(code.vec(0.0)) for _ in starts]
        with code.loop(0, at.rows, PLAIN) as block:
            for part in parts:
                part.set(code.vec(0.0))
            with code.loop(block, at.rows.min(block + PLAIN)) as k:
                for v, (start, mask, part) in enumerate(zip(starts, masks, parts, strict=True)):
                    # The sums cost nothing here: the columns pass through registers anyway.
                    value = code.load(at.a + k * at.row + start * size, mask)
                    code.store(value, at.out + (k * vectors + v) * width)
                    part.set(part.get() + value)
            for total, part in zip(totals, parts, strict=True):
                total.add(part.get())
        for start, mask, total in zip(starts, masks, totals, strict=True):
            total.add_to(at.sums + start * size, at.lost + start * size, mask)


def whole_row(code: Code, sums: Int, lost: Int, to: Int, n: Int) -> None:
    """Put `n` sums, with what rounding took away from them, at `to`."""

    def write(j: Int, mask: Flag) -> None:
        total, error = (code.load(row + j * code.target.size, mask) for row in (sums, lost))
        code.store(whole_sum(total, error), to + j * code.target.size, mask)

    each_vector(code, n, write)
