"""The elementwise passes of a step, written as loops over rows and units.

In: a `Plan`, and where its arrays are. Out: the code that computes a segment of the plan for some
rows: loads, operations, stores, and the sums over the units.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rnnkit.kernels.language.elementary import OPERATIONS
from rnnkit.kernels.language.elements import each_piece
from rnnkit.kernels.language.reductions import across, first
from rnnkit.kernels.language.vector import Code, Flag, Int, Var, Vec
from rnnkit.kernels.recurrent.unit import Once
from rnnkit.kernels.staged.plan import ZERO, Place, Plan, Stage

Load = Callable[[Int, Int, Flag | None], Vec]  # (row, unit, lanes)
Values = dict[int, Vec | Flag]


class Where(NamedTuple):
    """Where an array is: the address of row 0, and the bytes from row to row."""

    start: Int
    row: Int


class Passes:
    """Writer of the passes of a plan.

    Parameters
    ----------
    code : Code
    plan : Plan
    where : dict of str to Where
        The arrays of the plan by name.
    lengths : dict of str to Int
        How many units each length stands for.
    numbers : dict of int to Vec
        Nodes that are known, the same for all rows.
    special : dict of int to Load
        Nodes that are not simply loaded from an array.
    real : callable, optional
        Returns whether a row is real, not padding. Not given if there is no mask.
    """

    def __init__(
        self,
        code: Code,
        plan: Plan,
        where: dict[str, Where],
        lengths: dict[str, Int],
        numbers: dict[int, Vec],
        special: dict[int, Load],
        real: Callable[[Int], Flag] | None,
    ):
        self.code, self.plan, self.where, self.lengths = code, plan, where, lengths
        self.numbers, self.special, self.real = numbers, special, real
        self.program = plan.program

    def segment(self, stages: Sequence[int], start: Int | int, stop: Int | int) -> None:
        """Compute some stages for rows from `start` to `stop`."""
        if not any(self.plan.stages[p].targets for p in stages):
            return
        with self.code.loop(start, stop) as r:
            values: Values = dict(self.numbers)
            is_real = self.real(r) if self.real else None
            for p in stages:
                self._stage(p, r, values, is_real)

    def block(self, place: Place) -> Where:
        """Return where a block is."""
        (start, row), before = self.where[place.array.name], self.code.int(0)
        for length in place.array.lengths[: place.block]:
            before = before + self.lengths[length]
        return Where(start + before * self.code.target.size, row)

    def address(self, place: Place, r: Int) -> Int:
        """Return the address of a block in row r."""
        start, row = self.block(place)
        return start + r * row

    def _stage(self, p: int, r: Int, values: Values, real: Flag | None) -> None:
        """Compute one stage for row r; `values` are the numbers of the row."""
        stage = self.plan.stages[p]
        known = {node: place for node, (place, begin) in self.plan.places.items() if begin <= p}
        sums = {r for k, _, _ in stage.totals for r in self.plan.cuts[k].results}
        self._numbers([i for i in stage.targets if i not in sums], known, r, values)
        totals = {k: self.code.var(self.code.vec(0.0)) for k, _, _ in stage.totals}
        lengths = [place.length for place in stage.stores] + [n for _, _, n in stage.totals]
        for length in dict.fromkeys(lengths):
            if length:
                self._units(stage, length, known, r, values, totals, real)
        for k, total in totals.items():
            (result,) = self.plan.cuts[k].results
            values[result] = across(total.get(), Vec.__add__)
            for number in [node for j, node, n in stage.totals if j == k and not n]:
                values[result] = values[result] + self._value(number, values)
        for place in stage.stores:
            if not place.length:
                value = self._value(place.node, values)
                value = real.pick(value, 0.0) if real and place.array.padding == ZERO else value
                self.code.store_element(first(value), self.address(place, r))

    def _value(self, node: int, values: Values) -> Vec:
        """Return a number that is known."""
        number = self.program.value(node)
        return values[node] if number is None else self.code.vec(number)

    def _numbers(
        self, targets: Sequence[int], known: dict[int, Place], r: Int, values: Values
    ) -> None:
        """Compute the numbers of a row that others need, once for all units."""
        lengths = self.plan.lengths
        for i in sorted(self.program.reach(targets, {*known, *values})):
            if lengths[i] or i in values or self.program.value(i) is not None:
                continue
            if i in known:
                values[i] = self.code.spread(self.address(known[i], r))
            else:
                operands = [self._value(j, values) for j in self.program.operands(i)]
                values[i] = OPERATIONS[self.program.nodes[i][0]](*operands)

    def _units(
        self,
        stage: Stage,
        length: str,
        known: dict[int, Place],
        r: Int,
        values: Values,
        totals: dict[int, Var[Vec]],
        real: Flag | None,
    ) -> None:
        """Compute the values of one length for row r."""
        code, size = self.code, self.code.target.size
        stores = [place for place in stage.stores if place.length == length]
        terms = [(k, node) for k, node, n in stage.totals if n == length]
        starts = {place: self.address(place, r) for place in stores}

        def compute(j: Int, lanes: Flag | None) -> None:
            def load(node: int, place: Place) -> Vec:
                if node in self.special:
                    return self.special[node](r, j, lanes)
                return code.load(self.address(place, r) + j * size, lanes)

            fetch = {
                node: Once(lambda node=node, place=place: load(node, place))
                for node, place in known.items()
                if self.plan.lengths[node]
            }
            fetch |= {node: (lambda value=value: value) for node, value in values.items()}
            outputs = [place.node for place in stores] + [node for _, node in terms]
            found = self.program.evaluate(outputs, fetch, code.vec, OPERATIONS)
            found = [code.vec(value) for value in found]
            if real:
                # All of them before anything is stored: gradients go where they come from.
                found[: len(stores)] = [
                    self._over_padding(place, value, fetch, real)
                    for place, value in zip(stores, found, strict=False)
                ]
            for place, value in zip(stores, found, strict=False):
                code.store(value, starts[place] + j * size, lanes)
            for (k, _), value in zip(terms, found[len(stores) :], strict=True):
                value = value if lanes is None else lanes.pick(value, 0.0)
                totals[k].set(totals[k].get() + value)

        each_piece(code, 0, self.lengths[length], compute)

    def _over_padding(
        self, place: Place, value: Vec, fetch: dict[int, Callable[[], Vec]], real: Flag
    ) -> Vec:
        """Return what is stored in a block: the value, or what stands for it over padding."""
        padding = place.array.padding
        if padding is None:
            return value
        other = 0.0 if padding == ZERO else fetch[self.program.input(padding)]()
        return real.pick(value, other)
