"""The kernels of a classifier: probabilities, and the cross-entropy of them with its gradient.

In: a `Target`, the number of axes of the softmax's inputs, and for the loss whether there are
weights and whether the gradient is needed. Out: a kernel, see `rnnkit.kernels.language.writer`.
The last axis counts classes, the axes before it are rows.

Of a row z with label k the error is ``log(sum(exp(z - m))) - (z[k] - m)``, m being its largest
element, and the gradient by z is ``exp(z - m) / sum(exp(z - m))``, less 1 at k. A label that is
not one of the classes gives NaN. With the smoothing s, ``(1 - s) z[k] + s mean(z)`` stands for
``z[k]``, and the gradient is less ``1 - s`` at k, and less ``s / h`` at all of the h classes.
"""

import math

from rnnkit.kernels.language.elementary import exp, log, maximum
from rnnkit.kernels.language.elements import add_to_row, clear, each_piece, scale_row
from rnnkit.kernels.language.frame import Array, Frame, leading
from rnnkit.kernels.language.reductions import across, first, nonzero, number, sum_of, sum_over
from rnnkit.kernels.language.threads import flushed, part_of, parts, worker, write_parallel
from rnnkit.kernels.language.vector import Code, Flag, Int, Target, Unit, Vec
from rnnkit.kernels.language.writer import Writer

COST = 32  # multiply-adds that take as long as one exponential


class OfLogits(Writer):
    """Writer of a kernel that takes the exponentials of each row of logits."""

    rows: tuple[str, ...]  # the axes that count rows

    def write_functions(self, unit: Unit) -> None:
        """Write the functions that `run` calls."""
        write_parallel(unit)
        write_exponentials(unit)
        with worker(unit, 'part') as (code, part, n_parts, block):
            self.part(code, part, n_parts, block)

    def part(self, code: Code, part: Int, n_parts: Int, block: Int) -> None:
        """Do one part of the rows."""
        raise NotImplementedError

    def count(self, code: Code, block: Int) -> Int:
        """Return the number of rows."""
        return self.frame.count(code, block, self.rows)

    def all_parts(self, code: Code, block: Int) -> None:
        """Do all rows."""
        n, (h,) = self.count(code, block), self.frame.read(code, block, 'H')
        code.call('parallel', code.address_of('part'), parts(code, n, n * h * COST), block)


class Softmax(OfLogits):
    """Writer of the probabilities of classes."""

    def __init__(self, target: Target, axes: int):
        self.rows = leading(axes)
        dims = (*self.rows, 'H')
        frame = Frame([Array('z', dims)], [Array('p', dims)], 'softmax')
        super().__init__(target, frame, f'{axes} axes')

    def run(self, code: Code, desc: Int, block: Int) -> None:
        """Write the body of ``run``: all rows."""
        self.stage(code, desc, block)
        self.all_parts(code, block)

    def part(self, code: Code, part: Int, n_parts: Int, block: Int) -> None:
        """Do one part of the rows."""
        z, p, h = self.frame.read(code, block, 'z', 'p', 'H')
        begin, end = part_of(self.count(code, block), part, n_parts)
        numbers = code.room(2 * self.target.width)
        with code.loop(begin, end) as r:
            to = p + r * h * self.target.size
            code.call('exponentials', z + r * h * self.target.size, to, h, numbers)
            scale_row(code, to, h, 1.0 / code.load(numbers + self.target.width))


class CrossEntropy(OfLogits):
    """Writer of the mean cross-entropy, total weight, share of hits and gradient by z."""

    def __init__(
        self, target: Target, axes: int, weighted: bool, keep: bool, smoothing: float = 0.0
    ):
        self.rows, self.weighted, self.keep = leading(axes), weighted, keep
        self.smoothing = smoothing
        inputs = [Array('z', (*self.rows, 'H')), Array('label', self.rows, whole=True)]
        if weighted:
            inputs.append(Array('weights', self.rows))
        outputs = [Array(name, ()) for name in ('mean', 'total', 'hits')]
        if keep:
            outputs.append(Array('slope', (*self.rows, 'H')))
        description = f'{axes} axes, weighted={weighted}, keep={keep}, smoothing={smoothing!r}'
        super().__init__(target, Frame(inputs, outputs, 'cross-entropy'), description)

    def sizes(self, code: Code, block: Int) -> dict[str, Int]:
        """Return the bytes of each area of work memory."""
        n, (h,) = self.count(code, block), self.frame.read(code, block, 'H')
        size = self.target.size
        n_parts = parts(code, n, n * h * COST)
        scratch = {} if self.keep else {'scratch': n_parts * (h * size + 64)}
        return {'errors': n * size, 'right': n * size, **scratch}

    def run(self, code: Code, desc: Int, block: Int) -> None:
        """Write the body of ``run``: the total weight, all rows, and the means."""
        self.stage(code, desc, block)
        n = self.count(code, block)
        mean, total_at, hits = self.frame.read(code, block, 'mean', 'total', 'hits')
        one = code.tail(code.int(1))
        # The total comes first, for the gradient of each error is divided by it.
        with flushed(code):
            total = number(code, n)
            if self.weighted:
                total = sum_of(code, self.frame.read(code, block, 'weights')[0], n).value()
            code.store(total, total_at, one)
        self.all_parts(code, block)
        areas = self.areas(code, block, self.frame.read(code, block, 'work')[0])
        with flushed(code):
            for name, to in (('errors', mean), ('right', hits)):
                code.store(sum_of(code, areas[name], n).value() / nonzero(total), to, one)

    def part(self, code: Code, part: Int, n_parts: Int, block: Int) -> None:
        """Do one part of the rows."""
        frame, size, width = self.frame, self.target.size, self.target.width
        z, labels, h, total_at, work = frame.read(code, block, 'z', 'label', 'H', 'total', 'work')
        areas = self.areas(code, block, work)
        scale = 1.0 / nonzero(code.spread(total_at))
        begin, end = part_of(self.count(code, block), part, n_parts)
        numbers = code.room(2 * width)
        one = code.tail(code.int(1))
        with code.loop(begin, end) as r:
            row = z + r * h * size
            if self.keep:
                to = frame.read(code, block, 'slope')[0] + r * h * size
            else:
                # A cache line apart, else two threads would write to the same one.
                to = areas['scratch'] + part * (h * size + 64)
            code.call('exponentials', row, to, h, numbers)
            largest, total = code.load(numbers), code.load(numbers + width)
            label, known = label_at(code, labels + r * 8, h)
            chosen = code.spread(row + label * size)
            error = known.pick(log(total) - self._aim(code, row, h, chosen, largest), math.nan)
            right = self._is_first(code, row, label, largest, chosen)
            weight = code.vec(1.0)
            if self.weighted:
                weight = code.spread(frame.read(code, block, 'weights')[0] + r * size)
            error = error * weight
            if self.weighted:  # not a product alone: 0 times infinity is NaN
                error = weight.compare('>', 0.0).pick(error, 0.0)
            code.store(error, areas['errors'] + r * size, one)
            code.store(right * weight, areas['right'] + r * size, one)
            if self.keep:
                self._slope(code, to, h, label, (weight, scale, total))

    def _aim(self, code: Code, row: Int, h: Int, chosen: Vec, largest: Vec) -> Vec:
        """Return the label's logit, with its share of the mean of all, less the largest one."""
        if not self.smoothing:
            return chosen - largest

        def below(j: Int, lanes: Flag | None) -> Vec:
            value = code.load(row + j * code.target.size, lanes) - largest
            return value if lanes is None else lanes.pick(value, 0.0)

        mean = sum_over(code, h, below).value() / number(code, h)
        return (chosen - largest) * (1 - self.smoothing) + mean * self.smoothing

    def _slope(
        self, code: Code, row: Int, h: Int, label: Int, factors: tuple[Vec, Vec, Vec]
    ) -> None:
        """Turn the exponentials of a row into the gradient by its logits."""
        weight, scale, total = factors
        at, one = row + label * self.target.size, code.tail(code.int(1))

        def counting() -> None:
            scale_row(code, row, h, weight * scale / total)
            if self.smoothing:
                add_to_row(code, row, h, weight * scale * -self.smoothing / number(code, h))
            code.store(code.spread(at) - weight * scale * (1 - self.smoothing), at, one)

        if not self.weighted:
            counting()
            return
        counts = Flag(code, first(weight.compare('>', 0.0)))
        code.choose(counts, counting, lambda: clear(code, row, h))

    def _is_first(self, code: Code, row: Int, label: Int, largest: Vec, chosen: Vec) -> Vec:
        """Return 1 if the label's element is the first of the largest ones, else 0."""
        # Of equal elements the first one counts, as in NumPy's argmax.
        right = code.var(chosen.compare('==', largest).pick(code.vec(1.0), 0.0))
        with code.when(Flag(code, first(chosen.compare('==', largest)))):
            earlier = code.var(code.vec(0.0))

            def look(j: Int, lanes: Flag | None) -> None:
                equal = code.load(row + j * code.target.size, lanes).compare('==', largest)
                equal = equal if lanes is None else equal & lanes
                earlier.set(equal.pick(1.0, earlier.get()))

            each_piece(code, 0, label, look)
            none = across(earlier.get(), Vec.__add__).compare('==', 0.0)
            right.set(none.pick(right.get(), 0.0))
        return right.get()


def label_at(code: Code, at: Int, n: Int) -> tuple[Int, Flag]:
    """Return the label at an address, 0 for one that is not one of n classes; and if it is one."""
    # The label becomes an address, so a wrong one must not be used even if its result is not.
    label = code.get(at)
    known = (label >= 0) & (label < n)
    return known.pick(label, 0), number(code, known.pick(1, 0)).compare('>', 0.5)


def write_exponentials(unit: Unit) -> None:
    """Write ``exponentials(z, to, n, numbers)``: ``exp(z - m)``; as numbers, m and the sum."""
    with unit.function('exponentials', 'z to n numbers') as (code, z, to, n, numbers):
        size, width = unit.target.size, unit.target.width
        largest = code.var(code.vec(-math.inf))

        def compare(j: Int, lanes: Flag | None) -> None:
            value = maximum(largest.get(), code.load(z + j * size, lanes))
            largest.set(value if lanes is None else lanes.pick(value, largest.get()))

        # Less the largest element, no exponential overflows, and one is 1: the sum is not 0.
        each_piece(code, 0, n, compare)
        most = across(largest.get(), maximum)

        def exponential(j: Int, lanes: Flag | None) -> Vec:
            value = exp(code.load(z + j * size, lanes) - most)
            code.store(value, to + j * size, lanes)
            return value if lanes is None else lanes.pick(value, 0.0)

        total = sum_over(code, n, exponential)
        code.store(most, numbers)
        code.store(total.value(), numbers + width)
