"""Activations inside the fused loop, and outside it on the Numba backend."""

from typing import NamedTuple

import pytensor
import pytensor.tensor as pt
import pytest
from numba_functions import assert_same, compiled, plain

from rnnkit import activations
from rnnkit.cells import Cell, RNNCell
from rnnkit.kernels.recurrent.trace import form_of
from rnnkit.unroll import unroll

ELEMENTWISE = [
    'hard_sigmoid',
    'softsign',
    'rect:min',
    'rect:minmax',
    'trec',
    'tlin',
    'softplus',
    'elu',
    'selu',
    'swish',
    'gelu:tanh',
    'exp',
    'tanh+relu',
    'affine:2:0.5',
    'leaky_relu:0.3',
    'alpha_elu:0.5',
    'threshold_relu:0.5',
]
ACROSS_UNITS = ['softmax', 'norm:mean', 'norm:max', 'norm:std', 'norm:z']


class HState(NamedTuple):
    h: object


class Every(Cell):
    """A cell with all elementwise activations: one kernel instead of many."""

    state, gates = HState, 'h'
    params = {'xh': ('I', 'H'), 'hh': ('H', 'H'), 'b': ('H',), 'mix': (f'{len(ELEMENTWISE)}H',)}

    def step(self, z, s, p):
        a = z + s.h @ p.hh
        size = p.b.type.shape[0]
        parts = [
            p.mix[k * size : (k + 1) * size] * activations.build(name)(a)
            for k, name in enumerate(ELEMENTWISE)
        ]
        return HState(pt.tanh(sum(parts[1:], parts[0])))


def graph(cell, dtype):
    """Return inputs and outputs: the states, and the gradients of a sum over them."""
    x, h = pt.tensor3('x', dtype=dtype), pt.tensor('h', dtype=dtype, shape=(None, 4))
    params = {
        key: pt.tensor(key, dtype=dtype, shape=shape) for key, shape in cell.shapes(3, 4).items()
    }
    (states,) = unroll(cell, x, params, 4, HState(h))
    inputs = [x, *params.values(), h]
    return inputs, [states, *pt.grad(pt.sqr(states).sum(), inputs)]


def test_elementwise_activations_in_a_kernel(rng):
    dtype = 'float64'
    inputs, outputs = graph(Every(), dtype)
    fused, names = compiled(inputs, outputs)
    assert 'RecurrentScan' in names
    shapes = {'x': (5, 6, 3), 'h': (6, 4)}
    arrays = [rng.standard_normal(shapes.get(v.name) or v.type.shape).astype(dtype) for v in inputs]
    assert_same(fused(*arrays), plain(inputs, outputs)(*arrays), dtype)


@pytest.mark.parametrize('name', [*ELEMENTWISE, *ACROSS_UNITS, 'gelu'])
def test_which_activations_have_a_kernel(name):
    assert (form_of(RNNCell(activation=name)) is not None) == (name in ELEMENTWISE)


@pytest.mark.long
def test_gelu_on_the_numba_backend(rng):
    x = pt.dmatrix('x')
    y = activations.build('gelu')(x)
    outputs = [y, pytensor.grad(pt.sqr(y).sum(), x)]
    given = rng.standard_normal((4, 5))
    found, _ = compiled([x], outputs)
    assert_same(found(given), plain([x], outputs)(given), 'float64')
