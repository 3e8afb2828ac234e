"""Networks as parts of larger graphs: calls with variables give what calls with arrays do."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from long_forms import long
from numerics import check_slope
from pytensor.graph.fg import FunctionGraph

import rnnkit
from rnnkit.errors import CallError, ConfigError, DataError, NotFoundError, ShapeError
from rnnkit.kernels.dense.op import Affine
from rnnkit.kernels.recurrent.op import RecurrentGradient, RecurrentScan

T, B = 4, 3
X = np.random.default_rng(0).normal(size=(T, B, 2))
MASK = np.array([[1, 1, 1], [1, 1, 1], [1, 0, 1], [1, 0, 0]])
LAYERS = [2, ('gru', 3), 1]


def compiled(inputs, outputs):
    """Return the function of some outputs, which may be one, in a list or in a dict."""
    if not isinstance(outputs, dict):
        return pytensor.function(inputs, outputs, on_unused_input='ignore')
    function = pytensor.function(inputs, list(outputs.values()), on_unused_input='ignore')
    return lambda *arrays: dict(zip(outputs, function(*arrays), strict=True))


def value(net, x, *more, **options):
    """Return what a network computes for variables that have these values."""
    variables = [pt.as_tensor(np.asarray(one)).type() for one in (x, *more)]
    return compiled(variables, net.symbolic(*variables, **options))(x, *more)


@pytest.mark.parametrize('dtype', ['float64', 'float32'])
@pytest.mark.parametrize(
    'shape',
    [(None,) * 3, (1, 1, 2), long((None, 1, 2)), long((1, None, 2)), long((4, 3, 2))],
)
@pytest.mark.parametrize('layers', [LAYERS, [2, ('rnn', 3), 'last', 1]])
def test_variables_of_any_dtype_and_shape(layers, shape, dtype):
    net = rnnkit.Regressor(layers, seed=0)
    x = pt.tensor('x', dtype=dtype, shape=shape)
    part = X[: shape[0], : shape[1]].astype(dtype)
    y = net(x)
    assert y.dtype == 'float32'
    np.testing.assert_allclose(compiled([x], y)(part), net.predict(part), rtol=1e-6)


def test_whole_numbers_are_cast():
    net, x = rnnkit.Regressor(LAYERS, seed=0), pt.itensor3('x')
    whole = np.arange(24).reshape(T, B, 2).astype('int32')
    np.testing.assert_allclose(compiled([x], net(x))(whole), net.predict(whole), rtol=1e-6)


@pytest.mark.parametrize('layout', ['time', 'batch'])
def test_masks_and_layouts(layout):
    net = rnnkit.Regressor(LAYERS, masked=True, layout=layout, seed=0, dtype='float64')
    net.set('out', 'b', [0.5])
    x, mask = X.copy(), MASK
    x[MASK == 0] = np.nan  # padding may be anything
    if layout == 'batch':
        x, mask = x.swapaxes(0, 1), mask.T
    wanted = net.predict(x, mask=mask)
    variables = pt.tensor3('x'), pt.lmatrix('m')
    y = net(*variables)
    found, slope = compiled(variables, [y, pt.grad(y.sum(), variables[0])])(x, mask)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert (found[mask == 0] == 0).all()
    assert np.isfinite(slope).all()
    assert (slope[mask == 0] == 0).all()
    # An array as mask, and none: then all steps are real.
    np.testing.assert_allclose(
        compiled(variables[:1], net(variables[0], mask > 0))(x), wanted, rtol=1e-12
    )
    full = np.nan_to_num(x)
    np.testing.assert_allclose(value(net, full)['out:out'], net.predict(full), rtol=1e-12)


def test_outputs_are_those_of_feed_forward():
    net = rnnkit.Regressor([2, ('lstm', 3), 'last', 1], layout='batch', seed=0)
    x = np.ascontiguousarray(X.swapaxes(0, 1))
    found, wanted = value(net, x), net.feed_forward(x)
    assert found.keys() == wanted.keys()
    for name in wanted:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-6)
    np.testing.assert_array_equal(value(net, x, outputs='hid1'), found['hid1:out'])
    assert list(net.symbolic(x, outputs=['hid1', 'out:pre'])) == ['hid1:out', 'out:pre']


def test_arrays_may_have_all_forms_of_predict():
    net = rnnkit.Regressor(LAYERS, masked=True, seed=0)
    sequences = [X[:, 0], X[:2, 1]]
    found = compiled([], net.symbolic(sequences, outputs='out'))()
    for k, wanted in enumerate(net.predict(sequences)):
        np.testing.assert_allclose(found[: len(wanted), k], wanted, rtol=1e-6)
    assert (found[2:, 1] == 0).all()


def test_several_inputs_by_list_and_by_dict():
    net = rnnkit.Regressor(
        [
            dict(form='input', size=2, name='a'),
            dict(form='input', size=1, name='b'),
            dict(form='concatenate', inputs=('a', 'b')),
            ('rnn', 3),
            1,
        ],
        seed=0,
    )
    a, b, other = pt.tensor3('a'), pt.tensor3('b'), X[..., :1]
    wanted = net.predict([X, other])
    assert net._border.inputs[0].name == 'x'
    for given in ([a, b], {'x': a, 'b': b}):
        np.testing.assert_allclose(compiled([a, b], net(given))(X, other), wanted, rtol=1e-6)
    np.testing.assert_allclose(compiled([a], net([a, other]))(X), wanted, rtol=1e-6)
    with pytest.raises(DataError, match=r'expects 2 arrays \[x, b\]'):
        net([a])


def test_tokens():
    net = rnnkit.Classifier([5, ('embedding', 2), ('rnn', 3), 3], seed=0)
    tokens = np.arange(6).reshape(3, 2) % 5
    x = pt.bmatrix('x')
    found = compiled([x], net(x))(tokens.astype('int8'))
    np.testing.assert_allclose(found, net.predict_proba(tokens), rtol=1e-6)
    with pytest.raises(DataError, match=r"must be whole numbers, tokens.*x\.astype\('int64'\)"):
        net(pt.matrix('x'))


def test_scaled_targets_are_in_their_units():
    net = rnnkit.Regressor(LAYERS, scale_targets=True, seed=0)
    net.train([X, 50 + 9 * X[..., :1]], epochs=1, progress=False)
    found = value(net, X)
    np.testing.assert_allclose(found['out:out'], net.predict(X), rtol=1e-6)
    assert abs(found['out:out'].mean() - 50) < 20
    assert abs(found['out:scaled']).max() < 5


def test_other_parameters_here_and_nowhere_else():
    net = rnnkit.Regressor([2, ('rnn', 2), 2], dtype='float64', seed=0)
    other = rnnkit.Regressor([2, ('rnn', 2), 2], dtype='float64', seed=1)
    x, w = pt.tensor3('x'), pt.matrix('w')
    changed = {p.name: p.get_value() for p in other.params}
    changed['hid1.xh'] = w + 1
    # The inner network is the same one, and keeps its parameters.
    y = net.symbolic(net(x), params=changed, outputs='out')
    found = compiled([x, w], y)(X, changed_w := np.ones((2, 2)))
    other.set('hid1', 'xh', changed_w + 1)
    np.testing.assert_allclose(found, other.predict(net.predict(X)), rtol=1e-12)


def test_a_start_state():
    net = rnnkit.Regressor([2, ('lstm', 2), ('gru', 3), 1], seed=0, dtype='float64')
    _, state = net.predict(X, return_state=True)
    h = pt.matrix('h')
    given = {'hid1': {'h': h, 'c': state['hid1'].c}, 'hid2': state['hid2']}
    x = pt.tensor3('x')
    found = compiled([x, h], net.symbolic(x, state=given, outputs='out'))(X, state['hid1'].h)
    np.testing.assert_allclose(found, net.predict(X, state=state), rtol=1e-12)
    # A layer that is not named starts as by default.
    fresh = {'hid1': state['hid1'], 'hid2': [np.zeros((B, 3))]}
    found = value(net, X, state={'hid1': state['hid1']}, outputs='out')
    np.testing.assert_allclose(found, net.predict(X, state=fresh), rtol=1e-12)


@pytest.mark.parametrize('masked', [False, True])
def test_gradients(masked, rng):
    net = rnnkit.Regressor([2, ('lstm', 3), 1], masked=masked, dtype='float64', seed=0)
    x, values = pt.tensor3('x'), {p.name: p.get_value() for p in net.params}
    variables = {name: pt.as_tensor(array).type(name) for name, array in values.items()}
    y = net.symbolic(x, MASK if masked else None, params=variables, outputs='out')
    weights = rng.normal(size=(T, B, 1))
    check_slope((weights * y**2).sum(), {x: X, **{variables[n]: values[n] for n in values}}, rng)


FUSED = {Affine, RecurrentScan, RecurrentGradient}


def fused_ops(nodes):
    return {kind for kind in FUSED for node in nodes if isinstance(node.op, kind)}


@pytest.mark.parametrize('kernel', [None, False])
def test_kernels_are_in_the_graph_unless_the_network_has_none(kernel, monkeypatch):
    monkeypatch.setenv('RNNKIT_KERNELS', 'on')
    net, x = rnnkit.Regressor([2, ('lstm', 3), 1], kernel=kernel, seed=0), pt.tensor3('x')
    y = net(x)
    graph = FunctionGraph(outputs=[y, *pt.grad(y.sum(), [x, *net.params])], clone=False)
    assert fused_ops(graph.apply_nodes) == (set() if kernel is False else FUSED)


@pytest.mark.long
def test_kernels_are_in_what_pytensor_compiles(machine_code):
    net, x = rnnkit.Regressor([2, ('lstm', 3), 1], seed=0), pt.tensor3('x')
    y = net(2 * x)
    function = compiled([x], [y, *pt.grad(y.sum(), [x, *net.params])])
    assert fused_ops(function.maker.fgraph.apply_nodes) == FUSED
    np.testing.assert_allclose(function(X)[0], net.predict(2 * X), rtol=1e-5, atol=1e-6)


@pytest.mark.peers
@pytest.mark.filterwarnings('default:::jax')
def test_on_jax(monkeypatch):
    pytest.importorskip('jax')
    monkeypatch.setenv('RNNKIT_KERNELS', 'on')
    net, x = rnnkit.Regressor([2, ('lstm', 3), 1], seed=0), pt.tensor3('x', dtype='float32')
    y = net(2 * x)
    function = pytensor.function([x], [y, pt.grad(y.sum(), x)], mode='JAX')
    found, slope = function(X.astype('float32'))
    np.testing.assert_allclose(found, net.predict(2 * X), rtol=1e-5, atol=1e-6)
    assert slope.shape == X.shape


def net_():
    return rnnkit.Regressor(LAYERS, seed=0)


@pytest.mark.parametrize(
    ('call', 'error', 'message'),
    [
        (lambda x: net_()(X), CallError, 'called with PyTensor variables.*write net.predict'),
        (lambda x: net_()(x, training=True), CallError, "unknown option 'training'"),
        (
            lambda x: net_()(x[0]),
            ShapeError,
            r'x must be .* 3 axes \(time, batch, features\); got 2',
        ),
        (
            lambda x: net_()(pt.tensor3('x', shape=(None, None, 3))),
            ShapeError,
            'x has 3 features .*; the input layer has 2',
        ),
        (lambda x: net_()(pt.ztensor3('x')), DataError, 'x must be a tensor of numbers'),
        (lambda x: net_()(x, MASK), ConfigError, 'a mask is for a network with masked=True'),
        (
            lambda x: net_().symbolic(x, params={'hid1.hx': x}),
            NotFoundError,
            "no parameter named 'hid1.hx'; did you mean 'hid1",
        ),
        (
            lambda x: net_().symbolic(x, params={'hid*': x}),
            NotFoundError,
            'patterns have no meaning here',
        ),
        (lambda x: net_().symbolic(x, params=[x]), ConfigError, 'params must be a dict'),
        (
            lambda x: net_().symbolic(x, params={'out.w': x}),
            ShapeError,
            r'out.w must have shape \(3, 1\); got \(any, any, any\)',
        ),
        (
            lambda x: net_().symbolic(x, params={'out.w': pt.ones((1, 3))}),
            ShapeError,
            r'out.w must have shape \(3, 1\); got \(1, 3\)',
        ),
        (
            lambda x: net_().symbolic(x, params={'out.w': np.ones((1, 3))}),
            ShapeError,
            r'out.w has shape \(3, 1\); got \(1, 3\); transpose it',
        ),
        (
            lambda x: net_().symbolic(x, outputs='hid2'),
            NotFoundError,
            "no output named 'hid2'; did you mean 'hid1'",
        ),
        (lambda x: net_().symbolic(x, outputs=3), ConfigError, 'outputs must be names'),
        (lambda x: net_().symbolic(x, outputs=[3]), ConfigError, 'outputs must be names'),
        (
            lambda x: net_().symbolic(x, state={'out': [x]}),
            NotFoundError,
            "no layer with a state is named 'out'; known are: hid1",
        ),
        (
            lambda x: net_().symbolic(x, state={'hid1': [x]}),
            ShapeError,
            r"state 'h' of layer 'hid1' must have shape \(any, 3\)",
        ),
        (lambda x: net_().symbolic(x, state={'hid1': {'c': x}}), ConfigError, 'GRUState'),
    ],
)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(pt.tensor3('x'))
