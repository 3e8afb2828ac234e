"""Columns of frames: a network remembers those of its training, and refuses others."""

import re

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import ConfigError, DataError, ShapeError

pd = pytest.importorskip('pandas')

X = pd.DataFrame({'a': [1.0, 2, 3, 4], 'b': [4.0, 3, 2, 0]})
Y = pd.DataFrame({'u': [1.0, 2, 3, 4], 'v': [4.0, 3, 2, 0]})


def net_of():
    return rnnkit.Regressor([2, ('rnn', 3), 2], seed=0)


@pytest.fixture
def net():
    net = net_of()
    net.train([X, Y], epochs=1)
    return net


ORDER = (
    "x has the columns 'b', 'a'; the network was trained with 'a', 'b' in this order. Select them "
    "by frame[['a', 'b']], or pass frame.to_numpy() if they are the same"
)
CALLS = {
    'predict': ('predict(): ', lambda net, x: net.predict(x)),
    'feed_forward': ('feed_forward(): ', lambda net, x: net.feed_forward(x)),
    'score': ('score(): ', lambda net, x: net.score(x, Y)),
    'evaluate': ('evaluate(): ', lambda net, x: net.evaluate(x, Y)),
    'gradient_flow': ('gradient_flow(): ', lambda net, x: net.gradient_flow(x, Y)),
    'train': ('train: ', lambda net, x: net.train([x, Y], epochs=1)),
    'valid': ('valid: ', lambda net, x: net.train([X, Y], [x, Y], epochs=1)),
    'step': ('step(): ', lambda net, x: net.step(x.iloc[0])),
    'stepper': ('stepper(): ', lambda net, x: net.stepper()(x.iloc[0])),
    'generate': ('generate(): ', lambda net, x: net.generate(x, 2)),
    'step of several': ('step(): ', lambda net, x: net.step(x)),
}


@pytest.mark.parametrize('call', CALLS)
def test_columns_in_another_order_are_refused(net, call):
    where, run = CALLS[call]
    run(net, X)
    message = where + (ORDER if call != 'generate' else ORDER.replace('x has', 'seed has'))
    with pytest.raises(DataError, match=f'^{re.escape(message)}$'):
        run(net, X[['b', 'a']])


def test_other_columns_are_refused(net):
    message = (
        "predict(): x has the columns 'a', 'c'; the network was trained with 'a', 'b'. Select them "
        "by frame[['a', 'b']], or pass frame.to_numpy() if they are the same"
    )
    with pytest.raises(DataError, match=f'^{re.escape(message)}$'):
        net.predict(X.rename(columns={'b': 'c'}))
    with pytest.raises(DataError, match="x has the columns 0, 1; the network was trained with 'a'"):
        net.predict(X.set_axis([0, 1], axis=1))
    with pytest.raises(DataError, match="^score.*: y has the columns 'v', 'u'; the network was tr"):
        net.score(X, Y[['v', 'u']])
    np.testing.assert_array_equal(net.predict(X), net.predict(X.to_numpy()))


def test_lists_of_frames_have_the_same_columns(net):
    swapped = X[['b', 'a']]
    with pytest.raises(DataError, match=f'^{re.escape("predict(): " + ORDER)}$'):
        net.predict([swapped, swapped])
    message = (
        "predict(): x[1] has the columns 'b', 'a'; x[0] has 'a', 'b'; all must have the same, in "
        'the same order'
    )
    for one in (net, net_of()):
        with pytest.raises(DataError, match=f'^{re.escape(message)}$'):
            one.predict([X, swapped])


def test_columns_of_lists_of_frames_are_remembered():
    net = net_of()
    net.train([[X, X], [Y, Y]], valid=0.5, epochs=1)
    assert net.to_spec()['columns'] == {'x': ['a', 'b'], 'y': ['u', 'v']}
    with pytest.raises(DataError, match="^predict.*: x has the columns 'b', 'a'"):
        net.predict(X[['b', 'a']])


def test_names_of_series_are_no_columns():
    net = rnnkit.Regressor([1, ('rnn', 3), 1], seed=0)
    net.train([[X['a'], X['a']], [Y['u'], Y['u']]], epochs=1)
    assert 'columns' not in net.to_spec()
    predicted = net.predict([X['b'], X['b']])
    np.testing.assert_array_equal(*predicted)
    np.testing.assert_allclose(predicted[0], net.predict(X['b'].to_numpy()), rtol=1e-6)


def test_only_trainings_remember_columns():
    net = net_of()
    net.train([X.to_numpy(), Y.to_numpy()], epochs=1)
    net.predict(X)
    assert 'columns' not in net.to_spec()
    np.testing.assert_array_equal(net.predict(X[['b', 'a']]), net.predict(X.to_numpy()[:, ::-1]))


def test_columns_that_are_sequences_are_not_remembered():
    labels = pd.DataFrame([[0, 1], [1, 0], [0, 1]], columns=['first', 'second'])
    x = np.random.default_rng(0).standard_normal((3, 2, 2))
    for y in (labels, labels.replace({0: 'no', 1: 'yes'})):
        net = rnnkit.Classifier([2, ('rnn', 3), 2], seed=0)
        net.train([x, y], epochs=1)
        assert 'columns' not in net.to_spec()
        assert net.score(x, y.rename(columns=str.upper)) == net.score(x, y.to_numpy())
        assert rnnkit.from_spec(net.to_spec()).to_spec() == net.to_spec()


def test_only_trainings_that_start_are_remembered():
    net = net_of()
    net.predict(X[['b', 'a']])
    with pytest.raises(ShapeError, match="x has 1 column, 'a'; the input layer has 2 features"):
        net.train([X[['a']], Y], epochs=1)
    with pytest.raises(DataError, match="^valid: x has the columns 'b', 'a'"):
        net.train([X, Y], [X[['b', 'a']], Y], epochs=1)
    net.train([X.to_numpy(), Y.to_numpy()], epochs=1)
    net.train([X.set_axis([0, 1], axis=1), Y.to_numpy()], epochs=1)
    assert 'columns' not in net.to_spec()
    net.train([X, Y], epochs=1)
    assert net.to_spec()['columns'] == {'x': ['a', 'b'], 'y': ['u', 'v']}


def test_columns_survive_other_losses_and_files(net, tmp_path):
    net.set_loss('mae')
    with pytest.raises(DataError, match="^predict.*: x has the columns 'b', 'a'"):
        net.predict(X[['b', 'a']])
    net.save(tmp_path / 'net.safetensors')
    again = rnnkit.load(tmp_path / 'net.safetensors')
    assert again.to_spec() == net.to_spec()
    np.testing.assert_array_equal(again.predict(X), net.predict(X))
    with pytest.raises(DataError, match="^predict.*: x has the columns 'b', 'a'"):
        again.predict(X[['b', 'a']])


def test_a_training_on_frames_is_resumed(tmp_path):
    path, net = tmp_path / 'training', net_of()
    net.train([X, Y], epochs=2, checkpoint=path)
    again = net_of()
    again.train([X, Y], epochs=3, resume=path)
    net = net_of()
    net.train([X, Y], epochs=3)
    np.testing.assert_array_equal(again.predict(X), net.predict(X))


@pytest.mark.parametrize(
    'columns', [[], {'x': 'ab'}, {'x': ['a']}, {'x': ['a', 1]}, {'z': ['a', 'b']}, {'x': None}]
)
def test_wrong_columns_of_a_spec(columns):
    message = 'from_spec(): columns must be a dict of lists of names, one name for each feature of'
    with pytest.raises(ConfigError, match=f'^{re.escape(message)}'):
        rnnkit.from_spec(net_of().to_spec() | {'columns': columns})
