"""Plans compute what PyTensor's own functions do, own their results, and say what is wrong."""

import gc

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from compilations import counted, numba_mode
from long_forms import long
from numba_functions import VM, assert_same
from pytensor.compile.mode import NUMBA, Mode
from pytensor.tensor.basic import Join

import rnnkit
from rnnkit.kernels import affine, softmax_of
from rnnkit.kernels.runtime import linker, memory_pool
from rnnkit.kernels.runtime.plan import Plan


def planned(inputs, outputs, **options):
    """Return the function of a plan."""
    with numba_mode():
        mode = linker.mode()
        function = pytensor.function(inputs, outputs, mode=mode, **options)
    assert isinstance(function.vm.jit_fn, Plan)
    return function


@pytest.fixture
def layer(rng):
    """Return x, w and b, symbolic, and arrays for them."""
    x, w, b = pt.tensor3('x', dtype='float32'), pt.fmatrix('w'), pt.fvector('b')
    lengths = ((4, 3, 2), (2, 5), (5,))
    return [x, w, b], [rng.standard_normal(n).astype('float32') for n in lengths]


def of_last(y, wrt):
    """Return gradients through the last step of `y`."""
    last = y[-1]
    return pt.grad(None, wrt, known_grads={last: y[0]}, disconnected_inputs='ignore')


def of_both_ends(x, w, b):
    """Return gradients through the last step of one layer and the first of another.

    Both are put into zeros of the same shape, which the graph has once.
    """
    y, z = affine(x, w, b), affine(softmax_of(x), w, b)
    ends = {y[-1]: y[0], z[0]: z[1]}
    in_y, in_z = (
        pt.grad(None, [w, b], known_grads={end: value}, disconnected_inputs='ignore')
        for end, value in ends.items()
    )
    return [*in_y, *in_z]


GRAPHS = {
    'a kernel': lambda x, w, b: [affine(x, w, b)],
    'one after the other': lambda x, w, b: [softmax_of(affine(x, w, b))],
    'both': lambda x, w, b: [affine(x, w, b), softmax_of(affine(x, w, b))],
    'the last step': lambda x, w, b: [affine(x, w, b)[-1]],
    'one example': lambda x, w, b: [affine(x, w, b)[:, 1]],
    'one unit of one step': lambda x, w, b: [affine(x, w, b)[2, :, -2]],
    'one number': lambda x, w, b: [affine(x, w, b)[2, 0, 1]],
    'turned': lambda x, w, b: [affine(x, w, b).transpose(1, 0, 2), affine(x, w, b).T],
    'with an axis': lambda x, w, b: [affine(x, w, b)[1][None]],
    'reversed': lambda x, w, b: [softmax_of(affine(x[::-1], w, b))[::-1]],
    'of a part': lambda x, w, b: [affine(x[-2], w, b)],
    'an input as well': lambda x, w, b: [affine(x, w, b), x, x[0]],
    'twice': lambda x, w, b: [affine(x, w, b)[0], affine(x, w, b)],
    'of a constant': lambda x, w, b: [affine(x, w, pt.constant(np.arange(5, dtype='f4')))],
    'elementwise': lambda x, w, b: [pt.tanh(affine(x, w, b)) * pt.exp(b)],
    'repeated': lambda x, w, b: [x * x[:, :, 0, None] + x[0], x - x[1, 0], w.T * b[:, None]],
    'sines': lambda x, w, b: [pt.cos(b) - pt.sin(b)],
    'limited': lambda x, w, b: [pt.maximum(x, 0), pt.minimum(w, np.float32(0.1))],
    'joined': lambda x, w, b: [pt.join(k, x, pt.exp(x), x[::-1]) for k in range(3)],
    'joined matrices': lambda x, w, b: [pt.join(1, w, -w), pt.join(0, b, pt.exp(b))],
    'split': lambda x, w, b: [v + 1 for v in pt.split(affine(x, w, b), [2, 3], n_splits=2, axis=2)],
    'split by rows': lambda x, w, b: pt.split(x, [1, 0, 3], n_splits=3, axis=0),
    'filled': lambda x, w, b: [pt.full((x.shape[0], x.shape[1], 1), np.float32(0.5))],
    'sums of rows': lambda x, w, b: [pt.exp(x).sum((0, 1)), w.sum(0)],
    'gradients': lambda x, w, b: of_last(affine(x, w, b), [x, w, b]),
    'gradients of both ends': of_both_ends,
}


@pytest.mark.parametrize('name', GRAPHS)
def test_a_plan_computes_what_the_graph_means(name, layer):
    inputs, values = layer
    outputs = GRAPHS[name](*inputs)
    options = {'on_unused_input': 'ignore'}
    found = planned(inputs, outputs, **options)(*values)
    wanted = pytensor.function(inputs, outputs, mode=VM, **options)(*values)
    assert_same(found, wanted, 'float32', name)
    for a in found:
        assert a.flags.carray
        for b in values:
            assert not np.shares_memory(a, b)


def test_large_results_own_their_memory(rng):
    x, w, b = pt.fmatrix('x'), pt.fmatrix('w'), pt.fvector('b')
    y = affine(x, w, b)
    function = planned([x, w, b], [y, y[0]])
    arrays = [rng.standard_normal(n).astype('float32') for n in ((300, 4), (4, 200), (200,))]
    wanted = arrays[0] @ arrays[1] + arrays[2]
    memory_pool.clear()
    kept = [function(*arrays) for _ in range(3)]
    for whole, first in kept:
        np.testing.assert_allclose(whole, wanted, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(first, whole[0])
        assert not np.shares_memory(first, whole)
    part = kept[0][0][5:7]
    before = memory_pool.held()
    del kept, whole, first
    gc.collect()
    assert memory_pool.held() >= before + 2 * wanted.nbytes  # a view keeps the third one
    function(*arrays)
    np.testing.assert_allclose(part, wanted[5:7], rtol=1e-5, atol=1e-5)


def test_nothing_is_left_of_a_call(layer, rng):
    inputs, values = layer
    function = planned(inputs, [softmax_of(affine(*inputs))[-1]])
    big = [rng.standard_normal((400, 30, 2)).astype('float32'), *values[1:]]
    function(*big)
    held = memory_pool.held()
    for _ in range(5):
        function(*big)
    assert memory_pool.held() == held


def test_a_call_within_a_call_changes_nothing(layer, rng):
    inputs, values = layer
    function = planned(inputs, [affine(*inputs), affine(*inputs)[-1]])
    plan, (wanted, last) = function.vm.jit_fn, function(*values)
    other = [rng.standard_normal(a.shape).astype('float32') for a in values]
    functions, within = plan._functions, []

    def interrupted(*args):  # as by a signal, while results are put in arrays
        within.append(plan(*other))
        return functions.deliver_all(*args)

    plan._functions = functions._replace(deliver_all=interrupted)
    found = function(*values)
    plan._functions = functions
    np.testing.assert_array_equal(found[0], wanted)
    np.testing.assert_array_equal(found[1], last)
    np.testing.assert_array_equal(within[0][0], function(*other)[0])


def test_arrays_that_do_not_fit_are_named(layer):
    inputs, (x, w, b) = layer
    function = planned(inputs, [affine(*inputs)])
    with pytest.raises(ValueError, match=r"dense layer: 'w' is not of shape \(I, H\), where T are"):
        function(x, w[:1], b)
    np.testing.assert_allclose(function(x, w, b)[0], x @ w + b, rtol=1e-5, atol=1e-5)


def test_an_index_out_of_bounds_is_an_error(layer):
    inputs, values = layer
    function = planned(inputs, [affine(*inputs)[4]])
    with pytest.raises(IndexError, match='an index is out of bounds'):
        function(*values)


def test_an_equal_type_need_not_be_the_same_object(layer):
    inputs, (x, w, b) = layer
    function = planned(inputs, [affine(*inputs)])
    function.trust_input = True
    kind = np.dtype('float32', metadata={'unit': 'm'})
    np.testing.assert_array_equal(function(x.view(kind), w, b)[0], function(x, w, b)[0])
    with pytest.raises(TypeError, match='has got an array of other axes'):
        function(x[0], w, b)


def test_other_operations_are_compiled_by_numba(layer):
    inputs, values = layer
    with numba_mode():
        function = pytensor.function(inputs, [pt.arctan(affine(*inputs))], mode=linker.mode())
    assert isinstance(function.vm.jit_fn, linker.OneSignature)
    x, w, b = values
    np.testing.assert_allclose(function(*values)[0], np.arctan(x @ w + b), rtol=1e-4)


@pytest.mark.skipif('axis' in Join.__props__, reason='PyTensor 3.3 has no such join')
def test_a_join_along_an_axis_that_is_an_input_is_compiled_by_numba(rng):
    x, axis = pt.fmatrix('x'), pt.lscalar('axis')
    value = rng.standard_normal((2, 3)).astype('float32')
    with numba_mode():
        function = pytensor.function([x, axis], pt.join(axis, x, x), mode=linker.mode())
    for k in range(2):
        np.testing.assert_array_equal(function(value, k), np.concatenate([value, value], axis=k))


def test_a_chosen_mode_stays():
    with pytensor.config.change_flags(mode='FAST_COMPILE'):
        assert linker.mode() is None
    with numba_mode():
        assert isinstance(linker.mode().linker, linker.PlanLinker)


def build(form):
    if form == 'last':
        return rnnkit.Classifier([2, ('lstm', 3), 'last', 2], seed=0)
    if form == 'sums':
        late = dict(size=2, inputs=['hid1', 'hid2', 'in'], name='out')
        return rnnkit.Classifier([2, ('gru', 3), ('rnn', 3), late], seed=0)
    return rnnkit.Classifier([2, (form, 4), 2], seed=0)


@pytest.mark.parametrize('form', ['last', long('bidirectional'), long('sums')])
def test_a_training_gives_the_same_bits_as_numba(form, rng, monkeypatch):
    x, y = rng.standard_normal((5, 4, 2)), rng.integers(0, 2, (4,) if form == 'last' else (5, 4))

    def fit():
        net = build(form)
        losses = [r['loss'] for r, _ in net.itertrain([x, y], algo='adam', epochs=3)]
        return [*losses, net.predict(x), *(p.get_value() for p in net.params)]

    with numba_mode():
        with counted(monkeypatch) as compiled:
            found = fit()
        assert not any('CPUDispatcher' in name for name in compiled)
        monkeypatch.setattr(rnnkit.common.compiled, 'modes', [lambda: Mode(*_numba())])
        wanted = fit()
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, b)


def _numba():
    return NUMBA.linker, NUMBA.provided_optimizer
