"""Cells of several products and of sums over units, their equations in NumPy, and arrays for them.

The gradients are those of the complex step (Squire & Trapp 1998): the imaginary part of a cost at
``x + ih`` is h times its derivative, to full precision, for h may be as small as 1e-30. So nothing
is differentiated by hand, nor by what is tested. The equations take leading axes, for all elements
of an array are perturbed at once.
"""

from functools import cache
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytensor.tensor as pt

from rnnkit.cells import Cell, GRUCell, LSTMCell, LSTMState
from rnnkit.common.tensors import split
from rnnkit.kernels.recurrent.walk import Walk
from rnnkit.kernels.runtime import kernel
from rnnkit.kernels.staged.backward import StagedBackward
from rnnkit.kernels.staged.forward import StagedForward
from rnnkit.kernels.staged.trace import trace

TINY = 1e-30  # the complex step


class OneState(NamedTuple):
    h: object


class TwoStates(NamedTuple):
    h: object
    u: object


def normed(v, epsilon=1e-3):
    centred = v - pt.mean(v, axis=-1, keepdims=True)
    return centred / pt.sqrt(pt.mean(centred**2, axis=-1, keepdims=True) + epsilon)


class NormedLSTM(Cell):
    """An LSTM whose gates and cell are normalised over the units (Ba et al. 2016)."""

    state, gates = LSTMState, 'ifgo'
    params = {
        'xh': ('I', '4H'),
        'hh': ('H', '4H'),
        'b': ('4H',),
        'gain': ('4H',),
        'shift': ('H',),
        'scale': ('H',),
    }

    def step(self, z, s, p):
        parts = split(s.h @ p.hh, 4)
        gains, terms = split(p.gain, 4), split(z, 4)
        i, f, g, o = (normed(a) * w + x for a, w, x in zip(parts, gains, terms, strict=True))
        c = pt.sigmoid(f) * s.c + pt.sigmoid(i) * pt.tanh(g)
        return LSTMState(pt.sigmoid(o) * pt.tanh(normed(c) * p.scale + p.shift), c)


class Highway(Cell):
    """Two layers of a recurrent highway network (Zilly et al. 2017), coupled gates."""

    state, gates = OneState, 'ht'
    params = {
        'xh': ('I', '2H'),
        'hh': ('H', '2H'),
        'b': ('2H',),
        'deep': ('H', '2H'),
        'b2': ('2H',),
    }

    def step(self, z, s, p):
        a, t = split(z + s.h @ p.hh, 2)
        first = pt.tanh(a) * pt.sigmoid(t) + s.h * (1 - pt.sigmoid(t))
        a, t = split(first @ p.deep + p.b2, 2)
        return OneState(pt.tanh(a) * pt.sigmoid(t) + first * (1 - pt.sigmoid(t)))


class Mixture(Cell):
    """What the others do not have.

    States of two lengths, two products in a row without anything between, a product of two blocks,
    one of the input, one whose gradient nothing needs, a number as a parameter, a number that units
    of a whole row share, a new state that is the old one's neighbour, and further inputs of a step.
    """

    state, gates, axes = TwoStates, 'h', {'u': 'C'}
    side = {'gap': '1', 'seen': 'H'}
    params = {
        'xh': ('I', 'H'),
        'b': ('H',),
        'down': ('H', 'C'),
        'up': ('C', 'H'),
        'both': ('2H', 'C'),
        'wz': ('H', 'H'),
        'ws': ('H', 'C'),
        'rate': ('1',),
        'slope': ('C',),
        'unused': ('H',),
    }

    def lengths(self, size):
        return {'H': size, 'C': size // 2 + 1}

    def step(self, z, s, p):
        low = (s.h @ p.down) @ p.up
        inner = pt.tanh(low + z @ p.wz + p.seen)
        energy = 0.05 * pt.sum(inner * s.h, axis=-1, keepdims=True)
        pair = pt.concatenate([inner, s.h * pt.sigmoid(energy * p.gap)], axis=-1)
        u = pt.tanh(s.u * pt.exp(p.slope) + pair @ p.both + p.seen @ p.ws)
        h = inner * pt.sigmoid(p.rate) + z / (1 + energy**2) + (u * p.slope) @ p.up
        return TwoStates(h, u)


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def mean(v):
    return v.mean(-1, keepdims=True)


def blocks(v, n):
    return np.split(v, n, axis=-1)


def _normed(v):
    centred = v - mean(v)
    return centred / np.sqrt(mean(centred**2) + 1e-3)


def _normed_lstm(z, s, p):
    pairs = zip(blocks(s[0] @ p.hh, 4), blocks(p.gain, 4), blocks(z, 4), strict=True)
    i, f, g, o = (_normed(a) * w + x for a, w, x in pairs)
    c = sigmoid(f) * s[1] + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(_normed(c) * p.scale + p.shift), c


def _projected_lstm(z, s, p):
    i, f, g, o = blocks(z + s[0] @ p.hh, 4)
    c = sigmoid(f) * s[1] + sigmoid(i) * np.tanh(g)
    return (sigmoid(o) * np.tanh(c)) @ p.hr, c


def _gru(z, s, p):
    (h,) = s
    n = h.shape[-1]
    xr, xu, xn = blocks(z, 3)
    hr, hu = blocks(h @ p.hh[..., : 2 * n], 2)
    r, u = sigmoid(xr + hr), sigmoid(xu + hu)
    new = np.tanh(xn + (r * h) @ p.hh[..., 2 * n :])
    return ((1 - u) * new + u * h,)


def _highway(z, s, p):
    a, t = blocks(z + s[0] @ p.hh, 2)
    first = np.tanh(a) * sigmoid(t) + s[0] * (1 - sigmoid(t))
    a, t = blocks(first @ p.deep + p.b2, 2)
    return (np.tanh(a) * sigmoid(t) + first * (1 - sigmoid(t)),)


def _mixture(z, s, p):
    h, u = s
    inner = np.tanh((h @ p.down) @ p.up + z @ p.wz + p.seen)
    # Small, so that rounding of the sum stays small in what follows.
    energy = 0.05 * (inner * h).sum(-1, keepdims=True)
    pair = np.concatenate([inner, h * sigmoid(energy * p.gap)], axis=-1)
    u = np.tanh(u * np.exp(p.slope) + pair @ p.both + p.seen @ p.ws)
    return inner * sigmoid(p.rate) + z / (1 + energy**2) + (u * p.slope) @ p.up, u


CELLS = {
    'normed': (NormedLSTM(), _normed_lstm),
    'projected': (LSTMCell(projection=7), _projected_lstm),
    'gru': (GRUCell(reset='before'), _gru),
    'highway': (Highway(), _highway),
    'mixture': (Mixture(), _mixture),
}


class Problem(NamedTuple):
    """Arrays of one unrolled cell, by the names of the inputs of its kernels."""

    arrays: dict
    d_states: list


@cache
def form_of(name):
    return trace(CELLS[name][0])


def problem(name, sizes, dtype, *, rows=False, masked=False, given=None, seed=0, scale=0.4):
    """Return random arrays for cell `name` and (T, B, H)."""
    cell, _ = CELLS[name]
    t, b, h = sizes
    form, rng = form_of(name), np.random.default_rng(seed)
    units = {**cell.lengths(h), 'H': h, '': 1}

    def normal(*shape):
        return (rng.standard_normal(shape) * scale).astype(dtype)

    def width(lengths):
        return sum(units[length] for length in lengths)

    arrays = {'z': normal(t, b, width(form.z))}
    if form.direct:
        arrays['direct'] = normal(t, b, width(form.direct))
    for key, ((rows_of, m), (columns_of, n)) in form.weights.items():
        arrays[key] = normal(units[rows_of] * m, units[columns_of] * n)
    for key, (length, n) in form.vectors.items():
        arrays[key] = normal(units[length] * n)
    for k, length in enumerate(form.states):
        arrays[f'initial{k}'] = normal(1 if rows else b, units[length])
    if masked:
        arrays['mask'] = (rng.random((t, b)) < 0.7).astype(dtype)
    given = given or (True,) * form.n_states
    d_states = [
        normal(t, b, units[length]) if is_given else None
        for length, is_given in zip(form.states, given, strict=True)
    ]
    return Problem(arrays, d_states)


def run(name, arrays, reverse=False, limit=None):
    """Return all states of the equations, in whatever numbers the arrays have."""
    form, (_, step) = form_of(name), CELLS[name]
    steps, b = arrays['z'].shape[-3:-1]
    p = {key: arrays[key] for key in form.weights}
    p |= {key: arrays[key][..., None, :] for key in form.vectors}
    old = [
        np.broadcast_to(a, (*a.shape[:-2], b, a.shape[-1]))
        for a in (arrays[f'initial{k}'] for k in range(form.n_states))
    ]
    news = [[None] * steps for _ in old]
    for number in range(steps):
        t = steps - 1 - number if reverse else number
        if limit and number and number % limit == 0:
            old = [np.real(s) for s in old]  # nothing passes on a derivative
        at = SimpleNamespace(**p)
        start = 0
        for side, length in zip(form.sides, form.direct, strict=True):
            n = form_width(name, length, arrays)
            setattr(at, side, arrays['direct'][..., t, :, start : start + n])
            start += n
        new = step(arrays['z'][..., t, :, :], old, at)
        if 'mask' in arrays:
            real = arrays['mask'][t][:, None] > 0.5
            new = [np.where(real, a, before) for a, before in zip(new, old, strict=True)]
        old = list(new)
        for k, state in enumerate(old):
            news[k][t] = state
    if not steps:
        return [np.zeros((0, *first.shape)) for first in old]
    # The first steps may not depend on what is perturbed, and have no axis for it.
    return [np.stack(np.broadcast_arrays(*all_), axis=-3) for all_ in news]


def form_width(name, length, arrays):
    """Return how many units a length stands for."""
    h = arrays['initial0'].shape[-1]
    return {**CELLS[name][0].lengths(h), 'H': h, '': 1}[length]


def expected(name, case, reverse=False, limit=None):
    """Return states in float64, and for each array a direction and the derivative in it.

    The derivative is that of the sum of all states times the given gradients. The direction is
    random, so that an error in any element of a gradient changes it.
    """
    exact = {key: np.asarray(a, 'float64') for key, a in case.arrays.items()}
    given = [d for d in case.d_states if d is not None]
    keys = [key for key in exact if key not in ('direct', 'mask')]
    rng, n = np.random.default_rng(1), len(keys)
    directions = {key: rng.standard_normal(exact[key].shape) for key in keys}
    # All at once: each along an axis of its own, along which the other arrays stay as they are.
    moved = dict(exact)
    for i, key in enumerate(keys):
        steps = np.zeros((n, *exact[key].shape), complex)
        steps[i] = 1j * TINY * directions[key]
        moved[key] = exact[key] + steps
    news = run(name, moved, reverse, limit)
    kept = [new for new, d in zip(news, case.d_states, strict=True) if d is not None]
    cost = sum((new * d).sum((-3, -2, -1)) for new, d in zip(kept, given, strict=True))
    slopes = np.broadcast_to(np.imag(cost), n) / TINY
    pairs = {key: (directions[key], slope) for key, slope in zip(keys, slopes, strict=True)}
    return run(name, exact, reverse, limit), pairs


def roundings(name, case, states, reverse=False):
    """Return for each state the error of NumPy's own arithmetic in the dtype of the arrays."""
    rough = run(name, case.arrays, reverse, None)
    return [
        np.abs(a - b).max(initial=0) / max(np.abs(b).max(initial=0), 1e-3)
        for a, b in zip(rough, states, strict=True)
    ]


def assert_slopes(gradients, pairs, dtype, label=''):
    """Compare gradients with derivatives in some directions."""
    limit = {'float64': 1e-12, 'float32': 5e-6}[np.dtype(dtype).name]
    for got, (key, (direction, slope)) in zip(gradients, pairs.items(), strict=True):
        assert got.dtype == dtype, (label, key, got.dtype)
        assert got.shape == direction.shape, (label, key, got.shape)
        # A number is a sum over all units, in which large terms cancel.
        least = 10.0 if got.size == 1 else 1e-3
        scale = np.abs(got).max(initial=least) * np.sqrt(max(got.size, 1))
        error = abs((got * direction).sum() - slope) / scale
        assert error <= limit, f'{label} d_{key}: error {error:.1e}, limit {limit:.0e}'


def forward(name, where, *, rows=False, keep=True, whole=None, **walk):
    """Return the forward kernel of a cell; `walk` are other settings of a `Walk`."""
    form = form_of(name)
    walk, whole = Walk((rows,) * form.n_states, **walk), whole or (True,) * form.n_states
    writer = StagedForward(form, where, walk, keep, whole)
    return kernel.build('test_staged', writer, repr((writer.description, where)))


def backward_of(name, where, *, rows=False, given=None, **walk):
    """Return the backward kernel of a cell; `walk` are other settings of a `Walk`."""
    form = form_of(name)
    walk, given = Walk((rows,) * form.n_states, **walk), tuple(given or (True,) * form.n_states)
    writer = StagedBackward(form, where, walk, given)
    return kernel.build('test_staged_back', writer, repr((writer.description, where)))
