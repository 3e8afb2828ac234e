"""Where a staged loop keeps what in the backward, see `rnnkit.kernels.staged.layout`."""

from collections.abc import Sequence

from rnnkit.kernels.program.program import Program
from rnnkit.kernels.staged.form import Product, StagedForm
from rnnkit.kernels.staged.layout import (
    Deadlines,
    Layout,
    blocks_from,
    fixed_of,
    given_of,
    live_cuts,
    products_of,
    residuals_of,
    vectors_of,
)
from rnnkit.kernels.staged.plan import ZERO, Blocks, Cut, Place, Plan, Store, find_run, stages_of


def backs_of(form: StagedForm, k: int) -> tuple[int, ...]:
    """Return the nodes of the gradients by what goes into a cut."""
    cut = form.cuts[k]
    n = len(cut.left) if isinstance(cut, Product) else 1
    return tuple(form.program.input(f'back{k}:{j}') for j in range(n))


def _terms(program: Program, node: int) -> list[int]:
    """Return the terms of a sum."""
    operation, *operands = program.nodes[node]
    if operation != 'add':
        return [node]
    return [term for operand in operands for term in _terms(program, operand)]


class BackwardLayout:
    """Maker of the layout of the backward.

    Parameters
    ----------
    form : StagedForm
    masked : bool
    """

    def __init__(self, form: StagedForm, masked: bool):
        self.form, self.masked = form, masked
        self.products = products_of(form)
        self.program = form.program.copy()
        self.lengths = list(form.lengths)
        self.d_states = list(form.d_states)
        self.added: dict[int, int] = {}
        self._add_to_states()
        self.zero = ZERO if masked else None
        self.d_z = Blocks('d_z', tuple(form.d_z), form.z, self.zero)
        self.kept: list[Blocks] = []
        self.deadlines = Deadlines()

    def _add_to_states(self) -> None:
        """Find the products whose gradient by an old state can be added where that is kept."""
        form, program = self.form, self.program
        for k, cut in self.products.items():
            for s in range(form.n_states):
                (back, *others) = backs_of(form, k)
                terms = _terms(program, self.d_states[s])
                if others or cut.left != (program.input(f'state{s}'),) or terms.count(back) != 1:
                    continue
                rest = program.constant(0.0)
                for term in terms:
                    if term != back:
                        rest = program.add(rest, term)
                elsewhere = [*form.d_z, *form.d_vectors, rest]
                elsewhere += [node for nodes in form.d_cuts for node in nodes]
                elsewhere += [node for j, node in enumerate(self.d_states) if j != s]
                if back in program.reach(elsewhere):
                    continue
                self.added[k], self.d_states[s] = s, rest
        new = program.nodes[len(self.lengths) :]
        for i in range(len(self.lengths), len(self.lengths) + len(new)):
            lengths = (self.lengths[j] for j in program.operands(i))
            self.lengths.append(next(filter(None, lengths), ''))

    def layout(self) -> Layout:
        """Return the layout."""
        form, program = self.form, self.program
        sources = self._sources()
        stop = {node for array in sources for node in array.nodes}
        outputs = [*self.d_states, *form.d_z, *form.d_vectors]
        outputs += [node for k in self.products for node in form.d_cuts[k]]
        cuts = live_cuts(program, self._cuts(), outputs, stop)
        everything = [*outputs, *(node for cut in cuts.values() for node in cut.needs)]
        everything += [node for cut in self.products.values() for node in cut.left]
        fixed, fixed_arrays = fixed_of(form, program, everything, stop)
        stages = stages_of(program, cuts, stop)
        left, right = self._products(cuts, stages)
        old, summed = self._lefts(sources), self._summed()
        results = {k: blocks_from(place, len(cuts[k].results)) for k, place in right.items()}
        every = [*sources, *vectors_of(form), *fixed_arrays]
        plan = Plan(program, self.lengths, cuts, stages, every, results, self._stores())
        scratch = [*((place.array, True) for place in right.values()), *plan.saved]
        return Layout(plan, fixed, left, right, scratch, self.kept, summed, old, self.added)

    def _products(
        self, cuts: dict[int, Cut], stages: dict[int, int]
    ) -> tuple[dict[int, Place], dict[int, Place]]:
        """Return where the gradients by the results of products are, and by their left sides."""
        left, right = {}, {}
        for k, product in self.products.items():
            left[k] = self._keep([self.d_z], f'd_cut{k}', self.form.d_cuts[k], product.outer)
            if k in cuts:
                self.deadlines.need(blocks_from(left[k], product.blocks), stages[k])
                backs = cuts[k].results
                right[k] = Place(Blocks(f'back{k}', backs, (product.inner,) * len(backs)), 0)
        return left, right

    def _stores(self) -> list[Store]:
        """Return what a step stores."""
        arrays = [self.d_z, *self.kept]
        stores = self.deadlines.stores(
            Place(array, j) for array in arrays for j in range(len(array.nodes))
        )
        for s, (node, n) in enumerate(zip(self.d_states, self.form.states, strict=True)):
            array = Blocks(f'carry{s}', (node,), (n,), f'grad{s}' if self.masked else None)
            # Not early: the gradient by the new state is read from there.
            stores.append(Store(Place(array, 0), early=False))
        return stores

    def _sources(self) -> list[Blocks]:
        """Return the arrays that are there before a step."""
        form, program = self.form, self.program
        given = given_of(form)
        known = {node for array in given for node in array.nodes}
        news = [
            Blocks(f'new{k}', (node,), (n,))
            for k, (node, n) in enumerate(zip(form.new, form.states, strict=True))
            if node not in known and program.value(node) is None
        ]
        upstream = [
            Blocks(f'grad{k}', (program.input(f'grad{k}'),), (n,))
            for k, n in enumerate(form.states)
        ]
        return [*given, *news, residuals_of(form, self.masked), *upstream]

    def _cuts(self) -> dict[int, Cut]:
        """Return the cuts from the last one back, without products that are added to states."""
        form, cuts = self.form, {}
        for k in reversed(range(len(form.cuts))):
            if k in self.added:
                continue
            nodes = form.d_cuts[k]
            if k in self.products:
                lengths = (self.products[k].outer,) * len(nodes)
            else:
                lengths = tuple(self.lengths[node] for node in nodes)
            cuts[k] = Cut(nodes, lengths, backs_of(form, k), k not in self.products)
        return cuts

    def _keep(
        self, arrays: Sequence[Blocks], name: str, nodes: Sequence[int], length: str
    ) -> Place:
        """Return where blocks are, for a chunk of steps at least; a new array if nowhere yet."""
        found = find_run([*arrays, *self.kept], nodes, length)
        if found is None:
            self.kept.append(Blocks(name, tuple(nodes), (length,) * len(nodes), self.zero))
            found = Place(self.kept[-1], 0)
        return found

    def _lefts(self, sources: Sequence[Blocks]) -> dict[int, Place]:
        """Return where the left side of each product is."""
        # The input may be NaN over padding, and so may what is given; states are not.
        there = [
            array
            for array in sources
            if not array.name.startswith('grad')
            and not (self.masked and array.name in ('z', 'direct'))
        ]
        return {
            k: self._keep(there, f'left{k}', cut.left, cut.inner)
            for k, cut in self.products.items()
        }

    def _summed(self) -> dict[tuple[str, int], Place]:
        """Return where the gradients by the vectors are, before they are summed over rows."""
        form, summed = self.form, {}
        for (name, j), node in zip(form.vector_blocks(), form.d_vectors, strict=True):
            if self.program.value(node) == 0:
                continue
            length = form.vectors[name][0] or self.lengths[node]
            summed[name, j] = self._keep([self.d_z], f'd_{name}:{j}', [node], length)
        return summed
