"""Layers in pickles: alone as what they were made with, in networks as parts of them."""

import copy
import pickle

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import ConfigError
from rnnkit.layers import registry

CASES = {
    **{
        form: {}
        for form in ('rnn', 'lstm', 'gru', 'scrn', 'mut1', 'ff', 'last', 'sum', 'layernorm')
    },
    'clockwork': {'periods': [1, 2]},
    'bidirectional': {'worker': 'lstm', 'merge': 'sum', 'dropout': 0.25},
    'repeat': {'steps': 3},
    'reshape': {'shape': [3, 1]},
    'conv1': {'filter_size': 3, 'b': 0.5},
    'dropout': {'rate': 0.25},
    'input': {'ndim': 3},
    'tied': {'partner': 'a'},
    'embedding': {'w': np.ones((3, 4))},
}
SIZELESS = {'last', 'sum', 'layernorm', 'dropout', 'reshape', 'repeat'}


@pytest.mark.parametrize('form', CASES)
def test_a_layer_of_no_network_comes_back_from_a_pickle(form):
    size = {} if form in SIZELESS else {'size': 4}
    inputs = None if form == 'input' else ('a', 'b:c')
    layer = registry.build(form, **size, name='one', inputs=inputs, **CASES[form])
    other = pickle.loads(pickle.dumps(layer))
    assert type(other) is type(layer)
    assert str(other.to_spec()) == str(layer.to_spec())
    assert other.inputs == inputs
    assert [len(one.children) for one in (layer, other)] == [len(layer.children)] * 2


def test_a_pickled_layer_makes_the_same_network():
    layers = [registry.build('lstm', size=3, peepholes=True, h_0='learn', trainable=False)]
    nets = [
        rnnkit.Regressor([2, *spec, 1], seed=1)
        for spec in (pickle.loads(pickle.dumps(layers)), layers)
    ]
    assert nets[0].to_spec() == nets[1].to_spec()
    assert nets[0].frozen == nets[1].frozen != []
    for one, other in zip(nets[0].params, nets[1].params, strict=True):
        np.testing.assert_array_equal(one.get_value(), other.get_value())


def test_a_layer_of_a_network_travels_with_its_network():
    net = rnnkit.Regressor([2, ('lstm', 3), 1], seed=1)
    with pytest.raises(ConfigError) as caught:
        pickle.dumps(net.layers[1])
    assert str(caught.value) == (
        "layer 'hid1' is part of a network, and cannot be pickled alone; pickle the network, or "
        "the layer's spec, layer.to_spec()"
    )
    other = copy.deepcopy(net.layers[1])
    np.testing.assert_array_equal(
        other.params['hh'].get_value(), net.find('hid1', 'hh').get_value()
    )
    other.params['hh'].get_value(borrow=True)[:] = 0
    assert net.find('hid1', 'hh').get_value().any()


def test_states_come_back_as_named_tuples():
    net = rnnkit.Regressor([2, ('lstm', 3), 1], seed=1)
    _, state = net.predict(np.ones((4, 1, 2)), return_state=True)
    other = pickle.loads(pickle.dumps(state))
    assert type(other['hid1']) is type(state['hid1'])
    assert other['hid1']._fields == ('h', 'c')
    np.testing.assert_array_equal(
        net.step(np.ones((1, 2)), other)[0], net.step(np.ones((1, 2)), state)[0]
    )
