"""Files that are no networks, or were made to do harm; and odd names and contents of files."""

import json
import os
import random
import threading
import time
import warnings

import numpy as np
import pytest
from attacks import attack, parts, signed
from long_forms import long_unless
from safetensors import numpy as safetensors

import rnnkit
from rnnkit.common import file_format
from rnnkit.errors import ConfigError, FormatError, RnnkitError


@pytest.fixture(scope='module')
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp('net') / 'net'
    rnnkit.Regressor([1, (2, 'tanh'), 1], seed=3).save(path)
    return path.read_bytes()


def refused(path):
    """Return the message of a file that is refused quickly."""
    start = time.perf_counter()
    with pytest.raises(FormatError) as caught:
        rnnkit.load(path)
    assert time.perf_counter() - start < 1
    assert len(str(caught.value)) < 2500
    return str(caught.value).removeprefix(f'{path}: ')


# --- what a file is ---


def in_zip(name):
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as file:
        file.writestr(name, 'x' * 9000)
    return buffer.getvalue()


ONNX = 'it looks like an ONNX file; rnnkit.from_onnx(path) reads those'
NOT = 'not a complete safetensors file: '


@pytest.mark.parametrize(
    ('made', 'kind'),
    [
        (b'', 'the file is empty'),
        (
            in_zip('archive/data.pkl'),
            'it is a file of PyTorch (torch.save); rnnkit.from_torch(path) reads its weights',
        ),
        (
            in_zip('model.weights.h5'),
            'it is a file of Keras (.keras); rnnkit.from_keras(path) reads it',
        ),
        (in_zip('x.npy'), "it is a file of arrays of NumPy's (.npz)"),
        (in_zip('x'), 'it is a ZIP file'),
        (
            b'\x89HDF\r\n\x1a\n' + bytes(90),
            'it is an HDF5 file; rnnkit.from_keras(path, layers) reads those of Keras',
        ),
        (b'\x93NUMPY\x01\x00v\x00' + bytes(90), "it is an array of NumPy's (.npy)"),
        (b'\x08\x08\x12\x07pytorch' + bytes(90), ONNX),
        (b'\x08\x0a\x12\x06rnnkit' + bytes(90), ONNX),
        (b'\x1f\x8b\x08\x00' + bytes(90), 'it is compressed by gzip'),
        (b'{"model": "Regressor"}', 'it is a text'),
        ('Schöne Grüße an alle'.encode(), 'it is a text'),
    ],
)
def test_other_files_are_called_by_their_name(tmp_path, made, kind):
    (tmp_path / 'file').write_bytes(made)
    assert refused(tmp_path / 'file') == NOT + kind


def test_a_pickle_is_called_so(tmp_path):
    import pickle

    (tmp_path / 'file').write_bytes(pickle.dumps({'a': np.ones(3)}))
    assert refused(tmp_path / 'file').startswith(NOT + 'it looks like a pickle, as theanets writes')


@pytest.mark.skipif(not hasattr(os, 'mkfifo'), reason='there are no pipes')
def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    assert refused(tmp_path / 'pipe') == 'a device or a pipe, not a file'
    assert refused('/dev/zero') == 'a device or a pipe, not a file'
    with pytest.raises(IsADirectoryError):
        rnnkit.load(tmp_path)


@pytest.mark.skipif(os.name != 'posix', reason='files with holes')
def test_a_file_that_is_a_hole_is_not_read_into_memory(tmp_path, content):
    length = 2**40
    header = {'w': {'dtype': 'F32', 'shape': [length // 4], 'data_offsets': [0, length]}}
    head = json.dumps({'__metadata__': parts(content)[0], **header}).encode()
    with open(tmp_path / 'file', 'wb') as file:
        file.write(len(head).to_bytes(8, 'little') + head)
        file.truncate(8 + len(head) + length)
    if (tmp_path / 'file').stat().st_blocks == 0:
        pytest.skip('this drive does not tell')
    assert 'it claims 1099' in refused(tmp_path / 'file')


# --- while it is replaced ---


def test_a_file_that_is_replaced_meanwhile_is_never_refused(tmp_path):
    path, ended = tmp_path / 'net', threading.Event()
    nets = [rnnkit.Regressor([1, (n, 'tanh'), 1], seed=n) for n in (2, 30)]
    nets[0].save(path)

    def keep_replacing():
        while not ended.is_set():
            for net in nets:
                net.save(path)

    thread = threading.Thread(target=keep_replacing)
    thread.start()
    try:
        sizes, deadline = [], time.monotonic() + 60
        # On a busy machine the other thread may not get its turn at once.
        while (len(sizes) < 300 or set(sizes) != {2, 30}) and time.monotonic() < deadline:
            sizes.append(file_format.read(path).arrays['hid1.b'].size)
        rnnkit.load(path)
    finally:
        ended.set()
        thread.join()
    assert set(sizes) == {2, 30}


# --- bombs ---


def with_spec(content, change):
    entries, arrays = parts(content)
    spec = json.loads(entries['spec'])
    change(spec)
    return signed({**entries, 'spec': json.dumps(spec)}, arrays)


BOMBS = {
    'a long chain': lambda s: s['layers'][1].update(activation='+'.join(['relu'] * 4000)),
    'many chains': lambda s: s.update(
        layers=[1, *[{'size': 1, 'activation': '+'.join(['relu'] * 32)}] * 900, 1]
    ),
    'many lines': lambda s: s.update(layers=[1, *[(1, 'maxout:256')] * 900, 1]),
    'a long filter': lambda s: s['layers'].__setitem__(
        1, {'form': 'conv1', 'filter_size': 8000, 'size': 2}
    ),
    'many layers': lambda s: s.update(layers=[1] * 20_000),
    'many losses': lambda s: s.update(
        losses=[
            {'loss': 'mse', 'weight': 1.0, 'output': None, 'weighted': None},
            *[{'loss': 'mae', 'weight': 1.0, 'output': None, 'target': f'{k}', 'weighted': None}
              for k in range(3000)],
        ]
    ),
    'a long activation': lambda s: s['layers'][1].update(activation='x' * 5_000_000),
    'a long form': lambda s: s['layers'][1].update(form='x' * 5_000_000),
    'a long option': lambda s: s['layers'][1].update({'x' * 5_000_000: 1}),
    'a long name': lambda s: s['layers'][1].update(name='x' * 5_000_000),
    'a long loss': lambda s: s.update(loss='x' * 5_000_000),
    'a long layout': lambda s: s.update(layout='x' * 5_000_000),
    'a long key': lambda s: s.update({'x' * 5_000_000: 1}),
    'a long model': lambda s: s.update(model='x' * 5_000_000),
    'many options': lambda s: s['layers'][1].update({f'x{k}': 1 for k in range(50_000)}),
    'many inputs': lambda s: s['layers'][2].update(inputs=['in'] * 100_000),
    'many periods': lambda s: s['layers'].__setitem__(
        1, {'form': 'clockwork', 'size': 10**5, 'periods': [1] * 10**5}
    ),
    'a large size': lambda s: s['layers'][1].update(size=2**31 - 1),
    'a size too large': lambda s: s['layers'][1].update(size=10**4000),
    'many steps': lambda s: s['layers'].__setitem__(1, {'form': 'flatten', 'steps': 2**31 - 1}),
    'a large input': lambda s: s['layers'][0].update(size=2**31 - 1),
}  # fmt: skip


@pytest.mark.parametrize('bomb', BOMBS.values(), ids=BOMBS)
def test_bombs_are_refused_at_once(tmp_path, content, bomb):
    (tmp_path / 'file').write_bytes(with_spec(content, bomb))
    assert refused(tmp_path / 'file').startswith('its network cannot be built: ')


@pytest.mark.parametrize(
    'text', ['[' * 100_000, '{"a":' * 100_000, '9' * 5_000_000, '1e999999999', '"' + 'x' * 10**6]
)
@pytest.mark.parametrize('entry', ['spec', 'training', 'meta'])
def test_json_that_is_deep_or_long(tmp_path, content, entry, text):
    entries, arrays = parts(content)
    (tmp_path / 'file').write_bytes(signed({**entries, entry: text}, arrays))
    refused(tmp_path / 'file')


def test_many_empty_arrays(tmp_path, content):
    entries, arrays = parts(content)
    more = {f'x{k}': np.empty(0, 'f') for k in range(20_000)}
    (tmp_path / 'file').write_bytes(safetensors.save({**arrays, **more}, entries))
    message = 'it holds 20,005 arrays; at most 20,000 are read'
    assert refused(tmp_path / 'file') == NOT + message


def test_what_could_not_be_read_is_not_written(tmp_path, monkeypatch):
    net = rnnkit.Regressor([1, (2, 'tanh'), 1], seed=3)
    net.save(tmp_path / 'net')
    before = (tmp_path / 'net').read_bytes()
    monkeypatch.setattr(file_format, 'LONGEST_HEADER', 100)
    with pytest.raises(ConfigError, match='net was not written, for it could not be read: 4 array'):
        net.save(tmp_path / 'net')
    assert (tmp_path / 'net').read_bytes() == before


def test_networks_within_the_limits_are_built_and_loaded(tmp_path):
    layers = [1, *[(1, 'relu+tanh')] * 200, dict(form='ff', size=2, activation='maxout:256'), 1]
    net = rnnkit.Regressor(layers, seed=0)
    net.save(tmp_path / 'net')
    assert len(rnnkit.load(tmp_path / 'net').layers) == 203
    with pytest.raises(ConfigError) as caught:
        rnnkit.Regressor([1] * 1001)
    assert str(caught.value) == 'a network has at most 1,000 layers; got 1,001'


def test_attacks_with_a_valid_digest(tmp_path, content):
    """The short form of tests/long/attack_files.py."""
    net = rnnkit.Regressor([2, ('lstm', 2), dict(form='rnn', size=2, h_0='learn'), 1], seed=0)
    net.meta = {'scaler': {'mean': np.ones(2), 'n': np.array(3)}, 'words': ['a', {'b': [0.5]}]}
    net.save(tmp_path / 'lstm')
    x = np.ones((3, 1))
    trained = rnnkit.load(tmp_path / 'lstm') and rnnkit.Regressor([1, (2, 'tanh'), 1], seed=0)
    trained.meta = {'mean': np.ones(2)}
    trained.train([x, x], epochs=1, checkpoint=tmp_path / 'training', seed=1)
    training = (tmp_path / 'training').read_bytes()
    rng, path, refusals = random.Random(0), tmp_path / 'attack', 0
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        for source in [content, (tmp_path / 'lstm').read_bytes(), training, training] * 75:
            path.write_bytes(attack(source, rng))
            try:
                rnnkit.load(path)
                if source is training:
                    trained.train([x, x], epochs=2, resume=path, seed=1, progress=False)
            except RnnkitError as error:
                refusals += 1
                if len(str(error)) > 2500:
                    raise AssertionError('a long message') from error
    assert refusals > 200


# --- what is not finite ---


def test_parameters_that_are_not_finite_are_named(tmp_path, content):
    entries, arrays = parts(content)
    arrays['hid1.w'][0, 0] = np.nan
    arrays['out.b'][0] = np.inf
    (tmp_path / 'file').write_bytes(signed(entries, arrays))
    with pytest.warns(RuntimeWarning) as caught:
        net = rnnkit.load(tmp_path / 'file')
    assert [str(w.message) for w in caught] == [
        f'{tmp_path}/file: not finite (NaN or infinity) in the parameters hid1.w, out.b'
    ]
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(net.find('hid1', 'w').get_value(), arrays['hid1.w'])


# --- names of files ---


@pytest.mark.parametrize(
    ('name', 'format_'),
    [
        ('a.pb', "TensorFlow's"), ('a.pt', "PyTorch's"), ('a.PTH', "PyTorch's"), ('a.h5', 'HDF5'),
        ('a.keras', "Keras's"), ('a.npz', "NumPy's"), ('a.tflite', "TensorFlow Lite's"),
    ],
)  # fmt: skip
def test_names_of_other_formats_are_refused(tmp_path, name, format_):
    net = rnnkit.Regressor([1, 1])
    message = (
        f'{name[1:]} is the name of another format, {format_}; rnnkit writes safetensors files; '
        f"a suitable name is 'a.safetensors'"
    )
    with pytest.raises(ConfigError) as caught:
        net.save(tmp_path / name)
    assert str(caught.value) == f'save(): {message}'
    with pytest.raises(ConfigError) as caught:
        net.train([np.ones((2, 1))] * 2, checkpoint=tmp_path / name)
    assert str(caught.value) == f'train(): checkpoint: {message}'
    with pytest.raises(ConfigError) as caught:
        rnnkit.callbacks.Checkpoint(tmp_path / name)
    assert str(caught.value) == f'Checkpoint: {message}'
    assert os.listdir(tmp_path) == []


class Fspath:
    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return self.path


@pytest.mark.parametrize('name', ['net', 'net.safetensors', 'net.rnn', 'net.v1.2', 'ünï cödé'])
def test_paths_of_every_kind(tmp_path, name):
    net, text = rnnkit.Regressor([1, 1], seed=0), str(tmp_path / name)
    for path in (text, tmp_path / name, os.fsencode(text), Fspath(text), Fspath(os.fsencode(text))):
        net.save(path)
        assert rnnkit.load(path).to_spec() == net.to_spec()
        os.unlink(text)


@pytest.mark.parametrize('path', [None, 3, True, '', b'', 'a\0b', ['a'], Fspath(3), object()])
def test_what_is_no_path(path):
    net = rnnkit.Regressor([1, 1], seed=0)
    for where, call in (('save(): path', net.save), ('load(): path', rnnkit.load)):
        with pytest.raises(ConfigError, match='must be the path of a file; got ') as caught:
            call(path)
        assert str(caught.value).startswith(where)


def test_a_change_of_the_working_directory(tmp_path, monkeypatch):
    """Files are written where the training has started."""
    (tmp_path / 'a').mkdir()
    (tmp_path / 'b').mkdir()
    monkeypatch.chdir(tmp_path / 'a')
    callbacks = [
        lambda training: os.chdir(tmp_path / 'b'),
        rnnkit.callbacks.CSV('history.csv'),
        rnnkit.callbacks.Checkpoint('net-{epoch}'),
    ]
    net = rnnkit.Regressor([1, 1], seed=0)
    net.train([np.ones((2, 1))] * 2, epochs=3, checkpoint='all', callbacks=callbacks)
    assert sorted(os.listdir('../a')) == ['all', 'history.csv', 'net-1', 'net-2', 'net-3']
    assert os.listdir(tmp_path / 'b') == []
    assert len((tmp_path / 'a' / 'history.csv').read_text().splitlines()) == 4


def test_safetensors_of_arrays_alone_are_told_apart(tmp_path):
    (tmp_path / 'file').write_bytes(safetensors.save({'w': np.ones(3)}))
    assert refused(tmp_path / 'file') == 'a safetensors file, but not one that rnnkit has written'


# --- what loading does not need does not stop saving ---


def ones(shape, rng):
    return np.ones(shape)


@rnnkit.initializers.add('halves')
def halves(shape, rng):
    return np.full(shape, 0.5)


SAVED = {
    'a function': ({'hh': ones}, {'form': 'not in specs', 'function': 'ones'}),
    'a function with options': (
        {'hh': {'form': ones, 'gain': 2}},
        {'form': 'not in specs', 'function': 'ones'},
    ),
    'a registered function': ({'hh': halves}, 'halves'),
    'with options': ({'hh': {'form': halves, 'gain': 2}}, {'form': 'halves', 'gain': 2}),
    'an array': ({'hh': np.eye(2)}, [[1.0, 0.0], [0.0, 1.0]]),
    'a number': ({'hh': np.float32(0.5)}, 0.5),
}


@pytest.mark.parametrize(
    ('form', 'kind'),
    long_unless(
        lambda form, kind: form == 'rnn' or kind in ('a function', 'an array'),
        [(form, kind) for form in ('rnn', 'bidirectional') for kind in SAVED],
    ),
)
def test_networks_with_any_initial_values_are_saved(tmp_path, form, kind):
    given, written = SAVED[kind]
    size = 2 if form == 'rnn' else 4
    net = rnnkit.Regressor([1, dict(form=form, size=size, **given), 1], seed=0)
    x = np.ones((3, 2, 1))
    net.train([x, x], epochs=1, checkpoint=tmp_path / 'training', seed=1)
    net.save(tmp_path / 'net')
    again = rnnkit.load(tmp_path / 'net')
    assert again.to_spec() == net.to_spec()
    assert again.to_spec()['layers'][1]['hh'] == written
    for a, b in zip(again.params, net.params, strict=True):
        np.testing.assert_array_equal(a.get_value(), b.get_value())
    again.save(tmp_path / 'again')
    net.train([x, x], epochs=2, resume=tmp_path / 'training', seed=1)
    if 'function' not in str(written):
        assert rnnkit.from_spec(again.to_spec()).to_spec() == net.to_spec()
        return
    name = 'hid1' if form == 'rnn' else 'hid1_fw'
    with pytest.raises(ConfigError) as caught:
        rnnkit.from_spec(again.to_spec())
    assert str(caught.value) == (
        f"{name}.hh: its initial value came from the function 'ones', which a spec cannot "
        f'contain; register it with @rnnkit.initializers.add(...), and use its name'
    )


def test_large_arrays_as_initial_values_are_no_text_in_files(tmp_path):
    table = np.random.default_rng(0).standard_normal((2000, 60)).astype('f')
    net = rnnkit.Regressor([2000, dict(form='embedding', size=60, w=table), 'last', 1], seed=0)
    net.save(tmp_path / 'net')
    assert (tmp_path / 'net').stat().st_size < table.nbytes + 10_000
    again = rnnkit.load(tmp_path / 'net')
    np.testing.assert_array_equal(again.find('hid1', 'w').get_value(), table)
    with pytest.raises(ConfigError, match=r'hid1.w: its initial value was an array of shape'):
        rnnkit.from_spec(again.to_spec())


def test_functions_that_loading_needs_name_their_registry(tmp_path):
    registered = rnnkit.Regressor([1, dict(size=2, activation=rnnkit.activations.tanh), 1])
    assert registered.to_spec()['layers'][1]['activation'] == 'tanh'
    net = rnnkit.Regressor([1, (2, lambda x: 2 * x), 1])
    with pytest.raises(ConfigError) as caught:
        net.save(tmp_path / 'net')
    message = str(caught.value)
    assert message.startswith("layer 'hid1': activation is <function ")
    assert message.endswith(
        ', which cannot be written to a file; register it with @rnnkit.activations.add(...), and '
        'use its name'
    )


def test_names_of_pickles_say_what_writes_them(tmp_path):
    net = rnnkit.Regressor([1, 1], seed=3)
    with pytest.raises(ConfigError) as caught:
        net.save(tmp_path / 'net.joblib')
    assert str(caught.value) == (
        'save(): .joblib is the name of another format; joblib.dump(net, path) writes it; a '
        "suitable name for a safetensors file is 'net.safetensors'"
    )
    with pytest.warns(DeprecationWarning, match='no pickle') as warned:
        net.save(tmp_path / 'net.pkl')
    assert str(warned[0].message) == (
        'save(): the file is no pickle, but in the safetensors format; a suitable name is '
        "'net.safetensors'; pickle.dump() writes pickles of networks"
    )
