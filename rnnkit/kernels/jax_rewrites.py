"""Rewrites for PyTensor's JAX backend; nothing here imports JAX.

Out: rewrites with the tag 'jax', which only PyTensor's JAX linker asks for.

Under JAX all arrays of a function are traced, and lengths must be Python's numbers. A length that
was computed, ``x.shape[0] * x.shape[1]``, is one only as long as nothing but JAX's own shapes and
products of them occur in it. PyTensor puts other Ops there, which the rewrites remove.
"""

import importlib
from contextlib import suppress

import pytensor.tensor as pt
from pytensor.compile.mode import optdb
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import GraphRewriter, dfs_rewriter, node_rewriter
from pytensor.raise_op import CheckAndRaise
from pytensor.scalar.basic import EQ, Composite, Mul, Switch
from pytensor.tensor.elemwise import CAReduce, Elemwise
from pytensor.tensor.shape import Shape_i


class RegisterWithJax(GraphRewriter):
    """Register the recurrent Ops with the JAX backend, without importing JAX before it is used.

    It changes no graph. PyTensor itself imports JAX only when it compiles for it, and the
    rewrites for JAX are the first sign of that.
    """

    def apply(self, fgraph: FunctionGraph) -> None:
        """Import the modules that register the Ops; the linker complains if there is no JAX."""
        with suppress(ModuleNotFoundError):
            for room in ('recurrent', 'staged'):
                importlib.import_module(f'rnnkit.kernels.{room}.dispatch_jax')


@node_rewriter([Elemwise])
def drop_unknown_length(fgraph: FunctionGraph, node: Apply) -> list[Variable] | bool:
    """Replace ``switch(eq(n, -1), other, n)`` by n, where n is a product of lengths.

    PyTensor writes so for the lengths of a reshaped array, where -1 stands for the length that
    follows from the others. JAX needs lengths that it knows while it traces.
    """
    if not isinstance(node.op.scalar_op, Switch):
        return False
    condition, _, n = node.inputs
    compared = condition.owner
    if compared is None or not isinstance(getattr(compared.op, 'scalar_op', None), EQ):
        return False
    left, right = compared.inputs
    if left is not n or not (isinstance(right, Constant) and right.data == -1):
        return False
    same = _is_length(n) and n.type == node.outputs[0].type
    return [n] if same else False


def _is_length(n: Variable) -> bool:
    """Return whether the graph shows that `n` cannot be negative."""
    if isinstance(n, Constant):
        return bool(n.data >= 0)
    if n.owner is None:
        return False
    op, inputs = n.owner.op, n.owner.inputs
    if isinstance(op, CheckAndRaise):
        return _is_length(inputs[0])
    if isinstance(getattr(op, 'scalar_op', None), Mul):
        return all(map(_is_length, inputs))
    return isinstance(op, Shape_i)


@node_rewriter([Elemwise])
def unfuse_lengths(fgraph: FunctionGraph, node: Apply) -> list[Variable] | bool:
    """Undo the fusion of computations of single numbers.

    PyTensor before 3.3 fuses those of lengths, too, and JAX then no longer knows the lengths
    while it traces.
    """
    fused = node.op.scalar_op
    if not isinstance(fused, Composite) or any(v.ndim for v in node.outputs):
        return False
    values = dict(zip(fused.fgraph.inputs, node.inputs, strict=True))
    for inner in fused.fgraph.toposort():
        args = [pt.constant(v.data) if isinstance(v, Constant) else values[v] for v in inner.inputs]
        values.update(zip(inner.outputs, Elemwise(inner.op)(*args, return_list=True), strict=True))
    return [values[v] for v in fused.fgraph.outputs]


@node_rewriter([CAReduce])
def add_up_in_own_type(fgraph: FunctionGraph, node: Apply) -> list[Variable] | bool:
    """Add up float32 in float32.

    PyTensor adds up in float64 and then rounds. Its JAX backend adds up in float32, but gives
    the result as float64, and everything after it becomes float64 as well.
    """
    op, (x,) = node.op, node.inputs
    dtype = node.outputs[0].type.dtype
    if dtype != x.type.dtype or getattr(op, 'acc_dtype', None) in (None, dtype):
        return False
    return [op.clone(dtype=dtype, acc_dtype=dtype)(x)]


def register() -> None:
    """Add the rewrites to PyTensor's."""
    optdb.register('register_recurrent_with_jax', RegisterWithJax(), 'jax', position=-0.02)
    # Before the fusion, which would hide the switch in a Composite.
    optdb['canonicalize'].register('drop_unknown_length', drop_unknown_length, 'jax')
    # After the fusion, and before PyTensor collects lengths for JAX.
    late = dfs_rewriter(unfuse_lengths, add_up_in_own_type)
    optdb.register('rnnkit_late_for_jax', late, 'jax', position=99)
