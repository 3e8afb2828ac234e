"""Graphs of kernels as plans.

In: a graph whose nodes are Ops with kernels, elementwise mathematics, and views, copies, joins and
sums of their arrays. Out: a `Plan`; or `UnplannedError`, if there is another node.
"""

from collections.abc import Sequence

from pytensor.compile.ops import DeepCopyOp
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.tensor import TensorType
from pytensor.tensor.basic import Alloc, Join, Split
from pytensor.tensor.elemwise import CAReduce
from pytensor.tensor.shape import Shape_i
from pytensor.tensor.subtensor import IncSubtensor

from rnnkit.kernels.language.descriptor import AXES
from rnnkit.kernels.program.elementwise import axis_of
from rnnkit.kernels.runtime import elementwise
from rnnkit.kernels.runtime.plan import Plan, Result
from rnnkit.kernels.runtime.sums import is_sum, kernel_of
from rnnkit.kernels.runtime.table import Table, UnplannedError, item_of
from rnnkit.kernels.runtime.views import lengths_of, place_of, split_of, view_of, zeros_of

DTYPES = ('float32', 'float64', 'int64')


class Planner:
    """Maker of one plan."""

    def __init__(self, graph: FunctionGraph, order: Sequence[Apply]):
        for variable in [*graph.inputs, *graph.outputs, *(v for n in order for v in n.outputs)]:
            check_type(variable)
        self.graph, self.order, self.table = graph, order, Table()
        self.views: dict[Variable, Variable] = {}  # of which array
        self.constants: list[Constant] = []
        for node in order:
            for variable in node.inputs:
                if isinstance(variable, Constant) and not is_index(node, variable):
                    check_type(variable)
                    if variable not in self.constants:
                        self.constants.append(variable)

    def plan(self) -> Plan:
        """Return the plan, or raise `UnplannedError`."""
        table, objects = self.table, [*self.graph.inputs, *self.constants]
        made = [v for node in self.order for v in node.outputs]
        for node in self.order:
            source = view_of(node)
            if source is not None:
                self.views[node.outputs[0]] = self._whole(node.inputs[0])
            elif split_of(node):
                self.views |= dict.fromkeys(node.outputs, self._whole(node.inputs[0]))
            elif hasattr(node.op, 'unchanged'):
                table.same |= node.op.unchanged(node)
            elif isinstance(node.op, IncSubtensor) and node.op.inplace:
                out, zeros = node.outputs[0], node.inputs[0]
                table.same[out], self.views[out] = zeros, zeros
                if out in self.graph.outputs:
                    raise UnplannedError('an output that is an array with a part that was set')
        results = [v for v in dict.fromkeys(self.graph.outputs) if v not in table.same]
        new = [v for v in results if v in made and not v.type.ndim and v not in self.views]
        table.given.update(new)
        for k, variable in enumerate([*objects, *new]):
            dtype = id(variable.type.numpy_dtype)
            table.add('read', k, table.slot(variable), variable.type.ndim, dtype)
        self._nodes(frees=self._last_uses(results))
        first = len(objects) + len(new)
        slots = [v for v in results if v not in new and v not in self.graph.inputs]
        n = len(table.words)
        for k, v in enumerate(slots, first):
            table.add('deliver', table.slot(v), k, item_of(v))
        table.words, table.delivery = table.words[:n], table.words[n:]
        table.count -= len(slots)
        places = [*self.graph.inputs, *self.constants, *new, *slots]
        outputs = [places.index(table.same.get(v, v)) for v in self.graph.outputs]
        found = [Result(v.type, table.slot(v), v in self.views) for v in slots]
        return Plan(table, objects, new, found, outputs)

    def _whole(self, variable: Variable) -> Variable:
        return self.views.get(variable, variable)

    def _last_uses(self, results: Sequence[Variable]) -> dict[Apply, list[Variable]]:
        """Return which arrays nobody reads after each node."""
        made = {v for node in self.order for v in node.outputs} - set(self.views)
        kept = {*map(self._whole, results), *self.table.same}
        last: dict[Variable, Apply] = {}
        for node in self.order:
            for v in [*node.outputs, *node.inputs]:
                last[self._whole(v)] = node
        frees: dict[Apply, list[Variable]] = {}
        for v, node in last.items():
            if v in made and v not in kept:
                frees.setdefault(node, []).append(v)
        return frees

    def _nodes(self, frees: dict[Apply, list[Variable]]) -> None:
        table = self.table
        for node in self.order:
            view, first = view_of(node), node.inputs[0]
            if view is not None:
                table.add_view(node.outputs[0], first, view)
            elif isinstance(node.op, DeepCopyOp):
                table.add_copy(node)
            elif hasattr(node.op, 'instruct'):
                node.op.instruct(node, table)
            elif is_sum(node):
                table.add_sum(kernel_of(node.outputs[0].type.dtype), node)
            elif elementwise.is_elementwise(node):
                arrays = elementwise.arrays_of(node)
                table.add_kernel(elementwise.kernel_of(node), arrays, node.outputs)
            elif isinstance(node.op, CAReduce):
                table.add_kernel(elementwise.total_of(node), node.inputs, node.outputs)
            elif lengths := zeros_of(node):
                table.add_zeros(node, lengths)
            elif isinstance(node.op, Alloc):
                self._filled(node)
            elif views := split_of(node):
                for variable, shown in zip(node.outputs, views, strict=True):
                    table.add_view(variable, first, shown)
            elif isinstance(node.op, Join):
                table.add_join(node, *axis_of(node, 0))
            elif isinstance(node.op, IncSubtensor) and (place := place_of(node)):
                if not node.op.inplace:  # others read the same zeros
                    table.add_copy(node)
                table.add_place(node, place)
            elif not isinstance(node.op, Shape_i) or node.outputs[0] in self.graph.outputs:
                raise UnplannedError(node.op)
            for v in frees.get(node, ()):
                table.add('free', table.slot(v))

    def _filled(self, node: Apply) -> None:
        """Append an array of a number: zeros, to which it is added."""
        lengths, kernel = lengths_of(node.inputs[1:]), elementwise.filling_of(node)
        if lengths is None:
            raise UnplannedError(node.op)
        out = node.outputs[0]
        self.table.add_zeros(node, lengths)
        self.table.given.add(out)
        self.table.add_kernel(kernel, [out], [out])


def is_index(node: Apply, variable: Variable) -> bool:
    """Return whether a constant is an index of a view, and so no array."""
    if isinstance(node.op, Split) or (isinstance(node.op, Join) and not variable.ndim):
        return True  # an axis, or lengths
    if isinstance(node.op, Alloc | IncSubtensor):
        return True  # a length, the value 0, or an index
    if elementwise.is_elementwise(node) and not is_sum(node):
        return elementwise.is_number(variable)
    return view_of(node) is not None and variable is not node.inputs[0]


def check_type(variable: Variable) -> None:
    """Raise `UnplannedError` unless a variable is an array that a slot can describe."""
    kind = variable.type
    if not isinstance(kind, TensorType) or kind.dtype not in DTYPES or kind.ndim > AXES:
        raise UnplannedError(f'{variable} of {kind}')
