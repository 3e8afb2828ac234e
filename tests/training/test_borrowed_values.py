"""Values that users keep, or that cannot be written, are neither overwritten nor in the way."""

import numpy as np
import pytest

import rnnkit

X = np.random.default_rng(0).standard_normal((6, 2)).astype('f')


@pytest.fixture(scope='module')
def net():
    return rnnkit.Regressor([2, (3, 'tanh'), 2], seed=0)


def mapped(value, folder):
    np.save(folder / 'value.npy', value)
    return np.load(folder / 'value.npy', mmap_mode='r')


def frozen(value, folder):
    value = value.copy()
    value.flags.writeable = False
    return value


MADE = {
    'a file in memory': mapped,
    'read-only': frozen,
    'a view': lambda value, folder: np.repeat(value, 2, axis=-1)[..., ::2],
    'columns first': lambda value, folder: np.asfortranarray(value),
    'of the user': lambda value, folder: value.copy(),
}


@pytest.mark.parametrize('make', MADE.values(), ids=MADE)
@pytest.mark.parametrize('algo', ['sgd', 'adam', 'lbfgs'])
def test_borrowed_values_stay_as_they_are(net, tmp_path, make, algo):
    start = [p.get_value() for p in net.params]
    net.train([X, X], algo=algo, epochs=2, seed=1)
    right = [p.get_value() for p in net.params]
    given = [make(value, tmp_path) for value in start[:1]]
    for p, value in zip(net.params, [*given, *start[1:]], strict=True):
        p.set_value(value, borrow=True)
    net._trainings = 0
    net.train([X, X], algo=algo, epochs=2, seed=1)
    np.testing.assert_array_equal(given[0], start[0])
    for p, value in zip(net.params, right, strict=True):
        np.testing.assert_array_equal(p.get_value(), value)
        array = p.get_value(borrow=True)
        assert array.flags.writeable
        assert array.flags.c_contiguous
    for p, value in zip(net.params, start, strict=True):
        p.set_value(value)
