"""Functions of NumPy in the equations of a cell: those that read a tensor wrongly are refused."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytensor.tensor as pt
import pytest
from pytensor.tensor import TensorVariable

import rnnkit
from rnnkit.cells import numpy_calls
from rnnkit.layers.recurrent import recurrent_layer


def network(step):
    """Return a network of a cell with this step, of 4 units."""
    layer = recurrent_layer('mine', type('Mine', (rnnkit.Cell,), {'step': step}))
    return rnnkit.Regressor([2, layer(4), 1], seed=0)


PRODUCTS = ('dot', 'vdot', 'inner', 'outer', 'kron')


@pytest.mark.parametrize('name', [*PRODUCTS, 'flip', 'median', 'sum'])
def test_functions_of_numpy_that_would_compute_something_else(name):
    """Without an error np.dot would be a product of elements where B = H."""
    function = getattr(np, name)
    arguments = 2 if name in PRODUCTS else 1

    def step(self, z, s, p):
        return pt.tanh(z + s.h @ p.hh + function(*[p.hh, p.hh][:arguments]))

    with pytest.raises(rnnkit.ConfigError, match=rf'Mine.step\(\): np.{name} cannot read a tensor'):
        network(step)
    assert '__array_function__' not in vars(TensorVariable)


def test_functions_of_numpy_that_are_right(rng):
    def step(self, z, s, p):
        mean = np.array([np.dot(np.ones(2), np.ones(2)) / 2])  # of arrays
        return np.tanh(z + s.h @ np.swapaxes(p.hh, 0, 1)) * float(mean[0]) + np.abs(0 * np.exp(z))

    def meant(self, z, s, p):
        return pt.tanh(z + s.h @ p.hh.T)

    x = rng.normal(size=(5, 3, 2))
    assert np.allclose(network(step).predict(x), network(meant).predict(x), rtol=1e-5)


def test_other_threads_and_later_calls_are_left_alone():
    x = pt.matrix('x')
    with numpy_calls.refused():
        with numpy_calls.refused(), pytest.raises(rnnkit.ConfigError, match='np.sum cannot'):
            np.sum(x, axis=0)
        with ThreadPoolExecutor() as pool:
            assert pool.submit(np.squeeze, x).result() is not None
            assert pool.submit(np.inner, x, x).result() is not None
        with pytest.raises(rnnkit.ConfigError, match='np.inner cannot'):
            np.inner(x, x)
    assert np.inner(x, x) is not None
