"""Naive forecasts against the formulas of the M4 competition, written out."""

import numpy as np
import pytest

from rnnkit.errors import ConfigError, DataError, ShapeError
from rnnkit.forecasting import naive, naive2, seasonal_naive

NAN = np.nan


def decomposed(y, m):
    """Return the seasonal factors of classical multiplicative decomposition, value by value."""
    ratios = [[] for _ in range(m)]
    half = m // 2
    for t in range(half, len(y) - half):
        if m % 2:
            trend = sum(y[t + j] for j in range(-half, half + 1)) / m
        else:
            middle = sum(y[t + j] for j in range(-half + 1, half))
            trend = (y[t - half] / 2 + middle + y[t + half] / 2) / m
        ratios[t % m].append(y[t] / trend)
    factors = np.array([np.mean(each) for each in ratios])
    return factors / factors.mean()


def significant(y, m):
    """Return whether the autocorrelation at the season's lag is, with 90 %."""
    n, centred = len(y), y - np.mean(y)
    r = [
        sum(centred[t] * centred[t + k] for t in range(n - k)) / sum(centred**2)
        for k in range(m + 1)
    ]
    return abs(r[m]) > 1.645 * np.sqrt((1 + 2 * sum(r[k] ** 2 for k in range(1, m))) / n)


def test_naive_repeats_the_last_value_that_is_known():
    np.testing.assert_array_equal(naive([1, 3, 2], 2), [2, 2])
    np.testing.assert_array_equal(naive([1, 3, NAN], 2), [3, 3])


@pytest.mark.parametrize(
    ('history', 'season', 'expected'),
    [
        ([9, 1, 3, 2], 3, [1, 3, 2, 1, 3]),
        ([9, 1, 3, 2], 1, [2, 2, 2, 2, 2]),
        ([1, 2, 3, 4], 4, [1, 2, 3, 4, 1]),
        ([1, 2, 3, 4, NAN, 6], 3, [4, 2, 6, 4, 2]),  # a season earlier
        ([1, NAN, 3, 4, NAN, 6], 3, [4, 6, 6, 4, 6]),  # never known: the last value
        ([7, 8], 3, [8, 7, 8, 8, 7]),  # shorter than a season
        ([5], 24, [5] * 5),
    ],
)
def test_seasonal_naive(history, season, expected):
    np.testing.assert_array_equal(seasonal_naive(history, 5, season), expected)


@pytest.mark.parametrize('season', [2, 3, 4, 7, 12])
@pytest.mark.parametrize('n', [84, 87])
def test_naive2_is_classical_decomposition_by_hand(season, n):
    rng = np.random.default_rng(season)
    t = np.arange(n)
    y = (10 + 0.1 * t) * (1 + 0.5 * np.cos(2 * np.pi * t / season)) * np.exp(rng.normal(0, 0.05, n))
    assert significant(y, season)
    factors = decomposed(y, season)
    ahead = [factors[(n + k) % season] for k in range(10)]
    expected = y[-1] / factors[(n - 1) % season] * np.array(ahead)
    np.testing.assert_allclose(naive2(y, 10, season), expected, rtol=1e-12)


def test_naive2_adjusts_significant_seasons_alone():
    rng = np.random.default_rng(0)
    adjusted = 0
    for _ in range(200):
        y = np.exp(rng.normal(size=60) + 0.7 * np.cos(np.arange(60) * np.pi / 2))
        forecast = naive2(y, 4, 4)
        adjusted += significant(y, 4)
        assert (forecast != y[-1]).any() == significant(y, 4)
    assert 20 < adjusted < 180


@pytest.mark.parametrize(
    ('history', 'season'),
    [
        ([1.0, 2, 3] * 4, 1),
        ([1.0, 1, 1, 1, 1, 9] * 2 + [1] * 5, 6),  # below three seasons
        ([5.0] * 40, 4),
        ([1.0, -2, 3, 4] * 10, 4),  # factors are not all positive
        ([0.0, 0, 3, 4] * 10, 4),
        ([1.0, NAN, 3, 4] * 10, 4),
        (list(range(1, 53)) * 3, 52),  # autocorrelations are known up to the lag 21
    ],
)
def test_naive2_is_naive_without_a_season(history, season):
    np.testing.assert_array_equal(naive2(history, 3, season), [history[-1]] * 3)


def test_zeros_that_leave_no_trend_have_no_factor():
    # Where the moving average is 0, there is no ratio; other seasons have one.
    y = np.array([1.0, 2, 3] * 4 + [0.0] * 6 + [1.0, 2, 3] * 8)
    ratios = np.full((len(y) // 3, 3), np.nan)
    for t in range(1, len(y) - 1):
        if (trend := y[t - 1 : t + 2].mean()) > 0:
            ratios[t // 3, t % 3] = y[t] / trend
    factors = np.nanmean(ratios, axis=0)
    expected = 3 / factors[2] * factors[[0, 1, 2]]
    np.testing.assert_allclose(naive2(y, 3, 3), expected, rtol=1e-12)


def test_one_list_and_dict_are_given_alike():
    one, other = np.array([1.0, 2.0]), [3.0]
    assert isinstance(naive(one, 1), np.ndarray)
    assert [each.tolist() for each in naive([one, other], 2)] == [[2, 2], [3, 3]]
    assert [each.tolist() for each in naive(np.ones((3, 5)), 1)] == [[1]] * 3
    found = seasonal_naive({'a': one, 'b': other}, 3, season=2)
    assert {key: each.tolist() for key, each in found.items()} == {'a': [1, 2, 1], 'b': [3, 3, 3]}


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda: naive([], 2), 'naive(): history is empty: its shape is (0,)'),
        (lambda: naive({}, 2), 'naive(): history is empty: there is no series in it'),
        (lambda: naive([NAN, NAN], 2), 'naive(): history has no value: all of 2 are NaN'),
        (lambda: naive({'a': [1], 'b': [NAN]}, 2), "naive(): history['b'] has no value: all of 1 "
         'are NaN'),
        (lambda: naive([1, np.inf], 2), 'naive(): history contains inf at index 1'),
    ],
)  # fmt: skip
def test_a_past_that_cannot_be_used(call, message):
    with pytest.raises(DataError) as raised:
        call()
    assert str(raised.value) == message


def test_a_series_has_one_axis():
    with pytest.raises(ShapeError) as raised:
        naive([[[1.0]]], 2)
    assert str(raised.value) == 'naive(): history[0] must be one series (n,); got shape (1, 1)'


def test_numbers_of_steps_are_checked():
    with pytest.raises(ConfigError, match=r'naive\(\): horizon must be a whole number of at least'):
        naive([1.0], 0)
    with pytest.raises(ConfigError, match=r'seasonal_naive\(\): season must be a whole number of'):
        seasonal_naive([1.0], 1, season=0)
    with pytest.raises(ConfigError, match="unknown option 'seson', did you mean 'season'"):
        naive2([1.0], 1, seson=2)
