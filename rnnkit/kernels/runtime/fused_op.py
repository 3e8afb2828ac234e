"""Ops that are a graph of PyTensor's own, computed by a kernel where there is one.

In: an Op that can say what it means, as a graph, and which kernel computes it. Out: an Op that
every backend can run. The Numba backend calls the kernel; other backends see the graph.

The graph is built only where it is needed, for it takes longer than to build the Op.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import pytensor
from pytensor.compile.mode import Mode, optdb
from pytensor.gradient import DisconnectedType, disconnected_type, grad
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.graph.replace import clone_replace
from pytensor.graph.rewriting.basic import dfs_rewriter, node_rewriter

from rnnkit.kernels.runtime import kernel


class MeaningOp(Op):
    """An Op that stands for a graph, and runs it where there is nothing better."""

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return the graph that this Op stands for, in terms of its inputs."""
        raise NotImplementedError

    def expand(self, inputs: Sequence[Variable], build: Any = None) -> list[Variable]:
        """Return `meaning`, or what `build` makes of inputs, for inputs that have a past.

        A gradient must end at the inputs of this Op, even if one is computed from another.
        """
        fresh = [v.type() for v in inputs]
        result = (build or self.meaning)(fresh)
        return clone_replace(result, dict(zip(fresh, inputs, strict=True)))

    def perform(self, node: Apply, inputs: list[Any], output_storage: list[list[Any]]) -> None:
        """Compute by the meaning, for backends that do not know the kernels."""
        run_meaning(self, node, inputs, output_storage)


class FusedOp(MeaningOp):
    """An Op with a meaning and a kernel."""

    kind = ''  # the readable start of its kernels' names

    def writer(self, node: Apply, target: Any) -> Any:
        """Return what writes the kernel of this node."""
        raise NotImplementedError

    def numba_function(self, node: Apply) -> tuple[Callable[..., Any], str]:
        """Return a function that calls the kernel, and text that names all that it depends on."""
        from rnnkit.kernels.runtime import numba_call, pool

        target = kernel.host_target(node.inputs[0].type.dtype)
        writer = self.writer(node, target)
        found = kernel.build(self.kind, writer, repr((self.kind, writer.description, target)))
        return numba_call.numba_function(found), f'{found.name} in {pool.compiled().name}'

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return which outputs have a derivative by which inputs: not by whole numbers."""
        n = len(node.outputs)
        return [[v.type.dtype.startswith('float')] * n for v in node.inputs]

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], gradients: Sequence[Variable]
    ) -> list[Variable]:
        """Return the gradients by the inputs, by way of the meaning."""
        given = [not isinstance(g.type, DisconnectedType) for g in gradients]
        if not any(given):
            return [disconnected_type() for _ in inputs]
        floats = [v.type.dtype.startswith('float') for v in inputs]

        def build(fresh: list[Variable]) -> list[Variable]:
            first, upstream = fresh[: len(inputs)], fresh[len(inputs) :]
            found = [o for o, is_given in zip(self.meaning(first), given, strict=True) if is_given]
            known = dict(zip(found, upstream, strict=True))
            wanted = [v for v, is_float in zip(first, floats, strict=True) if is_float]
            return grad(None, wanted, known_grads=known, disconnected_inputs='ignore')

        upstream = [g for g, is_given in zip(gradients, given, strict=True) if is_given]
        found = iter(self.expand([*inputs, *upstream], build))
        return [next(found) if is_float else disconnected_type() for is_float in floats]


def run_meaning(op: Any, node: Apply, inputs: list[Any], output_storage: list[list[Any]]) -> None:
    """Compute what `op` means; the graph is compiled once for each kind of inputs."""
    functions = op.__dict__.setdefault('_functions', {})
    types = tuple(v.type for v in node.inputs)
    if types not in functions:
        arguments = [t() for t in types]
        # Only virtual machines call this: the graph is compiled for one as well.
        mode = Mode('cvm' if pytensor.config.cxx else 'vm', 'fast_run')
        functions[types] = pytensor.function(
            arguments, op.meaning(arguments), mode=mode, on_unused_input='ignore'
        )
    for storage, value in zip(output_storage, functions[types](*inputs), strict=True):
        storage[0] = value


@node_rewriter([FusedOp])
def expand_fused(fgraph: Any, node: Apply) -> list[Variable] | bool:
    """Replace the Op by its meaning, for backends that compile whole graphs or compile fast."""
    if not isinstance(node.op, FusedOp):
        return False
    return node.op.expand(node.inputs)


# Before all other rewrites, so that those see PyTensor's own Ops.
optdb.register(
    'expand_fused', dfs_rewriter(expand_fused), 'fast_compile', 'jax', 'mlx', position=-0.02
)


def register_with_numba() -> None:
    """Let the Numba backend use the kernels of these Ops."""
    from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_and_cache_key

    if _registered:
        return

    @register_funcify_and_cache_key(FusedOp)
    def fused_function(op: FusedOp, node: Apply, **kwargs: Any) -> tuple[Any, str]:
        function, names = op.numba_function(node)
        return numba_njit(function), hashlib.sha256(names.encode()).hexdigest()

    _registered.append(True)


_registered: list[bool] = []
