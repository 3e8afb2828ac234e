"""Files of PyTorch: what is read, and that nothing else of them is."""

import contextlib
import io
import os
import pickle
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
from torch_files import Archive, Call, Global, Persistent, Raw, pickled, saved

import rnnkit
from rnnkit.errors import FormatError
from rnnkit.integrations import torch_file

W = np.arange(6, dtype=np.float32).reshape(2, 3)


def read(content):
    return torch_file.read(io.BytesIO(content), 'net.pt')


@pytest.mark.parametrize('big', [False, True])
def test_what_torch_save_writes_is_read(big):
    state = OrderedDict(
        w=W, b=W[0].astype('f8'), half=W.astype('f2'), count=np.array(7), on=np.array([True])
    )
    found = read(
        saved({'state_dict': state, 'epoch': 3, 'rate': 0.5, 'note': ['a', None]}, big=big)
    )
    assert (found['epoch'], found['rate'], found['note']) == (3, 0.5, ['a', None])
    assert list(found['state_dict']) == list(state)
    for name, array in state.items():
        got = found['state_dict'][name]
        np.testing.assert_array_equal(got, array)
        assert got.dtype == array.dtype


def test_bfloat16_becomes_float32():
    bits = (np.float32([1.5, -2, 3e38]).view(np.uint32) >> 16).astype('u2')
    archive = Archive()
    storage = archive.storage(bits, 'BFloat16Storage')
    found = read(archive.content({'w': archive.tensor(bits, storage=storage)}))['w']
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, (bits.astype('u4') << 16).view('f4'))
    np.testing.assert_allclose(found, [1.5, -2, 3e38], rtol=1 / 128)


def test_tensors_are_views_of_their_storages():
    archive = Archive()
    storage = archive.storage(np.arange(10.0))
    turned = archive.tensor(W, storage=storage, offset=2, shape=(2, 3), strides=(1, 2))
    found = read(archive.content([turned, archive.tensor(W, storage=storage, shape=(0, 3))]))
    np.testing.assert_array_equal(found[0], 2 + np.arange(6.0).reshape(3, 2).T)
    assert found[1].shape == (0, 3)


def test_parameters_and_later_protocols_are_read():
    archive = Archive()
    parameter = Call(
        Global('torch._utils', '_rebuild_parameter'), (archive.tensor(W), True, Raw(b'N'))
    )
    np.testing.assert_array_equal(read(archive.content({'w': parameter}))['w'], W)
    # protocol 4 names classes by text on the stack, and numbers what it remembers
    names = Raw(pickled('collections') + pickled('OrderedDict') + b'\x93\x94)R')
    assert read(archive.content({'empty': names})) == {'empty': OrderedDict()}


OUTSIDE = (  # offset, shape, strides within a storage of 6 elements
    (1, (2, 3), (3, 1)),
    (0, (2, 3), (4, 1)),
    (-1, (2, 3), (3, 1)),
    (0, (2, 3), (-3, 1)),
    (0, (-2, -3), (3, 1)),
    (0, (6, 6), (0, 0)),
    (0, (10**9, 10**9), (0, 0)),
    (2**62, (1,), (1,)),
    (0, (1,) * 20, (1,) * 20),
    (0, (2, 3), (1,)),
    (0, (0, 2**63), (0, 1)),
    (0, (True,), (1,)),
    (0, (2, 'a'), (1, 1)),
)


@pytest.mark.parametrize(('offset', 'shape', 'strides'), OUTSIDE)
def test_tensors_that_leave_their_storage_are_refused(offset, shape, strides):
    archive = Archive()
    tensor = archive.tensor(W, offset=offset, shape=shape, strides=strides)
    with pytest.raises(FormatError, match='does not lie in its storage|has the offset'):
        read(archive.content({'w': tensor}))


def test_many_tensors_of_one_storage_are_refused():
    archive = Archive()
    storage = archive.storage(np.zeros(100_000, 'f4'))
    one = archive.tensor(W, storage=storage, shape=(100_000,))
    assert len(read(archive.content([one] * 4))) == 4
    with pytest.raises(FormatError, match='share so many elements'):
        read(archive.content([one] * 10))


def test_a_tensor_that_leaves_what_is_said_of_its_storage_is_refused():
    archive = Archive()
    storage = archive.storage(np.zeros(10, 'f4'), count=5)
    assert len(read(archive.content([archive.tensor(W, storage=storage, shape=(5,))]))[0]) == 5
    with pytest.raises(FormatError, match='does not lie in its storage of 5 elements'):
        read(archive.content([archive.tensor(W, storage=storage, shape=(6,))]))


@pytest.mark.parametrize(
    'key',
    [
        ('storage', Global('torch', 'FloatStorage'), '0', 'cpu', 10**12),
        ('storage', Global('torch', 'FloatStorage'), '0', 'cpu', -1),
        ('storage', Global('torch', 'DoubleStorage'), '0', 'cpu', 3),
        ('storage', Global('torch', 'FloatStorage'), '9', 'cpu', 6),
        ('storage', Global('torch', 'FloatStorage'), '../../../etc/passwd', 'cpu', 6),
        ('storage', Global('torch', 'FloatStorage'), '/etc/passwd', 'cpu', 6),
        ('storage', 'FloatStorage', '0', 'cpu', 6),
        ('module', Global('torch', 'FloatStorage'), '0', 'cpu', 6),
        (),
    ],
)
def test_other_storages_are_refused(key):
    archive = Archive()
    archive.storage(W.ravel())
    if key[1:2] == (Global('torch', 'DoubleStorage'),):  # of a storage that is float32 elsewhere
        first = [
            archive.tensor(
                W,
                storage=Persistent((*key[:1], Global('torch', 'FloatStorage'), *key[2:])),
                shape=(2,),
            )
        ]
    else:
        first = []
    with pytest.raises(FormatError, match=r'storage|missing'):
        read(archive.content([*first, archive.tensor(W, storage=Persistent(key), shape=(2,))]))


ATTACKS = {
    'os.system': Call(Global('os', 'system'), ('touch {}',)),
    'posix.system': Call(Global('posix', 'system'), ('touch {}',)),
    'builtins.exec': Call(Global('builtins', 'exec'), ('open("{}", "w")',)),
    'builtins.getattr': Call(Global('builtins', 'getattr'), (1, 'real')),
    'subprocess.Popen': Call(Global('subprocess', 'Popen'), (['touch', '{}'],)),
    'numpy.core.multiarray.scalar': Call(Global('numpy.core.multiarray', 'scalar'), (1,)),
    'torch.load': Call(Global('torch', 'load'), ('{}',)),
    'torch.FloatStorage.__init__': Call(Global('torch', 'FloatStorage.__init__'), ()),
    'collections.OrderedDict.fromkeys': Call(Global('collections', 'OrderedDict.fromkeys'), ()),
    'collections': Call(Global('collections', 'os.system'), ('touch {}',)),
    'nested': Call(Call(Global('builtins', 'getattr'), (Global('os', 'path'), 'x')), ('touch {}',)),
    'in a tensor': Call(
        Global('torch._utils', '_rebuild_tensor_v2'), (Call(Global('os', 'system'), ('touch {}',)),)
    ),
    'INST': Raw(b'(X\x08\x00\x00\x00touch {}ios\nsystem\n'),
    'protocol 4': Raw(pickled('os') + pickled('system') + b'\x93' + pickled(('touch {}',)) + b'R'),
    'NEWOBJ': Raw(b'cos\nsystem\n(tb\x81'),
    'OBJ': Raw(b'(cos\nsystem\n' + pickled('touch {}') + b'o'),
    'EXT': Raw(b'\x82\x01'),
    'a call of text': Call('os.system', ('touch {}',)),
    'attributes of a class': Raw(b'ccollections\nOrderedDict\n' + pickled({'a': 1}) + b'b'),
    'attributes of a tensor': Raw(b'}' + pickled({'a': 1}) + b'b'),
    'a module': Call(Global('torch.nn.modules.rnn', 'LSTM'), ()),
    'a call of a storage': Call(Global('torch', 'FloatStorage'), (10**12,)),
}


def marked(value, path):
    """Return an attack that would make a file at `path`."""
    if isinstance(value, Raw):
        return value
    if isinstance(value, str):
        return value.replace('{}', path)
    if isinstance(value, tuple | list):
        items = [marked(one, path) for one in value]
        return type(value)(*items) if hasattr(value, '_fields') else type(value)(items)
    return value


@pytest.mark.parametrize('name', ATTACKS)
def test_a_hostile_pickle_runs_nothing(name, tmp_path, monkeypatch):
    trace = tmp_path / 'trace'
    ran = []
    for module, function in ((os, 'system'), (os, 'popen'), (pickle, 'load'), (pickle, 'loads')):
        monkeypatch.setattr(module, function, lambda *given: ran.append(given))
    archive = Archive()
    attack = marked(ATTACKS[name], str(trace))
    path = tmp_path / 'net.pt'
    path.write_bytes(archive.content({'a': archive.tensor(W), 'b': attack}))
    before = dict(vars(OrderedDict))
    with pytest.raises(FormatError, match=r'net\.pt: ') as caught:
        rnnkit.from_torch(path)
    assert not ran
    assert not trace.exists()
    assert dict(vars(OrderedDict)) == before
    assert sorted(os.listdir(tmp_path)) == ['net.pt']
    if name == 'protocol 4':
        assert "it names 'os.system'" in str(caught.value)
    if isinstance(ATTACKS[name], Call) and isinstance(ATTACKS[name].function, Global):
        named = '.'.join(ATTACKS[name].function)
        if named not in torch_file.NAMES:
            assert named in str(caught.value)
            assert 'nothing of it was run' in str(caught.value)
            assert 'torch.save(module.state_dict(), path)' in str(caught.value)


def test_the_attacks_would_run_elsewhere(tmp_path):
    """Or the test above could not fail."""
    trace = tmp_path / 'trace'
    content = b'\x80\x02' + pickled(marked(ATTACKS['os.system'], str(trace))) + b'.'
    pickle.loads(content)
    assert trace.exists()


DAMAGED = {
    'an empty stack': Raw(b'R'),
    'no mark': Raw(b't'),
    'an unknown memory': Raw(b'h\x07'),
    'a large memory': Raw(b'j\xff\xff\xff\x7f'),
    'a dict in a dict': Raw(b'}}Ns'),
    'a list as a dict': Raw(b']NNs'),
    'a dict as a list': Raw(b'}Na'),
    'too few': Raw(b'N\x87'),
    'text that ends': Raw(b'X\xff\xff\xff\x7fa'),
    'a large number': Raw(b'\x8b\xff\xff\xff\x7f'),
}


@pytest.mark.parametrize('name', DAMAGED)
def test_damaged_pickles_are_refused(name):
    archive = Archive()
    with pytest.raises(FormatError, match=r'net\.pt: its pickle'):
        read(archive.content(DAMAGED[name], end=b'' if 'large' in name else b'.'))


def test_deep_and_circular_values_are_harmless():
    archive = Archive()
    deep = Raw(b']' * 100_000 + b'a' * 99_999)
    with pytest.raises(rnnkit.ConfigError, match='no weights'):
        rnnkit.from_torch(io.BytesIO(archive.content(deep)))
    circular = Raw(b'}q\x00' + pickled('a') + b'h\x00s')
    with pytest.raises(rnnkit.ConfigError, match='no weights'):
        rnnkit.from_torch(io.BytesIO(archive.content(circular)))
    many = Raw(b'}q\x00' + b''.join(pickled(f'a{k}') + b'h\x00s' for k in range(30)))
    with pytest.raises(rnnkit.ConfigError, match='no weights'):
        rnnkit.from_torch(io.BytesIO(archive.content(many)))
    key = Raw(b'}' + b'N' + b'\x85' * 100_000 + b'Ns')  # its hash would overflow the stack
    with pytest.raises(FormatError, match='a dict with the key'):
        read(archive.content(key))


def test_compressed_and_cut_files_are_refused():
    archive = Archive()
    archive.members['data/0'] = bytes(10**7)
    tensor = archive.tensor(W)
    with pytest.raises(FormatError, match='is compressed, which torch.save never does'):
        read(archive.content({'w': tensor}, compress=True))
    content = Archive().content({'w': 1})
    for end in (10, len(content) // 2, len(content) - 5):
        with pytest.raises(FormatError, match='not a complete file of PyTorch'):
            read(content[:end])
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w') as out:
        out.writestr('a.txt', 'text')
    with pytest.raises(FormatError, match=r'has no data\.pkl'):
        read(file.getvalue())


def test_every_changed_byte_of_a_pickle_is_an_error_or_a_value(rng, monkeypatch):
    whole = saved({'state_dict': {'out.weight': W, 'out.bias': W[:, 0]}})
    content, start = bytearray(whole), whole.index(b'\x80\x02')
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        reader = torch_file._Reader(archive, 'net.pt')
        reader.read()
    monkeypatch.setattr(reader, 'content', lambda *given: bytes(24))
    for _ in range(500):
        changed = content.copy()
        for at in rng.integers(start, start + 300, 3):
            changed[at] = rng.integers(256)
        with contextlib.suppress(FormatError):
            torch_file._interpreted(bytes(changed[start:]), reader)


def test_members_that_lie_in_one_place_are_counted_each():
    """A directory may name the same bytes many times; all together must not exceed the file."""
    archive = Archive()
    archive.storage(np.zeros(5000))
    content = bytearray(archive.content({'w': 1}))
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        reader = torch_file._Reader(file, 'net.pt')
        reader.left = 45_000
        reader.content('archive/data/0')
        with pytest.raises(FormatError, match='claims 40,000 bytes'):
            reader.content('archive/data/0')


@pytest.mark.parametrize('content', [torch_file.LEGACY + b'.', b'\x80\x02}q\x00.'])
def test_old_files_say_what_to_do(content):
    with pytest.raises(FormatError, match=r'save it again with torch 1\.6 or newer'):
        rnnkit.from_torch(io.BytesIO(content))
