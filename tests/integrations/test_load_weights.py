"""Parameters that a network takes over by name."""

import io

import numpy as np
import pytest
from safetensors.numpy import save

import rnnkit
from rnnkit.errors import CallError, ConfigError, DataError, FormatError, NotFoundError, ShapeError


def made(*layers, seed=0, **options):
    return rnnkit.Regressor(list(layers) or [2, ('gru', 3), 1], seed=seed, **options)


def values(net):
    return {p.name: p.get_value() for p in net.params}


def same(net, right):
    for name, value in values(net).items():
        np.testing.assert_array_equal(value, right[name], err_msg=name)


def as_file(net):
    file = io.BytesIO()
    net.save(file)
    file.seek(0)
    return file


SOURCES = {
    'a network': lambda net: net,
    'a dict': values,
    'a file': as_file,
    'safetensors': lambda net: io.BytesIO(save(values(net))),
}


@pytest.mark.parametrize('kind', SOURCES)
def test_every_source(kind):
    old, new = made(seed=1), made(seed=2)
    report = new.load_weights(SOURCES[kind](old))
    same(new, values(old))
    assert report.loaded == tuple(p.name for p in new.params)
    assert (report.unused, report.missing) == ((), ())
    old.find('out', 'b').set_value(np.ones(1, 'f4'))
    assert new.find('out', 'b').get_value() == 0  # a copy


def test_a_file_whose_metadata_are_null():
    old, new = made(seed=1), made(seed=2)
    content = save(values(old))
    length = int.from_bytes(content[:8], 'little')
    header = b'{"__metadata__":null,' + content[9 : 8 + length]
    new.load_weights(io.BytesIO(len(header).to_bytes(8, 'little') + header + content[8 + length :]))
    same(new, values(old))


def test_paths_meta_and_checkpoints(tmp_path, rng):
    old, new = made(seed=1), made(seed=2)
    old.meta['scaler'] = np.ones(3)
    old.save(tmp_path / 'a.safetensors')
    new.load_weights(tmp_path / 'a.safetensors')
    same(new, values(old))
    assert not new.meta
    x = rng.standard_normal((4, 3, 2))
    path = str(tmp_path / 'b.safetensors')
    seen = []
    old.train(
        [x, x[..., :1]],
        [x, -x[..., :1]],  # so that the first epoch is the best
        epochs=3,
        learning_rate=0.1,
        checkpoint=path,
        callbacks=lambda training: seen.append(values(old)),
    )
    new.load_weights(path)
    same(new, values(rnnkit.load(path)))
    assert not np.array_equal(new.find('out', 'w').get_value(), seen[-1]['out.w'])


def test_a_file_that_was_changed_is_refused():
    content = bytearray(as_file(made(seed=1)).getvalue())
    content[-1] ^= 1
    with pytest.raises(FormatError, match='its content was changed'):
        made().load_weights(io.BytesIO(bytes(content)))


def test_parts_of_another_network():
    old, new = made(2, ('gru', 3), 4, seed=1), made(2, ('gru', 3), 1, seed=2)
    before = values(new)
    report = new.load_weights(old, only='hid1.*')
    assert report == (('hid1.xh', 'hid1.hh', 'hid1.b', 'hid1.bn'), (), ())
    same(new, {**values(old), **{k: v for k, v in before.items() if k.startswith('out')}})
    assert new.load_weights(old, only=['hid1.xh', 'hid1.b']).loaded == ('hid1.xh', 'hid1.b')
    longer = made(2, ('gru', 3), 5, 1, seed=3)
    assert new.load_weights(longer, only='hid1.*').unused == ()  # hid2 is left out on both sides
    with pytest.raises(NotFoundError, match="the network has no 'hid2.w', 'hid2.b'"):
        new.load_weights(longer, only='hid*')
    with pytest.raises(ShapeError, match=r'out.w has shape \(3, 1\); got \(3, 4\)'):
        new.load_weights(old, strict=False)


def test_strictness_lists_what_has_no_partner():
    old, new = made(2, ('gru', 3), 1, seed=1), made(2, ('gru', 3), 5, 1, seed=2)
    before = values(new)
    with pytest.raises(
        NotFoundError, match=r"the source lacks 'hid2.w', 'hid2.b'; only= .*, names= pairs"
    ):
        new.load_weights(
            {k: v for k, v in values(old).items() if k != 'out.w'} | {'out.w': before['out.w']}
        )
    with pytest.raises(NotFoundError, match="the network has no 'hdi1.xh'; did you mean 'hid1.xh'"):
        new.load_weights({'hdi1.xh': np.ones((2, 9)), **before})
    report = new.load_weights({'hid1.b': np.ones(9), 'other.b': np.ones(1)}, strict=False)
    assert report == (('hid1.b',), ('other.b',), tuple(k for k in before if k != 'hid1.b'))
    assert repr(report).startswith('loaded: hid1.b; unused: other.b; missing: hid1.xh, hid1.hh')
    same(new, {**before, 'hid1.b': np.ones(9)})
    with pytest.raises(NotFoundError, match='so that nothing is left to be loaded'):
        new.load_weights({'other.b': np.ones(1)}, strict=False)


def test_layers_of_other_names():
    old = made(2, dict(form='gru', size=3, name='encoder'), 1, seed=1)
    new = made(seed=2)
    new.load_weights(old, names={'encoder': 'hid1'})
    np.testing.assert_array_equal(new.find('hid1', 'hh').get_value(), old.find(1, 'hh').get_value())
    both = made(2, dict(form='bidirectional', worker='gru', size=6), 1, seed=3)
    both.load_weights(old, names={'encoder': 'hid1_fw'}, only='hid1_fw.*')
    np.testing.assert_array_equal(
        both.layers[1].params['fw.hh'].get_value(), old.find(1, 'hh').get_value()
    )
    for names, message in (
        ({'encodr': 'hid1'}, "no layer 'encodr'; did you mean 'encoder'"),
        ({'encoder': 'hid2'}, "the network has no layer 'hid2'; did you mean 'hid1'"),
        ({'encoder': 'out'}, "two arrays of the source would be 'out.b'"),
        (['encoder'], 'names must be a dict such as'),
    ):
        with pytest.raises(ConfigError, match=message):
            new.load_weights(old, names=names)


def test_if_anything_is_wrong_nothing_changes():
    net = made(seed=2)
    before = values(net)
    for wrong, error, message in (
        ({'out.b': np.ones(2)}, ShapeError, r'out.b has shape \(1,\); got \(2,\)'),
        ({'out.w': np.ones((1, 3))}, ShapeError, r'transpose it with .T'),
        ({'out.b': [np.nan]}, DataError, 'out.b must be finite; got nan'),
        ({'out.b': [1e300]}, DataError, 'out.b is float32, which cannot hold 1e'),
        ({'out.b': ['a']}, DataError, "'out.b' must be an array of numbers"),
    ):
        with pytest.raises(error, match=message):
            net.load_weights({**values(made(seed=1)), **wrong})
        same(net, before)


def test_measured_parameters():
    old, new = made(2, 'standardize', 1, seed=1), made(2, 'standardize', 1, seed=2)
    new.load_weights(old)
    assert new.find('hid1', 'known').get_value() == 0
    old.set('hid1', 'mean', [1, 2])
    new.load_weights(old)
    assert new.find('hid1', 'known').get_value() == 1
    with pytest.raises(DataError, match='hid1.deviation must be above 0'):
        new.load_weights({'hid1.deviation': [0, 1]}, strict=False)
    third = made(2, 'standardize', 1, seed=2)
    third.load_weights({'hid1.mean': [3, 4], 'hid1.deviation': [1, 2]}, strict=False)
    assert third.find('hid1', 'known').get_value() == 1  # training keeps them


def test_float64_and_frozen_layers():
    old, new = made(seed=1, dtype='float64'), made(seed=2)
    new.freeze('hid1')
    new.load_weights(old)
    same(new, {k: v.astype('f4') for k, v in values(old).items()})
    assert new.frozen == ['hid1.xh', 'hid1.hh', 'hid1.b', 'hid1.bn']


def test_another_head_is_left_out_by_only():
    old, new = made(seed=1), made(2, ('gru', 3), 4)
    with pytest.raises(ShapeError, match=r"got \(3, 1\); .* by only=, such as only='hid\*'"):
        new.load_weights(old)
    new.load_weights(old, only='hid*')
    with pytest.raises(CallError, match="only='hid[*]' takes over a part"):
        new.load_weights(old, skip_mismatch=True)


class Text:
    def read(self):
        return 'text'


def test_what_is_no_source_is_refused(tmp_path):
    net = made()
    torch = {'out.weight': np.ones((1, 3)), 'out.bias': np.ones(1)}
    with pytest.raises(NotFoundError, match=r'weights of PyTorch are read by rnnkit.from_torch'):
        net.load_weights(torch)
    with pytest.raises(ConfigError, match=r'rnnkit.from_torch\(path, layers\)'):
        net.load_weights(io.BytesIO(b'PK\x03\x04aaaa'))
    for content, message in (
        (b'text', 'not a complete safetensors file: it is a text'),
        (b'\x08\x0a\x12\x06rnnkit' + bytes(90), r'rnnkit.from_onnx\(path\) reads'),
        (b'\x89HDF\r\n\x1a\n' + bytes(90), r'rnnkit.from_keras\(path, layers\) reads'),
    ):
        with pytest.raises(FormatError, match=message):
            net.load_weights(io.BytesIO(content))
    with pytest.raises(FileNotFoundError):
        net.load_weights(tmp_path / 'nowhere')
    for given, message in (
        ({'source': {1: np.ones(1)}}, 'names must be str'),
        ({'source': net, 'only': 'hid9.*'}, "only 'hid9.[*]' matches nothing"),
        ({'source': net, 'only': 3}, 'only must be a pattern'),
        ({'source': net, 'strict': 1}, 'strict must be True or False'),
        ({'source': 3}, 'must be the path of a file'),
        ({'source': Text()}, r"source: read\(\) must return bytes; got 'text'"),
        ({'source': net.layers[1]}, 'must be the path of a file'),
        ({'source': [np.ones(3)]}, 'arrays by name; got list of 1; weights of PyTorch are read'),
    ):
        with pytest.raises(ConfigError, match=message):
            net.load_weights(**given)
