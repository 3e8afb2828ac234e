"""The frame of a kernel: its inputs and outputs, and how its functions find them.

In: the arrays that a kernel reads and writes, their shapes written with letters: those of
`DIMS`, and any other capital for a further length. Out: the functions ``enter`` and ``stage`` of
the kernel, and for its other functions the places of all dimensions and addresses in one block of
integers.

A caller describes its inputs by descriptors, see `rnnkit.kernels.language.descriptor`.
``enter`` checks the shapes against each other, so that no kernel can be made to leave its
arrays; ``stage`` copies inputs that are not contiguous.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from rnnkit.kernels.language.descriptor import (
    AXES,
    DESCRIPTOR,
    array_bytes,
    write_contiguous,
    write_gather,
)
from rnnkit.kernels.language.vector import Code, Int, Unit

DIMS = 'TBIH'  # time, batch, inputs, units


class Array(NamedTuple):
    """An array of a kernel: its name and its shape, such as ``('T', 'B', '4H')``.

    A length is a letter, a multiple of one, a number, or a sum of these: ``'3H+C+1'``. The
    elements are floats of the kernel's format, or (inputs only) whole numbers of 64 bits.
    """

    name: str
    dims: tuple[str, ...]
    whole: bool = False

    def item(self, size: int) -> int:
        """Return the bytes of an element, in a kernel whose floats have `size`."""
        return 8 if self.whole else size


def factor(dim: str) -> tuple[int, str | None]:
    """Return a length as a multiple of one that has a place of its own in the block.

    ``'4H'`` is (4, 'H'), ``'1'`` is (1, None), and ``'3H+C'`` is (1, '3H+C').
    """
    if '+' in dim:
        return 1, dim
    if dim[-1:].isalpha():
        return int(dim[:-1] or 1), dim[-1]
    return int(dim), None


def letters(dims: Iterable[str]) -> set[str]:
    """Return the letters in some lengths."""
    return {letter for dim in dims for letter in dim if letter.isalpha()}


def leading(axes: int) -> tuple[str, ...]:
    """Return the axes before the last one, of an array that has up to three."""
    return ('T', 'B')[3 - axes :]


class Frame:
    """Inputs and outputs of a kernel, and the block of integers that its functions share.

    Parameters
    ----------
    inputs, outputs : sequence of Array
        The first input that has a bare letter as an axis defines that letter; if none has, the
        first one that has a multiple of it.
    what : str
        The name of the computation, for messages.
    """

    def __init__(
        self, inputs: Sequence[Array], outputs: Sequence[Array], what: str = 'recurrent kernel'
    ):
        self.inputs, self.outputs, self.what = tuple(inputs), tuple(outputs), what
        shapes = [a.dims for a in (*inputs, *outputs)]
        further = sorted(set().union(*map(letters, shapes)) - set(DIMS))
        self.sums = sorted({dim for dims in shapes for dim in dims if '+' in dim})
        self.lengths = [*DIMS, *further, *self.sums]
        names = [*self.lengths, 'work', 'staged', 'parts', *(a.name for a in (*inputs, *outputs))]
        self.place = {name: i for i, name in enumerate(names)}
        self.definers = self._find_definers()
        if unknown := set().union(*map(letters, shapes)) - self.definers.keys():
            raise ValueError(f'{what}: no array says what the length {min(unknown)} is')

    def read(self, code: Code, block: Int, *names: str) -> list[Int]:
        """Return dimensions or addresses by name."""
        return [code.get(block, self.place[name]) for name in names]

    def length(self, code: Code, block: Int, dim: str) -> Int:
        """Return a length such as ``'4H'`` or ``'3H+C'``."""
        total = code.int(0)
        for k, term in enumerate(dim.split('+')):
            number, letter = factor(term)
            part = code.get(block, self.place[letter]) * number if letter else code.int(number)
            total = total + part if k else part
        return total

    def count(self, code: Code, block: Int, dims: Sequence[str]) -> Int:
        """Return the product of some dimensions; of none, 1."""
        n, *others = self.read(code, block, *dims) if dims else [code.int(1)]
        for length in others:
            n = n * length
        return n

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

    def _find_definers(self) -> dict[str, tuple[int, int, int]]:
        """Return, for each letter, the input and the axis that define it, as a multiple of it."""
        found: dict[str, tuple[int, int, int]] = {}
        for i, array in enumerate(self.inputs):
            for axis, dim in enumerate(array.dims, AXES - len(array.dims)):
                number, letter = factor(dim)
                if letter is None or '+' in dim:
                    continue
                if letter not in found or found[letter][2] > 1 == number:
                    found[letter] = i, axis, number
        return found

    def _by_need(self, desc: Int) -> list[tuple[int, Array, Int]]:
        """Return the descriptors; each after those of the arrays that define its letters."""

        def last(item: tuple[int, Array, Int]) -> int:
            i, array, _ = item
            return max([i, *(self.definers[letter][0] for letter in letters(array.dims))])

        return sorted(self._descriptors(desc), key=last)

    def _write_enter(self, unit: Unit) -> None:
        """Write ``enter(descriptors, block)``: 0, or 1 + the number of an input that does not fit.

        It fills in the lengths, and the addresses of the inputs: 0 if one must be staged.
        """
        with unit.function('enter', 'desc block', export=True) as (code, desc, block):
            for letter, (i, axis, number) in self.definers.items():
                length = code.get(desc, DESCRIPTOR * i + 1 + axis) // number
                code.put(length, block, self.place[letter])
            staged = code.var(code.int(0))
            # At each call, for most lengths are not known when PyTensor builds the graph.
            for i, array, at in self._by_need(desc):
                for axis, dim in enumerate(array.dims, AXES - len(array.dims)):
                    actual = code.get(at, 1 + axis)
                    with code.when(actual.differs(self.length(code, block, dim))):
                        code.ret(i + 1)
                item = array.item(unit.target.size)
                regular = code.call('contiguous', at, item).differs(0)
                code.put(regular.pick(code.get(at), 0), block, self.place[array.name])
                staged.set(staged.get() + regular.pick(0, array_bytes(code, at, item)))
            code.put(staged.get(), block, self.place['staged'])
            for dim in self.sums:
                code.put(self.length(code, block, dim), block, self.place[dim])

    def _write_stage(self, unit: Unit) -> None:
        """Write ``stage(descriptors, block)``: copy what must be staged; return the next byte."""
        with unit.function('stage', 'desc block') as (code, desc, block):
            (work,) = self.read(code, block, 'work')
            to = code.var(work)
            for _, array, at in self._descriptors(desc):
                place, item = self.place[array.name], array.item(unit.target.size)
                # Views, such as a transpose, come from users and from PyTensor's rewrites. Kernels
                # that took strides would lose the loads of whole vectors.
                with code.when(code.get(block, place).equals(0)):
                    code.put(to.get(), block, place)
                    code.call(f'gather{item}', at, to.get())
                    to.set(to.get() + array_bytes(code, at, item))
            code.ret(to.get())
