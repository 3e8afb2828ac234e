"""Second derivatives of recurrent layers: against differences of the gradient, and by the scan."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from kernel_cases import CELLS, assert_near, can_run, expected, forward, problem, target
from long_forms import long_unless

from rnnkit.kernels.language import threads
from rnnkit.kernels.recurrent import trace
from rnnkit.kernels.recurrent.curvature_arrays import Loops
from rnnkit.kernels.recurrent.curvature_kernel import CurvatureKernel
from rnnkit.kernels.recurrent.walk import Walk
from rnnkit.kernels.runtime import kernel
from rnnkit.unroll import unroll

SIZES = (5, 3, 2, 4)  # T, B, I, H
STEP = 1e-5  # of differences


def names_of(name):
    """Return the names of all inputs by which there are gradients, in the Op's order."""
    form = trace.form_of(CELLS[name][0])
    return ['x', form.recurrent, 'xh', *form.vectors, *(f'first{k}' for k in range(form.n_states))]


def arrays_of(name, case):
    keys = names_of(name)[: len(case.p) + 1]
    return [case.x, *(case.p[key] for key in keys[1:]), *case.first]


def with_arrays(name, case, arrays):
    """Return the problem with other values of its inputs."""
    keys, n = names_of(name)[1 : len(case.p) + 1], len(case.p) + 1
    return case._replace(x=arrays[0], p=dict(zip(keys, arrays[1:n], strict=True)), first=arrays[n:])


def direction_of(name, case, moved, seed=1):
    """Return arrays like the inputs, 0 for those that do not move."""
    rng = np.random.default_rng(seed)
    chosen = moved or names_of(name)
    return [
        rng.standard_normal(a.shape) * (key in chosen)
        for key, a in zip(names_of(name), arrays_of(name, case), strict=True)
    ]


def differences(name, case, direction, reverse=False):
    """Return the changes of all states and gradients along a direction, by differences."""
    ends = []
    for sign in (1, -1):
        moved = [a + sign * STEP * v for a, v in zip(arrays_of(name, case), direction, strict=True)]
        states, gradients = expected(name, with_arrays(name, case, moved), reverse)
        ends.append([*states, *gradients])
    return [(a - b) / (2 * STEP) for a, b in zip(*ends, strict=True)]


def _free(shape):
    """Return a shape in which the lengths of batches are not known."""
    return (*(1 if n == 1 else None for n in shape[:-1]), shape[-1])


def graph(name, case, moved, fused=True, **walk):
    """Return inputs, and the derivatives of a sum over gradients, in the order of `differences`."""
    cell, _ = CELLS[name]
    names, dtype = names_of(name), case.x.dtype.name
    wrt = [
        pt.tensor(key, dtype=dtype, shape=a.shape if key in case.p else _free(a.shape))
        for key, a in zip(names, arrays_of(name, case), strict=True)
    ]
    n = len(case.p) + 1
    mask = None if case.mask is None else pt.matrix('mask', dtype='bool')
    states = unroll(
        cell,
        wrt[0],
        dict(zip(names[1:n], wrt[1:n], strict=True)),
        SIZES[3],
        cell.state(*wrt[n:]),
        mask,
        kernel=fused,
        **walk,
    )
    given = [None if d is None else pt.tensor3(dtype=dtype) for d in case.d_states]
    loss = sum((s * d).sum() for s, d in zip(states, given, strict=True) if d is not None)
    gradients = dict(zip(names, pt.grad(loss, wrt), strict=True))
    direction = [v.type() for v in wrt]
    pairs = dict(zip(names, direction, strict=True))
    total = sum((gradients[key] * pairs[key]).sum() for key in moved or names)
    given = [d for d in given if d is not None]
    outputs = pt.grad(total, [*given, *wrt], disconnected_inputs='ignore')
    return [*wrt, *given, *direction, *([] if mask is None else [mask])], outputs


def data_of(name, case, direction):
    given = [d for d in case.d_states if d is not None]
    masks = [] if case.mask is None else [case.mask]
    dtype = case.x.dtype
    return [*arrays_of(name, case), *given, *(v.astype(dtype) for v in direction), *masks]


def compiled(inputs, outputs):
    return pytensor.function(inputs, outputs, mode='FAST_COMPILE', on_unused_input='ignore')


def wanted(name, case, direction, reverse=False):
    """Return the differences, without those of states for which no gradient is given."""
    found = differences(name, case, direction, reverse)
    n = len(case.d_states)
    chosen = [s for s, d in zip(found[:n], case.d_states, strict=True) if d is not None]
    return [*chosen, *found[n:]]


def check(name, moved=None, rows=False, masked=False, given=None, **walk):
    case = problem(name, SIZES, 'float64', rows=rows, masked=masked, given=given)
    direction = direction_of(name, case, moved)
    inputs, outputs = graph(name, case, moved, **walk)
    got = compiled(inputs, outputs)(*data_of(name, case, direction))
    for k, (a, b) in enumerate(zip(got, wanted(name, case, direction, **walk), strict=True)):
        # Differences over 2e-5 have an error of about 1e-10 by rounding and by their length.
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7, err_msg=f'{name}, output {k}')
    return inputs, outputs, got, data_of(name, case, direction)


@pytest.mark.parametrize('name', CELLS)
def test_equals_differences_of_the_gradient(name):
    check(name)


@pytest.mark.parametrize('reverse', [False, True])
@pytest.mark.parametrize('name', ['lstm', 'gru', 'leaky'])
def test_equals_differences_with_mask_and_one_row_states(name, reverse):
    last = [False] * (trace.form_of(CELLS[name][0]).n_states - 1) + [True]
    check(name, rows=True, masked=True, given=last, reverse=reverse)


@pytest.mark.parametrize(
    ('name', 'moved'),
    [('lstm', ['x']), ('gru', ['hh']), ('peephole', ['b', 'co']), ('lstm', ['first1'])],
)
def test_in_a_direction_of_some_inputs(name, moved):
    check(name, moved)


# What is carried over a stop counts as a constant, as in the scan; differences would move it.
@pytest.mark.parametrize(('reverse', 'limit'), [(False, 2), (True, 3), (False, 1)])
@pytest.mark.parametrize('name', ['lstm', 'gru'])
def test_equals_the_scan_where_gradients_stop(name, reverse, limit):
    walk = dict(reverse=reverse, bptt_limit=limit)
    case = problem(name, SIZES, 'float64', masked=True)
    data = data_of(name, case, direction_of(name, case, None))
    results = [compiled(*graph(name, case, None, k, **walk))(*data) for k in (True, False)]
    for k, (got, want) in enumerate(zip(*results, strict=True)):
        assert_near(got, want, 'float64', f'{name}, output {k}')


# --- the kernel

# lengths of 1, tails of all widths, more than one panel and block of rows; threads
LENGTHS = [((4, 5, 3, 21), 1), ((1, 1, 1, 1), 1), ((3, 13, 40, 70), 3)]


def check_kernel(name, where, moved=None, rows=False, masked=False, given=None, **walk):
    """Compare the kernel with NumPy, for all lengths."""
    if not can_run(where.width):
        pytest.skip(f'this processor has no vectors of {where.width} bytes')
    form, dtype = trace.form_of(CELLS[name][0]), f'f{where.size}'
    walk = Walk((rows,) * form.n_states, masked, **walk)
    given = given or [True] * form.n_states
    wrt = ['x', form.recurrent, 'xh', *form.vectors, *(f'initial{k}' for k in range(form.n_states))]
    moved = [n for n in wrt if n in (moved or wrt)]
    states = [f'd_new{k}' for k in range(form.n_states) if given[k]]
    results = [*states, *(f'c_{n}' for n in wrt)]
    writer = CurvatureKernel(form, where, walk, given, moved, results)
    function = kernel.build('test_curvature', writer, repr((where, writer.description)))
    for sizes, n in LENGTHS:
        case = problem(name, sizes, dtype, rows=rows, masked=masked, given=given)
        rng = np.random.default_rng(1)
        ahead = forward(name, where, rows=rows, keep=False, masked=masked, **_loop(walk))(
            *case.args
        )
        outer = [d for d in case.d_states if d is not None]
        shapes = dict(zip(wrt, (a.shape for a in case.args), strict=False))
        directions = [rng.standard_normal(shapes[n]).astype(dtype) for n in moved]
        arrays = [*case.args, *ahead, *outer, *directions]
        threads.set_threads(n)
        with threads.smallest_part(1):
            got = function(*arrays)
        named = dict(zip([a.name for a in writer.frame.inputs], arrays, strict=True))
        exact = {key: a.astype('float64') for key, a in named.items()}
        found = Loops(form, walk, exact).run()
        for result, array in zip(results, got, strict=True):
            assert_near(array, found[result], dtype, f'{name} {sizes} {result}')


def _loop(walk):
    return dict(reverse=walk.reverse, bptt_limit=walk.bptt_limit)


@pytest.fixture
def same_threads():
    before = threads.get_threads()
    yield
    threads.set_threads(before)


@pytest.mark.usefixtures('same_threads')
@pytest.mark.parametrize('name', long_unless(lambda name: name in ('lstm', 'gru', 'leaky'), CELLS))
def test_kernel_equals_numpy(name):
    check_kernel(name, kernel.host_target('float64'))


@pytest.mark.usefixtures('same_threads')
@pytest.mark.parametrize(
    ('name', 'dtype', 'width'),
    [('lstm', 'float32', 64), ('gru', 'float32', 32), ('leaky', 'float64', 16)],
)
def test_kernel_equals_numpy_with_mask_and_one_row_states(name, dtype, width):
    last = [False] * (trace.form_of(CELLS[name][0]).n_states - 1) + [True]
    options = dict(rows=True, masked=True, given=last, reverse=name == 'gru', bptt_limit=2)
    check_kernel(name, target(dtype, width), ['x', 'b', 'initial0'], **options)
