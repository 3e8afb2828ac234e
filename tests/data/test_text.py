"""Text as numbers: alphabets, words, and batches of windows."""

from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnkit.errors import ConfigError, DataError, ShapeError
from rnnkit.recurrent import Text

quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)
HELLO = 'hello world!'
SOME = Text('the quick brown fox jumps over the lazy dog ' * 20)


def test_symbols_that_are_rare_are_unknown():
    text = Text(HELLO, min_count=2, unknown='_')
    assert text.alpha == 'lo'
    assert text.text == '__llo__o_l__'
    assert text.size == 3
    assert text.numbers.tolist() == text.encode(HELLO)
    assert Text(HELLO, min_count=1).alpha == ' !dehlorw'
    assert Text(HELLO).text == '\0\0llo\0\0o\0l\0\0'


def test_an_alphabet_that_is_given_keeps_its_order():
    text = Text(HELLO, alpha='helo wrd!', unknown='_')
    assert text.alpha == 'helo wrd!'
    assert text.text == HELLO
    assert text.encode('hello!') == [1, 2, 3, 3, 4, 9]
    assert text.encode('you!') == [0, 4, 0, 9]
    assert text.decode([1, 2, 3, 3, 4, 9, 0]) == 'hello!_'
    assert Text(HELLO, alpha=list('helo wrd!')).alpha == text.alpha


def test_the_sign_for_the_unknown_is_never_in_the_alphabet_of_a_text():
    assert Text('__aabb', unknown='_').alpha == 'ab'


@quick
@given(st.text(min_size=2, max_size=30).filter(lambda s: max(map(s.count, s)) > 1))
def test_any_text_comes_back_where_it_is_known(string):
    text = Text(string, unknown='\U0010fffe')
    assert text.decode(text.encode(string)) == text.text
    assert len(text.text) == len(string)
    for old, new in zip(string, text.text, strict=True):
        assert new == (old if old in text.alpha else text.unknown)


def test_words():
    text = Text('the cat and the dog\nand the  bird', level='word')
    assert text.alpha == ('and', 'the')
    assert text.size == 3
    assert text.text == 'the <unk> and the <unk> and the <unk>'
    assert text.encode('the end and') == text.encode(['the', 'end', 'and']) == [2, 0, 1]
    assert text.decode(np.array([2, 0, 1])) == 'the <unk> and'
    assert repr(text) == '<Text: 8 words, 2 different>'


def test_a_list_is_of_words():
    text = Text(['New York', 'is', 'is', 'New York'])
    assert text.level == 'word'
    assert text.alpha == ('New York', 'is')
    assert text.decode([1, 2]) == 'New York is'
    assert Text('a b a', alpha='b a', level='word').encode('a b') == [2, 1]


@pytest.mark.parametrize(
    ('arguments', 'options', 'error', 'message'),
    [
        ([''], {}, DataError, 'the text is empty'),
        (['  \n'], {'level': 'word'}, DataError, 'the text is empty'),
        ([b'abab'], {}, DataError, 'text must be a str or a list of str; got bytes'),
        ([None], {}, DataError, 'text must be a str or a list of str; got NoneType'),
        (['abc'], {}, DataError, 'no character occurs 2 times; try a smaller min_count'),
        (['a b'], {'level': 'word'}, DataError, 'no word occurs 2 times'),
        (['abc', 'xyz'], {}, DataError, 'no character of the text is in alpha'),
        (['abc', 'aba'], {}, ConfigError, "alpha contains 'a' twice"),
        (['abc', 'ab_'], {'unknown': '_'}, ConfigError, r"alpha contains '_', which .* unknown="),
        (
            ['abc', ['ab', 'c']],
            {},
            ConfigError,
            "must be single characters; got 'ab'; level='word' is",
        ),
        (['abc', 'abc'], {'unknown': '<unk>'}, ConfigError, "single characters; got '<unk>'"),
        (['abc', 'abc'], {'unknown': 0}, ConfigError, 'unknown must be a str; got 0'),
        (
            ['abab'],
            {'min_count': 0},
            ConfigError,
            'min_count must be a whole number of at least 1; got 0',
        ),
        (
            ['abab'],
            {'level': 'char'},
            ConfigError,
            "level must be one of 'character', 'word'; got 'char'",
        ),
    ],
)
def test_texts_that_make_no_sense(arguments, options, error, message):
    with pytest.raises(error, match=message):
        Text(*arguments, **options)


@pytest.mark.parametrize(
    ('numbers', 'error', 'message'),
    [
        ([1, 4], DataError, '4 is not the number of a character; they are 0 to 3'),
        ([-1], DataError, '-1 is not the number'),
        ([0.5], DataError, '0.5 is not the number'),
        ([[1, 1], [1, 1]], ShapeError, r'the numbers of one text, \(T,\); got \(2, 2\)'),
    ],
)
def test_numbers_that_stand_for_nothing(numbers, error, message):
    with pytest.raises(error, match=message):
        Text('abcabc').decode(numbers)


# --- batches ---


def assert_are_parts(x, y):
    """Check that each column of x (T, B) is in the text, and y what follows."""
    np.testing.assert_array_equal(x[1:], y[:-1])
    for k in range(x.shape[1]):
        assert SOME.decode(np.append(x[:, k], y[-1, k])) in SOME.text


def test_batches_are_windows_and_what_follows():
    draw = SOME.batches(12, 5, rng=0)
    first, second = draw(), draw()
    for x, y in (first, second):
        assert x.shape == y.shape == (12, 5)
        assert x.dtype == y.dtype == np.int64
        assert_are_parts(x, y)
    assert (first[0] != second[0]).any()


def test_classifier_batches_have_a_one_at_the_number():
    x, y = SOME.classifier_batches(12, 5, rng=0)()
    numbers, same = SOME.batches(12, 5, rng=0)()
    assert x.shape == (12, 5, SOME.size)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, np.eye(SOME.size)[numbers])
    np.testing.assert_array_equal(y, same)
    assert SOME.classifier_batches(12, 5, dtype='float64')()[0].dtype == np.float64


@pytest.mark.parametrize('method', ['batches', 'classifier_batches', 'contiguous_batches'])
def test_the_layout_with_the_batch_first_is_the_same_turned(method):
    seed = {} if method == 'contiguous_batches' else {'rng': 3}
    time, batch = (getattr(SOME, method)(12, 5, layout=o, **seed)() for o in ('time', 'batch'))
    for a, b in zip(time, batch, strict=True):
        np.testing.assert_array_equal(a.swapaxes(0, 1), b)
        assert b.flags.c_contiguous


def test_a_seed_makes_the_same_batches_and_none_makes_others():
    def drawn(rng):
        return SOME.batches(5, 50, rng)()[0].tolist()

    assert drawn(1) == drawn(1) == drawn(np.random.default_rng(1)) != drawn(2)
    assert drawn(None) != drawn(None)


@pytest.mark.parametrize('one_hot', [False, True])
def test_contiguous_batches_go_through_the_text(one_hot):
    draw = SOME.contiguous_batches(100, 4, one_hot=one_hot)
    T = (len(SOME.text) - 1) // 4
    windows = list(islice(iter(draw, None), 2 * -(-T // 100)))
    assert [w.fresh for w in windows] == ([True] + [False] * (len(windows) // 2 - 1)) * 2
    x, y = (np.concatenate(parts) for parts in zip(*windows[: len(windows) // 2], strict=True))
    if one_hot:
        x = x.argmax(axis=-1)
    assert x.shape == y.shape == (T, 4)
    assert_are_parts(x, y)
    assert SOME.decode(np.append(x.T.ravel(), y[-1, -1])) == SOME.text[: 4 * T + 1]
    np.testing.assert_array_equal(y[-1, :-1], x[0, 1:])  # a stream ends where the next begins


@pytest.mark.parametrize(
    ('method', 'arguments', 'error', 'message'),
    [
        ('batches', (880,), ShapeError, '880 steps need a text of 881 characters; it has 880'),
        (
            'contiguous_batches',
            (440, 2),
            ShapeError,
            '440 steps in each of 2 streams need a text of 8',
        ),
        ('batches', (0,), ConfigError, 'steps must be a whole number of at least 1; got 0'),
        ('batches', (5, 0), ConfigError, 'batch_size must be a whole number of at least 1; got 0'),
        ('contiguous_batches', (5, 0), ConfigError, 'batch_size must be a whole number'),
        ('batches', (5, 5, 'a'), ConfigError, "rng must be a seed .* got 'a'"),
    ],
)
def test_batches_that_cannot_be_made(method, arguments, error, message):
    with pytest.raises(error, match=message):
        getattr(SOME, method)(*arguments)


def test_the_longest_windows_that_fit():
    (x, y), total = SOME.batches(879, 1)(), len(SOME.text)
    assert x[:, 0].tolist() == SOME.numbers[:-1].tolist()
    assert len(y) == total - 1
    assert SOME.contiguous_batches(439, 2)()[0].shape == (439, 2)


@pytest.mark.parametrize('shape', [(-1,), (-1, 1), (1, -1)])
def test_one_generated_stream_is_decoded(shape):
    numbers = np.array(SOME.encode(SOME.text[:20]))
    assert SOME.decode(numbers.reshape(shape)) == SOME.text[:20]
