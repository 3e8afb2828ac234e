"""Classify time series of the UCR and UEA archives with `rnnkit.sklearn` and its defaults.

    python benchmarks/series.py FOLDER JapaneseVowels ItalyPowerDemand

FOLDER has NAME_TRAIN.ts and NAME_TEST.ts, as https://www.timeseriesclassification.com ships them.
The test data choose nothing. `--cross-validate` prints the accuracy within the training data, by
which the defaults were chosen; the two searches of `--search` choose by it, too.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RepeatedStratifiedKFold,
    cross_val_score,
)

from rnnkit.sklearn import SequenceClassifier

GRID = {'learning_rate': [0.001, 0.003, 0.01], 'input_noise': [0.0, 0.3]}


def read(path):
    """Return the series of a .ts file, a list of arrays (T_i, features), and their labels."""
    rows = path.read_text('utf-8').partition('@data')[2].split()
    *channels, labels = zip(*(row.split(':') for row in rows), strict=True)
    series = [
        np.stack([np.array(channel.split(','), float) for channel in row], axis=1)
        for row in zip(*channels, strict=True)
    ]
    return series, np.array(labels)


def searches(jobs):
    """Return a grid search and a halving search, by name."""
    model = SequenceClassifier(random_state=0)
    return {
        'GridSearchCV': GridSearchCV(model, GRID, n_jobs=jobs),
        'HalvingGridSearchCV': HalvingGridSearchCV(
            model, GRID, resource='epochs', max_resources=100, random_state=0, n_jobs=jobs
        ),
    }


def main(folder, names, seeds, cross_validate, search, jobs):
    """Print the accuracy on the test data of each set."""
    for name in names:
        X, y = read(folder / f'{name}_TRAIN.ts')
        X_test, y_test = read(folder / f'{name}_TEST.ts')
        if cross_validate:
            folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=4, random_state=0)
            scores = cross_val_score(SequenceClassifier(random_state=0), X, y, cv=folds)
            error = scores.std() / len(scores) ** 0.5
            print(f'{name}: {scores.mean():.4f} +- {error:.4f} in the training data')
        start, scores = time.perf_counter(), []
        for seed in range(seeds):
            model = SequenceClassifier(random_state=seed).fit(X, y)
            scores.append(model.score(X_test, y_test))
        seconds = (time.perf_counter() - start) / seeds
        shown = ', '.join(f'{score:.4f}' for score in scores)
        print(f'{name}: {np.mean(scores):.4f} (seeds: {shown}), {seconds:.1f} s each')
        for kind, found in searches(jobs).items() if search else ():
            found.fit(X, y)
            score = found.score(X_test, y_test)
            print(f'{name}: {score:.4f} by {kind}, which chose {found.best_params_}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description='Classify time series, with default settings.')
    parser.add_argument('folder', type=Path, help='where the files are')
    parser.add_argument('names', nargs='+', help='names of data sets')
    parser.add_argument('--seeds', type=int, default=3, help='how many networks are trained')
    parser.add_argument('--cross-validate', action='store_true')
    parser.add_argument('--search', action='store_true')
    parser.add_argument('--jobs', type=int, default=2, help='processes of a search')
    main(**vars(parser.parse_args()))
