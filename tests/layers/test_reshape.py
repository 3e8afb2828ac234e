"""The layer that makes a sequence of a vector."""

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import ConfigError


def test_reshape_makes_steps(rng):
    net = rnnkit.Regressor([6, dict(form='reshape', shape=(2, 3)), ('rnn', 2), 1], seed=0)
    x = rng.standard_normal((4, 6)).astype('f')
    found = net.feed_forward(x)
    assert found['hid1:out'].shape == (2, 4, 3)
    np.testing.assert_array_equal(found['hid1:out'][0], x[:, :3])
    np.testing.assert_array_equal(found['hid1:out'][1], x[:, 3:])
    assert net.predict(x).shape == (2, 4, 1)


@pytest.mark.parametrize('layout', ['time', 'batch'])
def test_reshape_undoes_flatten(rng, layout):
    layers = [3, ('flatten', 5), dict(form='reshape', shape=(5, 3)), ('rnn', 2), 'last', 1]
    net = rnnkit.Regressor(layers, layout=layout, seed=0)
    x = rng.standard_normal((5, 4, 3) if layout == 'time' else (4, 5, 3)).astype('f')
    np.testing.assert_array_equal(net.feed_forward(x)['hid2:out'], x)
    again = rnnkit.from_spec(net.to_spec())
    net.train([x, np.ones((4, 1))], epochs=1, seed=1)
    again.train([x, np.ones((4, 1))], epochs=1, seed=1)
    np.testing.assert_array_equal(net.predict(x), again.predict(x))


@pytest.mark.parametrize('shape', [(3,), [3], 3])
def test_one_axis_changes_nothing(rng, shape):
    same = dict(form='reshape', shape=shape)
    x = rng.standard_normal((5, 4, 3)).astype('f')
    net = rnnkit.Regressor([3, same, ('rnn', 2), same | {'shape': 2}, 1], seed=0)
    np.testing.assert_array_equal(net.feed_forward(x)['hid1:out'], x)
    _, state = net.predict(x[:2], return_state=True)  # it needs no more than a step
    np.testing.assert_allclose(net.step(x[2], state)[0], net.predict(x)[2], rtol=1e-5)
    assert rnnkit.Regressor([3, same, 1]).predict(x[0]).shape == (4, 1)


@pytest.mark.parametrize(
    ('shape', 'message'),
    [
        (None, 'shape must be .*got None'),
        ((2, 0), r'shape must be .*got \(2, 0\)'),
        ((2, -1), r'shape must be .*got \(2, -1\)'),
        ((2, True), 'shape must be'),
        ((1, 2, 3), 'shape must be'),
        ((2, 2), r'shape \(2, 2\) has 4 elements; the input has 6 features'),
        ((5,), r'shape \(5,\) has 5 elements; the input has 6 features'),
    ],
)
def test_a_shape_that_does_not_fit_is_an_error(shape, message):
    with pytest.raises(ConfigError, match=message):
        rnnkit.Regressor([6, dict(form='reshape', shape=shape), ('rnn', 2), 1])


def test_a_sequence_must_become_a_vector_first():
    with pytest.raises(ConfigError, match='reads one value for each example'):
        rnnkit.Regressor([6, ('rnn', 6), dict(form='reshape', shape=(2, 3)), ('rnn', 2), 1])


def test_it_takes_its_place_among_sequences_of_a_length():
    spec = [6, dict(form='reshape', shape=(2, 3)), ('flatten', 3), 1]
    with pytest.raises(ConfigError, match='has 3 time steps'):
        rnnkit.Regressor(spec)
