"""Activations with parameters: their equations, and the layers that give them these."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from numerics import check_slope

import rnnkit
from rnnkit import activations
from rnnkit.activations import Chain
from rnnkit.errors import ConfigError

Z = np.array([[-3.0, -0.5, 0.25], [4.0, -1.0, 2.0]])
NUMPY = {
    'prelu': lambda z, leak: np.where(z > 0, z, leak * z),
    'lgrelu': lambda z, gain, leak: np.where(z > 0, gain * z, leak * z),
    'elu:gain': lambda z, gain: np.where(z > 0, z, gain * np.expm1(z)),
    'maxout:3': lambda z, slope, intercept: (slope * z[..., None] + intercept).max(-1),
    'tanh+prelu': lambda z, leak: np.where(z > 0, np.tanh(z), leak * np.tanh(z)),
    'prelu+linear+prelu': lambda z, leak, leak2: (
        np.where(z > 0, z, leak * z) * np.where((z > 0) | (leak < 0), 1, leak2)
    ),
}


def given(spec, size, rng):
    """Return a chain, the symbols of its parameters, and values for them."""
    chain = Chain(spec)
    values = {k: rng.standard_normal(shape) for k, shape in chain.shapes(size).items()}
    symbols = {k: pt.tensor(k, dtype='float64', shape=v.shape) for k, v in values.items()}
    return chain, symbols, values


def test_every_learned_activation_is_tested_here():
    members = activations.activations
    kinds = {members[name] for name in members if isinstance(members[name], type)}
    learned = {kind for kind in kinds if not hasattr(kind, 'parts')}  # without numbers
    assert learned == {type(Chain(name).steps[0][0]) for name in list(NUMPY)[:4]}


@pytest.mark.parametrize('spec', NUMPY)
def test_value_and_slope(spec, rng):
    chain, symbols, values = given(spec, 3, rng)
    z = pt.dmatrix('z')
    y = chain(z, symbols)
    found = pytensor.function([z, *symbols.values()], y)(Z, *values.values())
    np.testing.assert_allclose(found, NUMPY[spec](Z, **values), rtol=1e-14)  # rounding
    v = rng.standard_normal(Z.shape)
    keyed = {z: Z} | {symbols[k]: values[k] for k in symbols}
    check_slope((y * v).sum(), keyed, rng)


@pytest.mark.parametrize('spec', ['prelu', 'lgrelu', 'elu:gain', 'maxout:4', 'relu+prelu'])
def test_nan_is_not_hidden(spec, rng):
    chain, symbols, values = given(spec, 1, rng)
    z = pt.dmatrix('z')
    found = pytensor.function([z, *symbols.values()], chain(z, symbols))
    assert np.isnan(found(np.full((1, 1), np.nan), *values.values())).all()


@pytest.mark.peers
def test_prelu_equals_that_of_pytorch(rng):
    torch = pytest.importorskip('torch')
    chain, symbols, _ = given('prelu', 3, rng)
    module = torch.nn.PReLU(3).double()
    assert module.weight.tolist() == [chain.initial['leak']] * 3
    t = torch.tensor(Z, requires_grad=True)
    out = module(t)
    (out * torch.tensor(Z)).sum().backward()
    z, leak = pt.dmatrix('z'), symbols['leak']
    y = chain(z, symbols)
    slopes = pytensor.grad((y * pt.constant(Z)).sum(), [z, leak])
    found = pytensor.function([z, leak], [y, *slopes])(Z, np.full(3, 0.25))
    wanted = out.detach().numpy(), t.grad.numpy(), module.weight.grad.numpy()
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)  # rounding


def start(net, name):
    return net.find('hid1', name).get_value()


def test_a_layer_gets_the_parameters_of_its_activation():
    net = rnnkit.Regressor([3, (4, 'prelu+norm:z+prelu'), 1], seed=0)
    assert [p.name for p in net.params[:4]] == ['hid1.w', 'hid1.b', 'hid1.leak', 'hid1.leak2']
    assert start(net, 'leak2').tolist() == [0.25] * 4
    net = rnnkit.Regressor([3, dict(size=4, activation='maxout:5'), 1], seed=0)
    assert start(net, 'slope').shape == start(net, 'intercept').shape == (4, 5)
    net = rnnkit.Regressor([3, dict(size=2, activation='lgrelu', leak=0.5, gain=[1, 2]), 1])
    assert start(net, 'leak').tolist() == [0.5, 0.5]
    assert start(net, 'gain').tolist() == [1, 2]


def test_they_are_trained(rng):
    net = rnnkit.Regressor([1, (3, 'prelu'), 1], dtype='float64', seed=0)
    x = rng.standard_normal((20, 1))
    before = start(net, 'leak').copy()
    net.train([x, abs(x)], epochs=1, algo='sgd', restore_best=False)
    assert (start(net, 'leak') != before).any()


def test_each_line_of_a_maxout_is_the_highest_somewhere():
    chain = Chain('maxout:6')
    slope, intercept = (f((1, 6), None)[0] for f in chain.initial.values())
    z = np.linspace(-5, 5, 1001)[:, None]
    lines = slope * z + intercept
    assert set(lines.argmax(-1)) == set(range(6))
    # Tangents of a convex function lie below it.
    assert (lines <= np.logaddexp(0, z) + 1e-12).all()


@pytest.mark.parametrize(
    ('spec', 'message'),
    [
        ('maxout', r"activation 'maxout': it needs the number of its lines, from 2 to 256, as in"),
        ('maxout:1', "as in 'maxout:4'; got '1'"),
        ('maxout:257', "got '257'"),
        ('tanh+maxout:x', "activation 'maxout:x': it needs"),
        ('prelu:3', "activation 'prelu:3': it takes no argument after a colon; got '3'"),
        ('prelo', r"no layer or activation named 'prelo'; did you mean 'prelu'\?"),
    ],
)
def test_wrong_word(spec, message):
    with pytest.raises(ConfigError, match=message):
        rnnkit.Regressor([3, (4, spec), 1])


@pytest.mark.parametrize('form', ['rnn', dict(form='bidirectional', size=4)])
def test_a_recurrent_layer_takes_none(form):
    layer = {**(form if isinstance(form, dict) else {'form': form, 'size': 4})}
    with pytest.raises(ConfigError, match=r"'hid1': activation 'prelu' has parameters \(leak\)"):
        rnnkit.Regressor([3, {**layer, 'activation': 'prelu'}, 1])


def test_options_of_parameters_that_are_not_there_are_refused():
    with pytest.raises(ConfigError, match="unknown option 'leak'"):
        rnnkit.Regressor([3, dict(size=4, activation='relu', leak=0.1), 1])


@pytest.fixture
def _restored(monkeypatch):
    registry = activations.activations
    monkeypatch.setattr(registry, '_members', dict(registry._members))


@pytest.mark.usefixtures('_restored')
def test_one_of_the_user():
    @activations.add('shifted')
    class Shifted(activations.Learned):
        names = ('shift',)

        def shapes(self, size):
            return {'shift': (size,)}

        def apply(self, x, p):
            return x + p.shift

    net = rnnkit.Regressor([2, dict(size=3, activation='tanh+shifted', shift=2.0), 1], seed=0)
    x = np.ones((1, 2))
    out = net.feed_forward(x)
    np.testing.assert_allclose(out['hid1:out'], np.tanh(out['hid1:pre']) + 2, rtol=1e-6)

    @activations.add('clash')
    class Clash(Shifted):
        names = ('w',)

    with pytest.raises(ConfigError, match="the parameter 'w' of activation 'clash' needs another"):
        rnnkit.Regressor([2, (3, 'clash'), 1])
