"""Names that mean something to Python or PyTensor, and the limits of sizes."""

import numpy as np
import pytest

import rnnkit
from rnnkit import initializers
from rnnkit.errors import ConfigError


@pytest.mark.parametrize('name', ['int8', 'float32', 'bool', 'complex128', 'self', 'form', 'None'])
def test_layers_of_any_name(name):
    layers = [dict(form='input', size=2, name=name), dict(size=3, name='a'), dict(size=1, name='b')]
    x = np.random.default_rng(0).standard_normal((4, 2))
    net, right = rnnkit.Regressor(layers, seed=0), rnnkit.Regressor([2, 3, 1], seed=0)
    np.testing.assert_array_equal(net.predict(x), right.predict(x))
    net.add_loss('mae', target='int8')
    assert [field.name for field in net._border.fields][-1] == 'int8'


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (
            lambda: rnnkit.Regressor([1, dict(form='rnn', size=3, self=1), 1]),
            "layers[1], 'hid1': layer 'rnn': unknown option 'self', known are: activation, "
            'bptt_limit, clip, direction, dropout, h_0, inputs, name, size, trainable, zoneout',
        ),
        (
            lambda: rnnkit.Regressor([1, 1], loss=dict(form='huber', self=1)),
            "loss 'huber': unknown option 'self', known are: delta",
        ),
        (
            lambda: rnnkit.Regressor([1, dict(form='rnn', size=3, radius_hh=10**100), 1]),
            'hid1.hh: its initial value does not fit float32',
        ),
        (
            lambda: rnnkit.Regressor([1, dict(form='rnn', size=3, b=1e39), 1]),
            'hid1.b: its initial value does not fit float32',
        ),
        (
            lambda: rnnkit.Network([3, 4]),
            'Network is a base class; write one of Autoencoder, Classifier, Regressor',
        ),
        (
            lambda: rnnkit.Regressor([1, 2**31, 1]),
            "layers[1], 'hid1': layer 'feedforward': size must be at most 2,147,483,647; got "
            '2147483648',
        ),
        (
            lambda: rnnkit.Regressor([1, dict(form='rnn', size=2, bptt_limit=10**30), 1]),
            "layers[1], 'hid1': layer 'rnn': bptt_limit must be at most 2,147,483,647; got "
            '1000000000000000000000000000000',
        ),
        (
            lambda: rnnkit.Regressor([1, (2, '+'.join(['relu'] * 33)), 1]),
            f"layers[1], 'hid1': activation '{'relu+' * 19}relu... is a chain of 33 steps; at most "
            '32 are possible',
        ),
        (
            lambda: rnnkit.Regressor([1, dict(size=2, name='x' * 201), 1]),
            "layers[1], 'hid1': a layer's name must be a str without any of : . * ? [ ], of at "
            f"most 200 characters; got '{'x' * 99}...",
        ),
        (
            lambda: rnnkit.Regressor([1, (2, lambda x: 3), 1]),
            'must return a tensor with as many axes as its argument; got 3',
        ),
    ],
)
def test_messages(make, message):
    with pytest.raises(ConfigError) as caught:
        make()
    assert str(caught.value).endswith(message)


def test_a_parameter_that_no_memory_can_hold(monkeypatch):
    monkeypatch.setattr(initializers, '_memory', lambda: 2.0**30)
    with pytest.raises(ConfigError) as caught:
        rnnkit.Regressor([1, ('rnn', 10_000), 1])
    assert str(caught.value) == (
        'hid1.hh: its shape is (10000, 10000); to draw its 100,000,000 values needs 3 GiB, and '
        'this machine has 1 GiB'
    )


# Filters longer than conv.LONG are computed by other operations.
@pytest.mark.parametrize('mode', ['valid', 'same', 'causal'])
@pytest.mark.parametrize('stride', [1, 3])
def test_long_filters(mode, stride, rng):
    T, B, I, K = 75, 2, 3, 65  # noqa: E741
    layer = dict(form='conv1', size=2, filter_size=K, stride=stride, border_mode=mode)
    spec = [dict(form='input', size=I, ndim=3), {**layer, 'activation': 'linear'}]
    net = rnnkit.Regressor(spec, dtype='float64', seed=0)
    x = rng.standard_normal((T, B, I))
    w, b = (net.find(1, name).get_value() for name in ('w', 'b'))
    before = {'valid': 0, 'same': (K - 1) // 2, 'causal': K - 1}[mode]
    after = 0 if mode == 'valid' else K - 1 - before
    padded = np.pad(x, ((before, after), (0, 0), (0, 0)))
    right = [
        np.einsum('kbi,kio->bo', padded[t : t + K], w) + b
        for t in range(0, len(padded) - K + 1, stride)
    ]
    np.testing.assert_allclose(net.predict(x), right, rtol=1e-12, atol=1e-12)
    # An update by the gradient of the mean square of the output: dL/dw = 2/n sum x y.
    y = np.array(right)
    gradient = sum(
        np.einsum('kbi,bo->kio', padded[t * stride : t * stride + K], y[t]) for t in range(len(y))
    )
    options = {'algo': 'sgd', 'learning_rate': 1e-3, 'epochs': 1, 'restore_best': False}
    net.train([x, np.zeros_like(y)], max_gradient_norm=0, **options)
    step = (w - net.find(1, 'w').get_value()) / 1e-3
    np.testing.assert_allclose(step, 2 * gradient / y.size, rtol=1e-8, atol=1e-10)


def test_a_filter_that_starts_from_an_array(rng):
    w = rng.standard_normal((2, 3, 1))
    layer = dict(form='conv1', size=1, filter_size=2, w=w)
    net = rnnkit.Regressor([dict(form='input', size=3, ndim=3), layer], dtype='float64')
    np.testing.assert_array_equal(net.find(1, 'w').get_value(), w)


def test_numbers_with_a_plus_in_an_activation(rng):
    x = rng.standard_normal((4, 2))
    short, plain = (
        rnnkit.Regressor([2, (3, activation), 1], seed=0).predict(x)
        for activation in ('affine:1e+1:+0.5+tanh', 'affine:10:0.5+tanh')
    )
    np.testing.assert_array_equal(short, plain)
