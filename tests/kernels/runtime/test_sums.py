"""Sums of arrays in plans: NumPy's numbers to the bit, and networks that need them."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from compilations import numba_mode
from long_forms import long_unless

import rnnkit
from rnnkit.kernels import affine
from rnnkit.kernels.language import threads
from rnnkit.kernels.language.vector import Target
from rnnkit.kernels.runtime import kernel, linker
from rnnkit.kernels.runtime.plan import Plan
from rnnkit.kernels.runtime.sums import Sum


@pytest.mark.parametrize('n_threads', [1, 3])
@pytest.mark.parametrize(
    ('dtype', 'width', 'registers'), [('float32', 64, 32), ('float32', 16, 16), ('float64', 32, 16)]
)
def test_numbers_are_those_of_numpy(dtype, width, registers, n_threads, rng):
    target = Target(np.dtype(dtype).itemsize * 8, width, registers)
    run = kernel.build('sum', Sum(target), repr(('sum', target)))
    before = threads.get_threads()
    threads.set_threads(n_threads)
    try:
        with threads.smallest_part(1):
            for shape in [(1, 1, 1), (3, 2, 1), (7, 5, 3), (0, 2, 3), (1, 4, 33), (50, 1, 7)]:
                a, b = (rng.normal(1, 1e3, shape).astype(dtype) for _ in range(2))
                np.testing.assert_array_equal(run(a, b)[0], a + b, strict=True)
                (found,) = run(a[::-1], b.transpose(1, 0, 2).copy().transpose(1, 0, 2))
                np.testing.assert_array_equal(found, a[::-1] + b, strict=True)
    finally:
        threads.set_threads(before)


SUMS = {
    'two': lambda a, b, c: [a + b, c],
    'three': lambda a, b, c: [a + b + c],
    'one in two sums': lambda a, b, c: [a + b + c, b + c],
    'of a result': lambda a, b, c: [a + b, (a + b)[::-1] + c],
    'of parts': lambda a, b, c: [a[::-1] + b, a[0] + b[-1], a[0, 1] + c[1, 0]],
}


@pytest.mark.parametrize('dtype', ['float32', 'float64'])
@pytest.mark.parametrize('name', SUMS)
def test_plans_add_from_left_to_right(name, dtype, rng):
    inputs = [pt.tensor(n, dtype=dtype, shape=(None,) * 3) for n in 'abc']
    values = [rng.normal(1, 1e3, (3, 3, 3)).astype(dtype) for _ in inputs]
    kept = [v.copy() for v in values]
    found = function_of(inputs, SUMS[name](*inputs))(*values)
    for a, b in zip(found, SUMS[name](*values), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(values, kept, strict=True):
        np.testing.assert_array_equal(a, b)


def test_results_of_kernels_are_added(rng):
    x, y, b = pt.dmatrix('x'), pt.dmatrix('y'), pt.dvector('b')
    arrays = [rng.standard_normal(shape) for shape in [(4, 4), (4, 4), (4,)]]
    total = affine(x, y, b) + affine(y, x, b) + affine(x, x, b)
    grads = pytensor.grad(None, [x, y, b], known_grads={total: y})
    found = function_of([x, y, b], [total, *grads])(*arrays)
    x, y, b = arrays
    wanted = [x @ y + y @ x + x @ x + 3 * b]
    wanted += [y @ y.T + y.T @ y + y @ x.T + x.T @ y, x.T @ y + y @ x.T, 3 * y.sum(0)]
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


def function_of(inputs, outputs, planned=True):
    """Return a function, after a check that it is a plan, or not."""
    with numba_mode():
        mode = linker.mode()
        function = pytensor.function(inputs, outputs, mode=mode, on_unused_input='ignore')
    assert isinstance(function.vm.jit_fn, Plan) is planned
    return function


def test_what_is_repeated_along_an_axis_is_planned(rng):
    a, b = pt.matrix('a', dtype='float32'), pt.row('b', dtype='float32')
    function = function_of([a, b], [a + b])
    x, y = rng.random((3, 2), 'f'), rng.random((1, 2), 'f')
    np.testing.assert_array_equal(function(x, y)[0], x + y)


def test_whole_numbers_are_not_planned():
    a, b = pt.lvector('a'), pt.lvector('b')
    function = function_of([a, b], [a + b], planned=False)
    np.testing.assert_array_equal(function([2**60, 1], [1, 2])[0], [2**60 + 1, 3])


def test_arrays_of_more_axes_are_not_planned(rng):
    a, b = pt.dtensor4('a'), pt.dtensor4('b')
    function = function_of([a, b], [a + b], planned=False)
    x, y = rng.random((2, 2, 1, 3, 4))
    np.testing.assert_array_equal(function(x, y)[0], x + y)


def test_terms_that_do_not_fit_are_named():
    a, b = pt.fmatrix('a'), pt.fmatrix('b')
    function = function_of([a, b], [a + b])
    with pytest.raises(ValueError, match=r"sum: 'b' is not of shape \(T, B, I\), where T are"):
        function(np.ones((3, 2), 'f'), np.ones((1, 2), 'f'))


def late(*inputs, size=6, name='out', **options):
    return dict(size=size, inputs=list(inputs), name=name, **options)


def both_ways(**options):
    return dict(form='bidirectional', worker='gru', size=4, name='hid1', **options)


SUM = dict(form='sum', inputs=['hid1', 'hid2'], name='s')
REGRESSORS = {
    'forecaster': ([('gru', 4), late('hid1', 'in')], {'loss': 'mae', 'weighted': True}),
    'two layers': ([('gru', 4), ('gru', 4), late('hid1', 'hid2', 'in')], {'dtype': 'float64'}),
    'one unit': ([('rnn', 3), ('rnn', 3), late('hid2', 'hid1', size=1)], {}),
    'residual': (
        [('gru', 4), ('rnn', 4), SUM, ('gru', 4), late('s', 'hid1', 'hid4')],
        {'loss': 'mae'},
    ),
    'no time': ([late('in', name='hid1', activation='linear'), late('hid1', 'in')], {}),
    'both ways': ([both_ways(), late('hid1', 'in')], {'loss': 'mae'}),
    'both ways summed': ([both_ways(merge='sum'), late('hid1', 'in')], {'dtype': 'float64'}),
}
QUICK = ('forecaster', 'two layers', 'no time')


@pytest.mark.parametrize('kind', long_unless(lambda kind: kind in QUICK, REGRESSORS))
def test_networks_that_sum_products_are_plans(kind, rng, monkeypatch):
    layers, options = REGRESSORS[kind]
    options = {'weighted': False, **options}

    def make(**more):
        return rnnkit.Regressor([10, *layers], seed=0, **options, **more)

    size = layers[-1]['size']
    lengths = (6,) if kind == 'no time' else (5, 6)
    x = rng.standard_normal((*lengths, 10))
    y = rng.standard_normal((*lengths, size))
    data = [x, y, abs(y)] if options['weighted'] else [x, y]
    causal = 'both' not in kind and kind != 'no time'
    wanted = used(make(kernel=False), data, causal)
    monkeypatch.setattr(linker, 'without_sizes', lambda *args: pytest.fail('a graph is no plan'))
    with numba_mode():
        found = used(make(), data, causal)
    accuracy = {'float64': 1e-10}.get(options.get('dtype'), 2e-5)
    assert len(found) == len(wanted)
    for k, (a, b) in enumerate(zip(found, wanted, strict=True)):
        np.testing.assert_allclose(a, b, rtol=accuracy, atol=accuracy, err_msg=str(k))


def used(net, data, causal):
    """Train, validate and use a network; return all numbers that come out."""
    x, steps = data[0], net.itertrain(data, data, epochs=3, batch_size=3, algo='sgd', momentum=0.5)
    losses = [(train['loss'], valid['loss']) for train, valid in steps]
    names = ['x', 'y', 'weights'][: len(data)]
    found = [losses, net.evaluate(**dict(zip(names, data, strict=True)))['loss'], net.predict(x)]
    if causal:
        stepper, out = net.stepper(batch=x.shape[1]), []
        for k in range(3):
            out.append(stepper(x[k]).copy())
        first, state = net.step(x[0])
        found += [np.array(out), first, net.step(x[1], state)[0]]
        again, _ = net.predict(x[1:], state=state, return_state=True)
        found.append(again)
        np.testing.assert_allclose(again[:2], np.array(out)[1:], rtol=1e-5, atol=1e-5)
    return found + [p.get_value() for p in net.params]


def test_a_classifier_that_sums_products_is_a_plan(rng, monkeypatch):
    layers = [10, ('gru', 4), ('gru', 4), late('hid1', 'hid2', size=3)]
    x, y = rng.standard_normal((5, 6, 10)), rng.integers(0, 3, (5, 6))

    def use(**options):
        net = rnnkit.Classifier(layers, seed=0, dtype='float64', **options)
        losses = [r['loss'] for r, _ in net.itertrain([x, y], epochs=2, batch_size=3)]
        return [losses, net.predict_proba(x), *(p.get_value() for p in net.params)]

    wanted = use(kernel=False)
    monkeypatch.setattr(linker, 'without_sizes', lambda *args: pytest.fail('a graph is no plan'))
    with numba_mode():
        found = use()
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
