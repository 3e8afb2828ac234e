"""Noise, dropout, noise of weights and max-norm as keywords of a training."""

import logging

import numpy as np
import pytensor
import pytest

import rnnkit
from rnnkit.errors import ConfigError
from rnnkit.graph import perturbations
from rnnkit.noise import Noise

T, B = 4, 300


@pytest.fixture
def data(rng):
    x = rng.standard_normal((T, B, 2))
    return [x, x.sum(-1, keepdims=True)]


def network(**options):
    layers = [2, ('ff', 5, 'linear'), ('rnn', 4), 1]
    return rnnkit.Regressor(layers, seed=0, dtype='float64', **options)


def compared(net):
    return net._train_steps.criterion.compared


def outputs(net, x, **words):
    """Return the outputs in training, by the graph itself."""
    amounts = perturbations.read(net._graph, compared(net), words)
    made = perturbations.Disturbance(net._graph, sorted(amounts))
    made.set(amounts)
    noise = Noise()
    noise.seed(1)
    found = made.outputs(noise)
    function = pytensor.function(
        [*net.inputs, *net._graph.masks.values()],
        list(found.values()),
        updates=noise.updates,
        on_unused_input='ignore',
    )
    return dict(zip(found, function(*x), strict=True))


def test_the_names_of_the_keywords_say_what_they_do():
    for keyword, (kind, place, description) in perturbations.PERTURBATIONS.items():
        assert keyword == (f'{place}_{kind}' if place in ('input', 'hidden', 'output') else kind)
        assert description


def test_keywords_and_their_targets():
    net = network()
    for word, names in {
        'input_noise': ['in:out'],
        'hidden_noise': ['hid1:out', 'hid2:out'],
        'output_dropout': ['out:out'],
        'hidden_dropout': ['hid1:out', 'hid2:out'],
    }.items():
        found = perturbations.read(net._graph, compared(net), {word: 0.5})
        assert found == {(word.partition('_')[2], name): 0.5 for name in names}
    found = perturbations.read(net._graph, compared(net), {'dropout': {'hid2': 0.1, 'in:out': 0.2}})
    assert found == {('dropout', 'hid2:out'): 0.1, ('dropout', 'in:out'): 0.2}
    found = perturbations.read(net._graph, compared(net), {'weight_noise': 0.1})
    assert {t.name for t in found} == {'hid1.w', 'hid2.xh', 'hid2.hh', 'out.w'}
    found = perturbations.read(net._graph, compared(net), {'max_norm': {'hid2.*': 2}})
    assert found == {('max_norm', 'hid2.xh'): 2.0, ('max_norm', 'hid2.hh'): 2.0}


@pytest.mark.parametrize(('place', 'name'), [('input', 'in:out'), ('output', 'out:out')])
def test_noise_and_dropout_of_an_output(place, name, data):
    net, x = network(), data[:1]
    clean = net.feed_forward(x[0])[name]
    noise = outputs(net, x, **{f'{place}_noise': 0.5})[name] - clean
    assert abs(noise.mean()) < 0.1
    assert noise.std() == pytest.approx(0.5, rel=0.1)
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.2  # fresh at each step
    ratio = outputs(net, x, **{f'{place}_dropout': 0.25})[name] / clean
    assert np.isclose(ratio, 0).mean() == pytest.approx(0.25, abs=0.05)
    assert np.isclose(ratio[ratio > 0], 4 / 3).all()


def test_later_layers_read_what_noise_makes(data):
    net = network()
    found = outputs(net, data[:1], hidden_dropout=0.5)
    w, b = (net.find('out', name).get_value() for name in ('w', 'b'))
    assert np.allclose(found['out:out'], found['hid2:out'] @ w + b)


def test_padding_keeps_its_values(data):
    net = network(masked=True)
    mask = np.ones((T, B))
    mask[2:, :9] = 0
    found = outputs(net, [data[0], mask], noise={'hid2': 1.0})['hid2:out']
    assert not found[2:, :9].any()
    assert found[:2].any()


def test_noise_of_weights(data):
    net, x = network(), data[0]
    found = outputs(net, [x], weight_noise={'hid1.w': 0.1})['hid1:out']
    w, b = (net.find('hid1', name).get_value() for name in ('w', 'b'))
    # The layer is linear, so its matrix can be found again.
    noisy = np.linalg.lstsq(x.reshape(-1, 2), (found - b).reshape(-1, 5), rcond=None)[0]
    assert 0.02 < (noisy - w).std() < 0.2
    assert np.allclose(found, x @ noisy + b)


def test_validation_is_without_noise(data):
    words = dict(input_noise=0.5, hidden_dropout=0.5, weight_noise=0.5)
    options = dict(epochs=1, algo='sgd', learning_rate=1e-12)  # the parameters stay
    clean, noisy = (network().train(data, **options, **more) for more in ({}, words))
    assert noisy[1]['loss'] == pytest.approx(clean[1]['loss'], rel=1e-9)
    assert noisy[0]['loss'] > 1.01 * clean[0]['loss']


def test_other_amounts_compile_nothing(data, caplog):
    net = network()
    net.train(data, epochs=1, hidden_dropout=0.5, noise={'in': 0.1}, max_norm=2)
    caplog.clear()
    with caplog.at_level(logging.INFO, 'rnnkit'):
        net.train(data, epochs=1, hidden_dropout=0.1, noise={'in': 0.3}, max_norm=1)
    assert not [r for r in caplog.records if 'compiling' in r.getMessage()]
    assert len(net._train_steps._variants) == 1


def test_max_norm_limits_columns(data):
    net = network()
    before = {p.name: np.linalg.norm(p.get_value(), axis=0).max() for p in net.params}
    net.train(data, epochs=1, max_norm={'hid*': 0.4}, restore_best=False)
    for p in net.params:
        norm = np.linalg.norm(p.get_value(), axis=0).max()
        if p.ndim == 2 and p.name.startswith('hid'):
            assert norm < 0.4 + 1e-9 < before[p.name]
        elif p.ndim == 2:
            assert norm > 0.4
    columns = np.array([[3.0, 0.1], [4.0, 0.1]])
    found = perturbations.limited(columns, np.float64(1)).eval()
    assert np.allclose(found, [[0.6, 0.1], [0.8, 0.1]])


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (
            {'dropout': {'foo': 0.1}},
            "'foo:out' matches nothing; there is in:out, hid1:out, hid2:out",
        ),
        ({'noise': {'hid2:last': 0.1}}, 'matches nothing'),
        ({'dropout': 0.2}, r'dropout must be a dict.*hidden_dropout=0.2'),
        ({'dropout': {3: 0.1}}, 'dropout: pattern must be a pattern of names'),
        ({'hidden_dropout': 1.0}, 'hidden_dropout must be a .* of at least 0 and below 1; got 1.0'),
        ({'input_noise': -1}, 'input_noise must be a finite number of at least 0; got -1'),
        ({'input_noise': 'a'}, "got 'a'"),
        ({'max_norm': 0}, 'max_norm must be a finite number above 0; got 0'),
        ({'weight_noise': {'hid9.*': 1}}, "'hid9.*' matches nothing; there is hid1.w"),
        ({'noise': {'hid*': 0.1, 'hid1': 0.2}}, "two patterns match 'hid1:out'"),
        (
            {'noise': {'hid1': 0.1}, 'hidden_noise': 0.1},
            "both noise and hidden_noise are about 'hid1",
        ),
        ({'hiden_dropout': 0.1}, "did you mean 'hidden_dropout'"),
        ({'dropouts': 0.1}, "did you mean 'dropout'"),
        ({'hidden_dropout': 0.1, 'algo': 'lbfgs'}, 'lbfgs.*noise and dropout make random'),
        ({'max_norm': 1.0, 'algo': 'lbfgs'}, 'lbfgs.*noise and dropout make random'),
    ],
)
def test_errors(words, message, data):
    with pytest.raises(ConfigError, match=message):
        network().train(data, epochs=1, **words)


def test_what_has_no_effect_is_refused(rng):
    net = rnnkit.Classifier([5, ('embedding', 3), ('rnn', 3), 'last', 3], seed=0)
    batch = [rng.integers(0, 5, (T, 6)), rng.integers(0, 3, 6)]
    with pytest.raises(ConfigError, match='the inputs are tokens'):
        net.train(batch, input_dropout=0.1)
    with pytest.raises(ConfigError, match="output_noise: .*compares 'out:pre'"):
        net.train(batch, output_noise=0.1)
    with pytest.raises(ConfigError, match='matches nothing'):  # 'last' reads hid2:last
        net.train(batch, noise={'hid2': 0.1})
    with pytest.raises(ConfigError, match='no hidden layer'):
        rnnkit.Regressor([2, 1], seed=0).train(np.ones((2, 4, 2)), hidden_noise=0.1)
