"""Sequences of different lengths: padding, masks, and back."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rnnkit.data.ragged import is_ragged, pad, unpad
from rnnkit.errors import ConfigError, DataError, ShapeError

quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)
FLOATS = st.floats(-1e6, 1e6, width=32)
LENGTHS = st.lists(st.integers(1, 7), min_size=1, max_size=6)
LAYOUTS = st.sampled_from(['time', 'batch'])


@st.composite
def ragged(draw):
    """Return sequences (T_i, I) of one number of features, or whole numbers (T_i,)."""
    lengths = draw(LENGTHS)
    if draw(st.booleans()):
        return [draw(hnp.arrays('int64', n, elements=st.integers(0, 99))) for n in lengths]
    features = draw(st.integers(1, 3))
    return [draw(hnp.arrays('float32', (n, features), elements=FLOATS)) for n in lengths]


@quick
@given(ragged(), LAYOUTS)
def test_unpad_takes_back_what_pad_has_done(sequences, layout):
    array, mask = pad(sequences, sequences[0].dtype.name, layout=layout)
    found = unpad(array, mask, layout)
    assert len(found) == len(sequences)
    for one, other in zip(found, sequences, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype


@quick
@given(ragged())
def test_the_mask_says_where_there_is_data_and_the_rest_is_0(sequences):
    array, mask = pad(sequences, sequences[0].dtype.name)
    T, B = max(map(len, sequences)), len(sequences)
    assert array.shape == (T, B, *sequences[0].shape[1:])
    assert mask.shape == (T, B)
    assert mask.dtype == np.float32
    for k, one in enumerate(sequences):
        assert mask[:, k].tolist() == [1] * len(one) + [0] * (T - len(one))
        assert not array[len(one) :, k].any()


def test_pad_to_more_steps_than_there_are():
    array, mask = pad([[1, 2], [3]], 'int64', steps=3, layout='batch')
    assert array.tolist() == [[1, 2, 0], [3, 0, 0]]
    assert mask.tolist() == [[1, 1, 0], [1, 0, 0]]
    assert pad([[1, 2], [3]], 'int64', steps=1)[0].shape == (2, 2)


def test_the_layout_with_the_batch_first_is_the_same_turned():
    x = [np.ones((2, 3)), np.ones((4, 3))]
    for time, batch in zip(pad(x), pad(x, layout='batch'), strict=True):
        np.testing.assert_array_equal(time.swapaxes(0, 1), batch)
        assert time.flags.c_contiguous
        assert batch.flags.c_contiguous


def test_the_mask_has_the_type_of_the_numbers_unless_told_otherwise():
    x = [[[1.0]], [[2.0], [3.0]]]
    assert [a.dtype for a in pad(x, 'float64')] == ['float64', 'float64']
    assert [a.dtype for a in pad([[1], [2, 3]], 'int64')] == ['int64', 'float32']
    labels, mask = pad([[1], [2, 3]], 'int64', mask_dtype='float64')
    assert (labels.dtype, mask.dtype) == ('int64', 'float64')


def test_gaps_in_a_mask_are_left_out():
    array = np.arange(6).reshape(3, 2)
    mask = np.array([[1, 0], [0, 1], [1, 1]], bool)
    assert [one.tolist() for one in unpad(array, mask)] == [[0, 4], [3, 5]]


X = np.ones((3, 2))
LISTS = [  # what stands for one array, the axes of one sequence, whether it is sequences
    ([X, np.ones((5, 2))], 2, True),
    ([X, X], 2, True),  # equal lengths do not make it an array
    ((X, X), 2, True),
    ([[[1, 2], [3, 4]], [[5, 6]]], 2, True),
    ([[], [[5, 6]]], 2, True),  # so that `pad` can say which is empty
    (np.array([X, np.ones((5, 2)), None], object)[:2], 2, True),
    (np.stack([X, X]), 2, False),
    ([np.stack([X, X]), np.stack([X, X])], 2, False),  # [x, y]
    ([np.stack([X, X]), np.ones((2, 3), int)], 2, False),  # [x, labels]
    (X, 2, False),
    ([np.arange(3), np.arange(5)], 1, True),
    ([[1, 2], [3]], 1, True),
    ([np.arange(3), np.arange(5)], 2, False),
    ([X], 1, False),
    ([1, 2, 3], 1, False),
    (np.array([1, 2], object), 1, False),
    ([], 2, False),
    (None, 2, False),
    ('abc', 1, False),
    (['ab', 'c'], 1, False),
]


@pytest.mark.parametrize(('value', 'ndim', 'answer'), LISTS)
def test_the_type_says_whether_there_are_sequences(value, ndim, answer):
    assert is_ragged(value, ndim) is answer


BAD = [
    ([[[1.0]], [[2.0]], [[3.0]], [[1.0, 2.0]]], ShapeError, 'x[3] has 2 features; x[0] has 1'),
    ([[[1.0]], []], DataError, 'x[1] is empty: its shape is (0,)'),
    ([np.ones((2, 1)), np.ones((0, 1))], DataError, 'x[1] is empty: its shape is (0, 1)'),
    (
        [[[1.0]], [[2.0], [np.nan]]],
        DataError,
        'x[1] contains nan at index (1, 0); numbers must be finite',
    ),
    ([[['a']]], DataError, 'x[0] must be real numbers; got an array of <U1'),
    ([[[1.0]], None], DataError, 'x[1] must be an array of numbers; got NoneType'),
    (
        [[[1.0]], [1.0, 2.0]],
        ShapeError,
        'x[1] has 1 axes, shape (2,); a sequence is (time, features); a single feature needs an '
        'axis of its own: array[:, None]',
    ),
    ([[[1.0]], 3.0], ShapeError, 'x[1] is a single number, 3.0; a sequence is an array'),
    ([np.array(3.0)], ShapeError, 'x[0] is a single number, 3.0; a sequence is an array'),
    ([[[1.0], [2.0, 3.0]]], ShapeError, 'x[0] is ragged'),
    ([], DataError, 'x is empty: it is a list without a sequence'),
    (np.ones((2, 3, 1)), DataError, 'x must be a list of sequences; got ndarray'),
]


@pytest.mark.parametrize(('value', 'error', 'message'), BAD, ids=[m[:30] for *_, m in BAD])
def test_the_sequence_that_is_wrong_is_named(value, error, message):
    with pytest.raises(error, match=f'^{re.escape(message)}'):
        pad(value)


def test_whole_numbers_are_wanted_for_labels():
    with pytest.raises(DataError, match=r'y\[1\] must be whole numbers'):
        pad([[1], [0.5]], 'int64', where='y')


def test_targets_must_be_as_long_as_their_inputs():
    with pytest.raises(ShapeError, match=r'y\[1\] has 3 steps, but x\[1\] has 2'):
        pad([[1], [2, 3, 4]], 'int64', lengths=[1, 2], where='y')
    with pytest.raises(ShapeError, match='y has 2 sequences, but x has 3'):
        pad([[1], [2, 3, 4]], 'int64', lengths=[1, 2, 3], where='y')
    pad([[1], [2, 3, 4]], 'int64', lengths=[1, 3], where='y')


def test_the_axes_that_are_wanted_may_be_told():
    with pytest.raises(ShapeError, match=r'x\[0\] has 1 axes.*array\[:, None\]'):
        pad([[1.0], [2.0, 3.0]], ndim=2)
    with pytest.raises(ShapeError, match=r'y\[0\] has 2 axes, shape \(1, 1\).*array of 1 axes'):
        pad([[[1]]], 'int64', ndim=1, where='y')


def test_array_and_mask_must_agree():
    with pytest.raises(ShapeError, match=r'array \(2, 3\) and mask \(3, 2\)'):
        unpad(np.ones((2, 3)), np.ones((3, 2)))
    with pytest.raises(ShapeError, match=r'mask \(2,\)'):
        unpad(np.ones((2, 3)), np.ones(2))
    with pytest.raises(ConfigError, match="layout must be one of 'time', 'batch'; got 'T'"):
        pad([[1]], 'int64', layout='T')
