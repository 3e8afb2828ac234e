"""Names of the arrays of a batch."""

import numpy as np

import rnnkit


def test_a_later_input_may_be_called_x(rng):
    spec = [
        dict(form='input', name='place', size=2, ndim=2),
        dict(form='ff', name='d', size=3, inputs='place'),
        dict(form='input', name='x', size=3, ndim=3),
        dict(form='rnn', size=3, inputs='x', h_0='d'),
        1,
    ]
    net = rnnkit.Regressor(spec, seed=0)
    place, x = rng.standard_normal((4, 2)), rng.standard_normal((5, 4, 3))
    spec[2]['name'] = spec[3]['inputs'] = 'other'
    right = rnnkit.Regressor(spec, seed=0).predict([place, x])
    np.testing.assert_array_equal(net.predict([place, x]), right)
    np.testing.assert_array_equal(net.predict({'x': x, 'place': place}), right)
