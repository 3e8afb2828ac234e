"""Frames and Series: their numbers, and errors that name the column and the row."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

import rnnkit
from rnnkit.data import frames
from rnnkit.data.arrays import as_array
from rnnkit.errors import DataError, ShapeError

pd = pytest.importorskip('pandas')

DAYS = pd.date_range('2026-03-01', periods=5)
FRAME = pd.DataFrame({'a': [1.0, 2, 3, 4, 5], 'b': [5, 4, 3, 2, 1]}, index=DAYS)
VALUES = np.array([[1, 5], [2, 4], [3, 3], [4, 2], [5, 1.0]])


class Column:
    """A column of a frame of another library: it has no labels of rows and no isna."""

    def __init__(self, values, name):
        self.values, self.name = np.asarray(values), name
        self.shape, self.dtype = self.values.shape, f'Kind({self.values.dtype})'

    def to_numpy(self):
        return self.values


class Frame:
    """A frame of another library, as of polars."""

    def __init__(self, **columns):
        self._columns = [Column(values, name) for name, values in columns.items()]
        self.columns = list(columns)
        self.dtypes = [column.dtype for column in self._columns]
        self.shape = (len(self._columns[0].values), len(columns))

    def __getitem__(self, index):
        rows, k = index
        assert rows == slice(None)
        return self._columns[k]

    def __len__(self):
        return self.shape[0]

    def to_numpy(self):
        raise AssertionError('columns are read one by one')


def net_of(layers=(2, ('rnn', 3), 1), model=rnnkit.Regressor, **options):
    return model(list(layers), seed=0, dtype='float64', **options)


SAME = {
    'one dtype': FRAME.astype(float),
    'several dtypes': FRAME,
    'small dtypes': FRAME.astype({'a': 'float32', 'b': 'int8'}),
    'nullable': FRAME.astype({'a': 'Float64', 'b': 'Int64'}),
    'nullable, one': FRAME.astype('Float32'),
    'objects': FRAME.astype(object),
    'sparse': FRAME.astype({'b': pd.SparseDtype('int64', 0)}),
    'names that are the same': FRAME.set_axis(['a', 'a'], axis=1),
    'another library': Frame(a=VALUES[:, 0], b=VALUES[:, 1].astype(int)),
}


@pytest.mark.parametrize('what', SAME)
def test_a_frame_is_read_as_its_numbers(what):
    found = as_array('x', SAME[what], 'float64')
    np.testing.assert_array_equal(found, VALUES)
    assert found.flags.c_contiguous


def test_true_and_false_beside_numbers():
    frame = FRAME.assign(b=[True, False, True, True, False])
    np.testing.assert_array_equal(as_array('x', frame, 'float32')[:, 1], [1, 0, 1, 1, 0])
    frame['b'] = frame['b'].astype('boolean')
    np.testing.assert_array_equal(as_array('x', frame, 'float32')[:, 1], [1, 0, 1, 1, 0])


def test_a_table_has_the_labels_of_its_rows():
    table = frames.read('x', FRAME)
    assert table.columns == ('a', 'b')
    assert table.rows[2] == DAYS[2]
    series = frames.read('x', FRAME['b'])
    assert series.columns == ('b',)
    assert series.array.tolist() == [5, 4, 3, 2, 1]
    assert frames.read('x', pd.Series([1, 2])).columns == ()
    other = frames.read('x', SAME['another library'])
    assert (other.columns, list(other.rows)) == (('a', 'b'), [0, 1, 2, 3, 4])
    assert frames.read('x', Column([1, 2], 'c')).array.tolist() == [1, 2]


@pytest.mark.parametrize('value', [VALUES, [1, 2], 3.0, None, 'text', pd.array([1, 2]), {}])
def test_what_is_not_a_table(value):
    assert not frames.is_frame(value)
    assert not frames.is_series(value)


def test_an_array_with_a_name_is_a_series_only_if_it_has_one_axis():
    labelled = SimpleNamespace(to_numpy=None, name='temperature', shape=(3, 4))
    assert not frames.is_series(labelled)


SECOND = pd.Series([2.0, 1, 2, 3, 4], index=list('vwxyz'))
HIDDEN = (
    'numbers must be finite; padding needs a mask, in a network with masked=True; fill missing '
    "values, such as by interpolate() or fillna() of pandas, or read them by a layer 'grud'"
)
NUMERIC = 'x must be real numbers; column'
ENCODE = 'encode it as numbers first, such as by pandas.get_dummies, or make it the index'
WRONG = {
    'NaN': (
        FRAME.assign(b=[1, 2, np.nan, 3, 4]),
        f"x contains nan at row 2026-03-03 00:00:00, column 'b'; {HIDDEN}",
    ),
    'NA of whole numbers': (
        FRAME.astype({'b': 'Int64'}).mask(FRAME['b'] == 2),
        f"x contains nan at row 2026-03-04 00:00:00, column 'a'; {HIDDEN}",
    ),
    'NA of True and False': (
        FRAME.assign(b=pd.array([True, None, False, True, True], 'boolean')),
        f"x contains nan at row 2026-03-02 00:00:00, column 'b'; {HIDDEN}",
    ),
    'NA of floats': (
        FRAME.assign(b=pd.array([1.5, None, 2, 1, 1], 'Float64')).reset_index(drop=True),
        f"x contains nan at row 1, column 'b'; {HIDDEN}",
    ),
    'None among objects': (
        FRAME.assign(b=np.array([1, 2, 3, None, 4], object)).set_index(pd.Index(list('vwxyz'))),
        f"x contains nan at row 'y', column 'b'; {HIDDEN}",
    ),
    'text': (
        FRAME.assign(b=pd.array(list('vwxyz'), 'string')),
        f"{NUMERIC} 'b' has dtype string; {ENCODE}",
    ),
    'text among objects': (
        FRAME.assign(b=np.array([1, 2, 'three', 4, 5], object)),
        f"{NUMERIC} 'b' contains 'three', a str; {ENCODE}",
    ),
    'another object': (
        FRAME.assign(b=[1, 2, 3, 4, [5]]),
        f"{NUMERIC} 'b' contains [5], a list",
    ),
    'categories': (
        FRAME.assign(b=pd.Categorical(list('abbab'))),
        f"{NUMERIC} 'b' has dtype category; use its codes (.cat.codes), or one column for each "
        'value (pandas.get_dummies)',
    ),
    'categories that are numbers': (
        FRAME.assign(b=pd.Categorical([1, 2, 1, 2, 1])),
        f"{NUMERIC} 'b' has dtype category; use its codes (.cat.codes), or one column for each "
        'value (pandas.get_dummies)',
    ),
    'dates': (
        FRAME.assign(b=DAYS.astype('datetime64[ns]')),
        f"{NUMERIC} 'b' has dtype datetime64[ns]; leave it out, or make it the index",
    ),
    'dates with a zone': (
        FRAME.assign(b=DAYS.astype('datetime64[ns]').tz_localize('UTC')),
        f"{NUMERIC} 'b' has dtype datetime64[ns, UTC]; leave it out, or make it the index",
    ),
    'durations': (
        FRAME.assign(b=(DAYS - DAYS[0]).astype('timedelta64[ns]')),
        f"{NUMERIC} 'b' has dtype timedelta64[ns]; divide it by a unit of time, such as "
        "pandas.Timedelta('1h')",
    ),
    'complex numbers': (FRAME.assign(b=1j), f"{NUMERIC} 'b' has dtype complex128"),
    'too few columns': (FRAME[['a']], "x has 1 column, 'a'; the input layer has 2 features"
        '; one series is (time, features), of 2 features'),
    'no rows': (FRAME[:0], 'x is empty: its shape is (0, 2)'),
    'of another library': (
        Frame(a=VALUES[:, 0], b=['u', 'v', 'w', 'x', 'y']),
        f"{NUMERIC} 'b' has dtype Kind(<U1)",
    ),
}  # fmt: skip


@pytest.mark.parametrize('what', WRONG)
def test_a_wrong_frame_is_refused_by_column_and_row(what):
    frame, message = WRONG[what]
    with pytest.raises((DataError, ShapeError), match=f'^predict\\(\\): {re.escape(message)}$'):
        net_of().predict(frame)


def test_a_wrong_value_in_a_list_of_frames_is_named():
    wrong = FRAME.assign(b=[1, 2, np.nan, 3, 4]).set_axis(list('vwxyz'))
    for net in (net_of(), net_of(masked=True), net_of(layout='batch')):
        with pytest.raises(DataError, match=re.escape("x[1] contains nan at row 'x', column 'b'")):
            net.predict([FRAME, wrong])
        with pytest.raises(DataError, match=re.escape('x[1] contains nan at index (2, 1); ')):
            net.predict([FRAME, wrong.to_numpy()])


def test_a_wrong_value_of_a_series_is_named():
    net = net_of((1, ('rnn', 3), 1))
    wrong = SECOND.mask(SECOND == 3)
    with pytest.raises(DataError, match=r"^predict\(\): x contains nan at row 'y'; numbers must"):
        net.predict(wrong)
    with pytest.raises(DataError, match=r"^predict\(\): x contains nan at row 'y', column 'c'; nu"):
        net.predict(wrong.rename('c'))
    with pytest.raises(DataError, match=r"^score\(\): y contains nan at row 'y'; numbers must be"):
        net.score(SECOND, wrong)
    with pytest.raises(DataError, match=r"^predict\(\): x\[1\] contains nan at row 'y'; numbers"):
        net.predict([SECOND, wrong])


def test_a_wrong_label_is_named():
    net = net_of((2, ('rnn', 3), 3), rnnkit.Classifier)
    labels = pd.Series([0, 1, 5, 0, 1], index=DAYS, name='kind')
    with pytest.raises(
        DataError,
        match=re.escape("one for each unit; this is at row 2026-03-03 00:00:00, column 'kind'"),
    ):
        net.score(FRAME, labels)
    with pytest.raises(DataError, match=r"y contains nan at row .*, column 'kind'; labels and tok"):
        net.score(FRAME, labels.astype('Int64').mask(labels == 5))


def test_a_wrong_name_of_a_class_is_named_by_its_row():
    net = net_of((2, ('rnn', 3), 2), rnnkit.Classifier, classes=['no', 'yes'])
    labels = pd.Series(['no', 'yes', 'who', 'no', 'no'], index=DAYS, name='kind')
    place = r"label 'who', .* this is at row 2026-03-03 00:00:00, column 'kind'"
    for y in (labels, labels.astype('category'), labels.to_frame()):
        with pytest.raises(DataError, match=place):
            net.score(FRAME, y)


@pytest.mark.parametrize('labels', [['no', 'yes'], [0, 1]])
def test_a_frame_of_one_label_for_each_sequence_has_its_hint(labels):
    net = net_of((2, ('rnn', 3), 'last', 2), rnnkit.Classifier)
    y = pd.DataFrame({'kind': labels})
    message = 'train: y has shape (2, 1); a classifier expects one label for each (batch): try '
    with pytest.raises(ShapeError, match=re.escape(message + 'y.squeeze("columns")') + '$'):
        net.train([np.ones((3, 2, 2)), y])


def test_what_a_weight_or_a_mask_hides_may_be_missing():
    y = pd.DataFrame({'y': pd.array([1, 2, None, 4, 5], 'Int64')}, index=DAYS)
    weights = pd.Series([1, 1, 0, 1, 1.0], index=DAYS)
    net = net_of(weighted=True)
    full = [FRAME.to_numpy()[:, None], y['y'].fillna(0).to_numpy()[:, None, None].astype(float)]
    assert net.score(FRAME, y, weights) == net.score(*full, weights.to_numpy()[:, None])
    x = FRAME.astype('Float64')
    x.iloc[4] = pd.NA
    mask = pd.Series([1, 1, 1, 1, 0], index=DAYS)
    net = net_of(masked=True)
    np.testing.assert_array_equal(net.predict(x, mask=mask)[:4], net.predict(FRAME)[:4])
    assert net.predict(x, mask=mask)[4].tolist() == [0]


def test_frames_are_ragged_sequences():
    net, short = net_of(masked=True), FRAME[:3]
    y = [FRAME['a'], short['a']]
    arrays = [FRAME.to_numpy(), short.to_numpy()]
    targets = [one.to_numpy(float)[:, None] for one in y]
    for one, other in zip(net.predict([FRAME, short]), net.predict(arrays), strict=True):
        np.testing.assert_array_equal(one, other)
    assert net.score([FRAME, short], y) == net.score(arrays, targets)
    assert net.evaluate([FRAME, short], y) == net.evaluate(arrays, targets)
    trained = net_of(masked=True)
    assert trained.train([[FRAME, short], y], epochs=2) == net.train([arrays, targets], epochs=2)


def test_rows_are_examples_where_there_is_no_time():
    net = net_of((2, (3, 'tanh'), 1))
    np.testing.assert_array_equal(net.predict(FRAME), net.predict(VALUES))
    assert net.score(FRAME, FRAME['a']) == net.score(VALUES, VALUES[:, :1])
    with pytest.raises(DataError, match=r'^score\(\): y contains nan at row 2026-03-02 00:00:00,'):
        net.score(FRAME, FRAME['a'].mask(FRAME['a'] == 2))
    net = net_of((2, ('rnn', 3), 'last', 1))  # a target for each sequence
    sequences = [FRAME, FRAME + 1]
    y = pd.Series([1.0, 2])
    assert net.score(sequences, y) == net.score(np.stack(sequences, axis=1), y.to_numpy()[:, None])
