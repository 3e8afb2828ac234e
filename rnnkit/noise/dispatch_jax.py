"""Random numbers on the JAX backend; imported when PyTensor compiles for it."""

from collections.abc import Callable

import jax.numpy as jnp
from pytensor.link.jax.dispatch import jax_funcify

from rnnkit.noise.ops import Advance, Codes, Draw, Drop


@jax_funcify.register(Draw)
def draw_in_jax(op: Draw, **kwargs: object) -> Callable[..., object]:
    """Return the function of one draw."""
    return lambda state, like: op.compute(state, like, jnp)


@jax_funcify.register(Codes)
def codes_in_jax(op: Codes, **kwargs: object) -> Callable[..., object]:
    """Return the function of some draws of bits."""
    return lambda state, like, rate: op.compute(state, like, rate, jnp)


@jax_funcify.register(Drop)
def drop_in_jax(op: Drop, **kwargs: object) -> Callable[..., object]:
    """Return the function of one dropout."""
    return lambda state, x, rate: op.compute(state, x, rate, jnp)


@jax_funcify.register(Advance)
def advance_in_jax(op: Advance, **kwargs: object) -> Callable[..., object]:
    """Return the function that counts an update."""
    return lambda state: op.compute(state, jnp)
