"""Cells, unrolled by scan, against NumPy: states, and gradients by everything."""

from itertools import pairwise

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import reference
import reference_theanets
from long_forms import long, long_unless

from rnnkit.cells import cells
from rnnkit.errors import CallError, ConfigError
from rnnkit.unroll import unroll

FORMS = [
    ('rnn', {}),
    ('rnn', {'activation': 'relu'}),
    ('lstm', {}),
    ('lstm', {'activation': 'relu'}),
    ('lstm', {'peepholes': True}),
    ('gru', {'reset': 'after'}),
    ('gru', {'reset': 'before'}),
    ('rrnn', {}),
    ('mrnn', {}),
    ('mut1', {}),
    ('scrn', {}),
    ('clockwork', {'periods': [1, 3]}),
    ('bcrnn', {'num_modules': 2}),
]
VARIANTS = [
    *(('rrnn', {'rate': rate}) for rate in ('vector', 'uniform', 'log')),
    ('mrnn', {'factors': 3, 'activation': 'relu'}),
    ('scrn', {'rate': 'log', 'context_size': 5, 'activation': 'relu'}),
    ('clockwork', {'periods': [4, 1, 1, 2], 'activation': 'relu'}),
    ('bcrnn', {'num_modules': 4, 'activation': 'relu'}),
]
LENGTHS = [(5, 3), (1, 3), (5, 1), (1, 1)]  # T, B
WIDTHS = [(2, 4), (1, 4), (2, 1), (1, 1)]  # I, H


def draw(cell, T, B, I, H, rng, dtype):  # noqa: E741
    """Return values for x, the parameters and the state before the first step, by name."""
    shapes = {'x': (T, B, I), **cell.shapes(I, H)}
    shapes |= {f'{n}0': (B, w) for n, w in zip(cell.state._fields, cell.widths(H), strict=True)}
    values = {k: rng.standard_normal(s).astype(dtype) for k, s in shapes.items()}
    if 'xf' in values:  # a product of three matrices in the loop would grow beyond bounds
        values |= {k: values[k] / 2 for k in cell.params}
    if 'phase0' in values:  # of a clock: a whole number less than the period
        periods = np.repeat(cell.periods, H // len(cell.periods))
        values['phase0'] = rng.integers(0, periods, (B, H)).astype(dtype)
    return values


def symbols_like(cell, values):
    """Return a symbol for each array; lengths are known for parameters and features only."""
    known = {
        k: v.shape if k in cell.params else (*(None,) * (v.ndim - 1), v.shape[-1])
        for k, v in values.items()
    }
    return {k: pt.tensor(k, dtype=v.dtype.name, shape=known[k]) for k, v in values.items()}


def symbols_and_values(form, options, T, B, I, H, rng, dtype):  # noqa: E741
    cell = cells[form](**options)
    values = draw(cell, T, B, I, H, rng, dtype)
    return cell, symbols_like(cell, values), values


def scan_function(cell, symbols, H, dtype, **walk):
    """Return a function that gives states and derivatives for values and upstream slopes."""
    params = {k: symbols[k] for k in cell.params}
    start = cell.state(*[symbols[f'{name}0'] for name in cell.state._fields])
    states = unroll(cell, symbols['x'], params, H, start, kernel=False, **walk)
    upstream = [pt.tensor(f'd_{n}', dtype=dtype, shape=(None,) * 3) for n in states._fields]
    total = sum((s * d).sum() for s, d in zip(states, upstream, strict=True))
    grads = pytensor.grad(total, list(symbols.values()), disconnected_inputs='ignore')
    outputs = [*states, *grads]
    f = pytensor.function([*symbols.values(), *upstream], outputs, on_unused_input='ignore')
    names = [*states._fields, *[f'gradient by {k}' for k in symbols]]
    return lambda v, d: dict(zip(names, f(*v.values(), *d.values()), strict=True))


def right_answers(form, options, values, upstream, limit=None):
    """Return what NumPy says in float64, under the names that `scan_function` uses."""
    exact = {k: v.astype('float64') for k, v in values.items()}
    options = {k: v for k, v in options.items() if k != 'peepholes'}
    before = [exact.pop(f'{n}0') for n in upstream]
    x = exact.pop('x')
    if options.get('reset') == 'before':
        exact.pop('bn', None)
    where = reference_theanets if form in reference_theanets.CELLS else reference
    if limit is None:
        states, grads = where.run(form, x, exact, before, upstream, **options)
    else:
        states, grads = reference.run_in_windows(form, x, exact, before, upstream, limit, **options)
    return states | {f'gradient by {k}': v for k, v in grads.items()}


def compare(form, options, widths, rng, dtype, tolerance):
    I, H = widths  # noqa: E741
    cell = cells[form](**options)
    H = max(H, cell.smallest)
    f = scan_function(cell, symbols_like(cell, draw(cell, 2, 2, I, H, rng, dtype)), H, dtype)
    for T, B in LENGTHS:
        values = draw(cell, T, B, I, H, rng, dtype)
        names = cell.state._fields
        upstream = {
            n: rng.standard_normal((T, B, w)).astype(dtype)
            for n, w in zip(names, cell.widths(H), strict=True)
        }
        found = f(values, upstream)
        right = right_answers(form, options, values, upstream)
        assert set(found) == set(right)
        for name, wanted in right.items():
            assert found[name].dtype == dtype
            error = abs(found[name] - wanted).max() / max(1, abs(wanted).max())
            assert error <= tolerance, f'{name} at T={T}, B={B}: relative error {error}'


@pytest.mark.parametrize(
    ('form', 'options', 'widths'),
    [
        *long_unless(
            lambda form, options, widths: widths == (2, 4) or (widths == (1, 1) and not options),
            (
                (form, options, widths)
                for form, options in FORMS
                for widths in WIDTHS
                if form not in reference_theanets.CELLS or widths in [(2, 4), (1, 1)]
            ),
        ),
        *(long(form, options, (2, 4)) for form, options in VARIANTS),
    ],
    ids=str,
)
def test_scan_equals_numpy_in_float64(form, options, widths, rng):
    # Same operations in another order: rounding of 1e-16, times a few dozen terms.
    compare(form, options, widths, rng, 'float64', 1e-12)


@pytest.mark.parametrize(
    ('form', 'options'),
    long_unless(lambda form, options: options in ({}, {'reset': 'after'}), FORMS),
    ids=str,
)
def test_scan_equals_numpy_in_float32(form, options, rng):
    # float32 rounds to 6e-8; five steps and sums of tens of terms lose about one digit more.
    compare(form, options, (2, 4), rng, 'float32', 2e-6)


# Five steps: each one alone, limits that do and do not divide 5, all of them, more than that.
@pytest.mark.parametrize('limit', [long(1), 2, long(4), long(5), long(np.int64(8))])
@pytest.mark.parametrize('reverse', [False, True])
@pytest.mark.parametrize('form', ['rnn', 'lstm', 'gru'])
def test_gradients_stop_at_the_limit(form, reverse, limit, rng):
    T, B, H = 5, 3, 4
    cell, symbols, values = symbols_and_values(form, {}, T, B, 2, H, rng, 'float64')
    upstream = {n: rng.standard_normal((T, B, H)) for n in cell.state._fields}
    f = scan_function(cell, symbols, H, 'float64', reverse=reverse, bptt_limit=limit)
    found = f(values, upstream)
    step = -1 if reverse else 1
    values['x'] = values['x'][::step]
    right = right_answers(form, {}, values, {k: d[::step] for k, d in upstream.items()}, limit)
    for name in ['gradient by x', *cell.state._fields]:
        right[name] = right[name][::step]
    for name, wanted in right.items():
        np.testing.assert_allclose(found[name], wanted, rtol=0, atol=1e-12, err_msg=name)


def test_padding_does_not_carry_gradients_over_the_limit(rng):
    """Held states are states: over padding, too, nothing goes back farther than the limit."""
    cell, symbols, _ = symbols_and_values(
        'rnn', {'activation': 'linear'}, 6, 1, 1, 1, rng, 'float64'
    )
    one, zero = np.ones((1, 1)), np.zeros(1)
    params = {k: symbols[k] for k in cell.params}
    mask = np.array([[1.0, 1, 1, 1, 0, 0]]).T
    states = unroll(
        cell, symbols['x'], params, 1, mask=pt.constant(mask), kernel=False, bptt_limit=3
    )
    grad = pytensor.grad(states.h[-1].sum(), symbols['x'])
    given = [symbols['x'], *[symbols[k] for k in cell.params]]
    found = pytensor.function(given, grad)(np.zeros((6, 1, 1)), one, one, zero)
    assert list(found.ravel()) == [0, 0, 0, 1, 0, 0]


@pytest.mark.parametrize('limit', [0, -1, 2.0, True, '3'])
def test_the_limit_is_a_whole_number(limit, rng):
    cell, symbols, _ = symbols_and_values('rnn', {}, 2, 2, 2, 4, rng, 'float64')
    params = {k: symbols[k] for k in cell.params}
    with pytest.raises(ConfigError, match='bptt_limit must be a whole number of at least 1'):
        unroll(cell, symbols['x'], params, 4, bptt_limit=limit)


def test_the_state_before_the_first_step_is_zero_by_default(rng):
    cell, symbols, values = symbols_and_values('lstm', {}, 3, 2, 2, 4, rng, 'float64')
    params = {k: symbols[k] for k in cell.params}
    given = [symbols['x'], *params.values()]
    states = unroll(cell, symbols['x'], params, 4, kernel=False)
    found = pytensor.function(given, list(states))(*[values[v.name] for v in given])
    zero = np.zeros((2, 4))
    right = reference.lstm_forward(values['x'], {k: values[k] for k in params}, zero, zero)
    for name, state in zip('hc', found, strict=True):
        np.testing.assert_allclose(state, right[name], rtol=0, atol=1e-14)  # rounding


def test_scan_takes_the_input_product_out_of_the_loop(rng):
    cell, symbols, _ = symbols_and_values('gru', {}, 3, 2, 2, 4, rng, 'float64')
    params = {k: symbols[k] for k in cell.params}
    states = unroll(cell, symbols['x'], params, 4, kernel=False)
    scans = {
        v.owner.op
        for v in pytensor.graph.ancestors(states)
        if v.owner and type(v.owner.op).__name__ == 'Scan'
    }
    (scan,) = scans
    dots = [n for n in scan.fgraph.toposort() if 'Dot' in type(n.op).__name__]
    shapes = {v.type.shape[-2:] for n in dots for v in n.inputs}
    assert (2, 12) not in shapes  # xh is not inside


def test_gradients_far_back_in_time_are_kept(rng):
    """A linear recurrence with weight 1 carries a gradient of 1 over any distance."""
    cell, symbols, _ = symbols_and_values(
        'rnn', {'activation': 'linear'}, 60, 1, 1, 1, rng, 'float64'
    )
    one, zero = np.ones((1, 1)), np.zeros(1)
    params = {k: symbols[k] for k in cell.params}
    states = unroll(cell, symbols['x'], params, 1, kernel=False)
    grad = pytensor.grad(states.h[-1].sum(), symbols['x'])
    given = [symbols['x'], *[symbols[k] for k in cell.params]]
    found = pytensor.function(given, grad)(np.zeros((60, 1, 1)), one, one, zero)
    assert list(found.ravel()) == [1.0] * 60


def test_longer_sequences_begin_as_shorter_ones(rng):
    cell, symbols, values = symbols_and_values('gru', {}, 9, 2, 2, 4, rng, 'float64')
    given = [symbols['x'], *[symbols[k] for k in cell.params]]
    params = {k: symbols[k] for k in cell.params}
    states = unroll(cell, symbols['x'], params, 4, kernel=False)
    f = pytensor.function(given, states.h)
    weights = [values[k] for k in cell.params]
    runs = [f(values['x'][:T], *weights) for T in (1, 4, 9)]
    for short, longer in pairwise(runs):
        np.testing.assert_allclose(longer[: len(short)], short, rtol=0, atol=1e-15)  # rounding


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ({'nonsense': 1}, "unknown option 'nonsense', known are: "),
        ({}, 'cell, x, params, size is missing; write unroll(cell, x, params, size)'),
    ],
)
def test_a_call_that_is_wrong_says_what_to_write(given, message):
    with pytest.raises(CallError) as caught:
        unroll(**given)
    assert str(caught.value).startswith(f'unroll(): {message}')
