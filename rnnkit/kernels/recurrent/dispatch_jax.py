"""The recurrent Ops on JAX: one `jax.lax.scan` forward, one backward.

In: the Ops of `rnnkit.kernels.recurrent.op`. Out: functions of JAX arrays, which importing
this module registers with PyTensor's JAX backend. They work for any number of steps and examples.

Both scans evaluate the form's program on blocks (B, H); the products with the input's weight,
and those that give the weights' gradients, are made for all steps at once. The backward is the
program's own and not `jax.vjp`: that would add up the recurrent weight's gradient step by step.

PyTensor's own scan is not used, for its gradient needs lengths that are known when the graph is
built, and rnnkit's are not.

This module and that of `rnnkit.noise` import JAX; they are imported when PyTensor compiles for it.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from pytensor.graph.basic import Apply
from pytensor.link.jax.dispatch.basic import jax_funcify

from rnnkit.kernels.recurrent.curvature import RecurrentCurvature
from rnnkit.kernels.recurrent.curvature_arrays import Loops
from rnnkit.kernels.recurrent.form import Form
from rnnkit.kernels.recurrent.op import RecurrentGradient, RecurrentScan
from rnnkit.kernels.recurrent.walk import Walk

Array = jax.Array

OPERATIONS: dict[str, Callable[..., Any]] = {
    'add': jnp.add,
    'sub': jnp.subtract,
    'mul': jnp.multiply,
    'div': jnp.divide,
    'max': jnp.maximum,
    'min': jnp.minimum,
    'select': jnp.where,
    'lt': jnp.less,
    'le': jnp.less_equal,
    'gt': jnp.greater,
    'ge': jnp.greater_equal,
    'eq': jnp.equal,
    'ne': jnp.not_equal,
    'and': jnp.logical_and,
    'or': jnp.logical_or,
    'xor': jnp.logical_xor,
    'not': jnp.logical_not,
    'exp': jnp.exp,
    'expm1': jnp.expm1,
    'tanh': jnp.tanh,
    'sigmoid': jax.nn.sigmoid,
    'log': jnp.log,
    'log1p': jnp.log1p,
    'softplus': jax.nn.softplus,
    'sqrt': jnp.sqrt,
    'abs': jnp.abs,
    'sign': jnp.sign,
}


@jax_funcify.register(RecurrentScan)
def _forward_function(op: RecurrentScan, node: Apply, **kwargs: object) -> Callable[..., Any]:
    def recurrent_scan(*inputs: Array) -> Array | list[Array]:
        outputs = forward(op, inputs)
        return outputs if len(outputs) > 1 else outputs[0]

    return recurrent_scan


@jax_funcify.register(RecurrentGradient)
def _backward_function(op: RecurrentGradient, node: Apply, **kwargs: object) -> Callable[..., Any]:
    def recurrent_gradient(*inputs: Array) -> tuple[Array, ...]:
        return tuple(backward(op, inputs))

    return recurrent_gradient


@jax_funcify.register(RecurrentCurvature)
def _curvature_function(
    op: RecurrentCurvature, node: Apply, **kwargs: object
) -> Callable[..., Any]:
    form, walk = op.gradient.form, op.gradient.walk

    def recurrent_curvature(*inputs: Array) -> tuple[Array, ...]:
        named = dict(zip(op.names, inputs, strict=True))
        found = Loops(form, walk, named, jnp, OPERATIONS, loop).run()
        return tuple(found[name] for name in op.results)

    return recurrent_curvature


def loop(
    step: Callable[..., Any], carried: Any, sequences: Sequence[Array], reverse: bool
) -> tuple[Any, Array]:
    """Return what the last step leaves, and what all steps emit."""
    return jax.lax.scan(step, carried, sequences, reverse=reverse)


def forward(op: RecurrentScan, inputs: Sequence[Array]) -> list[Array]:
    """Return the states, and what the gradient needs besides if `op` keeps that.

    Parameters
    ----------
    op : RecurrentScan
    inputs : sequence of arrays
        The inputs of the Op.
    """
    form = op.form
    x, params, first, mask, direct = op.unpack(inputs)
    hh, xh = _weights(form, params)
    kept = form.residuals if op.keep else []
    vectors = _vectors(form, params)

    def step(old: tuple[Array, ...], at: tuple[Array | None, ...]) -> tuple[Any, Any]:
        z, real, given = at
        known = vectors | _named(form, 'state', old) | _tiles(form, z, old[0] @ hh)
        known |= _direct(form, given)
        values = _evaluate(form, [*form.new, *kept], known, old[0])
        new = _choose(real, values[: form.n_states], old)
        private = [jnp.concatenate(values[form.n_states :], axis=-1)] if kept else []
        return tuple(new), (*new, *private)

    start = _start(x, hh, first)
    # The product with x is outside the loop, other than in kernels: XLA keeps no tile in registers
    # between two products, and one large product is faster than many small ones.
    _, outputs = jax.lax.scan(step, start, (x @ xh, mask, direct), reverse=op.walk.reverse)
    return [*op.stored(outputs[: form.n_states]), *outputs[form.n_states :]]


def backward(op: RecurrentGradient, inputs: Sequence[Array]) -> list[Array]:
    """Return the gradients by the inputs of the forward, in their order, without the mask.

    Parameters
    ----------
    op : RecurrentGradient
    inputs : sequence of arrays
        The inputs of the Op.
    """
    form = op.form
    x, params, first, mask, direct = op.unpack(inputs[: op.n_inputs])
    new, others = inputs[op.n_inputs :][: form.n_states], inputs[op.n_inputs + form.n_states :]
    private, given = (others[0], others[1:]) if form.residuals else (None, others)
    hh, xh = _weights(form, params)
    start = _start(x, hh, first)
    old = [_before(s, n, op.walk) for s, n in zip(start, new, strict=True)]

    cuts = _cuts(x.shape[0], op.walk)
    sequences = (old, list(new), private, list(given), mask, cuts, direct)
    step, summed = _backward_step(op, params, hh)
    zeros = [jnp.zeros(hh.shape[0], x.dtype) for _ in summed]
    carried = ([jnp.zeros_like(s) for s in start], zeros)
    (d_first, sums), d_tiles = jax.lax.scan(step, carried, sequences, reverse=not op.walk.reverse)

    # Both runs of tiles are slices of one array, because of the order of tiles in `Form`.
    d_x_tiles = d_tiles[..., : xh.shape[1]]
    d_h_tiles = d_tiles[..., form.h_first * hh.shape[0] :]
    d_rows = [
        jnp.sum(d, 0, keepdims=True) if row else d
        for d, row in zip(d_first, op.walk.rows, strict=True)
    ]
    return [
        *([d_x_tiles @ xh.T] if op.want_x else []),
        _reorder(_sum_of_products(old[0], d_h_tiles), _inverse(form.h_blocks)),
        _reorder(_sum_of_products(x, d_x_tiles), _inverse(form.x_blocks)),
        *_vector_gradients(form, d_tiles, dict(zip(summed, sums, strict=True))),
        *d_rows,
    ]


def _backward_step(
    op: RecurrentGradient, params: dict[str, Array], hh: Array
) -> tuple[Callable[..., Any], list[tuple[str, int]]]:
    """Return one step backward, and the vector blocks whose gradients it adds up."""
    form, vectors = op.form, _vectors(op.form, params)
    shared, blocks = form.shared_gradients(), form.vector_blocks()
    summed = [block for block in blocks if block not in shared]
    d_vectors = [form.d_vectors[blocks.index(block)] for block in summed]
    stored = [(k, node) for k, node in enumerate(form.new) if form.program.operands(node)]
    h_first = form.h_first * hh.shape[0]

    def step(carried: tuple[list, list], at: tuple[Any, ...]) -> tuple[Any, Array]:
        (upstream, sums), (old, new, private, given, real, cut, direct) = carried, at
        given = iter(given)
        upstream = [
            g + next(given) if is_given else g
            for g, is_given in zip(upstream, op.given, strict=True)
        ]
        known = vectors | _named(form, 'state', old) | _named(form, 'grad', upstream)
        known |= _direct(form, direct)
        known |= {node: new[k] for k, node in stored}
        if private is not None:
            blocks = jnp.split(private, len(form.residuals), axis=-1)
            known |= dict(zip(form.residuals, blocks, strict=True))
        values = _evaluate(form, [*form.d_tiles, *form.d_states, *d_vectors], known, old[0])
        ends = form.n_tiles, form.n_tiles + form.n_states
        zeros = [jnp.zeros_like(old[0])] * len(values)
        d_tiles = jnp.concatenate(_choose(real, values[: ends[0]], zeros), axis=-1)
        d_old = values[ends[0] : ends[1]]
        # The recurrent product reads the first state alone, see `rnnkit.kernels.recurrent.trace`.
        d_old[0] = d_old[0] + d_tiles[:, h_first:] @ hh.T
        terms = _choose(real, values[ends[1] :], zeros)
        sums = [s + jnp.sum(d, 0) for s, d in zip(sums, terms, strict=True)]
        d_old = _choose(real, d_old, upstream)
        if cut is not None:
            d_old = [jnp.where(cut, 0, d) for d in d_old]
        return (d_old, sums), d_tiles

    return step, summed


def _before(first: Array, new: Array, walk: Walk) -> Array:
    """Return the state before each step, from that before the first and those after each."""
    if walk.reverse:
        return jnp.concatenate([new, first[None]])[1:]
    return jnp.concatenate([first[None], new])[:-1]


def _cuts(steps: int, walk: Walk) -> Array | None:
    """Return for each step whether gradients stop before it, or None if they never do."""
    if walk.bptt_limit is None:
        return None
    number = jnp.arange(steps)[:: -1 if walk.reverse else 1]
    return (number > 0) & (number % walk.bptt_limit == 0)


# --- for both directions


def _weights(form: Form, params: dict[str, Array]) -> tuple[Array, Array]:
    """Return both weights, their column blocks in the order of the tiles."""
    return (
        _reorder(params[form.recurrent], form.h_blocks),
        _reorder(params['xh'], form.x_blocks),
    )


def _reorder(weight: Array, blocks: Sequence[int]) -> Array:
    """Return `weight` with its column blocks in the order `blocks`."""
    if list(blocks) == sorted(blocks):
        return weight
    parts = jnp.split(weight, len(blocks), axis=-1)
    return jnp.concatenate([parts[k] for k in blocks], axis=-1)


def _inverse(blocks: Sequence[int]) -> list[int]:
    return sorted(range(len(blocks)), key=blocks.__getitem__)


def _start(x: Array, hh: Array, first: Iterable[Array]) -> tuple[Array, ...]:
    """Return the initial states, one row for each example."""
    return tuple(jnp.broadcast_to(s, (x.shape[1], hh.shape[0])) for s in first)


def _named(form: Form, kind: str, values: Sequence[Array]) -> dict[int, Array]:
    return {form.program.input(f'{kind}{k}'): value for k, value in enumerate(values)}


def _direct(form: Form, given: Array | None) -> dict[int, Array]:
    """Return the blocks (B, H) that a step is given, by their nodes."""
    return {} if given is None else _named(form, 'direct', jnp.split(given, form.n_direct, axis=-1))


def _vectors(form: Form, params: dict[str, Array]) -> dict[int, Array]:
    """Return the blocks (H,) of all per-unit vectors, by their nodes."""
    return {
        form.program.input(f'{name}:{k}'): block
        for name, n in form.vectors.items()
        for k, block in enumerate(jnp.split(params[name], n))
    }


def _tiles(form: Form, from_x: Array, from_h: Array) -> dict[int, Array]:
    """Return the tiles (B, H) of one step, by their nodes."""
    n_x = len(form.x_blocks)
    alone = jnp.split(from_x, n_x, axis=-1)
    others = jnp.split(from_h, len(form.h_blocks), axis=-1)
    tiles = alone[: form.h_first]
    tiles += [x + h for x, h in zip(alone[form.h_first :], others, strict=False)]
    return _named(form, 'tile', tiles + others[form.n_summed :])


def _evaluate(
    form: Form, nodes: Iterable[int], known: dict[int, Array], like: Array
) -> list[Array]:
    """Return the values (B, H) of `nodes`; those that are constants are filled in."""
    fetch = {node: (lambda value=value: value) for node, value in known.items()}
    values = form.program.evaluate(nodes, fetch, float, OPERATIONS)
    return [jnp.broadcast_to(jnp.asarray(v, like.dtype), like.shape) for v in values]


def _choose(real: Array | None, values: list[Array], others: Sequence[Array]) -> list[Array]:
    """Return `values` where a step is real, and `others` over padding."""
    if real is None:
        return values
    # A choice and not a product, for padding may hold NaN.
    keep = real[:, None] > 0.5
    return [jnp.where(keep, v, other) for v, other in zip(values, others, strict=False)]


def _sum_of_products(a: Array, b: Array) -> Array:
    """Return the sum of outer products (n, m) over all steps and examples."""
    return jnp.tensordot(a, b, axes=((0, 1), (0, 1)))


def _vector_gradients(
    form: Form, d_tiles: Array, sums: dict[tuple[str, int], Array]
) -> list[Array]:
    """Return the gradients of the vectors, from `sums` or, if they are those, from the tiles'."""
    shared = form.shared_gradients()
    over_all = jnp.split(jnp.sum(d_tiles, (0, 1)), form.n_tiles) if shared else []
    return [
        jnp.concatenate(
            [over_all[shared[name, k]] if (name, k) in shared else sums[name, k] for k in range(n)]
        )
        for name, n in form.vectors.items()
    ]
