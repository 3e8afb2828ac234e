"""Compiled networks are shared: what a second estimator of the same architecture compiles."""

import threading

import numpy as np
import pytensor
import pytest
from compilations import counted
from series import labelled
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from rnnkit.models.sharing import Workers, workers
from rnnkit.sklearn import SequenceClassifier

X, Y = labelled(24)
SMALL = {'layers': (('rnn', 6),), 'epochs': 3, 'random_state': 0}


@pytest.fixture
def functions(monkeypatch):
    """Return a list of the names of the functions that PyTensor compiles."""
    names, function = [], pytensor.function

    def noted(*args, **options):
        names.append(options.get('name'))
        return function(*args, **options)

    monkeypatch.setattr(pytensor, 'function', noted)
    workers.clear()
    return names


@pytest.mark.parametrize('dropout', [0, pytest.param(0.1, marks=pytest.mark.long)])
def test_a_second_candidate_compiles_nothing(dropout, functions, monkeypatch):
    first = {**SMALL, 'dropout': dropout}
    SequenceClassifier(**first).fit(X, Y).predict(X)
    assert functions == ['the validation', 'the train step', 'the prediction']
    del functions[:]
    with counted(monkeypatch) as compiled:
        for options in (
            {},
            {'learning_rate': 0.1},
            {'dropout': 3 * dropout},
            {'batch_size': 5},
            {'epochs': 4},
            {'random_state': 3},
            {'patience': 2, 'validation_fraction': 0.25},
        ):
            SequenceClassifier(**{**first, **options}).fit(X, Y).predict(X)
        SequenceClassifier(**first).fit(X[::-1], Y[::-1] == 'up').partial_fit(X, Y == 'up')
    assert functions == compiled == []


def test_a_search_compiles_once(functions):
    grid = {'learning_rate': [0.01, 0.1], 'epochs': [2, 3]}
    GridSearchCV(SequenceClassifier(**SMALL), grid, cv=3, error_score='raise').fit(X, Y)
    assert functions == ['the validation', 'the train step', 'the prediction']


def test_estimators_that_share_are_independent():
    one = SequenceClassifier(**SMALL).fit(X, Y)
    before, params = one.predict_proba(X), [p.get_value() for p in one.net_.params]
    other = clone(one).set_params(random_state=5, epochs=9).fit(X, Y[::-1])
    other.predict(X)
    np.testing.assert_array_equal(one.predict_proba(X), before)
    for p, value in zip(one.net_.params, params, strict=True):
        np.testing.assert_array_equal(p.get_value(), value)
    assert [len(e.history_) for e in (one, other)] == [3, 9]


def test_threads_do_not_share_one_worker():
    expected = [
        SequenceClassifier(**{**SMALL, 'random_state': k}).fit(X, Y).predict_proba(X)
        for k in range(4)
    ]
    found = [None] * 4

    def fit(k):
        found[k] = SequenceClassifier(**{**SMALL, 'random_state': k}).fit(X, Y).predict_proba(X)

    threads = [threading.Thread(target=fit, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(found, expected)


def test_few_idle_networks_are_kept():
    pool = Workers(most=2)
    nets = [SequenceClassifier((('rnn', n),), epochs=1).fit(X, Y).net_ for n in (2, 3, 4)]
    for net in nets:
        with pool.working_for(net) as worker:
            assert worker is not net
    assert len(pool._idle) == 2
    with pool.working_for(nets[2]) as worker:
        assert len(pool._idle) == 1
        with pool.working_for(nets[2]) as second:
            assert second is not worker


def test_a_training_that_fails_leaves_no_trace():
    expected = SequenceClassifier(**SMALL).fit(X, Y)

    def fail(training):
        if training.epoch == 2:
            raise LookupError('of a callback')

    failed = SequenceClassifier(**SMALL, options={'callbacks': fail})
    with pytest.raises(LookupError, match='of a callback'):
        failed.fit(X, Y)
    assert len(failed.net_.history) == 2
    again = SequenceClassifier(**SMALL).fit(X, Y)
    np.testing.assert_array_equal(again.predict_proba(X), expected.predict_proba(X))
    assert again.history_['loss'] == expected.history_['loss']
