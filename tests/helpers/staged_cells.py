"""Cells whose steps are no single recurrent product, and arrays for them."""

from functools import cache
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytensor
import pytensor.tensor as pt

from rnnkit.cells import Cell, GRUCell, LSTMCell, RNNState
from rnnkit.cells.mrnn import MRNNCell
from rnnkit.cells.mut1 import MUT1Cell
from rnnkit.cells.scrn import SCRNCell
from rnnkit.cells.wrappers import Dropped, Mixed, Zoned, wrapped
from rnnkit.common.tensors import affine, split
from rnnkit.kernels.recurrent.walk import Walk
from rnnkit.kernels.staged.arrays_of import inputs_of
from rnnkit.kernels.staged.trace import trace


class Normed(Cell):
    """Gates that are normalized over their units, with a number that scales them all."""

    state, gates = RNNState, 'uh'
    params = {
        'xh': ('I', '2H'),
        'hh': ('H', '2H'),
        'b': ('2H',),
        'gain': ('2H',),
        'scale': ('1',),
    }

    def step(self, z, s, p):
        blocks = []
        for x, h, gain in zip(split(z, 2), split(s.h @ p.hh, 2), split(p.gain, 2), strict=True):
            mean = pt.mean(h, axis=-1, keepdims=True)
            spread = pt.sqrt(pt.var(h, axis=-1, keepdims=True) + 0.1)
            blocks.append(x + gain * (h - mean) / spread)
        u, n = pt.sigmoid(blocks[0]), pt.tanh(p.scale * blocks[1])
        return RNNState(u * s.h + (1 - u) * n)


class TwoWidths(NamedTuple):
    h: object
    v: object
    x: object


class Mixture(Cell):
    """States of three widths, a sum over all of them, and a product from two blocks."""

    state = TwoWidths
    params = {
        'hh': ('H', '3H'),
        'xv': ('I', 'V'),
        'vh': ('V', '2H'),
        'both': ('2H', 'V'),
        'b': ('V',),
        'xx': ('I',),
    }
    axes = {'v': 'V', 'x': 'I'}

    def lengths(self, size):
        return {'H': size, 'V': size + 2}

    def project(self, x, p):
        return pt.concatenate([pt.tanh(affine(x, p.xv)), x], axis=-1)

    def step(self, z, s, p):
        H, V = s.h.type.shape[-1], s.v.type.shape[-1]
        zv, zx = z[:, :V], z[:, V:]
        total = (s.h * s.h).sum(axis=1, keepdims=True) + (s.v * zv).mean(axis=1)[:, None]
        a, b = split(s.h @ p.hh[:, H:] + s.v @ p.vh, 2)
        h = pt.tanh(a + pt.tanh(total) * s.h) * pt.sigmoid(b)
        v = pt.tanh(pt.concatenate([h, a], axis=1) @ p.both + zv * p.b)
        return TwoWidths(h, v, p.xx * s.x + (1 - p.xx) * zx / (1 + total**2))


class Sums(Cell):
    """A sum in which another one is a term for each unit, and a number that scales both."""

    state = RNNState
    params = {'xh': ('I', 'H'), 'hh': ('H', 'H'), 'b': ('H',), 'u': ('H',), 'scale': ('1',)}

    def step(self, z, s, p):
        mean = pt.mean(p.scale * s.h, axis=-1, keepdims=True)
        total = pt.sum(p.u * s.h + pt.tanh(mean), axis=-1, keepdims=True)
        return RNNState(pt.tanh(z + s.h @ p.hh + 0.1 * total))


class Compared(Cell):
    """A sum and a number that comparisons alone read, so that neither has a gradient."""

    state = RNNState
    params = {'xh': ('I', 'H'), 'hh': ('H', 'H'), 'b': ('H',), 'least': ('1',)}

    def step(self, z, s, p):
        total = pt.sum(s.h, axis=-1, keepdims=True)
        new = pt.tanh(z + (s.h * s.h) @ p.hh)
        return RNNState(pt.switch((total > 0) & (z > p.least), new, 0.5 * s.h))


class NoProduct(Cell):
    """A cell without any product in its loop."""

    state = RNNState
    params = {'xu': ('I', '2H'), 'b': ('H',), 'u': ('H',)}

    def project(self, x, p):
        return x @ p.xu

    def step(self, z, s, p):
        g, n = split(z, 2)
        f = pt.sigmoid(g + p.u * s.h + p.b)
        return RNNState(f * s.h + (1 - f) * n)


class Timed(Cell):
    """A cell whose step reads how long ago the last one was, and a side input of its units."""

    state = RNNState
    params = {'xh': ('I', 'H'), 'hh': ('H', 'H'), 'b': ('H',), 'rate': ('H',)}
    side = {'elapsed': '1', 'kept': 'H', 'unread': 'I'}

    def step(self, z, s, p):
        h = s.h * pt.exp(-(p.rate**2) * p.elapsed)
        return RNNState(pt.tanh(z + (p.kept * h) @ p.hh))


CELLS = {
    'gru before': GRUCell(reset='before'),
    'projected lstm': LSTMCell(projection=3, peepholes=True),
    'lstm': LSTMCell(),
    'mut1': MUT1Cell(),
    'mrnn': MRNNCell(),
    'scrn': SCRNCell(),
    'normed': Normed(),
    'mixture': Mixture(),
    'sums': Sums(),
    'compared': Compared(),
    'no product': NoProduct(),
    'timed': Timed(),
    'zoned scrn': wrapped(Zoned, SCRNCell()),
    'dropped mut1': wrapped(Dropped, MUT1Cell()),
    'dropped zoned lstm': wrapped(Zoned, wrapped(Dropped, LSTMCell(projection=3))),
    'mixed gru before': wrapped(Mixed, GRUCell(reset='before'), 0.3),
    'zoned timed': wrapped(Zoned, Timed()),
}


def widths(form, sizes):
    """Return the number of columns of blocks of some lengths."""
    return sum(sizes[length] if length else 1 for length in form)


class Case(NamedTuple):
    cell: Cell
    form: object
    walk: Walk
    inputs: dict


@cache
def form_of(name):
    """Return the staged form of a cell of `CELLS`."""
    return trace(CELLS[name])


def case(
    name,
    sizes=(4, 3, 4, 6),
    dtype='float64',
    *,
    rows=False,
    masked=False,
    seed=0,
    scale=0.5,
    **walk,
):
    """Return random inputs of the forward by name, for a cell of `CELLS`, and (T, B, I, H)."""
    cell, form = CELLS[name], form_of(name)
    t, b, n_in, h = sizes
    of = {'I': n_in, **cell.lengths(h)}
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return (rng.standard_normal(shape) * scale).astype(dtype)

    shapes = {name: [n * of[k] for k, n in axes] for name, axes in form.weights.items()}
    shapes |= {name: [n * of.get(k, 1)] for name, (k, n) in form.vectors.items()}
    inputs = {'z': normal(t, b, widths(form.z, of))}
    if form.direct:
        inputs['direct'] = rng.integers(0, 4, (t, b, widths(form.direct, of))).astype(dtype)
    inputs |= {name: normal(*shape) for name, shape in shapes.items()}
    inputs |= {
        f'initial{k}': normal(1 if rows else b, of[length]) for k, length in enumerate(form.states)
    }
    if masked:
        inputs['mask'] = (rng.random((t, b)) < 0.7).astype(dtype)
    walk = Walk((rows,) * form.n_states, masked, **walk)
    assert list(inputs) == [array.name for array in inputs_of(form, walk)]
    return Case(cell, form, walk, inputs)


def by_step(case):
    """Return the states of all steps, by the cell's own step, run by PyTensor one by one."""
    cell, form, walk, inputs = case
    z, direct = inputs['z'], inputs.get('direct', inputs['z'][..., :0])
    n_sides = sum(_side(form, inputs, length) for length in form.direct[: len(form.sides)])
    z = np.concatenate([z, direct[..., n_sides:]], axis=-1)
    symbol = {name: pt.tensor(name, dtype='float64', shape=a.shape) for name, a in inputs.items()}
    at = pt.tensor('z', dtype='float64', shape=z.shape[1:])
    old = [
        pt.tensor(name, dtype='float64', shape=(None, inputs[f'initial{k}'].shape[-1]))
        for k, name in enumerate(cell.state._fields)
    ]
    stops = np.cumsum([_side(form, inputs, k) for k in form.direct[: len(form.sides)]])
    parts = np.split(direct[..., :n_sides], stops[:-1], axis=-1) if form.sides else []
    sides = {
        name: pt.tensor(name, dtype='float64', shape=part.shape[1:])
        for name, part in zip(form.sides, parts, strict=True)
    }
    every = {name: pt.dmatrix() for name in getattr(cell, 'side', {})} | sides
    names = [*form.weights, *form.vectors]
    p = SimpleNamespace(**every, **{name: symbol[name] for name in names})
    new = cell.step(at, cell.state(*old), p)
    arguments = [at, *old, *sides.values(), *(symbol[name] for name in names)]
    function = pytensor.function(
        arguments, list(new), mode='FAST_COMPILE', on_unused_input='ignore'
    )
    b = z.shape[1]
    states = [
        np.broadcast_to(inputs[f'initial{k}'], (b, s.type.shape[1])) for k, s in enumerate(old)
    ]
    found = [None] * len(z)
    for t in range(len(z))[:: -1 if walk.reverse else 1]:
        results = function(z[t], *states, *(p[t] for p in parts), *(inputs[n] for n in names))
        if walk.masked:
            real = inputs['mask'][t][:, None] > 0.5
            results = [np.where(real, n, o) for n, o in zip(results, states, strict=True)]
        states = found[t] = results
    return [np.array(column) for column in zip(*found, strict=True)]


def _side(form, inputs, length):
    """Return the width of a side input."""
    if not length:
        return 1
    k = form.states.index(length)
    return inputs[f'initial{k}'].shape[-1]
