"""Networks in pickles, copies, open files and other processes."""

import concurrent.futures
import copy
import gzip
import importlib
import io
import multiprocessing
import os
import pickle
import sys
import threading

import numpy as np
import pytest
from long_forms import long_unless

import rnnkit
from rnnkit.errors import ConfigError, FormatError
from rnnkit.models.travel import REGISTRIES

X = np.random.default_rng(0).standard_normal((5, 4, 2)).astype('float32')
Y = X[..., :1].cumsum(0)
LABELS = (Y[..., 0] > 0).astype(int)


def plain(**options):
    return rnnkit.Regressor([2, ('rnn', 3), 1], seed=1, **options), [X, Y]


def frozen():
    layers = [2, dict(form='lstm', size=3, trainable=False), dict(size=2, name='a'), 1]
    net = rnnkit.Regressor(layers, seed=1, dtype='float64', layout='batch')
    net.freeze('a.b')
    return net, [X, Y]


def with_losses():
    net = rnnkit.Regressor([2, ('gru', 3), 1], loss='mae', weighted=True, seed=1)
    net.add_loss('mse', weight=0.5, output='hid1', target='h')
    net.losses[1].weight = 0.25
    return net, [X, Y, X[..., [0, 1, 0]], np.ones_like(Y)]


def from_a_spec():
    return rnnkit.from_spec(rnnkit.Classifier([2, ('rnn', 3), 2], seed=1).to_spec()), [X, LABELS]


def autoencoder():
    return rnnkit.Autoencoder([2, ('rnn', 3), 2], seed=1), X


class Half(rnnkit.Regressor):
    """A class of a user's, whose constructor has other arguments."""

    def __init__(self, hidden):
        self.before = 'set before'
        super().__init__([2, ('rnn', hidden), 1], seed=1)
        self.hidden = hidden

    def predict(self, x):
        return super().predict(x) / 2


NETWORKS = {
    'plain': plain,
    'without kernels': lambda: plain(kernel=False),
    'frozen': frozen,
    'with losses': with_losses,
    'from a spec': from_a_spec,
    'autoencoder': autoencoder,
    'of a class of a user': lambda: (Half(3), [X, Y]),
}


def by_joblib(net):
    joblib = pytest.importorskip('joblib')
    file = io.BytesIO()
    joblib.dump(net, file, compress=3)
    file.seek(0)
    return joblib.load(file)


def by_cloudpickle(net):
    return pickle.loads(pytest.importorskip('cloudpickle').dumps(net))


WAYS = {
    **{f'pickle {n}': lambda net, n=n: pickle.loads(pickle.dumps(net, n)) for n in range(6)},
    'copy': copy.copy,
    'deepcopy': copy.deepcopy,
    'joblib': by_joblib,
    'cloudpickle': by_cloudpickle,
}


def without_seconds(history):
    return [{k: v for k, v in record.items() if k != 'seconds'} for record in history]


def values(net):
    return {p.name: p.get_value() for p in net.params}


def check_same(one, other):
    for name, value in values(one).items():
        np.testing.assert_array_equal(values(other)[name], value, strict=True)


PICKLE = f'pickle {pickle.HIGHEST_PROTOCOL}'
COPIED = ('without kernels', 'frozen', 'with losses', 'of a class of a user')


@pytest.mark.parametrize(
    ('kind', 'way'),
    long_unless(
        # A copy is a deep copy; and for some networks a deep copy has nothing else to keep.
        lambda kind, way: way == PICKLE or (way == 'deepcopy' and kind in COPIED),
        [(kind, way) for kind in NETWORKS for way in (PICKLE, 'copy', 'deepcopy')],
    ),
)
def test_a_network_travels_and_goes_on_training_as_if_it_had_not(kind, way):
    net, data = NETWORKS[kind]()
    options = {'epochs': 2, 'batch_size': 2, 'hidden_dropout': 0.1, 'progress': False}
    net.train(data, **options)
    other = WAYS[way](net)
    assert type(other) is type(net)
    assert other.to_spec() == net.to_spec()
    assert other.frozen == net.frozen
    assert other.history == net.history
    assert isinstance(other.history, type(net.history))
    assert other._kernel is net._kernel
    check_same(net, other)
    before = values(net)
    results = [one.train(data, **options) for one in (net, other)]
    assert results[0] == results[1]
    assert without_seconds(other.history) == without_seconds(net.history)
    assert [record['training'] for record in other.history] == [1, 1, 2, 2]
    check_same(net, other)
    assert any((values(net)[name] != value).any() for name, value in before.items())
    np.testing.assert_array_equal(net.predict(X), other.predict(X), strict=True)


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.usefixtures('machine_code')
def test_every_way_gives_the_same_network_and_shares_nothing(way):
    net, data = plain()
    untrained = WAYS[way](net)
    assert untrained.history == []
    check_same(net, untrained)
    net.train(data, epochs=1, progress=False)
    other = WAYS[way](net)
    expected, record = net.predict(X), dict(net.history[0])
    np.testing.assert_array_equal(other.predict(X), expected, strict=True)
    other.train(data, epochs=1, progress=False)
    other.history[0]['loss'] = None
    assert net.history == [record]
    np.testing.assert_array_equal(net.predict(X), expected)


def test_attributes_of_the_user_and_records_of_any_kind_are_kept():
    net, data = plain()
    net.scaler = {'mean': np.ones(2)}
    net.myself = net
    net.train(data, epochs=1, progress=False)
    net.history[-1]['matrix'] = np.eye(2)
    for way in ('pickle 2', 'copy', 'deepcopy'):
        other = WAYS[way](net)
        np.testing.assert_array_equal(other.scaler['mean'], [1, 1])
        np.testing.assert_array_equal(other.history[-1]['matrix'], np.eye(2))
        assert other.myself is other
    half = WAYS['pickle 2'](Half(3))
    assert (half.before, half.hidden) == ('set before', 3)


def test_parameters_that_are_not_finite_travel_without_a_warning(recwarn):
    net, _ = plain()
    net.params[0].get_value(borrow=True)[0, 0] = np.nan
    other = pickle.loads(pickle.dumps(net))
    check_same(net, other)
    assert not recwarn.list


def test_a_network_that_cannot_be_saved_cannot_be_pickled_but_copied():
    net = rnnkit.Regressor([2, ('rnn', 3), (3, np.tanh), 1], seed=1)
    with pytest.raises(ConfigError) as saved:
        net.save(io.BytesIO())
    with pytest.raises(ConfigError) as pickled:
        pickle.dumps(net)
    assert str(pickled.value) == str(saved.value)
    assert "layer 'hid2': activation is <ufunc 'tanh'>, which cannot be" in str(saved.value)
    for way in (copy.copy, copy.deepcopy):
        other = way(net)
        np.testing.assert_array_equal(other.predict(X), net.predict(X))
        other.set('out', 'b', [7])
        assert not np.array_equal(other.predict(X), net.predict(X))


def test_a_network_travels_to_processes_that_are_spawned_or_forked():
    net, data = plain()
    net.train(data, epochs=1, progress=False)
    expected = net.predict(X)
    for kind in ('spawn', 'fork'):
        if kind not in multiprocessing.get_all_start_methods():
            continue
        context = multiprocessing.get_context(kind)
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
            found = pool.submit(net.predict, X).result(timeout=120)
            np.testing.assert_array_equal(found, expected, strict=True)
            failed = pool.submit(net.find, 'hid1', 'hx').exception(timeout=120)
        with pytest.raises(rnnkit.NotFoundError) as caught:
            net.find('hid1', 'hx')
        assert type(failed) is type(caught.value)
        assert str(failed) == str(caught.value)


OWN_PARTS = """
from typing import Any, NamedTuple
import numpy as np
import rnnkit

class State(NamedTuple):
    h: Any

@rnnkit.layers.add('Travelling', 'travelling_cell')
class Cell(rnnkit.Cell):
    state = State
    gates = 'h'
    params = {'xh': ('I', 'H'), 'hh': ('H', 'H'), 'b': ('H',)}
    def step(self, z, s, p):
        return State(np.tanh(z + s.h @ p.hh))

@rnnkit.layers.add('travelling_layer')
class Layer(rnnkit.Layer):
    initial = {'gain': 'travelling_start'}
    def shapes(self):
        return {'gain': (self.size,)}
    def transform(self, x):
        return {'out': x * self.params['gain']}

@rnnkit.initializers.add('travelling_start')
def start(shape, rng):
    return np.full(shape, 0.5)

@rnnkit.activations.add('travelling_half')
def half(x):
    return x / 2

@rnnkit.activations.add('travelling_scale')
class Scale(rnnkit.activations.Learned):
    names, initial = ('scale',), {'scale': 2.0}
    def shapes(self, size):
        return {'scale': (size,)}
    def apply(self, x, p):
        return x * p.scale

@rnnkit.losses.add('travelling_loss')
class Loss(rnnkit.losses.MeanSquaredError):
    pass
"""


@pytest.fixture
def own_parts(tmp_path, monkeypatch):
    """Return a module that registers parts of all kinds, and a function that forgets it."""
    (tmp_path / 'travelling_parts.py').write_text(OWN_PARTS)
    monkeypatch.syspath_prepend(tmp_path)
    for registry in REGISTRIES:
        monkeypatch.setattr(registry, '_members', dict(registry._members))

    def forget():
        for registry in REGISTRIES:
            members = {k: v for k, v in registry._members.items() if 'travelling' not in k}
            monkeypatch.setattr(registry, '_members', members)
        sys.modules.pop('travelling_parts', None)

    yield importlib.import_module('travelling_parts'), forget
    forget()


def travelling():
    layers = [
        2,
        ('Travelling', 3),
        dict(form='travelling_layer', size=3),
        dict(size=3, activation='travelling_half+tanh'),
        dict(size=3, activation='travelling_scale', w='travelling_start'),
        1,
    ]
    return rnnkit.Regressor(layers, loss='travelling_loss', seed=1)


def test_a_pickle_imports_the_module_of_parts_that_the_user_has_registered(own_parts, tmp_path):
    net, forget = travelling(), own_parts[1]
    spec, pickled = net.to_spec(), pickle.dumps(net)
    net.save(tmp_path / 'net.rnn')
    forget()
    with pytest.raises(FormatError) as caught:
        rnnkit.load(tmp_path / 'net.rnn')
    assert str(caught.value).startswith(
        f"{tmp_path / 'net.rnn'}: its network cannot be built: no loss named 'travelling_loss'; "
    )
    assert str(caught.value).endswith(
        '. If that loss is yours, first import the module that adds it'
    )
    other = pickle.loads(pickled)
    assert 'travelling_parts' in sys.modules
    assert other.to_spec() == spec
    check_same(net, other)


def test_parts_of_a_notebook_are_pickled_by_cloudpickle(own_parts):
    cloudpickle = pytest.importorskip('cloudpickle')
    net, (module, forget) = travelling(), own_parts
    cloudpickle.register_pickle_by_value(module)  # as it does with all that is in __main__
    try:
        pickled = cloudpickle.dumps(net)
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    forget()
    other = pickle.loads(pickled)
    assert 'travelling_parts' not in sys.modules
    assert other.to_spec() == net.to_spec()
    check_same(net, other)
    assert [pickle.loads(pickled).to_spec()] == [net.to_spec()]


def test_parts_that_a_pickle_cannot_name_have_to_be_registered_there(own_parts):
    def local(x):
        return x / 3

    rnnkit.activations.add('travelling_local')(local)
    net = rnnkit.Regressor([2, (3, 'travelling_local'), 1], seed=1)
    pickled = pickle.dumps(net)
    check_same(net, pickle.loads(pickled))
    own_parts[1]()
    with pytest.raises(FormatError) as caught:
        pickle.loads(pickled)
    message = str(caught.value)
    assert message.startswith(
        "the pickle: its network cannot be built: layers[1], 'hid1': no activation named "
        "'travelling_local'; known are: "
    )
    assert message.endswith('. If that activation is yours, first import the module that adds it')


# --- open files ---


def test_open_files_take_the_place_of_paths(tmp_path):
    net, _ = plain()
    net.save(tmp_path / 'net.rnn')
    memory = io.BytesIO()
    net.save(memory)
    assert memory.getvalue() == (tmp_path / 'net.rnn').read_bytes()
    assert pickle.dumps(net) == pickle.dumps(net)  # hashes of joblib are the same as well
    with open(tmp_path / 'open.rnn', 'wb', buffering=0) as file:
        net.save(file)
        assert not file.closed
    with gzip.open(tmp_path / 'net.gz', 'wb') as file:
        net.save(file)
    for opened, name in ((open, 'open.rnn'), (gzip.open, 'net.gz')):
        with opened(tmp_path / name, 'rb') as file:
            check_same(net, rnnkit.load(file))
            assert not file.closed
    memory.seek(0)
    check_same(net, rnnkit.Regressor.load(memory))
    memory.seek(0)
    with pytest.raises(ConfigError) as caught:
        rnnkit.Classifier.load(memory)
    assert str(caught.value) == (
        'Classifier.load(): <BytesIO> is a Regressor; write rnnkit.Regressor.load(path), or '
        'rnnkit.load(path) for any'
    )


def test_several_networks_follow_each_other_in_a_pipe():
    ends = os.pipe()
    nets = [plain()[0], frozen()[0]]

    def write():
        with open(ends[1], 'wb', buffering=0) as file:
            for net in nets:
                net.save(file)
            file.write(b'and more')

    thread = threading.Thread(target=write)
    thread.start()
    with open(ends[0], 'rb', buffering=0) as file:
        for net in nets:
            check_same(net, rnnkit.load(file))
        assert file.read() == b'and more'
    thread.join()


class Short(io.RawIOBase):
    """A file that takes three bytes at once, and is full after some."""

    def __init__(self, room):
        self.room, self.content = room, b''

    def writable(self):
        return True

    def write(self, content):
        taken = bytes(content[: min(3, self.room - len(self.content))])
        self.content += taken
        return len(taken)


def test_raw_files_get_everything_or_an_error():
    net, _ = plain()
    memory, raw = io.BytesIO(), Short(10**6)
    net.save(memory)
    net.save(raw)
    assert raw.content == memory.getvalue()
    with pytest.raises(OSError, match='<Short>: .* bytes were not written'):
        net.save(Short(100))


PICKLED = pickle.dumps(plain()[0])
NO_FILE = "path must be a path or a binary file, such as open(..., 'rb') or io.BytesIO(); got "


def closed():
    file = io.BytesIO()
    file.close()
    return file


@pytest.mark.parametrize(
    ('file', 'message'),
    [
        (lambda: io.StringIO('a'), f'load(): {NO_FILE}a file in text mode'),
        (closed, f'load(): {NO_FILE}a file that is closed'),
        (lambda: Short(1), f'load(): {NO_FILE}a file that is not open for reading'),
        (
            lambda: PICKLED,
            'load(): path must be a path or an open file; got the content of a file: write '
            'io.BytesIO(...) around it',
        ),
        (lambda: 3, 'load(): path must be the path of a file; got 3'),
        (lambda: io.BytesIO(), '<BytesIO>: there is nothing to read'),
        (
            lambda: io.BytesIO(PICKLED),
            '<BytesIO>: not a complete safetensors file: it is a pickle of a network; '
            'pickle.load() reads it',
        ),
        (
            lambda: io.BytesIO(b'PK\x03\x04' + bytes(9000)),
            '<BytesIO>: not a complete safetensors file: it is a ZIP file',
        ),
    ],
)
def test_what_cannot_be_loaded_from_an_open_file_is_told(file, message):
    with pytest.raises((ConfigError, FormatError)) as caught:
        rnnkit.load(file())
    assert str(caught.value) == message


def test_a_file_that_was_just_written_has_to_go_back_to_its_beginning():
    file = io.BytesIO()
    plain()[0].save(file)
    with pytest.raises(FormatError) as caught:
        rnnkit.load(file)
    assert str(caught.value) == (
        '<BytesIO>: there is nothing to read; it is at its end, file.seek(0) goes back to the '
        'beginning'
    )
    for text in (io.StringIO(), open(os.devnull, 'rb')):  # noqa: SIM115
        with text, pytest.raises(ConfigError, match=r"save\(\): .* open\(..., 'wb'\) or io.Bytes"):
            plain()[0].save(text)


@pytest.mark.parametrize('claim', [2**40, 50 * 2**20])
def test_a_length_that_an_open_file_claims_takes_no_memory(claim):
    file = io.BytesIO()
    plain()[0].save(file)
    content = file.getvalue()
    length = int.from_bytes(content[:8], 'little')
    header = content[8 : 8 + length].replace(b'"data_offsets":[0,', b'"data_offsets":[0,10000')
    for wrong in (
        claim.to_bytes(8, 'little') + content[8:],
        len(header).to_bytes(8, 'little') + header + content[8 + length :],
        content[:-1],
    ):
        with pytest.raises(FormatError, match='<BytesIO>: not a complete safetensors file'):
            rnnkit.load(io.BytesIO(wrong))
