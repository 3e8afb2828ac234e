"""Sums of very many numbers: as exact on narrow vectors as on wide ones.

All numbers are equal, so that every addition of a plain float32 sum is rounded the same way: on
16-byte vectors a plain sum of these is off by 1e-4 and more.
"""

import ctypes

import numpy as np
import pytest
from kernel_cases import CELLS

from rnnkit.kernels.dense.backward import Backward as DenseBackward
from rnnkit.kernels.language.descriptor import AXES
from rnnkit.kernels.language.vector import Target
from rnnkit.kernels.loss import mean, softmax
from rnnkit.kernels.program import elementwise
from rnnkit.kernels.recurrent import backward, trace
from rnnkit.kernels.recurrent.walk import Walk
from rnnkit.kernels.runtime import kernel
from rnnkit.kernels.runtime.cache import library
from rnnkit.kernels.update import update
from rnnkit.kernels.update.rule import read_rule
from rnnkit.losses import MeanSquaredError

WIDTHS = [(16, 16), (32, 16), (64, 32)]  # bytes of a vector, registers
EXACT = 3e-7  # the result's own rounding, and that of adding up the lanes
N = 2**22 + 5

each_width = pytest.mark.parametrize(('width', 'registers'), WIDTHS)


def kernel_of(kind, writer):
    return kernel.build(kind, writer, repr(('sums', writer.description, writer.target)))


def full(shape, value):
    return np.full(shape, value, 'f')


def float32(value):
    """Return a number as float32 has it."""
    return float(np.float32(value))


@each_width
@pytest.mark.parametrize('weighted', [False, True])
def test_loss(width, registers, weighted):
    program, nodes = elementwise.read_errors(MeanSquaredError().errors, 1)
    writer = mean.Mean(program, nodes, Target(32, width, registers), 1, weighted, keep=False)
    weights = [full(N, 0.3)] if weighted else []
    found, total = kernel_of('loss', writer)(full(N, 0.1), full(N, 0.0), *weights)
    assert found == pytest.approx(float32(0.1) ** 2, rel=EXACT)
    assert total == pytest.approx(N * (float32(0.3) if weighted else 1), rel=EXACT)


@each_width
@pytest.mark.parametrize('weighted', [False, True])
def test_cross_entropy(width, registers, weighted):
    n = 2**20 + 3
    writer = softmax.CrossEntropy(Target(32, width, registers), 2, weighted, keep=False)
    z = np.tile(np.array([0.3, -0.4], 'f'), (n, 1))
    weights = [full(n, 0.3)] if weighted else []
    found, total, hits = kernel_of('xe', writer)(z, np.zeros(n, np.int64), *weights)
    exact = z[0].astype('float64')
    assert found == pytest.approx(np.log(np.exp(exact).sum()) - exact[0], rel=2 * EXACT)
    assert total == pytest.approx(n * (float32(0.3) if weighted else 1), rel=EXACT)
    assert hits == pytest.approx(1, rel=EXACT)


@each_width
def test_softmax_of_many_classes(width, registers):
    n = 2**20 + 3
    z = full((1, n), -1.7)
    z[0, 0] = 0
    (p,) = kernel_of('softmax', softmax.Softmax(Target(32, width, registers), 2))(z)
    assert p[0, 0] == pytest.approx(1 / (1 + (n - 1) * np.exp(float32(-1.7))), rel=2 * EXACT)


@each_width
@pytest.mark.parametrize('units', [1, 3])
def test_bias_of_a_dense_layer(width, registers, units):
    n = 2**20 + 3
    writer = DenseBackward(Target(32, width, registers), 2, want_x=False)
    run = kernel_of('dense_backward', writer)
    _, found = run(full((n, 1), 0.1), full((1, units), 1), full((n, units), 0.1))
    np.testing.assert_allclose(found, n * float32(0.1), rtol=EXACT)


@each_width
def test_bias_of_a_recurrent_layer(width, registers):
    """All weights are 0, and the gradient by the state is 0.1: so is that of each tile."""
    t, b = 1, 2**20 + 3
    form, where = trace.form_of(CELLS['rnn-tanh'][0]), Target(32, width, registers)
    writer = backward.Backward(form, where, Walk((True,)), (True,), want_x=False)
    run = kernel.build('test_backward', writer, repr(('sums', where)))
    zeros = {'x': (t, b, 1), 'hh': (1, 1), 'xh': (1, 1), 'b': (1,), 'h': (1, 1), 'new': (t, b, 1)}
    arrays = [full(shape, 0.0) for shape in zeros.values()]
    *_, d_b, _ = run(*arrays, full((t, b, 1), 0.1))
    np.testing.assert_allclose(d_b, b * float32(0.1), rtol=EXACT)


@each_width
@pytest.mark.parametrize('step', [1, 2], ids=['contiguous', 'strided'])
def test_norm_of_gradients(width, registers, step):
    """A limit for the norm scales the whole gradient, so both sums of squares are seen."""
    rule = read_rule(lambda g, p, slots, t, hyper: [p - g], 0, [])
    writer = update.Update(rule, Target(32, width, registers))
    compiled = library('update', repr(('sums', width)), writer.write)
    n, one = 2**20 + 3, np.ones((), 'f')
    g, p, norm, count = full(step * n, 0.1)[::step], full(n, 0.0), one.copy(), one.copy()
    no_limit = np.array(np.inf, 'f')
    cells = [one, norm, count, no_limit, one]  # LOSS, NORM, NEW_COUNT, limits
    table = np.array(
        [
            1,
            *(a.ctypes.data for a in cells),
            0,
            count.ctypes.data,
            *descriptor(g),
            *descriptor(p),
            0,
            0,
        ],
        np.int64,
    )
    assert len(table) == writer.params + update.ENTRY
    run = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(compiled.address('run'))
    run(table.ctypes.data)
    expected = np.sqrt(n) * float32(0.1)
    assert norm == pytest.approx(expected, rel=EXACT)
    np.testing.assert_allclose(p, -float32(0.1) / expected, rtol=2 * EXACT)


def descriptor(array):
    """Return how an array of one axis is described to a kernel."""
    more = [1] * (AXES - 1)
    return [array.ctypes.data, *more, len(array), *[0] * (AXES - 1), *array.strides]
