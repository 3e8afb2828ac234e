"""A network that was trained on lists of sequences, and then predicts an array."""

import warnings

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import DataError

RNG = np.random.default_rng(0)
QUICK = {'epochs': 1, 'algo': 'sgd', 'verbose': 0}
LABELS = np.array(['no', 'yes', 'no', 'yes'])


def sequences(*lengths):
    return [RNG.standard_normal((n, 3)) for n in lengths]


def trained(masked=True, layout='time', x=None):
    net = rnnkit.Classifier([3, ('rnn', 2), 'last', 2], masked=masked, layout=layout, seed=0)
    net.train([sequences(5, 5, 5, 5) if x is None else x, LABELS], **QUICK)
    return net


@pytest.mark.parametrize('masked', [True, False])
@pytest.mark.parametrize('method', ['predict', 'predict_proba', 'predict_logit'])
def test_an_array_is_questioned_once(masked, method):
    net, new = trained(masked), np.stack(sequences(5, 5, 5))
    with pytest.warns(UserWarning, match='is read as') as caught:
        getattr(net, method)(new)
    assert [str(one.message) for one in caught] == [
        f'{method}(): x, an array of shape (3, 5, 3), is read as 3 steps of 5 sequences, but the '
        f'network was trained on lists of sequences; pass a list, such as list(array), or build '
        f"the network with layout='batch'"
    ]
    assert caught[0].filename == __file__
    getattr(net, method)(new)


def test_one_sequence_with_an_axis_for_examples():
    net, (new,) = trained(), sequences(7)
    with pytest.warns(UserWarning, match=r'shape \(1, 7, 3\), is read as 1 step of 7 sequences'):
        net.predict(new[None])
    assert net.predict(list(new[None])).shape == (1,)


def test_what_can_be_meant_is_not_questioned():
    (new,) = sequences(7)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        net = trained()
        net.predict([new])
        net.predict(new)  # a single sequence
        net.predict(new[:, None])  # (T, 1, I)
        net.predict(np.zeros((7, 2, 3)), mask=np.ones((7, 2)))
        net.train([np.zeros((5, 4, 3)), LABELS, np.ones((5, 4))], **QUICK)
        net.predict(np.zeros((7, 2, 3)))  # arrays were used in training, too
        trained(layout='batch').predict(np.zeros((2, 7, 3)))
        trained(masked=False, x=np.zeros((5, 4, 3))).predict(np.zeros((7, 2, 3)))


def test_a_training_that_fails_early_is_forgotten():
    net = rnnkit.Classifier([3, ('rnn', 2), 'last', 2], masked=True, classes=[0, 1], seed=0)
    with pytest.raises(DataError):
        net.train([sequences(5, 5), [0, 7]], **QUICK)
    net.predict(np.zeros((7, 2, 3)))
