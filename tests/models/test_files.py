"""Saved networks come back bit for bit, and every other file is refused."""

import json
import os
import stat

import numpy as np
import pytest
from safetensors import numpy as safetensors

import rnnkit
from rnnkit.common import file_format
from rnnkit.errors import CallError, ConfigError, FormatError


@pytest.fixture
def net():
    return rnnkit.Regressor([1, ('lstm', 2), 1], seed=3)


@pytest.fixture
def path(tmp_path, net):
    net.save(tmp_path / 'net.rnn')
    return tmp_path / 'net.rnn'


def header(path):
    content = path.read_bytes()
    return json.loads(content[8 : 8 + int.from_bytes(content[:8], 'little')])['__metadata__']


def rewrite(path, arrays=None, **metadata):
    """Write a file again with other arrays or another header; None leaves an entry out."""
    found = {**header(path), **metadata}
    arrays = safetensors.load(path.read_bytes()) if arrays is None else arrays
    kept = {k: v for k, v in found.items() if v is not None and k != 'digest'}
    kept['digest'] = file_format.digest(kept, arrays)
    path.write_bytes(safetensors.save(arrays, kept))


@pytest.mark.parametrize('dtype', ['float32', 'float64'])
@pytest.mark.parametrize(
    'make',
    [
        lambda **kw: rnnkit.Regressor([2, ('gru', 3), 1], **kw),
        lambda **kw: rnnkit.Classifier([2, {'form': 'gru', 'size': 3, 'reset': 'before'}, 3], **kw),
        lambda **kw: rnnkit.Regressor([2, 4, 1], layout='batch', weighted=True, **kw),
    ],
)
def test_a_network_comes_back_bit_for_bit(make, dtype, tmp_path, rng):
    net = make(dtype=dtype, seed=1)
    for p in net.params:  # not what the seed alone would give
        p.set_value(rng.standard_normal(p.get_value().shape).astype(dtype))
    net.save(str(tmp_path / 'a file'))
    other = rnnkit.load(str(tmp_path / 'a file'))
    assert type(other) is type(net)
    assert other.to_spec() == net.to_spec()
    for a, b in zip(other.params, net.params, strict=True):
        assert a.name == b.name
        assert a.get_value().dtype == dtype
        assert np.array_equal(a.get_value(), b.get_value())


def test_a_loaded_network_can_be_trained(path):
    net = rnnkit.load(path)
    x = np.ones((3, 2, 1))
    assert net.train([x, x], epochs=1)[1]['loss'] > 0


def test_the_file_is_plain_safetensors_with_a_json_header(path, net):
    found = header(path)
    assert found['format'] == 'rnnkit'
    assert found['version'] == '2'
    assert json.loads(found['spec']) == net.to_spec()
    assert set(safetensors.load_file(path)) == {p.name for p in net.params}


def test_saving_over_a_file_replaces_it_and_leaves_nothing_else(path, net):
    net.params[0].set_value(net.params[0].get_value() + 1)
    net.save(path)
    assert os.listdir(path.parent) == [path.name]
    found = rnnkit.load(path).params[0].get_value()
    np.testing.assert_array_equal(found, net.params[0].get_value())


def test_a_saved_file_may_be_read_by_whom_the_umask_allows(path):
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_a_network_that_cannot_be_written_leaves_the_old_file(path):
    before = path.read_bytes()
    odd = rnnkit.Regressor([1, (2, np.tanh), 1])
    with pytest.raises(
        ConfigError, match=r"layer 'hid1': activation .* cannot be written to a file"
    ):
        odd.save(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_missing_file_or_folder_is_the_usual_error(tmp_path, net):
    with pytest.raises(FileNotFoundError, match='nowhere'):
        rnnkit.load(tmp_path / 'nowhere')
    with pytest.raises(FileNotFoundError, match='nowhere'):
        net.save(tmp_path / 'nowhere' / 'net.rnn')


def test_a_file_that_is_cut_short_is_refused_wherever_it_is_cut(path):
    content = path.read_bytes()
    for sixteenth in range(16):
        path.write_bytes(content[: len(content) * sixteenth // 16])
        with pytest.raises(FormatError, match=r'net.rnn: not a complete safetensors file'):
            rnnkit.load(path)
    path.write_bytes(content[:-1])
    with pytest.raises(FormatError, match='not a complete'):
        rnnkit.load(path)


@pytest.mark.parametrize(
    'content',
    [
        b'PK\x03\x04' + bytes(100),
        b'\x80\x04\x95' + bytes(50),
        b'{"model": 1}',
        b'\xff' * 64,
    ],
)
def test_a_file_of_another_kind_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r'net.rnn: not a complete safetensors file'):
        rnnkit.load(path)


def test_safetensors_of_another_program_are_refused(path):
    path.write_bytes(safetensors.save({'w': np.ones(3)}))
    with pytest.raises(FormatError, match='not one that rnnkit has written'):
        rnnkit.load(path)
    path.write_bytes(safetensors.save({'w': np.ones(3)}, {'format': 'pt'}))
    with pytest.raises(FormatError, match='not one that rnnkit has written'):
        rnnkit.load(path)


def changed_spec(path, change):
    spec = json.loads(header(path)['spec'])
    change(spec)
    return json.dumps(spec)


@pytest.mark.parametrize(
    ('metadata', 'message'),
    [
        (
            {'version': '3'},
            "format version '3', this rnnkit reads up to 2; a newer rnnkit is needed",
        ),
        ({'version': 'one'}, "format version 'one' is not"),
        ({'version': None}, 'format version'),
        ({'spec': None}, 'description of the network is damaged'),
        ({'spec': '{'}, 'description of the network is damaged'),
        ({'spec': '[]'}, 'its network cannot be built: from_spec'),
        ({'spec': '{"model": "Regressor"}'}, r'built: from_spec\(\): expects a dict with'),
    ],
)
def test_a_header_that_is_wrong_is_refused(path, metadata, message):
    rewrite(path, **metadata)
    with pytest.raises(FormatError, match=message):
        rnnkit.load(path)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            lambda s: s.update(model='Regresor'),
            "no model named 'Regresor'; did you mean 'regressor'",
        ),
        (lambda s: s.update(loss='mme'), "no loss named 'mme'"),
        (lambda s: s['layers'][1].update(form='conv2'), "'hid1': no layer named 'conv2'"),
        (lambda s: s['layers'][1].update(size='2'), "size must be a whole number .* got '2'"),
        (lambda s: s['layers'][1].update(peep=True), "unknown option 'peep'"),
        (lambda s: s['layers'][1].update(activation='swosh'), "no activation named 'swosh'"),
        (
            lambda s: s['layers'][1].update(size=3),
            r"parameter 'hid1.xh' is float32 \(1, 8\); the "
            r'network expects \(1, 12\)',
        ),
        (lambda s: s.update(dtype='float64'), "parameter 'hid1.xh' is float32"),
        (lambda s: s.update(layers=[]), 'a network has an input and at least one more layer'),
        (lambda s: s.update(seed=-1), 'seed must be a whole number of at least 0; got -1'),
        (lambda s: s.update(seed='x'), 'seed must be a whole number'),
        (lambda s: s.update(weighted=[]), r'weighted must be True or False; got \[\]'),
    ],
)
def test_a_network_that_cannot_be_built_is_refused(path, change, message):
    rewrite(path, spec=changed_spec(path, change))
    with pytest.raises(FormatError, match=message):
        rnnkit.load(path)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda a: a.pop('hid1.hh'), "parameter 'hid1.hh' is missing, or does not belong"),
        (
            lambda a: a.update({'hid1.ci': np.ones(2, 'f')}),
            "parameter 'hid1.ci' is missing, or does",
        ),
        (lambda a: a.update({'hid1.b': np.ones(7, 'f')}), r"parameter 'hid1.b' is float32 \(7,\)"),
        (lambda a: a.update({'out.b': np.ones(1)}), r"parameter 'out.b' is float64 \(1,\)"),
    ],
)
def test_parameters_that_do_not_fit_are_named(path, change, message):
    arrays = safetensors.load(path.read_bytes())
    change(arrays)
    rewrite(path, arrays)
    with pytest.raises(FormatError, match=message):
        rnnkit.load(path)


def test_loading_runs_no_code_of_the_file(path, tmp_path):
    """Names in a spec are looked up in registries, and never imported or evaluated."""
    for name in ('os.system', '__import__("os")', 'rnnkit.models:Network', 'network'):
        rewrite(path, spec=changed_spec(path, lambda s, name=name: s.update(model=name)))
        with pytest.raises(FormatError, match='no model named'):
            rnnkit.load(path)


def test_parameters_of_layers_that_read_several_others(tmp_path):
    layers = [3, dict(size=2, name='a', activation='tanh'), dict(size=2, inputs=('in', 'a'))]
    net = rnnkit.Regressor(layers, seed=1)
    x = np.random.default_rng(0).standard_normal((6, 3))
    net.save(tmp_path / 'net')
    net.train([x, x[:, :2]], epochs=1, checkpoint=tmp_path / 'training')
    for name in ('net', 'training'):
        again = rnnkit.load(tmp_path / name)
        assert [p.name for p in again.params] == [p.name for p in net.params]
    np.testing.assert_array_equal(again.predict(x), net.predict(x))
    net.train([x, x[:, :2]], epochs=2, resume=tmp_path / 'training')


@pytest.mark.parametrize('path', ['.', '..', 'folder', 'folder/'])
def test_a_folder_is_not_replaced_by_a_file(path, tmp_path, monkeypatch):
    (tmp_path / 'folder').mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(IsADirectoryError, match='the file was not written'):
        rnnkit.Regressor([1, 1]).save(path)
    assert [one.name for one in tmp_path.iterdir()] == ['folder']


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda kind: kind.load(), 'path is missing; write Classifier.load(path)'),
        (lambda kind: kind.load('p', nonsense=1), "unknown option 'nonsense', known are: path"),
        (lambda kind: kind.load('p', 1), 'takes 1 by position, path; got 2'),
    ],
)
def test_a_wrong_call_of_load_as_a_class_method(call, message):
    with pytest.raises(CallError) as caught:
        call(rnnkit.Classifier)
    assert str(caught.value) == f'Classifier.load(): {message}'
