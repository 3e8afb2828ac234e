"""Philox4x32-10: random bits that are a function of a key and a counter, on whole arrays.

In: a state of four numbers of 32 bits, the number of a draw, and how many numbers are needed.
Out: an array. The functions take the module that computes: NumPy, or JAX's. They use no whole
numbers of 64 bits, which JAX does not have by default.

A generator that goes on from its last number would have to be a state that each update writes
and carries along. Here a number depends on its place alone, so draws may be computed in any
order, in parallel and on any backend, and a training is continued from a seed and a count.

Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", SC'11.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    import jax

    Array: TypeAlias = np.ndarray | jax.Array

ROUNDS = 10
FACTORS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)  # what the key grows by, from round to round
STATE = 4  # two numbers of the key, then the number of the update, its lower half first


def bits(state: Array, draw: int, n: int, xp: ModuleType = np) -> Array:
    """Return `n` whole numbers of 32 random bits.

    Block number j has the counter (j, `draw`, state[2], state[3]) and gives four numbers. The
    first quarter of the result is the first number of each block, and so on, which lets a
    processor compute several blocks at once; up to three numbers of one more block are last.
    """
    full, extra = divmod(n, 4)
    j = xp.arange(full + 1, dtype=np.uint32)
    counter = [j, xp.full_like(j, draw), state[2] + 0 * j, state[3] + 0 * j]
    blocks = block(counter, [state[0] + 0 * j, state[1] + 0 * j])
    return xp.concatenate([*(b[:full] for b in blocks), *(b[full:] for b in blocks[:extra])])


def block(counter: list[Array], key: list[Array]) -> list[Array]:
    """Return four numbers of 32 bits for each counter of four and key of two; all are arrays."""
    a, b, c, d = counter
    k, m = key
    for _ in range(ROUNDS):
        high_a, low_a = product(a, FACTORS[0])
        high_c, low_c = product(c, FACTORS[1])
        a, b, c, d = high_c ^ b ^ k, low_c, high_a ^ d ^ m, low_a
        k, m = k + np.uint32(WEYL[0]), m + np.uint32(WEYL[1])
    return [a, b, c, d]


def product(a: Array, factor: int) -> tuple[Array, Array]:
    """Return the upper and the lower 32 bits of a product, from products of 16 bits."""
    low, high, half = np.uint32(factor & 0xFFFF), np.uint32(factor >> 16), np.uint32(0xFFFF)
    shift = np.uint32(16)
    a_low, a_high = a & half, a >> shift
    first = a_high * low + (a_low * low >> shift)
    second = a_low * high + (first & half)
    return a_high * high + (first >> shift) + (second >> shift), a * np.uint32(factor)


def uniform(state: Array, draw: int, n: int, dtype: str, xp: ModuleType = np) -> Array:
    """Return `n` numbers from [0, 1), with all the bits that the dtype has room for."""
    if dtype == 'float32':
        return (bits(state, draw, n, xp) >> np.uint32(8)).astype(dtype) * np.float32(2**-24)
    w = bits(state, draw, 2 * n, xp)
    high, low = (w[:n] >> np.uint32(5)).astype(dtype), (w[n:] >> np.uint32(6)).astype(dtype)
    return (high * 2.0**26 + low) * 2.0**-53


def normal(state: Array, draw: int, n: int, dtype: str, xp: ModuleType = np) -> Array:
    """Return `n` numbers of mean 0 and deviation 1.

    Source: Box & Muller 1958, Annals of Mathematical Statistics 29(2).
    """
    half = (n + 1) // 2
    u = uniform(state, draw, 2 * half, dtype, xp)
    # u may be 0, and 1 - u may not: the logarithm is finite.
    radius = xp.sqrt(-2 * xp.log(1 - u[:half]))
    angle = u[half:] * np.array(2 * np.pi, dtype)
    return xp.concatenate([radius * xp.cos(angle), radius * xp.sin(angle)])[:n]


def keep(
    state: Array, draw: int, n: int, rate: ArrayLike, dtype: str, xp: ModuleType = np
) -> Array:
    """Return `n` numbers that are 0 with probability `rate`, else 1 / (1 - rate)."""
    rate = xp.asarray(rate).astype(dtype)
    one = np.ones((), dtype)
    kept = bits(state, draw, n, xp) >= (rate * np.array(2.0**32, dtype)).astype(np.uint32)
    return xp.where(kept, one / (one - rate), np.zeros((), dtype))
