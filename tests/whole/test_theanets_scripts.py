"""Scripts that make the calls of theanets' README, guide and examples, with one import changed.

What is written in the words of 0.7 runs without a warning. `QUICK` stands for the patience that
such scripts have.
"""

import logging

import numpy as np
import pytest

import rnnkit as theanets
from rnnkit import Network

QUICK = {'epochs': 2}
OLD = pytest.mark.filterwarnings('ignore::DeprecationWarning')


def blobs(n=120, k=3, features=6, seed=0):
    """Return points around k centres, and the numbers of these."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    centres = 3 * np.random.default_rng(99).standard_normal((k, features))
    samples = centres[labels] + rng.standard_normal((n, features))
    return samples.astype('f'), labels.astype('i')


# --- the guide


def test_a_model_is_made_trained_and_used():
    x = np.random.default_rng(0).standard_normal((60, 5)).astype('f')
    y = x[:, :2] - x[:, 2:4]
    net = theanets.Regressor([5, 12, 2])
    net.train([x[:50], y[:50]], [x[50:], y[50:]], algo='rmsprop', hidden_l1=0.01, epochs=60)
    assert net.predict(x).shape == (60, 2)
    assert net.score(x[50:], y[50:]) > 0.5


@pytest.mark.skipif(not hasattr(Network, 'add_loss'), reason='networks have one loss')
def test_a_loss_is_added():
    x = np.random.default_rng(0).standard_normal((20, 5)).astype('f')
    net = theanets.Regressor([5, 4, 2])
    net.add_loss('mae', weight=0.1)
    net.train([x, x[:, :2]], **QUICK)
    assert np.isfinite(net.history[-1]['loss'])


@pytest.mark.parametrize(
    'layers',
    [
        (4, 5, 6, 2),
        [4, (5, 'sigmoid'), (6, 'softmax')],
        [4, dict(size=5, activation='tanh'), 2],
        [4, dict(size=5, sparsity=0.9), 2],
        [4, dict(form='ff', size=5, std=0.1, mean_b=0.2), ('linear', 2)],
        (4, (5, 'relu+norm:z'), (6, 'tanh+norm:mean'), 2),
        [(4,), (5, 'trel'), (5, 'lgrelu'), (5, 'elu'), 2],
        [dict(form='input', size=4, name='src'), ('prelu', 5), ('feedforward', 2)],
    ],
)
def test_layers_of_the_guide(layers):
    net = theanets.Regressor(layers)
    assert net.predict(np.ones((3, 4), 'f')).shape[0] == 3


def test_a_rate_that_falls_from_one_training_to_the_next():
    train, valid = blobs(), blobs(seed=1)
    net = theanets.Classifier(layers=[6, 5, 3])
    for e in (-2, -3, -4):
        net.train(
            train, valid, algo='nag', learning_rate=10**e, momentum=1 - 10 ** (e + 1), **QUICK
        )
    net.train(train, valid, algo='rmsprop', learning_rate=0.0001, momentum=0.9, **QUICK)
    assert [record['training'] for record in net.history] == [1, 1, 2, 2, 3, 3, 4, 4]


def test_training_as_iteration():
    net = theanets.Classifier([6, 3])
    losses = []
    for train, valid in net.itertrain(blobs(), blobs(seed=1), learning_rate=0.05, epochs=15):
        losses.append((train['loss'], valid['loss'], train['err'], valid['acc']))
    assert losses[-1][0] < losses[0][0]
    assert losses[-1][1] < 0.9 * losses[0][1]
    assert 0 <= losses[-1][3] <= 1


def test_multi_scale_graph():
    hidden = [dict(size=4, name=name) for name in 'abc']
    last = dict(size=3, inputs={'a:out': 4, 'b:out': 4, 'c:out': 4})
    with pytest.warns(DeprecationWarning, match='write inputs='):
        net = theanets.Classifier((6, *hidden, last))
    net.train(blobs(), **QUICK)
    assert {p.name for p in net.params} >= {'out.w_a:out', 'out.w_b:out', 'out.w_c:out'}


def test_outputs_and_parameters_are_looked_at():
    net = theanets.Classifier([16, 9, 3])
    x = np.ones((7, 16), 'f')
    sums = {name: abs(value).sum(axis=1) for name, value in net.feed_forward(x).items()}
    assert {name: a.shape for name, a in sums.items()} == dict.fromkeys(net.outputs, (7,))
    image = np.zeros((12, 12), 'f')
    for i, pixels in enumerate(net.find('hid1', 'w').get_value().T):
        r, c = divmod(i, 3)
        image[r * 4 : (r + 1) * 4, c * 4 : (c + 1) * 4] = pixels.reshape((4, 4))
    assert image.any()
    np.testing.assert_array_equal(net.find(1, 0).get_value(), net.find('hid1', 'w').get_value())
    net.find('hid1', 'b').set_value(np.ones(9, 'f'))
    assert net.predict_proba(x).shape == net.predict_logit(x).shape == (7, 3)
    e = np.exp(net.predict_logit(x))
    np.testing.assert_allclose(e / e.sum(axis=1, keepdims=True), net.predict_proba(x), rtol=1e-5)


def test_models_are_saved_and_loaded(tmp_path):
    net = theanets.Classifier([6, 5, 3])
    path = f'{tmp_path}/model.pkl'
    with pytest.warns(DeprecationWarning, match=r"a suitable name is 'model\.safetensors'"):
        net.save(path)
    x, _ = blobs()
    for load in (theanets.Classifier.load, theanets.Network.load, theanets.load):
        np.testing.assert_array_equal(load(path).predict_proba(x), net.predict_proba(x))
    with pytest.raises(theanets.ConfigError, match='is a Classifier; write rnnkit.Classifier.load'):
        theanets.Regressor.load(path)
    with pytest.warns(DeprecationWarning, match='leaves this network as it is'):
        same = net.load(path)
    assert same is not net


@pytest.mark.parametrize('start', [b'\x80\x02}q\x01.', b'\x1f\x8b\x08\x00abc', b'(dp0\n.'])
def test_files_of_theanets_are_told_apart(tmp_path, start):
    path = tmp_path / 'net.pkl.gz'
    path.write_bytes(start)
    with pytest.raises(theanets.FormatError, match='a pickle, as theanets writes them'):
        theanets.load(path)
    other = tmp_path / 'net.safetensors'
    other.write_bytes(b'12345678 no pickle')
    with pytest.raises(theanets.FormatError) as caught:
        theanets.load(other)
    assert 'pickle' not in str(caught.value)


# --- customizing


@pytest.fixture
def forgotten():
    """Forget the regularizers that a test has added."""
    known = theanets.regularizers.regularizers._members
    before = set(known)
    yield
    for name in set(known) - before:
        del known[name]


@pytest.mark.usefixtures('forgotten')
def test_a_regularizer_of_ones_own():
    with pytest.warns(DeprecationWarning, match=r"regularizers.add\('shrink'\)") as caught:

        class Shrink(theanets.Regularizer):
            def loss(self, layers, outputs):
                assert [layer.name for layer in layers] == ['hid1', 'out']
                assert {'in:out', 'hid1:out', 'out:out'} <= set(outputs)
                return sum((p * p).sum() for l in layers for p in l.params if p.ndim == 2)  # noqa: E741

    assert caught[0].filename == __file__
    x, _ = blobs(n=40)
    one, two = (theanets.Regressor([6, (4, 'linear'), 6], seed=1) for _ in range(2))
    one.train([x, x], shrink=0.0, weight_l2=0.001, **QUICK)
    two.train([x, x], shrink=dict(weight=5.0), weight_l2=0.001, **QUICK)
    sizes = [sum((p.get_value() ** 2).sum() for p in net.params) for net in (one, two)]
    assert sizes[1] < sizes[0]
    assert two.history[-1]['loss'] > two.history[-1]['err'] + 1


@pytest.mark.usefixtures('forgotten')
@OLD
def test_regularizers_that_cannot_be():
    with pytest.raises(theanets.ConfigError, match='modify_graph'):
        type('Noisy', (theanets.Regularizer,), {'modify_graph': lambda self, outputs: outputs})
    with pytest.raises(theanets.ConfigError, match='already a regularizer'):
        type('Weight_L2', (theanets.Regularizer,), {})
    type('Lazy', (theanets.Regularizer,), {})
    with pytest.raises(NotImplementedError, match='Lazy must define loss'):
        theanets.Regressor([2, 1]).train([np.ones((3, 2)), np.ones((3, 1))], lazy=0.1, **QUICK)


# --- the README: classification


@OLD
def test_classification_with_an_experiment():
    train, valid = blobs(), blobs(seed=1)
    exp = theanets.Experiment(theanets.Classifier, layers=(6, 3))
    exp.train(train, valid, algo='sgd', learning_rate=0.05, momentum=0.9, epochs=20)
    for x, y in (train, valid):
        assert (exp.network.predict(x) == y).mean() > 0.9
    assert exp.network.score(*valid) > 0.9


@OLD
@pytest.mark.long
def test_many_trainings_in_a_row(tmp_path):
    train, valid = blobs(), blobs(seed=1)
    foo = dict(name='foo', size=10, std=1, sparsity=0.9)
    exp = theanets.Experiment(theanets.Classifier, (6, foo, (8, 'maxout:4'), (8, 'relu'), 3))
    exp.train(train, valid, hidden_l1=0.001, weight_l2=0.001, **QUICK)
    exp.train(train, valid, hidden_dropout=0.5, **QUICK)
    exp.train(train, valid, dropout={'foo:out': 0.5}, **QUICK)
    for options in [
        dict(input_noise=0.3),
        dict(algo='rmsprop'),
        dict(algo='nag'),
        dict(input_noise=0.7),
        dict(algo='rmsprop', learning_rate=0.1),
        dict(algo='rmsprop', learning_rate=0.01),
    ]:
        tm, vm = exp.train(train, valid, **options, **QUICK)
        assert {'loss', 'err', 'acc'} <= set(tm)
        assert {'loss', 'err', 'acc'} <= set(vm)
    exp.save(tmp_path / 'exp')
    other = theanets.Experiment(tmp_path / 'exp')
    np.testing.assert_array_equal(other.network.predict(valid[0]), exp.network.predict(valid[0]))
    again = theanets.Experiment(theanets.Classifier, (6, 3))
    assert again.load(tmp_path / 'exp') is again.network
    assert theanets.Experiment(again.network).network is again.network


def test_an_experiment_says_what_to_write():
    with pytest.warns(DeprecationWarning, match=r'write net = rnnkit.Regressor\(') as caught:
        theanets.Experiment(theanets.Regressor, layers=(2, 1))
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ((3,), 'expects a class'),
        ((dict,), 'expects a class'),
        ((theanets.Regressor([2, 1]), [2, 1]), 'further arguments'),
        ((theanets.Regressor, [2, 'conv2', 1]), 'conv2'),
    ],
)
@OLD
def test_an_experiment_that_makes_no_sense_is_an_error(given, message):
    with pytest.raises(theanets.ConfigError, match=message):
        theanets.Experiment(*given)


def test_log(caplog):
    with caplog.at_level(logging.INFO, 'rnnkit'):
        theanets.log('loss {:.2f} after {} epochs', 0.456, 3)
        theanets.log('as it is: {}')
    assert [r.getMessage() for r in caplog.records] == ['loss 0.46 after 3 epochs', 'as it is: {}']
    assert {(r.name, r.levelname) for r in caplog.records} == {('rnnkit', 'INFO')}


# --- texts


@pytest.mark.long
def test_a_text_is_learned_and_goes_on():
    chars = 'what goes up must come down; ' * 30
    txt = theanets.recurrent.Text(chars, min_count=10)
    size = 1 + len(txt.alpha)
    net = theanets.recurrent.Classifier([size, (12, 'gru'), (20, 'relu'), size], seed=2)
    seed = txt.encode(txt.text[5:15])
    shares = []
    for tm, _ in net.itertrain(
        txt.classifier_batches(8, 8, rng=4),
        momentum=0.9,
        epochs=2,
        train_batches=60,
        valid_batches=1,
        learning_rate=0.005,
    ):
        shown = txt.decode(net.predict_sequence(seed, 12))
        shares.append(100 * tm['acc'])
    assert len(shown) == 12
    assert shares[-1] > 60
    steps = list(net.predict_sequence(seed, 9, streams=3))
    streams = [txt.decode(stream) for stream in np.transpose(steps)]
    assert [len(one) for one in streams] == [9, 9, 9]


@pytest.mark.parametrize(
    'layer',
    [
        dict(form='rnn', activation='sigmoid'),
        dict(form='gru', activation='sigmoid'),
        dict(form='scrn', activation='linear'),
        dict(form='lstm'),
        dict(form='mrnn', activation='sigmoid', factors=3),
        dict(form='clockwork', activation='linear', periods=(1, 2, 4)),
    ],
    ids=lambda layer: layer['form'],
)
def test_forms_of_recurrent_layers(layer):
    layer.update(size=6)
    text = theanets.recurrent.Text('abcabcabca' * 20)
    net = theanets.recurrent.Classifier([4, layer, 5, 4])
    for tm, _ in net.itertrain(
        text.classifier_batches(6, 4),
        min_improvement=0.99,
        validate_every=50,
        patience=0,
        algo='rmsprop',
        learning_rate=0.0001,
        epochs=1,
        train_batches=2,
        valid_batches=1,
    ):
        assert np.isfinite(tm['loss'])


# --- sequences of numbers

T, K, BATCH_SIZE = 8, 2, 16


def test_memory_task():
    rng = np.random.default_rng(3)

    def generate():
        s, t = rng.standard_normal((2, T, BATCH_SIZE, 1)).astype('f')
        s[:K] = t[-K:] = rng.standard_normal((K, BATCH_SIZE, 1))
        return [s, t]

    net = theanets.recurrent.Regressor(layers=[1, ('lstm', 10), 1])
    net.train(generate, algo='rmsprop', **QUICK, train_batches=3, valid_batches=1)
    assert net.predict(generate()[0]).shape == (T, BATCH_SIZE, 1)


@OLD
def test_memory_task_of_old_with_weights():
    rng = np.random.default_rng(3)
    mask = np.ones((T, BATCH_SIZE, 1), bool)
    mask[: T - K - 1] = 0

    def generate():
        s, t = rng.standard_normal((2, T, BATCH_SIZE, 1)).astype('f')
        s[:K] = t[-K:] = rng.standard_normal((K, BATCH_SIZE, 1))
        return s, t, mask

    e = theanets.Experiment(
        theanets.recurrent.Regressor,
        layers=(1, dict(form='rnn', activation='relu', size=10, diagonal=1), 1),
        weighted=True,
    )
    np.testing.assert_array_equal(e.network.find('hid1', 'hh').get_value(), np.eye(10))
    e.train(
        generate,
        batch_size=BATCH_SIZE,
        algorithm='rmsprop',
        max_gradient_norm=1,
        learning_rate=0.001,
        momentum=0.9,
        monitor_gradients=True,
        max_updates=2,
        train_batches=3,
        valid_batches=1,
    )
    s, t, w = generate()
    assert e.network.predict(s).shape == t.shape
    assert np.isfinite(e.network.score(s, t, w))


def test_batch_first_data_of_later_versions():
    x = np.random.default_rng(0).standard_normal((10, 7, 2)).astype('f')
    net = theanets.recurrent.Regressor([2, dict(form='rnn', size=5, radius=0.9), 1], layout='batch')
    net.train([x, x[..., :1]], **QUICK)
    assert net.predict(x).shape == (10, 7, 1)
    draw = theanets.recurrent.batches([x[0], x[0, :, :1]], steps=3, batch_size=4, layout='batch')
    net.train(draw, **QUICK, train_batches=1, valid_batches=1)


@OLD
@pytest.mark.long
def test_speech_of_old():
    rng = np.random.default_rng(0)

    def batch():
        lengths = rng.integers(3, 6, 4)
        weights = (np.arange(5)[:, None] < lengths).astype('f')
        return [rng.standard_normal((5, 4, 3)).astype('f'), rng.integers(0, 3, (5, 4)), weights]

    layer = dict(form='bidirectional', worker='lstm', size=4)
    layers = (3, layer, 3)
    e = theanets.Experiment(theanets.recurrent.Classifier, layers=layers, weighted=True)
    e.train(batch, batch, input_noise=0.6, train_batches=3, valid_batches=1, batch_size=4, **QUICK)
    assert e.network.predict(batch()[0]).shape == (5, 4)


# --- more examples of old


@OLD
def test_xor_of_old():
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], 'f')
    y = np.array([[0], [1], [1], [0]], 'f')
    e = theanets.Experiment(theanets.Regressor, layers=(2, (6, 'tanh'), 1), rng=4)
    e.train([x, y], optimize='rprop', patience=10, batch_size=4, max_updates=300)
    np.testing.assert_allclose(e.network.predict(x), y, atol=0.2)


@OLD
def test_weighted_classification_of_old(tmp_path):
    samples, labels = blobs(k=2)
    weights = np.ones_like(labels)
    weights[labels.nonzero()] *= 10
    data = [samples.astype('float32'), labels.astype('int32'), weights.astype('float32')]
    exp = theanets.Experiment(
        theanets.Classifier, (6, 4, 2), weighted=True, hidden_activation='logistic', seed=1
    )
    exp.train(
        data,
        data,
        optimize='sgd',
        hidden_dropouts=0.1,
        input_noise=0.1,
        learning_rate=0.5,
        save_progress=f'{tmp_path}/net-{{}}.pkl.gz',
        save_every=2,
        max_updates=20,
    )
    assert (exp.network.classify(samples) == labels).mean() > 0.9
    assert (tmp_path / 'net-20.pkl.gz').exists()


@pytest.mark.skipif(not hasattr(theanets, 'Autoencoder'), reason='there are no autoencoders')
def test_autoencoder_of_the_guide():
    x, _ = blobs()
    net = theanets.Autoencoder(layers=(6, (4, 'linear'), (6, 'tied')))
    net.train(x, algo='rmsprop', input_noise=0.1, hidden_l1=0.01, **QUICK)
    assert net.predict(x).shape == x.shape
    assert net.encode(x).shape == (120, 4)
    assert net.decode(net.encode(x)).shape == x.shape
