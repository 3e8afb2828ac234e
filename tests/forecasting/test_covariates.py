"""Covariates: in the frame, beside the series, for the future, static."""

import numpy as np
import pytest
from libraries import LIBRARIES, polars

from rnnkit.errors import ConfigError, DataError, ShapeError
from rnnkit.forecasting.panel import read, read_ahead
from rnnkit.forecasting.series import Columns

pd = pytest.importorskip('pandas')
pytest.importorskip('polars')

NAN = np.nan
DAYS = pd.date_range('2020-01-01', periods=7)
FRAME = pd.DataFrame(
    {
        'unique_id': ['b'] * 4 + ['a'] * 3,
        'ds': [*DAYS[:4], *DAYS[1:4]],
        'y': [NAN, 2, 3, 4, 5, 6, 7],
        'rain': [0.5, 1, 1.5, 2, 2.5, 3, 3.5],
        'price': [10, 20, 30, 40, 50, 60, 70],
        'open': [True, True, False, True, True, True, False],
        'kind': ['shop'] * 4 + ['kiosk'] * 3,
        'area': [7.0] * 4 + [2.0] * 3,
    }
)
NAMES = Columns(past=('rain',), future=('price', 'open'), static=('kind', 'area'))
AHEAD = pd.DataFrame(
    {
        'unique_id': [*'aaabbbc'],
        'ds': [*DAYS[4:7], *DAYS[4:7], DAYS[4]],
        'price': [1, 2, 3, 4, 5, 6, 7],
        'open': [0, 1, 0, 1, 0, 1, 0],
    }
)


both = pytest.mark.parametrize('library', LIBRARIES)


def message_of(call, *args, error=DataError):
    with pytest.raises(error) as caught:
        call(*args)
    return str(caught.value)


def lists(panel, name):
    return [getattr(one, name).tolist() for one in panel.series]


PAST = [[[1], [1.5], [2]], [[2.5], [3], [3.5]]]  # without the row whose value is missing
FUTURE = [[[20, 1], [30, 0], [40, 1]], [[50, 1], [60, 1], [70, 0]]]
STATIC = [[0, 1, 7], [1, 0, 2]]


# --- long frames


@both
def test_covariates_are_columns_of_the_frame(library):
    panel = read('fit()', LIBRARIES[library](FRAME), None, NAMES)
    assert (panel.past, panel.future) == (('rain',), ('price', 'open'))
    assert panel.static == ('kind=kiosk', 'kind=shop', 'area')
    assert panel.categories == {'kind': ('kiosk', 'shop')}
    assert lists(panel, 'past') == PAST
    assert lists(panel, 'future') == FUTURE
    assert lists(panel, 'static') == STATIC
    assert {one.past.dtype for one in panel.series} == {np.dtype('float64')}


@both
def test_covariates_are_rows_of_another_frame(library):
    make = LIBRARIES[library]
    others = FRAME[['unique_id', 'ds', 'rain', 'price', 'open', 'kind', 'area']]
    more = AHEAD.assign(rain=0.0, kind='shop', area=7.0)
    more = more[more['unique_id'] != 'a']
    others = pd.concat([others, more]).iloc[::-1]  # rows in any order, and more of them
    panel = read('fit()', make(FRAME[['unique_id', 'ds', 'y']]), make(others), NAMES)
    assert lists(panel, 'past') == PAST
    assert lists(panel, 'future') == FUTURE
    assert lists(panel, 'static') == STATIC


@both
def test_static_covariates_are_a_frame_without_times(library):
    make = LIBRARIES[library]
    static = pd.DataFrame(
        {'unique_id': [*'abc'], 'kind': ['kiosk', 'shop', 'x'], 'area': [2, 7, 1]}
    )
    own = FRAME.drop(columns=['kind', 'area'])
    assert lists(read('fit()', make(own), make(static), NAMES), 'static') == STATIC


@both
def test_the_id_may_be_a_static_covariate(library):
    panel = read('fit()', LIBRARIES[library](FRAME), None, Columns(static=('unique_id',)))
    assert panel.static == ('unique_id=a', 'unique_id=b')
    assert lists(panel, 'static') == [[0, 1], [1, 0]]


@both
def test_inputs_of_the_future_are_found_by_id_and_time(library):
    make = LIBRARIES[library]
    panel = read('fit()', make(FRAME), None, NAMES)
    mixed = AHEAD.sample(frac=1, random_state=0)
    found = read_ahead('forecast()', panel, make(mixed), 2)
    assert [one.tolist() for one in found] == [[[4, 1], [5, 0]], [[1, 0], [2, 1]]]


def test_whole_numbers_and_zones_as_times_of_inputs():
    numbered = FRAME.assign(ds=[1, 2, 3, 4, 2, 3, 4])
    panel = read('fit()', numbered, None, NAMES)
    found = read_ahead('forecast()', panel, AHEAD.assign(ds=[5, 6, 7, 5, 6, 7, 5]), 1)
    assert [one.tolist() for one in found] == [[[4, 1]], [[1, 0]]]
    zone = 'Europe/Berlin'
    panel = read('fit()', FRAME.assign(ds=FRAME['ds'].dt.tz_localize(zone)), None, NAMES)
    moved = AHEAD['ds'].dt.tz_localize(zone).dt.tz_convert('UTC')
    found = read_ahead('forecast()', panel, AHEAD.assign(ds=moved), 1)
    assert [one.tolist() for one in found] == [[[4, 1]], [[1, 0]]]


PANEL = read('fit()', FRAME, None, NAMES)
WRONG_AHEAD = {
    'nothing': (
        None,
        "forecast(): X is missing; it must have the values of 'price', 'open' for the next 3 steps",
    ),
    'column': (
        AHEAD.rename(columns={'price': 'prize'}),
        "forecast(): X has no column 'price'; its columns are 'unique_id', 'ds', 'prize', 'open'; "
        "did you mean 'prize'?",
    ),
    'time column': (
        AHEAD.drop(columns='ds'),
        "forecast(): X has no column 'ds'; its columns are 'unique_id', 'price', 'open'; name the "
        'column of the time stamps by time=',
    ),
    'row': (
        AHEAD.iloc[[0, 1, 3, 4, 5]],
        "forecast(): X has no row for series 'a' at 2020-01-07, where 'price', 'open' must be "
        'known (missing: 1 of 6 rows)',
    ),
    'times': (
        AHEAD.assign(ds=AHEAD['ds'] + pd.Timedelta(days=1)),
        "forecast(): X has no row for series 'b' at 2020-01-05, where 'price', 'open' must be "
        'known (missing: 2 of 6 rows)',
    ),
    'twice': (
        AHEAD.iloc[[0, 0, 1, 2, 3, 4, 5]],
        "forecast(): X has two rows for series 'a' at 2020-01-05; there must be one",
    ),
    'nan': (
        AHEAD.assign(price=[1, NAN, 3, 4, 5, 6, 7]),
        "forecast(): column 'price', an input known for the future, is nan in series 'a' at "
        '2020-01-06; fill such gaps first',
    ),
    'whole numbers': (
        AHEAD.assign(ds=range(7)),
        'forecast(): X has whole numbers as times, y has time stamps',
    ),
    'zone': (
        AHEAD.assign(ds=AHEAD['ds'].dt.tz_localize('UTC')),
        'forecast(): X has time stamps in UTC, y without a time zone',
    ),
    'array': (
        np.zeros((3, 2)),
        "forecast(): X must be a frame with the columns 'unique_id', 'ds', as y is; got ndarray",
    ),
    'text': (
        AHEAD.assign(open='yes'),
        "forecast(): X must be real numbers; column 'open' has dtype str; encode it as numbers "
        'first, such as by pandas.get_dummies, or make it the index',
    ),
}


@pytest.mark.parametrize('case', WRONG_AHEAD)
def test_inputs_of_the_future_that_cannot_be_read(case):
    X, message = WRONG_AHEAD[case]
    assert message_of(read_ahead, 'forecast()', PANEL, X, 3) == message


WRONG_FRAME = {
    'column': (
        FRAME.drop(columns='rain'),
        None,
        "fit(): y has no column 'rain'; its columns are 'unique_id', 'ds', 'y', 'price', 'open', "
        "'kind', 'area'; covariates are columns of y or of X",
    ),
    'past nan': (
        FRAME.assign(rain=[1, 2, 3, 4, 5, 6, NAN]),
        None,
        "fit(): column 'rain', an input known up to now, is nan in series 'a' at 2020-01-04; fill "
        'such gaps first',
    ),
    'future inf': (
        FRAME.assign(price=[np.inf, 1, 2, -np.inf, 4, 5, 6]),
        None,
        "fit(): column 'price', an input known for the future, is -inf in series 'b' at "
        '2020-01-04; fill such gaps first',
    ),
    'static changes': (
        FRAME.assign(kind=['shop'] * 6 + ['kiosk']),
        None,
        "fit(): column 'kind' is static, but it changes in series 'a' from 'shop' to 'kiosk'; name "
        'it by past= or future=',
    ),
    'static missing': (
        FRAME.assign(area=[7.0] * 4 + [NAN] * 3),
        None,
        "fit(): column 'area' must be a number in each series, or a str in each; it is nan in "
        "series 'a'",
    ),
    'static of two kinds': (
        FRAME.assign(kind=pd.Series(['shop'] * 4 + [3] * 3, dtype=object)),
        None,
        "fit(): column 'kind' must be a number in each series, or a str in each; it is 'shop' in "
        "series 'b'",
    ),
    'static without a series': (
        FRAME.drop(columns='kind'),
        pd.DataFrame({'unique_id': ['a'], 'kind': ['shop']}),
        "fit(): X has no row for series 'b'",
    ),
    'row of X': (
        FRAME.drop(columns='rain'),
        FRAME[['unique_id', 'ds', 'rain']].iloc[1:],
        "fit(): X has no row for series 'b' at 2020-01-01, where 'rain' must be known "
        '(missing: 1 of 7 rows)',
    ),
}


@pytest.mark.parametrize('case', WRONG_FRAME)
def test_covariates_that_cannot_be_read(case):
    y, X, message = WRONG_FRAME[case]
    assert message_of(read, 'fit()', y, X, NAMES) == message


def test_a_new_category_is_refused():
    assert message_of(read, 'forecast()', FRAME.replace('kiosk', 'kiosks'), None, NAMES, PANEL) == (
        "forecast(): column 'kind' is 'kiosks' in series 'a', which was in none of the series of "
        "fit(); did you mean 'kiosk'?"
    )
    one = FRAME[FRAME['unique_id'] == 'a']
    other = read('forecast()', one, None, NAMES, PANEL)
    assert lists(other, 'static') == [[1, 0, 2]]
    assert other.static == PANEL.static
    assert message_of(read, 'forecast()', one.assign(kind=1), None, NAMES, PANEL) == (
        "forecast(): column 'kind' must be one of 'kiosk', 'shop'; it is 1 in series 'a'"
    )


def test_inputs_without_names():
    bare = read('fit()', FRAME, None, Columns())
    assert [one.shape for one in read_ahead('forecast()', bare, None, 3)] == [(3, 0), (3, 0)]
    assert message_of(read_ahead, 'forecast()', bare, AHEAD, 3, error=ConfigError) == (
        'forecast(): X is given, but the forecaster has no inputs that are known for the future; '
        'leave X out, or name its columns by future= in Forecaster()'
    )


def test_covariates_of_other_series_alone():
    columns = Columns(past=('rain',))
    panel = read('fit()', [1, 2], {'rain': [1, 2]}, columns)
    X = {'rain': [3, 4, 5]}
    other = read('forecast()', [3, 4, 5], X, columns, panel, 2)
    assert lists(other, 'past') == [[[3], [4], [5]]]
    assert [one.shape for one in read_ahead('forecast()', other, X, 2, used=True)] == [(2, 0)]


# --- beside arrays and Series


Y = [[NAN, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0]]
EACH = [FRAME[:4], FRAME[4:].reset_index(drop=True)]
FORMS = {
    'frames': EACH,
    'polars': [polars(one) for one in EACH],
    'dicts': [
        {name: one[name].tolist() for name in ('rain', 'price', 'open')}
        | {'kind': one['kind'].iloc[0], 'area': one['area'].iloc[0]}
        for one in EACH
    ],
}


@pytest.mark.parametrize('form', FORMS)
def test_covariates_beside_arrays(form):
    panel = read('fit()', Y, FORMS[form], NAMES)
    assert lists(panel, 'past') == PAST
    assert lists(panel, 'future') == FUTURE
    assert lists(panel, 'static') == STATIC
    keys = [dict(zip('ba', one, strict=True)) for one in (Y, FORMS[form])]
    keyed = read('fit()', *keys, NAMES)
    assert lists(keyed, 'future') == FUTURE
    single = read('fit()', np.array(Y[1]), FORMS[form][1], NAMES)
    assert lists(single, 'future') == FUTURE[1:]


def test_columns_of_arrays_have_numbers():
    X = np.arange(12.0).reshape(4, 3)
    columns = Columns(past=(1,), future=(0, 2))
    panel = read('fit()', [1, 2, 3, 4], X, columns)
    assert lists(panel, 'past') == [[[1], [4], [7], [10]]]
    assert lists(panel, 'future') == [[[0, 2], [3, 5], [6, 8], [9, 11]]]
    ahead = read_ahead('forecast()', panel, X[:2], 2)
    assert ahead[0].tolist() == [[0, 2], [3, 5]]
    one = read('fit()', [1, 2, 3], [7, 8, 9], Columns(future=(0,)))
    assert lists(one, 'future') == [[[7], [8], [9]]]


def test_inputs_ahead_of_arrays_are_those_of_the_horizon_or_of_all_steps():
    X = [{'price': [1, 2, 3, 4]}, {'price': [5, 6, 7]}]
    columns = Columns(future=('price',))
    panel = read('fit()', Y, X, columns)
    ahead = [{'price': [1, 2]}, {'price': [3, 4]}]
    both = [{'price': [9, 9, 9, 9, 1, 2]}, {'price': [9, 9, 9, 3, 4]}]
    for form in (ahead, both):  # the first value of the first series is missing: 4 + 2 rows
        found = read_ahead('forecast()', panel, form, 2)
        assert [one.tolist() for one in found] == [[[1], [2]], [[3], [4]]]
    other = read('forecast()', Y, both, columns, panel, 2)
    assert lists(other, 'future') == [[[9]] * 3, [[9]] * 3]
    assert message_of(read_ahead, 'forecast()', panel, X, 3, error=ShapeError) == (
        "forecast(): column 'price' of X[0] has 4 values; the forecast needs those of 3 steps ahead"
    )
    assert message_of(read, 'fit()', Y, both, columns, error=ShapeError) == (
        "fit(): column 'price' of X[0] has 6 values; 4 are needed"
    )


def test_a_frame_belongs_to_the_index_of_a_series():
    y = pd.Series([1.0, 2, 3], DAYS[:3])
    X = pd.DataFrame({'price': np.arange(7.0)}, DAYS)
    columns = Columns(future=('price',))
    panel = read('fit()', y, X.iloc[::-1], columns)
    assert lists(panel, 'future') == [[[0], [1], [2]]]
    assert read_ahead('forecast()', panel, X, 2)[0].tolist() == [[3], [4]]
    assert read_ahead('forecast()', panel, X['price'], 2)[0].tolist() == [[3], [4]]
    assert message_of(read_ahead, 'forecast()', panel, X[:4], 2) == (
        "forecast(): X has no row for y at 2020-01-05, where 'price' must be known "
        '(missing: 1 of 2 rows)'
    )
    assert message_of(read, 'fit()', y, X[1:], columns) == (
        "fit(): X has no row for y at 2020-01-01, where 'price' must be known "
        '(missing: 1 of 3 rows)'
    )
    # An array has no index: its rows are in order.
    panel = read('fit()', y, {'price': [5, 6, 7]}, columns)
    assert lists(panel, 'future') == [[[5], [6], [7]]]


WRONG_BESIDE = {
    'nothing': ([1, 2], None, "fit(): X is missing; it must have the covariate 'kind'"),
    'key': (
        [1, 2],
        {'kinds': 'a', 'price': [1, 2]},
        "fit(): X has no key 'kind'; its keys are 'kinds', 'price'; did you mean 'kinds'?",
    ),
    'column': (
        [1, 2],
        pd.DataFrame({'kind': [1, 1]}),
        "fit(): X has no column 'price'; its columns are 'kind'; covariates are columns of y or of "
        'X',
    ),
    'array': (
        [1, 2],
        np.zeros((2, 3)),
        'fit(): X is an array of 3 columns, which have no names; there is no column '
        "'kind'. Name columns by their numbers, such as future=[0], or pass a frame or a dict",
    ),
    'list': (
        [[1, 2], [3]],
        [{'kind': 'a', 'price': [1, 2]}],
        'fit(): X must be a list of 2 elements, as y; got 1 elements',
    ),
    'dict': (
        {'a': [1, 2]},
        {'b': {'kind': 'a', 'price': [1, 2]}},
        "fit(): X has no key 'a', which y has",
    ),
    'static changes': (
        [1, 2],
        {'kind': ['a', 'b'], 'price': [1, 2]},
        "fit(): X['kind'] is static, but its values differ; pass one value, or name it by past= or "
        'future=',
    ),
    'nan': (
        [1, 2],
        {'kind': 'a', 'price': [1, NAN]},
        "fit(): column 'price', an input known for the future, is nan in y at step 1; fill such "
        'gaps first',
    ),
}


@pytest.mark.parametrize('case', WRONG_BESIDE)
def test_covariates_beside_arrays_that_cannot_be_read(case):
    y, X, message = WRONG_BESIDE[case]
    columns = Columns(future=('price',), static=('kind',))
    assert message_of(read, 'fit()', y, X, columns) == message


def test_covariates_have_one_value_for_each_step():
    columns = Columns(future=('price',))
    assert message_of(
        read, 'fit()', [1, 2], {'price': np.zeros((2, 2))}, columns, error=ShapeError
    ) == ("fit(): X['price'] has shape (2, 2); a covariate has one value for each step, (n,)")
    assert message_of(read, 'fit()', [1, 2], np.zeros((2, 2, 2)), columns, error=ShapeError) == (
        'fit(): X has 3 axes, shape (2, 2, 2); covariates of a series are (n, columns)'
    )
