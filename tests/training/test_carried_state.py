"""Training that carries the state from batch to batch, and batches of similar length."""

import numpy as np
import pytensor
import pytest

import rnnkit
from rnnkit.data.windows import Window, Windows
from rnnkit.training.batching import Batching
from rnnkit.training.carried_state import Carry, Followed
from rnnkit.training.options import Options

T, B, STEPS = 11, 4, 4


def make(**options):
    """Return a network of two layers, of which one starts from a parameter."""
    layers = [2, dict(form='lstm', size=4, h_0='learn', **options), ('gru', 3), 1]
    if options:
        layers[2] = dict(form='gru', size=3, **options)
    net = rnnkit.Regressor(layers, dtype='float64', seed=3)
    net.find('hid1', 'h_0').set_value(np.array([0.5, -0.2, 0.1, 0.9]))
    return net


@pytest.fixture(scope='module')
def net():
    return make()


@pytest.fixture(scope='module')
def carried(net):
    """Return what carries the state, and a function of x and y: output and gradients."""
    carry = Carry(net._graph)
    out = carry.outputs(carry.graph.again)['out:out']
    error = ((out - net.target) ** 2).sum()
    gradients = pytensor.grad(error, net.params)
    inputs = [*net.inputs, net.target]
    return carry, pytensor.function(inputs, [out, *gradients], updates=carry.updates)


@pytest.fixture
def data(rng):
    return rng.standard_normal((T, B, 2)), rng.standard_normal((T, B, 1))


def windows(data, batch_size=None):
    return Windows(data, [1, 1], [0, 0], STEPS, batch_size)


def run(carried, batches):
    """Return the joined outputs of batches, and the sums of their gradients."""
    carry, function = carried
    out, *gradients = zip(*(function(*b) for b in Followed(batches, carry, False)), strict=True)
    return np.concatenate(out), [sum(g) for g in gradients]


def test_windows_with_a_carried_state_equal_the_whole_series(net, carried, data):
    out, _ = run(carried, windows(data))
    np.testing.assert_array_equal(out, net.predict(data[0]))


def test_gradients_stop_where_windows_end_as_with_bptt_limit(carried, data):
    limited = make(bptt_limit=STEPS)
    error = ((limited.outputs['out:out'] - limited.target) ** 2).sum()
    whole = pytensor.function(
        [*limited.inputs, limited.target], pytensor.grad(error, limited.params)
    )
    _, found = run(carried, windows(data))
    assert any(p.name == 'hid1.h_0' for p in limited.params)  # only the first window reaches it
    for name, ours, theirs in zip(limited.params, found, whole(*data), strict=True):
        assert abs(theirs).max() > 1e-3, name
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12, err_msg=str(name))


def test_each_group_of_series_starts_afresh(net, carried, data):
    out, _ = run(carried, windows(data, batch_size=2))
    np.testing.assert_array_equal(out[:T], net.predict(data[0][:, :2]))
    np.testing.assert_array_equal(out[T:], net.predict(data[0][:, 2:]))


def test_plain_batches_go_on_until_a_window_is_fresh(net, carried, data):
    x, y = data
    first, second = [x[:3], y[:3]], [x[3:6], y[3:6]]
    out, _ = run(carried, [first, second, Window(first, True), Window(second, False)])
    whole = net.predict(x[:6])
    np.testing.assert_array_equal(out, np.concatenate([whole, whole]))


def test_another_number_of_examples_starts_afresh(net, carried, data):
    x, y = data
    carry, function = carried
    batches = [[x[:3], y[:3]], [x[3:6, :2].copy(), y[3:6, :2].copy()]]
    *_, (last, *_) = [function(*b) for b in Followed(batches, carry, False)]
    np.testing.assert_array_equal(last, net.predict(x[3:6, :2]))


def test_a_validation_starts_afresh_each_time(net, carried, data):
    x, y = data
    carry, function = carried
    batches = Followed([[x[:3], y[:3]], [x[3:], y[3:]]], carry, anew=True)
    for _ in range(2):
        out = np.concatenate([function(*batch)[0] for batch in batches])
        np.testing.assert_array_equal(out, net.predict(x))


@pytest.fixture(scope='module')
def trained():
    """Return a network, series, and the losses of a training so slow that nothing changes."""
    net = rnnkit.Regressor([2, ('rnn', 3), 1], layout='batch', dtype='float64', seed=0)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((B, T, 2)), rng.standard_normal((B, T, 1))
    return net, x, y


def slowly(net, data, **options):
    defaults = dict(algo='sgd', learning_rate=1e-12, epochs=2, validate_every=1, patience=9)
    return net.train(data, **{**defaults, 'carry_state': True, **options})


def test_train_cuts_series_into_windows_and_carries_on(trained):
    net, x, y = trained
    whole = ((net.predict(x) - y) ** 2).mean()
    train, valid = slowly(net, [x, y], bptt_steps=3, epochs=3)
    np.testing.assert_allclose([train['loss'], valid['loss']], whole, rtol=1e-9)
    assert net.history['updates'][-1] == 3 * 4  # windows of 3, 3, 3 and 2 steps
    groups, _ = slowly(net, [x, y], bptt_steps=3, batch_size=3)
    np.testing.assert_allclose(groups['loss'], whole, rtol=1e-9)
    assert net.history['updates'][-1] == 2 * 2 * 4


def test_training_goes_on_after_a_validation_in_the_midst(trained):
    net, x, y = trained
    whole = (net.predict(x) - y) ** 2
    losses = [
        t['loss']
        for t, _ in net.itertrain(
            [x, y],
            [x[:, :5], y[:, :5]],
            algo='sgd',
            learning_rate=1e-12,
            epochs=2,
            validate_every=1,
            carry_state=True,
            bptt_steps=6,
            train_batches=1,
            patience=9,
        )
    ]
    np.testing.assert_allclose(losses, [whole[:, :6].mean(), whole[:, 6:].mean()], rtol=1e-9)


def test_a_callable_says_where_series_begin(trained):
    net, x, y = trained
    whole = ((net.predict(x) - y) ** 2).mean()
    halves = [Window([x[:, :5], y[:, :5]], True), Window([x[:, 5:], y[:, 5:]], False)]
    draw = iter([*halves * 5]).__next__
    train, valid = slowly(net, draw, train_batches=2, valid_batches=2)
    np.testing.assert_allclose([train['loss'], valid['loss']], whole, rtol=1e-9)


def test_without_carry_state_a_training_starts_afresh_in_each_batch(trained):
    net, x, y = trained
    halves = [Window([x[:, :5], y[:, :5]], True), Window([x[:, 5:], y[:, 5:]], False)]
    draw = iter([*halves * 5]).__next__
    train, _ = slowly(net, draw, train_batches=2, valid_batches=2, carry_state=False)
    parts = [((net.predict(a) - b) ** 2).sum() for a, b in halves]
    np.testing.assert_allclose(train['loss'], sum(parts) / y.size, rtol=1e-9)


LAST = [2, ('rnn', 3), 'last', 1]
ENCODER_DECODER = [
    2,
    dict(form='rnn', size=3, name='encoder'),
    dict(form='input', size=1, name='given'),
    dict(form='rnn', size=3, inputs='given', h_0='encoder'),
    1,
]


@pytest.mark.parametrize(
    ('layers', 'options', 'message'),
    [
        ([2, dict(form='bidirectional', size=4), 1], {}, "'hid1' .* needs the whole sequence"),
        ([2, dict(form='rnn', size=4, direction='backward'), 1], {}, "'hid1' .* needs the whole"),
        (LAST, {}, "'hid2' .last. needs the whole sequence"),
        (ENCODER_DECODER, {}, 'layers in and given each have a time axis of their own'),
        ([2, 3, 1], {}, 'no recurrent layer'),
        ([2, ('rnn', 3), 1], {'bucket': True}, 'carry_state=True keeps their order'),
        (
            [2, ('rnn', 3), 1],
            {'carry_state': False, 'bptt_steps': 5},
            'bptt_steps is for carry_state',
        ),
        ([2, ('rnn', 3), 1], {'bptt_steps': 0}, 'bptt_steps must be a whole number'),
        ([2, ('rnn', 3), 1], {'algo': 'lbfgs'}, "carry_state cannot be used with algo 'lbfgs'"),
        ([2, ('rnn', 3), 1], {'train': list, 'bptt_steps': 5}, 'a callable makes its own batches'),
    ],
)
def test_what_cannot_be_carried_is_refused(layers, options, message):
    net = rnnkit.Regressor(layers, seed=0)
    x = np.zeros((5, 2, 2))
    options = {'train': [x, x[..., :1]], 'carry_state': True, **options}
    with pytest.raises(rnnkit.ConfigError, match=message):
        net.train(**options)


# --- batches of similar length ---


def ragged(rng, lengths=(7, 2, 3, 8, 2, 7)):
    x = [rng.standard_normal((n, 2)) for n in lengths]
    return x, [one.sum(axis=1, keepdims=True) for one in x]


def test_buckets_have_sequences_of_similar_length(rng):
    net = rnnkit.Regressor([2, ('rnn', 3), 1], masked=True, seed=0)
    make = Batching(net._border, Options(batch_size=2, bucket=True), None, 'train()')
    batches, _ = make(list(ragged(rng)), None, None)
    assert [[a.shape[0] for a in batch] for batch in batches] == [[2] * 3, [7] * 3, [8] * 3]


def test_buckets_change_the_batches_and_not_the_loss(rng):
    net = rnnkit.Regressor([2, ('rnn', 3), 1], masked=True, dtype='float64', seed=0)
    data = list(ragged(rng))
    found = [slowly(net, data, carry_state=False, batch_size=4, bucket=b) for b in (False, True)]
    np.testing.assert_allclose(found[0][1]['loss'], found[1][1]['loss'], rtol=1e-9)
    np.testing.assert_allclose(found[0][0]['loss'], found[1][0]['loss'], rtol=1e-9)


@pytest.mark.parametrize(
    ('masked', 'data', 'message'),
    [
        (False, [np.zeros((3, 2, 2)), np.zeros((3, 2, 1))], 'network with masked=True'),
        (True, list, 'a callable makes its own batches'),
    ],
)
def test_without_lengths_there_are_no_buckets(masked, data, message):
    net = rnnkit.Regressor([2, ('rnn', 3), 1], masked=masked, seed=0)
    with pytest.raises(rnnkit.ConfigError, match=message):
        net.train(data, bucket=True)


def test_minimize_has_no_time_axis():
    w = pytensor.shared(1.0)
    with pytest.raises(rnnkit.ConfigError, match='carry_state is for networks'):
        rnnkit.minimize(w**2, carry_state=True)
