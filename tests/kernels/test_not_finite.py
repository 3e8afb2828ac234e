"""NaN, infinity and numbers that are nearly 0 in dense layers, losses and updates."""

import ctypes

import numpy as np
import pytest
from step_cases import STEP_KERNELS, UpdateKernel, step_case

from rnnkit.kernels.runtime import kernel

WIDTH = kernel.host_target('float32').width
SIZES = [(5, 3, 1), (6, 4, 21)]  # one unit has a path of its own


@pytest.mark.parametrize('sizes', SIZES)
@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
def test_dense_gradient_spreads_what_is_not_finite(bad, sizes, rng):
    case = step_case('dense gradient', 'float32', WIDTH, sizes, rng)
    x, w, dz = case.arrays
    dz[2, 0] = bad
    d_x, d_w, d_b = case.run(x, w, dz)
    with np.errstate(invalid='ignore'):
        wanted = dz @ w.T, x.T @ dz, dz.sum(0)
    for found, want in zip((d_x, d_w, d_b), wanted, strict=True):
        np.testing.assert_array_equal(np.isfinite(found), np.isfinite(want))
        assert not np.isfinite(found).all()
    dz[2, 0] = 1
    x[1, 2] = bad
    _, d_w, d_b = case.run(x, w, dz)
    assert not np.isfinite(d_w[2]).any()
    assert np.isfinite(np.delete(d_w, 2, axis=0)).all()
    assert np.isfinite(d_b).all()


@pytest.mark.parametrize('name', ['squares', 'weighted squares'])
@pytest.mark.parametrize('bad', [np.nan, np.inf])
@pytest.mark.parametrize('which', [0, 1], ids=['output', 'target'])
def test_loss_is_not_finite_if_an_error_is_not(which, bad, name, rng):
    case = step_case(name, 'float32', WIDTH, (6, 1, 21), rng)
    case.arrays[which][4, 20] = bad
    mean, total, slope = case.run(*case.arrays)
    assert not np.isfinite(mean)
    assert np.isfinite(total)
    assert np.argwhere(~np.isfinite(slope)).tolist() == [[4, 20]]


def test_infinite_error_gives_an_infinite_mean(rng):
    case = step_case('squares', 'float32', WIDTH, (6, 1, 21), rng)
    case.arrays[0][0, 3] = 1e30  # whose square is beyond float32
    assert case.run(*case.arrays)[0] == np.inf


@pytest.mark.parametrize('name', ['cross-entropy', 'weighted cross-entropy'])
@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_cross_entropy_spreads_over_the_row(bad, name, rng):
    case = step_case(name, 'float32', WIDTH, (6, 1, 21), rng)
    case.arrays[0][4, 7] = bad
    mean, total, _, slope = case.run(*case.arrays)
    assert np.isnan(mean)
    assert np.isfinite(total)
    assert np.isnan(slope[4]).all()
    assert np.isfinite(np.delete(slope, 4, axis=0)).all()


def test_a_class_that_is_impossible_does_no_harm(rng):
    case = step_case('cross-entropy', 'float64', 32, (6, 1, 21), rng)
    z, label = case.arrays
    z[2, (label[2] + 1) % 21] = -np.inf
    mean, _, _, slope = case.run(z, label)
    assert np.isfinite(mean)
    assert slope[2, (label[2] + 1) % 21] == 0
    z[3, label[3]] = -np.inf
    assert case.run(z, label)[0] == np.inf


def run_update(kernel_, gradients, params, slots, loss=1.0):
    """Make one update; return the norm and the number of updates."""
    number = kernel_.dtype.type
    scalars = {'loss': loss, 'norm': 0, 'count': 0, 'max_elem': 1e9, 'max_norm': 1e9}
    scalars = {name: np.array(value, kernel_.dtype) for name, value in scalars.items()}
    hyper = [np.array(number(value)) for value in kernel_.algorithm.options.values()]
    table = kernel_.table(scalars, hyper, slots, gradients, params)
    ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(kernel_.run)(table.ctypes.data)
    return float(scalars['norm']), float(scalars['count'])


@pytest.fixture(scope='module')
def rmsprop():
    return UpdateKernel('rmsprop', 'float32', WIDTH)


def test_nan_of_one_parameter_stays_there(rmsprop, rng):
    params = [rng.standard_normal(s).astype('f') for s in [(5, 9), (4,)]]
    gradients = [rng.standard_normal(p.shape).astype('f') for p in params]
    params[0][3, 7] = np.nan
    slots = [np.zeros(49, 'f') for _ in range(rmsprop.n_slots)]
    before = [p.copy() for p in params]
    assert run_update(rmsprop, gradients, params, slots)[1] == 1
    assert np.argwhere(np.isnan(params[0])).tolist() == [[3, 7]]
    assert np.isfinite(params[1]).all()
    assert (params[1] != before[1]).all()


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf, 1e30])  # 1e30 ** 2 is beyond float32
@pytest.mark.parametrize('where', ['gradient', 'loss'])
def test_update_that_is_not_finite_is_not_made(where, bad, rmsprop, rng):
    params = [rng.standard_normal(33).astype('f')]
    gradients = [rng.standard_normal(33).astype('f')]
    slots = [rng.random(33).astype('f') for _ in range(rmsprop.n_slots)]
    before = [a.copy() for a in (*params, *slots)]
    if where == 'gradient':
        gradients[0][32] = bad
    loss = bad if where == 'loss' else 1.0
    _, count = run_update(rmsprop, gradients, params, slots, loss)
    made = where == 'loss' and np.isfinite(bad)
    assert count == made
    for a, b in zip((*params, *slots), before, strict=True):
        assert np.array_equal(a, b) != made


@pytest.mark.parametrize('name', STEP_KERNELS)
def test_numbers_that_are_nearly_0_are_0_within_and_nowhere_else(name, rng):
    """Denormal numbers would take a hundred times as long."""
    case = step_case(name, 'float32', WIDTH, (37, 5, 21), rng)
    arrays = [a if a.dtype.kind == 'i' else a * np.float32(1e-25) for a in case.arrays]
    for found in case.run(*arrays):
        assert not ((found != 0) & (np.abs(found) < np.finfo('f').tiny)).any()
    # The processor is as it was before: NumPy still has such numbers.
    assert np.array([1e-30], 'f') * np.array([1e-10], 'f') > 0
