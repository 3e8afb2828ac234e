"""The staged Ops on JAX: one `jax.lax.scan` forward, one backward.

In: the Ops of `rnnkit.kernels.staged.op`. Out: functions of JAX arrays, which importing this module
registers with PyTensor's JAX backend. They work for any number of steps and examples.

The backward is the form's own and not `jax.vjp`: that would add up the gradients of weights step by
step.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from pytensor.graph.basic import Apply
from pytensor.link.jax.dispatch.basic import jax_funcify

from rnnkit.kernels.recurrent.dispatch_jax import OPERATIONS, loop
from rnnkit.kernels.staged import arrays
from rnnkit.kernels.staged.op import StagedGradient, StagedScan

Array = jax.Array

JAX = arrays.Kit(jnp, OPERATIONS, loop)


@jax_funcify.register(StagedScan)
def _forward_function(op: StagedScan, node: Apply, **kwargs: object) -> Callable[..., Any]:
    def staged_scan(*inputs: Array) -> Array | list[Array]:
        named = dict(zip(op.names, inputs, strict=True))
        states, residual = arrays.forward(op.form, op.walk, named, JAX)
        outputs = [*op.stored(states), *([residual] if op.keep else [])]
        return outputs if len(outputs) > 1 else outputs[0]

    return staged_scan


@jax_funcify.register(StagedGradient)
def _backward_function(op: StagedGradient, node: Apply, **kwargs: object) -> Callable[..., Any]:
    form = op.form
    given = [f'd_new{k}' for k, is_given in enumerate(op.given) if is_given]
    news = [f'new{k}' for k in range(form.n_states)]
    names = [*op.names, *news, *['residual'] * bool(form.residuals), *given]

    def staged_gradient(*inputs: Array) -> tuple[Array, ...]:
        named = dict(zip(names, inputs, strict=True))
        return tuple(arrays.backward(form, op.walk, named, JAX).values())

    return staged_gradient
