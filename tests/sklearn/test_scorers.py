"""`per_step`: scikit-learn's scorers for targets of each time step."""

import pickle
import re
from functools import partial

import numpy as np
import pytest
from series import even, labelled
from sklearn.metrics import f1_score, log_loss, mean_absolute_error
from sklearn.model_selection import cross_val_score

from rnnkit.sklearn import SequenceClassifier, SequenceRegressor, per_step

X, _ = labelled(12)
X3, _ = even(12)
LABELS = [np.where(x[:, 0] > 0, 'above', 'below') for x in X]
SMALL = {'layers': (('rnn', 4),), 'epochs': 3, 'random_state': 0}


def test_labels_of_ragged_sequences():
    fitted = SequenceClassifier(**SMALL).fit(X, LABELS)
    flat, weights = np.concatenate(LABELS), np.arange(12)
    predicted = np.concatenate(list(fitted.predict(X)))
    assert per_step('f1_macro')(fitted, X, LABELS) == f1_score(flat, predicted, average='macro')
    proba = np.concatenate(list(fitted.predict_proba(X)))
    scorer = pickle.loads(pickle.dumps(per_step('neg_log_loss')))
    assert scorer(fitted, X, LABELS) == pytest.approx(-log_loss(flat, proba))
    each = np.repeat(weights, [len(x) for x in X])
    assert per_step('accuracy')(fitted, X, LABELS, weights) == np.average(
        flat == predicted, weights=each
    )
    assert repr(scorer) == "per_step('neg_log_loss')"


def test_targets_with_three_axes():
    y = X3.cumsum(axis=1)
    fitted = SequenceRegressor(**SMALL).fit(X3, y)
    found = per_step('neg_mean_absolute_error')(fitted, X3, y)
    assert found == -mean_absolute_error(y.reshape(-1, 2), fitted.predict(X3).reshape(-1, 2))
    scores = cross_val_score(fitted, X3, y, cv=2, scoring=per_step('r2'))
    plain = cross_val_score(fitted, X3, y, cv=2)  # the estimator's own
    np.testing.assert_array_equal(scores, plain)


def test_targets_of_other_time_steps_are_refused():
    fitted = SequenceClassifier(**SMALL).fit(X, LABELS)
    swapped = [LABELS[k] for k in (1, 0, *range(2, 12))]
    lengths = [len(x) for x in X]
    assert lengths[0] != lengths[1]
    message = f'y[0] has shape ({lengths[1]},), but X[0] has {lengths[0]} time steps'
    even_fit = SequenceRegressor(many='all', **SMALL).fit(X3, X3[:, :, 0])
    turned = X3[:, :, 0].T
    for score in (fitted.score, partial(per_step('accuracy'), fitted)):
        with pytest.raises(ValueError, match=re.escape(message)):
            score(X, swapped)
        with pytest.raises(ValueError, match='inconsistent numbers of samples: .12, 2'):
            score(X, LABELS, [1.0, 2.0])
    for score in (even_fit.score, partial(per_step('r2'), even_fit)):
        with pytest.raises(ValueError, match='inconsistent numbers of samples: .12, '):
            score(X3, turned)
        with pytest.raises(ValueError, match='expected targets for each time step'):
            score(X3, X3[:, 0, 0])
