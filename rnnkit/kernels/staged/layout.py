"""Where a staged loop keeps what: decided when a kernel is written, from the form alone.

In: a `StagedForm`, whether there is a mask, and what is wanted. Out: the `Plan` of a step, forward
or backward, and for each product the blocks that go in and come out.

No array is copied that can be used where it is: an old state is the left side of a product itself,
the result of a product may be a new state, and the gradient by the result of a product is mostly a
part of the gradient by z, which is an output.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rnnkit.kernels.program.program import Program
from rnnkit.kernels.staged.arrays_of import residual_lengths
from rnnkit.kernels.staged.form import Product, StagedForm
from rnnkit.kernels.staged.plan import ZERO, Blocks, Cut, Place, Plan, Store


@dataclass
class Layout:
    """A plan, and the arrays that belong to it.

    Attributes
    ----------
    left, right : dict of int to Place
        For each product the first block of what it multiplies, and of its result. In the backward
        these are the gradient by the result and the one by the left side.
    scratch : list of (Blocks, bool)
        Arrays of a step, and whether each row needs one of its own.
    kept : list of Blocks
        Arrays of a chunk of steps, for the gradients by weights and vectors.
    summed : dict of (str, int) to Place
        For each block of a vector its gradient; not for those that are 0.
    old : dict of int to Place
        In the backward, for each product its left side.
    added : dict of int to int
        Products whose gradient is added to the one by an old state, and the state.
    """

    plan: Plan
    fixed: Plan | None
    left: dict[int, Place]
    right: dict[int, Place]
    scratch: list[tuple[Blocks, bool]]
    kept: list[Blocks] = field(default_factory=list)
    summed: dict[tuple[str, int], Place] = field(default_factory=dict)
    old: dict[int, Place] = field(default_factory=dict)
    added: dict[int, int] = field(default_factory=dict)


def products_of(form: StagedForm) -> dict[int, Product]:
    """Return the products by their numbers among the cuts."""
    return {k: cut for k, cut in enumerate(form.cuts) if isinstance(cut, Product)}


def results_of(form: StagedForm, k: int) -> tuple[int, ...]:
    """Return the nodes of the results of a cut."""
    cut = form.cuts[k]
    n = cut.blocks if isinstance(cut, Product) else 1
    return tuple(form.program.input(f'cut{k}:{j}') for j in range(n))


def residuals_of(form: StagedForm, masked: bool) -> Blocks:
    """Return the array of the residuals."""
    # Over padding 0, for the product with its gradient, which is 0, must be so.
    return Blocks(
        'residual',
        tuple(form.residuals),
        tuple(residual_lengths(form)),
        ZERO if masked else None,
    )


def vectors_of(form: StagedForm) -> list[Blocks]:
    """Return the vectors, as arrays of one row."""
    program = form.program
    return [
        Blocks(
            f'vector {name}', tuple(program.input(f'{name}:{k}') for k in range(n)), (length,) * n
        )
        for name, (length, n) in form.vectors.items()
    ]


def numbers_of(program: Program) -> dict[str, int]:
    """Return the inputs of a program that are a number of units, by their letter."""
    names = [node[1] for node in program.nodes if node[0] == 'input']
    found = [name for name in names if name.startswith('length:')]
    return {name[-1]: program.input(name) for name in found}


def given_of(form: StagedForm) -> list[Blocks]:
    """Return the arrays that a step is given: z, the rest, and old states."""
    program = form.program

    def inputs(name: str, n: int) -> tuple[int, ...]:
        return tuple(program.input(f'{name}{k}') for k in range(n))

    old = [
        Blocks(f'old{k}', (program.input(f'state{k}'),), (n,)) for k, n in enumerate(form.states)
    ]
    return [
        Blocks('z', inputs('z', len(form.z)), form.z),
        Blocks('direct', inputs('direct', len(form.direct)), form.direct),
        *old,
    ]


def fixed_of(
    form: StagedForm, program: Program, outputs: Iterable[int], stop: set[int]
) -> tuple[Plan | None, list[Blocks]]:
    """Return how to compute what depends on vectors alone, and the arrays of one row for that."""
    vectors = vectors_of(form)
    leaves = {node for array in vectors for node in array.nodes}
    leaves |= set(numbers_of(program).values())
    lengths = form.lengths
    nodes = [i for i in program.invariants(outputs, leaves, stop) if program.operands(i)]
    arrays = [Blocks(f'fixed{i}', (i,), (lengths[i],)) for i in nodes]
    if not arrays:
        return None, []
    stores = [Store(Place(array, 0)) for array in arrays]
    return Plan(program, lengths, {}, {}, vectors, {}, stores), arrays


def live_cuts(
    program: Program, cuts: dict[int, Cut], outputs: Iterable[int], stop: set[int]
) -> dict[int, Cut]:
    """Return the cuts that outputs need; `cuts` are in an order in which they can be computed."""
    needed, live = list(outputs), {}
    for k in reversed(cuts):
        if program.reach(needed, stop) & set(cuts[k].results):
            live[k] = cuts[k]
            needed += cuts[k].needs
    return {k: cut for k, cut in cuts.items() if k in live}


def blocks_from(first: Place, n: int) -> list[Place]:
    """Return some blocks from one on."""
    return [Place(first.array, first.block + j) for j in range(n)]


class Deadlines(dict[Place, int]):
    """The stage whose products need a block that is stored."""

    def need(self, places: Sequence[Place], stage: int) -> None:
        """Note that a stage needs some blocks."""
        for place in places:
            self[place] = min(stage, self.get(place, stage))

    def stores(self, places: Iterable[Place]) -> list[Store]:
        """Return what is to be stored."""
        return [Store(place, self.get(place)) for place in places]
