"""Scaling of features by kernel: NumPy's numbers to the bit; gradients as of the plain graph."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from compilations import numba_mode

import rnnkit
from rnnkit import kernels
from rnnkit.kernels.dense.scaling import Scaling
from rnnkit.kernels.language import threads
from rnnkit.kernels.language.vector import Target
from rnnkit.kernels.runtime import kernel, linker
from rnnkit.kernels.runtime.plan import Plan

SHAPES = [(1, 1, 1), (3, 2, 1), (7, 5, 3), (2, 3, 16), (1, 4, 33)]


@pytest.mark.parametrize('inverse', [False, True])
@pytest.mark.parametrize(
    ('dtype', 'width', 'registers'), [('float32', 64, 32), ('float32', 16, 16), ('float64', 32, 16)]
)
def test_numbers_are_those_of_numpy(dtype, width, registers, inverse, rng):
    target = Target(np.dtype(dtype).itemsize * 8, width, registers)
    writer = Scaling(target, 3, inverse)
    run = kernel.build('scaling', writer, repr((writer.description, target)))
    with threads.smallest_part(1):
        for shape in SHAPES:
            x = rng.normal(1e3, 2, shape).astype(dtype)
            mean = rng.normal(1e3, 1, shape[-1]).astype(dtype)
            deviation = (1 + rng.random(shape[-1])).astype(dtype)
            (found,) = run(x, mean, deviation)
            wanted = x * deviation + mean if inverse else (x - mean) / deviation
            np.testing.assert_array_equal(found, wanted, strict=True)


@pytest.mark.parametrize('inverse', [False, True])
@pytest.mark.parametrize('ndim', [2, 3])
def test_gradients_are_those_of_the_plain_graph(ndim, inverse, rng):
    x = pt.tensor(dtype='float64', shape=(None,) * (ndim - 1) + (3,))
    mean, deviation = (pt.tensor(dtype='float64', shape=(3,)) for _ in range(2))
    values = [rng.standard_normal((4, 2, 3)[3 - ndim :]), rng.random(3), 1 + rng.random(3)]
    inputs = [x, mean, deviation]
    out = kernels.scaled(*inputs, inverse=inverse)
    assert type(out.owner.op).__name__ == 'Scaled'
    right = x * deviation + mean if inverse else (x - mean) / deviation
    both = [
        pytensor.function(inputs, [z, *pytensor.grad((z**3).sum(), inputs)])(*values)
        for z in (out, right)
    ]
    for found, wanted in zip(*both, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_a_graph_with_it_is_a_plan(rng):
    x, mean, deviation = pt.ftensor3('x'), pt.fvector('mean'), pt.fvector('deviation')
    inputs = [x, mean, deviation]
    scaled = kernels.scaled(*inputs)
    with numba_mode():
        outputs = [scaled, kernels.scaled(scaled, mean, deviation, inverse=True)]
        function = pytensor.function(inputs, outputs, mode=linker.mode())
    assert isinstance(function.vm.jit_fn, Plan)
    values = [rng.standard_normal((5, 2, 3)), [1, 2, 3], [0.5, 1, 2]]
    values = [np.asarray(value, 'float32') for value in values]
    z, back = function(*values)
    np.testing.assert_array_equal(z, (values[0] - values[1]) / values[2])
    np.testing.assert_array_equal(back, z * values[2] + values[1])


def test_a_network_with_it_is_plans_and_learns_what_one_of_scaled_data_does(rng):
    x = rng.normal([1e3, -2], [7, 0.1], (6, 5, 2))
    y = rng.standard_normal((6, 5, 1))
    z = (x - x.mean(axis=(0, 1))) / x.std(axis=(0, 1))
    options = {'seed': 0, 'dtype': 'float64'}
    net = rnnkit.Regressor([2, 'standardize', ('lstm', 3), 1], **options)
    other = rnnkit.Regressor([2, ('lstm', 3), 1], **options)
    for p in other.params:
        layer, _, name = p.name.partition('.')
        p.set_value(net.find({'hid1': 'hid2'}.get(layer, layer), name).get_value())
    with numba_mode():
        for one, data in ((net, x), (other, z)):
            one.train([data, y], algo='adam', epochs=2, batch_size=3, seed=0)
        found, wanted = net.predict(x), other.predict(z)
        net.step(x[0])
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)
    (step,) = net._train_steps._steps.values()
    inference = net._inference
    for compiled in (step.update, *inference._functions.values(), inference.stream.advance):
        assert isinstance(compiled.function.vm.jit_fn, Plan), compiled.what


def test_other_inputs_have_no_kernel():
    x, mean = pt.ftensor3('x'), pt.fvector('mean')
    assert kernels.scaled(x, mean, pt.dvector('deviation')) is None
    assert kernels.scaled(pt.fvector('x'), mean, mean) is None
