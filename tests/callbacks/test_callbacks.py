"""Callbacks: when each hook is called, with what, and what happens when one raises."""

import math

import numpy as np
import pytensor
import pytest
from one_weight import DATA, X, made, renewed, values

import rnnkit
from rnnkit.callbacks import Callback
from rnnkit.errors import ConfigError, DataError, ShapeError, TrainingError

HOOKS = ['on_train_begin', 'on_batch_end', 'on_validation_end', 'on_epoch_end', 'on_train_end']
# Four batches an epoch; plain gradient descent, so that there is one function to compile.
QUICK = {'algo': 'sgd', 'batch_size': 10, 'seed': 0, 'validate_every': 2}


@pytest.fixture(scope='module')
def shared():
    return made()


@pytest.fixture
def net(shared):
    return renewed(shared)


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


class Log(Callback):
    """Writes down each call, as (hook, epoch, batch); may raise or stop in one of them."""

    def __init__(self, at=None, epoch=0, do=None):
        self.calls, self.at, self.epoch, self.do = [], at, epoch, do
        self.ended = None

    def _heard(self, name, training):
        self.calls.append((name[3:], training.epoch, training.batch))
        self.ended = training.ended
        if name == self.at and training.epoch >= self.epoch:
            self.do(training)


for _name in HOOKS:
    setattr(Log, _name, lambda self, training, name=_name: self._heard(name, training))


def raising(error):
    def do(training):
        raise error

    return do


# --- when, and with what ---


def test_hooks_are_called_in_this_order(net):
    log = Log()
    net.train(DATA, epochs=3, train_batches=2, callbacks=log, **QUICK)
    assert log.calls == [
        ('train_begin', 0, 0),
        ('validation_end', 0, 0),
        ('batch_end', 1, 1),
        ('batch_end', 1, 2),
        ('epoch_end', 1, 2),
        ('batch_end', 2, 1),
        ('batch_end', 2, 2),
        ('validation_end', 2, 2),
        ('epoch_end', 2, 2),
        ('batch_end', 3, 1),
        ('batch_end', 3, 2),
        ('validation_end', 3, 2),
        ('epoch_end', 3, 2),
        ('train_end', 3, 2),
    ]
    assert log.ended == 'epochs'


def test_what_a_callback_sees(net):
    class Look(Callback):
        def on_train_begin(self, training):
            self.first = (
                training.loss,
                training.monitors,
                training.record,
                training.best,
                training.validation,
                training.ended,
                training.batches,
            )

        def on_batch_end(self, training):
            self.batch = (training.loss, training.monitors, training.updates, training.seconds)

        def on_epoch_end(self, training):
            self.record = training.record

        def on_train_end(self, training):
            self.training = training

    look, second = Look(), []
    train, valid = net.train(
        DATA,
        epochs=1,
        callbacks=[look, second.append],
        monitors='gradients',
        train_batches=1,
        **QUICK,
    )
    assert look.first == (None, {}, {}, {}, {}, None, 1)
    loss, monitors, updates, seconds = look.batch
    # Of one batch, the epoch's means are those of the batch, but for the weight in them.
    assert loss == monitors['loss']
    assert monitors == pytest.approx({name: net.history[0][name] for name in monitors}, rel=1e-12)
    assert set(monitors) == {*train, 'gradient_norm'}
    assert updates == 1
    assert seconds >= 0
    assert look.record is net.history[0]
    training = look.training
    assert second == [training]
    assert training.net is net
    assert training.options.batch_size == 10
    assert (training.number, training.epoch, training.resumed) == (1, 1, False)
    assert training.best == training.validation == valid
    assert training.record['training_loss'] == valid['loss']
    assert training.history is net.history
    assert training.unplanned  # the validation of the first epoch is due after the second


def test_monitors_of_a_batch_are_those_of_that_batch(net):
    seen = []

    class Look(Callback):
        def on_batch_end(self, training):
            seen.append(training.monitors['r2'])

    net.train(DATA, epochs=1, monitors='r2', callbacks=Look(), **QUICK)
    assert len(set(seen)) == 4
    assert net.history[0]['r2'] not in seen


def test_what_is_put_into_the_record_stays_there(net):
    def add(training):
        training.record['mine'] = training.epoch * 2

    net.train(DATA, epochs=2, callbacks=add, **QUICK)
    assert net.history['mine'] == [2, 4]


@pytest.mark.parametrize(
    ('value', 'found'),
    [
        (np.float32(0.5), 0.5),
        (np.array(3), 3),
        (np.bool_(True), True),
        ('low', 'low'),
        (None, None),
    ],
)
def test_columns_of_callbacks_are_in_files(net, value, found, tmp_path):
    def add(training):
        training.record['mine'] = value

    # The last validation is one that a longer training would not make.
    net.train(DATA, epochs=3, callbacks=add, checkpoint=tmp_path / 'a.rnn', **QUICK)
    for history in (net.history, rnnkit.load(tmp_path / 'a.rnn').history):
        assert history['mine'] == [found] * 3
        assert type(history['mine'][0]) is type(found)


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('mine', np.zeros(2)),
        ('mine', [1]),
        ('mine', 1j),
        ('mine', object()),
        (3, 3.0),
    ],
)
@pytest.mark.parametrize('hook', ['on_epoch_end', 'on_train_end'])
def test_columns_that_no_file_could_hold_are_refused(net, name, value, hook, tmp_path):
    log = Log(hook, do=lambda training: training.record.update({name: value}))
    path = tmp_path / 'a.rnn'
    with pytest.raises(
        ConfigError, match='an entry of the history must have a name, and be a number or'
    ):
        net.train(DATA, epochs=1, callbacks=log, checkpoint=path, **QUICK)
    assert len(rnnkit.load(path).history) == 1
    net.train(DATA, epochs=1, checkpoint=path, **QUICK)
    assert len(rnnkit.load(path).history) == 2


def test_a_hook_that_nothing_calls_is_refused(net):
    class Wrong(Callback):
        def on_epoch_ends(self, training):
            raise AssertionError

    message = "Wrong has 'on_epoch_ends', which is never called; did you mean 'on_epoch_end'?"
    with pytest.raises(ConfigError, match=message):
        net.train(DATA, epochs=1, callbacks=Wrong(), **QUICK)


def test_hooks_that_are_not_overridden_are_not_called(net, monkeypatch):
    for name in HOOKS:
        monkeypatch.setattr(Callback, name, raising(AssertionError))
    net.train(DATA, epochs=1, callbacks=[Callback(), print_nothing], **QUICK)


def print_nothing(training):
    pass


def test_with_lbfgs(net):
    log = Log()
    net.train(DATA, algo='lbfgs', patience=99, callbacks=log)
    assert log.ended == 'finished'
    assert [c for c in log.calls if c[0] == 'batch_end'][:2] == [
        ('batch_end', 1, 1),
        ('batch_end', 2, 1),
    ]
    assert log.calls[-1][0] == 'train_end'


def test_with_minimize():
    a, seen = pytensor.shared(3.0, name='a'), []

    class Look(Callback):
        def on_batch_end(self, training):
            seen.append((training.net, training.batches))
            if training.updates == 7:
                training.stop()

    rnnkit.minimize(a**2, algo='sgd', train_batches=5, callbacks=Look())
    assert seen == [(None, 5)] * 7


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        (Log, r'got the class Log itself, write Log\(\)'),
        (
            3,
            'expects instances of rnnkit.callbacks.Callback, and functions .*; got 3',
        ),
        ([print_nothing, 'CSV'], "got 'CSV'"),
        ([LOG := Log(), LOG], 'the same Log is there twice'),
        (
            type('Half', (Callback,), {'get_state': lambda self: {}})(),
            'Half needs both get_state and',
        ),
        (
            [lambda: 1],
            r'a function is called with one argument, a Training; <lambda>\(\) cannot be$',
        ),
        (
            lambda epoch, logs: 1,
            r'a function is called with one argument, a Training; <lambda>\(epoch, logs\) cannot',
        ),
        (
            type('Keras', (Callback,), {'on_epoch_end': lambda self, epoch, logs: 1})(),
            'on_epoch_end of Keras is called with one argument, a Training; ',
        ),
        (rnnkit.callbacks.Progress(), None),
    ],
)
def test_what_is_no_callback(net, given, message):
    options = {} if message else {'progress': False}
    message = message or 'has a Progress, and progress=False turns it off'
    with pytest.raises(ConfigError, match=rf'train\(\): callbacks:? .*{message}'):
        net.train(DATA, epochs=1, callbacks=given, **options)
    assert net._trainings == 0


def test_progress_is_a_flag(net):
    with pytest.raises(ConfigError, match="progress must be True or False; got 'bar'"):
        net.train(DATA, epochs=1, progress='bar')


# --- ends ---


@pytest.mark.parametrize(
    ('at', 'epoch', 'epochs', 'updates'),
    [
        ('on_train_begin', 0, 0, 0),
        ('on_validation_end', 0, 0, 0),
        ('on_batch_end', 2, 2, 5),
        ('on_validation_end', 1, 2, 8),
        ('on_epoch_end', 1, 1, 4),
        ('on_epoch_end', 2, 2, 8),
    ],
)
def test_stop(net, at, epoch, epochs, updates, tmp_path, caplog):
    log = Log(at, epoch, lambda training: training.stop('I am tired'))
    caplog.set_level('INFO')
    _, valid = net.train(
        DATA, epochs=9, callbacks=log, checkpoint=tmp_path / '{}', learning_rate=0.1, **QUICK
    )
    assert log.ended == 'stopped: I am tired'
    assert f'training stopped: I am tired, after epoch {epochs}' in caplog.text
    assert log.calls[-1][:2] == ('train_end', epochs)
    assert len(net.history) == epochs
    if epochs:
        assert net.history[-1]['updates'] == updates
        assert net.history[-1]['training_loss'] == valid['loss']
    assert valid['loss'] == pytest.approx(((net.predict(X) - DATA[1]) ** 2).mean())
    assert len(rnnkit.load(tmp_path / str(epochs)).history) == epochs


def test_what_is_reported_of_training_before_its_first_update(net):
    at_once = Log('on_validation_end', 0, lambda training: training.stop('I am tired'))
    train, valid = net.train(DATA, callbacks=at_once, **QUICK)
    assert train == valid  # of the same data
    train, valid = net.train(DATA, [X, DATA[1] + 1], callbacks=at_once, **QUICK)
    assert train.keys() == valid.keys()
    assert math.isnan(train['loss'])
    assert valid['loss'] == pytest.approx(((net.predict(X) - DATA[1] - 1) ** 2).mean())


def test_the_first_reason_counts(net):
    log = Log('on_epoch_end', 1, lambda training: training.stop('second'))
    net.train(DATA, callbacks=[lambda t: t.stop('first'), log], **QUICK)
    assert log.ended is not None
    assert log.ended == 'stopped: first'


def interrupting(error):
    calls = []

    def batch():
        calls.append(1)
        if len(calls) > 6:
            raise error
        return [X[:10], DATA[1][:10]]

    return batch


@pytest.mark.parametrize(
    ('data', 'options', 'ended', 'raised'),
    [
        (DATA, {'learning_rate': 3.0, 'patience': 0}, 'patience', None),
        (DATA, {'learning_rate': 1e300}, 'error', TrainingError),
        (interrupting(KeyboardInterrupt()), {}, 'interrupted', None),
        (interrupting(OSError('disk')), {}, 'error', OSError),
        (interrupting(SystemExit(3)), {}, 'error', SystemExit),
        (lambda: 3, {}, 'error', DataError),
    ],
)
def test_the_end_is_told_once_after_the_best_is_back(net, data, options, ended, raised):
    best = []

    class Keep(Log):
        def on_train_end(self, training):
            best.append(values(training.net))
            super().on_train_end(training)

    log = Keep()
    options = {'train_batches': 4, 'callbacks': log, **QUICK, **options}
    if raised is None:
        net.train(data, DATA, **options)
    else:
        with pytest.raises(raised):
            net.train(data, DATA, **options)
    assert log.ended == ended
    assert [call[0] for call in log.calls].count('train_end') == 1
    assert same(best[0], values(net))


def test_leaving_itertrain_is_an_end(net):
    log = Log()
    steps = net.itertrain(DATA, callbacks=log, **QUICK)
    assert not log.calls
    next(steps)
    steps.close()
    assert log.ended == 'stopped: the caller has left the loop'
    assert [call[0] for call in log.calls].count('train_end') == 1
    assert net.itertrain(DATA, callbacks=log, **QUICK).close() is None
    assert [call[0] for call in log.calls].count('train_end') == 1  # that one never began


@pytest.mark.parametrize('at', HOOKS)
@pytest.mark.parametrize('epoch', [0, 1, 2])
def test_what_a_hook_raises_comes_out_as_it_is(net, at, epoch, tmp_path):
    error, other = ZeroDivisionError('mine'), Log()
    log = Log(at, epoch, raising(error))
    before = values(net)
    overshoot = {**QUICK, 'learning_rate': 3.0}
    reached = at not in ('on_train_begin',) or epoch == 0
    options = {'epochs': 2, 'callbacks': [log, other], 'checkpoint': tmp_path / '{}', **overshoot}
    if not reached:
        net.train(DATA, **options)
        return
    with pytest.raises(ZeroDivisionError) as caught:
        net.train(DATA, **options)
    assert caught.value is error
    assert same(values(net), before)  # each update makes it worse
    assert [call[0] for call in log.calls].count('train_end') == 1
    assert [call[0] for call in other.calls].count('train_end') == 1
    if at == 'on_epoch_end' and epoch:
        # The epoch was complete, so it is in the file: a longer training can go on from it.
        assert len(rnnkit.load(tmp_path / str(epoch)).history) == epoch


@pytest.mark.parametrize('at', HOOKS)
def test_ctrl_c_in_a_hook_is_ctrl_c(net, at):
    log, other = Log(at, 1, raising(KeyboardInterrupt())), Log()
    if at in ('on_train_begin', 'on_train_end'):  # nothing to be ended
        log.epoch = 0
        with pytest.raises(KeyboardInterrupt):
            net.train(DATA, epochs=3, callbacks=[log, other], **QUICK)
    else:
        _, valid = net.train(DATA, epochs=3, callbacks=[log, other], **QUICK)
        assert valid['loss'] == pytest.approx(((net.predict(X) - DATA[1]) ** 2).mean())
        assert log.ended == 'interrupted'
    assert [call[0] for call in other.calls].count('train_end') == 1


def test_an_error_in_the_last_hook_does_not_hide_what_ended_the_training(net, caplog):
    log = Log('on_train_end', 0, raising(ValueError('second')))
    with pytest.raises(OSError, match='disk'):
        net.train(interrupting(OSError('disk')), DATA, callbacks=log, **QUICK)
    assert 'on_train_end of Log failed' in caplog.text
    assert 'ValueError: second' in caplog.text


def test_after_an_error_in_a_hook_the_network_can_be_trained(net):
    with pytest.raises(ZeroDivisionError):
        net.train(DATA, callbacks=lambda training: 1 / 0, **QUICK)
    net.train(DATA, epochs=5, learning_rate=0.1, **QUICK)
    assert math.isfinite(net.history[-1]['training_loss'])


class Leave(Callback):
    """Ends a training with values."""

    def __init__(self, values):
        self.values = values

    def on_train_end(self, training):
        training.leave(self.values(training) if callable(self.values) else self.values)


@pytest.mark.parametrize(
    ('given', 'error', 'message'),
    [
        (5, ConfigError, 'expects a list of arrays, one for each of the 2 parameters; got 5'),
        ([1], ConfigError, 'expects 2 arrays, one for each parameter (out.w, out.b); got 1'),
        ([1, 2], ShapeError, 'out.w has shape (1, 1); got ()'),
        (
            lambda training: training.params,
            DataError,
            'out.w must be an array of numbers; got the variable out.w, write out.w.get_value() '
            'for its values',
        ),
        (
            {'a': 1},
            ConfigError,
            "expects a list of arrays, one for each of the 2 parameters; got {'a': 1}",
        ),
        (
            'ab',
            ConfigError,
            "expects a list of arrays, one for each of the 2 parameters; got 'ab'",
        ),
        ([[[1]], ['a']], DataError, 'out.b must be an array of numbers; got <U1 values'),
    ],
)
def test_values_to_leave_that_do_not_fit_change_nothing(net, given, error, message):
    found = []

    def end(training):
        found.append([p.get_value().tolist() for p in training.params])

    with pytest.raises(error) as caught:
        net.train(DATA, epochs=1, algo='sgd', callbacks=[Leave(given), end], restore_best=False)
    assert type(caught.value) is error
    assert str(caught.value) == f'training.leave(): {message}'
    assert [[p.get_value().tolist() for p in net.params]] == found


def test_values_to_leave_are_copied(net):
    given = [np.full((1, 1), 2), np.array([3.0])]
    net.train(DATA, epochs=1, algo='sgd', callbacks=Leave(given))
    given[1][0] = 7
    assert [p.get_value().tolist() for p in net.params] == [[[2.0]], [3.0]]


def test_the_state_of_the_rule_can_be_kept_for_the_next_training(net):
    """Two trainings of one epoch are one of two epochs, but for the order of examples."""
    options = {'algo': 'adam', 'batch_size': 40, 'validate_every': 9, 'restore_best': False}
    start = values(net)

    class Keep(Callback):
        state = None

        def on_train_begin(self, training):
            if self.state is not None:
                training.rule_state = self.state

        def on_train_end(self, training):
            self.state = training.rule_state

    keep = Keep()
    for _ in range(2):
        net.train(DATA, epochs=1, callbacks=keep, **options)
    apart = values(net)
    for p, value in zip(net.params, start, strict=True):
        p.set_value(value)
    net.train(DATA, epochs=2, **options)
    assert same(values(net), apart)
    assert keep.state
