"""The elementwise passes of a step, written as loops over rows and units.

In: a `Plan`, and where its arrays are. Out: the code that computes a segment of the plan for some
rows: loads, operations, stores, and the sums over the units.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rnnkit.kernels.language.elementary import OPERATIONS
from rnnkit.kernels.language.elements import each_whole
from rnnkit.kernels.language.reductions import across, first
from rnnkit.kernels.language.vector import Code, Flag, Int, Var, Vec
from rnnkit.kernels.recurrent.unit import Once
from rnnkit.kernels.staged.plan import ZERO, Place, Plan, Stage

PAIR = 2  # rows that are computed together where each waits for its own sums
Load = Callable[[Int, Int, Flag | None], Vec]  # (row, unit, lanes)
Values = dict[int, Vec | Flag]


class Where(NamedTuple):
    """Where an array is: the address of row 0, and the bytes from row to row."""

    start: Int
    row: Int


class Row(NamedTuple):
    """A row that is being computed.

    Attributes
    ----------
    number : Int
    place : int
        Its place among those that are computed together.
    values : dict of int to Vec or Flag
        The numbers of the row that are known.
    real : Flag, optional
        Whether it is real, not padding. Not given if there is no mask.
    """

    number: Int
    place: int
    values: Values
    real: Flag | None


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
        self.shared = {array.name for array, own in plan.saved if not own}

    def segment(self, stages: Sequence[int], start: Int | int, stop: Int | int) -> None:
        """Compute some stages for rows from `start` to `stop`."""
        if not any(self.plan.stages[p].targets for p in stages):
            return
        # Each stage waits for the sums of the one before; another row fills the time.
        together = PAIR if len(stages) > 1 else 1
        with self.code.loop(start, stop, together) as r:
            # An odd last row is done twice, from the same values: all are read before any is
            # stored.
            last = self.code.int(stop) - 1
            rows = [Row(r, 0, dict(self.numbers), self.real and self.real(r))]
            for i in range(1, together):
                other = (r + i).min(last)
                rows.append(Row(other, i, dict(self.numbers), self.real and self.real(other)))
            for p in stages:
                self._stage(p, rows)

    def block(self, place: Place) -> Where:
        """Return where a block is."""
        (start, row), before = self.where[place.array.name], self.code.int(0)
        for length in place.array.lengths[: place.block]:
            before = before + self.lengths[length]
        return Where(start + before * self.code.target.size, row)

    def address(self, place: Place, row: Row) -> Int:
        """Return the address of a block in a row."""
        start, size = self.block(place)
        if place.array.name in self.shared:
            return start + self.lengths[place.length] * (row.place * self.code.target.size)
        return start + row.number * size

    def _stage(self, p: int, rows: Sequence[Row]) -> None:
        """Compute one stage for some rows."""
        stage = self.plan.stages[p]
        known = {node: place for node, (place, begin) in self.plan.places.items() if begin <= p}
        sums = {r for k, _, _ in stage.totals for r in self.plan.cuts[k].results}
        for row in rows:
            self._numbers([i for i in stage.targets if i not in sums], known, row)
        totals = [{k: self.code.var(self.code.vec(0.0)) for k, _, _ in stage.totals} for _ in rows]
        lengths = [place.length for place in stage.stores] + [n for _, _, n in stage.totals]
        for length in dict.fromkeys(lengths):
            if length:
                self._units(stage, length, known, rows, totals)
        for row, sums_of_row in zip(rows, totals, strict=True):
            self._finish(stage, row, sums_of_row)

    def _finish(self, stage: Stage, row: Row, totals: dict[int, Var[Vec]]) -> None:
        """Add up the sums of a row, and store its numbers."""
        for k, total in totals.items():
            (result,) = self.plan.cuts[k].results
            row.values[result] = across(total.get(), Vec.__add__)
            for number in [node for j, node, n in stage.totals if j == k and not n]:
                row.values[result] = row.values[result] + self._value(number, row.values)
        for place in stage.stores:
            if not place.length:
                value = self._value(place.node, row.values)
                if row.real and place.array.padding == ZERO:
                    value = row.real.pick(value, 0.0)
                self.code.store_element(first(value), self.address(place, row))

    def _value(self, node: int, values: Values) -> Vec:
        """Return a number that is known."""
        number = self.program.value(node)
        return values[node] if number is None else self.code.vec(number)

    def _numbers(self, targets: Sequence[int], known: dict[int, Place], row: Row) -> None:
        """Compute the numbers of a row that others need, once for all units."""
        lengths, values = self.plan.lengths, row.values
        for i in sorted(self.program.reach(targets, {*known, *values})):
            if lengths[i] or i in values or self.program.value(i) is not None:
                continue
            if i in known:
                values[i] = self.code.spread(self.address(known[i], row))
            else:
                operands = [self._value(j, values) for j in self.program.operands(i)]
                values[i] = OPERATIONS[self.program.nodes[i][0]](*operands)

    def _units(
        self,
        stage: Stage,
        length: str,
        known: dict[int, Place],
        rows: Sequence[Row],
        totals: Sequence[dict[int, Var[Vec]]],
    ) -> None:
        """Compute the values of one length for some rows."""
        code, size = self.code, self.code.target.size
        stores = [place for place in stage.stores if place.length == length]
        terms = [(k, node) for k, node, n in stage.totals if n == length]
        starts = [[self.address(place, row) for place in stores] for row in rows]

        def compute(j: Int, lanes: Flag | None) -> None:
            found = [self._values(stores, terms, known, row, j, lanes) for row in rows]
            for values, to, sums in zip(found, starts, totals, strict=True):
                for start, value in zip(to, values, strict=False):
                    code.store(value, start + j * size, lanes)
                for (k, _), value in zip(terms, values[len(stores) :], strict=True):
                    term = value if lanes is None else lanes.pick(value, 0.0)
                    sums[k].set(sums[k].get() + term)

        each_whole(code, self.lengths[length], compute)

    def _values(
        self,
        stores: Sequence[Place],
        terms: Sequence[tuple[int, int]],
        known: dict[int, Place],
        row: Row,
        j: Int,
        lanes: Flag | None,
    ) -> list[Vec]:
        """Return what is stored, and then what is summed, of one row and vector."""
        code, size = self.code, self.code.target.size

        def load(node: int, place: Place) -> Vec:
            if node in self.special:
                return self.special[node](row.number, j, lanes)
            return code.load(self.address(place, row) + j * size, lanes)

        fetch = {
            node: Once(lambda node=node, place=place: load(node, place))
            for node, place in known.items()
            if self.plan.lengths[node]
        }
        fetch |= {node: (lambda value=value: value) for node, value in row.values.items()}
        outputs = [place.node for place in stores] + [node for _, node in terms]
        found = self.program.evaluate(outputs, fetch, code.vec, OPERATIONS)
        found = [code.vec(value) for value in found]
        if row.real:
            # All of them before anything is stored: gradients go where they come from.
            found[: len(stores)] = [
                self._over_padding(place, value, fetch, row.real)
                for place, value in zip(stores, found, strict=False)
            ]
        return found

    def _over_padding(
        self, place: Place, value: Vec, fetch: dict[int, Callable[[], Vec]], real: Flag
    ) -> Vec:
        """Return what is stored in a block: the value, or what stands for it over padding."""
        padding = place.array.padding
        if padding is None:
            return value
        other = 0.0 if padding == ZERO else fetch[self.program.input(padding)]()
        return real.pick(value, other)
