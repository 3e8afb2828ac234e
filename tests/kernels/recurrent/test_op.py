"""Kernels as Ops: chosen where possible, equal to the scan, and memory that is safe."""

import gc

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from kernel_cases import CELLS, assert_near, problem
from long_forms import long
from pytensor.graph.basic import Constant
from pytensor.graph.traversal import graph_inputs

from rnnkit import kernels
from rnnkit.cells import LSTMCell
from rnnkit.errors import ConfigError
from rnnkit.kernels.recurrent.op import RecurrentGradient, RecurrentOp, RecurrentScan
from rnnkit.kernels.runtime import memory_pool
from rnnkit.kernels.runtime.fused_op import expand_fused
from rnnkit.unroll import unroll

SIZES = (6, 5, 3, 19)


def symbols(name, dtype, rows=False, size=SIZES[3]):
    """Return symbolic x, parameters and first states of a cell."""
    cell, _ = CELLS[name]
    x = pt.tensor3('x', dtype=dtype)
    params = {
        key: pt.tensor(key, dtype=dtype, shape=shape)
        for key, shape in cell.shapes(SIZES[2], size).items()
    }
    shape = (1 if rows else None, size)
    first = [pt.tensor(dtype=dtype, shape=shape) for _ in cell.state._fields]
    return cell, x, params, first


def training_graph(name, dtype, kernel, rows=False, masked=False, use=slice(None), **walk):
    """Return inputs and outputs: states, and gradients of a sum over the states `use`."""
    cell, x, params, first = symbols(name, dtype, rows)
    mask = pt.matrix('mask', dtype='bool') if masked else None
    states = unroll(cell, x, params, SIZES[3], cell.state(*first), mask, kernel=kernel, **walk)
    weights = [pt.tensor3(dtype=dtype) for _ in states]
    loss = sum((s * w).sum() for s, w in list(zip(states, weights, strict=True))[use])
    wrt = [x, *params.values(), *first]
    inputs = [*wrt, *([mask] if masked else []), *weights]
    return inputs, [*states, *pt.grad(loss, wrt)]


def values(name, dtype, rows=False, masked=False):
    case = problem(name, SIZES, dtype, rows=rows, masked=masked)
    args = [case.x, *case.p.values(), *case.first, *([case.mask] if masked else [])]
    return [*args, *case.d_states]


def ops_of(function):
    return [type(node.op).__name__ for node in function.maker.fgraph.apply_nodes]


CASES = [
    long('lstm', 'float64', dict(use=slice(0, 1))),
    ('gru', 'float32', dict(rows=True, masked=True)),
    ('lstm', 'float64', dict(rows=True, masked=True, reverse=True, bptt_limit=2)),
    long('leaky', 'float64', dict(rows=True, use=slice(1, 2))),
]


@pytest.mark.parametrize(('name', 'dtype', 'options'), CASES)
def test_compiled_function_uses_the_kernel_and_equals_the_scan(name, dtype, options):
    data = values(name, dtype, *(options.get(key, False) for key in ('rows', 'masked')))
    compiled = dict(on_unused_input='ignore')
    function = pytensor.function(
        *training_graph(name, dtype, None, **options), mode='NUMBA', **compiled
    )
    kinds = ops_of(function)
    assert kinds.count('RecurrentScan') == kinds.count('RecurrentGradient') == 1
    assert 'Scan' not in kinds
    scan = pytensor.function(
        *training_graph(name, dtype, False, **options), mode='FAST_COMPILE', **compiled
    )
    assert 'Scan' in ops_of(scan)
    assert 'RecurrentScan' not in ops_of(scan)
    for k, (got, want) in enumerate(zip(function(*data), scan(*data), strict=True)):
        assert_near(np.asarray(got), np.asarray(want), dtype, f'output {k}')


def test_without_numba_the_ops_run_the_scan():
    data, walk = values('gru', 'float64', masked=True), dict(reverse=True, bptt_limit=3)
    fused = pytensor.function(
        *training_graph('gru', 'float64', True, masked=True, **walk), mode='FAST_COMPILE'
    )
    scan = pytensor.function(
        *training_graph('gru', 'float64', False, masked=True, **walk), mode='FAST_COMPILE'
    )
    assert 'RecurrentGradient' in ops_of(fused)
    for got, want in zip(fused(*data), scan(*data), strict=True):
        assert_near(got, want, 'float64')


@pytest.fixture(scope='module')
def inference():
    """A function that gives the states of an LSTM; the scan must never be asked for."""
    _, x, params, first = symbols('lstm', 'float32')
    walk = kernels.Walk((False, False))
    states = kernels.fused(CELLS['lstm'][0], _never, _never, walk, x, params, first, None)
    return pytensor.function([x, *params.values(), *first], states, mode='NUMBA')


def _never(*_):
    raise AssertionError('a scan was built that nothing needs')


def test_inference_keeps_nothing_and_builds_no_scan(inference):
    (node,) = [n for n in inference.maker.fgraph.apply_nodes if isinstance(n.op, RecurrentOp)]
    assert isinstance(node.op, RecurrentScan)
    assert not node.op.keep


def reads(states, reverse):
    """Return what a prediction may read of two states, and which of them have to be whole."""
    last, first = (0, -1) if reverse else (-1, 0)
    return [
        ([states[0][last]], (False, False)),
        ([states[0]], (True, False)),
        ([states[0][last], states[1][last], states[1][last].sum()], (False, False)),
        ([states[0][first], states[1][last]], (True, False)),
        ([states[0][last], states[0][:, last], states[1][last:]], (True, True)),
        ([states[0][last], states[0]], (True, False)),
        ([states[1].shape[0], states[0][last, 0]], (True, False)),
    ]


def read_graph(number, reverse, kernel):
    """Return inputs and outputs of a function that reads states, and which have to be whole."""
    cell, x, params, first = symbols('lstm', 'float32')
    state = unroll(cell, x, params, SIZES[3], first, kernel=kernel, reverse=reverse)
    outputs, whole = reads(list(state), reverse)[number]
    return [x, *params.values(), *first], outputs, whole


@pytest.mark.parametrize('reverse', [False, True])
@pytest.mark.parametrize('number', range(7))
def test_states_that_nobody_reads_are_not_stored(number, reverse):
    data = values('lstm', 'float32')[:-2]
    inputs, outputs, whole = read_graph(number, reverse, None)
    function = pytensor.function(inputs, outputs, mode='NUMBA', on_unused_input='ignore')
    ops = [n.op for n in function.maker.fgraph.apply_nodes if isinstance(n.op, RecurrentOp)]
    assert [op.whole for op in ops] == [whole]
    inputs, outputs, _ = read_graph(number, reverse, False)
    scan = pytensor.function(inputs, outputs, mode='FAST_COMPILE', on_unused_input='ignore')
    for got, want in zip(function(*data), scan(*data), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_outputs_are_fresh_and_live_as_long_as_their_views(inference):
    args = values('lstm', 'float32')[:-2]
    args = [np.concatenate([args[0]] * 400), *args[1:]]  # large enough for the pool
    h, c = inference(*args)
    kept, view = h.copy(), h[3:5]
    address = h.ctypes.data
    del h
    gc.collect()
    others = [inference(*[a * k for a in args]) for k in range(3)]
    np.testing.assert_array_equal(view, kept[3:5])
    assert all(o.ctypes.data != address for pair in others for o in pair)
    del view, others, c
    gc.collect()
    assert memory_pool.held() > 0
    again, _ = inference(*args)
    np.testing.assert_array_equal(again, kept)


def test_steady_state_takes_no_new_memory(inference):
    resource = pytest.importorskip('resource')
    args = values('lstm', 'float32')[:-2]
    args = [np.concatenate([args[0]] * 2000), *args[1:]]  # outputs of 4.5 MB each
    for _ in range(5):
        inference(*args)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        inference(*args)
    faults = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 20
    assert faults < 50, f'{faults} page faults a call; fresh memory would take over 2,000'


def test_shapes_that_do_not_fit_raise(inference):
    args = values('lstm', 'float32')[:-2]
    with pytest.raises(ValueError, match="'initial0' is not of shape"):
        inference(*args[:-2], args[-2][:-1], args[-1])
    with pytest.raises(ValueError, match="'xh' is not of shape"):
        inference(args[0][:, :, :-1], *args[1:])
    inference(*args)


def test_no_gradient_by_x_is_computed_if_nobody_wants_it():
    cell, x, params, first = symbols('gru', 'float32')
    state = unroll(cell, x, params, SIZES[3], cell.state(*first), kernel=True)
    gradients = pt.grad(state.h.sum(), list(params.values()))
    graph = pytensor.graph.fg.FunctionGraph([x, *params.values(), *first], gradients, clone=True)
    mode = pytensor.compile.mode.get_mode('FAST_RUN').excluding('inplace')
    mode.optimizer.rewrite(graph)
    (node,) = [n for n in graph.apply_nodes if isinstance(n.op, RecurrentGradient)]
    assert not node.op.want_x
    assert len(node.outputs) == 5


def test_shape_is_known_without_running_the_loop():
    cell, x, params, first = symbols('lstm', 'float32')
    state = unroll(cell, x, params, SIZES[3], cell.state(*first), kernel=True)
    assert state.h.type.shape == (None, None, SIZES[3])
    inputs = [x, *params.values(), *first]
    function = pytensor.function(inputs, state.h.shape, mode='FAST_RUN', on_unused_input='ignore')
    assert 'RecurrentScan' not in ops_of(function)


def test_when_the_scan_is_kept(monkeypatch):
    cell, x, params, first = symbols('lstm', 'float32')

    def maker(cell=cell, **options):
        out = unroll(
            cell, x, params, SIZES[3], cell.state(*first[: len(cell.state._fields)]), **options
        )
        return any(isinstance(v.owner.op, RecurrentScan) for v in out)

    assert maker()
    assert maker(kernel=True)
    assert not maker(kernel=False)
    monkeypatch.setenv('RNNKIT_KERNELS', 'off')
    assert not maker()
    assert not maker(kernel=True)
    monkeypatch.delenv('RNNKIT_KERNELS')
    params['b'] = params['b'].astype('float64')
    with pytest.raises(ConfigError):  # the scan is asked, and says what is wrong
        maker()
    with pytest.raises(ConfigError, match='kernel must be True, False or None'):
        maker(kernel='yes')


def test_a_platform_without_kernels_warns_once_and_keeps_the_scan(monkeypatch, asked_again):
    def fail():
        raise ImportError('no LLVM here')

    monkeypatch.setattr(kernels.switch, 'build_one', fail)
    cell, x, params, first = symbols('lstm', 'float32')
    with pytest.warns(RuntimeWarning, match='cannot be built here') as record:  # noqa: PT031
        for _ in range(2):
            state = unroll(cell, x, params, SIZES[3], cell.state(*first))
            assert not isinstance(state.h.owner.op, RecurrentScan)
    assert len(record) == 1


def test_equal_cells_have_equal_ops():
    _, x, params, first = symbols('lstm', 'float32')
    one, other = (
        unroll(LSTMCell(), x, params, SIZES[3], LSTMCell.state(*first)).h.owner.op for _ in range(2)
    )
    assert one == other
    assert hash(one) == hash(other)
    assert (
        one
        != unroll(
            LSTMCell(activation='relu'), x, params, SIZES[3], LSTMCell.state(*first)
        ).h.owner.op
    )


def test_second_derivatives_equal_those_of_the_scan():
    cell, x, params, first = symbols('rnn-tanh', 'float64')
    results = []
    data = values('rnn-tanh', 'float64')[:-1]
    for kernel in (True, False):
        state = unroll(cell, x, params, SIZES[3], cell.state(*first), kernel=kernel)
        slope = pt.grad((state.h**2).sum(), params['hh'])
        curvature = pt.grad((slope**2).sum(), [x, params['hh']])
        inputs = [x, *params.values(), *first]
        results.append(pytensor.function(inputs, curvature, mode='FAST_COMPILE')(*data))
    for got, want in zip(*results, strict=True):
        assert_near(got, want, 'float64')


def test_gradients_through_tied_weights_are_not_counted_twice():
    """The input of the second loop depends on the weights that it shares with the first."""
    cell, x, params, first = symbols('rnn-tanh', 'float64')
    params['xh'] = pt.tensor('xh', dtype='float64', shape=(SIZES[3], SIZES[3]))
    x = pt.tensor('x', dtype='float64', shape=(None, None, SIZES[3]))
    rng = np.random.default_rng(0)
    inputs = [x, *params.values(), *first]
    data = [rng.standard_normal([n or 4 for n in v.type.shape]) * 0.3 for v in inputs]
    results = []
    for kernel in (True, False):
        lower = unroll(cell, x, params, SIZES[3], cell.state(*first), kernel=kernel)
        upper = unroll(cell, lower.h, params, SIZES[3], cell.state(*first), kernel=kernel)
        gradients = pt.grad((upper.h**2).sum(), list(params.values()))
        results.append(gradients)
    function = pytensor.function(inputs, [*results[0], *results[1]], mode='FAST_COMPILE')
    outputs = function(*data)
    for got, want in zip(outputs[:3], outputs[3:], strict=True):
        assert_near(got, want, 'float64')


def test_other_backends_are_given_the_scan():
    inputs, outputs = training_graph('lstm', 'float32', True)
    for kind in (RecurrentScan, RecurrentGradient):
        graph = pytensor.graph.fg.FunctionGraph(inputs, outputs, clone=True)
        (node,) = [n for n in graph.apply_nodes if isinstance(n.op, kind)]
        meaning = expand_fused.transform(graph, node)
        assert not [
            v
            for v in graph_inputs(meaning)
            if v not in graph.inputs and v.owner is None and not isinstance(v, Constant)
        ]
        assert [m.type.ndim for m in meaning] == [o.type.ndim for o in node.outputs]
        assert all(not isinstance(m.owner.op, RecurrentOp) for m in meaning)
