"""The kernels of attention: weights over the steps of a memory, weighted means, and gradients.

In: which score is meant, and whether there is a mask. Out: kernels, see
`rnnkit.kernels.language.writer`. The memory has I time steps, which others look at in T steps; H
counts the features of what is compared, or of what the means are taken of.

Each sequence is done by itself: what it reads of the memory stays in the cache for all steps. All
elements of a row are added up in the same order, whatever the batch and the number of threads.
"""

import math

from rnnkit.kernels.language.elementary import exp, maximum, tanh
from rnnkit.kernels.language.elements import add_row, clear, each_piece, scale_row
from rnnkit.kernels.language.frame import Array, Frame
from rnnkit.kernels.language.reductions import across, first, nonzero, sum_over
from rnnkit.kernels.language.threads import flushed, part_of, parts, worker, write_parallel
from rnnkit.kernels.language.vector import Code, Flag, Int, Target, Unit, Vec
from rnnkit.kernels.language.writer import Writer
from rnnkit.kernels.recurrent.mask import is_real

COST, TANH = 2, 32  # multiply-adds that take as long as one element of a score

WEIGHTS = ('T', 'B', 'I')
LOOKING, MEMORY = ('T', 'B', 'H'), ('I', 'B', 'H')


class Sequences(Writer):
    """Base of all writers: each sequence of the batch by itself.

    Parameters
    ----------
    target : Target
    inputs, outputs : list of Array
    description : str
    cost : int
        Multiply-adds for each step, step of the memory and feature.
    """

    def __init__(
        self,
        target: Target,
        inputs: list[Array],
        outputs: list[Array],
        description: str = '',
        cost: int = COST,
    ):
        self.cost = cost
        super().__init__(target, Frame(inputs, outputs, 'attention'), description)

    def write_functions(self, unit: Unit) -> None:
        """Write the functions that `run` calls."""
        write_parallel(unit)
        with worker(unit, 'part') as (code, part, n_parts, block):
            (b,) = self.frame.read(code, block, 'B')
            begin, end = part_of(b, part, n_parts)
            with code.loop(begin, end) as r:
                self.sequence(code, block, r)

    def run(self, code: Code, desc: Int, block: Int) -> None:
        """Write the body of ``run``: all sequences."""
        self.stage(code, desc, block)
        (b,), work = self.frame.read(code, block, 'B'), self.frame.count(code, block, 'TBIH')
        code.call('parallel', code.address_of('part'), parts(code, b, work * self.cost), block)

    def sequence(self, code: Code, block: Int, r: Int) -> None:
        """Write what is computed for sequence `r`."""
        raise NotImplementedError

    def row(self, code: Code, block: Int, name: str, step: Int, r: Int) -> Int:
        """Return the address of the row of an array at a step of a sequence."""
        array = next(a for a in (*self.frame.inputs, *self.frame.outputs) if a.name == name)
        b, width, start = self.frame.read(code, block, 'B', array.dims[-1], name)
        return start + (step * b + r) * width * self.target.size

    def store_one(self, code: Code, value: Vec, row: Int, k: Int) -> None:
        """Store a number that is in all lanes as element `k` of a row."""
        code.store(value, row + k * self.target.size, code.tail(code.int(1)))


class Weights(Sequences):
    """Writer of the weights: the softmax of the scores of queries and keys, over the memory."""

    def __init__(self, target: Target, additive: bool, masked: bool):
        self.additive, self.masked = additive, masked
        inputs = [Array('queries', LOOKING), Array('keys', MEMORY)]
        inputs += [Array('v', ('H',))] * additive + [Array('mask', ('I', 'B'))] * masked
        described = f'additive {additive}, masked {masked}'
        cost = TANH if additive else COST
        super().__init__(target, inputs, [Array('weights', WEIGHTS)], described, cost)

    def write_functions(self, unit: Unit) -> None:
        """Write the functions that `run` calls."""
        write_softmax(unit)
        super().write_functions(unit)

    def sequence(self, code: Code, block: Int, r: Int) -> None:
        """Write the weights of sequence `r`."""
        t, b, n = self.frame.read(code, block, *'TBI')
        with code.loop(0, t) as step:
            query = self.row(code, block, 'queries', step, r)
            weights = self.row(code, block, 'weights', step, r)
            with code.loop(0, n) as k:
                score = self._score(code, block, query, self.row(code, block, 'keys', k, r))
                if self.masked:
                    (mask,) = self.frame.read(code, block, 'mask')
                    score = is_real(code, mask, k * b + r).pick(score, -math.inf)
                self.store_one(code, score, weights, k)
            code.call('softmax', weights, n)

    def _score(self, code: Code, block: Int, query: Int, key: Int) -> Vec:
        """Return the score of a query and a key, in all lanes."""
        (h,), total = self.frame.read(code, block, 'H'), code.var(code.vec(0.0))

        def add(j: Int, lanes: Flag | None) -> None:
            at = j * self.target.size
            x, y = code.load(query + at, lanes), code.load(key + at, lanes)
            if self.additive:
                (v,) = self.frame.read(code, block, 'v')
                x, y = tanh(x + y), code.load(v + at, lanes)
            total.set(x.fma(y, total.get()))

        each_piece(code, 0, h, add)
        return across(total.get(), Vec.__add__)


def write_softmax(unit: Unit) -> None:
    """Write ``softmax(row, n)`` in place; -inf becomes 0, also if there is nothing else."""
    with unit.function('softmax', 'row n') as (code, row, n):
        size = unit.target.size
        largest = code.var(code.vec(-math.inf))

        def compare(j: Int, lanes: Flag | None) -> None:
            value = maximum(largest.get(), code.load(row + j * size, lanes))
            largest.set(value if lanes is None else lanes.pick(value, largest.get()))

        each_piece(code, 0, n, compare)
        most = across(largest.get(), maximum)
        most = most.compare('==', -math.inf).pick(0.0, most)

        def exponential(j: Int, lanes: Flag | None) -> Vec:
            value = code.load(row + j * size, lanes)
            value = value.compare('==', -math.inf).pick(0.0, exp(value - most))
            code.store(value, row + j * size, lanes)
            return value if lanes is None else lanes.pick(value, 0.0)

        total = sum_over(code, n, exponential).value()
        scale_row(code, row, n, 1.0 / nonzero(total))


class WeightsGradient(Sequences):
    """Writer of the gradients by queries, keys and v, given that by the weights."""

    def __init__(self, target: Target, additive: bool):
        self.additive = additive
        inputs = [Array('slope', WEIGHTS), Array('weights', WEIGHTS)]
        inputs += [Array('queries', LOOKING), Array('keys', MEMORY)]
        inputs += [Array('v', ('H',))] * additive
        outputs = [Array('by_queries', LOOKING), Array('by_keys', MEMORY)]
        outputs += [Array('by_v', ('H',))] * additive
        cost = TANH if additive else 2 * COST
        super().__init__(target, inputs, outputs, f'additive {additive}', cost)

    def sizes(self, code: Code, block: Int) -> dict[str, Int]:
        """Return the bytes of each area of work memory: the gradient by v of each sequence."""
        b, h = self.frame.read(code, block, *'BH')
        return {'by_v': b * h * self.target.size} if self.additive else {}

    def run(self, code: Code, desc: Int, block: Int) -> None:
        """Write the body of ``run``: all sequences, and the sum of what each adds for v."""
        super().run(code, desc, block)
        if self.additive:
            b, h, total = self.frame.read(code, block, 'B', 'H', 'by_v')
            # In the order of the sequences, so that no sum depends on the number of threads.
            with flushed(code):
                clear(code, total, h)
                with code.loop(0, b) as r:
                    add_row(code, self._own(code, block, r), total, h)

    def _own(self, code: Code, block: Int, r: Int) -> Int:
        """Return the address of what sequence `r` adds to the gradient by v."""
        h, work = self.frame.read(code, block, 'H', 'work')
        return self.areas(code, block, work)['by_v'] + r * h * self.target.size

    def sequence(self, code: Code, block: Int, r: Int) -> None:
        """Write the gradients of sequence `r`."""
        t, n, h = self.frame.read(code, block, *'TIH')
        size = self.target.size
        with code.loop(0, n) as k:
            clear(code, self.row(code, block, 'by_keys', k, r), h)
        if self.additive:
            clear(code, self._own(code, block, r), h)
        with code.loop(0, t) as step:
            clear(code, self.row(code, block, 'by_queries', step, r), h)
            slope, weights = (self.row(code, block, a, step, r) for a in ('slope', 'weights'))
            mean = dot(code, slope, weights, n)
            with code.loop(0, n) as k:
                weight = code.spread(weights + k * size)
                by_score = weight * (code.spread(slope + k * size) - mean)
                # Over padding, and where the others are much larger, nothing is added.
                with code.when(Flag(code, first(weight.compare('!=', 0.0)))):
                    self._add(code, block, by_score, (step, k, r))

    def _add(self, code: Code, block: Int, by_score: Vec, place: tuple[Int, Int, Int]) -> None:
        """Add what one score gives to the gradients of its query, its key and v."""
        (step, k, r), (h,) = place, self.frame.read(code, block, 'H')
        query, by_query = (
            self.row(code, block, name, step, r) for name in ('queries', 'by_queries')
        )
        key, by_key = (self.row(code, block, name, k, r) for name in ('keys', 'by_keys'))

        def add(j: Int, lanes: Flag | None) -> None:
            at = j * self.target.size

            def to(row: Int, factor: Vec) -> None:
                old = code.load(row + at, lanes)
                code.store(by_score.fma(factor, old), row + at, lanes)

            x, y = code.load(query + at, lanes), code.load(key + at, lanes)
            if self.additive:
                (v,) = self.frame.read(code, block, 'v')
                u = tanh(x + y)
                to(self._own(code, block, r), u)
                x = y = code.load(v + at, lanes) * (1.0 - u * u)
            to(by_query, y)
            to(by_key, x)

        each_piece(code, 0, h, add)


class Means(Sequences):
    """Writer of the weighted means of the values."""

    def __init__(self, target: Target):
        inputs = [Array('weights', WEIGHTS), Array('values', MEMORY)]
        super().__init__(target, inputs, [Array('means', LOOKING)])

    def sequence(self, code: Code, block: Int, r: Int) -> None:
        """Write the means of sequence `r`."""
        t, n, h = self.frame.read(code, block, *'TIH')
        size = self.target.size
        with code.loop(0, t) as step:
            weights = self.row(code, block, 'weights', step, r)
            means = self.row(code, block, 'means', step, r)

            def mean(j: Int, lanes: Flag | None, weights=weights, means=means) -> None:
                total = code.var(code.vec(0.0))
                with code.loop(0, n) as k:
                    value = code.load(self.row(code, block, 'values', k, r) + j * size, lanes)
                    total.set(code.spread(weights + k * size).fma(value, total.get()))
                code.store(total.get(), means + j * size, lanes)

            each_piece(code, 0, h, mean)


class MeansGradient(Sequences):
    """Writer of the gradients by weights and values, given that by the means."""

    def __init__(self, target: Target):
        inputs = [Array('slope', LOOKING), Array('weights', WEIGHTS), Array('values', MEMORY)]
        outputs = [Array('by_weights', WEIGHTS), Array('by_values', MEMORY)]
        super().__init__(target, inputs, outputs, cost=2 * COST)

    def sequence(self, code: Code, block: Int, r: Int) -> None:
        """Write the gradients of sequence `r`."""
        t, n, h = self.frame.read(code, block, *'TIH')
        size = self.target.size
        with code.loop(0, n) as k:
            clear(code, self.row(code, block, 'by_values', k, r), h)
        with code.loop(0, t) as step:
            slope = self.row(code, block, 'slope', step, r)
            weights = self.row(code, block, 'weights', step, r)
            by_weights = self.row(code, block, 'by_weights', step, r)
            with code.loop(0, n) as k:
                value = self.row(code, block, 'values', k, r)
                self.store_one(code, dot(code, slope, value, h), by_weights, k)
                weight, by_value = (
                    code.spread(weights + k * size),
                    self.row(code, block, 'by_values', k, r),
                )

                def add(j: Int, lanes: Flag | None, weight=weight, to=by_value, slope=slope):
                    old, new = code.load(to + j * size, lanes), code.load(slope + j * size, lanes)
                    code.store(weight.fma(new, old), to + j * size, lanes)

                each_piece(code, 0, h, add)


def dot(code: Code, a: Int, b: Int, n: Int) -> Vec:
    """Return the dot product of two rows, in all lanes."""
    total, size = code.var(code.vec(0.0)), code.target.size

    def add(j: Int, lanes: Flag | None) -> None:
        x, y = code.load(a + j * size, lanes), code.load(b + j * size, lanes)
        total.set(x.fma(y, total.get()))

    each_piece(code, 0, n, add)
    return across(total.get(), Vec.__add__)
