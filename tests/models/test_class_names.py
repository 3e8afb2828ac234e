"""Classifiers whose classes have names: given, learned, kept in files; labels in and out."""

import json
import re
from functools import cache

import numpy as np
import pandas
import pytest
from long_forms import long

import rnnkit
from rnnkit.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
T, B = 5, 6
X = RNG.standard_normal((T, B, 2))
K = RNG.integers(0, 3, (T, B))
K[0, :3] = 0, 1, 2
NAMES = np.array(['cat', 'dog', 'eel'])
Y = NAMES[K]
XS = [RNG.standard_normal((n, 2)) for n in (3, 5, 4)]
KS = [RNG.permutation([0, 1, 2, 0, 1])[: len(x)] for x in XS]
QUICK = {'epochs': 1, 'progress': False}
IN_PYTHON = ('test_f1_of_labels_of_any_kind', 'test_losses_are_changed_and_names_stay')


@pytest.fixture(autouse=True)
def kernels_alone(request):
    """Compute in machine code if there are kernels alone: then nothing is compiled."""
    if request.node.originalname not in IN_PYTHON:
        request.getfixturevalue('machine_code')


def net_of(n=3, last=False, **options):
    return rnnkit.Classifier([2, ('gru', 3), *['last'] * last, n], seed=0, **options)


def trained(x, y, *others, **options):
    net = net_of(**options)
    net.train([x, y, *others], **QUICK)
    return net


@cache
def reference():
    return trained(X, K)


LABELS = [
    (Y, NAMES),
    (Y.astype(object), NAMES),
    (Y.tolist(), NAMES),
    (pandas.DataFrame(Y), NAMES),
    (K * 10 + 10, np.array([10, 20, 30])),
    (K / 2, np.array([0, 0.5, 1])),
    (np.where(K == 0, -3, K), np.array([-3, 1, 2])),
    (np.where(K == 0, -2, K - 1), np.array([-2, 0, 1])),
]


@pytest.mark.parametrize(('labels', 'names'), LABELS)
def test_labels_of_any_kind_train_the_same_network(labels, names):
    net = trained(X, labels)
    assert net.classes_.dtype == names.dtype
    np.testing.assert_array_equal(net.classes_, names)
    for p, q in zip(net.params, reference().params, strict=True):
        np.testing.assert_array_equal(p.get_value(), q.get_value())
    predicted = net.predict(X)
    assert predicted.dtype == names.dtype
    np.testing.assert_array_equal(predicted, names[reference().predict(X)])
    assert net.score(X, labels) == reference().score(X, K)
    assert net.evaluate(X, labels) == reference().evaluate(X, K)
    np.testing.assert_array_equal(net.predict_proba(X), reference().predict_proba(X))


@cache
def f1_of_numbers():
    return trained(X, K).evaluate(X, K, monitors='f1')


@pytest.mark.parametrize(
    'labels',
    [labels if k in (0, 4) else long(labels) for k, (labels, _) in enumerate(LABELS)],
)
def test_f1_of_labels_of_any_kind(labels):
    assert trained(X, labels).evaluate(X, labels, monitors='f1') == f1_of_numbers()


@pytest.mark.parametrize('labels', [K, K.astype(float), K.astype('uint8'), K.tolist()])
def test_labels_from_0_keep_their_meaning(labels):
    net = trained(X, labels)
    assert net.classes_.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(net.predict(X), reference().predict(X))
    assert 'classes' not in net.to_spec()
    few = trained(X, np.minimum(labels, 1))  # class 2 does not occur
    assert few.classes_.tolist() == [0, 1, 2]


def test_bools_are_names():
    net = trained(X, K > 0, n=2)
    assert net.classes_.tolist() == [False, True]
    assert net.predict(X).dtype == bool
    assert trained(X, K < 3, n=2).classes_.tolist() == [False, True]  # all are True


@pytest.mark.parametrize('layout', ['time', 'batch'])
def test_one_label_for_each_sequence(layout):
    x = X if layout == 'time' else X.swapaxes(0, 1)
    y = pandas.Series(pandas.Categorical(Y[0]))
    net = trained(x, y, last=True, layout=layout)
    assert net.classes_.tolist() == NAMES.tolist()
    assert set(net.predict(x)) <= set(NAMES)
    assert net.score(x, y) == np.mean(net.predict(x) == Y[0])


def test_the_layout_of_the_user():
    net = trained(X.swapaxes(0, 1), Y.T, layout='batch')
    np.testing.assert_array_equal(net.predict(X.swapaxes(0, 1)), NAMES[reference().predict(X)].T)


@pytest.mark.parametrize('as_list', [True, False])
def test_lists_of_sequences(as_list):
    ys = [NAMES[k].tolist() if as_list else NAMES[k] for k in KS]
    net, plain = trained(XS, ys, masked=True), trained(XS, KS, masked=True)
    assert net.classes_.tolist() == NAMES.tolist()
    for found, expected in zip(net.predict(XS), plain.predict(XS), strict=True):
        np.testing.assert_array_equal(found, NAMES[expected])
    assert net.score(XS, ys) == plain.score(XS, KS)


@pytest.mark.parametrize('kind', ['names', 'numbers'])
@pytest.mark.parametrize('padding', [None, '', -1, -100, np.nan, '<pad>', b'x', {}])
def test_what_does_not_count_may_be_anything(padding, kind):
    real = np.ones((T, B))
    real[3:, 0] = 0
    labels = (Y if kind == 'names' else K).astype(object)
    for b in (3, 4):
        labels[b, 0] = padding
    masked, weighted = (
        trained(X, labels, real, masked=True),
        trained(X, labels, real, weighted=True),
    )
    names = NAMES if kind == 'names' else np.arange(3)
    for net in (masked, weighted):
        assert net.classes_.tolist() == names.tolist()
    found = masked.predict(X, mask=real)
    assert found[3:, 0].tolist() == (['', ''] if kind == 'names' else [0, 0])
    counted = real > 0
    expected = np.mean(found[counted] == np.asarray(names)[K][counted])
    assert masked.score(X, labels, mask=real) == pytest.approx(expected)


def test_the_order_of_classes():
    net = net_of(classes=['eel', 'cat', 'dog'])
    assert net.classes_.tolist() == ['eel', 'cat', 'dog']
    net.train([X, Y], **QUICK)
    numbers = trained(X, np.array([1, 2, 0])[K])
    np.testing.assert_array_equal(net.predict_proba(X), numbers.predict_proba(X))
    assert net.score(X, Y) == numbers.score(X, np.array([1, 2, 0])[K])


def test_names_are_known_from_the_first_training_on():
    net = net_of()
    assert net.classes_ is None
    epochs = net.itertrain([X, np.where(K == 2, 'cat', Y)], [X, Y], **QUICK)
    next(epochs)
    assert net.classes_.tolist() == NAMES.tolist()  # one of them only in the validation data
    epochs.close()
    net.train([X[:, :1], Y[:, :1]], **QUICK)  # need not have all of them
    assert not net.classes_.flags.writeable


@pytest.mark.parametrize(
    'names', [['b', 'a', 'ä'], [30, 10, 20], [0.1, 1.0, 2.0], [2, 1, 0], [-1, 0, 1]]
)
def test_files_and_specs_keep_names(names, tmp_path):
    net = net_of(classes=names)
    spec = json.loads(json.dumps(net.to_spec()))
    assert spec['classes'] == names
    net.save(tmp_path / 'net.rnn')
    for other in (rnnkit.from_spec(spec), rnnkit.load(tmp_path / 'net.rnn')):
        assert other.classes_.dtype == net.classes_.dtype
        assert other.classes_.tolist() == names
        assert other.to_spec() == net.to_spec()
    np.testing.assert_array_equal(rnnkit.load(tmp_path / 'net.rnn').predict(X), net.predict(X))
    assert 'classes' not in net_of().to_spec()
    bools = net_of(n=2, classes=[True, False])
    assert rnnkit.from_spec(bools.to_spec()).classes_.tolist() == [True, False]


def test_a_training_is_resumed_with_its_names(tmp_path):
    path = tmp_path / 'training.rnn'
    whole = net_of()
    whole.train([X, Y], epochs=4, batch_size=2, progress=False)
    net_of().train([X, Y], epochs=2, batch_size=2, checkpoint=path, progress=False)
    assert rnnkit.load(path).classes_.tolist() == NAMES.tolist()
    net = net_of()
    net.train([X, Y], epochs=4, batch_size=2, resume=path, progress=False)
    assert net.classes_.tolist() == NAMES.tolist()
    np.testing.assert_array_equal(net.predict_proba(X), whole.predict_proba(X))
    with pytest.raises(ConfigError, match='belongs to another network: classes was'):
        net_of().train([X, K], epochs=4, batch_size=2, resume=path, progress=False)


def test_losses_are_changed_and_names_stay():
    net = net_of(classes=NAMES)
    net.set_loss('hinge')
    net.train([X, Y], **QUICK)
    assert set(net.predict(X).ravel()) <= set(NAMES)
    net.set_loss('xe')
    net.add_loss('mse', output='hid1', target='other')
    net.train([X, Y, np.zeros((T, B, 3))], **QUICK)
    assert set(net.evaluate(X, [Y, np.zeros((T, B, 3))])) == {'loss', 'err', 'acc', 'mse'}


def test_names_are_learned_after_a_pretraining_which_reads_no_labels():
    net = net_of()
    net.train([X, Y], algo='pretrain', subalgo='adam', **QUICK)
    assert net.classes_ is None
    net.train([X, Y], **QUICK)
    assert net.classes_.tolist() == NAMES.tolist()
    net = net_of()
    net.train([X, K], **QUICK)
    assert net.classes_.tolist() == [0, 1, 2]


def test_metrics_of_users_get_the_names_that_predict_returns():
    found = []

    def dogs(target, output):
        found.append((target, output))
        return float((target == output)[target == 'dog'].mean())

    net = net_of()
    net.train([X, Y], monitors=dogs, restore_best=('training_dogs', 'max'), **QUICK)
    assert {*np.unique(found[0][0])} == {*NAMES}
    predicted = net.predict(X)
    assert net.evaluate(X, Y, monitors=dogs)['dogs'] == (predicted == Y)[Y == 'dog'].mean()
    np.testing.assert_array_equal(np.sort(found[-1][1]), np.sort(predicted.ravel()))
    net = net_of()
    _, result = net.train([X, K], monitors={'last': lambda t, output: t.max()}, **QUICK)
    assert result['last'] == 2


WITH_LATE_ERRORS = [
    (
        {'monitors': {'mine': lambda target, output: ''}},
        "monitors: 'mine' must return a number; got ''",
    ),
    ({'restore_best': 'valid_mine'}, "restore_best: no monitor 'valid_mine'"),
    (
        {'callbacks': rnnkit.callbacks.EarlyStop('valid_mine')},
        "EarlyStop: no monitor 'valid_mine'",
    ),
]


@pytest.mark.parametrize('call', ['train', 'itertrain'])
@pytest.mark.parametrize(('options', 'message'), WITH_LATE_ERRORS)
def test_a_training_that_fails_before_its_first_update_leaves_no_trace(options, message, call):
    net = rnnkit.Classifier([2, 'standardize', ('gru', 3), 3], seed=0)
    frames = [pandas.DataFrame(X[:, k], columns=['a', 'b']) for k in range(B)]
    spec, before = net.to_spec(), [p.get_value() for p in net.params]
    with pytest.raises(ConfigError, match=message):
        list(getattr(net, call)([frames, Y], valid=0.3, **options, **QUICK))
    assert net.classes_ is None
    assert (net.to_spec(), net._trainings) == (spec, 0)
    for p, value in zip(net.params, before, strict=True):
        np.testing.assert_array_equal(p.get_value(), value)
    other = rnnkit.Classifier([2, 'standardize', ('gru', 3), 3], seed=0)
    for one in (net, other):
        one.train([3 * X, K * 10], valid=0.3, **QUICK)
    assert net.classes_.tolist() == [0, 10, 20]
    np.testing.assert_array_equal(net.predict_proba(X), other.predict_proba(X))


@pytest.mark.parametrize('algo', ['layerwise', 'sample', 'pretrain'])
def test_other_ways_to_train(algo):
    net = rnnkit.Classifier([2, ('rnn', 3), ('rnn', 3), 3], seed=0)
    given = {} if algo == 'sample' else QUICK
    net.train([X, Y], algo=algo, **given)
    assert algo == 'pretrain' or net.classes_.tolist() == NAMES.tolist()


def test_tokens_are_generated_where_classes_have_names():
    net = rnnkit.Classifier([3, ('gru', 4), 3], classes=NAMES, seed=0)
    plain = rnnkit.Classifier([3, ('gru', 4), 3], seed=0)
    found = net.generate([1, 2], 4, rng=0)
    np.testing.assert_array_equal(found, plain.generate([1, 2], 4, rng=0))
    assert NAMES[found].shape == (4, 1)
    assert list(net.predict_sequence([1, 2], 3, rng=0)) == list(
        plain.predict_sequence([1, 2], 3, rng=0)
    )


def test_a_network_of_tokens_whose_targets_are_shifted():
    tokens = RNG.integers(1, 4, (7, 3))  # 0 does not occur
    net = rnnkit.Classifier([4, ('embedding', 3), ('rnn', 3), 4], seed=0)
    net.train([tokens[:-1], tokens[1:]], **QUICK)
    assert net.classes_.tolist() == [0, 1, 2, 3]


HINTS = (
    '; padding needs a mask, in a network with masked=True; leave out what has no known target, '
    'or give it a weight of 0, in a network with weighted=True'
)


@pytest.mark.parametrize(
    ('options', 'labels', 'message'),
    [
        (
            {'n': 4},
            Y,
            "train: y has only the labels 'cat', 'dog', 'eel', and the last layer 4 units, one for "
            'each class; write 3 units, or name all classes: classes=[...]',
        ),
        (
            {'n': 2},
            np.where(K == 0, 'cat', np.where(np.arange(T * B).reshape(T, B) == 1, 'Dog', 'dog')),
            'train: y has 3 different labels, and the last layer 2 units, one for each class; '
            "write 3 units, if all of them are meant; the rarest: 'Dog' (1 targets)",
        ),
        (
            {},
            [[1 if k == 1 else NAMES[k] for k in row] for row in K.tolist()],
            "train: y must be labels of one kind; it contains 'cat' and 1",
        ),
        (
            {},
            K - 1,
            'train: y contains label -1; the last layer has 3 units, so labels are 0 to 2, or '
            'names that are given as classes=[...], one for each unit; this is at index (0, 0)'
            f'{HINTS}',
        ),
        (
            {'n': 4},
            K * 10 + 10,
            'train: y contains label 10; the last layer has 4 units, so labels are 0 to 3, or '
            'names that are given as classes=[...], one for each unit; this is at index (0, 0)'
            f'{HINTS}',
        ),
        (
            {},
            np.where(K == 0, None, Y),
            'train: y contains None; labels are strings, numbers or bools; this is at index (0, 0)'
            f'{HINTS}',
        ),
        (
            {},
            np.where(K == 0, '', Y),
            "train: y contains '', an empty label; if it is one, name all classes: classes=[...]; "
            f'this is at index (0, 0){HINTS}',
        ),
        ({}, Y.astype('S'), 'train: y is an array of bytes; make it one of str: y.astype(str)'),
        (
            {'classes': ['cat', 'dog', 'emu']},
            Y,
            "train: y contains label 'eel', which is not one of the 3 classes 'cat', 'dog', 'emu'; "
            'this is at index (0, 2)',
        ),
        (
            {'classes': NAMES},
            K,
            "train: y contains label 0, which is not one of the 3 classes 'cat', 'dog', 'eel'; "
            f'this is at index (0, 0){HINTS}',
        ),
    ],
)
def test_labels_that_do_not_fit(options, labels, message):
    net = net_of(**options)
    with pytest.raises(DataError, match=f'^{re.escape(message)}$'):
        net.train([X, labels], **QUICK)
    if 'classes' not in options:
        assert net.classes_ is None  # the failed training leaves nothing behind


def test_labels_are_unknown_after_training_or_before():
    message = "contains label 'emu', which is not one of the 3 classes 'cat', 'dog', 'eel'"
    net, odd = trained(X, Y), np.where(K == 1, 'emu', Y)
    for call in (net.score, net.evaluate, lambda x, y: net.train([X, Y], [x, y])):
        with pytest.raises(DataError, match=re.escape(message)):
            call(X, odd)
    with pytest.raises(DataError, match=re.escape("contains label 'cat'; the classes of this")):
        trained(X, K).train([X, Y], **QUICK)
    message = "label 'cat'; the last layer has 3 units, so labels are 0 to 2, or names"
    with pytest.raises(DataError, match=re.escape(message)):
        net_of().score(X, Y)


def test_a_callable_needs_names():
    with pytest.raises(
        DataError, match=r"label 'cat'.* or names that are given as classes=\[...\]"
    ):
        net_of().train(lambda: [X, Y], train_batches=2, **QUICK)
    net = net_of(classes=NAMES)
    net.train(lambda: [X, Y], train_batches=1, valid_batches=1, **QUICK)
    np.testing.assert_array_equal(net.predict_proba(X), reference().predict_proba(X))


def test_the_sequence_and_the_step_are_named():
    ys = [NAMES[k].astype(object) for k in KS]
    ys[1][2] = 'emu'
    net = net_of(masked=True, classes=NAMES)
    with pytest.raises(DataError, match=re.escape("y[1] contains label 'emu'")) as error:
        net.train([XS, ys], **QUICK)
    assert 'this is at index (2,)' in str(error.value)


def test_a_failed_training_leaves_no_names():
    net = net_of()
    with pytest.raises(ConfigError, match='learning_rate'):
        net.train([X, Y], learning_rat=0.1)
    net.train([X, K * 10 + 10], **QUICK)
    assert net.classes_.tolist() == [10, 20, 30]


@pytest.mark.parametrize(
    ('labels', 'names'),
    [((-1, 1), [-1, 1]), ((-1, 0), None), ((-100, 1), None), ((-1, 2), [-1, 2]), ((1, 2), [1, 2])],
)
def test_placeholders_are_not_learned(labels, names):
    net, y = net_of(n=2), np.where(K == 0, *labels)
    if names is None:
        with pytest.raises(DataError, match=f'contains label {labels[0]}; the last layer has 2'):
            net.train([X, y], **QUICK)
        names = sorted(labels)
        net = net_of(n=2, classes=names)
    net.train([X, y], **QUICK)
    assert net.classes_.tolist() == names


def test_a_single_unit_is_refused():
    message = (
        'Classifier: a softmax of 1 unit is always 1. For two classes write 2 units; or, for the '
        "probability of 1 where targets are 0 or 1, a Regressor([...], loss='bce') with 1 unit"
    )
    with pytest.raises(ConfigError, match=f'^{re.escape(message)}$'):
        net_of(n=1)


def test_a_regressor_has_no_classes():
    with pytest.raises(ConfigError, match="unknown option 'classes'"):
        rnnkit.Regressor([2, ('rnn', 3), 1], classes=['a'])
