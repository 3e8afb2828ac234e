"""Batches that are read as strips, against the features of single steps."""

from dataclasses import replace

import numpy as np
import pytest

from rnnkit.forecasting import building, features, fitting, windows
from rnnkit.forecasting.bases import Choices
from rnnkit.forecasting.forecaster import Forecaster
from rnnkit.forecasting.outputs import HEADS
from rnnkit.forecasting.strips import Strips, pieces
from tests.forecasting.test_features import design, series

CASES = {
    'one season': {},
    'a season that ends within the horizon': dict(horizon=6),
    'two seasons': dict(lags=(1, 4, 6), horizon=11),
    'no base': dict(base=None, lags=(1, 4, 6), horizon=9),
    'no scale': dict(scale=None),
    'no season': dict(lags=(1,), season=1, horizon=4),
    'another lag': dict(lags=(3, 4)),
    'one lag': dict(lags=(4,)),
}


def many(plan, covariates=False):
    """Return histories of series with gaps, without changes, and of different lags and lengths."""
    rng, found = np.random.default_rng(0), []
    for n in (90, 60, 40, 90, 70, 33):
        y = rng.standard_normal(n).cumsum() + 50
        past, future = (rng.random((n, 1)), rng.random((n, 2))) if covariates else (None, None)
        found.append([y, past, future, [1.0, n] if covariates else ()])
    found[1][0][[20, 21, 40]] = np.nan
    found[4][0][:] = 7
    lags = np.resize(plan.lags, len(found))
    choices = Choices(lags, np.array([1, 4, 1, 4, 1, 1]), np.zeros(len(found), bool))
    return building.build([series(*one) for one in found], plan, plan.horizon + 1, choices)


def check(plan, found, steps, size=40):
    """Assert that strips give the bits of `features.both`, whatever was drawn before."""
    rng, strips = np.random.default_rng(1), Strips(plan, found, steps, size)
    for _ in range(3):
        one = rng.integers(0, len(found), size)
        start = rng.integers(found.first[one], found.end[one])
        stop = found.end[one] - rng.integers(0, 9, size)
        at = np.minimum(start + np.arange(steps)[:, None], found.end[one] - 1)
        expected = features.both(plan, found, at, one, stop)
        for array, part in zip(strips(start, one, stop), expected, strict=True):
            assert array.shape == part.shape
            assert array.dtype == part.dtype == np.float32
            assert array.tobytes() == part.tobytes()


@pytest.mark.parametrize('case', CASES)
def test_strips_give_the_bits_of_single_steps(case):
    plan = design(**CASES[case])
    check(plan, many(plan), steps=12)


def test_a_batch_of_series_without_changes_has_no_weight():
    plan = design()
    found = many(plan)
    one = np.full(5, 4)
    start, stop = found.first[one] + np.arange(5), found.end[one]
    at = start + np.arange(12)[:, None]
    expected = features.both(plan, found, at, one, stop)
    *_, weights = batch = Strips(plan, found, 12, 5)(start, one, stop)
    assert not weights.any()
    assert [array.tobytes() for array in batch] == [part.tobytes() for part in expected]


def test_strips_give_the_bits_of_covariates():
    each = {'known': 2, 'past': 1, 'static': 2}
    moments = {name: (np.full(n, 0.5), np.full(n, 2.0)) for name, n in each.items()}
    plan = design(lags=(1, 4, 6), moments=moments)
    check(plan, many(plan, covariates=True), steps=9)


def test_a_horizon_is_cut_where_a_season_begins_again():
    assert pieces([24, 168], 48) == [(0, 24), (24, 48)]
    assert pieces([24, 7], 16) == [(0, 7), (7, 14), (14, 16)]
    assert pieces([48], 48) == [(0, 48)]


def test_strips_are_for_long_lags_and_series():
    plan = design()
    found = many(plan)
    assert Strips.of(plan, found, 12, 4) is not None
    assert Strips.of(plan, found, 80, 4) is None  # most series are shorter
    far = design(horizon=5)
    for lag, able in ((4, True), (1, False)):
        choices = found.choices._replace(lag=np.full(len(found), lag))
        assert (Strips.of(far, replace(many(far), choices=choices), 12, 4) is not None) == able
    assert Strips.of(design(lags=(1,), season=1, horizon=5), found, 12, 4) is None


def test_draws_fill_the_same_arrays():
    plan = design()
    found, rng = many(plan), np.random.default_rng(0)
    draw = windows.draw(plan, found, found.end, 12, 8)
    first = draw(rng)
    before = [array.copy() for array in first]
    second = draw(rng)
    assert [a is b for a, b in zip(first, second, strict=True)] == [True] * 3
    assert (first[0] != before[0]).any()
    other = windows.draw(plan, found, found.end, 12, 8)(rng)
    assert not any(np.shares_memory(a, b) for a in first for b in other)


def test_training_does_not_overwrite_the_batch_that_judges_it():
    plan = design()
    found, options = many(plan), Forecaster('rnn', 4, horizon=3, season=4, updates=40).options
    none = np.zeros(len(found), int)
    net, _ = fitting.train(None, plan, found, HEADS['point'](), options, none, None, seed=3)
    steps = fitting.length(plan, found, found.end)
    size = fitting.amounts(options, found)[1]
    batch = windows.draw(plan, found, found.end, steps, size)(np.random.default_rng(3))
    assert net.history['valid_loss'][-1] == pytest.approx(net.evaluate(*batch)['loss'], rel=1e-6)
