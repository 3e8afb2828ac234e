"""The border of a network: both layouts, several inputs, and wrong arrays."""

import re

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import DataError, ShapeError

T, B = 5, 4


def regressor(layers=(2, ('rnn', 3), 1), **options):
    return rnnkit.Regressor(list(layers), seed=0, dtype='float64', **options)


@pytest.fixture
def data(rng):
    return [rng.standard_normal((T, B, 2)), rng.standard_normal((T, B, 1))]


def turned(arrays):
    return [a.swapaxes(0, 1) for a in arrays]


def test_both_layouts_give_the_same_predictions_and_the_same_training(data):
    nets = {'time': (regressor(), data), 'batch': (regressor(layout='batch'), turned(data))}
    results, scores = {}, []
    for layout, (net, batch) in nets.items():
        net.train(batch, epochs=2, batch_size=3, weight_l2=1e-3)
        predicted = net.predict(batch[0])
        hidden = net.feed_forward(batch[0])['hid1:out']
        if layout == 'batch':
            predicted, hidden = turned([predicted, hidden])
        scores.append(net.score(*batch))
        results[layout] = [predicted, hidden, *[p.get_value() for p in net.params]]
    for a, b in zip(*results.values(), strict=True):
        assert np.array_equal(a, b)
    assert scores[0] == pytest.approx(scores[1], rel=1e-12)  # the sum runs in another order


def test_both_layouts_of_a_weighted_classifier_give_the_same(rng):
    x, y = rng.standard_normal((T, B, 2)), rng.integers(0, 3, (T, B))
    w = rng.random((T, B))
    scores = []
    for layout, batch in (('time', [x, y, w]), ('batch', turned([x, y, w]))):
        net = rnnkit.Classifier([2, ('rnn', 3), 3], weighted=True, layout=layout, seed=0)
        found = net.train(batch, epochs=1)
        assert net.predict(batch[0]).shape == batch[1].shape
        scores.append((found, net.score(*batch), net.predict_proba(batch[0]).sum()))
    assert scores[0][:2] == scores[1][:2]
    assert scores[0][2] == pytest.approx(scores[1][2])  # the sum runs in another order


def test_predictions_are_contiguous_arrays(data):
    net = regressor(layout='batch')
    assert net.predict(data[0].swapaxes(0, 1)).flags.c_contiguous


def test_data_may_be_a_list_a_tuple_or_a_dict(data):
    losses = []
    for batch in (data, tuple(data), {'y': data[1], 'x': data[0]}):
        net = regressor()
        losses.append(net.train(batch, epochs=1)[0]['loss'])
    assert len(set(losses)) == 1


def test_data_of_any_numeric_type_train_alike(data):
    x, y = (a.round() for a in data)
    losses = set()
    for kind in ('float64', 'float32', 'int64', 'int8'):
        losses.add(regressor().train([x.astype(kind), y.astype(kind)], epochs=1)[0]['loss'])
    losses.add(regressor().train([x.tolist(), np.asfortranarray(y)], epochs=1)[0]['loss'])
    assert len(losses) == 1


def test_weights_of_one_for_each_step_stand_for_all_features(rng):
    x, y, w = rng.standard_normal((T, B, 2)), rng.standard_normal((T, B, 3)), rng.random((T, B))
    losses = set()
    for weights in (w, w[..., None], np.repeat(w[..., None], 3, 2)):
        net = regressor([2, ('rnn', 3), 3], weighted=True)
        losses.add(net.train([x, y, weights], epochs=1)[0]['loss'])
    assert len(losses) == 1


def test_zero_weights_hide_targets(rng):
    x, y = rng.standard_normal((T, B, 2)), rng.standard_normal((T, B, 1))
    w = np.ones((T, B))
    w[:3] = 0
    other = y.copy()
    other[:3] = 1e6
    found = [regressor(weighted=True).train([x, t, w], epochs=1) for t in (y, other)]
    assert found[0] == found[1]


X, Y = np.zeros((T, B, 2)), np.zeros((T, B, 1))
BAD_BATCHES = [
    ([X], DataError, 'train: expects 2 arrays [x, y]; got 1: [array of shape (5, 4, 2)]'),
    ([X, Y, Y], DataError, 'was the network meant to be built with weighted=True or masked=True?'),
    (X, DataError, 'train: expects a list of arrays [x, y]; got array of shape (5, 4, 2)'),
    (None, DataError, 'train: expects a list of arrays [x, y]; got NoneType'),
    ({'x': X}, DataError, "train: expects {x, y}; got a dict of ['x']"),
    ({'x': X, 'z': Y}, DataError, "train: expects {x, y}; got a dict of ['x', 'z']"),
    ([X[0, 0], Y], ShapeError, 'train: x has 1 axes, shape (2,)'),
    ([X[..., 0], Y], ShapeError, '; one series is (time, features), of 2 features'),
    (
        [X[..., :1], Y],
        ShapeError,
        'train: x has 1 features (its last axis, shape (5, 4, 1)); the input layer has 2',
    ),
    ([X, Y[..., 0]], ShapeError, 'train: y has 2 axes, shape (5, 4)'),
    (
        [X, np.zeros((T, B, 3))],
        ShapeError,
        'train: y has 3 features (its last axis, shape (5, 4, 3)); the last layer has 1',
    ),
    ([X, Y[:3]], ShapeError, 'train: y has length 3 on axis 0 (time), but x has 5'),
    ([X, Y[:, :3]], ShapeError, 'train: y has length 3 on axis 1 (batch), but x has 4'),
    ([X, Y + np.nan], DataError, 'train: y contains nan at index (0, 0, 0)'),
    ([X.astype(str), Y], DataError, 'train: x must be real numbers'),
]


@pytest.mark.parametrize(('batch', 'error', 'message'), BAD_BATCHES)
def test_a_wrong_batch_is_refused_by_name(batch, error, message):
    with pytest.raises(error, match=re.escape(message)):
        regressor().train(batch, epochs=1)


@pytest.mark.parametrize(
    ('x', 'error', 'message'),
    [
        (X[..., 0], ShapeError, 'predict(): x has 2 axes'),
        (np.zeros((T, B, 5)), ShapeError, 'predict(): x has 5 features'),
        (X + np.nan, DataError, 'predict(): x contains nan'),
        (np.zeros((0, B, 2)), DataError, 'predict(): x is empty: its shape is (0, 4, 2)'),
        (None, DataError, 'predict(): x must be an array of numbers; got NoneType'),
    ],
)
def test_a_wrong_input_is_refused_by_name(x, error, message):
    net = regressor()
    with pytest.raises(error, match=re.escape(message)):
        net.predict(x)


def test_the_axes_of_the_message_are_those_of_the_layout():
    net = regressor(layout='batch')
    with pytest.raises(ShapeError, match=re.escape('axis 0 (batch)')):
        net.train([X, Y[:3]], epochs=1)
    with pytest.raises(ShapeError, match=re.escape('(batch, time, features)')):
        net.predict(X[..., 0])


LABELS = np.zeros((T, B), int)


@pytest.mark.parametrize(
    ('y', 'error', 'message'),
    [
        (
            LABELS[..., None],
            ShapeError,
            'train: y has shape (5, 4, 1); a classifier expects one label '
            'for each (time, batch): try y[..., 0]',
        ),
        (np.zeros((T, B, 3)), ShapeError, 'try y.argmax(-1)'),
        (
            LABELS + 3,
            DataError,
            'train: y contains label 3; the last layer has 3 units, so labels are 0 to 2',
        ),
        (LABELS - 1, DataError, 'train: y contains label -1'),
        (LABELS + 0.5, DataError, 'train: y must be whole numbers'),
        (LABELS[0], ShapeError, 'train: y has 1 axes, shape (4,)'),
        (LABELS[:2], ShapeError, 'train: y has length 2 on axis 0 (time)'),
    ],
)
def test_wrong_labels_are_refused_by_name(y, error, message):
    net = rnnkit.Classifier([2, ('rnn', 3), 3], seed=0)
    with pytest.raises(error, match=re.escape(message)):
        net.train([X, y], epochs=1)


@pytest.mark.parametrize(
    ('w', 'error', 'message'),
    [
        (-np.ones((T, B, 1)), DataError, 'train: weights contains -1.0; a weight is at least 0'),
        (np.ones((T, B, 2)), ShapeError, 'train: weights has shape (5, 4, 2)'),
        (np.ones((T,)), ShapeError, 'train: weights has shape (5,)'),
        (np.ones((B, T)), ShapeError, 'train: weights has shape (4, 5)'),
        (np.full((T, B), np.nan), DataError, 'train: weights contains nan'),
    ],
)
def test_wrong_weights_are_refused_by_name(w, error, message):
    with pytest.raises(error, match=re.escape(message)):
        regressor(weighted=True).train([X, Y, w], epochs=1)


def test_several_inputs_come_in_the_order_of_the_layers(rng):
    net = rnnkit.Regressor(
        [
            2,
            {'form': 'input', 'size': 3, 'name': 'extra'},
            {'size': 4, 'inputs': ('in', 'extra'), 'activation': 'tanh', 'name': 'both'},
            ('rnn', 3),
            1,
        ],
        seed=0,
        dtype='float64',
    )
    x, e, y = (rng.standard_normal((T, B, n)) for n in (2, 3, 1))
    found = net.feed_forward([x, e])
    p = {n: net.find('both', n).get_value() for n in ('w_in:out', 'w_extra:out', 'b')}
    right = np.tanh(x @ p['w_in:out'] + e @ p['w_extra:out'] + p['b'])
    np.testing.assert_allclose(found['both:out'], right, atol=1e-14)  # rounding
    assert np.array_equal(net.predict({'x': x, 'extra': e}), net.predict([x, e]))
    first, _ = net.train([x, e, y], epochs=1, algo='adam')
    assert net.train({'extra': e, 'y': y, 'x': x}, epochs=1)[1]['loss'] < first['loss']
    assert net.score([x, e], y) == pytest.approx(
        1 - ((y - net.predict([x, e])) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    )
    for wrong, message in (
        ([x], 'predict(): expects 2 arrays [x, extra]; got 1'),
        ([e, x], 'predict(): x has 3 features'),
        ([x, e[:2]], 'predict(): extra has length 2 on axis 0 (time), but x has 5'),
    ):
        with pytest.raises(rnnkit.RnnkitError, match=re.escape(message)):
            net.predict(wrong)


def test_a_network_without_a_recurrent_layer_takes_two_axes(rng):
    net = rnnkit.Regressor([2, (5, 'tanh'), 1], seed=0)
    x, y = rng.standard_normal((9, 2)), rng.standard_normal((9, 1))
    net.train([x, y], epochs=1, batch_size=4)
    assert net.predict(x).shape == (9, 1)
    assert net.feed_forward(x)['hid1:out'].shape == (9, 5)
    with pytest.raises(ShapeError, match=re.escape('this network expects (examples, features)')):
        net.predict(x[None])
    with pytest.raises(ShapeError, match=re.escape('axis 0 (examples)')):
        net.train([x, y[:3]], epochs=1)


def test_weights_are_numbers_where_all_else_is_whole_numbers(rng):
    net = rnnkit.Classifier([5, ('embedding', 2), ('rnn', 3), 2], weighted=True, seed=0)
    w = rng.random((4, 3))
    *_, found = net._border.read_batch([np.zeros((4, 3), int), np.zeros((4, 3), int), w], 'train')
    assert found.dtype == net.dtype
    np.testing.assert_allclose(found, w, rtol=1e-6)
