"""Targets of weight 0 are selected away: they may be anything, in values and in gradients."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from long_forms import long_unless
from numba_functions import compiled, plain

from rnnkit import losses
from rnnkit.losses import accuracy

T, B, O = 3, 4, 2  # noqa: E741 - the letter of the shape alphabet
NUMBERS = ['mse', 'mae', 'huber', 'quantile', 'poisson', 'bce', 'kl', 'gll', 'mmd', 'student']
LABELS = ['xe', 'hinge']
BAD = [np.nan, np.inf, 3e38, 2e19]


def case(form, bad, rng, dtype):
    """Return the loss, arrays of outputs, target and weights; of weight 0 is every `bad`."""
    labels = form in LABELS
    w = rng.random((T, B) if labels else (T, B, O)).astype(dtype)
    w[1, 2] = 0  # a whole row, since some losses compare rows
    n = losses.build(form).n_parts
    outputs = [rng.random((T, B, n * O)).astype(dtype) for _ in range(1 + (form == 'gll'))]
    target = rng.integers(0, O, (T, B)) if labels else rng.random((T, B, O)).astype(dtype)
    if form == 'kl':
        target /= target.sum(-1, keepdims=True)
    if form not in ('kl', 'mmd', *LABELS):
        w[2, 0, 1] = 0
    clean = [*[o.copy() for o in outputs], target.copy(), w]
    for array in (*outputs, target):
        w_of = w if array is target else np.concatenate([w] * n, axis=-1) if n > 1 else w
        array[w_of == 0] = (-1 if bad == 2e19 else 100) if array is target and labels else bad
    return losses.build(form), clean, [*outputs, target, w]


def functions(loss, dtype, labels):
    shape = (None, None, O)
    whole = (None, None, loss.n_parts * O)
    o = [pt.tensor(f'o{k}', dtype=dtype, shape=whole) for k in range(len(loss.outputs))]
    kind, ndim = ('int64', 2) if labels else (dtype, 3)
    t = pt.tensor('t', dtype=kind, shape=shape[:ndim])
    w = pt.tensor('w', dtype=dtype, shape=shape[:ndim])
    mean, total = loss.mean(o[0] if len(o) == 1 else tuple(o), t, w)
    extra = [accuracy(o[0], t, w)] if labels else []
    return [*o, t, w], [mean, total, *extra, *pytensor.grad(mean, o)]


KERNELS = ['mse', 'mae', 'huber', 'quantile', 'poisson', 'bce', 'xe', 'student']
CASES = [*((form, plain) for form in [*NUMBERS, *LABELS]), *((form, compiled) for form in KERNELS)]


@pytest.mark.parametrize('dtype', long_unless(lambda d: d == 'float32', ['float32', 'float64']))
@pytest.mark.parametrize(
    ('form', 'make'),
    # Kernels of losses of numbers differ in their formula alone.
    long_unless(lambda form, make: make is plain or form in ('mse', 'xe'), CASES),
)
def test_what_has_no_weight_leaves_no_trace(form, make, dtype, rng):
    function = None
    for bad in BAD:
        loss, clean, dirty = case(form, bad, rng, dtype)
        if function is None:
            function = make(*functions(loss, dtype, form in LABELS))
            function = function[0] if make is compiled else function
        wanted, found = function(*clean), function(*dirty)
        for a, b in zip(found, wanted, strict=True):
            assert np.isfinite(b).all()
            np.testing.assert_array_equal(a, b, err_msg=f'{form}, {bad}')
        gradient, w = found[-1], clean[-1]
        assert (gradient[1, 2] == 0).all()
        assert gradient[..., : w.shape[-1] if w.ndim == 3 else None][w > 0].any()


def test_a_loss_of_a_user_is_selected_too(rng):
    class Cubic(losses.Loss):
        def errors(self, output, target):
            return abs(output - target) ** 3

    o, t, w = (pt.dmatrix(n) for n in 'otw')
    mean, total = Cubic().mean(o, t, w)
    arrays = [rng.random((3, 2)) for _ in range(3)]
    arrays[2][1, 1] = 0
    right = (arrays[2] * abs(arrays[0] - arrays[1]) ** 3).sum() / arrays[2].sum()
    slope = 3 * np.sign(arrays[0] - arrays[1]) * (arrays[0] - arrays[1]) ** 2
    slope *= arrays[2] / arrays[2].sum()
    arrays[0][1, 1], arrays[1][1, 1] = np.inf, np.nan
    found = plain([o, t, w], [mean, total, pytensor.grad(mean, o)])(*arrays)
    np.testing.assert_allclose(found[0], right, rtol=1e-14)
    np.testing.assert_allclose(found[1], arrays[2].sum(), rtol=1e-14)
    np.testing.assert_allclose(found[2], slope, rtol=1e-13)
