"""Exceptions in functions of the user's: they come out as they are, or as one that says where."""

import numpy as np
import pytest
from one_weight import DATA, made, renewed, values

import rnnkit
from rnnkit.callbacks import Callback
from rnnkit.errors import ConfigError, DataError, TrainingError

HOOKS = ('on_train_begin', 'on_batch_end', 'on_validation_end', 'on_epoch_end', 'on_train_end')


@pytest.fixture(scope='module')
def shared():
    return made()


@pytest.fixture
def net(shared):
    return renewed(shared)


def raising(error, hook):
    def raise_it(self, training):
        raise error

    return type('Raising', (Callback,), {hook: raise_it})()


def train(net, **options):
    return net.train(DATA, epochs=2, validate_every=1, progress=False, **options)


def iterate(net, **options):
    return list(net.itertrain(DATA, epochs=2, validate_every=1, progress=False, **options))


@pytest.mark.parametrize('hook', HOOKS)
@pytest.mark.parametrize('method', [train, iterate])
def test_stop_iteration_in_a_hook(net, hook, method):
    error = StopIteration('mine')
    with pytest.raises(TrainingError) as caught:
        method(net, callbacks=raising(error, hook))
    assert str(caught.value).startswith(f'StopIteration was raised by raise_it() in {__file__}, ')
    assert str(caught.value).endswith('to end a training, call training.stop() in a callback')
    assert caught.value.__cause__ is error
    train(net)  # the network can be trained again


@pytest.mark.parametrize('hook', HOOKS)
@pytest.mark.parametrize('kind', [GeneratorExit, SystemExit, StopAsyncIteration, OSError])
def test_other_exceptions_come_out_as_they_are(net, hook, kind):
    error = kind('mine')
    with pytest.raises(kind) as caught:
        train(net, callbacks=raising(error, hook))
    assert caught.value is error
    train(net)


def test_stop_iteration_in_a_schedule(net):
    def rate(update):
        return 0.1 if update < 2 else next(iter([]))

    with pytest.raises(TrainingError, match=r'StopIteration was raised by rate\(\) in '):
        train(net, learning_rate=rate, batch_size=10)
    assert net.history == []


def test_stop_iteration_in_data_and_monitors(net):
    with pytest.raises(DataError, match='the train callable has no further batch'):
        net.train(iter([DATA]).__next__, epochs=1, progress=False)
    with pytest.raises(ConfigError, match="monitors: 'out.b:a' raised StopIteration"):
        train(net, monitors={'out.b': {'a': lambda w: next(iter([]))}})


def test_stop_iteration_in_a_stage():
    net = rnnkit.Regressor([1, 2, 2, 1], seed=0)
    callback = raising(StopIteration(), 'on_epoch_end')
    with pytest.raises(TrainingError, match=r'stage 1 of 2 \(hid1\): StopIteration was raised by'):
        net.train(DATA, algo='layerwise', epochs=1, progress=False, callbacks=callback)


def test_the_best_parameters_are_restored(net):
    before = values(net)
    options = {'callbacks': raising(StopIteration(), 'on_epoch_end'), 'learning_rate': 100.0}
    with pytest.raises(TrainingError):
        train(net, algo='sgd', **options)
    for old, new in zip(before, values(net), strict=True):
        np.testing.assert_array_equal(old, new)


def test_tokens_that_change_while_they_are_used():
    words, y = np.zeros((3, 2), int), np.zeros((3, 2), int)
    net = rnnkit.Classifier([3, ('embedding', 2), ('rnn', 2), 2], seed=0)

    def change(training):
        words[:] = 99

    with pytest.raises(DataError, match='a token or label has changed since the data were checked'):
        net.train([words, y], epochs=2, callbacks=change, progress=False)
