"""Batches that an iterable makes, such as a data loader."""

import itertools

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

import rnnkit
from rnnkit.data import Window
from rnnkit.data.datasets import Stream, build
from rnnkit.data.passes import Passes, is_iterable, makes_new_batches
from rnnkit.errors import ConfigError, DataError, ShapeError

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 10, 1))
Y = X.cumsum(axis=0)
PARTS = [slice(0, 4), slice(4, 8), slice(8, 10)]  # the last batch is smaller
QUICK = {'algo': 'sgd', 'learning_rate': 0.01, 'validate_every': 1}


class Loader:
    """An iterable of batches without a length, as other libraries have; it counts its passes."""

    def __init__(self, parts=PARTS, form=lambda x, y: [x, y]):
        self.parts, self.form, self.passes = parts, form, 0

    def __iter__(self):
        self.passes += 1
        for part in self.parts:
            yield self.form(X[:, part], Y[:, part])


class Sized(Loader):
    def __len__(self):
        return len(self.parts)


class Tensor:
    """An array of another library, by the part of its interface that is used."""

    def __init__(self, array):
        self._array, self.shape, self.ndim = array, array.shape, array.ndim

    def __array__(self, dtype=None, copy=None):
        return self._array

    def __len__(self):
        return len(self._array)


def net(**options):
    return rnnkit.Regressor([1, ('rnn', 2), 1], seed=0, dtype='float64', **options)


def passes(batches, n=None, where='train'):
    return build(batches, lambda batch, where: [np.asarray(batch)], [], where, 32, n)


def numbers(batches):
    return [int(batch[0]) for batch in batches]


def test_each_epoch_is_a_pass():
    data = passes(dict.fromkeys(range(3)).keys())
    assert isinstance(data, Passes)
    assert [numbers(data) for _ in range(3)] == [[0, 1, 2]] * 3
    assert (data.one_pass, data.n_batches) == (True, 3)


def test_with_a_number_of_batches_the_next_epoch_goes_on():
    data = passes(range(3), 2)
    assert [numbers(data) for _ in range(4)] == [[0, 1], [2, 0], [1, 2], [0, 1]]
    assert (data.one_pass, data.n_batches) == (False, 2)
    assert numbers(passes(range(3), 7)) == [0, 1, 2, 0, 1, 2, 0]


def test_a_pass_that_was_left_early_begins_anew():
    data = passes(range(3))
    assert numbers(itertools.islice(data, 2)) == [0, 1]
    assert numbers(data) == [0, 1, 2]


@pytest.mark.parametrize('epochs', [1, 2, 3])
def test_it_goes_on_from_its_state(epochs):
    whole, part, later = (passes(range(5), 3) for _ in range(3))
    wanted = [numbers(whole) for _ in range(5)]
    for _ in range(epochs):
        numbers(part)
    later.set_state(part.get_state())
    assert [numbers(later) for _ in range(5 - epochs)] == wanted[epochs:]


def test_the_first_batch_of_a_pass_is_fresh_unless_it_says_otherwise():
    data = passes(range(3), 4)
    assert [getattr(batch, 'fresh', False) for batch in data] == [True, False, False, True]
    windows = [Window([np.zeros(1)], False), Window([np.zeros(1)], True)]
    data = build(dict(enumerate(windows)).values(), lambda batch, where: batch, [], 'train', 32)
    assert [batch.fresh for batch in data] == [False, True]


@pytest.mark.parametrize('data', [[1], (1,), {1: 2}, 'ab', b'ab', {1}, np.zeros(2), None, 3, len])
def test_arrays_and_callables_are_no_iterables(data):
    assert not is_iterable(data)


def test_what_begins_anew_has_no_new_batches():
    assert not makes_new_batches(Loader())
    assert makes_new_batches(iter(Loader()))
    assert makes_new_batches(lambda: 0)
    assert not makes_new_batches([X, Y])


# --- trainings


def trained(train, valid=None, **options):
    network = net()
    found = network.train(train, valid, epochs=3, **QUICK | options)
    return found, network.history, [p.get_value() for p in network.params]


@pytest.mark.parametrize(
    'form',
    [
        lambda x, y: [x, y],
        lambda x, y: (x, y),
        lambda x, y: {'y': y, 'x': x},
        lambda x, y: [Tensor(x), Tensor(y)],
    ],
    ids=['list', 'tuple', 'dict', 'tensors'],
)
def test_a_training_is_that_of_a_callable_with_the_same_batches(form):
    batches = itertools.cycle([[X[:, part], Y[:, part]] for part in PARTS])
    wanted = trained(batches.__next__, [X, Y], train_batches=3)
    loader = Loader(form=form)
    found = trained(loader, [X, Y])
    assert found[0] == wanted[0]
    assert loader.passes == 3
    for one, other in zip(found[2], wanted[2], strict=True):
        np.testing.assert_array_equal(one, other)


def test_without_validation_data_it_is_evaluated_on_its_own():
    loader = Sized()
    network = net()
    before = network.evaluate(X, Y)['loss']
    _, after = network.train(loader, epochs=1, **QUICK | {'learning_rate': 0})
    assert after['loss'] == pytest.approx(before, rel=1e-12)  # of batches of several sizes
    assert loader.passes == 3  # before the epoch, in it, and after it
    assert network.history[-1]['training_loss'] == after['loss']
    assert 'valid_loss' not in network.history.columns


def test_as_validation_data():
    loader = Loader()
    found, history, _ = trained([X, Y], loader, seed=3)
    wanted, _, _ = trained([X, Y], [X, Y], seed=3)
    assert found[1] == pytest.approx(wanted[1], rel=1e-12)
    assert loader.passes == 4
    assert 'valid_loss' in history.columns
    # A part of a pass is drawn once and kept, or losses could not be compared.
    loader = Loader()
    trained([X, Y], loader, valid_batches=2)
    assert loader.passes == 1


def test_an_iterator_goes_on_from_epoch_to_epoch():
    batches = [[X[:, part], Y[:, part]] for part in PARTS]
    endless = itertools.cycle(batches)
    found, history, _ = trained(endless, [X, Y], train_batches=2)
    assert history['updates'] == [2, 4, 6]
    wanted, _, _ = trained(itertools.cycle(batches).__next__, [X, Y], train_batches=2)
    assert found == wanted
    assert isinstance(passes(iter([1]), 1), Stream)


def test_an_iterator_that_ends_is_an_error_that_says_so():
    with pytest.raises(DataError) as caught:
        trained(iter(Loader()), [X, Y], train_batches=2)
    assert str(caught.value) == (
        'train is an iterator (generator), which can be read only once, and it has ended after 3 '
        'batches; let it yield more, or pass an object that begins anew each time it is iterated '
        'over, such as a data loader'
    )


def test_validation_by_an_iterator():
    batches = (batch for batch in Loader())
    found, _, _ = trained([X, Y], batches, valid_batches=3, seed=3)
    assert found[1] == pytest.approx(trained([X, Y], [X, Y], seed=3)[0][1], rel=1e-12)
    with pytest.raises(ConfigError, match='valid is an iterator.*valid_batches=100'):
        trained([X, Y], iter(Loader()))
    with pytest.raises(ConfigError, match='of the same iterator as training; say how many, val'):
        trained(itertools.cycle(Loader()), train_batches=2)


def test_the_batch_is_named():
    loader = Loader(form=lambda x, y: [x, y[:-1]])
    with pytest.raises(ShapeError, match='^batch 0 of train: y has length 3 on axis 0'):
        trained(loader, [X, Y])
    with pytest.raises(ShapeError, match='^the batch returned by the train iterator: y has'):
        trained(iter(loader), [X, Y], train_batches=1)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'algo': 'lbfgs'}, r"algo 'lbfgs' needs all training data .*; got an iterable \(Loader\)"),
        ({'carry_state': True, 'bptt_steps': 2}, 'bptt_steps cuts arrays .*; an iterable makes'),
        ({'bucket': True}, 'bucket=True sorts arrays .*; an iterable makes its own'),
        ({'valid': 0.2}, r'train is an iterable \(Loader\), which makes its own batches'),
    ],
)
def test_options_for_arrays(options, message):
    with pytest.raises(ConfigError, match=message):
        net(masked='bucket' in options).train(Loader(), **options)


@pytest.mark.parametrize('n', [None, 2])
def test_a_resumed_training_goes_on_with_the_next_batch(n, tmp_path):
    path = tmp_path / 'training.rnn'
    options = {**QUICK, 'train_batches': n}
    whole, part, later = net(), net(), net()
    right = whole.train(Loader(), [X, Y], epochs=5, **options)
    part.train(Loader(), [X, Y], epochs=2, checkpoint=path, **options)
    assert later.train(Loader(), [X, Y], epochs=5, resume=path, **options) == right
    for one, other in zip(later.params, whole.params, strict=True):
        np.testing.assert_array_equal(one.get_value(), other.get_value())


def test_the_state_is_carried_within_a_pass():
    """Each pass begins with new sequences; its batches go on where the last one ended."""
    halves = [slice(0, 2), slice(2, 4)]

    class Windows:
        def __iter__(self):
            return iter([[X[half], Y[half]] for half in halves])

    options = {**QUICK, 'carry_state': True, 'epochs': 2}
    network = net()
    start = [p.get_value() for p in network.params]
    wanted = network.train([X, Y], [X, Y], bptt_steps=2, **options)
    for p, value in zip(network.params, start, strict=True):
        p.set_value(value)
    assert network.train(Windows(), Windows(), **options) == wanted


def test_stages_of_pretraining_read_it_again():
    loader = Loader()
    network = rnnkit.Regressor([1, ('rnn', 2), ('rnn', 2), 1], seed=0, dtype='float64')
    options = {'epochs': 1, 'subalgo': 'sgd', 'learning_rate': 1e-3}
    network.train(loader, [X, Y], algo='pretrain', **options)
    assert loader.passes == 2
    assert network.history['updates'] == [3, 3]
    network.train(loader, Loader(), algo='pretrain', **options)
    network.train(Loader(), algo='sample')


def test_minimize():
    x, w = pt.vector('x', dtype='float64'), pytensor.shared(np.array(0.0), name='w')
    batches = {'a': [np.array([0.0, 1.0])], 'b': [np.array([2.0])]}.values()
    options = {'algo': 'sgd', 'learning_rate': 1e-12, 'epochs': 1}
    loss = ((x - w) ** 2).mean()
    train, after = rnnkit.minimize(loss, batches, params=[w], inputs=[x], **options)
    assert train['loss'] == pytest.approx(after['loss'], rel=1e-9)
    assert after['loss'] == pytest.approx((0 + 1 + 4) / 3, rel=1e-9)
