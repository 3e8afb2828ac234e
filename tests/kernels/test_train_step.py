"""Whole networks: a train step is a handful of Ops of ours, and trains as the plain graph does."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from long_forms import long_unless
from pytensor.compile.mode import NUMBA

import rnnkit
from rnnkit.kernels.runtime.fused_op import FusedOp
from rnnkit.optimizers import StepGraph, optimizers


def step_of(net, algorithm='rmsprop', **hyper):
    """Return a compiled train step as `train` makes it, and its graph."""
    rule = optimizers[algorithm]()
    objective = net._train_steps.plain
    graph = StepGraph(objective, rule, False, False)
    graph.set(**rule.options, max_gradient_norm=0.3, max_gradient_elem=0, **hyper)
    function = pytensor.function(
        objective.inputs,
        graph.outputs,
        updates=graph.updates,
        mode=NUMBA,
        on_unused_input='ignore',
    )
    return function, objective, graph


def batch(net, rng, T=5, B=4):
    shape = (T, B) if net._recurrent else (B,)
    x = rng.standard_normal((*shape, 2)).astype(net.dtype)
    y = rng.standard_normal((*shape, 3)).astype(net.dtype)
    arrays = [x, rng.integers(0, 3, shape) if net._integer_targets else y]
    return [*arrays, *[rng.random(arrays[1].shape).astype(net.dtype)] * net.weighted]


NETS = {
    'recurrent': lambda: rnnkit.Regressor([2, ('lstm', 4), 3], seed=0, dtype='float64'),
    'classifier': lambda: rnnkit.Classifier([2, ('gru', 4), 3], seed=0, dtype='float64'),
    'weighted': lambda: rnnkit.Classifier(
        [2, ('rnn', 4), 3], seed=0, dtype='float64', weighted=True
    ),
    'staged': lambda: rnnkit.Regressor(
        [2, dict(form='gru', size=4, reset='before'), 3], seed=0, dtype='float64'
    ),
    'linear': lambda: rnnkit.Regressor([2, (5, 'linear'), 3], loss='mae', seed=0, dtype='float64'),
}


@pytest.mark.parametrize(
    'name', long_unless(lambda name: name in ('recurrent', 'classifier'), NETS)
)
def test_train_step_is_a_handful_of_ops_of_ours(name, rng, monkeypatch):
    monkeypatch.delenv('RNNKIT_KERNELS', raising=False)
    net = NETS[name]()
    function, _, _ = step_of(net)
    ops = [node.op for node in function.maker.fgraph.toposort()]
    foreign = [op for op in ops if not isinstance(op, FusedOp)]
    # The monitor that equals the loss is copied, as it is put out twice.
    assert {type(op).__name__ for op in foreign} <= {'DeepCopyOp'}, ops
    # A staged loop takes the projected input, which a dense layer computes.
    assert len(ops) <= 8 + 2 * (name == 'staged')
    check_updates(NETS[name], net, function, batch(net, rng), monkeypatch)


def check_updates(make, net, function, given, monkeypatch):
    """Compare updates by kernels with those by the plain graphs, in a virtual machine."""
    start = [p.get_value() for p in net.params]
    found = [function(*given) for _ in range(3)]
    after = [p.get_value() for p in net.params]
    monkeypatch.setenv('RNNKIT_KERNELS', 'off')
    other = make()
    for p, value in zip(other.params, start, strict=True):
        np.testing.assert_array_equal(p.get_value(), value)
    objective = other._train_steps.plain
    plain = StepGraph(objective, optimizers['rmsprop'](), False, False)
    plain.set(**optimizers['rmsprop'].options, max_gradient_norm=0.3, max_gradient_elem=0)
    run = pytensor.function(objective.inputs, plain.outputs, updates=plain.updates)
    wanted = [run(*given) for _ in range(3)]
    # Three updates at a rate of 1e-3, whose steps depend on rounding errors of gradients.
    np.testing.assert_allclose(found, wanted, rtol=1e-9)
    for a, b in zip(after, other.params, strict=True):
        np.testing.assert_allclose(a, b.get_value(), rtol=1e-8, atol=1e-10)


def with_several_losses():
    net = rnnkit.Regressor(
        [
            2,
            ('lstm', 4),
            dict(form='softmax', size=3, name='kind'),
            dict(size=3, inputs='hid1'),
        ],
        seed=0,
        dtype='float64',
    )
    net.add_loss('xe', weight=0.3, output='kind', target='labels')
    net.add_loss('mae', weight=0.2)
    return net


def test_several_losses_train_by_kernels_as_by_plain_graphs(rng, monkeypatch):
    monkeypatch.delenv('RNNKIT_KERNELS', raising=False)
    net = with_several_losses()
    function, _, _ = step_of(net)
    ops = [node.op for node in function.maker.fgraph.toposort()]
    assert sum(isinstance(op, FusedOp) for op in ops) >= 5  # two of dense layers, losses, update
    given = [*batch(net, rng), rng.integers(0, 3, (5, 4))]
    check_updates(with_several_losses, net, function, given, monkeypatch)


def test_kernels_off_means_the_plain_graph(monkeypatch):
    monkeypatch.setenv('RNNKIT_KERNELS', 'off')
    net = NETS['linear']()
    objective = net._train_steps.plain
    graph = StepGraph(objective, optimizers['adam'](), True, True)
    from pytensor.graph.traversal import ancestors

    variables = ancestors([*graph.outputs, *(new for _, new in graph.updates)])
    assert not any(isinstance(v.owner.op, FusedOp) for v in variables if v.owner is not None)


@pytest.mark.parametrize('kind', ['Regressor', 'Classifier'])
@pytest.mark.parametrize('weighted', [False, True])
def test_second_derivatives_are_those_of_the_plain_graph(kind, weighted, rng, monkeypatch):
    monkeypatch.delenv('RNNKIT_KERNELS', raising=False)
    found, given = [], None
    probe = np.random.default_rng(2).standard_normal(200)
    for kernel in (None, False):
        net = getattr(rnnkit, kind)(
            [2, (4, 'tanh'), 3], weighted=weighted, seed=0, dtype='float64', kernel=kernel
        )
        objective = net._train_steps.plain
        flat = pt.concatenate([g.ravel() for g in pytensor.grad(objective.loss, net.params)])
        slope = (flat * probe[: net.num_params]).sum()
        products = pytensor.grad(slope, net.params)
        given = given or batch(net, rng)
        found.append(pytensor.function(objective.inputs, products)(*given))
    for a, b in zip(*found, strict=True):
        assert np.abs(b).max() > 1e-3
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
