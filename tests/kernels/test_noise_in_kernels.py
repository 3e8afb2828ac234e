"""Dropout and zoneout run in the fused loop, and give there what the scan gives."""

import pytensor
import pytensor.tensor as pt
import pytest
from long_forms import long
from numba_functions import assert_same, compiled
from recurrent_noise import MASK, B, I, Known, T, problem


@pytest.mark.parametrize(
    ('name', 'rates'),
    [
        long('lstm', {'dropout': 0.3, 'zoneout': 0.4}),
        ('gru', {'dropout': 0.3}),
        ('gru', {'zoneout': 0.4}),
    ],
)
def test_kernel_and_scan_agree(name, rates, rng, monkeypatch):
    check(name, rates, rng, monkeypatch, compiled)


@pytest.mark.peers
def test_zoneout_on_jax(rng, monkeypatch):
    pytest.importorskip('jax')

    def on_jax(inputs, outputs):
        function = pytensor.function(inputs, outputs, mode='JAX')
        return function, [type(node.op).__name__ for node in function.maker.fgraph.toposort()]

    check('lstm', {'dropout': 0.3, 'zoneout': 0.4}, rng, monkeypatch, on_jax)


def check(name, rates, rng, monkeypatch, compiled):
    """Compare a layer and its gradients by kernels, or JAX's loops, with the scan."""
    layer, _, _, known = problem(name, rng, **rates)
    x = pt.tensor('x', dtype='float64', shape=(None, None, I))
    weights = rng.standard_normal((T, B, 4))

    def graph():
        found = layer.transform(x, pt.constant(MASK * 1.0), noise=Known(**known))
        score = (weights * found['out']).sum()
        return [found['out'], *pytensor.grad(score, [x, *layer.params.values()])]

    fused, names = compiled([x], graph())
    assert {'RecurrentScan', 'RecurrentGradient'} <= set(names)
    monkeypatch.setenv('RNNKIT_KERNELS', 'off')
    wanted = pytensor.function([x], graph(), mode='FAST_COMPILE')
    value = rng.standard_normal((T, B, I))
    assert_same(fused(value), wanted(value), 'float64')


def test_the_mean_of_zoneout_runs_in_the_kernel(rng):
    layer, *_ = problem('lstm', rng, zoneout=0.4)
    x = pt.tensor('x', dtype='float64', shape=(None, None, I))
    _, names = compiled([x], [layer.transform(x)['out']])
    assert 'RecurrentScan' in names
