"""Search hyperparameters with Optuna: trials that are pruned, in several processes.

    python search.py                                   # 20 trials, in 2 processes
    python search.py --journal study.log --trials 40   # on a file that is kept
    python search.py --journal study.log --processes 1 # meanwhile, or later, here or elsewhere

The processes share only the journal, a file. Any process that can write it may join, also from
other machines that share the folder: each process asks the study for a trial, reports the
validation loss of each epoch, and ends a trial that is worse than half of the others were at the
same epoch. Neither a server nor a database has to run.

The task is to tell noisy waves apart: sines, squares and sawtooths of unknown frequency and phase.
A trial trains on the training data, and the study compares trials by the validation data. The best
of many trials looks better than it is on the data by which it was chosen. So the program trains the
best network once more, and reports its errors on test data that no trial has seen.

It needs Optuna: pip install 'rnnkit[optuna]'.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import rnnkit

STUDY = 'waves'


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


def network(params, seed):
    """Return a new network with the hyperparameters of a trial."""
    layers = [1, (params['form'], params['size']), 'mean', 3]
    return rnnkit.Classifier(layers, seed=seed)


def fit(net, params, train, valid, task, **options):
    """Train a network; return the validation loss of its best parameters."""
    return net.train(
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
    )[1]['loss']


def suggest(trial):
    """Return the hyperparameters of a trial."""
    return {
        'form': trial.suggest_categorical('form', ['gru', 'lstm', 'rnn']),
        'size': trial.suggest_int('size', 4, 32, log=True),
        'learning_rate': trial.suggest_float('learning_rate', 1e-4, 0.1, log=True),
        'batch_size': trial.suggest_categorical('batch_size', [16, 32, 64]),
        'max_gradient_norm': trial.suggest_float('max_gradient_norm', 0.1, 10, log=True),
    }


def study_on(journal, seed):
    """Return the study on a journal, new or as others have begun it."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        study_name=STUDY,
        storage=JournalStorage(JournalFileBackend(str(journal))),
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2),
    )


def work(journal, trials, task, rank=0):
    """Run some trials of the study on a journal."""
    from rnnkit.integrations.optuna import PruningCallback

    train, valid, _ = data(task)

    def objective(trial):
        params = suggest(trial)
        trial.set_user_attr('process', os.getpid())
        net = network(params, task['seed'])
        return fit(net, params, train, valid, task, callbacks=PruningCallback(trial))

    study_on(journal, task['seed'] + rank).optimize(objective, n_trials=trials)


def run_all(journal, trials, processes, task):
    """Run trials in several processes, of which this is one."""
    share = [trials // processes + (k < trials % processes) for k in range(processes)]
    # The threads of all processes together are to be no more than the cores.
    threads = max(1, (os.cpu_count() or 1) // processes)
    environment = {**os.environ, 'OMP_NUM_THREADS': str(threads)}
    command = [sys.executable, __file__, f'--journal={journal}']
    command += [f'--{name}={value}' for name, value in task.items()]
    others = [
        subprocess.Popen(
            [*command, f'--trials={n}', f'--rank={k}'],
            env=environment,
        )
        for k, n in enumerate(share)
        if k
    ]
    rnnkit.set_threads(threads)
    try:
        work(journal, share[0], task)
        failed = [other.args for other in others if other.wait()]
        if failed:
            sys.exit(f'{len(failed)} of {processes} processes failed; their errors are above')
    finally:
        for other in others:
            other.kill()
        rnnkit.set_threads()


def main(
    *,
    journal=None,
    trials=20,
    processes=2,
    examples=300,
    steps=40,
    noise=0.5,
    updates=300,
    seed=1,
    plot=None,
):
    """Search, train the best network once more, and measure its errors on test data.

    Returns
    -------
    results : dict
        ``'error'``, the share of test waves that are misclassified; ``'best'``, the validation loss
        of the best trial; the number of ``'trials'`` in the journal, of those that are
        ``'complete'`` and ``'pruned'``; the ``'updates'`` of the best network; the ``'seconds'`` of
        the search.
    """
    task = dict(examples=examples, steps=steps, noise=noise, updates=updates, seed=seed)
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(journal or Path(folder) / 'study.log').absolute()
        run_all(journal, trials, processes, task)
        study = study_on(journal, seed)
        best, all_trials = study.best_trial, study.get_trials()
    seconds = time.perf_counter() - begin

    train, valid, (x, kinds) = data(task)
    net = network(best.params, seed)
    fit(net, best.params, train, valid, task)
    print(f'best trial: {best.params}')
    states = [trial.state.name for trial in all_trials]
    if plot:
        draw(plot, all_trials, best)
    return {
        'error': float(np.mean(net.predict(x) != kinds)),
        'best': best.value,
        'trials': len(states),
        'complete': states.count('COMPLETE'),
        'pruned': states.count('PRUNED'),
        'updates': net.history[-1]['updates'],
        'seconds': seconds,
    }


def draw(path, trials, best):
    """Draw the validation losses of all trials."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; run: pip install 'rnnkit[plot]'")
        return
    figure = Figure(figsize=(7, 4), layout='constrained')
    axes = figure.subplots()
    looks = {'PRUNED': ('tab:red', 'pruned'), 'COMPLETE': ('0.6', 'complete')}
    for trial in trials:
        if not trial.intermediate_values:  # as of a process that was killed in its first epoch
            continue
        color, label = looks.get(trial.state.name, ('0.8', 'other'))
        if trial.number == best.number:
            color, label = 'tab:blue', 'best'
        steps, losses = zip(*sorted(trial.intermediate_values.items()), strict=True)
        axes.semilogy(steps, losses, '.-', color=color, label=label)
    shown = dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
    axes.legend(shown.values(), shown.keys())
    axes.set(xlabel='epoch', ylabel='validation loss', title=f'{len(trials)} trials')
    figure.savefig(path, dpi=130)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Search hyperparameters with Optuna, in several processes.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--journal', metavar='FILE', help='file of the study, which is kept, and may exist')
    option('--trials', type=int, metavar='N', help='trials to run now')
    option('--processes', type=int, metavar='N', help='processes that share them')
    option('--examples', type=int, metavar='N', help='waves to train on, and as many to validate')
    option('--steps', type=int, metavar='T', help='length of a wave')
    option('--noise', type=float, help='standard deviation of the noise')
    option('--updates', type=int, metavar='N', help='maximum number of updates of a trial')
    option('--tolerance', type=float, metavar='E', help='fail if the error is not below this')
    option('--seed', type=int, help='random seed')
    option('--plot', metavar='FILE', help='file for a picture of the study')
    option('--rank', type=int, help=argparse.SUPPRESS)  # of a process that another one has started
    parser.set_defaults(**main.__kwdefaults__, tolerance=0.1, rank=None)
    options = vars(parser.parse_args())
    tolerance, rank = options.pop('tolerance'), options.pop('rank')
    if rank is not None:
        task = {name: options[name] for name in ('examples', 'steps', 'noise', 'updates', 'seed')}
        work(options['journal'], options['trials'], task, rank)
        sys.exit()
    if min(options['trials'], options['processes']) < 1:
        parser.error('--trials and --processes must be at least 1')
    results = main(**options)
    print(
        f'{results["trials"]} trials: {results["complete"]} complete, {results["pruned"]} pruned, '
        f'in {results["seconds"]:.1f} s'
    )
    print(f'its validation loss: {results["best"]:.4f}; its error rate on test data: ', end='')
    print(f'{results["error"]:.3f}')
    if not results['error'] < tolerance:
        sys.exit(f'FAILED: the error rate is not below {tolerance:g}')
