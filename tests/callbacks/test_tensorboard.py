"""What TensorBoard reads: each number is that of the history, whatever happens to the training."""

import copy
import errno
import pickle

import event_files
import numpy as np
import pytest
from one_weight import NOISY, made, renewed

import rnnkit
from rnnkit.callbacks import Callback, TensorBoard, event_file
from rnnkit.errors import ConfigError

pytest.importorskip('tensorboardX')

QUICK = {'algo': 'sgd', 'batch_size': 10, 'seed': 0, 'validate_every': 2, 'patience': 99}
VALID = [NOISY[0][:5], NOISY[1][:5]]


@pytest.fixture(scope='module')
def shared():
    return made()


@pytest.fixture
def net(shared):
    return renewed(shared)


def check(folder, history, kind='valid', run='validation'):
    """Check that a folder has the whole history."""
    training, other = event_files.read(folder / 'training'), event_files.read(folder / run)
    counts = {'training', 'epoch', 'updates', 'stage'}
    for name in set(history.columns) - counts:
        values = other if name.startswith(f'{kind}_') else training
        assert event_files.same(values[name.removeprefix(f'{kind}_')], history[name])
    names = {n.removeprefix(f'{kind}_') for n in history.columns} - counts
    texts = {'network/text_summary', 'settings/text_summary'}
    assert set(training) | set(other) == names | texts


def test_each_number_of_the_history_is_written(net, tmp_path):
    net.train(NOISY, VALID, epochs=5, callbacks=TensorBoard(tmp_path / 'a' / 'b'), **QUICK)
    check(tmp_path / 'a' / 'b', net.history)
    assert sum(v is not None for v in net.history['valid_loss']) == 3


def test_without_validation_data(net, tmp_path):
    net.train(NOISY, epochs=3, callbacks=TensorBoard(tmp_path), **QUICK)
    check(tmp_path, net.history, 'training', 'training_after_epoch')


def test_the_texts_say_what_is_trained_and_how(net, tmp_path):
    rate = rnnkit.schedules.Exponential(0.1, 0.5)
    options = QUICK | {'learning_rate': rate, 'weight_l2': 0.25, 'callbacks': TensorBoard(tmp_path)}
    net.train(NOISY, epochs=1, **options)
    texts = event_files.read(tmp_path / 'training')
    assert texts['network/text_summary'][0].startswith('    ')
    assert net.summary().splitlines()[0] in texts['network/text_summary'][0]
    lines = texts['settings/text_summary'][0].splitlines()
    for line in (
        '| algo | sgd |',
        '| batch_size | 10 |',
        '| learning_rate | Exponential(rate=0.1, decay=0.5) |',
        '| weight_l2 | 0.25 |',
    ):
        assert line in lines
    assert not any('callbacks' in line for line in lines)


def test_steps_go_on_over_several_trainings(net, tmp_path):
    board = TensorBoard(tmp_path)
    net.train(NOISY, VALID, epochs=3, callbacks=board, **QUICK)
    net.train(NOISY, VALID, epochs=2, callbacks=board, **QUICK)
    assert len(net.history) == 5
    check(tmp_path, net.history)
    texts = event_files.read(tmp_path / 'training')['settings/text_summary']
    assert [('| training | 2 |' in text) for text in texts.values()] == [False, True]


def test_another_network_replaces_what_is_shown(net, shared, tmp_path):
    net.train(NOISY, VALID, epochs=5, callbacks=TensorBoard(tmp_path), **QUICK)
    other = renewed(shared)
    other.history.clear()
    other.train(NOISY, VALID, epochs=2, callbacks=TensorBoard(tmp_path), **QUICK)
    check(tmp_path, other.history)


def test_a_resumed_training_continues_its_curves(tmp_path):
    class Dies(Callback):
        def on_epoch_end(self, training):
            if training.epoch == 5:
                raise RuntimeError('the machine is gone')

    folder, file = tmp_path / 'runs', tmp_path / 'net.rnn'
    options = {**QUICK, 'checkpoint': file, 'save_every': 3}
    first = made()
    with pytest.raises(RuntimeError, match='gone'):
        first.train(NOISY, VALID, epochs=9, callbacks=[TensorBoard(folder), Dies()], **options)
    check(folder, first.history)  # the epoch in which it died, too
    again = made()
    again.train(NOISY, VALID, epochs=7, resume=file, callbacks=TensorBoard(folder), **options)
    assert len(again.history) == 7
    check(folder, again.history)


def test_an_interrupted_training_and_one_that_a_callback_stops(net, tmp_path):
    def stop(training):
        if training.epoch == 3:
            training.stop()

    # The last validation comes after the callbacks of the epoch.
    net.train(NOISY, VALID, epochs=9, callbacks=[TensorBoard(tmp_path), stop], **QUICK)
    assert net.history['valid_loss'][2] is not None
    check(tmp_path, net.history)

    def interrupt(training):
        if training.updates == 8:
            raise KeyboardInterrupt

    class Watch(Callback):
        on_batch_end = staticmethod(interrupt)

    net.train(NOISY, VALID, epochs=9, callbacks=[TensorBoard(tmp_path), Watch()], **QUICK)
    assert len(net.history) > 3
    check(tmp_path, net.history)


def test_entries_of_callbacks_are_written_and_text_is_not(net, tmp_path):
    def add(training):
        training.record.update(note='text', valid_of_mine=training.epoch / 2, large=1e300)

    net.train(NOISY, epochs=2, callbacks=[add, TensorBoard(tmp_path)], **QUICK)
    found = event_files.read(tmp_path / 'training')
    assert found['valid_of_mine'] == {1: 0.5, 2: 1.0}
    assert found['large'] == {1: np.inf, 2: np.inf}
    assert 'note' not in found


def test_layers_that_are_trained_one_by_one_share_a_run(tmp_path):
    net = rnnkit.Classifier([1, 2, 2, 2], seed=0)
    data = [NOISY[0][:8], np.arange(8) % 2]
    net.train(data, algo='layerwise', epochs=2, validate_every=1, callbacks=TensorBoard(tmp_path))
    stages = net.history['stage']
    assert len(stages) > 2
    check(tmp_path, net.history, 'training', 'training_after_epoch')
    texts = event_files.read(tmp_path / 'training')['settings/text_summary']
    assert all(f'| stage | {stages[step]} |' in text for step, text in texts.items())


def test_histograms(tmp_path):
    net, seen = rnnkit.Regressor([1, 3, 1], seed=0, dtype='float64'), {}

    def remember(training):
        seen[training.epoch] = net.find('hid1', 'w').get_value()

    board = TensorBoard(tmp_path, histograms=2)
    net.train(NOISY, epochs=5, callbacks=[remember, board], **QUICK)
    found = event_files.read(tmp_path / 'training')
    assert {name for name in found if '/' in name and 'text' not in name} == {
        p.name.replace('.', '/') for p in net.params
    }
    assert set(found['hid1/w']) == {2, 4}
    for step, shape in found['hid1/w'].items():
        w = seen[step]
        assert (shape.min, shape.max, shape.num) == (w.min(), w.max(), w.size)
        assert shape.sum == pytest.approx(w.sum())
        assert shape.sum_squares == pytest.approx((w**2).sum())
        counts, ends = np.histogram(w, event_file.BINS)
        assert list(shape.bucket) == counts.tolist()
        assert list(shape.bucket_limit) == ends[1:].tolist()


def test_what_is_minimized_without_a_network(tmp_path):
    import pytensor

    w = pytensor.shared(np.array([3.0]))
    board = TensorBoard(tmp_path, histograms=1)
    rnnkit.minimize((w**2).sum(), epochs=2, train_batches=1, callbacks=board)
    assert set(event_files.read(tmp_path / 'training')['loss']) == {1, 2}
    assert set(event_files.read(tmp_path / 'training')['parameter']) == {1, 2}


def test_a_folder_that_cannot_be_made(net, tmp_path):
    (tmp_path / 'file').write_text('')
    before = len(net.history)
    with pytest.raises(OSError, match='the file was not written'):
        net.train(NOISY, epochs=2, callbacks=TensorBoard(tmp_path / 'file' / 'run'), **QUICK)
    assert len(net.history) == before


def test_a_disk_that_is_full_ends_the_training(net, tmp_path, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, 'No space left on device')

    def fill(training):
        if training.epoch == 2:
            monkeypatch.setattr(event_file, 'open', full, raising=False)

    with pytest.raises(OSError, match='the file was not written: No space left'):
        net.train(NOISY, epochs=4, callbacks=[fill, TensorBoard(tmp_path)], **QUICK)


def test_the_folder_is_that_of_the_beginning(net, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'elsewhere').mkdir()
    move = lambda training: monkeypatch.chdir(tmp_path / 'elsewhere')  # noqa: E731
    net.train(NOISY, VALID, epochs=2, callbacks=[move, TensorBoard('runs')], **QUICK)
    check(tmp_path / 'runs', net.history)


def test_it_can_be_copied_and_pickled(net, tmp_path):
    board = TensorBoard(tmp_path)
    net.train(NOISY, epochs=1, callbacks=board, **QUICK)
    for other in (copy.deepcopy(board), pickle.loads(pickle.dumps(board))):
        net.train(NOISY, epochs=1, callbacks=other, **QUICK)
    check(tmp_path, net.history, 'training', 'training_after_epoch')


@pytest.mark.parametrize('options', [{'folder': 3}, {'folder': ''}, {'histograms': -1}])
def test_wrong_arguments(options):
    (name,) = options
    with pytest.raises(ConfigError, match=rf'^TensorBoard: {name} must be'):
        TensorBoard(**{'folder': 'runs', **options})


@pytest.mark.peers
def test_tensorboard_reads_it(net, shared, tmp_path):
    pytest.importorskip('tensorboard')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    other = renewed(shared)
    other.history.clear()
    other.train(NOISY, VALID, epochs=6, callbacks=TensorBoard(tmp_path), **QUICK)
    net.history.clear()
    board = TensorBoard(tmp_path, histograms=1)
    net.train(NOISY, VALID, epochs=4, callbacks=board, **QUICK)
    for run, start in (('training', ''), ('validation', 'valid_')):
        found = EventAccumulator(str(tmp_path / run), size_guidance={'scalars': 0})
        found.Reload()
        values = {event.step: event.value for event in found.Scalars('loss')}
        assert event_files.same(values, net.history[f'{start}loss'])
    found = EventAccumulator(str(tmp_path / 'training')).Reload()
    assert found.Tags()['histograms']
    assert set(found.Tags()['tensors']) == {'network/text_summary', 'settings/text_summary'}
