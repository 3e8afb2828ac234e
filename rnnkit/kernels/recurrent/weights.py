"""The gradients by a cell's weights and by its input, from those of the tiles.

In: the gradients of the tiles of a chunk of steps, in work memory. Out: the functions that turn
them into the gradients ``h.T @ d``, ``x.T @ d`` and ``d @ xh.T``, and add up the columns of d.

These products are taken for the steps of a chunk at once. After each step they would read and
write whole matrices of the size of the weights for a sum of only B terms. Threads share out the
columns or rows of the weights instead of examples, so that no sum depends on how many threads
there are.
"""

from collections.abc import Callable
from typing import NamedTuple

from rnnkit.kernels.language import gemm
from rnnkit.kernels.language.elements import clear
from rnnkit.kernels.language.frame import Frame
from rnnkit.kernels.language.threads import part_of
from rnnkit.kernels.language.vector import Code, Int, Unit
from rnnkit.kernels.recurrent.chunk import Chunk, old_states
from rnnkit.kernels.recurrent.form import Form
from rnnkit.kernels.recurrent.walk import Walk

Areas = Callable[[Code, Int, Int], dict[str, Int]]  # (code, block, work memory) -> addresses


class Segment(NamedTuple):
    """Neighbouring tiles that belong to neighbouring columns of the weights' gradients."""

    first: int
    tiles: int
    x_block: int | None
    h_block: int | None


def segments(form: Form) -> list[Segment]:
    """Cut the tiles into as few segments as possible."""
    n_x, first_h = len(form.x_blocks), form.h_first
    cut: list[Segment] = []
    for k in range(form.n_tiles):
        x = form.x_blocks[k] if k < n_x else None
        h = form.h_blocks[k - first_h] if k >= first_h else None
        last = cut[-1] if cut else None
        if last and _next(last.x_block, last.tiles) == x and _next(last.h_block, last.tiles) == h:
            cut[-1] = last._replace(tiles=last.tiles + 1)
        else:
            cut.append(Segment(k, 1, x, h))
    return cut


def _next(block: int | None, count: int) -> int | None:
    return None if block is None else block + count


class Sums(NamedTuple):
    """The arguments of ``sums``: one part of ``dh += h.T @ d`` and ``dx += x.T @ d``.

    The products are over rows `low` to `high` of all steps and examples; d are the `columns` of
    a segment. A `dh` or `dx` of 0 means no such product.
    """

    part: Int
    parts: Int
    low: Int
    high: Int
    d: Int
    d_row: Int
    columns: Int
    h: Int
    h_row: Int
    n_h: Int
    dh: Int
    dh_row: Int
    x: Int
    n_x: Int
    dx: Int
    dx_row: Int
    sums: Int
    lost: Int


def write_sums(unit: Unit, vectors: int) -> None:
    """Write ``sums<vectors>``, which takes `Sums`."""
    size, lanes, width = unit.target.size, unit.target.lanes, unit.target.width
    with unit.function(f'sums{vectors}', ' '.join(Sums._fields)) as (code, *values):
        at = Sums(*values)
        panel = code.room(gemm.CHUNK * vectors * width)
        unused = [code.room(vectors * width) for _ in range(2)]
        share = gemm.Share(gemm.panels(code, at.columns, vectors), at.part, at.parts)
        # A chunk of d is packed once for both products, and multiplied while it is in the cache.
        with code.loop(at.low, at.high, gemm.CHUNK) as k:
            terms = (at.high - k).min(gemm.CHUNK)
            with code.loop(*share.panels) as p:
                start, mine = p * (vectors * lanes), share.sums(p)
                pack = gemm.PackSums(
                    sums=mine.pick(at.sums + start * size, unused[0]),
                    lost=mine.pick(at.lost + start * size, unused[1]),
                    a=at.d + k * at.d_row + start * size,
                    row=at.d_row,
                    rows=terms,
                    columns=at.columns - start,
                    out=panel,
                )
                code.call(f'pack_sums{vectors}', *pack)
                left = (at.columns - start).min(vectors * lanes)
                for source, row, to, to_row, (first, last) in (
                    (at.h, at.h_row, at.dh, at.dh_row, share.rows(at.n_h)),
                    (at.x, at.n_x * size, at.dx, at.dx_row, share.rows(at.n_x)),
                ):
                    # Decided at run time, so that one function serves all segments.
                    with code.when(to.differs(0)):
                        product = gemm.Rows(
                            a=source + (k - at.low) * row,
                            a_row=size,
                            a_term=row,
                            b=panel,
                            terms=terms,
                            c=to + start * size,
                            c_row=to_row,
                            first=first,
                            last=last,
                            columns=left,
                        )
                        code.call(f'rows{vectors}', *product)


class WeightGradients:
    """Writer of ``weights(part, parts, block, chunk)``: one part of the rows of the gradients.

    Parameters
    ----------
    form : Form
    frame : Frame
    walk : Walk
    want_x : bool
        Whether the gradient by the input is an output.
    areas : callable
        Returns where the areas of work memory are.
    """

    def __init__(self, form: Form, frame: Frame, walk: Walk, want_x: bool, areas: Areas):
        self.form, self.frame, self.walk = form, frame, walk
        self.want_x, self.areas = want_x, areas

    def write(self, unit: Unit) -> None:
        """Write the function and those that it calls."""
        for vectors in gemm.WIDTHS:
            write_sums(unit, vectors)
        with unit.function('weights', 'part parts block number') as (code, *args):
            self._weights(code, *args)

    def clear(self, code: Code, part: Int, n_parts: Int, block: Int) -> None:
        """Clear one part of the gradients, before all parts add to them."""
        n_i, h = self.frame.read(code, block, 'I', 'H')
        to_h, to_x = self.frame.read(code, block, f'd_{self.form.recurrent}', 'd_xh')
        n_x, n_h = len(self.form.x_blocks), len(self.form.h_blocks)
        for to, n in ((to_h, h * h * n_h), (to_x, n_i * h * n_x)):
            first, last = part_of(n, part, n_parts)
            clear(code, to + first * code.target.size, last - first)

    def _weights(self, code: Code, part: Int, n_parts: Int, block: Int, number: Int) -> None:
        form, frame, size = self.form, self.frame, code.target.size
        t, b, n_i, h, work = frame.read(code, block, *'TBIH', 'work')
        areas = self.areas(code, block, work)
        n_x, n_h = len(form.x_blocks), len(form.h_blocks)
        x, new, initial, dxh, dhh = frame.read(
            code, block, 'x', 'new0', 'initial0', 'd_xh', f'd_{form.recurrent}'
        )
        chunk = Chunk.number(number, t, b, self.walk)
        tile_row = h * (form.n_tiles * size)
        # For most cells one segment: all tiles have both weights. A GRU has three, for its reset
        # gate stands between the two products of the candidate.
        # As if there were those of all steps, so that they are found by the rows of all steps.
        d_tiles = areas['d_tiles'] - chunk.low * tile_row
        for segment in segments(form):
            places = self._places(segment, areas, d_tiles, h, dhh, dxh)
            for low, high, source, source_row in old_states(
                chunk, t * b, b, h * size, initial, new, self.walk.reverse, self.walk.rows[0]
            ):
                call = Sums(
                    part=part,
                    parts=n_parts,
                    low=low,
                    high=high,
                    d_row=tile_row,
                    h=source + low * source_row,
                    h_row=source_row,
                    n_h=h,
                    dh_row=h * (n_h * size),
                    x=x + low * n_i * size,
                    n_x=n_i,
                    dx_row=h * (n_x * size),
                    **places,
                )
                columns = call.columns
                gemm.by_width(code, columns, lambda v, call=call: code.call(f'sums{v}', *call))
        if self.want_x:
            first, last = (chunk.low + n for n in part_of(chunk.high - chunk.low, part, n_parts))
            self._inputs(code, block, d_tiles, areas['x_panels'], (first, last))

    def _places(
        self,
        segment: Segment,
        areas: dict[str, Int],
        d_tiles: Int,
        h: Int,
        dhh: Int,
        dxh: Int,
    ) -> dict[str, Int]:
        """Return those arguments of ``sums`` that depend on the segment alone."""
        size, zero = h.code.target.size, h.code.int(0)
        first, x, h_block = segment.first, segment.x_block, segment.h_block
        return {
            'columns': h * segment.tiles,
            'dh': zero if h_block is None else dhh + h * (h_block * size),
            'dx': zero if x is None else dxh + h * (x * size),
            'sums': areas['sums'] + h * (first * size),
            'lost': areas['lost'] + h * (first * size),
            'd': d_tiles + h * (first * size),
        }

    def _inputs(
        self, code: Code, block: Int, d_tiles: Int, panels: Int, rows: tuple[Int, Int]
    ) -> None:
        """Compute the gradient by the input, from one row to another."""
        size, form = code.target.size, self.form
        n_i, h, to = self.frame.read(code, block, 'I', 'H', 'd_x')
        first, last = rows
        clear(code, to + first * n_i * size, (last - first) * n_i)
        product = gemm.Rows(
            a=d_tiles,
            a_row=h * (form.n_tiles * size),
            a_term=size,
            b=panels,
            terms=h * len(form.x_blocks),
            c=to,
            c_row=n_i * size,
            first=first,
            last=last,
            columns=n_i,
        )
        gemm.by_width(code, n_i, lambda v: code.call(f'rows{v}', *product))
