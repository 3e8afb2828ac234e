"""The kernel of an update: all parameters and slots of a training, in one call.

In: a `Rule` and a `Target`. Out: a module with ``run(table)``; the table is described below. The
number of parameters and their shapes are not part of the module: one serves all networks.

First the norm of all gradients is found. Then, unless that or the loss is not finite, each
element of every parameter is changed: its gradient is clipped, scaled so that the norm of all
keeps its limit, and handed to the rule. What depends on hyper-parameters alone is computed once,
in 64 bits.

The table has `HEAD` integers, then for each hyper-parameter its address (the number of updates so
far is first), for each slot two addresses, and for each parameter `ENTRY` integers: descriptors
of gradient and parameter, where the new parameter goes, 0 for its own place, and 0. Slots are
flat; a new slot may go to the place of the old one. Of a table only some rows may be changed:
``gather`` of `rnnkit.kernels.update.rows` has put their gradient in the entry, and the address of
their numbers in its last place.
"""

from typing import Any

from llvmlite import ir

from rnnkit.kernels.language.frame import AXES, DESCRIPTOR, each_element, write_contiguous
from rnnkit.kernels.language.reductions import (
    across,
    each_piece,
    first,
    in_all_lanes,
    sum_of,
    whole_sum,
)
from rnnkit.kernels.language.threads import flushed
from rnnkit.kernels.language.vector import Code, Flag, Int, Target, Unit, Vec
from rnnkit.kernels.update.rows import count, write_rows
from rnnkit.kernels.update.rule import RULE_OPERATIONS, Rule

PARAMS, LOSS, NORM, NEW_COUNT, MAX_ELEM, MAX_NORM = range(6)
HEAD = 6
TO = 2 * DESCRIPTOR
NUMBERS = TO + 1
ENTRY = NUMBERS + 1
SUMS = 4  # vectors: of squares and of squares of clipped elements, each with its rounding error
WIDE = Target(64, 16, 16)  # what hyper-parameters are computed in


class Update:
    """Writer of the update by a rule."""

    def __init__(self, rule: Rule, target: Target):
        self.rule, self.target = rule, target
        self.description = rule.key
        self.hyper = HEAD
        self.slots = HEAD + 1 + len(rule.hyper)
        self.params = self.slots + 2 * rule.n_slots

    def write(self, name: str) -> str:
        """Return the module as text."""
        unit = Unit(name, self.target)
        write_contiguous(unit)
        write_rows(unit)
        self._write_fixed(unit)
        self._write_squares(unit)
        self._write_change(unit)
        self._write_change_rows(unit)
        self._write_keep(unit)
        with unit.function('run', 'table', export=True) as (code, table):
            with flushed(code):
                self._run(code, table)
        return unit.text()

    def _entries(self, code: Code, table: Int) -> Any:
        """Loop over the parameters: yields gradient's and parameter's descriptors, and the rest."""
        return code.loop(0, code.get(table, PARAMS)), lambda i: (
            (at := table + 8 * self.params + i * (8 * ENTRY)),
            at + 8 * DESCRIPTOR,
            code.get(at, TO),
            code.get(at, NUMBERS),
        )

    def _run(self, code: Code, table: Int) -> None:
        fixed = code.room(max(1, len(self.rule.fixed)) * 8)
        sums = code.room(SUMS * self.target.width)
        code.call('fixed', table + 8 * self.hyper, fixed)
        for k in range(SUMS):
            code.store(0.0, sums + k * self.target.width)
        loop, entry = self._entries(code, table)
        with loop as i:
            g, *_ = entry(i)
            code.call('squares', g, code.get(table, MAX_ELEM), sums)
        norm, clipped = (self._norm(code, sums, k) for k in range(2))
        one = code.tail(code.int(1))
        code.store(norm, code.get(table, NORM), one)
        limit = code.spread(code.get(table, MAX_NORM))
        scale = limit / clipped.compare('<', limit).pick(limit, clipped)
        code.store(scale, sums)
        loss = code.spread(code.get(table, LOSS))
        ok = Flag(code, first((norm + loss).abs().compare('<', float('inf'))))
        self._keep_all(code, table)
        with code.when(ok):
            self._change_all(code, table, fixed, sums)

    def _norm(self, code: Code, sums: Int, k: int) -> Vec:
        """Return the root of a sum of squares."""
        total, lost = (code.load(sums + (2 * k + i) * self.target.width) for i in range(2))
        total, lost = across(total, Vec.__add__), across(lost, Vec.__add__)
        return whole_sum(total, lost).call('sqrt')

    def _change_all(self, code: Code, table: Int, fixed: Int, scale: Int) -> None:
        start = code.var(code.int(0))
        loop, entry = self._entries(code, table)
        with loop as i:
            g, p, to, numbers = entry(i)
            args = [table, fixed, scale, g, p, to, start.get()]
            code.choose(
                numbers.equals(0),
                lambda: code.call('change', *args),
                lambda: code.call('change_rows', *args, numbers),
            )
            start.set(start.get() + count(code, p))
        updates = code.spread(code.get(table, self.hyper)) + 1.0
        code.store(updates, code.get(table, NEW_COUNT), code.tail(code.int(1)))

    def _keep_all(self, code: Code, table: Int) -> None:
        """Copy all old values, where new values have a place of their own."""
        total = code.var(code.int(0))
        loop, entry = self._entries(code, table)
        with loop as i:
            _, p, to, _ = entry(i)
            total.set(total.get() + count(code, p))
            with code.when(to.differs(0)), each_element(code, p) as (source, k):
                code.copy_element(source, to + k * self.target.size)
        for k in range(self.rule.n_slots):
            old, new = (code.get(table, self.slots + 2 * k + j) for j in range(2))
            code.call('keep', old, new, total.get())
        code.call('keep', code.get(table, self.hyper), code.get(table, NEW_COUNT), 1)

    # --- the functions that it calls

    def _write_fixed(self, unit: Unit) -> None:
        """Write ``fixed(addresses, to)``: what depends on hyper-parameters alone."""
        wide = Unit(unit.name, WIDE)
        wide.module, wide.functions = unit.module, unit.functions
        program, size = self.rule.program, self.target.size
        kind = ir.FloatType() if size == 4 else ir.DoubleType()
        with wide.function('fixed', 'addresses to') as (code, addresses, to):
            builder = code.builder

            def pointer(address: Int) -> Any:
                return builder.inttoptr(address.value, kind.as_pointer())

            def fetch(k: int) -> Vec:
                element = builder.load(pointer(code.get(addresses, k)))
                wide_one = builder.fpext(element, ir.DoubleType()) if size == 4 else element
                return in_all_lanes(code, wide_one)

            known = {
                program.input(f'hyper:{name}'): lambda k=k: fetch(k)
                for k, name in enumerate(('count', *self.rule.hyper))
            }
            found = program.evaluate(self.rule.fixed, known, code.vec, RULE_OPERATIONS)
            for k, value in enumerate(found):
                element = first(value)
                narrow = builder.fptrunc(element, kind) if size == 4 else element
                builder.store(narrow, pointer(to + k * size))

    def _write_squares(self, unit: Unit) -> None:
        """Write ``squares(gradient, limit, sums)``: add to the sums, as it is and clipped.

        Each sum is two vectors of lanes, see `rnnkit.kernels.language.reductions.Sum`.
        """
        size, width = self.target.size, self.target.width
        with unit.function('squares_of', 'g n limit sums') as (code, g, n, limit, sums):
            most = code.spread(limit)
            for k, term in enumerate((lambda v: v * v, lambda v: square(clip(v, most)))):
                at = sums + 2 * k * width
                sum_of(code, g, n, term).add_to(at, at + width)
        with unit.function('squares', 'g limit sums') as (code, g, limit, sums):

            def one_by_one() -> None:
                with each_element(code, g) as (at, _):
                    code.call('squares_of', at, 1, limit, sums)

            code.choose(
                code.call('contiguous', g, size).differs(0),
                lambda: code.call('squares_of', code.get(g), count(code, g), limit, sums),
                one_by_one,
            )

    def _write_change(self, unit: Unit) -> None:
        """Write ``change``: apply the rule to all elements of one parameter."""
        args, size = 'table fixed scale g p to start n', self.target.size
        with unit.function('change_row', args) as (code, table, fixed, scale, g, p, to, start, n):
            self._change_row(code, table, fixed, code.spread(scale), g, p, to, start, n)
        with unit.function('change', 'table fixed scale g p to start') as (
            code,
            table,
            fixed,
            scale,
            g,
            p,
            to,
            start,
        ):

            def whole() -> None:
                end = to.equals(0).pick(code.get(p), to)
                code.call(
                    'change_row',
                    table,
                    fixed,
                    scale,
                    code.get(g),
                    code.get(p),
                    end,
                    start,
                    count(code, p),
                )

            def one_by_one() -> None:
                with each_element(code, p) as (at, k):
                    end = to.equals(0).pick(at, to + k * size)
                    code.call(
                        'change_row',
                        table,
                        fixed,
                        scale,
                        element(code, g, k),
                        at,
                        end,
                        start + k,
                        1,
                    )

            regular = [code.call('contiguous', d, size).differs(0) for d in (g, p)]
            code.choose(regular[0] & regular[1], whole, one_by_one)

    def _write_change_rows(self, unit: Unit) -> None:
        """Write ``change_rows``: apply the rule to some rows of a parameter of two axes."""
        args, size = 'table fixed scale g p to start numbers', self.target.size
        with unit.function('change_rows', args) as (
            code,
            table,
            fixed,
            scale,
            g,
            p,
            to,
            start,
            numbers,
        ):
            width, regular = code.get(g, AXES), code.call('contiguous', p, size).differs(0)
            with code.loop(0, code.get(g, AXES - 1)) as k:
                at, row = code.get(numbers + k * 8) * width, code.get(g) + k * width * size

                def change(j: Int | int, n: Int | int, at=at, row=row) -> None:
                    old = element(code, p, at + j)
                    end = to.equals(0).pick(old, to + (at + j) * size)
                    code.call(
                        'change_row',
                        table,
                        fixed,
                        scale,
                        row + j * size,
                        old,
                        end,
                        start + at + j,
                        n,
                    )

                def one_by_one(change=change) -> None:
                    with code.loop(0, width) as j:
                        change(j, 1)

                code.choose(regular, lambda change=change: change(0, width), one_by_one)

    def _change_row(self, code, table, fixed, scale, g, p, to, start, n) -> None:
        rule, program, size = self.rule, self.rule.program, self.target.size
        limit = code.spread(code.get(table, MAX_ELEM))
        slots = [
            [code.get(table, self.slots + 2 * k + j) + start * size for j in range(2)]
            for k in range(rule.n_slots)
        ]
        # Loaded once, for the stores of the loop might change them as far as LLVM knows.
        numbers = [code.spread(fixed + k * size) for k in range(len(rule.fixed))]
        known = {
            i: (lambda value=value: value) for i, value in zip(rule.fixed, numbers, strict=True)
        }
        for k, name in enumerate(('count', *rule.hyper)):
            address = code.get(table, self.hyper + k)
            known.setdefault(program.input(f'hyper:{name}'), lambda a=address: code.spread(a))

        def change(j: Int, lanes: Flag | None) -> None:
            at = j * size
            here = dict(known)
            here[program.input('gradient')] = lambda: clip(code.load(g + at, lanes), limit) * scale
            here[program.input('parameter')] = lambda: code.load(p + at, lanes)
            for k, (old, _) in enumerate(slots):
                here[program.input(f'slot{k}')] = lambda old=old: code.load(old + at, lanes)
            values = program.evaluate(rule.new, here, code.vec, RULE_OPERATIONS)
            for end, value in zip([to, *(new for _, new in slots)], values, strict=True):
                code.store(value, end + at, lanes)

        each_piece(code, 0, n, change)

    def _write_keep(self, unit: Unit) -> None:
        """Write ``keep(old, new, n)``: copy `n` elements, if they have a new place."""
        with unit.function('keep', 'old new n') as (code, old, new, n):
            with code.when(old.differs(new)), code.loop(0, n) as k:
                code.copy_element(old + k * self.target.size, new + k * self.target.size)


def square(value: Vec) -> Vec:
    """Return the square."""
    return value * value


def clip(value: Vec, limit: Vec) -> Vec:
    """Return `value`, kept between plus and minus `limit`; NaN stays."""
    low = limit * -1.0
    value = value.compare('>', limit).pick(limit, value)
    return value.compare('<', low).pick(low, value)


def element(code: Code, descriptor: Int, k: Int) -> Int:
    """Return the address of element number `k` of an array, counted in order."""
    address = code.get(descriptor)
    for axis in reversed(range(AXES)):
        n, stride = code.get(descriptor, 1 + axis), code.get(descriptor, 1 + AXES + axis)
        address, k = address + (k % n) * stride, k // n
    return address
