"""`SequenceTransformer`: the last hidden state of a trained network."""

import numpy as np
import pytest
from series import even, labelled

from rnnkit.sklearn import SequenceTransformer

X, Y = labelled(24)
X3, _ = even(24)
SMALL = {'layers': (('rnn', 4),), 'epochs': 5, 'random_state': 0}


def model(**options):
    return SequenceTransformer(**{**SMALL, **options})


def last_state(fitted, x):
    """Return the last hidden state of a vanilla layer, by its equation, in float64."""
    net = fitted.net_
    mean, deviation = (net.find('hid1', n).get_value() for n in ('mean', 'deviation'))
    xh, hh, b = (net.find('hid2', n).get_value() for n in ('xh', 'hh', 'b'))
    h = np.zeros(4)
    for step in (x - mean) / deviation:
        h = np.tanh(step @ xh + h @ hh + b)
    return h


@pytest.mark.parametrize('y', ['labels', 'numbers', 'steps', None])
def test_features_are_the_last_hidden_state(y):
    target = {
        'labels': Y,
        'numbers': np.array([x.mean() for x in X]),
        'steps': [x[:, 0] for x in X],
        None: None,
    }[y]
    fitted = model(dtype='float64').fit(X, target)
    expected = np.stack([last_state(fitted, x) for x in X])
    np.testing.assert_allclose(fitted.transform(X), expected, rtol=1e-9)
    assert type(fitted.net_).__name__ == ('Classifier' if y == 'labels' else 'Regressor')
    assert fitted.history_[-1]['loss'] < fitted.history_[0]['loss']


def test_without_y_the_next_step_is_predicted():
    fitted = model(epochs=80, learning_rate=0.03).fit(X3)
    predicted = fitted.net_.predict(X3[:, :-1])
    error = np.square(predicted - X3[:, 1:]).mean()
    assert error < 0.3 * np.square(X3[:, 1:] - X3[:, 1:].mean()).mean()
    assert fitted.fit(X3, X_val=X3[:4]).history_['valid_loss']


def test_whole_numbers_are_labels_unless_told_otherwise():
    y = np.arange(24) % 3
    assert model(epochs=1).fit(X, y).net_.layers[-1].size == 3
    assert model(epochs=1, target='numbers').fit(X, y).net_.layers[-1].size == 1


def test_names_of_features_and_frames():
    pandas = pytest.importorskip('pandas')
    fitted = model(layers=(('rnn', 3), ('rnn', 2))).fit(X, Y).set_output(transform='pandas')
    frame = fitted.transform(X)
    assert isinstance(frame, pandas.DataFrame)
    assert frame.columns.tolist() == ['sequencetransformer0', 'sequencetransformer1']
    assert fitted.get_feature_names_out().tolist() == frame.columns.tolist()


def test_errors():
    both = dict(form='bidirectional', worker='rnn', size=4)
    with pytest.raises(ValueError, match='without y the network learns to predict the next time'):
        model(layers=(both,)).fit(X)
    with pytest.raises(ValueError, match='X has a sequence of 1 time step, number 2; without y'):
        model().fit([X[0], X[1], X[2][:1]])


@pytest.mark.long
def test_with_y_layers_may_read_both_ways():
    """The features are the final state of each direction: that of the backward one at step 0."""
    both = dict(form='bidirectional', worker='rnn', size=4)
    fitted = model(layers=(both,), scale=False, dtype='float64').fit(X, Y)
    expected = np.zeros((24, 4))
    for way, columns in (('fw', slice(0, 2)), ('bw', slice(2, 4))):
        xh, hh, b = (fitted.net_.find(f'hid1_{way}', n).get_value() for n in ('xh', 'hh', 'b'))
        for k, x in enumerate(X):
            h = np.zeros(2)
            for step in x if way == 'fw' else x[::-1]:
                h = np.tanh(step @ xh + h @ hh + b)
            expected[k, columns] = h
    np.testing.assert_allclose(fitted.transform(X), expected, rtol=1e-9)
