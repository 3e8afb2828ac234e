"""`Network.evaluate`: losses on given data, against NumPy, whatever the size of the batches."""

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import ConfigError, DataError, ShapeError

T, B = 5, 7
RNG = np.random.default_rng(3)
X = RNG.standard_normal((T, B, 2))
Y = RNG.uniform(0.1, 0.9, (T, B, 2))
LENGTHS = [5, 1, 3, 2, 5, 4, 1]
MASK = np.arange(T)[:, None] < np.array(LENGTHS)
SIZES = pytest.mark.parametrize('batch_size', [1, 3, 32])


def network(kind=rnnkit.Regressor, loss=None, layers=(2, ('rnn', 3), 2), **options):
    return kind(list(layers), loss, seed=0, dtype='float64', **options)


def log_bernoulli(p, y):
    return -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()


LOSSES = {
    'mse': lambda p, y: ((p - y) ** 2).mean(),
    'mae': lambda p, y: abs(p - y).mean(),
    'bce': log_bernoulli,
    'poisson': lambda p, y: (p - y * np.log(p)).mean(),
}


@SIZES
@pytest.mark.parametrize('loss', LOSSES)
def test_a_loss_against_numpy(loss, batch_size):
    net = network(loss=loss)
    expected = LOSSES[loss](net.predict(X), Y)
    results = net.evaluate(X, Y, batch_size=batch_size)
    assert results == {'loss': pytest.approx(expected, rel=1e-12), 'err': results['loss']}


@SIZES
def test_labels(batch_size):
    net = network(rnnkit.Classifier)
    labels = RNG.integers(0, 2, (T, B))
    p = np.take_along_axis(net.predict_proba(X), labels[..., None], axis=-1)
    results = net.evaluate(X, labels, batch_size=batch_size)
    assert results['loss'] == pytest.approx(-np.log(p).mean(), rel=1e-12)
    assert results['acc'] == pytest.approx(net.score(X, labels), rel=1e-12)


@SIZES
def test_sequences_of_different_lengths(batch_size):
    net = network(masked=True, loss='bce')
    expected = log_bernoulli(net.predict(X, mask=MASK)[MASK], Y[MASK])
    of_arrays = net.evaluate(X, Y, mask=MASK, batch_size=batch_size)
    lists = [[a[:n, k] for k, n in enumerate(LENGTHS)] for a in (X, Y)]
    of_lists = net.evaluate(*lists, batch_size=batch_size)
    assert of_arrays['loss'] == pytest.approx(expected, rel=1e-12)
    assert of_lists['loss'] == pytest.approx(expected, rel=1e-12)


@SIZES
def test_weights_and_several_losses(batch_size):
    net = network(weighted=True)
    net.add_loss('mae', weight=0.5, weighted=False)
    w = RNG.uniform(0, 1, (T, B, 2)) * (np.arange(B) > 2)[:, None]
    d = net.predict(X) - Y
    err, mae = (w * d**2).sum() / w.sum(), abs(d).mean()
    results = net.evaluate(X, Y, w, batch_size=batch_size)
    assert results == {
        'loss': pytest.approx(err + 0.5 * mae, rel=1e-12),
        'err': pytest.approx(err, rel=1e-12),
        'mae': pytest.approx(mae, rel=1e-12),
    }


def test_it_is_what_a_validation_reports_and_compiles_nothing_more(monkeypatch):
    net = network(kind=rnnkit.Classifier)
    data = [X, RNG.integers(0, 2, (T, B))]
    _, valid = net.train(data, data, epochs=2, monitors='f1')
    monkeypatch.setattr('pytensor.function', None)
    assert net.evaluate(*data, monitors='f1') == valid


def test_an_autoencoder_has_no_y():
    net = network(rnnkit.Autoencoder, layers=(2, ('rnn', 3), ('rnn', 2)))
    results = net.evaluate(X, batch_size=2)
    assert results['loss'] == pytest.approx(((net.predict(X) - X) ** 2).mean(), rel=1e-12)


def test_it_changes_nothing():
    net = network()
    before = [p.get_value() for p in net.params]
    net.evaluate(X, Y)
    assert all(map(np.array_equal, before, [p.get_value() for p in net.params]))
    assert len(net.history) == 0
    assert net._trainings == 0


@pytest.mark.parametrize(
    ('keywords', 'error', 'message'),
    [
        ({'y': Y[:, :3]}, ShapeError, r'evaluate\(\): y has'),
        ({'batch_size': 0}, ConfigError, r'evaluate\(\): batch_size must be a whole number'),
        ({'monitors': 'gradients'}, ConfigError, 'an evaluation has no gradients'),
        ({'monitors': 'accuracy'}, ConfigError, "'accuracy' is for targets that are class labels"),
        ({'weights': 0 * Y}, DataError, r'evaluate\(\): all weights are 0'),
    ],
)
def test_mistakes(keywords, error, message):
    net = network(weighted=True)
    with pytest.raises(error, match=message):
        net.evaluate(**{'x': X, 'y': Y, 'weights': np.ones_like(Y), **keywords})


def test_an_output_that_is_not_a_number_is_named():
    """Else NaN would count as one of the classes."""
    net = network(rnnkit.Classifier)
    net.find('out', 'b').set_value(np.array([0.0, np.nan]))
    with pytest.raises(DataError, match=r"evaluate\(\): .* parameter 'out.b' contains nan"):
        net.evaluate(X, np.zeros((T, B), int))


@pytest.mark.parametrize('scale', [1e-19, 1e-12, 1.0, 1e12])
def test_the_scale_of_weights_does_not_matter(scale):
    net = rnnkit.Regressor([2, ('rnn', 3), 2], weighted=True, seed=0)
    target = net.predict(X) + 0.01
    expected = net.evaluate(X, target, np.ones_like(Y))['loss']
    found = net.evaluate(X, target, np.full_like(Y, 2 * scale))['loss']
    assert found == pytest.approx(expected, rel=1e-5)


def test_weights_whose_products_are_lost_are_refused():
    net = rnnkit.Regressor([2, ('rnn', 3), 2], weighted=True, seed=0)
    with pytest.raises(
        DataError,
        match=r'which underflows in float32; the largest weight must be at least 1\.1e-19',
    ):
        net.evaluate(X, Y, np.full_like(Y, 1e-20))
    weights = np.full_like(Y, 1e-20)
    weights[0] = 1  # then the others hardly count, and need not
    net.evaluate(X, Y, weights)
