"""Updates in plans: how the table of an update kernel is filled in at each call.

In: the inputs and outputs of an update that writes to its inputs. Out: instructions in the table of
a plan, see `rnnkit.kernels.runtime.plan`.
"""

import ctypes
from collections.abc import Sequence

from pytensor.graph.basic import Variable

from rnnkit.kernels.language.descriptor import DESCRIPTOR
from rnnkit.kernels.runtime.cache import Library
from rnnkit.kernels.runtime.table import Table, item_of
from rnnkit.kernels.update.arguments import Arguments
from rnnkit.kernels.update.update import (
    ENTRY,
    HEAD,
    LOSS,
    MAX_ELEM,
    MAX_NORM,
    NEW_COUNT,
    NORM,
    PARAMS,
    Update,
)


def add_update(
    table: Table,
    writer: Update,
    compiled: Library,
    inputs: Arguments,
    outputs: Sequence[Variable],
) -> None:
    """Append an update that has no tables and writes to the place of the old values."""
    n = len(inputs.params)
    own = (ctypes.c_int64 * (writer.params + ENTRY * n))()  # zeros: new values go to the old place
    own[PARAMS] = n
    table.kept.append(own)
    start = ctypes.addressof(own)

    def describe(variable: Variable, place: int, integers: int = 1) -> None:
        table.add('describe', table.slot(variable), start + 8 * place, integers)

    norm = outputs[0]
    if norm not in table.given:
        table.memory[table.add('make', table.slot(norm), item_of(norm))] = 'update'
    describe(norm, NORM)
    for variable, place in ((inputs.loss, LOSS), (inputs.max_elem, MAX_ELEM)):
        describe(variable, place)
    describe(inputs.max_norm, MAX_NORM)
    describe(inputs.count, NEW_COUNT)
    for k, variable in enumerate([inputs.count, *inputs.hyper.values()]):
        describe(variable, HEAD + k)
    for k, variable in enumerate(inputs.slots):
        describe(variable, writer.slots + 2 * k)
        describe(variable, writer.slots + 2 * k + 1)
    for k, (gradient, param) in enumerate(zip(inputs.gradients, inputs.params, strict=True)):
        entry = writer.params + ENTRY * k
        describe(gradient, entry, DESCRIPTOR)
        describe(param, entry + DESCRIPTOR, DESCRIPTOR)
    table.add('call', compiled.address('run'), start)
