"""Examples without a real step, in predictions: states as they start, and outputs of 0."""

import numpy as np
import pytensor
import pytest
from reference import lstm_forward

import rnnkit
from rnnkit.errors import DataError

T, B = 5, 4
LENGTHS = [5, 0, 2, 0]
MASK = np.arange(T)[:, None] < np.array(LENGTHS)


def network(*layers, **options):
    return rnnkit.Regressor(list(layers), masked=True, seed=0, dtype='float64', **options)


@pytest.mark.parametrize('kernel', [False, None], ids=['scan', 'kernel'])
def test_states_stay_as_they_start_and_outputs_are_0(kernel, rng):
    net = network(2, dict(form='lstm', size=3, h_0='learn', c_0='learn'), 1, kernel=kernel)
    x = rng.standard_normal((T, B, 2))
    start = {part: rng.standard_normal(3) for part in 'hc'}
    for part, value in start.items():
        net.find('hid1', f'{part}_0').set_value(value)
    net.find('out', 'b').set_value(np.array([0.7]))
    mode = 'NUMBA' if kernel is None else pytensor.config.mode
    with pytensor.config.change_flags(mode=mode):
        found, state = net.predict(
            np.where(MASK[..., None], x, np.nan), mask=MASK, return_state=True
        )
        alone = net.predict(x, mask=MASK)
    np.testing.assert_array_equal(alone, found)
    p = {name: net.find('hid1', name).get_value() for name in ('xh', 'hh', 'b')}
    w, b = (net.find('out', name).get_value() for name in ('w', 'b'))
    for k, n in enumerate(LENGTHS):
        first = [start[part][None] for part in 'hc']
        states = lstm_forward(x[:n, k : k + 1], p, *first)
        for part in 'hc':
            right = states[part][-1] if n else start[part][None]
            np.testing.assert_allclose(getattr(state['hid1'], part)[k], right[0], atol=1e-13)
        if n:
            np.testing.assert_allclose(found[:n, k], states['h'][:, 0] @ w + b, atol=1e-13)
        assert not found[n:, k].any()
    # From a state that is given, too.
    given = {'hid1': net.layers[1].state(*rng.standard_normal((2, B, 3)))}
    with pytensor.config.change_flags(mode=mode):
        found, after = net.predict(x, mask=MASK, state=given, return_state=True)
    for part in 'hc':
        before, now = (getattr(s['hid1'], part) for s in (given, after))
        np.testing.assert_array_equal(now[[1, 3]], before[[1, 3]])
    assert not found[:, [1, 3]].any()


def test_the_last_step_of_none_is_0(rng):
    x = rng.standard_normal((T, B, 2))
    layers = [('rnn', 3)], [(3, 'exp')], [dict(form='bidirectional', worker='gru', size=4)]
    for before in layers:
        net = network(2, *before, 'last', 1)
        found = net.feed_forward(x, mask=MASK)
        assert not found['hid2:out'][[1, 3]].any()
        assert found['hid2:out'][[0, 2]].any(axis=1).all()
        np.testing.assert_array_equal(
            net.predict(x[:, [0, 2]], mask=MASK[:, [0, 2]]), net.predict(x, mask=MASK)[[0, 2]]
        )


def test_a_score_leaves_them_out_and_training_refuses_them(rng):
    net = network(2, ('rnn', 3), 1)
    x, y = rng.standard_normal((T, B, 2)), rng.standard_normal((T, B, 1))
    some = np.ix_(range(T), [0, 2])
    y[:, [1, 3]] = np.nan
    assert net.score(x, y, mask=MASK) == pytest.approx(net.score(x[some], y[some], mask=MASK[some]))
    with pytest.raises(DataError, match='train: mask has no real step in example 1'):
        net.train([x, y, MASK], epochs=1)
    with pytest.raises(DataError, match='weights must be numbers of at least 0, and not all 0'):
        net.score(x, y, mask=np.zeros((T, B)))
    assert not net.predict(x, mask=np.zeros((T, B))).any()
