"""Descriptors of arrays: how kernels are told where an array is and how it is laid out.

A descriptor is `DESCRIPTOR` integers of 64 bits: the address, three lengths and three strides in
bytes. Arrays of fewer axes have leading axes of length 1.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from rnnkit.kernels.language.vector import Code, Int, Unit

AXES = 3
DESCRIPTOR = 1 + 2 * AXES


def rounded(size: Int) -> Int:
    """Return a number of bytes, rounded up to whole cache lines."""
    return size.ceil_div(64) * 64


def array_bytes(code: Code, descriptor: Int, item: int) -> Int:
    """Return the bytes of an array of elements of `item` bytes, in whole cache lines."""
    size = code.int(item)
    for axis in range(AXES):
        size = size * code.get(descriptor, 1 + axis)
    return rounded(size)


def count(code: Code, descriptor: Int) -> Int:
    """Return the number of elements of an array."""
    n = code.get(descriptor, 1)
    for axis in range(1, AXES):
        n = n * code.get(descriptor, 1 + axis)
    return n


def element(code: Code, descriptor: Int, k: Int) -> Int:
    """Return the address of element number `k` of an array, counted in order."""
    address = code.get(descriptor)
    for axis in reversed(range(AXES)):
        n, stride = code.get(descriptor, 1 + axis), code.get(descriptor, 1 + AXES + axis)
        address, k = address + (k % n) * stride, k // n
    return address


@contextmanager
def each_element(code: Code, desc: Int) -> Iterator[tuple[Int, Int]]:
    """Do the block for each element of an array, in order: yields its address and number."""
    n0, n1, n2, s0, s1, s2 = (code.get(desc, 1 + k) for k in range(2 * AXES))
    with code.loop(0, n0) as i, code.loop(0, n1) as j, code.loop(0, n2) as k:
        yield code.get(desc) + i * s0 + j * s1 + k * s2, (i * n1 + j) * n2 + k


def write_contiguous(unit: Unit) -> None:
    """Write ``contiguous(descriptor, item)``: whether elements follow each other in order."""
    with unit.function('contiguous', 'desc item') as (code, desc, item):
        stride = item
        for axis in reversed(range(AXES)):
            length, actual = code.get(desc, 1 + axis), code.get(desc, 1 + AXES + axis)
            # NumPy leaves the stride of an axis of length 1 undefined.
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
