"""Networks whose target is their input: data, codes, and what follows from codes."""

import json

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import ConfigError, DataError, ShapeError

T, B, I = 4, 6, 3  # noqa: E741
FREE = {'algo': 'sgd', 'learning_rate': 1e-12, 'epochs': 1, 'batch_size': 50}
MASK = np.arange(T)[:, None] < np.array([4, 1, 2, 3, 4, 2])


@pytest.fixture(scope='module')
def x():
    return np.random.default_rng(3).standard_normal((T, B, I))


def sequence_net(**options):
    return rnnkit.Autoencoder([I, ('lstm', 2), I], seed=0, dtype='float64', **options)


@pytest.fixture(scope='module')
def net():
    return sequence_net()


@pytest.fixture(scope='module')
def masked():
    return sequence_net(masked=True)


@pytest.fixture(scope='module')
def squeezed():
    """Return a network in which the whole sequence goes through one vector."""
    layers = [I, ('lstm', 2), 'last', ('repeat', T), ('rnn', 2), I]
    return rnnkit.Autoencoder(layers, seed=0, dtype='float64', masked=True)


def test_every_form_of_data_is_the_same_training(x):
    forms = {
        'array': x,
        'list': [x],
        'dict': {'x': x},
        'frame': x.astype('float32').astype('float64'),
        'callable': lambda: x,
        'callable of a list': lambda: [x],
    }
    found = {}
    net = sequence_net()
    start = [p.get_value() for p in net.params]
    for name, data in forms.items():
        for p, value in zip(net.params, start, strict=True):
            p.set_value(value)
        net.train(data, epochs=1, batch_size=B, train_batches=1, valid_batches=1, algo='sgd')
        found[name] = [p.get_value() for p in net.params]
    for name in ('list', 'dict', 'callable', 'callable of a list'):
        for a, b in zip(found[name], found['array'], strict=True):
            np.testing.assert_array_equal(a, b, err_msg=name)
    assert not np.array_equal(found['array'][0], start[0])


def test_the_loss_compares_with_the_input(net, x):
    _, valid = net.train(x, monitors=['mse', 'r2'], **FREE)
    y = net.predict(x)
    assert y.shape == x.shape
    wanted = ((y - x) ** 2).mean()
    assert [valid[name] for name in ('loss', 'err', 'mse')] == pytest.approx([wanted] * 3)
    r2 = 1 - ((y - x) ** 2).sum() / ((x - x.mean()) ** 2).sum()
    assert [valid['r2'], net.score(x)] == pytest.approx([r2] * 2)


def test_the_gradient_is_that_of_the_loss(net, x, rng):
    start = [p.get_value() for p in net.params]
    direction = [rng.standard_normal(a.shape) for a in start]
    eps, losses = 1e-5, []
    for step in (eps, -eps):
        for p, a, d in zip(net.params, start, direction, strict=True):
            p.set_value(a + step * d)
        losses.append(((net.predict(x) - x) ** 2).mean())
    for p, a in zip(net.params, start, strict=True):
        p.set_value(a)
    options = FREE | {'learning_rate': 1.0, 'restore_best': False, 'max_gradient_norm': 0}
    net.train(x, **options)
    moved = [a - p.get_value() for a, p in zip(start, net.params, strict=True)]
    slope = sum((m * d).sum() for m, d in zip(moved, direction, strict=True))
    assert slope == pytest.approx((losses[0] - losses[1]) / (2 * eps), rel=1e-6)
    for p, a in zip(net.params, start, strict=True):
        p.set_value(a)


def test_weights(x, rng):
    net, weights = sequence_net(weighted=True), rng.random((T, B, I))
    _, valid = net.train([x, weights], **FREE)
    y = net.predict(x)
    assert valid['loss'] == pytest.approx((weights * (y - x) ** 2).sum() / weights.sum())
    mean = (weights * x).sum() / weights.sum()
    r2 = 1 - (weights * (y - x) ** 2).sum() / (weights * (x - mean) ** 2).sum()
    assert net.score(x, weights) == pytest.approx(r2)


def test_padding_is_left_out(masked, x):
    wild = np.where(MASK[..., None], x, 100.0)
    ragged = [x[:n, k] for k, n in enumerate(MASK.sum(axis=0))]
    y = masked.predict(x, mask=MASK)
    wanted = ((y - x)[MASK] ** 2).mean()
    for data in ([x, MASK], [wild, MASK], {'x': x, 'mask': MASK}, ragged, [ragged], tuple(ragged)):
        _, valid = masked.train(data, **FREE)
        assert valid['err'] == pytest.approx(wanted, rel=1e-6)
    assert masked.score(ragged) == pytest.approx(masked.score(x, mask=MASK))
    for one, k in zip(masked.predict(ragged), range(B), strict=True):
        np.testing.assert_allclose(one, y[MASK[:, k], k])
    masked.train(ragged, epochs=1, batch_size=2, bucket=True)


def test_layouts_agree(net, x):
    turned = sequence_net(layout='batch')
    for p, q in zip(turned.params, net.params, strict=True):
        p.set_value(q.get_value())
    np.testing.assert_array_equal(turned.predict(x.swapaxes(0, 1)).swapaxes(0, 1), net.predict(x))
    z = turned.encode(x.swapaxes(0, 1))
    np.testing.assert_array_equal(z.swapaxes(0, 1), net.encode(x))
    np.testing.assert_array_equal(turned.decode(z).swapaxes(0, 1), net.decode(net.encode(x)))


def test_a_linear_autoencoder_finds_the_principal_components(rng):
    x = rng.standard_normal((60, 2)) @ rng.standard_normal((2, 5))
    x += 0.1 * rng.standard_normal(x.shape)
    net = rnnkit.Autoencoder([5, (2, 'linear'), 5], dtype='float64', seed=0)
    net.train(x, algo='lbfgs', epochs=60, batch_size=60)
    rest = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)[2:]
    best = (rest**2).sum() / x.size  # Eckart & Young 1936: none of rank 2 is nearer
    error = ((net.predict(x) - x) ** 2).mean()
    assert best <= error * (1 + 1e-9)
    assert error < 1.01 * best


def test_tied_layers():
    x = np.random.default_rng(0).random((9, 4))
    net = rnnkit.Autoencoder([4, (3, 'tanh'), (2, 'tanh'), ('tied', 'tanh'), ('tied', 4)], seed=0)
    assert [p.name for p in net.params] == [
        'hid1.w',
        'hid1.b',
        'hid2.w',
        'hid2.b',
        'hid3.b',
        'out.b',
    ]
    before = net.score(x)
    net.train(x, epochs=30, learning_rate=0.01, algo='adam')
    assert net.score(x) > before
    w = {p.name: p.get_value() for p in net.params}
    z = np.tanh(np.tanh(x @ w['hid1.w'] + w['hid1.b']) @ w['hid2.w'] + w['hid2.b'])
    np.testing.assert_allclose(net.encode(x), z, rtol=1e-5)
    y = np.tanh(z @ w['hid2.w'].T + w['hid3.b']) @ w['hid1.w'].T + w['out.b']
    np.testing.assert_allclose(net.decode(z), y, rtol=1e-5, atol=1e-6)


# --- noise and penalties


def test_the_target_stays_clean_under_noise(x):
    net = rnnkit.Autoencoder([I, I], dtype='float64', seed=0)
    x = x.reshape(-1, I)
    for p in net.params:
        p.set_value(np.zeros_like(p.get_value()))  # so that it says 0 whatever it reads
    for found in net.train(x, **FREE, input_noise=5.0):
        assert found['loss'] == pytest.approx((x**2).mean(), rel=1e-9)


def test_noise_acts_on_what_is_read(x):
    net = rnnkit.Autoencoder([I, (I, 'linear'), I], dtype='float64', seed=0)
    for name in ('hid1', 'out'):
        net.find(name, 'w').set_value(np.eye(I))
    rows = np.tile(x.reshape(-1, I), (100, 1))
    train, valid = net.train(rows, **FREE | {'batch_size': len(rows)}, input_noise=2.0)
    assert valid['loss'] == pytest.approx(0, abs=1e-12)
    assert train['loss'] == pytest.approx(4, rel=0.1)  # the variance of the noise


@pytest.mark.parametrize('word', ['hidden_l1', 'contractive', 'weight_l2'])
def test_regularizers(word, rng):
    x = rng.standard_normal((7, I))
    net = rnnkit.Autoencoder([I, (2, 'linear'), I], dtype='float64', seed=0)
    train, _ = net.train(x, **FREE, **{word: 0.5})
    w = net.find('hid1', 'w').get_value()
    wanted = {
        'hidden_l1': abs(x @ w).mean(),
        'contractive': (w.mean(axis=1) ** 2).mean(),
        'weight_l2': ((w**2).mean() + (net.find('out', 'w').get_value() ** 2).mean()) / 2,
    }[word]
    assert train['loss'] - train['err'] == pytest.approx(0.5 * wanted, rel=1e-6)


# --- codes


@pytest.mark.parametrize(
    ('layer', 'name'),
    [
        (None, 'hid1:out'),
        (1, 'hid1:out'),
        (-2, 'hid1:out'),
        ('hid1', 'hid1:out'),
        ('hid1:c', 'hid1:c'),
        ('hid1:last', 'hid1:last'),
        ('in', 'in:out'),
        (2, 'out:out'),
    ],
)
def test_encode_names_any_output(layer, name, net, x):
    np.testing.assert_array_equal(net.encode(x, layer), net.feed_forward(x)[name])


@pytest.mark.parametrize('layer', [None, 0, 'out', 'out:pre'])
def test_decode_goes_on_from_any_output_that_is_enough(layer, net, x):
    if layer == 'out:pre':
        with pytest.raises(ConfigError, match="the result is 'out:out', which does not follow"):
            net.decode(net.encode(x, layer), layer)
        return
    np.testing.assert_allclose(net.decode(net.encode(x, layer), layer), net.predict(x), rtol=1e-12)


def test_decode_reads_nothing_else(net):
    z = np.random.default_rng(1).standard_normal((2, 5, 2))  # any T, any B
    w, b = (net.find('out', name).get_value() for name in 'wb')
    np.testing.assert_allclose(net.decode(z), z @ w + b, rtol=1e-12)
    with pytest.raises(ShapeError, match="layer 'hid1' has 2"):
        net.decode(z[..., :1])
    with pytest.raises(ConfigError, match='a mask is for a network with masked=True'):
        net.decode(z, mask=np.ones((2, 5)))


def test_a_code_that_is_not_enough_is_refused(rng):
    net = rnnkit.Autoencoder([I, ('rnn', 2), dict(size=2), dict(size=I, inputs=('hid1', 'hid2'))])
    with pytest.raises(
        ConfigError,
        match="decode\\(\\): layer 'out' reads 'hid1:out', which does "
        'not follow from hid2:out; choose another',
    ):
        net.decode(np.ones((T, B, 2)))
    skip = rnnkit.Autoencoder([I, (2, 'tanh'), dict(size=I, inputs=('in', 'hid1'))])
    with pytest.raises(ConfigError, match="layer 'out' reads 'in:out'"):
        skip.decode(np.ones((B, 2)))


def test_codes_of_padded_sequences(masked, x):
    ragged = [x[:n, k] for k, n in enumerate(MASK.sum(axis=0))]
    codes, whole = masked.encode(ragged), masked.encode(x, mask=MASK)
    assert [len(z) for z in codes] == [len(one) for one in ragged]
    assert not whole[~MASK].any()
    np.testing.assert_allclose(masked.decode(whole, mask=MASK), masked.predict(x, mask=MASK))
    for a, b in zip(masked.decode(codes), masked.predict(ragged), strict=True):
        np.testing.assert_allclose(a, b)
    assert masked.encode(ragged, 'hid1:last').shape == (B, 2)
    assert len(masked.encode([abs(np.tanh(one)) for one in ragged], 'in', sample=True)) == B


@pytest.mark.parametrize('layer', [9, -4, 'hid2', 'hid1:d', 1.0, True, b'hid1'])
def test_layers_that_are_not_there(layer, net, x):
    for call, given in ((net.encode, x), (net.decode, np.ones((T, B, 2)))):
        with pytest.raises(ConfigError, match='no layer'):
            call(given, layer)


def test_samples_are_drawn_with_the_code_as_their_probability():
    net = rnnkit.Autoencoder([I, (2, 'sigmoid'), I], seed=0)
    x = np.repeat([[0.3, -1.0, 2.0]], 4000, axis=0)
    drawn, p = net.encode(x, sample=True, rng=1), net.encode(x)[0]
    assert drawn.dtype == 'uint8'
    assert set(np.unique(drawn)) == {0, 1}
    np.testing.assert_allclose(drawn.mean(axis=0), p, atol=0.04)  # 5 standard deviations
    np.testing.assert_array_equal(drawn, net.encode(x, sample=True, rng=np.random.default_rng(1)))
    assert net.decode(drawn).shape == x.shape
    with pytest.raises(DataError, match="wants probabilities; 'in:out' has values from -1 to 2"):
        net.encode(x, 0, sample=True)
    with pytest.raises(ConfigError, match='rng is for sample=True'):
        net.encode(x, rng=1)


# --- a whole sequence as one vector


def test_a_sequence_goes_through_one_vector(squeezed, x):
    everything = np.ones((T, B))
    _, valid = squeezed.train([x, everything], **FREE)
    y = squeezed.predict(x)
    assert valid['loss'] == pytest.approx(((y - x) ** 2).mean())
    code = squeezed.encode(x, 'hid2')
    assert code.shape == (B, 2)
    np.testing.assert_allclose(squeezed.decode(code, 'hid2'), y, rtol=1e-12)
    assert squeezed.encode(x).shape == (T, B, 2)  # the repeated vector
    np.testing.assert_allclose(squeezed.decode(squeezed.encode(x)), y, rtol=1e-12)
    last = squeezed.encode(x, 'hid1:last')
    np.testing.assert_allclose(squeezed.decode(last, 'hid1:last'), y, rtol=1e-12)
    with pytest.raises(ConfigError, match="layer 'hid2' reads 'hid1:last', which does not follow"):
        squeezed.decode(squeezed.encode(x, 'hid1'), 'hid1')
    with pytest.raises(ConfigError, match="'hid2:out' has no time axis, so that there is no mask"):
        squeezed.decode(code, 'hid2', mask=MASK)


def test_shorter_sequences_are_padded_to_its_steps(squeezed, x):
    lengths = [3, 1, 2, 3, 2, 2]  # none has T steps
    ragged = [x[:n, k] for k, n in enumerate(lengths)]
    mask = np.arange(T)[:, None] < lengths
    _, valid = squeezed.train(ragged, **FREE)
    y = squeezed.predict(ragged)
    wanted = np.concatenate([(a - b) ** 2 for a, b in zip(y, ragged, strict=True)]).mean()
    assert valid['loss'] == pytest.approx(wanted)
    whole = squeezed.predict(np.where(mask[..., None], x, 7.0), mask=mask)
    for k, one in enumerate(y):
        np.testing.assert_allclose(one, whole[: lengths[k], k])
    np.testing.assert_allclose(squeezed.encode(ragged, 2), squeezed.encode(x, 2, mask=mask))
    with pytest.raises(ConfigError, match='x always has 4 time steps'):
        squeezed.train(ragged, bucket=True)
    with pytest.raises(ShapeError, match='has 5 time steps'):
        squeezed.train([np.ones((5, I)), np.ones((2, I))])


def test_any_other_number_of_steps_is_refused(squeezed, x):
    with pytest.raises(ShapeError, match=r'x has 3 time steps, .*this network has 4'):
        squeezed.train([x[:3], MASK[:3]])
    with pytest.raises(ShapeError, match='this network has 4'):
        squeezed.encode(x[:3])


# --- what is not like the input


@pytest.mark.parametrize(
    ('layers', 'message'),
    [
        ([3, 2, 4], "compares 'out:out' with its input; it has 4 features, and the input 3"),
        (
            [
                3,
                ('rnn', 2),
                dict(form='input', size=2, name='extra'),
                dict(size=3, inputs=('hid1', 'extra')),
            ],
            'so it must have one input; got x, extra',
        ),
        ([5, ('embedding', 2), ('rnn', 2), 5], 'an embedding reads tokens'),
        ([3, ('rnn', 2), 'last', 3], 'has no time axis, and the input one'),
        (
            [dict(form='input', size=3, ndim=2), ('repeat', 4), ('rnn', 2), 3],
            'has a time axis, and the input none',
        ),
        ([3, dict(form='conv1', size=2, filter_size=2), 3], "layer 'hid1' has others"),
        ([3, ('flatten', 4), ('repeat', 5), ('rnn', 2), 3], "layer 'hid2' has 5"),
    ],
)
def test_outputs_that_are_not_like_the_input(layers, message):
    with pytest.raises(ConfigError, match=message):
        rnnkit.Autoencoder(layers)


def test_losses_of_labels_and_second_arrays_are_refused(net, x):
    with pytest.raises(ConfigError, match="Autoencoder: loss 'xe' is for targets that are class"):
        rnnkit.Autoencoder([3, (3, 'softmax')], loss='xe')
    with pytest.raises(DataError, match=r'train: expects 1 arrays \[x\]; got 2'):
        net.train([x, x])
    with pytest.raises(DataError, match='train: expects {x}; got a dict of'):
        net.train({'x': x, 'y': x})
    with pytest.raises(DataError, match='the target is x itself; leave y out'):
        net.gradient_flow(x, x)


def test_a_loss_may_be_particular_about_the_target_but_not_about_what_is_read(rng):
    net, x = rnnkit.Autoencoder([3, 2, 3], loss='bce', seed=0), rng.random((4, 3))
    assert net.layers[-1].activation == 'sigmoid'
    _, valid = net.train(x, **FREE)
    p = net.predict(x)
    assert valid['loss'] == pytest.approx(-(x * np.log(p) + (1 - x) * np.log(1 - p)).mean())
    with pytest.raises(DataError, match='a target of this loss is 0 for no'):
        net.train(x + 1)
    assert net.predict(x + 1).shape == x.shape


# --- the rest of a network


def test_files_and_specs(net, x, tmp_path):
    net.save(tmp_path / 'net')
    same = rnnkit.load(tmp_path / 'net')
    assert type(same) is rnnkit.recurrent.Autoencoder is rnnkit.Autoencoder
    np.testing.assert_array_equal(same.predict(x), net.predict(x))
    spec = json.loads(json.dumps(net.to_spec()))
    assert spec['model'] == 'Autoencoder'
    assert rnnkit.from_spec(spec).to_spec() == spec
    assert 'Autoencoder, ' in net.summary()


def test_a_training_is_resumed_bit_for_bit(x, tmp_path):
    run = {'batch_size': 5, 'validate_every': 1, 'input_noise': 0.3, 'seed': 4}
    x, net = x.reshape(-1, I), rnnkit.Autoencoder([I, (2, 'tanh'), I], seed=0)
    start = [p.get_value() for p in net.params]
    net.train(x, epochs=4, **run)
    wanted = [p.get_value() for p in net.params]
    net.train(x, epochs=4, **run)  # moves on, so that the file has to bring all back
    for p, value in zip(net.params, start, strict=True):
        p.set_value(value)
    net.train(x, epochs=2, checkpoint=tmp_path / 'run', **run)
    net.train(x, epochs=4, resume=tmp_path / 'run', **run)
    for p, value in zip(net.params, wanted, strict=True):
        np.testing.assert_array_equal(p.get_value(), value)


def test_states_and_windows(net, x):
    y, state = net.predict(x[:2], return_state=True)
    rest = net.predict(x[2:], state=state)
    np.testing.assert_allclose(np.concatenate([y, rest]), net.predict(x), rtol=1e-12)
    _, valid = net.train(x, carry_state=True, bptt_steps=2, **FREE)
    assert valid['loss'] == pytest.approx(((net.predict(x) - x) ** 2).mean())


def test_gradient_flow(net, x):
    assert net.gradient_flow(x)['hid1'].shape == (T,)
