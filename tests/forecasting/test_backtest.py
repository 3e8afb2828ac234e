"""Backtests: which values a forecast may read, what is recorded, and how it is judged."""

import logging
from dataclasses import replace

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import ConfigError, DataError
from rnnkit.forecasting import mase, naive, panel, rmse, seasonal_naive, smape
from rnnkit.forecasting.answers import Forecast
from rnnkit.forecasting.backtest import Plan, judge
from rnnkit.forecasting.series import Columns

NAN = np.nan
RNG = np.random.default_rng(0)
LENGTHS = {'a': 40, 'b': 33, 'c': 35}
SERIES = {key: 10 + RNG.gamma(2, size=n) for key, n in LENGTHS.items()}
PLAN = Plan(windows=3, horizon=4, step=5, season=6)


class Fake:
    """Forecasts the mean of what it is given, and remembers that."""

    def __init__(self, factor=1.0, width=1.0):
        self.factor, self.width = factor, width
        self.trained, self.read = [], []

    def __call__(self, series):
        self.trained.append([one.values for one in series.series])

        def predict(series, inputs):
            self.read.append(([one.values for one in series.series], inputs))
            return [self.one(y.values) for y in series.series]

        return predict

    def one(self, y):
        mean = self.factor * np.nanmean(y) + np.arange(4.0)
        lower, upper = ({80: mean + side * self.width} for side in (-1, 1))
        return Forecast(mean, lower, upper)


def read(y, X=None, **columns):
    return panel.read('fit()', y, X, Columns(**columns))


@pytest.fixture
def found():
    return judge(read(SERIES), PLAN, Fake())


def test_only_what_came_before_a_window_is_read():
    fake = Fake()
    judge(read(SERIES), PLAN, fake)
    assert len(fake.trained) == 1
    for values, y in zip(fake.trained[0], SERIES.values(), strict=True):
        np.testing.assert_array_equal(values, y[: len(y) - 14])
    for (values, _), back in zip(fake.read, (14, 9, 4), strict=True):
        for known, y in zip(values, SERIES.values(), strict=True):
            np.testing.assert_array_equal(known, y[: len(y) - back])


def test_refit_trains_before_each_window():
    fake = Fake()
    judge(read(SERIES), replace(PLAN, refit=True), fake)
    lengths = [[len(values) for values in each] for each in fake.trained]
    assert lengths == [[n - back for n in LENGTHS.values()] for back in (14, 9, 4)]


def test_records(found):
    records, k = found.records, 0
    fake = Fake()
    for key, y in SERIES.items():
        for window, back in enumerate((14, 9, 4), 1):
            begin = len(y) - back
            past = y[:begin]
            rows = {name: values[k : k + 4] for name, values in records.items()}
            assert rows['id'].tolist() == [key] * 4
            assert rows['time'].tolist() == [begin, begin + 1, begin + 2, begin + 3]
            assert rows['cutoff'].tolist() == [begin - 1] * 4
            assert rows['window'].tolist() == [window] * 4
            assert rows['step'].tolist() == [1, 2, 3, 4]
            expected = fake.one(past)
            for name, values in {
                'y': y[begin : begin + 4],
                'forecast': expected.mean,
                'forecast-lo-80': expected.lower[80],
                'forecast-hi-80': expected.upper[80],
                'seasonal_naive': seasonal_naive(past, 4, 6),
                'naive': naive(past, 4),
            }.items():
                np.testing.assert_array_equal(rows[name], values)
            k += 4
    assert k == len(records['y'])


def windows_of(y, back):
    return {key: values[: len(values) - back] for key, values in y.items()}


def test_scores_of_a_window_are_those_of_its_values(found):
    for window, back in enumerate((14, 9, 4), 1):
        past = windows_of(SERIES, back)
        y = {key: values[len(values) - back :][:4] for key, values in SERIES.items()}
        forecasts = {
            'forecast': {key: Fake().one(past[key]).mean for key in past},
            'seasonal_naive': seasonal_naive(past, 4, 6),
            'naive': naive(past, 4),
        }
        scores = found.scores('window')[window]
        for method, forecast in forecasts.items():
            assert scores[method]['mase'] == pytest.approx(mase(y, forecast, past, 6), rel=1e-12)
            assert scores[method]['smape'] == pytest.approx(smape(y, forecast), rel=1e-12)
            assert scores[method]['rmse'] == pytest.approx(rmse(y, forecast), rel=1e-12)


@pytest.mark.parametrize('by', ['id', 'cutoff', 'window', 'step'])
def test_groups_share_the_values_among_them(found, by):
    groups, records = found.scores(by), found.records
    assert list(groups) == sorted(set(records[by].tolist()))
    for key, scores in groups.items():
        rows = records[by] == key
        error = abs(records['y'] - records['naive'])[rows].mean()
        assert scores['naive']['mae'] == pytest.approx(error, rel=1e-12)
    weights = [(records[by] == key).sum() for key in groups]
    means = [one['forecast']['mase'] for one in groups.values()]
    total = found.scores()['forecast']['mase']
    assert np.average(means, weights=weights) == pytest.approx(total, rel=1e-12)


def test_coverage_and_quantile_loss_are_those_of_the_records(found):
    r, row = found.records, found.scores()['forecast']
    inside = (r['y'] >= r['forecast-lo-80']) & (r['y'] <= r['forecast-hi-80'])
    assert row['coverage-80'] == pytest.approx(inside.mean(), rel=1e-12)
    assert found.levels == (80,)
    expected = rnnkit.forecasting.weighted_quantile_loss(
        r['y'], {0.1: r['forecast-lo-80'], 0.5: r['forecast'], 0.9: r['forecast-hi-80']}
    )
    assert row['weighted_quantile_loss'] == pytest.approx(expected, rel=1e-12)


def test_missing_values_do_not_count():
    holes = {key: y.copy() for key, y in SERIES.items()}
    holes['a'][-3] = holes['b'][-4:] = NAN
    scores = judge(read(holes), PLAN, Fake()).scores()
    full = judge(read(SERIES), PLAN, Fake())
    kept = np.ones(36, bool)
    kept[9], kept[20:24] = False, False  # 4 steps of each of 3 windows
    r = full.records
    expected = abs(r['y'] - r['forecast'])[kept].mean()
    assert scores['forecast']['mae'] == pytest.approx(expected, rel=1e-12)


def test_short_series_are_left_out():
    found = judge(read({**SERIES, 'short': np.ones(14)}), PLAN, Fake())
    assert set(found.records['id']) == set(SERIES)
    assert repr(found).startswith(
        'Backtest of 3 series; 1 too short: 3 windows of 4 steps, 5 apart'
    )


@pytest.mark.parametrize('values', [np.ones(14), np.ones(4), [1.0]])
def test_no_series_is_long_enough(values):
    with pytest.raises(DataError) as raised:
        judge(read(values), PLAN, Fake())
    assert str(raised.value) == (
        f'backtest(): the series are too short: the longest has {len(values)} values, and '
        f'windows=3 of 4 steps, 5 apart, begin 14 values before the end; write a smaller windows= '
        f'or step='
    )


def test_nothing_came():
    y = np.r_[np.arange(30.0), [NAN] * 14, 1.0][:-1]
    with pytest.raises(DataError, match=r'^backtest\(\): all values in the windows are missing$'):
        judge(read(y), PLAN, Fake())


def test_constant_series_are_judged_by_the_mean_absolute_error(caplog):
    found = judge(read(np.full(40, 5.0)), PLAN, Fake(factor=0))
    assert np.isnan(found.scores()['forecast']['mase'])
    assert found.verdict == (
        'the network is not better than repeating the last season: MAE 3.500 beside 0.000'
    )


@pytest.mark.parametrize('season', [6, 1])
def test_a_network_that_is_not_better_than_naive_forecasts_is_named(caplog, season):
    season_of = np.tile([1.0, 5, 9, 2, 7, 3], 10) + 0.01 * np.arange(60) ** 1.1
    plan = replace(PLAN, season=season)
    with caplog.at_level(logging.WARNING, 'rnnkit'):
        found = judge(read(season_of), plan, Fake())
    scores = found.scores()
    method, what = ('seasonal_naive', 'season') if season > 1 else ('naive', 'value')
    sentence = (
        f'the network is not better than repeating the last {what}: MASE '
        f'{scores["forecast"]["mase"]:.3f} beside {scores[method]["mase"]:.3f}'
    )
    better = scores['forecast']['mase'] < scores[method]['mase']
    assert better == (season == 1)
    assert found.is_better == better
    assert [record.getMessage() for record in caplog.records] == (
        [] if better else [f'backtest(): {sentence}']
    )
    assert better or repr(found).endswith('T' + sentence[1:] + '.')


def test_a_forecast_as_good_as_the_naive_one_is_not_better(caplog):
    class Naive(Fake):
        def one(self, y):
            return Forecast(naive(y, 4))

    found = judge(read(SERIES), replace(PLAN, season=1), Naive())
    assert not found.is_better
    assert 'not better than repeating the last value' in caplog.text
    assert 'weighted_quantile_loss' not in found.scores()['forecast']


@pytest.mark.parametrize('without', [26, 31, 36])  # where the three windows begin
def test_levels_are_those_that_all_windows_have(without):
    class Partly(Fake):
        def one(self, y):
            whole = super().one(y)
            return Forecast(whole.mean) if len(y) == without else whole

    found = judge(read(SERIES['a']), replace(PLAN, refit=True), Partly())
    assert found.levels == ()
    assert list(found.records)[5:] == ['y', 'forecast', 'seasonal_naive', 'naive']


def test_a_table(found):
    lines = repr(found).splitlines()
    assert lines[0] == (
        'Backtest of 3 series: 3 windows of 4 steps, 5 apart, networks trained before the first'
    )
    assert lines[1].split() == ['MASE', 'sMAPE', 'MAE', 'RMSE', 'wQL', 'in', '80', '%']
    assert [line.split('  ')[0] for line in lines[2:5]] == ['forecast', 'seasonal naive', 'naive']
    assert lines[5].startswith('The network is ')
    by = repr(found.scores('window')).splitlines()
    assert by[0] == 'MASE by window'
    assert by[1].split() == ['window', 'forecast', 'seasonal', 'naive', 'naive', 'in', '80', '%']
    assert [line.split()[0] for line in by[2:]] == ['1', '2', '3']
    many = judge(read([SERIES['a']] * 30), PLAN, Fake())
    assert repr(many.scores('id')).endswith('... and 6 more')
    with pytest.raises(ConfigError, match=r"scores\(\): by must be one of None, 'id', 'cutoff'"):
        found.scores('ids')


def test_known_inputs_of_the_window_are_passed_on():
    pandas = pytest.importorskip('pandas')
    frame = pandas.DataFrame({
        'unique_id': 'a', 'ds': np.arange(40), 'y': SERIES['a'], 'promo': np.arange(40.0),
    })  # fmt: skip
    fake = Fake()
    judge(read(frame, future=('promo',)), PLAN, fake)
    for (_, inputs), begin in zip(fake.read, (26, 31, 36), strict=True):
        np.testing.assert_array_equal(inputs[0][:, 0], np.arange(begin, begin + 4))


# --- frames


def long_frame(pandas):
    begin = {'a': '2020-01-31', 'b': '2021-03-31', 'c': '2019-12-31'}
    parts = [
        pandas.DataFrame({
            'shop': key,
            'day': pandas.date_range(begin[key], periods=len(y), freq='ME'),
            'sold': y,
        })
        for key, y in SERIES.items()
    ]  # fmt: skip
    return pandas.concat(parts, ignore_index=True)


COLUMNS = dict(id='shop', time='day', target='sold')
NAMES = [
    'shop', 'day', 'cutoff', 'window', 'step', 'sold', 'forecast', 'forecast-lo-80',
    'forecast-hi-80', 'seasonal_naive', 'naive',
]  # fmt: skip


def test_a_frame_of_pandas_has_the_names_and_times_that_came():
    pandas = pytest.importorskip('pandas')
    frame = long_frame(pandas)
    found = judge(read(frame, **COLUMNS), PLAN, Fake())
    table = found.frame()
    assert list(table) == NAMES
    assert table['day'].dtype == table['cutoff'].dtype == frame['day'].dtype
    # Each row has the value of its time, and a cutoff before it.
    both = table.merge(frame, on=['shop', 'day'], suffixes=('', '_came'))
    assert len(both) == 36
    np.testing.assert_array_equal(both['sold'], both['sold_came'])
    months = (both['day'].dt.year - both['cutoff'].dt.year) * 12
    months += both['day'].dt.month - both['cutoff'].dt.month
    np.testing.assert_array_equal(months, both['step'])
    by = found.scores('cutoff')
    assert list(by) == sorted(set(table['cutoff'].to_numpy()))
    assert repr(by).splitlines()[2].startswith('2021-08-31 ')
    scores = pandas.DataFrame(found.scores())
    assert scores.loc['mase', 'naive'] == found.scores()['naive']['mase']


def test_a_frame_of_polars():
    polars, pandas = pytest.importorskip('polars'), pytest.importorskip('pandas')
    frame = long_frame(pandas)
    columns = {name: frame[name].to_numpy() for name in ('day', 'sold')}
    came = polars.DataFrame({'shop': frame['shop'].tolist(), **columns})
    table = judge(read(came, **COLUMNS), PLAN, Fake()).frame()
    assert isinstance(table, polars.DataFrame)
    assert table.columns == NAMES
    assert table['day'].dtype == came['day'].dtype
    both = table.join(came, on=['shop', 'day'])
    assert both.height == 36
    assert both['sold'].to_list() == both['sold_right'].to_list()


@pytest.mark.parametrize('kind', ['zone', 'period', 'range', 'integers'])
def test_time_stamps_of_each_kind_come_back(kind):
    pandas = pytest.importorskip('pandas')
    index = {
        'zone': lambda: pandas.date_range('2021-03-01', periods=40, freq='D', tz='Europe/Berlin'),
        'period': lambda: pandas.period_range('2021-01', periods=40, freq='M'),
        'range': lambda: pandas.RangeIndex(0, 80, 2),
        'integers': lambda: pandas.Index(np.arange(5, 45)),
    }[kind]()
    y = pandas.Series(SERIES['a'], index, name='sold')
    table = judge(read(y), PLAN, Fake()).frame()
    assert list(table)[:2] == ['ds', 'cutoff']  # of a single series there is no id
    assert y[table['ds']].tolist() == table['y'].tolist()
    steps = index.get_indexer(table['ds']) - index.get_indexer(table['cutoff'])
    np.testing.assert_array_equal(steps, table['step'])


def test_arrays_give_a_dict(found):
    frame = found.frame()
    assert isinstance(frame, dict)
    assert {len(values) for values in frame.values()} == {36}


# --- a forecaster


T = np.arange(96)
WAVE = (20 + 0.3 * T) * (1 + 0.3 * np.sin(T * np.pi / 6)) + np.random.default_rng(3).normal(size=96)
SMALL = dict(form='gru', size=4, horizon=6, season=12, updates=30, batch_size=8, seed=0)


@pytest.fixture(scope='module')
def forecaster():
    return rnnkit.Forecaster(**SMALL).fit(WAVE)


def test_windows_are_forecasts_of_a_forecaster_that_has_seen_no_more(forecaster):
    before = forecaster.forecast()
    records = forecaster.backtest(windows=2).records
    earlier = rnnkit.Forecaster(**SMALL).fit(WAVE[:-12])
    for k in (0, 6):
        one = earlier.forecast(level=(80, 95))
        rows = slice(k, k + 6)
        np.testing.assert_array_equal(records['forecast'][rows], one.mean)
        np.testing.assert_array_equal(records['forecast-lo-95'][rows], one.lower[95])
        np.testing.assert_array_equal(records['forecast-hi-80'][rows], one.upper[80])
        earlier.update(WAVE[-12:-6])
    np.testing.assert_array_equal(forecaster.forecast(), before)  # it stays as it was


def test_refit_is_a_forecaster_of_all_that_is_known(forecaster):
    found = forecaster.backtest(windows=2, step=3, refit=True, level=90)
    assert found.levels == (90,)
    last = rnnkit.Forecaster(**SMALL).fit(WAVE[:-6]).forecast(level=90)
    np.testing.assert_array_equal(found.records['forecast'][6:], last.mean)
    np.testing.assert_array_equal(found.records['forecast-lo-90'][6:], last.lower[90])


def test_values_after_a_cutoff_change_nothing(forecaster):
    changed = WAVE.copy()
    changed[-6:] = 1e3
    one = forecaster.backtest(windows=2).records
    other = rnnkit.Forecaster(**SMALL).fit(changed).backtest(windows=2).records
    for name in ('forecast', 'forecast-lo-80', 'naive', 'seasonal_naive'):
        np.testing.assert_array_equal(one[name], other[name])


def test_without_intervals_there_are_points():
    forecaster = rnnkit.Forecaster(**SMALL | {'validation': None}).fit(WAVE)
    assert forecaster.backtest(windows=1).levels == ()
    with pytest.raises(ConfigError, match="output='point' has no quantiles of its own"):
        forecaster.backtest(windows=1, level=80)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'windows': 0}, 'backtest(): windows must be a whole number of at least 1; got 0'),
        ({'step': 0}, 'backtest(): step must be a whole number of at least 1; got 0'),
        ({'refit': 1}, 'backtest(): refit must be True or False; got 1'),
        ({'level': 100}, 'backtest(): level must be percentages such as (80, 95); got 100'),
    ],
)
def test_options_are_checked_before_anything_is_trained(forecaster, options, message, monkeypatch):
    monkeypatch.setattr('rnnkit.forecasting.backtest.fit', None)
    with pytest.raises(ConfigError) as raised:
        forecaster.backtest(**options)
    assert str(raised.value) == message


def test_a_forecaster_that_is_not_fitted():
    with pytest.raises(ConfigError, match=r'^backtest\(\): first call fit\(\)$'):
        rnnkit.Forecaster(**SMALL).backtest()
