"""The form of a cell: what the fused loop is generated from.

In: the scalar equations of one unit, as `rnnkit.kernels.recurrent.trace` read them. Out: a
`Form`, the program of one unit forward and backward, the order of the tiles, and what the
forward keeps.
"""

import hashlib
from dataclasses import dataclass, field
from typing import NamedTuple

import pytensor
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.replace import clone_replace
from pytensor.graph.traversal import ancestors
from pytensor.scalar.basic import Add
from pytensor.tensor.elemwise import Elemwise

from rnnkit.kernels.program.program import Program, Unsupported
from rnnkit.kernels.program.residuals import choose_residuals

MAX_TILES = 12  # the accumulators of one row, for processors of 16 registers


@dataclass
class Form:
    """A cell as the fused loop computes it.

    The results of the products with the weights, one vector of H units each, are called tiles.
    Their order is: those of the input weights alone, those to which both weights add, those of
    the recurrent weights alone. So either product fills a run of neighbours.

    Attributes
    ----------
    program : Program
        Inputs are ``tile0``.., ``state0``.., ``grad0``.. (of the loss by the new states),
        ``direct0``.. (given for each step) and the blocks of per-unit vectors, ``b:0``...
    recurrent : str
        The name of the recurrent weight.
    x_blocks, h_blocks : tuple of int
        The column block of either weight for each tile of its run.
    vectors : dict of str to int
        Names of the per-unit vectors and their number of blocks.
    n_direct : int
        The number of blocks that each step is given.
    new : list of int
        Nodes of the new states.
    d_tiles, d_states, d_vectors : list of int
        Nodes of the gradients; `d_vectors` has the blocks of all vectors in order.
    residuals : list of int
        Nodes that the forward keeps for the backward, besides the states.
    """

    name: str
    program: Program
    recurrent: str
    x_blocks: tuple[int, ...]
    h_blocks: tuple[int, ...]
    n_summed: int
    vectors: dict[str, int]
    n_direct: int
    new: list[int]
    d_tiles: list[int] = field(default_factory=list)
    d_states: list[int] = field(default_factory=list)
    d_vectors: list[int] = field(default_factory=list)
    residuals: list[int] = field(default_factory=list)

    @property
    def n_states(self) -> int:
        """Number of states."""
        return len(self.new)

    @property
    def h_first(self) -> int:
        """The first tile that the recurrent weight adds to."""
        return len(self.x_blocks) - self.n_summed

    @property
    def n_tiles(self) -> int:
        """Number of tiles."""
        return self.h_first + len(self.h_blocks)

    @property
    def key(self) -> str:
        """Return text that is equal for cells that compute the same."""
        return repr(
            (
                self.program.nodes,
                self.recurrent,
                self.x_blocks,
                self.h_blocks,
                self.n_summed,
                self.vectors,
                self.n_direct,
                self.new,
                self.d_tiles,
                self.d_states,
                self.d_vectors,
                self.residuals,
            )
        )

    @property
    def digest(self) -> str:
        """Return a short hash of `key`."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:16]

    def vector_blocks(self) -> list[tuple[str, int]]:
        """Return (name, block) of all vectors, in the order of `d_vectors`."""
        return [(name, k) for name, n in self.vectors.items() for k in range(n)]

    def shared_gradients(self) -> dict[tuple[str, int], int]:
        """Return the vector blocks whose gradient is the sum of a tile's, and that tile.

        It is so for a bias, whose derivative is the one of the sum that it is added to.
        """
        return {
            block: self.d_tiles.index(node)
            for block, node in zip(self.vector_blocks(), self.d_vectors, strict=True)
            if node in self.d_tiles
        }


class Equations(NamedTuple):
    """One step of one unit: scalar graphs of the new states, and the variables in them."""

    name: str
    recurrent: str
    x: list[Variable]  # x @ xh, one for each column block
    h: list[Variable]  # h @ hh
    direct: list[Variable]  # given for each step; nothing has a derivative by them
    states: list[Variable]
    vectors: dict[str, list[Variable]]
    new: list[Variable]


def differentiate(equations: Equations) -> Form:
    """Return the form: find the tiles, and add the gradients to the program."""
    pairs = _pair(equations)
    tiles = [pt.scalar(f'tile{k}', dtype='float64') for k in range(len(pairs))]
    new = _with_tiles(equations, pairs, tiles)
    upstream = [pt.scalar(f'grad{k}', dtype='float64') for k in range(len(new))]
    # A product with upstream gradients that are variables: their values are known in the loop.
    cost = sum((n * g for n, g in zip(new, upstream, strict=True)), pt.constant(0.0))
    vectors = [block for blocks in equations.vectors.values() for block in blocks]
    inputs = [*tiles, *equations.states, *vectors]
    grads = pytensor.grad(cost, inputs, disconnected_inputs='ignore')
    program = Program()
    nodes = {v: program.input(v.name) for v in [*inputs, *equations.direct, *upstream]}
    ids = [program.number(i) for i in program.absorb([*new, *grads], nodes)]
    ends = [len(new), len(new) + len(tiles), len(new) + len(tiles) + len(equations.states)]
    form = Form(
        name=equations.name,
        program=program,
        recurrent=equations.recurrent,
        x_blocks=tuple(x for x, _ in pairs if x is not None),
        h_blocks=tuple(h for _, h in pairs if h is not None),
        n_summed=sum(None not in pair for pair in pairs),
        vectors={name: len(blocks) for name, blocks in equations.vectors.items()},
        n_direct=len(equations.direct),
        new=ids[: ends[0]],
        d_tiles=ids[ends[0] : ends[1]],
        d_states=ids[ends[1] : ends[2]],
        d_vectors=ids[ends[2] :],
    )
    if form.n_tiles > MAX_TILES:
        raise Unsupported(f'{form.n_tiles} blocks of gates; the loop has room for {MAX_TILES}')
    form.residuals = _choose_residuals(form)
    return form


def _users(new: list[Variable]) -> dict[Variable, list[Apply | None]]:
    """Return the nodes that read each variable; None stands for being an output."""
    users: dict[Variable, list[Apply | None]] = {output: [None] for output in new}
    for node in {v.owner for v in ancestors(new) if v.owner is not None}:
        for v in node.inputs:
            users.setdefault(v, []).append(node)
    return users


def _is_sum(node: Apply | None) -> bool:
    return node is not None and isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, Add)


def _pair(equations: Equations) -> list[tuple[int | None, int | None]]:
    """Return the tiles in order, each as its blocks (of xh, of hh); None where there is none.

    Two blocks share a tile if they are used only in their sum. Both products then add to the same
    registers, and one gradient serves both weights.
    """
    users = _users(equations.new)
    partner: dict[int, int] = {}
    for k, x in enumerate(equations.x):
        for j, h in enumerate(equations.h):
            nodes = users.get(x, []) + users.get(h, [])
            if nodes and all(
                _is_sum(n) and sorted(n.inputs, key=id) == sorted([x, h], key=id) for n in nodes
            ):
                partner[k] = j
    n_x, n_h = len(equations.x), len(equations.h)
    alone = [(k, None) for k in range(n_x) if k not in partner]
    summed = [(k, partner[k]) for k in range(n_x) if k in partner]
    own = [(None, j) for j in range(n_h) if j not in partner.values()]
    return [*alone, *summed, *own]


def _with_tiles(
    equations: Equations, pairs: list[tuple[int | None, int | None]], tiles: list[Variable]
) -> list[Variable]:
    """Return the new states as functions of the tiles.

    A tile is what the products give. The bias is one more per-unit vector, so that its
    gradient needs no rule of its own.
    """
    bias, replace = equations.vectors['b'], {}
    users = _users(equations.new)
    for (k, j), tile in zip(pairs, tiles, strict=True):
        if k is None:
            replace[equations.h[j]] = tile
        elif j is None:
            replace[equations.x[k]] = tile + bias[k]
        else:
            for node in users[equations.x[k]]:
                replace[node.outputs[0]] = tile + bias[k]
    return clone_replace(equations.new, replace=replace)


def _choose_residuals(form: Form) -> list[int]:
    """Return the nodes that the forward stores for the backward, besides the states."""
    program = form.program
    outputs = [*form.d_tiles, *form.d_states, *form.d_vectors]
    stored = {i for i in form.new if program.operands(i)}  # the new states are stored anyway
    tiles = [program.input(f'tile{k}') for k in range(form.n_tiles)]
    return choose_residuals(program, tiles, outputs, stored)
