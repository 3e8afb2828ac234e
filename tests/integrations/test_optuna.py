"""Pruning of Optuna's trials: what is reported, how a training ends, and mistakes."""

import copy
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from compilations import numba_mode
from jobs import job
from repository import ROOT

import rnnkit
from rnnkit.callbacks import CSV, Callback
from rnnkit.errors import ConfigError

optuna = pytest.importorskip('optuna')

from rnnkit.integrations.optuna import PruningCallback  # noqa: E402

X = np.linspace(-1, 1, 24).reshape(4, 6, 1)
Y = X.cumsum(axis=0)
LABELS = (Y[-1, :, 0] > 0).astype(int)
LATE = optuna.pruners.ThresholdPruner(upper=0, n_warmup_steps=3)  # prunes from step 3 on


@pytest.fixture(autouse=True)
def kernels_on(monkeypatch):
    """Use kernels, and the mode of users, where these networks compile nothing."""
    monkeypatch.setenv('RNNKIT_KERNELS', 'on')
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with numba_mode():
        yield


def study_of(pruner=None, **options):
    sampler = optuna.samplers.RandomSampler(seed=0)
    return optuna.create_study(
        pruner=pruner or optuna.pruners.NopPruner(), sampler=sampler, **options
    )


def new(seed=0):
    return rnnkit.Regressor([1, ('rnn', 3), 1], seed=seed)


def train(net, *callbacks, **options):
    options = {'epochs': 6, 'validate_every': 1, 'patience': 100, 'learning_rate': 0.01, **options}
    return net.train([X, Y], [X[:, :3], Y[:, :3]], callbacks=list(callbacks), **options)


def test_each_validation_is_reported_at_its_epoch():
    study, net = study_of(), new()
    train(net, PruningCallback(study.ask()), validate_every=2, epochs=5)
    column = net.history['valid_loss']
    assert study.trials[0].intermediate_values == {2: column[1], 4: column[3]}
    assert column[4] is not None  # of the end of the training, which others need not have


def test_a_column_of_each_epoch_is_reported():
    study, net = study_of(), new()
    train(net, PruningCallback(study.ask(), 'loss'), validate_every=3, epochs=4)
    expected = dict(zip([1, 2, 3, 4], net.history['loss'], strict=True))
    assert study.trials[0].intermediate_values == expected


def test_a_pruned_training_ends_in_order(tmp_path):
    class Ends(Callback):
        def on_train_end(self, training):
            self.ended, self.best = training.ended, training.best['loss']

    study, net, ends = study_of(LATE), new(), Ends()
    callbacks = [PruningCallback(study.ask()), ends, CSV(tmp_path / 'all.csv')]
    with pytest.raises(optuna.TrialPruned) as raised:
        train(net, *callbacks, checkpoint=tmp_path / 'run', learning_rate=0.5)
    losses = net.history['valid_loss']
    assert str(raised.value) == f'pruned at step 3: valid_loss was {losses[-1]:.6g}'
    assert ends.ended == 'stopped: pruned by Optuna'
    assert list(study.trials[0].intermediate_values.values()) == losses
    assert len(losses) == 3
    assert len((tmp_path / 'all.csv').read_text().splitlines()) == 1 + 3
    # The parameters are those of the best validation, which is not the last one here.
    found = net.evaluate(X[:, :3], Y[:, :3])['loss']
    assert found == pytest.approx(ends.best, rel=1e-6)
    assert found < losses[-1]
    assert rnnkit.load(tmp_path / 'run').history['epoch'] == [1, 2, 3]
    train(net, epochs=1)  # another training may begin


def test_the_study_knows_what_was_pruned():
    study = study_of(LATE)
    rates = []

    def objective(trial):
        rates.append(trial.suggest_float('rate', 1e-4, 1e-2))
        return train(new(), PruningCallback(trial), learning_rate=rates[-1])[1]['loss']

    study.optimize(objective, n_trials=2)
    assert [trial.state.name for trial in study.trials] == ['PRUNED', 'PRUNED']
    study.pruner = optuna.pruners.NopPruner()
    study.optimize(objective, n_trials=1)
    assert study.best_trial.number == 2
    # The objective runs once more with the best trial, as Optuna's docs recommend.
    assert objective(study.best_trial) == study.best_value
    assert objective(optuna.trial.FixedTrial({'rate': rates[-1]})) == study.best_value


def test_a_loop_over_epochs_is_pruned():
    study, net, seen = study_of(LATE), new(), []
    options = {'epochs': 6, 'validate_every': 1, 'callbacks': PruningCallback(study.ask())}
    epochs = net.itertrain([X, Y], [X, Y], **options)
    with pytest.raises(optuna.TrialPruned, match='pruned at step 3'):
        seen.extend(valid['loss'] for _, valid in epochs)
    assert seen == net.history['valid_loss']
    assert len(seen) == 3
    # Who leaves the loop has ended the training, and is not told to prune.
    options['callbacks'] = PruningCallback(study.ask())
    for _ in net.itertrain([X, Y], [X, Y], **options):
        if len(net.history) == 6:
            break
    assert net.history[-1]['epoch'] == 3


def test_minimize_is_pruned():
    import pytensor

    study, w = study_of(LATE), pytensor.shared(np.float64(3), name='w')
    callback = PruningCallback(study.ask())
    with pytest.raises(optuna.TrialPruned, match='pruned at step 3: training_loss was'):
        rnnkit.minimize(
            w**2, params=[w], callbacks=callback, algo='sgd', learning_rate=0.1, validate_every=1
        )
    assert sorted(study.trials[0].intermediate_values) == [1, 2, 3]


def test_estimators_and_folds_are_pruned():
    from series import labelled
    from sklearn.model_selection import cross_val_score

    from rnnkit.sklearn import SequenceClassifier

    sequences, labels = labelled(12)
    study = study_of(optuna.pruners.ThresholdPruner(upper=0, n_warmup_steps=5))
    trial = study.ask()
    model = SequenceClassifier(
        (('rnn', 3),),
        epochs=3,
        validation_fraction=0.25,
        patience=9,
        random_state=0,
        options={'callbacks': PruningCallback(trial)},
    )
    # Three folds of three epochs: the second one is pruned in its second epoch.
    with pytest.raises(optuna.TrialPruned, match='pruned at step 5: valid_loss was'):
        cross_val_score(model, sequences, labels, cv=3, error_score='raise')
    assert sorted(study.trials[0].intermediate_values) == [1, 2, 3, 4, 5]
    with pytest.raises(optuna.TrialPruned, match='pruned at step 6: valid_loss was'):
        model.fit(sequences, labels)
    assert len(model.net_.history) == 1
    assert model.set_params(options=None).fit(sequences, labels).n_iter_ == 3


def test_callbacks_of_other_objects_continue_the_steps_of_a_trial():
    study = study_of()
    trial = study.ask()
    for epochs in (2, 3):
        train(new(epochs), PruningCallback(trial), epochs=epochs)
    assert sorted(study.trials[0].intermediate_values) == [1, 2, 3, 4, 5]


def test_a_resumed_training_continues_its_own_steps(tmp_path):
    study = study_of()
    trial = study.ask()
    train(new(1), PruningCallback(trial), epochs=2)
    net = new()
    train(net, PruningCallback(trial), epochs=2, checkpoint=tmp_path / 'run')
    train(net, PruningCallback(trial), epochs=4, resume=tmp_path / 'run')
    reports = study.trials[0].intermediate_values
    assert sorted(reports) == [1, 2, 3, 4, 5, 6]
    assert [reports[k] for k in (3, 4, 5, 6)] == net.history['valid_loss']
    # Again from the same checkpoint: Optuna would warn of steps that are reported twice.
    callback = PruningCallback(trial)
    train(new(), callback, epochs=5, resume=tmp_path / 'run')
    assert sorted(study.trials[0].intermediate_values) == [1, 2, 3, 4, 5, 6, 7]
    train(new(), callback, epochs=2)
    assert sorted(study.trials[0].intermediate_values) == [1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_a_retried_trial_may_have_the_reports_of_the_first():
    """Optuna warns of a step that is reported twice; warnings are errors here."""
    study = study_of()
    first = optuna.trial.create_trial(
        state=optuna.trial.TrialState.WAITING, intermediate_values={1: 0.5, 2: 0.4}
    )
    study.add_trial(first)
    train(new(), PruningCallback(study.ask()), epochs=2)
    assert sorted(study.trials[0].intermediate_values) == [1, 2, 3, 4]


def ask(**options):
    return study_of(**options).ask()


def test_the_study_must_go_in_the_direction_of_the_monitor():
    with pytest.raises(ConfigError) as raised:
        PruningCallback(ask(), 'valid_acc')
    assert str(raised.value) == (
        "PruningCallback: large values of 'valid_acc' are better, but the study has "
        "direction='minimize'. Create it with direction='maximize', or name the column that the "
        "objective returns, such as PruningCallback(trial, 'valid_loss')"
    )
    with pytest.raises(ConfigError) as raised:
        train(new(), PruningCallback(ask(direction='maximize')))
    assert str(raised.value) == (
        "PruningCallback: small values of 'valid_loss' are better, but the study has "
        "direction='maximize'. Create it with direction='minimize', or name the column that the "
        "objective returns, such as PruningCallback(trial, 'valid_acc')"
    )
    with pytest.raises(ConfigError, match="large values of 'valid_r2' are better"):
        train(new(), PruningCallback(ask()), monitors='r2', restore_best='valid_r2')


def mine(target, output):
    return float(np.abs(target - output).max())


@pytest.mark.parametrize(
    ('monitor', 'option'), [(None, {'restore_best': ('valid_mine', 'max')}), ('valid_mine', {})]
)
def test_a_metric_of_ones_own_is_reported(monitor, option):
    """By default if the training is judged by it; else the study says what is better."""
    study, net = study_of(direction='maximize'), new()
    train(net, PruningCallback(study.ask(), monitor), monitors=mine, epochs=2, **option)
    assert list(study.trials[0].intermediate_values.values()) == net.history['valid_mine']


@pytest.mark.parametrize(
    ('monitor', 'message'),
    [
        ('val_loss', "no monitor 'val_loss'; did you mean 'valid_loss'?"),
        ('valid_los', "no monitor 'valid_los'; did you mean 'valid_loss'?"),
        ('valid_rmse', "no monitor 'valid_rmse'; add monitors='rmse' to the training; there are:"),
    ],
)
def test_an_unknown_monitor_is_refused(monitor, message):
    net = new()
    with pytest.raises(ConfigError) as raised:
        train(net, PruningCallback(ask(), monitor))
    assert str(raised.value).startswith(f'PruningCallback: {message}')
    # Columns of validations are known before the first epoch.
    assert len(net.history) == (0 if monitor.startswith('valid_') else 1)


def test_what_is_not_a_trial_is_refused():
    start = 'PruningCallback: trial must be the optuna.Trial that the objective is called with; '
    for wrong, what in [(study_of(), 'the study'), (3, '3'), (None, 'None')]:
        with pytest.raises(ConfigError) as raised:
            PruningCallback(wrong)
        assert str(raised.value) == f'{start}got {what}'
    with pytest.raises(ConfigError, match=r"'monitr', did you mean 'monitor'"):
        PruningCallback(ask(), monitr='valid_loss')
    with pytest.raises(ConfigError, match='monitor must be a column of the history'):
        PruningCallback(ask(), 3)


def test_several_objectives_cannot_be_pruned():
    study = optuna.create_study(directions=['minimize', 'maximize'])
    with pytest.raises(ConfigError) as raised:
        PruningCallback(study.ask())
    assert str(raised.value) == (
        'PruningCallback: the study has 2 objectives, and Optuna prunes trials of studies with one '
        'objective alone; leave the callback out'
    )


def test_a_callback_stays_in_its_process():
    callback = PruningCallback(ask())
    assert copy.deepcopy(callback) is callback
    with pytest.raises(ConfigError) as raised:
        pickle.dumps(callback)
    assert str(raised.value) == (
        'a PruningCallback cannot be pickled, because its trial belongs to this process. Train '
        'here, with n_jobs=1, and start several processes on one study instead; to pickle an '
        'estimator, leave the callback out of its options: set_params(options=None)'
    )


@pytest.mark.parametrize('offset', [-1, 1.5, True, '2'])
def test_a_state_of_a_checkpoint_is_checked(offset):
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        PruningCallback(ask()).set_state({'offset': offset})
    assert str(raised.value) == f'offset must be a whole number of at least 0; got {offset!r}'


TRIAL_OF_RANKS = """
import numpy as np, optuna, rnnkit
from mpi4py import MPI
from rnnkit.integrations.optuna import PruningCallback

late = optuna.pruners.ThresholdPruner(upper=0, n_warmup_steps=3)
rank, study = MPI.COMM_WORLD.rank, optuna.create_study(pruner=late)
x = np.ones((4, 6, 1))
net = rnnkit.Regressor([1, ('rnn', 3), 1], seed=0)
try:
    net.train(
        [x, x], epochs=6, validate_every=1, progress=False, comm='mpi',
        callbacks=PruningCallback(study.ask()) if rank == 0 else None,
    )
except optuna.TrialPruned as error:
    print(f'in {rank}, after {len(net.history)} epochs: {error}\\n', end='', flush=True)
"""


def test_a_trial_on_two_ranks_is_pruned_in_both(tmp_path):
    program = tmp_path / 'trial.py'
    program.write_text(TRIAL_OF_RANKS)
    ended = job(2, program, OMP_NUM_THREADS='1')
    assert ended.code == 0, ended.output
    for rank in (0, 1):
        assert f'in {rank}, after 3 epochs: rank 0: pruned at step 3: training_loss' in ended.output


@pytest.mark.long
def test_two_processes_share_a_study_of_twenty_trials(tmp_path):
    journal = tmp_path / 'study.log'
    command = [sys.executable, ROOT / 'examples' / 'search.py', '--journal', journal]
    environment = {**os.environ, 'PYTENSOR_FLAGS': '', 'RNNKIT_KERNELS': 'on'}
    done = subprocess.run(
        [*command, '--trials=20', '--processes=2'],
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(journal))
    )
    study = optuna.load_study(study_name='waves', storage=storage)
    states = [trial.state.name for trial in study.trials]
    assert len(states) == 20
    assert set(states) == {'COMPLETE', 'PRUNED'}
    assert f'20 trials: {states.count("COMPLETE")} complete, ' in done.stdout
    assert len({trial.user_attrs['process'] for trial in study.trials}) == 2
    for trial in study.trials:
        steps = sorted(trial.intermediate_values)
        assert steps == list(range(1, len(steps) + 1))
        if trial.state.name == 'COMPLETE':
            assert trial.value == min(trial.intermediate_values.values())


def test_without_optuna_the_error_says_what_to_install():
    code = "import sys; sys.modules['optuna'] = None; import rnnkit.integrations.optuna"
    found = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=60)
    assert found.stderr.splitlines()[-1] == (
        'ImportError: rnnkit.integrations.optuna needs optuna, which is not installed: '
        "pip install 'rnnkit[optuna]'"
    )
