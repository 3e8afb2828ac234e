"""The gradient of a table, from the gradients of the rows that were read.

In: row numbers and a row for each. Out: each number once, and the sum of its rows; none of it
takes time or memory that depends on the length of the table.

Numbers are looked up in a hash table, a power of two of places for at most half as many numbers,
in which the next place is tried when one is taken. A place holds 1 + the position of a number
among those that were found so far, or 0.
"""

from rnnkit.kernels.language.descriptor import AXES, count, rounded
from rnnkit.kernels.language.elements import each_piece
from rnnkit.kernels.language.vector import Code, Int, Unit

MULTIPLIER, BITS = 0x9E3779B1, 1 << 32  # Knuth's multiplicative hash
FEWEST = 16
WRONG_ID, WRONG_SHAPE = 1, 2


def write_rows(unit: Unit) -> None:
    """Write ``room(g, ids)`` and ``gather(g, ids, n, room, to)``.

    `g` and `ids` are descriptors of the gradient by the rows, (..., O), and of their numbers,
    (...), of at most two axes. ``room`` returns how many bytes ``gather`` needs. That changes `g`
    to a descriptor of the sums, puts the address of their numbers at `to`, and returns 0; or
    `WRONG_ID` if a number is not from -n to n - 1, or `WRONG_SHAPE`.
    """
    _write_find(unit)
    _write_add(unit)
    with unit.function('room', 'g ids', export=True) as (code, g, ids):
        n = count(code, ids)
        code.ret(rounded(8 * (places(code, n) + n)) + n * code.get(g, AXES) * unit.target.size)
    with unit.function('gather', 'g ids n room to', export=True) as (code, g, ids, n, room, to):
        _gather(code, g, ids, n, room, to)


def places(code: Code, n: Int) -> Int:
    """Return the number of places of the hash table for `n` numbers."""
    size = code.var(code.int(FEWEST))
    with code.loop(0, 60), code.when(size.get() < 2 * n):
        size.set(2 * size.get())
    return size.get()


def _write_find(unit: Unit) -> None:
    """Write ``find(table, m, numbers, found, id)``: the position of a number.

    A number that is not among the `found` ones is appended to them.
    """
    args = 'table m numbers found id'
    with unit.function('find', args) as (code, table, m, numbers, found, number):
        # The upper bits of the product, which all bits of the number have a part in.
        start = number * MULTIPLIER % BITS // (code.int(BITS) // m)
        with code.loop(0, m) as k:
            place = table + (start + k) % m * 8
            position = code.get(place)
            with code.when(position.equals(0)):
                code.put(found + 1, place)
                code.put(number, numbers + found * 8)
                code.ret(found)
            with code.when(code.get(numbers + (position - 1) * 8).equals(number)):
                code.ret(position - 1)


def _write_add(unit: Unit) -> None:
    """Write ``add(row, stride, to, n, is_first)``: copy a row, or add it to what is there."""
    size = unit.target.size
    args = 'row stride to n is_first'
    with unit.function('add', args) as (code, row, stride, to, n, is_first):
        with code.when(stride.differs(size) & n.differs(1)):  # rows of elements far apart
            with code.loop(0, n) as k:
                code.call('add', row + k * stride, size, to + k * size, 1, is_first)
            code.ret(0)

        def copy() -> None:
            each_piece(
                code,
                0,
                n,
                lambda j, lanes: code.store(code.load(row + j * size, lanes), to + j * size, lanes),
            )

        def add() -> None:
            each_piece(
                code,
                0,
                n,
                lambda j, lanes: code.store(
                    code.load(row + j * size, lanes) + code.load(to + j * size, lanes),
                    to + j * size,
                    lanes,
                ),
            )

        code.choose(is_first.differs(0), copy, add)


def _gather(code: Code, g: Int, ids: Int, n: Int, room: Int, to: Int) -> None:
    size, width, total = code.target.size, code.get(g, AXES), count(code, ids)
    m = places(code, total)
    numbers, sums = room + m * 8, room + rounded(8 * (m + total))
    with code.loop(0, m) as k:
        code.put(0, room + k * 8)
    found = code.var(code.int(0))
    lengths = [code.get(ids, 1 + axis) for axis in range(1, AXES)]
    for axis, length in enumerate(lengths):
        with code.when(length.differs(code.get(g, 1 + axis))):
            code.ret(WRONG_SHAPE)
    steps = [code.get(ids, 1 + AXES + axis) for axis in range(1, AXES)]
    strides = [code.get(g, 1 + AXES + axis) for axis in range(AXES)]
    with code.loop(0, lengths[0]) as i, code.loop(0, lengths[1]) as j:
        number = code.get(code.get(ids) + i * steps[0] + j * steps[1])
        number = number + (number < 0).pick(n, 0)
        with code.when((number < 0) | (number >= n)):
            code.ret(WRONG_ID)
        here = code.call('find', room, m, numbers, found.get(), number)
        # The first row of a number is copied, so that the sums need not be cleared.
        is_first = here.equals(found.get()).pick(1, 0)
        row = code.get(g) + i * strides[0] + j * strides[1]
        code.call('add', row, strides[2], sums + here * (width * size), width, is_first)
        found.set(found.get() + is_first)
    described = [sums, 1, found.get(), width, 0, width * size, size]
    for k, value in enumerate(described):
        code.put(value, g, k)
    code.put(numbers, to)
