"""What users keep with a network: files, checkpoints, pickles and copies keep it, too."""

import copy
import datetime
import decimal
import enum
import io
import json
import pathlib
import pickle

import numpy as np
import pytest
from attacks import parts, signed

import rnnkit
from rnnkit.callbacks import Checkpoint
from rnnkit.errors import ConfigError, FormatError

X, Y = np.ones((4, 3, 2), 'f'), np.ones((4, 3, 1), 'f')
EXPECTED = 'meta holds strings, numbers, True, False, None, arrays, and dicts and lists of these'


class Colour(str, enum.Enum):  # noqa: UP042 - as people write it
    RED = 'red'


class Level(enum.IntEnum):
    LOW = 3


def new_net():
    return rnnkit.Regressor([2, ('rnn', 2), 1], seed=0)


def through_a_file(net):
    file = io.BytesIO()
    net.save(file)
    file.seek(0)
    return rnnkit.load(file)


def through_a_checkpoint(net, tmp_path):
    net.train([X, Y], epochs=1, checkpoint=tmp_path / 'training.rnn', progress=False)
    return rnnkit.load(tmp_path / 'training.rnn')


def check_equal(one, other):
    """Compare nested values with their types, dtypes and NaN."""
    assert type(one) is type(other)
    if isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other, strict=True)
        assert other.dtype.isnative
        assert other.flags.writeable
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            check_equal(one[key], other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            check_equal(*pair)
    else:
        assert repr(one) == repr(other)


VALUES = {
    'json': [None, True, False, 0, -1, 2**70, 0.1, -0.0, 1e308, '', 'ü\x00\ud800"', [], {}, [[{}]]],
    'not finite': [float('nan'), float('inf'), -float('inf')],
    'scaler': {'mean': np.array([0.5, np.nan]), 'scale': np.array([1.0, 2.0])},
    **{
        f'{dtype}': np.array([[0, 1, 1], [1, 0, 1]], dtype)
        for dtype in ('?', 'i1', 'u1', 'i2', 'u2', 'i4', 'u4', 'i8', 'u8', 'f2', 'f4', 'f8')
    },
    'no axes': np.array(3.5),
    'empty': np.zeros((0, 3)),
    # Names that parameters, trainings and files have themselves.
    **{
        name: {name: np.ones(1)}
        for name in (
            'hid1.xh',
            'last:hid1.xh',
            'meta:0',
            'a:b',
            'spec',
            '',
            '__metadata__',
            'a/b.c',
        )
    },
    'a': {'b': np.full(1, 2.0)},
}


@pytest.mark.parametrize('way', [through_a_file, through_a_checkpoint, copy.deepcopy, copy.copy])
def test_every_value_is_kept(way, tmp_path):
    net = new_net()
    assert net.meta == {}
    net.meta = VALUES
    check_equal(VALUES, net.meta)
    other = way(net, tmp_path) if way is through_a_checkpoint else way(net)
    check_equal(VALUES, other.meta)
    check_equal(VALUES, pickle.loads(pickle.dumps(other, 0)).meta)
    other.meta['scaler']['mean'][0] = 7
    other.meta['new'] = 1
    check_equal(VALUES, net.meta)
    np.testing.assert_array_equal(other.find('hid1', 'xh').get_value(), net.params[0].get_value())


@pytest.mark.parametrize(
    ('given', 'kept'),
    [
        ((1, (2, 'a')), [1, [2, 'a']]),
        (np.float32(0.1), 0.10000000149011612),
        (np.float64(0.1), 0.1),
        (np.int8(3), 3),
        (np.bool_(True), True),
        (np.str_('a'), 'a'),
        (Colour.RED, 'red'),
        (Level.LOW, 3),
        (np.array([1, 2], '>i4'), np.array([1, 2], 'i4')),
        (np.asfortranarray([[1.0, 2.0], [3.0, 4.0]])[::-1], np.array([[3.0, 4.0], [1.0, 2.0]])),
    ],
)
def test_some_values_come_back_in_another_form_which_is_that_of_the_attribute(given, kept):
    net = new_net()
    net.meta = {'value': given, Colour.RED: 1}
    check_equal({'value': kept, 'red': 1}, net.meta)
    net.meta['value'] = given  # not looked at before it is saved
    check_equal({'value': kept, 'red': 1}, through_a_file(net).meta)


def circle():
    inner = {'x': []}
    inner['x'].append(inner)
    return inner


def deep():
    value = 1
    for _ in range(101):
        value = [value]
    return value


pandas = pytest.importorskip('pandas')


@pytest.mark.parametrize(
    ('value', 'message'),
    [
        ({1, 2}, "meta['a']['mean'] is of type set; write a list"),
        (datetime.date(2000, 1, 1), "meta['a']['mean'] is of type date; write .isoformat()"),
        (b'x', "meta['a']['mean'] is of type bytes; write .decode()"),
        (pathlib.PurePosixPath('x'), "meta['a']['mean'] is of type PurePosixPath; write str(...)"),
        (decimal.Decimal(1), "meta['a']['mean'] is of type Decimal; write float(...)"),
        (1j, f"meta['a']['mean'] is of type complex; {EXPECTED}"),
        (np.longdouble(1), f"meta['a']['mean'] is of type longdouble; {EXPECTED}"),
        (np.datetime64('2000-01-01'), "meta['a']['mean'] is of type datetime64; write str(...)"),
        (
            pandas.Series([1.0]),
            "meta['a']['mean'] is of type Series; write .to_numpy()",
        ),
        (
            pandas.DataFrame({'x': [1.0]}),
            "meta['a']['mean'] is of type DataFrame; write .to_numpy(), or .to_dict('list')",
        ),
        (
            [0, np.array([None, 1])],
            "meta['a']['mean'][1] is an array of object; arrays in meta are of numbers: write "
            '.tolist()',
        ),
        (
            np.array(['a']),
            "meta['a']['mean'] is an array of <U1; arrays in meta are of numbers: write .tolist()",
        ),
        (
            np.array(['2000'], 'M8[Y]'),
            "meta['a']['mean'] is an array of datetime64[Y]; arrays in meta are of numbers: write "
            '.astype(str).tolist()',
        ),
        (
            np.ones(1, 'complex64'),
            "meta['a']['mean'] is an array of complex64; arrays in meta are of numbers: write "
            '.real and .imag',
        ),
        (
            np.ones(1, np.longdouble),
            f"meta['a']['mean'] is an array of {np.dtype(np.longdouble)}; arrays in meta are of "
            f"numbers: write .astype('float64')",
        ),
        (
            np.ma.masked_array([1, 2], [True, False]),
            "meta['a']['mean'] is of type MaskedArray; write .filled(...), and the mask beside it",
        ),
        (10**4000, "meta['a']['mean'] is a number of more than 3,000 digits"),
        ({3: 1}, "meta['a']['mean']: the key 3 is no string; JSON has no other keys"),
        ({':tensor': 'x'}, "meta['a']['mean']: the key ':tensor' is reserved"),
        (circle(), "meta['a']['mean']['x'][0] is a dict that contains itself"),
        (deep(), f"meta['a']['mean']{'[0]' * 98}: dicts and lists are nested more than 100 deep"),
        (new_net(), f"meta['a']['mean'] is of type Regressor; {EXPECTED}"),
    ],
)
def test_what_no_file_can_hold_is_named_when_it_is_set_and_when_it_is_saved(
    value, message, tmp_path
):
    net = new_net()
    net.meta = {'kept': 1}
    with pytest.raises(ConfigError) as caught:
        net.meta = {'a': {'mean': value}}
    assert str(caught.value) == message
    assert net.meta == {'kept': 1}
    net.meta['a'] = {'mean': value}
    for save in (
        lambda: net.save(tmp_path / 'net.rnn'),
        lambda: pickle.dumps(net),
        lambda: net.train([X, Y], epochs=1, checkpoint=tmp_path / 'net.rnn'),
        lambda: net.train([X, Y], epochs=1, callbacks=Checkpoint(tmp_path / 'net.rnn')),
    ):
        with pytest.raises(ConfigError) as caught:
            save()
        assert str(caught.value) == message
    assert net.history == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('value', [None, [], 'a', [('a', 1)], np.ones(2)])
def test_meta_is_a_dict(value):
    net = new_net()
    with pytest.raises(ConfigError, match=r'^meta must be a dict; got '):
        net.meta = value


def test_a_file_without_meta_is_as_before():
    file = io.BytesIO()
    new_net().save(file)
    assert set(parts(file.getvalue())[0]) == {'format', 'version', 'spec', 'digest'}
    assert through_a_file(new_net()).meta == {}
    assert 'meta' not in new_net().to_spec()


def test_a_resumed_training_has_the_meta_of_its_checkpoint(tmp_path):
    path, net = tmp_path / 'training.rnn', new_net()
    net.meta = {'unit': 'm', 'mean': np.ones(2)}

    def count(training):
        training.net.meta['epochs'] = training.epoch

    net.train([X, Y], epochs=2, checkpoint=path, callbacks=count, progress=False)
    assert net.meta['epochs'] == 2
    other = new_net()
    other.meta = {'unit': 'km', 'own': 1}
    other.train([X, Y], epochs=3, resume=path, checkpoint=path, progress=False)
    check_equal({'unit': 'm', 'own': 1, 'mean': np.ones(2), 'epochs': 2}, other.meta)
    check_equal(other.meta, rnnkit.load(path).meta)


def test_a_damaged_meta_is_refused():
    net = new_net()
    net.meta = {'mean': np.ones(2), 'more': [np.zeros(1)]}
    file = io.BytesIO()
    net.save(file)
    entries, arrays = parts(file.getvalue())
    good = json.loads(entries['meta'])
    assert good == {'mean': {':tensor': 'meta:0'}, 'more': [{':tensor': 'meta:1'}]}
    params = {name: array for name, array in arrays.items() if not name.startswith('meta')}
    missing = 'the array {} is missing, or is there twice'
    for meta, there, message in (
        ([], params, 'it is not a dict'),
        (good, {**arrays, 'meta:2': np.ones(1)}, "nothing holds the array 'meta:2'"),
        ({}, arrays, "nothing holds the array 'meta:0'"),
        ({**good, 'b': good['mean']}, arrays, missing.format("'meta:0'")),
        ({**good, 'b': {':tensor': 'out.b'}}, arrays, missing.format("'out.b'")),
        ({**good, 'b': {':tensor': []}}, arrays, missing.format([])),
        ({'b': {':tensor': 'x', 'y': 1}}, params, "meta['b']: the key ':tensor' is reserved"),
        (
            {'b': deep()},
            params,
            f"meta['b']{'[0]' * 99}: dicts and lists are nested more than 100 deep",
        ),
        (
            good,
            {**arrays, 'meta:0': np.ones(2, 'complex64')},
            "meta['mean'] is an array of complex64; arrays in meta are of numbers: write .real and "
            '.imag',
        ),
    ):
        content = signed({**entries, 'meta': json.dumps(meta)}, there)
        with pytest.raises(FormatError) as caught:
            rnnkit.load(io.BytesIO(content))
        assert str(caught.value) == f'<BytesIO>: its meta is damaged: {message}'
    for text, message in (
        ('{', 'its meta is damaged (Expecting'),
        ('[' * 100_000, 'its meta is damaged'),
        ('{"a":' * 900 + '1' + '}' * 900, 'its meta is damaged: meta'),
        ('{"a": ' + '9' * 5000 + '}', 'its meta is damaged (Exceeds the limit'),
    ):
        with pytest.raises(FormatError) as caught:
            rnnkit.load(io.BytesIO(signed({**entries, 'meta': text}, params)))
        assert str(caught.value).startswith(f'<BytesIO>: {message}')
    with pytest.raises(FormatError, match='its content was changed'):
        rnnkit.load(io.BytesIO(file.getvalue().replace(b'meta:0', b'meta:7')))
