"""What counts for nothing may be anything; what counts is checked, and the error says where."""

import re

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import DataError, ShapeError

T, B = 5, 4
MASK = np.arange(T)[:, None] < np.array([5, 3, 4, 1])
OPTIONS = {'epochs': 2, 'algo': 'sgd', 'learning_rate': 0.1, 'validate_every': 1}


def regressor(*layers, model=rnnkit.Regressor, **options):
    return model(list(layers), seed=0, **{'dtype': 'float64', **options})


def kinds(rng):
    """Return networks, their clean batches, and the same with anything where nothing counts."""
    x, y = rng.standard_normal((T, B, 2)), rng.standard_normal((T, B, 1))
    w = rng.random((T, B))
    w[1, 0] = 0
    labels, words = rng.integers(0, 3, (T, B)), rng.integers(0, 7, (T, B))
    m = MASK * 1.0
    x[~MASK], words[~MASK] = 0, 0  # as lists are padded
    bad_x, bad_y, bad_w = x.copy(), y.copy(), w.copy()
    bad_labels, bad_words = labels.copy(), words.copy()
    bad_x[~MASK], bad_w[~MASK], bad_labels[~MASK], bad_words[~MASK] = np.nan, -1, -100, -1
    bad_y[~MASK] = np.nan
    hidden = ~MASK | (w == 0)
    weighted_y, weighted_labels = bad_y.copy(), bad_labels.copy()
    weighted_y[hidden], weighted_labels[hidden] = np.inf, -1
    recurrent = (2, ('rnn', 3), 1)
    classifier = {'model': rnnkit.Classifier, 'masked': True}
    two = regressor(*recurrent, masked=True, weighted=True)
    two.add_loss('mae', target='other')
    return {
        'regressor': (regressor(*recurrent, masked=True), [x, y, m], [bad_x, bad_y, m]),
        'weighted': (
            regressor(*recurrent, masked=True, weighted=True),
            [x, y, w, m],
            [bad_x, weighted_y, bad_w, m],
        ),
        'dense first': (
            regressor(2, (4, 'relu'), ('rnn', 3), 1, masked=True),
            [x, y, m],
            [bad_x, bad_y, m],
        ),
        'classifier': (
            regressor(2, ('rnn', 3), 3, **classifier, weighted=True),
            [x, labels, w, m],
            [bad_x, weighted_labels, bad_w, m],
        ),
        'words': (
            regressor(7, ('embedding', 3), ('rnn', 3), 3, **classifier),
            [words, labels, m],
            [bad_words, bad_labels, m],
        ),
        'autoencoder': (
            regressor(2, ('rnn', 3), 2, model=rnnkit.Autoencoder, masked=True),
            [x, m],
            [bad_x, m],
        ),
        'bce': (
            regressor(*recurrent, loss='bce', masked=True, weighted=True),
            [x, 1.0 * (y > 0), w, m],
            [bad_x, np.where(hidden[..., None], -7, 1.0 * (y > 0)), bad_w, m],
        ),
        'two targets': (two, [x, y, y + 1, w, m], [bad_x, weighted_y, bad_y + 1, bad_w, m]),
    }


NAMES = [
    'regressor',
    'weighted',
    'dense first',
    'classifier',
    'words',
    'autoencoder',
    'bce',
    'two targets',
]


@pytest.mark.parametrize('name', NAMES)
def test_what_is_masked_or_has_no_weight_may_be_anything(name, rng):
    net, clean, dirty = kinds(rng)[name]
    kept = [a.copy() for a in dirty]
    start = [p.get_value() for p in net.params]
    found = []
    for batch in (clean, dirty, lambda: dirty):
        for p, value in zip(net.params, start, strict=True):
            p.set_value(value)
        counted = {'train_batches': 1, 'valid_batches': 1} if callable(batch) else {}
        result = net.train(batch, clean if batch is clean else dirty, **OPTIONS, **counted)
        found.append([result, [p.get_value() for p in net.params]])
    for result, params in found[1:]:
        assert result == found[0][0]
        for a, b in zip(params, found[0][1], strict=True):
            np.testing.assert_array_equal(a, b)
    assert np.isfinite(found[0][0][1]['loss'])
    # Never in the arrays of the user.
    for a, b in zip(dirty, kept, strict=True):
        np.testing.assert_array_equal(a, b)
    predicted = [net.predict(batch[0], mask=MASK) for batch in (clean, dirty)]
    np.testing.assert_array_equal(*predicted)
    assert not predicted[1][~MASK].any()
    if name != 'two targets':
        names = {2: ('x', 'mask'), 3: ('x', 'y', 'mask'), 4: ('x', 'y', 'weights', 'mask')}
        scores = [net.score(**dict(zip(names[len(b)], b, strict=True))) for b in (clean, dirty)]
        assert scores[0] == scores[1]


def test_weights_hide_targets_in_lists_of_sequences(rng):
    lengths = (3, 5, 1)
    x = [rng.standard_normal((n, 2)) for n in lengths]
    y = [rng.standard_normal((n, 1)) for n in lengths]
    w = [rng.random(n) for n in lengths]
    w[1][2] = 0
    dirty = [one.copy() for one in y]
    dirty[1][2] = np.nan
    losses = []
    for target in (y, dirty):
        net = regressor(2, ('rnn', 3), 1, masked=True, weighted=True)
        losses.append(net.train([x, target, w], epochs=2))
    assert losses[0] == losses[1]
    dirty[1][3] = np.nan
    message = (
        'train: y[1] contains nan at index (3, 0); numbers must be finite; padding is where the '
        'mask is 0; leave out what has no known target, or give it a weight of 0'
    )
    with pytest.raises(DataError, match=f'^{re.escape(message)}$'):
        net.train([x, dirty, w], epochs=1)


def test_weights_hide_targets_of_carried_windows(rng):
    x, y = rng.standard_normal((9, 2, 2)), rng.standard_normal((9, 2, 1))
    w = np.ones((9, 2))
    w[4:6] = 0
    dirty = np.where(w[..., None] > 0, y, np.nan)
    nets = [regressor(2, ('rnn', 3), 1, weighted=True) for _ in range(2)]
    options = dict(epochs=2, carry_state=True, bptt_steps=4)
    assert nets[0].train([x, y, w], **options) == nets[1].train([x, dirty, w], **options)


def test_a_row_counts_where_any_of_it_has_weight():
    net = regressor(2, ('rnn', 3), 2, loss='mmd', weighted=True)
    y, w = np.zeros((T, B, 2)), np.ones((T, B, 2))
    y[1, 2], w[1, 2] = np.nan, 0
    assert np.isfinite(net.train([np.zeros((T, B, 2)), y, w], epochs=1)[0]['loss'])
    w[1, 2, 1] = 1
    with pytest.raises(DataError, match=re.escape('y contains nan at index (1, 2, 0)')):
        net.train([np.zeros((T, B, 2)), y, w], epochs=1)


def test_a_loss_without_weights_reads_every_target():
    net = regressor(2, ('rnn', 3), 1, weighted=True)
    net.add_loss('mae', weighted=False)
    y, w = np.zeros((T, B, 1)), np.ones((T, B))
    y[1, 2], w[1, 2] = np.nan, 0
    with pytest.raises(DataError, match=re.escape('y contains nan at index (1, 2, 0)')):
        net.train([np.zeros((T, B, 2)), y, w], epochs=1)


def with_bad(shape, index, value, dtype=float):
    array = np.zeros(shape, dtype)
    array[index] = value
    return array


X, Y = np.zeros((T, B, 2)), np.zeros((T, B, 1))
KNOWN = (
    'leave out what has no known target, or give it a weight of 0, in a network with weighted=True'
)
FILL = (
    '; fill missing values, such as by interpolate() or fillna() of pandas, or read them by a '
    "layer 'grud'"
)
PADDING = 'padding needs a mask, in a network with masked=True'


@pytest.mark.parametrize(
    ('options', 'batch', 'message'),
    [
        (
            {},
            [with_bad(X.shape, (1, 2, 0), np.nan), Y],
            f'train: x contains nan at index (1, 2, 0); numbers must be finite; {PADDING}{FILL}',
        ),
        (
            {},
            [X, with_bad(Y.shape, (3, 1, 0), np.inf)],
            f'train: y contains inf at index (3, 1, 0); numbers must be finite; {PADDING}; {KNOWN}',
        ),
        (
            {'masked': True},
            [with_bad(X.shape, (0, 2, 0), np.nan), Y, MASK],
            'train: x contains nan at index (0, 2, 0); numbers must be finite; padding is where '
            f'the mask is 0{FILL}',
        ),
        (
            {'weighted': True},
            [X, Y, with_bad((T, B), (1, 2), 1e-42)],
            'train: weights contains 1e-42 at index (1, 2, 0), which underflows in float32; the '
            'largest weight must be at least 1.1e-19: multiply all weights by one number',
        ),
        (
            {},
            [with_bad(X.shape, (1, 2, 0), 1e40), Y],
            'train: x contains 1e+40 at index (1, 2, 0), which does not fit float32; scale the '
            f'numbers, or use float64; {PADDING}',
        ),
        (
            {'model': rnnkit.Classifier},
            [X, with_bad((T, B), (1, 2), np.nan)],
            'train: y contains nan at index (1, 2); labels and tokens must be whole numbers; '
            f'{PADDING}; {KNOWN}',
        ),
        (
            {'model': rnnkit.Classifier},
            [X, with_bad((T, B), (1, 2), -100, int)],
            'train: y contains label -100; the last layer has 2 units, so labels are 0 to 1, or '
            'names that are given as classes=[...], one for each unit; this is at index (1, 2); '
            f'{PADDING}; {KNOWN}',
        ),
    ],
)
def test_where_it_counts_the_error_says_where_and_what_to_do(options, batch, message):
    units = 2 if 'model' in options else 1
    net = regressor(2, ('rnn', 3), units, dtype='float32', **options)
    with pytest.raises(DataError, match=f'^{re.escape(message)}$'):
        net.train(batch, epochs=1)
    with pytest.raises(DataError) as found:
        net.train(lambda: batch, epochs=1)
    where = 'the batch returned by the train callable'
    assert str(found.value) == message.replace('train', where, 1)


# --- lists of sequences in a network without a mask


@pytest.mark.parametrize('layout', ['time', 'batch'])
def test_a_list_of_arrays_is_a_list_of_sequences(layout, rng):
    net = regressor(2, ('rnn', 3), 1, layout=layout)
    x = [rng.standard_normal((B, 2)) for _ in range(B)]  # as many steps as sequences
    y = [rng.standard_normal((B, 1)) for _ in range(B)]
    axis = 1 if layout == 'time' else 0
    whole = [np.stack(one, axis) for one in (x, y)]
    start = [p.get_value() for p in net.params]
    found = []
    for batch in (whole, [x, y], [tuple(x), y], lambda: [x, y], {'x': x, 'y': whole[1]}):
        for p, value in zip(net.params, start, strict=True):
            p.set_value(value)
        options = {'train_batches': 1, 'valid_batches': 1} if callable(batch) else {}
        found.append(net.train(batch, epochs=1, **options))
    assert all(one == found[0] for one in found)
    assert net.score(x, y) == net.score(*whole)
    predicted = net.predict(x)
    assert isinstance(predicted, list)
    np.testing.assert_array_equal(np.stack(predicted, axis), net.predict(whole[0]))
    for one, alone in zip(predicted, x, strict=True):
        single = net.predict(np.expand_dims(alone, axis))
        np.testing.assert_allclose(one, single.squeeze(axis), atol=1e-14)
    # Nested lists of numbers are one array, as they are for NumPy.
    np.testing.assert_array_equal(net.predict(whole[0].tolist()), net.predict(whole[0]))


def test_lists_of_labels_words_weights_and_several_inputs(rng):
    words, labels, w = (
        [rng.integers(0, 3, T) for _ in range(B)],
        [rng.integers(0, 3, T) for _ in range(B)],
        [rng.random(T) for _ in range(B)],
    )
    net = regressor(3, ('embedding', 2), ('rnn', 3), 3, model=rnnkit.Classifier, weighted=True)
    read = net._border.read_batch([words, labels, w], 'train')
    for array, sequences in zip(read, (words, labels, w), strict=True):
        np.testing.assert_array_equal(array, np.stack(sequences, 1))
    assert [len(one) for one in net.predict(words)] == [T] * B
    two = regressor(
        2, dict(form='input', size=1, name='e'), dict(size=3, inputs=('in', 'e')), ('rnn', 3), 1
    )
    x = [rng.standard_normal((T, 2)) for _ in range(B)]
    e = [rng.standard_normal((T, 1)) for _ in range(B)]
    whole = two.predict([np.stack(x, 1), np.stack(e, 1)])
    np.testing.assert_array_equal(np.stack(two.predict([x, e]), 1), whole)
    auto = regressor(2, ('rnn', 3), 2, model=rnnkit.Autoencoder)
    (read,) = auto._border.read_batch(x, 'train')
    np.testing.assert_array_equal(read, np.stack(x, 1))
    last = regressor(2, ('rnn', 3), 'last', 1)
    assert last.predict(x).shape == (B, 1)
    y = [np.ones(1)] * B  # for each sequence one row
    np.testing.assert_array_equal(last._border.read_batch([x, y], 'train')[1], np.ones((B, 1)))


@pytest.mark.parametrize('nested', [False, True])
def test_lengths_that_differ_need_a_mask(nested, rng):
    x = [np.ones((3, 2)), np.ones((5, 2))]
    x = [one.tolist() for one in x] if nested else x
    net = regressor(2, ('rnn', 3), 1)
    message = (
        'predict(): x is ragged, sequences of 3 to 5 steps; a network that pads them is built with '
        'masked=True'
    )
    with pytest.raises(ShapeError, match=f'^{re.escape(message)}$'):
        net.predict(x)


# --- one weight for each sequence


@pytest.mark.parametrize('layout', ['time', 'batch'])
def test_one_weight_for_each_sequence(layout, rng):
    x, y = rng.standard_normal((T, B, 2)), rng.standard_normal((T, B, 1))
    each = np.array([1.0, 0.5, 0.0, 2.0])
    y[:, 2] = np.nan
    spread = np.broadcast_to(each, (T, B)).copy()
    batch = [x, y] if layout == 'time' else [x.swapaxes(0, 1), y.swapaxes(0, 1)]
    full = spread if layout == 'time' else spread.T
    net = regressor(2, ('rnn', 3), 1, weighted=True, layout=layout)
    right = net._border.read_batch([*batch, full], 'train')
    for given in (each, each.tolist(), tuple(each)):
        for a, b in zip(net._border.read_batch([*batch, given], 'train'), right, strict=True):
            np.testing.assert_array_equal(a, b)
    assert net.score(*batch, each) == net.score(*batch, full)


def test_one_weight_for_each_sequence_of_a_list(rng):
    lengths, each = (3, 5, 1), [0.5, 2, 1]
    x = [rng.standard_normal((n, 2)) for n in lengths]
    labels = [rng.integers(0, 3, n) for n in lengths]
    net = regressor(2, ('rnn', 3), 3, model=rnnkit.Classifier, weighted=True, masked=True)
    found = net._border.read_batch([x, labels, each], 'train')[2]
    np.testing.assert_array_equal(found, np.broadcast_to(each, (5, 3)))
    w = [np.full(n, value) for n, value in zip(lengths, each, strict=True)]
    assert net.score(x, labels, each) == net.score(x, labels, w)
    with pytest.raises(ShapeError, match=r'shape \(2,\); .* \(5, 3\), or one for each sequence'):
        net.score(x, labels, [1, 2])
