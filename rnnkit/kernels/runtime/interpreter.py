"""A graph of kernels that is run by following a table: one function for all graphs.

In: the table that `rnnkit.kernels.runtime.plan` makes of a graph. Out: the function ``follow`` of
machine code, which calls the kernels one after the other, and has memory for them from the pool.

Numba would compile a function for each graph, which takes longer than all else in starting a
training; and one more for arrays of another layout. Here nothing depends on the graph, so nothing
is compiled for one.

A table consists of instructions, each of an operation, its length and its operands, all integers
of 64 bits. An array has a slot: a descriptor, and the address of the block of the pool that it
owns, or 0. A plan has the integers of `PLAN`.
"""

from collections.abc import Callable
from functools import cache

from llvmlite import ir

from rnnkit.kernels.language.descriptor import AXES, DESCRIPTOR, write_contiguous, write_gather
from rnnkit.kernels.language.vector import I32, I64, POINTER, Code, Int, Target, Unit
from rnnkit.kernels.runtime.cache import Library, library

# The integers of a plan: numbers and addresses.
PLAN = (
    *('count', 'first', 'delivery', 'n_results', 'slots', 'n_slots', 'objects', 'desc', 'block'),
    *('header', 'array', 'take', 'give'),
)
ITEMS = (4, 8)  # bytes of an element
OWNED = DESCRIPTOR  # the place in a slot
SLOT = 8 * (DESCRIPTOR + 1)  # bytes
OPERATIONS = (
    'read',
    'make',
    'free',
    'view',
    'copy',
    'describe',
    'call',
    'kernel',
    'deliver',
    'zeros',
    'place',
    'check',
    'join',
)
# What the axis of a view is made of: a whole axis, the same in reverse, an index, a range, or
# nothing.
WHOLE, REVERSED, INDEX, RANGE = range(4)
# The operands of a kernel before its inputs, and those of each output.
ENTER, SIZE, RUN, N_IN, N_OUT, WORK, ITEM = range(2, 9)
INPUTS = 9
OUTPUT = 3 + 2 * AXES
# A status says which instruction could not be done, and why.
FACTOR, NO_MEMORY, UNUSUAL = 1 << 12, 1, 2
WRONG = 3  # the first number of what an operation itself finds wrong


@cache
def compiled() -> Library:
    """Return the functions ``follow``, ``deliver_all`` and ``in_place``."""
    return library('interpreter', 'interpreter', _write)


def _write(name: str) -> str:
    unit = Unit(name, Target(32, 16, 16))
    write_contiguous(unit)
    for item in ITEMS:
        write_gather(unit, item)
    _write_copy(unit)
    writer = Interpreter(unit)
    for operation in OPERATIONS:
        with unit.function(operation, 'plan at', apart=True) as (code, plan, at):
            getattr(writer, operation)(code, Plan(code, plan), at)
    writer.write_steps()
    writer.write_follow()
    writer.write_deliver_all()
    writer.write_in_place()
    return unit.text()


class Plan:
    """The integers of a plan, by name."""

    def __init__(self, code: Code, address: Int):
        self.code, self.address = code, address

    def __getattr__(self, name: str) -> Int:
        return self.code.get(self.address, PLAN.index(name))

    def slot(self, number: Int) -> Int:
        """Return the address of a slot."""
        return self.slots + number * SLOT


class Interpreter:
    """Writer of the operations; each returns 0, or 1 + the number of what is wrong."""

    def __init__(self, unit: Unit):
        self.unit = unit

    def write_steps(self) -> None:
        """Write ``steps(plan, first, count)``: follow a table until something is wrong."""
        with self.unit.function('steps', 'plan first count') as (code, plan, first, count):
            at = code.var(first)
            with code.loop(0, count) as number:
                here = at.get()
                status = code.var(code.int(0))
                for k, operation in enumerate(OPERATIONS):
                    with code.when(code.get(here).equals(k)):
                        status.set(code.call(operation, plan, here))
                with code.when(status.get().differs(0)):
                    code.ret(number * FACTOR + status.get())
                at.set(here + code.get(here, 1) * 8)

    def write_follow(self) -> None:
        """Write ``follow(plan)``: 0, or a status; then no block of the pool is taken."""
        with self.unit.function('follow', 'plan', export=True) as (code, address):
            plan = Plan(code, address)
            with code.loop(0, plan.n_slots) as k:
                code.put(0, plan.slot(k), OWNED)
            status = code.call('steps', address, plan.first, plan.count)
            with code.when(status.differs(0)), code.loop(0, plan.n_slots) as k:
                _give_back(code, plan, plan.slot(k))
            code.ret(status)

    def write_deliver_all(self) -> None:
        """Write ``deliver_all(plan, whether)``: put results in Python's arrays, and free the rest.

        If it is 0, results are freed as well.
        """
        with self.unit.function('deliver_all', 'plan all', export=True) as (code, address, all_of):
            plan = Plan(code, address)
            code.call('steps', address, plan.delivery, plan.n_results * all_of)
            with code.loop(0, plan.n_slots) as k:
                _give_back(code, plan, plan.slot(k))

    def write_in_place(self) -> None:
        """Write ``in_place(plan)``: both, for arrays that are there; 0, or a status."""
        with self.unit.function('in_place', 'plan', export=True) as (code, plan):
            status = code.call('follow', plan)
            with code.when(status.equals(0)):
                code.call('deliver_all', plan, 1)
            code.ret(status)

    def read(self, code: Code, plan: Plan, at: Int) -> None:
        """Describe an array of Python: object, slot, number of axes, dtype."""
        array = code.get(plan.objects + code.get(at, 2) * 8) + plan.header
        slot, axes = plan.slot(code.get(at, 3)), code.get(at, 4)
        # The type of an object comes before its own fields; other objects have other fields.
        with code.when(code.get(array, -1).differs(plan.array)):
            code.ret(UNUSUAL)
        own = code.get(array, 1) % (1 << 32)
        with code.when(own.differs(axes) | code.get(array, 5).differs(code.get(at, 5))):
            code.ret(UNUSUAL)
        code.put(code.get(array), slot)
        lengths, strides = code.get(array, 2), code.get(array, 3)
        missing = code.int(AXES) - axes
        with code.loop(0, missing) as k:
            code.put(1, slot + k * 8, 1)
            code.put(0, slot + k * 8, 1 + AXES)
        with code.loop(0, axes) as k:
            place = slot + (missing + k) * 8
            code.put(code.get(lengths + k * 8), place, 1)
            code.put(code.get(strides + k * 8), place, 1 + AXES)

    def make(self, code: Code, plan: Plan, at: Int) -> None:
        """Take memory for one element: slot, bytes."""
        slot = plan.slot(code.get(at, 2))
        for axis in range(AXES):
            code.put(1, slot, 1 + axis)
            code.put(0, slot, 1 + AXES + axis)
        _take(code, plan, slot, code.get(at, 3))

    def free(self, code: Code, plan: Plan, at: Int) -> None:
        """Give a block back: slot."""
        _give_back(code, plan, plan.slot(code.get(at, 2)))

    def view(self, code: Code, plan: Plan, at: Int) -> None:
        """Describe a part of an array: slots, kind, index and stop per axis, order of axes."""
        new, old = plan.slot(code.get(at, 2)), plan.slot(code.get(at, 3))
        address = code.var(code.get(old))
        seen = code.room(8 * DESCRIPTOR)
        for axis in range(AXES):
            kind, index, stop = (code.get(at, 4 + 3 * axis + k) for k in range(3))
            length, stride = code.get(old, 1 + axis), code.get(old, 1 + AXES + axis)
            code.put(length, seen, 1 + axis)
            code.put(stride, seen, 1 + AXES + axis)
            with code.when(kind.equals(REVERSED)):
                address.set(address.get() + (length - 1) * stride)
                code.put(0 - stride, seen, 1 + AXES + axis)
            with code.when(kind.equals(INDEX)):
                place = code.var(index)
                with code.when(index < 0):
                    place.set(index + length)
                with code.when((place.get() < 0) | (place.get() >= length)):
                    code.ret(WRONG + axis)
                address.set(address.get() + place.get() * stride)
            with code.when(kind.equals(RANGE)):
                with code.when(stop > length):
                    code.ret(WRONG + axis)
                address.set(address.get() + index * stride)
                code.put(stop - index, seen, 1 + axis)
        for axis in range(AXES):
            source = code.get(at, 4 + 3 * AXES + axis)
            code.put(1, new, 1 + axis)
            code.put(0, new, 1 + AXES + axis)
            with code.when(source >= 0):
                for part in (1, 1 + AXES):
                    code.put(code.get(seen + source * 8, part), new, part + axis)
        code.put(address.get(), new)

    def copy(self, code: Code, plan: Plan, at: Int) -> None:
        """Copy an array: new slot, slot, bytes of an element, whether there is memory for it."""
        new, old, item = plan.slot(code.get(at, 2)), plan.slot(code.get(at, 3)), code.get(at, 4)
        size = code.var(item)
        for axis in reversed(range(AXES)):
            length = code.get(old, 1 + axis)
            code.put(length, new, 1 + axis)
            code.put(size.get(), new, 1 + AXES + axis)
            size.set(size.get() * length)
        with code.when(code.get(at, 5).equals(0)):
            _take(code, plan, new, size.get())
        code.call('copy_array', old, code.get(new), item)

    def deliver(self, code: Code, plan: Plan, at: Int) -> None:
        """Put a result in an array of Python: slot, object or 0, bytes of an element."""
        slot, array = plan.slot(code.get(at, 2)), code.get(plan.objects + code.get(at, 3) * 8)
        with code.when(array.differs(0)):  # or the block itself is the array
            to = code.get(array + plan.header)
            code.call('copy_array', slot, to, code.get(at, 4))

    def describe(self, code: Code, plan: Plan, at: Int) -> None:
        """Tell a kernel where an array is: slot, where to put it, how many integers of it."""
        _copy_integers(code, plan.slot(code.get(at, 2)), code.get(at, 3), code.get(at, 4))

    def call(self, code: Code, plan: Plan, at: Int) -> None:
        """Call a function of one integer: its address, the integer."""
        call_at(code, code.get(at, 2), code.get(at, 3))

    def kernel(self, code: Code, plan: Plan, at: Int) -> None:
        """Run a kernel: its functions, numbers of arrays, slots of inputs, outputs."""
        desc, block, n_in = plan.desc, plan.block, code.get(at, N_IN)
        with code.loop(0, n_in) as k:
            slot = plan.slot(code.get(at + k * 8, INPUTS))
            _copy_integers(code, slot, desc + k * (8 * DESCRIPTOR), code.int(DESCRIPTOR))
        status = call_at(code, code.get(at, ENTER), desc, block)
        with code.when(status.differs(0)):
            code.ret(status + (WRONG - 1))
        outputs = at + (n_in + INPUTS) * 8
        with code.loop(0, code.get(at, N_OUT)) as k:
            self._output(code, plan, at, outputs + k * (8 * OUTPUT))
        work = call_at(code, plan.take, call_at(code, code.get(at, SIZE), block))
        with code.when(work.equals(0)):
            code.ret(NO_MEMORY)
        code.put(work, block + code.get(at, WORK) * 8)
        call_at(code, code.get(at, RUN), desc, block)
        call_at(code, plan.give, work)

    def zeros(self, code: Code, plan: Plan, at: Int) -> None:
        """Make an array of zeros: slot, bytes of an element, lengths: number, or slot and axis."""
        slot, size = plan.slot(code.get(at, 2)), code.var(code.get(at, 3))
        for axis in reversed(range(AXES)):
            number, other, place = (code.get(at, 4 + 3 * axis + k) for k in range(3))
            length = code.var(number)
            with code.when(other >= 0):
                length.set(code.get(plan.slot(other) + place * 8, 1))
            code.put(length.get(), slot, 1 + axis)
            code.put(size.get(), slot, 1 + AXES + axis)
            size.set(size.get() * length.get())
        _take(code, plan, slot, size.get())
        start = code.builder.inttoptr(code.get(slot).value, POINTER)
        zero = ir.Constant(I32, 0)
        code.external('memset', POINTER, [start, zero, size.get().value])

    def place(self, code: Code, plan: Plan, at: Int) -> None:
        """Copy an array to where another one shows: slot of that, slot, bytes of an element."""
        to, source, item = plan.slot(code.get(at, 2)), plan.slot(code.get(at, 3)), code.get(at, 4)
        for axis in range(AXES):
            with code.when(code.get(to, 1 + axis).differs(code.get(source, 1 + axis))):
                code.ret(WRONG)
        n = [code.get(to, 1 + axis) for axis in range(AXES)]
        steps, starts = ([code.get(s, 1 + AXES + k) for k in range(AXES)] for s in (to, source))
        with code.loop(0, n[0]) as i, code.loop(0, n[1]) as j, code.loop(0, n[2]) as k:
            there = code.get(to) + i * steps[0] + j * steps[1] + k * steps[2]
            here = code.get(source) + i * starts[0] + j * starts[1] + k * starts[2]
            code.choose(
                item.equals(4),
                lambda: code.copy_element(here, there),
                lambda: code.put(code.get(here), there),
            )

    def join(self, code: Code, plan: Plan, at: Int) -> None:
        """Join arrays along an axis: slot, bytes of an element, axis, number, slots."""
        new, item, axis, n = (code.get(at, 2 + k) for k in range(4))
        new, first, total = plan.slot(new), plan.slot(code.get(at, 6)), code.var(code.int(0))
        with code.loop(0, n) as k:
            part = plan.slot(code.get(at + k * 8, 6))
            for each in range(AXES):
                other = code.get(part, 1 + each).differs(code.get(first, 1 + each))
                with code.when(axis.differs(each) & other):
                    code.ret(WRONG)
            total.set(total.get() + code.get(part + axis * 8, 1))
        size = code.var(item)
        for each in reversed(range(AXES)):
            length = axis.equals(each).pick(total.get(), code.get(first, 1 + each))
            code.put(length, new, 1 + each)
            code.put(size.get(), new, 1 + AXES + each)
            size.set(size.get() * length)
        _take(code, plan, new, size.get())
        to = code.var(code.get(new))
        with code.loop(0, n) as k:
            part = plan.slot(code.get(at + k * 8, 6))
            _copy_rows(code, part, to.get(), new, item)
            step = code.get(new + axis * 8, 1 + AXES)
            to.set(to.get() + code.get(part + axis * 8, 1) * step)

    def check(self, code: Code, plan: Plan, at: Int) -> None:
        """Check floats: slot, bytes of an element, highest bits but for the sign, number or -1.

        Wrong is a value (NaN is above infinity), or the number of elements.
        """
        slot, item, most, number = (code.get(at, 2 + k) for k in range(4))
        slot = plan.slot(slot)
        n, steps = ([code.get(slot, start + k) for k in range(AXES)] for start in (1, 1 + AXES))
        with code.when((number >= 0) & (n[0] * n[1] * n[2]).differs(number)):
            code.ret(WRONG + 1)
        beyond = code.var(code.int(0))
        with code.loop(0, n[0]) as i, code.loop(0, n[1]) as j:
            row = code.get(slot) + i * steps[0] + j * steps[1]

            def look(bits: Callable[[Int], Int], row: Int = row) -> None:
                with code.loop(0, n[2]) as k:
                    above = bits(row + k * steps[2]) > most
                    beyond.set(beyond.get() + above.pick(1, 0))

            def half(address: Int) -> Int:
                pointer = code.builder.inttoptr(address.value, POINTER)
                bits = code.builder.load(pointer, typ=I32)
                return Int(code, code.builder.zext(bits, I64)) % (1 << 31)

            def whole(address: Int) -> Int:
                return code.get(address) * 2 // 2

            code.choose(item.equals(4), lambda look=look: look(half), lambda look=look: look(whole))
        with code.when(beyond.get().differs(0)):
            code.ret(WRONG)

    def _output(self, code: Code, plan: Plan, at: Int, output: Int) -> None:
        """Describe an output: slot, place in the block, whether it has memory, lengths."""
        slot, place = plan.slot(code.get(output)), plan.block + code.get(output, 1) * 8
        size = code.var(code.get(at, ITEM))
        for axis in reversed(range(AXES)):
            length = code.var(code.get(output, 3 + 2 * axis))
            letter = code.get(output, 4 + 2 * axis)
            with code.when(letter >= 0):
                length.set(length.get() * code.get(plan.block + letter * 8))
            code.put(length.get(), slot, 1 + axis)
            code.put(size.get(), slot, 1 + AXES + axis)
            size.set(size.get() * length.get())
        with code.when(code.get(output, 2).equals(0)):
            _take(code, plan, slot, size.get())
        code.put(code.get(slot), place)


def call_at(code: Code, address: Int, *args: Int) -> Int:
    """Call a function of integers by its address."""
    kind = ir.FunctionType(I64, [I64] * len(args)).as_pointer()
    function = code.builder.inttoptr(address.value, kind)
    return Int(code, code.builder.call(function, [arg.value for arg in args]))


def _take(code: Code, plan: Plan, slot: Int, size: Int) -> None:
    """Write a block of `size` bytes to a slot, or return that there is no memory."""
    block = call_at(code, plan.take, size)
    with code.when(block.equals(0)):
        code.ret(NO_MEMORY)
    code.put(block, slot)
    code.put(block, slot, OWNED)


def _give_back(code: Code, plan: Plan, slot: Int) -> None:
    """Give the block of a slot back, if it owns one."""
    block = code.get(slot, OWNED)
    with code.when(block.differs(0)):
        call_at(code, plan.give, block)
        code.put(0, slot, OWNED)


def _copy_rows(code: Code, source: Int, to: Int, like: Int, item: Int) -> None:
    """Copy an array to an address, with the strides of the array `like`."""
    n = [code.get(source, 1 + axis) for axis in range(AXES)]
    steps, starts = ([code.get(s, 1 + AXES + k) for k in range(AXES)] for s in (like, source))
    with code.loop(0, n[0]) as i, code.loop(0, n[1]) as j:
        there = to + i * steps[0] + j * steps[1]
        here = code.get(source) + i * starts[0] + j * starts[1]

        def at_once() -> None:
            pointers = [code.builder.inttoptr(a.value, POINTER) for a in (there, here)]
            code.external('memcpy', POINTER, [*pointers, (n[2] * item).value])

        def one_by_one() -> None:
            with code.loop(0, n[2]) as k:
                a, b = here + k * starts[2], there + k * steps[2]
                code.choose(
                    item.equals(4),
                    lambda: code.copy_element(a, b),
                    lambda: code.put(code.get(a), b),
                )

        code.choose(starts[2].equals(item) & steps[2].equals(item), at_once, one_by_one)


def _copy_integers(code: Code, source: Int, to: Int, n: Int) -> None:
    with code.loop(0, n) as k:
        code.put(code.get(source + k * 8), to + k * 8)


def _write_copy(unit: Unit) -> None:
    """Write ``copy_array(slot, to, item)``: its elements then follow each other."""
    with unit.function('copy_array', 'source to item', apart=True) as (code, source, to, item):
        with code.when(code.call('contiguous', source, item).differs(0)):
            size = item
            for axis in range(AXES):
                size = size * code.get(source, 1 + axis)
            pointers = [code.builder.inttoptr(a.value, POINTER) for a in (to, code.get(source))]
            code.external('memcpy', POINTER, [*pointers, size.value])
            code.ret(0)
        for each in ITEMS:
            with code.when(item.equals(each)):
                code.call(f'gather{each}', source, to)
