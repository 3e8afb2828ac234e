"""Losses of several numbers for each target, by one kernel: against NumPy, and the plain graph."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from long_forms import long, long_unless
from numba_functions import assert_same, compiled, plain
from numerics import check_slope
from scipy import special, stats

from rnnkit import kernels
from rnnkit.kernels.language import threads
from rnnkit.kernels.language.vector import Target
from rnnkit.kernels.loss import mean
from rnnkit.kernels.program import elementwise
from rnnkit.kernels.runtime import kernel
from rnnkit.losses import Gaussian, Quantile, Student

SHAPES = [(1, 1), (3, 2), (31, 17), (2, 4100), (700, 12), (0, 3), (3, 0)]
LEVELS = [0.1, 0.5, 0.975]


def quantiles(parts, y):
    errors, slopes = [], []
    for o, q in zip(parts, LEVELS, strict=True):
        d = y - o
        errors.append(np.where(d > 0, q, q - 1) * d / 3)
        slopes.append(-np.where(d > 0, q, q - 1) / 3)
    return sum(errors), slopes


def gaussian(parts, y):
    m, raw = parts
    s = np.logaddexp(0, raw) + 1e-3
    z = (y - m) / s
    return -stats.norm.logpdf(y, m, s), [-z / s, (1 - z**2) / s * special.expit(raw)]


def student(parts, y):
    m, a, b = parts
    s, v = np.logaddexp(0, a) + 1e-3, 2 + np.logaddexp(0, b)
    z = (y - m) / s
    by_m = -(v + 1) * z / (v + z**2) / s
    by_s = (1 - (v + 1) * z**2 / (v + z**2)) / s
    by_v = (1 / v + special.digamma(v / 2) - special.digamma((v + 1) / 2)) / 2
    by_v = by_v + np.log1p(z**2 / v) / 2 - (v + 1) / 2 * z**2 / (v * (v + z**2))
    return -stats.t.logpdf(y, v, m, s), [by_m, by_s * special.expit(a), by_v * special.expit(b)]


ORACLES = {
    'quantile': (Quantile(q=LEVELS), quantiles),
    'gaussian': (Gaussian(), gaussian),
    'student': (Student(), student),
}


@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize(
    ('dtype', 'width', 'registers'),
    [('float64', 64, 32), long('float32', 64, 32), ('float32', 16, 16), long('float64', 32, 16)],
)
@pytest.mark.parametrize('name', ORACLES)
def test_mean_and_slopes_against_numpy(name, dtype, width, registers, weighted, rng):
    loss, oracle = ORACLES[name]
    target = Target(np.dtype(dtype).itemsize * 8, width, registers)
    program, nodes = elementwise.read_errors(loss.errors, 2, loss.n_parts)
    writer = mean.Mean(program, nodes, target, 2, weighted, keep=True)
    run = kernel.build('loss', writer, repr((writer.description, writer.target)))
    with threads.smallest_part(1):
        for rows, n in SHAPES:
            parts = rng.standard_normal((loss.n_parts, rows, n)).astype(dtype)
            y = rng.standard_normal((rows, n)).astype(dtype)
            w = np.round(rng.random((rows, n)) * 3) if weighted else np.ones((rows, n))
            error, slopes = oracle(parts.astype('float64'), y.astype('float64'))
            total = w.sum()
            scale = 1 / total if total else 1
            wanted = [(w * error).sum() * scale, total]
            wanted.append(np.concatenate([w * slope * scale for slope in slopes], axis=-1))
            y[w == 0] = np.nan  # what has no weight may be anything
            given = [np.concatenate(list(parts), axis=-1), y, *[w.astype(dtype)] * weighted]
            assert_same(run(*given), wanted, dtype, f'{name}, {rows} rows of {n}')


def test_shapes_that_do_not_fit():
    program, nodes = elementwise.read_errors(Gaussian().errors, 2, 2)
    writer = mean.Mean(program, nodes, kernel.host_target('float64'), 2, False, keep=True)
    run = kernel.build('loss', writer, repr((writer.description, writer.target)))
    for wrong in [(3, 7), (3, 4), (3, 9), (2, 8)]:
        with pytest.raises(ValueError, match="loss: '(output|target)' is not of shape"):
            run(np.ones(wrong), np.ones((3, 4)))


@pytest.mark.parametrize('weighted', [long(False), True])
@pytest.mark.parametrize('name', long_unless('gaussian'.__eq__, ORACLES))
def test_op_against_the_plain_graph(name, weighted, rng):
    loss, _ = ORACLES[name]
    n = loss.n_parts
    o = pt.tensor('o', dtype='float64', shape=(None, None, 4 * n))
    t, w = (pt.tensor(k, dtype='float64', shape=(None, None, 4)) for k in 'tw')
    error, total = loss.mean(pt.tanh(o), t, w if weighted else None)
    outputs = [error, total, *pytensor.grad(3 * error, [o, t])]
    fused, names = compiled([o, t, w], outputs)
    assert 'MeanError' in names
    arrays = [rng.standard_normal((3, 5, 4 * n)), *rng.random((2, 3, 5, 4))]
    arrays[2][1] = 0
    wanted = plain([o, t, w], outputs)(*arrays)
    assert_same(fused(*arrays), wanted, 'float64')
    with kernels.allowed(False):
        mean_of_plain = loss.mean(pt.tanh(o), t, w if weighted else None)[0]
    found = plain([o, t, w], [mean_of_plain, pytensor.grad(3 * mean_of_plain, o)])(*arrays)
    assert_same(found, [wanted[0], wanted[2]], 'float64')


@pytest.mark.parametrize('loss', [Gaussian(), long(Student(df=4))])
def test_second_derivatives(loss, rng):
    o, t = pt.dmatrix('o'), rng.standard_normal((2, 3))
    error, _ = loss.mean(o, pt.constant(t))
    slope = pytensor.grad(error, o)
    check_slope((slope**2).sum(), {o: rng.standard_normal((2, 6))}, rng)


def test_a_single_target_of_static_length_one(rng):
    o, t = (
        pt.tensor('o', dtype='float64', shape=(None, 2)),
        pt.tensor(dtype='float64', shape=(None, 1)),
    )
    error, _ = Gaussian().mean(o, t)
    function, names = compiled([o, t], [error])
    assert 'MeanError' in names
    output, y = rng.standard_normal((6, 2)), rng.standard_normal((6, 1))
    wanted = gaussian(np.split(output, 2, axis=-1), y)[0].mean()
    assert function(output, y)[0] == pytest.approx(wanted, rel=1e-13)


@pytest.mark.parametrize('shape', [(1, 4), (None, 4)])
def test_rows_that_may_be_repeated_are_left_to_the_plain_graph(shape, rng):
    o, t = pt.tensor('o', dtype='float64', shape=shape), pt.dmatrix('t')
    error, _ = Gaussian().mean(o, t)
    function, names = compiled([o, t], [error])
    assert ('MeanError' in names) is (shape[0] is None)
    rows = shape[0] or 3
    output, y = rng.standard_normal((rows, 4)), rng.standard_normal((3, 2))
    wanted = gaussian(np.split(output, 2, axis=-1), y)[0].mean()
    assert function(output, y)[0] == pytest.approx(wanted, rel=1e-13)
