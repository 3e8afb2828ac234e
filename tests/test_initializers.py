"""Initializers: distributions, gates, and what is refused."""

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import ConfigError, ShapeError
from rnnkit.initializers import initial_value, initializers, spectral_radius

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


@pytest.mark.parametrize(
    ('shape', 'limit'),
    [
        ((20, 30), np.sqrt(6 / 50)),
        ((40,), np.sqrt(6 / 41)),
        ((2, 20, 30), np.sqrt(6 / 50)),
    ],
)
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


@pytest.mark.parametrize('shape', [(200, 120), (4, 50, 120)])
@pytest.mark.parametrize(
    ('form', 'variance'),
    [
        ('he_uniform', lambda n_in, n_out: 2 / n_in),
        ('he_normal', lambda n_in, n_out: 2 / n_in),
        ('lecun', lambda n_in, n_out: 1 / n_in),
        ('lecun_uniform', lambda n_in, n_out: 1 / n_in),
        ('lecun_normal', lambda n_in, n_out: 1 / n_in),
        ('glorot_uniform', lambda n_in, n_out: 2 / (n_in + n_out)),
        ('glorot_normal', lambda n_in, n_out: 2 / (n_in + n_out)),
    ],
)
def test_variances_by_the_numbers_of_inputs_and_outputs(form, variance, shape):
    value = start(form, shape)
    n_in = shape[-2] if form == 'glorot_uniform' else 200
    std = np.sqrt(variance(n_in, 120))
    # 24000 samples: the mean has a deviation of 0.0065, the deviation one of 0.0046; five of them.
    assert value.mean() / std == pytest.approx(0, abs=0.03)
    assert value.std() / std == pytest.approx(1, rel=0.023)
    share = (abs(value) > std).mean()  # 0.4226 of a uniform distribution, 0.3173 of a normal one
    expected = 0.3173 if form.endswith('normal') else 1 - 1 / np.sqrt(3)
    assert share == pytest.approx(expected, abs=0.016)
    if not form.endswith('normal'):
        assert 0.99 * np.sqrt(3) * std < abs(value).max() <= np.sqrt(3) * std


def test_inputs_are_those_of_one_gate_and_a_bias_has_one():
    value = start('he_uniform', (30, 6), GATES)
    assert 0.9 * np.sqrt(6 / 30) < abs(value).max() <= np.sqrt(6 / 30)
    assert 0.9 * np.sqrt(3) < abs(start('lecun', (100,))).max() <= np.sqrt(3)


def test_uniform_is_between_minus_scale_and_scale():
    value = start(dict(form='uniform', scale=0.1), (50, 50))
    assert -0.1 <= value.min() < -0.099
    assert 0.099 < value.max() <= 0.1
    assert value.std() == pytest.approx(0.1 / np.sqrt(3), rel=0.05)
    np.testing.assert_array_equal(start('uniform', (50, 50)), value / 2)
    above = start(dict(form='uniform', scale=0.1, mean=1), (50, 50))
    np.testing.assert_allclose(above, 1 + value, rtol=1e-15)
    with pytest.raises(
        ConfigError, match="initializer 'uniform': scale must be at least 0; got -1"
    ):
        start(dict(form='uniform', scale=-1), (2, 2))


def test_a_published_recipe():
    """Zaremba, Sutskever & Vinyals 2014, arXiv:1409.2329: all from U(-0.05, 0.05)."""
    start = dict.fromkeys(('xh', 'hh', 'b'), 'uniform')
    spec = [3, dict(form='lstm', size=40, **start), dict(size=2, w='uniform', b='uniform')]
    net = rnnkit.Regressor(spec, seed=0)
    assert all(0.03 < abs(p.get_value()).max() <= 0.05 for p in net.params if p.name != 'out.b')
    again = rnnkit.from_spec(net.to_spec())
    for p, q in zip(net.params, again.params, strict=True):
        np.testing.assert_array_equal(p.get_value(), q.get_value())


@pytest.mark.parametrize(
    ('name', 'meant'),
    [
        ('kaiming_uniform', 'he_uniform'),
        ('xavier_normal', 'glorot_normal'),
        ('random_uniform', 'uniform'),
        ('he', 'he_normal'),
    ],
)
def test_names_of_other_libraries(name, meant):
    with pytest.raises(ConfigError, match=f"no initializer named '{name}'; did you mean '{meant}'"):
        start(name, (2, 2))


def test_every_initializer_is_tested_here():
    own = {name for name in initializers if initializers[name].__module__.startswith('rnnkit.')}
    assert own == {
        'glorot',
        'glorot_normal',
        'glorot_uniform',
        'he_normal',
        'he_uniform',
        'lecun',
        'lecun_normal',
        'lecun_uniform',
        'uniform',
        'orthogonal',
        'identity',
        'diagonal',
        'zeros',
        'normal',
    }


@pytest.mark.parametrize('form', ['orthogonal', 'glorot', 'normal', 'identity'])
@pytest.mark.parametrize('radius', [0.5, 1.1])
def test_radius_is_that_of_the_largest_eigenvalue_gate_by_gate(form, radius):
    value = start(dict(form=form, radius=radius), (3, 6), GATES)
    for columns in GATES.values():
        found = max(abs(np.linalg.eigvals(value[:, columns])))
        assert found == pytest.approx(radius, rel=1e-12)  # rounding
    if form == 'glorot':  # where the largest singular value is another number
        assert np.linalg.norm(value[:, :3], 2) > 1.01 * radius
    plain = start(form, (3, 6), GATES)  # the same direction
    np.testing.assert_allclose(value[:, :3] / radius * spectral_radius(plain[:, :3]), plain[:, :3])


def test_sparsity_is_the_part_of_zeros_beside_the_diagonal():
    value = start(dict(form='normal', std=1.0, sparsity=0.8), (100, 100))
    zeros = (value == 0)[~np.eye(100, dtype=bool)]
    # The mean of 9900 coins has a deviation of 0.004; five of them.
    assert zeros.mean() == pytest.approx(0.8, abs=0.02)
    assert np.diag(value).all()
    assert not start(dict(form='glorot', sparsity=1), (4, 5)).any()
    np.testing.assert_array_equal(
        start(dict(form='glorot', sparsity=0), (4, 5)), start('glorot', (4, 5))
    )


def test_radius_is_set_after_sparsity_and_gain():
    value = start(dict(form='orthogonal', radius=0.9, sparsity=0.5, gain=7), (9, 9))
    assert (value == 0).any()
    assert spectral_radius(value) == pytest.approx(0.9, rel=1e-12)  # rounding


def test_keywords_of_an_initializer():
    np.testing.assert_array_equal(start(dict(form='diagonal', value=0.3), (3, 3)), 0.3 * np.eye(3))
    np.testing.assert_array_equal(start('diagonal', (3, 3)), np.eye(3))
    np.testing.assert_array_equal(start(dict(form='identity', gain=0.3), (2, 2)), 0.3 * np.eye(2))
    value = start(dict(form='normal', mean=5, std=0.1), (50, 50))
    # 2500 samples: the mean's deviation is 0.002, the deviation's 0.0014; five of them.
    assert value.mean() == pytest.approx(5, abs=0.01)
    assert value.std() == pytest.approx(0.1, abs=0.007)


def test_a_gate_may_have_keywords():
    value = start({'f': dict(form='diagonal', value=2), 'i': 'identity'}, (3, 6), GATES)
    np.testing.assert_array_equal(value, np.hstack([np.eye(3), 2 * np.eye(3)]))


def test_keywords_are_kept_in_the_spec():
    import rnnkit

    hh = dict(form='orthogonal', radius=1.1)
    net = rnnkit.Regressor([2, dict(form='lstm', size=3, hh=hh), 1], dtype='float64', seed=0)
    assert net.to_spec()['layers'][1]['hh'] == hh
    same = rnnkit.from_spec(net.to_spec()).find('hid1', 'hh').get_value()
    np.testing.assert_array_equal(same, net.find('hid1', 'hh').get_value())
    assert spectral_radius(same[:, :3]) == pytest.approx(1.1, rel=1e-12)  # rounding


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


@pytest.mark.parametrize(
    ('spec', 'shape', 'gates', 'error', 'message'),
    [
        (
            'gloro',
            (2, 3),
            None,
            ConfigError,
            r"no initializer named 'gloro'; did you mean 'glorot'\?",
        ),
        ('orthogonal', (3,), None, ConfigError, r"'orthogonal': needs a matrix, not shape \(3,\)"),
        ('identity', (3,), None, ConfigError, r"'identity': needs a matrix, not shape \(3,\)"),
        (np.ones((3, 2)), (2, 3), None, ShapeError, r'hid1.xh: has shape \(2, 3\).*shape \(3, 2\)'),
        (np.nan, (2,), None, ConfigError, 'hid1.xh: its initial value is not finite'),
        (
            object(),
            (2,),
            None,
            ConfigError,
            'hid1.xh: its initial value must be the name of an initializer',
        ),
        ([[1], [2, 3]], (2,), None, ConfigError, 'hid1.xh: its initial value must be'),
        ({'q': 1}, (6,), GATES, ConfigError, "hid1.xh: no gate named 'q'; gates are i, f"),
        ({'i': np.ones(4)}, (6,), GATES, ShapeError, r'hid1.xh: has shape \(3,\)'),
        ({'i': 1}, (6,), None, ConfigError, "hid1.xh: no gate named 'i'"),
        (lambda shape, rng: np.ones(9), (2,), None, ShapeError, r'initial value of shape \(9,\)'),
        (1j, (2,), None, ConfigError, 'hid1.xh: its initial value must be'),
        (dict(form='glorot', radius=1), (2, 3), None, ConfigError, 'radius is for square matrices'),
        (dict(form='glorot', radius=1), (3,), None, ConfigError, 'hid1.xh: .* square matrices'),
        (
            dict(form='zeros', radius=1),
            (3, 3),
            None,
            ConfigError,
            'a matrix with spectral radius 0 cannot be',
        ),
        (
            dict(form='glorot', radius=-1),
            (3, 3),
            None,
            ConfigError,
            'radius must be at least 0; got -1',
        ),
        (
            dict(form='glorot', sparsity=2),
            (3, 3),
            None,
            ConfigError,
            'sparsity must be from 0 to 1',
        ),
        (dict(form='glorot', std=1), (3, 3), None, ConfigError, "'glorot': unknown option 'std'"),
        (dict(form='normal', std='a'), (3, 3), None, ConfigError, "std must be a number; got 'a'"),
        (
            dict(form='normal', mean=np.nan),
            (3, 3),
            None,
            ConfigError,
            'mean must be a number; got nan',
        ),
        (
            {'form': 'glorot', 3: 1},
            (3, 3),
            None,
            ConfigError,
            'the keywords of an initializer must be',
        ),
        (dict(form='gloro'), (3, 3), None, ConfigError, "no initializer named 'gloro'"),
    ],
)
def test_what_is_refused(spec, shape, gates, error, message):
    with pytest.raises(error, match=message):
        start(spec, shape, gates)
