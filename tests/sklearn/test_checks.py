"""scikit-learn's own checks of estimators: none is expected to fail."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from rnnkit.sklearn import (
    SequenceClassifier,
    SequenceRegressor,
    SequenceScaler,
    SequenceTransformer,
)

# In float64, so that k copies of a sequence and a weight of k differ by less than 1e-7 after all
# epochs; and with few epochs, for some checks fit ten times.
QUICK = {'layers': (('rnn', 8),), 'epochs': 30, 'learning_rate': 0.03, 'dtype': 'float64'}

ESTIMATORS = [
    SequenceClassifier(**QUICK),
    SequenceRegressor(**QUICK),
    SequenceTransformer(**QUICK),
    SequenceScaler(),
    SequenceScaler('minmax'),
]


@parametrize_with_checks(ESTIMATORS)
@pytest.mark.filterwarnings('ignore:.*column-vector:sklearn.exceptions.DataConversionWarning')
@pytest.mark.filterwarnings('ignore:.*SCIPY_ARRAY_API')
def test_scikit_learn_accepts_the_estimators(estimator, check):
    check(estimator)


def test_networks_have_the_same_defaults():
    """Each constructor repeats the parameters, for scikit-learn reads its signature."""
    expected = SequenceClassifier().get_params()
    del expected['class_weight']
    assert SequenceRegressor().get_params() == expected
    assert SequenceTransformer().get_params() == expected | {'target': 'auto'}
