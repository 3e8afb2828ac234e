"""Long frames of pandas and polars: a row for each series and time."""

import time

import numpy as np
import pytest
from libraries import LIBRARIES, polars

from rnnkit.errors import DataError
from rnnkit.forecasting.answers import Forecast, give
from rnnkit.forecasting.panel import read
from rnnkit.forecasting.series import Columns

pd = pytest.importorskip('pandas')
pl = pytest.importorskip('polars')

PLAIN = Columns()
DAYS = list(pd.date_range('2020-01-01', periods=4))
FRAME = pd.DataFrame(
    {'unique_id': ['b'] * 4 + ['a'] * 3, 'ds': DAYS + DAYS[1:], 'y': [1, 2, 3, 4, 5, 6, 7]}
)


def as_lists(frame):
    """Return the columns of a frame as lists."""
    return {name: list(frame[name]) for name in frame.columns}


def answer(y, h=2, columns=PLAIN, **levels):
    panel = read('fit()', y, None, columns)
    parts = [
        Forecast(
            np.arange(1.0, h + 1) + 10 * k,
            *({level: np.full(h, sign * level) for level in levels} for sign in (-1.0, 1.0)),
        )
        for k in range(len(panel))
    ]
    return give(panel, parts, simple=not levels)


def message_of(y, columns=PLAIN, error=DataError):
    with pytest.raises(error) as caught:
        read('fit()', y, None, columns)
    return str(caught.value)


@pytest.mark.parametrize('library', LIBRARIES)
def test_a_long_frame_is_answered_by_one(library):
    found = answer(LIBRARIES[library](FRAME))
    assert type(found) is type(LIBRARIES[library](FRAME))
    assert as_lists(found) == {
        'unique_id': ['b', 'b', 'a', 'a'],
        'ds': [pd.Timestamp(f'2020-01-0{k}') for k in (5, 6, 5, 6)],
        'forecast': [1, 2, 11, 12],
    }


@pytest.mark.parametrize('library', LIBRARIES)
def test_series_are_read_in_the_order_in_which_they_appear(library):
    mixed = FRAME.sort_values(['ds', 'unique_id'], ascending=[True, False])
    panel = read('fit()', LIBRARIES[library](mixed), None, PLAIN)
    assert [(one.id, one.name) for one in panel.series] == [
        ('b', "series 'b'"),
        ('a', "series 'a'"),
    ]
    assert [one.values.tolist() for one in panel.series] == [[1, 2, 3, 4], [5, 6, 7]]
    assert [one.times.text(0) for one in panel.series] == ['2020-01-01', '2020-01-02']


@pytest.mark.parametrize('library', LIBRARIES)
def test_names_and_dtypes_are_kept(library):
    frame = LIBRARIES[library](FRAME.rename(columns={'unique_id': 'shop', 'ds': 'day', 'y': 'z'}))
    if library == 'polars':
        frame = frame.with_columns(
            pl.col('shop').cast(pl.Categorical), pl.col('day').cast(pl.Date), pl.col('z').cast(int)
        )
    else:
        frame = frame.astype({'shop': 'category', 'day': 'datetime64[s]', 'z': 'Int64'})
    found = answer(frame, columns=Columns('shop', 'day', 'z'))
    assert list(found.columns) == ['shop', 'day', 'forecast']
    assert [found[name].dtype for name in ('shop', 'day')] == [
        frame[name].dtype for name in ('shop', 'day')
    ]


@pytest.mark.parametrize('dtype', ['int64', 'Int32', 'float64', 'object', 'str'])
def test_the_dtype_of_ids_is_kept(dtype):
    frame = FRAME.assign(unique_id=pd.Series([2, 2, 2, 2, 1, 1, 1]).astype(dtype))
    found = answer(frame)
    assert found['unique_id'].dtype == frame['unique_id'].dtype
    assert found['unique_id'].tolist() == frame['unique_id'].iloc[[0, 0, 4, 4]].tolist()


@pytest.mark.parametrize('library', LIBRARIES)
def test_whole_numbers_are_times(library):
    frame = LIBRARIES[library](FRAME.assign(ds=[1, 2, 3, 4, 9, 10, 11]))
    if library == 'polars':
        frame = frame.with_columns(pl.col('ds').cast(pl.Int16))
    found = answer(frame)
    assert found['ds'].to_list() == [5, 6, 12, 13]
    assert found['ds'].dtype == frame['ds'].dtype


@pytest.mark.parametrize('library', LIBRARIES)
def test_a_time_zone_is_kept(library):
    hours = pd.date_range('2021-03-27 22:00', periods=4, freq='h', tz='Europe/Berlin')
    if library == 'polars':
        utc = pl.Series(hours.tz_convert('UTC').tz_localize(None).to_numpy())
        hours = utc.dt.replace_time_zone('UTC').dt.convert_time_zone('Europe/Berlin')
        frame = polars(FRAME[:4]).with_columns(ds=hours)
    else:
        frame = FRAME[:4].assign(ds=hours)
    found = answer(frame)
    assert found['ds'].dtype == frame['ds'].dtype
    assert [str(one) for one in found['ds']] == [  # the clock skips 2:00
        '2021-03-28 03:00:00+02:00',
        '2021-03-28 04:00:00+02:00',
    ]


def test_a_column_of_periods():
    months = pd.period_range('2020-11', periods=4, freq='M')
    found = answer(FRAME[:4].assign(ds=months))
    assert found['ds'].tolist() == list(pd.period_range('2021-03', periods=2, freq='M'))
    assert found['ds'].dtype == months.dtype


@pytest.mark.parametrize('library', LIBRARIES)
def test_one_series_without_ids_and_without_times(library):
    frame = LIBRARIES[library](FRAME[:4])
    found = answer(frame, columns=Columns(id=None))
    assert as_lists(found) == {'ds': [DAYS[3] + k * (DAYS[1] - DAYS[0]) for k in (1, 2)]} | {
        'forecast': [1, 2]
    }
    assert as_lists(answer(frame, columns=Columns(id=None, time=None))) == {'forecast': [1, 2]}


def test_intervals_are_columns_named_as_in_statsforecast():
    panel = read('fit()', FRAME, None, PLAIN)
    parts = [
        Forecast(
            np.array([1.0 + k]),
            {80: np.array([0.0]), 95: np.array([-1.0])},
            {80: np.array([2.0]), 95: np.array([3.0])},
            {0.5: np.array([1.5]), 0.1: np.array([0.5])},
            np.array([[7.0], [8.0]]),
        )
        for k in range(2)
    ]
    found = give(panel, parts, simple=False)
    assert as_lists(found.iloc[:, 2:]) == {
        'forecast': [1, 2],
        'forecast-lo-95': [-1, -1],
        'forecast-lo-80': [0, 0],
        'forecast-hi-80': [2, 2],
        'forecast-hi-95': [3, 3],
        'forecast-q0.1': [0.5, 0.5],
        'forecast-q0.5': [1.5, 1.5],
        'forecast-sample-0': [7, 7],
        'forecast-sample-1': [8, 8],
    }


WRONG = {
    'id': (
        FRAME.rename(columns={'unique_id': 'uniqueid'}),
        "fit(): y has no column 'unique_id'; its columns are 'uniqueid', 'ds', 'y'; did you mean "
        "id='uniqueid'?",
    ),
    'wide': (
        pd.DataFrame({'north': [1.0, 2], 'south': [3.0, 4]}, DAYS[:2]),
        "fit(): a frame has a row for each time of each series, with the columns 'unique_id', "
        "'ds', 'y'; those of y are 'north', 'south'. Name them by id=, time= and target=; if each "
        "column is a series, pass one, such as y['north'], or a dict, "
        '{key: y[key] for key in y.columns}',
    ),
    'no id': (
        FRAME[['ds', 'y']],
        "fit(): y has no column 'unique_id'; its columns are 'ds', 'y'; name the column of the "
        'ids of the series by id=, or pass id=None for a single series',
    ),
    'time': (
        FRAME.rename(columns={'ds': 'date'}),
        "fit(): y has no column 'ds'; its columns are 'unique_id', 'date', 'y'; name the column "
        'of the time stamps by time=',
    ),
    'target': (
        FRAME.rename(columns={'y': 'sales'}),
        "fit(): y has no column 'y'; its columns are 'unique_id', 'ds', 'sales'; name the column "
        'of the values by target=',
    ),
    'index': (
        FRAME.set_index(['unique_id', 'ds']),
        "fit(): y has 'unique_id' as its index; pass y.reset_index()",
    ),
    'two columns': (
        FRAME.assign(z=1).set_axis(['unique_id', 'ds', 'y', 'y'], axis=1),
        "fit(): y has 2 columns 'y'",
    ),
    'no rows': (FRAME[:0], 'fit(): y has no rows'),
    'twice': (
        FRAME.iloc[[0, 1, 1, 2]],
        "fit(): series 'b' has 2 rows at 2020-01-02; there must be one row for each time",
    ),
    'unsorted': (
        FRAME.iloc[[0, 1, 3, 2, 4, 5, 6]],
        "fit(): the rows of series 'b' are not sorted by time: 2020-01-03 comes after "
        "2020-01-04; sort them by y.sort_values(['unique_id', 'ds'])",
    ),
    'gap': (
        FRAME.iloc[[0, 1, 2, 3, 4, 6]],
        "fit(): series 'a' has a gap in its time stamps: 2020-01-02 is followed by 2020-01-04, "
        'not by 2020-01-03 (the step is 1 day); insert the missing rows, with NaN as the value, '
        "such as by y.set_index('ds').groupby('unique_id')[['y']].resample('D').asfreq()"
        '.reset_index()',
    ),
    'text times': (
        FRAME.astype({'ds': str}),
        "fit(): column 'ds' of y must be time stamps or whole numbers; got str such as "
        "'2020-01-01'; convert them first, such as by pandas.to_datetime",
    ),
    'no time': (
        FRAME.assign(ds=[pd.NaT, *DAYS[1:], *DAYS[1:]]),
        "fit(): column 'ds' of y has no time stamp in row 0; leave out such rows",
    ),
    'no id in a row': (
        FRAME.assign(unique_id=[*'bbb', None, *'aaa']),
        "fit(): column 'unique_id' of y has no id in row 3",
    ),
    'text values': (
        FRAME.assign(y='many'),
        "fit(): y must be real numbers; column 'y' has dtype str; encode it as numbers first, such "
        'as by pandas.get_dummies, or make it the index',
    ),
    'all missing': (
        FRAME.assign(y=[1, 2, 3, 4, np.nan, np.nan, np.nan]),
        "fit(): all values of series 'a' are missing",
    ),
    'inf': (
        FRAME.assign(y=[1, 2, 3, np.inf, 5, 6, 7]),
        "fit(): the value of series 'b' at 2020-01-04 is inf; numbers must be finite, or NaN "
        'where they are missing',
    ),
}


@pytest.mark.parametrize('case', WRONG)
def test_a_frame_that_cannot_be_read(case):
    frame, message = WRONG[case]
    assert message_of(frame) == message


POLARS = {
    'unsorted': "y.sort('unique_id', 'ds')",
    'gap': "y.upsample('ds', every='1d', group_by='unique_id', maintain_order=True)",
}


@pytest.mark.parametrize('case', POLARS)
def test_a_frame_of_polars_that_cannot_be_read(case):
    frame, message = WRONG[case]
    start = message.rpartition(' by ')[0]
    assert message_of(polars(frame)) == f'{start} by {POLARS[case]}'


def test_a_time_that_is_null():
    first = pl.int_range(pl.len()) == 0
    frame = polars(FRAME).with_columns(ds=pl.when(~first).then(pl.col('ds')))
    assert message_of(frame) == (
        "fit(): column 'ds' of y has no time stamp in row 0; leave out such rows"
    )


def test_text_as_times_of_polars():
    frame = polars(FRAME).with_columns(pl.col('ds').dt.strftime('%Y-%m-%d'))
    assert message_of(frame) == (
        "fit(): column 'ds' of y must be time stamps or whole numbers; got String such as "
        "'2020-01-01'; convert them first, such as by .str.to_datetime()"
    )


@pytest.mark.parametrize('case', ['unsorted', 'gap'])
@pytest.mark.parametrize('library', LIBRARIES)
def test_what_a_message_advises_helps(library, case):
    frame = LIBRARIES[library](WRONG[case][0])
    mended = eval(message_of(frame).rpartition(' by ')[2], {'y': frame})
    if library == 'polars' and case == 'gap':  # polars leaves the ids of new rows to the user
        mended = mended.with_columns(pl.col('unique_id').forward_fill())
    panel = read('fit()', mended, None, PLAIN)
    assert sorted(len(one) for one in panel.series) == [3, 4]


def test_rows_of_several_series_without_ids():
    assert message_of(FRAME.rename(columns={'unique_id': 'shop'}), Columns(id=None)) == (
        'fit(): y has 2 rows at 2020-01-02; there must be one row for each time; if the rows are '
        'of several series, name the column of their ids by id='
    )


def test_frames_of_other_libraries_are_refused():
    class Table:
        columns = ['unique_id', 'ds', 'y']

        def to_numpy(self):
            raise NotImplementedError

    Table.__module__ = 'tables.core'
    assert message_of(Table()) == (
        'fit(): y must be a frame of pandas or polars; got tables.core.Table'
    )


@pytest.mark.parametrize('library', LIBRARIES)
def test_many_series_are_read_and_answered_quickly(library):
    hours = pd.date_range('2020', periods=100, freq='h').to_numpy()
    ids = np.repeat([f'H{k}' for k in range(3000)], 100)
    columns = {'unique_id': ids, 'ds': np.tile(hours, 3000), 'y': np.arange(300_000.0)}
    frame = pl.DataFrame(columns) if library == 'polars' else pd.DataFrame(columns)
    began = time.perf_counter()
    found = answer(frame, h=48)
    assert time.perf_counter() - began < 3  # 0.2 s alone on a machine
    assert len(found) == 3000 * 48
    assert found['ds'][48] == pd.Timestamp('2020-01-05 04:00')
