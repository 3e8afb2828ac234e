"""Products of matrices whose panels are wide or narrow, as their columns ask for at run time.

In: addresses of matrices. Out: calls of functions that are written for each width, see
`rnnkit.kernels.language.gemm`.
"""

from rnnkit.kernels.language import gemm
from rnnkit.kernels.language.vector import Code, Int, Unit


def call(code: Code, name: str, columns: Int, *args: Int) -> None:
    """Call a function that is written for each width of panels."""
    gemm.by_width(code, columns, lambda v: code.call(f'{name}{v}', *args))


def add_rows(code: Code, *args: Int | int) -> None:
    """Add a product of rows, see `gemm.Rows`."""
    product = gemm.Rows(*args)
    gemm.by_width(code, product.columns, lambda v: code.call(f'rows{v}', *product))


def put_rows(code: Code, *args: Int | int) -> None:
    """Store a product of rows, see `gemm.Rows`, whatever there was before."""
    product = gemm.Rows(*args)
    gemm.by_width(code, product.columns, lambda v: code.call(f'fresh{v}', *product))


def write_pack(unit: Unit, vectors: int) -> None:
    """Write ``pack<vectors>(w, row, terms, columns, out)``: pack a matrix, a row for each term."""
    size, width, lanes = unit.target.size, unit.target.width, unit.target.lanes
    args = 'w row terms columns out'
    with unit.function(f'pack{vectors}', args) as (code, w, row, terms, columns, out):
        with code.loop(0, gemm.panels(code, columns, vectors)) as p, code.loop(0, terms) as k:
            for v in range(vectors):
                j = (p * vectors + v) * lanes
                value = code.load(w + k * row + j * size, code.tail(columns - j))
                code.store(value, out + ((p * terms + k) * vectors + v) * width)
