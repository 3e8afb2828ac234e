"""Cells, sizes and arrays that the tests of the kernels share."""

import ctypes
import mmap
from typing import NamedTuple

import equations
import numpy as np
import pytensor.tensor as pt

from rnnkit.cells import Cell, GRUCell, LSTMCell, LSTMState, RNNCell
from rnnkit.cells.wrappers import Zoned
from rnnkit.common.tensors import split
from rnnkit.kernels.language.vector import Target
from rnnkit.kernels.recurrent import trace
from rnnkit.kernels.recurrent.backward import Backward
from rnnkit.kernels.recurrent.forward import Forward
from rnnkit.kernels.recurrent.walk import Walk
from rnnkit.kernels.runtime import kernel


class LeakyState(NamedTuple):
    h: object
    u: object


class Leaky(Cell):
    """A user's cell, with two states, a learned rate and a function that no gate uses."""

    state, gates = LeakyState, 'h'
    params = {'xh': ('I', 'H'), 'hh': ('H', 'H'), 'b': ('H',), 'rate': ('H',)}

    def step(self, z, s, p):
        r = pt.sigmoid(p.rate)
        y = pt.tanh(z + s.h @ p.hh + s.u)
        return LeakyState(r * s.h + (1 - r) * y, pt.softplus(s.u * s.h))


class Peephole(Cell):
    state, gates = LSTMState, 'ifgo'
    params = {
        'xh': ('I', '4H'),
        'hh': ('H', '4H'),
        'b': ('4H',),
        'ci': ('H',),
        'cf': ('H',),
        'co': ('H',),
    }

    def step(self, z, s, p):
        i, f, g, o = split(z + s.h @ p.hh, 4)
        c = pt.sigmoid(f + p.cf * s.c) * s.c + pt.sigmoid(i + p.ci * s.c) * pt.tanh(g)
        return LSTMState(pt.sigmoid(o + p.co * c) * pt.tanh(c), c)


CELLS = {
    'rnn-tanh': (RNNCell(), equations.rnn('tanh')),
    'rnn-relu': (RNNCell(activation='relu'), equations.rnn('relu')),
    'rnn-linear': (RNNCell(activation='linear'), equations.rnn('linear')),
    'rnn-sigmoid': (RNNCell(activation='sigmoid'), equations.rnn('sigmoid')),
    'lstm': (LSTMCell(), equations.lstm()),
    'gru': (GRUCell(), equations.gru()),
    'peephole': (Peephole(), equations.lstm(peepholes=True)),
    'leaky': (Leaky(), equations.leaky()),
    'zoned lstm': (Zoned(LSTMCell()), equations.zoned(equations.lstm())),
    'zoned gru': (Zoned(GRUCell()), equations.zoned(equations.gru())),
}

TARGETS = {16: (16, 16), 32: (32, 16), 64: (64, 32)}  # bytes of a vector: width, registers


def target(dtype, width):
    return Target(np.dtype(dtype).itemsize * 8, *TARGETS[width])


def can_run(width):
    """Whether this processor has vectors of that many bytes."""
    return width <= kernel.host_target('float32').width


class Problem(NamedTuple):
    """Arrays of one unrolled cell; `args` is what its forward kernel takes.

    `direct` is what each step is given besides x, or None.
    """

    x: np.ndarray
    p: dict
    first: list
    mask: np.ndarray | None
    direct: np.ndarray | None
    d_states: list
    args: list


def problem(name, sizes, dtype, *, rows=False, masked=False, given=None, seed=0, scale=0.4):
    """Return random arrays for cell `name` and (T, B, I, H)."""
    cell, _ = CELLS[name]
    t, b, i, h = sizes
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return (rng.standard_normal(shape) * scale).astype(dtype)

    p = {key: normal(*shape) for key, shape in cell.shapes(i, h).items()}
    n = len(cell.state._fields)
    first = [normal(1 if rows else b, h) for _ in range(n)]
    x = normal(t, b, i)
    mask = rng.random((t, b)) < 0.7 if masked else None
    given = given or (True,) * n
    d_states = [normal(t, b, h) if is_given else None for is_given in given]
    form = trace.form_of(cell)
    # Codes, of a bit for each state, for the only cells here that are given anything.
    widths = cell.direct_widths(h)
    direct = rng.integers(0, 2**n, (t, b, sum(widths))).astype(dtype) if widths else None
    args = [x, *(p[key] for key in (form.recurrent, 'xh', *form.vectors)), *first]
    args += [a.astype(dtype) for a in (direct, mask) if a is not None]
    return Problem(x, p, first, mask, direct, d_states, args)


def forward(name, where, *, rows=False, keep=True, whole=None, shown=False, **walk):
    """Return the forward kernel of a cell; `walk` are other settings of a `Walk`."""
    form = trace.form_of(CELLS[name][0])
    walk, whole = Walk((rows,) * form.n_states, **walk), whole or (True,) * form.n_states
    writer = Forward(form, where, walk, keep, whole, shown)
    key = repr(('test', form.key, where, walk, keep, whole, shown))
    return kernel.build('test_forward', writer, key)


def backward_of(name, where, *, rows=False, given=None, want_x=True, shown=False, **walk):
    """Return the backward kernel of a cell; `walk` are other settings of a `Walk`."""
    form = trace.form_of(CELLS[name][0])
    walk, given = Walk((rows,) * form.n_states, **walk), tuple(given or (True,) * form.n_states)
    writer = Backward(form, where, walk, given, want_x, shown)
    key = repr(('test', form.key, where, walk, given, want_x, shown))
    return kernel.build('test_backward', writer, key)


def expected(name, problem, reverse=False, limit=None):
    """Return states and gradients in float64, by the reference."""
    _, cell = CELLS[name]

    def exact(a):
        return None if a is None else np.asarray(a, 'float64')

    p = {key: exact(value) for key, value in problem.p.items()}
    first, x = [exact(a) for a in problem.first], exact(problem.x)
    width = x.shape[-1]
    if problem.direct is not None:
        x = np.concatenate([x, exact(problem.direct)], axis=-1)
    states, tape = equations.run(cell, x, p, first, problem.mask, reverse)
    d_states = [exact(a) for a in problem.d_states]
    d_x, d_p, d_first = equations.run_back(
        cell, x, p, first, tape, d_states, problem.mask, reverse, limit
    )
    form = trace.form_of(CELLS[name][0])
    d_params = [d_p[key] for key in (form.recurrent, 'xh', *form.vectors)]
    return states, [d_x[..., :width], *d_params, *d_first]


def assert_near(got, want, dtype, label='', rounding=0.0):
    """Compare, relative to the largest number: 1e-12 in float64, 5e-6 in float32.

    Where NumPy computes the same equations in that dtype with an error of `rounding`, 4 times as
    much is allowed.
    """
    limit = max({'float64': 1e-12, 'float32': 5e-6}[np.dtype(dtype).name], 4 * rounding)
    assert got.shape == want.shape, (label, got.shape, want.shape)
    assert got.dtype == dtype, (label, got.dtype)
    error = np.abs(got - want).max(initial=0) / max(np.abs(want).max(initial=0), 1e-3)
    assert error <= limit, f'{label}: error {error:.1e}, limit {limit:.0e}'


def guarded(shape, dtype, at_end=True):
    """Return an array with memory next to it that ends the process if it is touched.

    The array is filled with NaN, or 255. It ends where forbidden memory begins, or begins
    where forbidden memory ends.
    """
    page = mmap.PAGESIZE
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    inside = -(-max(size, 1) // page) * page
    memory = mmap.mmap(-1, inside + 2 * page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for border in (start, start + page + inside):
        assert protect(border, page, 0) == 0
    offset = page + (inside - size if at_end else 0)
    array = np.frombuffer(memory, np.uint8, size, offset).view(dtype).reshape(shape)
    array[...] = np.nan if np.dtype(dtype).kind == 'f' else 255
    return array


def placer(at_end):
    """Return functions that copy an array to, and allocate one at, a border."""

    def place(array):
        copy = guarded(array.shape, array.dtype, at_end)
        copy[...] = array
        return copy

    def allocate(shape, dtype):
        # Kernels may rely on the pool's alignment of work memory.
        if dtype == np.uint8:
            shape = (-(-shape[0] // 64) * 64,)
        return guarded(shape, dtype, at_end)

    return place, allocate
