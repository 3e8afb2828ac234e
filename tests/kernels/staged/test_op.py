"""Staged loops as Ops: chosen where there is no simpler form, and equal to the scan."""

from functools import partial

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from kernel_cases import assert_near
from long_forms import long
from staged_cells import CELLS

from rnnkit import kernels
from rnnkit import unroll as by_scan
from rnnkit.cells import GRUCell
from rnnkit.kernels.runtime import linker
from rnnkit.kernels.runtime.plan import Plan
from rnnkit.kernels.staged.op import StagedGradient, StagedScan
from rnnkit.unroll import unroll

T, B, I, H = 6, 5, 3, 7  # noqa: E741


def symbols(name, dtype, rows=False):
    """Return a cell with symbolic x, parameters and first states, and codes if it takes any."""
    cell = CELLS[name]
    letters = {'I': I, **cell.lengths(H)}
    x = pt.tensor('x', dtype=dtype, shape=(None, None, I))
    params = {
        key: pt.tensor(key, dtype=dtype, shape=shape) for key, shape in cell.shapes(I, H).items()
    }
    widths = [letters[cell.axes.get(name, 'H')] for name in cell.state._fields]
    first = [pt.tensor(dtype=dtype, shape=(1 if rows else None, width)) for width in widths]
    codes = sum(cell.direct_widths(H))
    direct = pt.tensor('direct', dtype=dtype, shape=(None, None, codes)) if codes else None
    return cell, x, params, first, direct


def training_graph(name, dtype, kernel, rows=False, masked=False, use=slice(None), **walk):
    """Return inputs and outputs: states, and gradients of a sum over the states `use`."""
    cell, x, params, first, direct = symbols(name, dtype, rows)
    mask = pt.matrix('mask', dtype=dtype) if masked else None
    states = unroll(
        cell, x, params, H, cell.state(*first), mask, kernel=kernel, direct=direct, **walk
    )
    weights = [s.type() for s in states]
    loss = sum((s * w).sum() for s, w in list(zip(states, weights, strict=True))[use])
    wrt = [x, *params.values(), *first]
    inputs = [*wrt, *(v for v in (mask, direct) if v is not None), *weights]
    gradients = pt.grad(loss, wrt, disconnected_inputs='ignore')
    return inputs, [*states, *gradients]


def values(inputs):
    """Return arrays for symbolic inputs."""
    rng, found = np.random.default_rng(0), []
    for v in inputs:
        shape = [n or size for n, size in zip(v.type.shape, (T, B, H)[-v.ndim :], strict=True)]
        if v.ndim == 3:
            shape[:2] = T, B
        elif v.ndim == 2 and v.type.shape[0] is None:
            shape[0] = T if v.name == 'mask' else B
        if v.name == 'mask':
            found.append((rng.random((T, B)) < 0.7).astype(v.dtype))
        elif v.name == 'direct':
            found.append(rng.integers(0, 4, shape).astype(v.dtype))
        else:
            found.append((0.5 * rng.standard_normal(shape)).astype(v.dtype))
    return found


def results(graph, mode, arrays=None):
    """Return what a graph computes, the arrays it was given, and the names of its Ops."""
    inputs, outputs = graph
    arrays = values(inputs) if arrays is None else arrays
    function = pytensor.function(inputs, outputs, mode=mode, on_unused_input='ignore')
    kinds = [type(node.op).__name__ for node in function.maker.fgraph.apply_nodes]
    kinds += ['Plan'] * isinstance(getattr(function.vm, 'jit_fn', None), Plan)
    return [np.asarray(a) for a in function(*arrays)], arrays, kinds


def planned():
    """Return the mode of compiled networks."""
    with pytensor.config.change_flags(mode='NUMBA'):
        return linker.mode()


WALK = dict(rows=True, masked=True, reverse=True, bptt_limit=2)
CASES = [
    ('gru before', 'float32', WALK),
    long('gru before', 'float64', {}),
    long('projected lstm', 'float64', dict(use=slice(0, 1))),
    long('projected lstm', 'float32', WALK),
    long('normed', 'float32', dict(masked=True)),
    long('normed', 'float64', WALK),
    long('dropped zoned lstm', 'float64', WALK),
    long('sums', 'float64', WALK),
    ('compared', 'float64', dict(masked=True)),
    long('mixture', 'float64', WALK),
    long('mixture', 'float32', {}),
    long('no product', 'float64', WALK),
    long('zoned scrn', 'float32', WALK),
    long('mut1', 'float64', WALK),
    long('mrnn', 'float32', {}),
]


@pytest.mark.filterwarnings('ignore:.*np.dot.* is faster on contiguous arrays')
@pytest.mark.parametrize(('name', 'dtype', 'options'), CASES)
def test_kernels_equal_the_scan(name, dtype, options):
    got, arrays, kinds = results(training_graph(name, dtype, None, **options), planned())
    assert kinds.count('StagedScan') == kinds.count('StagedGradient') == 1
    assert 'Scan' not in kinds
    # Without Numba, but for a product of three axes that a cell of one's own writes with @.
    assert ('Plan' in kinds) == (name != 'no product')
    exact = training_graph(name, 'float64', False, **options)
    double = [a.astype('float64') for a in arrays]
    want, _, kinds = results(exact, 'FAST_COMPILE', double)
    assert 'Scan' in kinds
    for k, (a, b) in enumerate(zip(got, want, strict=True)):
        assert_near(a, b, dtype, f'output {k}')


@pytest.mark.long
@pytest.mark.parametrize('name', ['gru before', 'mixture', 'no product'])
def test_without_numba_the_ops_run_the_scan(name):
    walk = dict(reverse=True, bptt_limit=3, masked=True)
    got, arrays, kinds = results(training_graph(name, 'float64', True, **walk), 'FAST_COMPILE')
    assert 'StagedGradient' in kinds
    want, _, _ = results(training_graph(name, 'float64', False, **walk), 'FAST_COMPILE', arrays)
    for a, b in zip(got, want, strict=True):
        assert_near(a, b, 'float64')


def test_side_inputs_reach_the_step_in_the_scan_of_the_op():
    elapsed = 0.5
    cell, x, params, first, _ = symbols('timed', 'float64')
    sides = {
        name: pt.tensor(name, dtype='float64', shape=(None, None, width))
        for name, width in dict(elapsed=1, kept=H, unread=I).items()
    }
    walk = kernels.Walk((False,))
    scan, steps = (partial(f, cell, walk) for f in (by_scan._scan, by_scan._steps))
    (state,) = kernels.fused(cell, scan, steps, walk, x, params, first, None, None, sides)
    assert isinstance(state.owner.op, StagedScan)
    inputs = [x, *params.values(), *first, *sides.values()]
    arrays = values(inputs)
    arrays[-3][:] = elapsed
    got = pytensor.function(inputs, state, mode='FAST_COMPILE', on_unused_input='ignore')(*arrays)
    by_name = dict(zip([*params, 'h', *sides], arrays[1:], strict=True))
    h = by_name['h']
    for t in range(T):
        old = h * np.exp(-(by_name['rate'] ** 2) * elapsed)
        z = arrays[0][t] @ by_name['xh'] + by_name['b']
        h = np.tanh(z + (by_name['kept'][t] * old) @ by_name['hh'])
        np.testing.assert_allclose(got[t], h, atol=1e-12)


def test_what_nobody_reads_is_not_stored():
    cell, x, params, first, _ = symbols('projected lstm', 'float32')
    state = unroll(cell, x, params, H, cell.state(*first))
    inputs = [x, *params.values(), *first]
    function = pytensor.function(inputs, state.h[-1], mode=planned())
    (op,) = [n.op for n in function.maker.fgraph.apply_nodes if isinstance(n.op, StagedScan)]
    assert not op.keep
    assert op.whole == (False, False)
    scan = unroll(cell, x, params, H, cell.state(*first), kernel=False).h[-1]
    want = pytensor.function(inputs, scan, mode='FAST_COMPILE', on_unused_input='ignore')
    arrays = values(inputs)
    np.testing.assert_allclose(function(*arrays), want(*arrays), atol=1e-6)


def test_equal_cells_have_equal_ops():
    ops = []
    for activation in ('tanh', 'tanh', 'relu'):
        _, x, params, first, _ = symbols('gru before', 'float32')
        cell = GRUCell(reset='before', activation=activation)
        ops.append(unroll(cell, x, params, H, cell.state(*first)).h.owner.op)
    assert ops[0] == ops[1] != ops[2]
    assert hash(ops[0]) == hash(ops[1])
    gradients = [StagedGradient(op.form, op.scan, op.walk, (True,)) for op in ops]
    assert gradients[0] == gradients[1] != gradients[2]
    assert gradients[0] != StagedGradient(ops[0].form, ops[0].scan, ops[0].walk, (False,))


def test_shapes_are_known_without_a_run():
    cell, x, params, first, _ = symbols('projected lstm', 'float64')
    state = unroll(cell, x, params, H, cell.state(*first))
    assert [s.type.shape for s in state] == [(None, None, 3), (None, None, H)]
    function = pytensor.function(
        [x, *params.values(), *first], state.c.shape, mode='FAST_RUN', on_unused_input='ignore'
    )
    assert not [n for n in function.maker.fgraph.apply_nodes if isinstance(n.op, StagedScan)]
    arrays = values([x, *params.values(), *first])
    assert tuple(function(*arrays)) == (T, B, H)


@pytest.mark.long
def test_second_derivatives_equal_those_of_the_scan():
    found = []
    for kernel in (True, False):
        cell, x, params, first, _ = symbols('gru before', 'float64')
        state = unroll(cell, x, params, H, cell.state(*first), kernel=kernel)
        slope = pt.grad((state.h**2).sum(), params['hh'])
        second = pt.grad((slope**2).sum(), [x, params['hh']])
        inputs = [x, *params.values(), *first]
        function = pytensor.function(inputs, second, mode='FAST_COMPILE')
        found.append(function(*values(inputs)))
    for got, want in zip(*found, strict=True):
        assert_near(got, want, 'float64')


@pytest.mark.peers
@pytest.mark.filterwarnings('ignore:Skipping Assert')  # of PyTensor, on JAX
@pytest.mark.parametrize('name', ['gru before', 'no product', 'dropped zoned lstm'])
def test_loops_on_jax_equal_the_scan(name):
    pytest.importorskip('jax')
    got, arrays, kinds = results(training_graph(name, 'float32', None, **WALK), 'JAX')
    assert 'StagedGradient' in kinds
    double = [a.astype('float64') for a in arrays]
    want, _, _ = results(training_graph(name, 'float64', False, **WALK), 'FAST_COMPILE', double)
    for k, (a, b) in enumerate(zip(got, want, strict=True)):
        np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max(), err_msg=f'output {k}')
