"""Networks: the layer specs, names, what one can ask of them, and whether they learn."""

import json

import numpy as np
import pytest

import rnnkit
import rnnkit as theanets
from rnnkit.errors import ConfigError
from rnnkit.layers import parse_layers


def forms(specs):
    return [(layer.form, layer.size) for layer in parse_layers(specs)]


@pytest.mark.parametrize(
    ('spec', 'form', 'size', 'activation'),
    [
        (7, 'feedforward', 7, None),
        (np.int64(7), 'feedforward', 7, None),
        ((7,), 'feedforward', 7, None),
        ([7], 'feedforward', 7, None),
        ((7, 'tanh'), 'feedforward', 7, 'tanh'),
        (('tanh', 7), 'feedforward', 7, 'tanh'),
        ((7, 'relu+softmax'), 'feedforward', 7, 'relu+softmax'),
        ((7, 'dense'), 'feedforward', 7, None),
        (('FF', 7), 'feedforward', 7, None),
        (('lstm', 7), 'lstm', 7, 'tanh'),
        ((7, 'gru'), 'gru', 7, 'tanh'),
        (['relu', 7, 'rnn'], 'rnn', 7, 'relu'),
        ((7, 'linear', 'rnn'), 'rnn', 7, 'linear'),
        ((7, np.tanh), 'feedforward', 7, np.tanh),
        ((7, 'softmax'), 'classifier', 7, 'softmax'),
        ({'size': 7}, 'feedforward', 7, None),
        ({'size': 7, 'form': 'lstm', 'activation': 'relu'}, 'lstm', 7, 'relu'),
        (rnnkit.layers.Dense(7, activation='elu'), 'feedforward', 7, 'elu'),
    ],
    ids=str,
)
def test_every_way_to_write_a_layer(spec, form, size, activation):
    layer = parse_layers([1, spec, 1])[1]
    assert (layer.form, layer.size, layer.activation) == (form, size, activation)


@pytest.mark.parametrize('spec', [3, (3,), ('input', 3), {'size': 3}, {'form': 'input', 'size': 3}])
def test_the_first_layer_is_the_input(spec):
    assert forms([spec, 1]) == [('input', 3), ('feedforward', 1)]


def test_default_names_follow_the_place_and_never_a_counter():
    for _ in range(2):
        names = [layer.name for layer in parse_layers([1, ('rnn', 2), 5, ('lstm', 2), 1])]
        assert names == ['in', 'hid1', 'hid2', 'hid3', 'out']


def test_names_of_ones_own():
    net = rnnkit.Regressor(
        [{'form': 'input', 'size': 1, 'name': 'x'}, {'form': 'rnn', 'size': 2, 'name': 'memory'}, 1]
    )
    assert [layer.name for layer in net.layers] == ['x', 'memory', 'out']
    assert [p.name for p in net.params] == ['memory.xh', 'memory.hh', 'memory.b', 'out.w', 'out.b']
    assert list(net.outputs) == ['x:out', 'memory:out', 'memory:last', 'out:out', 'out:pre']


def test_a_layer_may_read_any_layer_before_it():
    net = rnnkit.Regressor(
        [2, ('lstm', 3), {'size': 4, 'inputs': 'in'}, {'size': 1, 'inputs': ('hid1:c', 'hid2')}],
        seed=0,
        dtype='float64',
    )
    shapes = {p.name: p.get_value().shape for p in net.params}
    assert shapes['hid2.w'] == (2, 4)
    assert shapes['out.w_hid1:c'] == (3, 1)
    assert shapes['out.w_hid2:out'] == (4, 1)
    x = np.random.default_rng(0).standard_normal((3, 2, 2))
    found = net.feed_forward(x)
    right = found['hid1:c'] @ net.find('out', 'w_hid1:c').get_value()
    right += found['hid2:out'] @ net.find('out', 'w_hid2:out').get_value()
    np.testing.assert_allclose(found['out:out'], right, atol=1e-14)  # rounding


def test_a_parameter_can_be_given_its_start():
    hh = np.eye(2) * 0.5
    net = rnnkit.Regressor(
        [
            1,
            {
                'form': 'rnn',
                'size': 2,
                'hh': hh,
                'b': 0.25,
                'xh': lambda shape, rng: np.ones(shape),
            },
            {'size': 1, 'w': 'zeros'},
        ]
    )
    np.testing.assert_array_equal(net.find('hid1', 'hh').get_value(), hh)
    assert set(net.find('hid1', 'b').get_value()) == {0.25}
    assert set(net.find('hid1', 'xh').get_value().ravel()) == {1}
    assert not net.find('out', 'w').get_value().any()


def test_default_activations_are_relu_inside_and_linear_or_softmax_at_the_end(rng):
    x = rng.standard_normal((20, 3))
    net = rnnkit.Regressor([3, 4, 2], seed=0, dtype='float64')
    found = net.feed_forward(x)
    np.testing.assert_array_equal(found['hid1:out'], np.maximum(found['hid1:pre'], 0))
    np.testing.assert_array_equal(found['out:out'], found['out:pre'])
    e = np.exp(rnnkit.Classifier([3, 4, 2], seed=0, dtype='float64').feed_forward(x)['out:pre'])
    proba = rnnkit.Classifier([3, 4, 2], seed=0, dtype='float64').predict_proba(x)
    np.testing.assert_allclose(proba, e / e.sum(-1, keepdims=True), rtol=1e-12)  # rounding


# --- what one can ask ---


@pytest.fixture(scope='module')
def net():
    return rnnkit.Regressor([2, ('lstm', 3), (4, 'tanh'), 1], seed=0)


def test_parameters_are_counted(net):
    assert net.num_params == (2 + 3 + 1) * 12 + (3 + 1) * 4 + (4 + 1) * 1


def test_find_by_name_and_by_number(net):
    assert net.find('hid1', 'hh') is net.find(1, 1) is net.find('hid1', -2) is net.params[1]
    assert net.find(-1, 'b').name == 'out.b'


@pytest.mark.parametrize(
    ('where', 'message'),
    [
        (('hid9', 'xh'), r"no layer named 'hid9'; did you mean 'hid\d'\?"),
        (('hid1', 'hx'), "no parameter of layer 'hid1' named 'hx'"),
        ((9, 0), 'there is no layer number 9; there are 4'),
        ((1, 3), "there is no parameter of layer 'hid1' number 3; there are 3"),
        (('in', 'w'), "no parameter of layer 'in' named 'w'"),
        (([], 'w'), r'no layer named \[\]'),
    ],
)
def test_find_names_what_is_not_there(net, where, message):
    with pytest.raises(ConfigError, match=message):
        net.find(*where)


def test_parameters_of_both_directions():
    net = rnnkit.Regressor([2, dict(form='bidirectional', worker='rnn', size=4), 1], seed=0)
    backward = net.find('hid1_bw', 'xh')
    assert net.find('hid1', 'bw.xh') is backward is net.find('hid1', 'hid1_bw.xh')
    message = (
        r"find\(\): layer 'hid1' has a parameter 'xh' in each direction; write 'fw.xh' and 'bw.xh'$"
    )
    with pytest.raises(ConfigError, match=message):
        net.find('hid1', 'xh')


def test_summary_is_a_table(net):
    assert net.summary() == '\n'.join(
        [
            'layer  form         output     parameters              count',
            '------------------------------------------------------------',
            'in     input        (T, B, 2)                          0',
            'hid1   lstm         (T, B, 3)  xh 2x12  hh 3x12  b 12  72',
            'hid2   feedforward  (T, B, 4)  w 3x4  b 4              16',
            'out    feedforward  (T, B, 1)  w 4x1  b 1              5',
            'Regressor, 93 parameters, float32',
        ]
    )


def test_feed_forward_gives_every_output_by_name(net, rng):
    x = rng.standard_normal((5, 2, 2))
    found = net.feed_forward(x)
    assert {k: v.shape for k, v in found.items()} == {
        'in:out': (5, 2, 2),
        'hid1:out': (5, 2, 3),
        'hid1:c': (5, 2, 3),
        'hid1:last': (2, 3),
        'hid1:last_c': (2, 3),
        'hid2:out': (5, 2, 4),
        'hid2:pre': (5, 2, 4),
        'out:out': (5, 2, 1),
        'out:pre': (5, 2, 1),
    }
    np.testing.assert_array_equal(found['in:out'], x.astype('float32'))
    np.testing.assert_array_equal(found['out:out'], net.predict(x))


def test_the_paths_of_theanets_lead_to_the_same_classes():
    assert theanets.recurrent.Regressor is theanets.Regressor
    assert theanets.recurrent.Classifier is theanets.Classifier


def test_a_spec_is_json_and_builds_the_same_network(net):
    spec = json.loads(json.dumps(net.to_spec()))
    other = rnnkit.from_spec(spec)
    assert other.to_spec() == net.to_spec()
    assert other.summary() == net.summary()
    for a, b in zip(other.params, net.params, strict=True):
        assert np.array_equal(a.get_value(), b.get_value())


def test_a_spec_keeps_every_setting():
    net = rnnkit.Classifier(
        [
            2,
            {'form': 'gru', 'size': 3, 'reset': 'before', 'b': {'r': 1.0}, 'name': 'g'},
            {'size': 4, 'inputs': ('g', 'in'), 'activation': 'elu'},
            3,
        ],
        weighted=True,
        masked=True,
        layout='batch',
        dtype='float64',
        seed=9,
    )
    spec = net.to_spec()
    assert spec == {
        'model': 'Classifier',
        'loss': 'xe',
        'weighted': True,
        'masked': True,
        'layout': 'batch',
        'dtype': 'float64',
        'seed': 9,
        'layers': [
            {'form': 'input', 'size': 2, 'name': 'in'},
            {'form': 'gru', 'size': 3, 'name': 'g', 'reset': 'before', 'b': {'r': 1.0}},
            {
                'form': 'feedforward',
                'size': 4,
                'name': 'hid2',
                'inputs': ['g', 'in'],
                'activation': 'elu',
            },
            {'form': 'feedforward', 'size': 3, 'name': 'out'},
        ],
    }
    other = rnnkit.from_spec(spec)
    assert other.to_spec() == spec
    assert other.find('g', 'b').get_value().tolist() == [1] * 3 + [0] * 6


# --- they learn ---


def test_a_regressor_learns_to_remember(rng):
    """The input of two steps ago: without memory the mean, with R² 0, is the best answer."""
    x = rng.standard_normal((8, 24, 1))
    y = np.zeros_like(x)
    y[2:] = x[:-2]
    net = rnnkit.Regressor([1, ('gru', 6), 1], seed=0)
    net.train([x, y], algo='adam', learning_rate=0.05, epochs=100, validate_every=25)
    fresh = rng.standard_normal((20, 64, 1))
    # Fresh data and longer sequences: what has been learned is the task and not the data.
    assert net.score(fresh[2:], np.r_[fresh[2:4] * 0, fresh[2:-2]]) > 0.8


def test_a_classifier_learns_what_needs_two_steps(rng):
    """The xor of this bit and the last; no function of one step beats chance."""
    bits = rng.integers(0, 2, (11, 64))
    y = np.zeros_like(bits)
    y[1:] = bits[1:] ^ bits[:-1]
    net = rnnkit.Classifier([1, ('rnn', 8), 2], seed=1)
    train, _ = net.train([bits[..., None], y], algo='adam', learning_rate=0.03, epochs=50)
    assert train['acc'] > 0.95
    bits = rng.integers(0, 2, (11, 200))
    y = np.r_[bits[:1] * 0, bits[1:] ^ bits[:-1]]
    assert net.score(bits[1:, :, None], y[1:], weights=np.r_[y[:1] * 0, y[2:] * 0 + 1]) > 0.95
    proba = net.predict_proba(bits[..., None])
    assert proba.shape == (11, 200, 2)
    np.testing.assert_allclose(proba.sum(-1), 1, atol=1e-6)  # float32
    np.testing.assert_array_equal(proba.argmax(-1), net.predict(bits[..., None]))


def test_a_dense_classifier_learns_xor(rng):
    x = rng.standard_normal((200, 2))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)  # no straight line parts these
    net = rnnkit.Classifier([2, 16, 2], seed=0)
    net.train([x, y], algo='adam', learning_rate=0.03, epochs=60)
    fresh = rng.standard_normal((500, 2))
    assert net.score(fresh, fresh[:, 0] * fresh[:, 1] > 0) > 0.9
    assert net.predict(fresh).shape == (500,)


def test_weight_l2_makes_weights_small(rng):
    x = rng.standard_normal((60, 3))
    norms = []
    for strength in (0, 1.0):
        net = rnnkit.Regressor([3, 1], seed=0)
        net.train(
            [x, x.sum(1, keepdims=True)],
            algo='adam',
            learning_rate=0.05,
            epochs=30,
            weight_l2=strength,
        )
        norms.append(abs(net.find('out', 'w').get_value()).mean())
    assert norms[0] == pytest.approx(1, abs=0.05)
    # d/dw of (w - 1)² + w²/3 for three equal weights: w = 3/4.
    assert norms[1] == pytest.approx(0.75, abs=0.1)
