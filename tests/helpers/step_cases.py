"""The kernels of dense layers, losses and updates, with arrays and what they give in float64."""

import ctypes
from typing import Any, NamedTuple

import numpy as np
from kernel_cases import target
from scipy.special import log_softmax

from rnnkit.kernels.dense.backward import Backward
from rnnkit.kernels.dense.forward import Forward
from rnnkit.kernels.language.descriptor import AXES, DESCRIPTOR
from rnnkit.kernels.loss import mean, softmax
from rnnkit.kernels.program import elementwise
from rnnkit.kernels.runtime import cache, kernel
from rnnkit.kernels.update import rule, update
from rnnkit.losses import MeanSquaredError
from rnnkit.optimizers import optimizers


class Case(NamedTuple):
    """A compiled kernel, its inputs, and its outputs as NumPy gives them in float64."""

    run: kernel.Kernel
    arrays: list[np.ndarray]
    wanted: list[Any]


def compiled(kind, writer):
    return kernel.build(f'test_{kind}', writer, repr((writer.description, writer.target)))


def forward(where, sizes, rng):
    n, i, h = sizes
    x, w, b = (rng.standard_normal(s) for s in [(n, i), (i, h), (h,)])
    return compiled('dense', Forward(where, 2)), [x, w, b], lambda x, w, b: [x @ w + b]


def backward(where, sizes, rng, want_x=True):
    n, i, h = sizes
    arrays = [rng.standard_normal(s) for s in [(n, i), (i, h), (n, h)]]
    writer = Backward(where, 2, want_x)
    first = (lambda w, dz: [dz @ w.T]) if want_x else lambda w, dz: []
    return (
        compiled('dense_backward', writer),
        arrays,
        lambda x, w, dz: [*first(w, dz), x.T @ dz, dz.sum(0)],
    )


def squares(where, sizes, rng, weighted=False):
    shape = sizes[0], sizes[2]
    program, nodes = elementwise.read_errors(MeanSquaredError().errors, 2)
    arrays = [rng.standard_normal(shape) for _ in range(2)] + [rng.random(shape)] * weighted

    def wanted(output, target, weights=None):
        d = output - target
        w = np.ones(shape) if weights is None else weights
        return [(w * d * d).sum() / w.sum(), w.sum(), 2 * w * d / w.sum()]

    return compiled('mean', mean.Mean(program, nodes, where, 2, weighted, True)), arrays, wanted


def probabilities(where, sizes, rng):
    z = rng.standard_normal((sizes[0], sizes[2])) * 4
    writer = softmax.Softmax(where, 2)
    return compiled('softmax', writer), [z], lambda z: [np.exp(log_softmax(z, axis=-1))]


def labels(where, sizes, rng, weighted=False, keep=True):
    n, _, classes = sizes
    arrays = [rng.standard_normal((n, classes)) * 4, rng.integers(0, classes, n)]
    arrays += [rng.random(n)] * weighted

    def wanted(z, label, w=None):
        w = np.ones(n) if w is None else w
        known = np.eye(classes)[label]
        log_p = log_softmax(z, axis=-1)
        means = [
            (w * v).sum() / w.sum() for v in (-log_p[np.arange(n), label], z.argmax(-1) == label)
        ]
        slope = (np.exp(log_p) - known) * w[:, None] / w.sum()
        return [means[0], w.sum(), means[1], *[slope] * keep]

    return (
        compiled('cross_entropy', softmax.CrossEntropy(where, 2, weighted, keep)),
        arrays,
        wanted,
    )


STEP_KERNELS = {
    'dense': forward,
    'dense gradient': backward,
    'dense gradient, not by x': lambda *a: backward(*a, want_x=False),
    'squares': squares,
    'weighted squares': lambda *a: squares(*a, weighted=True),
    'softmax': probabilities,
    'cross-entropy': labels,
    'weighted cross-entropy': lambda *a: labels(*a, weighted=True),
    'cross-entropy alone': lambda *a: labels(*a, keep=False),
}


def step_case(name, dtype, width, sizes, rng):
    """Return the case of a kernel for (rows, inputs, outputs or classes)."""
    run, arrays, wanted = STEP_KERNELS[name](target(dtype, width), sizes, rng)
    arrays = [a if a.dtype.kind == 'i' else a.astype(dtype) for a in arrays]
    exact = [a if a.dtype.kind == 'i' else a.astype('float64') for a in arrays]
    return Case(run, arrays, wanted(*exact))


def compiled_update(update_rule, where):
    """Return the address of the update kernel of a rule that has been read."""
    writer = update.Update(update_rule, where)
    text = repr((writer.description, writer.target))
    return cache.library('test_update', text, writer.write).address('run')


def update_table(scalars, hyper, slots, gradients, params):
    """Return the table of addresses; `scalars` are loss, norm, count, limits and maybe health."""
    at = {name: a.ctypes.data for name, a in scalars.items()}
    head = [len(params), at['loss'], at['norm'], at['count'], at['max_elem'], at['max_norm']]
    head.append(at.get('health', 0))
    head += [at['count'], *(a.ctypes.data for a in hyper)]
    for slot in slots:
        head += [slot.ctypes.data] * 2
    for g, p in zip(gradients, params, strict=True):
        head += [*describe(g), *describe(p), 0, 0]
    return np.array(head, np.int64)


def run_update(address, *args):
    """Make one update, where the arrays are."""
    table = update_table(*args)
    ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(address)(table.ctypes.data)


class UpdateKernel:
    """The update by a rule as a function of NumPy arrays, which are changed where they are."""

    table = staticmethod(update_table)

    def __init__(self, algorithm, dtype, width):
        self.algorithm, self.dtype = optimizers[algorithm](), np.dtype(dtype)
        options = self.algorithm.options
        n_slots = len(self.algorithm.slots)

        def change(g, p, slots, t, hyper):
            delta, new = self.algorithm.step(g, tuple(slots), t, **hyper)
            return [p - delta, *new]

        update_rule = rule.read_rule(change, n_slots, list(options))
        self.run = compiled_update(update_rule, target(dtype, width))
        self.n_slots = n_slots


def describe(array):
    """Return the integers that describe an array to a kernel."""
    missing = AXES - array.ndim
    found = [array.ctypes.data, *[1] * missing, *array.shape, *[0] * missing, *array.strides]
    assert len(found) == DESCRIPTOR
    return found
