"""Scores: plain NumPy."""

import inspect

import numpy as np
import pytest

from rnnkit.errors import ConfigError, DataError, ShapeError
from rnnkit.metrics import (
    accuracy,
    add,
    binary_accuracy,
    binary_f1,
    bits,
    confusion,
    cross_entropy,
    f1,
    mae,
    metrics,
    mse,
    perplexity,
    r2,
    rmse,
)

Y = np.array([[1.0, 2.0], [3.0, 6.0]])


def test_r2_is_one_minus_the_unexplained_share():
    output = Y + np.array([[0.5, 0], [0, -1]])
    assert r2(Y, output) == pytest.approx(1 - 1.25 / 14)  # 14 = Σ (y - 3)²
    assert r2(Y, Y) == 1
    assert r2(Y, np.full_like(Y, 3.0)) == 0
    assert r2(Y, -Y) < 0


def test_r2_with_weights_equals_repeating_examples():
    output, w = Y * 0.9, np.array([[1, 2], [0, 3]])
    repeated = [np.repeat(a.ravel(), w.ravel()) for a in (Y, output)]
    assert r2(Y, output, w) == pytest.approx(r2(*repeated))


def test_r2_of_a_constant_target():
    assert r2(np.ones(3), np.ones(3)) == 1
    assert r2(np.ones(3), np.zeros(3)) == -np.inf


def test_r2_of_float32_is_computed_in_float64():
    y = np.float32([1e4, 1e4 + 1, 1e4 + 2])
    assert r2(y, y + np.float32(0.5)) == pytest.approx(1 - 0.75 / 2)


def test_accuracy():
    assert accuracy([1, 2, 3, 4], [1, 2, 0, 0]) == 0.5
    assert accuracy([1, 2, 3, 4], [1, 2, 0, 0], weights=[3, 3, 1, 1]) == 0.75


def test_differences_of_numbers():
    output = Y + np.array([[0.5, 0], [0, -1]])
    assert mse(Y, output) == 1.25 / 4
    assert rmse(Y, output) == pytest.approx(np.sqrt(1.25 / 4))
    assert mae(Y, output) == 1.5 / 4
    assert mae(Y, output, [[1, 0], [0, 3]]) == 3.5 / 4
    assert mse(Y, output, [[1, 0], [0, 3]]) == 3.25 / 4


def test_confusion_counts_weights():
    target, output = [[0, 0, 1], [1, 2, 2]], [[0, 1, 1], [1, 2, 0]]
    assert confusion(target, output).tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 1]]
    weights = [[1, 2, 3], [4, 5, 0]]
    assert confusion(target, output, weights).tolist() == [[1, 2, 0], [0, 7, 0], [0, 0, 5]]
    assert confusion([0], [0], classes=2).tolist() == [[1, 0], [0, 0]]
    with pytest.raises(DataError, match='there is a label 2, but classes=2'):
        confusion(target, output, classes=2)


def test_f1_by_hand():
    # Classes 0, 1, 2: hits 1, 2, 1; targets 2, 2, 2; outputs 2, 3, 1.
    assert f1([0, 0, 1, 1, 2, 2], [0, 1, 1, 1, 2, 0]) == pytest.approx((2 / 4 + 4 / 5 + 2 / 3) / 3)
    assert f1([0, 5], [0, 5]) == 1  # classes that occur nowhere do not count
    assert f1([0, 1], [1, 0]) == 0


P = np.array([[[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]], [[0.125, 0.75, 0.125], [0.0, 0.5, 0.5]]])
LABELS = np.array([[1, 0], [0, 2]])  # their probabilities are 1/4, 1, 1/8, 1/2


def test_cross_entropy_by_hand():
    assert bits(LABELS, P) == pytest.approx((2 + 0 + 3 + 1) / 4)
    assert cross_entropy(LABELS, P) == pytest.approx(1.5 * np.log(2))
    assert perplexity(LABELS, P) == pytest.approx(2**1.5)
    assert bits(LABELS, P, [[1, 1], [0, 2]]) == pytest.approx((2 + 0 + 2) / 4)
    uniform = np.full((7, 5), 0.2)
    assert perplexity(np.arange(7) % 5, uniform) == pytest.approx(5)


def test_a_target_that_was_impossible_is_infinitely_bad_if_it_counts():
    assert cross_entropy([[2]], P[:1, 1:]) == np.inf
    assert perplexity([[2]], P[:1, 1:]) == np.inf
    assert bits([[1, 2]], P[:1], [[1, 0]]) == pytest.approx(2)


# --- all of them ---

MEMBERS = {
    'r2': r2,
    'mse': mse,
    'rmse': rmse,
    'mae': mae,
    'accuracy': accuracy,
    'acc': accuracy,
    'f1': f1,
    'binary_accuracy': binary_accuracy,
    'binary_f1': binary_f1,
    'xe': cross_entropy,
    'crossentropy': cross_entropy,
    'cross_entropy': cross_entropy,
    'bits': bits,
    'perplexity': perplexity,
}
NUMBERS, OF_LABELS, OF_P = [r2, mse, rmse, mae], [accuracy, f1], [cross_entropy, bits, perplexity]
OF_BINARY = [binary_accuracy, binary_f1]


def arguments(metric, T=6, B=5, seed=0):
    """Return a target and an output that `metric` can read."""
    rng = np.random.default_rng(seed)
    if metric in NUMBERS:
        return rng.normal(size=(T, B, 2)), rng.normal(size=(T, B, 2))
    if metric in OF_BINARY:
        return rng.integers(0, 2, (T, B, 2)), rng.random((T, B, 2))
    labels = rng.integers(0, 4, (T, B))
    if metric in OF_LABELS:
        return labels, np.where(rng.random((T, B)) < 0.5, labels, rng.integers(0, 4, (T, B)))
    return labels, rng.dirichlet(np.ones(4), (T, B))


def test_every_metric_is_found_by_its_names():
    assert {name: metrics[name] for name in metrics} == MEMBERS
    assert {f for f in MEMBERS.values() if f.reads == 'probabilities'} == set(OF_P)
    with pytest.raises(ConfigError, match="no metric named 'perplexty'; did you mean 'perplexity'"):
        metrics['perplexty']


def test_a_metric_of_ones_own_says_what_it_reads():
    @add('largest', reads='probabilities')
    def largest(target, output, weights=None):
        return output.max()

    try:
        assert metrics['largest'] is largest
        assert largest.reads == 'probabilities'
        with pytest.raises(ConfigError, match="reads must be one of 'prediction', .*; got 'p'"):
            add('other', reads='p')
    finally:
        del metrics._members['largest']


def test_a_metric_that_follows_from_means():
    """It is made from functions of target and output."""

    @add('bias', 'offset', means=[lambda target, output: output - target])
    def bias(mean):
        """Return how far outputs are too large."""
        return mean

    try:
        assert metrics['offset'] is bias
        assert (bias.__name__, bias.__doc__) == ('bias', 'Return how far outputs are too large.')
        assert list(inspect.signature(bias).parameters) == ['target', 'output', 'weights']
        assert bias([1, 2], [2, 4]) == 1.5
        assert bias([1, 2], [2, np.inf], [1, 0]) == 1
        assert bias(Y, Y + 1, [[1, 0], [0, 3]]) == bias(Y, Y + 1, [1, 0]) == 1
    finally:
        del metrics._members['bias'], metrics._members['offset']


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'means': abs}, 'means must be a list of functions .*; got <built-in'),
        ({'means': []}, r'means must be a list of functions .*; got \[\]'),
        ({'means': ['mse']}, 'means must be a list of functions'),
        ({'means': [abs], 'targets': 'words'}, "targets must be one of .*; got 'words'"),
    ],
)
def test_a_metric_that_is_none(options, message):
    with pytest.raises(ConfigError, match=message):
        add('none', **options)


def test_a_mean_is_over_one_value_for_each_target():
    @add('none', means=[lambda target, output: (target - output).sum()])
    def none(mean):
        return mean

    try:
        with pytest.raises(ShapeError, match=r'one value for each target, \(2, 2\); got \(\)'):
            none(Y, Y)
    finally:
        del metrics._members['none']


@pytest.mark.parametrize('metric', [*NUMBERS, *OF_LABELS, *OF_BINARY, *OF_P])
def test_whole_weights_are_the_same_as_repeating_examples(metric, rng):
    target, output = arguments(metric)
    weights = rng.integers(0, 3, (6, 5))
    flat = [a.reshape(30, *a.shape[2:]) for a in (target, output)]
    repeated = [np.repeat(a, weights.ravel(), 0) for a in flat]
    assert metric(target, output, weights) == pytest.approx(metric(*repeated), rel=1e-12)
    assert metric(target, output, weights > 0) != pytest.approx(metric(target, output), rel=1e-3)


@pytest.mark.parametrize('metric', [*NUMBERS, *OF_LABELS, *OF_BINARY, *OF_P])
def test_what_is_masked_changes_nothing(metric):
    target, output = arguments(metric)
    more, other = arguments(metric, T=3, seed=1)
    mask = np.repeat([1.0, 0.0], [6, 3])[:, None] * np.ones(5)
    if metric in OF_LABELS:
        more = more + 7  # classes that only the padding has
    found = metric(np.concatenate([target, more]), np.concatenate([output, other]), mask)
    assert found == pytest.approx(metric(target, output), rel=1e-12)
    assert type(found) is float


@pytest.mark.parametrize('metric', [*NUMBERS, *OF_LABELS, *OF_BINARY, *OF_P])
@pytest.mark.parametrize('bad', [np.nan, np.inf, -1])
def test_what_has_no_weight_may_be_anything(metric, bad, rng):
    target, output = arguments(metric)
    weights = rng.random((6, 5))
    weights[2, 3] = weights[0, 1] = 0
    wanted = metric(target, output, weights)
    target, output = target.astype(float), output.astype(float)
    target[weights == 0] = output[weights == 0] = bad
    assert metric(target, output, weights) == wanted
    target[1, 1] = np.nan
    message = r'contains nan at index \(1, 1|labels must be whole numbers'
    with pytest.raises(DataError, match=message):
        metric(target, output, weights)
    target, output = arguments(metric)
    output = output.astype(float)
    output[5, 2] = np.nan
    message = r'output contains nan at index \(5, 2.*needs a weight of 0|from 0 to 1'
    with pytest.raises(DataError, match=message):
        metric(target, output)


@pytest.mark.parametrize('metric', [*NUMBERS, *OF_LABELS, *OF_BINARY, *OF_P])
def test_sequences_of_different_lengths(metric, rng):
    """They are put end to end, as scikit-learn's users do."""
    lengths = (3, 5, 1)
    pairs = [arguments(metric, n, 1, seed=n) for n in lengths]
    target, output = ([pair[k][:, 0] for pair in pairs] for k in (0, 1))
    weights = [rng.random(n) for n in lengths]
    joined = [np.concatenate(one) for one in (target, output, weights)]
    for n in (2, 3):
        assert metric(*(target, output, weights)[:n]) == metric(*joined[:n])
    assert metric([t.tolist() for t in target], output) == metric(*joined[:2])
    with pytest.raises(ShapeError, match='target and output are lists .* the same lengths'):
        metric(target, output[::-1])


@pytest.mark.parametrize(
    ('wrong', 'error', 'message'),
    [
        ('abc', DataError, 'target must be an array or a list; got str'),
        (None, DataError, 'target must be an array or a list; got NoneType'),
        ([1j, 2], DataError, 'target must be real numbers; got an array of complex128'),
        ([[1], 2], ShapeError, 'target cannot be read as one array'),
        ([object(), 1], ShapeError, 'target cannot be read as one array'),
        (
            np.ma.masked_equal([1, 2], 2),
            DataError,
            'target is a NumPy masked array, and its mask would be lost; pass a plain array, such '
            r'as array.filled\(0\), and weights that are 0 where it is masked',
        ),
    ],
)
@pytest.mark.parametrize('metric', [mse, accuracy, f1, bits, confusion])
def test_what_is_no_array_of_targets(metric, wrong, error, message):
    with pytest.raises(error, match=f'{metric.__name__}: {message}'):
        metric(wrong, [1, 2])


def test_labels_that_are_no_classes_take_no_memory():
    assert f1([10**15], [0]) == 0
    with pytest.raises(DataError, match=f'bits: label {10**15}; labels are the numbers of classes'):
        bits([10**15], [[0.5, 0.5]])
    with pytest.raises(DataError, match='confusion: label 999999; labels are'):
        confusion([999999], [0])
    with pytest.raises(ConfigError, match="classes must be a whole number .* got 'a'"):
        confusion([1], [0], classes='a')


@pytest.mark.parametrize('metric', [*NUMBERS, *OF_LABELS, *OF_BINARY, *OF_P])
def test_weights_that_make_no_sense(metric):
    target, output = arguments(metric)
    for wrong in (np.zeros((6, 5)), -np.ones((6, 5)), np.full((6, 5), np.nan)):
        with pytest.raises(
            DataError, match=f'{metric.__name__}: weights must be numbers of at least'
        ):
            metric(target, output, wrong)
    with pytest.raises(ShapeError, match=rf'{metric.__name__}: one .* got weights \(5,\)'):
        metric(target, output, np.ones(5))
    with pytest.raises(DataError, match='there are no targets'):
        metric(target[:0], output[:0])


@pytest.mark.parametrize('metric', [*NUMBERS, *OF_LABELS])
def test_shapes_must_agree(metric):
    with pytest.raises(ShapeError, match=rf'{metric.__name__}: target \(2,\), output \(3,\)'):
        metric([1, 2], [1, 2, 3])
    with pytest.raises(ShapeError, match=r'weights \(1,\)'):
        metric([1, 2], [1, 2], weights=[1])


@pytest.mark.parametrize('metric', OF_P)
def test_probabilities_must_be_probabilities_of_the_labels(metric):
    name = metric.__name__
    with pytest.raises(ShapeError, match=rf'{name}: .* got \(2, 2\) and \(2, 3\)'):
        metric(LABELS, P[0])
    with pytest.raises(DataError, match=f'{name}: expects probabilities .* got -1 to 2.5'):
        metric(LABELS, P * 3.5 - 1)
    with pytest.raises(DataError, match=f'{name}: expects probabilities'):
        metric(LABELS, P * np.nan)
    with pytest.raises(DataError, match=f'{name}: label 3, but there are 3 classes'):
        metric(LABELS + 1, P)


@pytest.mark.parametrize('metric', [confusion, cross_entropy])
def test_labels_that_are_no_numbers_of_classes_need_names(metric):
    target, output = arguments(f1 if metric is confusion else metric)
    for wrong in (target - 1, target + 0.5):
        with pytest.raises(DataError, match='labels must be whole numbers of at least 0, or names'):
            metric(wrong, output)
    names = np.array(['b', 'a', 'c'])
    named = np.where(target == 0, 'd', names[target % 3])
    output = named if metric is confusion else output
    with pytest.raises(DataError, match="'d' is not one of the 3 classes 'b', 'a', 'c'"):
        metric(named, output, classes=names)


NAMES = np.array(['b', 'a', 'c'])
RAGGED = [np.array([0, 1, 2, 1]), np.array([2]), np.array([1, 1])]
FOUND = [np.array([0, 2, 2, 1]), np.array([0]), np.array([1, 2])]
OF_SEQUENCES = [np.array([1.0, 0, 2, 1]), np.array([3.0]), np.array([0, 0.5])]


@pytest.mark.parametrize('metric', [accuracy, f1])
def test_names_of_classes(metric):
    expected = metric(np.concatenate(RAGGED), np.concatenate(FOUND), np.concatenate(OF_SEQUENCES))
    for named in (NAMES, NAMES.astype(object), np.array([0.5, -1, 7])):
        target, output = ([named[one] for one in ones] for ones in (RAGGED, FOUND))
        assert metric(target, output, OF_SEQUENCES) == pytest.approx(expected, rel=1e-12)
        lists = [one.tolist() for one in target]
        assert metric(lists, output, OF_SEQUENCES) == pytest.approx(expected, rel=1e-12)
        flat = [np.concatenate(ones) for ones in (target, output, OF_SEQUENCES)]
        assert metric(*flat) == pytest.approx(expected, rel=1e-12)
    padded = np.array([['a', 'b'], ['c', None]], dtype=object)
    assert metric(padded, padded.T, [[1, 1], [1, 0]]) == metric([0, 1, 2], [0, 2, 1])
    with pytest.raises(DataError, match=r'target contains None at index \(1, 1\), among strings'):
        metric(padded, padded)
    with pytest.raises(DataError, match='labels of target are strings, and those of output numb'):
        metric(NAMES, [0, 1, 2])


@pytest.mark.parametrize('metric', [cross_entropy, bits, perplexity])
def test_probabilities_of_named_classes(metric, rng):
    p = [rng.dirichlet(np.ones(3), len(one)) for one in RAGGED]
    expected = metric(RAGGED, p, OF_SEQUENCES)
    for named in (NAMES, np.array([0.5, -1, 7]), np.array([30, 10, 20])):
        found = metric([named[one] for one in RAGGED], p, OF_SEQUENCES, classes=named)
        assert found == pytest.approx(expected, rel=1e-12)
    with pytest.raises(DataError, match='or names of classes, with classes=net.classes_'):
        metric([NAMES[one] for one in RAGGED], p)


@pytest.mark.parametrize('metric', [confusion, cross_entropy])
def test_classes_are_a_list_of_names(metric):
    output = [0, 1] if metric is confusion else np.eye(2)
    for wrong, error in ((-1.5, DataError), ([['a', 'b']], DataError), ({}, DataError)):
        with pytest.raises(error, match=f'{metric.__name__}: classes must be a'):
            metric([0, 1], output, classes=wrong)
    with pytest.raises(DataError, match='classes contains 1 at index'):
        metric([0, 1], output, classes=np.array(['a', 1], dtype=object))


def test_confusion_of_names():
    target, output = (NAMES[np.concatenate(ones)] for ones in (RAGGED, FOUND))
    counts = confusion(np.concatenate(RAGGED), np.concatenate(FOUND))
    np.testing.assert_array_equal(confusion(target, output, classes=NAMES), counts)
    order = [1, 0, 2]  # sorted
    np.testing.assert_array_equal(confusion(target, output), counts[np.ix_(order, order)])
    assert confusion([-1, 1], [1, 1], classes=[-1, 1]).tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize('metric', [accuracy, f1, mse, r2])
def test_one_weight_for_each_sequence(metric):
    weights = [2.0, 0.0, 1.0]
    spread = [np.full(len(one), w) for one, w in zip(RAGGED, weights, strict=True)]
    assert metric(RAGGED, FOUND, weights) == metric(RAGGED, FOUND, spread)
    with pytest.raises(ShapeError, match='one number for each of the 3 sequences; got'):
        metric(RAGGED, FOUND, [1, 2])


@pytest.mark.parametrize(
    ('metric', 'name'),
    [
        (r2, 'r2_score'),
        (mse, 'mean_squared_error'),
        (mae, 'mean_absolute_error'),
        (rmse, 'root_mean_squared_error'),
        (accuracy, 'accuracy_score'),
        (f1, 'f1_score'),
        (confusion, 'confusion_matrix'),
        (cross_entropy, 'log_loss'),
    ],
)
def test_scikit_learn_agrees(metric, name, rng):
    theirs = getattr(pytest.importorskip('sklearn.metrics'), name)
    kind = f1 if metric is confusion else metric
    target, output = arguments(kind)
    if kind in NUMBERS:  # theirs gives each column a mean of its own
        target, output = target[..., 0], output[..., 0]
    options = {'average': 'macro'} if metric is f1 else {}
    flat = [a.reshape(30, *a.shape[2:]) for a in (target, output)]
    for weights in (None, rng.uniform(0.1, 2, (6, 5))):
        w = None if weights is None else weights.ravel()
        np.testing.assert_allclose(
            metric(target, output, weights), theirs(*flat, sample_weight=w, **options), rtol=1e-12
        )


@pytest.mark.parametrize('metric', OF_BINARY)
@pytest.mark.parametrize('wrong', [2, -1, 0.5])
def test_targets_that_are_neither_0_nor_1(metric, wrong):
    with pytest.raises(
        DataError, match=rf'{metric.__name__}: target contains {wrong}; targets must'
    ):
        metric([0, wrong], [0.3, 0.9])
    assert metric([0, wrong], [0.3, 0.9], [1, 0]) in (0, 1)  # it does not count
