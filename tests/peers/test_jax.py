"""JAX: the recurrent Ops as `lax.scan`, against PyTensor's scan in Python mode."""

import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from operations import KERNELS

import rnnkit
from rnnkit.cells import Cell, ClockworkCell, GRUCell, LSTMCell, RNNCell
from rnnkit.kernels.language import elementary
from rnnkit.kernels.recurrent.op import RecurrentGradient, RecurrentScan
from rnnkit.unroll import unroll

pytest.importorskip('jax')
# JAX's own start-up may warn of things that are none of ours.
pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings('default:::jax')]


@pytest.fixture(autouse=True)
def kernels_on(monkeypatch):
    """Let the Ops be used that JAX knows, whatever the environment says."""
    monkeypatch.setenv('RNNKIT_KERNELS', 'on')


class LeakyState(NamedTuple):
    h: object
    u: object


class Leaky(Cell):
    """A user's cell: a learned rate, kinks, and blocks of xh and hh in unlike orders."""

    state, gates = LeakyState, 'ab'
    params = {'xh': ('I', '2H'), 'hh': ('H', '3H'), 'b': ('2H',), 'rate': ('2H',)}

    def step(self, z, s, p):
        (za, zb), (ha, hb, hc) = rnnkit.split(z, 2), rnnkit.split(s.h @ p.hh, 3)
        fast, slow = rnnkit.split(p.rate, 2)
        r = pt.sigmoid(fast)
        y = pt.tanh(za + hc + s.u) * pt.clip(zb * hb, -0.5, 0.5)
        u = pt.softplus(s.u * s.h) + pt.switch(ha > 0, slow * ha, abs(y))
        return LeakyState(r * s.h + (1 - r) * y, u)


class Fading(Cell):
    """A cell with a state that no weight touches, and one that is always the same."""

    state, gates = LeakyState, 'h'
    params = {'xh': ('I', 'H'), 'hh': ('H', 'H'), 'b': ('H',)}

    def step(self, z, s, p):
        return LeakyState(pt.tanh(z + s.h @ p.hh) * s.u, pt.ones_like(s.u))


CELLS = {
    'rnn': RNNCell(),
    'rnn-relu': RNNCell(activation='relu'),
    'lstm': LSTMCell(),
    'peepholes': LSTMCell(peepholes=True),
    'gru': GRUCell(),
    'leaky': Leaky(),
    'fading': Fading(),
    'clockwork': ClockworkCell(periods=[1, 2, 1, 3, 2]),
}
I, H = 3, 5  # noqa: E741
LENGTHS = [(6, 4), (1, 3)]  # T, B; JAX compiles anew for each, which is what takes time here


class Graph(NamedTuple):
    """States and gradients of an unrolled cell, and the variables that they depend on."""

    inputs: list
    outputs: list


def graph(cell, dtype, *, rows=False, masked=False, given=None, by_x=True, kernel=None, **walk):
    """Return the states of all steps, and the gradients of a sum of products with them."""
    names = cell.state._fields
    x = pt.tensor('x', dtype=dtype, shape=(None, None, I))
    params = {k: pt.tensor(k, dtype=dtype, shape=s) for k, s in cell.shapes(I, H).items()}
    start = [pt.tensor(f'{n}0', dtype=dtype, shape=(1 if rows else None, H)) for n in names]
    mask = pt.matrix('mask', dtype='bool') if masked else None
    states = unroll(cell, x, params, H, cell.state(*start), mask, kernel=kernel, **walk)
    slopes = [pt.tensor(f'd_{n}', dtype=dtype, shape=(None,) * 3) for n in names]
    pairs = zip(states, slopes, given or [True] * len(names), strict=True)
    total = sum((s * d).sum() for s, d, is_given in pairs if is_given)
    by = [*([x] if by_x else []), *params.values(), *start]
    grads = pytensor.grad(total, by, disconnected_inputs='ignore')
    inputs = [x, *params.values(), *start, *slopes, *([mask] if masked else [])]
    return Graph(inputs, [*states, *grads])


def draw(variables, T, B, rng):
    """Return an array for each variable: its known lengths, else T and B in their order."""
    arrays = []
    for v in variables:
        if v.dtype == 'bool':
            arrays.append(rng.random((T, B)) < 0.6)
            continue
        lengths = {3: (T, B, H), 2: (B, H), 1: (H,)}[v.ndim]
        shape = [known or n for known, n in zip(v.type.shape, lengths, strict=True)]
        arrays.append((rng.standard_normal(shape) * 0.6).astype(v.dtype))
    return arrays


def compiled(graph, mode=None):
    return pytensor.function(graph.inputs, graph.outputs, mode=mode, on_unused_input='ignore')


def assert_near(got, want, limit):
    for k, (a, b) in enumerate(zip(got, want, strict=True)):
        a = np.asarray(a)
        assert a.shape == b.shape, k
        assert a.dtype == b.dtype, k
        error = np.abs(a - b).max() / max(np.abs(b).max(), 1e-3)
        assert error <= limit, f'output {k}: error {error:.1e}, limit {limit:.0e}'


def check(cell, rng, dtype='float64', limit=1e-12, lengths=LENGTHS[:1], **settings):
    """Compare JAX with Python's scan, for all `lengths` through the same function."""
    ours = graph(cell, dtype, **settings)
    on_jax, by_scan = compiled(ours, 'JAX'), compiled(graph(cell, dtype, kernel=False, **settings))
    ops = {type(node.op) for node in on_jax.maker.fgraph.apply_nodes}
    assert {RecurrentScan, RecurrentGradient} <= ops
    assert 'Scan' not in {op.__name__ for op in ops}
    for T, B in lengths:
        arrays = draw(ours.inputs, T, B, rng)
        assert_near(on_jax(*arrays), by_scan(*arrays), limit)


@pytest.mark.parametrize('masked', [False, True], ids=['', 'masked'])
@pytest.mark.parametrize('name', CELLS)
def test_states_and_gradients_equal_the_scan(name, masked, rng):
    check(CELLS[name], rng, masked=masked, lengths=LENGTHS)


@pytest.mark.parametrize('name', ['lstm', 'leaky'])
def test_one_row_for_all_examples(name, rng):
    check(CELLS[name], rng, rows=True, masked=True, lengths=[(5, 1), (3, 2)])


@pytest.mark.parametrize('reverse', [False, True])
def test_states_of_the_last_step_alone(reverse, rng):
    ours = graph(CELLS['lstm'], 'float64', kernel=None, reverse=reverse)
    last = ours.outputs[0][0 if reverse else -1]
    plain = graph(CELLS['lstm'], 'float64', kernel=False, reverse=reverse)
    want = plain.outputs[0][0 if reverse else -1]
    on_jax = pytensor.function(ours.inputs, [last], mode='JAX', on_unused_input='ignore')
    by_scan = pytensor.function(plain.inputs, [want], on_unused_input='ignore')
    ops = [n.op for n in on_jax.maker.fgraph.apply_nodes if isinstance(n.op, RecurrentScan)]
    assert [op.whole for op in ops] == [(False, False)]
    arrays = draw(ours.inputs, *LENGTHS[0], rng)
    assert_near(on_jax(*arrays), by_scan(*arrays), 1e-12)


@pytest.mark.parametrize('given', [(True, False), (False, True)])
def test_gradients_by_some_states(given, rng):
    check(CELLS['leaky'], rng, given=given, masked=True)


@pytest.mark.parametrize(
    'walk',
    [
        {'reverse': True},
        {'bptt_limit': 2},
        {'bptt_limit': 4, 'reverse': True, 'masked': True},
    ],
    ids=str,
)
def test_from_the_end_and_with_gradients_that_stop(walk, rng):
    check(CELLS['leaky'], rng, **walk)


def test_without_gradient_by_x(rng):
    check(CELLS['gru'], rng, by_x=False)


@pytest.mark.parametrize('walk', [{}, {'reverse': True, 'bptt_limit': 2}], ids=str)
@pytest.mark.parametrize('name', ['lstm', 'leaky', 'fading'])
def test_second_derivatives_equal_the_scan(name, walk, rng):
    results = []
    for kernel in (None, False):
        g = graph(CELLS[name], 'float64', rows=True, masked=True, kernel=kernel, **walk)
        by = g.inputs[: len(g.outputs) - len(CELLS[name].state._fields)]
        total = sum((gradient**2).sum() for gradient in g.outputs[-len(by) :])
        second = pytensor.grad(total, by, disconnected_inputs='ignore')
        results.append(compiled(Graph(g.inputs, second), None if kernel is False else 'JAX'))
    on_jax, by_scan = results
    assert 'RecurrentCurvature' in {type(n.op).__name__ for n in on_jax.maker.fgraph.apply_nodes}
    arrays = draw(g.inputs, 4, 3, rng)
    assert_near(on_jax(*arrays), by_scan(*arrays), 1e-11)


# Both round at each step; over six steps that makes a few units in the last place.
@pytest.mark.parametrize('name', ['lstm', 'leaky'])
def test_float32(name, rng):
    check(CELLS[name], rng, 'float32', 5e-6, masked=True)


def test_padding_may_hold_nan(rng):
    g = graph(CELLS['lstm'], 'float64', masked=True)
    arrays = dict(zip([v.name for v in g.inputs], draw(g.inputs, 4, 3, rng), strict=True))
    f = compiled(g, 'JAX')
    clean = f(*arrays.values())
    arrays['x'][~arrays['mask']] = np.nan
    dirty = f(*arrays.values())
    # What x is multiplied with to give the gradient by xh is 0 there, and 0 * NaN is NaN.
    names = ['h', 'c', *(v.name for v in g.inputs if v.name[:2] != 'd_' and v.name != 'mask')]
    same = [n != 'xh' for n in names]
    pick = [k for k, is_same in enumerate(same) if is_same]
    assert_near([dirty[k] for k in pick], [clean[k] for k in pick], 0)


def test_every_operation_of_the_kernels_has_a_counterpart():
    from rnnkit.kernels.recurrent import dispatch_jax

    assert set(dispatch_jax.OPERATIONS) == set(elementary.OPERATIONS)


@pytest.mark.parametrize('name', sorted(elementary.OPERATIONS))
def test_operations(name):
    """Against NumPy, on numbers that are in the domain of all, with some equal and some 0."""
    from rnnkit.kernels.recurrent import dispatch_jax

    a, b = np.repeat([-3.0, -0.5, 0.0, 0.5, 2.0], 4), np.tile([-3.0, -0.5, 0.5, 2.0], 5)
    if name in ('log', 'log1p', 'sqrt'):
        a = abs(b)
    n = {'not': 1, 'select': 3}.get(name, getattr(KERNELS[name], 'nin', 1))
    args = [a > 0, b > 0] if name in ('and', 'or', 'xor', 'not') else [a, b]
    args = [a > 0, a, b] if name == 'select' else args[:n]
    found = np.asarray(dispatch_jax.OPERATIONS[name](*args))
    assert np.allclose(found, KERNELS[name](*args), rtol=1e-14, atol=0)


def endless(classes, dtype):
    """Yield batches of two lengths, for outputs of 3 values or 3 classes."""
    rng = np.random.default_rng(7)
    while True:
        for T, B in [(5, 4), (7, 3)]:
            x, y = rng.standard_normal((2, T, B, 3)).astype(dtype)
            yield [x[..., :2], y.argmax(-1) if classes else y]


def trained(mode, model, form, dtype):
    """Return the losses, the parameters and a prediction after a few updates of a network."""
    with pytensor.config.change_flags(mode=mode):
        net = model([2, (form, 6), ('lstm', 4), 3], dtype=dtype, seed=3)
        batches = endless(model is rnnkit.Classifier, dtype)
        history = net.itertrain(
            lambda: next(batches),
            algo='rmsprop',
            epochs=4,
            train_batches=2,
            valid_batches=1,
            validate_every=1,
        )
        losses = [[float(t['loss']), float(v['loss'])] for t, v in history]
        x = np.linspace(-1, 1, 24).reshape(4, 3, 2)
        return [np.array(losses), *(p.get_value() for p in net.params), net.predict(x)]


# PyTensor cannot assert while JAX runs, and says so.
@pytest.mark.filterwarnings('ignore:Skipping Assert')
@pytest.mark.parametrize(
    ('model', 'form', 'dtype', 'limit'),
    [
        (rnnkit.Regressor, 'rnn', 'float64', 1e-12),
        (rnnkit.Regressor, 'bidirectional', 'float64', 1e-12),
        (rnnkit.Classifier, 'gru', 'float64', 1e-12),
        (rnnkit.Regressor, 'gru', 'float32', 5e-6),
    ],
)
def test_training(model, form, dtype, limit):
    """A whole training: clipping, validation, two lengths, prediction."""
    by_scan, on_jax = (trained(mode, model, form, dtype) for mode in ('FAST_COMPILE', 'JAX'))
    assert_near(on_jax, by_scan, limit)
    assert type(on_jax[-1]) is np.ndarray
    assert on_jax[-1].flags.writeable


WITHOUT_JAX = """
import sys
sys.modules['jax'] = None  # as if it were not installed
import rnnkit, pytensor
with pytensor.config.change_flags(mode='FAST_COMPILE'):
    rnnkit.Regressor([1, ('lstm', 2), 1]).predict([[[1.0]]])
with pytensor.config.change_flags(mode='JAX'):
    try:
        rnnkit.Regressor([1, ('lstm', 2), 1]).predict([[[1.0]]])
    except ModuleNotFoundError as error:
        assert error.name == 'jax', error
    else:
        raise AssertionError('JAX ran without JAX')
"""

WITH_JAX = """
import sys
import rnnkit, pytensor
with pytensor.config.change_flags(mode='FAST_COMPILE'):
    rnnkit.Regressor([1, ('lstm', 2), 1]).predict([[[1.0]]])
assert 'jax' not in sys.modules and 'rnnkit.kernels.recurrent.dispatch_jax' not in sys.modules
"""


@pytest.mark.parametrize('script', [WITHOUT_JAX, WITH_JAX], ids=['without JAX', 'with JAX'])
def test_jax_is_not_needed_before_it_is_used(script):
    subprocess.run([sys.executable, '-c', script], check=True)
