"""Mean and maximum over time: NumPy in float64 = PyTensor's own Ops = the kernel, and gradients."""

from functools import partial

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from kernel_cases import can_run, target
from long_forms import long
from numba_functions import compiled

from rnnkit.common.pooled import PLAIN
from rnnkit.kernels.language import threads
from rnnkit.kernels.pooling.op import Pool, pool
from rnnkit.kernels.pooling.writers import Pool as PoolWriter
from rnnkit.kernels.pooling.writers import PoolGradient
from rnnkit.kernels.runtime import kernel

SIZES = [((7, 5, 21), 1), ((1, 1, 1), 1), ((3, 13, 70), 3)]
# Steps are added up one by one in the dtype; NumPy here in float64.
RTOL = {'float32': 1e-6, 'float64': 1e-15}


def oracle(kind, x, slope, real, before=None, earlier=None):
    """Return result, what is kept, count and the gradient by x: loops over sequences and steps."""
    T, B, H = x.shape
    pooled, kept, count = np.zeros((B, H)), np.zeros((B, H)), np.zeros((B, 1))
    gradient = np.zeros(x.shape)
    for b in range(B):
        steps = [t for t in range(T) if real[t, b]]
        count[b] = len(steps) + (0 if earlier is None else earlier[b, 0])
        for h in range(H):
            values = [float(x[t, b, h]) for t in steps]
            if before is not None and earlier[b, 0]:
                values = [float(before[b, h]), *values]
            if not values:
                continue
            if kind == 'mean':
                kept[b, h] = sum(values)
                pooled[b, h] = kept[b, h] / count[b, 0]
                for t in steps:
                    gradient[t, b, h] = slope[b, h] / count[b, 0]
            else:
                kept[b, h] = pooled[b, h] = max(values)
                for t in steps:
                    if x[t, b, h] == pooled[b, h]:
                        gradient[t, b, h] = slope[b, h]
                        break
    return pooled, kept, count, gradient


def problem(rng, sizes, dtype, masked, padding=np.nan):
    t, b, h = sizes
    real = rng.random((t, b)) < 0.6 if masked else np.ones((t, b), bool)
    x = rng.integers(-3, 4, sizes).astype(dtype)  # small whole numbers, so that there are ties
    x[~real] = padding
    return x, rng.standard_normal((b, h)).astype(dtype), real


@pytest.mark.parametrize('dtype', ['float32', 'float64'])
@pytest.mark.parametrize('width', [16, 32, 64])
@pytest.mark.parametrize('masked', [False, True])
@pytest.mark.parametrize('kind', ['mean', 'max'])
def test_the_kernels_equal_numpy(kind, masked, width, dtype, rng):
    if not can_run(width):
        pytest.skip(f'this processor has no vectors of {width} bytes')
    where = target(dtype, width)
    builds = [PoolWriter(where, kind, masked, carried) for carried in (False, True)]
    builds.append(PoolGradient(where, kind, masked))
    runs = [kernel.build('test_pooling', w, repr((type(w), w.description, where))) for w in builds]
    for sizes, n in SIZES:
        x, slope, real = problem(rng, sizes, dtype, masked)
        mask = [real.astype(dtype)] * masked
        earlier = rng.integers(0, 3, (sizes[1], 1)).astype(dtype)
        before = rng.integers(-4, 5, slope.shape).astype(dtype) * (earlier > 0)
        with threads.smallest_part(1):
            count = threads.get_threads()
            threads.set_threads(n)
            found = runs[0](x, *mask)
            carried = runs[1](x, before, earlier, *mask)
            (gradient,) = runs[2](slope, x, found[0], found[2], *mask)
            threads.set_threads(count)
        *wanted, slopes = oracle(kind, x, slope, real)
        for got, want in zip([*found, gradient], [*wanted, slopes], strict=True):
            np.testing.assert_allclose(got, want, rtol=RTOL[dtype], atol=0)
        wanted = oracle(kind, x, slope, real, before, earlier)[:3]
        for got, want in zip(carried, wanted, strict=True):
            np.testing.assert_allclose(got, want, rtol=RTOL[dtype], atol=0)


@pytest.mark.parametrize(
    ('kind', 'masked'), [('mean', True), ('max', True), long('mean', False), long('max', False)]
)
def test_the_op_and_the_plain_graph_equal_numpy(kind, masked, rng):
    x = pt.tensor('x', dtype='float64', shape=(None, None, 21))
    real_of = pt.matrix('mask', dtype='float64')
    factor = pt.matrix('factor', dtype='float64')
    mask = real_of if masked else None

    def graph(outputs):
        score = (factor * outputs[0]).sum()
        slope = pytensor.grad(score, x)
        # The gradient is linear in the factor, so that its own gradient is a constant.
        return [*outputs, slope, pytensor.grad((slope**2).sum(), factor)]

    inputs = [x, factor, *[real_of] * masked]
    # Without the second derivative, which is a graph of PyTensor's own Ops in any case.
    fused, names = compiled(inputs, graph(pool(kind, x, None, mask))[:-1])
    assert {'Pool', 'PoolGradient'} <= set(names)
    graphs = [graph(found(x, None, mask)) for found in (partial(pool, kind), PLAIN[kind])]
    plain = [pytensor.function(inputs, one, mode='FAST_COMPILE') for one in graphs]
    values, slope, real = problem(rng, (7, 5, 21), 'float64', masked, padding=1e3)
    real[:, 2] = not masked  # a sequence without a real step
    args = [values, slope, *[real * 1.0] * masked]
    wanted = [*oracle(kind, values, slope, real)]
    count = np.maximum(wanted[2], 1)
    wanted.append(2 * slope * (real.any(0)[:, None] / (count if kind == 'mean' else 1)))
    for function in (fused, *plain):
        for got, want in zip(function(*args), wanted, strict=False):
            np.testing.assert_allclose(got, want, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize('kind', ['mean', 'max'])
def test_nan_stays_whatever_follows(kind, rng):
    x = pt.tensor3('x', dtype='float64')
    values = rng.standard_normal((5, 3, 4))
    values[1, 0, 0], values[4, 1, 1], values[0, 2, 2] = np.nan, np.nan, np.inf
    for outputs in (pool(kind, x), PLAIN[kind](x)):
        found = pytensor.function([x], outputs[0])(values)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(values).any(axis=0))
        assert found[2, 2] == np.inf


def test_ops_that_compute_different_things_differ():
    kinds = [Pool(k, m, c) for k in ('mean', 'max') for m in (0, 1) for c in (0, 1)]
    assert len(set(kinds)) == 8
