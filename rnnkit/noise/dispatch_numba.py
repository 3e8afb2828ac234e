"""Random numbers on the Numba backend; imported when PyTensor compiles for it.

The loops give the same bits as `rnnkit.noise.philox`. They are written so that LLVM computes
several blocks at once: without branches, and with stores to neighbouring places.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numba import njit
from pytensor.graph.basic import Apply
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_and_cache_key

from rnnkit.noise import philox
from rnnkit.noise.ops import Advance, Draw, Drop

# In the keys of PyTensor's cache, which looks at no source itself. The module's name is part of it,
# for what is kept on disk imports the functions from there.
SOURCE = hashlib.sha256(__name__.encode() + Path(__file__).read_bytes()).hexdigest()
ROUNDS, SHIFT = philox.ROUNDS, np.uint64(32)
FACTOR_A, FACTOR_C = map(np.uint64, philox.FACTORS)
WEYL_K, WEYL_L = map(np.uint32, philox.WEYL)


@njit(inline='always')
def block(a, b, c, d, k, m):
    """Return four numbers of 32 bits for a counter of four and a key of two."""
    # 64 bits hold a whole product, which is one instruction; NumPy's form takes halves for JAX.
    for _ in range(ROUNDS):
        p, q = np.uint64(a) * FACTOR_A, np.uint64(c) * FACTOR_C
        b, d = np.uint32(np.uint32(q >> SHIFT) ^ b ^ k), np.uint32(np.uint32(p >> SHIFT) ^ d ^ m)
        a, b, c, d = b, np.uint32(q), d, np.uint32(p)
        k, m = np.uint32(k + WEYL_K), np.uint32(m + WEYL_L)
    return a, b, c, d


@njit
def bits(state, draw, n):
    """Return `n` numbers of 32 random bits; see `rnnkit.noise.philox.bits`."""
    k, m, low, high = state[0], state[1], state[2], state[3]
    full, made, number = n // 4, np.empty(n, np.uint32), np.uint32(draw)
    for j in range(full):
        a, b, c, d = block(np.uint32(j), number, low, high, k, m)
        made[j], made[full + j], made[2 * full + j], made[3 * full + j] = a, b, c, d
    last = block(np.uint32(full), number, low, high, k, m)
    for i in range(4 * full, n):
        made[i] = last[i - 4 * full]
    return made


@njit
def uniform32(state, draw, n):
    """Return `n` numbers from [0, 1) of 24 bits."""
    made, b = np.empty(n, np.float32), bits(state, draw, n)
    for i in range(n):
        made[i] = np.float32(b[i] >> np.uint32(8)) * np.float32(2**-24)
    return made


@njit
def uniform64(state, draw, n):
    """Return `n` numbers from [0, 1) of 53 bits."""
    made, b = np.empty(n, np.float64), bits(state, draw, 2 * n)
    for i in range(n):
        high, low = np.float64(b[i] >> np.uint32(5)), np.float64(b[n + i] >> np.uint32(6))
        made[i] = (high * 2.0**26 + low) * 2.0**-53
    return made


@njit
def box_muller(u, n, one):
    """Return `n` normal numbers from as many uniform ones, or one more; `one` is of their type."""
    made, half = np.empty(n, u.dtype), u.size // 2
    for i in range(half):
        radius = np.sqrt(-2 * one * np.log(one - u[i]))
        angle = u[half + i] * (2 * np.pi * one)
        made[i] = radius * np.cos(angle)
        if half + i < n:
            made[half + i] = radius * np.sin(angle)
    return made


@njit
def drop(state, draw, x, rate, one):
    """Return `x`, a vector, with elements left out, and what it was multiplied by."""
    k, m, low, high = state[0], state[1], state[2], state[3]
    n = x.size
    full, made, kept, number = n // 4, np.empty_like(x), np.empty_like(x), np.uint32(draw)
    least = np.uint32(np.float64(rate) * 2.0**32)
    zero, scale = one - one, one / (one - rate)
    for j in range(full):  # as in `bits`, which need not be stored here
        a, b, c, d = block(np.uint32(j), number, low, high, k, m)
        kept[j] = scale if a >= least else zero
        kept[full + j] = scale if b >= least else zero
        kept[2 * full + j] = scale if c >= least else zero
        kept[3 * full + j] = scale if d >= least else zero
    last = block(np.uint32(full), number, low, high, k, m)
    for i in range(4 * full, n):
        kept[i] = scale if last[i - 4 * full] >= least else zero
    for i in range(n):
        made[i] = x[i] * kept[i]
    return made, kept


@register_funcify_and_cache_key(Draw)
def draw_in_numba(op: Draw, node: Apply, **kwargs: object) -> tuple[Callable[..., object], str]:
    """Return the function of one draw, and a key for the cache."""
    number, normal, width = op.number, op.law == 'normal', op.width or 1
    uniform = uniform32 if op.dtype == 'float32' else uniform64
    one = np.ones((), op.dtype)[()]
    ndim, axes = node.outputs[0].type.ndim, op.axes
    lengths = ', '.join([*(f'like.shape[{axis}]' for axis in axes), *['width'] * bool(op.width)])
    shape_of = _compiled(f'def shape_of(like, width):\n    return ({lengths},)', 'shape_of')

    def noise_draw(state, like):
        shape = shape_of(like, width)
        n = 1
        for length in shape:
            n *= length
        if normal:
            return box_muller(uniform(state, number, n + n % 2), n, one).reshape(shape)
        return uniform(state, number, n).reshape(shape)

    return numba_njit(noise_draw), _key('draw', op._props(), ndim)


@register_funcify_and_cache_key(Advance)
def advance_in_numba(op: Advance, **kwargs: object) -> tuple[Callable[..., object], str]:
    """Return the function that counts an update, and a key for the cache."""

    def noise_advance(state):
        new = state.copy()
        new[2] = np.uint32(state[2] + np.uint32(1))
        if new[2] == 0:
            new[3] = np.uint32(state[3] + np.uint32(1))
        return new

    return numba_njit(noise_advance), _key('advance')


@register_funcify_and_cache_key(Drop)
def drop_in_numba(op: Drop, node: Apply, **kwargs: object) -> tuple[Callable[..., object], str]:
    """Return the function of one dropout, and a key for the cache."""
    number, one = op.number, np.ones((), node.inputs[1].type.dtype)[()]

    def noise_drop(state, x, rate):
        flat = np.ascontiguousarray(x).reshape(-1)
        made, kept = drop(state, number, flat, rate.item(), one)
        return made.reshape(x.shape), kept.reshape(x.shape)

    return numba_njit(noise_drop), _key('drop', op._props(), one.dtype)


def _compiled(source: str, name: str) -> Callable[..., tuple[int, ...]]:
    """Return a Numba function from its text: Numba cannot make a tuple in a loop."""
    names: dict[str, Callable[..., tuple[int, ...]]] = {}
    exec(source, names)
    return njit(names[name])


def _key(*parts: object) -> str:
    return hashlib.sha256(repr((SOURCE, *parts)).encode()).hexdigest()
