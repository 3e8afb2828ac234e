"""Draws from a posterior: predictions for each of them, against a loop of `set` and `predict`."""

from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest

import rnnkit
import rnnkit.integrations.pymc
from rnnkit.errors import ConfigError, DataError, NotFoundError, ShapeError
from rnnkit.integrations.draws import posterior_predict

CHAINS, DRAWS = 2, 3
X = np.random.default_rng(0).normal(size=(5, 4, 2))


def draws_of(net, names=None, prefix='', seed=1):
    """Return draws of parameters in a dict, as NumPy arrays of float64."""
    rng = np.random.default_rng(seed)
    return {
        f'{prefix}{p.name}': rng.normal(size=(CHAINS, DRAWS, *p.get_value().shape))
        for p in net.params
        if names is None or p.name in names
    }


def as_dataset(draws):
    xarray = pytest.importorskip('xarray')
    return xarray.Dataset(
        {
            name: (['chain', 'draw', *[f'{name}_{k}' for k in range(values.ndim - 2)]], values)
            for name, values in draws.items()
        }
    )


def looped(net, draws, predict):
    """Return what `predict` returns for each draw, from a network of its own."""
    rows, other = [], rnnkit.from_spec(net.to_spec())
    for p in net.params:
        other.set(*p.name.split('.'), p.get_value())
    for chain, draw in np.ndindex(CHAINS, DRAWS):
        for name, values in draws.items():
            other.set(*name.split('.'), values[chain, draw])
        rows.append(predict(other))
    return rows


def stacked(rows):
    return np.reshape(rows, (CHAINS, DRAWS, *np.shape(rows[0])))


@pytest.mark.parametrize('layout', ['time', 'batch'])
@pytest.mark.parametrize('dtype', ['float32', 'float64'])
def test_predictions_are_those_of_a_loop(dtype, layout):
    net = rnnkit.Regressor([2, ('lstm', 3), 1], dtype=dtype, layout=layout, seed=0)
    draws = draws_of(net, ['hid1.xh', 'out.w'])  # the others keep their values
    before = [p.get_value() for p in net.params]
    for x in (X, X[:2, :1], np.concatenate([X, X])):
        found = posterior_predict(net, draws, x)
        wanted = stacked(looped(net, draws, lambda other, x=x: other.predict(x)))
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-7)
    assert found.dtype == dtype
    for p, value in zip(net.params, before, strict=True):
        np.testing.assert_array_equal(p.get_value(), value)


def test_draws_of_other_parameters():
    net = rnnkit.Regressor([2, ('rnn', 3), 1], seed=0)
    for names in (['out.w'], ['out.b'], ['out.w', 'out.b']):
        draws = draws_of(net, names)
        wanted = stacked(looped(net, draws, lambda other: other.predict(X)))
        np.testing.assert_allclose(posterior_predict(net, draws, X), wanted, rtol=1e-5, atol=1e-6)


def test_an_output_that_is_not_a_number():
    net = rnnkit.Regressor([2, 1], seed=0)
    weights = np.full((2, 3, 2, 1), [[1e30], [-1e30]])  # infinity - infinity
    with np.errstate(all='ignore'), pytest.raises(DataError, match='not a number'):
        posterior_predict(net, {'out.w': weights}, [[1e30, 1e30]])


def test_lists_of_sequences_and_masks():
    net = rnnkit.Regressor([2, ('gru', 3), 1], masked=True, seed=0)
    draws, sequences = draws_of(net), [X[:, 0], X[:2, 1]]
    found = posterior_predict(net, draws, sequences)
    rows = looped(net, draws, lambda other: other.predict(sequences))
    for k, one in enumerate(found):
        np.testing.assert_allclose(one, stacked([row[k] for row in rows]), rtol=1e-5, atol=1e-6)
    mask = np.ones((5, 4))
    mask[3:, 2] = 0
    found = posterior_predict(net, draws, X, mask=mask)
    assert (found[:, :, 3:, 2] == 0).all()
    wanted = stacked(looped(net, draws, lambda other: other.predict(X, mask=mask)))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_probabilities_and_other_outputs():
    net = rnnkit.Classifier([2, ('rnn', 3), 'last', 3], seed=0)
    draws = draws_of(net)
    found = posterior_predict(net, draws, X)
    wanted = stacked(looped(net, draws, lambda other: other.predict_proba(X)))
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    hidden = posterior_predict(net, draws, X, output='hid1')
    wanted = stacked(looped(net, draws, lambda other: other.feed_forward(X)['hid1:out']))
    np.testing.assert_allclose(hidden, wanted, rtol=1e-5, atol=1e-6)


def test_all_forms_of_a_posterior():
    net = rnnkit.Regressor([2, ('rnn', 3), 1], seed=0)
    plain = draws_of(net)
    wanted = posterior_predict(net, plain, X)
    data = as_dataset(plain)
    prefixed = {f'first_{name}': values for name, values in plain.items()}
    turned = data.transpose(..., 'draw', 'chain')
    tree = pytest.importorskip('xarray').DataTree.from_dict({'posterior': data})
    for given, prefix in ((data, ''), (turned, ''), (tree, ''), (prefixed, 'first_')):
        np.testing.assert_array_equal(posterior_predict(net, given, X, prefix=prefix), wanted)


def test_a_draw_becomes_the_parameters_of_the_network():
    net = rnnkit.Regressor([2, ('rnn', 3), 1], seed=0)
    draws = draws_of(net, ['hid1.hh', 'out.b'])
    kept = net.find('out', 'w').get_value()
    assert net.load_draw(draws) == ['hid1.hh', 'out.b']
    np.testing.assert_allclose(net.find('hid1', 'hh').get_value(), draws['hid1.hh'][0, 0], 1e-6)
    net.load_draw(draws, chain=1, draw=-1)
    np.testing.assert_allclose(net.find('out', 'b').get_value(), draws['out.b'][1, 2], 1e-6)
    np.testing.assert_array_equal(net.find('out', 'w').get_value(), kept)
    point = {'out.b': np.array([0.25]), 'sigma_log__': np.array(0.0)}  # as of pm.find_MAP()
    assert net.load_draw(point) == ['out.b']
    assert net.find('out', 'b').get_value() == 0.25


def test_what_was_measured_stays():
    net = rnnkit.Regressor([2, 'standardize', ('rnn', 3), 1], seed=0)
    net.train([X, X[..., :1]], epochs=1, progress=False)
    mean = net.find(1, 'mean')
    draws = draws_of(net)
    assert mean.name in draws
    assert mean.name not in net.load_draw(draws)
    found = posterior_predict(net, draws, X)
    rest = {n: v for n, v in draws.items() if not n.startswith(f'{net.layers[1].name}.')}
    np.testing.assert_array_equal(found, posterior_predict(net, rest, X))


NET = rnnkit.Regressor([2, ('rnn', 3), 1], seed=0)
GOOD = draws_of(NET)


@pytest.mark.parametrize(
    ('call', 'error', 'message'),
    [
        (lambda: posterior_predict(3, GOOD, X), ConfigError, 'net must be a network'),
        (lambda: posterior_predict(NET, 3, X), ConfigError, r'idata must be what pm.sample\(\)'),
        (
            lambda: posterior_predict(NET, draws_of(NET, prefix='a_'), X),
            NotFoundError,
            "no parameter of this network, such as 'hid1.xh'; .*prefix=",
        ),
        (
            lambda: posterior_predict(NET, {'out.b': np.zeros((2, 3, 4))}, X),
            ShapeError,
            r'out.b must have shape \(chain, draw, 1\); got \(2, 3, 4\)',
        ),
        (
            lambda: posterior_predict(NET, GOOD | {'out.b': np.zeros((2, 4, 1))}, X),
            ShapeError,
            r'as many chains and draws; got \(2, 3\), \(2, 4\)',
        ),
        (
            lambda: posterior_predict(NET, {'out.b': np.full((2, 3, 1), np.nan)}, X),
            DataError,
            r'out.b must be finite; got nan at \(0, 0, 0\)',
        ),
        (
            lambda: posterior_predict(NET, {'out.b': np.full((2, 3, 1), 1e300)}, X),
            DataError,
            r'out.b must be finite in float32; got 1e\+300 at \(0, 0, 0\)',
        ),
        (
            lambda: posterior_predict(NET, {'out.b': np.zeros((2, 0, 1))}, X),
            DataError,
            'idata is empty: it has 2 chains of 0 draws',
        ),
        (
            lambda: NET.load_draw({'out.b': np.zeros((0, 3, 1))}),
            DataError,
            'idata is empty: it has 0 chains of 3 draws',
        ),
        (
            lambda: posterior_predict(NET, {'out.b': np.full((2, 3, 1), 'a')}, X),
            DataError,
            'out.b must be an array of numbers',
        ),
        (
            lambda: posterior_predict(NET, {'out.b': np.zeros(1)}, X),
            ShapeError,
            r'a single point.*net\.load_draw\(point\)',
        ),
        (
            lambda: posterior_predict(NET, GOOD, X, output='hid2'),
            NotFoundError,
            "did you mean 'hid1'",
        ),
        (lambda: posterior_predict(NET, GOOD, X[..., :1]), ShapeError, 'x has 1 features'),
        (lambda: NET.load_draw(GOOD, chain=2), NotFoundError, 'chain must be .* 0 to 1.*got 2'),
        (lambda: NET.load_draw(GOOD, draw=0.5), NotFoundError, 'draw must be .* 0 to 2'),
        (
            lambda: NET.load_draw({'out.b': np.zeros(1)}, draw=0),
            ConfigError,
            'a single point, without chains and draws',
        ),
        (lambda: NET.load_draw(GOOD, prefix=3), ConfigError, 'prefix must be text'),
    ],
)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(('found', 'end'), [(None, 'it is not installed'), ('4.0', 'PyMC 4.0 is')])
def test_pymc_is_missing_or_too_old(found, end, monkeypatch):
    def version(name):
        if found is None:
            raise PackageNotFoundError(name)
        return found

    monkeypatch.setattr(rnnkit.integrations.pymc, 'version', version)
    with pytest.raises(
        ImportError, match=rf"Python 3.12 or newer: pip install 'rnnkit\[pymc\]'; {end}"
    ):
        rnnkit.integrations.pymc.outputs(NET, X)
