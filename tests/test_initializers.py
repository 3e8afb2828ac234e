"""Initializers: distributions, gates, and what is refused."""

import numpy as np
import pytest

from rnnkit.errors import ConfigError, ShapeError
from rnnkit.initializers import initial_value, initializers

GATES = {'i': slice(0, 3), 'f': slice(3, 6)}


def start(spec, shape, gates=None, seed=5):
    return initial_value('hid1.xh', spec, shape, np.random.default_rng(seed), gates)


@pytest.mark.parametrize('shape', [(4, 4), (7, 3), (3, 7), (1, 1)])
def test_orthogonal_has_orthonormal_columns_or_rows(shape):
    q = start('orthogonal', shape)
    product = q.T @ q if shape[0] >= shape[1] else q @ q.T
    np.testing.assert_allclose(product, np.eye(min(shape)), atol=1e-14)  # rounding


def test_orthogonal_draws_both_signs_of_determinant():
    signs = {np.sign(np.linalg.det(start('orthogonal', (3, 3), seed=s))) for s in range(20)}
    assert signs == {-1.0, 1.0}


def test_orthogonal_is_uniform_on_the_sphere():
    first = np.array([start('orthogonal', (3, 3), seed=s)[:, 0] for s in range(400)])
    # A QR decomposition whose signs are not put right has a first entry that is never positive.
    # The mean of 400 entries of variance 1/3 has deviation 0.03; five of them.
    assert abs(first.mean(0)).max() < 0.15
    np.testing.assert_allclose(first.T @ first / 400, np.eye(3) / 3, atol=0.1)


def test_each_gate_is_orthogonal_on_its_own():
    value = start('orthogonal', (3, 6), GATES)
    for columns in GATES.values():
        block = value[:, columns]
        np.testing.assert_allclose(block.T @ block, np.eye(3), atol=1e-14)  # rounding
    assert not np.array_equal(value[:, :3], value[:, 3:])


@pytest.mark.parametrize(('shape', 'limit'), [
    ((20, 30), np.sqrt(6 / 50)), ((40,), np.sqrt(6 / 41)), ((2, 20, 30), np.sqrt(6 / 50)),
])  # fmt: skip
def test_glorot_fills_its_bounds(shape, limit):
    value = start('glorot', shape)
    assert value.shape == shape
    assert 0.8 * limit < abs(value).max() <= limit
    # The variance of a uniform distribution is limit²/3; 40 to 1200 samples, five deviations.
    assert value.var() == pytest.approx(limit**2 / 3, rel=0.75 if shape == (40,) else 0.2)


def test_glorot_counts_the_units_of_one_gate():
    value = start('glorot', (30, 6), GATES)
    assert abs(value).max() > np.sqrt(6 / 36)  # of the whole matrix
    assert abs(value).max() <= np.sqrt(6 / 33)  # of one gate


def test_identity_zeros_normal():
    np.testing.assert_array_equal(start('identity', (2, 3)), np.eye(2, 3))
    np.testing.assert_array_equal(start('identity', (3, 6), GATES), np.hstack([np.eye(3)] * 2))
    assert not start('zeros', (2, 3)).any()
    # 2500 samples: the estimate of a deviation has a relative deviation of 1.4%; five of them.
    assert start('normal', (50, 50)).std() == pytest.approx(0.01, rel=0.07)


def test_every_initializer_is_tested_here():
    assert set(initializers) == {
        'glorot', 'glorot_uniform', 'orthogonal', 'identity', 'zeros', 'normal'}  # fmt: skip


@pytest.mark.parametrize('name', ['glorot', 'orthogonal', 'normal'])
def test_the_same_seed_draws_the_same_bits(name):
    assert np.array_equal(start(name, (4, 4), seed=1), start(name, (4, 4), seed=1))
    assert not np.array_equal(start(name, (4, 4), seed=1), start(name, (4, 4), seed=2))


def test_constants_arrays_and_functions():
    assert set(start(0.5, (2, 3)).ravel()) == {0.5}
    given = np.arange(6.0).reshape(2, 3)
    value = start(given, (2, 3))
    np.testing.assert_array_equal(value, given)
    assert value is not given  # training changes it in place
    np.testing.assert_array_equal(start([[1, 2, 3], [4, 5, 6]], (2, 3)), given + 1)
    np.testing.assert_array_equal(start(lambda shape, rng: np.ones(shape), (2,)), [1, 1])


def test_a_dict_sets_gates_and_leaves_the_others_at_zero():
    np.testing.assert_array_equal(start({'f': 1.0}, (6,), GATES), [0, 0, 0, 1, 1, 1])
    value = start({'i': 'identity', 'f': np.full((3, 3), 2.0)}, (3, 6), GATES)
    np.testing.assert_array_equal(value, np.hstack([np.eye(3), np.full((3, 3), 2.0)]))


@pytest.mark.parametrize(('spec', 'shape', 'gates', 'error', 'message'), [
    ('gloro', (2, 3), None, ConfigError, r"no initializer named 'gloro'; did you mean 'glorot'\?"),
    ('orthogonal', (3,), None, ConfigError, r"'orthogonal': needs a matrix, not shape \(3,\)"),
    ('identity', (3,), None, ConfigError, r"'identity': needs a matrix, not shape \(3,\)"),
    (np.ones((3, 2)), (2, 3), None, ShapeError, r'hid1.xh: has shape \(2, 3\).*shape \(3, 2\)'),
    (np.nan, (2,), None, ConfigError, 'hid1.xh: its initial value is not finite'),
    (object(), (2,), None, ConfigError, 'hid1.xh: starts as the name of an initializer'),
    ([[1], [2, 3]], (2,), None, ConfigError, 'hid1.xh: starts as'),
    ({'q': 1}, (6,), GATES, ConfigError, "hid1.xh: no gate named 'q'; gates are i, f"),
    ({'i': np.ones(4)}, (6,), GATES, ShapeError, r'hid1.xh: has shape \(3,\)'),
    ({'i': 1}, (6,), None, ConfigError, "hid1.xh: no gate named 'i'"),
    (lambda shape, rng: np.ones(9), (2,), None, ShapeError, r'initial value of shape \(9,\)'),
    (1j, (2,), None, ConfigError, 'hid1.xh: starts as'),
])  # fmt: skip
def test_what_is_refused(spec, shape, gates, error, message):
    with pytest.raises(error, match=message):
        start(spec, shape, gates)
