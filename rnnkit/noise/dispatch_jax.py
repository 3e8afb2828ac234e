"""Random numbers on the JAX backend; imported when PyTensor compiles for it.

All of a batch must be here: the numbers of others would make arrays whose lengths depend on values.
"""

from collections.abc import Callable

import jax.numpy as jnp
from pytensor.link.jax.dispatch import jax_funcify

from rnnkit.noise.ops import Advance, Codes, Draw, Drop


@jax_funcify.register(Draw)
def draw_in_jax(op: Draw, **kwargs: object) -> Callable[..., object]:
    """Return the function of one draw."""
    return lambda state, like, *examples: op.compute(state, like, xp=jnp)


@jax_funcify.register(Codes)
def codes_in_jax(op: Codes, **kwargs: object) -> Callable[..., object]:
    """Return the function of some draws of bits."""
    return lambda state, like, rate, *examples: op.compute(state, like, rate, xp=jnp)


@jax_funcify.register(Drop)
def drop_in_jax(op: Drop, **kwargs: object) -> Callable[..., object]:
    """Return the function of one dropout."""
    return lambda state, x, rate, *examples: op.compute(state, x, rate, xp=jnp)


@jax_funcify.register(Advance)
def advance_in_jax(op: Advance, **kwargs: object) -> Callable[..., object]:
    """Return the function that counts an update."""
    return lambda state: op.compute(state, jnp)
