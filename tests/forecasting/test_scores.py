"""Scores against their formulas, value by value; what does not count, and what has no score."""

import math

import numpy as np
import pytest

from rnnkit import forecasting
from rnnkit.errors import CallError, ConfigError, DataError, ShapeError
from rnnkit.forecasting import (
    compare,
    coverage,
    mae,
    mase,
    msis,
    naive2,
    owa,
    rmse,
    smape,
    weighted_quantile_loss,
)

NAN = math.nan
RNG = np.random.default_rng(0)
HISTORY = {'a': RNG.gamma(2, size=50), 'b': 1000 * RNG.gamma(2, size=31)}
Y = {'a': RNG.gamma(2, size=8), 'b': 1000 * RNG.gamma(2, size=5)}
FORECAST = {'a': RNG.gamma(2, size=8), 'b': 1000 * RNG.gamma(2, size=5)}
LOWER = {key: f - abs(f) / 2 for key, f in FORECAST.items()}
UPPER = {key: f + abs(f) / 2 for key, f in FORECAST.items()}


def pairs(forecast=FORECAST):
    return [(key, y, f) for key in Y for y, f in zip(Y[key], forecast[key], strict=True)]


def scale(key, m):
    past = HISTORY[key]
    return sum(abs(past[t] - past[t - m]) for t in range(m, len(past))) / (len(past) - m)


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def test_scores_are_their_formulas():
    points = pairs()
    expected = {
        mae: mean(abs(y - f) for _, y, f in points),
        rmse: math.sqrt(mean((y - f) ** 2 for _, y, f in points)),
        smape: mean(200 * abs(y - f) / (abs(y) + abs(f)) for _, y, f in points),
    }
    for score, value in expected.items():
        assert score(Y, FORECAST) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize('m', [1, 7])
def test_mase_is_its_formula(m):
    expected = mean(abs(y - f) / scale(key, m) for key, y, f in pairs())
    assert mase(Y, FORECAST, HISTORY, season=m) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize('m', [1, 4])
def test_owa_is_the_mean_of_two_ratios(m):
    benchmark = {key: naive2(HISTORY[key], len(Y[key]), m) for key in Y}
    ratios = (
        smape(Y, FORECAST) / smape(Y, benchmark),
        mase(Y, FORECAST, HISTORY, m) / mase(Y, benchmark, HISTORY, m),
    )
    assert owa(Y, FORECAST, HISTORY, m) == pytest.approx(sum(ratios) / 2, rel=1e-12)
    assert owa(Y, benchmark, HISTORY, m) == 1


def test_weighted_quantile_loss_is_its_formula():
    quantiles = {0.1: LOWER, 0.5: FORECAST, 0.9: UPPER}
    total = sum(y for _, y, _ in pairs())
    losses = [
        2 * sum((y - f) * (q - (y < f)) for _, y, f in pairs(forecast)) / total
        for q, forecast in quantiles.items()
    ]
    assert weighted_quantile_loss(Y, quantiles) == pytest.approx(mean(losses), rel=1e-12)
    errors = sum(abs(y - f) for _, y, f in pairs())
    assert weighted_quantile_loss(Y, {0.5: FORECAST}) == pytest.approx(errors / total, rel=1e-12)
    assert weighted_quantile_loss([0.0, 2.0], {0.5: [1.0, 2.0]}) == 0.5


def test_of_zeros_a_table_has_no_quantile_loss():
    interval = {80: ([0.0, 0.0], [1.0, 2.0])}
    row = compare([0.0, 0.0], [1.0, 1.0], [1.0, 2.0], intervals=interval)['forecast']
    assert math.isnan(row['weighted_quantile_loss'])
    assert row['coverage-80'] == 1


def test_intervals():
    y, lower, upper = [1.0, 5.0, 3.0, -1.0], [0.0, 0.0, 3.0, 0.0], [2.0, 4.0, 3.0, 2.0]
    assert coverage(y, lower, upper) == 0.5
    # Widths 2, 4, 0, 2; two values lie 1 outside, which costs 2 / 0.05 each; the scale is 2.
    assert msis(y, lower, upper, [1, 3, 1]) == pytest.approx((8 + 2 * 40) / 4 / 2, rel=1e-12)
    assert msis(y, lower, upper, [1, 3, 1], level=80) == pytest.approx((8 + 20) / 8, rel=1e-12)


def test_missing_values_do_not_count():
    holes = {'a': Y['a'].copy(), 'b': Y['b'].copy()}
    holes['a'][[0, 3]] = holes['b'][4] = NAN
    kept = {key: ~np.isnan(y) for key, y in holes.items()}
    short, forecast, lower, upper = (
        {key: values[key][kept[key]] for key in Y} for values in (Y, FORECAST, LOWER, UPPER)
    )
    past = {**HISTORY}
    anywhere = {key: f.copy() for key, f in FORECAST.items()}
    anywhere['a'][0] = NAN  # where there is no value, there may be no forecast
    for score in (mae, rmse, smape):
        assert score(holes, anywhere) == score(short, forecast)
    assert mase(holes, anywhere, past, 7) == mase(short, forecast, past, 7)
    assert coverage(holes, LOWER, UPPER) == coverage(short, lower, upper)
    assert weighted_quantile_loss(holes, {0.1: LOWER}) == weighted_quantile_loss(
        short, {0.1: lower}
    )
    assert (
        compare(holes, anywhere, past, 7)['forecast']
        == compare(short, forecast, past, 7)['forecast']
    )


def test_the_scale_is_of_pairs_that_are_known():
    # |3 - 2| and |9 - 5| are known.
    assert mase([2.0], [7.0], [1, NAN, 2, 3, NAN, 5, 9]) == 5 / 2.5


def test_series_are_found_by_key_and_may_come_in_any_form():
    turned = {key: FORECAST[key] for key in ('b', 'a')}
    assert mae(Y, turned) == mae(Y, FORECAST)
    assert mase(Y, turned, HISTORY, 7) == mase(Y, FORECAST, HISTORY, 7)
    listed = [list(values.values()) for values in (Y, FORECAST, HISTORY)]
    assert mase(*listed, 7) == mase(Y, FORECAST, HISTORY, 7)
    table = np.ones((2, 3)), np.array([[2.0, 2, 2], [1, 1, 1]])
    assert mae(*table) == mae([*table[0]], [*table[1]]) == 0.5
    pandas = pytest.importorskip('pandas')
    dates = pandas.date_range('2020', periods=8)
    assert mae(pandas.Series(Y['a'], dates), pandas.Series(FORECAST['a'])) == mae(
        Y['a'], FORECAST['a']
    )


def test_scale_of_the_unit_does_not_matter():
    c = 1e6
    times = [{key: c * v for key, v in values.items()} for values in (Y, FORECAST, HISTORY)]
    for score in (mase, owa):
        assert score(*times, 7) == pytest.approx(score(Y, FORECAST, HISTORY, 7), rel=1e-12)


def test_zeros_in_smape():
    assert smape([0.0, 0.0], [0.0, 0.0]) == 0
    assert smape([0.0, 4.0], [1.0, 0.0]) == 200
    assert smape([-1.0], [1.0]) == 200


def test_a_series_without_a_scale_is_left_out_of_mase():
    history = {'a': [1, 2, 3], 'constant': [5, 5, 5], 'short': [1]}
    y = {'a': [4.0], 'constant': [5.0], 'short': [1.0]}
    assert mase(y, {'a': [3.0], 'constant': [9.0], 'short': [0.0]}, history) == 1


@pytest.mark.parametrize(('past', 'season'), [([5, 5, 5], 1), ([1, 2, 1, 2], 2), ([1, 2], 2)])
def test_mase_of_constant_and_short_series_is_an_error(past, season):
    for score in (mase, owa):
        with pytest.raises(DataError) as raised:
            score([5.0], [4.0], past, season)
        assert str(raised.value) == (
            f'{score.__name__}(): history has no naive error to divide by: it must be longer than '
            f'the season of {season}, and not repeat itself exactly'
        )
    # A table shows what is defined.
    row = compare([5.0], [4.0], past, season)['forecast']
    assert row['mae'] == 1
    assert math.isnan(row['mase'])


MISTAKES = {
    'lengths': (
        lambda: mae({'a': [1, 2]}, {'a': [1]}),
        ShapeError,
        "mae(): forecast['a'] has 1 values; y['a'] has 2; both must be of the same steps",
    ),
    'lengths of one': (
        lambda: smape([1, 2], [1]),
        ShapeError,
        'smape(): forecast has 1 values; y has 2; both must be of the same steps',
    ),
    'other series': (
        lambda: mae({'a': [1], 'b': [2]}, {'a': [1], 'c': [2]}),
        DataError,
        "mae(): forecast has no 'b', which y has",
    ),
    'numbers of series': (
        lambda: mae([[1], [2]], [[1], [2], [3]]),
        DataError,
        'mae(): forecast must be of the same series as y; y is a list of series (2), and this is '
        'a list of series (3)',
    ),
    'one and a list': (
        lambda: mase([1, 2], [1, 2], [[1, 2, 3]]),
        DataError,
        'mase(): history must be of the same series as y; y is one series, and this is a list of '
        'series (1)',
    ),
    'no forecast': (
        lambda: mae([1, 2], [1, NAN]),
        DataError,
        'mae(): forecast is NaN at index 1, where y is 2',
    ),
    'no forecast in a dict': (
        lambda: mae({'a': [1, 2]}, {'a': [1, NAN]}),
        DataError,
        "mae(): forecast['a'] is NaN at index 1, where y is 2",
    ),
    'nothing known': (
        lambda: rmse([NAN, NAN], [1, 2]),
        DataError,
        'rmse(): y has no value: all of 2 are NaN',
    ),
    'infinite': (
        lambda: rmse([1, 2], [1, np.inf]),
        DataError,
        'rmse(): forecast contains inf at index 1',
    ),
    'zeros': (
        lambda: weighted_quantile_loss([0, 0], {0.5: [1, 1]}),
        DataError,
        'weighted_quantile_loss(): all values of y are 0, so there is nothing to divide by',
    ),
    'level': (
        lambda: weighted_quantile_loss([1], {50: [1]}),
        ConfigError,
        'weighted_quantile_loss(): levels must be between 0 and 1; got 50',
    ),
    'levels': (
        lambda: weighted_quantile_loss([1], [[1]]),
        ConfigError,
        'weighted_quantile_loss(): quantiles must be a dict such as {0.1: f1, 0.9: f9}; got [[1]]',
    ),
    'upside down': (
        lambda: coverage([1, 2], [0, 3], [1, 2]),
        DataError,
        'coverage(): lower is above upper: 3 and 2',
    ),
    'perfect benchmark': (
        lambda: owa([2.0], [1.0], [1.0, 2.0]),
        DataError,
        'owa(): naive2() makes no error, so there is nothing to divide by',
    ),
    'nothing known of a past': (
        lambda: owa({'a': [1], 'b': [1]}, {'a': [2], 'b': [2]}, {'a': [1, 2], 'b': [NAN]}),
        DataError,
        "owa(): history['b'] has no value: all of 1 are NaN",
    ),
    'intervals': (
        lambda: compare([1], [1], [1, 2], intervals={80: [1]}),
        ConfigError,
        'compare(): intervals[80] must be a tuple (lower, upper); got [1]',
    ),
    'kind of intervals': (
        lambda: compare([1], [1], [1, 2], intervals=[80]),
        ConfigError,
        'compare(): intervals must be a dict such as {80: (lower, upper)}; got [80]',
    ),
    'level of intervals': (
        lambda: compare([1], [1], [1, 2], intervals={100: ([1], [1])}),
        ConfigError,
        'compare(): a level of intervals must be a finite number above 0 and below 100; got 100',
    ),
    'text': (
        lambda: mae(['a'], [1]),
        DataError,
        'mae(): y must be real numbers; got an array of <U1',
    ),
    'season': (
        lambda: mase([1], [1], [1, 2], season=0),
        ConfigError,
        'mase(): season must be a whole number of at least 1; got 0',
    ),
    'season of a ratio': (
        lambda: owa([1], [1], [1, 2], season=0),
        ConfigError,
        'owa(): season must be a whole number of at least 1; got 0',
    ),
    'keyword': (
        lambda: mase([1], [1], hist=[1, 2]),
        CallError,
        "mase(): unknown option 'hist'",
    ),
}


@pytest.mark.parametrize('name', MISTAKES)
def test_mistakes(name):
    call, kind, message = MISTAKES[name]
    with pytest.raises(kind) as raised:
        call()
    assert str(raised.value).startswith(message)


def test_a_frame_is_an_error_that_says_how():
    pandas = pytest.importorskip('pandas')
    frame = pandas.DataFrame({'unique_id': ['a', 'a', 'b'], 'y': [1.0, 2.0, 3.0]})
    with pytest.raises(DataError) as raised:
        mae(frame, frame)
    message = str(raised.value)
    assert message == (
        'mae(): y must be arrays, and not a frame; pass one of its columns, or for several series '
        "{key: part['y'].to_numpy() for key, part in frame.groupby('unique_id')}"
    )
    parts = eval(message.partition('several series ')[2], {'frame': frame})
    assert {key: part.tolist() for key, part in parts.items()} == {'a': [1, 2], 'b': [3]}


def test_a_table_has_the_scores_of_each_method_on_the_same_points():
    intervals = {80: (LOWER, UPPER)}
    table = compare(Y, FORECAST, HISTORY, 7, intervals=intervals)
    others = {
        'forecast': FORECAST,
        'seasonal_naive': {k: forecasting.seasonal_naive(HISTORY[k], len(Y[k]), 7) for k in Y},
        'naive': {k: forecasting.naive(HISTORY[k], len(Y[k])) for k in Y},
    }
    assert list(table) == list(others)
    for name, forecast in others.items():
        row = table[name]
        ends = (LOWER, UPPER) if name == 'forecast' else (forecast, forecast)
        quantiles = {0.1: ends[0], 0.5: forecast, 0.9: ends[1]}
        expected = {
            'mase': mase(Y, forecast, HISTORY, 7),
            'smape': smape(Y, forecast),
            'mae': mae(Y, forecast),
            'rmse': rmse(Y, forecast),
            'weighted_quantile_loss': weighted_quantile_loss(Y, quantiles),
        }
        for metric, value in expected.items():
            assert row[metric] == pytest.approx(value, rel=1e-12)
    assert table['forecast']['coverage-80'] == coverage(Y, LOWER, UPPER)
    assert math.isnan(table['naive']['coverage-80'])


def test_large_numbers_are_shown_in_full():
    row = repr(compare([123456.0, 0.5], [0.0, 0.5], [1.0, 2.0])).splitlines()[1]
    assert row.split() == ['forecast', '61728.000', '100.00', '61,728', '87,297']


def test_methods_of_users_are_shown_under_their_own_names():
    rows = repr(forecasting.Scores({'my_model': {'mase': 0.5}, 'seasonal_naive': {'mase': 1.0}}))
    assert [row.split('  ')[0] for row in rows.splitlines()[1:]] == ['my_model', 'seasonal naive']


def test_every_score_is_public():
    for name in forecasting.__all__:
        assert getattr(forecasting, name).__doc__
