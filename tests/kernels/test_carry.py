"""A state that is carried from batch to batch goes through the kernels."""

import numpy as np
import pytensor
import pytest
from pytensor.compile.mode import NUMBA
from pytensor.graph.traversal import ancestors

import rnnkit
from rnnkit.data.windows import Windows
from rnnkit.training.carried_state import Carry, Followed


@pytest.mark.long
def test_carried_states_use_the_kernels(rng):
    net = rnnkit.Regressor(
        [2, dict(form='rnn', size=3, h_0='learn'), ('gru', 2), 1], seed=0, dtype='float64'
    )
    net.find('hid1', 'h_0').set_value(rng.standard_normal(3))
    carry = Carry(net._graph)
    out = carry.outputs(net._graph.again)['out:out']
    ops = {type(v.owner.op).__name__ for v in ancestors([out]) if v.owner}
    assert 'RecurrentScan' in ops
    assert 'Scan' not in ops

    gradient = pytensor.grad(out.sum(), net.find('hid1', 'h_0'))
    function = pytensor.function(net.inputs, [out, gradient], updates=carry.updates, mode=NUMBA)
    x = rng.standard_normal((7, 3, 2))
    windows = Followed(Windows([x], [1], [0], 3), carry, anew=True)
    found, gradients = zip(*(function(*window) for window in windows), strict=True)
    np.testing.assert_allclose(np.concatenate(found), net.predict(x), rtol=0, atol=1e-14)
    assert abs(gradients[0]).max() > 1e-3
    assert not np.any(gradients[1:])  # only where a series begins
