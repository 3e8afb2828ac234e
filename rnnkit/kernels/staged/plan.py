"""The order in which a step's mathematics is computed, and where each value is meanwhile.

In: a program, its cuts (forward or backward), and the arrays that hold inputs and outputs. Out: a
`Plan`: stages, each of which is one pass over the units, after which some cuts can be computed.

A pass computes what the next cuts need, and whatever outputs it has computed on the way. Values
that a later pass needs again are kept in scratch memory if they cost more than that, otherwise they
are computed again. Stages without a product between them form a segment: a row goes through all of
them while it is in the first cache, and numbers of that row stay in registers.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rnnkit.kernels.language.elementary import LONG
from rnnkit.kernels.program.program import FLAGS, Program

ZERO = '0'  # what is stored over padding
WORTH = 4  # operations that take longer than to store a value and to load it
_COSTS = dict.fromkeys(LONG, 12) | {'div': 4, 'sqrt': 4}


class Blocks(NamedTuple):
    """An array whose rows are blocks side by side.

    Attributes
    ----------
    name : str
    nodes : tuple of int
        What the blocks hold.
    lengths : tuple of str
    padding : str, optional
        What is stored where a step is padding: ``'0'``, or the name of an input of the program.
        If not given, whatever comes out of the mathematics.
    """

    name: str
    nodes: tuple[int, ...]
    lengths: tuple[str, ...]
    padding: str | None = None


class Cut(NamedTuple):
    """A product or a sum, forward or backward.

    Attributes
    ----------
    needs : tuple of int
        The nodes that go in.
    lengths : tuple of str
        Their lengths.
    results : tuple of int
        The inputs of the program that are its results.
    is_total : bool
    """

    needs: tuple[int, ...]
    lengths: tuple[str, ...]
    results: tuple[int, ...]
    is_total: bool


class Place(NamedTuple):
    """A block of an array."""

    array: Blocks
    block: int

    @property
    def node(self) -> int:
        """Return the node that it holds."""
        return self.array.nodes[self.block]

    @property
    def length(self) -> str:
        """Return its length."""
        return self.array.lengths[self.block]


class Stage:
    """One pass over the units, and the cuts after it.

    Attributes
    ----------
    stores : list of Place
        What the pass stores.
    totals : list of (int, int, str)
        A cut, and a node that it sums, with its length.
    products : list of int
        The cuts that are computed after the pass, for all rows.
    """

    def __init__(self) -> None:
        self.stores: list[Place] = []
        self.totals: list[tuple[int, int, str]] = []
        self.products: list[int] = []

    @property
    def targets(self) -> list[int]:
        """Return the nodes that the pass computes."""
        return [place.node for place in self.stores] + [node for _, node, _ in self.totals]


def stages_of(program: Program, cuts: dict[int, Cut], stop: Iterable[int]) -> dict[int, int]:
    """Return the stage of each cut: the number of stages that have to come before it.

    Cuts are in an order in which they can be computed. A result that nothing needs has a stage,
    too.
    """
    stages: dict[int, int] = {}
    ready: dict[int, int] = {}  # results, and the first stage that can use them
    for k, cut in cuts.items():
        reached = program.reach(cut.needs, stop)
        stages[k] = max([0, *(ready[i] for i in reached if i in ready)])
        ready.update(dict.fromkeys(cut.results, stages[k] + 1))
    return stages


class Store(NamedTuple):
    """A block that a step stores.

    Attributes
    ----------
    place : Place
    stage : int, optional
        The stage whose cuts need it; not given if none does.
    early : bool
        Whether it may be stored before the last stage.
    """

    place: Place
    stage: int | None = None
    early: bool = True


class Plan:
    """How a step is computed.

    Parameters
    ----------
    program : Program
    lengths : list of str
        The length of each node.
    cuts : dict of int to Cut
        Those whose results are needed.
    stages : dict of int to int
        The stage of each cut.
    sources : sequence of Blocks
        Arrays that are there before the step.
    results : dict of int to list of Place
        Where the results of each product are.
    stores : sequence of Store

    Attributes
    ----------
    stages : list of Stage
    segments : list of list of int
        Stages between which no product has to wait.
    places : dict of int to (Place, int)
        Where a node can be loaded, and the first stage that can do so.
    saved : list of (Blocks, bool)
        Arrays in scratch memory, and whether each row needs one of its own.
    """

    def __init__(
        self,
        program: Program,
        lengths: Sequence[str],
        cuts: dict[int, Cut],
        stages: dict[int, int],
        sources: Sequence[Blocks],
        results: dict[int, list[Place]],
        stores: Sequence[Store],
    ):
        self.program, self.lengths, self.cuts = program, lengths, cuts
        self.places: dict[int, tuple[Place, int]] = {}
        self.saved: list[tuple[Blocks, bool]] = []
        for array in sources:
            for block in range(len(array.nodes)):
                self._there(Place(array, block), 0)
        for k, places in results.items():
            for place in places:
                self._there(place, stages[k] + 1)
        self.ready = {r: stages[k] + 1 for k, cut in cuts.items() for r in cut.results}
        leaves = {*self.places, *self.ready}
        outputs = {store.place.node for store in stores}
        reached = program.reach(outputs, leaves)
        last = max([0, *stages.values(), *(self.ready[i] for i in reached if i in self.ready)])
        self.stages = [Stage() for _ in range(last + 1)]
        for k, cut in cuts.items():
            stage = self.stages[stages[k]]
            if cut.is_total:
                stage.totals += [(k, *pair) for pair in zip(cut.needs, cut.lengths, strict=True)]
            else:
                stage.products.append(k)
        self.segments: list[list[int]] = [[]]
        for p, stage in enumerate(self.stages):
            self.segments[-1].append(p)
            if stage.products and p < last:
                self.segments.append([])
        self._assign(stores, leaves)
        self._save()

    def _there(self, place: Place, stage: int) -> None:
        """Note that a block can be read from a stage on."""
        # A number that is spread over units is no place for a number: there may be no unit.
        if (place.length == '') != (self.lengths[place.node] == ''):
            return
        if place.node not in self.places or stage < self.places[place.node][1]:
            self.places[place.node] = place, stage

    def _computed(self, targets: Iterable[int], there: set[int]) -> set[int]:
        """Return the nodes with operands that have to be computed for some others."""
        reached = self.program.reach(targets, there) - there
        return {i for i in reached if self.program.operands(i)}

    def _assign(self, stores: Sequence[Store], leaves: set[int]) -> None:
        """Give each block to store to the first pass that computes it anyway."""
        last = len(self.stages) - 1
        needed = [stage.targets for stage in self.stages]
        for place, stage, _ in stores:
            if stage is not None:
                needed[stage].append(place.node)
        passes = [self._computed(nodes, leaves) for nodes in needed]
        for place, stage, may_be_early in stores:
            p = last if stage is None else stage
            if may_be_early:
                p = next((q for q in range(p) if place.node in passes[q]), p)
            self.stages[p].stores.append(place)
            if place.array.padding in (None, ZERO) and may_be_early:
                self._there(place, p + 1)

    def _save(self) -> None:
        """Decide which values are kept for later passes."""
        segment = {p: s for s, stages in enumerate(self.segments) for p in stages}
        for p, stage in enumerate(self.stages):
            now = self._computed(stage.targets, self._readable(p))
            totals = {r for k, _, _ in stage.totals for r in self.cuts[k].results}
            # From the last one to the first: what makes others needless comes before them.
            for node in sorted(now | totals, reverse=True):
                if self.program.nodes[node][0] in FLAGS:
                    continue
                there = self._readable(p + 1)
                users = [
                    q for q in range(p + 1, len(self.stages)) if self._uses(q, node, now, there)
                ]
                own = any(segment[q] != segment[p] for q in users)
                # Numbers of the row stay in registers from stage to stage.
                worth = own if self.lengths[node] == '' else self._cost(node, there) >= WORTH
                if users and worth:
                    array = Blocks(f'kept{node}', (node,), (self.lengths[node],))
                    self.saved.append((array, own))
                    stage.stores.append(Place(array, 0))
                    self._there(Place(array, 0), p + 1)

    def _readable(self, p: int) -> set[int]:
        """Return the nodes that stage p can load."""
        return {node for node, (_, first) in self.places.items() if first <= p}

    def _uses(self, q: int, node: int, now: set[int], there: set[int]) -> bool:
        """Return whether stage q needs a node for something that is not computed `now`."""
        targets = self.stages[q].targets
        nodes = self.program.reach(targets, there) - there
        # Truth values cannot be stored, so they are computed again.
        others = {i for i in nodes if i not in now or self.program.nodes[i][0] in FLAGS}
        return node in nodes and (
            node in targets or any(node in self.program.operands(i) for i in others)
        )

    def _cost(self, node: int, there: set[int]) -> int:
        """Return how many operations on units it takes to compute a node again."""
        computed = self._computed([node], there)
        kinds = [self.program.nodes[i][0] for i in computed if self.lengths[i] != '']
        return sum(_COSTS.get(kind, 1) for kind in kinds)


def find_run(arrays: Iterable[Blocks], nodes: Sequence[int], length: str) -> Place | None:
    """Return where some blocks of one length are side by side: the place of the first one."""
    n = len(nodes)
    for array in arrays:
        for first in range(len(array.nodes) - n + 1):
            part = slice(first, first + n)
            if array.nodes[part] == tuple(nodes) and set(array.lengths[part]) == {length}:
                return Place(array, first)
    return None
