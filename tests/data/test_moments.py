"""Mean and deviation of rows that come in parts, against NumPy and exact numbers."""

import numpy as np
import pytest

from rnnkit.data import moments
from rnnkit.data.moments import Moments


def moments_of(*parts, weights=None):
    found = Moments(parts[0].shape[1])
    for k, part in enumerate(parts):
        found.add(part, None if weights is None else weights[k])
    return found


@pytest.mark.parametrize('n_parts', [1, 2, 5])
def test_parts_together_are_the_whole(rng, n_parts, monkeypatch):
    monkeypatch.setattr(moments, 'PART', 7)
    x = rng.normal([0, 5, -1e3], [1, 0.1, 30], (53, 3))
    found = moments_of(*np.array_split(x, n_parts))
    np.testing.assert_allclose(found.mean, x.mean(axis=0), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(found.deviation(), x.std(axis=0), rtol=1e-13)


def test_a_weight_of_k_is_the_row_k_times(rng):
    x, k = rng.standard_normal((20, 2)), rng.integers(0, 4, 20)
    found, wanted = moments_of(x, weights=[k]), np.repeat(x, k, axis=0)
    np.testing.assert_allclose(found.mean, wanted.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(found.deviation(), wanted.std(axis=0), rtol=1e-13)


def test_each_feature_may_have_its_own_weights_and_0_hides_anything(rng):
    x, w = rng.standard_normal((30, 2)), rng.integers(0, 3, (30, 2))
    found = moments_of(np.where(w > 0, x, np.nan), weights=[w])
    for feature in range(2):
        wanted = np.repeat(x[:, feature], w[:, feature])
        np.testing.assert_allclose(found.mean[feature], wanted.mean(), rtol=1e-13)
        np.testing.assert_allclose(found.deviation()[feature], wanted.std(), rtol=1e-13)


def test_nothing_is_lost_beside_a_large_mean(rng):
    """Squares of 1e9 have no digits left for a variance of 1: the textbook's formula gives any."""
    noise = rng.standard_normal((50_000, 1))
    noise = (noise - noise.mean()) / noise.std()
    x = 1e9 + noise
    textbook = np.mean(x**2) - np.mean(x) ** 2
    assert abs(textbook - 1) > 10
    np.testing.assert_allclose(moments_of(x).deviation(), np.std(x - 1e9), rtol=1e-9)
    # float32 as it comes from users: its own numbers, not those before they were rounded
    x = (1e6 + noise).astype('float32')
    found = moments_of(x)
    np.testing.assert_allclose(found.mean, x.astype('float64').mean(), rtol=1e-15)
    np.testing.assert_allclose(found.deviation(), x.astype('float64').std(), rtol=1e-11)


@pytest.mark.parametrize('value', [0.0, 0.1, -1e150, 1e-300, 123456.789])
def test_a_constant_feature_has_deviation_1(value, monkeypatch):
    monkeypatch.setattr(moments, 'PART', 13)
    x = np.full((1000, 1), value)
    found = moments_of(x[:400], x[400:])
    assert found.deviation() == [1.0]
    np.testing.assert_allclose(found.mean, value, rtol=1e-15)
    assert moments_of(x, weights=[np.full(1000, 1e-6)]).deviation() == [1.0]


def test_it_agrees_with_scikit_learn(rng):
    preprocessing = pytest.importorskip('sklearn.preprocessing')
    x = rng.normal([1e6, 0, 3, 1e-8], [1, 1e-9, 0, 1e-12], (200, 4))
    w = rng.random(200)
    scaler = preprocessing.StandardScaler().fit(x, sample_weight=w)
    found = moments_of(x, weights=[w])
    np.testing.assert_allclose(found.mean, scaler.mean_, rtol=1e-13, atol=1e-20)
    np.testing.assert_allclose(found.deviation(), scaler.scale_, rtol=1e-9)


def test_overflow_is_seen():
    assert not np.isfinite(moments_of(np.array([[1e300], [-1e300]])).deviation()).any()
