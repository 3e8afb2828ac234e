"""PyTensor takes one Op for another if both compare equal, so equal Ops must mean the same."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from long_forms import long
from reference import run

import rnnkit
from rnnkit import kernels
from rnnkit.cells import GRUCell, LSTMCell, RNNCell
from rnnkit.kernels.dense.op import Affine, AffineGradient
from rnnkit.kernels.loss.op import CrossEntropy, MeanError
from rnnkit.kernels.program.elementwise import read_errors
from rnnkit.kernels.recurrent.op import RecurrentGradient, RecurrentScan
from rnnkit.kernels.recurrent.trace import form_of
from rnnkit.kernels.update.op import UpdateParams
from rnnkit.losses import MeanSquaredError
from rnnkit.noise.ops import Draw, Drop
from rnnkit.optimizers import Objective, StepGraph, registry
from rnnkit.unroll import unroll


def modes():
    """Return the modes that run the kernels, the Ops in Python, and JAX's loops."""
    found = ['FAST_COMPILE', long('NUMBA'), long('FAST_RUN')]
    try:
        import jax  # noqa: F401
    except ImportError:
        return found
    return [*found, 'JAX']


def oracle(net, x, form):
    """Return the output of two recurrent layers and a linear one, and gradients of its sum."""
    layers = [{k: p.get_value() for k, p in layer.params.items()} for layer in net.layers]
    n = 2 if form == 'lstm' else 1

    def first(p):
        return [np.zeros((x.shape[1], p['hh'].shape[0]))] * n

    def along(x, p, d=None):
        state = first(p)
        names = 'hc'[:n]
        zeros = np.zeros((*x.shape[:2], p['hh'].shape[0]))
        d = dict.fromkeys(names, zeros) if d is None else {'h': d, 'c': zeros}
        return run(form, x, p, state, {k: d[k] for k in names})

    lower, upper, out = layers[1:]
    h1 = along(x, lower)[0]['h']
    h2 = along(h1, upper)[0]['h']
    d2 = np.ones((*x.shape[:2], 1)) @ out['w'].T
    g2 = along(h1, upper, d2)[1]
    g1 = along(x, lower, g2['x'])[1]
    return h2 @ out['w'] + out['b'], [g1['hh'], g2['hh'], g1['xh'], g2['xh']]


@pytest.mark.parametrize('mode', modes())
@pytest.mark.parametrize('form', ['rnn', long('lstm'), long('gru')])
def test_two_layers_of_one_form_and_unlike_sizes_in_a_users_function(form, mode, rng):
    net = rnnkit.Regressor([2, (form, 3), (form, 4), (1, 'linear')], dtype='float64', seed=0)
    y = net.output()
    wrt = [net.find(k, name) for name in ('hh', 'xh') for k in (1, 2)]
    function = pytensor.function(net.inputs, [y, *pytensor.grad(y.sum(), wrt)], mode=mode)
    x = rng.standard_normal((5, 3, 2))
    found, *slopes = function(x)
    wanted, gradients = oracle(net, x, form)
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-13)
    for slope, gradient in zip(slopes, gradients, strict=True):
        np.testing.assert_allclose(slope, gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize('mode', modes())
def test_networks_of_unlike_sizes_and_dtypes_in_one_function(mode, rng):
    nets = [
        rnnkit.Regressor([2, ('rnn', size), 1], dtype=dtype, seed=0)
        for size, dtype in [(3, 'float32'), (4, 'float32'), (3, 'float64')]
    ]
    x = rng.standard_normal((4, 2, 2)).astype('float32')
    function = pytensor.function(
        [net.inputs[0] for net in nets], [net.output() for net in nets], mode=mode
    )
    for net, found in zip(nets, function(x, x, x.astype('float64')), strict=True):
        np.testing.assert_allclose(found, net.predict(x), rtol=1e-5, atol=1e-6)
        assert found.dtype == net.dtype


def test_the_steps_of_two_networks_in_one_function(rng):
    """Their parameters have unlike shapes, and one rule changes both."""
    x, wanted = rng.standard_normal((4, 5)), []
    graphs, params = [], []
    symbol = pt.matrix('x', dtype='float64')
    for size in (2, 3):
        w = pytensor.shared(rng.standard_normal((5, size)), shape=(5, size))
        b = pytensor.shared(rng.standard_normal(size), shape=(size,))
        value = w.get_value(), b.get_value()
        d = 2 * (x @ value[0] + value[1])
        wanted += [value[0] - 0.1 * x.T @ d, value[1] - 0.1 * d.sum(0)]
        loss = ((symbol @ w + b) ** 2).sum()
        graph = StepGraph(Objective(loss, [w, b], [symbol]), registry['sgd'](), False, False)
        graph.set(learning_rate=0.1, max_gradient_norm=0, max_gradient_elem=0)
        graphs.append(graph)
        params += [w, b]
    updates = [pair for graph in graphs for pair in graph.updates]
    pytensor.function([symbol], [], updates=updates, mode='FAST_COMPILE')(x)
    for p, value in zip(params, wanted, strict=True):
        np.testing.assert_allclose(p.get_value(), value, rtol=1e-12)


def scan_op(cell=None, keep=True, whole=None, **walk):
    cell = cell or RNNCell()
    walk = kernels.Walk(**{'rows': (True,) * len(cell.state._fields), **walk})
    return RecurrentScan(form_of(cell), None, walk, keep, whole)


def gradient_op(cell=None, given=(True,), want_x=True, **walk):
    cell = cell or RNNCell()
    walk = kernels.Walk(**{'rows': (True,) * len(cell.state._fields), **walk})
    return RecurrentGradient(form_of(cell), None, walk, given, want_x)


def mean_op(errors=None, weighted=False, keep=False):
    errors = errors or MeanSquaredError().errors
    return MeanError(None, *read_errors(errors, 2), weighted, keep)


def update_op(algo='sgd', shapes=((2, 3),), momentum=False, tables=(), inplace=False):
    w = pytensor.shared(np.ones((2, 3)), shape=(2, 3))
    rule = registry[algo]()
    graph = StepGraph(Objective((w**2).sum(), [w], []), rule, momentum, False)
    read = graph.updates[-1][1].owner.op.rule
    return UpdateParams(read, None, shapes, tables, inplace)


MAKERS = {
    'scan': (
        scan_op,
        [
            {},
            dict(keep=False, cell=LSTMCell()),
            dict(keep=False, cell=LSTMCell(), whole=(True, False)),
            dict(keep=False, cell=LSTMCell(), whole=(False, True)),
            dict(cell=LSTMCell()),
            dict(cell=LSTMCell(activation='relu')),
            dict(cell=LSTMCell(peepholes=True)),
            dict(cell=GRUCell()),
            dict(cell=RNNCell(activation='relu')),
            dict(rows=(False,)),
            dict(masked=True),
            dict(reverse=True),
            dict(bptt_limit=2),
        ],
    ),
    'gradient of a scan': (
        gradient_op,
        [
            {},
            dict(want_x=False),
            dict(cell=RNNCell(activation='relu')),
            dict(cell=LSTMCell(), given=(True, True)),
            dict(cell=LSTMCell(), given=(True, False)),
            dict(masked=True),
            dict(reverse=True),
            dict(bptt_limit=2),
        ],
    ),
    'dense': (Affine, [{}, dict(n_x=2)]),
    'gradient of dense': (
        lambda want_x=True, n_x=1: AffineGradient(want_x, n_x),
        [{}, dict(want_x=False), dict(n_x=2)],
    ),
    'mean': (
        mean_op,
        [
            {},
            dict(errors=lambda output, target: abs(output - target)),
            dict(errors=lambda output, target: 0.5 * (output - target) ** 2),
            dict(weighted=True),
            dict(keep=True),
        ],
    ),
    'cross-entropy': (
        lambda weighted=False, keep=False: CrossEntropy(None, weighted, keep),
        [{}, dict(weighted=True), dict(keep=True)],
    ),
    'update': (
        update_op,
        [
            {},
            dict(algo='adam'),
            dict(momentum=True),
            dict(shapes=((3, 2),)),
            dict(shapes=((2, 3), (3,))),
            dict(tables=(0,)),
            dict(inplace=True),
        ],
    ),
    'draw': (
        lambda law='normal', number=1, dtype='float32', axes=(0, 1), width=None: Draw(
            law, number, dtype, axes, width
        ),
        [
            {},
            dict(law='uniform'),
            dict(number=2),
            dict(dtype='float64'),
            dict(axes=(0,)),
            dict(width=3),
        ],
    ),
    'drop': (lambda number=1: Drop(number), [{}, dict(number=2)]),
}


@pytest.mark.parametrize('kind', MAKERS)
def test_ops_are_equal_if_and_only_if_all_that_they_depend_on_is(kind):
    make, cases = MAKERS[kind]
    ops = [(make(**case), make(**case)) for case in cases]
    for k, (op, again) in enumerate(ops):
        assert op == again
        assert hash(op) == hash(again)
        for other, case in zip(ops[k + 1 :], cases[k + 1 :], strict=True):
            assert op != other[0], f'{cases[k]} and {case}'


def test_the_scan_of_an_op_fits_any_size(rng):
    """Two Ops of unlike sizes are equal, for what they mean depends on their inputs alone."""
    ops, values = [], []
    for size in (3, 4):
        x = pt.tensor('x', dtype='float64', shape=(None, None, 2))
        shapes = RNNCell().shapes(2, size)
        params = {k: pt.tensor(k, dtype='float64', shape=shape) for k, shape in shapes.items()}
        state = unroll(RNNCell(), x, params, size)
        ops.append(state.h.owner.op)
        values.append([rng.standard_normal(shapes[k]) for k in ('hh', 'xh', 'b')])
    assert ops[0] == ops[1]
    x = rng.standard_normal((3, 2, 2))
    for hh, xh, b in values:
        arrays = [x, hh, xh, b, np.zeros((1, len(hh)))]
        inputs = [pt.tensor(dtype='float64', shape=a.shape) for a in arrays]
        states = pytensor.function(inputs, ops[0].meaning(inputs)[0], mode='FAST_COMPILE')(*arrays)
        zeros = [np.zeros((2, len(hh)))]
        wanted = run('rnn', x, dict(xh=xh, hh=hh, b=b), zeros, {'h': np.zeros_like(states)})[0]
        np.testing.assert_allclose(states, wanted['h'], rtol=1e-12)
