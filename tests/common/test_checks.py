"""Checks of single values: what passes, what does not, and what the message says."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from rnnkit.common import checks
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError

BOOLS = (True, False, np.True_)
NUMBERS = (3, 0, -2, np.int64(3), np.uint8(7), 2.5, np.float32(0.5), Fraction(1, 2))
OTHERS = (None, 'a', '3', [3], (3,), {}, np.array([1, 2]), np.array(3.0), 3j, Decimal(3), max)
NOT_FINITE = (np.nan, np.inf, -np.inf, 10**400)


def test_is_whole():
    assert all(map(checks.is_whole, (3, 0, -2, np.int64(3), np.uint8(7), 10**400)))
    assert not any(map(checks.is_whole, (*BOOLS, *OTHERS, 2.0, np.nan, np.inf)))
    assert checks.is_whole(2, 2)
    assert not checks.is_whole(1, 2)


def test_is_real():
    assert all(map(checks.is_real, NUMBERS))
    assert not any(map(checks.is_real, (*BOOLS, *OTHERS, *NOT_FINITE)))


def test_whole():
    for value in (1, 9, np.int64(4)):
        number = checks.whole('f(): n', value, 1)
        assert type(number) is int
        assert number == value
    assert checks.whole('n', 0) == 0
    assert checks.whole('n', 5, 0, most=5) == 5


@pytest.mark.parametrize('value', [*BOOLS, *OTHERS, 1.0, np.nan, -1])
def test_values_that_are_not_whole(value):
    with pytest.raises(ConfigError) as caught:
        checks.whole('train(): patience', value)
    message = f'train(): patience must be a whole number of at least 0; got {value!r}'
    assert str(caught.value) == message


def test_limits_of_a_whole_number():
    with pytest.raises(ConfigError, match='epochs must be a whole number of at least 1; got 0'):
        checks.whole('train(): epochs', 0, 1)
    with pytest.raises(ConfigError, match='n must be a whole number from 1 to 24; got 25'):
        checks.whole('n', 25, 1, most=24)


def test_optional_whole():
    assert checks.optional_whole('n', None, 1) is None
    assert checks.optional_whole('n', 3, 1) == 3
    with pytest.raises(ConfigError, match='n must be a whole number of at least 1; got 0'):
        checks.optional_whole('n', 0, 1)


def test_real():
    for value in NUMBERS:
        number = checks.real('x', value)
        assert type(number) is float
        assert number == value
    assert checks.real('x', 0, least=0) == 0
    assert checks.real('x', 1e-300, above=0) == 1e-300
    assert checks.real('x', 0.999, least=0, below=1) == 0.999


@pytest.mark.parametrize('value', [*BOOLS, *OTHERS, *NOT_FINITE])
def test_values_that_are_not_real(value):
    with pytest.raises(ConfigError) as caught:
        checks.real('train(): momentum', value)
    assert str(caught.value) == f'train(): momentum must be a finite number; got {brief(value)}'


@pytest.mark.parametrize(
    ('value', 'limits', 'message'),
    [
        (-1, {'least': 0}, 'x must be a finite number of at least 0; got -1'),
        (0, {'above': 0}, 'x must be a finite number above 0; got 0'),
        (1, {'below': 1}, 'x must be a finite number below 1; got 1'),
        (1, {'least': 0, 'below': 1}, 'x must be a finite number of at least 0 and below 1; got 1'),
        (0, {'above': 0, 'below': 1}, 'x must be a finite number above 0 and below 1; got 0'),
    ],
)
def test_limits_of_a_number(value, limits, message):
    with pytest.raises(ConfigError) as caught:
        checks.real('x', value, **limits)
    assert str(caught.value) == message


def test_probability():
    assert checks.probability('rate', 0) == 0
    assert checks.probability('rate', 0.5) == 0.5
    for value in (1, -0.1, np.nan, True, 'a'):
        with pytest.raises(ConfigError, match='rate must be .* of at least 0 and below 1; got'):
            checks.probability('rate', value)


def test_flag():
    for value in BOOLS:
        assert checks.flag('bucket', value) is bool(value)
    for value in (*OTHERS, 0, 1, 1.0):
        with pytest.raises(ConfigError, match='bucket must be True or False; got'):
            checks.flag('bucket', value)


def test_choice():
    assert checks.choice('layout', 'time', ('time', 'batch')) == 'time'
    assert checks.choice('n', 2, (1, 2)) == 2
    assert checks.choice('merge', None, (None, 'sum')) is None
    assert checks.choice('name', 'b', {'a': 1, 'b': 2}) == 'b'


@pytest.mark.parametrize(
    ('value', 'end'),
    [
        ('tine', "got 'tine'; did you mean 'time'?"),
        ('x', "got 'x'"),
        (None, 'got None'),
        (np.array(['time']), "got array(['time'], dtype='<U4')"),
        (['time'], "got ['time']"),
    ],
)
def test_values_that_are_no_choice(value, end):
    with pytest.raises(ConfigError) as caught:
        checks.choice('fold(): layout', value, ('time', 'batch'))
    assert str(caught.value) == f"fold(): layout must be one of 'time', 'batch'; {end}"


def test_one_of():
    assert checks.one_of('a', ('a', 'b'))
    assert checks.one_of(None, (None,))
    assert not checks.one_of('c', ('a', 'b'))
    assert not any(checks.one_of(value, ('a', 3)) for value in OTHERS if not isinstance(value, str))


def test_generator():
    rng = np.random.default_rng(3)
    assert checks.generator(rng) is rng
    assert checks.generator(3).random() == checks.generator(np.int64(3)).random()
    assert checks.generator(None).random() != checks.generator(None).random()
    for value in (*BOOLS, -1, 1.5, 'a', [1]):
        with pytest.raises(ConfigError, match=r'rng must be a seed \(.*\) or a numpy.random.Gen'):
            checks.generator(value)
