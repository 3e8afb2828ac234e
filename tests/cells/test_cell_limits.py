"""What a layer says of sizes and options that its cell cannot use."""

import pytest

import rnnkit

MADE = [  # keywords of the layer, after one with 2 units
    (
        dict(form='lstm', size=1, layernorm=True),
        "layer 'hid2' \\(lstm\\): LSTMCell: the layer needs at least 2 units; got 1",
    ),
    (
        dict(form='gru', size=1, layernorm=True),
        "layer 'hid2' \\(gru\\): GRUCell: the layer needs at least 2 units; got 1",
    ),
    (
        dict(form='sru', size=4, highway='input'),
        "layer 'hid2' \\(sru\\): sru: with highway='input' the layer needs as many units as inputs",
    ),
    (
        dict(form='cfc', size=4, times=1.0),
        "such as times='times', with dict\\(form='input', size=1, name='times'\\) before",
    ),
    (
        dict(form='cfc', size=4, backbone_layers=0, backbone_units=9),
        'cfc: backbone_units is for the backbone, which backbone_layers=0 leaves out; '
        'got backbone_units=9',
    ),
    (
        dict(form='cfc', size=4, backbone_layers=0, activation='relu'),
        'cfc: activation is for the backbone, which backbone_layers=0 leaves out; '
        "got activation='relu'",
    ),
]


@pytest.mark.parametrize(('layer', 'message'), MADE)
def test_what_is_said_when_a_layer_is_made(layer, message):
    with pytest.raises(rnnkit.ConfigError, match=message):
        rnnkit.Regressor([3, ('rnn', 2), layer, 1])


def test_the_smallest_size_that_a_cell_declares():
    class Halves(rnnkit.Cell):
        smallest = 3

        def step(self, z, s, p):
            return z + s.h @ p.hh

    assert Halves().shapes(2, 3)['hh'] == (3, 3)
    with pytest.raises(rnnkit.ConfigError, match='Halves: the layer needs at least 3 units; got 2'):
        Halves().shapes(2, 2)
