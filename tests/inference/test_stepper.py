"""Steppers: a state that stays in place, in compiled code and in Python."""

import copy
import gc
import pickle
import sys
import tracemalloc
from typing import NamedTuple

import numpy as np
import pytensor
import pytest
from long_forms import long
from pytensor import tensor as pt

import rnnkit
from rnnkit.inference.in_place import StepInPlace

T, B = 6, 2


@pytest.fixture(params=['python', 'numba'])
def engine(request, monkeypatch):
    """Compute in Python, or in machine code, by kernels where there are some."""
    if request.param == 'python':
        yield request.param
        return
    monkeypatch.setenv('RNNKIT_KERNELS', 'on')
    with pytensor.config.change_flags(mode='NUMBA'):
        yield request.param


def lstm(**options):
    return rnnkit.Regressor([2, ('lstm', 5), 3], seed=3, **options)


def check(net, x, start=None, whole=None):
    """Compare a stepper with predict and with step over a sequence."""
    n = (x if start is None else start[1]).shape[1]
    stepper, state = net.stepper(batch=n), None
    whole = net.predict(x) if whole is None else whole
    for t, y_t in enumerate(whole):
        x_t = x[t] if start is None or t else [start[0], x[0]]
        found = stepper(x_t)
        expected, state = net.step(x_t, state)
        np.testing.assert_array_equal(found, expected)  # the same code
        # Products of (B, I) and of (T*B, I) add up in another order.
        np.testing.assert_allclose(found, y_t, rtol=0, atol=1e-6)
    for name, of_layer in stepper.state.items():
        np.testing.assert_array_equal(of_layer, state[name])


def test_steps_equal_the_whole_sequence(engine, rng):
    net = rnnkit.Regressor([2, ('lstm', 5), ('gru', 4), ('rnn', 3), 3], seed=3)
    check(net, rng.standard_normal((T, B, 2)).astype('float32'))
    stepper = net.stepper()
    stepper(np.zeros((1, 2)))
    assert (stepper._step._table is not None) == (engine == 'numba')


def test_a_classifier_of_tokens_returns_probabilities(engine, rng):
    net = rnnkit.Classifier([5, ('embedding', 3), ('gru', 4), 5], seed=3)
    x = rng.integers(0, 5, (T, B))
    check(net, x, whole=net.predict_proba(x))
    stepper = net.stepper(batch=B)
    for wrong in ([0, 5], [-1, 0]):
        stepper([0, 1])
        before = stepper.state['hid2'].h
        with pytest.raises(rnnkit.DataError, match=r'stepper\(\): x.*(5|-1)'):
            stepper(np.array(wrong))
        np.testing.assert_array_equal(stepper.state['hid2'].h, before)


@pytest.mark.parametrize('kernel', [None, long(False)])
def test_masks_layouts_and_float64(machine_code, kernel, rng):
    net = lstm(masked=True, layout='batch', dtype='float64', kernel=kernel)
    x = rng.standard_normal((B, T, 2))
    whole = net.predict(x, mask=np.ones((B, T))).swapaxes(0, 1)
    check(net, x.swapaxes(0, 1), whole=whole)


class Pair(NamedTuple):
    h: object
    c: object


class Swapped(rnnkit.Cell):
    """A cell that no kernel computes, for it sorts; each state is the other one's before."""

    state = Pair
    gates = 'h'
    params = {'xh': ('I', 'H'), 'hh': ('H', 'H'), 'b': ('H',)}

    def step(self, z, s, p):
        return Pair(pt.sort(pt.tanh(z + s.c @ p.hh), axis=-1), s.h)


@pytest.fixture
def swapped(monkeypatch):
    """Register a cell for one test."""
    registry = rnnkit.layers.registry
    monkeypatch.setattr(registry, '_members', dict(registry._members))
    rnnkit.layers.add('swapped')(Swapped)
    return 'swapped'


@pytest.mark.parametrize('engine', ['python', long('numba')], indirect=True)
def test_a_cell_of_ones_own_is_computed_by_scan(engine, swapped, rng):
    net = rnnkit.Regressor([2, (swapped, 3), 1], seed=3)
    check(net, rng.standard_normal((T, B, 2)).astype('float32'))


@pytest.mark.parametrize('engine', ['python', long('numba')], indirect=True)
def test_an_encoder_runs_at_the_first_step(engine, rng):
    net = rnnkit.Regressor(
        [
            2,
            dict(form='bidirectional', worker='gru', size=4),
            dict(form='gru', size=3, name='encoder'),
            dict(form='input', size=1, name='before'),
            dict(form='gru', size=3, h_0='encoder', name='decoder'),
            1,
        ],
        seed=3,
    )
    stepper = net.stepper(batch=B)
    before = rng.standard_normal((T, B, 1)).astype('float32')
    for length in (4, 7):  # another encoding, in the same arrays
        source = rng.standard_normal((length, B, 2)).astype('float32')
        check(net, before, [source, before], net.predict([source, before]))
        stepper.reset()
        assert stepper.state is None
        stepper([source, before[0]])
        y = stepper(before[1])
        np.testing.assert_allclose(y, net.predict([source, before])[1], rtol=0, atol=1e-6)


def test_several_inputs(engine, rng):
    extra = dict(form='input', size=1, name='extra')
    net = rnnkit.Regressor([2, extra, dict(size=3, inputs=('in', 'extra')), ('rnn', 3), 1], seed=0)
    stepper, (a, b) = net.stepper(batch=B), rng.standard_normal((2, T, B, 2)).astype('float32')
    whole = net.predict([a, b[..., :1]])
    for t in range(T):
        np.testing.assert_allclose(stepper([a[t], b[t, :, :1]]), whole[t], rtol=0, atol=1e-6)


def test_the_state_can_be_read_set_and_reset(engine, rng):
    net, x = lstm(), rng.standard_normal((T, B, 2)).astype('float32')
    stepper, whole = net.stepper(batch=B), net.predict(x)
    assert stepper.state is None
    for x_t in x[:3]:
        stepper(x_t)
    kept = stepper.state
    after = [stepper(x_t, copy=True) for x_t in x[3:]]
    np.testing.assert_allclose(after, whole[3:], rtol=0, atol=1e-6)
    stepper.state = kept  # a copy, which later steps have not changed
    np.testing.assert_array_equal(stepper(x[3]), after[0])
    other = net.stepper(batch=B)
    other.state = net.predict(x[:3], return_state=True)[1]
    np.testing.assert_allclose(other(x[3]), whole[3], rtol=0, atol=1e-6)
    stepper.reset()
    np.testing.assert_allclose(stepper(x[0]), whole[0], rtol=0, atol=1e-6)
    stepper.state = None
    np.testing.assert_allclose(stepper(x[0]), whole[0], rtol=0, atol=1e-6)
    with pytest.raises(rnnkit.ShapeError, match=r'stepper.state: state .h. .*\(2, 5\)'):
        stepper.state = {'hid1': rnnkit.cells.LSTMState(*np.zeros((2, 3, 5)))}


def test_the_same_array_is_returned_unless_a_copy_is_asked_for(engine):
    stepper = lstm().stepper()
    first, second = stepper(np.ones((1, 2))), stepper(np.ones((1, 2)))
    assert first is second
    copied = stepper(np.ones((1, 2)), copy=True)
    assert not np.shares_memory(copied, first)
    np.testing.assert_array_equal(copied, first)
    with pytest.raises(rnnkit.ConfigError, match=r'stepper\(\): copy must be'):
        stepper(np.ones((1, 2)), copy='yes')


def test_steppers_of_one_network_do_not_affect_each_other(engine, rng):
    net, x = lstm(), rng.standard_normal((T, 1, 2)).astype('float32')
    one, other = net.stepper(), net.stepper()
    expected = [one(x_t, copy=True) for x_t in x]
    one.reset()
    for x_t, y_t in zip(x, expected, strict=True):
        np.testing.assert_array_equal(one(x_t), y_t)
        other(-x_t)


def test_parameters_are_those_of_now(engine, rng):
    net = rnnkit.Regressor([2, dict(form='lstm', size=5, h_0='learn'), 3], seed=3)
    x = rng.standard_normal((T, B, 2)).astype('float32')
    stepper = net.stepper(batch=B)
    state = {}
    changes = [
        lambda: net.train([x, np.ones((T, B, 3))], epochs=1),
        lambda: [p.set_value(p.get_value() * 2) for p in net.params],
        lambda: net.params[0].set_value(np.asfortranarray(net.params[0].get_value()), borrow=True),
        lambda: net.params[0].get_value(borrow=True).__imul__(1.5),
    ]
    for change in changes:
        stepper.reset()
        stepper(x[0])
        state = stepper.state
        change()
        np.testing.assert_allclose(
            stepper(x[1]), net.predict(x[1:2], state=state)[0], rtol=0, atol=1e-6
        )
        stepper.reset()  # and the initial state is a parameter, too
        np.testing.assert_allclose(stepper(x[0]), net.predict(x[:1])[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ('x', 'error', 'message'),
    [
        (np.zeros((2, 2)), rnnkit.ShapeError, r'x has 2 examples; this stepper is for 1'),
        (np.zeros((1, 3)), rnnkit.ShapeError, r'x has 3 features'),
        (
            np.zeros((1, 1, 2)),
            rnnkit.ShapeError,
            r'x has . axes, .* a single time step is \(batch, features\)',
        ),
        (
            np.zeros(3),
            rnnkit.ShapeError,
            r'x has . axes, .* is \(batch, features\); that of one series has 2 features$',
        ),
        (np.array([[0, np.nan]], 'float32'), rnnkit.DataError, r'x .*nan'),
        (np.array([[np.inf, 0]], 'float32'), rnnkit.DataError, r'x .*inf'),
        (np.array([[1e300, 0]]), rnnkit.DataError, r'x .*1e\+300'),
        ('no', rnnkit.DataError, r'x must be an array of numbers'),
    ],
)
def test_a_wrong_input_leaves_the_state(x, error, message):
    stepper = lstm().stepper()
    for _ in range(2):  # at the beginning, and later
        before = stepper.state
        with pytest.raises(error, match=rf'stepper\(\): {message}'):
            stepper(x)
        assert (before is None) == (stepper.state is None)
        if before:
            np.testing.assert_array_equal(stepper.state['hid1'], before['hid1'])
        stepper(np.ones((1, 2), 'float32'))


def test_machine_code_leaves_the_state_where_a_number_is_wrong(machine_code):
    net = rnnkit.Regressor([2, dict(form='rnn', size=3, activation='relu'), 1], seed=3)
    stepper, x = net.stepper(), np.ones((1, 2), 'float32')
    for wrong in (np.nan, np.inf, -np.inf):
        stepper(x)
        before, y = stepper.state['hid1'].h, stepper(x, copy=True)
        before = stepper.state['hid1'].h
        with pytest.raises(rnnkit.DataError, match=rf'stepper\(\): x .*{wrong}'):
            stepper(np.array([[0, wrong]], 'float32'))
        np.testing.assert_array_equal(stepper.state['hid1'].h, before)
        with pytest.raises(rnnkit.DataError, match=rf'step\(\): x .*{wrong}'):
            net.step(np.array([[0, wrong]], 'float32'), stepper.state)
    for name, value in (('xh', 1e38), ('xh', np.nan)):
        param = net.find('hid1', name)
        kept = param.get_value()
        param.set_value(np.full_like(kept, value))
        before = stepper.state['hid1'].h
        with pytest.raises(rnnkit.DataError, match=r'stepper\(\): the output is not a number'):
            stepper(x * 100)
        np.testing.assert_array_equal(stepper.state['hid1'].h, before)
        param.set_value(kept)
    assert y.shape == (1, 1)


def test_an_error_of_compiled_code_is_raised(machine_code):
    net = lstm()
    stepper = net.stepper()
    stepper(np.ones((1, 2)))
    cell = net.find('hid1', 'b').container.storage
    cell[0] = np.zeros(3, 'float32')
    with pytest.raises(ValueError, match="'b' is not of shape"):
        stepper(np.ones((1, 2)))


def test_a_step_allocates_no_python_memory(machine_code):
    net = rnnkit.Regressor([16, ('lstm', 64), ('gru', 64), 4], seed=0)
    stepper, x = net.stepper(batch=4), np.ones((4, 16), 'float32')

    def steps(n):
        for _ in range(n):
            stepper(x)

    steps(10)
    gc.collect()
    tracemalloc.start()
    try:
        steps(2)
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        steps(1000)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 256  # not a byte per step
    assert peak - before < 512  # NumPy's views and Python's integers, but no array of 4 * 64 * 4


def test_steps_do_not_make_the_process_grow(machine_code):
    resource = pytest.importorskip('resource')
    stepper, x = lstm().stepper(), np.ones((1, 2), 'float32')
    for _ in range(1000):
        stepper(x)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(30_000):
        stepper(x)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * (1 if sys.platform == 'darwin' else 1024) < 30_000 * 32  # an array is 64 bytes


def test_a_network_that_cannot_be_stepped_has_no_stepper():
    with pytest.raises(rnnkit.ConfigError, match="layer 'hid1' .* needs the whole sequence"):
        rnnkit.Regressor([2, dict(form='bidirectional', size=4), 1], seed=0).stepper()
    with pytest.raises(rnnkit.ConfigError, match='no recurrent layer'):
        rnnkit.Regressor([2, 3, 1], seed=0).stepper()
    with pytest.raises(rnnkit.ConfigError, match=r'stepper\(\): batch must be .*; got 0'):
        lstm().stepper(batch=0)


def test_a_stepper_is_not_copied_but_its_network_is(machine_code, rng):
    net, x = lstm(), rng.standard_normal((T, 1, 2)).astype('float32')
    stepper = net.stepper()
    stepper(x[0])
    for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(rnnkit.ConfigError, match=r'cannot be copied or saved; make another'):
            duplicate(stepper)
    state = stepper.state
    net.step(x[1], state)
    other = copy.deepcopy(net)
    for p in net.params:
        p.set_value(p.get_value() * 0)
    np.testing.assert_array_equal(other.step(x[1], state)[0], stepper_of(other, state)(x[1]))
    assert other.step(x[1], state)[0].any()


def stepper_of(net, state):
    stepper = net.stepper()
    stepper.state = state
    return stepper


def test_a_step_with_a_state_is_taken_in_place(machine_code, monkeypatch, rng):
    net, x = lstm(), rng.standard_normal((T, B, 2)).astype('float32')
    _, state = net.step(x[0])
    net.step(x[1], state)
    same = np.dtype('float32').newbyteorder('=')  # as arrays of code that comes from a cache
    assert same is not x.dtype
    x, h = x.view(same), state['hid1'].h.view(same)
    state['hid1'] = state['hid1']._replace(h=h)
    monkeypatch.setattr(StepInPlace, '__init__', None)  # arrays are there already
    monkeypatch.setattr(net._inference, '_continue', None)  # what other steps use
    y, after = net.step(x[1], state)
    kept = copy.deepcopy((y, after))
    net.step(x[2], after)  # returns arrays of its own
    np.testing.assert_array_equal(y, kept[0])
    np.testing.assert_array_equal(after['hid1'], kept[1]['hid1'])
