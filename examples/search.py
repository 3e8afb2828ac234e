"""Search hyperparameters with Optuna: trials that are pruned, in several processes.

Copy `suggest`, `work` and `study_on` to search with several processes and no server.

    python search.py                                   # 20 trials, in 2 processes
    python search.py --journal study.log --trials 40   # on a file that is kept
    python search.py --journal study.log --processes 1 # meanwhile, or later, here or elsewhere

The processes share only the journal, a file; any process that can write it may join. Each one asks
the study for a trial, reports the validation loss of each epoch, and ends a trial that is worse
than half of the others were at the same epoch.

The task is to tell noisy waves apart: sines, squares and sawtooths of unknown frequency and phase.
The best of many trials looks better than it is on the data by which it was chosen. So the program
trains the best network once more, and reports its errors on test data that no trial has seen.

It needs Optuna: pip install 'rnnkit[optuna]'.
"""

import multiprocessing
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import common
import numpy as np

import rnnkit


def suggest(trial):
    """Return the hyperparameters of a trial."""
    return {
        'form': trial.suggest_categorical('form', ['gru', 'lstm', 'rnn']),
        'size': trial.suggest_int('size', 4, 32, log=True),
        'learning_rate': trial.suggest_float('learning_rate', 1e-4, 0.1, log=True),
        'batch_size': trial.suggest_categorical('batch_size', [16, 32, 64]),
        'max_gradient_norm': trial.suggest_float('max_gradient_norm', 0.1, 10, log=True),
    }


def fit(params, train, valid, task, **options):
    """Train a network with these hyperparameters; return it, and its best validation loss."""
    layers = [1, (params['form'], params['size']), 'mean', 3]
    net = rnnkit.Classifier(layers, seed=task['seed'])
    _, validation = net.train(
        train,
        valid,
        algo='adam',
        learning_rate=params['learning_rate'],
        batch_size=params['batch_size'],
        max_gradient_norm=params['max_gradient_norm'],
        epochs=max(1, task['updates'] // -(-task['examples'] // params['batch_size'])),
        validate_every=1,
        patience=10,
        seed=task['seed'],
        progress=False,
        **options,
    )
    return net, validation['loss']


def study_on(journal, seed):
    """Return the study on a journal, new or as others have begun it."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        study_name='waves',
        storage=JournalStorage(JournalFileBackend(str(journal))),
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2),
    )


def work(journal, trials, task, rank, threads):
    """Run some trials of the study on a journal, as one of several processes."""
    from rnnkit.integrations.optuna import PruningCallback

    rnnkit.set_threads(threads)
    train, valid, _ = data(task)

    def objective(trial):
        trial.set_user_attr('process', os.getpid())  # the journal says who ran it
        return fit(suggest(trial), train, valid, task, callbacks=PruningCallback(trial))[1]

    study_on(journal, task['seed'] + rank).optimize(objective, n_trials=trials)


def run_all(journal, trials, processes, task):
    """Run trials in several processes, each on some of the cores."""
    if processes == 1:
        work(journal, trials, task, 0, None)
        return
    share = [trials // processes + (k < trials % processes) for k in range(processes)]
    threads = max(1, (os.cpu_count() or 1) // processes)
    with ProcessPoolExecutor(processes, multiprocessing.get_context('spawn')) as pool:
        working = [
            pool.submit(work, journal, n, task, rank, threads) for rank, n in enumerate(share)
        ]
    for one in working:
        one.result()  # raises what a process has raised


def main(
    *, journal=None, trials=20, processes=2, examples=300, steps=40, noise=0.5, updates=300, seed=1
):
    """Search, train the best network once more, and measure its errors on test data."""
    if min(trials, processes) < 1:
        sys.exit('--trials and --processes must be at least 1')
    task = dict(examples=examples, steps=steps, noise=noise, updates=updates, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(journal or Path(folder) / 'study.log').absolute()
        run_all(journal, trials, processes, task)
        study = study_on(journal, seed)
        best, all_trials = study.best_trial, study.get_trials()

    train, valid, (x, kinds) = data(task)
    net, _ = fit(best.params, train, valid, task)
    print(f'best trial: {best.params}')
    states = [trial.state.name for trial in all_trials]
    results = {
        'error': np.mean(net.predict(x) != kinds),
        'best': best.value,
        'trials': len(states),
        'complete': states.count('COMPLETE'),
        'pruned': states.count('PRUNED'),
        'updates': net.history[-1]['updates'],
    }
    return results, (all_trials, best)


def waves(n, steps, noise, rng):
    """Return noisy waves of shape (steps, n, 1), and their kinds (n,)."""
    kinds = rng.integers(0, 3, n)
    turns = np.arange(steps)[:, None] * rng.uniform(0.05, 0.12, n) + rng.uniform(0, 1, n)
    sine = np.sin(2 * np.pi * turns)
    shapes = np.stack([sine, np.sign(sine), 2 * (turns % 1) - 1])
    x = shapes[kinds, :, np.arange(n)].T + rng.normal(0, noise, (steps, n))
    return x[:, :, None], kinds


def data(task):
    """Return the data for training, validation and test: the same in all processes."""
    rng = np.random.default_rng(task['seed'])
    sizes = (task['examples'], task['examples'], 2000)
    return [waves(n, task['steps'], task['noise'], rng) for n in sizes]


def draw(figure, trials, best):
    """Draw the validation losses of all trials."""
    axes = figure.subplots()
    looks = {'PRUNED': ('tab:red', 'pruned'), 'COMPLETE': ('0.6', 'complete')}
    drawn = set()
    for trial in trials:
        if not trial.intermediate_values:  # as of a process that was killed in its first epoch
            continue
        color, name = looks.get(trial.state.name, ('0.8', 'other'))
        if trial.number == best.number:
            color, name = 'tab:blue', 'best'
        steps, losses = zip(*sorted(trial.intermediate_values.items()), strict=True)
        look = dict(color=color, lw=2 if name == 'best' else 0.8, zorder=2 + (name == 'best'))
        axes.semilogy(steps, losses, '.-', ms=4, **look, label='_' * (name in drawn) + name)
        drawn.add(name)
    axes.set(xlabel='epoch', ylabel='validation loss: cross-entropy in nats')
    axes.set_title(f'{len(trials)} trials')
    common.legend(axes)


if __name__ == '__main__':
    common.run(
        main,
        draw,
        report=(
            '{trials} trials: {complete} complete, {pruned} pruned\n'
            'validation loss of the best: {best:.4f}; its error rate on test data: {error:.3f}'
        ),
        tolerance=0.1,
        journal=dict(metavar='FILE', help='file of the study, which is kept, and may exist'),
        trials='trials to run now',
        processes='processes that share them',
        examples='waves to train on, and as many to validate',
        updates='maximum number of updates of a trial',
    )
