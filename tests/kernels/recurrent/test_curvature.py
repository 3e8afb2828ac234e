"""Second derivatives of recurrent layers: against differences of the gradient, and by the scan."""

from typing import NamedTuple

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from kernel_cases import CELLS, assert_near, can_run, expected, forward, guarded, problem, target
from long_forms import long, long_unless
from pytensor.compile.mode import get_mode
from pytensor.graph.basic import Constant
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.traversal import graph_inputs

import rnnkit
from rnnkit.cells import Cell
from rnnkit.common.compiled import Compiled
from rnnkit.common.tensors import split
from rnnkit.kernels.language import threads
from rnnkit.kernels.recurrent import trace
from rnnkit.kernels.recurrent.curvature_arrays import Loops
from rnnkit.kernels.recurrent.curvature_kernel import CurvatureKernel
from rnnkit.kernels.recurrent.walk import Walk
from rnnkit.kernels.runtime import kernel
from rnnkit.unroll import unroll

SIZES = (5, 3, 2, 4)  # T, B, I, H
STEP = 1e-5  # of differences


def names_of(name):
    """Return the names of all inputs by which there are gradients, in the Op's order."""
    form = trace.form_of(CELLS[name][0])
    return ['x', form.recurrent, 'xh', *form.vectors, *(f'first{k}' for k in range(form.n_states))]


def arrays_of(name, case):
    keys = names_of(name)[: len(case.p) + 1]
    return [case.x, *(case.p[key] for key in keys[1:]), *case.first]


def with_arrays(name, case, arrays):
    """Return the problem with other values of its inputs."""
    keys, n = names_of(name)[1 : len(case.p) + 1], len(case.p) + 1
    return case._replace(x=arrays[0], p=dict(zip(keys, arrays[1:n], strict=True)), first=arrays[n:])


def direction_of(name, case, moved, seed=1):
    """Return arrays like the inputs, 0 for those that do not move."""
    rng = np.random.default_rng(seed)
    chosen = moved or names_of(name)
    return [
        rng.standard_normal(a.shape) * (key in chosen)
        for key, a in zip(names_of(name), arrays_of(name, case), strict=True)
    ]


def differences(name, case, direction, reverse=False):
    """Return the changes of all states and gradients along a direction, by differences."""
    ends = []
    for sign in (1, -1):
        moved = [a + sign * STEP * v for a, v in zip(arrays_of(name, case), direction, strict=True)]
        states, gradients = expected(name, with_arrays(name, case, moved), reverse)
        ends.append([*states, *gradients])
    return [(a - b) / (2 * STEP) for a, b in zip(*ends, strict=True)]


def _free(shape):
    """Return a shape in which the lengths of batches are not known."""
    return (*(1 if n == 1 else None for n in shape[:-1]), shape[-1])


def graph(name, case, moved, fused=True, **walk):
    """Return inputs, and the derivatives of a sum over gradients, in the order of `differences`."""
    cell, _ = CELLS[name]
    names, dtype = names_of(name), case.x.dtype.name
    wrt = [
        pt.tensor(key, dtype=dtype, shape=a.shape if key in case.p else _free(a.shape))
        for key, a in zip(names, arrays_of(name, case), strict=True)
    ]
    n = len(case.p) + 1
    mask = None if case.mask is None else pt.matrix('mask', dtype='bool')
    direct = None
    if case.direct is not None:
        direct = pt.tensor('direct', dtype=dtype, shape=(None, None, case.direct.shape[-1]))
    states = unroll(
        cell,
        wrt[0],
        dict(zip(names[1:n], wrt[1:n], strict=True)),
        SIZES[3],
        cell.state(*wrt[n:]),
        mask,
        kernel=fused,
        direct=direct,
        **walk,
    )
    given = [None if d is None else pt.tensor3(dtype=dtype) for d in case.d_states]
    loss = sum((s * d).sum() for s, d in zip(states, given, strict=True) if d is not None)
    gradients = dict(zip(names, pt.grad(loss, wrt), strict=True))
    direction = [v.type() for v in wrt]
    pairs = dict(zip(names, direction, strict=True))
    total = sum((gradients[key] * pairs[key]).sum() for key in moved or names)
    given = [d for d in given if d is not None]
    outputs = pt.grad(total, [*given, *wrt], disconnected_inputs='ignore')
    fixed = [v for v in (direct, mask) if v is not None]
    return [*wrt, *given, *direction, *fixed], outputs


def data_of(name, case, direction):
    given = [d for d in case.d_states if d is not None]
    fixed = [a for a in (case.direct, case.mask) if a is not None]
    dtype = case.x.dtype
    return [*arrays_of(name, case), *given, *(v.astype(dtype) for v in direction), *fixed]


def compiled(inputs, outputs):
    return pytensor.function(inputs, outputs, mode='FAST_COMPILE', on_unused_input='ignore')


def wanted(name, case, direction, reverse=False):
    """Return the differences, without those of states for which no gradient is given."""
    found = differences(name, case, direction, reverse)
    n = len(case.d_states)
    chosen = [s for s, d in zip(found[:n], case.d_states, strict=True) if d is not None]
    return [*chosen, *found[n:]]


def check(name, moved=None, rows=False, masked=False, given=None, **walk):
    case = problem(name, SIZES, 'float64', rows=rows, masked=masked, given=given)
    direction = direction_of(name, case, moved)
    inputs, outputs = graph(name, case, moved, **walk)
    got = compiled(inputs, outputs)(*data_of(name, case, direction))
    for k, (a, b) in enumerate(zip(got, wanted(name, case, direction, **walk), strict=True)):
        # Differences over 2e-5 have an error of about 1e-10 by rounding and by their length.
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7, err_msg=f'{name}, output {k}')
    return inputs, outputs, got, data_of(name, case, direction)


@pytest.mark.parametrize('name', CELLS)
def test_equals_differences_of_the_gradient(name):
    check(name)


@pytest.mark.parametrize('reverse', [False, True])
@pytest.mark.parametrize('name', ['lstm', 'gru', 'leaky'])
def test_equals_differences_with_mask_and_one_row_states(name, reverse):
    last = [False] * (trace.form_of(CELLS[name][0]).n_states - 1) + [True]
    check(name, rows=True, masked=True, given=last, reverse=reverse)


@pytest.mark.parametrize(
    ('name', 'moved'),
    [('lstm', ['x']), ('gru', ['hh']), ('peephole', ['b', 'co']), ('lstm', ['first1'])],
)
def test_in_a_direction_of_some_inputs(name, moved):
    check(name, moved)


class ShuffledState(NamedTuple):
    h: object
    u: object


class Shuffled(Cell):
    """Blocks of xh and hh in unlike orders, kinks, and vectors of several blocks."""

    state, gates = ShuffledState, 'ab'
    params = {'xh': ('I', '2H'), 'hh': ('H', '3H'), 'b': ('2H',), 'rate': ('2H',)}

    def step(self, z, s, p):
        (za, zb), (ha, hb, hc) = split(z, 2), split(s.h @ p.hh, 3)
        fast, slow = split(p.rate, 2)
        r = pt.sigmoid(fast)
        y = pt.tanh(za + hc + s.u) * pt.clip(zb * hb, -0.5, 0.5)
        u = pt.softplus(s.u * s.h) + pt.switch(ha > 0, slow * ha, abs(y))
        root = pt.sqrt(1 + y * y) * pt.log1p(pt.exp(-u * u)) / (1 + u * u)
        return ShuffledState(r * s.h + (1 - r) * y * root, u)


@pytest.fixture
def shuffled(monkeypatch):
    """Add the cell to those of the tests, without equations in NumPy."""
    monkeypatch.setitem(CELLS, 'shuffled', (Shuffled(), None))


def check_against_scan(name, moved=None, **walk):
    case = problem(name, SIZES, 'float64', masked=True)
    data = data_of(name, case, direction_of(name, case, moved))
    results = [compiled(*graph(name, case, moved, k, **walk))(*data) for k in (True, False)]
    for k, (got, want) in enumerate(zip(*results, strict=True)):
        assert_near(got, want, 'float64', f'{name}, output {k}')


# What is carried over a stop counts as a constant, as in the scan; differences would move it.
@pytest.mark.parametrize(
    ('name', 'reverse', 'limit'),
    [('lstm', False, 2), ('gru', True, 3), long('lstm', True, 1), long('gru', False, 1)],
)
def test_equals_the_scan_where_gradients_stop(name, reverse, limit):
    check_against_scan(name, reverse=reverse, bptt_limit=limit)


@pytest.mark.usefixtures('shuffled')
def test_equals_the_scan_for_blocks_in_any_order():
    check_against_scan('shuffled')


def test_third_derivatives_equal_those_of_the_scan():
    case = problem('rnn-tanh', SIZES, 'float64')
    data = data_of('rnn-tanh', case, direction_of('rnn-tanh', case, None))
    results = []
    for fused in (True, False):
        inputs, outputs = graph('rnn-tanh', case, ['hh'], fused)
        third = pt.grad(sum((o**2).sum() for o in outputs[1:3]), inputs[:3])
        results.append(compiled(inputs, third)(*data))
    for got, want in zip(*results, strict=True):
        assert_near(got, want, 'float64')


def test_gradient_op_passes_the_check_of_pytensor(rng):
    case, cell = problem('gru', (3, 2, 2, 3), 'float64'), CELLS['gru'][0]

    def gradients(x, *others):
        *params, first = others
        params = dict(zip(names_of('gru')[1:], params, strict=False))
        h = unroll(cell, x, params, 3, cell.state(first), kernel=True).h
        return pt.concatenate([g.ravel() for g in pt.grad((h**3).sum(), [x, *others])])

    data = arrays_of('gru', case)
    pytensor.gradient.verify_grad(gradients, data, rng=rng, mode='FAST_COMPILE')


# --- the work


class Seen(Exception):  # noqa: N818 - it ends a training whose graph is all that is asked for
    """The graph has been recorded."""


def rewritten(outputs):
    """Return the names of the Ops that are left where a function is compiled."""
    inputs = [v for v in graph_inputs(outputs) if not isinstance(v, Constant)]
    graph = FunctionGraph(inputs, outputs, clone=True)
    get_mode('FAST_RUN').excluding('inplace').optimizer.rewrite(graph)
    return [type(node.op).__name__ for node in graph.apply_nodes]


def test_a_product_with_the_hessian_is_made_of_kernels():
    case = problem('lstm', SIZES, 'float32')
    nodes = rewritten(graph('lstm', case, None)[1])
    assert nodes.count('RecurrentCurvature') == 1
    assert 'Scan' not in nodes
    assert len(nodes) <= 5, nodes  # the scan's derivative has hundreds, inside it and around it


@pytest.mark.parametrize('options', [dict(algo='esgd'), dict(contractive=0.1)], ids=str)
def test_training_with_second_derivatives_is_made_of_few_nodes(options, monkeypatch):
    """Each kind of node takes up to seconds to compile, some of PyTensor's own most of all."""
    found, compile_graph = [], Compiled._compile

    def record(self, *arrays):
        if self.what != 'the train step':
            return compile_graph(self, *arrays)
        _, outputs, updates = self._graph
        found.append(rewritten([*outputs, *(new for _, new in updates)]))
        raise Seen

    net = rnnkit.Regressor([2, ('lstm', 3), 1], dtype='float32')
    x = np.zeros((3, 2, 2), 'float32')
    monkeypatch.setattr(Compiled, '_compile', record)
    with pytest.raises(Seen):
        net.train([x, x[..., :1]], epochs=1, progress=False, **options)
    (nodes,) = found
    assert nodes.count('RecurrentCurvature') == 1
    assert not {'Scan', 'Dot', 'Dot22', 'Split', 'Alloc'} & set(nodes)
    assert len(nodes) <= 70, nodes


# --- the kernel

# lengths of 1, tails of all widths, more than one panel and block of rows; threads
LENGTHS = [((4, 5, 3, 21), 1), ((1, 1, 1, 1), 1), ((3, 13, 40, 70), 3)]


def check_kernel(
    name,
    where,
    moved=None,
    lengths=None,
    place=np.asarray,
    allocate=np.empty,
    rows=False,
    masked=False,
    given=None,
    **walk,
):
    """Compare the kernel with NumPy, for all lengths."""
    if not can_run(where.width):
        pytest.skip(f'this processor has no vectors of {where.width} bytes')
    form, dtype = trace.form_of(CELLS[name][0]), f'f{where.size}'
    walk = Walk((rows,) * form.n_states, masked, **walk)
    given = given or [True] * form.n_states
    wrt = ['x', form.recurrent, 'xh', *form.vectors, *(f'initial{k}' for k in range(form.n_states))]
    moved = [n for n in wrt if n in (moved or wrt)]
    states = [f'd_new{k}' for k in range(form.n_states) if given[k]]
    results = [*states, *(f'c_{n}' for n in wrt)]
    writer = CurvatureKernel(form, where, walk, given, moved, results)
    function = kernel.build('test_curvature', writer, repr((where, writer.description)))
    for sizes, n in LENGTHS if lengths is None else [(s, n) for s in lengths for n in (1, 3)]:
        case = problem(name, sizes, dtype, rows=rows, masked=masked, given=given)
        rng = np.random.default_rng(1)
        ahead = forward(name, where, rows=rows, keep=False, masked=masked, **_loop(walk))(
            *case.args
        )
        outer = [d for d in case.d_states if d is not None]
        shapes = dict(zip(wrt, (a.shape for a in case.args), strict=False))
        directions = [rng.standard_normal(shapes[n]).astype(dtype) for n in moved]
        arrays = [place(a) for a in (*case.args, *ahead, *outer, *directions)]
        threads.set_threads(n)
        with threads.smallest_part(1):
            got = function(*arrays, allocate=allocate)
        named = dict(zip([a.name for a in writer.frame.inputs], arrays, strict=True))
        exact = {key: a.astype('float64') for key, a in named.items()}
        found = Loops(form, walk, exact).run()
        for result, array in zip(results, got, strict=True):
            assert_near(array, found[result], dtype, f'{name} {sizes} {result}')


def _loop(walk):
    return dict(reverse=walk.reverse, bptt_limit=walk.bptt_limit)


@pytest.mark.parametrize('name', long_unless(lambda name: name in ('lstm', 'gru', 'leaky'), CELLS))
def test_kernel_equals_numpy(name):
    check_kernel(name, kernel.host_target('float64'))


@pytest.mark.parametrize(
    ('name', 'dtype', 'width'),
    [('lstm', 'float32', 64), ('gru', 'float32', 32), ('leaky', 'float64', 16)],
)
def test_kernel_equals_numpy_with_mask_and_one_row_states(name, dtype, width):
    last = [False] * (trace.form_of(CELLS[name][0]).n_states - 1) + [True]
    options = dict(rows=True, masked=True, given=last, reverse=name == 'gru', bptt_limit=2)
    check_kernel(name, target(dtype, width), ['x', 'b', 'initial0'], **options)


@pytest.mark.usefixtures('shuffled')
def test_kernel_equals_numpy_for_blocks_in_any_order():
    check_kernel('shuffled', kernel.host_target('float64'))


@pytest.mark.parametrize('at_end', [True, False])
@pytest.mark.parametrize(('name', 'sizes'), [('lstm', (3, 5, 3, 21)), ('leaky', (2, 7, 70, 65))])
def test_nothing_outside_the_arrays_is_touched(name, sizes, at_end):
    """Each array, and the work memory, lies next to memory that may not be touched."""

    def allocate(shape, dtype):
        # Kernels may rely on the pool's alignment of work memory.
        shape = (-(-shape[0] // 64) * 64,) if dtype == np.uint8 else shape
        return guarded(shape, dtype, at_end)

    def place(array):
        copy = guarded(array.shape, array.dtype, at_end)
        copy[...] = array
        return copy

    check_kernel(name, kernel.host_target('float32'), None, [sizes], place, allocate, masked=True)
