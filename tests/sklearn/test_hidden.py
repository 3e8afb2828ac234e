"""`layers` are hidden layers: those of a whole network are found, and errors count as the user."""

import re

import numpy as np
import pytest

from rnnkit.errors import ConfigError
from rnnkit.sklearn import SequenceClassifier, SequenceRegressor, SequenceTransformer
from rnnkit.sklearn.hidden import check_hidden

X, Y = np.random.default_rng(0).normal(size=(8, 3, 2)), np.arange(8.0)
LABELS = ['up', 'down'] * 4


@pytest.mark.parametrize(
    ('layers', 'hidden'),
    [
        ((2, ('gru', 8), 'last', 1), (('gru', 8),)),
        ((2, ('gru', 8), 1), (('gru', 8),)),
        ([2, ('gru', 8), 'mean', ('softmax', 1)], (('gru', 8), 'mean')),
        ((('gru', 8), 'softmax'), (('gru', 8),)),
        ((('gru', 8), dict(form='classifier', size=1)), (('gru', 8),)),
        ((('gru', 8), (5, 'softmax')), (('gru', 8),)),
    ],
)
def test_a_whole_network(layers, hidden):
    message = (
        f'layers={layers!r} is a whole network; layers are the hidden layers alone, and the '
        f'estimator adds the input and the output: layers={hidden!r}'
    )
    with pytest.raises(ConfigError, match=f'^{re.escape(message)}$'):
        check_hidden(layers, 2, 1)


def test_fit_refuses_a_whole_network():
    with pytest.raises(ConfigError, match='is a whole network'):
        SequenceRegressor((2, ('rnn', 3), 'last', 1)).fit(X, Y)
    with pytest.raises(ConfigError, match='is a whole network'):
        SequenceClassifier((('rnn', 3), ('softmax', 2))).fit(X, LABELS)


@pytest.mark.parametrize(
    ('layers', 'found'),
    [
        ((2, ('gru', 8)), '2 is a dense layer here, and as wide as there are features'),
        ((('gru', 8), 'last', 1), '1 is a dense layer here, and as wide as there are outputs'),
    ],
)
def test_a_number_that_may_be_meant_is_warned_of(layers, found):
    message = f'layers={layers!r}: {found}; .* Leave it out; if it is meant, write dict'
    message = re.escape(message).replace(re.escape('.*'), '.*')
    with pytest.warns(UserWarning, match=f'^{message}'):
        check_hidden(layers, 2, 1)


@pytest.mark.parametrize(
    'layers',
    [
        (16, ('gru', 8)),
        (('gru', 8), 'last', 4),
        (2,),
        (('gru', 8), dict(form='feedforward', size=1)),
        (('gru', 8), ('gru', 8, 'softmax')),
        ((2, 'relu'), ('gru', 8)),
    ],
)
def test_dense_layers_stay_possible(layers):
    check_hidden(layers, 2, 1)  # no warning


def test_a_transformer_ends_with_its_features():
    features = SequenceTransformer((('rnn', 3), 'last', 1), epochs=1).fit_transform(X, Y)
    assert np.shape(features) == (8, 1)


@pytest.mark.parametrize('scale', [True, False])
def test_errors_count_the_layers_of_the_user(scale):
    message = "layers[1]: no layer or activation named 'gruu'; did you mean 'gru'?"
    with pytest.raises(ConfigError, match=f'^{re.escape(message)}$'):
        SequenceRegressor((('rnn', 3), ('gruu', 3)), scale=scale).fit(X, Y)
