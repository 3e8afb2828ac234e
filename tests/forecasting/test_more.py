"""New values that follow those of a panel."""

import numpy as np
import pytest
from libraries import LIBRARIES

from rnnkit.errors import DataError
from rnnkit.forecasting.panel import join, more, read
from rnnkit.forecasting.series import Columns

pd = pytest.importorskip('pandas')
pl = pytest.importorskip('polars')

NAN = np.nan
PLAIN = Columns()
DAYS = pd.date_range('2020-01-01', periods=7)
FRAME = pd.DataFrame(
    {'unique_id': [*'bbba'], 'ds': DAYS[[0, 1, 2, 1]], 'y': [1.0, 2, 3, 4], 'x': [1, 2, 3, 4]}
)
NEW = pd.DataFrame(
    {'unique_id': [*'aab'], 'ds': DAYS[[2, 3, 3]], 'y': [NAN, 6.0, 7.0], 'x': [5, 6, 7]}
)


def lists(panel, name='values'):
    return [getattr(one, name).tolist() for one in panel.series]


def message_of(panel, y, X=None):
    with pytest.raises(DataError) as caught:
        more('update()', panel, y, X)
    return str(caught.value)


@pytest.mark.parametrize('library', LIBRARIES)
def test_a_frame_goes_on(library):
    make, columns = LIBRARIES[library], Columns(future=('x',))
    panel = read('fit()', make(FRAME), None, columns)
    new = more('update()', panel, make(NEW))
    np.testing.assert_array_equal(new.series[1].values, [NAN, 6])
    assert lists(new)[0] == [7]
    assert lists(new, 'future') == [[[7]], [[5], [6]]]
    assert [one.times.text(0) for one in new.series] == ['2020-01-04', '2020-01-03']
    whole = join(panel, new)
    assert [one.id for one in whole.series] == ['b', 'a']
    assert lists(whole)[0] == [1, 2, 3, 7]
    np.testing.assert_array_equal(whole.series[1].values, [4, NAN, 6])
    assert [one.times.text(one.times.n) for one in whole.series] == ['2020-01-05'] * 2
    assert lists(whole, 'future') == [[[1], [2], [3], [7]], [[4], [5], [6]]]


def test_a_series_without_new_values_stays():
    panel = read('fit()', FRAME, None, PLAIN)
    new = more('update()', panel, NEW[:2])
    assert [len(one) for one in new.series] == [0, 2]
    assert new.series[0].times.text(0) == '2020-01-04'
    assert lists(join(panel, new))[0] == [1, 2, 3]


@pytest.mark.parametrize(
    ('y', 'new', 'values'),
    [
        (np.arange(2), [5], [[0, 1, 5]]),
        ([[1], [2]], [[3, 4], [5]], [[1, 3, 4], [2, 5]]),
        ({'a': [1], 'b': [2]}, {'b': [3]}, [[1], [2, 3]]),
        (pl.Series([1]), pl.Series([2]), [[1, 2]]),
        (pd.Series([1, 2]), pd.Series([3], [2]), [[1, 2, 3]]),
    ],
)
def test_arrays_and_series_go_on(y, new, values):
    panel = read('fit()', y, None, PLAIN)
    assert lists(join(panel, more('update()', panel, new))) == values


@pytest.mark.parametrize('name', ['ME', 'B', 'W-WED', 'h', 'WOM-3FRI'])
def test_an_index_goes_on_by_its_frequency(name):
    index = pd.date_range('2020-01-31', periods=10, freq=name, tz='Europe/Berlin')
    y = pd.Series(np.arange(10.0), index)
    panel = read('fit()', y[:6], None, PLAIN)
    for k in (7, 9):  # a single value, then two
        panel = join(panel, more('update()', panel, y[len(panel.series[0]) : k]))
    assert lists(panel) == [list(range(9))]
    assert panel.series[0].times.ahead(1) == index[-1:].tz_localize(None)


def test_covariates_of_new_values_are_beside_them():
    columns = Columns(past=('x',), static=('k',))
    panel = read('fit()', [1, 2], {'x': [3, 4], 'k': 'a'}, columns)
    new = more('update()', panel, [5], {'x': [6], 'k': 'a'})
    assert lists(join(panel, new), 'past') == [[[3], [4], [6]]]
    assert message_of(panel, [5]) == "update(): X is missing; it must have the covariate 'k'"


SERIES = pd.Series([1.0, 2], DAYS[:2])
WRONG = {
    'too late': (
        FRAME,
        NEW.iloc[1:],
        "update(): the new values of series 'a' begin at 2020-01-04; they must begin at "
        '2020-01-03, the step after the last one',
    ),
    'again': (
        FRAME,
        FRAME,
        "update(): the new values of series 'b' begin at 2020-01-01; they must begin at "
        '2020-01-04, the step after the last one',
    ),
    'new id': (
        FRAME,
        NEW.assign(unique_id=[*'ccb']),
        "update(): series 'c' was not in fit(); known are 'b', 'a'. Forecast other series by "
        'forecast(y=...)',
    ),
    'gap': (
        FRAME,
        pd.concat([NEW, NEW[:1].assign(ds=DAYS[6])]),
        "update(): series 'a' has a gap in its time stamps: 2020-01-04 is followed by 2020-01-07, "
        'not by 2020-01-05 (the step is 1 day); insert the missing rows, with NaN as the value, '
        "such as by y.set_index('ds').groupby('unique_id')[['y']].resample('D').asfreq()"
        '.reset_index()',
    ),
    'frequency': (
        SERIES,
        pd.Series([3.0, 4, 5], pd.date_range('2020-01-03', periods=3, freq='h')),
        'update(): the time stamps have a step of 1 hour; those of fit() had one of 1 day',
    ),
    'frequency of a frame': (
        FRAME,
        pd.DataFrame(
            {'unique_id': 'b', 'ds': pd.date_range('2020-01-04', periods=2, freq='h'), 'y': 1.0}
        ),
        'update(): the time stamps have a step of 1 hour; those of fit() had one of 1 day',
    ),
    'array': (
        SERIES,
        [3.0],
        'update(): y is an array; it must be a pandas Series, as in fit()',
    ),
    'list': (
        [[1.0], [2.0]],
        [3.0],
        'update(): y is an array; it must be a list of arrays, as in fit()',
    ),
    'short list': (
        [[1.0], [2.0]],
        [[3.0]],
        'update(): y has 1 series; it must have 2, as in fit(), with None for one without new '
        'values',
    ),
    'inf': (
        [1.0],
        [np.inf],
        'update(): y[0] is inf; numbers must be finite, or NaN where they are missing',
    ),
}


@pytest.mark.parametrize('case', WRONG)
def test_values_that_do_not_follow(case):
    y, new, message = WRONG[case]
    assert message_of(read('fit()', y, None, PLAIN), new) == message


def test_a_series_of_a_list_may_have_nothing_new():
    panel = read('fit()', [[1.0], [2.0]], None, PLAIN)
    new = more('update()', panel, [None, [3.0]])
    assert lists(join(panel, new)) == [[1], [2, 3]]
    with pytest.raises(DataError) as caught:
        more('update()', panel, [None, [np.inf]])
    assert str(caught.value).startswith('update(): y[1][0] is inf')


def test_covariates_of_a_list_are_beside_the_series_that_go_on():
    columns = Columns(past=('x',))
    panel = read('fit()', [[1.0], [2.0]], [{'x': [3]}, {'x': [4]}], columns)
    new = more('update()', panel, [None, [5.0]], [None, {'x': [6]}])
    assert lists(join(panel, new), 'past') == [[[3]], [[4], [6]]]
