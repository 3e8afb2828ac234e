"""Class weights of a training: the same as the sample weights that they stand for."""

import re

import numpy as np
import pytest
from long_forms import long

import rnnkit
from rnnkit.errors import ConfigError
from rnnkit.training.class_weights import balanced

RNG = np.random.default_rng(0)
T, B = 5, 6
X = RNG.standard_normal((T, B, 2))
K = RNG.choice(3, p=[0.7, 0.2, 0.1], size=(T, B))
K[0, :3] = 0, 1, 2
OF_CLASS = np.array([0.5, 2, 3.5])
BY_CLASS = dict(enumerate(OF_CLASS))
MASK = (RNG.random((T, B)) < 0.8).astype(float)
MASK[0] = 1
W = RNG.random((T, B))
QUICK = {'algo': 'sgd', 'learning_rate': 0.1, 'epochs': 2, 'batch_size': 4, 'progress': False}


def net_of(n=3, **options):
    return rnnkit.Classifier([2, ('gru', 3), n], seed=0, **{'dtype': 'float64', **options})


def trained(net, batch, **options):
    result = net.train(batch, **QUICK, **options)
    return np.concatenate([p.get_value().ravel() for p in net.params]), result


@pytest.mark.parametrize('kernel', [None, long(False)])
@pytest.mark.parametrize(
    ('options', 'given', 'alike'),
    [
        ({}, [], [OF_CLASS[K]]),
        ({'weighted': True}, [W], [W * OF_CLASS[K]]),
        ({'masked': True}, [MASK], [OF_CLASS[K], MASK]),
        ({'weighted': True, 'masked': True}, [W, MASK], [W * OF_CLASS[K], MASK]),
    ],
)
def test_a_training_equals_that_of_a_weighted_network(options, given, alike, kernel, request):
    """Parameters and reports: so also the gradients are the same; by kernels and by graphs."""
    if kernel is None:
        request.getfixturevalue('machine_code')
    net, other = (net_of(kernel=kernel, **options | one) for one in ({}, {'weighted': True}))
    params, result = trained(net, [X, K, *given], class_weight=BY_CLASS)
    wanted, expected = trained(other, [X, K, *alike])
    np.testing.assert_allclose(params, wanted, rtol=1e-12, atol=1e-12)
    for found, report in zip(result, expected, strict=True):
        assert found == pytest.approx(report, rel=1e-12)
    unweighted, _ = trained(net_of(kernel=kernel, **options), [X, K, *given])
    assert abs(params - unweighted).max() > 1e-3


def test_the_reported_loss_against_numpy():
    net = net_of()
    p, w = net.predict_proba(X), OF_CLASS[K]
    error = -np.log(np.take_along_axis(p, K[..., None], -1)[..., 0])
    still = QUICK | {'learning_rate': 1e-300, 'epochs': 1}
    for batch_size in (2, 6):
        reports = net.train([X, K], **still | {'batch_size': batch_size}, class_weight=BY_CLASS)
        for report in reports:  # of training and validation
            assert report['loss'] == pytest.approx((w * error).sum() / w.sum(), rel=1e-9)
            assert report['acc'] == pytest.approx((w * (p.argmax(-1) == K)).sum() / w.sum())
    assert net.evaluate(X, K)['loss'] == pytest.approx(error.mean())  # without class weights
    assert net.train([X, K], **still)[0]['loss'] == pytest.approx(error.mean())


@pytest.mark.parametrize('masked', [False, True])
@pytest.mark.parametrize('weighted', [False, True])
def test_balanced_weights_are_those_of_scikit_learn(weighted, masked):
    class_weight = pytest.importorskip('sklearn.utils.class_weight')
    net = net_of(weighted=weighted, masked=masked)
    batch = [X, K, *[W] * weighted, *[MASK] * masked]
    trained(net, batch, class_weight='balanced')
    real = MASK > 0 if masked else np.ones((T, B), bool)
    given = {'sample_weight': W[real]} if weighted else {}
    wanted = class_weight.compute_class_weight('balanced', classes=np.arange(3), y=K[real], **given)
    found = net._train_steps.criterion.class_weights.get_value()
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_classes_that_do_not_occur():
    assert balanced(np.array([0, 0, 0, 2]), np.ones(4), 4).tolist() == [4 / 6, 1, 2, 1]
    assert balanced(np.array([0, 1]), np.zeros(2), 2).tolist() == [1, 1]


def test_balanced_counts_training_data_only():
    net = net_of()
    net.train([X, K], [X, 0 * K], class_weight='balanced', **QUICK)
    counts = np.bincount(K.ravel())
    found = net._train_steps.criterion.class_weights.get_value()
    np.testing.assert_allclose(found, T * B / (3 * counts))


@pytest.mark.parametrize(
    ('names', 'given'),
    [
        (['a', 'b', 'c'], {'b': 2, 'c': 5}),
        ([10, 20, 30], {20: 2, 30.0: 5}),
        (None, {1: 2, 2: 5}),
    ],
)
def test_weights_by_class(names, given):
    net = net_of(classes=names)
    labels = K if names is None else np.array(names)[K]
    net.train([X, labels], class_weight=given, **QUICK)
    found = net._train_steps.criterion.class_weights.get_value()
    assert found.tolist() == [1, 2, 5]


@pytest.mark.parametrize('number', [0, True, 1.0])
def test_the_number_of_a_class_with_a_name(number):
    net = net_of(classes=['a', 'b', 'c'])
    with pytest.raises(ConfigError) as caught:
        net.train([X, np.array(['a', 'b', 'c'])[K]], class_weight={number: 3}, **QUICK)
    assert str(caught.value) == (
        f"train(): class_weight: {number} is not one of the 3 classes 'a', 'b', 'c'"
    )


def test_weights_can_change_and_compile_nothing():
    net, other = net_of(), net_of()
    trained(net, [X, K], class_weight={1: 2})
    steps = dict(net._train_steps._steps)
    for p, q in zip(net.params, other.params, strict=True):
        p.set_value(q.get_value())
    params, _ = trained(net, [X, K], class_weight=BY_CLASS, seed=1)
    assert net._train_steps._steps == steps
    wanted, _ = trained(other, [X, K], class_weight=BY_CLASS, seed=1)
    np.testing.assert_array_equal(params, wanted)


def test_one_label_for_each_sequence_and_a_callable():
    net, other = (
        rnnkit.Classifier([2, ('gru', 3), 'last', 3], weighted=w, seed=0) for w in (False, True)
    )
    once = {'train_batches': 1, 'valid_batches': 1, 'epochs': 2, 'progress': False}
    net.train(lambda: [X, K[0]], class_weight=BY_CLASS, **once)
    other.train(lambda: [X, K[0], OF_CLASS[K[0]]], **once)
    np.testing.assert_array_equal(net.predict_proba(X), other.predict_proba(X))


def test_further_losses_have_weights_of_their_own():
    nets = [net_of(weighted=w) for w in (False, True)]
    for net in nets:
        net.add_loss('mse', output='hid1', target='other', weighted=False)
    y = np.zeros((T, B, 3))
    found, _ = trained(nets[0], [X, K, y], class_weight=BY_CLASS)
    np.testing.assert_allclose(found, trained(nets[1], [X, K, y, OF_CLASS[K]])[0], rtol=1e-12)


def test_a_training_is_resumed_with_its_weights(tmp_path):
    path = tmp_path / 'net.rnn'
    quick = {'algo': 'sgd', 'progress': False, 'class_weight': BY_CLASS}
    whole, net = net_of(), net_of()
    whole.train([X, K], epochs=4, **quick)
    net_of().train([X, K], epochs=2, checkpoint=path, **quick)
    net.train([X, K], epochs=4, resume=path, **quick)
    np.testing.assert_array_equal(net.predict_proba(X), whole.predict_proba(X))
    with pytest.raises(ConfigError, match='belongs to another training: class_weight was'):
        net_of().train([X, K], epochs=4, resume=path, **quick | {'class_weight': 'balanced'})


EXPECTED = (
    "train(): class_weight must be 'balanced', or a dict of weights by class, such as {'yes': 3}; "
)


@pytest.mark.parametrize(
    ('value', 'message'),
    [
        ('balance', f"{EXPECTED}got 'balance'; did you mean 'balanced'?"),
        ([1, 2], f'{EXPECTED}got [1, 2]; of a list make dict(zip(net.classes_, weights))'),
        (3, f'{EXPECTED}got 3'),
        ({3: 1}, 'train(): class_weight: 3 is not one of the 3 classes 0, 1, 2'),
        ({'a': 1}, "train(): class_weight: 'a' is not one of the 3 classes 0, 1, 2"),
        (
            {0: -1},
            'train(): class_weight: the weight of 0 must be a number of at least 0; got -1',
        ),
        ({0: 0, 1: 0, 2: 0}, 'train(): class_weight: all weights are 0'),
    ],
)
def test_weights_that_make_no_sense(value, message):
    with pytest.raises(ConfigError, match=f'^{re.escape(message)}$'):
        net_of().train([X, K], class_weight=value)


def test_where_there_are_no_class_weights():
    with pytest.raises(ConfigError, match='counts the labels of arrays; a callable makes its own'):
        net_of().train(lambda: [X, K], class_weight='balanced')
    with pytest.raises(ConfigError, match='labels of arrays; an iterable .list_iterator. makes'):
        net_of().train(iter([[X, K]]), class_weight='balanced', train_batches=1)
    net = rnnkit.Regressor([2, ('rnn', 3), ('rnn', 3), 1])
    for algo in ('adam', 'layerwise'):
        with pytest.raises(ConfigError, match='class_weight is for a Classifier; for other netw'):
            net.train([X, X[..., :1]], algo=algo, class_weight={1: 2})
    with pytest.raises(ConfigError, match="class_weight does not go with algo 'pretrain'"):
        net_of().train([X, K], algo='pretrain', class_weight={1: 2})
