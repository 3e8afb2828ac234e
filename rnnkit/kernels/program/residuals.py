"""What a forward keeps for its backward, besides the states.

In: a program and the nodes that only the forward computes. Out: the nodes to keep.
"""

from collections.abc import Callable, Iterable

from rnnkit.kernels.program.program import FLAGS, Program

UPSTREAM = ('grad', 'back')  # the names of inputs that only the backward knows start so


def choose_residuals(
    program: Program,
    nodes: Iterable[int],
    outputs: list[int],
    kept: set[int],
    fits: Callable[[int, int], bool] = lambda node, reader: True,
) -> list[int]:
    """Return the nodes that the forward stores for the backward, besides the states.

    The backward needs something of each of `nodes`. It is cheapest to keep a node's activation, if
    everything else is computed from that: follow the node as long as it has one reader. To store
    the node itself would take as much memory and compute the activation twice; a tanh RNN keeps
    nothing, for its state is the activation.

    Parameters
    ----------
    program : Program
    nodes : iterable of int
        Results of products, and other nodes that the backward does not compute.
    outputs : list of int
        What the backward computes.
    kept : set of int
        Nodes that are stored anyway.
    fits : callable, optional
        (node, its reader) -> whether the reader may be kept in the node's place.
    """
    kept, residuals = set(kept), []
    for node in nodes:
        live = program.reach(outputs, kept)
        if node not in live or node in kept:
            continue
        while (reader := _only_reader(program, node, live - kept, outputs)) is not None:
            if not fits(node, reader):
                break
            node = reader
        residuals.append(node)
        kept.add(node)
    return residuals


def _only_reader(program: Program, node: int, live: set[int], outputs: list[int]) -> int | None:
    """Return the one node of `live` that reads `node`, if that can be kept in its place."""
    readers = [i for i in live if node in program.operands(i)]
    if node in outputs or len(readers) != 1 or program.nodes[readers[0]][0] in FLAGS:
        return None
    # Only the backward knows the upstream gradients.
    inputs = (program.nodes[i] for i in program.reach(readers))
    upstream = any(kind == 'input' and name[0].startswith(UPSTREAM) for kind, *name in inputs)
    return None if upstream else readers[0]
