"""Where a staged loop keeps what in the forward, see `rnnkit.kernels.staged.layout`."""

from rnnkit.kernels.staged.form import StagedForm
from rnnkit.kernels.staged.layout import (
    Deadlines,
    Layout,
    blocks_from,
    fixed_of,
    given_of,
    live_cuts,
    products_of,
    residuals_of,
    results_of,
    vectors_of,
)
from rnnkit.kernels.staged.plan import Blocks, Cut, Place, Plan, find_run, stages_of


class ForwardLayout:
    """Maker of the layout of the forward.

    Parameters
    ----------
    form : StagedForm
    masked, keep : bool
    """

    def __init__(self, form: StagedForm, masked: bool, keep: bool):
        self.form, self.masked, self.keep = form, masked, keep
        self.products = products_of(form)
        self.given = given_of(form)
        self.residual = residuals_of(form, masked)
        self.news = [
            Blocks(f'new{k}', (node,), (n,), f'state{k}' if masked else None)
            for k, (node, n) in enumerate(zip(form.new, form.states, strict=True))
        ]
        self.stored = [Place(array, 0) for array in self.news]
        if keep:
            self.stored += [Place(self.residual, j) for j in range(len(self.residual.nodes))]
        self.scratch: list[tuple[Blocks, bool]] = []
        self.deadlines = Deadlines()

    def layout(self) -> Layout:
        """Return the layout."""
        form, program = self.form, self.form.program
        outputs = [place.node for place in self.stored]
        stop = {node for array in self.given for node in array.nodes}
        cuts = live_cuts(program, self._cuts(), outputs, stop)
        everything = [*outputs, *(node for cut in cuts.values() for node in cut.needs)]
        fixed, fixed_arrays = fixed_of(form, program, everything, stop)
        stages = stages_of(program, cuts, stop)
        right = self._results(cuts)
        left = self._lefts(cuts, stages, right)
        results = {k: blocks_from(place, len(cuts[k].results)) for k, place in right.items()}
        sources = [*self.given, *vectors_of(form), *fixed_arrays]
        stores = self.deadlines.stores(self.stored)
        plan = Plan(program, form.lengths, cuts, stages, sources, results, stores)
        return Layout(plan, fixed, left, right, [*self.scratch, *plan.saved])

    def _cuts(self) -> dict[int, Cut]:
        cuts = {}
        for k, cut in enumerate(self.form.cuts):
            if k in self.products:
                needs, lengths = cut.left, (cut.inner,) * len(cut.left)
            else:
                needs, lengths = (cut.node,), (cut.length,)
            cuts[k] = Cut(needs, lengths, results_of(self.form, k), k not in self.products)
        return cuts

    def _results(self, cuts: dict[int, Cut]) -> dict[int, Place]:
        """Return where the result of each product goes."""
        found = {}
        # A product stores all rows as they are, and so cannot hold states over padding.
        outputs = [*self.news, *([self.residual] if self.keep else [])]
        for k in cuts:
            if k not in self.products:
                continue
            outer = self.products[k].outer
            place = find_run([] if self.masked else outputs, cuts[k].results, outer)
            found[k] = place or self._scratch(f'cut{k}', cuts[k].results, outer)
            taken = blocks_from(found[k], len(cuts[k].results))
            self.stored = [place for place in self.stored if place not in taken]
        return found

    def _lefts(
        self, cuts: dict[int, Cut], stages: dict[int, int], right: dict[int, Place]
    ) -> dict[int, Place]:
        """Return where the left side of each product is."""
        found = {}
        there = [*self.given, *(place.array for place in right.values())]
        there += [] if self.masked else self.news
        there += [self.residual] if self.keep else []
        for k in right:
            needs, inner = cuts[k].needs, self.products[k].inner
            candidates = [*there, *(array for array, _ in self.scratch)]
            place = find_run(candidates, needs, inner)
            if place is None:
                place = self._scratch(f'left{k}', needs, inner)
                self.stored += blocks_from(place, len(needs))
            self.deadlines.need(blocks_from(place, len(needs)), stages[k])
            found[k] = place
        return found

    def _scratch(self, name: str, nodes: tuple[int, ...], length: str) -> Place:
        """Return a new array of a step."""
        array = Blocks(name, nodes, (length,) * len(nodes))
        self.scratch.append((array, True))
        return Place(array, 0)
