"""Networks that go out to ONNX files and come in again are the same to the bit."""

import io

import numpy as np
import pytest
from long_forms import long_unless
from onnx_files import filled, predicted

import rnnkit
from rnnkit.errors import ConfigError, FormatError

onnx = pytest.importorskip('onnx')

H = 4
CELLS = {
    'rnn': {},
    'rnn, swish': dict(activation='swish'),
    'rnn, learned start': dict(h_0='learn'),
    'lstm, all': dict(peepholes=True, clip=0.4, dropout=0.5, bptt_limit=3, h_0='learn'),
    'lstm, coupled': dict(coupled=True, peepholes=True),
    'lstm, hard': dict(gate_activation='hard_sigmoid', activation='elu'),
    'lstm, cell_clip': dict(cell_clip=0.2),
    'lstm, zoneout': dict(zoneout=0.2),
    'gru': dict(trainable=False),
    'gru, before': dict(reset='before', clip=0.3),
    'gru, gelu': dict(activation='gelu'),
    'mut1': {},
    'mrnn': {},
    'rrnn, vector': dict(rate='vector'),
    'rrnn, log': dict(rate='log'),
    'scrn': {},
    'clockwork': dict(periods=[1, 3]),
    'bcrnn': dict(num_modules=2),
}
SHORT = {'lstm, all', 'gru, before', 'clockwork'}


def file_of(net, **options):
    """Return the model that is written."""
    net.to_onnx(file := io.BytesIO(), **options)
    return onnx.load_from_string(file.getvalue())


def read(model, **options):
    return rnnkit.from_onnx(io.BytesIO(model.SerializeToString()), **options)


def check_same(net, other):
    assert type(other) is type(net)
    assert other.to_spec() == net.to_spec()
    for one, two in zip(net.params, other.params, strict=True):
        assert one.get_value().tobytes() == two.get_value().tobytes(), one.name


def check(net, **options):
    """Compare a network with the one in its file."""
    other = read(file_of(net, **options))
    check_same(net, other)
    return other


def layer(name, **more):
    return dict(form=name.partition(',')[0], size=H, name='cells', **CELLS[name], **more)


@pytest.mark.parametrize('direction', ['forward', 'backward'])
@pytest.mark.parametrize('name', long_unless(lambda name: name in SHORT, CELLS))
def test_all_cells(name, direction):
    check(filled(rnnkit.Regressor([3, layer(name, direction=direction), 1], masked=True, seed=7)))


@pytest.mark.parametrize('name', long_unless(lambda name: name in SHORT, CELLS))
def test_all_cells_with_states(name):
    net = rnnkit.Classifier([3, layer(name), 'last', 2], layout='batch', seed=7)
    check(filled(net), state=True, opset=18, outputs=['cells', 'out'])


def test_predictions_and_what_belongs_to_the_model(rng):
    layers = [3, 'standardize', ('gru', H), 'dropout', (5, 'relu+norm:z'), 2]
    net = filled(rnnkit.Classifier(layers, classes=['no', 'yes'], seed=7))
    net.meta = {'scale': np.arange(3.0), 'unit': ['degrees', 1]}
    other = check(net)
    x = rng.standard_normal((5, 2, 3))
    np.testing.assert_array_equal(predicted(other, x), predicted(net, x))
    assert other.predict(x).tolist() == net.predict(x).tolist()
    assert other.meta['unit'] == net.meta['unit']
    np.testing.assert_array_equal(other.meta['scale'], net.meta['scale'])


MANY = {
    'embedding, pooling': [9, ('embedding', 3), ('rnn', 3), 'mean', (4, 'prelu'), 1],
    'bidirectional': [3, dict(form='bidirectional', worker='lstm', size=8), 'layernorm', 'max', 2],
    'merged': [3, dict(form='bidirectional', worker='gru', size=4, merge='sum'), 'last', 2],
    'convolution': [3, dict(form='conv1', size=2, filter_size=3, stride=2), ('lstm', 3), 1],
    'encoder and decoder': [
        3,
        dict(form='input', size=2, name='in2'),
        dict(form='lstm', size=H, name='encoder', inputs='in'),
        dict(form='lstm', size=H, name='decoder', inputs='in2', h_0='encoder'),
        dict(form='concat', inputs=('decoder', 'in2')),
        dict(size=2, inputs=('hid4', 'decoder:out')),
    ],
    'steps': [6, dict(form='reshape', shape=(3, 2)), ('rnn', 3), ('flatten', 3), 2],
    'maxout': [3, (4, 'maxout:2'), dict(form='product', inputs=('hid1', 'hid1:pre')), 1],
}


@pytest.mark.parametrize('name', long_unless(lambda name: name in [*MANY][-4:-1], MANY))
def test_all_layers(name):
    check(filled(rnnkit.Regressor(MANY[name], seed=7)))


def test_settings_of_the_network():
    net = rnnkit.Autoencoder([3, ('rnn', 2), 3], seed=7)
    check(filled(net))
    net = rnnkit.Regressor([3, ('rnn', 2), 1], 'mae', weighted=True, scale_targets=True, seed=7)
    net.add_loss('mse', weight=0.5, output='hid1', target='z')
    net.freeze('hid1')
    check(filled(net))


def test_float64_comes_back_as_float64_with_the_numbers_of_float32():
    net = filled(rnnkit.Regressor([3, ('lstm', H), 1], dtype='float64', seed=7))
    other = read(file_of(net))
    assert other.to_spec() == net.to_spec()
    for one, two in zip(net.params, other.params, strict=True):
        np.testing.assert_array_equal(one.get_value().astype('f4'), two.get_value())
    assert read(file_of(net), dtype='float32', seed=3).to_spec() == {
        **net.to_spec(),
        'dtype': 'float32',
        'seed': 3,
    }


def test_an_altered_graph_is_read_as_any_other():
    net = filled(rnnkit.Classifier([3, dict(form='gru', size=H, name='g'), 2], classes=['a', 'b']))
    net.meta = {'unit': 'degrees'}
    model = file_of(net)
    assert read(model).layers[1].name == 'g'
    for node in model.graph.node:
        if node.op_type == 'GRU':
            node.attribute.append(onnx.helper.make_attribute('clip', 0.5))
    other = read(model)
    assert (other.layers[1].name, other.layers[1].cell.clip) == ('hid1', 0.5)
    assert other.classes_.tolist() == ['a', 'b']
    assert other.meta == net.meta
    for one, two in zip(net.params, other.params, strict=True):
        np.testing.assert_array_equal(one.get_value(), two.get_value())


def test_altered_weights_count():
    net = filled(rnnkit.Regressor([3, ('mut1', H), 2], seed=7))
    model = file_of(net)
    (array,) = [one for one in model.graph.initializer if one.name == 'hid1.hh']
    values = onnx.numpy_helper.to_array(array) + np.float32(1)
    array.CopyFrom(onnx.numpy_helper.from_array(values, array.name))
    np.testing.assert_array_equal(read(model).find('hid1', 'hh').get_value(), values)


@pytest.mark.parametrize(
    ('key', 'text', 'message'),
    [
        ('rnnkit', '{"spec": ', "its entry 'rnnkit' is damaged"),
        ('rnnkit', '[' * 10_000, "its entry 'rnnkit' is damaged"),
        ('rnnkit', '{"spec": [1]}', 'its spec is'),
        ('rnnkit', '[1]', 'it is'),
        ('rnnkit', '{"spec": {"model": "Regressor"}}', 'cannot be built: from_spec'),
        (
            'rnnkit.meta',
            '{"a": {":tensor": "S999999999", "shape": [1], "values": [1]}}',
            'an array of',
        ),
        ('rnnkit.meta', '[1, 2]', "'rnnkit.meta' is damaged: meta must be a dict"),
        ('rnnkit.params', '{"out.b": {"shape": [2], "float32": "AAAA"}}', 'damaged'),
        ('rnnkit.params', '{"out.b": {"shape": [-1], "float32": "AAAAAA=="}}', 'damaged'),
        ('rnnkit.params', '{"out.b": {"shape": [1], "float32": "AADAfw=="}}', 'not finite'),
    ],
)
def test_damaged_metadata(key, text, message):
    net = rnnkit.Regressor([3, ('rnn', H), 1], seed=7)
    net.meta = {'unit': 'degrees'}
    model = file_of(net)
    (entry,) = [one for one in model.metadata_props if one.key == key]
    entry.value = text
    with pytest.raises(FormatError, match=message):
        read(model)


def test_arguments_that_contradict_the_file():
    model = file_of(rnnkit.Regressor([3, ('rnn', H), 1], layout='batch', seed=7))
    with pytest.raises(ConfigError, match="has layout='batch'; got 'time'"):
        read(model, layout='time')
    with pytest.raises(ConfigError, match="weights: <BytesIO> has all of them; got 'W'"):
        read(model, weights={'W': 1.0})


def test_a_cell_that_is_not_registered_has_to_be_imported(monkeypatch):
    registry = rnnkit.layers.registry
    monkeypatch.setattr(registry, '_members', dict(registry._members))

    @rnnkit.layers.add('elsewhere')
    class Elsewhere(rnnkit.Cell):
        step = rnnkit.cells.cells['rnn'].step
        options = rnnkit.cells.cells['rnn'].options
        setup = rnnkit.cells.cells['rnn'].setup

    model = file_of(rnnkit.Regressor([2, ('elsewhere', 3), 1], seed=0))
    del registry._members['elsewhere']
    with pytest.raises(FormatError) as caught:
        read(model)
    message = str(caught.value)
    assert "no layer named 'elsewhere'" in message
    assert message.endswith('. If that layer is yours, first import the module that adds it')
