"""Losses as networks use them: options, outputs, and the activation of the last layer."""

import json

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import ConfigError, DataError


class Own(rnnkit.losses.Loss):
    """A loss of a user's own, without a name."""

    integer_targets = True

    def errors(self, output, target):
        return output[..., 0] - target


def test_options_are_used_and_written(tmp_path, rng):
    spec = dict(form='huber', delta=0.25)
    net = rnnkit.Regressor([1, 2], loss=spec, dtype='float64', seed=0)
    x, y = rng.standard_normal((2, 9, 1))
    y = np.concatenate([y, y], axis=1)
    found, _ = net.train([x, y], epochs=1, learning_rate=1e-9)
    d = abs(net.predict(x) - y)
    wanted = np.where(d < 0.25, d**2 / 2, 0.25 * (d - 0.125)).mean()
    assert found['loss'] == pytest.approx(wanted, rel=1e-6)  # after a tiny step
    assert json.loads(json.dumps(net.to_spec()))['loss'] == spec
    net.save(tmp_path / 'net.rnn')
    assert rnnkit.load(tmp_path / 'net.rnn').loss.delta == 0.25


@pytest.mark.parametrize(
    ('loss', 'activation'),
    [
        ('bce', 'sigmoid'),
        ('kl', 'softmax'),
        ('poisson', 'exp'),
        ('huber', 'linear'),
    ],
)
def test_the_last_layer_has_the_activation_of_the_loss(loss, activation):
    net = rnnkit.Regressor([2, 3, 2], loss=loss, seed=0)
    assert net.layers[-1].activation == activation
    again = rnnkit.from_spec(net.to_spec())
    assert again.layers[-1].activation == activation
    x = np.ones((4, 2))
    found = net.feed_forward(x)
    z, out = found['out:pre'], found['out:out']
    e = np.exp(z)
    wanted = {
        'sigmoid': e / (1 + e),
        'softmax': e / e.sum(-1, keepdims=True),
        'exp': e,
        'linear': z,
    }[activation]
    np.testing.assert_allclose(out, wanted, rtol=1e-5)


@pytest.mark.parametrize('layer', [(2, 'sigmoid'), (2, 'logistic'), dict(size=2, b=1.0)])
def test_saying_the_activation_is_fine(layer):
    rnnkit.Regressor([2, 3, layer], loss='bce')


@pytest.mark.parametrize(
    ('layer', 'loss', 'message'),
    [
        ((2, 'relu'), 'bce', "loss 'bce' expects a last layer with activation 'sigmoid', which"),
        ((2, 'tanh+sigmoid'), 'bce', "with 'tanh\\+sigmoid'"),
        (('rnn', 2), 'bce', "got 'rnn' with 'tanh'"),
        (('lstm', 2), 'kl', "got 'lstm' with 'tanh'"),
        (2, 'gll', "loss 'gll': reads 'mean:out', which does not exist in this network"),
        (
            2,
            dict(form='gll', mean_name='out', covar_name='hid1'),
            "loss 'gll': its outputs must have the same size; 'out:out' has 2, 'hid1:out' has 3",
        ),
        (2, '', "a loss must be a name such as 'mse'"),
        (2, 'hinge', "Regressor: loss 'hinge' is for targets that are class labels"),
        (2, Own(), "Regressor: loss 'Own' is for targets that are class labels"),
    ],
)
def test_networks_that_do_not_fit_their_loss(layer, loss, message):
    with pytest.raises(ConfigError, match=message):
        rnnkit.Regressor([2, 3, layer], loss=loss)


def test_gaussian_likelihood_finds_mean_and_variance(rng):
    x = np.repeat([[0.0], [1.0]], 500, axis=0)
    y = np.where(x > 0, 3, -1) + np.where(x > 0, 2.0, 0.5) * rng.standard_normal(x.shape)
    net = rnnkit.Regressor(
        [
            1,
            dict(size=1, name='covar', activation='softplus'),
            dict(size=1, name='mean', inputs='in'),
        ],
        loss='gll',
        dtype='float64',
        seed=0,
    )
    net.train([x, y], epochs=250, batch_size=1000, learning_rate=0.2, algo='adam')
    found = net.feed_forward(np.array([[0.0], [1.0]]))
    groups = [y[x == value] for value in (0, 1)]
    assert net.predict([[0.0], [1.0]])[:, 0] == pytest.approx([g.mean() for g in groups], abs=0.1)
    assert found['covar:out'][:, 0] == pytest.approx([g.var() for g in groups], rel=0.1)


def test_hinge_trains_a_classifier(rng):
    x = rng.standard_normal((100, 2))
    y = (x.sum(-1) > 0).astype(int)
    net = rnnkit.Classifier([2, 2], loss='hinge', seed=0)
    net.train([x, y], epochs=40, learning_rate=0.05, algo='adam')
    assert net.score(x, y) > 0.95


def test_losses_stay_as_they_are_while_a_training_goes_on():
    net, x = rnnkit.Regressor([2, 2], seed=0), np.ones((4, 2))
    for epochs, _ in enumerate(net.itertrain([x, x], epochs=2)):
        with pytest.raises(ConfigError, match='a training of this network is going on'):
            net.add_loss('mae') if epochs else net.set_loss('mae')
    next(net.itertrain([x, x]))  # a loop that is left
    with pytest.raises(DataError, match=r'train callable has no further batch.*StopIteration'):
        net.train(iter([[x, x]]).__next__, train_batches=2)
    net.add_loss('mae')
    assert len(net.losses) == 2


@pytest.mark.parametrize('kernel', [None, False])
def test_label_smoothing_against_numpy(kernel):
    """The loss, and a step of gradient descent: so also the gradient."""
    rng = np.random.default_rng(0)
    s, x, k = 0.2, rng.standard_normal((9, 4)), rng.integers(0, 3, 9)
    w, b = rng.standard_normal((4, 3)), rng.standard_normal(3)
    net = rnnkit.Classifier(
        [4, 3], loss=dict(form='xe', smoothing=s), dtype='float64', seed=0, kernel=kernel
    )
    net.set('out', 'w', w)
    net.set('out', 'b', b)
    z = x @ w + b
    log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
    aim = (1 - s) * np.eye(3)[k] + s / 3
    wanted = -(aim * log_p).sum(-1).mean()
    report = net.evaluate(x, k, monitors='xe')
    assert report['err'] == pytest.approx(wanted, rel=1e-12)
    assert report['xe'] == pytest.approx(-log_p[np.arange(9), k].mean(), rel=1e-12)
    assert report['acc'] == (z.argmax(-1) == k).mean()
    slope = (np.exp(log_p) - aim) / 9
    net.train([x, k], algo='sgd', learning_rate=0.1, momentum=0, epochs=1, progress=False)
    np.testing.assert_allclose(net.find('out', 'w').get_value(), w - 0.1 * x.T @ slope, rtol=1e-10)
    np.testing.assert_allclose(net.find('out', 'b').get_value(), b - 0.1 * slope.sum(0), rtol=1e-10)
    assert net.to_spec()['loss'] == {'form': 'xe', 'smoothing': s}
    assert rnnkit.Classifier([4, 3]).to_spec()['loss'] == 'xe'


@pytest.mark.parametrize('smoothing', [1, -0.1, 'a', None])
def test_label_smoothing_is_a_share(smoothing):
    with pytest.raises(ConfigError, match='smoothing must be a finite number of at least 0 and b'):
        rnnkit.Classifier([4, 3], loss=dict(form='xe', smoothing=smoothing))


LEVELS = [0.1, 0.5, 0.9]


@pytest.mark.parametrize(
    ('loss', 'k'),
    [(dict(form='quantile', q=LEVELS), 1), ('gaussian', 0), (dict(form='student'), 0)],
)
def test_a_loss_of_several_numbers_for_each_target(loss, k, tmp_path, rng):
    """Scores and metrics compare the median or the location; files keep the loss."""
    n = 3 if loss != 'gaussian' else 2
    net = rnnkit.Regressor([1, ('rnn', 3), 2 * n], loss=loss, dtype='float64', seed=0)
    x, y = rng.standard_normal((5, 4, 1)), rng.standard_normal((5, 4, 2))
    out = net.predict(x)
    assert out.shape == (5, 4, 2 * n)
    central = out[..., 2 * k : 2 * k + 2]
    report = net.evaluate(x, y, monitors=['mse', 'r2'])
    assert report['mse'] == pytest.approx(((central - y) ** 2).mean(), rel=1e-12)
    assert net.score(x, y) == pytest.approx(rnnkit.metrics.r2(y, central), rel=1e-12)
    assert net.score(x, y) == pytest.approx(report['r2'], rel=1e-9)
    net.train([x, y], epochs=1, progress=False)
    net.save(tmp_path / 'net.rnn')
    again = rnnkit.load(tmp_path / 'net.rnn')
    assert again.loss.to_spec() == net.loss.to_spec()
    np.testing.assert_array_equal(again.predict(x), net.predict(x))


def test_quantiles_of_several_targets_are_found(rng):
    x = np.ones((2000, 1))
    y = np.stack([rng.standard_normal(2000), 3 + 2 * rng.standard_normal(2000)], axis=1)
    loss = dict(form='quantile', q=LEVELS)
    net = rnnkit.Regressor([1, 6], loss=loss, dtype='float64', seed=0)
    options = dict(algo='adam', learning_rate=0.1, batch_size=2000, progress=False)
    net.train([x, y], epochs=200, patience=300, **options)
    found = net.predict(x[:1]).reshape(3, 2)
    np.testing.assert_allclose(found, np.quantile(y, LEVELS, axis=0), atol=0.05)


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (
            lambda: rnnkit.Regressor([1, 4], loss=dict(form='quantile', q=LEVELS)),
            "loss 'quantile' reads 3 numbers for each target, so the size of 'out:out' must be a "
            'multiple of 3; got 4',
        ),
        (
            lambda: rnnkit.Regressor([1, 2], loss='gaussian', scale_targets=True),
            "scale_targets=True: the output that loss 'gaussian' reads has 2 numbers for each "
            'target, which cannot be scaled; scale the targets before, and leave it out',
        ),
    ],
)
def test_sizes_that_do_not_fit_several_numbers(make, message):
    with pytest.raises(ConfigError) as caught:
        make()
    assert str(caught.value) == message


def test_targets_of_a_wrong_size_for_several_numbers():
    net = rnnkit.Regressor([1, 4], loss='gaussian', seed=0)
    with pytest.raises(rnnkit.errors.ShapeError) as caught:
        net.train([np.ones((5, 1)), np.ones((5, 4))], epochs=1)
    assert str(caught.value) == (
        'train: y has 4 features (its last axis, shape (5, 4)); '
        "the last layer with loss 'gaussian' has 2"
    )


def test_an_autoencoder_with_a_distribution(rng):
    net = rnnkit.Autoencoder([2, 3, 4], loss='gaussian', seed=0)
    x = rng.standard_normal((30, 2))
    net.train([x], epochs=2, progress=False)
    mean, deviation = net.loss.parameters(net.predict(x))
    assert mean.shape == deviation.shape == (30, 2)
    assert net.score(x) == pytest.approx(rnnkit.metrics.r2(x, mean), rel=1e-5)  # float32
