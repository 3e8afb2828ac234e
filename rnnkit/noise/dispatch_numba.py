"""Random numbers on the Numba backend; imported when PyTensor compiles for it.

The loops give the same bits as `rnnkit.noise.philox`. They are written so that LLVM computes
several blocks at once: without branches, and with stores to neighbouring places. A number of 32
bits is the lower half of one of 64 throughout a block, and what is above it is not cleared: a
processor multiplies lower halves of 64 bits as it finds them.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numba import njit
from pytensor.graph.basic import Apply
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_and_cache_key

from rnnkit.noise import philox
from rnnkit.noise.ops import Advance, Codes, Draw, Drop

# In the keys of PyTensor's cache, which looks at no source itself. The module's name is part of it,
# for what is kept on disk imports the functions from there.
SOURCE = hashlib.sha256(__name__.encode() + Path(__file__).read_bytes()).hexdigest()
ROUNDS, SHIFT, LOWER = philox.ROUNDS, np.uint64(32), np.uint64(2**32 - 1)
FACTOR_A, FACTOR_C = map(np.uint64, philox.FACTORS)
WEYL_K, WEYL_L = map(np.uint64, philox.WEYL)


@njit(inline='always')
def block(a, b, c, d, k, m):
    """Return four numbers for a counter of four and a key of two: lower halves of 64 bits."""
    # 64 bits hold a whole product, which is one instruction; NumPy's form takes halves for JAX.
    for _ in range(ROUNDS):
        p, q = (a & LOWER) * FACTOR_A, (c & LOWER) * FACTOR_C
        a, b, c, d = (q >> SHIFT) ^ b ^ k, q, (p >> SHIFT) ^ d ^ m, p
        k, m = k + WEYL_K, m + WEYL_L
    return a, b, c, d


@njit(inline='always')
def wide(state):
    """Return key and number of the update as numbers of 64 bits."""
    return np.uint64(state[0]), np.uint64(state[1]), np.uint64(state[2]), np.uint64(state[3])


@njit
def bits(state, draw, n):
    """Return `n` numbers of 32 random bits; see `rnnkit.noise.philox.bits`."""
    k, m, low, high = wide(state)
    full, made, number = n // 4, np.empty(n, np.uint32), np.uint64(draw)
    for j in range(full):
        a, b, c, d = block(np.uint64(j), number, low, high, k, m)
        made[j], made[full + j] = np.uint32(a), np.uint32(b)
        made[2 * full + j], made[3 * full + j] = np.uint32(c), np.uint32(d)
    last = block(np.uint64(full), number, low, high, k, m)
    for i in range(4 * full, n):
        made[i] = np.uint32(last[i - 4 * full])
    return made


@njit
def uniform32(state, draw, n):
    """Return `n` numbers from [0, 1) of 24 bits."""
    made, b = np.empty(n, np.float32), bits(state, draw, n)
    for i in range(n):  # by a signed number, since only AVX-512 converts the others
        made[i] = np.float32(np.int32(b[i] >> np.uint32(8))) * np.float32(2**-24)
    return made


@njit
def uniform64(state, draw, n):
    """Return `n` numbers from [0, 1) of 53 bits."""
    made, b = np.empty(n, np.float64), bits(state, draw, 2 * n)
    for i in range(n):
        high = np.float64(np.int32(b[i] >> np.uint32(5)))
        low = np.float64(np.int32(b[n + i] >> np.uint32(6)))
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
    k, m, low, high = wide(state)
    n = x.size
    full, made, kept, number = n // 4, np.empty_like(x), np.empty_like(x), np.uint64(draw)
    least = np.uint64(np.float64(rate) * 2.0**32)
    zero, scale = one - one, one / (one - rate)
    for j in range(full):  # as in `bits`, which need not be stored here
        a, b, c, d = block(np.uint64(j), number, low, high, k, m)
        kept[j] = scale if a & LOWER >= least else zero
        kept[full + j] = scale if b & LOWER >= least else zero
        kept[2 * full + j] = scale if c & LOWER >= least else zero
        kept[3 * full + j] = scale if d & LOWER >= least else zero
    last = block(np.uint64(full), number, low, high, k, m)
    for i in range(4 * full, n):
        kept[i] = scale if last[i - 4 * full] & LOWER >= least else zero
    for i in range(n):
        made[i] = x[i] * kept[i]
    return made, kept


@njit
def codes32(state, draw, n, rate, value, made):
    """Add `value` to each of `n` numbers in `made` where its `uniform32` is below `rate`."""
    k, m, low, high = wide(state)
    full, number, zero = n // 4, np.uint64(draw), value - value
    # Of 24 bits, the number is below the rate if all 32 are below this.
    least = np.uint64(np.ceil(np.float64(rate) * 2.0**24)) << np.uint64(8)
    for j in range(full):  # as in `bits`
        a, b, c, d = block(np.uint64(j), number, low, high, k, m)
        made[j] += value if a & LOWER < least else zero
        made[full + j] += value if b & LOWER < least else zero
        made[2 * full + j] += value if c & LOWER < least else zero
        made[3 * full + j] += value if d & LOWER < least else zero
    last = block(np.uint64(full), number, low, high, k, m)
    for i in range(4 * full, n):
        made[i] += value if last[i - 4 * full] & LOWER < least else zero


@njit
def codes64(state, draw, n, rate, value, made):
    """Add `value` to each of `n` numbers in `made` where its `uniform64` is below `rate`."""
    u, zero = uniform64(state, draw, n), value - value
    for i in range(n):
        made[i] += value if u[i] < rate else zero


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


@register_funcify_and_cache_key(Codes)
def codes_in_numba(op: Codes, node: Apply, **kwargs: object) -> tuple[Callable[..., object], str]:
    """Return the function of some draws of bits, and a key for the cache."""
    first, n_bits, width, dtype = op.numbers[0], len(op.numbers), op.width, node.outputs[0].dtype
    add = codes32 if dtype == 'float32' else codes64
    one = np.ones((), dtype)[()]

    def noise_codes(state, like, rate):
        T, B = like.shape[0], like.shape[1]
        n, value = T * B * width, one
        made = np.zeros(n, like.dtype)
        for bit in range(n_bits):
            add(state, first + bit, n, rate.item(), value, made)
            value = value + value
        return made.reshape((T, B, width))

    return numba_njit(noise_codes), _key('codes', op._props(), dtype)


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
