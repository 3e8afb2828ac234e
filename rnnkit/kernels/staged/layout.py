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
from rnnkit.kernels.staged.plan import (
    ZERO,
    Blocks,
    Cut,
    Place,
    Plan,
    Store,
    find_run,
    stages_of,
)


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


def forward_layout(form: StagedForm, masked: bool, keep: bool) -> Layout:
    """Return the layout of the forward."""
    program, products = form.program, products_of(form)
    residual = residuals_of(form, masked)
    outputs = [*form.new, *(form.residuals if keep else [])]
    cuts = {}
    for k, cut in enumerate(form.cuts):
        if k in products:
            needs, lengths = cut.left, (cut.inner,) * len(cut.left)
        else:
            needs, lengths = (cut.node,), (cut.length,)
        cuts[k] = Cut(needs, lengths, results_of(form, k), k not in products)
    given = given_of(form)
    stop = {node for array in given for node in array.nodes}
    cuts = live_cuts(program, cuts, outputs, stop)
    everything = [*outputs, *(node for cut in cuts.values() for node in cut.needs)]
    fixed, fixed_arrays = fixed_of(form, program, everything, stop)
    stages = stages_of(program, list(cuts.values()), stop)
    stages = dict(zip(cuts, stages.values(), strict=True))
    news = [
        Blocks(f'new{k}', (node,), (n,), f'state{k}' if masked else None)
        for k, (node, n) in enumerate(zip(form.new, form.states, strict=True))
    ]
    stored = [Place(array, 0) for array in news]
    if keep:
        stored += [Place(residual, j) for j in range(len(residual.nodes))]
    right, scratch = {}, []
    for k in cuts:
        if k not in products:
            continue
        # Products store all rows as they are, and so cannot hold states over padding.
        candidates = [] if masked else [*news, *([residual] if keep else [])]
        found = find_run(candidates, cuts[k].results, products[k].outer)
        if found is None:
            array = Blocks(f'cut{k}', cuts[k].results, (products[k].outer,) * products[k].blocks)
            scratch.append((array, True))
            found = Place(array, 0)
        right[k] = found
        taken = _blocks(found, len(cuts[k].results))
        stored = [place for place in stored if place not in taken]
    deadlines: dict[Place, int] = {}
    left = {}
    for k in right:
        candidates = [*given, *(p.array for p in right.values())]
        candidates += [] if masked else news
        candidates += [*([residual] if keep else []), *(array for array, _ in scratch)]
        found = find_run(candidates, cuts[k].needs, products[k].inner)
        if found is None:
            array = Blocks(f'left{k}', cuts[k].needs, cuts[k].lengths)
            scratch.append((array, True))
            found = Place(array, 0)
            stored += _blocks(found, len(array.nodes))
        left[k] = found
        _needed_at(deadlines, _blocks(found, len(cuts[k].needs)), stages[k])
    stores = [Store(place, deadlines.get(place)) for place in stored]
    results = {k: _blocks(place, len(cuts[k].results)) for k, place in right.items()}
    sources = [*given, *vectors_of(form), *fixed_arrays]
    plan = Plan(program, form.lengths, cuts, stages, sources, results, stores)
    return Layout(plan, fixed, left, right, [*scratch, *plan.saved])


def _blocks(first: Place, n: int) -> list[Place]:
    """Return some blocks from one on."""
    return [Place(first.array, first.block + j) for j in range(n)]


def _needed_at(deadlines: dict[Place, int], places: Sequence[Place], stage: int) -> None:
    """Note that places must be filled by a stage."""
    for place in places:
        deadlines[place] = min(stage, deadlines.get(place, stage))
