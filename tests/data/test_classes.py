"""Labels of any kind: their numbers inside, their names outside."""

import re

import numpy as np
import pandas
import pytest

from rnnkit.data.classes import Classes
from rnnkit.errors import ConfigError

NAMES = ['cat', 'dog', 'eel']
OBJECTS = np.array([['dog', None], [np.nan, 'eel']], dtype=object)


@pytest.mark.parametrize(
    ('names', 'value', 'numbers', 'unknown'),
    [
        (NAMES, np.array([['dog', 'cat'], ['eel', 'cow']]), [[1, 0], [2, 3]], ['cow']),
        (NAMES, [['dog', 'cat'], ['eel', 'cow']], [[1, 0], [2, 3]], ['cow']),
        (NAMES, OBJECTS, [[1, 3], [4, 2]], [None, np.nan]),
        (NAMES, pandas.Series(['eel', 'cat', None]), [2, 0, 3], [np.nan]),
        (NAMES, pandas.Categorical(['eel', 'cat']), [2, 0], []),
        (NAMES, pandas.DataFrame([['eel', 'cat']]), [[2, 0]], []),
        (NAMES, np.array(['eel', ''], dtype=np.dtypes.StringDType()), [2, 3], ['']),
        (NAMES, np.array([0, 1]), [3, 4], [0, 1]),
        ([30, 10, 20], [10, 20, 7], [1, 2, 3], [7]),
        ([30, 10, 20], np.array([10.0, 20.5, np.nan]), [1, 3, 4], [20.5, np.nan]),
        ([30, 10, 20], ['30'], [3], ['30']),
        ([0.1, 0.5], np.array([0.5, 0.1]), [1, 0], []),
        ([True, False], np.array([True, False]), [0, 1], []),
        ([True, False], [1, 0], [0, 1], []),
        ([0, 1], [0, None, 'a', 2], [0, 2, 3, 4], [None, 'a', 2]),
    ],
)
def test_labels_become_numbers(names, value, numbers, unknown):
    classes = Classes(len(names), names)
    found = classes.encode('y', value)
    assert np.asarray(found.value).tolist() == numbers
    assert repr(list(map(_plain, found.unknown))) == repr(list(map(_plain, unknown)))


def _plain(value):
    return value.item() if isinstance(value, np.generic) else value


@pytest.mark.parametrize('names', [NAMES, [30, 10, 20], [0.5, 2.0, 1.0], [2, 0, 1]])
def test_names_there_and_back(names):
    classes = Classes(3, names)
    numbers = np.random.default_rng(0).integers(0, 3, (4, 5))
    labels = classes.decode(numbers)
    assert labels.dtype.kind == np.asarray(names).dtype.kind
    assert [[names.index(one) for one in row] for row in labels.tolist()] == numbers.tolist()
    np.testing.assert_array_equal(classes.encode('y', labels).value, numbers)


@pytest.mark.parametrize(
    ('names', 'labels'),
    [(NAMES, ['dog', '']), ([10, 20, 30], [20, 0]), ([0.5, 1.5, 2.5], [1.5, 0.0])],
)
def test_over_padding_stands_nothing(names, labels):
    found = Classes(3, names).decode(np.array([1, 0]), np.array([True, False]))
    assert found.tolist() == labels


def test_lists_of_sequences_stay_lists():
    ragged = [np.array(['dog', 'cat']), np.array(['eel'])]
    found = Classes(3, NAMES).encode('y', ragged).value
    assert [one.tolist() for one in found] == [[1, 0], [2]]
    assert all(isinstance(one, np.ndarray) for one in found)
    assert Classes(3, NAMES).encode('y', [['dog', 'cat'], ['eel']]).value == [[1, 0], [2]]


@pytest.mark.parametrize('names', [None, [0, 1, 2]])
def test_plain_labels_are_returned_as_they_are(names):
    classes = Classes(3, names)
    assert classes.plain
    for value in (np.array([[0, 7]]), [[0, 1], [2]], [np.array([0.5])], np.array([np.nan]), None):
        assert classes.encode('y', value).value is value
    assert Classes(2, [1, 0]).plain is Classes(2, [0.0, 1.0]).plain is False


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        (
            ['a', 'b'],
            'classes has 2 names, and the last layer 3 units; there must be one for each unit: '
            "'a', 'b'",
        ),
        (['a', 'b', 'a'], "classes must be different names; 'a' is there twice"),
        ([1, 1.0, 2], 'classes must be different names; 1 is there twice'),
        (
            'abc',
            'classes must be a list of the 3 names, in the order of the units of the last layer; '
            "got 'abc'",
        ),
        (3, 'classes must be a list of the 3 names, in the order of the units of the last layer; '),
        (['a', 1, 'b'], 'classes must be of one kind, all strings or all numbers; got '),
        ([True, False, 2], 'classes must be of one kind, all strings or all numbers; got '),
        (
            ['a', None, 'b'],
            'classes: a class is a string, a number or a bool; got None, a NoneType',
        ),
        ([1.0, np.nan, 2], 'classes: a class is a string, a number or a bool; got nan, a float'),
        ([b'a', b'b', b'c'], "classes: a class is a string, a number or a bool; got b'a', a by"),
        (np.array([b'a']), 'classes cannot be read as a list of names: classes is an array of '),
        ([['a', 'b', 'c']], 'classes must be one list of names; got an array of shape (1, 3)'),
        ([1, 2, 2**70], f'classes: {2**70} does not fit int64'),
    ],
)
def test_names_that_are_refused(names, message):
    with pytest.raises(ConfigError, match=f'^{re.escape(message)}'):
        Classes(3, names)
