"""PyTensor's view of an update: one Op for all parameters and slots of a training.

In: symbolic loss, limits, hyperparameters, slots, gradients and parameters. Out: the norm of
the gradients, all new values and, if they are watched, a report of the gradients. A rewrite lets
the Op write new values to the place of the old ones, so that shared variables are updated without
copies. That is left to a rewrite because PyTensor refuses graphs of users in which an Op destroys
its inputs.
"""

import logging
from collections.abc import Callable, Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.compile.mode import optdb
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import dfs_rewriter, node_rewriter

from rnnkit.kernels.program.program import reason
from rnnkit.kernels.runtime import kernel
from rnnkit.kernels.runtime.cache import Library, library
from rnnkit.kernels.runtime.fused_op import FusedOp
from rnnkit.kernels.runtime.table import Table, UnplannedError
from rnnkit.kernels.update import plan
from rnnkit.kernels.update.arguments import Arguments
from rnnkit.kernels.update.rule import Change, Rule, read_rule
from rnnkit.kernels.update.update import Update

log = logging.getLogger('rnnkit')


# (arguments, watched) -> [norm of the gradients, new count, *new slots, *new params], by PyTensor's
# own Ops; if watched, then a vector of the norm of each gradient, and 1 if any was clipped, else 0.
Plain = Callable[[Arguments, bool], list[Variable]]


class UpdateParams(FusedOp):
    """Changes all parameters by one rule.

    Parameters
    ----------
    rule : Rule
    plain : callable
        Builds the graph that this means.
    shapes : tuple of tuple of int
        The shape of each parameter.
    tables : tuple of int
        Which parameters are tables, whose gradient is by rows.
    inplace : bool
        Whether count, slots and parameters are changed where they are.
    watched : bool
        Whether the last output is a report of the gradients.
    """

    __props__ = ('key', 'shapes', 'tables', 'inplace', 'watched')
    kind = 'update'

    def __init__(
        self,
        rule: Rule,
        plain: Plain,
        shapes: tuple[tuple[int, ...], ...],
        tables: tuple[int, ...] = (),
        inplace: bool = False,
        watched: bool = False,
    ):
        self.watched = watched
        self.rule, self.plain, self.key = rule, plain, rule.digest
        self.shapes, self.tables, self.inplace = shapes, tables, inplace
        self.n_params = n_params = len(shapes)
        slots = self._slot_places()
        first = slots.stop + n_params
        if inplace:
            changed = [3, *slots, *range(first, first + n_params)]
            self.destroy_map = {1 + k: [place] for k, place in enumerate(changed)}

    def make_node(self, *inputs: Variable) -> Apply:
        """Return the node."""
        read = self.unpack(inputs)
        changed = [read.count, *read.slots, *read.params]
        norm = pt.tensor(dtype=read.loss.type.dtype, shape=())
        health = [pt.tensor(dtype=norm.type.dtype, shape=(self.n_params + 1,))] * self.watched
        return Apply(self, list(inputs), [norm, *(v.type() for v in changed), *health])

    def _slot_places(self) -> range:
        first = 4 + len(self.rule.hyper)
        return range(first, first + self.rule.n_slots)

    def unpack(self, inputs: Sequence[Variable]) -> Arguments:
        """Return the inputs by name."""
        slots = self._slot_places()
        params = slots.stop + self.n_params
        return Arguments(
            *inputs[:4],
            dict(zip(self.rule.hyper, inputs[4 : slots.start], strict=True)),
            list(inputs[slots.start : slots.stop]),
            list(inputs[slots.stop : params]),
            list(inputs[params : params + self.n_params]),
            dict(zip(self.tables, inputs[params + self.n_params :], strict=True)),
        )

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return the plain graph."""
        return self.plain(self.unpack(inputs), self.watched)

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the outputs' shapes; PyTensor before 3.3 passes the graph as well."""
        lengths = self.unpack(args[-1])
        health = [(pt.constant(np.int64(self.n_params + 1)),)] * self.watched
        return [(), (), *lengths.slots, *lengths.params, *health]

    def compiled(self, node: Apply) -> tuple[Update, Library]:
        """Return the kernel, and its writer."""
        writer = Update(self.rule, kernel.host_target(node.inputs[0].type.dtype))
        description = repr((self.kind, writer.description, writer.target))
        compiled = library(self.kind, description, writer.write)
        return writer, compiled

    def unchanged(self, node: Apply) -> dict[Variable, Variable]:
        """Return which outputs are arrays that were inputs, with other values in them."""
        places = getattr(self, 'destroy_map', {})
        return {node.outputs[k]: node.inputs[at] for k, (at,) in places.items()}

    def instruct(self, node: Apply, table: Table) -> None:
        """Append the update to the table of a plan."""
        if self.tables or self.watched or not self.inplace:
            raise UnplannedError(self)
        writer, compiled = self.compiled(node)
        plan.add_update(table, writer, compiled, self.unpack(node.inputs), node.outputs)

    def numba_function(self, node: Apply) -> tuple[Callable[..., tuple[np.ndarray, ...]], str]:
        """Return a function that calls the kernel, and text that names all that it depends on."""
        from rnnkit.kernels.runtime import memory_pool
        from rnnkit.kernels.update import numba_call  # Numba takes half a second to import

        writer, compiled = self.compiled(node)
        for symbol in ('run', 'room', 'gather'):
            compiled.address(symbol)
        how = numba_call.Form(self.tables, self.inplace, self.watched)
        function = numba_call.numba_function(compiled.name, writer, how)
        kind = ', '.join(f'{name}={value}' for name, value in how._asdict().items())
        return function, f'{compiled.name} in {memory_pool.compiled().name}, {kind}'


@node_rewriter([UpdateParams], inplace=True)
def update_in_place(fgraph: FunctionGraph, node: Apply) -> list[Variable] | bool:
    """Write new values to the place of the old ones."""
    op = node.op
    if not isinstance(op, UpdateParams) or op.inplace:
        return False
    changing = UpdateParams(op.rule, op.plain, op.shapes, op.tables, True, op.watched)
    return changing(*node.inputs, return_list=True)


optdb.register(
    'rnnkit_update_in_place', dfs_rewriter(update_in_place), 'fast_run', 'inplace', position=70
)


def update_params(
    change: Change,
    plain: Plain,
    arguments: Arguments,
    shapes: Sequence[tuple[int, ...]],
    watched: bool = False,
) -> list[Variable] | None:
    """Return what `plain` returns, by a kernel; None if there is none for such a rule.

    Parameters
    ----------
    change : callable
        Applies the rule to one array.
    plain : callable
    arguments : Arguments
        Symbolic variables.
    shapes : sequence of tuple of int
        The shapes of the parameters.
    watched : bool
        Whether the gradients are reported, too.
    """
    loss, max_elem, max_norm, count, hyper, slots, gradients, params, ids = arguments
    scalars = [loss, max_elem, max_norm, count, *hyper.values()]
    arrays = [*slots, *gradients, *params]
    dtypes = {v.type.dtype for v in [*scalars, *arrays]}
    if len(dtypes) > 1 or not dtypes <= {'float32', 'float64'}:
        return None
    if any(v.type.ndim > 3 for v in arrays) or any(v.type.ndim for v in scalars):
        return None
    try:
        rule = read_rule(change, len(slots), list(hyper))
    except Exception as why:  # a rule may be any code, and do anything on such arrays
        log.debug('an update rule keeps its plain graph: %s', reason(why))
        return None
    op = UpdateParams(rule, plain, tuple(shapes), tuple(ids), watched=watched)
    return op(*scalars, *arrays, *ids.values(), return_list=True)
