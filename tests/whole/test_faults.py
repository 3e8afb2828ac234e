"""What goes wrong during a training leaves its files sound, and the network at its best."""

import errno
import os
import signal
import threading

import numpy as np
import pytest
from faults import DATA, OPTIONS, ends_well, fork, kill_one, network

import rnnkit
import rnnkit.common.compiled
from rnnkit.common import file_format
from rnnkit.common.compiled import Compiled
from rnnkit.errors import DataError, TrainingError

START = [p.get_value() for p in network().params]
needs_fork = pytest.mark.skipif(not hasattr(os, 'fork'), reason='there is no fork')


def params(net):
    return [p.get_value() for p in net.params]


def assert_same(found, right):
    for a, b in zip(found, right, strict=True):
        np.testing.assert_array_equal(a, b)


def begin_again(net):
    """Give a network that is compiled the parameters of a new one."""
    for p, value in zip(net.params, START, strict=True):
        p.set_value(value)
    net.history.clear()
    net._trainings = 0


def loss(net):
    return float(((net.predict(DATA[0]) - DATA[1]) ** 2).mean())


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'training.rnn'


@needs_fork
def test_trainings_that_are_killed_leave_files_that_go_on_exactly(path, rng):
    net = network()
    net.train(DATA, epochs=1, **OPTIONS)  # compiled here, and not in each child
    begin_again(net)
    epochs = []
    while len(epochs) < 60 and not (len(epochs) > 5 and (epochs[-1] or 0) > 5):
        epochs.append(kill_one(net, path, rng.uniform(0.01, 0.15)))
    last = epochs[-1] + 2
    assert last > 5
    found = net.train(DATA, epochs=last, resume=path, **OPTIONS)
    reached, history = params(net), net.history['loss']
    begin_again(net)
    assert net.train(DATA, epochs=last, **OPTIONS) == found
    assert_same(params(net), reached)
    assert net.history['loss'][-last:] == history


# --- files that cannot be written ---


def full_disk(*args):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_the_last_file_and_the_best_parameters(path, monkeypatch):
    net = network()
    steps = net.itertrain(DATA, checkpoint=path, **OPTIONS)
    for _ in range(3):
        next(steps)
    before = path.read_bytes()
    monkeypatch.setattr(file_format.os, 'fsync', full_disk)
    with pytest.raises(OSError, match=r'was not written: No space left.*training.rnn') as caught:
        next(steps)
    assert caught.value.errno == errno.ENOSPC
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]
    assert loss(net) <= loss(rnnkit.load(path))
    right = network()
    right.train(DATA, epochs=5, **OPTIONS)
    again = network()
    again.train(DATA, epochs=5, resume=path, **OPTIONS)
    assert_same(params(again), params(right))


@needs_fork
def test_a_limit_on_the_size_of_files_is_an_error_that_names_the_file(path):
    resource = pytest.importorskip('resource')
    net = network()
    net.save(path)
    before = path.read_bytes()

    def work():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        with pytest.raises(OSError, match=r'the file was not written: .*training.rnn'):
            net.save(path)

    assert ends_well(fork(work))
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.skipif(not hasattr(os, 'geteuid') or os.geteuid() == 0, reason='root may write')
def test_an_unwritable_folder_is_found_before_the_first_epoch(path):
    path.parent.chmod(0o500)
    net = network()
    try:
        with pytest.raises(PermissionError, match='was not written'):
            net.train(DATA, epochs=2, checkpoint=path, **OPTIONS)
    finally:
        path.parent.chmod(0o700)
    assert not net.history


def test_a_folder_that_vanishes(path, tmp_path):
    (tmp_path / 'sub').mkdir()
    target = tmp_path / 'sub' / 'net.rnn'
    steps = network().itertrain(DATA, checkpoint=target, **OPTIONS)
    next(steps)
    target.unlink()
    target.parent.rmdir()
    with pytest.raises(FileNotFoundError, match='was not written'):
        next(steps)


# --- Ctrl-C ---


def interrupted_at(monkeypatch, what, count):
    """Have the `count`-th call of a method raise as Ctrl-C does."""
    owner, name = what
    function, calls = getattr(owner, name), []

    def counted(*args, **kwargs):
        calls.append(1)
        if len(calls) == count:
            raise KeyboardInterrupt
        return function(*args, **kwargs)

    monkeypatch.setattr(owner, name, counted)


PHASES = {
    'compiling': ((rnnkit.common.compiled.pytensor, 'function'), (1, 2)),
    'running a function': ((Compiled, '__call__'), (1, 2, 3, 6, 8, 11)),
    'writing': ((file_format.os, 'fsync'), (1, 2, 3, 4)),
    'renaming': ((file_format.os, 'replace'), (1, 2, 3)),
    'describing': ((file_format.json, 'dumps'), (1, 9, 40)),
}


@pytest.fixture(scope='module')
def compiled():
    """Return a network, and its parameters after four epochs."""
    net = network()
    net.train(DATA, epochs=4, **OPTIONS)
    net.predict(DATA[0])
    return net, params(net)


@pytest.mark.parametrize(('phase', 'count'), [(p, n) for p in PHASES for n in PHASES[p][1]])
def test_ctrl_c_in_every_phase(phase, count, path, monkeypatch, compiled):
    again, right = compiled
    net = network() if phase == 'compiling' else again
    begin_again(net)
    begin_again(again)
    best = loss(again)
    interrupted_at(monkeypatch, PHASES[phase][0], count)
    try:
        net.train(DATA, epochs=4, checkpoint=path, **OPTIONS)
    except KeyboardInterrupt:
        assert not net.history  # nothing had begun
    monkeypatch.undo()
    assert loss(net) <= best
    assert os.listdir(path.parent) in ([], [path.name])
    begin_again(again)
    again.train(DATA, epochs=4, checkpoint=path, resume='auto', **OPTIONS)
    assert_same(params(again), right)


# --- data that go wrong in the middle ---


@pytest.mark.parametrize(
    ('bad', 'error'),
    [
        (lambda: 1 / 0, ZeroDivisionError),
        (lambda: 'junk', DataError),
        (lambda: [DATA[0]], DataError),
        (lambda: [DATA[0] * np.nan, DATA[1]], DataError),
        (lambda: [DATA[0].astype('float32') * np.float32(1e30), DATA[1] * 1e30], TrainingError),
    ],
)
@pytest.mark.filterwarnings('ignore:overflow encountered', 'ignore:invalid value')
def test_a_callable_that_fails_loses_nothing(bad, error, path):
    calls = []

    def batch():
        calls.append(1)
        return bad() if len(calls) > 7 else DATA

    net = network()
    with pytest.raises(error):
        net.train(batch, DATA, train_batches=2, checkpoint=path, **OPTIONS)
    loaded = rnnkit.load(path)
    assert loaded.history['epoch'] == [1, 2, 3]
    assert loss(net) <= loss(loaded)
    again = network()
    again.train(lambda: DATA, DATA, train_batches=2, epochs=5, resume=path, **OPTIONS)
    assert again.history['epoch'] == [1, 2, 3, 4, 5]


def test_a_weight_that_becomes_nan_is_no_best_and_never_written(path):
    net = network()
    steps = net.itertrain(DATA, checkpoint=path, **OPTIONS)
    next(steps)
    right = params(rnnkit.load(path))
    net.find('out', 'b').set_value(np.array([np.nan], 'float32'))
    with pytest.raises(TrainingError, match=r"epoch 2, batch 1; parameter 'out.b' is not finite"):
        next(steps)
    assert_same(params(rnnkit.load(path)), right)
    assert_same(params(net), right)


# --- other processes and threads ---


@needs_fork
def test_a_process_forked_during_a_training_can_predict_and_train(path):
    net = network()
    steps = net.itertrain(DATA, **OPTIONS)
    next(steps)

    def work():
        before = loss(net)
        for _ in range(2):
            next(steps)
        steps.close()
        assert loss(net) < before
        net.train(DATA, epochs=2, checkpoint=path, **OPTIONS)
        assert len(rnnkit.load(path).history) == 5

    assert ends_well(fork(work))
    next(steps)  # and the parent goes on
    assert len(net.history) == 2


def test_two_trainings_in_two_threads_are_as_if_alone(tmp_path):
    found = {}

    def train(k):
        net = rnnkit.Regressor([1, (2 + k, 'tanh'), 1], seed=k)
        net.train(DATA, epochs=5, checkpoint=tmp_path / f'{k}.rnn', **OPTIONS)
        found[k] = params(net)

    threads = [threading.Thread(target=train, args=(k,)) for k in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    beside = dict(found)
    for k in range(2):
        train(k)
        assert_same(beside[k], found[k])
        assert_same(params(rnnkit.load(tmp_path / f'{k}.rnn')), found[k])
