"""theanets' keywords for how parameters start are short for initializers."""

import json

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import ConfigError
from rnnkit.initializers import spectral_radius

NORMAL = 'normal'


def make(**keywords):
    return rnnkit.Regressor([3, dict(name='it', **keywords), 1], seed=5, dtype='float64')


def params(net):
    return {p.name: p.get_value() for p in net.params}


def assert_same(one, two):
    assert params(one).keys() == params(two).keys()
    for name, value in params(one).items():
        np.testing.assert_array_equal(value, params(two)[name], err_msg=name)


RNN = {'form': 'rnn', 'size': 4}
LSTM = {'form': 'lstm', 'size': 4}
SHORT = {
    'radius_hh': (RNN | {'radius_hh': 1.1}, RNN | {'hh': {'form': 'orthogonal', 'radius': 1.1}}),
    'std_hh': (RNN | {'std_hh': 0.1}, RNN | {'hh': {'form': NORMAL, 'std': 0.1}}),
    'mean and std': (
        RNN | {'std_hh': 0.1, 'mean_hh': 2},
        RNN | {'hh': {'form': NORMAL, 'std': 0.1, 'mean': 2.0}},
    ),
    'sparsity_xh': (RNN | {'sparsity_xh': 0.5}, RNN | {'xh': {'form': 'glorot', 'sparsity': 0.5}}),
    'diagonal_hh': (RNN | {'diagonal_hh': 0.5}, RNN | {'hh': {'form': 'diagonal', 'value': 0.5}}),
    'all of hh': (
        RNN | {'std_hh': 0.1, 'sparsity_hh': 0.2, 'radius_hh': 0.9},
        RNN | {'hh': {'form': NORMAL, 'std': 0.1, 'sparsity': 0.2, 'radius': 0.9}},
    ),
    'radius': (LSTM | {'radius': 0.9}, LSTM | {'hh': {'form': 'orthogonal', 'radius': 0.9}}),
    'std': (
        LSTM | {'std': 0.9},
        LSTM | {'xh': {'form': NORMAL, 'std': 0.9}, 'hh': {'form': NORMAL, 'std': 0.9}},
    ),
    'sparsity': (
        LSTM | {'sparsity': 0.5},
        LSTM
        | {
            'xh': {'form': 'glorot', 'sparsity': 0.5},
            'hh': {'form': 'orthogonal', 'sparsity': 0.5},
        },
    ),
    'diagonal': (LSTM | {'diagonal': 1}, LSTM | {'hh': 'identity'}),
    'std and diagonal': (
        RNN | {'std': 0.1, 'diagonal': 1},
        RNN | {'xh': {'form': NORMAL, 'std': 0.1}, 'hh': 'identity'},
    ),
    'a name goes first': (
        RNN | {'std': 0.1, 'std_hh': 0.7},
        RNN | {'xh': {'form': NORMAL, 'std': 0.1}, 'hh': {'form': NORMAL, 'std': 0.7}},
    ),
    'beside an own one': (
        RNN | {'std': 0.1, 'hh': 'identity'},
        RNN | {'xh': {'form': NORMAL, 'std': 0.1}, 'hh': 'identity'},
    ),
    'mean_b': (RNN | {'mean_b': 2}, RNN | {'b': 2.0}),
    'std_b': (LSTM | {'std_b': 0.3}, LSTM | {'b': {'form': NORMAL, 'std': 0.3}}),
    'mean_xh': (RNN | {'mean_xh': 1}, RNN | {'xh': {'form': NORMAL, 'mean': 1.0, 'std': 7**-0.5}}),
    'mean of a gate': (
        LSTM | {'mean_xh': 1},
        LSTM | {'xh': {'form': NORMAL, 'mean': 1.0, 'std': 7**-0.5}},
    ),
    'a dense layer': (
        {'size': 4, 'std': 1, 'sparsity': 0.9},
        {'size': 4, 'w': {'form': NORMAL, 'std': 1, 'sparsity': 0.9}},
    ),
    'diagonal of a dense layer': (
        {'size': 4, 'diagonal': 2},
        {'size': 4, 'w': {'form': 'diagonal', 'value': 2}},
    ),
    'both directions': (
        {'form': 'bidirectional', 'worker': 'gru', 'size': 4, 'radius': 0.5, 'std_xh': 0.1},
        {
            'form': 'bidirectional',
            'worker': 'gru',
            'size': 4,
            'hh': {'form': 'orthogonal', 'radius': 0.5},
            'xh': {'form': NORMAL, 'std': 0.1},
        },
    ),
    'a learned start': (RNN | {'h_0': 'learn', 'mean_h_0': 0.5}, None),
}


@pytest.mark.parametrize('name', SHORT)
def test_a_short_form_is_an_initializer(name, tmp_path):
    short, long = SHORT[name]
    net = make(**short)
    if long is not None:
        assert_same(net, make(**long))
    again = rnnkit.from_spec(json.loads(json.dumps(net.to_spec())))
    assert_same(net, again)
    assert again.to_spec() == net.to_spec()
    net.save(tmp_path / 'net')
    loaded = rnnkit.load(tmp_path / 'net')
    assert_same(net, loaded)
    assert_same(net, rnnkit.from_spec(loaded.to_spec()))


def test_what_they_are_worth():
    net = make(form='gru', size=30, radius=0.7, sparsity_xh=0.5, std_b=0.5)
    blocks = np.split(net.find('it', 'hh').get_value(), 3, axis=1)
    np.testing.assert_allclose([spectral_radius(block) for block in blocks], 0.7)
    assert 0.3 < (net.find('it', 'xh').get_value() == 0).mean() < 0.7
    assert 0.4 < net.find('it', 'b').get_value().std() < 0.6
    net = make(form='rnn', size=4, h_0='learn', mean_h_0=0.5)
    np.testing.assert_array_equal(net.find('it', 'h_0').get_value(), 0.5)


def test_several_inputs_each_have_a_matrix():
    layers = [3, dict(size=4, name='a'), dict(size=2, inputs=('in', 'a'), std=0.0), 1]
    net = rnnkit.Regressor(layers, seed=1)
    assert not net.find(2, 'w_in:out').get_value().any()
    assert not net.find(2, 'w_a:out').get_value().any()


def test_a_layer_with_a_start_of_its_own():
    net = rnnkit.Regressor([300, dict(form='embedding', size=20, sparsity=0.5), ('rnn', 2), 1])
    w = net.find(1, 'w').get_value()
    assert 0.45 < (w == 0).mean() < 0.55
    assert 0.09 < w[w != 0].std() < 0.11  # a deviation of 0.1, as without sparsity


@pytest.mark.parametrize(
    ('keywords', 'words'),
    [
        (RNN | {'radias_hh': 1}, ['radias_hh', "'radius_hh'"]),
        (RNN | {'radius_hi': 1}, ["no parameter 'hi'", 'hh']),
        (RNN | {'radius_xh': 1}, ['it.xh', 'square']),
        (RNN | {'hh': 'identity', 'radius_hh': 1}, ['it.hh', 'both hh and radius_hh']),
        (RNN | {'hh': 'identity', 'radius': 1}, ['radius has no effect']),
        (RNN | {'xh': 1.0, 'hh': 1.0, 'std': 1}, ['std has no effect']),
        (RNN | {'diagonal_hh': 1, 'std_hh': 1}, ['both diagonal_hh and std_hh']),
        (RNN | {'std': 'big'}, ['std must be a number', "'big'"]),
        (RNN | {'std': True}, ['std must be a number']),
        (RNN | {'std': -1}, ['std must be at least 0']),
        (RNN | {'diagonal': [1, 2, 3, 4]}, ['diagonal must be a number', 'hh=array']),
        (RNN | {'sparsity': 2}, ['sparsity must be from 0 to 1']),
        (RNN | {'sparsity_b': 0.5}, ['it.b', 'std_b']),
        ({'size': 4, 'radius': 1}, ['radius has no effect', 'recurrent']),
        ({'size': 4, 'diagonal': 1, 'std': 1}, ['std has no effect']),
        ({'form': 'dropout', 'std': 1}, ["unknown option 'std'"]),
        ({'form': 'mrnn', 'size': 4, 'radius': 1}, ['radius has no effect']),
    ],
)
def test_what_makes_no_sense_is_an_error(keywords, words):
    with pytest.raises(ConfigError) as caught:
        make(**keywords)
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_word_that_a_layer_has_for_itself_is_its_own():
    class Noisy(rnnkit.Layer):
        options = {'std': 1.0}
        initial = {'mean': 2.0}

        def shapes(self):
            return {'mean': (self.size,)}

        def transform(self, x):
            return {'out': x[..., : self.size] + self.params['mean']}

    layer = Noisy(2, name='it', std=0.5, std_mean=0.0)
    net = rnnkit.Regressor([3, layer, 1])
    assert layer.std == 0.5
    np.testing.assert_array_equal(net.find('it', 'mean').get_value(), 0)
