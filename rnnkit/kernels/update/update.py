"""The kernel of an update: all parameters and slots of a training, in one call.

In: a `Rule` and a `Target`. Out: a module with ``run(table)``; the table is described below. The
number of parameters and their shapes are not part of the module: one serves all networks.

First the norm of all gradients is computed. Then, unless that or the loss is not finite, each
element of every parameter is changed: its gradient is clipped, scaled so that the norm of all
keeps its limit, and handed to the rule. Nodes that depend on hyperparameters alone are computed
once, in 64 bits.

Where it is asked for, the gradients are also reported: the norm of each, and whether they were
clipped.

The table has `HEAD` integers, then for each hyperparameter its address (the number of updates so
far is first), for each slot two addresses, and for each parameter `ENTRY` integers: descriptors
of gradient and parameter, where the new parameter goes, 0 for its own place, and 0. Slots are
flat; a new slot may go to the place of the old one. Of a table only some rows may be changed:
``gather`` of `rnnkit.kernels.update.rows` has put their gradient in the entry, and the address of
their numbers in its last place.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from llvmlite import ir

from rnnkit.kernels.language.descriptor import (
    AXES,
    DESCRIPTOR,
    count,
    each_element,
    element,
    write_contiguous,
)
from rnnkit.kernels.language.elements import each_piece
from rnnkit.kernels.language.reductions import across, first, in_all_lanes, sum_of, whole_sum
from rnnkit.kernels.language.threads import flushed
from rnnkit.kernels.language.vector import Code, Flag, Int, Target, Unit, Vec
from rnnkit.kernels.update.rows import write_rows
from rnnkit.kernels.update.rule import RULE_OPERATIONS, Rule

PARAMS, LOSS, NORM, NEW_COUNT, MAX_ELEM, MAX_NORM, HEALTH = range(7)
HEAD = 7  # HEALTH is where the report of the gradients goes, or 0
TO = 2 * DESCRIPTOR
NUMBERS = TO + 1
ENTRY = NUMBERS + 1
SUMS = 4  # vectors: of squares and of squares of clipped elements, each with its rounding error
# For hyperparameters: in float32, 1 - beta ** t of Adam would lose half of its digits.
WIDE = Target(64, 16, 16)


class Entry(NamedTuple):
    """The addresses of a parameter's descriptors, where it goes, and the numbers of its rows."""

    g: Int
    p: Int
    to: Int
    numbers: Int


class Change(NamedTuple):
    """The arguments of ``change``: descriptors of gradient and parameter, and `start` of slots."""

    table: Int
    fixed: Int
    scale: Int
    g: Int
    p: Int
    to: Int
    start: Int


class ChangeRow(NamedTuple):
    """The arguments of ``change_row``: addresses of `n` elements, and `start` of their slots."""

    table: Int
    fixed: Int
    scale: Int
    g: Int
    p: Int
    to: Int
    start: Int
    n: Int | int


class Update:
    """Writer of the update by a rule; its functions take a table, so it has no frame."""

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

    @contextmanager
    def _entries(self, code: Code, table: Int) -> Iterator[Entry]:
        """Loop over the parameters."""
        with code.loop(0, code.get(table, PARAMS)) as i:
            at = table + 8 * self.params + i * (8 * ENTRY)
            yield Entry(at, at + 8 * DESCRIPTOR, code.get(at, TO), code.get(at, NUMBERS))

    def _run(self, code: Code, table: Int) -> None:
        fixed = code.room(max(1, len(self.rule.fixed)) * 8)
        sums = code.room(SUMS * self.target.width)
        code.call('fixed', table + 8 * self.hyper, fixed)
        for k in range(SUMS):
            code.store(0.0, sums + k * self.target.width)
        with self._entries(code, table) as entry:
            code.call('squares', entry.g, code.get(table, MAX_ELEM), sums)
        norm, clipped = (self._norm(code, sums, k) for k in range(2))
        one = code.tail(code.int(1))
        code.store(norm, code.get(table, NORM), one)
        limit = code.spread(code.get(table, MAX_NORM))
        with code.when(code.get(table, HEALTH).differs(0)):
            self._report(code, table, sums, norm.compare('>', limit))
        # limit / max(norm, limit), with a comparison that lets NaN through.
        scale = limit / clipped.compare('<', limit).pick(limit, clipped)
        code.store(scale, sums)
        loss = code.spread(code.get(table, LOSS))
        # An update that is not finite changes nothing: the parameters stay as they were before it.
        ok = Flag(code, first((norm + loss).abs().compare('<', float('inf'))))
        # Copied first, whether or not there is an update: rows that are not read keep their values.
        self._keep_all(code, table)
        with code.when(ok):
            self._change_all(code, table, fixed, sums)

    def _norm(self, code: Code, sums: Int, k: int) -> Vec:
        """Return the root of a sum of squares."""
        total, lost = (code.load(sums + (2 * k + i) * self.target.width) for i in range(2))
        total, lost = across(total, Vec.__add__), across(lost, Vec.__add__)
        return whole_sum(total, lost).call('sqrt')

    def _report(self, code: Code, table: Int, sums: Int, too_long: Flag) -> None:
        """Store the norm of each gradient, and 1 if there is anything to clip, else 0."""
        width, one = self.target.width, code.tail(code.int(1))
        at, beyond = code.var(code.get(table, HEALTH)), code.var(code.vec(0.0))
        with self._entries(code, table) as entry:
            for k in range(SUMS):
                code.store(0.0, sums + k * width)
            code.call('report', entry.g, code.get(table, MAX_ELEM), sums)
            code.store(self._norm(code, sums, 0), at.get(), one)
            at.set(at.get() + self.target.size)
            beyond.set(beyond.get() + across(code.load(sums + 2 * width), Vec.__add__))
        either = beyond.get().compare('>', 0.0)
        code.store(too_long.pick(1.0, either.pick(code.vec(1.0), 0.0)), at.get(), one)

    def _change_all(self, code: Code, table: Int, fixed: Int, scale: Int) -> None:
        start = code.var(code.int(0))
        with self._entries(code, table) as entry:
            call = Change(table, fixed, scale, entry.g, entry.p, entry.to, start.get())
            code.choose(
                entry.numbers.equals(0),
                lambda: code.call('change', *call),
                lambda: code.call('change_rows', *call, entry.numbers),
            )
            start.set(start.get() + count(code, entry.p))
        updates = code.spread(code.get(table, self.hyper)) + 1.0
        code.store(updates, code.get(table, NEW_COUNT), code.tail(code.int(1)))

    def _keep_all(self, code: Code, table: Int) -> None:
        """Copy all old values, where new values have a place of their own."""
        total = code.var(code.int(0))
        with self._entries(code, table) as entry:
            total.set(total.get() + count(code, entry.p))
            with code.when(entry.to.differs(0)), each_element(code, entry.p) as (source, k):
                code.copy_element(source, entry.to + k * self.target.size)
        for k in range(self.rule.n_slots):
            old, new = (code.get(table, self.slots + 2 * k + j) for j in range(2))
            code.call('keep', old, new, total.get())
        code.call('keep', code.get(table, self.hyper), code.get(table, NEW_COUNT), 1)

    # --- the functions that it calls

    def _write_fixed(self, unit: Unit) -> None:
        """Write ``fixed(addresses, to)``: what depends on hyperparameters alone."""
        wide = unit.for_target(WIDE)
        program, size = self.rule.program, self.target.size
        kind = ir.FloatType() if size == 4 else ir.DoubleType()
        with wide.function('fixed', 'addresses to') as (code, addresses, to):
            builder = code.builder

            def pointer(address: Int) -> ir.Value:
                return builder.inttoptr(address.value, kind.as_pointer())

            def fetch(k: int) -> Vec:
                number = builder.load(pointer(code.get(addresses, k)))
                exact = builder.fpext(number, ir.DoubleType()) if size == 4 else number
                return in_all_lanes(code, exact)

            known = {
                program.input(f'hyper:{name}'): lambda k=k: fetch(k)
                for k, name in enumerate(('count', *self.rule.hyper))
            }
            values = program.evaluate(self.rule.fixed, known, code.vec, RULE_OPERATIONS)
            for k, value in enumerate(values):
                number = first(value)
                narrow = builder.fptrunc(number, kind) if size == 4 else number
                builder.store(narrow, pointer(to + k * size))

    def _write_squares(self, unit: Unit) -> None:
        """Write ``squares(gradient, limit, sums)``: add to the sums, as it is and clipped.

        Each sum is two vectors of lanes, see `rnnkit.kernels.language.reductions.Sum`. ``report``
        is the same but for the second sum, which is the number of elements beyond the limit.
        """

        # The norm is reported as it is before elements are clipped, and limited as it is after.
        def clipped(most: Vec, v: Vec) -> Vec:
            return square(clip(v, most))

        def beyond(most: Vec, v: Vec) -> Vec:
            return v.abs().compare('>', most).pick(v.code.vec(1.0), 0.0)

        for name, second in (('squares', clipped), ('report', beyond)):
            with unit.function(f'{name}_of', 'g n limit sums') as (code, g, n, limit, sums):
                most = code.spread(limit)
                for k, term in enumerate((square, partial(second, most))):
                    at = sums + 2 * k * self.target.width
                    sum_of(code, g, n, term).add_to(at, at + self.target.width)
            self._write_for_all(unit, name)

    def _write_for_all(self, unit: Unit, name: str) -> None:
        """Write the function `name`, which calls ``<name>_of`` for all elements of a gradient."""
        size = self.target.size
        with unit.function(name, 'g limit sums') as (code, g, limit, sums):

            def one_by_one() -> None:
                with each_element(code, g) as (at, _):
                    code.call(f'{name}_of', at, 1, limit, sums)

            code.choose(
                code.call('contiguous', g, size).differs(0),
                lambda: code.call(f'{name}_of', code.get(g), count(code, g), limit, sums),
                one_by_one,
            )

    def _write_change(self, unit: Unit) -> None:
        """Write ``change``, which takes `Change`: apply the rule to all elements of a parameter."""
        size = self.target.size
        with unit.function('change_row', ' '.join(ChangeRow._fields)) as (code, *values):
            self._change_row(code, ChangeRow(*values))
        with unit.function('change', ' '.join(Change._fields)) as (code, *values):
            at = Change(*values)

            def whole() -> None:
                end = at.to.equals(0).pick(code.get(at.p), at.to)
                g, p, n = code.get(at.g), code.get(at.p), count(code, at.p)
                row = ChangeRow(*at._replace(g=g, p=p, to=end), n)
                code.call('change_row', *row)

            def one_by_one() -> None:
                with each_element(code, at.p) as (old, k):
                    end = at.to.equals(0).pick(old, at.to + k * size)
                    g = element(code, at.g, k)
                    row = ChangeRow(*at._replace(g=g, p=old, to=end, start=at.start + k), 1)
                    code.call('change_row', *row)

            regular = [code.call('contiguous', d, size).differs(0) for d in (at.g, at.p)]
            code.choose(regular[0] & regular[1], whole, one_by_one)

    def _write_change_rows(self, unit: Unit) -> None:
        """Write ``change_rows``: apply the rule to some rows of a parameter of two axes."""
        size, args = self.target.size, ' '.join([*Change._fields, 'numbers'])
        with unit.function('change_rows', args) as (code, *values, numbers):
            call = Change(*values)
            width = code.get(call.g, AXES)
            regular = code.call('contiguous', call.p, size).differs(0)
            with code.loop(0, code.get(call.g, AXES - 1)) as k:
                at, g = code.get(numbers + k * 8) * width, code.get(call.g) + k * width * size

                def change(j: Int | int, n: Int | int, at=at, g=g) -> None:
                    old = element(code, call.p, at + j)
                    end = call.to.equals(0).pick(old, call.to + (at + j) * size)
                    here = call._replace(g=g + j * size, p=old, to=end, start=call.start + at + j)
                    code.call('change_row', *here, n)

                def one_by_one(change=change) -> None:
                    with code.loop(0, width) as j:
                        change(j, 1)

                code.choose(regular, lambda change=change: change(0, width), one_by_one)

    def _change_row(self, code: Code, row: ChangeRow) -> None:
        rule, program, size = self.rule, self.rule.program, self.target.size
        scale, limit = code.spread(row.scale), code.spread(code.get(row.table, MAX_ELEM))
        slots = [
            [code.get(row.table, self.slots + 2 * k + j) + row.start * size for j in range(2)]
            for k in range(rule.n_slots)
        ]
        # Loaded once, for the stores of the loop might change them as far as LLVM knows.
        numbers = [code.spread(row.fixed + k * size) for k in range(len(rule.fixed))]
        known = {
            i: (lambda value=value: value) for i, value in zip(rule.fixed, numbers, strict=True)
        }
        for k, name in enumerate(('count', *rule.hyper)):
            address = code.get(row.table, self.hyper + k)
            known.setdefault(program.input(f'hyper:{name}'), lambda a=address: code.spread(a))

        def change(j: Int, lanes: Flag | None) -> None:
            at = j * size
            here = dict(known)
            gradient, parameter = program.input('gradient'), program.input('parameter')
            here[gradient] = lambda: clip(code.load(row.g + at, lanes), limit) * scale
            here[parameter] = lambda: code.load(row.p + at, lanes)
            for k, (old, _) in enumerate(slots):
                here[program.input(f'slot{k}')] = lambda old=old: code.load(old + at, lanes)
            values = program.evaluate(rule.new, here, code.vec, RULE_OPERATIONS)
            for end, value in zip([row.to, *(new for _, new in slots)], values, strict=True):
                code.store(value, end + at, lanes)

        each_piece(code, 0, row.n, change)

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
