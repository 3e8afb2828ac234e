"""What the network reads and predicts, against loops over single steps."""

import numpy as np
import pytest

from rnnkit.forecasting import building, features
from rnnkit.forecasting.bases import Choices
from rnnkit.forecasting.design import Design, decide, is_multiplicative
from rnnkit.forecasting.series import Series

NONE = np.zeros((0, 0))


def series(values, past=None, future=None, static=()):
    values = np.asarray(values, float)
    n = len(values)
    past, future = (np.zeros((n, 0)) if a is None else np.asarray(a, float) for a in (past, future))
    return Series(None, 'y', values, past, future, np.asarray(static, float))


def design(**changes):
    options = dict(
        lags=(1, 4), season=4, horizon=3, judged=3, profile=8, window=6, scale='mean_abs',
        log=False, base='seasonal', calendar=False,
        moments={kind: (np.zeros(1), np.ones(1)) for kind in ('known', 'past', 'static')},
    )  # fmt: skip
    return Design(**options | changes)


def scale_by_loop(y, t, lag, window, kind):
    """Return the scale after step t; the first `lag` steps have no difference."""
    gaps = [abs(y[i] - y[i - lag]) for i in range(lag, t + 1)]
    recent = gaps[-window:]
    if kind == 'mean_abs':
        scale = np.mean(recent)
    elif kind == 'standard':
        scale = np.sqrt(np.mean(np.square(recent)))
    else:
        scale = 1.4826 * np.median(recent)
    return max(scale, 0.1 * np.mean(gaps))


@pytest.mark.parametrize('kind', ['mean_abs', 'standard', 'robust'])
def test_a_scale_is_of_the_last_differences(kind):
    y = np.random.default_rng(0).standard_normal(30).cumsum()
    histories = building.build([series(np.ones(9)), series(y)], design(scale=kind), room=3)
    for t in (4, 6, 9, 20, 29):
        at = histories.begin[1:] + t
        (found,) = histories.unit[at]
        assert found == pytest.approx(scale_by_loop(y, t, 4, 6, kind), rel=1e-12), t
    assert histories.unit[histories.end[:1] - 1].tolist() == [0]


def mean_gap(y, t):
    """Return the mean difference from the season before so far."""
    return np.mean([abs(y[i] - y[i - 4]) for i in range(4, t + 1)])


def at(y, i):
    """Return a value; before the series, its first season is repeated."""
    return y[i] if i >= 0 else y[i % 4]


def test_features_and_targets_are_those_of_a_loop():
    rng = np.random.default_rng(1)
    y = rng.standard_normal(40).cumsum() + 50
    past, future, static = rng.random((40, 1)), rng.random((40, 2)), [3.0]
    plan = design(
        moments={
            'past': (np.array([0.5]), np.array([2.0])),
            'known': (np.array([0.1, 0.2]), np.array([0.3, 0.4])),
            'static': (np.array([1.0]), np.array([4.0])),
        }
    )
    histories = building.build(
        [series(rng.random(12), past[:12], future[:12], [2.0]), series(y, past, future, static)],
        plan,
        room=3,
    )
    steps = histories.begin[1] + np.arange(14, 37)
    one, stop = np.ones(len(steps), int), np.full(len(steps), histories.end[1])
    x = features.read(plan, histories, steps, one)
    r, weights = features.targets(histories, steps, one, stop, 3)
    for row, t in enumerate(range(14, 37)):
        s = scale_by_loop(y, t, 4, 6, 'mean_abs')
        base = [y[t - 3], y[t - 2], y[t - 1]]
        expected = [(y[t] - y[t - lag]) / s for lag in (1, 4)]
        expected += [(y[t - j] - y[t - j - 4]) / s for j in range(8)]
        expected += [np.mean([y[t - j] - y[t - j - 4] for j in range(4)]) / s]
        week = y[t - 3 : t + 1]
        expected += [np.log1p(np.mean(abs(week - week.mean())) / s)]
        expected += [0, 0, 0]  # its own base
        usual = [np.mean([at(y, t + k - 4 * j) for j in range(1, 5)]) for k in (1, 2, 3)]
        expected += list((np.array(usual) - base) / s)
        expected += [0]  # not missing
        expected += [0, 1, 0]  # whose lag is 4, once
        if t + 3 < 40:
            for k in (1, 2, 3):
                expected += list((future[t + k] - [0.1, 0.2]) / [0.3, 0.4])
                gap = (future[t + k] - future[t + k - 4]) / [0.3, 0.4]
                expected += list(gap * mean_gap(y, t) / s)
        expected += [(past[t, 0] - 0.5) / 2, 0.5]
        found = x[row] if t + 3 < 40 else np.delete(x[row], np.arange(-14, -2))
        np.testing.assert_allclose(found, np.clip(expected, -20, 20), rtol=1e-5, atol=1e-6)
        truth = [(y[t + k] - base[k - 1]) / s if t + k < 40 else 0 for k in (1, 2, 3)]
        np.testing.assert_allclose(r[row], truth, rtol=1e-5, atol=1e-6)
        assert weights[row].tolist() == [float(t + k < 40) for k in (1, 2, 3)]


def test_appended_values_give_what_a_longer_series_gives():
    rng = np.random.default_rng(2)
    y, plan = rng.standard_normal((2, 60)).cumsum(axis=1), design()
    whole = building.build([series(one) for one in y], plan, room=9)
    parts = building.build([series(one[:50]) for one in y], plan, room=9)
    tails = parts.tails(np.array([1, 0]), parts.end[[1, 0]], plan.memory, room=12)
    for t in range(50, 60):
        tails.append(y[[1, 0], t], np.array([True, True]))
        at = whole.begin + t
        expected = features.read(plan, whole, at, np.arange(2))
        found = features.read(plan, tails, tails.end - 1, np.arange(2))
        assert found.tolist() == expected[[1, 0]].tolist()


def test_values_appended_to_a_series_shorter_than_its_lag():
    y, plan = np.random.default_rng(6).standard_normal(24), design()
    y[4] = 900  # later scales are at least 0.1 of the mean
    choices = Choices(np.array([4]), np.array([1]), np.array([False]))
    whole = building.build([series(y)], plan, 3, choices)
    part = building.build([series(y[:2])], plan, 30, choices)
    for t in range(2, 24):
        part.append(y[t : t + 1], np.array([True]))
        assert part.unit[part.end - 1] == whole.unit[whole.begin + t]
    assert part.unit[part.end - 1] == pytest.approx(scale_by_loop(y, 23, 4, 6, 'mean_abs'))


def test_a_missing_value_has_weight_0_and_a_mark():
    y = np.arange(30.0) ** 1.5
    y[20] = np.nan
    plan = design()
    histories = building.build([series(y)], plan, room=3)
    at, one = histories.begin[0] + np.array([18, 20]), np.zeros(2, int)
    _, weights = features.targets(histories, at, one, histories.end[[0, 0]], 3)
    assert weights.tolist() == [[1, 0, 1], [1, 1, 1]]
    mark = len(plan.lags) + 8 + 2 + 3 + 3
    assert features.read(plan, histories, at, one)[:, mark].tolist() == [0, 1]
    assert histories.y[at[1]] == pytest.approx(y[19] + y[16] - y[15])


def test_features_do_not_depend_on_unit_and_level():
    y = np.random.default_rng(3).standard_normal(40).cumsum()
    plan, at = design(), np.arange(20, 40)
    x = []
    for values in (y, 1000 * y, y + 64):
        histories = building.build([series(values)], plan, room=3)
        x.append(features.read(plan, histories, histories.begin[0] + at, np.zeros(20, int)))
    np.testing.assert_allclose(x[1], x[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(x[2], x[0], rtol=1e-4, atol=1e-5)  # cancellation


def test_logarithms_are_for_differences_that_grow_with_the_level():
    rng, t = np.random.default_rng(4), np.arange(144)
    growing = (
        np.exp(0.02 * t) * (10 + np.sin(t * np.pi / 6)) * np.exp(0.03 * rng.standard_normal(144))
    )
    assert is_multiplicative(growing, 12)
    assert not is_multiplicative(50 + t + 3 * np.sin(t) + rng.standard_normal(144), 12)
    assert not is_multiplicative(growing - 20, 12)  # not positive
    assert not is_multiplicative(np.full(144, 3.0), 12)


def test_lags_are_decided_for_all_series_together():
    options = dict(judged=24, scale='mean_abs', log=False, base='auto', calendar=False, moments={})
    rng = np.random.default_rng(5)
    week = np.tile(rng.standard_normal(84), 4)
    assert decide([series(week)], 12, 'auto', 24, **options).lags == (1, 12, 84)
    assert decide([series(week)], None, 'auto', 24, **options).lags == (1,)
    assert decide([series(week)], 12, (1, 5), 24, **options).lags == (1, 5)
