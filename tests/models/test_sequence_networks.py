"""Networks of every shape: many to one, one to many, encoders with decoders, masks, words."""

import re

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import ConfigError, DataError, ShapeError

T, B = 6, 4


def regressor(*layers, **options):
    return rnnkit.Regressor(list(layers), seed=0, dtype='float64', **options)


def sequences(rng, lengths, size):
    return [rng.standard_normal((n, size)) for n in lengths]


# --- many to one, one to many


def test_last_is_the_last_step_of_what_it_reads(rng):
    net = regressor(2, ('gru', 3), (5, 'tanh'), 'last', 1)
    x = rng.standard_normal((T, B, 2))
    found = net.feed_forward(x)
    np.testing.assert_array_equal(found['hid3:out'], found['hid2:out'][-1])
    assert net.predict(x).shape == (B, 1)


def test_last_after_two_directions_has_the_final_state_of_each(rng):
    net = regressor(2, dict(form='bidirectional', worker='lstm', size=6), 'last', 1)
    x = rng.standard_normal((T, B, 2))
    found = net.feed_forward(x)
    np.testing.assert_array_equal(found['hid2:out'][:, :3], found['hid1:fw_out'][-1])
    np.testing.assert_array_equal(found['hid2:out'][:, 3:], found['hid1:bw_out'][0])


@pytest.mark.parametrize(
    'layers',
    [
        [('lstm', 3)],
        [('lstm', 3), (4, 'tanh')],
        [dict(form='bidirectional', worker='gru', size=4)],
    ],
    ids=['recurrent', 'dense', 'both ways'],
)
def test_under_a_mask_last_is_the_last_real_step(layers, rng):
    net = regressor(2, *layers, 'last', 1, masked=True)
    x = sequences(rng, (3, 6, 1), 2)
    together = net.predict(x)
    for k, one in enumerate(x):
        np.testing.assert_allclose(net.predict(one[:, None])[0], together[k], atol=1e-14)


def test_a_hole_in_a_mask_is_not_the_end(rng):
    net = regressor(2, (4, 'tanh'), 'last', 1, masked=True)
    x = rng.standard_normal((4, 1, 2))
    mask = np.array([[1], [0], [1], [0]])
    found = net.feed_forward(x, mask=mask)
    np.testing.assert_array_equal(found['hid2:out'], found['hid1:out'][2])


def test_repeat_makes_a_sequence_of_a_vector(rng):
    net = regressor(3, (4, 'tanh'), ('repeat', 5), ('rnn', 3), 2)
    x, y = rng.standard_normal((B, 3)), rng.standard_normal((5, B, 2))
    found = net.feed_forward(x)
    for step in found['hid2:out']:
        np.testing.assert_array_equal(step, found['hid1:out'])
    first, _ = net.train([x, y], epochs=1, algo='adam')
    assert net.train([x, y], epochs=20, algo='adam')[1]['loss'] < first['loss']
    with pytest.raises(ShapeError, match='y has 4 time steps, shape .* this network has 5'):
        net.train([x, y[:4]], epochs=1)


def test_flatten_puts_all_steps_side_by_side(rng):
    net = regressor(2, ('flatten', 4), (5, 'tanh'), 1)
    x = rng.standard_normal((4, B, 2))
    flat = net.feed_forward(x)['hid1:out']
    np.testing.assert_array_equal(flat, x.swapaxes(0, 1).reshape(B, 8))
    with pytest.raises(ShapeError, match='x has 5 time steps'):
        net.predict(rng.standard_normal((5, B, 2)))


def test_flatten_hides_what_a_mask_hides(rng):
    net = regressor(2, (3, 'tanh'), ('flatten', 4), 1, masked=True)
    x, mask = rng.standard_normal((4, B, 2)), np.ones((4, B))
    mask[2:, 1] = 0
    other = x + 1e3 * (1 - mask[..., None])
    np.testing.assert_array_equal(net.predict(other, mask=mask), net.predict(x, mask=mask))
    assert (net.predict(x, mask=mask)[0] == net.predict(x)[0]).all()


def test_layers_that_join_others(rng):
    net = regressor(
        2,
        ('rnn', 3, 'tanh'),
        dict(form='rnn', size=3, name='two'),
        dict(form='sum', inputs=('hid1', 'two'), name='add'),
        dict(form='product', inputs=('hid1', 'two'), name='mul'),
        dict(form='concatenate', inputs=('add', 'mul', 'two:last'), name='all'),
        dict(form='layernorm'),
        1,
    )
    found = net.feed_forward(rng.standard_normal((T, B, 2)))
    one, two = found['hid1:out'], found['two:out']
    np.testing.assert_array_equal(found['add:out'], one + two)
    np.testing.assert_array_equal(found['mul:out'], one * two)
    last = np.broadcast_to(two[-1], two.shape)  # a vector stands at each time step
    np.testing.assert_array_equal(found['all:out'], np.concatenate([one + two, one * two, last], 2))
    flat = found['all:out']
    centred = flat - flat.mean(-1, keepdims=True)
    right = centred / np.sqrt(flat.var(-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(found['hid6:out'], right, atol=1e-12)


# --- states that come from somewhere


def test_a_state_is_learned(rng):
    net = regressor(2, dict(form='lstm', size=3, h_0='learn', c_0='learn'), 1)
    assert [p.name for p in net.params][3:5] == ['hid1.h_0', 'hid1.c_0']
    x, y = rng.standard_normal((T, B, 2)), rng.standard_normal((T, B, 1))
    net.train([x, y], epochs=3, algo='adam')
    h, c = (net.find('hid1', f'{part}_0').get_value() for part in 'hc')
    assert h.any()
    assert c.any()
    # The same by a state that is given, which replaces what was learned.
    state = {'hid1': net.layers[1].state(np.tile(h, (B, 1)), np.tile(c, (B, 1)))}
    np.testing.assert_allclose(net.predict(x, state=state), net.predict(x), atol=1e-15)
    assert (
        abs(
            net.predict(x, state={'hid1': net.layers[1].state(*np.zeros((2, B, 3)))})
            - net.predict(x)
        ).max()
        > 1e-6
    )


def test_a_state_comes_from_an_input_array(rng):
    net = regressor(
        2, dict(form='input', size=3, name='h0'), dict(form='rnn', size=3, inputs='in', h_0='h0'), 1
    )
    x, h0 = rng.standard_normal((T, B, 2)), rng.standard_normal((B, 3))
    found = net.feed_forward([x, h0])['hid2:out']
    p = {name: net.find('hid2', name).get_value() for name in ('xh', 'hh', 'b')}
    h = h0
    for x_t, h_t in zip(x, found, strict=True):
        h = np.tanh(x_t @ p['xh'] + h @ p['hh'] + p['b'])
        np.testing.assert_allclose(h_t, h, atol=1e-14)
    with pytest.raises(ShapeError, match=re.escape('h0 has 3 axes')):
        net.predict([x, x])


def decoder(**options):
    return regressor(
        2,
        dict(form='lstm', size=3, name='encoder'),
        dict(form='input', size=1, name='given'),
        dict(form='lstm', size=3, inputs='given', h_0='encoder', c_0='encoder', name='decoder'),
        1,
        **options,
    )


def test_a_decoder_starts_from_the_final_state_of_an_encoder(rng):
    net = decoder()
    x, given = rng.standard_normal((T, B, 2)), rng.standard_normal((3, B, 1))
    found = net.feed_forward([x, given])
    state = net.layers[3].state(found['encoder:out'][-1], found['encoder:c'][-1])
    alone = regressor(1, dict(form='lstm', size=3), 1)
    for p, value in zip(alone.params, net.params[3:], strict=True):
        p.set_value(value.get_value())
    right = alone.predict(given, state={'hid1': state})
    np.testing.assert_allclose(net.predict([x, given]), right, atol=1e-14)
    y = rng.standard_normal((3, B, 1))
    first, _ = net.train([x, given, y], epochs=1, algo='adam')
    assert net.train([x, given, y], epochs=20, algo='adam')[1]['loss'] < first['loss']


def test_each_time_axis_has_a_mask_of_its_own(rng):
    net = decoder(masked=True)
    assert [field.name for field in net._border.fields] == ['x', 'given', 'y', 'mask', 'mask_given']
    x, given = sequences(rng, (3, 6), 2), sequences(rng, (4, 2), 1)
    together = net.predict([x, given])
    for k in range(2):
        alone = net.predict([x[k][:, None], given[k][:, None]])[:, 0]
        np.testing.assert_allclose(
            alone,
            together[k] if isinstance(together, list) else together[: len(given[k]), k],
            atol=1e-14,
        )
    y = [one + 1 for one in given]
    assert np.isfinite(net.train([x, given, y], epochs=1)[0]['loss'])
    assert np.isfinite(net.score([x, given], y))


# --- words


def test_an_embedding_looks_up_rows(rng):
    net = rnnkit.Classifier([9, ('embedding', 4), ('gru', 3), 'last', 2], seed=0)
    x = rng.integers(0, 9, (T, B))
    found = net.feed_forward(x)
    np.testing.assert_array_equal(found['hid1:out'], net.find('hid1', 'w').get_value()[x])
    y = rng.integers(0, 2, B)
    assert net.predict(x).shape == (B,)
    first, _ = net.train([x, y], epochs=1, algo='adam')
    assert net.train([x, y], epochs=30, algo='adam')[1]['loss'] < first['loss']
    assert 0 <= net.score(x, y) <= 1
    assert '(T, B)  ' in net.summary()


def test_words_may_be_lists_of_different_lengths(rng):
    net = rnnkit.Classifier([9, ('embedding', 4), ('lstm', 3), 'last', 2], masked=True, seed=0)
    x = [[1, 2, 3], [4], [5, 6]]
    net.train([x, [0, 1, 0]], epochs=1)
    together = net.predict_proba(x)
    for k, one in enumerate(x):
        np.testing.assert_allclose(net.predict_proba([one])[0], together[k], atol=1e-6)


@pytest.mark.parametrize(
    ('x', 'error', 'message'),
    [
        (
            np.full((T, B), 9),
            DataError,
            "x contains token 9; layer 'in' has 9 units, so tokens are 0",
        ),
        (np.full((T, B), -1), DataError, 'x contains token -1'),
        (np.full((T, B), 0.5), DataError, 'x must be whole numbers'),
        (np.zeros((T, B, 9)), ShapeError, 'try x.argmax(-1)'),
    ],
)
def test_wrong_words_are_refused(x, error, message):
    net = rnnkit.Classifier([9, ('embedding', 4), ('gru', 3), 2], seed=0)
    with pytest.raises(error, match=re.escape(message)):
        net.predict(x)


# --- masks


def test_lists_and_arrays_with_a_mask_are_the_same(rng):
    x, y = sequences(rng, (3, 6, 4), 2), sequences(rng, (3, 6, 4), 1)
    padded, mask = rnnkit.recurrent.pad(x, 'float64')
    target, _ = rnnkit.recurrent.pad(y, 'float64')
    for layout in ('time', 'batch'):

        def turned(a, layout=layout):
            return a if layout == 'time' else a.swapaxes(0, 1)

        nets = [regressor(2, ('lstm', 3), 1, masked=True, layout=layout) for _ in range(2)]
        ours = nets[0].train([x, y], epochs=2)
        theirs = nets[1].train([turned(padded), turned(target), turned(mask) > 0], epochs=2)
        assert ours == theirs
        list_of = nets[0].predict(x)
        array = turned(nets[1].predict(turned(padded), mask=turned(mask)))
        for k, one in enumerate(list_of):
            np.testing.assert_array_equal(one, array[: len(one), k])
        assert nets[0].score(x, y) == pytest.approx(
            nets[1].score(turned(padded), turned(target), mask=turned(mask)), rel=1e-12
        )
        list_score = (
            1
            - sum(((a - b) ** 2).sum() for a, b in zip(y, list_of, strict=True))
            / ((np.concatenate(y) - np.concatenate(y).mean()) ** 2).sum()
        )
        assert nets[0].score(x, y) == pytest.approx(list_score)


def test_weights_and_masks_go_together(rng):
    x, y, w = (rng.standard_normal((T, B, n)) for n in (2, 1, 1))
    w, mask = abs(w), rng.random((T, B)) < 0.7
    mask[0] = True
    both = regressor(2, ('rnn', 3), 1, masked=True, weighted=True)
    loss = both.train([x, y, w, mask], epochs=1, restore_best=False)[0]['loss']
    other = regressor(2, ('rnn', 3), 1, masked=True, weighted=True)
    hidden = y + 1e3 * ~mask[..., None]
    assert other.train([x, hidden, w, mask], epochs=1, restore_best=False)[0]['loss'] == loss


@pytest.mark.parametrize('layout', ['time', 'batch'])
def test_weights_are_lists_with_or_without_the_last_axis(rng, layout):
    lengths = (3, 5, 1)
    x, y = (sequences(rng, lengths, size) for size in (2, 1))
    wide = [abs(one) for one in sequences(rng, lengths, 1)]
    found = []
    for w in (wide, [one[:, 0] for one in wide]):
        net = regressor(2, ('rnn', 3), 1, masked=True, weighted=True, layout=layout)
        found.append([net.train([x, y, w], epochs=1)[0]['loss'], net.score(x, y, w)])
    assert found[0] == found[1]
    with pytest.raises(ShapeError, match=re.escape('weights[1] has 4 steps, but x[1] has 5')):
        net.train([x, y, [w[0], w[1][:4], w[2]]])
    # Beside an array and its mask, nested lists are an array.
    net = regressor(2, ('rnn', 3), 1, masked=True, weighted=True)
    net.train([X, Y, MASK.tolist(), MASK], epochs=1)


MASK = np.ones((T, B))
X, Y = np.zeros((T, B, 2)), np.zeros((T, B, 1))
HOLES = MASK.copy()
HOLES[:, 2] = 0


@pytest.mark.parametrize(
    ('batch', 'error', 'message'),
    [
        ([X, Y], DataError, 'train: mask is missing; it may be left out only where x is a list'),
        ([X, Y, MASK[:3]], ShapeError, 'mask has length 3 on axis 0 (time), but x has 6'),
        ([X, Y, MASK + 1], DataError, 'mask contains 2.0; it is True, or 1, where a step is real'),
        ([X, Y, HOLES], DataError, 'mask has no real step in example 2'),
        ([X, Y, X], ShapeError, 'mask has 3 axes'),
        ([list(X.swapaxes(0, 1)), list(Y.swapaxes(0, 1)), MASK], DataError, 'leave mask out'),
        ([[X[:3, 0], X[:4, 1]], [Y[:3, 0], Y[:3, 1]]], ShapeError, 'y[1]'),
        ([[X[:3, 0], X[:4, 1]], [Y[:3, 0]]], ShapeError, 'y'),
        ([[X[:3, 0], X[:0, 1]], [Y[:3, 0], Y[:0, 1]]], DataError, 'x[1] is empty'),
    ],
)
def test_wrong_masks_are_refused(batch, error, message):
    net = regressor(2, ('rnn', 3), 1, masked=True)
    with pytest.raises(error, match=re.escape(message)):
        net.train(batch, epochs=1)


# --- what cannot be connected


@pytest.mark.parametrize(
    ('layers', 'message'),
    [
        (
            [2, ('rnn', 3), ('repeat', 4), ('rnn', 3), 1],
            "reads one value for each example, but hid1:out has a time axis; put 'last' before it",
        ),
        (
            [2, ('rnn', 3), 'last', ('rnn', 3), 1],
            "layer 'hid3' (rnn) needs a time axis; hid2",
        ),
        (
            [2, dict(form='rnn', size=3, h_0='in'), 1],
            "h_0 is one value for each example, and 'in:out'",
        ),
        ([2, dict(form='rnn', size=3, h_0='nowhere'), 1], "no output 'nowhere:out' before it"),
        (
            [2, ('rnn', 4), dict(form='rnn', size=3, h_0='hid1'), 1],
            "h_0 must have 3 features; 'hid1:last'",
        ),
        (
            [2, dict(form='rnn', size=3, h_0=0.5), 1],
            "h_0 must be 'learn' or the name of a layer; got 0.5",
        ),
        ([2, dict(form='rnn', size=3, bptt_limit=0), 1], 'bptt_limit must be a whole number'),
        ([2, dict(form='bidirectional', size=4, h_0='in'), 1], "h_0 must be 'learn' or a pair"),
        ([2, ('rnn', 3), ('embedding', 4), 1], 'an embedding reads an input layer'),
        ([2, ('embedding', 4), dict(form='rnn', size=3, inputs=('in',)), 1], 'give each an input'),
        ([2, ('repeat', 0), ('rnn', 3), 1], 'steps must be a whole number of at least 1; got 0'),
        (
            [2, ('rnn', 3), ('dropout', 1.5), 1],
            'rate must be a finite number of at least 0 and below 1; got 1.5',
        ),
        (
            [2, ('rnn', 3), (4, 'tanh'), dict(form='product', inputs=('hid1', 'hid2')), 1],
            'needs inputs of the same size; hid1:out has 3, hid2:out has 4',
        ),
        (
            [2, ('rnn', 3), dict(form='last', size=5), 1],
            'has size 3, which follows from its inputs; got size=5',
        ),
        ([2, ('flatten', 3), ('flatten', 3), 1], 'needs a time axis'),
        (
            [dict(form='input', size=2, ndim=4), ('rnn', 3), 1],
            'ndim must be one of None, 2, 3; got 4',
        ),
        ([dict(form='input', size=2, ndim=3), ('repeat', 4), ('rnn', 3), 1], 'must have none'),
    ],
)
def test_what_cannot_be_connected_is_refused(layers, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        rnnkit.Regressor(layers)


def test_a_network_without_time_has_no_mask():
    with pytest.raises(ConfigError, match='no input of this network has a time axis'):
        rnnkit.Regressor([2, 3, 1], masked=True)


def test_kernels_can_be_kept_out():
    for kernel, word in ((False, 'Scan'), (None, 'RecurrentScan')):
        net = rnnkit.Regressor([1, ('lstm', 2), 1], kernel=kernel)
        from pytensor.graph.traversal import ancestors

        ops = {type(v.owner.op).__name__ for v in ancestors([net.output()]) if v.owner}
        assert (word in ops) or word == 'RecurrentScan'
    with pytest.raises(ConfigError, match="kernel must be True or False; got 'no'"):
        rnnkit.Regressor([1, ('lstm', 2), 1], kernel='no')
