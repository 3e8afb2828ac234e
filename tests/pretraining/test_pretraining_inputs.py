"""Layers that learn what they read, and weights that are samples of it."""

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import ConfigError, DataError
from rnnkit.pretraining import pretrain
from rnnkit.pretraining.samples import Reservoir

X = np.linspace(-1, 1, 60).reshape(20, 3)
Y = np.c_[X.prod(axis=1), np.sin(3 * X[:, 0])]


def dense(layers=(3, 5, 4, 2), **options):
    return rnnkit.Regressor(list(layers), **{'seed': 0, 'dtype': 'float64', **options})


def series(net, T=5, B=4):
    rng = np.random.default_rng(1)
    return rng.standard_normal((T, B, net.layers[0].size))


def values(net, *layers):
    return [
        p.get_value()
        for layer in net.layers
        if not layers or layer.name in layers
        for p in layer.params.values()
    ]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def staged(net, data, **given):
    return pretrain('train()', net, data, None, given)


# --- pretrain


def test_a_stage_is_an_autoencoder_of_what_its_layer_reads():
    net = rnnkit.Regressor(
        [3, ('bidirectional', 4), ('dropout', 0.5), ('gru', 3), 'last', 5, 1], seed=0
    )
    x = series(net)
    found = staged(net, x).stages
    assert [[layer.form for layer in s.net.layers] for s in found] == [
        ['input', 'bidirectional', 'feedforward'],
        ['input', 'gru', 'feedforward'],
        ['input', 'feedforward', 'feedforward'],
    ]
    assert [[layer.name for layer in s.net.layers] for s in found] == [
        ['in', 'hid1', 'out'],
        ['hid2', 'hid3', 'out'],
        ['hid4', 'hid5', 'out'],
    ]
    everything = net.feed_forward(x)
    for stage, read in zip(found, ['in:out', 'hid2:out', 'hid4:out'], strict=True):
        h, again = stage.convert(x, 'train')
        assert h is again
        np.testing.assert_array_equal(h, everything[read].astype('float32'))
        assert stage.net.layers[-1].size == h.shape[-1]
        assert stage.net.layers[-1].activation == 'linear'


def test_several_outputs_of_a_layer_are_read():
    net = rnnkit.Regressor(
        [2, ('rnn', 4), ('rnn', 3), dict(form='ff', size=3, inputs='hid1:last'), 1], seed=0
    )
    x = series(net)
    everything, found = net.feed_forward(x), staged(net, x).stages
    for stage, read in zip(found, ['in:out', 'hid1:out', 'hid1:last'], strict=True):
        h = stage.convert(x, 'train')[0]
        np.testing.assert_allclose(h, everything[read], rtol=1e-5)


def test_the_data_of_a_stage_do_not_depend_on_the_batch_size():
    net = dense()
    below = staged(net, X, batch_size=3).stages[1].convert
    np.testing.assert_allclose(below([X, Y], 'train')[0], net.feed_forward(X)['hid1:out'])


def test_only_hidden_layers_change_each_in_its_stage():
    net = dense()
    start = values(net)
    training = net.itertrain(X, algo='pretrain', subalgo='adam', epochs=1)
    next(training), next(training)
    first = values(net, 'hid1')
    assert not same(first, start[:2])
    assert same(values(net, 'hid2'), start[2:4])
    assert not list(training)
    assert same(values(net, 'hid1'), first)
    assert not same(values(net, 'hid2'), start[2:4])
    assert same(values(net, 'out'), start[4:])


def test_the_second_stage_reads_the_first_ones_new_values():
    net = dense()
    start = net.find('hid2', 'w').get_value()
    seed = staged(net, X, seed=1).keywords[1]['seed']
    net.train(X, algo='pretrain', epochs=4, learning_rate=0.05, seed=1)
    # The same by hand.
    h = net.feed_forward(X)['hid1:out']
    small = dense([5, 4, dict(size=5, activation='linear')], seed=seed)
    small.find('hid1', 'w').set_value(start)
    small.train([h, h], epochs=4, learning_rate=0.05, seed=seed)
    assert not np.allclose(values(small, 'hid1')[0], start)
    for one, other in zip(values(small, 'hid1'), values(net, 'hid2'), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)


def test_a_layer_learns_to_keep_what_it_reads():
    net = rnnkit.Regressor([3, ('rnn', 6), 2], seed=0)
    net.train(
        series(net, B=8),
        algo='unsupervised',
        subalgo='adam',
        epochs=40,
        batch_size=8,
        learning_rate=0.03,
    )
    assert net.history[-1]['loss'] < 0.3 * net.history[0]['loss']


def test_targets_are_not_needed_and_not_used():
    found = []
    for data in (X, [X], (X, Y), {'x': X}, {'x': X, 'y': Y}, [X, 'no array']):
        net = dense()
        net.train(data, algo='pretrain', epochs=1, batch_size=8)
        found.append(values(net))
    assert all(same(found[0], other) for other in found)


def test_batches_of_a_callable():
    def draw(rng):
        assert isinstance(rng, np.random.Generator)
        return [X[rng.permutation(20)[:5]]]

    net = dense()
    net.train(draw, X, algo='pretrain', epochs=1, train_batches=3)
    assert net.history['updates'] == [3, 3]
    net.train(lambda: [X, Y], algo='pretrain', epochs=1, train_batches=2, valid_batches=1)
    assert net.history['updates'] == [3, 3, 2, 2]


def test_padding_is_not_learned_from():
    lists = [np.ones((4, 2)), np.full((2, 2), 0.5), np.ones((1, 2))]
    x, mask = rnnkit.recurrent.pad(lists)
    x = np.where(mask[..., None] > 0, x, 7.0)
    found = []
    for data in (lists, [x, mask]):
        net = rnnkit.Regressor([2, 3, ('rnn', 3), 'last', 4, 2], masked=True, seed=0)
        net.train(data, algo='pretrain', epochs=1, bucket=True, batch_size=3)
        found.append(values(net))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    assert net.history['stage'] == ['hid1', 'hid2', 'hid4']
    convert = staged(net, lists).stages[0].convert
    for data in ([lists, [one + 1 for one in lists]], [lists], {'x': x, 'mask': mask}):
        _, h, real = convert(data, 'train')
        np.testing.assert_array_equal(real, mask)
        np.testing.assert_array_equal(h * real[..., None], x * mask[..., None])


def test_layout_and_several_inputs():
    layers = [
        2,
        dict(form='input', size=3, name='b'),
        dict(form='concat', inputs=('in', 'b')),
        ('rnn', 4),
        1,
    ]
    net = rnnkit.Regressor(layers, layout='batch', seed=0)
    x, b = np.ones((6, 5, 2)), np.zeros((6, 5, 3))
    stage = staged(net, [x, b]).stages[0]
    assert stage.convert([x, b], 'train')[0].shape == (5, 6, 5)
    net.train({'x': x, 'b': b}, algo='pretrain', epochs=1)
    with pytest.raises(
        DataError, match=r'train: expects arrays \[x, b\] or \[x, b, y\]; got array'
    ):
        net.train(x, algo='pretrain')


def test_noise_makes_denoising_autoencoders():
    net = dense()
    net.train(X, algo='pretrain', epochs=1, input_noise=0.1, dropout={'hid1': 0.2})
    given = staged(net, X, input_dropout=0.1, noise={'hid1': 0.2}).keywords
    assert [one.get('noise') for one in given] == [{'hid1': 0.2}, {'hid1': 0.2}]


STRIDE = dict(form='conv1', size=3, filter_size=2, stride=2)


@pytest.mark.parametrize(
    ('layers', 'message'),
    [
        ([3, 2], "algo 'pretrain' trains hidden layers with weights that read numbers"),
        ([4, ('embedding', 3), 2], 'this network has none'),
        (
            [3, 4, STRIDE, 1],
            r"algo 'pretrain', layer 'hid2': its output has other time steps .*\(conv1\)",
        ),
        (
            [3, 4, dict(form='ff', size=2, inputs=('in', 'hid1')), 1],
            "layer 'hid2': it reads several layers, in:out and hid1:out",
        ),
    ],
)
def test_networks_without_autoencoders_are_refused(layers, message):
    net = rnnkit.Regressor(layers, seed=0)
    with pytest.raises(ConfigError, match=message):
        net.train(X, algo='pretrain')
    assert net._trainings == 0


def test_words_and_states_of_others():
    net = rnnkit.Classifier(
        [
            6,
            ('embedding', 3),
            dict(form='rnn', size=4, name='a'),
            dict(form='rnn', size=4, name='b', inputs='hid1', h_0='a'),
            2,
        ],
        seed=0,
    )
    table = values(net, 'hid1')
    words = np.arange(12).reshape(4, 3) % 6
    net.train(words, algo='pretrain', epochs=1)
    assert net.history['stage'] == ['a', 'b']
    assert same(values(net, 'hid1'), table)


def test_an_input_with_three_axes_needs_no_recurrent_layer():
    net = rnnkit.Regressor([dict(form='input', size=2, ndim=3), 4, 1], seed=0)
    x = np.random.default_rng(0).standard_normal((5, 3, 2))
    flat = rnnkit.Regressor([2, 4, 1], seed=0).predict(x.reshape(15, 2))
    np.testing.assert_allclose(net.predict(x), flat.reshape(5, 3, 1), rtol=1e-6)


# --- sample


def assert_directions_of(found, rows):
    """Check that rows have the length 1, and the direction of one of these each."""
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)
    rows = rows.reshape(-1, rows.shape[-1]).astype('float64')
    rows = rows[np.any(rows != 0, axis=1)]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    for one in found:
        assert np.abs(rows - one).max(axis=1).min() < 1e-6


def test_weights_are_samples_of_what_is_read_then():
    net = dense()
    start = values(net)
    train, valid = net.train([X, Y], algo='sample', monitors=['r2'])
    everything = net.feed_forward(X)
    assert_directions_of(net.find('hid1', 'w').get_value().T, X)
    assert_directions_of(net.find('hid2', 'w').get_value().T, everything['hid1:out'])
    assert_directions_of(net.find('out', 'w').get_value(), Y)
    assert same(values(net)[1::2], start[1::2])
    assert train == valid
    assert np.isclose(valid['loss'], np.square(net.predict(X) - Y).mean())
    assert 'r2' in valid
    assert net.history['training_loss'] == [valid['loss']]
    assert list(dense().itertrain([X, Y], algo='sample', monitors='r2')) == [(train, valid)]


def test_samples_of_recurrent_layers():
    net = rnnkit.Regressor(
        [
            3,
            dict(form='bidirectional', size=4, worker='lstm'),
            dict(form='rrnn', size=2, rate='matrix'),
            dict(form='ff', size=3, inputs=('hid1', 'hid2')),
            'layernorm',
            1,
        ],
        seed=0,
        dtype='float64',
    )
    x = series(net)
    start = {p.name: p.get_value() for p in net.params}
    net.train([x, x[..., :1]], algo='sample')
    read = {
        'hid1_fw.xh': 'in',
        'hid1_bw.xh': 'in',
        'hid2.xh': 'hid1',
        'hid2.xr': 'hid1',
        'hid3.w_hid1:out': 'hid1',
        'hid3.w_hid2:out': 'hid2',
    }
    outputs = net.feed_forward(x)
    for p in net.params:
        if p.name in read:
            assert_directions_of(p.get_value().T, outputs[f'{read[p.name]}:out'])
        elif p.name == 'out.w':
            assert_directions_of(p.get_value(), x[..., :1])
        else:
            np.testing.assert_array_equal(p.get_value(), start[p.name])


def test_padding_zeros_and_weights_of_zero_are_not_sampled():
    x = np.full((5, 2, 2), 9.0)
    mask = np.array([[1, 1], [1, 1], [1, 0], [0, 0], [0, 0]])
    x[mask == 1] = [[1, 0], [0, 0], [0, 0], [0, 2], [0, -3]]
    net = rnnkit.Regressor([2, ('rnn', 30), 1], masked=True, weighted=True, seed=0)
    y, weights = np.full((5, 2, 1), -1.0), np.zeros((5, 2))
    y[0], weights[0] = 2.0, 1
    net.train([x, y, weights, mask], algo='sample')
    found = net.find('hid1', 'xh').get_value().T
    assert {tuple(row) for row in found} == {(1, 0), (0, 1), (0, -1)}
    assert (net.find('out', 'w').get_value() == 1).all()


def test_nothing_to_sample_changes_nothing():
    net = dense([3, dict(size=4, b=-5.0), 4, 2])  # relu, always 0
    start = values(net)
    with pytest.raises(DataError, match=r"what 'hid2' reads \(hid1:out\) is 0 everywhere"):
        net.train([X, Y], algo='sample')
    assert same(values(net), start)
    assert not net.history


def test_labels_words_and_tied_layers_are_left_alone():
    net = rnnkit.Classifier([6, ('embedding', 3), ('rnn', 4), 2], seed=0)
    start = {p.name: p.get_value() for p in net.params}
    words = np.arange(12).reshape(4, 3) % 6
    net.train([words, words % 2], algo='sample')
    changed = [p.name for p in net.params if not np.array_equal(p.get_value(), start[p.name])]
    assert changed == ['hid2.xh']
    net = dense([3, 2, 'tied'])
    net.train([X, X], algo='sample')
    assert (net.find('out', 'b').get_value() == 0).all()


def test_samples_of_a_callable():
    net = dense()
    net.train(
        lambda rng: [X[rng.permutation(20)[:4]], Y[:4]], [X, Y], algo='sample', train_batches=2
    )
    assert_directions_of(net.find('hid1', 'w').get_value().T, X)


def test_a_reservoir_is_a_fair_sample():
    rows = np.eye(6)
    counts = np.zeros(6)
    for seed in range(3000):
        kept = Reservoir(2, np.random.default_rng(seed))
        for part in (rows[:1], rows[1:1], rows[1:4], rows[4:]):
            kept.add(part)
        found = kept.directions('rows')
        assert not np.array_equal(*found)
        counts += found.sum(axis=0)
    # Each has a chance of 1/3: 1000 of 3000, with a deviation of 26.
    assert abs(counts - 1000).max() < 4 * 26


def test_rows_of_any_size_have_length_one():
    kept = Reservoir(5, np.random.default_rng(0))
    kept.add(np.array([[1e-300, 1e-300], [3e200, 4e200], [0, 0]]))
    found = kept.directions('rows')
    assert {tuple(row.round(6)) for row in found} == {(0.707107, 0.707107), (0.6, 0.8)}
