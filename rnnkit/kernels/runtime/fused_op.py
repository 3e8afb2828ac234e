"""Ops that are a graph of PyTensor's own, computed by a kernel where there is one.

In: an Op that can say what it means, as a graph, and which kernel computes it. Out: an Op that
every backend can run. The Numba backend calls the kernel; other backends see the graph.

PyTensor's own Op with a graph is `OpFromGraph`. It is not used here: it builds its graph, and
the scan or gradient in it, when the Op is made, which takes longer than all else where a kernel
runs; its Numba dispatch compiles that graph whatever is registered for a default key of a derived
class; and PyTensor 3.3 rewrites the graph at each compilation, though nobody runs it.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pytensor
from pytensor.compile.mode import Mode, optdb
from pytensor.gradient import DisconnectedType, disconnected_type, grad
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.graph.replace import clone_replace
from pytensor.graph.rewriting.basic import GraphRewriter, dfs_rewriter, node_rewriter
from pytensor.graph.type import Type

from rnnkit.kernels.language.vector import Target
from rnnkit.kernels.language.writer import Writer
from rnnkit.kernels.runtime import kernel
from rnnkit.kernels.runtime.table import Table

Build = Callable[[Sequence[Variable]], list[Variable]]


class FusedOp(Op):
    """An Op with a meaning and a kernel.

    Attributes
    ----------
    kind : str
        The readable start of its kernels' names.
    is_loop : bool
        Whether the meaning is a scan. JAX has a function of its own for such Ops.
    """

    kind = ''
    is_loop = False

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return the graph that this Op stands for, in terms of its inputs."""
        raise NotImplementedError

    def writer(self, node: Apply, target: Target) -> Writer:
        """Return the writer of this node's kernel."""
        raise NotImplementedError

    def expand(self, inputs: Sequence[Variable], build: Build | None = None) -> list[Variable]:
        """Return `meaning`, or another graph that `build` makes, for inputs that have a past.

        A gradient must end at the inputs of this Op, even if one is computed from another. So the
        graph is built on fresh variables, and put in place of those afterwards.
        """
        fresh = [v.type() for v in inputs]
        result = (build or self.meaning)(fresh)
        return clone_replace(result, dict(zip(fresh, inputs, strict=True)))

    def perform(
        self, node: Apply, inputs: Sequence[np.ndarray], output_storage: list[list[object]]
    ) -> None:
        """Compute by the meaning, for backends that do not know the kernels."""
        function = self._function(tuple(v.type for v in node.inputs))
        for storage, value in zip(output_storage, function(*inputs), strict=True):
            storage[0] = value

    def _function(self, types: tuple[Type, ...]) -> Callable[..., list[np.ndarray]]:
        """Return the compiled meaning; it is compiled once for each kind of inputs."""
        functions = self.__dict__.setdefault('_functions', {})
        if types not in functions:
            arguments = [t() for t in types]
            # Only virtual machines call `perform`: the graph is compiled for one as well.
            mode = Mode('cvm' if pytensor.config.cxx else 'vm', 'fast_run')
            functions[types] = pytensor.function(
                arguments, self.meaning(arguments), mode=mode, on_unused_input='ignore'
            )
        return functions[types]

    def kernel(self, node: Apply) -> kernel.Kernel:
        """Return the kernel of this node, compiled or from the cache."""
        target = kernel.host_target(node.inputs[0].type.dtype)
        writer = self.writer(node, target)
        return kernel.build(self.kind, writer, repr((self.kind, writer.description, target)))

    def instruct(self, node: Apply, table: Table) -> None:
        """Append what computes this node to the table of a plan."""
        table.add_kernel(self.kernel(node), node.inputs, node.outputs)

    def numba_function(self, node: Apply) -> tuple[Callable[..., object], str]:
        """Return a function that calls the kernel, and text that names all that it depends on."""
        # Numba takes half a second to import: only a function that uses a kernel pays for it.
        from rnnkit.kernels.runtime import memory_pool, numba_call

        compiled = self.kernel(node)
        names = f'{compiled.name} in {memory_pool.compiled().name}'
        return numba_call.numba_function(compiled), names

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

        def build(fresh: Sequence[Variable]) -> list[Variable]:
            first, upstream = fresh[: len(inputs)], fresh[len(inputs) :]
            pairs = zip(self.meaning(first), given, strict=True)
            reached = [output for output, is_given in pairs if is_given]
            known = dict(zip(reached, upstream, strict=True))
            wrt = [v for v, is_float in zip(first, floats, strict=True) if is_float]
            return grad(None, wrt, known_grads=known, disconnected_inputs='ignore')

        upstream = [g for g, is_given in zip(gradients, given, strict=True) if is_given]
        results = iter(self.expand([*inputs, *upstream], build))
        return [next(results) if is_float else disconnected_type() for is_float in floats]


@node_rewriter([FusedOp])
def expand_fused(fgraph: FunctionGraph, node: Apply) -> list[Variable]:
    """Replace the Op by its meaning."""
    return node.op.expand(node.inputs)


@node_rewriter([FusedOp])
def expand_plain(fgraph: FunctionGraph, node: Apply) -> list[Variable] | bool:
    """Replace the Op by its meaning, unless that is a scan."""
    return False if node.op.is_loop else node.op.expand(node.inputs)


# Before all other rewrites, so that those see PyTensor's own Ops. MLX compiles whole graphs, and
# knows nothing of ours. For the scans, JAX has loops of ours, and FAST_COMPILE runs `perform`.
optdb.register('expand_fused', dfs_rewriter(expand_fused), 'mlx', position=-0.02)
optdb.register('expand_plain', dfs_rewriter(expand_plain), 'fast_compile', 'jax', position=-0.02)


class RegisterWithNumba(GraphRewriter):
    """Registration of the kernels with the Numba backend, if a graph has any; changes no graph."""

    def apply(self, fgraph: FunctionGraph) -> None:
        """Import Numba, and register the kernels."""
        if any(isinstance(node.op, FusedOp) for node in fgraph.apply_nodes):
            register_with_numba()


optdb.register('rnnkit_register_with_numba', RegisterWithNumba(), 'numba', position=-0.02)


@cache
def register_with_numba() -> None:
    """Register the kernels with the Numba backend; raise an error if they cannot be built."""
    from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_and_cache_key

    from rnnkit.kernels.runtime import memory_pool

    memory_pool.compiled()

    # PyTensor's cache on disk knows nothing of the source of kernels; left to its default key, it
    # would run machine code of an earlier version. The names of kernels contain that hash.
    @register_funcify_and_cache_key(FusedOp)
    def fused_function(op: FusedOp, node: Apply, **kwargs: object) -> tuple[object, str]:
        function, names = op.numba_function(node)
        return numba_njit(function), hashlib.sha256(names.encode()).hexdigest()
