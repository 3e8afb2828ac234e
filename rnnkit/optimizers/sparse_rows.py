"""Sparse gradients: an update changes only those rows of an embedding that a batch has read.

In: a loss and its parameters. Out: gradients, for embedding tables by rows; and the elements that
an update changes, as flat vectors.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.graph.traversal import ancestors
from pytensor.tensor import TensorVariable
from pytensor.tensor.sharedvar import TensorSharedVariable
from pytensor.tensor.subtensor import AdvancedSubtensor

log = logging.getLogger('rnnkit')

Shapes = Sequence[tuple[int, ...]]


def gradients_by_rows(
    loss: TensorVariable, params: Sequence[TensorSharedVariable]
) -> tuple[list[TensorVariable], dict[int, TensorVariable]]:
    """Return gradients, sparse where possible, and the row numbers of sparse ones.

    Parameters
    ----------
    loss : scalar tensor
    params : sequence of shared variables

    Returns
    -------
    gradients : list of tensors
        Of the shape of the parameter; or of shape (..., O), for a table of shape (V, O).
    ids : dict of int to integer tensor
        The row that each gradient belongs to, of shape (...), by the position of the table in
        `params`. Rows may occur more than once.
    """
    tables = lookups(loss, params)
    # The gradient by the result of a lookup is sparse; that by the table itself would be dense.
    wrt: list[Variable] = []
    for p in params:
        wrt += [node.outputs[0] for node in tables.get(p, [])] or [p]
    results = iter(pytensor.grad(loss, wrt, disconnected_inputs='ignore'))
    gradients, ids = [], {}
    for place, p in enumerate(params):
        if p not in tables:
            gradients.append(next(results))
            continue
        numbers = [node.inputs[1].astype('int64') for node in tables[p]]
        rows = [next(results) for _ in numbers]
        if len(rows) > 1:
            rows = [pt.concatenate([r.reshape((-1, r.shape[-1])) for r in rows])]
            numbers = [pt.concatenate([n.ravel() for n in numbers])]
        gradients.append(rows[0])
        ids[place] = numbers[0]
    return gradients, ids


def lookups(
    loss: TensorVariable, params: Sequence[TensorSharedVariable]
) -> dict[Variable, list[Apply]]:
    """Return the nodes ``p[whole numbers]`` of each matrix that the loss reads only in this way."""
    nodes: dict[Variable, list[Apply]] = {p: [] for p in params if p.type.ndim == 2}
    other_readers: dict[Variable, Op] = {}
    for node in {v.owner: None for v in ancestors([loss]) if v.owner is not None}:
        for i, v in enumerate(node.inputs):
            if v not in nodes:
                continue
            if i == 0 and _is_lookup(node):
                nodes[v].append(node)
            else:
                other_readers[v] = node.op
    for p, op in other_readers.items():
        if nodes.pop(p):
            log.debug('%s is read by %s too, so its gradient is dense', p, op)
    return {p: found for p, found in nodes.items() if found}


def _is_lookup(node: Apply) -> bool:
    if not isinstance(node.op, AdvancedSubtensor) or len(node.inputs) != 2:
        return False
    kind = node.inputs[1].type
    return tuple(node.op.idx_list) == (0,) and kind.dtype.startswith('int') and 0 < kind.ndim < 3


def row_sums(
    ids: TensorVariable, rows: TensorVariable, shape: tuple[int, int]
) -> tuple[TensorVariable, TensorVariable, TensorVariable]:
    """Sum the rows that have the same number.

    JAX needs shapes that do not depend on values, so there are as many results as rows: those
    left over repeat the last sum.

    Parameters
    ----------
    ids : integer tensor of shape (...)
    rows : tensor of shape (..., O)
    shape : tuple of int
        The shape of the table, (V, O); negative numbers count from its end.

    Returns
    -------
    numbers : integer vector
        Each number once, then repeats of the last one.
    sums : tensor of shape (N, O)
        The sum of the rows of each number.
    once : tensor of shape (N, O)
        The same, but 0 for repeats.
    """
    ids = ids.ravel()
    ids = pt.switch(ids < 0, ids + shape[0], ids)
    rows = rows.reshape((-1, shape[1]))
    # Sorted, equal numbers are adjacent: `first` marks where a new one starts, and `place` is the
    # row of its sum.
    order = pt.argsort(ids)
    ids = ids[order]
    first = pt.concatenate([pt.zeros((1,), 'int64'), pt.neq(ids[1:], ids[:-1]).astype('int64')])
    place = pt.cumsum(first)
    once = pt.inc_subtensor(pt.zeros_like(rows)[place], rows[order])
    numbers = pt.set_subtensor(pt.zeros_like(ids)[place], ids)
    fill = pt.minimum(pt.cumsum(pt.ones_like(ids)) - 1, place[-1])
    return numbers[fill], once[fill], once


class Piece(Protocol):
    """Elements of parameters that are updated together, as a flat vector.

    Attributes
    ----------
    gradient : vector
    once : vector
        The gradient, but 0 where an element is repeated: for the norm.
    """

    gradient: TensorVariable
    once: TensorVariable

    def values(self) -> TensorVariable:
        """Return the elements."""

    def read(self, slot: TensorVariable) -> TensorVariable:
        """Return the elements' part of a flat vector of all parameters."""

    def written(self, slot: TensorVariable, new: TensorVariable) -> TensorVariable:
        """Return a flat vector of all parameters, with new values for these elements."""

    def less(self, delta: TensorVariable) -> dict[int, TensorVariable]:
        """Return the parameters after subtracting a step, by position."""


class Whole:
    """All elements of some parameters: a `Piece` without repeats."""

    def __init__(
        self,
        gradients: Sequence[TensorVariable],
        params: dict[int, TensorSharedVariable],
        shapes: Shapes,
    ):
        self.params, self.shapes = params, shapes
        self.gradient = self.once = flattened([gradients[k] for k in params])
        stops = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])
        self._place = None  # None stands for the whole of a flat vector, which needs no indexing
        if len(params) < len(shapes):
            places = [np.arange(stops[k] - np.prod(shapes[k], dtype=int), stops[k]) for k in params]
            self._place = pt.constant(np.concatenate(places))

    def values(self) -> TensorVariable:
        return flattened(self.params.values())

    def read(self, slot: TensorVariable) -> TensorVariable:
        return slot if self._place is None else slot[self._place]

    def written(self, slot: TensorVariable, new: TensorVariable) -> TensorVariable:
        return new if self._place is None else pt.set_subtensor(slot[self._place], new)

    def less(self, delta: TensorVariable) -> dict[int, TensorVariable]:
        new, start = {}, 0
        for k, p in self.params.items():
            stop = start + int(np.prod(self.shapes[k]))
            new[k] = (p - delta[start:stop].reshape(self.shapes[k])).astype(p.type.dtype)
            start = stop
        return new


class Rows:
    """The rows of a table that were read: a `Piece`.

    A row may be repeated, with the same gradient, and thus the same new value each time.

    Parameters
    ----------
    k : int
        The position of the table among the parameters.
    table : matrix
    gradient, ids : tensor
        As returned by `gradients_by_rows`.
    shapes : sequence of tuple of int
        The shapes of all parameters.
    """

    def __init__(
        self,
        k: int,
        table: TensorSharedVariable,
        gradient: TensorVariable,
        ids: TensorVariable,
        shapes: Shapes,
    ):
        self.k, self.table, self.width = k, table, shapes[k][1]
        self.numbers, sums, once = row_sums(ids, gradient, shapes[k])
        self.gradient, self.once = sums.ravel(), once.ravel()
        start = sum(int(np.prod(shape)) for shape in shapes[:k])
        row = np.arange(start, start + self.width)
        self._place = (self.numbers[:, None] * self.width + row).ravel()

    def values(self) -> TensorVariable:
        return self.table[self.numbers].ravel()

    def read(self, slot: TensorVariable) -> TensorVariable:
        return slot[self._place]

    def written(self, slot: TensorVariable, new: TensorVariable) -> TensorVariable:
        return pt.set_subtensor(slot[self._place], new)

    def less(self, delta: TensorVariable) -> dict[int, TensorVariable]:
        old = self.table[self.numbers]
        new = (old - delta.reshape((-1, self.width))).astype(self.table.type.dtype)
        return {self.k: pt.set_subtensor(old, new)}


def pieces(
    params: Sequence[TensorSharedVariable],
    gradients: Sequence[TensorVariable],
    ids: Mapping[int, TensorVariable],
    shapes: Shapes,
) -> list[Piece]:
    """Return all elements that an update changes: dense parameters, and rows of each table."""
    whole = {k: p for k, p in enumerate(params) if k not in ids}
    rows = [Rows(k, params[k], gradients[k], numbers, shapes) for k, numbers in ids.items()]
    return [*([Whole(gradients, whole, shapes)] if whole else []), *rows]


def flattened(arrays: Iterable[TensorVariable]) -> TensorVariable:
    """Return the elements of all arrays as one vector."""
    return pt.concatenate([a.ravel() for a in arrays])
