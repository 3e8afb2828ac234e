"""The gradients by weights and vectors, from those by the results of products.

In: the gradients of a chunk of steps, in memory. Out: ``left.T @ d`` for each product, and the sums
over rows of the gradients by vectors.

As in `rnnkit.kernels.recurrent.weights`, threads share out columns or rows of the weights, and the
units of vectors, so that no sum depends on how many threads there are.
"""

from typing import NamedTuple

from rnnkit.kernels.language import gemm, products
from rnnkit.kernels.language.elements import each_piece
from rnnkit.kernels.language.reductions import Sum
from rnnkit.kernels.language.threads import part_of
from rnnkit.kernels.language.vector import Code, Flag, Int, Unit


class Outer(NamedTuple):
    """The arguments of ``outer``: one part of ``to += a.T @ d`` over rows `low` to `high`."""

    part: Int
    parts: Int
    low: Int
    high: Int
    d: Int
    d_row: Int
    columns: Int
    a: Int
    a_row: Int
    n_a: Int
    to: Int
    to_row: Int


class Columns(NamedTuple):
    """The arguments of ``columns``: one part of ``sums += d.sum(axis=0)`` over some rows."""

    part: Int
    parts: Int
    low: Int
    high: Int
    d: Int
    d_row: Int
    n: Int
    sums: Int
    lost: Int


def write_outer(unit: Unit, vectors: int) -> None:
    """Write ``outer<vectors>``, which takes `Outer`."""
    size, lanes, width = unit.target.size, unit.target.lanes, unit.target.width
    with unit.function(f'outer{vectors}', ' '.join(Outer._fields)) as (code, *values):
        at = Outer(*values)
        panel = code.room(gemm.CHUNK * vectors * width)
        share = gemm.Share(gemm.panels(code, at.columns, vectors), at.part, at.parts)
        first, last = share.rows(at.n_a)
        with code.loop(at.low, at.high, gemm.CHUNK) as k, code.loop(*share.panels) as p:
            terms, start = (at.high - k).min(gemm.CHUNK), p * (vectors * lanes)
            columns = (at.columns - start).min(vectors * lanes)
            source = at.d + k * at.d_row + start * size
            code.call(f'pack{vectors}', source, at.d_row, terms, columns, panel)
            product = gemm.Rows(
                a=at.a + k * at.a_row,
                a_row=size,
                a_term=at.a_row,
                b=panel,
                terms=terms,
                c=at.to + start * size,
                c_row=at.to_row,
                first=first,
                last=last,
                columns=columns,
            )
            code.call(f'rows{vectors}', *product)


def add_outer(code: Code, product: Outer) -> None:
    """Add a part of a product."""
    products.call(code, 'outer', product.columns, *product)


def write_columns(unit: Unit) -> None:
    """Write ``columns``, which takes `Columns`."""
    size, lanes = unit.target.size, unit.target.lanes
    with unit.function('columns', ' '.join(Columns._fields)) as (code, *values):
        at = Columns(*values)
        first, last = part_of(at.n.ceil_div(lanes), at.part, at.parts)
        total, part = Sum(code), code.var(code.vec(0.0))

        def add(j: Int, mask: Flag | None) -> None:
            total.clear()
            with code.loop(at.low, at.high, gemm.PLAIN) as block:
                part.set(code.vec(0.0))
                with code.loop(block, at.high.min(block + gemm.PLAIN)) as r:
                    part.set(part.get() + code.load(at.d + r * at.d_row + j * size, mask))
                total.add(part.get())
            total.add_to(at.sums + j * size, at.lost + j * size, mask)

        each_piece(code, first * lanes, at.n.min(last * lanes), add)
