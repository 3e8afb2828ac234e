"""The callbacks that write files: what is in them, and what resuming does with them."""

import csv
import errno
import io
import os

import numpy as np
import pytest
from one_weight import NOISY, Feed, made, renewed, values

import rnnkit
from rnnkit.callbacks import CSV, Checkpoint
from rnnkit.callbacks import files as module
from rnnkit.errors import ConfigError, DataError

QUICK = {'algo': 'sgd', 'batch_size': 10, 'seed': 0, 'validate_every': 1, 'patience': 99}


@pytest.fixture(scope='module')
def shared():
    return made()


@pytest.fixture
def net(shared):
    return renewed(shared)


# --- Checkpoint ---


def test_networks_are_written_as_they_are_then(net, tmp_path):
    seen = {}
    paths = [tmp_path / '{epoch}.rnn', tmp_path / 'last.rnn']
    net.train(
        NOISY,
        epochs=5,
        learning_rate=0.3,
        callbacks=[
            Checkpoint(paths[0], every=2),
            Checkpoint(str(paths[1])),
            lambda training: seen.update({training.epoch: values(training.net)}),
        ],
        **QUICK,
    )
    assert sorted(os.listdir(tmp_path)) == ['2.rnn', '4.rnn', 'last.rnn']
    for epoch, name in ((2, '2.rnn'), (4, '4.rnn'), (5, 'last.rnn')):
        loaded = rnnkit.load(tmp_path / name)
        assert not loaded.history
        for a, b in zip(values(loaded), seen[epoch], strict=True):
            np.testing.assert_array_equal(a, b)


def test_only_better_ones_are_written(net, tmp_path):
    series = [5, 6, 4, 3, 3, 2, 9]
    net.train(
        NOISY,
        epochs=7,
        callbacks=[
            Feed(series),
            Checkpoint(tmp_path / '{}', best_only=True, monitor='mine'),
            Feed(series, 'acc'),
            Checkpoint(tmp_path / 'm{}', 3, True, 'acc'),
        ],
        **QUICK,
    )
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
    assert heads[-1][0] == f'{heads[0][0]},training_loss,training_err'
    assert heads[-1][1].endswith(',,')


def test_what_is_added_after_the_line_was_written(net, tmp_path):
    path = tmp_path / 'a.csv'
    options = {**QUICK, 'validate_every': 4}
    net.train(NOISY, epochs=9, callbacks=[CSV(path), lambda t: t.stop()], **options)
    assert_is_history(table(path), net.history)
    assert 'training_loss' in net.history[0]

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
        NOISY,
        epochs=3 + lost,
        callbacks=CSV(path, append),
        checkpoint=tmp_path / '{}',
        save_every=1,
        **options,
    )
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


def test_columns_of_the_same_name_are_refused(net, tmp_path):
    path = tmp_path / 'a.csv'
    path.write_text('a,b,a\n1,2,3\n')
    with pytest.raises(DataError) as caught:
        net.train(NOISY, epochs=1, callbacks=CSV(path, append=True), **QUICK)
    assert str(caught.value) == (
        f"CSV: {path} has several columns 'a'; rename them, or choose another file"
    )
    assert path.read_text() == 'a,b,a\n1,2,3\n'


def test_a_mark_at_the_start_is_no_part_of_the_first_column(net, tmp_path):
    path = tmp_path / 'a.csv'
    net.train(NOISY, epochs=1, callbacks=CSV(path), **QUICK)
    path.write_text(path.read_text(encoding='utf-8'), encoding='utf-8-sig')
    net.train(NOISY, epochs=1, callbacks=CSV(path, append=True), **QUICK)
    assert_is_history(table(path), net.history)


def test_an_empty_file_gets_a_header(net, tmp_path):
    path = tmp_path / 'a.csv'
    path.touch()
    net.train(NOISY, epochs=2, callbacks=CSV(path, append=True), **QUICK)
    assert_is_history(table(path), net.history)


def full_at(monkeypatch, count):
    """Have the disk full when a file is opened for the `count`-th time."""

    class Full(io.FileIO):
        def write(self, content):
            super().write(content[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    opened = []

    def open_(path, mode='r', **options):
        if mode != 'ab':
            return open(path, mode, **options)
        opened.append(path)
        return Full(path, 'a') if len(opened) == count else open(path, mode, **options)

    monkeypatch.setattr(module, 'open', open_, raising=False)


def test_a_full_disk_leaves_whole_lines_and_names_the_file(tmp_path, monkeypatch):
    path = tmp_path / 'history.csv'
    full_at(monkeypatch, 2)
    net = rnnkit.Regressor([1, 1], seed=0)
    data = [np.ones((4, 1))] * 2
    options = {'validate_every': 1, 'seed': 1, 'callbacks': rnnkit.callbacks.CSV(path)}
    with pytest.raises(OSError, match=r'the file was not written: No space left .*history.csv'):
        net.train(data, epochs=6, **options)
    lines = path.read_text().splitlines()
    assert [line.split(',')[1] for line in lines] == ['epoch', '1', '2']
