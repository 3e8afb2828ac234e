"""The kernels of pooling over time: mean and maximum of the steps of each sequence.

In: which of both, whether there is a mask, and whether earlier steps are given. Out: a kernel
for the result, and one for its gradient by the steps; see `rnnkit.kernels.language.writer`.

Steps are added up and compared one after the other, in the order of time, in the dtype of the
network. So a sequence that is read in parts has the bits of the whole.
"""

import math

from rnnkit.kernels.language.elements import each_piece
from rnnkit.kernels.language.frame import Array, Frame
from rnnkit.kernels.language.reductions import number
from rnnkit.kernels.language.threads import part_of, parts, worker, write_parallel
from rnnkit.kernels.language.vector import Code, Flag, Int, Target, Unit, Vec
from rnnkit.kernels.language.writer import Writer
from rnnkit.kernels.recurrent.mask import is_real

COST = 8  # multiply-adds that take as long as one element

ROW, ONE = ('B', 'H'), ('B', '1')


class Pooling(Writer):
    """Base of both writers: each row, a sequence, by itself.

    Parameters
    ----------
    target : Target
    kind : {'mean', 'max'}
    masked : bool
    inputs, outputs : list of Array
        Without the mask.
    """

    def __init__(
        self, target: Target, kind: str, masked: bool, inputs: list[Array], outputs: list[Array]
    ):
        self.kind, self.masked = kind, masked
        inputs = [*inputs, *[Array('mask', ('T', 'B'))] * masked]
        description = repr((kind, masked, [a.name for a in inputs]))
        super().__init__(target, Frame(inputs, outputs, 'pooling'), description)

    def write_functions(self, unit: Unit) -> None:
        """Write the functions that `run` calls."""
        write_parallel(unit)
        with worker(unit, 'part') as (code, part, n_parts, block):
            (b,) = self.frame.read(code, block, 'B')
            first, last = part_of(b, part, n_parts)
            with code.loop(first, last) as r:
                self.row(code, block, r)

    def run(self, code: Code, desc: Int, block: Int) -> None:
        """Write the body of ``run``: all rows."""
        self.stage(code, desc, block)
        t, b, h = self.frame.read(code, block, *'TBH')
        code.call('parallel', code.address_of('part'), parts(code, b, t * b * h * COST), block)

    def row(self, code: Code, block: Int, r: Int) -> None:
        """Write what is computed for row `r`."""
        raise NotImplementedError

    def real(self, code: Code, block: Int, step: Int, r: Int) -> Flag | None:
        """Return whether a step of a row is real; None without a mask."""
        if not self.masked:
            return None
        b, mask = self.frame.read(code, block, 'B', 'mask')
        return is_real(code, mask, step * b + r)


class Pool(Pooling):
    """Writer of the result: x (T, B, H) -> (B, H), what is kept, and the number of steps.

    If it is `carried`, what was kept of earlier steps and their number are inputs, too.
    """

    def __init__(self, target: Target, kind: str, masked: bool, carried: bool):
        before = [Array('before', ROW), Array('earlier', ONE)] * carried
        inputs = [Array('x', ('T', 'B', 'H')), *before]
        outputs = [Array('pooled', ROW), Array('kept', ROW), Array('count', ONE)]
        super().__init__(target, kind, masked, inputs, outputs)
        self.carried = carried

    def row(self, code: Code, block: Int, r: Int) -> None:
        """Write result, what is kept and count of row `r`."""
        t, b, h, x, pooled, kept, count_at = self.frame.read(
            code, block, *'TBH', 'x', 'pooled', 'kept', 'count'
        )
        size = self.target.size
        earlier, count = self._counts(code, block, r)
        code.store(count, count_at + r * size, code.tail(code.int(1)))

        def columns(j: Int, lanes: Flag | None) -> None:
            at = (r * h + j) * size
            start = code.vec(0.0)
            if self.carried:
                (before,) = self.frame.read(code, block, 'before')
                start = code.load(before + at, lanes)
            if self.kind == 'max':
                start = earlier.compare('>', 0.0).pick(start, -math.inf)
            found = code.var(start)
            with code.loop(0, t) as step:
                value, old = code.load(x + step * b * h * size + at, lanes), found.get()
                if self.kind == 'mean':
                    new = old + value
                else:  # NaN stays, and a later one takes its place
                    new = (value.compare('>', old) | value.is_nan()).pick(value, old)
                real = self.real(code, block, step, r)
                found.set(new if real is None else real.pick(new, old))
            self._finish(code, found.get(), count, pooled + at, kept + at, lanes)

        each_piece(code, 0, h, columns)

    def _counts(self, code: Code, block: Int, r: Int) -> tuple[Vec, Vec]:
        """Return the number of earlier steps, and of all."""
        (t,) = self.frame.read(code, block, 'T')
        earlier = code.vec(0.0)
        if self.carried:
            earlier = code.spread(self.frame.read(code, block, 'earlier')[0] + r * self.target.size)
        if not self.masked:
            return earlier, earlier + number(code, t)
        count = code.var(earlier)
        with code.loop(0, t) as step:
            real = self.real(code, block, step, r)
            count.set(real.pick(count.get() + 1.0, count.get()))
        return earlier, count.get()

    def _finish(
        self, code: Code, found: Vec, count: Vec, pooled: Int, kept: Int, lanes: Flag | None
    ) -> None:
        some = count.compare('>', 0.0)
        result = some.pick(found, 0.0)
        code.store(result, kept, lanes)
        code.store(result / some.pick(count, 1.0) if self.kind == 'mean' else result, pooled, lanes)


class PoolGradient(Pooling):
    """Writer of the gradient by x, given that by the result.

    The mean spreads it over the real steps; the maximum gives it to the first step that equals
    the result.
    """

    def __init__(self, target: Target, kind: str, masked: bool):
        inputs = [
            Array('slope', ROW),
            Array('x', ('T', 'B', 'H')),
            Array('pooled', ROW),
            Array('count', ONE),
        ]
        super().__init__(target, kind, masked, inputs, [Array('gradient', ('T', 'B', 'H'))])

    def row(self, code: Code, block: Int, r: Int) -> None:
        """Write the gradients of row `r`."""
        t, b, h, slope, x, pooled, count_at, gradient = self.frame.read(
            code, block, *'TBH', 'slope', 'x', 'pooled', 'count', 'gradient'
        )
        size = self.target.size
        count = code.spread(count_at + r * size)
        count = count.compare('>', 0.0).pick(count, 1.0)

        def columns(j: Int, lanes: Flag | None) -> None:
            at = (r * h + j) * size
            left = code.var(code.load(slope + at, lanes))
            if self.kind == 'mean':
                left.set(left.get() / count)
            best = code.load(pooled + at, lanes)
            with code.loop(0, t) as step:
                place = step * b * h * size + at
                given = left.get()
                real = self.real(code, block, step, r)
                if self.kind == 'max':
                    here = code.load(x + place, lanes).compare('==', best)
                    here = here if real is None else here & real
                    left.set(here.pick(0.0, given))
                    given = here.pick(given, 0.0)
                elif real is not None:
                    given = real.pick(given, 0.0)
                code.store(given, gradient + place, lanes)

        each_piece(code, 0, h, columns)
