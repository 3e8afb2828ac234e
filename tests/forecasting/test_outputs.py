"""Heads: their layers and loss in a network, and the distributions that outputs mean."""

import numpy as np
import pytest
from scipy import stats

import rnnkit
from rnnkit.errors import ConfigError
from rnnkit.forecasting.outputs import HEADS, LEVELS, Grid, Points, normal_score

Q = np.concatenate([[1e-9, 1e-4], np.linspace(0.001, 0.999, 301), [1 - 1e-4, 1 - 1e-9]])


@pytest.mark.parametrize('shape', [(3,), (4, 3), (2, 5, 3)])
def test_quantiles_never_cross(shape, rng):
    dist = Grid(LEVELS, *rng.standard_normal((7, *shape)))
    found = np.stack([dist.quantile(q) for q in Q])
    assert found.shape == (len(Q), *shape)
    assert (np.diff(found, axis=0) >= 0).all()


def test_known_quantiles_are_kept_and_others_lie_between(rng):
    values = np.sort(rng.standard_normal((7, 4)), axis=0)
    dist = Grid(LEVELS, *values)
    for q, value in zip(LEVELS, values, strict=True):
        np.testing.assert_allclose(dist.quantile(q), value, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(dist.point(), dist.quantile(0.5))
    assert ((values[3] <= dist.quantile(0.6)) & (dist.quantile(0.6) <= values[4])).all()


def test_quantiles_of_a_normal_distribution_are_exact_everywhere():
    mean, sd = np.array([1.0, -3.0]), np.array([2.0, 0.5])
    dist = Grid(LEVELS, *(mean + sd * normal_score(q) for q in LEVELS))
    for q in Q:
        np.testing.assert_allclose(dist.quantile(q), mean + sd * normal_score(q), rtol=1e-9)
    np.testing.assert_allclose(dist.width(), sd, rtol=1e-12)


def test_crossed_outputs_are_sorted():
    dist = Grid((0.1, 0.5, 0.9), *np.array([[3.0], [1.0], [2.0]]))
    found = [dist.quantile(q)[0] for q in (0.1, 0.5, 0.9)]
    assert found == pytest.approx([1, 2, 3], rel=1e-12)


def test_samples_have_the_distribution(rng):
    values = np.sort(rng.standard_normal((7, 2, 3)), axis=0)
    dist = Grid(LEVELS, *values)
    drawn = dist.draw(rng, 40_000)
    assert drawn.shape == (40_000, 2, 3)
    for q in (0.05, 0.25, 0.5, 0.8, 0.95):
        share = (drawn <= dist.quantile(q)).mean(axis=0)
        assert abs(share - q).max() < 4 * np.sqrt(q * (1 - q) / 40_000)  # 4 standard errors
    assert abs(np.corrcoef(drawn[:, 0].T) - np.eye(3)).max() < 0.025


def test_single_values_have_no_quantiles():
    message = (
        "output='point' has no quantiles of its own, only those of errors on held-out data; hold "
        "some out with validation='tail', or use another output"
    )
    for ask in (lambda d: d.quantile(0.1), lambda d: d.draw(np.random.default_rng(0), 2)):
        with pytest.raises(ConfigError) as caught:
            ask(Points(np.zeros(3)))
        assert str(caught.value) == message


@pytest.mark.parametrize('q', [0, 1, -0.1, np.nan, 'a', True])
def test_levels_that_are_none(q):
    with pytest.raises(ConfigError, match=r'quantile\(\): q must be a finite number above 0 and b'):
        Grid((0.1, 0.9), np.zeros(2), np.ones(2)).quantile(q)


def test_map_changes_each_parameter(rng):
    values = np.sort(rng.standard_normal((7, 4, 3)), axis=0)
    dist = Grid(LEVELS, *values).map(lambda part: part[1:3])
    np.testing.assert_array_equal(dist.parts, values[:, 1:3])


def test_other_parameters_include_the_point_forecast(rng):
    values, centre = rng.standard_normal((7, 4, 3)), rng.standard_normal((4, 3))
    dist = Grid(LEVELS, *values, centre=centre)
    twice = dist.again([np.concatenate([part, part]) for part in dist.parts])
    np.testing.assert_array_equal(twice.point(), np.concatenate([centre, centre]))
    np.testing.assert_array_equal(dist.map(lambda part: part[1:3]).point(), centre[1:3])
    np.testing.assert_array_equal(dist.moved(2.0).point(), centre + 2)
    np.testing.assert_array_equal(dist.moved(2.0).quantile(0.25), dist.quantile(0.25) + 2)


@pytest.mark.parametrize('name', HEADS)
def test_a_blend_has_the_mean_quantiles(name, rng):
    head = HEADS[name]()
    read = [head.read(rng.standard_normal((4, 3 * head.n_parts))) for _ in range(3)]
    blend = head.blend(read)
    np.testing.assert_allclose(blend.point(), np.mean([d.point() for d in read], axis=0))
    if head.has_quantiles:
        for q in (0.01, 0.3, 0.9):
            wanted = np.mean([d.quantile(q) for d in read], axis=0)
            np.testing.assert_allclose(blend.quantile(q), wanted, rtol=1e-12)


def test_quantiles_of_named_distributions_equal_those_of_scipy(rng):
    output = rng.standard_normal((5, 12))
    m, a, b = np.split(output, 3, axis=-1)
    scale, df = np.log1p(np.exp(a)) + 1e-3, 2 + np.log1p(np.exp(b))
    student, normal = HEADS['student']().read(output), HEADS['gaussian']().read(output[:, :8])
    np.testing.assert_array_equal(student.point(), m)
    for q in (1e-6, 0.025, 0.5, 0.7, 0.999):
        wanted = stats.t.ppf(q, df, m, scale)
        np.testing.assert_allclose(student.quantile(q), wanted, rtol=1e-7, atol=1e-9)
        wanted = stats.norm.ppf(q, m, scale)
        np.testing.assert_allclose(normal.quantile(q), wanted, rtol=1e-12)
    drawn = student.map(lambda part: part[:1]).draw(rng, 20_000)
    assert drawn.shape == (20_000, 1, 4)
    for q in (0.1, 0.5, 0.9):
        share = (drawn <= stats.t.ppf(q, df, m, scale)[:1]).mean(axis=0)
        assert abs(share - q).max() < 4 * np.sqrt(q * (1 - q) / 20_000)


@pytest.mark.parametrize('name', HEADS)
def test_a_head_trains_a_network_and_reads_its_output(name, rng):
    """The share below each quantile is right on the training data."""
    head, h = HEADS[name](), 2
    x = np.ones((1, 400, 1))  # nothing to learn but the distribution
    y = np.array([3.0, -1.0]) + np.array([0.5, 2.0]) * rng.standard_normal((1, 400, h))
    layers = [1, ('rnn', 2), *head.layers(h, 'hid1')]
    net = rnnkit.Regressor(layers, loss=head.loss(), weighted=True, seed=0)
    options = dict(algo='adam', learning_rate=0.1, epochs=120, patience=200, progress=False)
    net.train([x, y, np.ones_like(y)], batch_size=400, **options)
    dist = head.read(net.predict(x))
    assert dist.shape == (1, 400, h)
    assert dist.point()[0, 0] == pytest.approx(np.median(y, axis=(0, 1)), abs=0.2)
    for q in (0.1, 0.5, 0.9) if head.has_quantiles else ():
        assert (y <= dist.quantile(q)).mean(axis=(0, 1)) == pytest.approx([q, q], abs=0.06)
