"""No kernel of a training step reads or writes beside its arrays: forbidden memory is there."""

import ctypes

import numpy as np
import pytest
from kernel_cases import assert_near, can_run, placer
from step_cases import STEP_KERNELS, UpdateKernel, step_case

from rnnkit.kernels.language import threads

WIDTHS = [('float32', 64), ('float32', 16), ('float64', 32)]
SIZES = [(1, 1, 1), (5, 3, 1), (3, 1, 21), (37, 19, 70)]


@pytest.mark.parametrize('at_end', [True, False])
@pytest.mark.parametrize(('dtype', 'width'), WIDTHS)
@pytest.mark.parametrize('name', STEP_KERNELS)
def test_nothing_outside_the_arrays_is_touched(name, dtype, width, at_end, rng):
    if not can_run(width):
        pytest.skip(f'this processor has no vectors of {width} bytes')
    place, allocate = placer(at_end)
    for sizes in SIZES:
        case = step_case(name, dtype, width, sizes, rng)
        arrays = [place(a) for a in case.arrays]
        kept = [a.copy() for a in arrays]
        for n in (1, 3):
            threads.set_threads(n)
            with threads.smallest_part(1):
                found = case.run(*arrays, allocate=allocate)
            for got, want in zip(found, case.wanted, strict=True):
                # NaN, which the memory was full of, got nowhere.
                assert_near(got, np.asarray(want), dtype, f'{name} {sizes}')
        for a, b in zip(arrays, kept, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize('name', STEP_KERNELS)
def test_nothing_outside_is_touched_when_inputs_are_gathered(name, rng):
    place, allocate = placer(at_end=True)
    case = step_case(name, 'float32', 16, (7, 5, 19), rng)
    # Reversed rows of every other column: each end is at the border, one after the other.
    strange = []
    for a in case.arrays:
        wide = place(np.zeros([2 * n - 1 for n in a.shape], a.dtype))
        view = wide[tuple(slice(None, None, -2) for _ in a.shape)]
        view[...] = a
        strange.append(view)
    for got, want in zip(case.run(*strange, allocate=allocate), case.wanted, strict=True):
        assert_near(got, np.asarray(want), 'float32', name)


SHAPES = [(3, 5), (1,), (2, 3, 7), (), (67,)]


@pytest.mark.parametrize('at_end', [True, False])
@pytest.mark.parametrize(('dtype', 'width'), WIDTHS)
@pytest.mark.parametrize('algorithm', ['sgd', 'rmsprop', 'adam'])
def test_update_touches_its_arrays_alone(algorithm, dtype, width, at_end, rng):
    if not can_run(width):
        pytest.skip(f'this processor has no vectors of {width} bytes')
    place, _ = placer(at_end)
    kernel = UpdateKernel(algorithm, dtype, width)
    options = kernel.algorithm.options

    def number(value):
        return place(np.asarray(value, dtype))

    scalars = {'loss': 1.0, 'norm': np.nan, 'count': 0.0, 'max_elem': 1e9, 'max_norm': 1e9}
    scalars = {name: number(value) for name, value in scalars.items()}
    total = sum(int(np.prod(s)) for s in SHAPES)
    slots = [place(np.zeros(total, dtype)) for _ in range(kernel.n_slots)]
    gradients, params = (
        [place(rng.standard_normal(s).astype(dtype)) for s in SHAPES] for _ in range(2)
    )
    gradients[2] = gradients[2][::-1, :, ::-1]  # not in order
    before = [np.array(p, 'float64') for p in params]
    hyper = list(map(number, options.values()))  # the table has just their addresses
    table = place(kernel.table(scalars, hyper, slots, gradients, params))
    ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(kernel.run)(table.ctypes.data)
    flat = np.concatenate([g.ravel().astype('float64') for g in gradients])
    delta, new = kernel.algorithm.step(flat, (0.0,) * kernel.n_slots, 1, **options)
    wanted = np.concatenate([p.ravel() for p in before]) - delta
    found = np.concatenate([p.ravel() for p in params])
    # A gradient is divided by its own size, and may be rounded before that.
    np.testing.assert_allclose(found, wanted, rtol=1e-5 if dtype == 'float32' else 1e-12)
    for got, want in zip(slots, new, strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-5 if dtype == 'float32' else 1e-12)
    assert scalars['count'] == 1
    np.testing.assert_allclose(scalars['norm'], np.sqrt((flat**2).sum()), rtol=1e-6)
