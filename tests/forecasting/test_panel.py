"""Series as users pass them: arrays, lists, dicts and Series, and answers of the same form."""

import numpy as np
import pytest

from rnnkit.errors import ConfigError, DataError, ShapeError
from rnnkit.forecasting.answers import Forecast, give
from rnnkit.forecasting.panel import read
from rnnkit.forecasting.series import Columns

pd = pytest.importorskip('pandas')
pl = pytest.importorskip('polars')

NAN = np.nan
PLAIN = Columns()


def answers(panel, h=2):
    """Return forecasts 1, 2... of the first series, 11, 12... of the second."""
    return [
        Forecast(np.arange(1.0, h + 1) + 10 * k, id=one.id) for k, one in enumerate(panel.series)
    ]


def answer(y, h=2, columns=PLAIN):
    panel = read('fit()', y, None, columns)
    return give(panel, answers(panel, h), simple=True)


def values_of(y):
    return [one.values.tolist() for one in read('fit()', y, None, PLAIN).series]


def message_of(y, X=None, columns=PLAIN, error=DataError, like=None):
    with pytest.raises(error) as caught:
        read('fit()', y, X, columns, like)
    return str(caught.value)


# --- arrays, lists and dicts


@pytest.mark.parametrize(
    ('y', 'values'),
    [
        (np.arange(3), [[0, 1, 2]]),
        ([1, 2.5], [[1, 2.5]]),
        ((np.float32(1), True), [[1, 1]]),
        ([[1, 2], [3]], [[1, 2], [3]]),
        ([np.arange(2), (3, 4)], [[0, 1], [3, 4]]),
        (np.array([np.arange(2), np.arange(1)], object), [[0, 1], [0]]),
        ({'a': [1], 'b': np.arange(2)}, [[1], [0, 1]]),
        (np.ma.masked_array([1, 2, 3], [True, False, False]), [[2, 3]]),
        (pl.Series('x', [1, 2]), [[1, 2]]),
    ],
)
def test_values_are_float64(y, values):
    assert values_of(y) == values
    assert {one.values.dtype for one in read('', y, None, PLAIN).series} == {np.dtype('float64')}


def test_leading_missing_values_are_left_out():
    panel = read('fit()', [[NAN, NAN, 1, NAN, 2, NAN], [3]], None, PLAIN)
    np.testing.assert_array_equal(panel.series[0].values, [1, NAN, 2, NAN])
    assert [one.skipped for one in panel.series] == [2, 0]
    assert [one.name for one in panel.series] == ['y[0]', 'y[1]']


def test_an_answer_has_the_form_of_the_series():
    assert answer(np.arange(5)).tolist() == [1, 2]
    assert [one.tolist() for one in answer([[1, 2], [3, 4]])] == [[1, 2], [11, 12]]
    assert [one.tolist() for one in answer([[1, 2]])] == [[1, 2]]
    found = answer({'a': [1, 2], 7: [3, 4]})
    assert {key: value.tolist() for key, value in found.items()} == {'a': [1, 2], 7: [11, 12]}


WRONG = {
    'none': (
        None,
        'fit(): y must be an array of numbers, a list or a dict of arrays, a Series, or a frame; '
        'got NoneType',
    ),
    'iterator': (
        iter([1.0]),
        'fit(): y must be an array of numbers, a list or a dict of arrays, a Series, or a frame; '
        'got list_iterator',
    ),
    'lazy': (pl.LazyFrame({'y': [1]}), 'fit(): y is a LazyFrame; pass y.collect()'),
    'empty list': ([], 'fit(): y is an empty list; it must have a series at least'),
    'empty dict': ({}, 'fit(): y is an empty dict; it must have a series at least'),
    'empty': ([[1], []], 'fit(): y[1] is empty: its shape is (0,)'),
    'text': (
        ['1', '2'],
        "fit(): y must be an array of numbers; it contains '1', a str; convert it first, such as "
        'by pandas.to_numeric(y)',
    ),
    'inf': (
        {'a': [1], 'b': [1, np.inf]},
        "fit(): y['b'][1] is inf; numbers must be finite, or NaN where they are missing",
    ),
    'inf after missing': (
        [NAN, 1, -np.inf],
        'fit(): y[2] is -inf; numbers must be finite, or NaN where they are missing',
    ),
    'all missing': ([[1, 2], [NAN, NAN]], 'fit(): all values of y[1] are missing'),
    'frame in a list': (
        [pd.DataFrame({'a': [1]})],
        "fit(): y[0] is a frame; in a list or a dict pass its column, such as y[0]['a']",
    ),
    'types': (
        [pd.Series([1.0, 2]), [1, 2]],
        'fit(): y[1] is of type list, y[0] of type Series; all series must be of one type',
    ),
}
SHAPES = {
    'scalar': (3.0, 'fit(): y is a single number; one series is an array (n,)'),
    'scalar in a list': (
        [[1, 2], 3],
        'fit(): y[1] is a single number; one series is an array (n,)',
    ),
    'column': (
        np.zeros((3, 1)),
        'fit(): y has 2 axes, shape (3, 1); one series is (n,); pass y.ravel()',
    ),
    'two axes': (
        np.zeros((3, 4)),
        'fit(): y has 2 axes, shape (3, 4); one series is (n,); pass list(y) if its rows are '
        'series, list(y.T) if its columns are',
    ),
    'three axes': (
        [np.zeros((2, 3, 4))],
        'fit(): y[0] has 3 axes, shape (2, 3, 4); one series is (n,)',
    ),
}


@pytest.mark.parametrize('case', WRONG)
def test_what_is_no_series(case):
    y, message = WRONG[case]
    assert message_of(y) == message


@pytest.mark.parametrize('case', SHAPES)
def test_a_series_has_one_axis(case):
    y, message = SHAPES[case]
    assert message_of(y, error=ShapeError) == message


# --- Series of pandas and polars


@pytest.mark.parametrize('zone', [None, 'Europe/Berlin'])
@pytest.mark.parametrize(
    'name', ['h', '15min', 'D', 'B', 'W-WED', 'MS', 'ME', 'BME', 'QS-FEB', 'YE', 'SME', 'WOM-3FRI']
)
def test_a_series_goes_on_with_its_index(name, zone):
    index = pd.date_range('2020-01-31', periods=12, freq=name, tz=zone, name='time')
    found = answer(pd.Series(np.arange(10.0), index[:10], name='sales'))
    pd.testing.assert_series_equal(found, pd.Series([1.0, 2], index[10:], name='sales'))
    assert found.index.freq == index.freq


@pytest.mark.parametrize('name', ['h', 'D', 'W', 'W-WED', 'M', '2M', 'Q', 'Q-FEB', 'Y', 'Y-MAR'])
def test_periods_stay_periods(name):
    index = pd.period_range('2020-01', periods=8, freq=name, name='time')
    found = answer(pd.Series(np.arange(6.0), index[:6]))
    pd.testing.assert_series_equal(found, pd.Series([1.0, 2], index[6:]))


@pytest.mark.parametrize(
    'index',
    [
        pd.RangeIndex(7),
        pd.RangeIndex(3, 24, 3, name='step'),
        pd.Index([5, 6, 7, 8, 9, 10, 11], dtype='int32'),
        pd.DatetimeIndex(list(pd.date_range('2020', periods=7))),  # its freq is None
        pd.date_range('2020', periods=7, unit='ns'),
    ],
)
def test_other_indexes_go_on(index):
    found = answer(pd.Series(np.arange(5), index[:5]))
    pd.testing.assert_series_equal(found, pd.Series([1.0, 2], index[5:]), check_freq=False)
    assert type(found.index) is type(index)


def test_lists_and_dicts_of_series():
    one = pd.Series([1.0, 2], pd.date_range('2020', periods=2), name='one')
    two = pd.Series([1.0], pd.date_range('2021', periods=1), name='two')
    found = answer([one, two])
    assert [list(series.index.strftime('%F')) for series in found] == [
        ['2020-01-03', '2020-01-04'],
        ['2021-01-02', '2021-01-03'],
    ]
    assert [series.name for series in found] == ['one', 'two']
    assert answer({'a': one, 'b': two})['b'].tolist() == [11, 12]


def test_a_series_of_polars():
    found = answer(pl.Series('sales', [1, None, 3]))
    assert found.equals(pl.Series('sales', [1.0, 2.0]))
    np.testing.assert_array_equal(
        read('', pl.Series([None, 1, None]), None, PLAIN).series[0].values, [1, NAN]
    )


class Sales(pd.Series):
    """A user's own class."""


def test_a_subclass_of_a_series_is_one():
    assert answer(Sales([1.0, 2.0])).index.tolist() == [2, 3]


DAYS = pd.to_datetime(['2020-01-01', '2020-01-02', '2020-01-05'])
WRONG_INDEX = {
    'gap': (
        pd.Series([1.0, 2, 3], DAYS),
        'fit(): y has a gap in its time stamps: 2020-01-02 is followed by 2020-01-05, not by '
        '2020-01-03 (the step is 1 day); insert the missing rows, with NaN as the value, such as '
        "by y.asfreq('D')",
    ),
    'gap in integers': (
        pd.Series([1.0, 2, 3, 4], [2, 4, 6, 10]),
        'fit(): y has a gap in its time stamps: 6 is followed by 10, not by 8 (the step is 2); '
        'insert the missing rows, with NaN as the value, such as by '
        'y.reindex(range(y.index[0], y.index[-1] + 1, 2))',
    ),
    'unsorted': (
        pd.Series([1.0, 2, 3], DAYS[0] + pd.to_timedelta([0, 2, 1], 'D')),
        'fit(): the rows of y are not sorted by time: 2020-01-02 comes after 2020-01-03; sort '
        'them by y.sort_index()',
    ),
    'text': (
        pd.Series([1.0, 2], ['a', 'b']),
        "fit(): the index of y must be time stamps or whole numbers; got str such as 'a'; convert "
        'them first, such as by pandas.to_datetime, or number the rows by reset_index(drop=True)',
    ),
    'levels': (
        pd.Series([1.0], pd.MultiIndex.from_tuples([('a', 1)])),
        'fit(): the index of y has 2 levels; pass a frame, after reset_index()',
    ),
    'zone': (
        [pd.Series([1.0], DAYS[:1], name='a'), pd.Series([1.0], DAYS[:1].tz_localize('UTC'))],
        'fit(): y[1] has an index of datetime64[us, UTC], y[0] one of datetime64[us]; all must '
        'have the same frequency',
    ),
    'mixed': (
        [pd.Series(1.0, pd.date_range('2020', periods=3, freq=f)) for f in ('D', 'h')],
        'fit(): y[1] has an index of datetime64[us] with a step of 1 hour, y[0] one of '
        'datetime64[us] with a step of 1 day; all must have the same frequency',
    ),
    'values of text': (
        pd.Series(['a', 'b']),
        "fit(): y must be an array of numbers; it contains 'a', a str; convert it first, such as "
        'by pandas.to_numeric(y)',
    ),
    'inf': (
        pd.Series([1.0, np.inf], DAYS[:2]),
        'fit(): the value of y at 2020-01-02 is inf; numbers must be finite, or NaN where they '
        'are missing',
    ),
}


@pytest.mark.parametrize('case', WRONG_INDEX)
def test_a_series_that_cannot_be_read(case):
    y, message = WRONG_INDEX[case]
    assert message_of(y) == message


@pytest.mark.parametrize('case', ['gap', 'gap in integers', 'unsorted'])
def test_what_a_message_advises_helps(case):
    y, message = WRONG_INDEX[case]
    mended = eval(message.rpartition(' by ')[2], {'y': y})
    assert len(read('fit()', mended, None, PLAIN).series[0]) == len(mended)


def test_a_zone_without_a_name_is_refused():
    from dateutil import tz

    index = pd.date_range('2020', periods=3, tz=tz.tzlocal())
    assert message_of(pd.Series(1.0, index)) == (
        'fit(): the index of y has the time zone tzlocal(), which has no name; convert it to '
        "another one, such as 'UTC'"
    )


# --- other series for a fitted model


def test_other_series_must_have_the_frequency_of_the_fitted_ones():
    fitted = read('fit()', pd.Series(1.0, pd.date_range('2020', periods=3)), None, PLAIN)
    hourly = pd.Series(1.0, pd.date_range('2020', periods=3, freq='h'))
    assert message_of(hourly, like=fitted) == (
        'fit(): the time stamps have a step of 1 hour; those of fit() had one of 1 day'
    )
    single = pd.Series(1.0, pd.DatetimeIndex(['2021-02-03']))
    assert str(read('', single, None, PLAIN, fitted).frequency) == '1 day'
    assert read('', [1, 2], None, PLAIN, fitted).frequency is None


def test_other_series_may_be_of_other_days_of_the_month():
    ends, starts = (pd.date_range('2020-01-01', periods=3, freq=name) for name in ('ME', 'MS'))
    fitted = read('fit()', pd.Series([1.0, 2, 3], ends), None, PLAIN)
    other = read('forecast()', pd.Series([1.0, 2, 3], starts), None, PLAIN, fitted)
    assert other.series[0].times.ahead(1) == np.datetime64('2020-04-01')


def test_a_column_has_one_role():
    columns = Columns(past=('y',))
    assert message_of([1, 2], columns=columns, error=ConfigError) == (
        "fit(): column 'y' cannot be both target and past"
    )
    assert message_of([1, 2], X=[1, 2], error=ConfigError) == (
        'fit(): X is given, but no covariates are named; name its columns by past=, future= or '
        'static= in Forecaster()'
    )
    assert message_of([1, 2], columns=Columns(id='forecast'), error=ConfigError) == (
        "fit(): id='forecast' is the name of the column of the forecasts; rename it"
    )
