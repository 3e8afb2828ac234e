"""What a training reports besides its loss: shares, functions, metrics and gradients."""

import numpy as np
import pytensor.tensor as pt
import pytest

import rnnkit
from rnnkit import metrics
from rnnkit.errors import ConfigError

T, B = 5, 7
BATCHES = [slice(0, 3), slice(3, 6), slice(6, 7)]  # batch_size=3


@pytest.fixture
def xy(rng):
    return rng.standard_normal((T, B, 2)), rng.standard_normal((T, B, 1)) + 1


def regressor(**options):
    return rnnkit.Regressor([2, ('rnn', 3), 1], seed=0, dtype='float64', **options)


def validated(net, data, **options):
    """Return the monitors of a network that is left as it is."""
    before = [p.get_value() for p in net.params]
    options = {'batch_size': 3, 'learning_rate': 1e-9, 'algo': 'sgd', 'epochs': 1} | options
    train, valid = net.train(options.pop('train', data), data, **options)
    for p, value in zip(net.params, before, strict=True):
        p.set_value(value)
    return train, valid


def size(tensor):
    return abs(tensor).mean()


def test_theanets_form(xy):
    net = regressor()
    asked = {'hid1:out': (0.1, 0.9), '*.xh': dict(norm=lambda w: pt.sqrt(pt.sqr(w).sum()))}
    train, valid = validated(net, xy, monitors=asked)
    h = net.feed_forward(xy[0])['hid1:out']
    wanted = {f'hid1:out<{level}': (h < level).mean() for level in (0.1, 0.9)}
    wanted['hid1.xh:norm'] = np.linalg.norm(net.find('hid1', 'xh').get_value())
    for found in (train, valid):
        assert {name: found[name] for name in wanted} == pytest.approx(wanted)
    record = net.history[-1]
    assert record['hid1:out<0.1'] == train['hid1:out<0.1']
    assert record['valid_hid1.xh:norm'] == valid['hid1.xh:norm']


def test_one_number_and_pairs_are_taken_as_well(xy):
    _, valid = validated(regressor(), xy, monitors=[('hid1:out', 0.5), {'out.b': [0, -1]}])
    assert [name for name in valid if '<' in name] == ['hid1:out<0.5', 'out.b<0', 'out.b<-1']


def test_padding_is_left_out(xy):
    mask = np.arange(T)[:, None] < np.array([5, 1, 2, 3, 4, 5, 2])
    net = regressor(masked=True)
    _, valid = validated(net, [*xy, mask], monitors={'hid1:out': [0.2, ('size', size)]})
    h = net.feed_forward(xy[0], mask=mask)['hid1:out']
    assert valid['hid1:out<0.2'] == pytest.approx((h[mask] < 0.2).mean())
    # A function sees the real steps of a batch; the batches count by their number of targets.
    sizes = [abs(h[:, b][mask[:, b]]).mean() for b in BATCHES]
    wanted = np.average(sizes, weights=[mask[:, b].sum() for b in BATCHES])
    assert valid['hid1:out:size'] == pytest.approx(wanted)


@pytest.mark.parametrize('kind', ['plain', 'weighted', 'masked', 'both'])
def test_metrics_of_numbers(kind, xy, rng):
    x, y = xy
    weights, mask = rng.random(y.shape), np.arange(T)[:, None] < np.array([5, 1, 2, 3, 4, 5, 2])
    weighted, masked = kind in ('weighted', 'both'), kind in ('masked', 'both')
    net = regressor(weighted=weighted, masked=masked)
    data = [x, y, *[weights] * weighted, *[mask] * masked]
    _, valid = validated(net, data, monitors=['r2', 'rmse', 'mse', 'mae'])
    total = (weights if weighted else np.ones_like(y)) * (mask[..., None] if masked else 1)
    predicted = net.predict(x, **({'mask': mask} if masked else {}))
    for name in ('r2', 'rmse', 'mse', 'mae'):
        assert valid[name] == pytest.approx(metrics.metrics[name](y, predicted, total)), name


def test_r2_of_numbers_that_are_far_from_0(xy):
    net = rnnkit.Regressor([2, ('rnn', 3), 1], seed=0)  # float32
    x, y = xy[0], xy[1] + 1e4
    _, valid = validated(net, [x, y], monitors='r2')
    assert valid['r2'] == pytest.approx(metrics.r2(y, net.predict(x)), rel=1e-3)


@pytest.mark.parametrize('loss', ['xe', 'hinge'])
@pytest.mark.parametrize('masked', [False, True])
def test_metrics_of_labels(loss, masked, xy, rng):
    options = {'seed': 0, 'dtype': 'float64', 'weighted': True, 'masked': masked}
    net = rnnkit.Classifier([2, ('rnn', 3), 4], loss, **options)
    x, y, w = xy[0], rng.integers(0, 3, (T, B)), rng.random((T, B))
    mask = np.arange(T)[:, None] < np.array([5, 1, 2, 3, 4, 5, 2])
    names = ['bits', 'perplexity', 'xe', 'f1', 'accuracy']
    _, valid = validated(net, [x, y, w, *[mask] * masked], monitors=tuple(names))
    given = {'mask': mask} if masked else {}
    p, labels, w = net.predict_proba(x, **given), net.predict(x, **given), w * (mask**masked)
    for name in names:
        output = p if metrics.metrics[name].reads == 'probabilities' else labels
        assert valid[name] == pytest.approx(metrics.metrics[name](y, output, w)), name
    assert valid['accuracy'] == valid['acc']


@pytest.fixture
def brier():
    """A metric of one's own, of probabilities and labels."""

    def square(target, output):
        return (output**2).sum(axis=-1)

    @metrics.add('peak', reads='probabilities', means=[square])
    def peak(mean):
        return mean**0.5

    yield peak
    del metrics.metrics._members['peak']


def test_a_metric_of_ones_own_is_a_monitor(brier, xy, rng):
    @metrics.add('bias', means=[lambda target, output: output - target, metrics.absolute_error])
    def bias(mean, size):
        return mean / size

    try:
        _, valid = validated(regressor(), xy, monitors=['bias', 'mae'])
        assert valid['bias'] == pytest.approx(bias(xy[1], regressor().predict(xy[0])))
        assert set(valid) == {'loss', 'err', 'bias', 'mae'}
        net = rnnkit.Classifier([2, ('rnn', 3), 4], seed=0, dtype='float64')
        labels = rng.integers(0, 4, (T, B))
        _, valid = validated(net, [xy[0], labels], monitors=['peak', 'bias'])
        p, predicted = net.predict_proba(xy[0]), net.predict(xy[0])
        assert valid['peak'] == pytest.approx(brier(labels, p))
        assert valid['bias'] == pytest.approx(bias(labels, predicted))
        with pytest.raises(ConfigError, match="'peak' is for targets that are class labels; here"):
            validated(regressor(), xy, monitors='peak')
    finally:
        del metrics.metrics._members['bias']


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'means': [lambda t, o: np.take(t, 99)]}, 'raised .* for tensors'),
        ({'means': [lambda t, o: t.sum()]}, 'must return one value for each target, a tensor of 3'),
    ],
)
def test_metrics_that_cannot_be_monitors(options, message, xy):
    metrics.add('mine', **options)(lambda *args: 0.0)
    try:
        with pytest.raises(ConfigError, match=message):
            validated(regressor(), xy, monitors='mine')
    finally:
        del metrics.metrics._members['mine']


def test_gradients(xy):
    net = regressor()
    norms, rate = {}, 1e-3
    batches = [[a[:, batch] for a in xy] for batch in BATCHES]
    names = [p.name for p in net.params]
    start = [p.get_value() for p in net.params]
    for batch in batches:  # plain gradient descent shows the gradient
        net.train(
            batch,
            algo='sgd',
            learning_rate=rate,
            epochs=1,
            restore_best=False,
            max_gradient_norm=0,
        )
        for p, old in zip(net.params, start, strict=True):
            norms.setdefault(p.name, []).append(np.linalg.norm(old - p.get_value()) / rate)
            p.set_value(old)

    def watched(**options):
        options |= {'train': iter(batches).__next__, 'train_batches': 3, 'learning_rate': 1e-12}
        return validated(net, xy, **options)

    train, valid = watched(monitors='gradients')
    for name in names:
        assert train[f'grad({name})'] == pytest.approx(np.mean(norms[name]), rel=1e-6)
    assert net.history[-1][f'grad({names[0]})'] == train[f'grad({names[0]})']
    assert not [name for name in valid if name.startswith('grad(')]
    totals = np.sqrt(sum(np.square(norms[name]) for name in names))
    middle = float(np.sort(totals)[1]) * 0.999
    shares = [
        watched(monitor_gradients=True, **limits)[0]['clipped']
        for limits in (
            {'max_gradient_norm': middle},
            {'max_gradient_norm': 0},
            {'max_gradient_norm': 0, 'max_gradient_elem': 1e-9},
        )
    ]
    assert shares == pytest.approx([2 / 3, 0, 1])


def test_gradients_of_lbfgs_and_of_minimize(xy):
    net = regressor()
    train, _ = net.train(xy, algo='lbfgs', epochs=1, monitors='gradients')
    total = sum(value**2 for name, value in train.items() if name.startswith('grad('))
    assert total**0.5 == pytest.approx(net.history[-1]['gradient_norm'])
    a = __import__('pytensor').shared(np.array([3.0, 4.0]), name='a')
    found, _ = rnnkit.minimize(
        (a**2).sum() / 2,
        algo='sgd',
        learning_rate=1e-9,
        epochs=1,
        train_batches=1,
        monitor_gradients=True,
    )
    assert found['grad(a)'] == pytest.approx(5)


def test_the_gradient_of_a_table_of_which_some_rows_are_read(rng):
    words, y = np.array([[1, 2, 1], [1, 0, 1]]), rng.standard_normal((2, 3, 1))
    net = rnnkit.Regressor([5, ('embedding', 2), ('rnn', 3), 1], seed=0, dtype='float64')
    start = net.find('hid1', 'w').get_value()
    options = {'algo': 'sgd', 'epochs': 1, 'restore_best': False, 'max_gradient_norm': 0}
    train, _ = net.train([words, y], learning_rate=1e-3, monitors='gradients', **options)
    norm = np.linalg.norm(start - net.find('hid1', 'w').get_value()) / 1e-3
    assert train['grad(hid1.w)'] == pytest.approx(norm)
    assert train['clipped'] == 0


def test_the_same_monitors_compile_nothing_anew(xy, caplog):
    net = regressor()
    asked = [{'hid1:out': [0.1, ('size', size)]}, 'rmse', 'gradients']
    validated(net, xy, monitors=asked)
    caplog.clear()
    caplog.set_level('INFO', 'rnnkit')
    validated(net, xy, monitors=asked)
    assert 'compiling' not in caplog.text
    train, _ = validated(net, xy)
    assert set(train) == {'loss', 'err'}
    assert 'compiling' in caplog.text


@pytest.mark.parametrize('kind', ['plain', 'weighted', 'masked', 'both'])
def test_accuracy_and_f1_of_zeros_and_ones(kind, xy, rng):
    x, y = xy[0], (rng.random((T, B, 3)) < (0.2, 0.5, 0.8)).astype(float)
    weights, mask = rng.random(y.shape), np.arange(T)[:, None] < np.array([5, 1, 2, 3, 4, 5, 2])
    weighted, masked = kind in ('weighted', 'both'), kind in ('masked', 'both')
    options = {'seed': 1, 'dtype': 'float64', 'weighted': weighted, 'masked': masked}
    net = rnnkit.Regressor([2, ('rnn', 3), 3], 'bce', **options)
    data = [x, y, *[weights] * weighted, *[mask] * masked]
    names = ['acc', 'accuracy', 'f1', 'binary_f1', 'rmse']
    w = (weights if weighted else np.ones_like(y)) * (mask[..., None] if masked else 1)
    p = net.predict(x, **({'mask': mask} if masked else {}))
    accuracy = np.average((p > 0.5) == y, weights=w)
    hits, ones, found = ((w * values).sum(axis=(0, 1)) for values in (y * (p > 0.5), y, p > 0.5))
    f1 = np.mean(2 * hits / (ones + found))
    assert 0.1 < f1 < 0.95
    for batch_size in (1, 3, 7):
        _, valid = validated(net, data, monitors=names, batch_size=batch_size)
        assert valid['acc'] == valid['accuracy'] == pytest.approx(accuracy, rel=1e-12)
        assert valid['f1'] == valid['binary_f1'] == pytest.approx(f1, rel=1e-12)
    assert net.history[-1]['valid_f1'] == valid['f1']
    assert metrics.binary_accuracy(y, p, w) == pytest.approx(accuracy, rel=1e-12)
    assert metrics.binary_f1(y, p, w) == pytest.approx(f1, rel=1e-12)


def test_f1_of_one_unit_is_that_of_the_ones():
    y, p = np.array([[1.0], [0], [1], [0], [1]]), np.array([[0.9], [0.8], [0.4], [0.1], [0.5]])
    assert metrics.binary_f1(y, p) == 2 * 1 / (3 + 2)  # at 0.5 the output is 0
    assert metrics.binary_accuracy(y, p) == 2 / 5
    assert metrics.binary_f1(np.zeros((3, 1)), np.zeros((3, 1))) == 0
    # A unit without any ones does not count.
    assert metrics.binary_f1(np.hstack([y, 0 * y]), np.hstack([p, 0 * p])) == 0.4


def test_they_stop_a_training(xy):
    x, y = xy[0], (xy[1] > 1).astype(float)
    net = rnnkit.Regressor([2, ('rnn', 3), 1], 'bce', seed=1, dtype='float64')
    stop = rnnkit.callbacks.EarlyStop('training_acc', patience=0)
    net.train([x, y], epochs=9, validate_every=1, monitors='acc', learning_rate=0, callbacks=stop)
    assert len(net.history) == 2  # a larger accuracy would be better
    assert net.history['training_acc'][0] == np.mean((net.predict(x) > 0.5) == y)


def test_they_are_for_networks_of_bce(xy):
    with pytest.raises(ConfigError, match="'binary_f1' is for targets that are 0 or 1, as of"):
        validated(regressor(), xy, monitors='binary_f1')
    with pytest.raises(ConfigError, match="'f1' is for targets that are class labels; here"):
        validated(regressor(), xy, monitors='f1')
