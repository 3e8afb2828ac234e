"""Layers in ONNX files: every registered form, several inputs, other kinds of networks."""

import numpy as np
import pytensor.tensor as pt
import pytest
from long_forms import long, long_unless
from onnx_files import TOLERANCE, compare, filled, predicted, written

import rnnkit
from rnnkit.errors import ConfigError
from rnnkit.layers import Recurrent, registry

pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')

LSTM = ('lstm', 4)
# Networks with a layer of each form; by default the layer has 4 units, and reads an LSTM.
NETWORKS = {
    'input': [2, LSTM, 3],
    'bidirectional': [2, dict(form='bidirectional', worker='gru', size=4), 3],
    'feedforward': [2, LSTM, dict(form='ff', size=4), 3],
    'softmax': [2, LSTM, dict(form='softmax', size=3)],
    'classifier': [2, LSTM, dict(form='classifier', size=3)],
    'tied': [2, (3, 'tanh'), LSTM, dict(form='ff', size=3), 'tied'],
    'dropout': [2, ('dropout', 0.3), LSTM, 3],
    'embedding': [5, ('embedding', 3), LSTM, 2],
    'conv1': [
        2,
        dict(form='conv1', size=3, filter_size=3, border_mode='same', activation='tanh'),
        LSTM,
        dict(form='conv1', size=2, filter_size=2, border_mode='causal'),
        2,
    ],
    'attention': [2, LSTM, dict(form='attention', size=4, memory='hid1'), 2],
    'last': [2, (3, 'tanh'), 'last', 2],
    'repeat': [2, LSTM, 'last', ('repeat', 5), LSTM, 2],
    'flatten': [2, LSTM, 'last', ('repeat', 5), LSTM, ('flatten', 5), 2],
    'reshape': [2, LSTM, 'last', 6, dict(form='reshape', shape=(3, 2)), LSTM, 2],
    'standardize': [2, 'standardize', LSTM, 2],
    'clockwork': [2, dict(form='clockwork', size=4, periods=[1, 2]), 2],
    'bcrnn': [2, dict(form='bcrnn', size=4, num_modules=2), 2],
}
for name in ('mean', 'max', 'layernorm'):
    NETWORKS[name] = [2, LSTM, name, 2]
for name in ('concatenate', 'product', 'sum'):
    both = (dict(form='lstm', size=4, name='a'), dict(form='last', name='z'))
    NETWORKS[name] = [2, *both, dict(form=name, inputs=('z', 'a')), 2]
REFUSED = {'attention'}  # forms that no ONNX file can have


def network(form):
    """Return the spec of a network with a layer of a form."""
    same = [name for name in NETWORKS if registry[name] is registry[form]]
    return NETWORKS[same[0]] if same else [2, dict(form=form, size=4), 3]


def is_short(form):
    same = [name for name in registry if registry[name] is registry[form]]
    return form == same[0] and not issubclass(registry[form], Recurrent)


@pytest.mark.parametrize('form', long_unless(is_short, list(registry)))
def test_every_form_is_written_or_refused_by_its_name(form):
    net = filled(rnnkit.Regressor(network(form), masked=form != 'embedding'))
    if form in REFUSED:
        with pytest.raises(ConfigError, match=rf'to_onnx\(\): layer .* \({form}\)'):
            written(net)
    elif form == 'embedding':
        words = np.random.default_rng(0).integers(0, 5, (6, 3))
        (found,) = written(net)(**{'in': words}).values()
        np.testing.assert_allclose(found, net.predict(words), rtol=0, atol=TOLERANCE)
    else:
        compare(net, steps=(1, 7))


ACTIVATIONS = ['gelu', 'prelu', 'lgrelu', 'elu:gain', 'maxout:3', 'softplus', 'elu', 'selu']
ACTIVATIONS += ['relu+norm:std', 'norm:mean', 'norm:max', 'softmax', 'trec', 'tlin', 'exp']


@pytest.mark.parametrize('activation', long_unless(lambda name: name == 'maxout:3', ACTIVATIONS))
def test_activations(activation):
    layer = dict(form='ff', size=4, activation=activation)
    compare(filled(rnnkit.Regressor([2, LSTM, layer, 3])), steps=(7,))


def test_elu_keeps_the_digits_of_small_numbers():
    net = rnnkit.Regressor([1, (1, 'elu'), 1])
    net.set('hid1', 'w', [[1.0]])
    x = np.array([[-1e-6], [-1e-3]], 'float32')
    (found,) = written(net, outputs='hid1')(**{'in': x}).values()
    np.testing.assert_allclose(found, np.expm1(x), rtol=1e-6)  # float32


READERS = {
    'two states': dict(form='ff', size=3, inputs=('a:c', 'a:last', 'b')),
    'start': dict(form='lstm', size=4, inputs='in', h_0='a', c_0='a:last_c'),
    'starts': dict(form='bidirectional', worker='lstm', size=8, inputs='b', h_0=('a', None)),
    'start of a loop': dict(form='mut1', size=4, inputs='b', h_0='b', direction='backward'),
}


@pytest.mark.parametrize('name', long_unless(lambda name: name == 'starts', READERS))
def test_layers_that_read_others(name):
    layers = [
        2,
        dict(form='lstm', size=4, name='a'),
        dict(form='gru', size=4, inputs='in', name='b'),
        READERS[name],
        3,
    ]
    compare(filled(rnnkit.Regressor(layers, masked=True)), steps=(1, 7))


@pytest.mark.parametrize(
    'layers',
    [
        long([2, dict(form='conv1', size=3, filter_size=3, stride=2, activation='relu'), LSTM, 2]),
        [2, dict(form='conv1', size=3, filter_size=2), LSTM, 'last', 2],
        long([3, 4, 2]),
        long([4, 3, 'layernorm', dict(form='tied', partner='hid1')]),
    ],
)
def test_networks_without_a_mask(layers):
    net = filled(rnnkit.Regressor(layers))
    x = np.random.default_rng(0).standard_normal((9, 3, layers[0])).astype('float32')
    x = x if net._recurrent else x[0]
    (found,) = written(net)(**{'in': x}).values()
    np.testing.assert_allclose(found, net.predict(x), rtol=0, atol=TOLERANCE)


def test_padding_becomes_0_in_a_flat_vector(rng):
    net = filled(rnnkit.Regressor([2, (3, 'tanh'), ('flatten', 5), 2], masked=True))
    x, lengths = rng.standard_normal((5, 3, 2)).astype('float32'), np.array([5, 2, 1], 'int32')
    file = written(net)
    (found,) = file(**{'in': x, 'lengths': lengths}).values()
    expected = net.predict(x, mask=np.arange(5)[:, None] < lengths)
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
    assert file.session.get_inputs()[0].shape == [5, 'B', 2]


def encoder_decoder(**options):
    layers = [
        dict(form='input', size=5, name='source'),
        ('embedding', 3),
        dict(form='lstm', size=4, name='encoder'),
        dict(form='input', size=2, name='target'),
        dict(form='lstm', size=4, h_0='encoder', c_0='encoder:last_c'),
        3,
    ]
    return filled(rnnkit.Classifier(layers, **options))


@pytest.mark.parametrize('layout', ['time', long('batch')])
def test_an_encoder_and_a_decoder(layout, rng):
    net = encoder_decoder(layout=layout, masked=True)
    file = written(net)
    n, m = np.array([4, 2, 1], 'int32'), np.array([3, 6, 2], 'int32')
    source, target = rng.integers(0, 5, (4, 3)), rng.standard_normal((6, 3, 2)).astype('float32')
    masks = {'mask': np.arange(4)[:, None] < n, 'mask_target': np.arange(6)[:, None] < m}
    if layout == 'batch':
        source, target = source.T, target.swapaxes(0, 1)
        masks = {name: mask.T for name, mask in masks.items()}
    (found,) = file(source=source, target=target, lengths=n, lengths_target=m).values()
    expected = predicted(net, [source, target], mask=masks)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
    shapes = {i.name: i.shape for i in file.session.get_inputs()}
    time = ['B', 'T'] if layout == 'batch' else ['T', 'B']
    assert shapes['source'] == time
    assert shapes['target'] == [name.replace('T', 'T_target') for name in time] + [2]


@pytest.mark.parametrize('end', [[], long(['mean'])])
def test_batches_first(end):
    net = filled(rnnkit.Regressor([2, LSTM, *end, 3], layout='batch', masked=True))
    x = np.random.default_rng(0).standard_normal((3, 7, 2)).astype('float32')
    lengths = np.array([7, 3, 1], 'int32')
    (found,) = written(net)(**{'in': x, 'lengths': lengths}).values()
    expected = net.predict(x, mask=np.arange(7) < lengths[:, None])
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


def test_a_classifier_gives_probabilities():
    net = filled(rnnkit.Classifier([2, LSTM, 3], classes=['a', 'b', 'c']))
    file = compare(net, steps=(7,))
    assert file.about['classes'] == ['a', 'b', 'c']


@pytest.mark.long
def test_an_autoencoder():
    compare(filled(rnnkit.Autoencoder([2, LSTM, 2], masked=True)), steps=(1, 7))


def test_outputs_in_the_units_of_the_target():
    net = filled(rnnkit.Regressor([2, LSTM, 2], scale_targets=True))
    compare(net, steps=(7,))
    x = np.ones((4, 2, 2), 'float32')
    (found,) = written(net, outputs='out:scaled')(**{'in': x}).values()
    np.testing.assert_allclose(found, net.feed_forward(x)['out:scaled'], rtol=0, atol=TOLERANCE)


def test_float64_becomes_float32(caplog):
    net = filled(rnnkit.Regressor([2, ('mut1', 4), 3], dtype='float64'))
    compare(net, steps=(7,))
    assert 'to_onnx(): the network is float64; its ONNX file is float32' in caplog.text
    net.set('hid1', 'bh', [1e39, 0, 0, 0])
    with pytest.raises(ConfigError, match=r"^to_onnx\(\): 'hid1.bh' does not fit float32"):
        written(net)


class Halved(rnnkit.Layer):
    """A layer of the user's that computes each step by itself."""

    sized = False

    def transform(self, x):
        return {'out': x / 2, 'twice': pt.concatenate([x, x], axis=-1)}

    def output_size(self, name):
        return self.size * (2 if name == 'twice' else 1)


class Summed(rnnkit.Layer):
    """A layer of the user's that adds up steps."""

    sized = False
    recurrent = True

    def transform(self, x):
        return {'out': x.cumsum(axis=0)}


class Hidden(Summed):
    """One that does not say that it needs time."""

    recurrent = False
    causal = False


class OwnMean(rnnkit.layers.Mean):
    """A mean that was changed."""

    def transform(self, x, mask=None, state=None):
        return {'out': x.mean(axis=0) * 2}


@pytest.fixture
def of_ones_own():
    """Register layers for one test."""
    parts = {'halved': Halved, 'summed': Summed, 'hidden': Hidden, 'ownmean': OwnMean}
    for name, part in parts.items():
        registry.add(name)(part)
    yield
    for name in parts:
        del registry._members[name]


def test_layers_of_ones_own(of_ones_own):
    layers = [2, LSTM, dict(form='halved', name='a'), dict(form='ff', size=3, inputs='a:twice')]
    compare(filled(rnnkit.Regressor(layers, masked=True)), steps=(7,))


@pytest.mark.parametrize('form', ['summed', 'hidden', 'ownmean'])
def test_layers_of_ones_own_that_cannot_be_written(of_ones_own, form):
    net = rnnkit.Regressor([2, LSTM, dict(form=form, name='mine'), 3])
    with pytest.raises(ConfigError, match=rf"^to_onnx\(\): layer 'mine' \({form}\).*; "):
        written(net)
