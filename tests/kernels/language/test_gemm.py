"""Matrix products of packed panels, with memory around them that may not be touched."""

import ctypes

import numpy as np
import pytest
from kernel_cases import assert_near, can_run, guarded, target

from rnnkit.kernels.language import gemm
from rnnkit.kernels.language.vector import Unit
from rnnkit.kernels.runtime import cache


def compiled(where, write_functions, calls):
    """Return the functions that `calls` names, exported: name -> arguments."""

    def write(name):
        unit = Unit(name, where)
        write_functions(unit)
        for call, args in calls.items():
            with unit.function(f'call_{call}', args, export=True) as (code, *values):
                code.call(call, *values)
        return unit.text()

    library = cache.library('test_gemm', repr((where, sorted(calls))), write)

    def function(name):
        kind = ctypes.CFUNCTYPE(*[ctypes.c_int64] * (1 + len(calls[name].split())))
        address = kind(library.address(f'call_{name}'))
        return lambda *args: address(*map(_number, args))

    return function


def _number(a):
    return a.ctypes.data if isinstance(a, np.ndarray) else a


def random(shape, dtype, seed=0):
    array = guarded(shape, dtype)
    array[...] = np.random.default_rng(seed).standard_normal(shape)
    return array


@pytest.mark.parametrize('width', [16, 32, 64])
@pytest.mark.parametrize('dtype', ['float32', 'float64'])
@pytest.mark.parametrize('vectors', [gemm.WIDE, gemm.NARROW])
def test_rows_times_transposed_weight(dtype, width, vectors):
    if not can_run(width):
        pytest.skip(f'this processor has no vectors of {width} bytes')
    where = target(dtype, width)
    size, blocks = where.size, (2, 0)

    def functions(unit):
        gemm.write_rows(unit, vectors)
        gemm.write_pack_transposed(unit, 'pack', blocks, vectors)

    rows_name = f'rows{vectors}'
    function = compiled(
        where,
        functions,
        {
            'pack': 'w row rows units out',
            rows_name: 'a a_row a_term b terms c c_row first last columns',
        },
    )
    for n, h, m in ((1, 1, 1), (5, 3, 17), (67, 9, 7), (64, 16, 30)):
        w = random((n, 3 * h), dtype)
        panels = guarded((-(-n // (vectors * where.lanes)), 2 * h, vectors * where.lanes), dtype)
        function('pack')(w, 3 * h * size, n, h, panels)
        a, c = random((m, 2 * h), dtype, 1), random((m, n), dtype, 2)
        chosen = np.concatenate([w[:, k * h : (k + 1) * h] for k in blocks], axis=1)
        want = c.astype('float64') + a.astype('float64') @ chosen.astype('float64').T
        before = c.copy()
        first, last = m // 3, m
        function(rows_name)(a, 2 * h * size, size, panels, 2 * h, c, n * size, first, last, n)
        assert_near(c[first:], want[first:].astype(dtype), dtype)
        np.testing.assert_array_equal(c[:first], before[:first])


@pytest.mark.parametrize('width', [16, 32, 64])
def test_tile_of_two_products(width):
    """x adds to the first three vectors, h to the last three of four."""
    if not can_run(width):
        pytest.skip(f'this processor has no vectors of {width} bytes')
    dtype, n_i, h = 'float32', 5, 11
    where = target(dtype, width)
    size, lanes = where.size, where.lanes
    most = gemm.tile_rows(where, 4)

    def functions(unit):
        assert gemm.write_tile(unit, 3, 3, 1) == most
        gemm.write_pack_columns(unit, 'pack', (1, 2, 0), 1)

    function = compiled(
        where,
        functions,
        {
            'pack': 'w row terms units out',
            'tile': 'rows x x_row xw n_i h h_row hw n_h out',
        },
    )
    xw, hw = random((n_i, 3 * h), dtype), random((h, 3 * h), dtype, 1)
    n_panels = -(-h // lanes)
    packed_x = guarded((n_panels, n_i, 3, lanes), dtype)
    packed_h = guarded((n_panels, h, 3, lanes), dtype)
    function('pack')(xw, 3 * h * size, n_i, h, packed_x)
    function('pack')(hw, 3 * h * size, h, h, packed_h)
    for m in range(1, most + 1):
        x, s = random((m, n_i), dtype, 2), random((m, h), dtype, 3)
        zx, zh = (a.astype('f8') @ w.astype('f8') for a, w in ((x, xw), (s, hw)))
        zx, zh = zx.reshape(m, 3, h)[:, [1, 2, 0]], zh.reshape(m, 3, h)[:, [1, 2, 0]]
        want = np.zeros((m, 4, h))
        want[:, :3] += zx
        want[:, 1:] += zh
        for p in range(n_panels):
            out = guarded((m, 4, lanes), dtype)
            function('tile')(m, x, n_i * size, packed_x[p], n_i, s, h * size, packed_h[p], h, out)
            part = want[:, :, p * lanes : (p + 1) * lanes]
            assert_near(out[:, :, : part.shape[2]], part.astype(dtype), dtype)
            assert not out[:, :, part.shape[2] :].any()


def test_pack_with_sums_of_columns():
    where = target('float64', 16)
    name = f'pack_sums{gemm.WIDE}'
    function = compiled(
        where,
        lambda unit: gemm.write_pack_sums(unit, gemm.WIDE),
        {name: 'a row rows columns out sums lost'},
    )
    columns = gemm.WIDE * where.lanes
    for n in (1, columns - 1, columns):
        a, sums = random((9, n), 'float64'), random((n,), 'float64', 1)
        want = sums + a.sum(0)
        out = guarded((9, columns), 'float64')
        lost = np.zeros(n)
        function(name)(a, n * where.size, 9, n, out, sums, lost)
        np.testing.assert_array_equal(out[:, :n], a)
        assert not out[:, n:].any()
        assert_near(sums + lost, want, 'float64')
