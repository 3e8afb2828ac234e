"""Calibrated intervals: their coverage, their width for noisy series, and dependent paths."""

import numpy as np
import pytest
from scipy import stats

from rnnkit.errors import ConfigError, ShapeError
from rnnkit.forecasting.intervals import Calibration
from rnnkit.forecasting.outputs import HEADS, Points, normal_score


def coverage_of(make, n_groups, rows, h, level, repetitions, rng):
    """Return the share of later targets in the interval, for each repetition."""
    shares = []
    for _ in range(repetitions):
        noise = np.exp(rng.normal(0, 0.5, n_groups))
        groups = np.repeat(np.arange(n_groups), rows)
        y = make(rng, noise[groups], h)
        forecasts = rng.standard_normal(y.shape)
        fitted = Calibration.fit(Points(forecasts), forecasts + y, np.ones_like(y), groups)
        dist = fitted.apply(Points(np.zeros((n_groups, h))), np.arange(n_groups))
        later = make(rng, noise, h)
        low, high = dist.quantile((1 - level) / 2), dist.quantile((1 + level) / 2)
        shares.append(((low <= later) & (later <= high)).mean())
    return np.array(shares)


def errors(rng, noise, h):
    """Return heavy-tailed errors that grow with the number of steps."""
    return rng.standard_t(4, (len(noise), h)) * noise[:, None] * np.sqrt(np.arange(1, h + 1))


@pytest.mark.parametrize('level', [0.5, 0.8, 0.95])
@pytest.mark.parametrize(
    ('n_groups', 'rows', 'h', 'repetitions'), [(1, 8, 6, 150), (20, 5, 6, 60), (150, 4, 12, 6)]
)
def test_coverage_of_exchangeable_errors(n_groups, rows, h, repetitions, level, rng):
    shares = coverage_of(errors, n_groups, rows, h, level, repetitions, rng)
    # Intervals share the errors that they are made of: 4 standard errors over repetitions, and
    # one point, since the scales are estimated from the same errors.
    assert abs(shares.mean() - level) < 4 * shares.std() / np.sqrt(repetitions) + 0.01


@pytest.mark.parametrize('name', ['quantiles', 'gaussian', 'student'])
def test_coverage_of_distributions_that_are_wrong(name, rng):
    """Too narrow and shifted, by a wrong network; the intervals cover all the same."""
    head, shares, h = HEADS[name](), [], 4
    for _ in range(10):
        y = rng.standard_normal((200, h))
        output = np.concatenate([np.full((200, h), v) for v in wrong_outputs(head)], axis=-1)
        output[:, ::3] += 0.1 * rng.standard_normal(output[:, ::3].shape)
        fitted = Calibration.fit(head.read(output), y, np.ones_like(y), np.arange(200) // 10)
        dist = fitted.apply(head.read(output), np.arange(200) // 10)
        later = rng.standard_normal((200, h))
        inside = [
            (dist.quantile((1 - p) / 2) <= later) & (later <= dist.quantile((1 + p) / 2))
            for p in (0.5, 0.8, 0.95)
        ]
        shares.append([one.mean() for one in inside])
    assert np.mean(shares, axis=0) == pytest.approx([0.5, 0.8, 0.95], abs=0.025)


def wrong_outputs(head):
    """Return outputs of a distribution about 0.5 with a deviation of about 0.3."""
    if head.n_parts == 7:
        return [0.5 + 0.3 * normal_score(q) for q in head.levels]
    return [0.5, np.log(np.expm1(0.3)), 0.0][: head.n_parts]


@pytest.mark.parametrize('name', HEADS)
@pytest.mark.parametrize('n', [1, 3, 30])
def test_calibrated_quantiles_never_cross(name, n, rng):
    head, h = HEADS[name](), 5
    output = rng.standard_normal((n, h * head.n_parts))
    y, weights = rng.standard_cauchy((n, h)), rng.random((n, h)) > 0.3
    weights[0, 0] = True
    y[~weights] = np.nan
    fitted = Calibration.fit(head.read(output), y, weights, np.zeros(n, int))
    later = head.read(rng.standard_normal((6, h * head.n_parts)))
    dist = fitted.apply(later, -np.ones(6, int))
    found = np.stack([dist.quantile(q) for q in np.linspace(0.0005, 0.9995, 400)])
    assert np.isfinite(found).all()
    assert (np.diff(found, axis=0) >= 0).all()
    # The point forecast stays the network's own.
    assert dist.point().tolist() == later.point().tolist()


def of_one_step(e):
    """Return the calibrated distribution of 0, given errors of one step ahead."""
    e = np.asarray(e, float)[:, None]
    fitted = Calibration.fit(Points(0 * e), e, np.ones_like(e), np.zeros(len(e), int))
    return fitted.apply(Points(np.zeros(1)), -1)


def test_a_level_lies_between_observed_ranks():
    """Of 199 errors, the k-th smallest is the quantile k / 200."""
    e = np.random.default_rng(0).permutation(np.arange(199.0) ** 2 - 9000)
    dist, ranked = of_one_step(e), np.sort(e)
    for q in (0.005, 0.025, 0.1, 0.5, 0.9, 0.975, 0.995):
        k = round(200 * q)
        assert dist.quantile(q)[0] == pytest.approx(ranked[k - 1], rel=1e-9, abs=1e-9)
    assert ranked[43] < dist.quantile(0.2201)[0] < ranked[49]


def test_few_errors_are_taken_with_both_signs():
    """Of 9 absolute errors, the k-th smallest bounds the level k / 10."""
    dist = of_one_step([1, -2, 3, -4, 5, -6, 7, -8, 9])
    for k in (1, 5, 9):
        assert dist.quantile(0.5 + k / 20)[0] == pytest.approx(k, rel=1e-9)
        assert dist.quantile(0.5 - k / 20)[0] == pytest.approx(-k, rel=1e-9)
    assert dist.quantile(0.5)[0] == pytest.approx(0, abs=1e-12)


def test_a_level_that_needs_more_errors_has_the_widest_and_a_warning(caplog):
    dist = of_one_step([1, -2, 3, -4, 5, -6, 7, -8, 9])
    with caplog.at_level('WARNING', 'rnnkit'):
        dist.quantile(0.9), dist.quantile(0.1)
        assert not caplog.records
        assert [dist.quantile(q)[0] for q in (0.975, 0.025)] == pytest.approx([9, -9])
        dist.quantile(0.99)
    assert [record.getMessage() for record in caplog.records] == [
        'forecast(): the quantile 0.975 needs 19 errors on held-out data, and there are 9; it is '
        'at the widest of them. Hold out more data, or ask for a lower level'
    ]


@pytest.mark.parametrize('independent', [0.5, 1, 4, 30])
def test_intervals_of_few_independent_forecasts_are_those_of_student(independent, rng):
    e, one, group = rng.standard_normal((300, 2)), np.ones((300, 2)), np.zeros(300, int)
    zero, df = Points(0 * e), max(independent, 1)
    many = Calibration.fit(zero, e, one, group).apply(Points(np.zeros(2)), 0)
    few = Calibration.fit(zero, e, one, group, independent).apply(Points(np.zeros(2)), 0)
    for q in (0.025, 0.25, 0.5, 0.9):
        ratio = 1 if q == 0.5 else stats.t.ppf(q, df) * np.sqrt(1 + 1 / df) / stats.norm.ppf(q)
        np.testing.assert_allclose(few.quantile(q), ratio * many.quantile(q), rtol=1e-7)


def test_noisy_series_get_wider_intervals(rng):
    noise, rows, h = np.array([0.2, 1.0, 5.0]), 30, 4
    groups = np.repeat(np.arange(3), rows)
    y = noise[groups][:, None] * rng.standard_normal((90, h))
    fitted = Calibration.fit(Points(np.zeros_like(y)), y, np.ones_like(y), groups)
    dist = fitted.apply(Points(np.zeros((3, h))), np.arange(3))
    widths = (dist.quantile(0.9) - dist.quantile(0.1)).mean(axis=1)
    np.testing.assert_allclose(widths / noise, 2 * normal_score(0.9), rtol=0.25)


def test_series_that_are_alike_share_their_scale(rng):
    groups = np.repeat(np.arange(200), 2)
    y = rng.standard_normal((400, 1))
    fitted = Calibration.fit(Points(np.zeros_like(y)), y, np.ones_like(y), groups)
    assert fitted.groups.std() < 0.1  # of two errors alone it would be 0.5


def test_rows_about_the_same_time_say_nothing_of_a_series(rng):
    """Of h rows up to the end of the data, all have the same last target."""
    h, targets = 6, rng.standard_normal((40, 1, 6))
    y = np.stack([np.roll(targets[:, 0], -k, axis=1) for k in range(h)], axis=1).reshape(-1, h)
    weights = np.tile(np.arange(h)[:, None] + np.arange(h) < h, (40, 1))
    fitted = Calibration.fit(Points(np.zeros_like(y)), y, weights, np.repeat(np.arange(40), h))
    np.testing.assert_array_equal(fitted.groups, np.ones(40))


def test_errors_that_grow_with_the_step_give_intervals_that_do(rng):
    h, n = 12, 13
    weights = np.arange(n)[:, None] + np.arange(h) < n - 1  # the ends of rows are not yet known
    y = np.sqrt(np.arange(1, h + 1)) * rng.standard_normal((n, h))
    fitted = Calibration.fit(Points(np.zeros_like(y)), y, weights, np.zeros(n, int))
    dist = fitted.apply(Points(np.zeros(h)), 0)
    widths = dist.quantile(0.9)
    assert 1.5 < widths[-3:].mean() / widths[:3].mean() < 4


@pytest.mark.parametrize('name', ['point', 'gaussian', 'quantiles'])
def test_paths_have_the_marginals_and_correlations(name, rng):
    head, h, n = HEADS[name](), 4, 3000
    exact = 0.8 ** abs(np.subtract.outer(np.arange(h), np.arange(h)))
    exact[0, 1:] = exact[1:, 0] = -0.3 * exact[0, 1:]  # no autoregressive process
    factor = np.linalg.cholesky(exact)
    y = rng.standard_normal((n, h)) @ factor.T * np.arange(1, h + 1)
    zero = head.read(np.zeros((n, h * head.n_parts)))
    if name == 'quantiles':
        zero = head.read(np.concatenate([np.full((n, h), v) for v in wrong_outputs(head)], -1))
    fitted = Calibration.fit(zero, y, np.ones_like(y), np.zeros(n, int))
    two = zero.map(lambda part: part[:2])
    paths = fitted.paths(rng, 8000, two, [0, 0])
    assert paths.shape == (8000, 2, h)
    dist = fitted.apply(two, [0, 0])
    for k in range(2):
        found = np.corrcoef(paths[:, k].T)
        np.testing.assert_allclose(found, exact, atol=0.06)  # 3 standard errors of both samples
    for q in (0.05, 0.25, 0.5, 0.9):
        share = (paths <= dist.quantile(q)).mean(axis=0)
        assert abs(share - q).max() < 4 * np.sqrt(q * (1 - q) / 8000)
    assert abs(np.corrcoef(paths[:, 0, 3], paths[:, 1, 3])[0, 1]) < 0.05


def test_correlations_of_few_rows_are_those_of_a_process(rng):
    """One series, whose rows end where the data do: hardly a pair of distant steps."""
    h, n = 24, 24
    weights = np.arange(n)[:, None] + np.arange(h) < n
    found = []
    for _ in range(20):
        e = np.zeros((n, h))
        e[:, 0] = rng.standard_normal(n)
        for k in range(1, h):
            e[:, k] = 0.9 * e[:, k - 1] + np.sqrt(1 - 0.81) * rng.standard_normal(n)
        c = Calibration.fit(Points(np.zeros_like(e)), e, weights, np.zeros(n, int)).correlations
        np.linalg.cholesky(c)
        found.append(c)
    exact = 0.9 ** abs(np.subtract.outer(np.arange(h), np.arange(h)))
    assert abs(np.mean(found, axis=0) - exact).max() < 0.15


def test_a_state_makes_an_equal_calibration(rng):
    y, groups = rng.standard_normal((30, 3)), np.repeat([0, 1], 15)
    fitted = Calibration.fit(Points(np.zeros_like(y)), y, np.ones_like(y), groups)
    state = fitted.state()
    assert all(isinstance(v, np.ndarray | int | bool) for v in state.values())
    again = Calibration.from_state({k: np.array(v) if np.ndim(v) else v for k, v in state.items()})
    one, two = (c.apply(Points(y), groups).quantile(0.9) for c in (fitted, again))
    np.testing.assert_array_equal(one, two)
    one, two = (c.paths(np.random.default_rng(3), 5, Points(y), groups) for c in (fitted, again))
    np.testing.assert_array_equal(one, two)


def test_scaled_errors_give_scaled_intervals(rng):
    y, groups = rng.standard_normal((40, 3)), np.repeat([0, 1], 20)
    quantiles = []
    for c in (1.0, 1024.0):
        p = Points(c * np.ones_like(y))
        fitted = Calibration.fit(p, c * y, np.ones_like(y), groups)
        quantiles.append(fitted.apply(p, groups).quantile(0.9) / c)
    np.testing.assert_allclose(*quantiles, rtol=1e-12)


@pytest.mark.parametrize('e', [np.zeros(30), np.ones(30), np.zeros(200)])
def test_errors_that_are_all_equal(e):
    dist = of_one_step(e)
    low, high = dist.quantile(0.05)[0], dist.quantile(0.95)[0]
    assert (low, high) == pytest.approx((-e[0], e[0]), abs=1e-9)


def test_what_does_not_fit():
    p, one = Points(np.zeros((3, 2))), np.ones((3, 2))
    with pytest.raises(ShapeError) as caught:
        Calibration.fit(p, np.ones((3, 1)), one, [0, 0, 0])
    assert str(caught.value) == (
        'Calibration.fit(): forecasts, y and weights must be of one shape, and groups of its first '
        'axis; got (3, 2), (3, 1), (3, 2) and (3,)'
    )
    with pytest.raises(ConfigError, match='no target has a weight above 0'):
        Calibration.fit(p, one, 0 * one, [0, 0, 0])
    fitted = Calibration.fit(p, one, one, [0, 0, 0])
    assert fitted.apply(Points(np.zeros(1)), 0).quantile(0.9).shape == (1,)
    with pytest.raises(ConfigError) as caught:
        fitted.apply(Points(np.zeros((1, 3))), [0])
    assert str(caught.value) == (
        'Calibration.apply(): intervals are calibrated for 2 steps ahead; got forecasts of 3'
    )
