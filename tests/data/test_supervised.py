"""Windows of time series: each number against plain slices of the series."""

import logging
import re
import tracemalloc

import numpy as np
import pytest
from disk import mapped
from hypothesis import given, settings
from hypothesis import strategies as st

import rnnkit
from rnnkit.errors import ConfigError, DataError, RnnkitError, ShapeError

pd = pytest.importorskip('pandas')
windows = rnnkit.windows
quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def series_of(*lengths, features=2):
    """Return series in which all numbers differ."""
    total = np.arange(float(sum(lengths) * features)).reshape(-1, features)
    return np.split(total, np.cumsum(lengths)[:-1])


def slices(series, past, future, stride):
    """Return for each window its series, start, past and future, by plain slices."""
    return [
        (k, s, one[s : s + past], one[s + past : s + past + future])
        for k, one in enumerate(series)
        for s in range(0, len(one) - past - future + 1, stride)
    ]


@quick
@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=4),
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(1, 4),
    st.booleans(),
)
def test_every_window_is_a_slice(lengths, past, future, stride, batch_first):
    series, layout = series_of(*lengths), 'batch' if batch_first else 'time'
    known = [-one[:, :1] for one in series]
    expected = slices(series, past, future, stride)
    if not expected:
        with pytest.raises(ShapeError, match=f'a window has {past + future} steps'):
            windows.of(series, past, future, stride)
        return
    found = windows.of(series, past, future, stride, known=known, target=1, layout=layout)
    axis = int(not batch_first)
    assert len(found) == len(expected) == found.x.shape[axis]
    index, forms = found.index, {form: found.arrays(form) for form in ('direct', 'next')}
    sequence = found.arrays()
    for n, (k, s, x, y) in enumerate(expected):
        assert (index.series[n], index.start[n], index.time[n]) == (k, s, s)
        np.testing.assert_array_equal(found.x.take(n, axis), x)
        np.testing.assert_array_equal(found.y.take(n, axis), y[:, 1:])
        np.testing.assert_array_equal(found.known.take(n, axis), -y[:, :1])
        assert found.times.take(n, axis).tolist() == list(range(s + past, s + past + future))
        for array, other in zip(sequence, (found.x, found.known, found.y), strict=True):
            np.testing.assert_array_equal(array, other)
        np.testing.assert_array_equal(forms['direct'][2][n], y[:, 1])
        one = series[k][s + 1 : s + 1 + past]
        np.testing.assert_array_equal(forms['next'][0].take(n, axis), x)
        np.testing.assert_array_equal(forms['next'][1].take(n, axis), -one[:, :1])
        np.testing.assert_array_equal(forms['next'][2].take(n, axis), one[:, 1:])


@quick
@given(st.integers(8, 30), st.integers(1, 4), st.integers(0, 3), st.integers(1, 3), st.data())
def test_some_windows_are_those_windows(length, past, future, stride, data):
    every = windows.of(series_of(length), past, future, stride)
    chosen = data.draw(st.lists(st.integers(0, len(every) - 1), min_size=1, max_size=5))
    for numbers in (chosen, slice(1, None, 2), np.arange(len(every)) % 2 == 0):
        some = every[numbers]
        np.testing.assert_array_equal(some.x, every.x[:, numbers])
        np.testing.assert_array_equal(some.index.start, every.index.start[numbers])
        if future:
            np.testing.assert_array_equal(some.y, every.y[:, numbers])
    assert every[-1].x.shape == (past, 1, 2)


@quick
@given(
    st.lists(st.integers(6, 30), min_size=1, max_size=3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.floats(0.2, 0.7),
)
def test_targets_of_a_split_do_not_overlap(lengths, past, future, share):
    every = windows.of(series_of(*lengths), past, future)
    cuts = [n - round(share * n) for n in lengths]
    if not (
        any(cut >= past + future for cut in cuts)
        and any(n - future >= max(cut, past) for cut, n in zip(cuts, lengths, strict=True))
    ):
        with pytest.raises(ShapeError, match='no window is left for'):
            every.split(share)
        return
    train, valid = every.split(share)
    for k, (n, cut) in enumerate(zip(lengths, cuts, strict=True)):
        mine, others = (one.index.start[one.index.series == k] for one in (train, valid))
        assert mine.tolist() == list(range(max(0, cut - past - future + 1)))
        assert others.tolist() == list(range(max(0, cut - past), n - past - future + 1))


def test_one_series_is_not_copied():
    series = series_of(50)[0]
    found = windows.of(series, 5, 3, 2, target=0)
    for array in (found.x, found.y, found[2:-1].x, found[::3].y):
        assert np.shares_memory(array, series)
    assert not np.shares_memory(found[[0, 1, 5]].x, series)
    assert np.shares_memory(windows.of(series, 5, 3, layout='batch').x, series)


def test_drawn_windows_are_windows():
    series = series_of(20, 15)
    found = windows.of(series, 4, 2, target=[1, 0])
    pairs = {tuple(x.ravel()): y for _, _, x, y in slices(series, 4, 2, 1)}
    draw = found.batches(8, seed=3)
    first = draw()
    for x, y in (first, draw()):
        assert (x.shape, y.shape) == ((4, 8, 2), (2, 8, 2))
        assert len({tuple(x[:, n].ravel()) for n in range(8)}) == 8
        for n in range(8):
            np.testing.assert_array_equal(y[:, n], pairs[tuple(x[:, n].ravel())][:, ::-1])
    for array, other in zip(found.batches(8, seed=3)(), first, strict=True):
        np.testing.assert_array_equal(array, other)
    by_rng = found.batches(8)(np.random.default_rng(3))
    np.testing.assert_array_equal(by_rng[0], first[0])


def test_a_training_that_is_resumed_draws_the_same_windows(tmp_path):
    found = windows.of(np.sin(np.arange(60.0)), 5, 2)
    options = {'train_batches': 3, 'valid_batches': 1, 'checkpoint': tmp_path / 'c'}

    def net_of():
        return rnnkit.Regressor([1, ('rnn', 3), 'last', 2], seed=0)

    whole = net_of()
    whole.train(found.batches(4, form='direct'), epochs=4, **options)
    part = net_of()
    part.train(found.batches(4, form='direct'), epochs=2, **options)
    part = net_of()
    part.train(found.batches(4, form='direct'), epochs=4, resume=tmp_path / 'c', **options)
    np.testing.assert_array_equal(whole.params[0].get_value(), part.params[0].get_value())


MONTHS = pd.date_range('2020-01-01', periods=20, freq='MS')
FRAME = pd.DataFrame({'sales': np.arange(20.0), 'price': np.arange(20) * 2}, index=MONTHS)


def test_frames_have_names_and_time_stamps():
    found = windows.of({'north': FRAME, 'south': FRAME[:9] + 1}, 5, 3, 2,
                       target='sales', known=['price'])  # fmt: skip
    assert found.index.series.tolist() == ['north'] * 7 + ['south']
    assert found.index.start.tolist() == [0, 2, 4, 6, 8, 10, 12, 0]
    assert found.index.time[1] == np.datetime64('2020-03-01')
    assert found.times[:, 1].tolist() == MONTHS[7:10].to_numpy().tolist()
    np.testing.assert_array_equal(found.x[:, 1], FRAME[2:7])
    np.testing.assert_array_equal(found.y[:, 1, 0], FRAME['sales'][7:10])
    np.testing.assert_array_equal(found.known[:, 7, 0], FRAME['price'][5:8] + 1)
    assert repr(found) == '<SeriesWindows: 8 of 5 + 3 steps, 2 features, from 2 series>'
    one = windows.of(FRAME['sales'], 5)
    assert (one.x.shape, one.times[0, 0]) == ((5, 15, 1), np.datetime64('2020-06-01'))
    numbered = windows.of(FRAME.set_axis([7, 0], axis=1), 5, target=7)
    np.testing.assert_array_equal(numbered.y[0, :, 0], FRAME['sales'][5:])
    zone = windows.of(FRAME.tz_localize('UTC'), 5)
    assert zone.index.time[0] == pd.Timestamp('2020-01-01', tz='UTC')


@pytest.mark.parametrize('layout', ['time', 'batch'])
def test_forms_of_series(layout):
    a, b = series_of(9, 9)
    expected = windows.of([a, b], 3, 2, layout=layout)
    joined = np.stack([a, b], axis=1 if layout == 'time' else 0)
    for form in (joined, (a, b), {0: a, 1: b}, [a, pd.DataFrame(b)]):
        np.testing.assert_array_equal(windows.of(form, 3, 2, layout=layout).x, expected.x)
    single = windows.of([1, 2, 3, 4], 2)
    assert single.x[..., 0].T.tolist() == [[1, 2], [2, 3]]
    assert windows.of([[1, 2, 3], [4, 5]], 1).y[..., 0].tolist() == [[2, 3, 5]]
    assert windows.of(series_of(9)[0], 3, 0).x.shape == (3, 7, 2)


def test_the_last_steps_of_each_series():
    series = series_of(9, 5)
    known = [np.arange(float(len(one) + 2))[:, None] for one in series]
    found = windows.last(series, 4, 2, known=known)
    for n, one in enumerate(series):
        np.testing.assert_array_equal(found.x[:, n], one[-4:])
        assert found.known[:, n, 0].tolist() == [len(one), len(one) + 1]
    assert found.index.start.tolist() == [5, 1]
    with pytest.raises(ConfigError, match='^these windows have no y: no steps of the series follo'):
        _ = found.y
    with pytest.raises(ConfigError, match='^these windows have no targets'):
        found.arrays()


def test_short_series_are_left_out_with_a_warning(caplog):
    with caplog.at_level(logging.WARNING, 'rnnkit'):
        found = windows.of(series_of(3, 9, 4, 8), 5, 2)
    assert found.index.series.tolist() == [1, 1, 1, 3, 3]
    assert caplog.messages == [
        'windows.of(): 2 of 4 series are shorter than a window of 7 steps (past=5, future=2), and '
        'are left out'
    ]


def test_windows_without_missing_values():
    series = series_of(20)[0]
    series[7, 1] = np.nan
    found = windows.of(series, 3, 2, skip=True)
    assert found.index.start.tolist() == [0, 1, 2, *range(8, 16)]
    found = windows.of(series, 3, 2, target=0, skip=True)  # it counts in the past alone
    assert found.index.start.tolist() == [0, 1, 2, 3, 4, *range(8, 16)]
    found = windows.of(series[:, 0], 3, 2, known=series[:, 1], skip=True)  # in the future alone
    assert found.index.start.tolist() == [0, 1, 2, *range(5, 16)]
    assert len(windows.of(series, 3, 2, stride=8)) == 2  # in no window
    assert np.isfinite(found.x).all()
    assert np.isfinite(found.known).all()


MISSING = FRAME.mask((FRAME == 14) & (FRAME.columns == 'price'))
WRONG = {
    'no past': (lambda: windows.of(FRAME, 0), ConfigError,
        'windows.of(): past must be a whole number from 1 to 2147483647; got 0'),
    'no stride': (lambda: windows.of(FRAME, 3, 1, 0), ConfigError,
        'windows.of(): stride must be a whole number from 1 to 2147483647; got 0'),
    'a misspelt layout': (lambda: windows.of(FRAME, 3, layout='tme'), ConfigError,
        "windows.of(): layout must be one of 'time', 'batch'; got 'tme'; did you mean 'time'?"),
    'a misspelt keyword': (lambda: windows.of(FRAME, 3, targt='sales'), ConfigError,
        "of(): unknown option 'targt', did you mean 'target'?"),
    'a keyword of other libraries': (lambda: windows.of(FRAME, 3, horizon=2), ConfigError,
        "of(): unknown option 'horizon', did you mean 'future'?"),
    'a misspelt column': (lambda: windows.of(FRAME, 3, target='sale'), ConfigError,
        "windows.of(): target: there is no column 'sale'; the columns are 'sales', 'price'; did "
        "you mean 'sales'?"),
    'no such position': (lambda: windows.of(series_of(9)[0], 3, known=[0, 2]), ConfigError,
        'windows.of(): known: there is no column 2; the columns are 0 to 1'),
    'a column twice': (lambda: windows.of(FRAME, 3, target=['sales', 0]), ConfigError,
        "windows.of(): target must be different columns; got ['sales', 0]"),
    'one short series': (lambda: windows.of(FRAME, 24, 12), ShapeError,
        'windows.of(): a window has 36 steps (past=24, future=12), but the series has 20'),
    'short series': (lambda: windows.of([FRAME, FRAME[:5]], 24, 12), ShapeError,
        'windows.of(): a window has 36 steps (past=24, future=12), but the longest of 2 series has '
        '20'),
    'a short series at the end': (lambda: windows.last([FRAME, FRAME[:5]], 6), ShapeError,
        'windows.last(): series[1] has 5 steps; past=6 are needed'),
    'four axes': (lambda: windows.of(np.ones((2, 2, 2, 2)), 1), ShapeError,
        'windows.of(): series has 4 axes, shape (2, 2, 2, 2); a series is (time,) or (time, '
        'features)'),
    'different features': (lambda: windows.of([np.ones((9, 2)), np.ones((9, 3))], 1), ShapeError,
        'windows.of(): series[1] has 3 features; series[0] has 2'),
    'different columns': (lambda: windows.of([FRAME, FRAME[['price', 'sales']]], 1), DataError,
        "windows.of(): series[1] has the columns 'price', 'sales'; series[0] has 'sales', 'price'; "
        'all must have the same, in the same order'),
    'text': (lambda: windows.of('1 2 3', 1), DataError,
        'windows.of(): series must be an array of numbers; got str; turn text into numbers first, '
        'such as by encode() of a rnnkit.recurrent.Text'),
    'dates': (lambda: windows.of(FRAME.assign(day=MONTHS.astype('datetime64[ns]')), 1), DataError,
        "windows.of(): series must be real numbers; column 'day' has dtype datetime64[ns]; leave "
        'it out, or make it the index'),
    'NaN': (lambda: windows.of({'a': FRAME, 'b': MISSING}, 3), DataError,
        "windows.of(): series['b'] contains nan at row 2020-08-01 00:00:00, column 'price'; fill "
        'it, or leave out such windows by skip=True, or pass missing=True for a network that reads '
        'NaN as missing'),
    'NaN of a target': (lambda: windows.of(MISSING, 3, target='price', missing=True), DataError,
        "windows.of(): series contains nan at row 2020-08-01 00:00:00, column 'price'; fill it, or "
        'leave out such windows by skip=True'),
    'infinity is not missing': (lambda: windows.of([1, np.inf, 2, 3], 2, missing=True), DataError,
        'windows.of(): series contains inf at index (1,); fill it, or leave out such windows by '
        'skip=True'),
    'NaN of an array': (lambda: windows.of([np.ones(9), [1, 2, np.inf]], 2), DataError,
        'windows.of(): series[1] contains inf at index (2,); fill it, or leave out such windows by '
        'skip=True'),
    'NaN at the end': (lambda: windows.last(MISSING, 20), DataError,
        "windows.last(): series contains nan at row 2020-08-01 00:00:00, column 'price'; fill it, "
        'or pass missing=True for a network that reads NaN as missing'),
    'NaN everywhere': (lambda: windows.of(MISSING, 18, skip=True), DataError,
        'windows.of(): every window contains NaN or infinity'),
    'short known values': (lambda: windows.of(FRAME, 3, known=np.ones(19)), ShapeError,
        'windows.of(): known has 19 steps; the series has 20'),
    'known values without a future': (
        lambda: windows.last(FRAME, 3, 2, known=np.ones(20)), ShapeError,
        'windows.last(): known has 20 steps; the series has 20, and 2 more are needed for the '
        'future'),
    'known columns without a future': (
        lambda: windows.last(FRAME, 3, 2, known='price'), ConfigError,
        'windows.last(): the columns of the series end with it; pass known as an array that has 2 '
        'more steps'),
    'too few known series': (lambda: windows.of([FRAME] * 2, 3, known=[np.ones(20)]), ShapeError,
        'windows.of(): known has 1 series; there are 2'),
    'large batches': (lambda: windows.of(FRAME, 3).batches(30), ConfigError,
        'batches(): size must be a whole number from 1 to 17; got 30'),
    'another form': (lambda: windows.of(FRAME, 3).arrays('flat'), ConfigError,
        "arrays(): form must be one of 'sequence', 'direct', 'next'; got 'flat'"),
    'no such window': (lambda: windows.of(FRAME, 3)[17], ConfigError,
        'there are 17 windows: index 17 is out of bounds for axis 0 with size 17'),
    'no validation': (lambda: windows.of(FRAME, 3).split(0.01), ShapeError,
        'split(): with valid=0.01 no window is left for validation; the longest series has 20 '
        'steps, and a window 4'),
}  # fmt: skip


def test_missing_values_of_the_past_are_kept():
    series = series_of(20)[0]
    series[7, 1] = np.nan
    found = windows.of(series, 3, 2, target=0, missing=True)
    assert found.index.start.tolist() == list(range(16))
    np.testing.assert_array_equal(found.x[:, 5, 1], series[5:8, 1])
    assert np.isfinite(found.y).all()
    found = windows.of(series, 3, 2, missing=True, skip=True)  # it counts in the future alone
    assert found.index.start.tolist() == [0, 1, 2, 5, 6, *range(7, 16)]
    assert np.isnan(windows.last(series[:8], 3, missing=True).x).sum() == 1
    net = rnnkit.Regressor([2, ('grud', 3), 'last', 2], seed=0)
    some = windows.of(series, 3, 2, target=0, missing=True)
    net.train(some.arrays('direct'), epochs=1)
    assert np.isfinite(net.predict(some.x)).all()


@pytest.mark.parametrize('what', WRONG)
def test_the_error_says_what_to_do(what):
    call, error, message = WRONG[what]
    with pytest.raises(error, match=f'^{re.escape(message)}$') as found:
        call()
    assert isinstance(found.value, RnnkitError)


def test_a_forecaster_in_a_few_lines():
    t = np.arange(400)
    series = np.sin(2 * np.pi * t / 20) + 0.01 * np.random.default_rng(0).standard_normal(400)
    train, valid = windows.of(series, 20, 5).split(0.2)
    net = rnnkit.Regressor([1, ('rnn', 16), 'last', 5], seed=0)
    net.train(train.arrays('direct'), valid.arrays('direct'), algo='adam', learning_rate=0.01,
              epochs=30)  # fmt: skip
    assert net.score(*valid.arrays('direct')) > 0.95


def test_windows_of_a_memory_map_are_views_of_it(tmp_path):
    series = np.random.default_rng(0).standard_normal((50, 2)).astype('float32')
    disk = mapped(tmp_path, series)
    one, two = windows.of(disk, 5, 2, 3), windows.of(series, 5, 2, 3)
    assert np.shares_memory(one.x, disk)
    for name in ('x', 'y', 'times'):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    for a, b in zip(one.batches(4, seed=1)(), two.batches(4, seed=1)(), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(one.split(0.3), two.split(0.3), strict=True):
        np.testing.assert_array_equal(a.index.start, b.index.start)
        np.testing.assert_array_equal(a.x, b.x)
    many = mapped(tmp_path, series.reshape(5, 10, 2))
    three = windows.of(many, 3, 1, layout='batch')
    assert np.shares_memory(three._parts.series.array, many)
    np.testing.assert_array_equal(three.x, windows.of(np.array(many), 3, 1, layout='batch').x)


def test_windows_of_a_long_series_take_no_memory(tmp_path):
    n = 2**21
    disk = np.memmap(tmp_path / 'x', 'uint8', 'w+', shape=(n, 1))  # sparse
    tracemalloc.start()
    long = windows.of(disk, 20, 4)
    train, valid = long.split(0.2)
    draw = train[10:].batches(8, seed=0)
    draw()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20
    assert len(long) == n - 23
    assert len(train) + len(valid) == n - 23 - 3
