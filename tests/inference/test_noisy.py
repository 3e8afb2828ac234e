"""Predictions with the noise of training."""

import numpy as np
import pytest

import rnnkit


def test_a_prediction_with_noise(rng):
    x, y = rng.standard_normal((40, 6)).astype('f'), np.zeros(40)
    net = rnnkit.Classifier([6, 20, 3], seed=1)
    plain = net.predict_proba(x)
    noisy = net.predict_proba(x, hidden_dropout=0.5, seed=3)
    assert abs(noisy - plain).max() > 0.01
    np.testing.assert_array_equal(noisy, net.predict_proba(x, hidden_dropout=0.5, seed=3))
    assert (noisy != net.predict_proba(x, hidden_dropout=0.5)).any()
    outputs = net.feed_forward(x, input_noise=0.3, seed=1)
    assert 0.25 < (outputs['in:out'] - x).std() < 0.35
    dropped = net.feed_forward(x, hidden_dropout=0.5, seed=1)['hid1:out']
    kept, full = dropped != 0, net.feed_forward(x)['hid1:out']
    assert 0.4 < kept[full != 0].mean() < 0.6
    np.testing.assert_allclose(dropped[kept], 2 * full[kept], rtol=1e-5)
    assert net.predict(x, input_dropout=0.1).shape == y.shape
    assert (net.feed_forward(x, output_noise=1.0, seed=1)['out:out'] != plain).all()
    np.testing.assert_array_equal(net.predict_proba(x), plain)


def test_noise_is_turned_as_the_layout_says():
    net = rnnkit.Regressor([2, ('rnn', 3), 1], layout='batch', seed=1)
    x = np.ones((4, 6, 2), 'f')
    np.testing.assert_allclose(net.predict(x, hidden_noise=0.0), net.predict(x), rtol=1e-6)
    many = [net.predict(x, hidden_dropout=0.5, seed=k) for k in range(400)]
    np.testing.assert_allclose(np.mean(many, axis=0), net.predict(x), atol=0.2)


@pytest.mark.parametrize(
    ('noise', 'message'),
    [
        ({'seed': 3}, 'seed= is for a prediction with noise'),
        ({'hidden_droput': 0.5}, "did you mean 'hidden_dropout'"),
        ({'hidden_dropout': 2}, 'of at least 0 and below 1; got 2'),
        ({'weight_l2': 0.1}, 'weight_l2 is for training only'),
        ({'max_norm': 1}, 'max_norm is for training only'),
        ({'hidden_dropout': 0.1, 'seed': -1}, 'seed must be a whole number'),
        ({'hidden_dropout': 0.1, 'return_state': True}, 'hidden_dropout cannot be combined'),
    ],
)
def test_noise_that_makes_no_sense_is_an_error(noise, message):
    net = rnnkit.Regressor([2, ('rnn', 3), 1])
    with pytest.raises(rnnkit.ConfigError, match=message):
        net.predict(np.ones((4, 6, 2), 'f'), **noise)


def test_layers_that_are_random_in_training_are_so_here(rng):
    x = rng.standard_normal((5, 4, 2))
    net = rnnkit.Regressor([2, dict(form='rnn', size=6, dropout=0.5), ('dropout', 0.5), 1], seed=1)
    kept = net.predict(x)
    one, same, other = (net.predict(x, hidden_noise=0.0, seed=k) for k in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert abs(one - other).max() > 0.01
    assert abs(one - kept).max() > 0.01
    np.testing.assert_array_equal(net.predict(x), kept)


def test_noise_is_kept_from_padding(rng):
    net = rnnkit.Regressor([2, ('rnn', 3), 1], masked=True, seed=1)
    long, short = rng.standard_normal((5, 2)), rng.standard_normal((3, 2))
    found = net.predict([long, short], input_noise=0.5, seed=1)
    assert [one.shape for one in found] == [(5, 1), (3, 1)]
    x = np.zeros((5, 2, 2))
    x[:, 0], x[:3, 1] = long, short
    mask = np.array([[1, 1]] * 3 + [[1, 0]] * 2)
    array = net.predict(x, mask=mask, input_noise=0.5, seed=1)
    np.testing.assert_array_equal(array[:3, 1], found[1])
    np.testing.assert_array_equal(array[3:, 1], 0)
