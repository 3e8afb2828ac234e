"""Naive forecasts, and which of them is the base of a series."""

import numpy as np
import pytest

from rnnkit.forecasting import bases


def test_errors_are_those_of_naive_forecasts_from_the_last_origins():
    rng = np.random.default_rng(1)
    y, h, pairs = rng.standard_normal(40), 4, ((1, 1), (3, 1), (6, 1), (6, 2), (1, 4))
    (found,) = bases.errors(y[None], np.array([40]), pairs, h)
    for (lag, seasons), error in zip(pairs, found, strict=True):
        each = []
        for origin in range(39 - h, 4, -h // 2):
            if len(each) == bases.MOST_ORIGINS:
                break
            forecast = []
            for k in range(h):
                last = origin + 1 + k % lag - lag
                forecast.append(
                    np.mean([y[last - lag * j] for j in range(seasons) if last >= lag * j])
                )
            each.append(np.mean(np.abs(np.array(forecast) - y[origin + 1 : origin + 1 + h])))
        assert error == pytest.approx(np.mean(each), rel=1e-12)


def test_each_series_has_the_lag_that_was_best():
    t = np.arange(80)
    week = np.tile(np.random.default_rng(2).standard_normal(28), 3)[:80]
    y = np.array([week, np.sin(t * np.pi / 2) * 5, 0.1 * t])
    n = np.array([80, 80, 80])
    lag, seasons = bases.choose(y, n, (1, 4, 28), 8)
    assert lag.tolist() == [28, 4, 1]
    assert seasons[2] == 1


def test_a_lag_needs_two_of_itself():
    y = np.tile([1.0, 5.0, 2.0, 8.0], 4)[None]
    assert bases.choose(y, np.array([16]), (1, 4), 4)[0].tolist() == [4]
    assert bases.choose(y[:, -7:], np.array([7]), (1, 4), 2)[0].tolist() == [1]
    assert bases.choose(y, np.array([16]), (1, 4), 48)[0].tolist() == [4]  # too short to judge
    assert bases.choose(y[:, -1:], np.array([1]), (1, 4), 2)[0].tolist() == [1]


def test_a_second_season_is_found_and_noise_has_none():
    rng = np.random.default_rng(3)
    day = rng.standard_normal((1, 24))
    factors = np.array([1, 1, 1, 1, 1, 0.2, -0.5])[:, None]
    y = np.tile((factors * day).ravel(), 5) + 0.05 * rng.standard_normal(840)
    assert bases.second_season(y[None], np.array([840]), 24, 48) == 168
    noise = rng.standard_normal((5, 840))
    assert bases.second_season(noise, np.full(5, 840), 24, 48) is None
