"""Arguments of a wrong kind: only errors of rnnkit, and what they say."""

import re

import numpy as np
import pytest

from rnnkit import metrics, recurrent
from rnnkit.errors import DataError, RnnkitError, ShapeError

WORDS = recurrent.Text('who wrote hamlet ? why who why ?', level='word')
LETTERS = recurrent.Text('abcabc')
MASKED = np.ma.masked_equal(np.arange(6), 3)


# --- one or many


def test_encode_takes_one_text():
    message = (
        "encode(): a list is a list of the words of one text; 'who wrote hamlet ?' has 4. For "
        'several texts write [text.encode(s) for s in texts]'
    )
    with pytest.raises(DataError, match=f'^{re.escape(message)}$'):
        WORDS.encode(['who wrote hamlet ?', 'why ?'])
    with pytest.raises(DataError, match="list of the characters of one text; 'ab' has 2"):
        LETTERS.encode(['ab', 'c'])
    assert WORDS.encode(['who', 'wrote', 'why']) == [2, 0, 3]
    assert LETTERS.encode(['a', 'x', 'c']) == [1, 0, 3]
    names = recurrent.Text(['New York', 'is', 'is', 'New York'])
    assert names.encode(['New York', 'is', 'New', '\n']) == [1, 2, 0, 0]
    with pytest.raises(ShapeError, match=r'got \(2, 2\); for several texts, decode each'):
        WORDS.decode([[1, 2], [2, 1]])
    with pytest.raises(ShapeError, match='numbers cannot be read as one array'):
        WORDS.decode([[1, 2], [2]])


# --- the range of every conversion to integers


@pytest.mark.parametrize(
    ('sequences', 'dtype', 'message'),
    [
        (
            [[300], [1, 2]],
            'uint8',
            'x[0] contains 300 at index (0,), which does not fit uint8: 0 to 255',
        ),
        (
            [[1], [0, -1]],
            'uint8',
            'x[1] contains -1 at index (1,), which does not fit uint8: 0 to 255',
        ),
        (
            [[1], [2**31]],
            'int32',
            'x[1] contains 2147483648 at index (0,), which does not fit int32',
        ),
        ([[1], [1e30]], 'int64', 'x[1] contains 1e+30 at index (0,), which does not fit int64'),
        ([[1], [2.0**63]], 'int64', 'which does not fit int64: -9223372036854775808 to'),
        ([[1], np.array([2**63], 'uint64')], 'int64', 'which does not fit int64'),
        ([[1], [0.5]], 'int8', 'x[1] must be whole numbers (class labels); got 0.5 at index (0,)'),
        ([[1], [np.nan]], 'int16', 'x[1] contains nan at index (0,); labels and tokens must be'),
        ([[1], [2]], 'bool', 'x[1] contains 2 at index (0,), which does not fit bool: 0 to 1'),
        (
            [[1.0], [1e5]],
            'float16',
            'x[1] contains 100000 at index (0,), which does not fit float16',
        ),
        (
            [[1.0], [1e40]],
            'float32',
            'x[1] contains 1e+40 at index (0,), which does not fit float32',
        ),
    ],
)
def test_no_number_is_wrapped(sequences, dtype, message):
    with pytest.raises(DataError, match=f'^(x.*)?{re.escape(message)}'):
        recurrent.pad(sequences, dtype)


def test_numbers_that_fit_are_kept():
    array, mask = recurrent.pad([[255], [0, 7.0]], 'uint8')
    assert array.tolist() == [[255, 0], [0, 7]]
    assert (array.dtype, mask.dtype) == ('uint8', 'float32')
    assert recurrent.pad([[-(2**63)], [2**63 - 1]], 'int64')[0].tolist() == [[-(2**63), 2**63 - 1]]


@pytest.mark.parametrize('numbers', [[-1], [4], [0.5], [np.nan], [2**64], [True, 5]])
def test_one_hot_takes_the_numbers_of_symbols(numbers):
    with pytest.raises(DataError, match=r'one_hot\(\)'):
        LETTERS.one_hot(numbers)
    np.testing.assert_array_equal(LETTERS.one_hot([[3.0]]), [[[0, 0, 0, 1]]])


# --- masked arrays of NumPy

OF_MASKED = {
    'pad': lambda a: recurrent.pad([a, [1]]),
    'pad in a list': lambda a: recurrent.pad([[1.0], a]),
    'unpad': lambda a: recurrent.unpad(a.reshape(3, 2), np.ones((3, 2))),
    'the mask of unpad': lambda a: recurrent.unpad(np.ones((3, 2)), a.reshape(3, 2)),
    'batches': lambda a: recurrent.batches(a, 2, 3),
    'batches of several': lambda a: recurrent.batches([np.arange(6), a], 2, 3),
    'fold': lambda a: recurrent.fold(a, 2),
    'decode': lambda a: LETTERS.decode(a % 4),
    'one_hot': lambda a: LETTERS.one_hot(a % 4),
    'a target': lambda a: metrics.mse(a, np.arange(6)),
    'an output': lambda a: metrics.accuracy(np.arange(6), a),
    'weights': lambda a: metrics.mae(np.arange(6), np.arange(6), a),
    'confusion': lambda a: metrics.confusion(a, np.arange(6)),
}


@pytest.mark.parametrize('name', OF_MASKED)
def test_a_mask_of_numpy_is_not_lost(name):
    call = OF_MASKED[name]
    message = 'is a NumPy masked array, and its mask would be lost; pass a plain array'
    with pytest.raises(DataError, match=message):
        call(MASKED)
    call(np.ma.array(np.arange(6)))  # in which nothing is masked


# --- anything

SERIES = np.arange(12.0)
RIGHT = {
    recurrent.pad: {'sequences': [[1.0], [2.0, 3.0]]},
    recurrent.unpad: {'array': np.ones((3, 2)), 'mask': np.ones((3, 2))},
    recurrent.batches: {'arrays': SERIES, 'steps': 3, 'batch_size': 2},
    recurrent.fold: {'series': SERIES, 'streams': 2},
    recurrent.Text: {'text': 'abab'},
    LETTERS.encode: {'text': 'ab'},
    LETTERS.decode: {'numbers': [1]},
    LETTERS.one_hot: {'numbers': [1]},
    LETTERS.batches: {'steps': 2, 'batch_size': 2},
    LETTERS.classifier_batches: {'steps': 2, 'batch_size': 2},
    LETTERS.contiguous_batches: {'steps': 2, 'batch_size': 2},
    metrics.mse: {'target': [1.0, 0], 'output': [0, 1.0]},
    metrics.f1: {'target': [1, 0], 'output': [0, 1]},
    metrics.confusion: {'target': [1, 0], 'output': [0, 1]},
    metrics.bits: {'target': [1, 0], 'output': [[0, 1], [0.5, 0.5]]},
    metrics.add: {'means': [abs]},
}
PARAMETERS = {
    recurrent.pad: ['dtype', 'ndim', 'lengths', 'mask_dtype', 'steps', 'layout'],
    recurrent.unpad: ['layout'],
    recurrent.batches: ['rng', 'layout'],
    recurrent.fold: ['layout'],
    recurrent.Text: ['alpha', 'min_count', 'unknown', 'level'],
    LETTERS.batches: ['rng', 'one_hot', 'layout', 'dtype'],
    LETTERS.classifier_batches: ['rng', 'layout', 'dtype'],
    LETTERS.contiguous_batches: ['one_hot', 'layout', 'dtype'],
    metrics.mse: ['weights'],
    metrics.f1: ['weights'],
    metrics.confusion: ['weights', 'classes'],
    metrics.bits: ['weights'],
    metrics.add: ['reads', 'targets'],
}
ODD = [
    None,
    'text',
    b'bytes',
    -1,
    1.5,
    np.nan,
    np.inf,
    10**100,
    True,
    [],
    {},
    {1},
    object(),
    abs,
    dict,
    range(3),
    [object()],
    [[1], [2, 3]],
    [[1, 2], 3],
    np.array([1j]),
    np.array(['a']),
    np.array([None, 'a'], object),
    np.zeros(0),
    np.datetime64('2020-01-01'),
    '\ud800',
]


@pytest.mark.parametrize('function', RIGHT, ids=lambda f: f.__name__)
def test_arguments_of_a_wrong_kind(function):
    for name in [*RIGHT[function], *PARAMETERS.get(function, [])]:
        for value in ODD:
            message = ''
            try:
                result = function(**{**RIGHT[function], name: value})
                if callable(result) and function is not metrics.add:
                    result()
            except RnnkitError as error:
                message = str(error)
            assert len(message) < 600, f'{name}={value!r}'
