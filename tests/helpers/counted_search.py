"""A search of scikit-learn in a process of its own: what its workers compile, and their threads.

``python counted_search.py BACKEND DROPOUT FOLDER`` searches in 2 processes of joblib's BACKEND and
in this one, and prints JSON: the results of both, and what each process has noted in FOLDER.
"""

import json
import os
import sys
from pathlib import Path

import joblib
import pytensor
from numba.core import event
from series import labelled
from sklearn.model_selection import GridSearchCV

from rnnkit.kernels.language import threads
from rnnkit.kernels.language.workers import size_of_team
from rnnkit.kernels.runtime import cache
from rnnkit.sklearn import SequenceClassifier

NOTES = {'functions': [], 'numba': [], 'llvm': []}  # names of what this process has compiled


class Listener(event.Listener):
    """Notes what Numba compiles."""

    def on_start(self, happened):
        """Note a function, by its name."""
        NOTES['numba'].append(str(happened.data['dispatcher']))

    def on_end(self, happened):
        """Do nothing."""


def watch():
    """Note from now on what this process compiles; called by each `fit`."""
    function, compile_ir = pytensor.function, cache.compile_ir
    if function.__name__ == 'noted_function':
        return

    def noted_function(*args, **options):
        NOTES['functions'].append(options.get('name'))
        return function(*args, **options)

    def noted_ir(text):
        NOTES['llvm'].append(text.partition('"')[2].partition('"')[0])
        return compile_ir(text)

    pytensor.function, cache.compile_ir = noted_function, noted_ir
    event.register('numba:compile', Listener())


class Counted(SequenceClassifier):
    """A classifier that notes in a file what its process compiles."""

    def fit(self, X, y):
        """Fit with kernels that use all threads they may use, although the batches are small."""
        watch()
        with threads.smallest_part(1):
            super().fit(X, y)
        return self

    def predict_proba(self, X):
        """Predict, and write the notes."""
        found = super().predict_proba(X)
        notes = {**NOTES, 'threads': threads.get_threads(), 'team': size_of_team()}
        Path(os.environ['NOTES'], str(os.getpid())).write_text(json.dumps(notes))
        return found


def search(dropout, n_jobs):
    """Return the results of a search over 8 settings of ragged sequences."""
    X, y = labelled(24)
    grid = {
        'learning_rate': [0.003, 0.03],
        'batch_size': [5, 'auto'],
        'dropout': [dropout, 3 * dropout] if dropout else [0.0],
        'epochs': [2] if dropout else [2, 3],
    }
    model = Counted((('rnn', 6),), random_state=0)
    options = {'cv': 3, 'scoring': 'neg_log_loss', 'error_score': 'raise', 'refit': False}
    found = GridSearchCV(model, grid, n_jobs=n_jobs, **options).fit(X, y).cv_results_
    return {name: list(values) for name, values in found.items() if '_time' not in name}


def main(backend, dropout, folder):
    """Search in workers, then here."""
    os.environ['NOTES'] = folder
    if backend == 'dask':
        from dask.distributed import Client, LocalCluster

        options = {'n_workers': 2, 'threads_per_worker': 1, 'dashboard_address': None}
        with LocalCluster(**options) as cluster, Client(cluster), joblib.parallel_config('dask'):
            workers = search(float(dropout), n_jobs=-1)
    else:
        workers = search(float(dropout), n_jobs=2)
    notes = [json.loads(path.read_text()) for path in Path(folder).iterdir()]
    alone = search(float(dropout), n_jobs=1)
    print(json.dumps({'workers': workers, 'alone': alone, 'notes': notes}, default=float))


if __name__ == '__main__':
    # Workers import this module by its name, as they do the modules of users.
    from counted_search import main as run

    run(*sys.argv[1:])
