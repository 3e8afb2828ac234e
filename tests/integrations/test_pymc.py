"""Networks in models of PyMC: log-densities, posteriors, names and mistakes."""

from typing import NamedTuple

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from long_forms import long
from packages import has_pymc
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.utils import rewrite_graph

import rnnkit
from rnnkit.errors import ConfigError, NotFoundError, ShapeError

if not has_pymc():
    pytest.skip('PyMC needs Python 3.12', allow_module_level=True)

import pymc as pm

from rnnkit.integrations.pymc import outputs, posterior_predict
from rnnkit.kernels.dense.op import Affine
from rnnkit.kernels.recurrent.op import RecurrentGradient, RecurrentScan

T, B = 6, 4
X = np.random.default_rng(0).normal(size=(T, B, 1))
Y = np.random.default_rng(1).normal(size=(T, B, 1))
MASK = np.arange(T)[:, None] < np.array([6, 3, 5, 1])
FUSED = {Affine, RecurrentScan, RecurrentGradient}


class LeakyState(NamedTuple):
    h: object


@rnnkit.layers.add('leaky_in_pymc')
class Leaky(rnnkit.Cell):
    """A cell of a user's own."""

    state, gates = LeakyState, 'h'
    params = {'xh': ('I', 'H'), 'hh': ('H', 'H'), 'b': ('H',), 'keep': ('H',)}
    initial = {'keep': 0.5}

    def step(self, z, s, p):
        keep = pt.sigmoid(p.keep)
        return LeakyState(keep * s.h + (1 - keep) * pt.tanh(z + s.h @ p.hh))


FORMS = ('rnn', 'lstm', 'gru', 'leaky_in_pymc')


def network(form, dtype='float64', **options):
    return rnnkit.Regressor([1, (form, 2), 1], dtype=dtype, seed=0, **options)


def modelled(net, x=X, mask=None, **options):
    """Return a model of the targets, in which padding does not count."""
    with pm.Model() as model:
        mu = outputs(net, x, mask=mask, **options)['out:out']
        errors = pm.logp(pm.Normal.dist(mu, pm.HalfNormal('sigma', 0.5)), Y)
        pm.Potential('y', (errors if mask is None else errors * mask[:, :, None]).sum())
    return model


def slopes(model, seed=2):
    """Return the numerical and the symbolic slope of a log-density, in a random direction."""
    rng = np.random.default_rng(seed)
    point = {
        name: np.asarray(value) + 0.1 * rng.normal(size=np.shape(value))
        for name, value in model.initial_point().items()
    }
    raveled = pm.blocking.DictToArrayBijection.map(point)
    direction = rng.normal(size=raveled.data.shape)
    value, slope = model.compile_logp(), model.compile_dlogp()

    def at(step):
        moved = pm.blocking.RaveledVars(raveled.data + step * direction, raveled.point_map_info)
        return float(value(pm.blocking.DictToArrayBijection.rmap(moved, start_point=point)))

    # Central differences of fourth order: their error is of the order of eps**4 and 1e-16 / eps.
    eps = 1e-3
    numerical = (8 * (at(eps) - at(-eps)) - (at(2 * eps) - at(-2 * eps))) / (12 * eps)
    order = [v.name for v in model.value_vars]
    assert order == [name for name, *_ in raveled.point_map_info]
    return numerical, float(slope(point) @ direction)


CASES = [
    ('lstm', True, 'float64'),
    ('leaky_in_pymc', False, 'float64'),
    *[
        long(form, masked, 'float64')
        for form in FORMS
        for masked in (True, False)
        if (form, masked) not in (('lstm', True), ('leaky_in_pymc', False))
    ],
]


def check_gradient(form, masked, dtype):
    net = network(form, dtype, masked=masked)
    mask = MASK if masked else None
    numerical, symbolic = slopes(modelled(net, mask=mask))
    assert symbolic == pytest.approx(numerical, rel=1e-6)


@pytest.mark.parametrize(('form', 'masked', 'dtype'), CASES)
def test_the_gradient_is_that_of_the_log_density(form, masked, dtype):
    check_gradient(form, masked, dtype)


@pytest.mark.long
@pytest.mark.parametrize(('form', 'masked'), [*[(form, False) for form in FORMS], ('gru', True)])
def test_the_gradient_in_machine_code(form, masked, machine_code):
    check_gradient(form, masked, 'float64')


def gradient_of(net, weights, masked):
    for p, value in zip(net.params, weights, strict=True):
        p.set_value(value.astype(net.dtype))
    model = modelled(net, mask=MASK if masked else None)
    return model.compile_dlogp()(model.initial_point())


@pytest.mark.parametrize(
    ('form', 'masked'),
    [('gru', True), *[long(form, masked) for form in FORMS for masked in (False, True)]],
)
def test_the_gradient_of_a_network_in_float32(form, masked):
    nets = [network(form, dtype, masked=masked) for dtype in ('float64', 'float32')]
    # Rounded, so that both networks have the same weights.
    weights = [p.get_value().astype('float32').astype('float64') for p in nets[0].params]
    wanted, found = (gradient_of(net, weights, masked) for net in nets)
    # Rounding errors of 6e-8 each, in some tens of operations per weight.
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def ops(nodes):
    return {kind for kind in FUSED for node in nodes if isinstance(node.op, kind)}


@pytest.mark.parametrize('dtype', ['float32', 'float64'])
def test_fused_kernels_are_in_the_log_density(dtype, monkeypatch):
    monkeypatch.setenv('RNNKIT_KERNELS', 'on')
    model = modelled(network('lstm', dtype))
    graph = FunctionGraph(outputs=[model.logp(), model.dlogp()], clone=False)
    assert ops(graph.apply_nodes) == FUSED


@pytest.mark.long
@pytest.mark.parametrize('dtype', ['float32', 'float64'])
def test_fused_kernels_are_in_what_is_compiled(dtype, machine_code):
    model = modelled(network('lstm', dtype))
    function = model.compile_dlogp().f
    assert ops(function.maker.fgraph.apply_nodes) == FUSED


def test_the_posterior_of_a_linear_network_is_the_conjugate_one():
    rng = np.random.default_rng(3)
    x, sigma = rng.normal(size=(30, 2)), 0.5
    y = x @ [[1.0], [-0.5]] + 0.3 + sigma * rng.normal(size=(30, 1))
    net = rnnkit.Regressor([2, 1], dtype='float64', seed=0)
    with pm.Model():
        pm.Normal('y', outputs(net, x)['out:out'], sigma, observed=y)
        idata = pm.sample(
            1000,
            tune=300,
            chains=2,
            cores=1,
            nuts_sampler='pymc',
            progressbar=False,
            random_seed=4,
            compute_convergence_checks=False,
        )
    # The prior is N(0, 1/2) for each of the two weights, and N(0, 1) for the bias.
    design = np.hstack([x, np.ones((30, 1))])
    precision = design.T @ design / sigma**2 + np.diag([2.0, 2.0, 1.0])
    mean = np.linalg.solve(precision, design.T @ y / sigma**2)[:, 0]
    covariance = np.linalg.inv(precision)
    draws = np.concatenate(
        [idata.posterior['out.w'].values[..., 0], idata.posterior['out.b'].values], axis=-1
    ).reshape(-1, 3)
    # 2,000 draws of NUTS are worth about as many independent ones: 4 standard errors of the mean;
    # a variance has a relative standard error of sqrt(2 / 2000) = 0.03.
    error = 4 * np.sqrt(np.diag(covariance) / 2000)
    assert (np.abs(draws.mean(0) - mean) < error).all()
    np.testing.assert_allclose(draws.var(0), np.diag(covariance), rtol=0.15)
    correlation = np.corrcoef(draws.T)
    wanted = covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    np.testing.assert_allclose(correlation, wanted, atol=0.1)
    # New points: the mean of the outputs is the output of the mean, for this network.
    predicted = posterior_predict(net, idata, x[:5]).mean(axis=(0, 1))[:, 0]
    np.testing.assert_allclose(predicted, design[:5] @ draws.mean(0), rtol=1e-10)


@pytest.mark.parametrize('layout', ['time', 'batch'])
def test_outputs_are_those_of_each_draw_for_data_of_any_size(layout):
    net = rnnkit.Regressor([1, ('gru', 2), 1], layout=layout, seed=0)  # float32
    with pm.Model():
        x = pm.Data('x', X)
        found = outputs(net, x, {'out': 'normal', 'hid1.hh': 'normal'})
        assert {v.dtype for v in found.values()} == {'float64'}
        pm.Deterministic('mu', found['out:out'])
        pm.Deterministic('h', found['hid1:out'])
        for values in (X, X[:3, :2], np.concatenate([X, X])):
            pm.set_data({'x': values})
            idata = pm.sample_prior_predictive(5, random_seed=0)
            prior = idata.prior
            for name, output in (('mu', None), ('h', 'hid1')):
                wanted = posterior_predict(net, prior, values, output=output)
                np.testing.assert_allclose(prior[name].values, wanted, rtol=1e-5, atol=1e-6)
    assert set(prior.data_vars) == {'hid1.hh', 'out.w', 'out.b', 'mu', 'h'}
    assert net.load_draw(prior, 0, 3) == ['hid1.hh', 'out.w', 'out.b']
    np.testing.assert_allclose(net.predict(values), prior['mu'].values[0, 3], rtol=1e-5, atol=1e-6)


def test_a_list_of_sequences():
    net = network('rnn', masked=True)
    with pm.Model():
        mu = outputs(net, [X[:, 0], X[:2, 1]])['out:out']
        drawn = pm.draw([mu, *pm.modelcontext(None).free_RVs], random_seed=0)
    assert (drawn[0][2:, 1] == 0).all()
    for p, value in zip(net.params, drawn[1:], strict=True):
        p.set_value(value)
    np.testing.assert_allclose(drawn[0][:2, 1], net.predict([X[:2, 1]])[0], rtol=1e-6)


def test_standard_priors():
    net = rnnkit.Regressor([9, ('embedding', 4), ('lstm', 5), 'last', 1], seed=0)
    with pm.Model() as model:
        outputs(net, np.zeros((2, 1), int), prefix='net_')
    scales = {v.name: v.owner.op.dist_params(v.owner)[1].eval().item() for v in model.free_RVs}
    assert scales == pytest.approx(
        {
            'net_hid1.w': 1,
            'net_hid2.xh': 4**-0.5,
            'net_hid2.hh': 5**-0.5,
            'net_hid2.b': 1,
            'net_out.w': 5**-0.5,
            'net_out.b': 1,
        }
    )
    point = model.initial_point()  # the values of the network
    for p in net.params:
        np.testing.assert_array_equal(point[f'net_{p.name}'], p.get_value())


def test_priors_by_name_and_functions():
    net = network('rnn')
    shapes = {}

    def prior(name, shape):
        shapes[name] = shape
        scale = pm.HalfNormal(f'{name} scale')
        return scale * pm.Normal(f'{name} z', shape=shape)  # not centered

    one = pm.Normal.dist(0, 0.25)
    with pm.Model() as model:
        own = pm.Normal('out.b', 0, 9, shape=1)
        outputs(
            net,
            X,
            {
                '*': one,
                'hid1.hh': prior,
                'hid1.b': pm.MvNormal.dist(np.zeros(2), np.eye(2)),
                'out.w': lambda name, shape: pm.HalfNormal.dist(3),
                'out.b': own,
            },
        )
    assert shapes == {'hid1.hh': (2, 2)}
    assert {v.name for v in model.free_RVs} == {
        'hid1.xh',
        'hid1.hh scale',
        'hid1.hh z',
        'hid1.b',
        'out.w',
        'out.b',
    }
    assert [v.name for v in model.deterministics] == ['hid1.hh']
    assert model['out.b'] is own
    assert model['hid1.xh'].type.shape == (1, 2)
    assert np.isfinite(model.compile_logp()(model.initial_point()))


def test_one_distribution_gives_independent_parameters():
    net = rnnkit.Regressor([2, 2, 2], seed=0)
    with pm.Model() as model:
        outputs(net, np.zeros((1, 2)), pm.Normal.dist())
        first, second = pm.draw([model['hid1.w'], model['out.w']], random_seed=0)
    assert (first != second).all()


def test_only_some_are_random_and_frozen_ones_are_not():
    net = network('rnn')
    net.freeze('out.b')
    with pm.Model() as model:
        outputs(net, X, only=['out', 'hid1.h*'])
    assert [v.name for v in model.free_RVs] == ['hid1.hh', 'out.w']


def test_what_no_random_variable_enters_is_computed_once(monkeypatch):
    monkeypatch.setenv('RNNKIT_KERNELS', 'on')
    net = network('gru')
    with pm.Model() as model:
        pm.Normal('y', outputs(net, X, only='out')['out:out'], 1, observed=Y)
    logp = model.logp()
    assert RecurrentScan in ops(FunctionGraph(outputs=[logp], clone=True).apply_nodes)
    rewritten = rewrite_graph(logp, include=('fast_run',), exclude=('inplace',))
    assert ops(FunctionGraph(outputs=[rewritten], clone=False).apply_nodes) == {Affine}


def test_two_networks_and_later_training():
    net = network('rnn')
    with pm.Model() as model:
        a = outputs(net, X, only='out')['out:out']
        b = outputs(net, X, only='out', prefix='b_')['out:out']
    assert [v.name for v in model.free_RVs] == ['out.w', 'out.b', 'b_out.w', 'b_out.b']
    point = {v: np.ones(v.type.shape) for v in model.free_RVs}
    before = pytensor.function([], [a, b], givens=point)()
    np.testing.assert_array_equal(*before)
    net.set('hid1', 'xh', np.ones((1, 2)))  # the model keeps the values that it was made with
    after = pytensor.function([], [a, b], givens=point)()
    np.testing.assert_array_equal(after, before)


def call(*args, **options):
    with pm.Model():
        return outputs(*args, **options)


def twice(net):
    with pm.Model():
        outputs(net, X)
        outputs(net, X)


NET = network('rnn')


@pytest.mark.parametrize(
    ('wrong', 'error', 'message'),
    [
        (lambda: outputs(NET, X), ConfigError, r'inside a model: with pm.Model\(\)'),
        (lambda: call(3, X), ConfigError, 'net must be a network'),
        (lambda: call(NET, X, 'nomal'), ConfigError, "got 'nomal'; did you mean 'normal'"),
        (lambda: call(NET, X, pm.Normal), ConfigError, r'such as pm.Normal.dist\(0, 1\)'),
        (lambda: call(NET, X, 3), ConfigError, 'got 3'),
        (lambda: call(NET, X, {}), ConfigError, 'priors is empty'),
        (lambda: call(NET, X, {'hid2.*': 'normal'}), ConfigError, "is named 'hid2.*'"),
        (lambda: call(NET, X, {'hid1.hx': 'normal'}), ConfigError, "did you mean 'hid1.[xh]h'"),
        (lambda: call(NET, X, only='oout.w'), ConfigError, "did you mean 'out.w'"),
        (lambda: call(NET, X, only=3), ConfigError, 'only must be names'),
        (
            lambda: call(NET, X, {'hid1': 'normal'}, only='out'),
            ConfigError,
            "'hid1' stands for parameters that are frozen, or left out by only=",
        ),
        (lambda: call(NET, X, prefix=3), ConfigError, 'prefix must be text'),
        (lambda: call(NET, X, prios='normal'), ConfigError, "did you mean 'priors'"),
        (lambda: call(NET, X[..., :0]), Exception, 'x'),
        (lambda: call(NET, pt.matrix('x')), ShapeError, r'3 axes'),
        (
            lambda: call(NET, X, {'hid1.hh': pm.Normal.dist(shape=(3, 2))}),
            ShapeError,
            r'hid1.hh has shape \(2, 2\); its prior has shape \(3, 2\)',
        ),
        (
            lambda: call(NET, X, {'hid1.xh': pm.MvNormal.dist(np.zeros(1), np.eye(1))}),
            ShapeError,
            r'its prior has shape \(1,\)',
        ),
        (
            lambda: call(NET, X, {'hid1.hh': lambda name, shape: pt.ones(2)}),
            ShapeError,
            r'the variable that takes its place has \(2,\)',
        ),
        (
            lambda: call(NET, X, lambda name, shape: 3),
            ConfigError,
            'must return a distribution or a variable; got 3',
        ),
        (lambda: twice(NET), ConfigError, r"a variable 'hid1.xh' already.*prefix.*pm.Data"),
        (lambda: call(NET, X, state={'out': []}), NotFoundError, 'known are: hid1'),
    ],
)
def test_what_is_refused(wrong, error, message):
    with pytest.raises(error, match=message):
        wrong()


def test_a_wrong_call_leaves_the_model_as_it_was():
    with pm.Model() as model:
        for wrong in (dict(priors={'*': 'normal', 'out.w': 3}), dict(x=X[..., 0])):
            with pytest.raises((ConfigError, ShapeError)):
                outputs(NET, **{'x': pt.matrix(), **wrong})
    assert not model.named_vars
