"""Losses by kernel: against NumPy in float64, and against the plain graph."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from long_forms import long
from numba_functions import assert_same, compiled, plain, tolerance

from rnnkit import kernels
from rnnkit.kernels.language import threads
from rnnkit.kernels.language.vector import Target
from rnnkit.kernels.loss import class_weights, mean, softmax
from rnnkit.kernels.program import elementwise
from rnnkit.kernels.program.program import Unsupported
from rnnkit.kernels.runtime import kernel
from rnnkit.losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    accuracy,
)

SIZES = [(1, 1), (2, 3), (31, 17), (3, 4096), (5, 1000)]


class Huber(Loss):
    """A user's loss."""

    def errors(self, output, target):
        d = abs(output - target)
        return pt.switch(d < 1, d * d / 2, d - 0.5)


def squared(output, target):
    return (output - target) ** 2, 2 * (output - target)


def absolute(output, target):
    return abs(output - target), np.sign(output - target)


def huber(output, target):
    d = output - target
    return np.where(abs(d) < 1, d * d / 2, abs(d) - 0.5), np.clip(d, -1, 1)


def binary(z, target):
    p = 1 / (1 + np.exp(-z))
    return -target * np.log(p) - (1 - target) * np.log(1 - p), p - target


ORACLES = [
    (MeanSquaredError(), squared),
    (MeanAbsoluteError(), absolute),
    (Huber(), huber),
    (BinaryCrossEntropy(), binary),
]


def kernel_of(kind, writer):
    return kernel.build(kind, writer, repr((writer.description, writer.target)))


@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize(
    ('dtype', 'width', 'registers'), [('float32', 64, 32), ('float32', 16, 16), ('float64', 32, 16)]
)
@pytest.mark.parametrize(('loss', 'oracle'), ORACLES, ids=['mse', 'mae', 'huber', 'bce'])
def test_mean_against_numpy(loss, oracle, dtype, width, registers, weighted, rng):
    target = Target(np.dtype(dtype).itemsize * 8, width, registers)
    program, nodes = elementwise.read_errors(loss.errors, 2)
    run = kernel_of('loss', mean.Mean(program, nodes, target, 2, weighted, keep=True))
    with threads.smallest_part(1):
        for shape in SIZES:
            exact = [rng.standard_normal(shape).astype(dtype).astype('float64') for _ in range(2)]
            w = np.round(rng.random(shape) * 3) if weighted else np.ones(shape)
            given = [a.astype(dtype) for a in (*exact, *[w] * weighted)]
            for a in given[:2]:  # what has no weight may be anything
                a[w == 0] = np.nan
            error, slope = oracle(*exact)
            total = w.sum()
            scale = 1 / total if total else 1
            wanted = [(w * error).sum() * scale, total, w * slope * scale]
            assert_same(run(*given), wanted, dtype, shape)


def test_sum_of_many_equal_errors():
    """A sum in one float32 number would stop growing at 2 ** 24."""
    target = kernel.host_target('float32')
    program, nodes = elementwise.read_errors(MeanSquaredError().errors, 1)
    run = kernel_of('loss', mean.Mean(program, nodes, target, 1, False, keep=False))
    n = 2**25 + 5
    found, total = run(np.full(n, 0.1, 'f'), np.zeros(n, 'f'))
    assert found == pytest.approx(float(np.float32(0.1)) ** 2, rel=1e-6)
    assert total == n


@pytest.mark.parametrize('weighted', [long(False), True])
def test_mean_op_against_plain_graph(weighted, rng):
    symbols = [pt.tensor(n, dtype='float64', shape=(None, None, 3)) for n in ('o', 't', 'w')]
    o, t, w = symbols
    error, total = MeanSquaredError().mean(pt.tanh(o), t, w if weighted else None)
    outputs = [error, total, *pytensor.grad(3 * error, [o, t])]
    fused, names = compiled(symbols, outputs)
    assert 'MeanError' in names
    assert 'CAReduce' not in names
    arrays = [rng.standard_normal((4, 5, 3)) for _ in range(2)] + [rng.random((4, 5, 3))]
    assert_same(fused(*arrays), plain(symbols, outputs)(*arrays), 'float64')
    arrays[1] = arrays[1].transpose(1, 0, 2).copy().transpose(1, 0, 2)
    assert_same(fused(*arrays), plain(symbols, outputs)(*arrays), 'float64')
    if weighted:
        arrays[2][:] = 0
        error, total, *_ = fused(*arrays)
        assert error == 0
        assert total == 0


def test_validation_keeps_no_slope():
    o, t = pt.fmatrix('o'), pt.fmatrix('t')
    function, _ = compiled([o, t], [MeanSquaredError().mean(o, t)[0]])
    (node,) = [n for n in function.maker.fgraph.toposort() if hasattr(n.op, 'keep')]
    assert not node.op.keep
    with pytest.raises(ValueError, match="loss: 'target' is not of shape"):
        function(np.ones((3, 2), 'f'), np.ones((4, 2), 'f'))


@pytest.mark.parametrize(
    'errors',
    [
        lambda o, t: pt.sqr(o - t).sum(axis=-1, keepdims=True),
        lambda o, t: o - t.T,
        lambda o, t: (o - t)[::-1],
        lambda o, t: o - o.mean(),
        lambda o, t: pt.sqr(o - t).mean(axis=-1),
    ],
)
def test_errors_that_mix_elements(errors):
    with pytest.raises((Unsupported, ValueError)):
        elementwise.read_errors(errors, 2)


def cross_entropy(z, labels, w, smoothing=0.0):
    z = z - z.max(-1, keepdims=True)
    p = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    rows = np.arange(len(labels))
    total = w.sum()
    scale = 1 / total if total else 1
    errors = -(1 - smoothing) * np.log(p)[rows, labels] - smoothing * np.log(p).mean(-1)
    slope = p - smoothing / z.shape[-1]
    slope[rows, labels] -= 1 - smoothing
    hits = z.argmax(-1) == labels
    return [(w * errors).sum() * scale, total, (w * hits).sum() * scale, slope * w[:, None] * scale]


@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize('smoothing', [0.0, 0.1])
@pytest.mark.parametrize(
    ('dtype', 'width', 'registers'), [('float32', 64, 32), ('float32', 16, 16), ('float64', 32, 16)]
)
def test_cross_entropy_against_numpy(dtype, width, registers, weighted, smoothing, rng):
    target = Target(np.dtype(dtype).itemsize * 8, width, registers)
    run, lean = (
        kernel_of('cross_entropy', softmax.CrossEntropy(target, 2, weighted, keep, smoothing))
        for keep in (True, False)
    )
    with threads.smallest_part(1):
        for n, classes in [(1, 1), (5, 2), (3, 19), (40, 10), (7, 130)]:
            z = np.round(rng.standard_normal((n, classes)) * 40) / 8  # ties do occur
            labels = rng.integers(0, classes, n)
            w = np.round(rng.random(n) * 2) if weighted else np.ones(n)
            given = [z.astype(dtype), labels.copy(), *[w.astype(dtype)] * weighted]
            wanted = cross_entropy(z, labels, w, smoothing)
            given[0][w == 0], given[1][w == 0] = np.nan, -100  # may be anything
            assert_same(run(*given), wanted, dtype, (n, classes))
            assert_same(lean(*given), wanted[:3], dtype, (n, classes))


def test_labels_beyond_the_classes_are_not_read():
    run = kernel_of(
        'cross_entropy', softmax.CrossEntropy(kernel.host_target('float64'), 2, False, True)
    )
    for label in (-1, 3, 2**62):
        error, _, _hits, _ = run(np.zeros((1, 3)), np.array([label]))
        assert np.isnan(error)


@pytest.mark.parametrize('loss', [CrossEntropy(), CrossEntropy(smoothing=0.2)])
def test_cross_entropy_op_against_plain_graph(loss, rng):
    z, label = pt.tensor('z', dtype='float64', shape=(None, None, 4)), pt.lmatrix('label')
    w = pt.dmatrix('w')
    error, total = loss.mean(z, label, w)
    outputs = [error, total, accuracy(z, label, w, loss), pytensor.grad(error, z)]
    fused, names = compiled([z, label, w], outputs)
    assert names.count('CrossEntropy') == 1
    assert len(names) <= 2
    arrays = [rng.standard_normal((3, 5, 4)), rng.integers(0, 4, (3, 5)), rng.random((3, 5))]
    assert_same(fused(*arrays), plain([z, label, w], outputs)(*arrays), 'float64')
    arrays[1] = arrays[1].T.copy().T
    assert_same(fused(*arrays), plain([z, label, w], outputs)(*arrays), 'float64')


@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize('axes', [1, 2])
def test_weights_of_classes_against_numpy(axes, weighted, rng):
    target = kernel.host_target('float32')
    run = kernel_of('class_weights', class_weights.ClassWeights(target, axes, weighted))
    of_class, labels = rng.random(5).astype('f'), rng.integers(0, 5, (7, 3)[2 - axes :])
    weights = rng.random(labels.shape).astype('f')
    wanted = of_class[labels] * (weights if weighted else 1)
    assert_same(run(of_class, labels, *[weights] * weighted), [wanted], 'float32')
    for label in (-1, 5, 2**62):
        wrong = np.full((1,) * axes, label)
        assert np.isnan(run(of_class, wrong, *[np.ones(wrong.shape, 'f')] * weighted)[0]).all()


def test_weights_of_classes_as_an_op(rng):
    of_class, labels, weights = pt.dvector('of_class'), pt.lmatrix('labels'), pt.dmatrix('weights')
    inputs = [of_class, labels, weights]
    outputs = [kernels.weights_of_classes(*inputs), kernels.weights_of_classes(*inputs[:2], None)]
    arrays = [rng.random(4), rng.integers(0, 4, (3, 5)).T.copy().T, rng.random((3, 5))]
    fused, names = compiled(inputs, outputs)
    assert names.count('ClassWeights') == 2
    wanted = arrays[0][arrays[1]]
    assert_same(fused(*arrays), [wanted * arrays[2], wanted], 'float64')
    assert_same(plain(inputs, outputs)(*arrays), [wanted * arrays[2], wanted], 'float64')


def test_own_cross_entropy_is_not_replaced():
    class Focal(CrossEntropy):
        def errors(self, output, target):
            return super().errors(output, target) ** 2

    z, label = pt.dmatrix('z'), pt.lvector('label')
    error, _ = Focal().mean(z, label)
    arrays = [np.array([[1.0, 2.0]]), np.array([0])]
    found = plain([z, label], [error])(*arrays)[0]
    np.testing.assert_allclose(found, np.log1p(np.e) ** 2, **tolerance('float64'))


def test_softmax_against_numpy(rng):
    run = kernel_of('softmax', softmax.Softmax(kernel.host_target('float32'), 3))
    z = (rng.standard_normal((3, 2, 21)) * 20).astype('f')
    z[0, 0, :5] = -np.inf
    e = np.exp(z.astype('float64') - z.max(-1, keepdims=True))
    assert_same(run(z), [e / e.sum(-1, keepdims=True)], 'float32')
    z[1, 1, 0] = np.nan
    bad = np.isnan(run(z)[0]).all(-1)
    assert bad[1, 1]
    assert bad.sum() == 1


@pytest.mark.parametrize(
    ('loss', 'weighted'),
    [(MeanSquaredError(), True), (Huber(), False), (BinaryCrossEntropy(), True)],
)
def test_second_derivatives_equal_those_of_the_graph(loss, weighted, rng):
    z = pt.tensor3(dtype='float64')
    inputs = [z, pt.tensor3(dtype='float64'), pt.tensor3(dtype='float64')]
    data = [rng.standard_normal((3, 2, 4)), rng.random((3, 2, 4)), rng.random((3, 2, 4))]
    results = []
    for allowed in (True, False):
        with kernels.allowed(allowed):
            value = loss.mean(*inputs[: 2 + weighted])[0]
        slope = pt.grad(value, z)
        results += [slope, pt.grad((slope**3).sum(), z)]
    function = pytensor.function(inputs, results, mode='FAST_COMPILE', on_unused_input='ignore')
    slope, curvature, *wanted = function(*data)
    np.testing.assert_allclose([slope, curvature], wanted, rtol=1e-10, atol=1e-12)


def test_second_derivative_of_cross_entropy(rng):
    """The oracle: the softmax p has the Jacobian diag(p) - p p'."""
    z, label, v = pt.matrix(dtype='float64'), pt.lvector(), pt.matrix(dtype='float64')
    value = CrossEntropy().mean(z, label)[0]
    product = pt.grad((pt.grad(value, z) * v).sum(), z)
    function = pytensor.function([z, label, v], product, mode='FAST_COMPILE')
    data = rng.standard_normal((2, 5, 3))
    p = np.exp(data[0]) / np.exp(data[0]).sum(-1, keepdims=True)
    wanted = p * (data[1] - (p * data[1]).sum(-1, keepdims=True)) / 5
    np.testing.assert_allclose(
        function(data[0], rng.integers(0, 3, 5), data[1]), wanted, atol=1e-13
    )
