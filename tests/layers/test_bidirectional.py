"""Bidirectional and backward layers: aligned in time, sized and named as the docs say."""

import numpy as np
import pytest
import reference

import rnnkit


def values(layer):
    """Return a layer's parameters as arrays by name."""
    return {name: p.get_value() for name, p in layer.params.items()}


def test_both_directions_equal_numpy_and_are_aligned_in_time(rng):
    net = rnnkit.Regressor(
        [2, dict(form='bidirectional', worker='lstm', size=6), 1], dtype='float64', seed=1
    )
    x, zero = rng.standard_normal((5, 3, 2)), np.zeros((3, 3))
    outputs = net.feed_forward(x)
    forward, backward = net.layers[1].children
    fw = reference.lstm_forward(x, values(forward), zero, zero)
    bw = reference.lstm_forward(x[::-1], values(backward), zero, zero)
    for name, ours in (('h', 'out'), ('c', 'c')):
        both = np.concatenate([fw[name], bw[name][::-1]], axis=-1)
        # The same operations in another order.
        np.testing.assert_allclose(outputs[f'hid1:{ours}'], both, rtol=0, atol=1e-14)
        np.testing.assert_array_equal(outputs[f'hid1:bw_{ours}'], outputs[f'hid1:{ours}'][..., 3:])


def test_the_output_at_a_step_does_not_depend_on_what_the_direction_has_not_read(rng):
    net = rnnkit.Regressor([1, ('bidirectional', 4), 1], dtype='float64', seed=1)
    x = rng.standard_normal((6, 1, 1))
    changed = x.copy()
    changed[3] += 1
    before, after = net.feed_forward(x), net.feed_forward(changed)
    same = {
        name: (before[f'hid1:{name}'] == after[f'hid1:{name}']).all(axis=(1, 2))
        for name in ('fw_out', 'bw_out')
    }
    assert list(same['fw_out']) == [True, True, True, False, False, False]
    assert list(same['bw_out']) == [False, False, False, False, True, True]


def test_merge_sum_adds_the_directions(rng):
    net = rnnkit.Regressor([1, dict(form='bidirectional', size=3, merge='sum'), 1], seed=1)
    found = net.feed_forward(rng.standard_normal((4, 2, 1)))
    assert found['hid1:out'].shape == (4, 2, 3)
    np.testing.assert_array_equal(found['hid1:out'], found['hid1:fw_out'] + found['hid1:bw_out'])


def test_parameters_are_those_of_two_layers_with_names_of_their_own():
    net = rnnkit.Regressor([2, dict(form='bidirectional', worker='gru', size=6), 1], seed=1)
    names = [p.name for p in net.params]
    wanted = [f'hid1_{way}.{name}' for way in ('fw', 'bw') for name in ('xh', 'hh', 'b', 'bn')]
    assert names == [*wanted, 'out.w', 'out.b']
    assert net.find('hid1_bw', 'hh') is net.layers[1].children[1].params['hh']
    assert net.find('hid1_bw', 'hh').get_value().shape == (3, 9)


def test_the_output_of_one_direction_can_be_read_by_a_layer(rng):
    one_way = dict(size=2, inputs='hid1:bw_out')
    net = rnnkit.Regressor([2, ('bidirectional', 6), one_way, 1], seed=1)
    assert net.find('hid2', 'w').get_value().shape == (3, 2)


def test_a_backward_layer_is_a_forward_layer_on_reversed_time(rng):
    spec = dict(form='gru', size=3)
    forward = rnnkit.Regressor([2, spec, 1], dtype='float64', seed=1)
    backward = rnnkit.Regressor([2, {**spec, 'direction': 'backward'}, 1], dtype='float64', seed=1)
    x = rng.standard_normal((5, 2, 2))
    np.testing.assert_array_equal(backward.predict(x), forward.predict(x[::-1])[::-1])


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'size': 5}, 'size must be even, since it is that of both directions together; got 5'),
        ({'merge': 'product'}, "merge must be one of 'concat', 'sum'; got 'product'"),
        ({'worker': 'lstn'}, "no layer named 'lstn'; did you mean 'lstm'"),
        ({'worker': 'dense'}, "worker must be a recurrent layer.*got 'dense'"),
        ({'direction': 'backward'}, 'recurrent layer without a direction'),
        ({'worker': 'gru', 'rest': 'before'}, "unknown option 'rest', did you mean 'reset'"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(rnnkit.ConfigError, match=message):
        rnnkit.Regressor([2, {'form': 'bidirectional', 'size': 4, **options}, 1])


def test_a_direction_that_does_not_exist_is_refused():
    with pytest.raises(
        rnnkit.ConfigError, match="direction must be one of 'forward', 'backward'; got 'up'"
    ):
        rnnkit.Regressor([2, dict(form='rnn', size=4, direction='up'), 1])
