"""Attention by kernels: NumPy in float64 = PyTensor's own Ops = the kernels, and gradients."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from complex_step import check_slopes
from kernel_cases import can_run, target
from long_forms import long
from numba_functions import compiled

from rnnkit.common import attended
from rnnkit.kernels.attention import writers
from rnnkit.kernels.attention.op import Weights, attend
from rnnkit.kernels.dense.hyperbolic import Elements, tanh_of
from rnnkit.kernels.language import threads
from rnnkit.kernels.runtime import kernel

# T, B, S, A, M; and threads
SIZES = [((4, 5, 7, 21, 18), 1), ((1, 1, 1, 1, 1), 1), ((3, 4, 20, 5, 70), 3)]
# Sums of at most 70 products, of numbers near 1, in the dtype; NumPy in float64.
TOLERANCE = {'float32': 2e-5, 'float64': 1e-13}


def oracle(values, masked):
    """Return weights and means, by loops over sequences and steps; complex numbers may be given."""
    queries, keys, values, v, mask = (values.get(k) for k in ('q', 'k', 'values', 'v', 'mask'))
    kind = np.result_type(*(a for a in (queries, keys, values, v) if a is not None))
    weights = np.zeros((len(queries), queries.shape[1], len(keys)), kind)
    means = np.zeros((*queries.shape[:2], values.shape[2]), kind)
    for t, b in np.ndindex(queries.shape[:2]):
        real = [s for s in range(len(keys)) if not masked or mask[s, b].real > 0.5]
        if not real:
            continue
        if v is None:
            scores = np.array([keys[s, b] @ queries[t, b] for s in real])
        else:
            scores = np.array([np.tanh(queries[t, b] + keys[s, b]) @ v for s in real])
        powers = np.exp(scores - scores.real.max())
        weights[t, b, real] = powers / powers.sum()
        means[t, b] = sum(weights[t, b, s] * values[s, b] for s in real)
    return weights, means


def problem(rng, sizes, dtype, additive, masked):
    """Return arrays by name; the slopes are the gradients by weights and by means."""
    T, B, S, A, M = sizes
    shapes = {'q': (T, B, A), 'k': (S, B, A), 'values': (S, B, M), 'v': (A,)}
    arrays = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    arrays['mask'] = (rng.random((S, B)) < 0.6) * 1.0
    arrays['mask'][:, 0] = 0  # a memory without a real step
    arrays |= {'by_w': rng.standard_normal((T, B, S)), 'by_m': rng.standard_normal((T, B, M))}
    left_out = ['v'] * (not additive) + ['mask'] * (not masked)
    return {name: a.astype(dtype) for name, a in arrays.items() if name not in left_out}


def score_of(arrays, masked):
    """Return arrays in float64, and a function of some of them that has the slopes as gradients."""
    exact = {name: a.astype('float64') for name, a in arrays.items()}

    def score(values):
        weights, means = oracle({**exact, **values}, masked)
        return (weights * exact['by_w']).sum() + (means * exact['by_m']).sum()

    return exact, score


@pytest.mark.parametrize('dtype', ['float32', 'float64'])
@pytest.mark.parametrize('width', [16, 32, 64])
@pytest.mark.parametrize('masked', [False, True])
@pytest.mark.parametrize('additive', [False, True])
def test_the_kernels_equal_numpy(additive, masked, width, dtype, rng):
    if not can_run(width):
        pytest.skip(f'this processor has no vectors of {width} bytes')
    where = target(dtype, width)
    builds = [
        writers.Weights(where, additive, masked),
        writers.Means(where),
        writers.MeansGradient(where),
        writers.WeightsGradient(where, additive),
    ]
    weigh, mix, mix_back, weigh_back = (
        kernel.build('test_attention', w, repr((type(w), w.description, where))) for w in builds
    )
    for sizes, n in SIZES:
        arrays = problem(rng, sizes, dtype, additive, masked)
        own = [arrays[name] for name in ('q', 'k', 'v') if name in arrays]
        with threads.smallest_part(1):
            count = threads.get_threads()
            threads.set_threads(n)
            (weights,) = weigh(*own, *(arrays[name] for name in ('mask',) if masked))
            (means,) = mix(weights, arrays['values'])
            by_weights, by_values = mix_back(arrays['by_m'], weights, arrays['values'])
            found = weigh_back(by_weights + arrays['by_w'], weights, *own)
            threads.set_threads(count)
        exact, score = score_of(arrays, masked)
        bound = TOLERANCE[dtype]
        for got, want in zip([weights, means], oracle(exact, masked), strict=True):
            np.testing.assert_allclose(got, want, rtol=bound, atol=bound)
        names = [name for name in ('q', 'k', 'v') if name in arrays]
        slopes = {**dict(zip(names, found, strict=True)), 'values': by_values}
        check_slopes(score, exact, slopes, rng, rtol=bound, atol=bound, directions=1)


@pytest.mark.parametrize(
    ('additive', 'masked'), [(True, True), long(False, False), long(False, True), long(True, False)]
)
def test_the_ops_and_the_plain_graphs_equal_numpy(additive, masked, rng):
    arrays = problem(rng, (3, 2, 4, 5, 2), 'float64', additive, masked)
    given = {
        name: pt.tensor(name, dtype='float64', shape=(None,) * a.ndim) for name, a in arrays.items()
    }
    wrt = [given[name] for name in ('q', 'k', 'v', 'values') if name in given]

    def graph(outputs):
        score = (given['by_w'] * outputs[0]).sum() + (given['by_m'] * outputs[1]).sum()
        slopes = pytensor.grad(score, wrt)
        return [*outputs, *slopes, *pytensor.grad(sum((s**2).sum() for s in slopes), wrt)]

    args = [given.get(name) for name in ('q', 'k', 'values', 'v', 'mask')]
    inputs = list(given.values())
    first = 2 + len(wrt)
    # Without second derivatives, which are graphs of PyTensor's own Ops in any case.
    fused, names = compiled(inputs, graph(attend(*args))[:first])
    assert {'Weights', 'WeightsGradient', 'Means', 'MeansGradient'} <= set(names)
    graphs = [graph(found(*args)) for found in (attend, attended.attend)]
    plain = [pytensor.function(inputs, one, mode='FAST_COMPILE') for one in graphs]
    exact, score = score_of(arrays, masked)
    names = [name for name in ('q', 'k', 'v', 'values') if name in arrays]
    results = [function(*arrays.values()) for function in (fused, *plain)]
    for found in results:
        for got, want in zip(found[:2], oracle(exact, masked), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-13)
        slopes = dict(zip(names, found[2:first], strict=True))
        check_slopes(score, exact, slopes, rng, rtol=1e-12, directions=1)
    for got, want in zip(results[1][first:], results[2][first:], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize('additive', [False, True])
def test_large_scores_do_not_overflow_and_nan_stays(additive, rng):
    arrays = problem(rng, (3, 4, 5, 6, 2), 'float32', additive, False)
    arrays['v' if additive else 'q'] *= 1e4
    arrays['values'][2, 1] = np.nan
    arrays['k'][3, 2, 0] = np.nan
    names = [name for name in ('q', 'k', 'values', 'v') if name in arrays]
    given = {name: pt.tensor(name, dtype='float32', shape=arrays[name].shape) for name in names}
    args = [given.get(name) for name in ('q', 'k', 'values', 'v')]
    fused, _ = compiled(list(given.values()), attend(*args, None))
    plain = attended.attend(*args, None)
    for f in (fused, pytensor.function(list(given.values()), plain, mode='FAST_COMPILE')):
        weights, means = f(*(arrays[name] for name in names))
        finite = [0, 1, 3]  # examples; a key of 2 is not a number
        np.testing.assert_allclose(weights[:, finite].sum(axis=-1), 1, rtol=1e-5)
        assert np.isnan(weights[:, 2]).all()
        assert np.isnan(means[:, [1, 2]]).all()
        assert np.isfinite(means[:, [0, 3]]).all()


@pytest.mark.parametrize('shape', [(7, 5, 21), (3, 40), (1, 1)])
@pytest.mark.parametrize('dtype', ['float32', 'float64'])
@pytest.mark.parametrize('width', [16, 32, 64])
def test_the_tanh_of_an_array_and_its_gradient(width, dtype, shape, rng):
    if not can_run(width):
        pytest.skip(f'this processor has no vectors of {width} bytes')
    x, slope = (2 * rng.standard_normal(shape).astype(dtype) for _ in range(2))
    builds = [Elements(target(dtype, width), len(shape), gradient) for gradient in (False, True)]
    forward, backward = (
        kernel.build('test_tanh', w, repr((w.description, dtype, width))) for w in builds
    )
    (y,) = forward(x)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(y, np.tanh(x.astype('float64')), rtol=4 * eps)
    right = slope * (1 - y.astype('float64') ** 2)
    np.testing.assert_allclose(backward(y, slope)[0], right, rtol=8 * eps, atol=4 * eps)


def test_the_op_of_tanh_equals_its_meaning(rng):
    x = pt.matrix('x', dtype='float64')
    y = tanh_of(x)
    function, names = compiled([x], [y, pytensor.grad((y**2).sum(), x)])
    assert {'Tanh', 'TanhGradient'} <= set(names)
    value = rng.standard_normal((3, 5))
    right = np.tanh(value)
    for got, want in zip(function(value), (right, 2 * right * (1 - right**2)), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-15)
    assert tanh_of(pt.vector('x', dtype='float64')) is None


def test_ops_that_compute_different_things_differ():
    assert len({Weights(additive, masked) for additive in (0, 1) for masked in (0, 1)}) == 4


def test_other_dtypes_have_no_kernel():
    q, k, values = pt.tensor3(dtype='float32'), pt.tensor3(dtype='float64'), pt.tensor3()
    assert attend(q, k, values, None, None) is None
