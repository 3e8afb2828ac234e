"""Zeros in the output of a layer over padding, by a kernel or by the loop itself."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from kernel_cases import assert_near, backward_of, can_run, expected, forward, problem, target
from long_forms import long
from numba_functions import assert_same, compiled

from rnnkit.kernels.language import threads
from rnnkit.kernels.recurrent.padding import Copy, HidePadding
from rnnkit.kernels.runtime import kernel
from rnnkit.layers import registry

SIZES = [((7, 5, 3, 21), 1), ((1, 1, 1, 1), 1), ((3, 13, 4, 70), 3)]


@pytest.mark.parametrize('dtype', ['float32', 'float64'])
@pytest.mark.parametrize('width', [16, 32, 64])
def test_the_kernel_copies_real_rows_alone(width, dtype, rng):
    if not can_run(width):
        pytest.skip(f'this processor has no vectors of {width} bytes')
    writer = Copy(target(dtype, width))
    run = kernel.build('test_padding', writer, repr(('test', writer.target)))
    for (t, b, _, h), n in SIZES:
        real = rng.random((t, b)) < 0.6
        values = rng.standard_normal((t, b, h)).astype(dtype)
        values[~real] = np.nan
        with threads.smallest_part(1):
            before = threads.get_threads()
            threads.set_threads(n)
            (shown,) = run(values, real.astype(dtype))
            threads.set_threads(before)
        assert np.array_equal(shown, np.where(real[:, :, None], values, 0))


@pytest.mark.parametrize(
    ('name', 'dtype', 'width', 'reverse'),
    [
        ('lstm', 'float64', 64, False),
        ('gru', 'float32', 32, True),
        ('zoned lstm', 'float32', 16, False),
        long('rnn-tanh', 'float64', 32, True),
        long('leaky', 'float32', 64, False),
    ],
)
def test_the_loop_equals_numpy(name, dtype, width, reverse):
    where, walk = target(dtype, width), dict(masked=True, shown=True, reverse=reverse)
    if not can_run(width):
        pytest.skip(f'this processor has no vectors of {width} bytes')
    for sizes, _ in SIZES:
        case = problem(name, sizes, dtype, masked=True)
        real = case.mask[:, :, None]
        # What is given over padding must not count, whatever it is.
        given = [np.where(real, case.d_states[0], np.nan).astype(dtype), *case.d_states[1:]]
        *outputs, shown = forward(name, where, **walk)(*case.args)
        gradients = backward_of(name, where, **walk)(*case.args, *outputs, *given)
        case.d_states[0] = np.where(real, case.d_states[0], 0)
        states, wanted = expected(name, case, reverse)
        assert_near(shown, np.where(real, states[0], 0), dtype, f'{name} {sizes} shown')
        n = len(states)
        for k, (got, want) in enumerate(
            zip([*outputs[:n], *gradients], [*states, *wanted], strict=True)
        ):
            assert_near(got, want, dtype, f'{name} {sizes} output {k}')


T, B, I, H = 6, 4, 3, 5  # noqa: E741


@pytest.mark.parametrize(
    ('form', 'reads', 'direction'),
    [
        ('gru', ['out'], 'forward'),
        ('lstm', ['out', 'last', 'c'], 'backward'),
        long('lstm', ['out'], 'backward'),
        long('rnn', ['out', 'last'], 'forward'),
    ],
)
def test_a_layer_with_a_mask_equals_the_scan(form, reads, direction, rng, monkeypatch):
    layer = registry[form](size=H, direction=direction)
    layer.name = 'it'
    layer.bind({'in:out': I}, 'float64', rng)
    x = pt.tensor('x', dtype='float64', shape=(None, None, I))
    mask = pt.matrix('mask', dtype='float64')
    factors = [rng.standard_normal((T, B, H)[-2 if name == 'last' else 0 :]) for name in reads]

    def graph():
        found = layer.transform(x, mask)
        score = sum((f * found[name]).sum() for f, name in zip(factors, reads, strict=True))
        return [found[reads[0]], *pytensor.grad(score, [x, *layer.params.values()])]

    fused, names = compiled([x, mask], graph())
    assert {'RecurrentScan', 'RecurrentGradient'} <= set(names)
    # The loop shows its first state; of others, and of sums of gradients, the Op of its own.
    assert ('HidePadding' in names) == (len(reads) > 1)
    monkeypatch.setenv('RNNKIT_KERNELS', 'off')
    wanted = pytensor.function([x, mask], graph(), mode='FAST_COMPILE')
    value = rng.standard_normal((T, B, I))
    real = np.arange(T)[:, None] < np.array([T, 2, 4, 1])
    value[~real] = 1e3
    assert_same(fused(value, real * 1.0), wanted(value, real * 1.0), 'float64')


@pytest.mark.parametrize('mode', ['NUMBA', 'FAST_COMPILE'])
def test_the_gradient_is_zero_over_padding(mode, rng):
    values, mask = pt.tensor3('values', dtype='float64'), pt.matrix('mask', dtype='float64')
    shown = HidePadding()(values, mask)
    slope = pt.grad((shown**2).sum(), values)
    curve = pt.grad((slope**2).sum(), values)  # of 4 v ** 2
    function = pytensor.function([values, mask], [shown, slope, curve], mode=mode)
    v, real = rng.standard_normal((T, B, H)), rng.random((T, B)) < 0.5
    v[~real] = np.inf
    v = np.where(real[:, :, None], v, np.nan)
    exact = np.where(real[:, :, None], v, 0)
    for got, factor in zip(function(v, real * 1.0), (1, 2, 8), strict=True):
        np.testing.assert_allclose(got, factor * exact, rtol=1e-15)
