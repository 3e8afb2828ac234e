"""Metrics of a user's own, which read all targets of a validation at once."""

from itertools import product

import numpy as np
import pytest
from long_forms import long_unless

import rnnkit
from rnnkit import metrics
from rnnkit.errors import ConfigError

T, B = 5, 7
RNG = np.random.default_rng(0)
X = RNG.standard_normal((T, B, 2))
Y = RNG.standard_normal((T, B, 1)) + 1
LABELS = RNG.integers(0, 3, (T, B))
BITS = (RNG.random((T, B, 3)) < (0.2, 0.5, 0.8)).astype(float)
WEIGHTS = RNG.random((T, B)) * (RNG.random((T, B)) < 0.8)
MASK = np.arange(T)[:, None] < np.array([5, 1, 2, 3, 4, 5, 2])
QUICK = {'batch_size': 3, 'learning_rate': 0, 'algo': 'sgd', 'epochs': 1}


def network(loss, **options):
    kind = rnnkit.Classifier if loss == 'xe' else rnnkit.Regressor
    size = {'xe': 4, 'bce': 3}.get(loss, 1)
    return kind([2, ('rnn', 3), size], loss, seed=1, dtype='float64', **options)


TARGETS = {'mse': Y, 'bce': BITS, 'xe': LABELS}


def spread(target, output, weights):
    """Return a metric that is no mean over batches, and that needs weights."""
    errors, weights = abs(output - target).ravel(), weights.ravel()
    order = np.lexsort((weights, errors))
    return float((errors[order] * weights[order].cumsum()).sum() / weights.sum())


@pytest.mark.parametrize(
    ('loss', 'kind'),
    long_unless(
        lambda loss, kind: loss == 'xe' or kind == 'both',
        product(['mse', 'bce', 'xe'], ['plain', 'weighted', 'masked', 'both']),
    ),
)
def test_it_is_the_metric_of_all_targets_that_count(loss, kind):
    weighted, masked = kind in ('weighted', 'both'), kind in ('masked', 'both')
    net = network(loss, weighted=weighted, masked=masked)
    data = [X, TARGETS[loss], *[WEIGHTS] * weighted, *[MASK] * masked]
    train, valid = net.train(data, data, monitors=spread, **QUICK)
    output = net.predict(X, **({'mask': MASK} if masked else {}))
    weights = (WEIGHTS if weighted else np.ones((T, B))) * (MASK if masked else 1)
    counts = weights > 0
    rows = [array[counts] for array in (TARGETS[loss], output, weights)]
    if loss != 'xe':
        rows[2] = np.repeat(rows[2][:, None], rows[0].shape[1], axis=1)
    assert valid['spread'] == pytest.approx(spread(*rows), rel=1e-12)
    assert 'spread' not in train
    assert net.history[-1]['valid_spread'] == valid['spread']
    given = {'weights': WEIGHTS} if weighted else {}
    given |= {'mask': MASK} if masked else {}
    for size in (1, 7):
        found = net.evaluate(X, TARGETS[loss], monitors=spread, batch_size=size, **given)
        assert found['spread'] == pytest.approx(valid['spread'], rel=1e-12)
        assert set(found) == set(valid)


@pytest.mark.parametrize('loss', ['mse', 'bce', 'xe'])
def test_metrics_of_the_library_as_functions(loss):
    """They give what they give as monitors by name."""
    net = network(loss, masked=True)
    names = {'mse': ['mae', 'r2'], 'bce': ['binary_f1'], 'xe': ['f1', 'accuracy']}[loss]
    functions = {
        f'own_{name}': lambda t, o, w, name=name: metrics.metrics[name](t, o, w) for name in names
    }
    data = [X, TARGETS[loss], MASK]
    _, valid = net.train(data, data, monitors=[functions, *names], **QUICK)
    for name in names:
        assert valid[f'own_{name}'] == pytest.approx(valid[name], rel=1e-12), name


def test_one_that_is_registered_may_be_renamed_or_passed_itself():
    net, data = network('xe'), [X, LABELS]
    _, valid = net.train(
        data, data, monitors=[metrics.f1, {'macro': 'f1', 'hits': metrics.accuracy}], **QUICK
    )
    assert valid['f1'] == valid['macro'] == pytest.approx(metrics.f1(LABELS, net.predict(X)))
    assert valid['hits'] == valid['acc']
    assert set(valid) == {'loss', 'err', 'acc', 'f1', 'macro', 'hits'}


@pytest.mark.parametrize('reads', ['prediction', 'probabilities'])
def test_one_that_is_registered_without_means(reads):
    @metrics.add('widest', reads=reads, better='max')
    def widest(target, output, weights=None):
        return np.ptp(output) + weights.sum()

    try:
        net, data = network('xe'), [X, LABELS]
        options = {'monitors': 'widest', 'restore_best': 'valid_widest'}
        _, valid = net.train(data, data, **options, **QUICK)
        output = net.predict(X) if reads == 'prediction' else net.predict_proba(X)
        assert valid['widest'] == pytest.approx(np.ptp(output) + T * B, rel=1e-12)
    finally:
        del metrics.metrics._members['widest']


def like_sklearn(y_true, y_pred, *, sample_weight=None, adjusted=False):
    return np.average(y_true == y_pred, weights=sample_weight)


def labels_third(y_true, y_pred, labels=None, pos_label=1, *, sample_weight=None):
    assert labels is None
    return np.average(y_true == y_pred, weights=sample_weight)


def anything(*arrays):
    target, output, weights = arrays
    return np.average(target == output, weights=weights)


@pytest.mark.parametrize('function', [like_sklearn, labels_third, anything])
def test_weights_go_where_the_function_takes_them(function):
    net, data = network('xe', weighted=True), [X, LABELS, WEIGHTS]
    _, valid = net.train(data, data, monitors=function, **QUICK)
    assert valid[function.__name__] == pytest.approx(valid['acc'], rel=1e-12)


def two(target, output):
    return np.mean(target == output)


def test_a_function_without_weights_is_for_equal_ones():
    net = network('xe', masked=True, weighted=True)
    data = [X, LABELS, np.where(WEIGHTS > 0, 2.0, 0), MASK]
    _, valid = net.train(data, data, monitors=two, **QUICK)
    assert valid['two'] == pytest.approx(valid['acc'], rel=1e-12)
    data[2] = WEIGHTS
    with pytest.raises(ConfigError) as caught:
        net.train(data, data, monitors=two, **QUICK)
    assert str(caught.value) == (
        "monitors: 'two' is a function of target and output, and here targets have different "
        'weights; give it a third parameter, weights'
    )


def test_the_state_is_carried():
    net = network('xe')
    seen = []

    def look(target, output):
        seen.append(output)
        return 0

    net.train([X, LABELS], [X, LABELS], carry_state=True, bptt_steps=2, monitors=look, epochs=1)
    np.testing.assert_array_equal(seen[-1].reshape(T, B), net.predict(X))


def test_the_same_function_compiles_nothing_anew(caplog):
    net, data = network('xe'), [X, LABELS]
    net.train(data, data, monitors=two, **QUICK)
    caplog.set_level('INFO', 'rnnkit')
    caplog.clear()
    net.train(data, data, monitors=[two], **QUICK)
    assert 'compiling' not in caplog.text


def test_it_is_not_called_when_the_loss_is_not_finite():
    net = network('mse')
    net.find('out', 'b').set_value(np.array([1e200]))
    with pytest.raises(rnnkit.TrainingError, match='validation loss is inf'):
        net.train([X, Y], [X, Y], monitors=two, **QUICK)


class Scorer:
    def __call__(self, target, output):
        return 1.0


def wrong(target, output):
    raise ValueError('no such thing')


@pytest.mark.parametrize(
    ('monitors', 'message'),
    [
        (
            lambda target, output: 0,
            'monitors: a function without a name needs one: dict(mine=function); got <function <la',
        ),
        (Scorer(), 'monitors: a function without a name needs one: dict(mine=function); got <'),
        (
            {'mine': Scorer},
            "monitors: 'mine' is the class Scorer; pass a function of target, output and weights",
        ),
        (wrong, "monitors: 'wrong' raised ValueError: no such thing"),
        ({'mine': lambda t, o: [1, 2]}, "monitors: 'mine' must return a number; got [1, 2]"),
        ({'mine': 'f2'}, "monitors: no metric named 'f2'; did you mean 'f1'?"),
        ([two, {'two': wrong}], "monitors: two metrics are called 'two'; rename one of them"),
        ({'err': two}, "monitors: 'err' is the name that a loss of this network is reported by"),
        ({'loss': two}, "monitors: 'loss' is the name that a loss of this network is reported by"),
        ({'hid1:out': two}, "monitors: the values of 'hid1:out' must be numbers, such as (0.1, 0."),
    ],
)
def test_what_is_no_metric(monitors, message):
    data = [X, LABELS]
    with pytest.raises(ConfigError) as caught:
        network('xe').train(data, data, monitors=monitors, **QUICK)
    assert str(caught.value).startswith(message)


def test_a_number_of_any_kind():
    net, data = network('xe'), [X, LABELS]
    given = {'a': lambda t, o: np.float32(0.5), 'b': lambda t, o: np.array(2), 'c': lambda t, o: 3}
    _, valid = net.train(data, data, monitors=given, **QUICK)
    assert (valid['a'], valid['b'], valid['c']) == (0.5, 2.0, 3.0)
    assert {type(valid[name]) for name in 'abc'} == {float}


def test_in_stages_and_without_updates():
    net, data = network('xe'), [X, LABELS]
    net.train(data, valid=0.3, algo='sample', monitors=two)
    assert 0 <= net.history[-1]['valid_two'] <= 1
    options = {'epochs': 1, 'subalgo': 'sgd', 'monitors': two}
    net.train(data, algo='layerwise', **options)
    assert 0 <= net.history[-1]['training_two'] <= 1
