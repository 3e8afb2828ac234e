"""Networks whose output has no time axis, step by step: the answer after the steps so far."""

import json
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from long_forms import long_unless

import rnnkit

T, B = 7, 3

CASES = {
    'last': [2, ('lstm', 4), 'last', 2],
    'mean': [2, ('lstm', 4), 'mean', 2],
    'max': [2, ('gru', 4), 'max', 2],
    'a pool is the output': [2, ('gru', 4), 'mean'],
    'the last step is the output': [2, ('gru', 4), 'last'],
    'no recurrent layer': [2, (3, 'linear'), 'max', 2],
    'the last step of a dense layer': [2, ('rnn', 3), (3, 'linear'), 'last', 2],
    'the final state by name': [2, ('rnn', 3), dict(size=2, inputs='hid1:last')],
    'learned start': [2, dict(form='rnn', size=3, h_0='learn'), 'mean', 2],
    'three at once': [
        2,
        dict(form='gru', size=3, name='hidden'),
        dict(form='mean', name='a'),
        dict(form='max', inputs='hidden', name='b'),
        dict(form='last', inputs='hidden', name='c'),
        dict(form='concatenate', inputs=('a', 'b', 'c')),
        2,
    ],
}
LONG = ['the last step is the output', 'the final state by name', 'a pool is the output']


def made(name, **options):
    net = rnnkit.Regressor(CASES[name], dtype='float64', seed=3, **options)
    rng = np.random.default_rng(5)
    for param in net.params:
        param.set_value(param.get_value() + 0.3 * rng.standard_normal(param.get_value().shape))
    return net


@pytest.mark.parametrize(
    ('name', 'layout'),
    long_unless(
        lambda name, layout: name == 'mean' if layout == 'batch' else name not in LONG,
        [(name, layout) for name in CASES for layout in ('time', 'batch')],
    ),
)
def test_each_step_and_each_part_answers_like_the_whole(name, layout, rng):
    net, x = made(name, layout=layout), rng.standard_normal((T, B, 2))
    state, stepper = None, net.stepper(B)

    def whole(n):
        return net.predict(x[:n] if layout == 'time' else x[:n].swapaxes(0, 1))

    for t in range(T):
        y, state = net.step(x[t], state)
        assert y.shape == whole(1).shape
        # Products of other shapes, and PyTensor's own sums, round in another order.
        np.testing.assert_allclose(y, whole(t + 1), rtol=0, atol=1e-15)
        np.testing.assert_allclose(stepper(x[t]), y, rtol=0, atol=1e-15)
    assert list(stepper.state) == list(state)
    turned = x if layout == 'time' else x.swapaxes(0, 1)
    first, rest = (turned[:3], turned[3:]) if layout == 'time' else (turned[:, :3], turned[:, 3:])
    found, carried = net.predict(first, return_state=True)
    np.testing.assert_allclose(found, whole(3), rtol=0, atol=1e-15)
    found, carried = net.predict(rest, state=carried, return_state=True)
    np.testing.assert_allclose(found, whole(T), rtol=0, atol=1e-15)
    for layer in state:
        for one, other in zip(state[layer], carried[layer], strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-15)


@pytest.mark.parametrize('kind', ['mean', 'max'])
def test_without_kernels_answers_are_equal_up_to_rounding(kind, rng):
    net = rnnkit.Regressor([2, kind, 1], seed=0, kernel=False)
    x = rng.standard_normal((50, B, 2))
    state = None
    for x_t in x:
        y, state = net.step(x_t, state)
    # PyTensor's own sum of the whole is of float64; from step to step the state is of float32.
    np.testing.assert_allclose(y, net.predict(x), rtol=0, atol=50 * 2**-24)


def test_the_state_of_pools_is_what_they_have_seen(rng):
    net, x = made('three at once'), rng.standard_normal((T, B, 2))
    _, state = net.predict(x, return_state=True)
    hidden = net.feed_forward(x)['hidden:out']
    assert [(name, part._fields) for name, part in state.items()] == [
        ('hidden', ('h',)),
        ('a', ('sum', 'count')),
        ('b', ('max', 'count')),
    ]
    np.testing.assert_allclose(state['a'].sum, hidden.sum(0), rtol=1e-14)
    np.testing.assert_array_equal(state['b'].max, hidden.max(0))
    for pool in ('a', 'b'):
        np.testing.assert_array_equal(state[pool].count, np.full((B, 1), T))


@pytest.mark.parametrize('name', ['last', 'mean', 'max', 'the last step of a dense layer'])
def test_states_and_answers_of_padded_sequences_are_those_of_their_own_ends(name, rng):
    net = made(name, masked=True)
    ragged = [rng.standard_normal((n, 2)) for n in (5, 2, 3)]
    later = [rng.standard_normal((n, 2)) for n in (1, 4, 2)]
    found, state = net.predict(ragged, return_state=True)
    together, after = net.predict(later, state=state, return_state=True)
    for k, (first, second) in enumerate(zip(ragged, later, strict=True)):
        alone, mine = net.predict([first], return_state=True)
        np.testing.assert_allclose(found[k], alone[0], rtol=0, atol=1e-15)
        whole, end = net.predict([np.concatenate([first, second])], return_state=True)
        np.testing.assert_allclose(together[k], whole[0], rtol=0, atol=1e-15)
        for layer in state:
            for some, one in ((state, mine), (after, end)):
                for a, b in zip(some[layer], one[layer], strict=True):
                    np.testing.assert_allclose(a[k], b[0], rtol=0, atol=1e-15)
    y, _ = net.step(later[0][:1].repeat(3, axis=0), state)  # a step of masked networks is real
    wanted = net.predict([np.concatenate([one, later[0][:1]]) for one in ragged])
    np.testing.assert_allclose(y, wanted, rtol=0, atol=1e-15)


def test_a_part_that_is_padding_changes_nothing(rng):
    for name in ('last', 'mean', 'max', 'the last step of a dense layer'):
        net, x = made(name, masked=True), rng.standard_normal((T, B, 2))
        found, state = net.predict(x, return_state=True)
        mask = np.zeros((2, B))
        mask[:, 0] = 1
        again, _ = net.predict(x[:2], mask=mask, state=state, return_state=True)
        np.testing.assert_array_equal(again[1:], found[1:])


def test_an_input_without_time_is_given_with_the_first_step(rng):
    still = dict(form='input', size=1, name='still', ndim=2)
    both = dict(form='concatenate', inputs=('hid2', 'still'))
    net = rnnkit.Regressor([2, ('rnn', 3), 'mean', still, both, 1], seed=0, dtype='float64')
    x, z = rng.standard_normal((T, B, 2)), rng.standard_normal((B, 1))
    y, state = net.step([x[0], z])
    assert list(state) == ['hid1', 'hid2', 'still:out']
    state = json.loads(json.dumps(net.state_to_json(state)))
    for x_t in x[1:]:
        y, state = net.step(x_t, state)
    np.testing.assert_allclose(y, net.predict([x, z]), rtol=0, atol=1e-15)


def test_a_decoder_that_answers_starts_from_its_encoder(rng):
    layers = [
        2,
        dict(form='rnn', size=3, name='encoder'),
        dict(form='input', size=1, name='given'),
        dict(form='rnn', size=3, inputs='given', h_0='encoder'),
        'mean',
        1,
    ]
    net = rnnkit.Regressor(layers, seed=0, dtype='float64')
    x, z = rng.standard_normal((4, B, 2)), rng.standard_normal((T, B, 1))
    y, state = net.step([x, z[0]])
    assert list(state) == ['hid3', 'hid4', 'encoder:last']
    for z_t in z[1:]:
        y, state = net.step(z_t, state)
    np.testing.assert_allclose(y, net.predict([x, z]), rtol=0, atol=1e-15)


def test_a_classifier_answers_after_each_step(rng):
    net = rnnkit.Classifier([2, ('gru', 3), 'mean', 4], seed=0)
    x, state = rng.standard_normal((T, B, 2)).astype('float32'), None
    for t in range(T):
        p, state = net.step(x[t], state)
        np.testing.assert_allclose(p, net.predict_proba(x[: t + 1]), rtol=0, atol=1e-6)
    labels, _ = net.predict(x, return_state=True)
    np.testing.assert_array_equal(labels, p.argmax(-1))


def test_a_regressor_of_the_last_step_generates(rng):
    net = rnnkit.Regressor([1, ('gru', 4), 'last', 1], seed=0, dtype='float64')
    x = rng.standard_normal((T, B, 1))
    found, series = net.generate(x, 3), x
    for y in found:
        np.testing.assert_allclose(y, net.predict(series), rtol=0, atol=1e-15)
        series = np.concatenate([series, y[None]])


FLAT = ('flatten', T)
PAIR = [
    2,
    dict(form='rnn', size=3, name='a'),
    dict(form='mean', name='one'),
    dict(form='input', size=2, name='second', ndim=3),
    dict(form='rnn', size=3, inputs='second'),
    dict(form='mean', name='other'),
    dict(form='concatenate', inputs=('one', 'other')),
    1,
]


@pytest.mark.parametrize(
    ('layers', 'message'),
    [
        (
            [2, ('rnn', 3), FLAT, 1],
            "layer 'hid2' (flatten) needs the whole sequence at once, so this network cannot go on "
            'from a state',
        ),
        (
            [2, dict(form='bidirectional', size=4), 'mean', 1],
            "layer 'hid1' (bidirectional) needs the whole sequence at once, so this network cannot "
            'go on from a state',
        ),
        (
            [2, dict(form='conv1', size=3, filter_size=2), ('rnn', 3), 'last', 1],
            "layer 'hid1' (conv1) needs the whole sequence at once, so this network cannot go on "
            'from a state',
        ),
        (
            [2, ('rnn', 3), 'last', ('repeat', 4), ('rnn', 3), 'last', 1],
            "layer 'hid3' (repeat) needs the whole sequence at once, so this network cannot go on "
            'from a state',
        ),
        (
            PAIR,
            'the output summarizes the sequences in and second, each with a time axis of its own, '
            'so this network cannot go on from a state',
        ),
        (
            [2, ('rnn', 3), 'mean', dict(form='concatenate', inputs=('hid1', 'hid2')), 1],
            "a layer reads 'hid2:out', which depends on the whole sequence, so this network cannot "
            'go on from a state',
        ),
        ([2, 3, 1], 'this network has no recurrent layer, so it has no state'),
    ],
)
def test_what_needs_the_whole_sequence_says_so(layers, message):
    net = rnnkit.Regressor(layers, seed=0)
    calls = [lambda: net.step(np.zeros((B, 2))), net.stepper, lambda: net.state_to_json({})]
    for call in calls:
        with pytest.raises(rnnkit.ConfigError) as found:
            call()
        assert str(found.value) == message


def test_noise_and_a_state_do_not_go_together(rng):
    net = made('mean')
    _, state = net.predict(rng.standard_normal((T, B, 2)), return_state=True)
    with pytest.raises(rnnkit.ConfigError, match='hidden_dropout cannot be combined with a state'):
        net.predict(np.zeros((T, B, 2)), state=state, hidden_dropout=0.5)


@pytest.mark.parametrize('kind', ['mean', 'max', 'last'])
def test_kernels_give_the_bits_of_the_whole(kind, machine_code, rng):
    net = rnnkit.Regressor([2, ('lstm', 4), kind, 2], seed=0, masked=True)
    x, state, stepper = rng.standard_normal((T, B, 2)).astype('float32'), None, net.stepper(B)
    for t in range(T):
        y, state = net.step(x[t], state)
        np.testing.assert_array_equal(y, net.predict(x[: t + 1]))
        np.testing.assert_array_equal(stepper(x[t]), y)
    assert stepper._step.is_quick
    _, state = net.predict(x[:3], return_state=True)
    np.testing.assert_array_equal(net.predict(x[3:], state=state), net.predict(x))


def test_a_step_that_answers_allocates_nothing(machine_code):
    net = rnnkit.Classifier([2, ('lstm', 4), 'mean', 3], seed=0)
    stepper, x = net.stepper(), np.ones((1, 2), 'float32')
    for _ in range(10):
        stepper(x)
    tracemalloc.start()
    try:
        for _ in range(100):
            stepper(x)
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(1000):
            stepper(x)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 256  # not a byte per step
    assert peak - before < 512  # NumPy's views and Python's integers


def test_a_running_mean_of_float32_is_close_after_many_steps(machine_code, rng):
    net = rnnkit.Regressor([1, 'mean'], seed=0)
    x = 1 + rng.standard_normal((20_000, 1, 1)).astype('float32')
    found, state = net.predict(x[:7], return_state=True)
    found, state = net.predict(x[7:], state=state, return_state=True)
    np.testing.assert_array_equal(found, net.predict(x))  # the bits of the whole
    # Each sum is rounded by at most half of the last digit of the total: 2 ** -24 of it.
    assert abs(found[0, 0] / x.astype('float64').mean() - 1) < 20 * 20_000**0.5 * 2**-24


def test_a_state_is_not_a_place_for_attributes():
    net = made('mean')
    _, state = net.step(np.zeros((B, 2)))
    loose = {**state, 'hid2': SimpleNamespace(sum=state['hid2'].sum, count=state['hid2'].count)}
    with pytest.raises(rnnkit.ConfigError, match='must have the MeanState of layer .hid2., by nam'):
        net.step(np.zeros((B, 2)), loose)
