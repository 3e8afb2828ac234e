"""Dense layers by kernel: against NumPy in float64, and against the plain graph."""

from itertools import product

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from long_forms import long_unless
from numba_functions import assert_same, compiled, plain, tolerance
from pytensor.graph.traversal import ancestors

from rnnkit import kernels
from rnnkit.kernels.dense.backward import Backward
from rnnkit.kernels.dense.forward import Forward
from rnnkit.kernels.dense.op import Affine, AffineGradient
from rnnkit.kernels.language import threads
from rnnkit.kernels.language.vector import Target
from rnnkit.kernels.runtime import kernel
from rnnkit.kernels.runtime.fused_op import FusedOp

SIZES = [
    (1, 1, 1),
    (3, 1, 5),
    (20, 10, 1),
    (6, 40, 1),
    (7, 1, 33),
    (9, 33, 65),
    (600, 7, 130),
    (257, 70, 17),
]
WIDTHS = {16: 16, 32: 16, 64: 32}  # bytes of a vector: registers


def kernel_of(kind, writer):
    return kernel.build(kind, writer, repr((writer.description, writer.target)))


@pytest.mark.parametrize('n_threads', [1, 2, 3])
@pytest.mark.parametrize(
    ('dtype', 'width'),
    long_unless(
        lambda dtype, width: width != 16 if dtype == 'float32' else width == 16,
        product(['float32', 'float64'], WIDTHS),
    ),
)
def test_against_numpy(dtype, width, n_threads, rng):
    target = Target(np.dtype(dtype).itemsize * 8, width, WIDTHS[width])
    forward = kernel_of('dense', Forward(target, 2))
    backward = kernel_of('dense_backward', Backward(target, 2, want_x=True))
    lean = kernel_of('dense_backward', Backward(target, 2, want_x=False))
    before = threads.get_threads()
    threads.set_threads(n_threads)
    try:
        with threads.smallest_part(1):
            for n, i, o in SIZES:
                shapes = [(n, i), (i, o), (o,), (n, o)]
                exact = [rng.standard_normal(s).astype(dtype).astype('float64') for s in shapes]
                x, w, b, dz = (a.astype(dtype) for a in exact)
                found = [*forward(x, w, b), *backward(x, w, dz), *lean(x, w, dz)]
                x, w, b, dz = exact
                grads = [x.T @ dz, dz.sum(0)]
                assert_same(found, [x @ w + b, dz @ w.T, *grads, *grads], dtype, (n, i, o))
    finally:
        threads.set_threads(before)


@pytest.mark.parametrize(('dtype', 'n_x'), [('float32', 2), ('float64', 3)])
def test_several_inputs_side_by_side(dtype, n_x, rng):
    target = kernel.host_target(dtype)
    forward = kernel_of('dense', Forward(target, 2, n_x))
    backward = kernel_of('dense_backward', Backward(target, 2, True, n_x))
    lean = kernel_of('dense_backward', Backward(target, 2, False, n_x))
    before = threads.get_threads()
    try:
        with threads.smallest_part(1):
            for k, (n, i, o) in enumerate(SIZES):
                threads.set_threads(1 + k % 3)
                shapes = [(n, n_x * i), (n_x * i, o), (o,), (n, o)]
                x, w, b, dz = (rng.standard_normal(s).astype(dtype) for s in shapes)
                xs = np.split(x, n_x, axis=1)
                found = [*forward(*xs, w, b), *backward(*xs, w, dz), *lean(*xs, w, dz)]
                x, w, b, dz = (a.astype('float64') for a in (x, w, b, dz))
                grads = [x.T @ dz, dz.sum(0)]
                right = [x @ w + b, *np.split(dz @ w.T, n_x, axis=1), *grads, *grads]
                assert_same(found, right, dtype, (n, i, o))
    finally:
        threads.set_threads(before)


def test_sums_do_not_depend_on_threads(rng):
    writer = Backward(kernel.host_target('float32'), 2, want_x=True)
    backward = kernel_of('dense_backward', writer)
    arrays = [rng.standard_normal(s).astype('float32') for s in [(500, 40), (40, 70), (500, 70)]]
    before, results = threads.get_threads(), []
    try:
        with threads.smallest_part(1):
            for n in (1, 2, 4):
                threads.set_threads(n)
                results.append(backward(*arrays))
    finally:
        threads.set_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ('dtype', 'ndim'),
    long_unless(
        lambda dtype, ndim: (dtype, ndim) == ('float32', 3),
        product(['float32', 'float64'], [2, 3]),
    ),
)
def test_op_against_plain_graph(dtype, ndim, rng):
    x = pt.tensor('x', dtype=dtype, shape=(None,) * ndim)
    w, b = pt.tensor('w', dtype=dtype, shape=(6, 5)), pt.tensor('b', dtype=dtype, shape=(5,))
    z = kernels.affine(x, w, b)
    outputs = [z, *pytensor.grad(pt.tanh(z).sum(), [x, w, b])]
    fused, names = compiled([x, w, b], outputs)
    assert {'Affine', 'AffineGradient'} <= set(names)
    assert 'Dot' not in names
    arrays = [rng.standard_normal(s).astype(dtype) for s in [(4, 3, 6)[3 - ndim :], (6, 5), (5,)]]
    assert_same(fused(*arrays), plain([x, w, b], outputs)(*arrays), dtype)
    # rows in reverse order, every other column, a transposed weight
    wide = np.zeros((*arrays[0].shape[:-1], 12), dtype)
    wide[..., ::2] = arrays[0][::-1]
    strided = [wide[::-1, ..., ::2], arrays[1].T.copy().T, np.repeat(arrays[2], 2)[::2]]
    assert not any(a.flags.c_contiguous for a in strided)
    assert_same(fused(*strided), fused(*arrays), dtype)


def test_a_concatenation_is_not_made(rng):
    xs = [pt.tensor(f'x{k}', dtype='float64', shape=(None, None, 3)) for k in range(2)]
    w, b = (pt.tensor(n, dtype='float64', shape=(None,) * d) for n, d in [('w', 2), ('b', 1)])
    z = kernels.affine(pt.concatenate(xs, axis=-1), w, b)
    outputs = [z, *pytensor.grad(pt.tanh(z).sum(), [*xs, w, b])]
    fused, names = compiled([*xs, w, b], outputs)
    assert not {'Join', 'Split'} & set(names)
    arrays = [rng.standard_normal(s) for s in [(4, 2, 3), (4, 2, 3), (6, 5), (5,)]]
    by_graph = plain([*xs, w, b], outputs)(*arrays)
    assert_same(fused(*arrays), by_graph, 'float64')
    exact = np.concatenate(arrays[:2], -1) @ arrays[2] + arrays[3]
    assert_same(by_graph[:1], [exact], 'float64')


@pytest.mark.parametrize(
    ('widths', 'axis', 'n_x'),
    [((3, 3), -1, 2), ((2,) * 4, 2, 4), ((3, 2), 2, 1), ((3, None), 2, 1), ((3, 3), 1, 1)],
)
def test_which_inputs_count_as_several(widths, axis, n_x):
    xs = [pt.tensor(dtype='float32', shape=(None, None, n)) for n in widths]
    w, b = (pt.tensor(dtype='float32', shape=(None,) * d) for d in (2, 1))
    z = kernels.affine(pt.concatenate(xs, axis=axis), w, b)
    assert z.owner.op.n_x == n_x
    assert len(z.owner.inputs) == n_x + 2


def test_gradient_of_input_is_dropped(rng):
    x, w, b = pt.matrix('x', dtype='float64'), pt.matrix('w', dtype='float64'), pt.vector('b')
    b = pt.vector('b', dtype='float64')
    dw = pytensor.grad(pt.sqr(kernels.affine(x, w, b)).sum(), w)
    fused, _ = compiled([x, w, b], [dw])
    (node,) = [n for n in fused.maker.fgraph.toposort() if 'Gradient' in type(n.op).__name__]
    assert node.op.want_x is False
    assert len(node.outputs) == 2
    arrays = [rng.standard_normal(s) for s in [(3, 2), (2, 4), (4,)]]
    x, w, b = arrays
    np.testing.assert_allclose(fused(*arrays)[0], 2 * x.T @ (x @ w + b), **tolerance('float64'))


def test_second_derivative(rng):
    x, w, b = (
        pt.tensor(n, dtype='float64', shape=s)
        for n, s in [('x', (3, 2)), ('w', (2, 4)), ('b', (4,))]
    )

    def curvature(z):
        dw = pytensor.grad(pt.tanh(z).sum(), w)
        return pytensor.grad(pt.sqr(dw).sum(), [x, w, b])

    arrays = [rng.standard_normal(s) for s in [(3, 2), (2, 4), (4,)]]
    fused = plain([x, w, b], curvature(kernels.affine(x, w, b)))
    assert_same(fused(*arrays), plain([x, w, b], curvature(x @ w + b))(*arrays), 'float64')


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_what_is_not_finite_spreads(bad):
    target = kernel.host_target('float32')
    forward = kernel_of('dense', Forward(target, 2))
    x, w, b = np.ones((3, 2), 'f'), np.ones((2, 20), 'f'), np.zeros(20, 'f')
    x[1, 0] = bad
    (z,) = forward(x, w, b)
    np.testing.assert_array_equal(
        np.isfinite(z), np.array([True, False, True])[:, None] & np.ones((3, 20), bool)
    )


def test_shapes_that_do_not_fit():
    x, w, b = (
        pt.tensor(n, dtype='float32', shape=(None,) * d) for n, d in [('x', 2), ('w', 2), ('b', 1)]
    )
    fused, _ = compiled([x, w, b], [kernels.affine(x, w, b)])
    with pytest.raises(ValueError, match="dense layer: 'w' is not of shape"):
        fused(np.ones((3, 2), 'f'), np.ones((4, 5), 'f'), np.ones(5, 'f'))


def test_no_kernel_for_mixed_dtypes():
    x, w, b = pt.matrix('x', dtype='float32'), pt.matrix('w', dtype='float64'), pt.vector('b')
    assert kernels.affine(x, w, b) is None


@pytest.mark.parametrize('chosen', [(1, 0, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1), (1, 0, 1, 1)])
def test_second_derivatives_equal_those_of_the_graph(chosen, rng):
    op = AffineGradient(want_x=True, n_x=2)
    inputs = [pt.tensor3(dtype='float64') for _ in range(2)]
    inputs += [pt.matrix(dtype='float64'), pt.tensor3(dtype='float64')]
    data = [rng.standard_normal(shape) for shape in [(3, 2, 4), (3, 2, 4), (8, 5), (3, 2, 5)]]
    fused, results = op(*inputs, return_list=True), []
    for outputs in (fused, op.expand(inputs)):
        cost = sum((v**3).sum() for v, is_chosen in zip(outputs, chosen, strict=True) if is_chosen)
        first = pt.grad(cost, inputs, disconnected_inputs='ignore')
        total = sum((g**2).sum() for g in first)
        results += [*first, *pt.grad(total, inputs, disconnected_inputs='ignore')]
    function = pytensor.function(inputs, results, mode='FAST_COMPILE')
    found = function(*data)
    for got, want in zip(found[:8], found[8:], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-10)
    kinds = {v.owner.op for v in applies(results[:4]) if isinstance(v.owner.op, FusedOp)}
    assert kinds <= {Affine(2), op}


def applies(variables):
    return [v for v in ancestors(variables) if v.owner is not None]
