"""Cells with exponentials or quotients at large inputs, over long sequences: all stays finite.

Gates have arguments of several hundreds here, of either sign.
"""

import complex_step
import numpy as np
import paper_cells
import pytensor
import pytensor.tensor as pt
import pytest
from long_forms import long

from rnnkit.cells import cells
from rnnkit.unroll import unroll

B, I, H = 4, 2, 3  # noqa: E741


def run(form, options, T, dtype, rng, mode=None):
    """Return states and gradients, and the values that they belong to."""
    cell = cells[form](**options)
    values = {'x': 60 * rng.choice([-1.0, 1.0], (T, B, I))}
    values['x'][0, 0] = -60  # the first step has small gates, too
    values |= {k: rng.standard_normal(s) for k, s in cell.shapes(I, H).items()}
    if 'hh' in values:
        values['hh'] *= 5
    symbols = {
        k: pt.tensor(k, dtype=dtype, shape=v.shape if k != 'x' else (None, None, I))
        for k, v in values.items()
    }
    params = {k: symbols[k] for k in cell.params}
    states = unroll(cell, symbols['x'], params, H)
    slopes = rng.standard_normal((T, B, H))
    total = (cell.state(*states)[0] * slopes.astype(dtype)).sum()
    outputs = [*states, *pytensor.grad(total, list(symbols.values()))]
    f = pytensor.function(list(symbols.values()), outputs, mode=mode)
    found = f(*[v.astype(dtype) for v in values.values()])
    n = len(states)
    return found[:n], dict(zip(values, found[n:], strict=True)), values, slopes


CASES = [
    ('slstm', {}),
    long('slstm', {'forget': 'exp'}),
    ('minlstm', {}),
    long('minlstm', {'positive': True}),
    long('mingru', {'positive': True}),
    long('sru', {}),
]


@pytest.mark.parametrize('dtype', ['float32', long('float64')])
@pytest.mark.parametrize('kernels', ['off', long('on')])
@pytest.mark.parametrize(('form', 'options'), CASES, ids=str)
@pytest.mark.filterwarnings('error')  # an overflow is a warning of NumPy
def test_inputs_of_60_are_finite(form, options, kernels, dtype, rng, monkeypatch):
    monkeypatch.setenv('RNNKIT_KERNELS', kernels)
    states, gradients, *_ = run(
        form, options, 300, dtype, rng, 'NUMBA' if kernels == 'on' else None
    )
    for name, value in [*enumerate(states), *gradients.items()]:
        assert np.isfinite(value).all(), name


@pytest.mark.parametrize(
    ('form', 'options'), [long(*case) for case in [('slstm', {}), ('minlstm', {})]]
)
def test_inputs_of_60_equal_numpy(form, options, rng):
    states, gradients, values, slopes = run(form, options, 20, 'float64', rng)
    step = getattr(paper_cells, form)(**options)
    zeros = [np.zeros((1, H)) for _ in states]
    params = {k: v for k, v in values.items() if k != 'x'}
    for got, want in zip(states, complex_step.run(step, values['x'], zeros, params), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)

    def total(values):
        p = {k: v for k, v in values.items() if k != 'x'}
        return (complex_step.run(step, values['x'], zeros, p)[0] * slopes).sum()

    complex_step.check_slopes(total, values, gradients, rng)


def test_the_first_step_of_slstm_keeps_its_input_however_small_its_gate(rng):
    """A state is z at full weight, not 0 / 0: n is 1."""
    cell = cells['slstm']()
    z = pt.matrix(dtype='float32', shape=(None, 4))
    zeros = cell.state(*[pt.zeros((1, 1), dtype='float32')] * 4)

    class P:
        hh = pt.zeros((1, 4), dtype='float32')

    f = pytensor.function([z], list(cell.step(z, zeros, P)))
    h, c, n, m = f(np.array([[-300, 2, 0.5, 100]], 'float32'))
    np.testing.assert_allclose([h[0, 0], c[0, 0]], np.tanh(0.5), rtol=1e-6)
    assert (n[0, 0], m[0, 0]) == (1, -300)
