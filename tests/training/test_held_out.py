"""A share that is held out, in which a class has no example."""

import warnings

import numpy as np

import rnnkit

QUICK = {'epochs': 1, 'algo': 'sgd', 'verbose': 0}
X = np.random.default_rng(0).standard_normal((4, 10, 2))
END = (
    '; the split is not stratified: hold out a part of each class, such as by train_test_split of '
    'scikit-learn with stratify=labels, and pass it as valid='
)


def net_of(*layers, **options):
    return rnnkit.Classifier([2, ('rnn', 2), *layers, 3], seed=0, **options)


def messages(net, data, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        net.train(data, **options, **QUICK)
    assert all(one.category is UserWarning and one.filename == __file__ for one in caught)
    return [str(one.message) for one in caught]


def test_a_class_that_is_missing_is_named():
    names, share = np.array(['a'] * 4 + ['b'] * 4 + ['c'] * 2), ('tail', 0.2)
    assert messages(net_of('last'), [X, names], valid=share) == [
        f"train(): the part held out by valid=('tail', 0.2) has no example of the classes 'a', 'b'"
        f'{END}',
        f"train(): what is left for training by valid=('tail', 0.2) has no example of class 'c'"
        f'{END}',
    ]
    held_out = f"train(): the part held out by valid=('tail', 0.2) has no example of class 1{END}"
    numbers = np.array([0, 2] + [1] * 6 + [0, 2])
    assert messages(net_of('last'), [X, numbers], valid=share) == [held_out]


def test_other_splits_are_right():
    names = np.array(['a', 'b', 'c', 'a', 'b', 'c', 'a', 'c', 'b', 'a'])
    assert messages(net_of('last'), [X, names], valid=('tail', 0.3)) == []
    numbers = np.array([0, 2] * 5)  # class 1 has no example at all
    assert messages(net_of('last'), [X, numbers], valid=('tail', 0.2)) == []
    weighted, some = net_of('last', weighted=True), np.array([0] * 5 + [1, 0, 0, 0, 0])
    # What has a weight of 0 does not count.
    data = [X, some, (np.arange(10) != 5) * 1.0]
    assert messages(weighted, data, valid=('tail', 0.2)) == []
    steps = np.zeros((4, 10), int)
    steps[:, 0] = 1  # labels of steps may be rare
    assert messages(net_of(), [X, steps], valid=('tail', 0.2)) == []
    # Validation data of the user's own are not judged.
    assert messages(net_of('last'), [X, some], valid=[X[:, :2], some[:2]]) == []
