"""A softmax that shares its matrix with an embedding: one parameter, used twice."""

import json

import numpy as np
import pytest
import reference
from long_forms import long

import rnnkit

V, D, T, B = 7, 4, 5, 3


def language_model(partner='words', **options):
    return rnnkit.Classifier(
        [
            V,
            dict(form='embedding', size=D, name='words'),
            ('rnn', D),
            dict(form='tied', partner=partner),
        ],
        dtype='float64',
        seed=0,
        **options,
    )


def oracle(p, x, y, mask=None):
    """Return mean cross-entropy, probabilities, and gradients by all parameters, by hand."""
    W, cell = p['words.w'], {k: p[f'hid2.{k}'] for k in ('xh', 'hh', 'b')}
    zero, vectors = np.zeros((x.shape[1], D)), W[x]
    h = reference.rnn_forward(vectors, cell, zero)['h']
    z = h @ W.T + p['out.b']
    e = np.exp(z - z.max(-1, keepdims=True))
    prob = e / e.sum(-1, keepdims=True)
    weight = np.ones(x.shape) if mask is None else mask.astype(float)
    weight = weight / weight.sum()
    loss = -(weight * np.log(prob[(*np.indices(y.shape), y)])).sum()
    dz = (prob - np.eye(V)[y]) * weight[..., None]
    back = reference.rnn_backward(vectors, cell, zero, {'h': dz @ W})
    by_outputs = np.einsum('tbv,tbd->vd', dz, h)
    by_inputs = np.zeros_like(W)
    np.add.at(by_inputs, x, back['x'])
    grads = {f'hid2.{k}': back[k] for k in cell}
    return loss, prob, {**grads, 'words.w': by_outputs + by_inputs, 'out.b': dz.sum((0, 1))}


@pytest.fixture
def words(rng):
    # Words 5 and 6 are never read: their rows change because of the softmax alone.
    return rng.integers(0, 5, (T, B)), rng.integers(0, V, (T, B))


@pytest.mark.parametrize('kernels', ['off', long('on')])
@pytest.mark.parametrize('algo', ['sgd', 'adam'])
def test_loss_probabilities_and_an_update_equal_numpy(algo, kernels, words, monkeypatch):
    monkeypatch.setenv('RNNKIT_KERNELS', kernels)
    net = language_model(kernel=kernels == 'on' or None)
    assert [p.name for p in net.params] == ['words.w', 'hid2.xh', 'hid2.hh', 'hid2.b', 'out.b']
    start = {p.name: p.get_value() for p in net.params}
    loss, prob, grads = oracle(start, *words)
    np.testing.assert_allclose(net.predict_proba(words[0]), prob, rtol=1e-12)
    rate, eps = 0.5, 1e-8
    found, _ = net.train(
        list(words),
        algo=algo,
        learning_rate=rate,
        epochs=1,
        restore_best=False,
        max_gradient_norm=0,
    )
    assert found['loss'] == pytest.approx(loss, rel=1e-12)
    for p in net.params:
        g = grads[p.name]
        step = g if algo == 'sgd' else g / (abs(g) + eps)  # Adam's first step
        wanted = start[p.name] - rate * step
        np.testing.assert_allclose(p.get_value(), wanted, rtol=1e-8, atol=1e-10, err_msg=p.name)


def test_padding_counts_for_nothing(words):
    x, y = words
    mask = np.arange(T)[:, None] < [5, 2, 3]
    net = language_model(masked=True)
    start = {p.name: p.get_value() for p in net.params}
    loss, _, grads = oracle(start, x, y, mask)
    options = dict(algo='sgd', learning_rate=1.0, epochs=1, max_gradient_norm=0)
    found, _ = net.train([x, y, mask], restore_best=False, **options)
    assert found['loss'] == pytest.approx(loss, rel=1e-12)
    change = start['words.w'] - net.find('words', 'w').get_value()
    np.testing.assert_allclose(change, grads['words.w'], rtol=1e-10, atol=1e-12)


def test_files_steps_and_generation(words, tmp_path):
    net = language_model()
    whole = net.predict_proba(words[0])
    state = None
    for t in range(T):
        prob, state = net.step(words[0][t], state)
        np.testing.assert_allclose(prob, whole[t], rtol=1e-12)
    net.save(tmp_path / 'it')
    again = rnnkit.load(tmp_path / 'it')
    np.testing.assert_array_equal(again.predict_proba(words[0]), whole)
    assert rnnkit.from_spec(json.loads(json.dumps(net.to_spec()))).to_spec() == net.to_spec()
    assert net.generate(words[0], 4, rng=0).shape == (4, B)


def test_without_a_name_the_embedding_is_the_partner_if_no_dense_layer_is():
    assert language_model(partner=None).layers[3].mate.name == 'words'
    layers = [V, ('embedding', D), ('rnn', 6), (D, 'linear')]
    narrowed = rnnkit.Classifier([*layers, dict(form='tied', partner='hid1')])
    assert narrowed.layers[-1].size == V
    # As before there were such partners: hid3 has 6 inputs, and is the nearest.
    assert rnnkit.Classifier([*layers, 'tied']).layers[-1].size == 6


@pytest.mark.parametrize(
    ('layers', 'message'),
    [
        (
            [V, dict(form='embedding', size=4, name='words'), ('rnn', 5), 'tied'],
            "layer 'out' (tied): its partner 'words' has size 4, so its input must have as many "
            'features; got 5. A fully connected layer of size 4 before it helps',
        ),
        (
            [V, ('embedding', 4), ('rnn', 4), dict(form='tied', partner='hid2')],
            "layer 'out' (tied): partner must be a fully connected layer or an embedding before "
            "it; got 'hid2'; did you mean 'hid1'?",
        ),
        ([3, ('rnn', 4), 'tied'], "layer 'out' (tied): no layer is left to be its partner"),
    ],
)
def test_partners_that_do_not_fit(layers, message):
    with pytest.raises(rnnkit.ConfigError) as error:
        rnnkit.Classifier(layers)
    assert str(error.value) == message
