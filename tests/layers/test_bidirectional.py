"""Bidirectional and backward layers: aligned in time, sized and named as the docs say."""

import json

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import reference
from long_forms import long

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


JOINED = {  # the output, and its derivatives by both directions
    'concat': lambda f, b: np.concatenate([f, b], axis=-1),
    'sum': lambda f, b: f + b,
    'average': lambda f, b: (f + b) / 2,
    'product': lambda f, b: f * b,
    None: lambda f, b: np.concatenate([f, b], axis=-1),
}


def parted(merge, d, f, b):
    """Return the derivatives by both directions, given that by their merged output."""
    if merge in ('concat', None):
        return np.split(d, 2, axis=-1)
    return {'sum': (d, d), 'average': (d / 2, d / 2), 'product': (d * b, d * f)}[merge]


@pytest.mark.parametrize('kernels', ['off', long('on')])
@pytest.mark.parametrize('merge', ['average', 'product', None, long('sum'), long('concat')])
def test_merged_outputs_states_of_each_direction_and_gradients_equal_numpy(
    merge, kernels, rng, monkeypatch
):
    """Both directions start from states of their own, which come from inputs of the network."""
    monkeypatch.setenv('RNNKIT_KERNELS', kernels)
    size = 6 if merge == 'concat' else 3
    net = rnnkit.Regressor(
        [
            2,
            *(dict(form='input', size=3, name=name) for name in ('a', 'b', 'c')),
            dict(
                form='bidirectional',
                worker='lstm',
                size=size,
                merge=merge,
                inputs='in',
                h_0=('a', 'b'),
                c_0=['learn', 'c'],
                name='both',
            ),
            (1, 'linear'),
        ],
        dtype='float64',
        seed=1,
    )
    net.find('both_fw', 'c_0').set_value(rng.standard_normal(3))
    x, starts = rng.standard_normal((5, 2, 2)), rng.standard_normal((3, 2, 3))
    forward, backward = (values(child) for child in net.layers[4].children)
    learned = np.tile(forward.pop('c_0'), (2, 1))
    d = rng.standard_normal((5, 2, net.layers[4].output_size('out')))
    args = [(x, forward, starts[0], learned), (x[::-1], backward, starts[1], starts[2])]
    fw, bw = (reference.lstm_forward(*each) for each in args)
    fw_h, bw_h = fw['h'], bw['h'][::-1]
    d_fw, d_bw = parted(merge, d, fw_h, bw_h)
    none = np.zeros_like(fw_h)
    g_fw = reference.lstm_backward(*args[0], {'h': d_fw, 'c': none})
    g_bw = reference.lstm_backward(*args[1], {'h': d_bw[::-1], 'c': none})

    out = net.outputs['both:out']
    known = pt.tensor3(dtype='float64')
    wrt = [*net.inputs, *(net.find('both_bw', k) for k in ('xh', 'hh', 'b'))]
    wrt += [net.find('both_fw', k) for k in ('xh', 'hh', 'b', 'c_0')]
    function = pytensor.function(
        [*net.inputs, known],
        [out, net.outputs['both:last_c'], *pytensor.grad((out * known).sum(), wrt)],
        mode='NUMBA' if kernels == 'on' else None,
    )
    found, last_c, *slopes = function(x, *starts, d)
    close = dict(rtol=1e-11, atol=1e-13)  # the same operations in another order
    np.testing.assert_allclose(found, JOINED[merge](fw_h, bw_h), **close)
    np.testing.assert_allclose(last_c, JOINED[merge](fw['c'][-1], bw['c'][-1]), **close)
    wanted = [g_fw['x'] + g_bw['x'][::-1], g_fw['h0'], g_bw['h0'], g_bw['c0']]
    wanted += [g_bw[k] for k in ('xh', 'hh', 'b')] + [g_fw[k] for k in ('xh', 'hh', 'b')]
    wanted.append(g_fw['c0'].sum(0))
    for slope, right in zip(slopes, wanted, strict=True):
        np.testing.assert_allclose(slope, right, **close)

    again = rnnkit.from_spec(json.loads(json.dumps(net.to_spec())))
    assert again.to_spec() == net.to_spec()
    for p, q in zip(net.params, again.params, strict=True):
        q.set_value(p.get_value())
    np.testing.assert_array_equal(again.predict([x, *starts]), net.predict([x, *starts]))


def test_directions_that_are_not_merged_have_the_size_of_the_layer():
    layers = [2, dict(form='bidirectional', size=3, merge=None, name='both')]
    net = rnnkit.Regressor([*layers, dict(size=4, inputs=('both:fw_out', 'both:bw_out')), 1])
    assert net.find('hid2', 'w_both:bw_out').get_value().shape == (3, 4)
    assert rnnkit.Regressor([*layers, 1]).find('out', 'w').get_value().shape == (6, 1)


def test_a_direction_continues_from_the_same_direction_of_an_encoder(rng):
    encoder = dict(form='bidirectional', worker='gru', size=8, name='encoder')
    decoder = dict(
        form='bidirectional',
        worker='gru',
        size=8,
        name='decoder',
        inputs='again',
        h_0=('encoder:fw_last', 'encoder:bw_last'),
    )
    again = dict(form='input', size=2, name='again')
    net = rnnkit.Regressor([2, encoder, again, decoder, 1], dtype='float64', seed=0)
    x, y = rng.standard_normal((4, 3, 2)), rng.standard_normal((6, 3, 2))
    outputs = net.feed_forward([x, y])
    for way, part in (('fw', slice(4)), ('bw', slice(4, 8))):
        p = values(net.layers[3].children[way == 'bw'])
        turn = slice(None, None, -1 if way == 'bw' else 1)
        start = outputs[f'encoder:{way}_last']
        states = reference.gru_forward(y[turn], p, start)['h'][turn]
        np.testing.assert_allclose(outputs['decoder:out'][..., part], states, rtol=1e-12)
    train = [x, y, rng.standard_normal((6, 3, 1))]
    net.train(train, epochs=1)
    with pytest.raises(rnnkit.ConfigError, match='needs the whole sequence'):
        net.step([x, y[0]])


def test_the_width_of_a_states_source_is_checked():
    both = dict(form='bidirectional', size=8, inputs='in', h_0=(None, 'start'))
    start = dict(form='input', size=3, name='start')
    with pytest.raises(
        rnnkit.ConfigError,
        match="layer 'hid2': bw_h_0 must have 4 features; 'start:out' has 3",
    ):
        rnnkit.Regressor([2, start, both, 1])


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
        (
            {'merge': 'ave'},
            "merge must be one of 'concat', 'sum', 'average', 'product', None; got 'ave'; did you "
            "mean 'average'",
        ),
        (
            {'h_0': 'there'},
            r"h_0 must be 'learn' or a pair, .* h_0=\('there', 'back'\); got 'there'",
        ),
        ({'h_0': ('learn',)}, "h_0 must be 'learn' or a pair"),
        ({'h_0': ('learn', 3)}, "h_0 must be 'learn' or the name of a layer; got 3"),
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
