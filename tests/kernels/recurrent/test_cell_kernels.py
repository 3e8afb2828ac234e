"""Which of the cells have a kernel, and that it computes what the papers say."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import reference_theanets
from kernel_cases import assert_near
from long_forms import long

from rnnkit.cells import cells
from rnnkit.cells.wrappers import Dropped, Mixed, Zoned, wrapped
from rnnkit.kernels.recurrent.trace import form_of
from rnnkit.kernels.staged import trace as staged
from rnnkit.unroll import unroll

FUSED = {
    'rrnn': [{'rate': rate} for rate in ('matrix', 'vector', 'uniform', 'log')],
    'clockwork': [{'periods': [1, 2, 4]}],
    'bcrnn': [{'num_modules': 3}],
}
OPTIONS = FUSED | {
    'gru': [{'reset': 'before'}, {'reset': 'before', 'clip': 2.0}],
    'lstm': [{'projection': 3}, {'projection': 3, 'peepholes': True, 'coupled': True}],
    'mrnn': [{'factors': 4}],
    'scrn': [{'rate': rate, 'context_size': 4} for rate in ('vector', 'uniform', 'log')],
}
T, B, I, H = 6, 5, 3, 18  # noqa: E741


@pytest.mark.parametrize('form', FUSED)
def test_cells_with_a_kernel(form):
    assert all(form_of(cells[form](**options)) for options in FUSED[form])


@pytest.mark.parametrize('wrapper', [None, Dropped, Zoned, Mixed])
@pytest.mark.parametrize('form', cells)
def test_all_cells_have_a_kernel(form, wrapper):
    for options in OPTIONS.get(form, [{}]):
        cell = cells[form](**options)
        if wrapper is not None:
            cell = wrapped(wrapper, cell, *[0.3] * (wrapper is Mixed))
        assert staged.form_of(cell) is not None


@pytest.mark.parametrize(
    ('form', 'options', 'masked'),
    [
        long('rrnn', {}, True),
        long('rrnn', {'rate': 'vector'}, False),
        ('clockwork', {'periods': [2, 1, 4]}, True),
        long('bcrnn', {'num_modules': 3}, True),
    ],
    ids=str,
)
def test_states_and_gradients_equal_numpy(form, options, masked, rng):
    cell = cells[form](**options)
    names = cell.state._fields
    values = {'x': rng.standard_normal((T, B, I))}
    values |= {k: 0.5 * rng.standard_normal(s) for k, s in cell.shapes(I, H).items()}
    start = {n: rng.standard_normal((B, H)) for n in names}
    if 'phase' in start:
        periods = np.repeat(cell.periods, H // len(cell.periods))
        start['phase'] = rng.integers(0, periods, (B, H)).astype('float64')
    slopes = {n: rng.standard_normal((T, B, H)) for n in names}
    mask = rng.random((T, B)) < 0.7 if masked else np.ones((T, B), bool)

    symbols = {
        k: pt.tensor(k, dtype='float64', shape=v.shape if k != 'x' else (None, None, I))
        for k, v in values.items()
    }
    first = [pt.tensor(dtype='float64', shape=(None, H)) for _ in names]
    known = [pt.tensor3(dtype='float64') for _ in names]
    real = pt.matrix(dtype='bool')
    params = {k: symbols[k] for k in cell.params}
    states = unroll(cell, symbols['x'], params, H, cell.state(*first), real if masked else None)
    loss = sum((s * d).sum() for s, d in zip(states, known, strict=True))
    function = pytensor.function(
        [*symbols.values(), *first, *known, real],
        [*states, *pt.grad(loss, [*symbols.values(), *first])],
        mode='NUMBA',
        on_unused_input='ignore',
    )
    kinds = [type(node.op).__name__ for node in function.maker.fgraph.apply_nodes]
    assert kinds.count('RecurrentScan') == kinds.count('RecurrentGradient') == 1
    assert 'Scan' not in kinds

    found = function(*values.values(), *start.values(), *slopes.values(), mask)
    x = values.pop('x')
    right, grads = reference_theanets.run(
        form, x, values, list(start.values()), slopes, mask, **options
    )
    for label, got in zip([*names, *symbols, *(f'{n}0' for n in names)], found, strict=True):
        want = right[label] if label in right else grads[label]
        assert_near(np.asarray(got), want, 'float64', label)
