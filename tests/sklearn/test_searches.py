"""Searches, pipelines, stacks and other processes of scikit-learn, with ragged sequences."""

import os
import subprocess
import sys

import joblib
import numpy as np
import pytest
import sklearn
from series import labelled
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    cross_val_predict,
    cross_val_score,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

from rnnkit.kernels.language.threads import get_threads
from rnnkit.sklearn import SequenceClassifier, SequenceScaler, SequenceTransformer

X, Y = labelled(24)
SMALL = {'layers': (('rnn', 6),), 'epochs': 25, 'learning_rate': 0.03, 'random_state': 0}


def model(**options):
    return SequenceClassifier(**{**SMALL, **options})


def test_a_grid_finds_what_learns():
    grid = {'learning_rate': [1e-6, 0.03]}
    options = {'cv': 3, 'scoring': 'neg_log_loss', 'error_score': 'raise'}
    search = GridSearchCV(model(), grid, **options).fit(X, Y)
    assert search.best_params_ == {'learning_rate': 0.03}
    assert search.best_score_ > np.log(0.5)
    assert search.predict(X[:2]).tolist() == Y[:2].tolist()


def test_a_halving_search_takes_epochs_as_its_resource():
    search = HalvingGridSearchCV(
        model(),
        {'learning_rate': [1e-6, 0.01, 0.03]},
        resource='epochs',
        min_resources=3,
        max_resources=27,
        cv=3,
        error_score='raise',
        random_state=0,
    ).fit(X, Y)
    assert search.n_resources_ == [3, 9]
    assert search.best_estimator_.n_iter_ == search.best_params_['epochs'] == 9
    assert search.best_params_['learning_rate'] > 1e-6


def test_pipelines_and_frames():
    pipe = make_pipeline(SequenceScaler(), model(scale=False)).set_output(transform='pandas')
    assert pipe.fit(X, Y).score(X, Y) == 1
    assert cross_val_score(pipe, X, Y, cv=3, error_score='raise').min() > 0.8
    features = make_pipeline(SequenceTransformer(**SMALL), LogisticRegression())
    assert features.set_output(transform='pandas').fit(X, Y).score(X, Y) == 1


def test_scaling_before_and_inside_are_the_same():
    inside = model(dtype='float64').fit(X, Y)
    before = make_pipeline(SequenceScaler(), model(dtype='float64', scale=False)).fit(X, Y)
    np.testing.assert_allclose(
        inside.predict_proba(X), before.predict_proba(X), rtol=1e-9, atol=1e-9
    )


OTHERS = {
    'calibrated': lambda: CalibratedClassifierCV(model(), cv=3),
    'stacked': lambda: StackingClassifier(
        [('a', model()), ('b', model(layers=(('rnn', 3),)))], LogisticRegression(), cv=3
    ),
    'voting': lambda: VotingClassifier(
        [('a', model()), ('b', model(random_state=1))], voting='soft'
    ),
    'one by one': lambda: OneVsRestClassifier(model()),
}


@pytest.mark.parametrize('kind', OTHERS)
def test_estimators_of_estimators_take_ragged_sequences(kind):
    fitted = OTHERS[kind]().fit(X, Y)
    assert fitted.score(X, Y) == 1
    assert fitted.predict_proba(X[:3]).shape == (3, 2)


def test_predictions_of_a_cross_validation():
    proba = cross_val_predict(model(), X, Y, cv=3, method='predict_proba')
    assert np.mean(np.unique(Y)[proba.argmax(axis=1)] == Y) > 0.8
    steps = [x[:, 0] > 0 for x in X]
    found = cross_val_predict(model(), X, steps, cv=3)
    assert [len(one) for one in found] == [len(x) for x in X]


def test_weights_are_routed():
    """Each sequence has both labels, and a weight of 1 with the wrong one alone."""
    turned = np.where(Y == 'up', 'down', 'up')
    both, weights = [*X, *X], np.repeat([0, 1], 24)
    with sklearn.config_context(enable_metadata_routing=True):
        weighted = model().set_fit_request(sample_weight=True)
        pipe = make_pipeline(SequenceScaler().set_fit_request(sample_weight=True), weighted)
        pipe.fit(both, [*Y, *turned], sample_weight=weights)
    np.testing.assert_array_equal(pipe.predict(X), turned)


CODE = """
import sys
import joblib
model, X, path = joblib.load(sys.argv[1])
joblib.dump((model.predict(X), model.predict_proba(X)), sys.argv[2])
"""


def test_another_process_computes_the_same_bits(tmp_path):
    fitted = model().fit(X, Y)
    joblib.dump((fitted, X, None), tmp_path / 'model')
    subprocess.run(
        [sys.executable, '-c', CODE, tmp_path / 'model', tmp_path / 'result'],
        check=True,
        env={**os.environ, 'PYTENSOR_FLAGS': '', 'RNNKIT_KERNELS': 'on'},
    )
    labels, proba = joblib.load(tmp_path / 'result')
    np.testing.assert_array_equal(labels, fitted.predict(X))
    np.testing.assert_array_equal(proba, fitted.predict_proba(X))


@pytest.mark.long
def test_workers_fit_what_this_process_fits(monkeypatch):
    """In other processes, each with one thread for its kernels."""
    monkeypatch.setenv('PYTENSOR_FLAGS', '')
    grid = {'learning_rate': [0.01, 0.03], 'epochs': [3, 25]}
    alone = GridSearchCV(model(), grid, cv=3, error_score='raise').fit(X, Y)
    spread = GridSearchCV(model(), grid, cv=3, n_jobs=2, error_score='raise').fit(X, Y)
    for name, column in alone.cv_results_.items():
        if 'time' not in name:
            np.testing.assert_array_equal(column, spread.cv_results_[name], err_msg=name)
    found = joblib.Parallel(n_jobs=2)([joblib.delayed(get_threads)() for _ in range(2)])
    assert max(found) <= max(1, len(os.sched_getaffinity(0)) // 2)
