"""Activations: values, slopes, names and chains."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from numerics import check_slope

from rnnkit import activations
from rnnkit.errors import ConfigError

Z = np.array([[-3.0, -0.5, 0.25], [4.0, -1.0, 2.0]])


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


NUMPY = {
    'linear': lambda z: z,
    'sigmoid': lambda z: 1 / (1 + np.exp(-z)),
    'logistic': lambda z: 1 / (1 + np.exp(-z)),
    'tanh': np.tanh,
    'relu': lambda z: np.maximum(z, 0),
    'rect:max': lambda z: np.maximum(z, 0),
    'softplus': lambda z: np.log1p(np.exp(z)),
    'elu': lambda z: np.where(z > 0, z, np.exp(z) - 1),
    'softmax': softmax,
    'tanh+softmax': lambda z: softmax(np.tanh(z)),
    'relu + tanh + linear': lambda z: np.tanh(np.maximum(z, 0)),
}


def evaluate(spec, value):
    z = pt.tensor('z', dtype=value.dtype.name, shape=(None,) * value.ndim)
    return pytensor.function([z], activations.build(spec)(z))(value)


def test_every_activation_is_tested_here():
    assert set(activations.activations) <= set(NUMPY)


@pytest.mark.parametrize('name', NUMPY)
def test_value_equals_numpy(name):
    np.testing.assert_allclose(evaluate(name, Z), NUMPY[name](Z), rtol=1e-14)  # rounding
    assert evaluate(name, Z.astype('float32')).dtype == np.float32


@pytest.mark.parametrize('name', NUMPY)
def test_slope(name, rng):
    z, v = pt.dmatrix('z'), rng.standard_normal(Z.shape)
    check_slope((activations.build(name)(z) * v).sum(), {z: Z}, rng)


@pytest.mark.parametrize('name', ['sigmoid', 'tanh', 'softplus', 'elu', 'softmax', 'relu'])
def test_large_arguments_do_not_overflow(name):
    assert np.isfinite(evaluate(name, np.array([[-1000.0, 0.0, 800.0]]))).all()


@pytest.mark.parametrize('name', ['relu', 'elu'])
def test_nan_is_not_hidden(name):
    assert np.isnan(evaluate(name, np.array([np.nan]))).all()


def test_the_slope_of_relu_at_zero_is_zero():
    z = pt.dvector('z')
    slope = pytensor.function([z], pytensor.grad(activations.relu(z).sum(), z))
    assert list(slope(np.array([-1.0, 0.0, 1.0]))) == [0, 0, 1]


def test_a_function_is_an_activation():
    assert activations.build(np.sin) is np.sin


@pytest.mark.parametrize(('spec', 'message'), [
    ('tahn', r"no activation named 'tahn'; did you mean 'tanh'\?"),
    ('relu+sofmax', r"no activation named 'sofmax'; did you mean 'softmax'\?"),
    ('relu+', "no activation named ''"),
    ('zzzz', 'known are: elu, linear, logistic'),
    (3, 'a name or a function of one tensor; got 3'),
    (None, 'got None'),
])  # fmt: skip
def test_wrong_activation(spec, message):
    with pytest.raises(ConfigError, match=message):
        activations.build(spec)
