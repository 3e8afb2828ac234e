"""Equations of one row, computed by NumPy, beside the graphs that they are read from."""

from types import SimpleNamespace

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from activation_specs import SPECS
from long_forms import long_unless
from operations import NUMPY
from rows import STEPS, computed

import rnnkit
from rnnkit.cells import cells
from rnnkit.errors import ConfigError
from rnnkit.integrations.equations import FUNCTIONS, REDUCTIONS, read_rows
from rnnkit.kernels.language import elementary

B = 4


def check(outputs, inputs, rng):
    """Compare equations with PyTensor's own result."""
    given = {name: rng.standard_normal((B, v.type.shape[-1])) for name, v in inputs.items()}
    function = pytensor.function(
        list(inputs.values()), outputs, mode='FAST_COMPILE', on_unused_input='ignore'
    )
    expected = function(*given.values())
    equations = read_rows('here', outputs, inputs)
    for one, other in zip(computed(equations, given), expected, strict=True):
        other = np.asarray(other)
        np.testing.assert_allclose(np.broadcast_to(one, other.shape), other, rtol=0, atol=1e-12)
    return equations


def test_the_tables_are_complete():
    assert set(NUMPY) == set(elementary.OPERATIONS) | set(FUNCTIONS.values())
    assert set(REDUCTIONS.values()) < set(STEPS)


OPTIONS = {'bcrnn': {'num_modules': 2}, 'clockwork': {'periods': [1, 2]}}
MORE = {
    'gru before': ('gru', {'reset': 'before'}),
    'lstm peepholes': ('lstm', {'peepholes': True}),
    'lstm coupled': ('lstm', {'coupled': True, 'clip': 0.5, 'cell_clip': 0.3}),
}
CELLS = {name: (name, OPTIONS.get(name, {})) for name in cells} | MORE


@pytest.mark.parametrize('name', CELLS)
def test_cells(name, rng):
    form, options = CELLS[name]
    net = rnnkit.Regressor([3, dict(form=form, size=6, **options), 2], seed=0, dtype='float64')
    layer = net.layers[1]
    cell = layer.cell
    for param in net.params:
        value = param.get_value()
        param.set_value(value + 0.1 * rng.standard_normal(value.shape))
    params = {key: layer.params[key] for key in cell.params}
    x = pt.tensor('x', dtype='float64', shape=(None, 3))
    sides = {name: matrix(name, width) for name, width in cell.side_widths(6, 3).items()}
    p = SimpleNamespace(**cell.prepare(params, 6), **sides)
    state = {
        key: pt.tensor(key, dtype='float64', shape=(None, width))
        for key, width in zip(cell.state._fields, cell.widths(6, 3), strict=True)
    }
    new = cell.step(cell.project(x, p), cell.state(*state.values()), p)
    equations = check(list(new), {'x': x, **sides, **state}, rng)
    assert {k for k in equations.arrays if '.' in k} <= {p.name for p in net.params}


SHORT = {'softmax', 'norm:z', 'norm:max', 'prelu', 'maxout:3', 'gelu', 'elu', 'hard_sigmoid', 'exp'}


@pytest.mark.parametrize('name', long_unless(SHORT.__contains__, SPECS))
def test_dense_layers_and_activations(name, rng):
    dense = dict(form='ff', size=6, activation=name)
    net = rnnkit.Regressor([3, dense, 'layernorm', 2], seed=0, dtype='float64', kernel=False)
    check([net.outputs['hid2:out']], {'x': net.inputs[0]}, rng)


def matrix(name, width):
    return pt.tensor(name, dtype='float64', shape=(None, width))


def test_columns_joins_and_reductions(rng):
    x, y = matrix('x', 4), matrix('y', 3)
    both = pt.concatenate([x[:, 1:3], y, x], axis=-1)
    outputs = [
        both[:, 1:6],
        x.sum(axis=1, keepdims=True) * y,
        y.min(axis=-1),
        x.prod(axis=1)[:, None],
    ]
    found = check([o if o.ndim == 2 else o[:, None] for o in outputs], {'x': x, 'y': y}, rng)
    assert [found.widths[k] for k in found.outputs] == [5, 3, 1, 1]


def test_what_rows_do_not_enter_is_computed_once(rng):
    w = pytensor.shared(rng.standard_normal((3, 2)), 'w')
    x = matrix('x', 3)
    equations = check([x @ pt.exp(w) + pt.tanh(w).sum()], {'x': x}, rng)
    assert {step.kind for step in equations.steps.values()} == {'product'}
    (array,) = equations.arrays.values()
    np.testing.assert_allclose(array, np.exp(w.get_value()))


def test_weights_of_the_same_name(rng):
    x = matrix('x', 3)
    one, two, three = (pytensor.shared(rng.standard_normal(3), 'w', shape=(3,)) for _ in range(3))
    equations = check([(x + one) * two - three], {'x': x}, rng)
    assert list(equations.arrays) == ['w', 'w_', 'w__']


def test_a_constant_has_no_width(rng):
    # The -1 of a negation, and the 1 of a power, meet vectors of other widths.
    x, y = matrix('x', 4), matrix('y', 3)
    check([-x, x**2, pt.maximum(y, -1.0), 1 - y], {'x': x, 'y': y}, rng)


def equal_columns(x):
    return pt.zeros_like(x) + x.sum(axis=1, keepdims=True)


def test_columns_of_equal_columns(rng):
    x, y = matrix('x', 4), matrix('y', 2)
    check([equal_columns(x)[:, 1:3] * y], {'x': x, 'y': y}, rng)


def test_weights_that_share_much(rng):
    v = pytensor.shared(rng.standard_normal(3), 'w', shape=(3,))
    for _ in range(25):  # 2 ** 25 paths lead to w
        v = 0.5 * v + 0.1 * v
    x = matrix('x', 3)
    check([x * v], {'x': x}, rng)


def test_a_slice_that_ends_at_a_constant(rng):
    x = matrix('x', 4)
    check([2 * x[:, : pt.constant(3)]], {'x': x}, rng)


def vector():
    return pytensor.shared(np.arange(1.0, 4), shape=(3,))


@pytest.mark.parametrize(
    ('make', 'why'),
    [
        (lambda x: x[::-1], 'a subscript other than of columns'),
        (lambda x: x - x.mean(axis=0), 'Sum|sum'),
        (lambda x: pt.cumsum(x, axis=1), 'Cum'),
        (lambda x: x.T @ x, 'transposition|product'),
        (lambda x: x[:, ::2], 'no run of columns'),
        (lambda x: x * pt.tensor('free', dtype='float64', shape=(3,)), 'the free variable free'),
        (lambda x: x**x, 'a power other than'),
        (lambda x: pt.special.softmax(x, axis=0), 'Softmax'),
        (lambda x: pt.special.softmax(x, axis=None), 'Softmax'),
        (lambda x: pt.special.softmax(equal_columns(x), axis=-1), 'a softmax of equal columns'),
        (lambda x: equal_columns(x).sum(axis=1, keepdims=True) * x, 'of equal columns'),
        (lambda x: equal_columns(x) @ vector()[:, None], 'a product of equal columns'),
        (lambda x: pt.concatenate([equal_columns(x), x], axis=1), 'a concatenation with equal'),
        (lambda x: x * vector()[:, None], r'the array .* of shape \(3, 1\)'),
        (lambda x: x * x.sum(axis=1), 'numbers of all rows side by side'),
        (lambda x: x * (x.sum(axis=1) + vector())[:, None], 'numbers of all rows side by side'),
        (lambda x: x[:, : -pt.constant(1)], 'ends that are not constant'),
    ],
)
def test_what_is_no_row(make, why):
    x = matrix('x', 3)
    with pytest.raises(
        ConfigError, match=f'here: cannot be written as equations of one row: .*({why})'
    ):
        read_rows('here', [make(x)], {'x': x})
