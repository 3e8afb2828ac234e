"""EarlyStop: when it stops; and what callbacks remember when a training is resumed."""

import copy
import os
import pickle

import numpy as np
import pytest
from one_weight import NOISY, Feed, made, renewed, values

import rnnkit
from rnnkit.callbacks import CSV, Callback, Checkpoint, EarlyStop
from rnnkit.common import file_format
from rnnkit.errors import ConfigError, FormatError

QUICK = {'algo': 'sgd', 'batch_size': 10, 'seed': 0, 'validate_every': 1, 'patience': 99}


@pytest.fixture(scope='module')
def shared():
    return made()


@pytest.fixture
def net(shared):
    return renewed(shared)


# --- EarlyStop ---


@pytest.mark.parametrize(
    ('series', 'options', 'epochs'),
    [
        ([5, 4, 3, 2, 1], {'patience': 0}, 5),
        ([5, 4, 4, 2, 1], {'patience': 0}, 3),  # no improvement is one too many
        ([5, 6, 6, 4, 5, 5, 5, 1], {'patience': 2}, 7),  # only failures in a row count
        ([5, 4.9, 4, 3.9, 3.8], {'patience': 1, 'min_improvement': 0.1}, 5),
        ([0.1, 0.2, 0.2], {'patience': 0, 'mode': 'max'}, 3),
        ([5, 4, 1, 9], {'goal': 1}, 3),
        ([5, 4, 6, 9], {'goal': 6, 'mode': 'max'}, 3),
        ([-5, -9, 3], {'goal': -8.5}, 2),
        ([float('nan'), 3, float('nan'), 2], {'patience': 1}, 4),
        ([float('nan')] * 3, {'patience': 1}, 2),
        ([-float('inf'), 0.1, 0.2, 0.2], {'patience': 0, 'mode': 'max', 'min_improvement': 0.1}, 4),
    ],
)
def test_when_it_stops(net, series, options, epochs):
    feed = Feed([*series, *[100 if options.get('mode') != 'max' else -100] * 9])
    stop = EarlyStop('mine', **options)
    net.train(NOISY, epochs=len(series), callbacks=[feed, stop], **QUICK)
    assert len(net.history) == epochs


@pytest.mark.parametrize(
    ('name', 'rising'),
    [
        ('acc', True),
        ('r2', True),
        ('accuracy', True),
        ('f1', True),
        ('mine', False),
        ('err', False),
    ],
)
def test_large_values_of_some_monitors_are_good(net, name, rising):
    series = [1, 2, 3, 4]
    stop = EarlyStop(name, patience=0)
    net.train(NOISY, epochs=4, callbacks=[Feed(series, name), stop], **QUICK)
    assert len(net.history) == (4 if rising else 2)
    assert EarlyStop(f'valid_{name}')._best.mode == ('max' if rising else 'min')


def test_epochs_without_the_monitor_do_not_count(net):
    stop = EarlyStop(patience=1, min_improvement=0.9)
    net.train(NOISY, callbacks=stop, **{**QUICK, 'validate_every': 3})
    assert len(net.history) == 9
    assert stop.best == net.history[2]['training_loss']


def test_a_goal_of_the_validation_and_what_is_logged(net, caplog):
    caplog.set_level('INFO')
    net.train(NOISY, learning_rate=0.1, callbacks=EarlyStop(goal=1.2), **QUICK)
    losses = net.history['training_loss']
    assert losses[-1] <= 1.2 < min(losses[:-1])
    assert 'training stopped: training_loss has reached 1' in caplog.text


@pytest.mark.parametrize(
    ('monitor', 'epochs', 'instead'),
    [
        (
            'valid_acc',
            0,
            "add monitors='acc' to the training; there are: valid_loss, valid_err",
        ),
        ('acc', 1, "add monitors='acc' to the training"),
        ('valid_seconds', 0, 'there are: .*valid_loss, valid_err'),
        ('valid_los', 0, "did you mean 'valid_loss'?"),
    ],
)
def test_a_name_that_does_not_exist(net, monitor, epochs, instead):
    with pytest.raises(ConfigError, match=f"EarlyStop: no monitor '{monitor}'; {instead}"):
        net.train(NOISY, NOISY, epochs=3, callbacks=EarlyStop(monitor), **QUICK)
    assert len(net.history) == epochs


@pytest.mark.parametrize('monitor', ['val_loss', 'validation_loss'])
def test_a_name_of_other_libraries(net, monitor):
    with pytest.raises(ConfigError) as caught:
        net.train(NOISY, epochs=3, callbacks=EarlyStop(monitor), **QUICK)
    assert str(caught.value) == f"EarlyStop: no monitor {monitor!r}; did you mean 'training_loss'?"


def test_the_next_training_begins_anew(net):
    stop = EarlyStop('mine', patience=0)
    for _ in range(2):
        net.train(NOISY, epochs=3, callbacks=[Feed([1, 2, 3]), stop], **QUICK)
    assert net.history['epoch'] == [1, 2, 1, 2]


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (
            lambda: EarlyStop(3),
            "monitor must be a column of the history, such as 'valid_loss'; got 3",
        ),
        (
            lambda: EarlyStop(patience=-1),
            'EarlyStop: patience must be a whole number of at least 0; got -1',
        ),
        (lambda: EarlyStop(min_improvement=1), 'EarlyStop: min_improvement .* below 1; got 1'),
        (lambda: EarlyStop(goal='x'), "EarlyStop: goal must be a finite number; got 'x'"),
        (
            lambda: EarlyStop(mode='up'),
            "EarlyStop: mode must be one of None, 'min', 'max'; got 'up'",
        ),
        (lambda: Checkpoint(3), 'Checkpoint: path must be the path of a file; got 3'),
        (lambda: Checkpoint('a{epoch:03d}'), r'only {} and {epoch} are replaced .*got {epoch:03d}'),
        (
            lambda: Checkpoint('a', every=0),
            'Checkpoint: every must be a whole number of at least 1; got 0',
        ),
        (
            lambda: Checkpoint('a', best_only=1),
            'Checkpoint: best_only must be True or False; got 1',
        ),
        (lambda: CSV(''), "CSV: path must be the path of a file; got ''"),
        (lambda: CSV('a', append='yes'), "CSV: append must be True or False; got 'yes'"),
        (
            lambda: rnnkit.callbacks.Progress(after=-1),
            'Progress: after must be a finite number of at least 0',
        ),
    ],
)
def test_arguments_that_make_no_sense(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize('make', [Checkpoint, CSV])
def test_folders(net, make, tmp_path):
    with pytest.raises(ConfigError, match='there is no folder .*nowhere'):
        net.train(NOISY, epochs=1, callbacks=make(tmp_path / 'nowhere' / 'x'), **QUICK)
    with pytest.raises(ConfigError, match='path must be a file; .* is a folder'):
        net.train(NOISY, epochs=1, callbacks=make(tmp_path), **QUICK)
    assert not net.history


# --- resuming ---


def columns(net):
    return [{k: v for k, v in record.items() if k != 'seconds'} for record in net.history]


@pytest.mark.parametrize(
    ('monitor', 'every'),
    [
        ('training_loss', 1),
        ('training_loss', 3),
        ('loss', 3),
        ('gradient_norm', 2),
    ],
)
@pytest.mark.parametrize('parts', [[2], [1, 4], [3, 3, 5]])
def test_a_training_that_is_resumed_stops_as_if_never_stopped(
    shared, monitor, every, parts, tmp_path
):
    options = {**QUICK, 'validate_every': every, 'learning_rate': 0.3, 'batch_size': 4}

    def stop():  # the losses go up and down
        return EarlyStop(monitor, patience=2)

    whole = stop()
    net = renewed(shared)
    right = net.train(NOISY, epochs=30, callbacks=whole, **options)
    wanted, reached = columns(net), values(net)
    assert 5 < len(wanted) < 30  # it was stopped, after what follows
    path = tmp_path / 'training.rnn'
    for k, epochs in enumerate([*parts, 30]):
        net, part = renewed(shared), stop()
        resume = {'resume': path} if k else {}
        found = net.train(
            NOISY, epochs=epochs, callbacks=part, checkpoint=path, **resume, **options
        )
    assert found == right
    assert columns(net) == wanted
    assert (part.best, part.failures) == (whole.best, whole.failures)
    for a, b in zip(values(net), reached, strict=True):
        np.testing.assert_array_equal(a, b)
    # What was stopped is over; with more patience it goes on.
    net.train(NOISY, epochs=40, callbacks=stop(), resume=path, **options)
    assert len(net.history) == len(wanted)
    patient = EarlyStop(monitor, patience=99)
    net.train(NOISY, epochs=len(wanted) + 2, callbacks=patient, resume=path, **options)
    assert len(net.history) == len(wanted) + 2


@pytest.mark.parametrize('epoch', [2, 3])
def test_a_training_that_a_callback_has_stopped_can_be_gone_on_with(shared, epoch, tmp_path):
    options = {**QUICK, 'validate_every': 3}
    net = renewed(shared)
    right = net.train(NOISY, epochs=8, **options)
    wanted, reached = columns(net), values(net)
    path, net = tmp_path / 'training.rnn', renewed(shared)

    def stop(training):
        if training.epoch == epoch:
            training.stop()

    net.train(NOISY, epochs=8, callbacks=stop, checkpoint=path, **options)
    assert len(net.history) == epoch
    assert net.train(NOISY, epochs=8, resume=path, **options) == right
    assert columns(net) == wanted
    for a, b in zip(values(net), reached, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_a_longer_training_would_not_see_is_not_remembered(net, tmp_path):
    stop, keep = EarlyStop(), Checkpoint(tmp_path / '{}', best_only=True)
    net.train(NOISY, epochs=5, callbacks=[stop, keep], **{**QUICK, 'validate_every': 3})
    assert (
        stop.best == keep.best == net.history[2]['training_loss'] > net.history[4]['training_loss']
    )
    assert sorted(os.listdir(tmp_path)) == ['3', '5']  # but it is better


class Drawn(Callback):
    """Remembers an array and a nested structure."""

    def __init__(self):
        self.seen = np.zeros(0)

    def on_epoch_end(self, training):
        self.seen = np.append(self.seen, training.record['loss'])

    def get_state(self):
        return {'seen': self.seen, 'words': ['a', {'b': None}], 'at': np.float64(0.5)}

    def set_state(self, state):
        assert state['words'] == ['a', {'b': None}]
        self.seen = state['seen']


def test_arrays_are_kept_and_callbacks_are_matched_by_class_and_order(net, tmp_path, caplog):
    path = tmp_path / 'training.rnn'
    first, loss, err = Drawn(), EarlyStop('loss'), EarlyStop('err')
    net.train(NOISY, epochs=3, checkpoint=path, callbacks=[loss, first, err], **QUICK)
    assert len(first.seen) == 3
    caplog.set_level('INFO')
    second, others = Drawn(), [EarlyStop('loss'), EarlyStop('err')]
    net.train(
        NOISY, epochs=3, resume=path, callbacks=[second, *others, CSV(tmp_path / 'a')], **QUICK
    )
    np.testing.assert_array_equal(first.seen, second.seen)
    assert [one.best for one in others] == [loss.best, err.best]
    assert 'begins anew' not in caplog.text
    net.train(
        NOISY,
        epochs=3,
        resume=path,
        callbacks=[EarlyStop('loss'), Checkpoint(tmp_path / 'b', best_only=True)],
        **QUICK,
    )
    assert 'Checkpoint begins anew: the checkpoint has no state of it' in caplog.text
    assert 'has the state of Drawn, which is not among the callbacks' in caplog.text
    assert 'has the state of EarlyStop' in caplog.text


def test_a_state_that_does_not_fit(net, tmp_path):
    path = tmp_path / 'training.rnn'
    net.train(NOISY, epochs=2, checkpoint=path, callbacks=EarlyStop('loss'), **QUICK)
    net = renewed(net)
    with pytest.raises(
        FormatError, match="EarlyStop .* not fit: monitor was 'loss', and is now 'err'"
    ):
        net.train(NOISY, epochs=3, resume=path, callbacks=EarlyStop('err'), **QUICK)
    file = file_format.read(path)
    del file.training['state']['callbacks'][0]['state']['failures']
    file_format.write(path, file)
    with pytest.raises(
        FormatError, match="EarlyStop in the checkpoint does not fit: no 'failures'"
    ):
        net.train(NOISY, epochs=3, resume=path, callbacks=EarlyStop('loss'), **QUICK)
    file.training['state']['callbacks'] = [3]
    file_format.write(path, file)
    with pytest.raises(FormatError, match='the state of its training does not fit: callbacks'):
        net.train(NOISY, epochs=3, resume=path, callbacks=EarlyStop('loss'), **QUICK)


def test_a_file_without_states_is_gone_on_with(net, tmp_path):
    path = tmp_path / 'training.rnn'
    net.train(NOISY, epochs=2, checkpoint=path, **QUICK)
    assert 'callbacks' not in file_format.read(path).training['state']
    stop = EarlyStop('loss', goal=0)
    net.train(NOISY, epochs=4, resume=path, callbacks=stop, **QUICK)
    assert stop.best == min(net.history['loss'][2:])


@pytest.mark.parametrize('state', [[1], {'a': object()}, {1: 2}, {'a': np.array(['b'])}])
def test_a_state_that_no_file_can_hold(net, state, tmp_path):
    bad = type('Bad', (Callback,), {'get_state': lambda self: state, 'set_state': print})()
    with pytest.raises(ConfigError, match=r'get_state\(\) of Bad must return a dict of numbers'):
        net.train(NOISY, epochs=2, callbacks=bad, checkpoint=tmp_path / 'x', **QUICK)


def test_what_a_callback_is_given_cannot_be_pickled_but_the_callback_can():
    kept = []
    net = rnnkit.Regressor([1, ('rnn', 2), 1], seed=0)
    x = np.ones((4, 2, 1))
    stop = rnnkit.callbacks.EarlyStop(patience=3)
    net.train([x, x], epochs=2, callbacks=[kept.append, stop], progress=False)
    with pytest.raises(ConfigError) as caught:
        pickle.dumps(kept[0])
    assert str(caught.value) == (
        'a training cannot be pickled; pickle its network, training.net, or training.history'
    )
    assert copy.deepcopy(kept[0]).epoch == 2
    other = pickle.loads(pickle.dumps(stop))
    assert (other.patience, other.best) == (3, stop.best)
    assert other.get_state() == stop.get_state()
