"""State that goes in and comes out: predict in parts, single steps, refusals."""

import numpy as np
import pytest

import rnnkit

T, B = 7, 3


@pytest.fixture(params=['time', 'batch'])
def net(request):
    layers = [2, ('lstm', 4), dict(form='gru', size=3, reset='before'), 2]
    return rnnkit.Regressor(layers, layout=request.param, dtype='float64', seed=3)


@pytest.fixture
def x(rng):
    return rng.standard_normal((T, B, 2))


def turned(net, array):
    """Return (T, B, ...) in the layout of the network, or back."""
    return array if net.layout == 'time' else array.swapaxes(0, 1)


def test_parts_that_carry_the_state_equal_the_whole(net, x):
    whole = turned(net, net.predict(turned(net, x)))
    first, state = net.predict(turned(net, x[:3]), return_state=True)
    second = net.predict(turned(net, x[3:]), state=state)
    np.testing.assert_array_equal(turned(net, first), whole[:3])
    np.testing.assert_array_equal(turned(net, second), whole[3:])


def test_steps_that_carry_the_state_equal_the_whole(net, x):
    whole = turned(net, net.predict(turned(net, x)))
    state = None
    for x_t, y_t in zip(x, whole, strict=True):
        found, state = net.step(x_t, state)
        # One step multiplies (B, I) where the whole multiplies (T*B, I): another order of sums.
        np.testing.assert_allclose(found, y_t, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    'spec',
    [
        dict(form='clockwork', size=6, periods=[1, 2, 4]),
        dict(form='scrn', size=4, context_size=3),
        dict(form='bcrnn', size=4, num_modules=2),
    ],
    ids=lambda spec: spec['form'],
)
def test_states_that_are_not_outputs_alone_are_carried(spec, x):
    net = rnnkit.Regressor([2, spec, 2], dtype='float64', seed=3)
    whole, last = net.predict(x, return_state=True)
    state = None
    for x_t, y_t in zip(x[:3], whole, strict=False):  # 3 steps, then the other 4 at once
        found, state = net.step(x_t, state)
        np.testing.assert_allclose(found, y_t, rtol=0, atol=1e-15)  # order of sums
    rest, state = net.predict(x[3:], state=state, return_state=True)
    np.testing.assert_allclose(rest, whole[3:], rtol=0, atol=1e-15)
    for one, other in zip(state['hid1'], last['hid1'], strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-15)


def test_a_state_of_another_width_is_refused(x):
    net = rnnkit.Regressor([2, dict(form='scrn', size=4, context_size=3), 1], seed=0)
    _, state = net.step(x[0])
    assert state['hid1'].s.shape == (B, 3)
    bad = state['hid1']._replace(s=np.zeros((B, 4)))
    with pytest.raises(rnnkit.ShapeError, match=r"state 's' of layer 'hid1' .* shape \(3, 3\)"):
        net.step(x[0], {'hid1': bad})


def test_without_a_state_every_call_starts_afresh(net, x):
    np.testing.assert_array_equal(net.step(x[0])[0], net.step(x[0])[0])


def test_the_state_is_named_and_is_that_of_the_last_step(net, x):
    outputs = net.feed_forward(turned(net, x))
    _, state = net.predict(turned(net, x), return_state=True)
    assert list(state) == ['hid1', 'hid2']
    assert state['hid1']._fields == ('h', 'c')
    np.testing.assert_array_equal(state['hid1'].h, turned(net, outputs['hid1:out'])[-1])
    np.testing.assert_array_equal(state['hid1'].c, turned(net, outputs['hid1:c'])[-1])
    np.testing.assert_array_equal(state['hid2'].h, turned(net, outputs['hid2:out'])[-1])


def test_a_series_starts_from_what_was_learned(x, rng):
    layers = [2, dict(form='lstm', size=4, h_0='learn', c_0='learn'), 2]
    net = rnnkit.Regressor(layers, dtype='float64', seed=3)
    for part in ('h_0', 'c_0'):
        net.find('hid1', part).set_value(rng.standard_normal(4))
    whole = net.predict(x)
    found, state = net.predict(x[:4], return_state=True)
    np.testing.assert_array_equal(found, whole[:4])
    np.testing.assert_array_equal(net.predict(x[4:], state=state), whole[4:])


def test_any_number_of_examples_and_steps_may_follow(net, rng):
    for steps, examples in [(1, 1), (4, 2), (2, 5)]:
        x = turned(net, rng.standard_normal((steps, examples, 2)))
        y, state = net.predict(x, return_state=True)
        assert y.shape == x.shape
        assert state['hid2'].h.shape == (examples, 3)


def test_a_classifier_returns_labels_probabilities_and_steps(rng):
    net = rnnkit.Classifier([2, ('rnn', 3), 4], seed=0, dtype='float64')
    x = rng.standard_normal((T, B, 2))
    p, state = net.predict_proba(x, return_state=True)
    labels, same = net.predict(x, return_state=True)
    np.testing.assert_array_equal(labels, p.argmax(-1))
    np.testing.assert_array_equal(state['hid1'].h, same['hid1'].h)
    np.testing.assert_allclose(net.step(x[0])[0], p[0], rtol=0, atol=1e-15)  # order of sums


def test_several_inputs_can_be_stepped(rng):
    extra = dict(form='input', size=1, name='extra')
    net = rnnkit.Regressor([2, extra, dict(size=3, inputs=('in', 'extra')), ('rnn', 3), 1], seed=0)
    y, state = net.step([np.zeros((B, 2)), np.ones((B, 1))])
    assert y.shape == (B, 1)
    with pytest.raises(rnnkit.ShapeError, match='different numbers of examples'):
        net.step([np.zeros((B, 2)), np.ones((B + 1, 1))], state)


def good_state(size=4, examples=B):
    lstm = rnnkit.cells.LSTMState(*np.zeros((2, examples, size)))
    return {'hid1': lstm, 'hid2': rnnkit.cells.GRUState(np.zeros((examples, 3)))}


@pytest.mark.parametrize(
    ('state', 'message'),
    [
        (5, 'state must have an entry for each of hid1, hid2; got int'),
        ({'hid1': good_state()['hid1']}, 'an entry for each of hid1, hid2; got a dict of hid1'),
        ({**good_state(), 'hid3': 0}, 'got a dict of hid1, hid2, hid3'),
        ({**good_state(), 'hid1': good_state()['hid2']}, 'LSTMState of layer .hid1.'),
        (good_state(size=5), r"state 'h' of layer 'hid1' must have shape \(3, 4\)"),
        (good_state(examples=2), r'for 3 examples; got \(2, 4\)'),
    ],
)
def test_a_state_that_does_not_fit_is_refused(net, x, state, message):
    with pytest.raises(rnnkit.RnnkitError, match=message):
        net.step(x[0], state)


def test_a_step_has_two_axes(net, x):
    with pytest.raises(rnnkit.ShapeError, match=r'a single time step is \(batch, features\)'):
        net.step(x)


@pytest.mark.parametrize(
    'spec',
    [
        dict(form='bidirectional', size=4),
        dict(form='rnn', size=4, direction='backward'),
    ],
)
def test_a_layer_that_reads_backward_cannot_go_on(spec, x):
    net = rnnkit.Regressor([2, spec, 1], seed=0)
    with pytest.raises(rnnkit.ConfigError, match="layer 'hid1' .* needs the whole sequence"):
        net.step(x[0])


def test_a_network_without_a_recurrent_layer_has_no_state():
    with pytest.raises(rnnkit.ConfigError, match='no recurrent layer'):
        rnnkit.Regressor([2, 3, 1], seed=0).step(np.zeros((B, 2)))
