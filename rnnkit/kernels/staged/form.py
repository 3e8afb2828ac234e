"""The staged form of a cell: a step of any number of products and of reductions over the units.

In: what `rnnkit.kernels.staged.trace` read from a cell's `step`. Out: a `StagedForm`, which the
loops are generated from.

One step of one example is a list of *cuts*. A cut is the one kind of operation that mixes units:
a product with a weight, or a sum over the units. Between two cuts everything is elementwise, and
belongs to a program of scalars, as in `rnnkit.kernels.recurrent.form`. So a step is: elementwise
mathematics that the first cut needs, the first cut, elementwise mathematics that the second one
needs, and so on; last the new states.

The backward has the same cuts in reverse. A product ``c = a @ w`` becomes ``d_a = d_c @ w.T``, a
sum becomes a number that is added to the gradient of all its terms, and a number that many units
read gets the sum of their gradients.

Every vector has a *length*, a letter: ``'H'`` for the units of the layer, or another letter of
`rnnkit.Cell.lengths`; ``''`` is a single number for each example. Only vectors of one length, and
numbers, meet in elementwise mathematics.

The input's projection is not part of the loop. What each step is given, z, is computed for all
steps before (`rnnkit.Cell.project`); so the gradients by the input and by its weights are products
outside of the loop, too.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import NamedTuple, TypeVar

from rnnkit.kernels.program.program import Program

T = TypeVar('T')  # a number, or a symbol that stands for one


class Product(NamedTuple):
    """A cut ``left @ weight[rows, columns]``.

    Attributes
    ----------
    weight : str
        The name of the parameter; its shape is in `StagedForm.weights`.
    left : tuple of int
        The nodes of the left side, blocks of length `inner` side by side.
    inner, outer : str
        The lengths of a block of the left side, and of a block of the result.
    row, column : int
        The first block of rows and of columns of the weight that take part.
    blocks : int
        How many blocks of columns take part. So many blocks the result has.
    """

    weight: str
    left: tuple[int, ...]
    inner: str
    outer: str
    row: int
    column: int
    blocks: int


class Total(NamedTuple):
    """A cut that sums a node over its units; the result is one number.

    Attributes
    ----------
    node : int
    length : str
        The length of the node.
    """

    node: int
    length: str


@dataclass
class StagedForm:
    """A cell as the staged loops compute it.

    Inputs of the program, by name:

    - ``z0``...: the blocks of z, the projected input of the step;
    - ``direct0``...: the blocks of what else each step is given, by which nothing has a derivative:
      random codes, and side inputs such as the time since the last step;
    - ``state0``...: the old states;
    - ``b:0``, ``b:1``...: the blocks of the vectors, here of one called b;
    - ``cut0:0``, ``cut0:1``...: the blocks of the result of cut 0, for a product; ``cut0:0`` for
      a sum;
    - ``length:H``...: the number of units of that length, as a number;
    - in the backward ``grad0``..., the gradient by the new states, and ``back0:0``...: for a
      product the blocks of the gradient by its left side, for a sum the gradient by the sum.

    Attributes
    ----------
    name : str
    program : Program
    lengths : list of str
        The length of each node of the program. A constant has ``''``.
    z, direct : tuple of str
        The lengths of the blocks of either array, (T, B, sum of these). A block of `direct` may be
        of length ``''``, one column.
    states : tuple of str
        The lengths of the states; none is ``''``.
    vectors : dict of str to (str, int)
        The length of a block of each vector, and the number of blocks. A parameter of shape (1,) is
        a vector of length ``''``.
    weights : dict of str to ((str, int), (str, int))
        For the rows and for the columns of each weight: length of a block, number of blocks.
    cuts : list of (Product or Total)
        In an order in which each can be computed.
    new : list of int
        Nodes of the new states.
    d_cuts : list of tuple of int
        For a product the nodes of the gradients by the blocks of its result. For a sum the nodes,
        of any lengths, whose sums over their units add up to the gradient by the sum. They need
        ``back`` of later cuts only.
    d_states, d_z, d_vectors : list of int
        Nodes of the gradients; `d_vectors` has the blocks of all vectors in order. That of a vector
        of length ``''`` may be of any one length, and is summed over its units.
    sides : tuple of str
        The names of the side inputs that `step` reads. They are the first blocks of `direct`.
    residuals : list of int
        Nodes that the forward keeps for the backward, besides the states. With these, old states,
        vectors, z, direct and the new states, the backward computes all that it needs without
        any forward cut. A new state may be the result of a cut itself (`new` then names that input,
        such as ``cut1:0``).
    """

    name: str
    program: Program
    lengths: list[str]
    z: tuple[str, ...]
    direct: tuple[str, ...]
    states: tuple[str, ...]
    vectors: dict[str, tuple[str, int]]
    weights: dict[str, tuple[tuple[str, int], tuple[str, int]]]
    cuts: list[Product | Total]
    new: list[int]
    d_cuts: list[tuple[int, ...]] = field(default_factory=list)
    d_states: list[int] = field(default_factory=list)
    d_z: list[int] = field(default_factory=list)
    d_vectors: list[int] = field(default_factory=list)
    residuals: list[int] = field(default_factory=list)
    sides: tuple[str, ...] = ()

    @property
    def n_states(self) -> int:
        """Number of states."""
        return len(self.new)

    @property
    def key(self) -> str:
        """Return text that is equal for cells that compute the same."""
        own = [getattr(self, f.name) for f in fields(self) if f.name not in ('name', 'program')]
        return repr((self.program.nodes, own))

    @property
    def digest(self) -> str:
        """Return a short hash of `key`."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:16]

    def vector_blocks(self) -> list[tuple[str, int]]:
        """Return (name, block) of all vectors, in the order of `d_vectors`."""
        return [(name, k) for name, (_, n) in self.vectors.items() for k in range(n)]

    def widths(self, shapes: Mapping[str, Sequence[T]]) -> dict[str, T]:
        """Return the number of units of each length, from the shapes of the loops' inputs by name.

        The shapes may be numbers or symbols.
        """
        found: dict[str, T] = {'': 1}
        for k, length in enumerate(self.states):
            found[length] = shapes[f'initial{k}'][-1]
        axes = {**self.weights, **{name: (blocks,) for name, blocks in self.vectors.items()}}
        for name, lengths in axes.items():
            for (length, n), width in zip(lengths, shapes[name], strict=True):
                if length not in found:
                    found[length] = width // n if n > 1 else width
        for name, lengths in (('z', self.z), ('direct', self.direct)):
            rest = list(dict.fromkeys(length for length in lengths if length not in found))
            if len(rest) > 1:
                raise ValueError(f'the widths of {rest} cannot be told apart')
            for length in rest:
                known = sum(found[k] for k in lengths if k != length)
                found[length] = (shapes[name][-1] - known) // lengths.count(length)
        return found
