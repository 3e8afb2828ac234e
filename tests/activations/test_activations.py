"""Activations: values, slopes, names and chains."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from numerics import check_slope
from scipy.special import erf

from rnnkit import activations
from rnnkit.errors import ConfigError

Z = np.array([[-3.0, -0.5, 0.25], [4.0, -1.0, 2.0]])


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def norm_z(z):
    return (z - z.mean(-1, keepdims=True)) / np.sqrt(z.var(-1, keepdims=True) + 1e-5)


def gelu_tanh(z):
    return z / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))


NUMPY = {
    'linear': lambda z: z,
    'sigmoid': lambda z: 1 / (1 + np.exp(-z)),
    'hard_sigmoid': lambda z: np.clip(z / 6 + 0.5, 0, 1),
    'tanh': np.tanh,
    'softsign': lambda z: z / (1 + abs(z)),
    'relu': lambda z: np.maximum(z, 0),
    'rect:min': lambda z: np.minimum(z, 1),
    'rect:minmax': lambda z: np.clip(z, 0, 1),
    'trec': lambda z: z * (z > 1),
    'tlin': lambda z: z * (abs(z) > 1),
    'softplus': lambda z: np.log1p(np.exp(z)),
    'elu': lambda z: np.where(z > 0, z, np.exp(z) - 1),
    'selu': lambda z: 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(z)),
    'swish': lambda z: z / (1 + np.exp(-z)),
    'gelu': lambda z: z / 2 * (1 + erf(z / np.sqrt(2))),
    'gelu:tanh': gelu_tanh,
    'exp': np.exp,
    'affine:2:-0.5': lambda z: 2 * z - 0.5,
    'affine:0.2e+1:+0.5+tanh': lambda z: np.tanh(2 * z + 0.5),
    'affine:0.2:0.5+rect:minmax': lambda z: np.clip(0.2 * z + 0.5, 0, 1),
    'leaky_relu:0.3': lambda z: np.where(z > 0, z, 0.3 * z),
    'alpha_elu:0.3': lambda z: np.where(z > 0, z, 0.3 * np.expm1(np.minimum(z, 0))),
    'threshold_relu:0.3': lambda z: z * (z > 0.3),
    'softmax': softmax,
    'norm:mean': lambda z: z - z.mean(-1, keepdims=True),
    'norm:max': lambda z: z / (abs(z).max(-1, keepdims=True) + 1e-5),
    'norm:std': lambda z: z / np.sqrt(z.var(-1, keepdims=True) + 1e-5),
    'norm:z': norm_z,
    'tanh+softmax': lambda z: softmax(np.tanh(z)),
    'softmax+tanh': lambda z: np.tanh(softmax(z)),
    'relu + tanh + linear': lambda z: np.tanh(np.maximum(z, 0)),
    'relu+norm:z': lambda z: norm_z(np.maximum(z, 0)),
}
ALIASES = {
    'logistic': 'sigmoid',
    'hard-sigmoid': 'hard_sigmoid',
    'rect:max': 'relu',
    'trel': 'rect:minmax',
    'silu': 'swish',
    'norm:dc': 'norm:mean',
    'leaky-relu': 'prelu',
    'leaky-gain-relu': 'lgrelu',
}
LEARNED = {'prelu', 'lgrelu', 'elu:gain', 'maxout'}  # tested in test_learned_activations.py


def evaluate(spec, value):
    z = pt.tensor('z', dtype=value.dtype.name, shape=(None,) * value.ndim)
    return pytensor.function([z], activations.build(spec)(z))(value)


def test_every_activation_is_tested_here():
    found = set(activations.activations)
    tested = {*NUMPY, *(name.partition(':')[0] for name in NUMPY), *LEARNED}
    assert found - set(ALIASES) <= tested
    for alias, name in ALIASES.items():
        assert activations.activations[alias] is activations.activations[name]


@pytest.mark.parametrize('name', NUMPY)
def test_value_equals_numpy(name):
    np.testing.assert_allclose(evaluate(name, Z), NUMPY[name](Z), rtol=1e-13)  # rounding
    assert evaluate(name, Z.astype('float32')).dtype == np.float32


@pytest.mark.parametrize('name', NUMPY)
def test_slope(name, rng):
    z, v = pt.dmatrix('z'), rng.standard_normal(Z.shape)
    # Not at whole numbers, where some have kinks.
    check_slope((activations.build(name)(z) * v).sum(), {z: Z + 0.1}, rng)


@pytest.mark.parametrize('name', sorted(set(NUMPY) - {'exp'}))
def test_large_arguments_do_not_overflow(name):
    assert np.isfinite(evaluate(name, np.array([[-1000.0, 0.0, 800.0]]))).all()


@pytest.mark.parametrize('name', NUMPY)
def test_nan_is_not_hidden(name):
    assert np.isnan(evaluate(name, np.array([[np.nan, 1.0]]))[0, 0])


@pytest.mark.parametrize('name', [name for name in NUMPY if 'norm' in name])
@pytest.mark.parametrize('value', [0.0, 3.0])
def test_equal_features_give_finite_values_and_slopes(name, value):
    z = pt.dmatrix('z')
    y = activations.build(name)(z)
    f = pytensor.function([z], [y, pytensor.grad(pt.sqr(y - 1).sum(), z)])
    for features in (1, 3):
        assert all(np.isfinite(a).all() for a in f(np.full((2, features), value)))


TORCH = {
    'sigmoid': 'sigmoid',
    'hard_sigmoid': 'hardsigmoid',
    'tanh': 'tanh',
    'softsign': 'softsign',
    'relu': 'relu',
    'softplus': 'softplus',
    'elu': 'elu',
    'selu': 'selu',
    'swish': 'silu',
    'gelu': 'gelu',
}


@pytest.mark.peers
@pytest.mark.parametrize('name', [*TORCH, 'gelu:tanh', 'softmax', 'norm:z'])
def test_value_and_slope_equal_those_of_pytorch(name, rng):
    torch = pytest.importorskip('torch')
    functional = torch.nn.functional
    theirs = {
        'gelu:tanh': lambda z: functional.gelu(z, approximate='tanh'),
        'softmax': lambda z: functional.softmax(z, -1),
        'norm:z': lambda z: functional.layer_norm(z, z.shape[-1:]),
    }.get(name) or getattr(functional, TORCH[name])
    value, v = 2 * rng.standard_normal((2, 20, 5))
    z = pt.dmatrix('z')
    y = activations.build(name)(z)
    found = pytensor.function([z], [y, pytensor.grad((y * v).sum(), z)])(value)
    t = torch.tensor(value, requires_grad=True)
    wanted = theirs(t)
    (wanted * torch.tensor(v)).sum().backward()
    # Rounding; PyTorch's softplus is linear above 20, which is not reached.
    np.testing.assert_allclose(found[0], wanted.detach().numpy(), rtol=1e-12, atol=1e-14)
    # The slope of PyTorch's hardsigmoid has 1/6 rounded to float32.
    rtol = 1e-7 if name == 'hard_sigmoid' else 1e-11
    np.testing.assert_allclose(found[1], t.grad.numpy(), rtol=rtol, atol=1e-13)


def test_gelu_keeps_the_digits_of_a_small_result():
    # Reference: -9 * Phi(-9), with Phi(-9) = 1.1285884059538405e-19 from tables.
    assert evaluate('gelu', np.array([-9.0]))[0] == pytest.approx(-9 * 1.1285884059538405e-19)


def test_the_slope_of_relu_at_zero_is_zero():
    z = pt.dvector('z')
    slope = pytensor.function([z], pytensor.grad(activations.relu(z).sum(), z))
    assert list(slope(np.array([-1.0, 0.0, 1.0]))) == [0, 0, 1]


@pytest.mark.parametrize(
    ('spec', 'steps'),
    [
        ('relu + norm:z', ['relu', 'norm:z']),
        ('affine:1e+20:-2.5E+3+tanh', ['affine:1e20:-2.5E3', 'tanh']),
        ('leaky_relu:+.5+relu', ['leaky_relu:.5', 'relu']),
        ('fire1e+2stage', ['fire1e', '2stage']),  # names, not a number
        ('norm:+relu+', ['norm:', 'relu', '']),
    ],
)
def test_a_plus_joins_steps_unless_it_is_the_sign_of_a_number(spec, steps):
    assert activations.split(spec) == steps


def test_a_function_is_an_activation():
    assert activations.build(np.sin) is np.sin


@pytest.mark.parametrize(
    ('spec', 'message'),
    [
        ('tahn', r"no activation named 'tahn'; did you mean 'tanh'\?"),
        ('relu+sofmax', r"no activation named 'sofmax'; did you mean 'softmax'\?"),
        ('relu+', "no activation named ''"),
        ('zzzz', 'known are: affine, alpha_elu, elu, elu:gain, exp'),
        ('tanh:3', r"no activation named 'tanh:3'; did you mean 'tanh'\?"),
        ('relu+norm:q', r"no activation named 'norm:q'; did you mean 'norm:z'\?"),
        (activations.PReLU, "got <class 'rnnkit.activations.learned.PReLU'>"),
        ('relu+prelu', r"'relu\+prelu' has parameters \(leak\), which this layer cannot create"),
        (
            'affine:2',
            "'affine:2': it needs a slope and an intercept, as in 'affine:2:0.5'; got '2'",
        ),
        ('leaky_relu', "it needs a slope, as in 'leaky_relu:0.01'; got None"),
        ('alpha_elu:inf', "it needs alpha, as in 'alpha_elu:0.5'; got 'inf'"),
        (3, 'a name or a function of one tensor; got 3'),
        (None, 'got None'),
    ],
)
def test_wrong_activation(spec, message):
    with pytest.raises(ConfigError, match=message):
        activations.build(spec)


def test_a_class_of_another_kind_is_refused():
    with pytest.raises(ConfigError, match=r'derived from rnnkit.activations.Learned; got <class'):
        activations.add('a class')(dict)
