"""Rates of dropout are not part of the compiled code."""

import numpy as np
import pytest
from compilations import counted, numba_mode
from pytensor.graph.basic import Constant
from pytensor.graph.traversal import ancestors

import rnnkit
from rnnkit.noise import Noise

NOISY = {
    'layer': lambda rate: [('rnn', 3), ('dropout', rate)],
    'recurrent': lambda rate: [{'form': 'lstm', 'size': 3, 'dropout': rate}],
    'zoneout': lambda rate: [{'form': 'gru', 'size': 3, 'zoneout': rate}],
    'two ways': lambda rate: [
        {'form': 'bidirectional', 'worker': 'rnn', 'size': 4, 'dropout': rate}
    ],
}


@pytest.mark.parametrize('kind', NOISY)
def test_the_graph_of_a_training_has_no_rate_in_it(kind):
    net = rnnkit.Regressor([2, *NOISY[kind](0.375), 1], seed=0)
    outputs = net._graph.again(noise=Noise())
    found = {float(v.data) for v in ancestors(outputs.values()) if number(v)}
    assert not found & {0.375, 0.625, 1 / 0.625}


def number(variable):
    return isinstance(variable, Constant) and np.size(variable.data) == 1 and variable.ndim == 0


@pytest.mark.long
@pytest.mark.parametrize('kind', ['layer', 'recurrent', 'two ways'])
def test_another_rate_compiles_nothing(kind, rng, monkeypatch):
    monkeypatch.setenv('RNNKIT_KERNELS', 'on')
    x, y = rng.standard_normal((4, 3, 2)), rng.standard_normal((4, 3, 1))

    def fit(rate):
        net = rnnkit.Regressor([2, *NOISY[kind](rate), 1], seed=0)
        net.train([x, y], epochs=1)
        net.predict(x)

    with numba_mode():
        fit(0.2)
        with counted(monkeypatch) as compiled:
            fit(0.37)
    assert compiled == []
