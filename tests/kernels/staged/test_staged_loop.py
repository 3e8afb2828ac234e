"""The staged loops, forward and backward, against equations written out in NumPy."""

from itertools import product

import numpy as np
import pytest
from kernel_cases import assert_near, can_run, guarded, placer, target
from long_forms import long_unless
from staged_cases import (
    CELLS,
    assert_slopes,
    backward_of,
    expected,
    form_of,
    forward,
    problem,
    roundings,
)

from rnnkit.errors import ShapeError
from rnnkit.kernels.language import threads
from rnnkit.kernels.runtime import kernel

# (T, B, H), threads: lengths of 1, tails of all widths, more than one panel, block of rows and
# chunk, chunks of one and of several steps
SIZES = [
    ((7, 5, 21), 1),
    ((1, 1, 1), 1),
    ((2, 13, 70), 3),
    ((2, 70, 16), 2),
    ((8, 40, 9), 2),
    ((2, 260, 2), 3),
]


def with_nan(case):
    """Put NaN where the input is padding."""
    for key in ('z', 'direct'):
        if key in case.arrays:
            case.arrays[key][case.arrays['mask'] == 0] = np.nan


def check(name, dtype, width, rows=False, masked=False, given=None, sizes=SIZES, **walk):
    """Compare states and all gradients with the equations, for all sizes."""
    where = target(dtype, width)
    if not can_run(width):
        pytest.skip(f'this processor has no vectors of {width} bytes')
    ahead = forward(name, where, rows=rows, masked=masked, **walk)
    back = backward_of(name, where, rows=rows, masked=masked, given=given, **walk)
    n_states = form_of(name).n_states
    for shape, n in sizes:
        case = problem(name, shape, dtype, rows=rows, masked=masked, given=given)
        reverse = walk.get('reverse', False)
        states, slopes = expected(name, case, reverse, walk.get('bptt_limit'))
        errors = roundings(name, case, states, reverse)
        if masked:
            with_nan(case)
        args = list(case.arrays.values())
        threads.set_threads(n)
        with threads.smallest_part(1):
            outputs = ahead(*args)
            gradients = back(*args, *outputs, *[d for d in case.d_states if d is not None])
        for k, (got, want) in enumerate(zip(outputs[:n_states], states, strict=True)):
            assert_near(got, want, dtype, f'{name} {shape} state {k}', errors[k])
        assert_slopes(gradients, slopes, dtype, f'{name} {shape}')
        if masked:
            assert not gradients[0][case.arrays['mask'] == 0].any()


@pytest.mark.parametrize(
    ('name', 'dtype'),
    long_unless(
        lambda name, dtype: dtype == ('float32' if name == 'projected' else 'float64'),
        product(CELLS, ['float32', 'float64']),
    ),
)
def test_equals_the_equations(name, dtype):
    check(name, dtype, kernel.host_target(dtype).width)


@pytest.mark.parametrize('name', long_unless(lambda name: name in ('normed', 'mixture'), CELLS))
def test_equals_the_equations_with_mask_and_one_row_state(name):
    last = [False] * (form_of(name).n_states - 1) + [True]
    width = kernel.host_target('float64').width
    check(name, 'float64', width, rows=True, masked=True, given=last)


@pytest.mark.parametrize(
    ('name', 'masked'),
    long_unless(
        lambda name, masked: masked == (name == 'projected') and name in ('projected', 'gru'),
        product(CELLS, [False, True]),
    ),
)
def test_equals_the_equations_from_the_end(name, masked):
    width = kernel.host_target('float64').width
    check(name, 'float64', width, rows=not masked, masked=masked, reverse=True)


# Lengths are 1, 2, 7 and 8: each step, a divisor, none, all, and more than there are.
@pytest.mark.parametrize(
    ('name', 'reverse', 'bptt_limit'),
    long_unless(
        lambda name, reverse, limit: (name, reverse, limit) == ('highway', True, 3),
        product(['gru', 'highway', 'mixture'], [False, True], [1, 2, 3, 7, 20]),
    ),
)
def test_equals_the_equations_with_gradients_that_stop(name, bptt_limit, reverse):
    walk = dict(masked=bptt_limit in (1, 3, 7), reverse=reverse, bptt_limit=bptt_limit)
    check(name, 'float64', kernel.host_target('float64').width, **walk)


@pytest.mark.parametrize(
    ('name', 'width'),
    long_unless(lambda name, width: width == {'mixture': 32}.get(name), product(CELLS, [16, 32])),
)
def test_equals_the_equations_for_narrow_vectors(name, width):
    check(name, 'float32' if width == 16 else 'float64', width, masked=True)


@pytest.mark.parametrize(
    ('name', 'all_steps', 'walk'),
    long_unless(
        lambda name, all_steps, walk: (
            (name, all_steps, bool(walk)) in [('projected', False, False), ('mixture', True, True)]
        ),
        product(CELLS, [False, True], [{}, {'reverse': True, 'masked': True}]),
    ),
)
def test_inference_gives_the_same_states(name, all_steps, walk):
    where = kernel.host_target('float32')
    n = form_of(name).n_states
    whole = (all_steps,) * (n - 1) + (False,)
    training = forward(name, where, rows=True, **walk)
    inference = forward(name, where, keep=False, whole=whole, rows=True, **walk)
    threads.set_threads(3)
    for t in (0, 1, 2, 7):
        case = problem(name, (t, 9, 35), 'float32', rows=True, masked='masked' in walk)
        args = list(case.arrays.values())
        with threads.smallest_part(1):
            kept, lean = training(*args)[:n], inference(*args)
        for k, (got, want) in enumerate(zip(lean, kept, strict=True)):
            if not whole[k] and t:
                want = want[:1] if 'reverse' in walk else want[-1:]
            elif not whole[k]:  # what was there before any step
                want = np.broadcast_to(case.arrays[f'initial{k}'], got.shape)
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize('name', long_unless(lambda name: name in ('normed', 'mixture'), CELLS))
def test_results_do_not_depend_on_threads(name):
    where = kernel.host_target('float64')
    case = problem(name, (9, 41, 33), 'float64')
    args, results = list(case.arrays.values()), []
    for n in (1, 2, 5, 64):
        threads.set_threads(n)
        with threads.smallest_part(1):
            outputs = forward(name, where)(*args)
            results.append(outputs + backward_of(name, where)(*args, *outputs, *case.d_states))
    for other in results[1:]:
        for got, want in zip(other, results[0], strict=True):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize('name', long_unless(lambda name: name == 'mixture', CELLS))
@pytest.mark.parametrize('sizes', [(0, 3, 5), (4, 0, 5), (0, 0, 1), (2, 3, 0)])
def test_no_steps_no_examples_or_no_units(name, sizes):
    where = kernel.host_target('float64')
    case = problem(name, sizes, 'float64')
    args = list(case.arrays.values())
    outputs = forward(name, where)(*args, allocate=guarded)
    gradients = backward_of(name, where)(*args, *outputs, *case.d_states, allocate=guarded)
    assert outputs[0].shape == case.d_states[0].shape
    inputs = [a for key, a in case.arrays.items() if key != 'direct']
    for gradient, a in zip(gradients, inputs, strict=True):
        assert gradient.shape == a.shape
        assert sizes[2] == 0 or not gradient.any()


@pytest.mark.parametrize(
    ('name', 'reverse', 'at_end'),
    long_unless(
        lambda name, reverse, at_end: name == 'mixture' and reverse == at_end,
        product(CELLS, [False, True], [False, True]),
    ),
)
def test_nothing_outside_the_arrays_is_touched(name, reverse, at_end):
    """Each array, and the work memory, lies next to memory that may not be touched."""
    where = kernel.host_target('float32')
    walk = dict(masked=True, reverse=reverse)
    ahead, back = forward(name, where, **walk), backward_of(name, where, **walk)

    place, allocate = placer(at_end)
    for sizes in [(3, 5, 21), (2, 1, 1), (2, 7, 65), (1, 40, 7)]:
        case = problem(name, sizes, 'float32', masked=True)
        states, slopes = expected(name, case, reverse)
        args = [place(a) for a in case.arrays.values()]
        for n in (1, 3):
            threads.set_threads(n)
            with threads.smallest_part(1):
                outputs = ahead(*args, allocate=allocate)
                d_states = [place(d) for d in case.d_states]
                gradients = back(*args, *outputs, *d_states, allocate=allocate)
        for got, want in zip(outputs, states, strict=False):
            assert_near(got, want, 'float32')
        assert_slopes(gradients, slopes, 'float32')  # NaN, which memory was full of, got nowhere


@pytest.mark.parametrize(
    ('name', 'width'),
    long_unless(
        lambda name, width: (name, width) in [('mixture', 16), ('normed', 64)],
        product(CELLS, [16, 32, 64]),
    ),
)
def test_a_row_or_two_read_the_weights_where_they_are(name, width):
    if not can_run(width):
        pytest.skip(f'this processor has no vectors of {width} bytes')
    where = target('float32', width)
    run = forward(name, where, keep=False)
    lanes = where.lanes  # panels have 8 vectors, 2, or one
    for (t, b), h in product([(1, 1), (1, 3), (3, 1)], [1, lanes + 1, 3 * lanes, 9 * lanes - 1]):
        case = problem(name, (t, b, h), 'float32')
        inputs = []
        for a in case.arrays.values():
            inputs.append(guarded(a.shape, a.dtype, at_end=True))
            inputs[-1][...] = a
        states, _ = expected(name, case)
        outputs = run(*inputs, allocate=guarded)
        errors = roundings(name, case, states)
        for got, want, error in zip(outputs, states, errors, strict=True):
            assert_near(got, want, 'float32', f'{name} {(t, b, h)}', error)


def test_inputs_need_not_be_contiguous():
    where = kernel.host_target('float64')
    case = problem('mixture', (5, 6, 17), 'float64')
    strange = []
    for a in case.arrays.values():
        wide = np.full([2 * n for n in a.shape], np.nan, a.dtype)
        view = wide[tuple(slice(None, None, -2) for _ in a.shape)]
        view[...] = a
        strange.append(view)
    outputs = forward('mixture', where)(*strange)
    d_states = [
        np.ascontiguousarray(d.transpose(2, 0, 1)).transpose(1, 2, 0) for d in case.d_states
    ]
    gradients = backward_of('mixture', where)(*strange, *outputs, *d_states)
    states, slopes = expected('mixture', case)
    for got, want in zip(outputs[:2], states, strict=True):
        assert_near(got, want, 'float64')
    assert_slopes(gradients, slopes, 'float64')


@pytest.mark.parametrize('wrong', range(12))
def test_shapes_that_do_not_fit_are_refused(wrong):
    case = problem('mixture', (4, 3, 5), 'float32', masked=True)
    args = list(case.arrays.values())
    args[wrong] = np.concatenate([args[wrong]] * 2, axis=-1)
    with pytest.raises(ShapeError, match='is not of shape'):
        forward('mixture', kernel.host_target('float32'), masked=True)(*args)


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_nan_and_infinity_propagate(bad):
    where = kernel.host_target('float64')
    case = problem('mixture', (4, 6, 20), 'float64')
    case.arrays['z'][1, 2, 0] = bad
    args = list(case.arrays.values())
    h, *_ = outputs = forward('mixture', where)(*args)
    others = [0, 1, 3, 4, 5]
    assert np.isfinite(h[0]).all()
    assert np.isfinite(h[:, others]).all()
    assert not np.isfinite(h[1:, 2]).all(-1).any()
    d_z, *_ = gradients = backward_of('mixture', where)(*args, *outputs, *case.d_states)
    assert np.isfinite(d_z[:, others]).all()
    assert not np.isfinite(gradients[1]).all()
