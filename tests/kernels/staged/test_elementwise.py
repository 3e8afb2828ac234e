"""The loops without a product, forward and backward, against equations in NumPy and float64."""

from itertools import product

import numpy as np
import pytest
from elementwise_cases import CASES, Reference, backward_of, form_of, forward, problem
from kernel_cases import assert_near, can_run, placer, target
from long_forms import long_unless

from rnnkit.errors import ShapeError
from rnnkit.kernels.language import threads
from rnnkit.kernels.runtime import kernel

# (T, B, H) and threads: lengths of 1 and 0, tails of all widths, several vectors, threads that cut
# an example in two, more steps than are done at once, groups of several examples
SIZES = [
    ((7, 5, 21), 1),
    ((1, 1, 1), 1),
    ((70, 1, 40), 2),
    ((3, 190, 5), 3),
    ((5, 3, 70), 2),
]
HOST = {dtype: kernel.host_target(dtype) for dtype in ('float32', 'float64')}


def run(ahead, back, case, n_threads=1, **options):
    """Return states and gradients; residuals stay between the two."""
    threads.set_threads(n_threads)
    with threads.smallest_part(1):
        outputs = ahead(*case.args, **options)
        known = [d for d in case.d_states if d is not None]
        gradients = back(*case.args, *outputs, *known, **options)
    return outputs[: len(case.first)], gradients


def compare(name, case, states, gradients, dtype, reverse=False, bptt_limit=None, **_):
    want = Reference(name, case, reverse, bptt_limit)
    pairs = zip([*states, *gradients], [*want.states, *want.gradients], strict=True)
    for k, (got, expected) in enumerate(pairs):
        assert_near(got, expected, dtype, f'{name} {case.z.shape} output {k}')


def check(name, dtype, width, given=None, sizes=SIZES, **walk):
    """Compare states and all gradients with the reference, for all sizes."""
    if not can_run(width):
        pytest.skip(f'this processor has no vectors of {width} bytes')
    ahead = forward(name, target(dtype, width), **walk)
    back = backward_of(name, target(dtype, width), given=given, **walk)
    arrays = {key: value for key, value in walk.items() if key in ('rows', 'masked')}
    for size, n in sizes:
        case = problem(name, size, dtype, given=given, **arrays)
        compare(name, case, *run(ahead, back, case, n), dtype, **walk)


@pytest.mark.parametrize(
    ('name', 'dtype'),
    long_unless(
        lambda name, dtype: dtype == 'float64' or name in ('mingru', 'several'),
        product(CASES, ['float32', 'float64']),
    ),
)
def test_equals_reference(name, dtype):
    check(name, dtype, HOST[dtype].width)


@pytest.mark.parametrize(
    ('name', 'reverse', 'bptt_limit'),
    long_unless(
        lambda name, reverse, limit: (
            (name, reverse, limit)
            in [('sru', True, 3), ('several', False, None), ('mingru kept', True, None)]
        ),
        product(CASES, [False, True], [None, 1, 3, 70, 99]),
    ),
)
def test_equals_reference_for_all_walks(name, reverse, bptt_limit):
    n = form_of(name).n_states
    walk = dict(masked=True, rows=True, reverse=reverse, bptt_limit=bptt_limit)
    check(name, 'float64', HOST['float64'].width, (False,) * (n - 1) + (True,), **walk)


@pytest.mark.parametrize(
    ('name', 'dtype', 'width'),
    long_unless(
        lambda name, dtype, width: (
            (name, dtype, width)
            in [('sru', 'float32', 16), ('several', 'float64', 32), ('indrnn', 'float32', 64)]
        ),
        product(CASES, ['float32', 'float64'], [16, 32, 64]),
    ),
)
def test_equals_reference_for_all_widths(name, dtype, width):
    check(name, dtype, width, masked=True)


@pytest.mark.parametrize('sizes', [(0, 3, 5), (4, 0, 5), (3, 2, 0), (0, 0, 1), (1, 1, 1)], ids=str)
@pytest.mark.parametrize('rows', [False, True])
def test_no_steps_examples_or_units(sizes, rows):
    where = HOST['float64']
    ahead, back = (make('several', where, rows=rows) for make in (forward, backward_of))
    case = problem('several', sizes, 'float64', rows=rows)
    compare('several', case, *run(ahead, back, case, 3), 'float64')


@pytest.mark.parametrize('name', ['indrnn tanh', 'several'])
def test_results_do_not_depend_on_threads(name):
    # 190 examples share sums in groups; 3 vectors of one example are cut between threads.
    for sizes in [(9, 190, 5), (70, 1, 40)]:
        case = problem(name, sizes, 'float32')
        ahead, back = forward(name, HOST['float32']), backward_of(name, HOST['float32'])
        first, *others = [run(ahead, back, case, n) for n in (1, 2, 5, 64)]
        for other in others:
            for got, want in zip([*other[0], *other[1]], [*first[0], *first[1]], strict=True):
                np.testing.assert_array_equal(got, want)


def test_sums_over_many_steps_lose_no_digits():
    where, steps = HOST['float32'], 100_000
    case = problem('indrnn', (steps, 1, 3), 'float32')
    case.z[...] = 1  # so that all terms have one sign, and a plain sum stops growing
    case.vectors['u'][...] = 0.1
    case.d_states[0][...] = 1
    _, (_, d_u, _) = run(forward('indrnn', where), backward_of('indrnn', where), case)
    exact = problem('indrnn', (steps, 1, 3), 'float64')
    for name in ('z', 'first', 'd_states'):
        for to, source in zip(getattr(exact, name), getattr(case, name), strict=True):
            to[...] = source
    exact.vectors['u'][...] = case.vectors['u']
    wide = HOST['float64']
    _, (_, want, _) = run(forward('indrnn', wide), backward_of('indrnn', wide), exact)
    np.testing.assert_allclose(d_u, want, rtol=1e-6)  # 8 units of float32's last place


@pytest.mark.parametrize('at_end', [True, False])
@pytest.mark.parametrize('sizes', [(3, 5, 21), (2, 1, 1), (2, 7, 65), (1, 40, 7)], ids=str)
@pytest.mark.parametrize('name', ['mingru kept', 'several'])
def test_nothing_outside_the_arrays_is_touched(name, sizes, at_end):
    """Each array, and the work memory, lies next to memory that may not be touched."""
    case = problem(name, sizes, 'float32', masked=True, rows=True)

    place, allocate = placer(at_end)
    walk = dict(rows=True, masked=True)
    placed = case._replace(
        args=[place(a) for a in case.args], d_states=[place(d) for d in case.d_states]
    )
    ahead, back = (make(name, HOST['float32'], **walk) for make in (forward, backward_of))
    for n in (1, 3):  # NaN, which memory was full of, gets nowhere
        compare(name, case, *run(ahead, back, placed, n, allocate=allocate), 'float32')


@pytest.mark.parametrize('walk', [{}, {'reverse': True, 'masked': True}], ids=str)
@pytest.mark.parametrize(
    ('name', 'whole'), [('sru', (True, False)), ('sru', (False, False)), ('mingru', (False,))]
)
@pytest.mark.parametrize('rows', [False, True])
def test_states_of_the_last_step_alone(name, whole, walk, rows):
    where = HOST['float32']
    all_steps = forward(name, where, keep=False, rows=rows, **walk)
    lean = forward(name, where, keep=False, whole=whole, rows=rows, **walk)
    threads.set_threads(3)
    for t in (0, 1, 2, 70):
        case = problem(name, (t, 9, 35), 'float32', rows=rows, masked='masked' in walk)
        want = all_steps(*case.args)
        with threads.smallest_part(1):
            got = lean(*case.args)
        for is_whole, found, full, first in zip(whole, got, want, case.first, strict=True):
            if not is_whole and t:
                full = full[:1] if 'reverse' in walk else full[-1:]
            elif not is_whole:  # what was there before any step
                full = np.broadcast_to(first, (1, 9, 35))
            np.testing.assert_array_equal(found, full)


def test_inference_gives_the_same_states_and_keeps_nothing():
    case = problem('mingru kept', (6, 9, 35), 'float32')
    state, gate = forward('mingru kept', HOST['float32'])(*case.args)
    (lean,) = forward('mingru kept', HOST['float32'], keep=False)(*case.args)
    assert gate.shape == (6, 9, 35)
    np.testing.assert_array_equal(lean, state)


def test_padding_may_hold_nan():
    case = problem('several', (5, 3, 9), 'float64', masked=True)
    case.mask[2:, 1] = 0
    case.z[2:, 1] = case.direct[2:, 1] = np.nan
    where = HOST['float64']
    ahead, back = (make('several', where, masked=True) for make in (forward, backward_of))
    states, gradients = run(ahead, back, case)
    for state in states:
        np.testing.assert_array_equal(state[2:, 1], [state[1, 1]] * 3)
    assert not gradients[0][2:, 1].any()
    for array in [*states, *gradients]:
        assert np.isfinite(array).all()


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_nan_and_infinity_stay_in_their_unit(bad):
    case = problem('lru', (4, 3, 20), 'float32')
    case.z[1, 2, 5] = bad
    ahead, back = forward('lru', HOST['float32']), backward_of('lru', HOST['float32'])
    states, gradients = run(ahead, back, case)
    assert not np.isfinite(states[0][1:, 2, 5]).any()
    assert not np.isfinite(gradients[1][5])  # by nu
    for array in [*states, *gradients]:
        own = (..., slice(5, None, 20))
        array[own] = 0
        assert np.isfinite(array).all()


def test_numbers_that_decay_to_nothing_become_0():
    """Denormal numbers would take a hundred times as long; they count as 0."""
    case = problem('indrnn', (200, 2, 20), 'float32')
    case.z[...], case.vectors['u'][...], case.first[0][...] = 0, 1e-3, 1
    (h,) = forward('indrnn', HOST['float32'])(*case.args)
    assert h[0].all()
    assert not h[20:].any()
    assert not (np.abs(h[h != 0]) < np.finfo('float32').tiny).any()


def test_inputs_need_not_be_contiguous():
    case = problem('several', (5, 6, 17), 'float64')
    strange = []
    for a in case.args:
        wide = np.full([2 * n for n in a.shape], np.nan, a.dtype)
        view = wide[tuple(slice(None, None, -2) for _ in a.shape)]
        view[...] = a
        strange.append(view)
    ahead, back = (make('several', HOST['float64']) for make in (forward, backward_of))
    compare('several', case, *run(ahead, back, case._replace(args=strange)), 'float64')


@pytest.mark.parametrize('wrong', range(5))
def test_shapes_that_do_not_fit_are_refused(wrong):
    args = problem('several', (4, 3, 5), 'float32').args
    args[wrong] = np.concatenate([args[wrong]] * 2, axis=-1)
    with pytest.raises(ShapeError, match='is not of shape'):
        forward('several', HOST['float32'])(*args)
