"""The kernels, forward and backward, against equations written out in NumPy."""

from itertools import product

import numpy as np
import pytest
from kernel_cases import (
    CELLS,
    assert_near,
    backward_of,
    can_run,
    expected,
    forward,
    guarded,
    placer,
    problem,
    target,
)
from long_forms import long_unless

from rnnkit.errors import ShapeError
from rnnkit.kernels.language import threads
from rnnkit.kernels.recurrent import trace
from rnnkit.kernels.runtime import kernel

# (T, B, I, H), threads: lengths of 1, tails of all widths, more than one panel, block and chunk,
# chunks of one and of several steps
SIZES = [
    ((7, 5, 3, 21), 1),
    ((1, 1, 1, 1), 1),
    ((3, 13, 4, 70), 3),
    ((4, 2, 40, 16), 2),
    ((3, 190, 6, 37), 2),
    ((11, 52, 4, 18), 2),
    ((2, 260, 2, 5), 3),
]


def check(name, dtype, width, rows=False, masked=False, given=None, **walk):
    """Compare states and all gradients with the reference, for all sizes."""
    where = target(dtype, width)
    if not can_run(width):
        pytest.skip(f'this processor has no vectors of {width} bytes')
    ahead = forward(name, where, rows=rows, masked=masked, **walk)
    back = backward_of(name, where, rows=rows, masked=masked, given=given, **walk)
    n_states = trace.form_of(CELLS[name][0]).n_states
    for sizes, n in SIZES:
        case = problem(name, sizes, dtype, rows=rows, masked=masked, given=given)
        threads.set_threads(n)
        with threads.smallest_part(1):
            outputs = ahead(*case.args)
            known = [d for d in case.d_states if d is not None]
            gradients = back(*case.args, *outputs, *known)
        states, wanted = expected(name, case, walk.get('reverse', False), walk.get('bptt_limit'))
        for k, (got, want) in enumerate(
            zip([*outputs[:n_states], *gradients], [*states, *wanted], strict=True)
        ):
            assert_near(got, want, dtype, f'{name} {sizes} output {k}')


@pytest.mark.parametrize(
    ('name', 'dtype'),
    long_unless(
        lambda name, dtype: dtype == 'float64' or name in ('lstm', 'gru', 'rnn-tanh', 'zoned gru'),
        product(CELLS, ['float32', 'float64']),
    ),
)
def test_equals_reference(name, dtype):
    check(name, dtype, kernel.host_target(dtype).width)


@pytest.mark.parametrize(
    'name', long_unless(lambda name: name in ('rnn-tanh', 'lstm', 'gru', 'zoned lstm'), CELLS)
)
def test_equals_reference_with_mask_and_one_row_state(name):
    last = [False] * (trace.form_of(CELLS[name][0]).n_states - 1) + [True]
    check(name, 'float64', 64, rows=True, masked=True, given=last)


@pytest.mark.parametrize(
    ('name', 'rows'),
    long_unless(
        lambda name, rows: rows == (name == 'leaky'),
        product(['rnn-tanh', 'gru', 'leaky'], [False, True]),
    ),
)
def test_equals_reference_from_the_end(name, rows):
    width = kernel.host_target('float64').width
    check(name, 'float64', width, rows=rows, masked=rows, reverse=True)


# Lengths are 1, 3, 4, 5 and 7: each step, a divisor, none, all, and more than there are.
@pytest.mark.parametrize(
    ('reverse', 'bptt_limit'),
    long_unless(
        lambda reverse, limit: limit == (2 if reverse else 3),
        product([False, True], [1, 2, 3, 4, 7, 9]),
    ),
)
def test_equals_reference_with_gradients_that_stop(bptt_limit, reverse):
    walk = dict(masked=bptt_limit in (1, 3, 7), reverse=reverse, bptt_limit=bptt_limit)
    check('lstm', 'float64', kernel.host_target('float64').width, **walk)


@pytest.mark.parametrize(
    ('name', 'width'),
    long_unless(
        lambda name, width: width == {'lstm': 16, 'gru': 32, 'zoned lstm': 32}.get(name),
        product(['rnn-relu', 'lstm', 'gru', 'leaky', 'zoned lstm'], [16, 32]),
    ),
)
def test_equals_reference_for_narrow_vectors(name, width):
    check(name, 'float32' if width == 16 else 'float64', width, masked=True)


@pytest.mark.parametrize('masked', [False, True])
def test_inference_gives_the_same_states(masked):
    where = kernel.host_target('float32')
    case = problem('lstm', (6, 9, 4, 35), 'float32', masked=masked)
    kept = forward('lstm', where, masked=masked)(*case.args)
    lean = forward('lstm', where, masked=masked, keep=False)(*case.args)
    assert len(kept) == 3
    assert len(lean) == 2
    for got, want in zip(lean, kept, strict=False):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize('walk', [{}, {'reverse': True, 'masked': True}], ids=str)
@pytest.mark.parametrize(
    ('name', 'whole'), [('lstm', (True, False)), ('lstm', (False, False)), ('gru', (False,))]
)
@pytest.mark.parametrize('rows', [False, True])
@pytest.mark.parametrize('t', [0, 1, 2, 7])
def test_states_of_the_last_step_alone(name, whole, walk, rows, t):
    where = kernel.host_target('float32')
    case = problem(name, (t, 9, 4, 35), 'float32', rows=rows, masked='masked' in walk)
    want = forward(name, where, keep=False, rows=rows, **walk)(*case.args)
    threads.set_threads(3)
    with threads.smallest_part(1):
        got = forward(name, where, keep=False, whole=whole, rows=rows, **walk)(*case.args)
    for all_steps, lean, full, first in zip(whole, got, want, case.first, strict=True):
        if not all_steps and t:
            full = full[:1] if 'reverse' in walk else full[-1:]
        elif not all_steps:  # what was there before any step
            full = np.broadcast_to(first, (1, 9, 35))
        np.testing.assert_array_equal(lean, full)


def test_without_gradient_by_the_input():
    where = kernel.host_target('float64')
    case = problem('gru', (4, 6, 5, 19), 'float64')
    outputs = forward('gru', where)(*case.args)
    all_of_them = backward_of('gru', where)(*case.args, *outputs, *case.d_states)
    without = backward_of('gru', where, want_x=False)(*case.args, *outputs, *case.d_states)
    assert len(without) == len(all_of_them) - 1
    for got, want in zip(without, all_of_them[1:], strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize('name', ['lstm', 'gru'])
def test_results_do_not_depend_on_threads(name):
    where = kernel.host_target('float32')
    case = problem(name, (9, 11, 6, 33), 'float32')
    results = []
    for n in (1, 2, 5, 11, 64):
        threads.set_threads(n)
        with threads.smallest_part(1):
            outputs = forward(name, where)(*case.args)
            results.append(outputs + backward_of(name, where)(*case.args, *outputs, *case.d_states))
    for other in results[1:]:
        for got, want in zip(other, results[0], strict=True):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize('walk', [{}, {'reverse': True, 'bptt_limit': 2}], ids=str)
@pytest.mark.parametrize('sizes', [(0, 3, 2, 5), (4, 0, 2, 5), (0, 0, 1, 1)])
def test_no_steps_or_no_examples(sizes, walk):
    where = kernel.host_target('float64')
    t, b, _, h = sizes
    case = problem('lstm', sizes, 'float64')
    outputs = forward('lstm', where, **walk)(*case.args)
    gradients = backward_of('lstm', where, **walk)(*case.args, *outputs, *case.d_states)
    assert outputs[0].shape == (t, b, h)
    assert gradients[0].shape == case.x.shape
    for gradient in gradients[1:]:
        assert not gradient.any()


@pytest.mark.parametrize('at_end', [True, False])
@pytest.mark.parametrize('sizes', [(3, 5, 3, 21), (2, 1, 1, 1), (2, 7, 70, 65), (1, 40, 2, 7)])
@pytest.mark.parametrize(
    ('name', 'reverse'), [('lstm', False), ('lstm', True), ('gru', False), ('leaky', True)]
)
def test_nothing_outside_the_arrays_is_touched(name, reverse, sizes, at_end):
    """Each array, and the work memory, lies next to memory that may not be touched."""
    where = kernel.host_target('float32')
    case = problem(name, sizes, 'float32', masked=True)

    place, allocate = placer(at_end)
    args = [place(a) for a in case.args]
    for n in (1, 3):
        threads.set_threads(n)
        with threads.smallest_part(1):
            ahead = forward(name, where, masked=True, reverse=reverse)
            outputs = ahead(*args, allocate=allocate)
            d_states = [place(d) for d in case.d_states]
            back = backward_of(name, where, masked=True, reverse=reverse)
            gradients = back(*args, *outputs, *d_states, allocate=allocate)
    states, wanted = expected(name, case, reverse)
    for got, want in zip(outputs, states, strict=False):
        assert_near(got, want, 'float32')
    for got, want in zip(gradients, wanted, strict=True):
        assert_near(got, want, 'float32')  # and NaN, which memory was full of, got nowhere


@pytest.mark.parametrize('width', [16, 32, 64])
@pytest.mark.parametrize(
    ('name', 'dtype'),
    long_unless(
        lambda name, dtype: dtype == 'float64' and name in ('lstm', 'gru', 'rnn-tanh'),
        product(CELLS, ['float32', 'float64']),
    ),
)
def test_a_row_or_two_read_the_weights_where_they_are(name, dtype, width):
    if not can_run(width):
        pytest.skip(f'this processor has no vectors of {width} bytes')
    where = target(dtype, width)
    masked = name == 'lstm'
    n_states = trace.form_of(CELLS[name][0]).n_states
    ahead = forward(name, where, keep=False, masked=masked)
    last = forward(name, where, keep=False, masked=masked, whole=(False,) * n_states)
    lanes = where.lanes  # panels have 8 or 4 vectors; 2 where there are fewer units
    for t, b in ((1, 1), (1, 3), (3, 1)):
        for n_i, h in ((1, 2 * lanes), (5, 3 * lanes + 1), (4, 9 * lanes - 1), (3, lanes + 1)):
            case = problem(name, (t, b, n_i, h), dtype, masked=masked)
            inputs = []
            for a in case.args:
                inputs.append(guarded(a.shape, a.dtype, at_end=True))
                inputs[-1][...] = a
            states = expected(name, case)[0]
            for run, steps in ((ahead, slice(None)), (last, slice(-1, None))):
                outputs = run(*inputs, allocate=guarded)
                for got, want in zip(outputs, states, strict=True):
                    assert_near(got, want[steps], dtype, f'{name} {(t, b, n_i, h)}')


def test_inputs_need_not_be_contiguous():
    where = kernel.host_target('float64')
    case = problem('gru', (5, 6, 4, 17), 'float64')
    strange = []
    for a in case.args:
        wide = np.full([2 * n for n in a.shape], np.nan, a.dtype)
        view = wide[tuple(slice(None, None, -2) for _ in a.shape)]
        view[...] = a
        strange.append(view)
    strange[1] = np.asfortranarray(case.args[1])
    outputs = forward('gru', where)(*strange)
    d_states = [
        np.ascontiguousarray(d.transpose(2, 0, 1)).transpose(1, 2, 0) for d in case.d_states
    ]
    gradients = backward_of('gru', where)(*strange, *outputs, *d_states)
    states, wanted = expected('gru', case)
    for got, want in zip([*outputs[:1], *gradients], [*states, *wanted], strict=True):
        assert_near(got, want, 'float64')


@pytest.mark.parametrize('wrong', range(6))
def test_shapes_that_do_not_fit_are_refused(wrong):
    case = problem('lstm', (4, 3, 2, 5), 'float32')
    args = list(case.args)
    args[wrong] = np.concatenate([args[wrong]] * 2, axis=-1)
    with pytest.raises(ShapeError, match='is not of shape'):
        forward('lstm', kernel.host_target('float32'))(*args)


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_nan_and_infinity_propagate(bad):
    where = kernel.host_target('float32')
    case = problem('rnn-relu', (4, 6, 3, 20), 'float32')
    case.x[1, 2, 0] = bad
    (h, *_) = outputs = forward('rnn-relu', where)(*case.args)
    assert np.isfinite(h[0]).all()
    assert np.isfinite(h[:, [0, 1, 3, 4, 5]]).all()
    assert not np.isfinite(h[1, 2]).all()
    assert not np.isfinite(h[2:, 2]).all()
    (d_x, *others) = backward_of('rnn-relu', where)(*case.args, *outputs, *case.d_states)
    assert np.isfinite(d_x[:, [0, 1, 3, 4, 5]]).all()
    assert not np.isfinite(others[1]).all()  # the gradient of xh


def test_held_steps_keep_the_state_even_if_the_input_is_nan():
    where = kernel.host_target('float64')
    case = problem('lstm', (5, 3, 2, 9), 'float64', masked=True)
    case.mask[2:, 1] = False
    case.args[-1][...] = case.mask
    case.x[2:, 1] = np.nan
    outputs = forward('lstm', where, masked=True)(*case.args)
    for state in outputs[:2]:
        np.testing.assert_array_equal(state[2:, 1], [state[1, 1]] * 3)
        assert np.isfinite(state).all()


def test_numbers_that_decay_to_nothing_become_0():
    """Denormal numbers would take a hundred times as long; they count as 0."""
    ahead = forward('rnn-linear', kernel.host_target('float32'))
    case = problem('rnn-linear', (200, 16, 4, 64), 'float32')
    for a in case.args:
        a[...] = 0
    case.args[1][...] = np.eye(64) * 1e-3  # state after t steps: 1e-3 ** t
    case.args[4][...] = 1
    (h, *_) = ahead(*case.args)
    assert h[0].all()
    assert not h[20:].any()
    assert not (np.abs(h[h != 0]) < np.finfo('float32').tiny).any()
