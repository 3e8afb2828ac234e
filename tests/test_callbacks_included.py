"""The callbacks that are included: when they stop, what they write, and what resuming keeps."""

import csv
import os

import numpy as np
import pytest

import rnnkit
from rnnkit import storage
from rnnkit.callbacks import CSV, Callback, Checkpoint, EarlyStop
from rnnkit.errors import ConfigError, DataError, FormatError

X = np.random.default_rng(1).standard_normal((40, 1))
NOISY = [X, 3 * X + np.random.default_rng(2).standard_normal((40, 1))]
QUICK = {'algo': 'sgd', 'batch_size': 10, 'seed': 0, 'validate_every': 1, 'patience': 99}


@pytest.fixture(scope='module')
def shared():
    return rnnkit.Regressor([1, 1], dtype='float64', seed=0)


@pytest.fixture
def net(shared):
    """Return a network as good as new, whose functions are compiled."""
    return renewed(shared)


def renewed(shared):
    fresh = rnnkit.Regressor([1, 1], dtype='float64', seed=0)
    for p, new in zip(shared.params, fresh.params, strict=True):
        p.set_value(new.get_value())
    shared.history.clear()
    shared.trainings = 0
    return shared


def values(net):
    return [p.get_value() for p in net.params]


class Feed(Callback):
    """Puts given values into the record, so that it is known what a monitor will be."""

    def __init__(self, values, name='mine'):
        self.values, self.name = values, name

    def on_epoch_end(self, training):
        value = self.values[training.epoch - 1]
        if value is not None:
            training.record[self.name] = value


# --- EarlyStop ---


@pytest.mark.parametrize(('series', 'options', 'epochs'), [
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
])  # fmt: skip
def test_when_it_stops(net, series, options, epochs):
    feed = Feed([*series, *[100 if options.get('mode') != 'max' else -100] * 9])
    stop = EarlyStop('mine', **options)
    net.train(NOISY, epochs=len(series), callbacks=[feed, stop], **QUICK)
    assert len(net.history) == epochs


@pytest.mark.parametrize(('name', 'rising'), [
    ('acc', True), ('r2', True), ('accuracy', True), ('f1', True), ('mine', False), ('err', False),
])  # fmt: skip
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
    assert stop.best == net.history[2]['valid_loss']


def test_a_goal_of_the_validation_and_what_is_logged(net, caplog):
    caplog.set_level('INFO')
    net.train(NOISY, learning_rate=0.1, callbacks=EarlyStop(goal=1.2), **QUICK)
    losses = net.history['valid_loss']
    assert losses[-1] <= 1.2 < min(losses[:-1])
    assert 'training stopped: valid_loss has reached 1' in caplog.text


@pytest.mark.parametrize(
    ('monitor', 'epochs'), [('valid_acc', 0), ('acc', 1), ('valid_seconds', 0)]
)
def test_a_name_that_does_not_exist(net, monitor, epochs):
    listed = 'there are: .*valid_loss, valid_err'
    with pytest.raises(ConfigError, match=f"EarlyStop: no monitor '{monitor}'; {listed}"):
        net.train(NOISY, epochs=3, callbacks=EarlyStop(monitor), **QUICK)
    assert len(net.history) == epochs


def test_the_next_training_begins_anew(net):
    stop = EarlyStop('mine', patience=0)
    for _ in range(2):
        net.train(NOISY, epochs=3, callbacks=[Feed([1, 2, 3]), stop], **QUICK)
    assert net.history['epoch'] == [1, 2, 1, 2]


@pytest.mark.parametrize(('make', 'message'), [
    (lambda: EarlyStop(3), "monitor is a column of the history, such as 'valid_loss'; got 3"),
    (lambda: EarlyStop(patience=-1), 'EarlyStop: patience is a whole number of at least 0; got -1'),
    (lambda: EarlyStop(min_improvement=1), 'EarlyStop: min_improvement .* below 1; got 1'),
    (lambda: EarlyStop(goal='x'), "EarlyStop: goal is a number .*; got 'x'"),
    (lambda: EarlyStop(mode='up'), "EarlyStop: mode is 'min' or 'max'; got 'up'"),
    (lambda: Checkpoint(3), 'Checkpoint: path is the path of a file; got 3'),
    (lambda: Checkpoint('a{epoch:03d}'), r'only {} and {epoch} are replaced .*got {epoch:03d}'),
    (lambda: Checkpoint('a', every=0), 'Checkpoint: every is a whole number of at least 1; got 0'),
    (lambda: Checkpoint('a', best_only=1), 'Checkpoint: best_only is True or False; got 1'),
    (lambda: CSV(''), "CSV: path is the path of a file; got ''"),
    (lambda: CSV('a', append='yes'), "CSV: append is True or False; got 'yes'"),
    (lambda: rnnkit.callbacks.Progress(after=-1), 'Progress: after is a number of at least 0'),
])  # fmt: skip
def test_arguments_that_make_no_sense(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize('make', [Checkpoint, CSV])
def test_folders(net, make, tmp_path):
    with pytest.raises(ConfigError, match='there is no folder .*nowhere'):
        net.train(NOISY, epochs=1, callbacks=make(tmp_path / 'nowhere' / 'x'), **QUICK)
    with pytest.raises(ConfigError, match='path is a file; .* is a folder'):
        net.train(NOISY, epochs=1, callbacks=make(tmp_path), **QUICK)
    assert not net.history


# --- resuming ---


def columns(net):
    return [{k: v for k, v in record.items() if k != 'seconds'} for record in net.history]


@pytest.mark.parametrize(('monitor', 'every'), [
    ('valid_loss', 1), ('valid_loss', 3), ('loss', 3), ('gradient_norm', 2),
])  # fmt: skip
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
    net.train(NOISY, epochs=3, resume=path, callbacks=[EarlyStop('loss'), Checkpoint(
        tmp_path / 'b', best_only=True)], **QUICK)  # fmt: skip
    assert 'Checkpoint begins anew: the checkpoint has no state of it' in caplog.text
    assert 'has the state of a Drawn, which is not among the callbacks' in caplog.text
    assert 'has the state of a EarlyStop' in caplog.text


def test_a_state_that_does_not_fit(net, tmp_path):
    path = tmp_path / 'training.rnn'
    net.train(NOISY, epochs=2, checkpoint=path, callbacks=EarlyStop('loss'), **QUICK)
    net = renewed(net)
    with pytest.raises(
        FormatError, match="EarlyStop .* not fit: monitor was 'loss', and is now 'err'"
    ):
        net.train(NOISY, epochs=3, resume=path, callbacks=EarlyStop('err'), **QUICK)
    file = storage.read(path)
    del file.training['state']['callbacks'][0]['state']['failures']
    storage.write(path, file)
    with pytest.raises(
        FormatError, match="EarlyStop in the checkpoint does not fit: no 'failures'"
    ):
        net.train(NOISY, epochs=3, resume=path, callbacks=EarlyStop('loss'), **QUICK)
    file.training['state']['callbacks'] = [3]
    storage.write(path, file)
    with pytest.raises(FormatError, match='the state of its training does not fit: callbacks'):
        net.train(NOISY, epochs=3, resume=path, callbacks=EarlyStop('loss'), **QUICK)


def test_a_file_without_states_is_gone_on_with(net, tmp_path):
    path = tmp_path / 'training.rnn'
    net.train(NOISY, epochs=2, checkpoint=path, **QUICK)
    assert 'callbacks' not in storage.read(path).training['state']
    stop = EarlyStop('loss', goal=0)
    net.train(NOISY, epochs=4, resume=path, callbacks=stop, **QUICK)
    assert stop.best == min(net.history['loss'][2:])


@pytest.mark.parametrize('state', [[1], {'a': object()}, {1: 2}, {'a': np.array(['b'])}])
def test_a_state_that_no_file_can_hold(net, state, tmp_path):
    bad = type('Bad', (Callback,), {'get_state': lambda self: state, 'set_state': print})()
    with pytest.raises(ConfigError, match=r'get_state\(\) of Bad returns a dict of numbers'):
        net.train(NOISY, epochs=2, callbacks=bad, checkpoint=tmp_path / 'x', **QUICK)


# --- Checkpoint ---


def test_networks_are_written_as_they_are_then(net, tmp_path):
    seen = {}
    paths = [tmp_path / '{epoch}.rnn', tmp_path / 'last.rnn']
    net.train(NOISY, epochs=5, learning_rate=0.3, callbacks=[
        Checkpoint(paths[0], every=2), Checkpoint(str(paths[1])),
        lambda training: seen.update({training.epoch: values(training.net)}),
    ], **QUICK)  # fmt: skip
    assert sorted(os.listdir(tmp_path)) == ['2.rnn', '4.rnn', 'last.rnn']
    for epoch, name in ((2, '2.rnn'), (4, '4.rnn'), (5, 'last.rnn')):
        loaded = rnnkit.load(tmp_path / name)
        assert not loaded.history
        for a, b in zip(values(loaded), seen[epoch], strict=True):
            np.testing.assert_array_equal(a, b)


def test_only_better_ones_are_written(net, tmp_path):
    series = [5, 6, 4, 3, 3, 2, 9]
    net.train(NOISY, epochs=7, callbacks=[
        Feed(series), Checkpoint(tmp_path / '{}', best_only=True, monitor='mine'),
        Feed(series, 'acc'), Checkpoint(tmp_path / 'm{}', 3, True, 'acc'),
    ], **QUICK)  # fmt: skip
    assert sorted(os.listdir(tmp_path)) == ['1', '3', '4', '6', 'm3']


def test_the_best_of_a_training_that_is_resumed_is_not_overwritten(net, tmp_path):
    path = tmp_path / 'training.rnn'

    def both():
        return [Feed([5, 1, 3, 2]), Checkpoint(tmp_path / '{}', best_only=True, monitor='mine')]

    net.train(NOISY, epochs=2, checkpoint=path, callbacks=both(), **QUICK)
    net.train(NOISY, epochs=4, resume=path, callbacks=both(), **QUICK)
    assert sorted(os.listdir(tmp_path)) == ['1', '2', 'training.rnn']


def test_there_is_no_network_in_minimize(tmp_path):
    a = __import__('pytensor').shared(1.0, name='a')
    with pytest.raises(ConfigError, match=r'Checkpoint: minimize\(\) has no network'):
        rnnkit.minimize(a**2, epochs=1, callbacks=Checkpoint(tmp_path / 'x'))


# --- CSV ---


def table(path):
    with open(path, encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


def assert_is_history(lines, history):
    """Compare each field with the number that it stands for, to the last bit."""
    assert len(lines) == len(history)
    for line, record in zip(lines, history, strict=True):
        assert {name: float(text) for name, text in line.items() if text} == record


def test_columns_that_come_up_later_are_not_lost(net, tmp_path):
    path, heads = tmp_path / 'a.csv', []

    def look(training):
        heads.append(path.read_text(encoding='utf-8').splitlines())

    net.train(NOISY, epochs=5, callbacks=[CSV(path), look], **{**QUICK, 'validate_every': 2})
    assert_is_history(table(path), net.history)
    assert [len(lines) for lines in heads] == [2, 3, 4, 5, 6]  # each at once
    assert heads[0][0] == 'training,epoch,updates,loss,err,gradient_norm,learning_rate,seconds'
    assert heads[-1][0] == f'{heads[0][0]},valid_loss,valid_err'
    assert heads[-1][1].endswith(',,')


def test_what_is_added_after_the_line_was_written(net, tmp_path):
    path = tmp_path / 'a.csv'
    options = {**QUICK, 'validate_every': 4}
    net.train(NOISY, epochs=9, callbacks=[CSV(path), lambda t: t.stop()], **options)
    assert_is_history(table(path), net.history)
    assert 'valid_loss' in net.history[0]

    def fail(training):
        if training.epoch == 2:
            raise ZeroDivisionError

    net.history.clear()
    with pytest.raises(ZeroDivisionError):
        net.train(NOISY, epochs=9, callbacks=[fail, CSV(path)], **options)
    assert_is_history(table(path), net.history)
    assert len(net.history) == 2


def test_append(net, tmp_path):
    path = tmp_path / 'a.csv'
    for k in range(3):
        net.train(NOISY, epochs=2, callbacks=CSV(path, append=bool(k)), **QUICK)
    assert_is_history(table(path), net.history)
    net.train(NOISY, epochs=1, callbacks=[Feed(['one, "two"'], 'say'), CSV(path, True)], **QUICK)
    assert [line['say'] for line in table(path)] == [''] * 6 + ['one, "two"']
    net.train(NOISY, epochs=1, callbacks=CSV(path), **QUICK)
    assert len(table(path)) == 1


@pytest.mark.parametrize('append', [False, True])
@pytest.mark.parametrize('lost', [0, 2])
def test_a_file_of_a_training_that_is_resumed_is_as_if_never_stopped(net, append, lost, tmp_path):
    path, options = tmp_path / 'a.csv', {**QUICK, 'validate_every': 2}
    if append:
        net.train(NOISY, epochs=4, callbacks=CSV(path), **options)
    before = len(net.history)
    # Of the last epochs nothing was kept but their lines.
    net.train(
        NOISY, epochs=3 + lost, callbacks=CSV(path, append), checkpoint=tmp_path / '{}',
        save_every=1, **options,
    )  # fmt: skip
    resume = tmp_path / '3'
    net.train(NOISY, epochs=6, resume=resume, callbacks=CSV(path, append), **options)
    assert_is_history(table(path), net.history)
    assert net.history['epoch'] == [*range(1, before + 1), *range(1, 7)]


@pytest.mark.parametrize('content', ['a,b\n1,2,3\n', 'a,b\n"1,2\n', b'\xff\xfe,b\n1,2\n'])
def test_a_file_that_is_no_table_is_left_alone(net, content, tmp_path):
    path = tmp_path / 'a.csv'
    content = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(content)
    with pytest.raises(DataError, match='CSV: .*a.csv'):
        net.train(NOISY, epochs=1, callbacks=CSV(path, append=True), **QUICK)
    assert path.read_bytes() == content
