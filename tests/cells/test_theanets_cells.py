"""The cells that theanets had: options, clocks, modules, rates, how they start."""

import numpy as np
import pytest

import rnnkit
from rnnkit.cells import cells
from rnnkit.cells.rates import fixed_rates


def layer(form, size, **options):
    return dict(form=form, size=size, **options)


@pytest.mark.parametrize(
    ('spec', 'message'),
    [
        (
            layer('rrnn', 3, rate=3),
            "rrnn: rate must be one of 'matrix', 'vector', 'uniform', 'log'; got 3",
        ),
        (layer('rrnn', 3, rate='matrx'), "'log'; got 'matrx'; did you mean 'matrix'"),
        (
            layer('scrn', 3, rate='matrix'),
            "scrn: rate must be one of 'vector', 'uniform', 'log'; got 'matrix'",
        ),
        (
            layer('scrn', 3, context_size=0),
            'scrn: context_size must be a whole number of at least 1; got 0',
        ),
        (
            layer('mrnn', 3, factors=1.5),
            'mrnn: factors must be a whole number of at least 1; got 1.5',
        ),
        (
            layer('mrnn', 3, factors=True),
            'mrnn: factors must be a whole number of at least 1; got True',
        ),
        (
            layer('clockwork', 4),
            r'clockwork: periods must be a list .* such as \[1, 2, 4, 8\]; got None',
        ),
        (layer('clockwork', 4, periods=[]), r'clockwork: periods must be a list .*; got \[\]'),
        (layer('clockwork', 4, periods=[1, 0]), r'clockwork: periods .*; got \[1, 0\]'),
        (layer('clockwork', 4, periods=2), r'clockwork: periods .*; got 2'),
        (layer('clockwork', 4, periods='12'), r"clockwork: periods .*; got '12'"),
        (
            layer('clockwork', 4, periods=[1, 2, 4]),
            'size must be a multiple of the number of modules, 3; got 4',
        ),
        (layer('bcrnn', 4), 'bcrnn: num_modules must be a whole number from 1 to 24; got None'),
        (
            layer('bcrnn', 50, num_modules=25),
            'num_modules must be a whole number from 1 to 24; got 25',
        ),
        (
            layer('bcrnn', 4, num_modules=3),
            'size must be a multiple of the number of modules, 3; got 4',
        ),
        (layer('mut1', 4, activation='relu'), "layer 'mut1': unknown option 'activation'"),
        (layer('rrnn', 3, rate='vector', xr='glorot'), "layer 'rrnn': unknown option 'xr'"),
    ],
    ids=str,
)
def test_what_is_refused(spec, message):
    with pytest.raises(rnnkit.ConfigError, match=message):
        rnnkit.Regressor([2, spec, 1])


@pytest.mark.parametrize('periods', [(1, 3), np.array([1, 3])], ids=['tuple', 'array'])
def test_periods_may_be_any_sequence_and_are_kept_in_the_spec(periods):
    net = rnnkit.Regressor([1, layer('clockwork', 4, periods=periods), 1], seed=0)
    assert net.to_spec()['layers'][1]['periods'] == [1, 3]


def test_a_clock_moves_at_its_own_multiples_of_time(rng):
    net = rnnkit.Regressor([1, layer('clockwork', 6, periods=[1, 2, 3]), 1], seed=0)
    outputs = net.feed_forward(rng.standard_normal((12, 2, 1)))
    h = outputs['hid1:out']
    moved = (np.diff(h, axis=0) != 0).all(axis=1)  # (T - 1, H): from step t to t + 1
    for unit in range(6):
        period = [1, 1, 2, 2, 3, 3][unit]
        assert list(moved[:, unit]) == [t % period == 0 for t in range(1, 12)]
        assert list(outputs['hid1:phase'][:, 0, unit]) == [(t + 1) % period for t in range(12)]


@pytest.mark.parametrize(
    'spec',
    [
        layer('clockwork', 6, periods=[1, 2, 4]),
        layer('bcrnn', 6, num_modules=3),
    ],
    ids=lambda spec: spec['form'],
)
def test_slow_units_are_read_by_fast_ones_and_not_the_other_way(spec, rng):
    net = rnnkit.Regressor([2, spec, 1], dtype='float64', seed=0)
    x = rng.standard_normal((9, 2, 2))
    before = net.feed_forward(x)['hid1:out']
    b = net.find('hid1', 'b').get_value()
    for module in range(3):
        change = np.zeros(6)
        change[2 * module : 2 * module + 2] = 0.1
        net.find('hid1', 'b').set_value(b + change)
        moved = (net.feed_forward(x)['hid1:out'] != before).any(axis=(0, 1))
        assert list(moved) == [unit // 2 <= module for unit in range(6)]


@pytest.mark.parametrize(
    'spec',
    [
        layer('clockwork', 6, periods=[1, 2, 4]),
        layer('bcrnn', 6, num_modules=3),
    ],
    ids=lambda spec: spec['form'],
)
def test_modules_start_with_orthonormal_columns_and_zeros_that_stay(spec, rng):
    net = rnnkit.Regressor([1, spec, 1], dtype='float64', seed=0)
    hh = net.find('hid1', 'hh')
    module_of = np.arange(6) // 2
    absent = module_of[:, None] < module_of
    start = hh.get_value()
    for module in range(3):
        block = start[:, 2 * module : 2 * module + 2]
        np.testing.assert_allclose(block.T @ block, np.eye(2), atol=1e-14)  # rounding
    assert not start[absent].any()
    x = rng.standard_normal((5, 4, 1))
    net.train([x, x], epochs=3)
    assert not hh.get_value()[absent].any()
    assert (hh.get_value()[~absent] != start[~absent]).all()


def test_slower_modules_change_less(rng):
    net = rnnkit.Regressor([1, layer('bcrnn', 40, num_modules=4), 1], seed=0)
    pre = net.feed_forward(rng.standard_normal((50, 8, 1)))['hid1:pre']
    speed = (np.diff(pre, axis=0) ** 2).mean(axis=(0, 1)).reshape(4, 10).mean(axis=1)
    assert (np.diff(speed) < 0).all()


def test_fixed_rates_cover_their_range_and_are_no_parameters():
    assert fixed_rates('uniform', 4).tolist() == [0.125, 0.375, 0.625, 0.875]
    np.testing.assert_allclose(np.log(fixed_rates('log', 3)), [-5, -3, -1], atol=1e-14)  # rounding
    one, two = (rnnkit.Regressor([1, layer('rrnn', 4, rate='log'), 1], seed=s) for s in (1, 2))
    for a, b in zip(one.params, two.params, strict=True):
        b.set_value(a.get_value())
    x = np.ones((4, 1, 1))
    assert [p.name for p in one.layers[1].params.values()] == ['hid1.xh', 'hid1.hh', 'hid1.b']
    np.testing.assert_array_equal(one.predict(x), two.predict(x))  # whatever the seed


def test_the_context_of_an_scrn_starts_slow():
    r = rnnkit.Regressor([1, layer('scrn', 4), 1], seed=0).find('hid1', 'r').get_value()
    assert 1 - 1 / (1 + np.exp(-r[0])) == pytest.approx(0.95, abs=0.01)  # the paper's value


@pytest.mark.parametrize('form', ['rrnn', 'mrnn', 'mut1', 'scrn', 'clockwork', 'bcrnn'])
def test_all_biases_start_at_zero_and_all_weights_do_not(form):
    options = {'clockwork': {'periods': [1, 2]}, 'bcrnn': {'num_modules': 2}}.get(form, {})
    net = rnnkit.Regressor([3, layer(form, 6, **options), 1], seed=0)
    for name, p in net.layers[1].params.items():
        value = p.get_value()
        assert value.any() == (value.ndim == 2 or (form, name) == ('scrn', 'r')), name


def test_matrices_in_the_loop_start_orthogonal():
    assert cells['mut1'].initial['hr'] == 'orthogonal'
    net = rnnkit.Regressor([3, layer('mrnn', 9), 1], dtype='float64', seed=0)
    hf, fh = net.find('hid1', 'hf').get_value(), net.find('hid1', 'fh').get_value()
    assert hf.shape == (9, 3)
    np.testing.assert_allclose(hf.T @ hf, np.eye(3), atol=1e-14)  # rounding
    np.testing.assert_allclose(fh @ fh.T, np.eye(3), atol=1e-14)
