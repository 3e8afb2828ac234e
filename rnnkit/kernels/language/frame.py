"""What goes into a compiled kernel, and what comes out: the frame.

In: the arrays that a kernel reads and writes, their shapes written with the letters of
`DIMS`. Out: the functions ``enter`` and ``stage`` of the kernel, and for its other functions
the places of all dimensions and addresses in one block of integers.

A caller describes its inputs by `DESCRIPTOR` integers each: the address, three lengths and
three strides in bytes, arrays of fewer axes having leading axes of length 1. ``enter`` checks
the shapes against each other, so that no kernel can be made to leave its arrays; ``stage``
copies inputs that are not contiguous.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from rnnkit.kernels.language.vector import Code, Int, Unit

DIMS = 'TBIH'  # time, batch, inputs, units
AXES = 3
DESCRIPTOR = 1 + 2 * AXES


class Array(NamedTuple):
    """An array of a kernel: its name and its shape, such as ``('T', 'B', '4H')``.

    Its elements are floats of the kernel's format, or (inputs only) whole numbers of 64 bits.
    """

    name: str
    dims: tuple[str, ...]
    whole: bool = False

    def item(self, size: int) -> int:
        """Return the bytes of an element, in a kernel whose floats have `size`."""
        return 8 if self.whole else size


def factor(dim: str) -> tuple[int, str | None]:
    """Return number and letter of a length: ``'4H'`` is (4, 'H'), ``'1'`` is (1, None)."""
    if dim[-1:] in DIMS:
        return int(dim[:-1] or 1), dim[-1]
    return int(dim), None


def leading(axes: int) -> tuple[str, ...]:
    """Return the axes before the last one, of an array that has two or three."""
    return ('T', 'B')[3 - axes :]


class Frame:
    """Inputs and outputs of a kernel, and the block of integers that its functions share.

    Parameters
    ----------
    inputs, outputs : sequence of Array
        The first input that has a bare letter as an axis defines that letter.
    what : str
        What the kernel computes, for messages.
    """

    def __init__(
        self, inputs: Sequence[Array], outputs: Sequence[Array], what: str = 'recurrent kernel'
    ):
        self.inputs, self.outputs, self.what = tuple(inputs), tuple(outputs), what
        names = [*DIMS, 'work', 'staged', *(a.name for a in (*inputs, *outputs))]
        self.place = {name: i for i, name in enumerate(names)}

    def read(self, code: Code, block: Int, *names: str) -> list[Int]:
        """Return dimensions or addresses by name."""
        return [code.get(block, self.place[name]) for name in names]

    def length(self, code: Code, block: Int, dim: str) -> Int:
        """Return a length such as ``'4H'``."""
        number, letter = factor(dim)
        return code.get(block, self.place[letter]) * number if letter else code.int(number)

    def write(self, unit: Unit) -> None:
        """Write ``enter`` and ``stage``."""
        write_contiguous(unit)
        for item in {array.item(unit.target.size) for array in self.inputs}:
            write_gather(unit, item)
        self._write_enter(unit)
        self._write_stage(unit)

    def _descriptors(self, desc: Int) -> Iterator[tuple[int, Array, Int]]:
        for i, array in enumerate(self.inputs):
            yield i, array, desc + 8 * DESCRIPTOR * i

    def _write_enter(self, unit: Unit) -> None:
        """Write ``enter(descriptors, block)``: 0, or 1 + the number of an input that does not fit.

        It fills in the lengths, and the addresses of the inputs: 0 if one must be staged.
        """
        with unit.function('enter', 'desc block', export=True) as (code, desc, block):
            defined: set[str] = set()
            staged = code.var(code.int(0))
            for i, array, at in self._descriptors(desc):
                for axis, dim in enumerate(array.dims, AXES - len(array.dims)):
                    actual = code.get(at, 1 + axis)
                    if dim in DIMS and dim not in defined:
                        defined.add(dim)
                        code.put(actual, block, self.place[dim])
                    with code.when(actual.differs(self.length(code, block, dim))):
                        code.ret(i + 1)
                item = array.item(unit.target.size)
                regular = code.call('contiguous', at, item).differs(0)
                code.put(regular.pick(code.get(at), 0), block, self.place[array.name])
                staged.set(staged.get() + regular.pick(0, array_bytes(code, at, item)))
            code.put(staged.get(), block, self.place['staged'])

    def _write_stage(self, unit: Unit) -> None:
        """Write ``stage(descriptors, block)``: copy what must be staged; return the next byte."""
        with unit.function('stage', 'desc block') as (code, desc, block):
            (work,) = self.read(code, block, 'work')
            to = code.var(work)
            for _, array, at in self._descriptors(desc):
                place, item = self.place[array.name], array.item(unit.target.size)
                with code.when(code.get(block, place).equals(0)):
                    code.put(to.get(), block, place)
                    code.call(f'gather{item}', at, to.get())
                    to.set(to.get() + array_bytes(code, at, item))
            code.ret(to.get())


def rounded(size: Int) -> Int:
    """Return a number of bytes, rounded up to whole cache lines."""
    return size.ceil_div(64) * 64


def array_bytes(code: Code, descriptor: Int, item: int) -> Int:
    """Return the bytes of an array of elements of `item` bytes, in whole cache lines."""
    size = code.int(item)
    for axis in range(AXES):
        size = size * code.get(descriptor, 1 + axis)
    return rounded(size)


def write_contiguous(unit: Unit) -> None:
    """Write ``contiguous(descriptor, item)``: whether elements follow each other in order."""
    with unit.function('contiguous', 'desc item') as (code, desc, item):
        stride = item
        for axis in reversed(range(AXES)):
            length, actual = code.get(desc, 1 + axis), code.get(desc, 1 + AXES + axis)
            with code.when(length.differs(1) & actual.differs(stride)):
                code.ret(0)
            stride = stride * length
        code.ret(1)


def write_gather(unit: Unit, item: int) -> None:
    """Write ``gather<item>(descriptor, to)``: copy an array element by element, in order."""
    with unit.function(f'gather{item}', 'desc to') as (code, desc, to):
        with each_element(code, desc) as (source, number):
            if item == unit.target.size:
                code.copy_element(source, to + number * item)
            else:
                code.put(code.get(source), to + number * item)


@contextmanager
def each_element(code: Code, desc: Int) -> Iterator[tuple[Int, Int]]:
    """Do the block for each element of an array, in order: yields its address and number."""
    n0, n1, n2, s0, s1, s2 = (code.get(desc, 1 + k) for k in range(2 * AXES))
    with code.loop(0, n0) as i, code.loop(0, n1) as j, code.loop(0, n2) as k:
        yield code.get(desc) + i * s0 + j * s1 + k * s2, (i * n1 + j) * n2 + k


def layout(sizes: dict[str, Int], start: Int) -> dict[str, Int]:
    """Return where each area starts, one after the other, and the ``end``."""
    places = {}
    for name, size in sizes.items():
        places[name] = start
        start = start + rounded(size)
    return places | {'end': start}
