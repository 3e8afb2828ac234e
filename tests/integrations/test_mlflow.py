"""Records in MLflow: each number is that of the history, and a run ends as its training did.

MLflow is large and warns when it is imported: a module that records the calls stands in for it.
The last test compares with the real one.
"""

import importlib
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from one_weight import NOISY, made, renewed

import rnnkit
from rnnkit.callbacks import Callback
from rnnkit.errors import ConfigError

QUICK = {'algo': 'sgd', 'batch_size': 10, 'seed': 0, 'validate_every': 2, 'patience': 99}
VALID = [NOISY[0][:5], NOISY[1][:5]]
MODULE = 'rnnkit.integrations.mlflow'


class Error(Exception):
    """An error of MLflow."""


class Store:
    """Stands in for the module: runs by their ids, with what was logged."""

    exceptions = SimpleNamespace(MlflowException=Error)

    def __init__(self):
        self.runs, self.active = {}, None

    def active_run(self):
        return self.active

    def start_run(self, run_id=None, run_name=None):
        assert self.active is None, 'MLflow refuses a second run'
        if run_id is None:
            run_id = f'run{len(self.runs)}'
            data = SimpleNamespace(params={}, metrics={})
            info = SimpleNamespace(run_id=run_id, name=run_name)
            self.runs[run_id] = SimpleNamespace(info=info, data=data, status=None, artifacts={})
        elif run_id not in self.runs:
            raise Error(f'Run {run_id} not found')
        self.active = self.runs[run_id]
        self.active.status = 'RUNNING'
        return self.active

    def end_run(self, status='FINISHED'):
        self.active.status, self.active = status, None

    def get_run(self, run_id):
        return self.runs[run_id]

    def get_tracking_uri(self):
        return 'sqlite:///here.db'

    def log_text(self, text, artifact_file):
        self.active.artifacts[artifact_file] = text

    def log_artifact(self, path):
        self.active.artifacts['file'] = rnnkit.load(path)

    def log_params(self, params):
        for name, value in params.items():
            assert isinstance(value, str)
            assert len(value) <= 6000
            if self.active.data.params.setdefault(name, value) != value:
                raise Error(f'Changing param values is not allowed: {name}')

    def log_metrics(self, metrics, step):
        for name, value in metrics.items():
            assert not set(name) & set('()<>:'), 'MLflow refuses these signs'
            self.active.data.metrics.setdefault(name, {})[step] = value


@pytest.fixture
def store(monkeypatch):
    fake = Store()
    monkeypatch.setitem(sys.modules, 'mlflow', fake)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    importlib.import_module(MODULE)
    yield fake
    del sys.modules[MODULE]


@pytest.fixture
def callback(store):
    return sys.modules[MODULE].MLflow


@pytest.fixture(scope='module')
def shared():
    return made()


@pytest.fixture
def net(shared):
    return renewed(shared)


def check(run, history):
    """Check that a run has the whole history."""
    names = set(history.columns) - {'training', 'epoch', 'updates', 'stage'}
    assert set(run.data.metrics) == names
    for name in names:
        expected = {k: v for k, v in enumerate(history[name], 1) if v is not None}
        np.testing.assert_equal(run.data.metrics[name], expected)


def test_a_run_has_the_history_and_the_settings(net, store, callback):
    mine = callback('first try', model=True)
    net.train(NOISY, VALID, epochs=5, callbacks=mine, learning_rate=0.25, **QUICK)
    (run,) = store.runs.values()
    check(run, net.history)
    assert (run.status, run.info.name, mine.run_id) == ('FINISHED', 'first try', 'run0')
    expected = {'algo': 'sgd', 'learning_rate': '0.25', 'batch_size': '10', 'epochs': '5'}
    assert run.data.params.items() >= expected.items()
    assert run.artifacts['network.txt'] == net.summary()
    np.testing.assert_array_equal(run.artifacts['file'].predict(NOISY[0]), net.predict(NOISY[0]))


def test_a_run_that_is_active_stays_active(net, store, callback):
    mine = store.start_run()
    store.log_params({'algo': 'that of the thesis'})
    net.train(NOISY, epochs=2, callbacks=callback(), **QUICK)
    assert store.active is mine
    assert list(store.runs.values()) == [mine]
    check(mine, net.history)
    assert mine.data.params['algo'] == 'that of the thesis'
    assert mine.data.params['from epoch 1/algo'] == 'sgd'


def test_a_later_training_continues_the_run(net, shared, store, callback):
    mine = callback()
    net.train(NOISY, VALID, epochs=3, callbacks=mine, learning_rate=0.5, **QUICK)
    net.train(NOISY, VALID, epochs=2, callbacks=mine, learning_rate=0.25, **QUICK)
    (run,) = store.runs.values()
    check(run, net.history)
    changed = {'from epoch 4/learning_rate': '0.25', 'from epoch 4/epochs': '2'}
    assert {n: v for n, v in run.data.params.items() if '/' in n} == changed
    assert run.status == 'FINISHED'
    other = made()
    other.train(NOISY, epochs=1, callbacks=mine, **QUICK)
    assert len(store.runs) == 2
    check(store.runs['run1'], other.history)


def test_stages_share_a_run(store, callback):
    net = rnnkit.Classifier([1, 2, 2, 2], seed=0)
    data = [NOISY[0][:8], np.arange(8) % 2]
    net.train(data, algo='layerwise', epochs=2, validate_every=1, callbacks=callback())
    (run,) = store.runs.values()
    check(run, net.history)
    stages = list(dict.fromkeys(net.history['stage']))
    assert [v for n, v in run.data.params.items() if n.endswith('stage')] == stages


class Dies(Callback):
    def __init__(self, epoch, error):
        self.epoch, self.error = epoch, error

    def on_epoch_end(self, training):
        if training.epoch == self.epoch:
            raise self.error


def test_a_training_that_fails_or_is_interrupted(net, store, callback):
    with pytest.raises(RuntimeError, match='gone'):
        net.train(NOISY, epochs=9, callbacks=[callback(), Dies(3, RuntimeError('gone'))], **QUICK)
    assert store.runs['run0'].status == 'FAILED'
    check(store.runs['run0'], net.history)
    net.history.clear()
    net.train(NOISY, epochs=9, callbacks=[callback(), Dies(2, KeyboardInterrupt())], **QUICK)
    assert store.runs['run1'].status == 'KILLED'
    check(store.runs['run1'], net.history)
    assert store.active is None


def test_mlflow_itself_fails(net, store, callback, monkeypatch):
    def down(*args, **options):
        raise Error('the server is down')

    monkeypatch.setattr(store, 'log_params', down)
    with pytest.raises(Error, match='down'):
        net.train(NOISY, epochs=2, callbacks=callback(), **QUICK)
    assert store.active is None
    monkeypatch.undo()


def test_a_resumed_training_continues_its_run(store, callback, tmp_path):
    options = {**QUICK, 'checkpoint': tmp_path / 'net.rnn', 'save_every': 3}
    first = [callback(), Dies(5, RuntimeError('gone'))]
    with pytest.raises(RuntimeError, match='gone'):
        made().train(NOISY, VALID, epochs=6, callbacks=first, **options)
    again, second = made(), callback()
    again.train(NOISY, VALID, epochs=7, resume=tmp_path / 'net.rnn', callbacks=second, **options)
    assert len(again.history) == 7
    (run,) = store.runs.values()
    check(run, again.history)
    assert run.status == 'FINISHED'
    store.runs.clear()
    message = r'the run run0, which this training continues, is not in sqlite:///here\.db\. Call'
    with pytest.raises(ConfigError, match=message):
        made().train(
            NOISY, VALID, epochs=8, resume=tmp_path / 'net.rnn', callbacks=callback(), **options
        )


def test_names_that_mlflow_refuses(store, callback):
    net = rnnkit.Regressor([1, 2, 1], seed=0)
    monitors = ['gradients', {'hid1:out': (0.1,)}]
    net.train(NOISY, epochs=1, callbacks=callback(), monitors=monitors, **QUICK)
    metrics = store.runs['run0'].data.metrics
    assert metrics['hid1_out_0.1'] == {1: net.history[0]['hid1:out<0.1']}
    assert metrics['grad_hid1.w'] == {1: net.history[0]['grad(hid1.w)']}


def test_the_last_validation_of_a_training_that_is_stopped(net, store, callback):
    def stop(training):
        training.record['note'] = 'text is not a metric'
        if training.epoch == 3:
            training.stop()

    net.train(NOISY, VALID, epochs=9, callbacks=[stop, callback()], **QUICK)
    metrics = store.runs['run0'].data.metrics
    assert metrics['valid_loss'] == {
        2: net.history[1]['valid_loss'],
        3: net.history[2]['valid_loss'],
    }
    assert 'note' not in metrics


def test_wrong_arguments(callback):
    with pytest.raises(ConfigError, match='MLflow: run_name must be text; got 3'):
        callback(3)
    with pytest.raises(ConfigError, match="MLflow: model must be True or False; got 'net.rnn'"):
        callback(model='net.rnn')
    with pytest.raises(ConfigError, match="unknown option 'name'"):
        callback(name='mine')
    import pytensor

    loss = (pytensor.shared(np.array([3.0])) ** 2).sum()
    with pytest.raises(ConfigError, match=r'MLflow: minimize\(\) has no network'):
        rnnkit.minimize(loss, epochs=1, train_batches=1, callbacks=callback(model=True))


def test_without_mlflow(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mlflow', None)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    with pytest.raises(ImportError, match=r"pip install 'rnnkit\[mlflow\]'"):
        importlib.import_module(MODULE)


@pytest.mark.peers
@pytest.mark.filterwarnings('ignore')
def test_mlflow_stores_it(net, tmp_path, monkeypatch):
    monkeypatch.setenv('MLFLOW_DISABLE_TELEMETRY', 'true')
    monkeypatch.setenv('MLFLOW_ALLOW_FILE_STORE', 'true')  # a database needs more packages
    mlflow = pytest.importorskip('mlflow')
    from rnnkit.integrations.mlflow import MLflow

    mlflow.set_tracking_uri((tmp_path / 'store').as_uri())
    mine, file = MLflow('first', model=True), tmp_path / 'net.rnn'
    options = {**QUICK, 'checkpoint': file, 'monitors': 'gradients'}
    net.train(NOISY, VALID, epochs=4, callbacks=mine, **options)
    again = made()
    again.train(NOISY, VALID, epochs=6, resume=file, callbacks=MLflow(), **options)
    client = mlflow.MlflowClient()
    run = client.get_run(mine.run_id)
    assert run.info.status == 'FINISHED'
    assert mlflow.active_run() is None
    expected = {'algo': 'sgd', 'epochs': '4', 'from epoch 5/epochs': '6'}
    assert expected.items() <= run.data.params.items()
    assert {f.path for f in client.list_artifacts(mine.run_id)} == {'net.rnn', 'network.txt'}
    for name in ('loss', 'valid_loss', 'gradient_norm', 'grad(out.w)'):
        metric = name.replace('(', '_').replace(')', '')
        stored = {m.step: m.value for m in client.get_metric_history(mine.run_id, metric)}
        values = enumerate(again.history[name], 1)
        assert stored == {k: v for k, v in values if v is not None}
