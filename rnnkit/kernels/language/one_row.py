"""A single row times weights that are not packed.

In: addresses of a row and of weights as users store them. Out: the sums of a tile of one row, as
`rnnkit.kernels.language.gemm` makes them from packed weights.
"""

from collections.abc import Sequence

from rnnkit.kernels.language.vector import Code, Flag, Int, Unit, Var, Vec

NARROW = 2  # vectors of a narrow panel


def write_direct(
    unit: Unit, x_blocks: Sequence[int], h_blocks: Sequence[int], first: int
) -> tuple[int, int]:
    """Write ``direct<units>(x, xh, xh_row, I, h, hh, hh_row, H, out)``: a tile of one row.

    It reads the weights where they are, from the panel's first column on: to pack them takes
    longer than to multiply them with one row. All columns of the panel must exist. There is one
    for wide panels and one for narrow ones; both leave as much room in `out` between two tiles.

    Returns
    -------
    wide, narrow : int
        Vectors of units in a panel.
    """
    registers, n_tiles = unit.target.registers, max(len(x_blocks), first + len(h_blocks))
    # A weight's row is read in pieces of a panel's width. Short ones would read each cache line
    # for two panels, and rows a power of 2 apart drive each other out of the first cache.
    wide = 4 if n_tiles * 4 + 2 <= registers else 8
    for units in (wide, NARROW):
        together = n_tiles * units + 2 <= registers
        passes = [range(n_tiles)] if together else [range(g, g + 1) for g in range(n_tiles)]
        with unit.function(f'direct{units}', 'x xh xh_row I h hh hh_row H out', apart=True) as (
            code,
            x,
            xh,
            xh_row,
            n_i,
            h,
            hh,
            hh_row,
            n_h,
            out,
        ):
            for tiles in passes:
                x_part = [(g, x_blocks[g]) for g in tiles if g < len(x_blocks)]
                h_part = [(g, h_blocks[g - first]) for g in tiles if 0 <= g - first < len(h_blocks)]
                terms = [(x, xh, xh_row, n_i, x_part), (h, hh, hh_row, n_h, h_part)]
                sums = _row_sums(code, terms, tiles, units, n_h)
                for (g, u), total in sums.items():
                    code.store(total, out + (g * wide + u) * unit.target.width)
    return wide, NARROW


def _row_sums(
    code: Code,
    products: Sequence[tuple[Int, Int, Int, Int, list[tuple[int, int]]]],
    tiles: Sequence[int],
    units: int,
    n_h: Int,
) -> dict[tuple[int, int], Vec]:
    """Return sums of products of a row with a weight, by tile and vector.

    A product is a row, a weight, the bytes of its rows, their number, and (tile, block) of its
    columns.
    """
    size, width = code.target.size, code.target.width
    places = [(g, u) for g in tiles for u in range(units)]
    # One row has few sums, and each waits for its last product: two of each wait half as long.
    n_sums = 2 if 2 * len(places) + 2 <= code.target.registers else 1
    sums = [{place: code.var(code.vec(0.0)) for place in places} for _ in range(n_sums)]

    for left, w, row, terms, blocks in products:
        columns = {(g, u): n_h * (b * size) + u * width for g, b in blocks for u in range(units)}

        def add(k: Int, into: dict, left=left, w=w, row=row, columns=columns) -> None:
            element = code.spread(left + k * size)
            for place, column in columns.items():
                weight = code.load(w + k * row + column)
                into[place].set(element.fma(weight, into[place].get()))

        rounds = terms // n_sums
        with code.loop(0, rounds) as q:
            for s, into in enumerate(sums):
                add(q * n_sums + s, into)
        with code.loop(rounds * n_sums, terms) as k:
            add(k, sums[0])
    totals = {place: total.get() for place, total in sums[0].items()}
    for other in sums[1:]:
        totals = {place: total + other[place].get() for place, total in totals.items()}
    return totals


SINGLE = (8, 2, 1)  # vectors of columns that are done at a time


def write_single(unit: Unit) -> None:
    """Write ``single<vectors>(a, w, w_row, terms, columns, out)``: one row times a matrix.

    It stores ``a @ w``. The matrix is read where it is, and must have as many columns as a panel
    of vectors, apart from that of one vector.
    """
    for vectors in SINGLE:
        name, args = f'single{vectors}', 'a w w_row terms columns out'
        with unit.function(name, args, apart=True) as (code, a, w, row, terms, columns, out):
            panel = vectors * unit.target.lanes
            with code.loop(0, columns.ceil_div(panel)) as p:
                # As in `write_direct`, the last panel ends with the last column.
                start = p * panel if vectors == 1 else (p * panel).min(columns - panel)
                at = start * unit.target.size
                mask = code.tail((columns - start).min(panel)) if vectors == 1 else None
                for v, total in enumerate(_sums_of_row(code, a, w + at, row, terms, vectors, mask)):
                    code.store(total, out + at + v * unit.target.width, mask)


def multiply(code: Code, a: Int, w: Int, row: Int, terms: Int, columns: Int, out: Int) -> None:
    """Store ``a @ w`` at `out`, for one row."""
    args, lanes = (a, w, row, terms, columns, out), code.target.lanes
    wide, middle, narrow = (lambda v=v: code.call(f'single{v}', *args) for v in SINGLE)
    code.choose(
        columns >= SINGLE[0] * lanes,
        wide,
        lambda: code.choose(columns >= SINGLE[1] * lanes, middle, narrow),
    )


def _sums_of_row(
    code: Code, a: Int, w: Int, row: Int, terms: Int, vectors: int, mask: Flag | None
) -> list[Vec]:
    """Return some vectors of a row times a matrix."""
    size, width = code.target.size, code.target.width
    # One row has few sums, and each waits for its last product: several of each wait less.
    n = max(1, min(4, (code.target.registers - 2) // vectors))
    sums = [[code.var(code.vec(0.0)) for _ in range(vectors)] for _ in range(n)]

    def add(k: Int, into: list[Var[Vec]]) -> None:
        element = code.spread(a + k * size)
        for v, total in enumerate(into):
            total.set(element.fma(code.load(w + k * row + v * width, mask), total.get()))

    rounds = terms // n
    with code.loop(0, rounds) as q:
        for s, into in enumerate(sums):
            add(q * n + s, into)
    with code.loop(rounds * n, terms) as k:
        add(k, sums[0])
    totals = [total.get() for total in sums[0]]
    for other in sums[1:]:
        totals = [total + value.get() for total, value in zip(totals, other, strict=True)]
    return totals
