"""The layer 'standardize' in other networks, and with other ways to train."""

import numpy as np
import pytest
from standardized import HID, ONCE, I, X, assert_measured, make, trained

import rnnkit
from rnnkit.errors import ConfigError


@pytest.fixture
def data(rng):
    x = rng.normal([1e3, 0, -5], [2, 1e-3, 40], (6, 9, I))
    return [x, rng.standard_normal((6, 9, 1))]


def test_several_inputs_each_with_its_own(rng):
    layers = [
        dict(size=2, name='a'),
        dict(form='standardize', name='za'),
        dict(form='input', size=1, name='b', ndim=2),
        dict(form='standardise', name='zb'),
        dict(form='concatenate', inputs=('za', 'zb')),
        ('rnn', 3),
        1,
    ]
    a, b = rng.normal(5, 2, (4, 6, 2)), rng.normal(-3, 9, (6, 1))
    net = make(layers)
    net.train([a, b, np.zeros((4, 6, 1))], **ONCE)
    assert_measured(net, a.reshape(-1, 2), 'za')
    assert_measured(net, b, 'zb')


def test_encoder_and_decoder(rng):
    layers = [
        dict(size=2, name='source'),
        dict(form='standardize', name='z'),
        dict(form='rnn', size=3, name='encoder'),
        dict(form='input', size=1, name='previous'),
        dict(form='standardize', name='zp'),
        dict(form='rnn', size=3, h_0='encoder', inputs='zp'),
        1,
    ]
    s, p, y = (rng.normal(k, 2, (n, 5, w)) for k, n, w in ((9, 4, 2), (-4, 3, 1), (0, 3, 1)))
    net = make(layers)
    net.train([s, p, y], **ONCE)
    assert_measured(net, s.reshape(-1, 2), 'z')
    assert_measured(net, p.reshape(-1, 1), 'zp')
    whole = net.predict([s, p])
    y_1, state = net.step([s, p[0]])
    y_2, state = net.step(p[1], state)
    np.testing.assert_allclose([y_1, y_2], whole[:2], rtol=1e-12)


@pytest.mark.long
def test_the_derivative_by_the_inputs(data):
    """The penalty is of derivatives by inputs in their own units."""
    net, other = make(), make([X, HID, 1])
    x = data[0]
    s = x.std(axis=(0, 1))
    options = {'epochs': 1, 'restore_best': False, 'algo': 'sgd'}
    net.train(data, contractive=1.0, **options)
    for p in other.params:
        layer, _, name = p.name.partition('.')
        p.set_value(make().find({'hid1': 'hid2'}.get(layer, layer), name).get_value())
    w = other.find('hid1', 'w')
    w.set_value(w.get_value() / s[:, None])
    b = other.find('hid1', 'b')
    b.set_value(b.get_value() - x.mean(axis=(0, 1)) @ w.get_value())
    found, wanted = (
        one.train(data, contractive=1.0, learning_rate=1e-12, **options)[0]['loss']
        for one in (make(), other)
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


@pytest.mark.parametrize('form', ['lstm', 'bidirectional'])
def test_single_steps_and_both_directions(data, form):
    net = make([I, 'standardize', (form, 4), 1])
    net.train(data, **ONCE)
    x = data[0]
    z = net.feed_forward(x)['hid1:out']
    np.testing.assert_allclose(z.mean(axis=(0, 1)), 0, atol=1e-12)
    np.testing.assert_allclose(z.std(axis=(0, 1)), 1, rtol=1e-12)
    if form == 'bidirectional':
        return
    state, stepper, steps = None, net.stepper(batch=9), []
    for k, x_t in enumerate(x):
        y_t, state = net.step(x_t, state)
        steps.append(y_t)
        np.testing.assert_allclose(stepper(x_t), y_t, rtol=1e-12)
        assert k or state['hid2'].c.shape == (9, 4)
    np.testing.assert_allclose(steps, net.predict(x), rtol=1e-12)
    _, state = net.predict(x[:2], return_state=True)
    np.testing.assert_allclose(net.predict(x[2:], state=state), net.predict(x)[2:], rtol=1e-12)


def test_an_autoencoder_keeps_the_units_of_its_target(rng):
    x = rng.normal(100, 5, (40, I))
    net = rnnkit.Autoencoder([I, 'standardize', 2, I], dtype='float64', seed=0)
    found, _ = net.train(x, algo='sgd', learning_rate=1e-9, epochs=1)
    assert_measured(net, x)
    np.testing.assert_allclose(found['loss'], np.mean((net.predict(x) - x) ** 2), rtol=1e-3)
    assert net.encode(x).shape == (40, 2)
    np.testing.assert_allclose(net.decode(net.encode(x)), net.predict(x), rtol=1e-12)


def test_layerwise_stages_share_it(data):
    net = make([X, 'standardize', HID, HID, 1])
    net.train(data, algo='layerwise', subalgo='sgd', epochs=1)
    assert_measured(net, data[0].reshape(-1, I))


def test_pretraining_reads_scaled_inputs(data):
    net = make()
    other = make([X, HID, 1])
    for p, value in zip(other.params, trained(net), strict=True):
        p.set_value(value)
    options = {'algo': 'pretrain', 'subalgo': 'sgd', 'epochs': 2, 'seed': 1}
    net.train(data, **options)
    assert_measured(net, data[0].reshape(-1, I))
    rows = data[0].reshape(-1, I)
    other.train([(data[0] - rows.mean(axis=0)) / rows.std(axis=0), data[1]], **options)
    for a, b in zip(trained(net), trained(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    with pytest.raises(ConfigError) as caught:
        make().train(lambda: data, **options)
    assert str(caught.value) == (
        "algo 'pretrain' with a callable as data: mean and deviation of layer 'hid1' are not known "
        "yet; pass arrays, train with another algo before, or set them: net.set('hid1', 'mean', "
        "...), net.set('hid1', 'deviation', ...)"
    )


def test_samples_are_of_scaled_inputs(data):
    net = make()
    net.train(data, algo='sample')
    assert_measured(net, data[0].reshape(-1, I))
    assert abs(net.find('hid2', 'w').get_value()[1]).max() > 0.1  # of a deviation of 1e-3


def test_the_summary():
    assert make().summary().splitlines()[3] == (
        'hid1   standardize  (T, B, 3)  measured: mean 3  deviation 3  known  7'
    )
