"""PyTensor's linker for graphs of kernels: without a compiler, where that is possible.

In: a graph that PyTensor has rewritten for its Numba backend. Out: a `Plan` if all of its nodes can
be planned; else Numba's function, which then serves arrays of every layout and constants of every
size.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from pytensor.compile.mode import Mode, get_default_mode, optdb
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.link.numba.linker import NumbaLinker
from pytensor.tensor import TensorConstant
from pytensor.tensor.basic import Alloc, AllocEmpty, Join, MakeVector, Split
from pytensor.tensor.elemwise import Elemwise

from rnnkit.kernels.program.program import Unsupported
from rnnkit.kernels.runtime.plan import Plan
from rnnkit.kernels.runtime.planner import Planner
from rnnkit.kernels.runtime.table import UnplannedError

log = logging.getLogger('rnnkit')


# Rewrites that import Numba, which takes longer than to start a training without it.
IMPORTS = ('rnnkit_register_with_numba', 'register_noise_with_numba')

# Operations on lengths, and others that treat constants like all arrays.
LENGTHS = (MakeVector, Alloc, AllocEmpty)
FREE = (Elemwise, Join, Alloc)
JOINS = (Join, Split)  # of lengths, or with lengths among their inputs


class PlanLinker(NumbaLinker):
    """Runs graphs of kernels without a compiler, and compiles others by Numba."""

    incompatible_rewrites = (*NumbaLinker.incompatible_rewrites, *IMPORTS)

    def fgraph_convert(self, fgraph: FunctionGraph, **kwargs: Any) -> Any:
        """Return a plan, or what Numba compiles."""
        self.constants: list[TensorConstant] = []
        try:
            return Planner(*unfused(fgraph, kwargs['order'])).plan()
        except (UnplannedError, Unsupported) as why:
            log.debug('a graph is compiled by Numba: %s', why)
        for name in IMPORTS:
            optdb[name].apply(fgraph)
        graph, kwargs['order'], self.constants = without_sizes(fgraph, kwargs['order'])
        return super().fgraph_convert(graph, **kwargs)

    def create_thunk_inputs(self, storage_map: dict[Variable, list[Any]]) -> list[Any]:
        """Return where the inputs are, and the constants that Numba's function takes as inputs."""
        return [*super().create_thunk_inputs(storage_map), *([c.data] for c in self.constants)]

    def jit_compile(self, fn: Any) -> Callable[..., Sequence[np.ndarray]]:
        """Return the plan, or Numba's function with one signature for all layouts."""
        return fn if isinstance(fn, Plan) else OneSignature(super().jit_compile(fn))


class OneSignature:
    """A function of Numba's, whose arrays are always writeable and in C's order.

    Others would have another type, and Numba would compile the function for it.
    """

    def __init__(self, function: Callable[..., Sequence[np.ndarray]]):
        self.function = function

    def __call__(self, *inputs: Any) -> Sequence[np.ndarray]:
        """Return the outputs."""
        return self.function(*[a if _is_usual(a) else usual(a) for a in inputs])


def _is_usual(array: Any) -> bool:
    return type(array) is not np.ndarray or array.flags.carray


class _Memory:
    """The memory of an array that may not be written, as one that may: nobody writes to inputs."""

    def __init__(self, array: np.ndarray):
        interface = array.__array_interface__
        self.array = array
        self.__array_interface__ = {**interface, 'data': (interface['data'][0], False)}


def usual(array: np.ndarray) -> np.ndarray:
    """Return an array that is writeable and in C's order; its memory is the same if possible."""
    flags = array.flags
    if not (flags.c_contiguous and flags.aligned):
        return array.copy(order='C')
    return array if flags.writeable else np.asarray(_Memory(array))


def unfused(graph: FunctionGraph, order: Sequence[Apply]) -> tuple[FunctionGraph, list[Apply]]:
    """Return a graph in which elementwise operations and sums are apart, and its nodes in order.

    PyTensor 3.3 makes one Op of both for Numba; a plan has a kernel for each.
    """
    if not any(_is_fused(node) for node in order):
        return graph, list(order)
    memo: dict[Variable, Variable] = {}
    nodes: list[Apply] = []
    for node in order:
        inner = [node]
        if _is_fused(node):
            given, inner = node.op.fgraph.inputs, node.op.fgraph.toposort()
            memo |= {v: memo.get(a, a) for v, a in zip(given, node.inputs, strict=True)}
        for each in inner:
            made = Apply(
                each.op, [memo.get(v, v) for v in each.inputs], [v.type() for v in each.outputs]
            )
            memo |= dict(zip(each.outputs, made.outputs, strict=True))
            nodes.append(made)
        if _is_fused(node):
            results = [memo[v] for v in node.op.fgraph.outputs]
            memo |= dict(zip(node.outputs, results, strict=True))
    outputs = [memo.get(v, v) for v in graph.outputs]
    return FunctionGraph(graph.inputs, outputs, clone=False), nodes


def _is_fused(node: Apply) -> bool:
    return type(node.op).__name__ == 'FusedElemwise'


def without_sizes(
    graph: FunctionGraph, order: Sequence[Apply]
) -> tuple[FunctionGraph, list[Apply], list[TensorConstant]]:
    """Return a graph that serves other sizes as well, its nodes in order, and constants.

    Constants that hold sizes are inputs of it, after all others: what Numba compiles contains its
    constants, so a state of 10 zeros would make it another function than one of 20.
    """
    constants = list(dict.fromkeys(v for n in order for v in n.inputs if holds_size(n, v)))
    memo: dict[Variable, Variable] = {v: v.type() for v in [*graph.inputs, *constants]}
    nodes = []
    for node in order:
        inputs = [memo.get(v, v) for v in node.inputs]
        nodes.append(Apply(node.op, inputs, [v.type() for v in node.outputs]))
        memo |= dict(zip(node.outputs, nodes[-1].outputs, strict=True))
    inputs = [memo[v] for v in [*graph.inputs, *constants]]
    outputs = [memo.get(v, v) for v in graph.outputs]
    return FunctionGraph(inputs, outputs, clone=False), nodes, constants


def holds_size(node: Apply, variable: Variable) -> bool:
    """Return whether a constant may hold a size of the network, and need not be known."""
    if not isinstance(variable, TensorConstant):
        return False
    kind = variable.type
    if kind.ndim == 1 and isinstance(node.op, JOINS):
        return True
    if kind.ndim:  # what is indexed by must be known
        free = isinstance(node.op, FREE) or hasattr(node.op, 'instruct')
        return kind.dtype.startswith('float') and free
    return kind.dtype == 'int64' and isinstance(node.op, LENGTHS)


def mode() -> Mode | None:
    """Return the mode for a graph of kernels; None if the user has chosen another backend."""
    default = get_default_mode()
    if type(default.linker) is not NumbaLinker:
        return None
    return Mode(PlanLinker(), default.provided_optimizer)
