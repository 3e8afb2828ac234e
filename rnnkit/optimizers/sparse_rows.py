"""Parameters of which a batch reads only some rows: an update costs these rows, not the table.

In: a loss and its parameters. Out: gradients, those of tables by the rows that were read; and the
elements that an update changes, as one flat vector.
"""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.graph.traversal import ancestors
from pytensor.tensor import TensorVariable
from pytensor.tensor.subtensor import AdvancedSubtensor

log = logging.getLogger('rnnkit')


def gradients_by_rows(
    loss: TensorVariable, params: Sequence[Any]
) -> tuple[list[TensorVariable], dict[int, TensorVariable]]:
    """Return gradients, and the row numbers of those that are by rows.

    Parameters
    ----------
    loss : scalar tensor
    params : sequence of shared variables

    Returns
    -------
    gradients : list of tensors
        Like the parameter; or of shape (..., O), for a table of shape (V, O).
    ids : dict of int to integer tensor
        By the place of a table among `params`: the row that each gradient belongs to, of
        shape (...). Rows may occur more than once.
    """
    tables = lookups(loss, params)
    wanted: list[Any] = []
    for p in params:
        wanted += [node.outputs[0] for node in tables.get(p, [])] or [p]
    found = iter(pytensor.grad(loss, wanted, disconnected_inputs='ignore'))
    gradients, ids = [], {}
    for place, p in enumerate(params):
        if p not in tables:
            gradients.append(next(found))
            continue
        numbers = [node.inputs[1].astype('int64') for node in tables[p]]
        rows = [next(found) for _ in numbers]
        if len(rows) > 1:
            rows = [pt.concatenate([r.reshape((-1, r.shape[-1])) for r in rows])]
            numbers = [pt.concatenate([n.ravel() for n in numbers])]
        gradients.append(rows[0])
        ids[place] = numbers[0]
    return gradients, ids


def lookups(loss: TensorVariable, params: Sequence[Any]) -> dict[Any, list[Any]]:
    """Return the nodes ``p[whole numbers]`` for each matrix that a loss reads in no other way."""
    found: dict[Any, list[Any]] = {p: [] for p in params if p.type.ndim == 2}
    others = {}
    for node in {v.owner: None for v in ancestors([loss]) if v.owner is not None}:
        for i, v in enumerate(node.inputs):
            if v not in found:
                continue
            if i == 0 and _is_lookup(node):
                found[v].append(node)
            else:
                others[v] = node.op
    for p, op in others.items():
        if found.pop(p):
            log.debug('%s is read by %s too: an update costs the whole of it', p, op)
    return {p: nodes for p, nodes in found.items() if nodes}


def _is_lookup(node: Any) -> bool:
    if not isinstance(node.op, AdvancedSubtensor) or len(node.inputs) != 2:
        return False
    kind = node.inputs[1].type
    return tuple(node.op.idx_list) == (0,) and kind.dtype.startswith('int') and 0 < kind.ndim < 3


def row_sums(
    ids: TensorVariable, rows: TensorVariable, shape: tuple[int, int]
) -> tuple[TensorVariable, TensorVariable, TensorVariable]:
    """Return the sums of rows that have the same number.

    Shapes depend on those of the inputs alone, which is what JAX needs. So there are as many
    sums as there are rows, and the places that are left over are filled up.

    Parameters
    ----------
    ids : integer tensor of shape (...)
    rows : tensor of shape (..., O)
    shape : tuple of int
        That of the table, (V, O); a negative number counts from its end.

    Returns
    -------
    numbers : integer vector
        Each number once, then the last one again.
    sums : tensor of shape (N, O)
        The sum for each of these.
    once : tensor of shape (N, O)
        The same, but 0 where a number is there again.
    """
    ids = ids.ravel()
    ids = pt.switch(ids < 0, ids + shape[0], ids)
    rows = rows.reshape((-1, shape[1]))
    order = pt.argsort(ids)
    ids = ids[order]
    first = pt.concatenate([pt.zeros((1,), 'int64'), pt.neq(ids[1:], ids[:-1]).astype('int64')])
    place = pt.cumsum(first)
    once = pt.inc_subtensor(pt.zeros_like(rows)[place], rows[order])
    numbers = pt.set_subtensor(pt.zeros_like(ids)[place], ids)
    fill = pt.minimum(pt.cumsum(pt.ones_like(ids)) - 1, place[-1])
    return numbers[fill], once[fill], once


class Whole:
    """All elements of some parameters, as one flat vector.

    Attributes
    ----------
    gradient, once : vector
        As in `Rows`; here they are the same.
    """

    def __init__(self, gradients: Sequence[Any], params: dict[int, Any], shapes: Sequence[Any]):
        self.params, self.shapes = params, shapes
        self.gradient = self.once = flattened([gradients[k] for k in params])
        stops = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])
        self._place = None
        if len(params) < len(shapes):
            places = [np.arange(stops[k] - np.prod(shapes[k], dtype=int), stops[k]) for k in params]
            self._place = pt.constant(np.concatenate(places))

    def values(self) -> TensorVariable:
        """Return the elements."""
        return flattened(list(self.params.values()))

    def read(self, slot: Any) -> TensorVariable:
        """Return their part of a flat vector of all parameters."""
        return slot if self._place is None else slot[self._place]

    def written(self, slot: Any, new: Any) -> TensorVariable:
        """Return that vector with new values in their part."""
        return new if self._place is None else pt.set_subtensor(slot[self._place], new)

    def less(self, delta: TensorVariable) -> dict[int, TensorVariable]:
        """Return the parameters less what is subtracted, by their places."""
        new, start = {}, 0
        for k, p in self.params.items():
            stop = start + int(np.prod(self.shapes[k]))
            new[k] = (p - delta[start:stop].reshape(self.shapes[k])).astype(p.type.dtype)
            start = stop
        return new


class Rows:
    """Those rows of a table that were read, as one flat vector.

    A row may be there more than once, with the same gradient: its new value is the same each time.

    Parameters
    ----------
    k : int
        The place of the table among the parameters.
    table : matrix
    gradient, ids : tensor
        As `gradients_by_rows` returns them.
    shapes : sequence of tuple of int
        Those of all parameters.

    Attributes
    ----------
    gradient : vector
    once : vector
        The gradient, but 0 where an element is there again: what the norm is made of.
    """

    def __init__(self, k: int, table: Any, gradient: Any, ids: Any, shapes: Sequence[Any]):
        self.k, self.table, self.width = k, table, shapes[k][1]
        self.numbers, sums, once = row_sums(ids, gradient, shapes[k])
        self.gradient, self.once = sums.ravel(), once.ravel()
        start = sum(int(np.prod(shape)) for shape in shapes[:k])
        row = np.arange(start, start + self.width)
        self._place = (self.numbers[:, None] * self.width + row).ravel()

    def values(self) -> TensorVariable:
        """Return the elements."""
        return self.table[self.numbers].ravel()

    def read(self, slot: Any) -> TensorVariable:
        """Return their part of a flat vector of all parameters."""
        return slot[self._place]

    def written(self, slot: Any, new: Any) -> TensorVariable:
        """Return that vector with new values in their part."""
        return pt.set_subtensor(slot[self._place], new)

    def less(self, delta: TensorVariable) -> dict[int, TensorVariable]:
        """Return the table less what is subtracted, by its place."""
        old = self.table[self.numbers]
        new = (old - delta.reshape((-1, self.width))).astype(self.table.type.dtype)
        return {self.k: pt.set_subtensor(old, new)}


def pieces(
    params: Sequence[Any], gradients: Sequence[Any], ids: dict[int, Any], shapes: Sequence[Any]
) -> list[Any]:
    """Return all that an update changes: whole parameters together, and rows of each table."""
    whole = {k: p for k, p in enumerate(params) if k not in ids}
    rows = [Rows(k, params[k], gradients[k], numbers, shapes) for k, numbers in ids.items()]
    return [*([Whole(gradients, whole, shapes)] if whole else []), *rows]


def flattened(arrays: Sequence[Any]) -> TensorVariable:
    """Return the elements of all arrays as one vector."""
    return pt.concatenate([a.ravel() for a in arrays])
