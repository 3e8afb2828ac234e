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
from rnnkit.noise.ops import MISFIT, Advance, Codes, Draw, Drop

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


# --- a part of a draw: None, or (here, row, first, size)
#
# Of each `row` numbers those from `first` on are here, `size` of them, and `here` in all. Only the
# functions of parts have code for this: it would double the time that Numba takes for others.


@njit
def is_here(p, part):
    """Return whether number `p` of a draw is in this part."""
    _, row, first, size = part
    return first <= p % row < first + size


@njit
def run(j, end, words, part):
    """Return the length of a run of blocks, and whether it is needed.

    It starts at block number `j` and stops before `end`. The numbers of a block are `end` apart,
    `words` of them. Throughout the run, each of these is in this part or each is not.
    """
    _, row, first, size = part
    length, needed = end - j, False
    for k in range(words):
        p = k * end + j
        r = p % row
        stop = first if r < first else first + size if r < first + size else row
        length = min(length, stop - r)
        needed = needed or is_here(p, part)
    return length, needed


@njit
def at(p, k, part):
    """Return where to store number `p` of a draw, which is number `k` of its block."""
    here, row, first, size = part
    if is_here(p, part):
        return np.uint64(p // row * size + p % row - first)
    return np.uint64(here + k * row)


@njit
def room(part):
    """Return how much memory a part takes: other numbers of needed blocks are stored behind it."""
    here, row, _, size = part
    return here + 4 * row if size < row else here


@njit
def bits_of_part(state, draw, n, part):
    """Return what is in a part of `bits`, without the blocks that have nothing of it."""
    k, m, low, high = wide(state)
    full, made, number, j = n // 4, np.empty(room(part), np.uint32), np.uint64(draw), 0
    while j < full:
        length, needed = run(j, full, 4, part)
        v, w = at(j, 0, part), at(full + j, 1, part)
        x, y = at(2 * full + j, 2, part), at(3 * full + j, 3, part)
        for i in range(np.uint64(length if needed else 0)):
            a, b, c, d = block(np.uint64(j) + i, number, low, high, k, m)
            made[v + i], made[w + i] = np.uint32(a), np.uint32(b)
            made[x + i], made[y + i] = np.uint32(c), np.uint32(d)
        j += length
    last = block(np.uint64(full), number, low, high, k, m)
    for i in range(4 * full, n):
        if is_here(i, part):
            made[at(i, 0, part)] = np.uint32(last[i - 4 * full])
    return made[: part[0]]


@njit
def box_muller_of_part(u, part, one):
    """Return what is in a part of `box_muller`; `u` are all the uniform numbers."""
    # An odd draw has a number too many: it is stored behind the last.
    made, half, j = np.empty(room(part) + 1, u.dtype), u.size // 2, 0
    while j < half:
        length, needed = run(j, half, 2, part)
        v, w = at(j, 0, part), at(half + j, 1, part)
        for i in range(np.uint64(length if needed else 0)):
            p = np.uint64(j) + i
            radius = np.sqrt(-2 * one * np.log(one - u[p]))
            angle = u[np.uint64(half) + p] * (2 * np.pi * one)
            made[v + i], made[w + i] = radius * np.cos(angle), radius * np.sin(angle)
        j += length
    return made[: part[0]]


@njit
def drop_of_part(state, draw, x, rate, one, n, part):
    """Return what is in a part of both results of `drop`; `x` is in this part."""
    made, kept, b = np.empty_like(x), np.empty_like(x), bits_of_part(state, draw, n, part)
    least = np.uint64(np.float64(rate) * 2.0**32)
    zero, scale = one - one, one / (one - rate)
    for i in range(x.size):
        kept[i] = scale if np.uint64(b[i]) >= least else zero
        made[i] = x[i] * kept[i]
    return made, kept


# --- uniform and normal numbers, and what is made of them


@njit
def uniform32(state, draw, n, part=None):
    """Return `n` numbers from [0, 1) of 24 bits, or those of a part."""
    if part is None:  # noqa: SIM108 - of two branches, Numba compiles only what it needs
        b = bits(state, draw, n)
    else:
        b = bits_of_part(state, draw, n, part)
    made = np.empty(b.size, np.float32)
    for i in range(b.size):  # by a signed number, since only AVX-512 converts the others
        made[i] = np.float32(np.int32(b[i] >> np.uint32(8))) * np.float32(2**-24)
    return made


@njit
def uniform64(state, draw, n, part=None):
    """Return `n` numbers from [0, 1) of 53 bits, or those of a part."""
    if part is None:
        b = bits(state, draw, 2 * n)
    else:
        here, row, first, size = part
        b = bits_of_part(state, draw, 2 * n, (2 * here, row, first, size))
    n = b.size // 2
    made = np.empty(n, np.float64)
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
    add_below(uniform64(state, draw, n), rate, value, made)


@njit
def add_below(u, rate, value, made):
    """Add `value` to each number in `made` where that of `u` is below `rate`."""
    zero = value - value
    for i in range(u.size):
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

    if len(node.inputs) == 2:
        return numba_njit(noise_draw), _key('draw', op._props(), ndim)
    part_of = _part_of(op.place(node.inputs[1].type.ndim), ndim)

    def noise_draw_of_part(state, like, examples):
        shape = shape_of(like, width)
        n, part = part_of(shape, examples)
        if normal:  # of two numbers each, one of which may be anywhere
            return box_muller_of_part(uniform(state, number, n + n % 2), part, one).reshape(shape)
        return uniform(state, number, n, part).reshape(shape)

    key = _key('draw of part', op._props(), ndim, node.inputs[1].type.ndim)
    return numba_njit(noise_draw_of_part), key


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

    if len(node.inputs) == 3:
        return numba_njit(noise_codes), _key('codes', op._props(), dtype)
    part_of, uniform = _part_of(1, 3), uniform32 if dtype == 'float32' else uniform64

    def noise_codes_of_part(state, like, rate, examples):
        shape, value = (like.shape[0], like.shape[1], width), one
        n, part = part_of(shape, examples)
        made = np.zeros(part[0], like.dtype)
        for bit in range(n_bits):
            add_below(uniform(state, first + bit, n, part), rate.item(), value, made)
            value = value + value
        return made.reshape(shape)

    return numba_njit(noise_codes_of_part), _key('codes of part', op._props(), dtype)


@register_funcify_and_cache_key(Drop)
def drop_in_numba(op: Drop, node: Apply, **kwargs: object) -> tuple[Callable[..., object], str]:
    """Return the function of one dropout, and a key for the cache."""
    number, one = op.number, np.ones((), node.inputs[1].type.dtype)[()]

    def noise_drop(state, x, rate):
        flat = np.ascontiguousarray(x).reshape(-1)
        made, kept = drop(state, number, flat, rate.item(), one)
        return made.reshape(x.shape), kept.reshape(x.shape)

    if len(node.inputs) == 3:
        return numba_njit(noise_drop), _key('drop', op._props(), one.dtype)
    ndim = node.inputs[1].type.ndim
    part_of = _part_of(ndim - 2, ndim)

    def noise_drop_of_part(state, x, rate, examples):
        n, part = part_of(x.shape, examples)
        flat = np.ascontiguousarray(x).reshape(-1)
        made, kept = drop_of_part(state, number, flat, rate.item(), one, n, part)
        return made.reshape(x.shape), kept.reshape(x.shape)

    key = _key('drop of part', op._props(), one.dtype, ndim)
    return numba_njit(noise_drop_of_part), key


def _part_of(axis: int, ndim: int) -> Callable[..., tuple[int, tuple[int, ...]]]:
    """Return a Numba function: of a shape and examples, the size of a draw and which part is here.

    Parameters
    ----------
    axis : int
        The axis of examples.
    ndim : int
        The number of axes.
    """

    def part_of(shape, examples):
        outer, inner = 1, 1
        for k in range(axis):
            outer *= shape[k]
        for k in range(axis + 1, ndim):
            inner *= shape[k]
        size, first, total = shape[axis] * inner, np.int64(examples[0]), np.int64(examples[1])
        n = outer * size
        if total == 0:  # all of it, as one row
            return n, (n, n, 0, n)
        if first + shape[axis] > total:
            raise ValueError(MISFIT)
        return outer * total * inner, (n, total * inner, first * inner, size)

    return njit(part_of)


def _compiled(source: str, name: str) -> Callable[..., tuple[int, ...]]:
    """Return a Numba function from its text: Numba cannot make a tuple in a loop."""
    names: dict[str, Callable[..., tuple[int, ...]]] = {}
    exec(source, names)
    return njit(names[name])


def _key(*parts: object) -> str:
    return hashlib.sha256(repr((SOURCE, *parts)).encode()).hexdigest()
